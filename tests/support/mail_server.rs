//! aiosmtpd, a mail server of Python, that fails on command.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::home::Home;
use crate::python::Python;
use crate::wait::{PATIENCE, wait_for};

/// The suite that needs it, as `WATCHBELL_TEST_REQUIRE` names it, and the folder it is in.
const SUITE: &str = "aiosmtpd";
const PROGRAM: &str = include_str!("mail_server.py");

/// How a mail server behaves. By default it has STARTTLS and takes everything from anybody.
#[derive(Debug, Clone)]
pub struct MailRules {
    /// `starttls`, `implicit` or `none`.
    pub tls: &'static str,
    /// User name and password that it wants.
    pub login: Option<(&'static str, &'static str)>,
    /// What it answers to some recipients.
    pub recipients: Vec<(&'static str, &'static str)>,
    /// What it answers to the first messages, one after the other; `hang` is no answer.
    pub messages: Vec<&'static str>,
}

impl Default for MailRules {
    fn default() -> Self {
        Self { tls: "starttls", login: None, recipients: Vec::new(), messages: Vec::new() }
    }
}

/// A mail server on this machine. Ends when dropped.
#[derive(Debug)]
pub struct MailServer {
    port: u64,
    received: Arc<Mutex<Vec<Value>>>,
    _process: Child,
}

impl MailServer {
    /// Starts a server with the pair `cert.pem` and `key.pem` of a home. Returns nothing, and says so, where
    /// aiosmtpd is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it, or does not start.
    pub async fn start(home: &Home, rules: &MailRules) -> Option<Self> {
        let python = Python::find(SUITE)?;
        let path = |name: &str| -> PathBuf { home.path().join(name) };
        let told = json!({
            "tls": rules.tls,
            "certificate": path("cert.pem"),
            "key": path("key.pem"),
            "login": rules.login,
            "rcpt": rules.recipients.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
            "data": rules.messages,
        });
        let mut command = Command::from(python.command(PROGRAM));
        command.arg(told.to_string()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("an installed program can be started");
        let mut lines = BufReader::new(process.stdout.take().expect("standard output is a pipe")).lines();
        let first = timeout(PATIENCE, next(&mut lines)).await.expect("it starts");
        let port = first.and_then(|line| line["port"].as_u64()).expect("it says at which port");
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Some(line) = next(&mut lines).await {
                kept.lock().unwrap().push(line);
            }
        });
        Some(Self { port, received, _process: process })
    }

    /// `scheme://host:port`.
    pub fn address(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.port)
    }

    /// What it got so far, refused messages too: `tls`, `login`, `from`, `to`, `answer` and `message`, which
    /// is what Python's own parser makes of it.
    pub fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }

    /// The same, once it is so many.
    pub async fn wait(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} mails"), PATIENCE, async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = lines.next_line().await.ok()??;
    Some(serde_json::from_str(&line).expect("it speaks JSON"))
}
