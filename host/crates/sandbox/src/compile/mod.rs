//! From checked bytes to native code.
//!
//! A component can make its compiler work for minutes and ask for gigabytes, so the hub compiles in a
//! child process that lowers its own limits first, holds nothing of the hub and is killed when its time
//! is up. Nothing of what a component says reaches the child but its bytes.

mod child;
mod parent;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use domain::plugin::PluginName;
use wasmtime::Engine;

pub use child::{ChildError, compile_from_stdin};

use crate::load_error::{CompileLimit, LoadError};
use crate::native::Native;

/// Who compiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// The calling thread, without limits. For tests and tools, whose components are their own.
    InProcess,
    /// A program of its own for each component. It must do nothing but [`compile_from_stdin`].
    Child {
        /// The program. `/proc/self/exe` stays the running one when its file is replaced.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// What compiling one component in a child may use.
///
/// Where the defaults come from: docs/decisions/0007.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time, in whole seconds, at least one.
    pub cpu: Duration,
    /// Wall time, for machines that have no processor to spare.
    pub wall: Duration,
    /// Address space of the child, in bytes; the program itself takes a part of it.
    pub memory_bytes: u64,
    /// The longest native code, in bytes.
    pub output_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(30),
            wall: Duration::from_secs(60),
            memory_bytes: 512 << 20,
            output_bytes: 256 << 20,
        }
    }
}

/// Why there is no native code.
enum Failure {
    /// The compiler said no.
    Refused(String),
    /// A limit was reached.
    Limit(CompileLimit),
    /// The child ended in some other way.
    Crash(String),
    /// There was no child.
    Start(std::io::Error),
}

/// Compiles a component whose names and size were checked. Blocks.
pub(crate) fn compile(
    engine: &Engine,
    compiler: &Compiler,
    limits: &CompileLimits,
    plugin: &PluginName,
    component: &[u8],
) -> Result<Native, LoadError> {
    let compiled = match compiler {
        Compiler::InProcess => {
            engine.precompile_component(component).map_err(|error| Failure::Refused(format!("{error:#}")))
        }
        Compiler::Child { program, arguments } => parent::run(program, arguments, limits, component),
    };
    let plugin = plugin.clone();
    compiled.map(Native::compiled).map_err(|failure| match failure {
        Failure::Refused(detail) => LoadError::compile(plugin, &detail),
        Failure::Limit(limit) => LoadError::CompileLimit { plugin, limit },
        Failure::Crash(how) => LoadError::CompilerCrash { plugin, how },
        Failure::Start(cause) => LoadError::CompilerStart { plugin, cause },
    })
}
