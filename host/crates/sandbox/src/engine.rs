//! The engine: how components are compiled and where their instances live.
//!
//! One engine for all plugins. Instances come from a pool that is reserved at start, so that a call
//! costs microseconds and the number of instances has an upper bound.

use std::hash::{Hash as _, Hasher};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::cache::Cache;
use crate::compile::{CompileLimits, Compiler};

/// How often running plugins are looked at. A measured figure: 2 to 8 % of the plugin's own speed.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Pages of a linear memory that stay resident between calls. Guests built with our SDK touch less.
const MEMORY_KEEP_RESIDENT: usize = 256 * 1024;
const TABLE_KEEP_RESIDENT: usize = 8 * 1024;
/// Entries of one table. The largest interpreters need about 10,000.
const TABLE_ELEMENTS: usize = 20_000;
/// Core modules, memories and tables of one component. Components made by `wasm-component-ld` have at most 4,
/// 1 and 3 of them, those of `jco` 3 memories, and those of `componentize-py` 38 core modules.
const CORE_INSTANCES: u32 = 64;
const MEMORIES: u32 = 4;
const MODULE_MEMORIES: u32 = 2;
const TABLES: u32 = 8;
/// What loading needs besides the slots for calls; loading is one at a time.
const LOADING_SLOTS: u32 = 1;

/// The most memory that any plugin's limit may allow by default, in bytes.
pub const MAX_MEMORY_BYTES: usize = 256 << 20;
/// The largest component file by default, in bytes. A Python one has about 18 MB.
pub const MAX_COMPONENT_BYTES: usize = 32 << 20;

/// How much the sandbox may hold, and how it gets at native code.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Instances that may be alive at a time, of all plugins together.
    pub slots: u32,
    /// How many of them only drivers may use, so that waiting notifiers never hold up ingest.
    /// At least one for each worker thread, and `long_driver_calls` on top.
    pub reserved_for_drivers: u32,
    /// How many of those are for calls in the long form, which are limited so that slow
    /// drivers leave the processor to the others.
    pub long_driver_calls: u32,
    /// The most memory that any plugin's limit may allow, in bytes.
    pub max_memory_bytes: usize,
    /// The largest component file, in bytes.
    pub max_component_bytes: usize,
    /// Who compiles.
    pub compiler: Compiler,
    /// What compiling in a child may use.
    pub compile_limits: CompileLimits,
    /// Where native code is kept between starts; without one everything is compiled each time.
    pub cache: Option<Cache>,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        let drivers = u32::try_from(cores).unwrap_or(64).saturating_mul(2).max(16);
        Self {
            slots: drivers.saturating_add(48),
            reserved_for_drivers: drivers,
            long_driver_calls: 2,
            max_memory_bytes: MAX_MEMORY_BYTES,
            max_component_bytes: MAX_COMPONENT_BYTES,
            compiler: Compiler::InProcess,
            compile_limits: CompileLimits::default(),
            cache: None,
        }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings leave some kind of call without a slot.
    #[error(
        "of {slots} slots {reserved} are for drivers, {long} of those for long calls: each kind of call needs at least one\nhint: give the sandbox more slots"
    )]
    Slots {
        /// All slots.
        slots: u32,
        /// Those for drivers.
        reserved: u32,
        /// Those for long calls of drivers.
        long: u32,
    },
    /// The pool could not be reserved.
    #[error(
        "the sandbox could not reserve room for {slots} instances: {detail}\nhint: use fewer slots or lift the limit on address space (`ulimit -v`)"
    )]
    Pool {
        /// All slots.
        slots: u32,
        /// What the runtime says.
        detail: String,
    },
    /// No thread for the ticker.
    #[error("the sandbox could not start its ticker thread")]
    Ticker(#[source] std::io::Error),
}

/// Builds the engine with its pool.
pub(crate) fn build(settings: &Settings) -> Result<Engine, StartError> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    Engine::new(&config)
        .map_err(|error| StartError::Pool { slots: settings.slots, detail: format!("{error:#}") })
}

/// Builds an engine that compiles what [`build`]'s runs. It reserves nothing and starts no threads.
pub(crate) fn for_compiling() -> wasmtime::Result<Engine> {
    Engine::new(config().parallel_compilation(false))
}

/// All that decides what native code looks like; how instances are allocated does not.
fn config() -> Config {
    let mut config = Config::new();
    config
        .memory_init_cow(true)
        .epoch_interruption(true)
        .gc_support(false)
        .wasm_memory64(false)
        .concurrency_support(false)
        // The same input gives the same output on every machine.
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true);
    config
}

/// What native code must have been compiled for: the runtime's version, the machine, the settings.
pub(crate) fn compatibility(engine: &Engine) -> [u8; 32] {
    let mut hasher = Wide(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// SHA-256 as a hasher: the standard library's is 64 bits wide and may change with the toolchain.
struct Wide(Sha256);

impl Hasher for Wide {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks for the narrow form.
        0
    }
}

fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let slots = settings.slots.saturating_add(LOADING_SLOTS);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MEMORIES))
        .total_tables(slots.saturating_mul(TABLES))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MODULE_MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(settings.max_memory_bytes)
        .max_unused_warm_slots(slots)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// The thread that makes running plugins look at their budgets.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts it; it ends when this value is dropped.
    pub(crate) fn start(engine: Engine) -> Result<Self, StartError> {
        let (stop, stopped) = mpsc::channel();
        let thread = Builder::new()
            .name("sandbox-ticker".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })
            .map_err(StartError::Ticker)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A ticker that panicked has nothing left to clean up.
            let _ended = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_of_the_child_compiles_for_the_engine_that_runs() {
        let settings = Settings { slots: 4, ..Settings::default() };
        let (runs, compiles) = (build(&settings).unwrap(), for_compiling().unwrap());
        assert_eq!(compatibility(&runs), compatibility(&compiles));
        let other = Engine::new(config().cranelift_nan_canonicalization(false)).unwrap();
        assert_ne!(compatibility(&runs), compatibility(&other));
    }
}
