//! Real database servers of Debian, each alone for one test.
//!
//! What a new server needs is prepared once for a version and kept among the tools under `target/`; a
//! test copies that and starts its server in half a second.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;
use url::Url;

use crate::cache::free_port;
use crate::wait::wait_blocking;
use crate::{env, mariadb, postgres};

/// How often a port is tried that somebody else took between looking and listening.
const TRIES: usize = 5;

/// Counts the ways in which data folders were prepared: another way is another folder.
const PREPARATION: u32 = 1;

/// Whose servers are when root runs the tests: no server lets itself be run by root. It is `nobody` on
/// every Debian.
const NOBODY: u32 = 65534;

/// In the folder of a server: its data, and what it says.
const DATA: &str = "data";
const LOG: &str = "log";

/// Whom a private server knows, and the database that it has from the start.
pub(crate) const USER: &str = "watchbell";
pub(crate) const PASSWORD: &str = "not-to-be-shown-8812";
pub(crate) const DATABASE: &str = "watchbell";

/// Counts the databases that this process made on a server of somebody else.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MariaDB, or the MySQL that `TEST_MYSQL_URL` names.
    Mariadb,
}

/// What a kind of server has of its own.
pub(crate) struct Kind {
    /// The suite that needs it, as `WATCHBELL_TEST_REQUIRE` names it.
    pub(crate) suite: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
    /// How its addresses begin.
    pub(crate) scheme: &'static str,
    /// The variable with the address of a server to use instead, whose user may make databases.
    pub(crate) variable: &'static str,
    /// What it logs once it takes connections.
    pub(crate) ready: &'static str,
    /// Ends it at once, without tidying up, so that it has to recover.
    pub(crate) kill: Signal,
    /// The folder of its programs, where it is installed.
    pub(crate) programs: fn() -> Option<PathBuf>,
    /// The program that says its version.
    pub(crate) server: &'static str,
    /// Makes a data folder: commands that get these texts on standard input, in order.
    pub(crate) prepare: fn(programs: &Path, data: &Path) -> Vec<(Command, String)>,
    /// Starts it in the foreground.
    pub(crate) start: fn(programs: &Path, data: &Path, port: u16) -> Command,
    /// Asks it something: a row per line, a tab between columns.
    pub(crate) ask: fn(programs: &Path, database: &Url, sql: &str) -> Command,
}

impl Engine {
    const fn kind(self) -> &'static Kind {
        match self {
            Self::Postgres => &postgres::KIND,
            Self::Mariadb => &mariadb::KIND,
        }
    }
}

/// A database of its own on a real server. A private server is stopped when dropped; on one that the
/// environment names, the database is dropped.
#[derive(Debug)]
pub struct DatabaseServer {
    engine: Engine,
    programs: PathBuf,
    url: Url,
    own: Option<Own>,
}

/// A server of one's own.
#[derive(Debug)]
struct Own {
    port: u16,
    /// `None` while it is stopped.
    process: Option<Child>,
    folder: TempDir,
}

impl DatabaseServer {
    /// Starts one, or makes a database on the server that `TEST_POSTGRES_URL` or `TEST_MYSQL_URL` names.
    /// Returns nothing, and says so, where it is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it, or does not start.
    pub fn start(engine: Engine) -> Option<Self> {
        match (env::variable(engine.kind().variable), installed(engine)) {
            (Some(url), Some(programs)) => Some(Self::on(engine, programs, &url)),
            (None, Some(programs)) => Some(Self::private(engine, programs)),
            (_, None) => None,
        }
    }

    /// Starts one of its own whatever the environment names: it can be killed.
    ///
    /// # Panics
    /// As [`DatabaseServer::start`].
    pub fn start_private(engine: Engine) -> Option<Self> {
        Some(Self::private(engine, installed(engine)?))
    }

    fn on(engine: Engine, programs: PathBuf, address: &str) -> Self {
        let url = Url::parse(address).expect("the address of a server");
        let mut server = Self { engine, programs, url, own: None };
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{DATABASE}_{}_{number}", std::process::id());
        // A run that was killed may have left one of this name.
        server.query(&format!("DROP DATABASE IF EXISTS {name}"));
        server.query(&format!("CREATE DATABASE {name}"));
        server.url.set_path(&name);
        server
    }

    fn private(engine: Engine, programs: PathBuf) -> Self {
        let kind = engine.kind();
        let folder = tempfile::tempdir().expect("a temporary folder");
        run(Command::new("cp").arg("-R").arg(prepared(kind, &programs)).arg(folder.path().join(DATA)), "");
        give_away(folder.path());
        let mut own = Own { port: 0, process: None, folder };
        for _ in 0..TRIES {
            own.port = free_port();
            if own.run(kind, &programs) {
                let address =
                    format!("{}://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}", kind.scheme, own.port);
                let url = Url::parse(&address).expect("a good address");
                return Self { engine, programs, url, own: Some(own) };
            }
        }
        panic!("{engine:?} does not start: {}", own.log())
    }

