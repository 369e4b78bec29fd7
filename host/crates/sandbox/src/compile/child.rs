//! The side of the child: lower the limits, compile, answer, end.

use std::io::{self, Read as _};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::wire::{self, Request};
use crate::engine;

/// Standard input, output and error; no file can be opened beside them.
const OPEN_FILES: u64 = 3;
/// How much the child gives way to the hub.
const NICENESS: i32 = 10;

/// Why the child has no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// Called by hand.
    #[error("this command is for the hub itself, which gives it a component on standard input")]
    NotForPeople,
    /// The limits could not be lowered, so nothing was compiled.
    #[error("the limits of this process could not be lowered")]
    Limits(#[source] io::Error),
    /// No engine.
    #[error("the compiler could not be set up: {0}")]
    Engine(String),
    /// Standard input or output broke.
    #[error("the hub is gone")]
    Pipe(#[source] io::Error),
}

/// Compiles the component on standard input and writes the native code to standard output.
///
/// For a program that does nothing else: it lowers the limits of the whole process, for good, before
/// it reads the component. That the compiler refuses a component is an answer and no error.
///
/// # Errors
/// [`ChildError`]: there is no answer.
pub fn compile_from_stdin() -> Result<(), ChildError> {
    let mut input = io::stdin().lock();
    let request = Request::read(&mut input).ok().flatten().ok_or(ChildError::NotForPeople)?;
    lower_limits(&request).map_err(|error| ChildError::Limits(error.into()))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(ChildError::Pipe)?;
    let engine = engine::for_compiling().map_err(|error| ChildError::Engine(format!("{error:#}")))?;
    let compiled = engine.precompile_component(&component).map_err(|error| format!("{error:#}"));
    let outcome = compiled.as_deref().map_err(String::as_str);
    wire::answer(&mut io::stdout().lock(), outcome).map_err(ChildError::Pipe)
}

fn lower_limits(request: &Request) -> rustix::io::Result<()> {
    // The soft limit ends the process with a signal of its own, by which the parent knows it.
    let cpu = Rlimit { current: Some(request.cpu_s), maximum: Some(request.cpu_s.saturating_add(1)) };
    setrlimit(Resource::Cpu, cpu)?;
    let rest = [
        (Resource::As, request.memory_bytes),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, OPEN_FILES),
        (Resource::Nproc, 0),
    ];
    for (resource, limit) in rest {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    rustix::process::nice(NICENESS)?;
    #[cfg(target_os = "linux")]
    {
        // It ends when the hub does, however that ends.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
    }
    Ok(())
}
