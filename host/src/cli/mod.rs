//! The command line: one file per family of commands.

mod channel;
mod check;
mod check_health;
mod db;
mod delivery;
mod host;
mod incident;
mod key;
mod migrate;
mod output;
mod part;
mod person;
mod plugin;
mod provider;
mod quarantine;
mod replay;
mod route;
mod run;
mod secrets;
mod template;
mod why;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use domain::crash;
use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};

use crate::app;
use crate::checks;
use crate::clock;
use crate::config::{self, Config, CrashSettings, Setting, Source};
use crate::crypto::SecretKey;
use crate::plugins::COMPILE_COMMAND;
use crate::telemetry;

/// An alert hub: webhooks in, incidents and notifications out.
#[derive(Parser)]
#[command(name = "watchbell", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the hub; brings its database to the schema of this version first
    Serve,
    /// Bring the database to the schema of this version
    Migrate(migrate::Options),
    /// Say what is wrong before the hub serves: settings, files, plugins, database, channels
    Check(check::Options),
    /// Say how this machine is: exits with 1 where a check is critical
    CheckHealth(check_health::Options),
    /// API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Where notifications go
    #[command(subcommand)]
    Channel(channel::Command),
    /// Which alerts take which stages and channels
    #[command(subcommand)]
    Route(route::Command),
    /// What is wrong, and what people do about it
    #[command(subcommand)]
    Incident(incident::Command),
    /// Notifications that were sent, are due or were given up on
    #[command(subcommand)]
    Delivery(delivery::Command),
    /// Webhooks that no driver could read
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Read a stored webhook again and show what would be different
    Replay(replay::Command),
    /// Say why somebody was told of an alert, or nobody
    Why(why::Why),
    /// Tell what came of one webhook, in the order of time
    Trace(why::Trace),
    /// Passages through the pipeline
    #[command(subcommand)]
    Run(run::Command),
    /// The database
    #[command(subcommand)]
    Db(db::Command),
    /// Plugins and their contract
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// The processes that serve on this database
    #[command(subcommand)]
    Host(host::Command),
    /// How notifications read
    #[command(subcommand)]
    Template(template::Command),
    /// Who analyses incidents
    #[command(subcommand)]
    Provider(provider::Command),
    /// The secret key and what it seals
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print every route with what it needs: what the test of access goes by
    #[command(hide = true)]
    Routes,
    /// Compile one component: what the hub starts for itself, under limits
    #[command(name = COMPILE_COMMAND, hide = true)]
    CompileComponent,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print `.env.sample`: every setting, its default, its meaning
    Sample,
    /// Print the settings as they are and where each was said, without secrets
    Show {
        /// Print {"settings":[…],"problems":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Print `docs/METRICS.md`: every metric, its labels, its meaning
    Metrics,
    /// Print `docs/CHECKERS.md`: every check of this machine, its limits and options
    Checkers,
}

/// Parses the arguments, runs the command, and says how it ended: 0 done, 1 failed, 2 not understood.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::not_understood(&error),
    };
    leave_no_image();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            if error.is::<output::Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Keeps the secrets in memory there: a crash writes no core file, and no other process of this user looks
/// into this one or its environment.
fn leave_no_image() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Where the system does not let it, it is as safe as any other process.
    let _limited = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _hidden = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn run(command: Command) -> Result<()> {
    match command {
        // First and alone: the process knows no settings and opens nothing.
        Command::CompileComponent => Ok(sandbox::compile_from_stdin()?),
        // Before there is a key there is none to read.
        Command::Secrets(secrets::Command::Generate) => output::line(SecretKey::generate()?.expose()),
        Command::Config(ConfigCommand::Sample) => output::text(&config::sample()),
        Command::Config(ConfigCommand::Show { json }) => show_settings(json),
        Command::Check(options) => check::run(&options),
        Command::CheckHealth(options) => check_health::run(&options),
        Command::Routes => output::text(&app::routes()),
        Command::Config(ConfigCommand::Metrics) => output::text(&telemetry::metrics::reference()),
        Command::Config(ConfigCommand::Checkers) => output::text(&checks::reference()),
        Command::Plugin(command) if command.needs_no_secrets() => plugin::look(command),
        Command::Template(command) if command.needs_no_secrets() => template::look(command),
        command => with_config(command),
    }
}

fn with_config(command: Command) -> Result<()> {
    let config = Config::read(&Source::load()?)?;
    let CrashSettings { at, clock_ahead } = config.crash;
    clock::go_ahead(clock_ahead);
    if let Some((point, nth)) = at {
        crash::arm(point, nth, die);
    }
    telemetry::start(&config.telemetry, clock::now)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.server.threads)
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let result = runtime.block_on(dispatch(command, config));
    // Nothing that is still under way may hold the process up.
    runtime.shutdown_background();
    result
}

/// Ends this process as a power cut would: nothing is flushed, closed or told.
fn die() {
    // Of a process of one's own it is always allowed, and it does not return.
    let _killed = kill_process(getpid(), Signal::KILL);
}

async fn dispatch(command: Command, config: Config) -> Result<()> {
    match command {
        Command::Serve => Box::pin(app::serve(config)).await,
        Command::Migrate(options) => migrate::run(&options, &config).await,
        Command::Key(command) => key::run(command, &config).await,
        Command::Channel(command) => channel::run(command, &config).await,
        Command::Route(command) => route::run(command, &config).await,
        Command::Incident(command) => incident::run(command, &config).await,
        Command::Delivery(command) => delivery::run(command, &config).await,
        Command::Quarantine(command) => quarantine::run(command, &config).await,
        Command::Replay(command) => replay::run(command, &config).await,
        Command::Run(command) => run::run(command, &config).await,
        Command::Db(command) => db::run(command, &config).await,
        Command::Why(command) => why::why(command, &config).await,
        Command::Trace(command) => why::trace(command, &config).await,
        Command::Plugin(command) => plugin::run(command, &config).await,
        Command::Host(command) => host::run(command, &config).await,
        Command::Template(command) => template::run(command, &config).await,
        Command::Provider(command) => provider::run(command, &config).await,
        Command::Secrets(command) => secrets::run(command, &config).await,
        Command::Config(_)
        | Command::Check(_)
        | Command::CheckHealth(_)
        | Command::Routes
        | Command::CompileComponent => Ok(()),
    }
}

/// Needs neither a secret key nor settings that can be used: what is wrong with them comes last.
fn show_settings(json: bool) -> Result<()> {
    let source = Source::load()?;
    let settings = config::settings(&source);
    let problems = Config::read(&source).err();
    if json {
        let problems = problems.as_ref().map(|problems| problems.all().to_vec()).unwrap_or_default();
        output::json(&serde_json::json!({ "settings": settings, "problems": problems }))?;
    } else {
        let from = |setting: &Setting| match setting.known {
            true => setting.from.to_owned(),
            false => format!("{}; not a setting, so it has no effect", setting.from),
        };
        let value = |setting: &Setting| setting.value.clone().unwrap_or_else(|| "-".to_owned());
        let row = |setting: &Setting| [setting.name.clone(), value(setting), from(setting)];
        output::table(["NAME", "VALUE", "FROM"], &settings.iter().map(row).collect::<Vec<_>>())?;
    }
    problems.map_or(Ok(()), |problems| Err(problems.into()))
}