    /// Which it is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// What `DATABASE_URL` is for it.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// The same by way of another port of this machine.
    ///
    /// # Panics
    /// Never: it has a port.
    pub fn url_by(&self, port: u16) -> String {
        let mut url = self.url.clone();
        url.set_host(Some("127.0.0.1")).expect("a host can be named");
        url.set_port(Some(port)).expect("a port can be named");
        url.to_string()
    }

    /// Where it listens.
    ///
    /// # Panics
    /// When the environment names a server without a port.
    pub fn address(&self) -> (String, u16) {
        let host = self.url.host_str().expect("an address has a host");
        (host.to_owned(), self.url.port().expect("an address with a port"))
    }

    /// Asks it something, and returns the rows with their columns as text.
    ///
    /// # Panics
    /// When it answers with an error.
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let mut client = (self.engine.kind().ask)(&self.programs, &self.url, sql);
        let answer = run(&mut client, "");
        answer.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Ends it as a power cut does.
    ///
    /// # Panics
    /// When it does not run, or is not one's own.
    pub fn kill(&mut self) {
        let kind = self.engine.kind();
        let own = self.own.as_mut().expect("a server of one's own");
        assert!(own.stop(kind), "the server runs");
    }

    /// Starts it again where it was; it recovers what was committed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        let own = self.own.as_mut().expect("a server of one's own");
        assert!(own.run(self.engine.kind(), &self.programs), "it does not start again: {}", own.log());
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        match &mut self.own {
            Some(own) => {
                own.stop(self.engine.kind());
            }
            None if std::thread::panicking() => {}
            None => {
                let name = self.url.path().trim_start_matches('/').to_owned();
                self.query(&format!("DROP DATABASE {name}"));
            }
        }
    }
}

impl Own {
    /// Whether it runs and takes connections.
    fn run(&mut self, kind: &Kind, programs: &Path) -> bool {
        let log = File::create(self.folder.path().join(LOG)).expect("a file in one's own folder");
        let mut command = (kind.start)(programs, &self.folder.path().join(DATA), self.port);
        let mut process = as_nobody(&mut command)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("an installed program can be started");
        let ready = wait_blocking("the server takes connections or has ended", || match process.try_wait() {
            Ok(Some(_)) => Some(false),
            _ => self.log().contains(kind.ready).then_some(true),
        });
        self.process = ready.then_some(process);
        ready
    }

    /// Ends it at once, and says whether it ran.
    fn stop(&mut self, kind: &Kind) -> bool {
        let Some(mut process) = self.process.take() else { return false };
        let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(id, kind.kill).expect("a process of one's own can be sent a signal");
        process.wait().expect("a process of one's own ends");
        true
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }
}

/// Where its programs are; says so where they are not.
fn installed(engine: Engine) -> Option<PathBuf> {
    let kind = engine.kind();
    let programs = (kind.programs)();
    if programs.is_none() {
        let remedy = format!("apt-get install -y --no-install-recommends {}", kind.package);
        env::missing(kind.suite, &format!("`{}` is not installed here", kind.package), &remedy);
    }
    programs
}

/// A data folder to copy: made at the first use of this version.
fn prepared(kind: &Kind, programs: &Path) -> PathBuf {
    let version = run(Command::new(programs.join(kind.server)).arg("--version"), "");
    let mark: String =
        version.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let tools = env::tools_folder();
    fs::create_dir_all(&tools).expect("a folder beside what is built");
    let ready = tools.join(format!("{}-{PREPARATION}-{mark}", kind.suite));
    let lock = File::create(tools.join(format!("{}.lock", kind.suite))).expect("a file for a lock");
    // Tests run in many processes: one of them prepares, the others wait. The lock ends with the file.
    lock.lock().expect("a file can be locked");
    if !ready.is_dir() {
        // Where the server's user can come to, which under `target/` it may not.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join(DATA);
        give_away(folder.path());
        for (mut command, input) in (kind.prepare)(programs, &data) {
            run(as_nobody(&mut command).current_dir(folder.path()), &input);
        }
        let copy = tools.join(format!("{}.new", kind.suite));
        let _ = fs::remove_dir_all(&copy);
        run(Command::new("cp").arg("-R").arg(&data).arg(&copy), "");
        fs::rename(&copy, &ready).expect("a folder can be renamed");
    }
    ready
}

/// Lets a command run as a user without rights, where the tests run as root.
fn as_nobody(command: &mut Command) -> &mut Command {
    match getuid().is_root() {
        true => command.uid(NOBODY).gid(NOBODY),
        false => command,
    }
}

/// Makes a folder with all in it that user's.
fn give_away(folder: &Path) {
    if getuid().is_root() {
        run(Command::new("chown").arg("-R").arg(format!("{NOBODY}:{NOBODY}")).arg(folder), "");
    }
}

/// Runs a command to its end, and returns what it said.
fn run(command: &mut Command, input: &str) -> String {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("an installed program can be started");
    process.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads what it is told");
    let done = process.wait_with_output().expect("a process of one's own ends");
    let [said, erred] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(done.status.success(), "{}: {said}{erred}", command.get_program().display());
    said
}
