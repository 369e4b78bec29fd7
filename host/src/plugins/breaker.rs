//! Leaves a component alone whose calls trap.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::lanes::{BreakerState, Change};
use domain::plugin::{PluginKind, PluginName};
use domain::time::Timestamp;
use domain::traps::{TrapBreaker, WINDOW};
use sandbox::{CallError, TrapKind};
use serde::Serialize;

use crate::clock;
use crate::telemetry::metrics;

/// The breaker of one component. Another component under the same name has another one, so that what is still
/// under way on the old one says nothing about the new one.
#[derive(Debug)]
pub struct ComponentBreaker {
    kind: PluginKind,
    name: PluginName,
    digest: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    breaker: TrapBreaker,
    /// What the last trap was, in one word.
    last: Option<&'static str>,
}

/// How a component is doing, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakerReport {
    /// `closed`, `half_open` or `open`.
    pub state: BreakerState,
    /// How many calls of the last minute trapped.
    pub traps: u32,
    /// How many calls there were.
    pub calls: u32,
    /// When it is tried again.
    pub until: Option<Timestamp>,
    /// What the last trap was, in one word.
    pub last: Option<&'static str>,
}

/// A component that is left alone for now: it was not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LeftAlone {
    kind: PluginKind,
    name: PluginName,
    report: BreakerReport,
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, report } = self;
        let BreakerReport { traps, calls, last, until, .. } = report;
        write!(f, "{kind} `{name}` is left alone by its breaker: {traps} of {calls} calls within ")?;
        write!(f, "{} s trapped", WINDOW.as_secs())?;
        if let Some(last) = last {
            write!(f, ", the last with `{last}`")?;
        }
        if let Some(until) = until {
            write!(f, "; it is tried again at {until}")?;
        }
        write!(
            f,
            "\nhint: `watchbell plugin inspect {name}` says more, `watchbell plugin rollback {name}` "
        )?;
        f.write_str("goes back to an earlier component")
    }
}

impl ComponentBreaker {
    fn new(kind: PluginKind, name: &PluginName, digest: &str) -> Self {
        let state = Mutex::default();
        Self { kind, name: name.clone(), digest: digest.to_owned(), state }
    }

