//! What the environment says to tests: the only place that reads it.

use std::path::PathBuf;

/// Variables that the hub gets from the environment of the tests; it sees no other.
const PASSED_ON: [&str; 5] = ["HOME", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR"];

#[expect(clippy::disallowed_methods, reason = "tests have no `config`; this is where they ask")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The program under test: `WATCHBELL_TEST_BINARY`, else the one that cargo built beside the tests.
///
/// # Panics
/// When it is not there.
pub fn binary() -> PathBuf {
    let path = variable("WATCHBELL_TEST_BINARY").map_or_else(beside_tests, PathBuf::from);
    assert!(
        path.is_file(),
        "there is no program `{}`\n\
         hint: `cargo build --bin watchbell`, or name another one in `WATCHBELL_TEST_BINARY`",
        path.display()
    );
    path
}

/// The program as cargo built it beside the tests, with debug assertions where they have them: what is shipped
/// knows nothing of points to crash at.
///
/// # Panics
/// When it is not there.
pub(crate) fn own_binary() -> PathBuf {
    let path = beside_tests();
    assert!(path.is_file(), "there is no program `{}`\nhint: `cargo build --bin watchbell`", path.display());
    path
}

/// Tests lie in `<target>/<profile>/deps`, programs one folder higher.
fn beside_tests() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let profile = own.parent().and_then(|deps| deps.parent()).expect("cargo puts tests two folders deep");
    profile.join("watchbell")
}

/// Whether this machine promised that a suite can run (`cargo xtask test` says so).
fn requires(suite: &str) -> bool {
    variable("WATCHBELL_TEST_REQUIRE").is_some_and(|list| list.split(',').any(|name| name == suite))
}

/// Says that a suite does not run here, and how it could.
///
/// # Panics
/// When this machine promised that it can.
#[expect(clippy::print_stderr, reason = "a test that cannot run here says so")]
pub(crate) fn missing(suite: &str, what: &str, remedy: &str) {
    let text = format!("not run: {what}\nhint: `{remedy}`");
    assert!(!requires(suite), "{text}");
    eprintln!("{text}");
}

/// A folder of tools that `cargo xtask test --install` fetched: `<target>/tools/<name>`.
pub(crate) fn tools(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.ancestors()
        .skip(3)
        .take(2)
        .map(|folder| folder.join("tools").join(name))
        .find(|folder| folder.is_dir())
}

/// Where tests keep what they prepare once: `<target>/tools`.
///
/// # Panics
/// When cargo does not lie tests where it does.
pub(crate) fn tools_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    own.ancestors().nth(3).expect("cargo puts tests three folders deep").join("tools")
}

/// Where a program lies on `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The folders that programs are searched in.
pub(crate) fn path() -> String {
    variable("PATH").unwrap_or_default()
}

/// What cargo and npm get from the environment of the tests, beside what the hub gets: nothing of the cargo that
/// runs the tests.
pub(crate) fn of_builders() -> impl Iterator<Item = (&'static str, String)> {
    let own = ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    passed_on().chain(own.into_iter().filter_map(|name| Some((name, variable(name)?))))
}

/// What the hub gets from the environment of the tests.
pub(crate) fn passed_on() -> impl Iterator<Item = (&'static str, String)> {
    PASSED_ON.into_iter().filter_map(|name| Some((name, variable(name)?)))
}
