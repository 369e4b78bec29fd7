//! The official library of Standard Webhooks, as the sender that signs and the receiver that verifies.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::python::Python;

/// The suite that needs it, as `WATCHBELL_TEST_REQUIRE` names it, and the folder it is in.
const SUITE: &str = "standardwebhooks";
/// Signs one message, told as JSON on standard input.
const SIGN: &str = "
import datetime, json, sys
from standardwebhooks import Webhook
told = json.load(sys.stdin)
time = datetime.datetime.fromtimestamp(told['time'], tz=datetime.timezone.utc)
sys.stdout.write(Webhook(told['secret']).sign(told['id'], time, told['body']))
";

/// Fails for a request, told in the same way, that it would not take.
const VERIFY: &str = "
import json, sys
from standardwebhooks import Webhook
told = json.load(sys.stdin)
Webhook(told['secret']).verify(told['body'], told['headers'])
";

/// The library, installed for these tests.
#[derive(Debug)]
pub struct StandardWebhooks(Python);

impl StandardWebhooks {
    /// Finds the library. Returns nothing, and says so, where it is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it.
    pub fn find() -> Option<Self> {
        Python::find(SUITE).map(Self)
    }

    /// The value of `webhook-signature` for a message signed at `time`, in seconds since 1970.
    ///
    /// # Panics
    /// When the library does not sign.
    pub fn sign(&self, secret: &str, id: &str, time: i64, body: &str) -> String {
        let told = json!({ "secret": secret, "id": id, "time": time, "body": body });
        self.run(SIGN, &told).expect("the library signs")
    }

    /// Whether a request is what a sender who knows the secret has just signed.
    ///
    /// # Panics
    /// When the library cannot be run.
    pub fn verifies(&self, secret: &str, headers: &[(String, String)], body: &[u8]) -> bool {
        let body = String::from_utf8_lossy(body);
        let headers: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        self.run(VERIFY, &json!({ "secret": secret, "headers": headers, "body": body })).is_some()
    }

    /// What a program says of what it is told; nothing when it fails.
    fn run(&self, program: &str, told: &Value) -> Option<String> {
        let mut command = self.0.command(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("an installed program can be started");
        let mut input = process.stdin.take().expect("standard input is a pipe");
        input.write_all(told.to_string().as_bytes()).expect("it reads its input");
        drop(input);
        let output = process.wait_with_output().expect("it ends");
        output.status.success().then(|| String::from_utf8(output.stdout).expect("a signature is text"))
    }
}
