//! Remotes that ask and answer in the types of the official clients of language models.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::python::Python;

/// The suite that needs them, as `WATCHBELL_TEST_REQUIRE` names it, and the folder they are in.
const SUITE: &str = "ai_sdks";

/// A server on this machine that stands in for all remotes, each under its own path. The model that is asked
/// for names the case. Ends when dropped.
#[derive(Debug)]
pub struct AiSdks {
    process: Child,
    address: String,
}

impl AiSdks {
    /// The key that it wants.
    pub const KEY: &'static str = "key-of-the-test";

    /// Starts the server. Returns nothing, and says so, where the clients are not installed.
    ///
    /// # Panics
    /// When they are not installed although this machine promised it, or the server does not start.
    pub fn start() -> Option<Self> {
        let python = Python::find(SUITE)?;
        let mut command = python.command(include_str!("ai_sdks.py"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("an installed program can be started");
        let mut port = String::new();
        let output = process.stdout.take().expect("standard output is a pipe");
        BufReader::new(output).read_line(&mut port).expect("the server says its port");
        assert!(!port.is_empty(), "the server did not start");
        Some(Self { process, address: format!("http://127.0.0.1:{}", port.trim()) })
    }

    /// What the paths of a remote are appended to.
    pub fn url(&self, remote: &str) -> String {
        format!("{}/{remote}", self.address)
    }

    /// What the server found about each request, in order.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn seen(&self) -> Vec<Value> {
        let answer = reqwest::get(format!("{}/seen", self.address)).await.expect("the server answers");
        let text = answer.text().await.expect("the answer is text");
        serde_json::from_str(&text).expect("the answer is a list")
    }
}

impl Drop for AiSdks {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
