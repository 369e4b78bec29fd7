//! The built providers of language models in the real sandbox, against remotes that read requests and write
//! answers with the types of the official clients.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::egress::{HttpError, HttpRequest, HttpResponse, MailError, MailMessage, SentMail, SnapshotKind};
use domain::plugin::{Analysis, PluginError, Priority, Usage};
use domain::time::Timestamp;
use sandbox::{CallError, HostServices, LogLevel, PluginLog};
use serde_json::{Value, json};
use tests::AiSdks;

use crate::built;

/// What a provider is called, and what its remote is; one provider has two.
const REMOTES: [(&str, &str, &str); 8] = [
    ("claude", "claude", ""),
    ("copilot", "copilot", "/inference"),
    ("gemini", "gemini", ""),
    ("grok", "grok", "/v1"),
    ("mistral", "mistral", "/v1"),
    ("ollama", "ollama", ""),
    ("openai", "openai", "/v1"),
    ("openai", "responses", "/v1"),
];

/// What the remotes do, by the name of the model that is asked for.
const CASES: [&str; 14] = [
    "answered",
    "fenced",
    "prose",
    "cut",
    "structure",
    "refused",
    "empty",
    "key",
    "forbidden",
    "missing",
    "slow_down",
    "spent",
    "broken",
    "too_long",
];

/// Sends what a provider sends, with the key put in. Grants and addresses are not what is tried here.
struct Wire(reqwest::Client);

impl PluginLog for Wire {
    fn log(&self, _: LogLevel, _: &str) {}
}

impl HostServices for Wire {
    fn now(&self) -> Timestamp {
        domain::golden::RECEIVED_AT
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }

    fn http<'a>(
        &'a self,
        request: HttpRequest,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>> {
        Box::pin(async move {
            assert!(!request.url.contains("secret") && !request.resolve_in_body, "a key in a header only");
            assert_eq!(request.method, "POST");
            let mut sent = self.0.post(&request.url).body(request.body);
            for (name, value) in &request.headers {
                sent = sent.header(name, value.replace("secret://api_key", AiSdks::KEY));
            }
            if let Some(secret) = &request.credential {
                assert_eq!(secret, "api_key");
                sent = sent.bearer_auth(AiSdks::KEY);
            }
            let answer = sent.send().await.map_err(|error| HttpError::Unreachable(error.to_string()))?;
            let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            Ok(HttpResponse {
                status: answer.status().as_u16(),
                headers: answer.headers().iter().map(header).collect(),
                body: answer.bytes().await.unwrap().to_vec(),
            })
        })
    }

    fn mail<'a>(
        &'a self,
        _: MailMessage,
        _: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<SentMail, MailError>> + Send + 'a>> {
        Box::pin(std::future::ready(Err(MailError::Denied("not granted".to_owned()))))
    }

    fn snapshot<'a>(
        &'a self,
        _: SnapshotKind,
        _: &'a str,
        _: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        Box::pin(std::future::ready(Err("`system` is not granted".to_owned())))
    }
}

