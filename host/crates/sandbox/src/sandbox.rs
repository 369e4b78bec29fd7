//! The sandbox as a whole: one engine, its slots, and what each world is given.

use std::sync::{Arc, Mutex};

use domain::plugin::PluginKind;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{driver, notifier, provider};
use crate::engine::{self, Settings, StartError, Ticker};
use crate::state::State;
use crate::wasi;

/// Runs plugins. Cheap to clone; it ends when the last clone and the last plugin are gone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
}

/// What all plugins share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    /// What native code must have been compiled for.
    pub(crate) compatibility: [u8; 32],
    pub(crate) slots: Slots,
    /// Held while a plugin that is being loaded runs: the pool has one slot for that.
    pub(crate) loading: Mutex<()>,
    linkers: Linkers,
    _ticker: Ticker,
}

/// Who may hold an instance. Permits are taken or refused at once; only long driver calls wait.
///
/// Invariant: together they have as many permits as the pool has slots for calls, so a call with a
/// permit finds an instance. No call waits with a permit of another kind in its hands.
pub(crate) struct Slots {
    /// Drivers inline.
    pub(crate) drivers: Semaphore,
    /// Drivers in the long form.
    pub(crate) long_drivers: Arc<Semaphore>,
    /// Notifiers and providers.
    pub(crate) others: Semaphore,
}

impl Slots {
    fn new(settings: &Settings) -> Result<Self, StartError> {
        let Settings { slots, reserved_for_drivers, long_driver_calls, .. } = *settings;
        let others = slots.checked_sub(reserved_for_drivers).filter(|left| *left > 0);
        let inline = reserved_for_drivers.checked_sub(long_driver_calls).filter(|left| *left > 0);
        match (others, inline, long_driver_calls) {
            (Some(others), Some(inline), 1..) => Ok(Self {
                drivers: permits(inline),
                long_drivers: Arc::new(permits(long_driver_calls)),
                others: permits(others),
            }),
            _ => Err(StartError::Slots { slots, reserved: reserved_for_drivers, long: long_driver_calls }),
        }
    }
}

struct Linkers {
    log_only: Linker<State>,
    /// With virtual WASI, as the two below.
    log_and_wasi: Linker<State>,
    notifier: Linker<State>,
    provider: Linker<State>,
}

impl Sandbox {
    /// Reserves the pool and starts the ticker.
    ///
    /// # Errors
    /// [`StartError`] when the settings leave no room or the machine does not give it.
    pub fn new(settings: &Settings) -> Result<Self, StartError> {
        let slots = Slots::new(settings)?;
        let engine = engine::build(settings)?;
        let linkers = Linkers::new(&engine)
            .map_err(|error| StartError::Pool { slots: settings.slots, detail: format!("{error:#}") })?;
        Ok(Self {
            shared: Arc::new(Shared {
                slots,
                settings: settings.clone(),
                compatibility: engine::compatibility(&engine),
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
    /// What calls of a kind are given. A driver that imports WASI got it when its file was admitted.
    pub(crate) const fn linker(&self, kind: PluginKind, has_wasi: bool) -> &Linker<State> {
        match kind {
            PluginKind::Driver if has_wasi => &self.linkers.log_and_wasi,
            PluginKind::Driver => &self.linkers.log_only,
            PluginKind::Notifier => &self.linkers.notifier,
            PluginKind::Intelligence => &self.linkers.provider,
        }
    }

    /// What `metadata` is given without WASI, whatever the kind: logging. Everything else ends the call.
    pub(crate) const fn loading_linker(&self) -> &Linker<State> {
        &self.linkers.log_only
    }
}

type This = HasSelf<State>;

impl Linkers {
    fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut log_only = Linker::new(engine);
        driver::AlertDriver::add_to_linker::<_, This>(&mut log_only, |state| state)?;
        let mut log_and_wasi = log_only.clone();
        wasi::add_to_linker(&mut log_and_wasi)?;
        let mut notifier = Linker::new(engine);
        notifier::AlertNotifier::add_to_linker::<_, This>(&mut notifier, |state| state)?;
        wasi::add_to_linker(&mut notifier)?;
        let mut provider = Linker::new(engine);
        provider::IntelligenceProvider::add_to_linker::<_, This>(&mut provider, |state| state)?;
        wasi::add_to_linker(&mut provider)?;
        Ok(Self { log_only, log_and_wasi, notifier, provider })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(slots: u32, reserved_for_drivers: u32, long_driver_calls: u32) -> Settings {
        Settings { slots, reserved_for_drivers, long_driver_calls, ..Settings::default() }
    }

    #[test]
    fn every_kind_of_call_needs_a_slot() {
        for (slots, reserved, long) in [(4, 4, 1), (4, 2, 2), (4, 2, 0), (1, 2, 1)] {
            assert!(matches!(
                Sandbox::new(&settings(slots, reserved, long)).map(drop),
                Err(StartError::Slots { .. })
            ));
        }
    }

    #[test]
    fn nothing_of_a_dropped_sandbox_remains() {
        let sandbox = Sandbox::new(&settings(4, 2, 1)).unwrap();
        let engine = sandbox.shared.engine.weak();
        drop(sandbox.clone());
        assert!(engine.upgrade().is_some());
        drop(sandbox);
        assert!(engine.upgrade().is_none(), "the ticker has ended and let go of the engine");
    }
}
