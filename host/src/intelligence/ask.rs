//! One question to one provider: what it may know, how long it may take, what it costs.

use std::sync::Arc;
use std::time::Duration;

use domain::id::{RunId, TraceId};
use domain::lanes::End;
use domain::plugin::{Analysis, AnalysisRequest, PluginError, PluginKind, Usage};
use domain::time::Timestamp;
use domain::trace::{SpanId, TraceParent};
use sandbox::CallError;
use store::Fault;
use tokio::time::{Instant, timeout_at};

use super::Intelligence;
use super::machine::View;
use super::mask::Mask;
use super::memo::{Kept, Key};
use super::providers::SetUp;
use crate::clock::{self, Ids};
use crate::egress::{Grants, Sent};
use crate::plugins::{CallLog, ChannelSettings, LeftAlone, Outside, count_call};
use crate::telemetry::{chain, export, metrics};

/// Whose question it is.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    /// The run.
    pub run_id: RunId,
    /// What it belongs to.
    pub trace_id: TraceId,
}

impl Story {
    /// Of nobody's run.
    pub(super) fn fresh() -> Self {
        Self { run_id: RunId::mint(&mut Ids), trace_id: TraceId::mint(&mut Ids) }
    }
}

/// What came of a question.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) result: Result<Analysis, Fault>,
    /// What left, as it left but for placeholders of secrets.
    pub(super) sent: Vec<Sent>,
    /// Whose answer was used again, and when it was given.
    pub(super) reused: Option<(RunId, Timestamp)>,
}

impl Asked {
    pub(super) fn nothing(fault: Fault) -> Self {
        Self { result: Err(fault), sent: Vec::new(), reused: None }
    }
}

/// Why a call gave no answer.
enum Silence {
    Settings(String),
    Late(Duration),
    Call(CallError),
    LeftAlone(LeftAlone),
}

impl Silence {
    fn fault(&self) -> Fault {
        match self {
            Self::Settings(why) => fault("config", why.clone()),
            Self::Late(waited) => fault("timeout", format!("no answer within {:.1} s", waited.as_secs_f64())),
            Self::Call(error) => fault(error.error_type(), error.to_string()),
            Self::LeftAlone(left_alone) => fault("left_alone", left_alone.to_string()),
        }
    }

    /// What it says about the remote.
    fn end(&self) -> End {
        match self {
            Self::Settings(_) | Self::LeftAlone(_) => End::Unknown,
            Self::Late(_) | Self::Call(CallError::Trap(_)) => End::Failed { retry_after: None },
            Self::Call(CallError::Plugin(error)) => match error {
                PluginError::RateLimited(seconds) => {
                    End::Failed { retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())) }
                }
                PluginError::Unavailable(_) | PluginError::Internal(_) => End::Failed { retry_after: None },
                PluginError::Auth(_) | PluginError::Rejected(_) => End::Answered,
                _ => End::Unknown,
            },
        }
    }
}

pub(super) fn fault(error_type: &str, message: impl Into<String>) -> Fault {
    Fault { error_type: error_type.to_owned(), message: message.into() }
}

impl Intelligence {
    /// Asks, unless an answer about the same state still holds and may be used again, the tokens of the day
    /// are used up, or the provider is left alone. A provider from which nothing leaves is asked as it is.
    pub(super) async fn ask(
        &self,
        set_up: &SetUp,
        request: &AnalysisRequest,
        story: Story,
        until: Instant,
        may_reuse: bool,
    ) -> Asked {
        if !set_up.is_remote() {
            let (result, sent) = self.call(set_up, request, story, until).await;
            return Asked { result: result.map_err(|silence| silence.fault()), sent, reused: None };
        }
        let name = set_up.name();
        let key = Key::new(name, &set_up.settings, request);
        if may_reuse && let Some(Kept { analysis, run_id, at }) = self.memo.find(&key) {
            metrics::provider_spared(name, "reused");
            return Asked { result: Ok(analysis), sent: Vec::new(), reused: Some((run_id, at)) };
        }
        if let Err(fault) = self.within_tokens(name, until).await {
            return Asked::nothing(fault);
        }
        let Some(leave) = self.rests.may_ask(name, clock::now()) else {
            metrics::provider_spared(name, "left_alone");
            let why =
                format!("provider `{name}` failed several times in a row and is left alone for a while");
            return Asked::nothing(fault("left_alone", why));
        };
        let (mut mask, mut covered) = (Mask::new(self.hides), request.clone());
        mask.cover(&mut covered);
        let (result, sent) = self.call(set_up, &covered, story, until).await;
        let now = clock::now();
        leave.ended(result.as_ref().map_or_else(Silence::end, |_| End::Answered), now, clock::draw());
        let result = match result {
            Ok(mut analysis) => {
                self.count(name, analysis.usage, now).await;
                mask.uncover(&mut analysis);
                let kept = Kept { analysis: analysis.clone(), run_id: story.run_id, at: now };
                self.memo.keep(key, kept);
                Ok(analysis)
            }
            Err(silence) => Err(silence.fault()),
        };
        Asked { result, sent, reused: None }
    }

