//! `watchbell`: an alert hub in one binary.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    host::cli::main()
}
