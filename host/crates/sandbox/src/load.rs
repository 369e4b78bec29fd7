//! From bytes to a plugin: everything that can be refused is refused here, cheapest first.
//!
//! Imports and exports are read from the bytes before anything is compiled; compiling comes before
//! anything runs; `metadata` runs with logging only and a tight budget.

use std::time::{Duration, Instant};

use domain::limits::Limits;
use domain::plugin::{PluginInfo, PluginKind, PluginName};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower,
};

use crate::bound::{Breach, Reader};
use crate::cache::{Cache, CacheFault, Key};
use crate::call::{Callee, Export, Failure, Identity, Misfit};
use crate::compile::compile;
use crate::engine::Settings;
use crate::host::{LastWords, Spent};
use crate::inspect::Manifest;
use crate::load_error::LoadError;
use crate::plugin::{ComponentFile, LoadRequest};
use crate::sandbox::Shared;
use crate::state::{Pace, State};
use crate::step::LoadStep;
use crate::trap::{Trap, TrapKind};
use crate::wasi::Moment;

/// What `metadata` may use: far more than any needs, whatever the plugin's own limits.
const METADATA_CPU: Duration = Duration::from_millis(50);
/// Only what starves the machine meets this one: a hub must start on it, too.
const METADATA_WALL: Duration = Duration::from_secs(10);
/// A sample and a schema fit in.
const METADATA_OUTPUT: usize = 1 << 20;

/// A component that compiled and has the right names; nothing of it has run yet.
pub(crate) struct Prepared<'a> {
    shared: &'a Shared,
    request: &'a LoadRequest<'a>,
    steps: &'a dyn Fn(LoadStep),
    component: Component,
    interface: ComponentExportIndex,
    has_wasi: bool,
    /// Calls of `metadata` and of samples.
    trial: Callee,
}

impl Shared {
    /// Checks names and sizes, and gets at the native code. Blocks for as long as compiling takes.
    pub(crate) fn prepare<'a>(
        &'a self,
        request: &'a LoadRequest<'a>,
        steps: &'a dyn Fn(LoadStep),
    ) -> Result<Prepared<'a>, LoadError> {
        let LoadRequest { kind, name, file, limits, wasi } = *request;
        if limits.memory_bytes > self.settings.max_memory_bytes {
            return Err(LoadError::MemoryLimit {
                plugin: name.clone(),
                asked: limits.memory_bytes,
                limit: self.settings.max_memory_bytes,
            });
        }
        if file.bytes().len() > self.settings.max_component_bytes {
            return Err(LoadError::TooLarge {
                plugin: name.clone(),
                size: file.bytes().len(),
                limit: self.settings.max_component_bytes,
            });
        }
        let manifest = Manifest::read(name, file.bytes())?;
        manifest.check(name, kind, wasi)?;
        let has_wasi = manifest.imports_wasi();
        steps(LoadStep::Admitted { contract: manifest.contract.clone().unwrap_or_default() });
        let component = self.component(name, file, steps)?;
        let interface = manifest
            .interface(kind)
            .and_then(|export| component.get_export_index(None, export))
            .ok_or_else(|| misfit(kind, name, "the exported interface is not an instance"))?;
        let trial = self.trial(request, has_wasi, &component)?;
        Ok(Prepared { shared: self, request, steps, component, interface, has_wasi, trial })
    }

    /// Native code from the cache, else from the compiler, which is then kept.
    fn component(
        &self,
        plugin: &PluginName,
        file: &ComponentFile<'_>,
        steps: &dyn Fn(LoadStep),
    ) -> Result<Component, LoadError> {
        let key = Key { component: file.raw_digest(), engine: self.compatibility };
        let cache = self.settings.cache.as_ref();
        if let Some(component) = cache.and_then(|cache| self.cached(cache, &key, steps)) {
            return Ok(component);
        }
        let begin = Instant::now();
        let Settings { compiler, compile_limits, .. } = &self.settings;
        let native = compile(&self.engine, compiler, compile_limits, plugin, file.bytes())?;
        steps(LoadStep::Compiled { elapsed: begin.elapsed(), size_bytes: native.code().len() });
        let component = native
            .load(&self.engine)
            .map_err(|error| LoadError::compile(plugin.clone(), &format!("{error:#}")))?;
        if let Some((cache, Err(cause))) = cache.map(|cache| (cache, cache.write(&key, native.code()))) {
            steps(LoadStep::CacheNotWritten { file: cache.path(&key.component), cause });
        }
        Ok(component)
    }

    fn cached(&self, cache: &Cache, key: &Key, steps: &dyn Fn(LoadStep)) -> Option<Component> {
        let read = cache.read(key, self.settings.compile_limits.output_bytes).and_then(|native| {
            let Some(native) = native else { return Ok(None) };
            let component =
                native.load(&self.engine).map_err(|error| CacheFault::Rejected(format!("{error:#}")))?;
            Ok(Some((component, native.code().len())))
        });
        match read {
            Ok(found) => {
                let (component, size_bytes) = found?;
                steps(LoadStep::Cached { size_bytes });
                Some(component)
            }
            Err(fault) => {
                steps(LoadStep::CacheIgnored { file: cache.path(&key.component), fault });
                None
            }
        }
    }

    fn trial(
        &self,
        request: &LoadRequest<'_>,
        has_wasi: bool,
        component: &Component,
    ) -> Result<Callee, LoadError> {
        let LoadRequest { kind, name, limits, .. } = *request;
        let pre = if has_wasi {
            // Its calls are asynchronous anyway, and what the host does ends them while nobody is there.
            link(self.linker(kind, has_wasi), kind, name, component)?
        } else {
            let mut linker = self.loading_linker().clone();
            linker
                .define_unknown_imports_as_traps(component)
                .map_err(|error| misfit(kind, name, format!("{error:#}")))?;
            link(&linker, kind, name, component)?
        };
        let limits =
            Limits { cpu: METADATA_CPU, wall: METADATA_WALL, output_bytes: METADATA_OUTPUT, ..limits };
        let identity = Identity { kind, name: name.clone(), version: String::new(), digest: String::new() };
        Ok(Callee { identity, limits, pre, has_wasi })
    }
}

