//! Connections for what is not HTTP, under the same rules.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use domain::egress::HttpError;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::origin::Origin;
use super::prepare::check_granted;
use super::resolve::{look_up, vet};
use super::{Budget, CONNECT_TIMEOUT, Egress, Grants};
use crate::telemetry::metrics;

impl Egress {
    /// Connects to a granted origin and hands the connection over; TLS is for the caller to speak.
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
        let dialled = timeout(time_left, self.connect(grants, budget, origin));
        let result = dialled.await.unwrap_or(Err(HttpError::Timeout));
        let outcome = result.as_ref().map_or_else(HttpError::kind, |_| "connected");
        metrics::egress_call(&grants.plugin, outcome, began.elapsed());
        result
    }

    async fn connect(
        &self,
        grants: &Grants,
        budget: &Budget,
        origin: &Origin,
    ) -> Result<TcpStream, HttpError> {
        budget.take_call(0)?;
        check_granted(grants, origin)?;
        let addresses = match origin.address() {
            Some(address) => vet(&self.allow, origin.host(), address).map(|()| vec![address]),
            None => look_up(&self.allow, &*self.resolver, origin.host()).await,
        };
        let addresses = addresses.map_err(|error| error.tell(grants.plugin.as_str()))?;
        first_to_answer(&addresses, origin).await
    }
}

async fn first_to_answer(addresses: &[IpAddr], origin: &Origin) -> Result<TcpStream, HttpError> {
    let mut reason = String::new();
    for address in addresses {
        let connecting = TcpStream::connect(SocketAddr::new(*address, origin.port()));
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => reason = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(HttpError::Unreachable(format!("`{origin}`: there is no connection: {reason}")))
}
