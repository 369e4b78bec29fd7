//! What the tooling tells a person: progress on standard error, results on standard output.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its terminal")]

/// Says what is being done now.
pub(crate) fn progress(text: &str) {
    eprintln!("xtask: {text}");
}

/// Prints a result.
pub(crate) fn result(text: &str) {
    println!("{text}");
}

/// Prints why a command stopped, each cause on a line of its own.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
}
