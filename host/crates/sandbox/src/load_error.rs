//! Why a file is not a plugin that the host takes.

use domain::plugin::{PluginKind, PluginName};

use crate::trap::Trap;

/// The minor version of the contract that this host speaks; patches of it are compatible.
pub const CONTRACT: &str = "0.1";

/// Why a file was not loaded. Whatever ran before keeps running.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Too many bytes.
    #[error("`{plugin}` has {size} bytes, a component may have {limit}")]
    TooLarge {
        /// The plugin's name.
        plugin: PluginName,
        /// Bytes of the file.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not WebAssembly at all.
    #[error(
        "`{plugin}` is not WebAssembly\nhint: give the `.wasm` file itself; files compiled ahead of time are never taken"
    )]
    NotWasm {
        /// The plugin's name.
        plugin: PluginName,
    },
    /// A core module.
    #[error(
        "`{plugin}` is a WebAssembly module, not a component\nhint: link it with `wasm-component-ld` or run `wasm-tools component new` on it"
    )]
    CoreModule {
        /// The plugin's name.
        plugin: PluginName,
    },
    /// WebAssembly, but broken.
    #[error("`{plugin}` is not a complete WebAssembly component: {detail}\nhint: copy the file again")]
    Malformed {
        /// The plugin's name.
        plugin: PluginName,
        /// What the parser says.
        detail: String,
    },
    /// It wants more than its kind may have.
    #[error("{kind} `{plugin}` imports `{import}`, which a {kind} does not get\nhint: {advice}")]
    ImportNotAllowed {
        /// The plugin's name.
        plugin: PluginName,
        /// What it is loaded as.
        kind: PluginKind,
        /// The import.
        import: String,
        /// How to build without it.
        advice: &'static str,
    },
    /// It is no plugin, or one of another kind.
    #[error("`{plugin}` does not export `{expected}`, which makes a {kind}; it exports: {found}")]
    MissingExport {
        /// The plugin's name.
        plugin: PluginName,
        /// What it is loaded as.
        kind: PluginKind,
        /// The export it needs.
        expected: String,
        /// What it has, or `nothing`.
        found: String,
    },
    /// Built for another version of the contract.
    #[error(
        "`{plugin}` was built for version {found} of the contract, this host speaks {CONTRACT}\nhint: rebuild it with the contract that `watchbell plugin wit` prints"
    )]
    WrongVersion {
        /// The plugin's name.
        plugin: PluginName,
        /// The version found.
        found: String,
    },
    /// Right names, wrong types.
    #[error(
        "{kind} `{plugin}` does not fit the contract: {detail}\nhint: rebuild it with the contract that `watchbell plugin wit` prints"
    )]
    Interface {
        /// The plugin's name.
        plugin: PluginName,
        /// What it is loaded as.
        kind: PluginKind,
        /// What does not fit.
        detail: String,
    },
    /// The compiler or the validator refused it.
    #[error("`{plugin}` does not compile: {detail}")]
    Compile {
        /// The plugin's name.
        plugin: PluginName,
        /// What the compiler says.
        detail: String,
    },
    /// Limits that the sandbox cannot give.
    #[error(
        "`{plugin}` may use {asked} bytes of memory, the sandbox has at most {limit} for one plugin\nhint: lower `memory_bytes` in `plugins.toml`"
    )]
    MemoryLimit {
        /// The plugin's name.
        plugin: PluginName,
        /// Its limit.
        asked: usize,
        /// The sandbox's.
        limit: usize,
    },
    /// `metadata` has no result, or an unacceptable one.
    #[error("loading stopped: {0}")]
    Metadata(#[source] Box<Trap>),
    /// It calls itself something else.
    #[error(
        "`{expected}` calls itself `{found}`\nhint: rename the file or its entry in `plugins.toml` to `{found}`"
    )]
    NameMismatch {
        /// The name it is loaded under.
        expected: PluginName,
        /// The name it says.
        found: String,
    },
    /// Its own sample does not yield an alert.
    #[error("driver `{plugin}` does not read its own sample: {cause}")]
    Sample {
        /// The plugin's name.
        plugin: PluginName,
        /// What happened instead.
        cause: String,
    },
}

impl LoadError {
    /// A word of a small closed set for `error.type`.
    pub const fn error_type(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "load.too_large",
            Self::NotWasm { .. } => "load.not_wasm",
            Self::CoreModule { .. } => "load.core_module",
            Self::Malformed { .. } => "load.malformed",
            Self::ImportNotAllowed { .. } => "load.import",
            Self::MissingExport { .. } => "load.export",
            Self::WrongVersion { .. } => "load.version",
            Self::Interface { .. } => "load.interface",
            Self::Compile { .. } => "load.compile",
            Self::MemoryLimit { .. } => "load.memory_limit",
            Self::Metadata(_) => "load.metadata",
            Self::NameMismatch { .. } => "load.name",
            Self::Sample { .. } => "load.sample",
        }
    }
}