/// What must come of a case.
fn check(remote: &str, case: &str, found: Result<Analysis, CallError>) {
    let place = format!("{remote}/{case}: {found:?}");
    match (case, found) {
        ("answered" | "fenced" | "cut" | "structure", Ok(analysis)) => {
            let [one] = analysis.recommendations.as_slice() else { panic!("{place}") };
            assert_eq!((one.kind.as_str(), one.priority), ("disk", Priority::Critical), "{place}");
            assert!(analysis.summary.starts_with("The disk of db-3 is nearly full."), "{place}");
            assert_eq!(analysis.summary.contains("cut at 1000 tokens"), case == "cut", "{place}");
            check_common(&place, &analysis);
        }
        ("prose", Ok(analysis)) => {
            let [one] = analysis.recommendations.as_slice() else { panic!("{place}") };
            assert_eq!(
                (one.kind.as_str(), one.description.as_str()),
                ("general", "It is the disk. Look at it.")
            );
            check_common(&place, &analysis);
        }
        // These two have no word for it: the answer is empty.
        ("refused", Err(CallError::Plugin(PluginError::Unavailable(why))))
            if ["mistral", "ollama"].contains(&remote) =>
        {
            assert!(why.contains("is empty"), "{place}");
        }
        ("refused", Err(CallError::Plugin(PluginError::Rejected(why)))) => {
            assert!(why.contains("would not answer: "), "{place}");
        }
        ("empty", Err(CallError::Plugin(PluginError::Unavailable(_)))) => {}
        ("key" | "forbidden", Err(CallError::Plugin(PluginError::Auth(why)))) => {
            assert!(why.contains("\nhint: ") && !why.contains(AiSdks::KEY), "{place}");
        }
        ("missing", Err(CallError::Plugin(PluginError::Rejected(why)))) => {
            assert!(why.contains("`model`"), "{place}");
        }
        ("slow_down", Err(CallError::Plugin(PluginError::RateLimited(Some(7))))) => {}
        ("spent", Err(CallError::Plugin(PluginError::Rejected(why)))) => {
            assert!(why.contains("quota or credit"), "{place}");
        }
        ("broken", Err(CallError::Plugin(PluginError::Unavailable(_)))) => {}
        ("too_long", Err(CallError::Plugin(PluginError::Rejected(why)))) => {
            assert!(why.contains("too long for the model"), "{place}");
        }
        _ => panic!("{place}"),
    }
}

fn check_common(place: &str, analysis: &Analysis) {
    assert_eq!(analysis.model, "m-1", "{place}");
    assert_eq!(analysis.usage, Some(Usage { input_tokens: 31, output_tokens: 7 }), "{place}");
    assert!(analysis.prompt_version.is_some(), "{place}");
}

#[tokio::test]
async fn official_types_read_every_request_and_providers_read_every_answer_of_theirs() {
    let Some(server) = AiSdks::start() else { return };
    let mut requests = 0;
    for (name, remote, path) in REMOTES {
        let provider = built::provider(name);
        for case in CASES {
            let mut config = json!({
                "api_key": "secret://api_key", "model": case, "base_url": server.url(remote) + path,
                "temperature": 0.5,
            });
            match remote {
                "responses" => config["api"] = json!("responses"),
                // The types are of the version that knows no temperature.
                "claude" => drop(config.as_object_mut().unwrap().remove("temperature")),
                _ => {}
            }
            let host = Arc::new(Wire(reqwest::Client::new()));
            let found = provider.analyze(&built::question("incident"), &config.to_string(), host).await;
            check(remote, case, found);
            // The first is refused for its structure, and the second has none.
            requests += 1 + usize::from(case == "structure");
        }
    }
    let seen = server.seen().await;
    assert_eq!(seen.len(), requests);
    for one in &seen {
        assert_eq!(one["problems"], json!([]), "{}/{}", one["remote"], one["case"]);
        assert_eq!(one["query"], false);
        check_client(one);
    }
}

/// The official client must make of the same answer what its users would see, or the remote here is none.
fn check_client(seen: &Value) {
    let (remote, case) = (seen["remote"].as_str().unwrap(), seen["case"].as_str().unwrap());
    let bearer = json!({ "authorization": format!("Bearer {}", AiSdks::KEY) });
    let is_alike = match remote {
        // The official client has turned to a bearer token; the header is as old as the API, and both are taken.
        "claude" => seen["auth"] == json!({ "x-api-key": AiSdks::KEY }),
        _ => seen["auth"] == seen["official_auth"],
    };
    assert!(is_alike && (remote == "gemini" || remote == "claude" || seen["auth"] == bearer), "{seen}");
    let fails = ["key", "forbidden", "missing", "slow_down", "spent", "broken", "too_long"].contains(&case);
    match case {
        // Once refused, once answered.
        "structure" => {}
        _ => assert_eq!(seen["client"] != "answered", fails, "{seen}"),
    }
}