impl Prepared<'_> {
    /// Finds an exported function and checks its types against the contract.
    pub(crate) fn export<P, R>(&self, function: &'static str) -> Result<Export, LoadError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let index = self.component.get_export_index(Some(&self.interface), function).ok_or_else(|| {
            misfit(self.request.kind, self.request.name, format!("function `{function}` is not exported"))
        })?;
        let export = Export { name: function, index };
        let _loading = self.loading();
        match self.trial.check::<P, R>(&export) {
            Ok(()) => Ok(export),
            Err(Misfit::Trap(trap)) => Err(trapped(trap, &LastWords::default())),
            Err(Misfit::Types(detail)) => {
                Err(misfit(self.request.kind, self.request.name, format!("function `{function}`: {detail}")))
            }
        }
    }

    /// Calls `metadata` and takes over what it says.
    pub(crate) fn metadata<G, I>(
        &self,
        convert: impl FnOnce(&mut Reader, G) -> Result<I, Breach>,
        plugin: impl Fn(&I) -> &PluginInfo,
    ) -> Result<I, LoadError>
    where
        (G,): ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let export = self.export::<(), (G,)>("metadata")?;
        let answer = {
            let _loading = self.loading();
            self.trial.run::<(), (G,)>(Pace::Blocking, &export, (), Moment::LOADING)
        };
        let last_words = LastWords::default();
        let refused = |kind| trapped(self.trial.identity.trap("metadata", kind), &last_words);
        let said = answer.close(&last_words, &mut Spent::default()).map_err(|failure| match failure {
            Failure::Trap(trap) => trapped(trap, &last_words),
            Failure::Overrun(_) => refused(TrapKind::Wall { limit: METADATA_WALL }),
        })?;
        let info = convert(&mut Reader::new(METADATA_OUTPUT), said.0)
            .map_err(|Breach { field, fault }| refused(TrapKind::Output { field, fault }))?;
        let found = &plugin(&info).name;
        if found != self.request.name {
            return Err(LoadError::NameMismatch {
                expected: self.request.name.clone(),
                found: found.to_string(),
            });
        }
        self.step(LoadStep::Described { version: plugin(&info).version.clone() });
        Ok(info)
    }

    /// Links the plugin for its calls, with all that its kind is given.
    pub(crate) fn callee(&self, info: &PluginInfo) -> Result<Callee, LoadError> {
        let identity = Identity {
            kind: self.request.kind,
            name: self.request.name.clone(),
            version: info.version.clone(),
            digest: self.request.file.digest(),
        };
        let pre = link(
            self.shared.linker(self.request.kind, self.has_wasi),
            self.request.kind,
            self.request.name,
            &self.component,
        )?;
        Ok(Callee { identity, limits: self.request.limits, pre, has_wasi: self.has_wasi })
    }

    /// Tells those who want to know.
    pub(crate) fn step(&self, step: LoadStep) {
        (self.steps)(step);
    }

    /// Takes the one slot for loading. A thread that panicked with it left nothing behind.
    pub(crate) fn loading(&self) -> std::sync::MutexGuard<'_, ()> {
        self.shared.loading.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn link(
    linker: &Linker<State>,
    kind: PluginKind,
    name: &PluginName,
    component: &Component,
) -> Result<InstancePre<State>, LoadError> {
    linker.instantiate_pre(component).map_err(|error| misfit(kind, name, format!("{error:#}")))
}

fn trapped(trap: Trap, last_words: &LastWords) -> LoadError {
    LoadError::Metadata { trap: Box::new(trap), last_words: last_words.to_string() }
}

fn misfit(kind: PluginKind, name: &PluginName, detail: impl Into<String>) -> LoadError {
    LoadError::Interface { plugin: name.clone(), kind, detail: detail.into() }
}

/// Why a call of this plugin has no result, when what came back breaks a rule.
pub(crate) fn output_trap(callee: &Callee, export: &Export, breach: Breach) -> Trap {
    let Breach { field, fault } = breach;
    callee.identity.trap(export.name, TrapKind::Output { field, fault })
}
