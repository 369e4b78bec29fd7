//! One call of one exported function: fresh store, fresh instance, budgets, named errors.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use domain::limits::Limits;
use domain::plugin::{PluginKind, PluginName};
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{I32Exit, ResourceTableError};

use crate::host::{Ended, LogBook, Misuse, PluginLog, Spent};
use crate::state::{Outside, Pace, State, Stop};
use crate::trap::{CallError, Trap, TrapKind};
use crate::wasi::{MAX_RESOURCES, Moment};

/// The one text by which the runtime's "too much crosses the boundary" can be told from others.
const FUEL_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

/// Whose calls these are: what goes into an error and into figures.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) kind: PluginKind,
    pub(crate) name: PluginName,
    pub(crate) version: String,
    /// SHA-256 of the file, in hexadecimal.
    pub(crate) digest: String,
}

impl Identity {
    pub(crate) fn trap(&self, function: &'static str, kind: TrapKind) -> Trap {
        Trap {
            plugin_kind: self.kind,
            plugin: self.name.clone(),
            version: self.version.clone(),
            function,
            kind,
        }
    }
}

/// An exported function, found once when the plugin is loaded.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) name: &'static str,
    pub(crate) index: ComponentExportIndex,
}

/// What calls of one plugin have in common.
#[derive(Clone)]
pub(crate) struct Callee {
    pub(crate) identity: Identity,
    pub(crate) limits: Limits,
    pub(crate) pre: InstancePre<State>,
    /// Whether it imports WASI, which has functions in the asynchronous form alone.
    pub(crate) has_wasi: bool,
}

/// How a call ended that has no result.
pub(crate) enum Failure {
    /// For good.
    Trap(Trap),
    /// Too long for the inline form after so much thread time; nothing of it remains.
    Overrun(Duration),
}

/// Why an export does not fit the contract.
pub(crate) enum Misfit {
    /// The component does not even start.
    Trap(Trap),
    /// It has other types.
    Types(String),
}

/// A result, and what is to be told of the call that gave it.
pub(crate) struct Answer<R> {
    pub(crate) outcome: Result<R, Failure>,
    log: LogBook,
    spent: Spent,
}

impl<R> Answer<R> {
    /// Writes the call's last lines and adds what it used; what remains is how it ended.
    pub(crate) fn close(self, log: &dyn PluginLog, spent: &mut Spent) -> Result<R, Failure> {
        self.log.close(log);
        let Spent { input_bytes, output_bytes, waited, .. } = *spent;
        *spent = Spent { input_bytes, output_bytes, waited, ..self.spent };
        self.outcome
    }
}

impl Callee {
    fn store(&self, pace: Pace, outside: Outside) -> Store<State> {
        State::store(self.engine(), &self.limits, pace, outside)
    }

    fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    /// Tells how a call ended.
    pub(crate) fn tell<T>(
        &self,
        export: &Export,
        log: &dyn PluginLog,
        spent: Spent,
        outcome: &Result<T, CallError>,
    ) {
        let trap = outcome.as_ref().err().and_then(CallError::as_trap);
        log.ended(&Ended {
            digest: &self.identity.digest,
            function: export.name,
            end: outcome.as_ref().map_or_else(CallError::error_type, |_| "ok"),
            is_stopped: trap.is_some_and(|trap| !matches!(trap.kind, TrapKind::Busy)),
            spent,
        });
    }

