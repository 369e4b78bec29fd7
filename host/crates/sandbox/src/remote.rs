//! What notifiers and providers have in common: calls that may wait for a remote.

use std::sync::Arc;

use domain::limits::Limits;
use domain::plugin::PluginError;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use crate::bound::{Breach, Reader};
use crate::call::{Callee, Export, Failure};
use crate::host::{HostServices, Spent};
use crate::load::output_trap;
use crate::sandbox::Shared;
use crate::state::Outside;
use crate::trap::{CallError, Trap, TrapKind};

/// What a result says, or the rule that it breaks.
pub(crate) type Read<T> = Result<Result<T, PluginError>, Breach>;

/// A plugin that reaches remotes. Its calls take the yielding form and a slot outside of those
/// that drivers have for themselves.
#[derive(Clone)]
pub(crate) struct Remote {
    shared: Arc<Shared>,
    callee: Callee,
}

impl Remote {
    pub(crate) const fn new(shared: Arc<Shared>, callee: Callee) -> Self {
        Self { shared, callee }
    }

    /// The same under other limits.
    pub(crate) fn with_limits(&self, limits: Limits) -> Self {
        let Self { shared, callee } = self.clone();
        Self { shared, callee: Callee { limits, ..callee } }
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.callee.limits
    }

    /// SHA-256 of the file, in hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.callee.identity.digest
    }

    /// Calls a function with an input of `size` bytes and takes its result over: a value, or the plugin's
    /// own error.
    ///
    /// # Errors
    /// [`CallError`], also for a result that breaks a rule.
    pub(crate) async fn call<P, R, T>(
        &self,
        export: &Export,
        (size, params): (usize, P),
        host: Arc<dyn HostServices>,
        read: fn(&mut Reader, R) -> Read<T>,
    ) -> Result<T, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let mut spent = Spent { input_bytes: size, ..Spent::default() };
        let outcome = match self.run::<P, R>(export, params, &host, &mut spent).await {
            Ok(result) => {
                let mut reader = Reader::new(self.callee.limits.output_bytes);
                let read = read(&mut reader, result);
                spent.output_bytes = reader.taken();
                match read {
                    Ok(told) => told.map_err(CallError::Plugin),
                    Err(breach) => Err(output_trap(&self.callee, export, breach).into()),
                }
            }
            Err(trap) => Err(trap.into()),
        };
        self.callee.tell(export, &*host, spent, &outcome);
        outcome
    }

    async fn run<P, R>(
        &self,
        export: &Export,
        params: P,
        host: &Arc<dyn HostServices>,
        spent: &mut Spent,
    ) -> Result<R, Trap>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let trap = |kind| self.callee.identity.trap(export.name, kind);
        let (size, limit) = (spent.input_bytes, self.callee.limits.input_bytes);
        if size > limit {
            return Err(trap(TrapKind::Input { size, limit }));
        }
        let Ok(_slot) = self.shared.slots.others.try_acquire() else {
            return Err(trap(TrapKind::Busy));
        };
        // On the heap: the state of such a call is large, and it lives for a network round trip.
        let running = Box::pin(self.callee.run_yielding(export, params, Outside::Live(Arc::clone(host))));
        running.await.close(&**host, spent).map_err(|failure| match failure {
            Failure::Trap(trap) => trap,
            Failure::Overrun(_) => trap(TrapKind::Wall { limit: self.callee.limits.wall }),
        })
    }
}
