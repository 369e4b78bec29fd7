//! Notifications that somebody waits for: sent at once, once, and not stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::alert::{AlertStatus, Severity};
use domain::delivery::Channel;
use domain::id::{DeliveryId, RunId, TraceId};
use domain::plugin::{Notification, PluginError, PluginName};
use domain::time::millis;
use domain::trace::{SpanId, TraceParent};
use serde_json::{Value, json};
use store::StoreError;
use tokio::sync::Semaphore;

use super::call::{self, Call, Failure, Means};
use super::seal;
use super::worker::Parts;
use crate::clock::{self, Ids};
use crate::plugins::{ChannelError, NotifierEntry};
use crate::telemetry::{export, metrics};

/// How long one notification may take: longer than a notifier may by default.
pub const WITHIN: Duration = Duration::from_secs(20);
/// How many are sent at once, whoever asks; more wait. The outbox has workers of its own.
const SLOTS: usize = 8;

/// What to tell.
#[derive(Debug, Clone)]
pub struct Message {
    /// The idempotency key; none has one made.
    pub id: Option<String>,
    /// What it is about, in the sender's words: the same for a beginning and its end. None stands for `id`.
    pub incident_id: Option<String>,
    /// One line.
    pub title: String,
    /// Several lines.
    pub message: String,
    /// How bad.
    pub severity: Severity,
    /// Whether it holds or is over.
    pub status: AlertStatus,
    /// Short facts.
    pub tags: BTreeMap<String, String>,
    /// Addresses a person may open.
    pub links: BTreeMap<String, String>,
}

/// Where to.
#[derive(Debug, Clone)]
pub enum Target {
    /// A stored channel, by name.
    Channel(String),
    /// A notifier with settings that came with the request.
    AdHoc {
        /// Its name.
        notifier: String,
        /// Its settings.
        settings: Value,
    },
}

/// The remote took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The channel; none for settings that came with the request.
    pub channel: Option<String>,
    /// Who delivered it.
    pub notifier: PluginName,
    /// The idempotency key.
    pub id: String,
    /// The remote's own identifier.
    pub remote_ref: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing was delivered, or nothing is known of it.
#[derive(Debug, thiserror::Error)]
pub enum NowError {
    /// There is none of this name.
    #[error("there is no channel `{name}`\nhint: there are {known}")]
    NoChannel {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// There is none of this name.
    #[error("there is no notifier `{name}`\nhint: there are {known}")]
    NoNotifier {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// It is switched off.
    #[error("channel `{0}` is switched off\nhint: `watchbell channel enable {0}`")]
    Off(String),
    /// They cannot be used; nobody was called.
    #[error("{whose}: {error}")]
    Settings {
        /// Whose settings.
        whose: String,
        /// Why.
        error: ChannelError,
    },
    /// The notifier finds fault with its settings.
    #[error("{0}")]
    Unusable(String),
    /// The way out was refused.
    #[error("{0}")]
    Denied(String),
    /// The remote will not take it.
    #[error("{0}")]
    Refused(String),
    /// The remote asks to wait.
    #[error("the remote asks to wait{}", .0.map(|seconds| format!(" {seconds} s")).unwrap_or_default())]
    RateLimited(Option<u32>),
    /// The remote is not there, or not well.
    #[error("{0}")]
    Unavailable(String),
    /// No answer in time; it may have arrived.
    #[error(
        "no answer within the time there is; the remote may have taken it\nhint: the same `Idempotency-Key` again does no harm where the remote heeds it"
    )]
    Timeout,
    /// The notifier broke.
    #[error("{0}")]
    Broken(String),
    /// Too many are being sent.
    #[error("too many notifications are being sent at once")]
    Busy,
    /// The stored settings cannot be opened.
    #[error("the settings of channel `{0}` cannot be opened with the secret key of this hub")]
    Sealed(String),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NowError {
    /// The error in one word: a small closed set.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoChannel { .. } => "no_channel",
            Self::NoNotifier { .. } => "no_notifier",
            Self::Off(_) => "off",
            Self::Settings { .. } | Self::Unusable(_) => "settings",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable(_) => "unavailable",
            Self::Timeout => "timeout",
            Self::Broken(_) => "broken",
            Self::Busy => "busy",
            Self::Sealed(_) => "sealed",
            Self::Store(_) => "store",
        }
    }
}

