//! The sandbox as a whole: one engine, its slots, and what each world is given.

use std::sync::{Arc, Mutex};

use domain::plugin::PluginKind;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{driver, notifier, provider};
use crate::engine::{self, Settings, StartError, Ticker};
use crate::state::State;

/// Runs plugins. Cheap to clone; it ends when the last clone and the last plugin are gone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
}

/// What all plugins share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) slots: Slots,
    /// Held while a plugin that is being loaded runs: the pool has one slot for that.
    pub(crate) loading: Mutex<()>,
    linkers: Linkers,
    _ticker: Ticker,
}

/// Who may hold an instance. Permits are taken or refused at once; only long driver calls wait.
///
/// Invariant: `drivers` and `others` together have as many permits as the pool has slots for calls,
/// so a call with a permit finds an instance.
pub(crate) struct Slots {
    pub(crate) drivers: Semaphore,
    pub(crate) others: Semaphore,
    pub(crate) long_drivers: Semaphore,
}

struct Linkers {
    log_only: Linker<State>,
    notifier: Linker<State>,
    provider: Linker<State>,
}

impl Sandbox {
    /// Reserves the pool and starts the ticker.
    ///
    /// # Errors
    /// [`StartError`] when the settings leave no room or the machine does not give it.
    pub fn new(settings: &Settings) -> Result<Self, StartError> {
        let others =
            settings.slots.checked_sub(settings.reserved_for_drivers).filter(|others| *others > 0).ok_or(
                StartError::Slots { slots: settings.slots, reserved: settings.reserved_for_drivers },
            )?;
        let engine = engine::build(settings)?;
        let linkers = Linkers::new(&engine)
            .map_err(|error| StartError::Pool { slots: settings.slots, detail: format!("{error:#}") })?;
        Ok(Self {
            shared: Arc::new(Shared {
                slots: Slots {
                    drivers: permits(settings.reserved_for_drivers),
                    others: permits(others),
                    long_drivers: permits(settings.long_driver_calls.max(1)),
                },
                settings: *settings,
                loading: Mutex::new(()),
                linkers,
                _ticker: Ticker::start(engine.clone())?,
                engine,
            }),
        })
    }
}

fn permits(count: u32) -> Semaphore {
    Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS))
}

impl Shared {
    /// What calls of a kind are given.
    pub(crate) const fn linker(&self, kind: PluginKind) -> &Linker<State> {
        match kind {
            PluginKind::Driver => &self.linkers.log_only,
            PluginKind::Notifier => &self.linkers.notifier,
            PluginKind::Intelligence => &self.linkers.provider,
        }
    }

    /// What `metadata` is given, whatever the kind: logging. Everything else ends the call.
    pub(crate) const fn loading_linker(&self) -> &Linker<State> {
        &self.linkers.log_only
    }
}

type This = HasSelf<State>;

impl Linkers {
    fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut log_only = Linker::new(engine);
        driver::AlertDriver::add_to_linker::<_, This>(&mut log_only, |state| state)?;
        let mut notifier = Linker::new(engine);
        notifier::AlertNotifier::add_to_linker::<_, This>(&mut notifier, |state| state)?;
        let mut provider = Linker::new(engine);
        provider::IntelligenceProvider::add_to_linker::<_, This>(&mut provider, |state| state)?;
        Ok(Self { log_only, notifier, provider })
    }
}
