//! The project's own tooling: builds the plugins, runs the hub, and checks a change.
//!
//! Called as `cargo xtask <command>`; the alias is in `.cargo/config.toml`.
#![forbid(unsafe_code)]

mod artifacts;
mod bench;
mod corpus;
mod debian;
mod env;
mod fuzz;
mod greeting;
mod hub;
mod plugins;
mod process;
mod run;
mod say;
mod test;
mod tidy;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, run and check Watchbell")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the plugins and put the components where the host embeds them from
    Plugins(plugins::Options),
    /// Build everything, prepare `.env` and a first API key, and start the server
    Run(run::Options),
    /// Run everything a change must pass on one machine
    Test(test::Options),
    /// Measure what the hub costs, beside what it is compared with
    Bench(bench::Options),
    /// Compare what the drivers make of real payloads with what another system made of them
    Corpus(corpus::Options),
    /// Try a driver, detection or signatures on what a fuzzer makes up
    Fuzz(fuzz::Options),
    /// Check the rules of the repository that no compiler checks
    Tidy,
    /// Print standard input once a URL answers 200 (used by `run`)
    #[command(hide = true)]
    PrintWhenReady(greeting::Options),
}

fn main() -> ExitCode {
    match start(Cli::parse().command) {
        Ok(status) => status,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::here()?;
    match command {
        Command::Plugins(options) => plugins::build(&workspace, &options)?,
        Command::Run(options) => run::run(&workspace, &options)?,
        Command::Test(options) => return test::run(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options)?,
        Command::Corpus(options) => corpus::run(&workspace, &options)?,
        Command::Fuzz(options) => fuzz::run(&workspace, &options)?,
        Command::Tidy => return tidy::run(&workspace),
        Command::PrintWhenReady(options) => greeting::print_when_ready(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}
