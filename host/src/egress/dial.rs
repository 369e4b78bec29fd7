//! From an origin to a connection: one look-up, every address checked, one of them dialled.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::egress::HttpError;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::allow_list::AllowList;
use super::origin::Origin;
use super::prepare::check_granted;
use super::resolve::{LookUpError, Resolver, look_up, vet};
use super::{Budget, Egress, Grants};
use crate::telemetry::metrics;

/// How long one address may take to answer; leaves time for another address of the host.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// There is nowhere to connect to.
    #[error(transparent)]
    LookUp(#[from] LookUpError),
    /// Nobody answers there, or not as who they should be.
    #[error("{0}")]
    NoConnection(String),
}

impl DialError {
    pub(super) fn slow() -> Self {
        Self::NoConnection(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))
    }

    /// What the plugin that wanted to go there is told; a refusal is counted.
    pub(super) fn tell(&self, grants: &Grants, origin: &Origin) -> HttpError {
        if matches!(self, Self::LookUp(LookUpError::Forbidden { .. })) {
            grants.refuse("address");
        }
        match self {
            Self::LookUp(error) => error.tell(grants.plugin.as_str()),
            Self::NoConnection(why) => {
                HttpError::Unreachable(format!("`{origin}`: there is no connection: {why}"))
            }
        }
    }
}

/// Makes connections.
///
/// Invariant: there is no other way to one. An address is dialled only by [`Dialler::dial`], which has
/// checked that very address just before, so a second look-up cannot lead elsewhere.
#[derive(Clone)]
pub(super) struct Dialler {
    pub(super) allow: Arc<AllowList>,
    pub(super) resolver: Arc<dyn Resolver>,
}

impl Dialler {
    /// Connects to the first address that answers.
    pub(super) async fn dial(&self, origin: &Origin) -> Result<TcpStream, DialError> {
        let addresses = match origin.address() {
            Some(address) => {
                vet(&self.allow, origin.host(), address)?;
                vec![address]
            }
            None => look_up(&self.allow, &*self.resolver, origin.host()).await?,
        };
        first_to_answer(&addresses, origin.port()).await
    }
}

async fn first_to_answer(addresses: &[IpAddr], port: u16) -> Result<TcpStream, DialError> {
    let mut last = DialError::slow();
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => {
                // Whole requests are written at once; waiting for more would only delay them.
                stream.set_nodelay(true).ok();
                return Ok(stream);
            }
            Ok(Err(error)) => last = DialError::NoConnection(error.to_string()),
            Err(_) => last = DialError::slow(),
        }
    }
    Err(last)
}

impl Egress {
    /// Connects to a granted origin and hands the connection over, for what is not HTTP; TLS is for the
    /// caller to speak.
    ///
    /// The name is looked up once, all its addresses are checked, and one of these is dialled: the first
    /// that answers, 5 seconds each. The connection counts as one request of the budget; the caller counts
    /// bytes. Waits no longer than `time_left`.
    ///
    /// # Errors
    /// [`HttpError`], in the same words as [`Egress::call`].
    pub async fn dial(
        &self,
        grants: &Grants,
        budget: &Budget,
        origin: &Origin,
        time_left: Duration,
    ) -> Result<TcpStream, HttpError> {
        if time_left.is_zero() {
            return Err(HttpError::BudgetExceeded("no time is left".to_owned()));
        }
        let began = Instant::now();
        let dialled = timeout(time_left, self.dial_granted(grants, budget, origin));
        let result = dialled.await.unwrap_or(Err(HttpError::Timeout));
        let outcome = result.as_ref().map_or_else(HttpError::kind, |_| "connected");
        metrics::egress_call(grants.kind, &grants.plugin, outcome, began.elapsed());
        result
    }

    async fn dial_granted(
        &self,
        grants: &Grants,
        budget: &Budget,
        origin: &Origin,
    ) -> Result<TcpStream, HttpError> {
        budget.take_call(0)?;
        check_granted(grants, origin)?;
        let dialled = self.dialler.dial(origin).await;
        dialled.map_err(|error| error.tell(grants, origin))
    }
}
