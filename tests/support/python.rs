//! Libraries of Python that `cargo xtask test --install` fetched.

use std::path::PathBuf;
use std::process::Command;

use crate::env;

/// A library of Python, installed for these tests alone.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
    library: PathBuf,
}

impl Python {
    /// Finds the library of a suite. Returns nothing, and says so, where it is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it.
    pub(crate) fn find(suite: &str) -> Option<Self> {
        let found = (env::find_program("python3"), env::tools(suite));
        let (Some(program), Some(library)) = found else {
            let what = format!("the library `{suite}` of Python is not here");
            env::missing(suite, &what, "cargo xtask test --install");
            return None;
        };
        Some(Self { program, library })
    }

    /// Runs these lines, which may import the library.
    pub(crate) fn command(&self, lines: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-c", lines]).env("PYTHONPATH", &self.library).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}
