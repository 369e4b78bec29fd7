//! The only way out: grants, addresses, secrets, limits.
//!
//! A request passes four gates in this order. Its origin must be granted. The secrets it names are
//! put in and must be bound to that origin. Every address of its host must be public or listed by the
//! operator, and only addresses that passed are dialled. What it sends, receives and waits for is
//! counted. Nothing here reads proxies from the environment, follows a redirect to another origin,
//! turns one method into another, keeps cookies or decodes content. What comes back is freed of the
//! secrets of the call.

mod address;
mod allow_list;
mod budget;
mod connect;
mod dial;
mod exchange;
mod foresee;
mod headers;
mod mail;
mod origin;
mod prepare;
mod redact;
mod resolve;
mod secrets;
mod sign;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::egress::{HttpError, HttpRequest, HttpResponse};
use domain::id::ChannelId;
use domain::plugin::{PluginKind, PluginName};
use domain::trace::{SpanId, TraceParent};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use moka::sync::Cache;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

pub use allow_list::{AllowList, AllowListError};
pub use budget::{Budget, Sent, Usage};
pub use origin::{Origin, OriginError};
pub use resolve::{Resolution, Resolver, SystemResolver};
pub use secrets::BoundSecret;
pub use tls::TlsError;

use crate::clock::{self, Ids};
use crate::config::EgressSettings;
use crate::telemetry::export::{self, Side, Step};
use crate::telemetry::metrics;
use connect::Connector;
use dial::Dialler;
use exchange::{Client, Route};
use redact::Redactor;

/// `wit/host.wit`: how long a request without a timeout of its own waits.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many pools of connections are kept; the one not used for longest makes room for a new one.
const MAX_POOLS: u64 = 256;

/// How long an unused pool, and within it an unused connection, is kept.
const POOL_IDLE: Duration = Duration::from_secs(300);
const CONNECTION_IDLE: Duration = Duration::from_secs(30);

/// Idle connections kept for one host of one pool.
const CONNECTIONS_PER_HOST: usize = 2;

/// The longest head of an answer that is looked at; what of it may be used is less.
const MAX_HEAD_BYTES: usize = 128 * 1024;

/// What may come over a connection for one answer: its body at most, as much again for the framing of many
/// small pieces, and this for its head and interim answers.
const MAX_BESIDE_BYTES: usize = 256 * 1024;

/// What one call of a plugin may reach and put into requests.
#[derive(Debug, Clone)]
pub struct Grants {
    /// What it is a plugin for; plugins of two kinds may have one name.
    pub kind: PluginKind,
    /// Who asks; named in refusals.
    pub plugin: PluginName,
    /// On whose behalf, where there is a channel. Connections are shared per plugin and channel only.
    pub channel: Option<ChannelId>,
    /// Where requests may go. For a channel with an address of its own this includes
    /// [`Origin::of_url`] of it, also if the address is a secret.
    pub origins: Vec<Origin>,
    /// What placeholders may stand for.
    pub secrets: Vec<BoundSecret>,
    /// The step of a trace that the call is a part of; its requests tell the remote.
    pub trace: Option<TraceParent>,
}

impl Grants {
    /// Counts what one request or mail moved, and whether there was no budget for it.
    fn count(&self, moved: Usage, outcome: &str) {
        metrics::egress_bytes(self.kind, &self.plugin, moved.sent_bytes, moved.received_bytes);
        if outcome == "budget_exceeded" {
            self.refuse("budget");
        }
    }