    /// Leave to make one call.
    ///
    /// # Errors
    /// [`LeftAlone`] while the component is.
    pub fn begin(&self) -> Result<Leave<'_>, LeftAlone> {
        let now = clock::now();
        if self.lock().breaker.begin(now) {
            return Ok(Leave { breaker: self, open: true });
        }
        Err(LeftAlone { kind: self.kind, name: self.name.clone(), report: self.report(now) })
    }

    /// How it is doing.
    pub fn report(&self, now: Timestamp) -> BreakerReport {
        let State { breaker, last } = &*self.lock();
        let (traps, calls) = breaker.counted(now);
        BreakerReport { state: breaker.state(now), traps, calls, until: breaker.until(), last: *last }
    }

    /// What it is.
    pub const fn kind(&self) -> PluginKind {
        self.kind
    }

    /// Its name.
    pub const fn name(&self) -> &PluginName {
        &self.name
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn ended(&self, trap: Option<Option<&'static str>>) {
        let change = {
            let mut state = self.lock();
            if let Some(Some(word)) = trap {
                state.last = Some(word);
            }
            state.breaker.ended(trap.map(|word| word.is_some()), clock::now(), clock::draw())
        };
        let Self { kind, name, digest, .. } = self;
        match change {
            Some(Change::Opened { until, failures }) => {
                metrics::plugin_breaker(*kind, name, true);
                let word = trap.flatten().unwrap_or_default();
                tracing::error!(
                    plugin.name = %name, plugin.kind = %kind, count = failures, error.r#type = word,
                    "{kind} `{name}` ({digest}) is left alone until {until}: {failures} calls trapped, the last with \
                     `{word}`"
                );
            }
            Some(Change::Closed) => {
                metrics::plugin_breaker(*kind, name, false);
                tracing::info!(plugin.name = %name, plugin.kind = %kind, "{kind} `{name}` works again");
            }
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to make one call. Who lets go of it without a word, because the call was cut off, says nothing.
#[derive(Debug)]
pub struct Leave<'a> {
    breaker: &'a ComponentBreaker,
    open: bool,
}

impl Leave<'_> {
    /// Says how the call ended. What the plugin reports itself is no trap, and neither is a call that was not
    /// made for want of room or because the input is too large; nor one that ran out of time while a remote
    /// did not answer.
    pub fn ended<T>(mut self, result: &Result<T, CallError>, remote_was_late: bool) {
        self.open = false;
        let trap = match result.as_ref().err().and_then(CallError::as_trap) {
            None => Some(None),
            Some(trap) => match trap.kind {
                TrapKind::Busy | TrapKind::Input { .. } => None,
                TrapKind::Wall { .. } if remote_was_late => None,
                _ => Some(Some(trap.error_type())),
            },
        };
        self.breaker.ended(trap);
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.open {
            self.breaker.ended(None);
        }
    }
}

/// The breakers of all components that are loaded. One that is loaded anew goes on with what is known of it.
#[derive(Debug, Default)]
pub struct Breakers(Mutex<BTreeMap<(PluginKind, PluginName), Arc<ComponentBreaker>>>);

impl Breakers {
    /// That of a component. One of another component under the same name is forgotten.
    pub fn of(&self, kind: PluginKind, name: &PluginName, digest: &str) -> Arc<ComponentBreaker> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, name.clone());
        match known.get(&key) {
            Some(breaker) if breaker.digest == digest => Arc::clone(breaker),
            _ => {
                let breaker = Arc::new(ComponentBreaker::new(kind, name, digest));
                if known.insert(key, Arc::clone(&breaker)).is_some() {
                    metrics::plugin_breaker(kind, name, false);
                }
                breaker
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::plugin::PluginError;
    use domain::traps::TRAPS;
    use sandbox::Trap;

    use super::*;

    fn trap(kind: TrapKind) -> Result<(), CallError> {
        let plugin = "acme".parse().unwrap();
        Err(Trap { plugin_kind: PluginKind::Driver, plugin, version: String::new(), function: "parse", kind }
            .into())
    }

    #[test]
    fn what_the_component_did_not_do_is_not_held_against_it() {
        let (breakers, name) = (Breakers::default(), "acme".parse().unwrap());
        let breaker = breakers.of(PluginKind::Driver, &name, "a");
        let wall = || TrapKind::Wall { limit: std::time::Duration::from_millis(250) };
        for _ in 0..2 * TRAPS {
            breaker.begin().unwrap().ended(&trap(TrapKind::Busy), false);
            breaker.begin().unwrap().ended(&trap(TrapKind::Input { size: 2, limit: 1 }), false);
            breaker.begin().unwrap().ended(&trap(wall()), true);
            breaker
                .begin()
                .unwrap()
                .ended::<()>(&Err(CallError::Plugin(PluginError::Internal("x".into()))), false);
            drop(breaker.begin().unwrap());
        }
        let report = breaker.report(clock::now());
        assert_eq!((report.traps, report.calls), (0, 2 * TRAPS));
        for _ in 0..2 * TRAPS {
            breaker.begin().unwrap().ended(&trap(wall()), false);
        }
        let refused = breaker.begin().unwrap_err().to_string();
        assert!(
            refused.contains("`acme` is left alone") && refused.contains("20 calls within 60 s"),
            "{refused}"
        );
    }

    #[test]
    fn a_component_keeps_its_breaker_and_another_one_begins_anew() {
        let (breakers, name) = (Breakers::default(), "acme".parse().unwrap());
        let first = breakers.of(PluginKind::Driver, &name, "a");
        for _ in 0..TRAPS {
            first.begin().unwrap().ended(&trap(TrapKind::Panic), false);
        }
        assert!(breakers.of(PluginKind::Driver, &name, "a").begin().is_err());
        assert!(breakers.of(PluginKind::Notifier, &name, "a").begin().is_ok());
        assert!(breakers.of(PluginKind::Driver, &name, "b").begin().is_ok());
    }
}
