//! Why a file is not a plugin that the host takes.

use std::fmt;
use std::time::Duration;

use domain::plugin::{PluginKind, PluginName};

use crate::inspect::printable;
use crate::trap::Trap;

/// The minor version of the contract that this host speaks; patches of it are compatible.
pub const CONTRACT: &str = "0.1";

/// The most characters of what the compiler says.
const MAX_DETAIL: usize = 400;

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
        advice: String,
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
    #[error("`{plugin}` does not compile: {detail}{hint}")]
    Compile {
        /// The plugin's name.
        plugin: PluginName,
        /// What the compiler says.
        detail: String,
        /// How to build it otherwise, as a line of its own, where that is known.
        hint: &'static str,
    },
    /// Compiling it takes more than it may.
    #[error("`{plugin}` was not compiled: {limit}")]
    CompileLimit {
        /// The plugin's name.
        plugin: PluginName,
        /// What was reached.
        limit: CompileLimit,
    },
    /// The compiler's process broke off; the hub's own is not touched.
    #[error(
        "`{plugin}` was not compiled, the compiler's process broke off: {how}\nhint: where the machine has memory to spare, this is a defect of the compiler; keep the file"
    )]
    CompilerCrash {
        /// The plugin's name.
        plugin: PluginName,
        /// How it ended, and what it said.
        how: String,
    },
    /// There was no process to compile in, which says nothing about the plugin.
    #[error(
        "`{plugin}` was not compiled, no process could be started for it\nhint: is there a limit on processes or memory for this user?"
    )]
    CompilerStart {
        /// The plugin's name.
        plugin: PluginName,
        /// What the system says.
        #[source]
        cause: std::io::Error,
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
    #[error("loading stopped: {trap}{last_words}")]
    Metadata {
        /// How it ended.
        trap: Box<Trap>,
        /// What it wrote before, as lines of their own.
        last_words: String,
    },
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

/// What ran out while a component was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompileLimit {
    /// Processor time.
    Cpu {
        /// The limit.
        limit: Duration,
    },
    /// Wall time, before the processor time was used up.
    Wall {
        /// The limit.
        limit: Duration,
    },
    /// Address space.
    Memory {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// The native code is too long.
    Output {
        /// The limit in bytes.
        limit_bytes: u64,
    },
}

impl fmt::Display for CompileLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { limit } => write!(
                f,
                "it needs more than {}s of processor time\nhint: split very large functions, or raise `WATCHBELL_COMPILE_CPU_S`",
                limit.as_secs()
            ),
            Self::Wall { limit } => write!(
                f,
                "it was not done after {}s\nhint: this machine is busy; try again later, or raise `WATCHBELL_COMPILE_CPU_S`",
                limit.as_secs()
            ),
            Self::Memory { limit_bytes } => write!(
                f,
                "it needs more than {} MiB of memory\nhint: split very large functions, or raise `WATCHBELL_COMPILE_MEMORY_MIB`",
                limit_bytes >> 20
            ),
            Self::Output { limit_bytes } => {
                write!(
                    f,
                    "its native code has more than {} MiB\nhint: take out what it does not use",
                    limit_bytes >> 20
                )
            }
        }
    }
}

impl LoadError {
    /// The compiler's refusal; its words may repeat names of the file.
    pub(crate) fn compile(plugin: PluginName, detail: &str) -> Self {
        let hint = if detail.contains("component model async") {
            "\nhint: build without asynchronous functions: `--backend-qjs-disable-async` for jco"
        } else {
            ""
        };
        let detail = detail.lines().map(printable).collect::<Vec<_>>().join("; ");
        Self::Compile { plugin, detail: detail.chars().take(MAX_DETAIL).collect(), hint }
    }

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
            Self::Compile { .. } | Self::CompilerCrash { .. } => "load.compile",
            Self::CompileLimit { .. } => "load.compile_limit",
            Self::CompilerStart { .. } => "load.compiler",
            Self::MemoryLimit { .. } => "load.memory_limit",
            Self::Metadata { .. } => "load.metadata",
            Self::NameMismatch { .. } => "load.name",
            Self::Sample { .. } => "load.sample",
        }
    }
}
