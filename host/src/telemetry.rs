//! Log lines: where they go, and the names of their fields.
//!
//! A field is added to `docs/ARCHITECTURE.md` by adding it here first: `trace_id`, `run_id`,
//! `request.id`, `http.request.method`, `http.route`, `http.response.status_code`,
//! `alert.source`, `incident.id`, `route.name`, `channel.name`, `delivery.id`, `delivery.attempt`,
//! `plugin.name`, `plugin.kind`, `plugin.version`, `error.type`, `duration_ms`, `size_bytes`,
//! `count`.

pub mod metrics;

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, TelemetrySettings};

/// Starts logging to standard error.
///
/// # Errors
/// When the filter is not understood, or logging has started before.
pub fn start(settings: &TelemetrySettings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.filter)
        .context("`WATCHBELL_LOG` is not a level or filter\nhint: `info`, or `info,host::deliver=debug`")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(false).with_ansi(false).try_init()
        }
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging could not be started: {error}"))
}

/// An error with its causes, for log lines and stored reasons.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
