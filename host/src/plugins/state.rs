//! What there is to say of each plugin.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use domain::approval::Grants;
use domain::plugin::{PluginKind, PluginName};
use domain::time::Timestamp;
use sandbox::LoadError;
use serde::Serialize;

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", content = "file", rename_all = "snake_case")]
pub enum Origin {
    /// This binary.
    BuiltIn,
    /// A file that `plugins.toml` names.
    Configured(PathBuf),
    /// A file in the plugin directory.
    Dropped(PathBuf),
}

impl Origin {
    /// The file, where there is one.
    pub const fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::BuiltIn => None,
            Self::Configured(file) | Self::Dropped(file) => Some(file),
        }
    }
}

/// Why something was not taken. Never shows a setting's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// A word of a closed set.
    #[serde(rename = "type")]
    pub error_type: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl From<&anyhow::Error> for Refusal {
    fn from(error: &anyhow::Error) -> Self {
        let shared = error.downcast_ref::<Arc<LoadError>>().map(AsRef::as_ref);
        let error_type = error.downcast_ref().or(shared).map_or("load.refused", LoadError::error_type);
        Self { error_type, message: format!("{error:#}") }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What becomes of the component that is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// It runs.
    Running,
    /// It loads, and waits for somebody; an older generation may run.
    Waiting {
        /// For what, and what to do.
        reason: String,
    },
    /// It is not taken; an older generation may run.
    Refused {
        /// Why.
        error: Refusal,
    },
    /// It is switched off.
    Disabled {
        /// By what: `plugins.toml`, or an operator.
        by: &'static str,
    },
}

impl Status {
    /// One word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting { .. } => "waiting",
            Self::Refused { .. } => "refused",
            Self::Disabled { .. } => "disabled",
        }
    }
}

/// One component in use, with what `plugins.toml` said of it then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenerationState {
    /// Counts up with everything that changes about this plugin.
    pub generation: u64,
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: String,
    /// Its own version.
    pub version: String,
    /// Since when calls get it.
    pub since: Timestamp,
    /// Whether a driver takes part in detection.
    pub detect: bool,
}

/// What there is to say of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginState {
    /// What it is.
    #[serde(serialize_with = "in_one_word")]
    pub kind: PluginKind,
    /// Its name.
    pub name: PluginName,
    /// Where it comes from.
    pub origin: Origin,
    /// What becomes of the component that is there.
    #[serde(flatten)]
    pub status: Status,
    /// Since when that is so.
    pub since: Timestamp,
    /// SHA-256 of the component that is there, in hexadecimal; none where it cannot be read.
    pub found: Option<String>,
    /// Whether `plugins.toml` says which component it must be.
    pub is_pinned: bool,
    /// What that asks for; none where it does not load.
    pub asks: Option<Grants>,
    /// What calls get.
    pub running: Option<GenerationState>,
    /// The last one with another component, which can be gone back to.
    pub previous: Option<GenerationState>,
    /// Why a component was last refused, and when.
    pub last_error: Option<LastError>,
}

/// The word by which people know a kind.
fn in_one_word<S: serde::Serializer>(kind: &PluginKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

/// Why a component was refused, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// Why.
    #[serde(flatten)]
    pub error: Refusal,
    /// When.
    pub at: Timestamp,
}

/// Something that was to be a plugin and is left out; it takes nothing else down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// A kind and a name, or a file.
    pub what: String,
    /// Why.
    pub error: Refusal,
}

/// All that is loaded, and all that is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// In the order of kinds and names.
    pub plugins: Vec<PluginState>,
    /// Files of which not even kind and name are known.
    pub files: Vec<LeftOut>,
    /// Why the `plugins.toml` of an earlier moment is still in force.
    pub manifest: Option<Refusal>,
}

impl Overview {
    /// What is said of one plugin.
    pub fn of(&self, kind: PluginKind, name: &PluginName) -> Option<&PluginState> {
        self.plugins.iter().find(|state| state.kind == kind && state.name == *name)
    }

    /// Everything that is refused.
    pub fn left_out(&self) -> Vec<LeftOut> {
        let refused = self.plugins.iter().filter_map(|state| match &state.status {
            Status::Refused { error } => {
                Some(LeftOut { what: format!("{} `{}`", state.kind, state.name), error: error.clone() })
            }
            _ => None,
        });
        refused.chain(self.files.iter().cloned()).collect()
    }
}
