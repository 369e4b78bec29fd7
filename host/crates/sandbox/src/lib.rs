//! Runs plugins: WebAssembly components of the contract in `wit/`, one fresh instance per call.
//!
//! The only crate that names wasmtime, and its public items name none of it: types of `domain` go
//! in and come out.
//!
//! - [`Sandbox`] holds the engine and its slots; it turns bytes into a [`Driver`], [`Notifier`] or
//!   [`Provider`]. Compiling happens in a child process ([`Compiler`]) and is kept ([`Cache`]).
//! - A call is bounded in CPU (thread time), wall time, memory (all memories and tables together),
//!   input, output and log lines; [`domain::limits::Limits`] says how much.
//! - What a plugin may ask of the host enters as [`HostServices`].
//! - Everything that comes back is checked while it becomes a value of the domain.
//! - A failed call is a [`CallError`], a refused file a [`LoadError`]; both have a word for
//!   `error.type`.

mod bindings;
mod bound;
mod cache;
mod call;
mod compile;
mod driver;
mod engine;
mod generation;
mod guest;
mod host;
mod inspect;
mod load;
mod load_error;
mod memory;
mod meter;
mod native;
mod notifier;
mod plugin;
mod provider;
mod remote;
mod sandbox;
mod state;
mod step;
mod trap;
mod wasi;

pub use cache::{Cache, CacheError, CacheFault};
pub use compile::{ChildError, CompileLimits, Compiler, compile_from_stdin};
pub use driver::Driver;
pub use engine::{MAX_COMPONENT_BYTES, MAX_MEMORY_BYTES, Settings, StartError};
pub use generation::Generation;
pub use host::{Ended, HostServices, LogLevel, PluginLog, Spent};
pub use inspect::Manifest;
pub use load_error::{CONTRACT, CompileLimit, LoadError};
pub use notifier::Notifier;
pub use plugin::{ComponentFile, LoadRequest, Plugin};
pub use provider::Provider;
pub use sandbox::Sandbox;
pub use step::LoadStep;
pub use trap::{CallError, Trap, TrapKind};