    /// Checks the types of an export without calling it.
    pub(crate) fn check<P, R>(&self, export: &Export) -> Result<(), Misfit>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let mut store = self.store(Pace::Blocking, Outside::Still(Moment::LOADING));
        let instance = if self.has_wasi {
            at_once(self.pre.instantiate_async(&mut store))
        } else {
            self.pre.instantiate(&mut store)
        };
        match instance {
            Ok(instance) => instance
                .get_typed_func::<P, R>(&mut store, export.index)
                .map(drop)
                .map_err(|error| Misfit::Types(format!("{error:#}"))),
            Err(error) => {
                let state = store.into_data();
                let kind = classify(&error, state.memory.exceeded(), state.stop, &self.limits);
                Err(Misfit::Trap(self.identity.trap(export.name, kind)))
            }
        }
    }

    /// Calls a function on this thread, to the end, in a world that stands still.
    pub(crate) fn run<P, R>(&self, pace: Pace, export: &Export, params: P, moment: Moment) -> Answer<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let mut store = self.store(pace, Outside::Still(moment));
        let called = if self.has_wasi {
            at_once(self.call(&mut store, export, params))
        } else {
            self.pre.instantiate(&mut store).and_then(|instance| {
                let function: TypedFunc<P, R> = instance.get_typed_func(&mut store, export.index)?;
                function.call(&mut store, params)
            })
        };
        self.finish(export, called, store)
    }

    async fn call<P, R>(&self, store: &mut Store<State>, export: &Export, params: P) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let function: TypedFunc<P, R> = instance.get_typed_func(&mut *store, export.index)?;
        function.call_async(&mut *store, params).await
    }

    /// Calls a function in the yielding form, within the whole wall time.
    pub(crate) async fn run_yielding<P, R>(&self, export: &Export, params: P, outside: Outside) -> Answer<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let mut store = self.store(Pace::Yielding, outside);
        let meter = Arc::clone(&store.data().meter);
        let call = meter.count(self.call(&mut store, export, params));
        match tokio::time::timeout(self.limits.wall, call).await {
            Ok(called) => self.finish(export, called, store),
            Err(_elapsed) => {
                let trap = self.identity.trap(export.name, TrapKind::Wall { limit: self.limits.wall });
                let state = store.into_data();
                Answer { outcome: Err(Failure::Trap(trap)), spent: state.spent(), log: state.log }
            }
        }
    }

    fn finish<R>(&self, export: &Export, called: wasmtime::Result<R>, store: Store<State>) -> Answer<R> {
        let state = store.into_data();
        let spent = state.spent();
        let outcome = called.map_err(|error| match (state.memory.exceeded(), state.stop) {
            (false, Some(Stop::Overrun { used })) => Failure::Overrun(used),
            (exceeded, stop) => {
                let kind = classify(&error, exceeded, stop, &self.limits);
                Failure::Trap(self.identity.trap(export.name, kind))
            }
        });
        Answer { outcome, log: state.log, spent }
    }
}

/// Carries a call out that never waits: where the world stands still every sleep is over, and streams take
/// everything at once.
fn at_once<T>(call: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(wasmtime::Error::new(Misuse("it waits for what never happens".to_owned()))),
    }
}

/// Finds the cause of a failed call. What the host itself recorded goes before what the runtime
/// says, since a plugin that ran into a limit usually dies of something else.
fn classify(error: &wasmtime::Error, memory_exceeded: bool, stop: Option<Stop>, limits: &Limits) -> TrapKind {
    match stop {
        _ if memory_exceeded => return TrapKind::Memory { limit: limits.memory_bytes },
        Some(Stop::Cpu { used }) => return TrapKind::Cpu { limit: limits.cpu, used },
        Some(Stop::Wall | Stop::Overrun { .. }) => return TrapKind::Wall { limit: limits.wall },
        None => {}
    }
    if let Some(Misuse(what)) = error.downcast_ref::<Misuse>() {
        return TrapKind::Boundary(what.clone());
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return TrapKind::Exit { code: *code };
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        let what =
            format!("it holds more than {MAX_RESOURCES} streams, errors and pollables of WASI at a time");
        return TrapKind::Boundary(what);
    }
    if let Some(trap) = error.downcast_ref::<wasmtime::Trap>() {
        return match trap {
            wasmtime::Trap::StackOverflow => TrapKind::Stack,
            wasmtime::Trap::UnreachableCodeReached => TrapKind::Panic,
            other => TrapKind::Fault(other.to_string()),
        };
    }
    let cause = error.root_cause().to_string();
    if cause.contains(FUEL_EXHAUSTED) {
        let fault = format!("is larger than its limit of {} bytes allows", limits.output_bytes);
        // Only what happens while the plugin runs has a trace of its calls.
        let is_argument = error.downcast_ref::<wasmtime::WasmBacktrace>().is_some();
        let field = if is_argument { "argument of a host function" } else { "result" };
        return TrapKind::Output { field: field.to_owned(), fault };
    }
    TrapKind::Boundary(cause)
}
