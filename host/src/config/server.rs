//! Where to listen, and how much of a request is read.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use super::{Problems, Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_BIND",
        default: "127.0.0.1:8080",
        meaning: "Address and port to listen on. Port 0 takes a free one and logs it.",
    },
    Variable {
        name: "WATCHBELL_BODY_LIMIT_BYTES",
        default: "2621440",
        meaning: "The largest request body in bytes, 1024 to 10485760; a larger one is answered 413.",
    },
    Variable {
        name: "WATCHBELL_BODY_BUDGET_MIB",
        default: "128",
        meaning: "How much of requests is held at once, heads and bodies of all connections together, in MiB, 64 to\n\
                  65536; beyond it more are answered 503 with Retry-After. Working on them takes about three times\n\
                  as much again.",
    },
    Variable {
        name: "WATCHBELL_READ_TIMEOUT_S",
        default: "30",
        meaning: "How long a request body may take to arrive, in seconds, 1 to 300; then 408.",
    },
    Variable {
        name: "WATCHBELL_HEAD_TIMEOUT_S",
        default: "10",
        meaning: "How long the head of a request and the handshake of TLS may take, in seconds, 1 to 60; then 408.",
    },
    Variable {
        name: "WATCHBELL_WRITE_TIMEOUT_S",
        default: "30",
        meaning: "How long a caller may take to read an answer, in seconds, 1 to 300.",
    },
    Variable {
        name: "WATCHBELL_IDLE_TIMEOUT_S",
        default: "75",
        meaning: "How long a connection is kept open between two requests, in seconds, 1 to 600.",
    },
    Variable {
        name: "WATCHBELL_CONNECTIONS",
        default: "1024",
        meaning: "How many connections there may be at once, 16 to 65536. Beyond that, whoever has kept the hub\n\
                  waiting the longest has to go: first those that begin and do not go on, then idle ones.",
    },
    Variable {
        name: "WATCHBELL_STOP_TIMEOUT_S",
        default: "10",
        meaning: "How long requests and deliveries in flight may take at stop, in seconds, 0 to 300.",
    },
    Variable {
        name: "WATCHBELL_THREADS",
        default: "",
        meaning: "How many threads answer requests and work runs off, 1 to 256. The database and the compiler have \
                  their own. Not set: one less than the machine has processors, at least 1.",
    },
];

/// Where to listen, and how much of a request is read.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address and port.
    pub bind: SocketAddr,
    /// The largest body.
    pub body_limit_bytes: usize,
    /// How much of requests is held at once.
    pub body_budget_bytes: usize,
    /// How long a body may take.
    pub read_timeout: Duration,
    /// How long the head of a request may take.
    pub head_timeout: Duration,
    /// How long an answer may take to be read.
    pub write_timeout: Duration,
    /// How long a connection is kept open between two requests.
    pub idle_timeout: Duration,
    /// How many connections there may be at once.
    pub connections: usize,
    /// How long what is in flight may take at stop.
    pub stop_timeout: Duration,
    /// Threads of the runtime.
    pub threads: usize,
}

impl ServerSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let bind = source.text("WATCHBELL_BIND").map_or(Some(default), |text| text.parse().ok());
        if bind.is_none() {
            problems
                .add("`WATCHBELL_BIND` must be an address and a port, such as 127.0.0.1:8080 or [::]:8080");
        }
        let budget_mib: usize = source.number("WATCHBELL_BODY_BUDGET_MIB", 128, 64..=65_536, problems);
        let seconds = |name, default, bounds, problems: &mut Problems| {
            Duration::from_secs(source.number(name, default, bounds, problems))
        };
        Self {
            bind: bind.unwrap_or(default),
            body_limit_bytes: source.number(
                "WATCHBELL_BODY_LIMIT_BYTES",
                2_621_440,
                1024..=10_485_760,
                problems,
            ),
            body_budget_bytes: budget_mib << 20,
            read_timeout: seconds("WATCHBELL_READ_TIMEOUT_S", 30, 1..=300, problems),
            head_timeout: seconds("WATCHBELL_HEAD_TIMEOUT_S", 10, 1..=60, problems),
            write_timeout: seconds("WATCHBELL_WRITE_TIMEOUT_S", 30, 1..=300, problems),
            idle_timeout: seconds("WATCHBELL_IDLE_TIMEOUT_S", 75, 1..=600, problems),
            connections: source.number("WATCHBELL_CONNECTIONS", 1024, 16..=65_536, problems),
            stop_timeout: seconds("WATCHBELL_STOP_TIMEOUT_S", 10, 0..=300, problems),
            threads: source.number("WATCHBELL_THREADS", default_threads(), 1..=256, problems),
        }
    }
}

/// The database's writer has a thread of its own that is as busy as those that answer: on a machine of two
/// processors one is faster than two, which would keep waking each other.
fn default_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    processors.saturating_sub(1).clamp(1, 256)
}
