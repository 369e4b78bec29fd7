//! What belongs to one call and ends with it.

use std::sync::Arc;
use std::time::Duration;

use domain::limits::Limits;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::engine::TICK;
use crate::host::{HostServices, LogBook, Misuse, Spent};
use crate::memory::MemoryLimit;
use crate::meter::Meter;
use crate::wasi::{Moment, Virtual};

/// Room for the host's own form of what crosses: records are larger there than in the plugin.
const LIFTED_PER_BYTE: usize = 4;
const LIFTED_FLOOR: usize = 1 << 20;

/// How a call is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Inline, and only for one tick of CPU: the ordinary form of a driver.
    Inline,
    /// Inline with the whole budget, for threads that may be blocked.
    Blocking,
    /// Gives way to others at every tick.
    Yielding,
}

/// Why the host ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The CPU budget is used up.
    Cpu {
        /// Thread time used.
        used: Duration,
    },
    /// The wall budget is used up.
    Wall,
    /// Not over the CPU budget, but too long for the inline form.
    Overrun {
        /// Thread time used: less than a tick if only the machine was busy.
        used: Duration,
    },
}

/// What is outside of a call.
pub(crate) enum Outside {
    /// Nothing: the same input gives the same output. Drivers, and plugins of every kind while they are loaded.
    Still(Moment),
    /// The host, and its time and random numbers.
    Live(Arc<dyn HostServices>),
}

/// The data of one store, which lives for one call.
pub(crate) struct State {
    pub(crate) memory: MemoryLimit,
    pub(crate) meter: Arc<Meter>,
    pub(crate) log: LogBook,
    pub(crate) stop: Option<Stop>,
    pub(crate) max_sent_bytes: usize,
    outside: Outside,
    /// Made when the plugin first asks for it.
    wasi: Option<Box<Virtual>>,
    pace: Pace,
    cpu: Duration,
    wall: Duration,
}

impl State {
    /// A store for one call.
    pub(crate) fn store(engine: &Engine, limits: &Limits, pace: Pace, outside: Outside) -> Store<Self> {
        let sink = match &outside {
            Outside::Still(_) => None,
            Outside::Live(services) => Some(Arc::clone(services)),
        };
        let state = Self {
            memory: MemoryLimit::new(limits.memory_bytes),
            meter: Arc::new(Meter::start()),
            log: LogBook::new(limits.log_lines, sink),
            stop: None,
            max_sent_bytes: limits.egress.sent_bytes,
            outside,
            wasi: None,
            pace,
            cpu: limits.cpu,
            wall: limits.wall,
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(
            limits
                .output_bytes
                .saturating_mul(LIFTED_PER_BYTE)
                .saturating_add(limits.egress.sent_bytes)
                .saturating_add(LIFTED_FLOOR),
        );
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().tick()));
        store
    }

    /// Looks at the budgets; called at every tick while the plugin runs.
    fn tick(&mut self) -> UpdateDeadline {
        let used = self.meter.cpu();
        let is_late = self.meter.wall() >= self.wall;
        let stop = if used >= self.cpu {
            Some(Stop::Cpu { used })
        } else if self.pace == Pace::Inline && (used >= TICK || is_late) {
            Some(Stop::Overrun { used })
        } else if is_late {
            Some(Stop::Wall)
        } else {
            None
        };
        self.stop = stop;
        match (stop, self.pace) {
            (Some(_), _) => UpdateDeadline::Interrupt,
            (None, Pace::Yielding) => UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())),
            (None, Pace::Inline | Pace::Blocking) => UpdateDeadline::Continue(1),
        }
    }

    /// What the call has used so far; read it on the thread that ran it.
    pub(crate) fn spent(&self) -> Spent {
        let (log_lines, dropped_lines) = self.log.end();
        Spent {
            cpu: self.meter.cpu(),
            wall: self.meter.wall(),
            memory_bytes: self.memory.used(),
            log_lines,
            dropped_lines,
            ..Spent::default()
        }
    }

    /// What is left of the call's wall time.
    pub(crate) fn wall_left(&self) -> Duration {
        self.wall.saturating_sub(self.meter.wall())
    }

    /// What the host does for this call. `interface` is the one that asks.
    pub(crate) fn services(&self, interface: &'static str) -> wasmtime::Result<&Arc<dyn HostServices>> {
        self.outside().ok_or_else(|| {
            wasmtime::Error::new(Misuse(format!("`{interface}` is not there while the plugin is loaded")))
        })
    }

    /// What the host does for this call, where there is a host.
    pub(crate) const fn outside(&self) -> Option<&Arc<dyn HostServices>> {
        match &self.outside {
            Outside::Still(_) => None,
            Outside::Live(services) => Some(services),
        }
    }

    /// What stands for time and chance where there is no host.
    pub(crate) const fn moment(&self) -> Moment {
        match &self.outside {
            Outside::Still(moment) => *moment,
            Outside::Live(_) => Moment::LOADING,
        }
    }

    /// Its virtual WASI.
    pub(crate) fn wasi(&mut self) -> &mut Virtual {
        let moment = self.moment();
        let log = &self.log;
        self.wasi.get_or_insert_with(|| Box::new(Virtual::new(moment, log)))
    }
}