    /// Counts a refusal.
    fn refuse(&self, reason: &'static str) {
        metrics::egress_refused(self.kind, &self.plugin, reason);
    }
}

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The exceptions are not understood.
    #[error(transparent)]
    AllowList(#[from] AllowListError),
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Requests of one plugin share connections only under the same grants and limits.
type PoolKey = (PluginKind, PluginName, Option<ChannelId>, Vec<Origin>, usize);

/// Sends requests for plugins. One for the whole program.
pub struct Egress {
    dialler: Dialler,
    tls: ClientConfig,
    pools: Cache<PoolKey, Client>,
}

impl Egress {
    /// Sets up the way out as the operator wants it, with the machine's own resolver.
    ///
    /// # Errors
    /// [`SetupError`], which names the setting.
    pub fn open(settings: &EgressSettings) -> Result<Self, SetupError> {
        let allow = AllowList::parse(&settings.allowed)?;
        Self::new(allow, Arc::new(SystemResolver), settings.authorities.as_deref())
    }

    /// Sets up the way out. `authorities` is a file of certificates that are believed beside the system's.
    ///
    /// # Errors
    /// [`SetupError`] where TLS is not to be had on this machine, or the file is no good.
    pub fn new(
        allow: AllowList,
        resolver: Arc<dyn Resolver>,
        authorities: Option<&Path>,
    ) -> Result<Self, SetupError> {
        let pools = Cache::builder().max_capacity(MAX_POOLS).time_to_idle(POOL_IDLE).build();
        let dialler = Dialler { allow: Arc::new(allow), resolver };
        Ok(Self { dialler, tls: tls::config(authorities)?, pools })
    }

    /// Sends one request and waits for the whole answer, whatever its status.
    ///
    /// Waits as long as the request asks for, 10 seconds without a wish, and never longer than
    /// `time_left`. Dropping the future cuts the connection.
    ///
    /// # Errors
    /// [`HttpError`]; its texts name plugin, host and the line to add, and hold no secret, path, query
    /// or body.
    pub async fn call(
        &self,
        grants: &Grants,
        budget: &Budget,
        request: HttpRequest,
        time_left: Duration,
    ) -> Result<HttpResponse, HttpError> {
        let (began, began_at, before) = (Instant::now(), clock::now(), budget.used());
        let step = grants.trace.map(|parent| TraceParent { span_id: SpanId::mint(&mut Ids), ..parent });
        let result = self.exchange(grants, budget, request, time_left, step).await;
        let result = Redactor::new(&grants.secrets).result(result);
        if let Some((parent, step)) = grants.trace.zip(step) {
            export::step(|| Step {
                name: "http",
                side: Side::Client,
                trace_id: step.trace_id,
                id: step.span_id,
                parent: Some(parent.span_id),
                link: None,
                began: began_at,
                ended: clock::now(),
                error: result.as_ref().err().map(|error| error.kind().to_owned()),
                fields: told(&grants.plugin, &result),
            });
        }
        let outcome = result.as_ref().map_or_else(HttpError::kind, |answer| class(answer.status));
        metrics::egress_call(grants.kind, &grants.plugin, outcome, began.elapsed());
        grants.count(budget.used().since(before), outcome);
        result
    }

    async fn exchange(
        &self,
        grants: &Grants,
        budget: &Budget,
        request: HttpRequest,
        time_left: Duration,
        step: Option<TraceParent>,
    ) -> Result<HttpResponse, HttpError> {
        if time_left.is_zero() {
            return Err(HttpError::BudgetExceeded("no time is left".to_owned()));
        }
        let wished = request.timeout_ms.map_or(DEFAULT_TIMEOUT, |ms| Duration::from_millis(ms.into()));
        budget.admit()?;
        let record = budget.to_record(&request);
        let mut prepared = prepare::prepare(grants, request).inspect_err(|_| budget.take_refusal())?;
        if let Some(step) = step {
            prepared.trace(step);
        }
        let client = self.client(grants, budget);
        let route = Route { client: &client, grants, budget };
        let exchange = Box::pin(route.exchange(prepared, record));
        tokio::time::timeout(wished.min(time_left), exchange).await.unwrap_or(Err(HttpError::Timeout))
    }

    fn client(&self, grants: &Grants, budget: &Budget) -> Client {
        let most = budget.limits().response_bytes;
        let key = (grants.kind, grants.plugin.clone(), grants.channel, grants.origins.clone(), most);
        self.pools.get_with(key, || self.build_client(most))
    }

    fn build_client(&self, most: usize) -> Client {
        // HTTP/2 where the remote has it; what else is spoken over this TLS names no protocol.
        let mut tls = self.tls.clone();
        tls.alpn_protocols = [b"h2".as_slice(), b"http/1.1"].map(<[u8]>::to_vec).to_vec();
        let connector = Connector {
            dialler: self.dialler.clone(),
            tls: TlsConnector::from(Arc::new(tls)),
            most_read: most.saturating_mul(2).saturating_add(MAX_BESIDE_BYTES),
        };
        legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(CONNECTION_IDLE)
            .pool_max_idle_per_host(CONNECTIONS_PER_HOST)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(connector)
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("allow", &self.dialler.allow).finish_non_exhaustive()
    }
}

fn told(plugin: &PluginName, result: &Result<HttpResponse, HttpError>) -> Vec<(&'static str, String)> {
    let status = result.iter().map(|answer| ("http.response.status_code", answer.status.to_string()));
    status.chain([("plugin.name", plugin.to_string())]).collect()
}

/// The class of a status, as a label.
const fn class(status: u16) -> &'static str {
    match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests;