/// Sends notifications at once.
pub struct Sender {
    parts: Parts,
    slots: Semaphore,
}

/// Whose notifier is called, with what.
struct Goal {
    entry: Arc<NotifierEntry>,
    channel: Option<Channel>,
    settings: Value,
}

impl Sender {
    /// For these parts.
    pub const fn new(parts: Parts) -> Self {
        Self { parts, slots: Semaphore::const_new(SLOTS) }
    }

    /// Sends a message, once, by `until` at the latest. `actor` is for the log.
    ///
    /// # Errors
    /// [`NowError`].
    pub async fn send(
        &self,
        target: Target,
        message: Message,
        until: Instant,
        actor: &str,
    ) -> Result<Sent, NowError> {
        let goal = self.goal(target).await?;
        if let Some(channel) = goal.channel.as_ref().filter(|channel| !channel.enabled) {
            return Err(NowError::Off(channel.name.clone()));
        }
        self.send_to(goal, message, until, actor).await
    }

    /// Sends a test through a channel, also through one that is switched off.
    ///
    /// # Errors
    /// [`NowError`].
    pub async fn test(&self, channel: &str, actor: &str) -> Result<Sent, NowError> {
        let goal = self.goal(Target::Channel(channel.to_owned())).await?;
        let message = Message {
            id: None,
            incident_id: None,
            title: format!("[TEST] Watchbell can reach channel {channel}"),
            message: format!(
                "This is a test, sent by {actor}. Nothing is wrong and there is nothing to do.\n\
                 Whoever reads this would have been told of an incident here."
            ),
            severity: Severity::Info,
            status: AlertStatus::Firing,
            tags: [("test".to_owned(), "true".to_owned())].into(),
            links: BTreeMap::new(),
        };
        self.send_to(goal, message, Instant::now() + WITHIN, actor).await
    }

    async fn goal(&self, target: Target) -> Result<Goal, NowError> {
        let Parts { store, catalogue, keys, .. } = &self.parts;
        match target {
            Target::AdHoc { notifier, settings } => {
                let entry = self.notifier(&notifier)?;
                Ok(Goal { entry, channel: None, settings })
            }
            Target::Channel(name) => {
                let channel = match store.channel(&name).await {
                    Ok(channel) => channel,
                    Err(StoreError::NotFound(_)) => return Err(self.no_channel(&name).await?),
                    Err(error) => return Err(error.into()),
                };
                let entry = catalogue.notifier(&channel.notifier).ok_or_else(|| {
                    let (channel, notifier) = (&channel.name, &channel.notifier);
                    NowError::Unusable(format!("notifier `{notifier}` of channel `{channel}` is not loaded"))
                })?;
                let settings = seal::open(keys, channel.id, &store.channel_settings(channel.id).await?)
                    .map_err(|_| NowError::Sealed(channel.name.clone()))?;
                Ok(Goal { entry, channel: Some(channel), settings })
            }
        }
    }

    /// The notifier of this name.
    ///
    /// # Errors
    /// [`NowError::NoNotifier`], which names those there are.
    pub fn notifier(&self, name: &str) -> Result<Arc<NotifierEntry>, NowError> {
        let found = name.parse().ok().and_then(|name| self.parts.catalogue.notifier(&name));
        found.ok_or_else(|| {
            let known = self.parts.catalogue.notifiers();
            let known: Vec<String> =
                known.iter().map(|entry| format!("`{}`", entry.notifier.info().plugin.name)).collect();
            NowError::NoNotifier { name: shown(name), known: listed(&known) }
        })
    }

    async fn no_channel(&self, name: &str) -> Result<NowError, StoreError> {
        let known = self.parts.store.channels().await?;
        let known: Vec<String> = known.iter().map(|channel| format!("`{}`", channel.name)).collect();
        Ok(NowError::NoChannel { name: shown(name), known: listed(&known) })
    }

