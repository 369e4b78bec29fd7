//! Virtual WASI 0.2: what components of JavaScript and Python import, with nothing behind it.
//!
//! No files, sockets, environment or arguments; standard input is empty, output goes to the log. Time and
//! chance come from the host. For a driver both stand still: they are made from the webhook, so that the same
//! webhook gives the same alerts for ever. Every interface that is linked can be used against the host, so it is
//! a list (docs/decisions/0025).

mod chance;
mod clocks;
mod output;

use domain::plugin::Incoming;
use domain::time::Timestamp;
use sha2::{Digest as _, Sha256};
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks as time, filesystem, random, sockets};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::host::LogBook;
use crate::state::State;
use chance::Chance;
use clocks::StillClock;
use output::Output;

/// Streams, pollables and errors that one call may hold at a time.
pub(crate) const MAX_RESOURCES: usize = 256;

/// What is linked: all that `jco`, `componentize-js` without HTTP and `componentize-py` ask for.
const LINKED: [&str; 26] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];

/// Whether an import is one that virtual WASI answers.
pub(crate) fn is_linked(import: &str) -> bool {
    let interface = import.strip_prefix("wasi:").and_then(|name| name.split_once('@'));
    interface.is_some_and(|(name, version)| version.starts_with("0.2.") && LINKED.contains(&name))
}

/// What a call sees in the place of time and chance where nothing may change from one run to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The time, for as long as the call lasts.
    pub(crate) time: Timestamp,
    /// What its random numbers are made from.
    pub(crate) seed: [u8; 32],
}

impl Moment {
    /// While a plugin is loaded. Any fixed time will do.
    pub(crate) const LOADING: Self = Self { time: Timestamp::from_millis(1_767_225_600_000), seed: [0; 32] };

    /// The moment of a webhook.
    pub(crate) fn of(incoming: &Incoming) -> Self {
        Self { time: incoming.received_at, seed: Sha256::digest(&incoming.body).into() }
    }
}

/// The WASI of one call, made when it is first asked for.
pub(crate) struct Virtual {
    context: WasiCtx,
    table: ResourceTable,
    clock: StillClock,
    chance: Chance,
}

impl Virtual {
    pub(crate) fn new(moment: Moment, log: &LogBook) -> Self {
        let mut context = WasiCtx::builder();
        context.stdout(Output::standard(log)).stderr(Output::error(log));
        context.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            context: context.build(),
            table,
            clock: StillClock::default(),
            chance: Chance::new(moment.seed),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Virtual { context, table, .. } = self.wasi();
        WasiCtxView { ctx: context, table }
    }
}

/// Names the table of a call where the interfaces of streams ask for it.
struct Resources;

impl HasData for Resources {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links virtual WASI, in the asynchronous form alone: the other one needs a runtime of its own.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    let l = linker;
    io::error::add_to_linker::<_, Resources>(l, |state: &mut State| state.ctx().table)?;
    io::poll::add_to_linker::<_, Resources>(l, |state: &mut State| state.ctx().table)?;
    io::streams::add_to_linker::<_, Resources>(l, |state: &mut State| state.ctx().table)?;
    time::wall_clock::add_to_linker::<_, Own>(l, |state| state)?;
    time::monotonic_clock::add_to_linker::<_, Own>(l, |state| state)?;
    random::random::add_to_linker::<_, Own>(l, |state| state)?;
    random::insecure_seed::add_to_linker::<_, Own>(l, |state| state)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    refuse_files_and_network(l)
}

/// What asks for files and sockets is linked and refuses: it has no directory to begin at, and no network.
fn refuse_files_and_network(l: &mut Linker<State>) -> wasmtime::Result<()> {
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    sockets::network::add_to_linker::<_, WasiSockets>(
        l,
        &sockets::network::LinkOptions::default(),
        State::sockets,
    )?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_wasi_0_2_without_http() {
        assert!(is_linked("wasi:io/poll@0.2.12") && is_linked("wasi:sockets/udp-create-socket@0.2.0"));
        for other in
            ["wasi:io/poll@0.3.0", "wasi:io/poll", "wasi:http/types@0.2.10", "wasi:random/insecure@0.2.0"]
        {
            assert!(!is_linked(other), "{other}");
        }
    }
}
