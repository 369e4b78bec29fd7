//! Real caches of Debian, each on a port of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::env;
use crate::wait::{PATIENCE, wait_for};

/// How often a port is tried that somebody else took between looking and listening.
const TRIES: usize = 5;

/// How they can be had.
const REMEDY: &str = "apt-get install -y --no-install-recommends redis-server memcached";

/// In the folder of a cache that is encrypted: what proves who it is.
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";

/// What a cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Redis.
    Redis,
    /// Memcached.
    Memcached,
}

impl Kind {
    /// The suite that needs it, as `WATCHBELL_TEST_REQUIRE` names it.
    const fn suite(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Memcached => "memcached",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Memcached => "memcached",
        }
    }

    fn arguments(self, port: u16, encrypted: bool) -> Vec<String> {
        let text = match self {
            Self::Redis => {
                format!("--bind 127.0.0.1 --port {port} --appendonly no --daemonize no --loglevel warning")
            }
            // As root it wants to be told which user to be.
            Self::Memcached => format!("-l 127.0.0.1 -p {port} -U 0 -m 16 -u root"),
        };
        let mut arguments: Vec<String> = text.split(' ').map(str::to_owned).collect();
        if self == Self::Redis {
            arguments.extend(["--save".to_owned(), String::new()]);
        }
        if encrypted {
            let files = format!(
                "--tls-cert-file {CERTIFICATE} --tls-key-file {KEY} --tls-ca-cert-file {CERTIFICATE}"
            );
            let text = format!("--port 0 --tls-port {port} --tls-auth-clients no {files}");
            arguments.extend(text.split(' ').map(str::to_owned));
        }
        arguments
    }

    /// A question that has a short answer once the server is ready.
    const fn greeting(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Redis => (b"PING\r\n", b"+PONG"),
            Self::Memcached => (b"version\r\n", b"VERSION"),
        }
    }
}

/// A real Redis or Memcached in a folder of its own. Killed when dropped.
#[derive(Debug)]
pub struct Cache {
    kind: Kind,
    port: u16,
    encrypted: bool,
    /// `None` while it is stopped.
    process: Option<Child>,
    folder: TempDir,
}

impl Cache {
    /// Starts one. Returns nothing, and says so, where the program is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it, or does not start.
    pub async fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, None).await
    }

    /// Starts a Redis that talks encrypted alone, with this certificate and key (both PEM).
    ///
    /// # Panics
    /// As [`Cache::start`].
    pub async fn start_encrypted(certificate: &str, key: &str) -> Option<Self> {
        Self::start_with(Kind::Redis, Some([(CERTIFICATE, certificate), (KEY, key)])).await
    }

    async fn start_with(kind: Kind, pair: Option<[(&str, &str); 2]>) -> Option<Self> {
        if env::find_program(kind.program()).is_none() {
            env::missing(kind.suite(), &format!("there is no `{}` here", kind.program()), REMEDY);
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in pair.iter().flatten() {
            std::fs::write(folder.path().join(name), text).expect("a folder of one's own");
        }
        let mut cache = Self { kind, port: 0, encrypted: pair.is_some(), process: None, folder };
        for _ in 0..TRIES {
            cache.port = free_port();
            if cache.run().await {
                return Some(cache);
            }
        }
        panic!("{kind:?} does not start");
    }

    /// What `CACHE_URL` is for it.
    pub fn url(&self) -> String {
        let scheme = if self.encrypted { "rediss" } else { self.kind.suite() };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Kills it, with all that it counted.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("the cache runs");
        process.kill().await.expect("a process of one's own can be killed");
    }

    /// Lets it hang: it takes connections and questions, and answers nothing.
    ///
    /// # Panics
    /// When it does not run.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().and_then(Child::id).expect("the cache runs");
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(id, signal).expect("a process of one's own can be sent a signal");
    }

    /// Starts it again where it was, empty.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        assert!(self.run().await, "{:?} does not start again", self.kind);
    }

    /// Whether it runs and answers.
    async fn run(&mut self) -> bool {
        let program = env::find_program(self.kind.program()).expect("it was here before");
        let mut process = Command::new(program)
            .args(self.kind.arguments(self.port, self.encrypted))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("an installed program can be started");
        let (kind, port, encrypted) = (self.kind, self.port, self.encrypted);
        let ready = wait_for("the cache answers or has ended", PATIENCE, async || match process.try_wait() {
            Ok(Some(_)) => Some(false),
            // It listens once it is ready; what it says encrypted is for who can read it.
            _ if encrypted => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok().map(|_| true),
            _ => answers(kind, port).await.then_some(true),
        })
        .await;
        self.process = Some(process);
        ready
    }
}

async fn answers(kind: Kind, port: u16) -> bool {
    let (question, expected) = kind.greeting();
    let asked = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        stream.write_all(question).await.ok()?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer)
    };
    asked.await.as_deref() == Some(expected)
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(any).expect("a free port");
    listener.local_addr().expect("a listener has an address").port()
}
