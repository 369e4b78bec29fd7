//! Names to addresses, and the check that each of these passes.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

use domain::egress::HttpError;

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

/// Why there is no address to dial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LookUpError {
    /// One of the addresses is not dialled.
    #[error("its address {address} is {range}")]
    Forbidden {
        /// The host as it was asked for.
        host: String,
        /// What it leads to.
        address: IpAddr,
        /// In which range that lies.
        range: &'static str,
    },
    /// There is none.
    #[error("no address for `{host}`: {reason}")]
    None {
        /// The host as it was asked for.
        host: String,
        /// In the resolver's words.
        reason: String,
    },
}

impl LookUpError {
    /// What the plugin that wanted to go there is told.
    pub(super) fn tell(&self, plugin: &str) -> HttpError {
        match self {
            Self::Forbidden { host, .. } => HttpError::Denied(format!(
                "`{plugin}` may not reach `{host}`: {self}\n\
                 hint: if that is meant, add `{}` to `SSRF_ALLOWED_HOSTS`",
                host.trim_start_matches('[').trim_end_matches(']'),
            )),
            Self::None { .. } => HttpError::Unreachable(self.to_string()),
        }
    }
}

/// Says whether `host` may be dialled at `address`.
pub(super) fn vet(allow: &AllowList, host: &str, address: IpAddr) -> Result<(), LookUpError> {
    match special_range(address) {
        Some(range) if !allow.permits(host, address) => {
            Err(LookUpError::Forbidden { host: host.to_owned(), address, range })
        }
        _ => Ok(()),
    }
}

/// All addresses of a name from one look-up, each of them checked. One forbidden address spoils the whole
/// answer: who mixes them in means something by it.
pub(super) async fn look_up(
    allow: &AllowList,
    resolver: &dyn Resolver,
    host: &str,
) -> Result<Vec<IpAddr>, LookUpError> {
    let none = |reason: String| LookUpError::None { host: host.to_owned(), reason };
    let found = resolver.resolve(host).await.map_err(|error| none(error.to_string()))?;
    if found.is_empty() {
        return Err(none("the name exists without one".to_owned()));
    }
    for address in &found {
        vet(allow, host, *address)?;
    }
    Ok(found)
}
