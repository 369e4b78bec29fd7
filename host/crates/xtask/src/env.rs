//! The environment variables that the tooling itself reads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The value of a variable; nothing if it is unset or empty.
#[expect(clippy::disallowed_methods, reason = "the one place of the tooling that reads the environment")]
pub(crate) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether this is a machine that checks changes, as its services announce themselves.
pub(crate) fn is_ci() -> bool {
    var("CI").is_some_and(|value| value != "0" && value != "false")
}

/// Where cargo keeps what it downloads.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    var("CARGO_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&var("HOME")?).join(".cargo")))
}

/// The variables that `cargo run` set for this process and that must not reach a cargo it starts.
///
/// Some build scripts ask to be run again when `CARGO_MANIFEST_DIR` and its like change, so handing
/// them on would rebuild those crates at each change between `cargo xtask` and plain `cargo`.
pub(crate) fn of_this_cargo_run() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || name == "OUT_DIR"
    })
}

/// What every program needs to know about this machine, and nothing that is a setting of ours.
pub(crate) fn of_every_program() -> impl Iterator<Item = (&'static str, String)> {
    ["HOME", "PATH", "TMPDIR"].into_iter().filter_map(|name| Some((name, var(name)?)))
}
