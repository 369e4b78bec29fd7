//! Why a call of a plugin has no result.

use std::fmt;
use std::time::Duration;

use domain::plugin::{PluginError, PluginKind, PluginName};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin says so itself.
    #[error("{0}")]
    Plugin(PluginError),
    /// The plugin was stopped, or what it returned is not acceptable.
    #[error(transparent)]
    Trap(Box<Trap>),
}

impl CallError {
    /// A word of a small closed set for `error.type`.
    pub const fn error_type(&self) -> &'static str {
        match self {
            Self::Plugin(error) => error.kind(),
            Self::Trap(trap) => trap.error_type(),
        }
    }

    /// The trap, if it is one.
    pub const fn as_trap(&self) -> Option<&Trap> {
        match self {
            Self::Plugin(_) => None,
            Self::Trap(trap) => Some(trap),
        }
    }
}

impl From<Trap> for CallError {
    fn from(trap: Trap) -> Self {
        Self::Trap(Box::new(trap))
    }
}

/// A call that the host ended or whose result it refused. Never the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// What it is a plugin for.
    pub plugin_kind: PluginKind,
    /// Whose call it was.
    pub plugin: PluginName,
    /// The plugin's own version; empty while it has not said it yet.
    pub version: String,
    /// The function of the contract that was called.
    pub function: &'static str,
    /// What happened.
    pub kind: TrapKind,
}

/// What ended a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrapKind {
    /// All memories and tables together passed the limit.
    Memory {
        /// The limit in bytes.
        limit: usize,
    },
    /// Too much thread time.
    Cpu {
        /// The limit.
        limit: Duration,
        /// What was used when it was stopped.
        used: Duration,
    },
    /// Too much time in all, host functions included.
    Wall {
        /// The limit.
        limit: Duration,
    },
    /// Calls nested too deep.
    Stack,
    /// The plugin gave up: a panic, an abort, a failed allocation.
    Panic,
    /// The plugin ended its own run with an exit code.
    Exit {
        /// The code.
        code: i32,
    },
    /// An instruction that cannot be carried out, in the runtime's words.
    Fault(String),
    /// The input is longer than the plugin may get.
    Input {
        /// Its bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// What came back breaks a rule of the contract.
    Output {
        /// Where: `alerts[3].labels`.
        field: String,
        /// What is wrong there.
        fault: String,
    },
    /// A value that cannot cross the boundary: a pointer out of range, text that is not UTF-8, a
    /// host function used against its rules.
    Boundary(String),
    /// All slots for plugins of this kind are taken. Worth another try.
    Busy,
}

impl Trap {
    /// A word of a small closed set for `error.type`.
    pub const fn error_type(&self) -> &'static str {
        match self.kind {
            TrapKind::Memory { .. } => "trap.memory",
            TrapKind::Cpu { .. } => "trap.cpu",
            TrapKind::Wall { .. } => "trap.wall",
            TrapKind::Stack => "trap.stack",
            TrapKind::Panic => "trap.panic",
            TrapKind::Exit { .. } => "trap.exit",
            TrapKind::Fault(_) => "trap.fault",
            TrapKind::Input { .. } => "trap.input",
            TrapKind::Output { .. } => "trap.output",
            TrapKind::Boundary(_) => "trap.boundary",
            TrapKind::Busy => "trap.busy",
        }
    }
}

impl std::error::Error for Trap {}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.plugin_kind, self.plugin)?;
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        write!(f, ": `{}` {}", self.function, self.kind)
    }
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { limit } => {
                write!(f, "asked for more than its {} of memory{}", Bytes(*limit), raise("memory_bytes"))
            }
            Self::Cpu { limit, used } => write!(
                f,
                "used {} ms of CPU, at most {} ms are allowed{}",
                used.as_millis(),
                limit.as_millis(),
                raise("cpu_ms")
            ),
            Self::Wall { limit } => {
                write!(f, "was not done within {} ms{}", limit.as_millis(), raise("wall_ms"))
            }
            Self::Stack => f.write_str(
                "nested its calls deeper than the stack allows\n\
                 hint: report this input to the plugin's author; recursion over input needs a bound",
            ),
            Self::Panic => f.write_str(
                "gave up (a panic or an abort)\n\
                 hint: report this input to the plugin's author; any bytes must end in a result or an error",
            ),
            Self::Exit { code } => write!(
                f,
                "ended itself with exit code {code}\n\
                 hint: what it wrote to standard error is in the log; any bytes must end in a result or an error"
            ),
            Self::Fault(what) => {
                write!(f, "hit a fault: {what}\nhint: report this input to the plugin's author")
            }
            Self::Input { size, limit } => write!(
                f,
                "was not called: the input has {}, at most {} are allowed{}",
                Bytes(*size),
                Bytes(*limit),
                raise("input_bytes")
            ),
            Self::Output { field, fault } => write!(
                f,
                "handed over what the contract does not allow: `{field}` {fault}\n\
                 hint: report this input to the plugin's author; `watchbell plugin wit` prints the rules"
            ),
            Self::Boundary(what) => write!(
                f,
                "broke the rules of the boundary: {what}\n\
                 hint: rebuild the plugin with bindings generated from `watchbell plugin wit`"
            ),
            Self::Busy => f.write_str(
                "was not called: all slots for plugins of this kind are taken\n\
                 hint: try again in a moment",
            ),
        }
    }
}

fn raise(key: &'static str) -> String {
    format!("\nhint: raise `{key}` of this plugin in `plugins.toml`, or have its author make it use less")
}

/// A size as people write it.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: usize = 1 << 10;
        const MIB: usize = 1 << 20;
        match self.0 {
            bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes >= KIB && bytes.is_multiple_of(KIB) => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_plugin_version_function_limit_and_remedy() {
        let trap = Trap {
            plugin_kind: PluginKind::Driver,
            plugin: "grafana".parse().unwrap(),
            version: "1.2.0".into(),
            function: "parse",
            kind: TrapKind::Memory { limit: 64 << 20 },
        };
        assert_eq!(
            trap.to_string(),
            "driver `grafana` 1.2.0: `parse` asked for more than its 64 MiB of memory\n\
             hint: raise `memory_bytes` of this plugin in `plugins.toml`, or have its author make it use less"
        );
        assert_eq!(trap.error_type(), "trap.memory");
    }
}
