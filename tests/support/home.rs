//! The folder of one hub: its settings, its database, and its command line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::compiled::Compiled;
use crate::database::{DatabaseServer, Engine};
use crate::hub::Hub;
use crate::wait::PATIENCE;
use crate::{env, log};

const DATABASE: &str = "watchbell.sqlite3";

/// A private folder with everything that one hub keeps, and the settings that it is started with. A clone is
/// the same folder, for another hub on it.
#[derive(Debug, Clone)]
pub struct Home {
    folder: Arc<TempDir>,
    settings: BTreeMap<String, String>,
    /// Where hubs store unless it is a file in the folder. It ends when nobody uses it any more.
    server: Option<Arc<DatabaseServer>>,
    /// How many files the program may have open; none leaves it to this machine.
    open_files: Option<u32>,
    program: PathBuf,
}

impl Home {
    /// A folder with a secret key, what was compiled of the built-in plugins under it, a free port and no limits
    /// on requests.
    pub async fn new() -> Self {
        let mut home = Self::empty();
        let compiled = Compiled::by(&home.program);
        compiled.copy_to(&home.path().join(".watchbell-cache"));
        home.set("WATCHBELL_SECRET_KEY", &compiled.secret_key());
        home
    }

    /// The same where nothing is compiled yet, with a secret key that was never used before.
    pub async fn cold() -> Self {
        let mut home = Self::empty();
        let key = home.fresh_secret_key().await;
        home.set("WATCHBELL_SECRET_KEY", &key);
        home
    }

    fn empty() -> Self {
        let folder =
            tempfile::Builder::new().prefix("watchbell-test-").tempdir().expect("a temporary folder");
        let mut home = Self {
            folder: Arc::new(folder),
            settings: BTreeMap::new(),
            server: None,
            open_files: None,
            program: env::binary(),
        };
        home.set("WATCHBELL_BIND", "127.0.0.1:0");
        // Tests ask more often than callers may; those that are about limits set them.
        home.set("RATE_LIMIT_ENABLED", "0");
        home.set("AUTH_FAILURE_LIMIT", "0");
        home
    }

    /// The same, with an empty database on a server. Returns nothing, and says so, where that is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it, or does not start.
    pub async fn on(engine: Engine) -> Option<Self> {
        let server = DatabaseServer::start(engine)?;
        let mut home = Self::new().await.with("DATABASE_URL", &server.url());
        home.server = Some(Arc::new(server));
        Some(home)
    }

    /// Whether hubs store on such a server.
    pub fn is_on(&self, engine: Engine) -> bool {
        self.server.as_ref().is_some_and(|server| server.engine() == engine)
    }

    /// Sets an environment variable of the hub.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// [`Home::set`], for chains.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Takes an environment variable away.
    pub fn unset(&mut self, name: &str) {
        self.settings.remove(name);
    }

    /// What an environment variable of the hub is set to.
    ///
    /// # Panics
    /// When it is not set.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).unwrap_or_else(|| panic!("`{name}` is not set"))
    }

    /// Whether an environment variable of the hub is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }

    /// Lets the program have so many files open, connections among them.
    #[must_use]
    pub const fn with_open_files(mut self, most: u32) -> Self {
        self.open_files = Some(most);
        self
    }

    /// Takes the program that was built beside the tests, whatever `WATCHBELL_TEST_BINARY` says.
    #[must_use]
    pub fn with_own_program(mut self) -> Self {
        self.program = env::own_binary();
        self
    }

    /// Lets plugins reach remotes of this machine, as a [`crate::Sink`] is one.
    #[must_use]
    pub fn with_local_remotes(self) -> Self {
        self.with("SSRF_ALLOWED_HOSTS", "127.0.0.1")
    }

    /// A value for `WATCHBELL_SECRET_KEY` that was never used before.
    pub async fn fresh_secret_key(&self) -> String {
        self.cli_text(&["secrets", "generate"]).await.trim().to_owned()
    }

    /// The folder, which is also the hub's working directory.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The database and the files beside it that hold a part of it.
    pub fn database_files(&self) -> Vec<PathBuf> {
        let files = [DATABASE.to_owned(), format!("{DATABASE}-wal")].map(|name| self.path().join(name));
        files.into_iter().filter(|file| file.is_file()).collect()
    }

    /// Starts the hub.
    pub async fn start(self) -> Hub {
        Hub::start(self).await
    }

    /// Runs one command of the program to its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn cli<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        let output = self.command(arguments).output();
        let ended = timeout(PATIENCE, output).await.expect("a command ends");
        ended.expect("the program can be started")
    }

    /// Runs one command of the program on this input to its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn cli_on(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).spawn().expect("the program can be started");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        // One that ends before it has read all of it closes the pipe, and says why in its output.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        let ended = timeout(PATIENCE, child.wait_with_output()).await.expect("a command ends");
        ended.expect("a process of one's own can be waited for")
    }

    /// What a command prints.
    ///
    /// # Panics
    /// When it does not succeed.
    pub async fn cli_text(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`watchbell {}`: {errors}", arguments.join(" "));
        String::from_utf8(output.stdout).expect("commands print text")
    }

    /// What a command with `--json` prints.
    ///
    /// # Panics
    /// When it does not succeed, or prints something else.
    pub async fn cli_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.cli_text(arguments).await).expect("`--json` prints JSON")
    }

    /// Makes an API key with more arguments of `key create`; returns its identifier and its token.
    pub async fn create_key(&self, more: &[&str]) -> (String, String) {
        let arguments = [&["key", "create", "--name", "test", "--json"], more].concat();
        let key = self.cli_json(&arguments).await;
        let text =
            |name: &str| key[name].as_str().expect("`key create` prints identifier and token").to_owned();
        (text("id"), text("token"))
    }

    /// Adds a channel that sends through the generic notifier.
    pub async fn add_channel(&self, name: &str, url: &str) {
        let url = format!("url={url}");
        self.cli_text(&["channel", "add", name, "--notifier", "generic", "--set", &url]).await;
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = match self.open_files {
            None => Command::new(&self.program),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &most.to_string()]).arg(&self.program);
                shell
            }
        };
        command.args(arguments).current_dir(self.path());
        command.env_clear().envs(env::passed_on()).envs(&self.settings);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts a command whose output is a pipe that nobody reads.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn child(&self, arguments: &[&str]) -> tokio::process::Child {
        self.command(arguments).spawn().expect("the program can be started")
    }

    /// Starts a command whose output goes to `log`.
    pub(crate) fn spawn(&self, arguments: &[&str], log: &log::Log) -> tokio::process::Child {
        let mut child = self.child(arguments);
        log.collect(child.stdout.take().expect("standard output is a pipe"));
        log.collect(child.stderr.take().expect("standard error is a pipe"));
        child
    }
}
