//! Log lines, metrics and traces: where they go, and the names of their fields.

pub mod export;
mod json;
pub mod metrics;
mod text;

use anyhow::Result;
use domain::time::Timestamp;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::config::{LogFormat, TelemetrySettings};

/// Every field of a log line or a step of a trace. A new one is added here first; names are those of
/// OpenTelemetry where it has one.
pub const FIELDS: &[&str] = &[
    "actor",
    "alert.source",
    "api_key.id",
    "channel.name",
    "client.address",
    "count",
    "cpu_ms",
    "data_key.id",
    "delivery.attempt",
    "delivery.id",
    "duration_ms",
    "error",
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "incident.id",
    "memory_bytes",
    "outcome",
    "plugin.digest",
    "plugin.function",
    "plugin.kind",
    "plugin.name",
    "reason",
    "request.id",
    "route.name",
    "run_id",
    "server.address",
    "size_bytes",
    "trace.parent",
    "trace_id",
    "wall_ms",
];

/// Starts logging to standard error, with times of this clock.
///
/// # Errors
/// When the filter is not understood, or logging has started before.
pub fn start(settings: &TelemetrySettings, now: fn() -> Timestamp) -> Result<()> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(settings)?).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => builder
            .with_ansi(false)
            .event_format(json::JsonLines { now })
            .fmt_fields(JsonFields::new())
            .try_init(),
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .fmt_fields(text::TextFields)
            .try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging could not be started: {error}"))
}

/// Which lines are written.
///
/// # Errors
/// When that is not understood.
pub fn filter(settings: &TelemetrySettings) -> Result<EnvFilter> {
    EnvFilter::try_new(&settings.filter).map_err(|_| {
        anyhow::anyhow!(
            "`WATCHBELL_LOG` is neither a level nor a filter\nhint: `info`, or `info,host::deliver=debug`"
        )
    })
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::FIELDS;

    /// Every file of this package.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, found),
                false => found.extend(path.extension().is_some_and(|kind| kind == "rs").then_some(path)),
            }
        }
    }

    /// What stands between the parenthesis before `text` and the one that closes it, in its parts.
    fn arguments(text: &str) -> Vec<String> {
        let (mut parts, mut depth, mut in_text, mut escaped) = (vec![String::new()], 0, false, false);
        for char in text.chars() {
            match char {
                _ if escaped => escaped = false,
                '\\' if in_text => escaped = true,
                '"' => in_text = !in_text,
                '(' | '[' | '{' if !in_text => depth += 1,
                ')' if !in_text && depth == 0 => break,
                ')' | ']' | '}' if !in_text => depth -= 1,
                ',' if !in_text && depth == 0 => {
                    parts.push(String::new());
                    continue;
                }
                _ => {}
            }
            parts.last_mut().unwrap().push(char);
        }
        parts.iter().map(|part| part.trim().to_owned()).collect()
    }

    /// The fields that one use of a macro names; its message ends them.
    fn fields(arguments: &[String]) -> Vec<String> {
        let named = arguments.iter().filter(|part| !part.starts_with("Level::"));
        let named = named.take_while(|part| !part.starts_with(['"', '$']));
        let name = |part: &String| {
            let name = part.split_once('=').map_or(part.as_str(), |(name, _)| name);
            name.trim().trim_start_matches(['%', '?']).replace("r#", "")
        };
        named.map(name).filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn every_field_of_a_log_line_is_in_the_list_and_none_is_there_for_nothing() {
        let mut files = Vec::new();
        sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
        let mut found = BTreeSet::new();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for (at, _) in text.match_indices("tracing::") {
                let Some((name, rest)) = text[at..].split_once("!(") else { continue };
                if name.len() > 30 || name.contains(char::is_whitespace) {
                    continue;
                }
                // The first argument of a span is its name.
                let skip = usize::from(name.ends_with("_span"));
                let arguments = arguments(rest);
                for field in fields(arguments.get(skip..).unwrap_or_default()) {
                    assert!(
                        FIELDS.contains(&field.as_str()),
                        "`{field}` in {} is not in the list",
                        file.display()
                    );
                    found.insert(field);
                }
            }
            for field in FIELDS.iter().filter(|field| text.contains(&format!("(\"{field}\","))) {
                found.insert((*field).to_owned());
            }
        }
        let missing: Vec<_> = FIELDS.iter().filter(|field| !found.contains(**field)).collect();
        assert!(missing.is_empty(), "no line has {missing:?}");
        assert!(FIELDS.is_sorted(), "the list is in order");
    }
}
