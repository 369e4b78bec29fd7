//! Debian's Alertmanager, sending to a hub.

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::env;
use crate::hub::Hub;
use crate::log::Log;
use crate::wait::{PATIENCE, wait_for};

const PROGRAM: &str = "prometheus-alertmanager";
/// The suite that needs it, as `WATCHBELL_TEST_REQUIRE` names it.
const SUITE: &str = "alertmanager";
/// How it can be had.
const REMEDY: &str = "apt-get install -y --no-install-recommends prometheus-alertmanager";

/// When every alert of these tests began, and when it ended. In the past, because Alertmanager takes
/// an alert for over as soon as its end has passed.
const BEGAN: &str = "2024-01-01T00:00:00Z";
const ENDED: &str = "2024-01-01T01:00:00Z";

/// A real Alertmanager in a folder of its own. Stopped when dropped.
#[derive(Debug)]
pub struct Alertmanager {
    address: String,
    client: reqwest::Client,
    log: Log,
    _process: Child,
    _folder: TempDir,
}

impl Alertmanager {
    /// Starts it with the hub as its only receiver: groups wait 200 ms, are looked at every 500 ms,
    /// and what still fires is sent again every second.
    ///
    /// Returns nothing, and says so, where the program is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it, or does not start.
    pub async fn start(hub: &Hub) -> Option<Self> {
        Self::start_with(&config(hub)).await
    }

    /// Starts it with nobody to tell: what it is told it keeps.
    ///
    /// Returns nothing, and says so, where the program is not installed.
    ///
    /// # Panics
    /// As [`Alertmanager::start`].
    pub async fn start_alone() -> Option<Self> {
        Self::start_with("route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n").await
    }

    async fn start_with(config: &str) -> Option<Self> {
        let Some(program) = env::find_program(PROGRAM) else {
            env::missing(SUITE, &format!("there is no `{PROGRAM}` here"), REMEDY);
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("alertmanager.yml"), config).expect("a file in it");
        let mut process = Command::new(program)
            .current_dir(folder.path())
            .args(["--config.file=alertmanager.yml", "--storage.path=data"])
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("an installed program can be started");
        let log = Log::default();
        log.collect(process.stderr.take().expect("standard error is a pipe"));
        let address = wait_for("Alertmanager says where it listens", PATIENCE, async || {
            let line = log.find(0, "msg=\"Listening on\"")?;
            line.split_once("address=").map(|(_, address)| address.to_owned())
        })
        .await;
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let alertmanager = Self { address, client, log, _process: process, _folder: folder };
        wait_for("Alertmanager is ready", PATIENCE, async || {
            let url = format!("http://{}/-/ready", alertmanager.address);
            alertmanager.client.get(url).send().await.ok().filter(|reply| reply.status().is_success())
        })
        .await;
        Some(alertmanager)
    }

    /// Where alerts are reported.
    pub fn url(&self) -> String {
        format!("http://{}/api/v2/alerts", self.address)
    }

    /// The alerts that it holds.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn alerts(&self) -> Vec<Value> {
        let reply = self.client.get(self.url()).send().await.expect("an answer");
        let body = reply.bytes().await.expect("the whole answer");
        serde_json::from_slice(&body).expect("a list of alerts")
    }

    /// Reports that an alert with these labels fires.
    pub async fn fire(&self, labels: &Value) {
        self.report(json!({ "labels": labels, "annotations": annotations(), "startsAt": BEGAN })).await;
    }

    /// Reports that it is over.
    pub async fn resolve(&self, labels: &Value) {
        self.report(json!({
            "labels": labels, "annotations": annotations(), "startsAt": BEGAN, "endsAt": ENDED,
        }))
        .await;
    }

    async fn report(&self, alert: Value) {
        let request = self.client.post(self.url()).header("content-type", "application/json");
        let reply = request.body(json!([alert]).to_string()).send().await.expect("an answer");
        assert!(reply.status().is_success(), "{}: {:?}", reply.status(), self.log.lines());
    }
}

fn annotations() -> Value {
    json!({ "summary": "the disk is nearly full" })
}

fn config(hub: &Hub) -> String {
    format!(
        "route:
  receiver: hub
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 500ms
  repeat_interval: 1s
receivers:
  - name: hub
    webhook_configs:
      - url: http://{}/alerts/webhook/alertmanager/
        send_resolved: true
        http_config:
          authorization:
            type: Bearer
            credentials: {}
",
        hub.address(),
        hub.token()
    )
}