    async fn send_to(
        &self,
        goal: Goal,
        message: Message,
        until: Instant,
        actor: &str,
    ) -> Result<Sent, NowError> {
        let (run_id, trace_id) = (RunId::mint(&mut Ids), TraceId::mint(&mut Ids));
        let began = Instant::now();
        let notification = notification(message, run_id, trace_id);
        let result = self.call(&goal, &notification, (run_id, trace_id), until).await;
        let took = began.elapsed();
        let outcome = result.as_ref().map_or_else(NowError::kind, |_| "delivered");
        let plugin = &goal.entry.notifier.info().plugin.name;
        metrics::sent(plugin, outcome, took);
        let name = goal.channel.as_ref().map(|channel| channel.name.as_str());
        let (to, duration_ms) = (name.unwrap_or("settings of its own"), millis(took));
        match &result {
            Ok(_) => tracing::info!(
                actor, %run_id, %trace_id, channel.name = name, plugin.name = %plugin, outcome, duration_ms,
                "{actor} sent a notification by `{plugin}` through {to}"
            ),
            Err(error) => tracing::warn!(
                actor, %run_id, %trace_id, channel.name = name, plugin.name = %plugin, outcome, duration_ms,
                error.r#type = error.kind(),
                "a notification of {actor} by `{plugin}` through {to} was not delivered: {error}"
            ),
        }
        let remote_ref = result?;
        let channel = goal.channel.map(|channel| channel.name);
        Ok(Sent { channel, notifier: plugin.clone(), id: notification.id, remote_ref, took })
    }

    async fn call(
        &self,
        goal: &Goal,
        notification: &Notification,
        (run_id, trace_id): (RunId, TraceId),
        until: Instant,
    ) -> Result<Option<String>, NowError> {
        let Parts { egress, references, templates, .. } = &self.parts;
        let step = TraceParent { trace_id, span_id: SpanId::mint(&mut Ids), sampled: export::is_on() };
        let call = Call {
            entry: &goal.entry,
            channel: goal.channel.as_ref(),
            settings: &goal.settings,
            notification,
            run_id,
            trace_id,
            step,
        };
        let until = tokio::time::Instant::from_std(until);
        let slot = tokio::time::timeout_at(until, self.slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else { return Err(NowError::Busy) };
        let means = Means { egress, references, templates };
        match tokio::time::timeout_at(until, call::call(&means, call)).await {
            Ok(Ok(receipt)) => Ok(receipt.remote_ref),
            Ok(Err(failure)) => Err(sorted(failure, goal)),
            Err(_) => Err(NowError::Timeout),
        }
    }
}

fn sorted(failure: Failure, goal: &Goal) -> NowError {
    match failure {
        Failure::Settings(error) => {
            let plugin = &goal.entry.notifier.info().plugin.name;
            let whose = goal.channel.as_ref().map(|channel| format!("channel `{}`", channel.name));
            NowError::Settings { whose: whose.unwrap_or_else(|| format!("notifier `{plugin}`")), error }
        }
        Failure::Trap(trap) if trap.error_type() == "trap.wall" => NowError::Timeout,
        Failure::Trap(trap) => NowError::Broken(trap.to_string()),
        Failure::LeftAlone(left_alone) => NowError::Unavailable(left_alone.to_string()),
        Failure::Plugin { error, denied, timed_out } => match error {
            PluginError::RateLimited(seconds) => NowError::RateLimited(seconds),
            PluginError::Unavailable(_) if timed_out => NowError::Timeout,
            PluginError::Unavailable(words) => NowError::Unavailable(words),
            PluginError::Config(words) if denied => NowError::Denied(words),
            PluginError::Config(words) => NowError::Unusable(words),
            error @ PluginError::Internal(_) => NowError::Broken(error.to_string()),
            error => NowError::Refused(error.to_string()),
        },
    }
}

fn notification(message: Message, run_id: RunId, trace_id: TraceId) -> Notification {
    let Message { id, incident_id, title, message, severity, status, tags, links } = message;
    let id = id.unwrap_or_else(|| DeliveryId::mint(&mut Ids).to_string());
    let now = clock::now();
    let over = status == AlertStatus::Resolved;
    let incident = json!({
        "id": incident_id.as_ref().unwrap_or(&id), "title": title, "name": title, "instance": null, "status": status,
        "severity": severity, "opened_at": now, "resolved_at": over.then_some(now), "trace_id": trace_id, "run_id": run_id,
    });
    Notification {
        id,
        attempt: 1,
        title,
        message,
        html: None,
        payload: None,
        severity: severity.into(),
        status: status.into(),
        incident,
        alerts: Vec::new(),
        recommendations: json!([]),
        tags,
        links,
        previous_ref: None,
    }
}

fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
}
