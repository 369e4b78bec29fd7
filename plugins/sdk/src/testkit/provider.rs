//! Golden tests of providers: an incident and what the machine says in; the analysis out.

use serde_json::{Value, json};

use super::notifier::{Recording, answers};
use super::{alerts, embedded, error_json, json_text, run, text};
use crate::http::{HttpError, Remote, Request, Response, Signing};
use crate::intelligence::{Analysis, AnalysisRequest, Priority, Provider, SnapshotKind, Surroundings};

/// Compares what the provider says to every input.
///
/// An input is `{"request": {…}, "config": {…}, "snapshots": {"memory": {…}, …}, "answer": {…}}`. A snapshot that
/// is missing is one that was not granted; the answer is the remote's, as for a notifier, and without one
/// nobody answers in time.
pub fn provider<P: Provider>(folder: &str) {
    run(folder, |_, input| {
        let input: Value = serde_json::from_slice(input).expect("an input is JSON");
        let request = &input["request"];
        let request = AnalysisRequest {
            task: text(request, "task"),
            incident: json_text(request, "incident"),
            alerts: alerts(request),
            checks: json_text(request, "checks"),
            options: json_text(request, "options"),
            max_output_tokens: request["max_output_tokens"]
                .as_u64()
                .map_or(1_000, |tokens| u32::try_from(tokens).expect("a limit is a small number")),
        };
        let mut machine = Machine {
            snapshots: input["snapshots"].clone(),
            remote: Recording {
                answers: input.get("answer").map_or_else(|| vec![Err(HttpError::Timeout)], answers),
                requests: Vec::new(),
            },
        };
        let mut result = match P::analyze(&request, &json_text(&input, "config"), &mut machine) {
            Ok(analysis) => analysis_json(&analysis),
            Err(error) => error_json(&error),
        };
        if let Value::Object(fields) = &mut result
            && !machine.remote.requests.is_empty()
        {
            fields.insert("requests".to_owned(), Value::Array(machine.remote.requests));
        }
        result
    });
}

struct Machine {
    snapshots: Value,
    remote: Recording,
}

impl Remote for Machine {
    fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        self.remote.send(request)
    }

    fn send_signed(&mut self, request: &Request, signing: &Signing) -> Result<Response, HttpError> {
        self.remote.send_signed(request, signing)
    }

    fn now(&mut self) -> i64 {
        self.remote.now()
    }
}

impl Surroundings for Machine {
    fn snapshot(&mut self, kind: SnapshotKind, _options: &str) -> Result<String, String> {
        let name = match kind {
            SnapshotKind::Memory => "memory",
            SnapshotKind::Cpu => "cpu",
            SnapshotKind::Disk => "disk",
            SnapshotKind::Processes => "processes",
            SnapshotKind::Files => "files",
        };
        let snapshot = self.snapshots.get(name).map(Value::to_string);
        snapshot.ok_or_else(|| "`system` is not granted".to_owned())
    }
}

fn analysis_json(analysis: &Analysis) -> Value {
    let recommendations = analysis.recommendations.iter().map(|recommendation| {
        let priority = match recommendation.priority {
            Priority::Low => "low",
            Priority::Medium => "medium",
            Priority::High => "high",
            Priority::Critical => "critical",
        };
        json!({
            "kind": recommendation.kind,
            "priority": priority,
            "title": recommendation.title,
            "description": recommendation.description,
            "actions": recommendation.actions,
            "details": embedded(&recommendation.details),
        })
    });
    let mut value = json!({
        "summary": analysis.summary,
        "probable_cause": analysis.probable_cause,
        "recommendations": recommendations.collect::<Value>(),
        "model": analysis.model,
    });
    // Left out where there is no prompt, as at the host.
    if let (Some(version), Value::Object(fields)) = (&analysis.prompt_version, &mut value) {
        fields.insert("prompt_version".to_owned(), json!(version));
    }
    value
}
