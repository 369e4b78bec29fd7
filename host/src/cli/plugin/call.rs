//! `watchbell plugin call`: one call, its result on standard output, everything else on standard error.

use std::io::{IsTerminal as _, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use domain::golden;
use domain::limits::Limits;
use domain::time::Timestamp;
use sandbox::{CallError, Ended, LogLevel, PluginLog, Spent};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::AsWhat;
use crate::checks::{Folders, Machine, Shown};
use crate::cli::output;
use crate::clock;
use crate::config::{EgressSettings, IntelligenceSettings, PluginSettings, Problems, References, Source};
use crate::egress::Egress;
use crate::intelligence::View;
use crate::plugins::{Around, Call, Function, Subject, Target};

/// How to use it, below the list of options.
pub(super) const HELP: &str = "\
The input is read from standard input: for `parse` the body of a webhook as it is sent, for `send` a
notification, for `analyze` a request, both as JSON in which every field may be left out; --example prints
one to start from. Times in results are milliseconds since 1970, as plugins see them.

The plugin gets the limits and grants of plugins.toml, and nothing beyond them: `send` sends for real, to the
addresses in --config and to `allow_hosts`, and `analyze` may reach `allow_hosts`. Private addresses need
SSRF_ALLOWED_HOSTS.

The result is one line of JSON, in the form of the files that `watchbell plugin test` compares: for `parse` and
`analyze` all that <case>.expected.json holds but `shape` and `requests`, for `send` its `result`, for
`validate-config` its `problems`, which are pairs of a path and a message. A refusal of the plugin is
{\"error\": \"invalid-input\", \"message\": …}, a call that was stopped {\"trap\": \"trap.cpu\", \"message\": …}, both
with exit code 1. Standard error has the plugin's log and what the call used of its limits.

  watchbell plugin call grafana parse < body.json
  watchbell plugin call acme.wasm parse --example | watchbell plugin call acme.wasm parse
  echo '{\"title\": \"a test\"}' | watchbell plugin call generic send --config @channel.json";

#[derive(Args)]
pub(in crate::cli) struct Options {
    /// A component, or the name of a plugin that the hub loads
    #[arg(value_name = "FILE|NAME")]
    target: String,
    /// What to call
    function: Function,
    #[command(flatten)]
    as_what: AsWhat,
    /// Settings as a JSON object, or `@` and a file with one; without this those of plugins.toml
    #[arg(long, value_name = "JSON|@FILE")]
    config: Option<String>,
    /// A header of the webhook; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The webhook's content type
    #[arg(long, default_value = "application/json")]
    content_type: String,
    /// When the webhook arrived, as in 2026-06-01T12:00:00Z; without this, now
    #[arg(long, value_name = "TIME", value_parser = time)]
    received_at: Option<Timestamp>,
    /// Print an input to start from, and call nothing
    #[arg(long)]
    example: bool,
}

pub(super) fn run(options: Options) -> Result<()> {
    let source = Source::load()?;
    let settings = PluginSettings::without_secrets(&source)?;
    let config = options.config.as_deref().map(config).transpose()?;
    let headers = options.headers.iter().map(|header| split(header)).collect::<Result<_>>()?;
    let target = Target { rather: options.function.kind(), ..options.as_what.target(options.target) };
    let subject = Subject::load(&settings, &target)?;
    if options.example {
        return output::text(&String::from_utf8_lossy(&subject.example(options.function)?));
    }
    let call = Call {
        input: if options.function.has_input() { input()? } else { Vec::new() },
        function: options.function,
        config,
        headers,
        content_type: options.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        received_at: options.received_at.unwrap_or_else(clock::now),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the runtime could not be started")?;
    let called = runtime.block_on(one(&subject, &call, &source));
    // A reading of this machine that hangs must not hold the command up.
    runtime.shutdown_background();
    match called? {
        Ok(result) => output::json(&result),
        Err(error) => {
            output::json(&refusal(&error))?;
            Err(error.into())
        }
    }
}

async fn one(subject: &Subject, call: &Call, source: &Source) -> Result<Result<Value, CallError>> {
    let watch = Arc::new(Watch::default());
    let egress = Egress::open(&EgressSettings::read(source))?;
    let mut problems = Problems::default();
    let roots = IntelligenceSettings::read(source, &mut problems).disk_roots;
    ensure!(problems.is_empty(), "{problems}");
    let folders = Arc::new(Folders::new(roots));
    let shown = Shown { machine: Arc::new(Machine::new()), folders };
    let around = Around {
        egress: Arc::new(egress),
        snapshots: Some(Arc::new(View::new(shown, Instant::now() + subject.limits().wall))),
        references: Arc::new(References::new(source)),
        log: Arc::<Watch>::clone(&watch),
    };
    let called = subject.call(call, around).await?;
    watch.report(subject.limits());
    Ok(called)
}

/// A refusal as golden files have it; a call that was stopped alike, though none of them may expect it.
fn refusal(error: &CallError) -> Value {
    match error {
        CallError::Plugin(error) => golden::error(error),
        CallError::Trap(trap) => json!({ "trap": trap.error_type(), "message": trap.to_string() }),
    }
}

/// The text of `--config`. What the parser says of it is kept out: it may show a part of a secret.
fn config(text: &str) -> Result<Value> {
    let text = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("--config: `{file}`"))?,
        None => text.to_owned(),
    };
    let config = serde_json::from_str(&text).ok().filter(Value::is_object);
    config.context("`--config` is not a JSON object\nhint: `@` before the name of a file that holds one")
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse::<Timestamp>().map_err(|error| error.to_string())
}

fn split(header: &str) -> Result<(String, String)> {
    let (name, value) = header.split_once(':').context("`--header` must be `name: value`")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn input() -> Result<Vec<u8>> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        output::note("reading the input from the terminal; end it with Ctrl-D");
    }
    let mut input = Vec::new();
    stdin.read_to_end(&mut input).context("standard input cannot be read")?;
    Ok(input)
}

/// Writes the plugin's lines down and keeps what the call used.
#[derive(Default)]
struct Watch(Mutex<Option<Spent>>);

impl PluginLog for Watch {
    fn log(&self, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        output::note(&format!("{level}: {message}"));
    }

    fn ended(&self, call: &Ended<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(call.spent);
    }
}

impl Watch {
    /// How near the call came to its limits.
    fn report(&self, limits: &Limits) {
        let Some(spent) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        output::note(&format!(
            "used {:.2} of {} ms of CPU, {:.2} of {} ms in all, {} of {} KiB of memory",
            spent.cpu.as_secs_f64() * 1e3,
            limits.cpu.as_millis(),
            spent.wall.as_secs_f64() * 1e3,
            limits.wall.as_millis(),
            spent.memory_bytes >> 10,
            limits.memory_bytes >> 10,
        ));
    }
}
