//! What the host does for one call of a plugin.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::egress::{HttpError, HttpRequest, HttpResponse, MailError, MailMessage, SentMail, SnapshotKind};
use domain::id::{RunId, TraceId};
use domain::limits::EgressLimits;
use domain::plugin::{PluginKind, PluginName};
use domain::time::Timestamp;
use rand::Rng as _;
use sandbox::{CallError, Ended, HostServices, LogLevel, PluginLog};
use tracing::Level;

use crate::clock;
use crate::egress::{Budget, Egress, Grants, Sent};
use crate::telemetry::metrics;

/// Answers what a plugin asks about this machine.
pub trait Snapshots: Send + Sync {
    /// A part of it as JSON of the shape that the contract gives, within `time_left`.
    ///
    /// # Errors
    /// Text for the plugin.
    fn tell<'a>(
        &'a self,
        kind: SnapshotKind,
        options: &'a str,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;
}

/// How much of a digest a log line shows, in hexadecimal digits.
const SHOWN_DIGEST: usize = 12;

/// Milliseconds with three digits behind the point.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

/// Takes a plugin's lines and says whose they are.
#[derive(Debug, Clone)]
pub struct CallLog {
    kind: PluginKind,
    plugin: PluginName,
    run_id: RunId,
    trace_id: TraceId,
}

impl CallLog {
    /// The log of one call.
    pub fn new(kind: PluginKind, plugin: &PluginName, run_id: RunId, trace_id: TraceId) -> Self {
        Self { kind, plugin: plugin.clone(), run_id, trace_id }
    }

    /// One line about a call, and never a word of what went in or came back.
    fn tell(&self, call: &Ended<'_>) {
        let Self { kind, plugin, run_id, trace_id } = self;
        let Ended { function, end, .. } = *call;
        let digest = call.digest.get(..SHOWN_DIGEST).unwrap_or(call.digest);
        let (cpu_ms, wall_ms) = (millis(call.spent.cpu), millis(call.spent.wall));
        let memory_bytes = call.spent.memory_bytes;
        macro_rules! line {
            ($level:ident, $($end:tt)+) => {
                tracing::event!(
                    Level::$level,
                    plugin.name = %plugin,
                    plugin.kind = %kind,
                    plugin.digest = digest,
                    plugin.function = function,
                    cpu_ms,
                    wall_ms,
                    memory_bytes,
                    %run_id,
                    %trace_id,
                    $($end)+
                )
            };
        }
        match call.is_stopped {
            true => line!(WARN, error.r#type = end, "{kind} `{plugin}`: `{function}` was stopped: {end}"),
            false => line!(DEBUG, outcome = end, "{kind} `{plugin}`: `{function}` ended: {end}"),
        }
    }
}

impl PluginLog for CallLog {
    #[expect(clippy::cognitive_complexity, reason = "one macro, expanded for each of the five levels")]
    fn log(&self, level: LogLevel, message: &str) {
        let (plugin, run_id, trace_id) = (&self.plugin, self.run_id, self.trace_id);
        macro_rules! line {
            ($level:ident) => {
                tracing::event!(Level::$level, plugin.name = %plugin, %run_id, %trace_id, "{plugin}: {message}")
            };
        }
        match level {
            LogLevel::Trace => line!(TRACE),
            LogLevel::Debug => line!(DEBUG),
            LogLevel::Info => line!(INFO),
            LogLevel::Warn => line!(WARN),
            LogLevel::Error => line!(ERROR),
        }
    }

    fn ended(&self, call: &Ended<'_>) {
        metrics::plugin_spent(self.kind, &self.plugin, &call.spent);
        self.tell(call);
    }
}

/// Counts how a call ended.
pub fn count_call<T>(kind: PluginKind, plugin: &PluginName, result: &Result<T, CallError>) {
    metrics::plugin_call(kind, plugin, result.as_ref().map_or_else(CallError::error_type, |_| "ok"));
}

/// The world outside, as far as one call may see it.
pub struct Outside {
    log: Box<dyn PluginLog>,
    egress: Arc<Egress>,
    grants: Grants,
    budget: Budget,
    snapshots: Option<Arc<dyn Snapshots>>,
    denied: AtomicBool,
    timed_out: AtomicBool,
}

impl Outside {
    /// For one call with these grants and limits; without `snapshots` the machine is not shown.
    pub fn new(
        log: impl PluginLog + 'static,
        egress: Arc<Egress>,
        grants: Grants,
        limits: EgressLimits,
        snapshots: Option<Arc<dyn Snapshots>>,
    ) -> Self {
        let (denied, timed_out) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { log: Box::new(log), egress, grants, budget: Budget::new(limits), snapshots, denied, timed_out }
    }

    /// Whether the way out was refused to the plugin, which tells of it in words of its own.
    pub fn was_denied(&self) -> bool {
        self.denied.load(Ordering::Relaxed)
    }

    /// Whether a remote did not answer in time.
    pub fn has_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// The same, keeping every request for [`Outside::sent`].
    #[must_use]
    pub fn recording(self) -> Self {
        Self { budget: self.budget.recording(), ..self }
    }

    /// What the plugin has sent, as it wrote it; see [`Budget::sent`].
    pub fn sent(&self) -> Vec<Sent> {
        self.budget.sent()
    }
}

impl PluginLog for Outside {
    fn log(&self, level: LogLevel, message: &str) {
        self.log.log(level, message);
    }

    fn ended(&self, call: &Ended<'_>) {
        self.log.ended(call);
    }
}

impl HostServices for Outside {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn random(&self, buffer: &mut [u8]) {
        rand::rng().fill_bytes(buffer);
    }

    fn http<'a>(
        &'a self,
        request: HttpRequest,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>> {
        Box::pin(async move {
            let result = self.egress.call(&self.grants, &self.budget, request, time_left).await;
            match &result {
                Err(HttpError::Denied(_)) => self.denied.store(true, Ordering::Relaxed),
                Err(HttpError::Timeout) => self.timed_out.store(true, Ordering::Relaxed),
                _ => {}
            }
            result
        })
    }

    fn mail<'a>(
        &'a self,
        message: MailMessage,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<SentMail, MailError>> + Send + 'a>> {
        Box::pin(self.egress.mail(&self.grants, &self.budget, message, time_left))
    }

    fn snapshot<'a>(
        &'a self,
        kind: SnapshotKind,
        options: &'a str,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        if let Some(snapshots) = &self.snapshots {
            return snapshots.tell(kind, options, time_left);
        }
        let plugin = &self.grants.plugin;
        let why = format!("not granted\nhint: `system = true` under [provider.{plugin}] in plugins.toml");
        Box::pin(std::future::ready(Err(why)))
    }
}
