//! Slack's official library, as the judge of messages.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::python::Python;

/// The suite that needs it, as `WATCHBELL_TEST_REQUIRE` names it, and the folder it is in.
const SUITE: &str = "slack_sdk";
/// Reads a message on standard input; says what the library's models of blocks have against it.
const PROGRAM: &str = "
import json, sys
from slack_sdk.models.attachments import Attachment
from slack_sdk.models.blocks import Block
message = json.load(sys.stdin)
blocks = message.get('blocks', [])
parsed = Block.parse_all(blocks)
if len(parsed) != len(blocks):
    sys.exit('a block is of no known kind')
if len(blocks) > 50:
    sys.exit('more than 50 blocks')
for block, raw in zip(parsed, blocks):
    block.validate_json()
    if json.loads(json.dumps(block.to_dict())) != raw:
        sys.exit('the library reads %s as %s' % (raw, block.to_dict()))
sys.stdout.write(str(len(parsed)))
";

/// The library, installed for these tests.
#[derive(Debug)]
pub struct SlackSdk(Python);

impl SlackSdk {
    /// Finds the library. Returns nothing, and says so, where it is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it.
    pub fn find() -> Option<Self> {
        Python::find(SUITE).map(Self)
    }

    /// How many blocks a message has, all of them as the library would make them.
    ///
    /// # Errors
    /// What is wrong with the message.
    ///
    /// # Panics
    /// When the library cannot be run.
    pub fn judge(&self, message: &Value) -> Result<usize, String> {
        let mut command = self.0.command(PROGRAM);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("an installed program can be started");
        let mut input = process.stdin.take().expect("standard input is a pipe");
        input.write_all(message.to_string().as_bytes()).expect("it reads its input");
        drop(input);
        let output = process.wait_with_output().expect("it ends");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).parse().expect("a number of blocks"))
    }
}
