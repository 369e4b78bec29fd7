//! A server under measurement: started, asked whether it is ready, stopped whatever happens.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::{greeting, process};

/// A first start compiles the components; a slow machine gets a minute.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks. Also how exactly a start is timed.
const PAUSE: Duration = Duration::from_millis(2);
/// Ticks per second in `/proc/<pid>/stat`: the same on every Linux, whatever the kernel's own clock.
const TICKS: f64 = 100.0;

/// A running server. Stopped when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// From its start until it was ready.
    pub(super) started_in: Duration,
}

/// An address of this machine where nobody listens at the moment.
///
/// # Errors
/// There is none.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    listener.local_addr().context("a listener has an address")
}

impl Server {
    /// Starts a server whose output goes to a file, and waits until `path` answers 200.
    ///
    /// # Errors
    /// It does not start, ends at once, or is not ready within a minute.
    pub(super) fn start(
        command: &mut Command,
        address: SocketAddr,
        path: &str,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let shown = process::shown(command);
        let output = File::create(log).with_context(|| format!("`{}` cannot be made", log.display()))?;
        let begin = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("no second handle of a log file")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("`{shown}` could not be started"))?;
        let mut server = Self { child, address, started_in: Duration::ZERO };
        while !greeting::is_ready(address, path) {
            if let Some(status) = server.child.try_wait().context("a server was lost")? {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                bail!("`{shown}` ended with {status}:\n{}", said.trim());
            }
            ensure!(begin.elapsed() < PATIENCE, "`{shown}` is not ready after a minute");
            std::thread::sleep(PAUSE);
        }
        server.started_in = begin.elapsed();
        Ok(server)
    }

    /// Processor time that it has used so far, all threads together.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = self.proc_file("stat")?;
        // The name may hold blanks and brackets; what follows it does not.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).context("a process has a name")?;
        // Fields 14 and 15, user and system; the first behind the name is field 3.
        let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
        ensure!(ticks.len() == 2, "`/proc/{}/stat` is in an unknown form", self.child.id());
        Ok(Duration::from_secs_f64(ticks.iter().sum::<u64>() as f64 / TICKS))
    }

    /// Memory that it holds, in MiB.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = self.proc_file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.context("a process has a size")? / 1024.0)
    }

    fn proc_file(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&path).with_context(|| format!("`{path}` is not readable"))
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// It does not stop within a minute.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        process::output(Command::new("kill").arg(self.child.id().to_string()))?;
        let begin = Instant::now();
        while self.child.try_wait().context("a server was lost")?.is_none() {
            ensure!(begin.elapsed() < PATIENCE, "a server does not stop within a minute");
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
