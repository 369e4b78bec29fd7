//! Names to addresses. An address reaches the connector only through the check in here.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::special_range;
use super::allow_list::AllowList;

/// The addresses of a name, or why there are none.
pub type Resolution = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up.
pub trait Resolver: Send + Sync {
    /// All addresses of `host`, unchecked.
    fn resolve(&self, host: &str) -> Resolution;
}

/// The machine's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> Resolution {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// An address that is not dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is {address}, an address of the range {range}")]
pub(super) struct Forbidden {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) range: &'static str,
}

/// A name without addresses.
#[derive(Debug, thiserror::Error)]
#[error("no address for `{host}`: {reason}")]
pub(super) struct NoAddress {
    host: String,
    reason: String,
}

/// Says whether `host` may be dialled at `address`.
pub(super) fn vet(allow: &AllowList, host: &str, address: IpAddr) -> Result<(), Forbidden> {
    match special_range(address) {
        Some(range) if !allow.permits(host, address) => {
            Err(Forbidden { host: host.to_owned(), address, range })
        }
        _ => Ok(()),
    }
}

/// What the HTTP client asks for addresses.
///
/// Invariant: answers with checked addresses or not at all, and the client has no other way to
/// an address of a name. So what is checked is what is dialled, whatever a second look-up would say.
/// One forbidden address spoils the whole answer. Hosts that are addresses never come here; they are
/// checked before the request.
pub(super) struct VettedResolver {
    pub(super) allow: Arc<AllowList>,
    pub(super) inner: Arc<dyn Resolver>,
}

impl Resolve for VettedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = Arc::clone(&self.allow);
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let no_address = |reason: String| NoAddress { host: host.clone(), reason };
            let found = inner.resolve(&host).await.map_err(|error| no_address(error.to_string()))?;
            if found.is_empty() {
                return Err(no_address("the name exists without one".to_owned()).into());
            }
            for address in &found {
                vet(&allow, &host, *address)?;
            }
            // The client puts the port of the request in place of 0.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