    /// Whether the tokens of the day are not used up yet. Where that cannot be looked up nothing is spent.
    async fn within_tokens(&self, name: &str, until: Instant) -> Result<(), Fault> {
        let Some(most) = self.daily_tokens else { return Ok(()) };
        let used = match timeout_at(until, self.store.token_use(clock::now())).await {
            Ok(Ok(used)) => used,
            Ok(Err(error)) => return Err(fault("store", chain(&error))),
            Err(_) => return Err(fault("timeout", "the tokens used today were not looked up in time")),
        };
        let sum = |usage: &Usage| usage.input_tokens.saturating_add(usage.output_tokens);
        let used = used.values().map(sum).fold(0_u64, u64::saturating_add);
        if used < most {
            return Ok(());
        }
        metrics::provider_spared(name, "token_budget");
        let why = format!(
            "{used} of {most} tokens of this day (UTC) are used\nhint: `INTELLIGENCE_DAILY_TOKENS` sets how many there are"
        );
        Err(fault("token_budget", why))
    }

    /// Counts what an answer cost.
    async fn count(&self, name: &str, usage: Option<Usage>, now: Timestamp) {
        let Some(usage) = usage else { return };
        metrics::provider_tokens(name, usage.input_tokens, usage.output_tokens);
        if let Err(error) = self.store.add_token_use(name, usage, now).await {
            tracing::warn!(
                plugin.name = name,
                error.r#type = error.kind(),
                "the tokens that provider `{name}` used were not counted: {}",
                chain(&error)
            );
        }
    }

    async fn call(
        &self,
        set_up: &SetUp,
        request: &AnalysisRequest,
        story: Story,
        until: Instant,
    ) -> (Result<Analysis, Silence>, Vec<Sent>) {
        let (config, outside) = match self.outside(set_up, story, until) {
            Ok(made) => made,
            Err(why) => return (Err(Silence::Settings(why)), Vec::new()),
        };
        let leave = match set_up.entry.breaker.begin() {
            Ok(leave) => leave,
            Err(left_alone) => return (Err(Silence::LeftAlone(left_alone)), Vec::new()),
        };
        let provider = &set_up.entry.provider;
        let plugin = &provider.info().plugin.name;
        let began = Instant::now();
        let ended = timeout_at(until, provider.analyze(request, &config, Arc::clone(&outside) as _)).await;
        let result = match ended {
            Ok(result) => {
                leave.ended(&result, outside.has_timed_out());
                count_call(PluginKind::Intelligence, plugin, &result);
                result.map_err(Silence::Call)
            }
            Err(_) => {
                metrics::plugin_call(PluginKind::Intelligence, plugin, "timeout");
                Err(Silence::Late(began.elapsed()))
            }
        };
        (result, outside.sent())
    }

    /// The settings as the provider sees them, and the world as far as it may reach.
    pub(super) fn outside(
        &self,
        set_up: &SetUp,
        story: Story,
        until: Instant,
    ) -> Result<(String, Arc<Outside>), String> {
        let info = set_up.info();
        let plugin = info.plugin.name.clone();
        let split = ChannelSettings::of_granted(
            &set_up.entry.schema,
            &set_up.settings,
            &set_up.origins,
            &self.references,
        )
        .map_err(|error| format!("provider `{plugin}`: {error}"))?;
        let log = CallLog::new(PluginKind::Intelligence, &plugin, story.run_id, story.trace_id);
        let span_id = SpanId::from(story.run_id);
        let trace = TraceParent { trace_id: story.trace_id, span_id, sampled: export::is_on() };
        let (origins, secrets) = (split.origins, split.secrets);
        let grants = Grants {
            kind: PluginKind::Intelligence,
            plugin,
            channel: None,
            origins,
            secrets,
            trace: Some(trace),
        };
        let limits = set_up.entry.provider.limits().egress;
        let snapshots = set_up.entry.system.then(|| Arc::new(View::new(self.shown.clone(), until)) as _);
        let outside = Outside::new(log, Arc::clone(&self.egress), grants, limits, snapshots).recording();
        Ok((split.config, Arc::new(outside)))
    }
}
