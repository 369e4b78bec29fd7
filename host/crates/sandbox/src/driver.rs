//! Drivers: a webhook in, alerts out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use domain::limits::Limits;
use domain::plugin::{DriverInfo, Incoming, Outcome, Parsed};
use domain::shape::Root;
use domain::time::Timestamp;

use crate::bindings::driver::exports::watchbell::plugin::driver as guest;
use crate::bindings::driver::watchbell::plugin::types;
use crate::bindings::driver::{IncomingRef, LabelRef};
use crate::bound::{Reader, driver_info, parsed, plugin_error};
use crate::call::{Answer, Callee, Export, Failure};
use crate::engine::TICK;
use crate::host::{LastWords, PluginLog, Spent};
use crate::load::{Prepared, output_trap};
use crate::load_error::LoadError;
use crate::sandbox::Shared;
use crate::state::Pace;
use crate::step::LoadStep;
use crate::trap::{CallError, Trap, TrapKind};
use crate::wasi::Moment;

/// Bodies of this many bytes and more take the long form at once: they would overrun the inline form. A
/// driver that overruns with a smaller one has its own bound from then on.
const INLINE_BODY: usize = 256 * 1024;

/// When a sample is received: any fixed time will do, since a sample must parse the same for ever.
const SAMPLE_TIME: Timestamp = Timestamp::from_millis(1_767_225_600_000);

type ParseParams<'a> = (IncomingRef<'a>, &'a str);
type ParseResult = (Result<guest::Parsed, types::PluginError>,);

/// A loaded driver. Cheap to clone.
#[derive(Clone)]
pub struct Driver(Arc<Loaded>);

struct Loaded {
    shared: Arc<Shared>,
    callee: Callee,
    parse: Export,
    info: DriverInfo,
    /// Bodies of this many bytes and more are not tried inline: half of the smallest that used a whole tick.
    /// One large webhook must not cost the small ones their quick form.
    inline_body: AtomicUsize,
}

impl Driver {
    /// Asks who it is and tries its sample.
    pub(crate) fn from_prepared(shared: &Arc<Shared>, prepared: &Prepared<'_>) -> Result<Self, LoadError> {
        let info = prepared.metadata(driver_info, |info| &info.plugin)?;
        let loaded = Loaded {
            shared: Arc::clone(shared),
            callee: prepared.callee(&info.plugin)?,
            parse: prepared.export::<ParseParams<'_>, ParseResult>("parse")?,
            info,
            inline_body: AtomicUsize::new(INLINE_BODY),
        };
        prepared.step(LoadStep::Linked);
        if let Some(sample) = &loaded.info.sample {
            let _loading = prepared.loading();
            loaded.try_sample(sample.clone())?;
            prepared.step(LoadStep::SampleRead);
        }
        Ok(Self(Arc::new(loaded)))
    }

    /// Who it is and what it reads.
    pub fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    /// The same component under other limits. Nothing is compiled, and it is not asked again who it is.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        let Loaded { shared, callee, parse, info, inline_body } = &*self.0;
        Self(Arc::new(Loaded {
            shared: Arc::clone(shared),
            callee: Callee { limits, ..callee.clone() },
            parse: parse.clone(),
            info: info.clone(),
            inline_body: AtomicUsize::new(inline_body.load(Relaxed)),
        }))
    }

    /// What a call may use.
    pub fn limits(&self) -> &Limits {
        &self.0.callee.limits
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.0.callee.identity.digest
    }

    /// Reads one webhook.
    ///
    /// Ordinary calls run on this thread to their end, a few microseconds to one tick of 10 ms. One
    /// that needs longer is run again from the start on a thread of its own, with the whole CPU and wall
    /// budget; so are large bodies at once. `config` is the driver's settings as
    /// JSON. The lines of the call that counted go to `log`.
    ///
    /// # Errors
    /// [`CallError::Plugin`] when the driver says so, [`CallError::Trap`] when it was stopped or
    /// returned what the contract does not allow.
    pub async fn parse(
        &self,
        incoming: &Incoming,
        config: &str,
        log: &dyn PluginLog,
    ) -> Result<Parsed, CallError> {
        let Loaded { callee, parse, .. } = &*self.0;
        let input_bytes = incoming.body.len().saturating_add(config.len());
        let mut spent = Spent { input_bytes, ..Spent::default() };
        let outcome = self.0.parse(incoming, config, log, &mut spent).await;
        callee.tell(parse, log, spent, &outcome);
        outcome
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("info", &self.0.info).field("digest", &self.digest()).finish()
    }
}

impl Loaded {
    fn trap(&self, kind: TrapKind) -> Trap {
        self.callee.identity.trap(self.parse.name, kind)
    }

    async fn parse(
        self: &Arc<Self>,
        incoming: &Incoming,
        config: &str,
        log: &dyn PluginLog,
        spent: &mut Spent,
    ) -> Result<Parsed, CallError> {
        self.admit(incoming)?;
        if incoming.body.len() < self.inline_body.load(Relaxed) {
            let answer = self.run_inline(incoming, config)?;
            match answer.outcome {
                Err(Failure::Overrun(used)) if used >= TICK => {
                    self.inline_body.fetch_min(incoming.body.len() / 2, Relaxed);
                }
                Err(Failure::Overrun(_)) => {}
                _ => return self.finish(answer, log, spent),
            }
        }
        let answer = self.run_long(incoming, config, spent).await?;
        self.finish(answer, log, spent)
    }

