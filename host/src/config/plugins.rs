//! Where plugins come from.

use std::path::PathBuf;
use std::time::Duration;

use domain::secret::Secret;

use super::{Problems, Source, Variable};
use crate::crypto::SecretKey;

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
        name: "WATCHBELL_CACHE_DIR",
        default: ".watchbell-cache",
        meaning: "Where compiled plugins are kept, so that only the first start compiles; `off` keeps none.\n\
                  It holds nothing that is needed: it may be deleted at any time.",
    },
    Variable {
        name: "WATCHBELL_COMPILE_CPU_S",
        default: "30",
        meaning: "How much processor time compiling one plugin may take, in seconds, 1 to 600.\n\
                  Twice as much may pass on the clock.",
    },
    Variable {
        name: "WATCHBELL_COMPILE_MEMORY_MIB",
        default: "512",
        meaning: "How much memory compiling one plugin may take, in MiB, 256 to 65536.",
    },
];

/// Where plugins come from.
#[derive(Debug, Clone)]
pub struct PluginSettings {
    /// Limits, grants and settings.
    pub file: PathBuf,
    /// Operators' own components.
    pub directory: PathBuf,
    /// The largest body that is taken; drivers must be able to read it.
    pub body_limit_bytes: usize,
    /// Where compiled plugins are kept; none without a secret key or when it is off.
    pub cache: Option<CacheSettings>,
    /// How much processor time compiling one plugin may take; twice as much wall time.
    pub compile_cpu: Duration,
    /// How much memory it may take.
    pub compile_memory_bytes: u64,
}

/// Where compiled plugins are kept.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// The directory.
    pub directory: PathBuf,
    /// What its files are authenticated with.
    pub key: Secret<[u8; 32]>,
}

impl PluginSettings {
    pub(super) fn read(
        source: &Source,
        body_limit_bytes: usize,
        key: Option<&SecretKey>,
        problems: &mut Problems,
    ) -> Self {
        let text = |name, default: &str| source.text(name).unwrap_or(default).to_owned();
        let cache = text("WATCHBELL_CACHE_DIR", ".watchbell-cache");
        let cache = key
            .filter(|_| cache != "off")
            .map(|key| CacheSettings { directory: cache.into(), key: key.derive("compile-cache") });
        let cpu_s = source.number("WATCHBELL_COMPILE_CPU_S", 30, 1..=600, problems);
        let memory_mib: u64 = source.number("WATCHBELL_COMPILE_MEMORY_MIB", 512, 256..=65_536, problems);
        Self {
            file: text("WATCHBELL_PLUGINS_FILE", "plugins.toml").into(),
            directory: text("WATCHBELL_PLUGINS_DIR", "plugins.d").into(),
            body_limit_bytes,
            cache,
            compile_cpu: Duration::from_secs(cpu_s),
            compile_memory_bytes: memory_mib << 20,
        }
    }
}
