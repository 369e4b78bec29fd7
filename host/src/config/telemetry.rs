//! What is logged, and how.

use domain::secret::Secret;

use super::{Problems, Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_ENV",
        default: "",
        meaning: "`dev` reads `.env.dev` before `.env`. Only the shell can set it.",
    },
    Variable {
        name: "WATCHBELL_DEBUG",
        default: "0",
        meaning: "1 writes debug lines too, where WATCHBELL_LOG says nothing else. Not for production.",
    },
    Variable {
        name: "WATCHBELL_LOG",
        default: "",
        meaning: "Not set: info. Which lines are written: error, warn, info, debug or trace, or a filter such as `info,host::deliver=debug`.",
    },
    Variable {
        name: "WATCHBELL_LOG_FORMAT",
        default: "text",
        meaning: "`text` for people, `json` for machines.",
    },
    Variable {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        default: "",
        meaning: "Where traces are sent, as OpenTelemetry over HTTP: `http://collector:4318`; `/v1/traces` is added.\nNothing is sent without it.",
    },
    Variable {
        name: "OTEL_EXPORTER_OTLP_HEADERS",
        default: "",
        meaning: "Headers for the collector: `name=value,name=value`, values percent-encoded. Secret; `env:NAME` and\n`file:/path` are not read here.",
    },
    Variable { name: "OTEL_SERVICE_NAME", default: "watchbell", meaning: "What traces say they are of." },
];

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// Which lines.
    pub filter: String,
    /// How they look.
    pub format: LogFormat,
    /// Whether the hub is being worked on rather than relied on.
    pub debug: bool,
    /// Where traces go.
    pub export: ExportSettings,
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// The collector; nothing is sent without one.
    pub endpoint: Option<String>,
    /// Sent along with every batch.
    pub headers: Vec<(String, Secret<String>)>,
    /// What they are said to be of.
    pub service_name: String,
}

impl ExportSettings {
    fn read(source: &Source, problems: &mut Problems) -> Self {
        let endpoint = source.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(str::to_owned);
        if endpoint.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            problems.add("`OTEL_EXPORTER_OTLP_ENDPOINT` must begin with `http://` or `https://`");
        }
        let mut headers = Vec::new();
        for pair in source.text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default().split(',') {
            match pair.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    headers.push((name.trim().to_owned(), Secret::new(value.trim().to_owned())));
                }
                _ if pair.trim().is_empty() => {}
                _ => problems.add("`OTEL_EXPORTER_OTLP_HEADERS` must be `name=value` with a comma between"),
            }
        }
        let service_name = source.text("OTEL_SERVICE_NAME").unwrap_or("watchbell").to_owned();
        Self { endpoint, headers, service_name }
    }
}

impl TelemetrySettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let format = match source.text("WATCHBELL_LOG_FORMAT") {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => {
                problems.add("`WATCHBELL_LOG_FORMAT` must be `text` or `json`, found something else");
                LogFormat::Text
            }
        };
        let debug = source.flag("WATCHBELL_DEBUG", false, problems);
        let default = if debug { "debug" } else { "info" };
        Self {
            filter: source.text("WATCHBELL_LOG").unwrap_or(default).to_owned(),
            format,
            debug,
            export: ExportSettings::read(source, problems),
        }
    }
}