    fn admit(&self, incoming: &Incoming) -> Result<(), Trap> {
        // Of the body alone: the host bounds headers and query before they come here.
        let size = incoming.body.len();
        let limit = self.callee.limits.input_bytes;
        if size > limit { Err(self.trap(TrapKind::Input { size, limit })) } else { Ok(()) }
    }

    /// The ordinary form. Its slot is free again before anything waits.
    fn run_inline(&self, incoming: &Incoming, config: &str) -> Result<Answer<ParseResult>, Trap> {
        let Ok(_slot) = self.shared.slots.drivers.try_acquire() else {
            return Err(self.trap(TrapKind::Busy));
        };
        Ok(self.run(Pace::Inline, incoming, config))
    }

    fn run(&self, pace: Pace, incoming: &Incoming, config: &str) -> Answer<ParseResult> {
        let headers = labels(incoming);
        let moment = self.moment(incoming);
        self.callee.run(pace, &self.parse, (incoming_ref(incoming, &headers), config), moment)
    }

    /// Only virtual WASI asks for it, and it costs a pass over the body.
    fn moment(&self, incoming: &Incoming) -> Moment {
        if self.callee.has_wasi { Moment::of(incoming) } else { Moment::LOADING }
    }

    /// The long form, on a thread that may be blocked: there it competes for a processor like any other
    /// thread, and never keeps webhooks waiting behind it. Waits for one of its few slots for as long as the
    /// call itself may take.
    async fn run_long(
        self: &Arc<Self>,
        incoming: &Incoming,
        config: &str,
        spent: &mut Spent,
    ) -> Result<Answer<ParseResult>, Trap> {
        let began = Instant::now();
        let slot = Arc::clone(&self.shared.slots.long_drivers).acquire_owned();
        let slot = tokio::time::timeout(self.callee.limits.wall, slot).await;
        spent.waited = Some(began.elapsed());
        let Ok(Ok(slot)) = slot else {
            return Err(self.trap(TrapKind::Busy));
        };
        let (loaded, incoming, config) = (Arc::clone(self), incoming.clone(), config.to_owned());
        let call = tokio::task::spawn_blocking(move || {
            let answer = loaded.run(Pace::Blocking, &incoming, &config);
            // Whoever asked may be gone; the instance was there until now.
            drop(slot);
            answer
        });
        // A hub that is being stopped starts none.
        call.await.map_err(|_| self.trap(TrapKind::Busy))
    }

    fn finish(
        &self,
        answer: Answer<ParseResult>,
        log: &dyn PluginLog,
        spent: &mut Spent,
    ) -> Result<Parsed, CallError> {
        let outcome = answer.close(log, spent);
        let limits = &self.callee.limits;
        let mut reader = Reader::new(limits.output_bytes);
        let read = match outcome {
            Ok((Ok(result),)) => parsed(&mut reader, result, limits.alerts).map(Ok),
            Ok((Err(error),)) => plugin_error(&mut reader, error).map(Err),
            Err(Failure::Trap(trap)) => return Err(trap.into()),
            Err(Failure::Overrun(_)) => return Err(self.trap(TrapKind::Wall { limit: limits.wall }).into()),
        };
        spent.output_bytes = reader.taken();
        let read = read.map_err(|breach| output_trap(&self.callee, &self.parse, breach))?;
        read.map_err(CallError::Plugin)
    }

    /// A driver that cannot read its own sample would read nothing else either.
    fn try_sample(&self, body: Vec<u8>) -> Result<(), LoadError> {
        let is_form = self.info.shapes.iter().any(|shape| shape.root == Root::Form);
        let content_type = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
        let incoming = Incoming {
            method: "POST".to_owned(),
            query: String::new(),
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            body,
            received_at: SAMPLE_TIME,
        };
        let answer = self.run(Pace::Blocking, &incoming, "{}");
        let last_words = LastWords::default();
        let cause = match self.finish(answer, &last_words, &mut Spent::default()) {
            Ok(Parsed { outcome: Outcome::Alerts(_), .. }) => return Ok(()),
            Ok(Parsed { outcome: Outcome::Nothing(why), .. }) => {
                format!("it says that it means nothing: {why}")
            }
            Err(error) => format!("{error}{last_words}"),
        };
        Err(LoadError::Sample { plugin: self.info.plugin.name.clone(), cause })
    }
}

fn labels(incoming: &Incoming) -> Vec<LabelRef<'_>> {
    incoming.headers.iter().map(|(key, value)| LabelRef { key, value }).collect()
}

fn incoming_ref<'a>(incoming: &'a Incoming, headers: &'a [LabelRef<'a>]) -> IncomingRef<'a> {
    IncomingRef {
        method: &incoming.method,
        query: &incoming.query,
        content_type: &incoming.content_type,
        headers,
        body: &incoming.body,
        received_at: incoming.received_at.as_millis(),
    }
}
