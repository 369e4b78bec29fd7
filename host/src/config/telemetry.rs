//! What is logged, and how.

use std::str::FromStr as _;

use domain::secret::Secret;
use http::HeaderName;
use url::Url;

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
        meaning: "Headers for the collector: `name=value,name=value`, values percent-encoded. Secret; a value\nmay be a reference.",
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
        let is_address = |text: &String| {
            Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        if endpoint.as_ref().is_some_and(|text| !is_address(text)) {
            problems.add("`OTEL_EXPORTER_OTLP_ENDPOINT` must be an address such as http://collector:4318");
        }
        let mut headers = Vec::new();
        for pair in source.text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default().split(',') {
            match pair.split_once('=') {
                Some((name, value)) if HeaderName::from_str(name.trim()).is_ok() => {
                    let setting = format!("OTEL_EXPORTER_OTLP_HEADERS[{}]", headers.len());
                    let value = source.follow(&setting, value.trim(), problems);
                    headers.extend(value.map(|value| (name.trim().to_owned(), value)));
                }
                _ if pair.trim().is_empty() => {}
                _ => problems.add("`OTEL_EXPORTER_OTLP_HEADERS` must be names of headers, each with `=` and its value, and a comma between"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, value: &str) -> String {
        let mut problems = Problems::default();
        let source = Source::from_pairs([(name.to_owned(), value.to_owned())]);
        ExportSettings::read(&source, &mut problems);
        problems.to_string()
    }

    #[test]
    fn a_collector_that_could_never_be_reached_is_refused_by_name() {
        let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
        for wrong in ["collector:4318", "http://", "http://collector:99999", "ftp://collector"] {
            assert!(problems(endpoint, wrong).contains(endpoint), "{wrong}");
        }
        assert_eq!(problems(endpoint, "http://collector:4318"), "");
    }

    #[test]
    fn headers_that_are_none_are_refused_without_their_value() {
        let headers = "OTEL_EXPORTER_OTLP_HEADERS";
        for wrong in ["hunter2", "=hunter2", "a b=hunter2", "x-key=1,hunter2"] {
            let found = problems(headers, wrong);
            assert!(found.contains(headers) && !found.contains("hunter2"), "{wrong}: {found}");
        }
        assert_eq!(problems(headers, "x-key=1, y=a=b,"), "");
    }
}
