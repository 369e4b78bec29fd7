//! `wasi:clocks`: whole milliseconds of the host, or for a driver a time that only its own sleeping moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::state::State;

const MILLISECOND: u64 = 1_000_000;

/// Nanoseconds that a call has slept, where no time passes: a sleep is over at once, and afterwards it is as
/// late as the sleeper expected, which is what the event loops of languages wait for.
#[derive(Clone, Default)]
pub(super) struct StillClock(Arc<AtomicU64>);

/// A sleep that was asked for.
enum Sleep {
    /// On the host's clock.
    Until(Instant),
    /// Where no time passes.
    Still(StillClock, u64),
}

#[async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        match self {
            Self::Until(instant) => tokio::time::sleep_until(*instant).await,
            Self::Still(StillClock(slept), until) => {
                slept.fetch_max(*until, Relaxed);
            }
        }
    }
}

impl State {
    /// A sleep of this many nanoseconds. It need not be longer than the call.
    fn sleep(&mut self, nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let sleep = if self.outside().is_some() {
            // The call ends first where this is longer.
            let longest = self.wall_left().saturating_add(Duration::from_secs(1));
            let now = Instant::now();
            Sleep::Until(now.checked_add(Duration::from_nanos(nanos).min(longest)).unwrap_or(now))
        } else {
            let clock = self.wasi().clock.clone();
            let until = clock.0.load(Relaxed).saturating_add(nanos);
            Sleep::Still(clock, until)
        };
        let table = &mut self.wasi().table;
        let sleep = table.push(sleep)?;
        subscribe(table, sleep)
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = self.outside().map_or(self.moment().time, |services| services.now());
        let since_1970 = Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0));
        Ok(wall_clock::Datetime { seconds: since_1970.as_secs(), nanoseconds: since_1970.subsec_nanos() })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        if self.outside().is_none() {
            return Ok(self.wasi().clock.0.load(Relaxed));
        }
        let elapsed = u64::try_from(self.meter.wall().as_millis()).unwrap_or(u64::MAX);
        Ok(elapsed.saturating_mul(MILLISECOND))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(MILLISECOND)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = monotonic_clock::Host::now(self)?;
        self.sleep(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(nanos)
    }
}
