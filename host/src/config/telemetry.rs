//! What is logged, and how.

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
        Self { filter: source.text("WATCHBELL_LOG").unwrap_or(default).to_owned(), format, debug }
    }
}
