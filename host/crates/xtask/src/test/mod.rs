//! `cargo xtask test`: everything a change must pass on one machine.

mod counts;
mod deny;
mod npm;
mod python;
mod report;
mod suites;

use std::process::{Command, ExitCode};

use crate::test::counts::Counts;
use crate::test::report::{Outcome, Report};
use crate::workspace::{Metadata, Workspace};
use crate::{artifacts, corpus, debian, env, plugins, process, tidy};

/// Suites that are no part of `--quick`: each takes longer than all others together.
const SLOW_SUITES: [&str; 2] = ["alertmanager", "crash"];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only what fits in a minute after a small edit
    #[arg(long)]
    quick: bool,
    /// Install the Debian packages and tools that are missing
    #[arg(long)]
    install: bool,
}

/// Runs the steps one after the other, each to its end, and closes with a summary.
///
/// # Errors
/// The workspace cannot be read at all. A step that fails is in the summary and in the exit code.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let metadata = workspace.metadata()?;
    let may_install = debian::may_install(options.install);
    let mut report = Report::default();
    report.step("format", || {
        step(cargo(workspace, &["fmt", "--all", "--check"]))?;
        // A workspace of its own.
        step(cargo(workspace, &["fmt", "--check", "--manifest-path", "tests/fuzz/Cargo.toml"]))
    });
    report.step("tidy", || tidy::check(workspace).map(|()| Outcome::Passed));
    if !options.quick {
        report.step("dependencies", || deny::check(workspace, &metadata.target_directory, may_install));
    }
    report.step("plugins", || {
        let options = plugins::Options { install: options.install, way: None };
        plugins::build(workspace, &options).map(|()| Outcome::Passed)
    });
    report.step("clippy", || {
        let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"];
        step(cargo(workspace, &arguments))
    });
    if !options.quick {
        report.step("docs", || step(docs(workspace)));
    }
    if !options.quick {
        report.step("corpus", || corpus_report(workspace));
    }
    run_tests(workspace, &metadata, options, &mut report);
    Ok(report.close(env::is_ci()))
}

/// Builds the binary that black-box tests start, then runs all tests and adds up how they ended.
fn run_tests(workspace: &Workspace, metadata: &Metadata, options: &Options, report: &mut Report) {
    let mut binary = None;
    report.step(if options.quick { "binary" } else { "release binary" }, || {
        binary = Some(artifacts::build_watchbell(workspace, !options.quick)?);
        Ok(Outcome::Passed)
    });
    if !options.quick {
        // What is shipped has no points to crash at: their tests take the program beside them.
        report.step("binary", || artifacts::build_watchbell(workspace, false).map(|_| Outcome::Passed));
    }
    let mut programs = suites::Present::default();
    if !options.quick {
        let may_install = debian::may_install(options.install);
        programs = suites::prepare(may_install, workspace, &metadata.target_directory, report);
    }
    let mut counts = Counts::default();
    let mut runs = vec![("tests", tests(workspace, metadata, options.quick))];
    if !options.quick {
        runs.push((
            "doc tests",
            cargo(workspace, &["test", "--doc", "--workspace", "--locked", "--no-fail-fast"]),
        ));
    }
    for (name, mut command) in runs {
        command.env("CARGO_TERM_COLOR", "never").env(suites::REQUIRE, programs.required(env::is_ci()));
        if let Some(binary) = &binary {
            command.env("WATCHBELL_TEST_BINARY", binary);
        }
        report.step(name, || {
            let (succeeded, output) = process::run_and_keep(&mut command)?;
            counts += Counts::read(&output);
            anyhow::ensure!(succeeded, "`{}` did not succeed", process::shown(&command));
            Ok(Outcome::Passed)
        });
    }
    report.count(counts);
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = process::cargo(&workspace.root);
    command.args(arguments);
    command
}

fn step(mut command: Command) -> anyhow::Result<Outcome> {
    process::run(&mut command).map(|()| Outcome::Passed)
}

/// The payloads are not ours to publish: a checkout that stands alone is whole without them.
fn corpus_report(workspace: &Workspace) -> anyhow::Result<Outcome> {
    match corpus::beside(workspace) {
        Some(folder) => corpus::report(workspace, &folder, false).map(|()| Outcome::Passed),
        None => Ok(Outcome::NotHere(format!(
            "no folder `{}` here\nhint: put payloads there, or run `cargo xtask corpus <folder>`",
            corpus::BESIDE
        ))),
    }
}

fn docs(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace, &["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    command
}

/// All tests but those in documentation: by nextest where it is installed, else by cargo.
fn tests(workspace: &Workspace, metadata: &Metadata, quick: bool) -> Command {
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    let suites: Vec<&str> = targets
        .filter(|target| target.kind.iter().any(|kind| kind == "test"))
        .map(|target| target.name.as_str())
        .collect();
    if process::succeeds(&mut cargo(workspace, &["nextest", "--version"])) {
        let mut command = cargo(workspace, &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]);
        let slow = suites.iter().filter(|suite| quick && SLOW_SUITES.contains(suite));
        let left_out: Vec<String> = slow.map(|suite| format!("not binary(={suite})")).collect();
        if !left_out.is_empty() {
            command.args(["-E", &left_out.join(" & ")]);
        }
        return command;
    }
    let mut command =
        cargo(workspace, &["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"]);
    for suite in suites.iter().filter(|suite| !quick || !SLOW_SUITES.contains(suite)) {
        command.args(["--test", suite]);
    }
    command
}
