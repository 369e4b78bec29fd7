//! Where plugins come from.

use std::path::PathBuf;

use super::{Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_PLUGINS_FILE",
        default: "plugins.toml",
        meaning: "What plugins may use and reach. Missing: the built-in plugins with their defaults.",
    },
    Variable {
        name: "WATCHBELL_PLUGINS_DIR",
        default: "plugins.d",
        meaning: "Where operators put `.wasm` files. A driver there is live under its own URL.",
    },
    Variable {
        name: "INTELLIGENCE_PROVIDER",
        default: "local",
        meaning: "The provider that analyses incidents.",
    },
];

/// Where plugins come from.
#[derive(Debug, Clone)]
pub struct PluginSettings {
    /// Limits, grants and settings.
    pub file: PathBuf,
    /// Operators' own components.
    pub directory: PathBuf,
    /// The active provider.
    pub provider: String,
    /// The largest body that is taken; drivers must be able to read it.
    pub body_limit_bytes: usize,
}

impl PluginSettings {
    pub(super) fn read(source: &Source, body_limit_bytes: usize) -> Self {
        let text = |name, default: &str| source.text(name).unwrap_or(default).to_owned();
        Self {
            file: text("WATCHBELL_PLUGINS_FILE", "plugins.toml").into(),
            directory: text("WATCHBELL_PLUGINS_DIR", "plugins.d").into(),
            provider: text("INTELLIGENCE_PROVIDER", "local"),
            body_limit_bytes,
        }
    }
}
