//! The running program.

use std::ops::{Deref, DerefMut};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Child;
use tokio::time::timeout;

use crate::home::Home;
use crate::log::Log;
use crate::reply::Reply;
use crate::wait::{PATIENCE, wait_for};

/// How long one request may take before the test fails.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// The line with which the hub says where it listens.
const LISTENING: &str = "listening on ";
/// In the hub's folder, who is trusted to say which hub is which.
const AUTHORITY: &str = "ca.pem";
/// How many lines of a hub's log a failed test shows.
const SHOWN_LINES: usize = 60;

/// The real program, serving on a port of its own with a key of its own. Stopped when dropped.
#[derive(Debug)]
pub struct Hub {
    /// `None` while it is stopped.
    process: Option<Child>,
    scheme: &'static str,
    address: String,
    token: String,
    client: reqwest::Client,
    log: Log,
    // Last: the folder goes when nothing uses it any more.
    home: Home,
}

impl Deref for Hub {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl DerefMut for Hub {
    fn deref_mut(&mut self) -> &mut Home {
        &mut self.home
    }
}

impl Hub {
    /// A hub with the default settings.
    pub async fn new() -> Self {
        Home::new().await.start().await
    }

    pub(crate) async fn start(home: Home) -> Self {
        let (_, token) = home.create_key(&[]).await;
        let scheme = if home.is_set("TLS_CERT") { "https" } else { "http" };
        let authority = std::fs::read(home.path().join(AUTHORITY)).ok();
        let authority = authority.map(|pem| reqwest::Certificate::from_pem(&pem).expect("a certificate"));
        let client = reqwest::Client::builder()
            .tls_certs_merge(authority)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .timeout(REQUEST_WITHIN)
            .build()
            .expect("an HTTP client");
        let (address, log) = (String::new(), Log::default());
        let mut hub = Self { process: None, scheme, address, token, client, log, home };
        hub.restart().await;
        hub
    }

    /// Starts the program again on the same files and waits until it is ready; returns how long that
    /// took. The port is another one.
    ///
    /// # Panics
    /// When it still runs or does not become ready.
    pub async fn restart(&mut self) -> Duration {
        let begin = Instant::now();
        self.serve().await;
        wait_for("the hub is ready", PATIENCE, async || {
            let reply = self.try_send(self.anonymous(Method::GET, "/readyz")).await.ok()?;
            (reply.status == 200).then_some(())
        })
        .await;
        begin.elapsed()
    }

    /// The same for one that may not become ready: waits until it listens.
    ///
    /// # Panics
    /// When it still runs or does not listen.
    pub async fn serve(&mut self) {
        assert!(self.process.is_none(), "the hub runs already");
        let seen = self.log.len();
        let child = self.process.insert(self.home.spawn(&["serve"], &self.log));
        let log = &self.log;
        self.address = wait_for("the hub says where it listens", PATIENCE, async || {
            let line = log.find(seen, LISTENING);
            if line.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
                panic!("the hub ended: {}", log.lines().join("\n"));
            }
            let line = line?;
            let (_, rest) = line.split_once(LISTENING)?.1.split_once("://")?;
            // In a log of JSON a quotation mark ends it.
            rest.split([' ', '"']).next().map(str::to_owned)
        })
        .await;
    }

    /// Kills the program as a power cut would: no signal that it could handle.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut child = self.process.take().expect("the hub runs");
        child.kill().await.expect("a process of one's own can be killed");
    }

    /// Starts the program again and waits until it has ended, which it must do by itself.
    ///
    /// # Panics
    /// When it still runs or does not end.
    pub async fn runs_to_its_end(&mut self) -> ExitStatus {
        assert!(self.process.is_none(), "the hub runs already");
        self.process = Some(self.home.spawn(&["serve"], &self.log));
        self.ended().await
    }

    /// Asks the program to stop; the test goes on at once.
    ///
    /// # Panics
    /// When it does not run.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Lets nothing of the program move until [`Hub::thaw`], as a machine that swaps or sleeps would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets the program go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().and_then(Child::id).expect("the hub runs");
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(id, signal).expect("a process of one's own can be sent a signal");
    }

    /// Waits until the program has ended.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.process.take().expect("the hub runs");
        let ended = timeout(PATIENCE, child.wait()).await.expect("the hub ends");
        ended.expect("a process of one's own can be waited for")
    }

    /// How much memory the program has in use, in bytes; its peak is counted anew from here. Only the
    /// administrator may have it counted anew, so that it is the peak so far for anybody else.
    pub fn memory(&self) -> u64 {
        let is_new = std::fs::write(self.process_file("clear_refs"), "5").is_ok();
        self.status(if is_new { "VmRSS:" } else { "VmHWM:" })
    }

    /// The most memory the program had in use since [`Hub::memory`], in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// What the system tells of the program, as a file of `/proc/<pid>`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn process_file(&self, name: &str) -> String {
        let id = self.process.as_ref().and_then(Child::id).expect("the hub runs");
        format!("/proc/{id}/{name}")
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(self.process_file("status")).expect("the hub runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of Linux");
        let kib: u64 = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
        kib * 1024
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The key that requests are made with.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What the program has said so far.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// A request with the hub's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    /// A request without any key.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}://{}{path}", self.scheme, self.address))
    }

    /// Sends a request; a broken connection is an error.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        Reply::read(request.send().await?).await
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        self.try_send(request).await.expect("an answer")
    }

    /// `GET` with the hub's key.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST` of JSON with the hub's key.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body)).await
    }

    /// Posts JSON that must be accepted; returns the answer.
    pub async fn accept(&self, path: &str, body: &Value) -> Value {
        let reply = self.post(path, body.to_string()).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        reply.json()
    }

    /// All items of a list, page by page. `path` has a query, such as `/alerts/?limit=2`.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let name = match path.split('/').nth(1) {
            Some("orchestration") => "runs",
            other => other.expect("a path"),
        };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let reply = self.get(&format!("{path}{cursor}")).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            let mut page = reply.json();
            items.extend(std::mem::take(page[name].as_array_mut().expect("a list")));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The downstream run of a webhook, once it has ended, with its stages and deliveries.
    pub async fn downstream(&self, trace_id: &str) -> Value {
        let path = format!("/orchestration/pipelines/?trace_id={trace_id}");
        let run_id = wait_for("the downstream run has ended", PATIENCE, async || {
            let runs = self.list(&path).await;
            let run = runs.into_iter().find(|run| !run["parent_run_id"].is_null())?;
            (!run["completed_at"].is_null()).then(|| run["run_id"].as_str().unwrap().to_owned())
        })
        .await;
        self.get(&format!("/orchestration/pipeline/{run_id}/")).await.json()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.log.lines();
            let tail = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
            show(&format!("--- the hub's log, last lines:\n{}", tail.join("\n")));
        }
    }
}

#[expect(clippy::print_stderr, reason = "the harness shows what a failed test printed")]
fn show(text: &str) {
    eprintln!("{text}");
}
