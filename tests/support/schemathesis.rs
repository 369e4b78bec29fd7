//! Schemathesis, the tester of APIs by their own description.

use std::fmt::Write as _;

use tokio::process::Command;
use tokio::time::timeout;

use crate::hub::Hub;
use crate::python::Python;
use crate::wait::PATIENCE;

/// The suite that needs it, as `WATCHBELL_TEST_REQUIRE` names it, and the folder it is in.
const SUITE: &str = "schemathesis";
/// Its command line.
const PROGRAM: &str = "from schemathesis.cli import schemathesis; schemathesis()";

/// What it must not expect: a key that has no business at these paths is told so, whatever the method; and
/// some bodies have rules that their description has in words only, such as one of two that must be there.
const SETTINGS: &str = "
[[operations]]
include-name = \"GET /healthz\"
checks.unsupported_method.enabled = false
[[operations]]
include-name = \"GET /readyz\"
checks.unsupported_method.enabled = false
[[operations]]
include-name = \"POST /manage/deliveries/retry/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/keys/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /incidents/{id}/{action}/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /alerts/{id}/{action}/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/routes/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"PATCH /manage/routes/{id}/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/routes/test/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/quarantine/reparse/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/quarantine/discard/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /notify/send/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /notify/send/{driver}/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /notify/batch/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/channels/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"PATCH /manage/channels/{id}/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/channels/{id}/test/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /intelligence/recommendations/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"GET /intelligence/recommendations/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"GET /intelligence/disk/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"PUT /manage/providers/{name}/\"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-name = \"POST /manage/secrets/webhook/{driver}/\"
checks.positive_data_acceptance.enabled = false
";

/// The program, installed for these tests.
#[derive(Debug)]
pub struct Schemathesis(Python);

impl Schemathesis {
    /// Finds the program. Returns nothing, and says so, where it is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it.
    pub fn find() -> Option<Self> {
        Python::find(SUITE).map(Self)
    }

    /// Tries every operation that a hub describes with made-up requests, some good and some bad;
    /// `parameters` are fixed per operation (`GET /alerts/{id}/`). Returns how it ended and what it
    /// says.
    ///
    /// # Panics
    /// When it does not run to its end.
    pub async fn run(
        &self,
        hub: &Hub,
        token: &str,
        examples: u32,
        parameters: &[(&str, &str, &str)],
    ) -> (bool, String) {
        let mut settings = SETTINGS.to_owned();
        for (operation, name, value) in parameters {
            let row = writeln!(
                settings,
                "[[operations]]\ninclude-name = \"{operation}\"\nparameters = {{ \"{name}\" = \"{value}\" }}"
            );
            row.expect("writing to a text cannot go wrong");
        }
        std::fs::write(hub.path().join("schemathesis.toml"), settings).expect("a folder of ours");
        let mut command = Command::from(self.0.command(PROGRAM));
        command.args([
            "--config-file",
            "schemathesis.toml",
            "run",
            "--no-color",
            "--seed",
            "1",
            // Sequences of requests follow what was answered, so that no seed makes them the same twice.
            "--phases",
            "examples,coverage,fuzzing",
        ]);
        command.args(["--max-examples", &examples.to_string(), "--header"]);
        command.arg(format!("Authorization: Bearer {token}"));
        for (operation, ..) in parameters {
            command.args(["--include-name", operation]);
        }
        command.arg(format!("http://{}/openapi.json", hub.address()));
        command.current_dir(hub.path()).kill_on_drop(true);
        let ended = timeout(PATIENCE * 3, command.output()).await.expect("it ends");
        let output = ended.expect("an installed program can be started");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
