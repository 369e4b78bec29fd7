//! What notifiers and providers have in common: calls that may wait for a remote.

use std::sync::Arc;

use domain::limits::Limits;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use crate::bindings::driver::watchbell::plugin::types;
use crate::bound::{self, Breach, Reader};
use crate::call::{Callee, Export, Failure};
use crate::host::HostServices;
use crate::load::output_trap;
use crate::sandbox::Shared;
use crate::trap::{CallError, TrapKind};

/// A plugin that reaches remotes. Its calls take the yielding form and a slot outside of those
/// that drivers have for themselves.
pub(crate) struct Remote {
    shared: Arc<Shared>,
    callee: Callee,
}

impl Remote {
    pub(crate) const fn new(shared: Arc<Shared>, callee: Callee) -> Self {
        Self { shared, callee }
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.callee.limits
    }

    /// Calls a function with an input of `size` bytes.
    pub(crate) async fn call<P, R>(
        &self,
        export: &Export,
        size: usize,
        params: P,
        host: Arc<dyn HostServices>,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let trap = |kind| self.callee.identity.trap(export.name, kind);
        let limit = self.callee.limits.input_bytes;
        if size > limit {
            return Err(trap(TrapKind::Input { size, limit }).into());
        }
        let Ok(_slot) = self.shared.slots.others.try_acquire() else {
            return Err(trap(TrapKind::Busy).into());
        };
        // On the heap: the state of such a call is large, and it lives for a network round trip.
        let running = Box::pin(self.callee.run_yielding(export, params, Some(Arc::clone(&host))));
        running.await.tell(&*host).map_err(|failure| match failure {
            Failure::Trap(trap) => trap.into(),
            Failure::Overrun(_) => trap(TrapKind::Wall { limit: self.callee.limits.wall }).into(),
        })
    }

    /// Takes a result over, or names the rule it breaks.
    pub(crate) fn accept<T>(
        &self,
        export: &Export,
        convert: impl FnOnce(&mut Reader) -> Result<T, Breach>,
    ) -> Result<T, CallError> {
        convert(&mut Reader::new(self.callee.limits.output_bytes))
            .map_err(|breach| output_trap(&self.callee, export, breach).into())
    }

    /// The plugin's own error, or the rule that even it breaks.
    pub(crate) fn plugin_error(&self, export: &Export, error: types::PluginError) -> CallError {
        match self.accept(export, |reader| bound::plugin_error(reader, error)) {
            Ok(error) => CallError::Plugin(error),
            Err(refused) => refused,
        }
    }
}
