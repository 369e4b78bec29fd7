//! Built providers of language models in the real sandbox, and answers that nobody would think of.
//!
//! Whatever a remote answers, and whatever a model writes in its answer, a provider must return an analysis
//! within the bounds of the contract, or an error that says something. It must never be stopped.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::egress::{HttpError, HttpRequest, HttpResponse, MailError, MailMessage, SentMail, SnapshotKind};
use domain::plugin::PluginError;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner, contextualize_config};
use sandbox::{CallError, HostServices, LogLevel, PluginLog, Provider};
use serde_json::{Value, json};

use crate::any_json::{Json, Vocabulary, any_text, odd_scalar};
use crate::built;
use crate::mutate::{mutated, mutation};

/// Answers of each kind for each provider.
const CASES: u32 = 96;

/// The most bytes of one answer that the host hands on.
const MAX_ANSWER: usize = 1 << 20;

/// Answers every request alike.
struct Always(HttpResponse);

impl PluginLog for Always {
    fn log(&self, _: LogLevel, _: &str) {}
}

impl HostServices for Always {
    fn now(&self) -> Timestamp {
        domain::golden::RECEIVED_AT
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }

    fn http<'a>(
        &'a self,
        _request: HttpRequest,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
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

/// One provider, and what the answers of its golden cases are made of.
struct Subject {
    name: &'static str,
    provider: Provider,
    answers: Vec<Value>,
    words: Vocabulary,
    runtime: tokio::runtime::Runtime,
}

impl Subject {
    fn new(name: &'static str) -> Self {
        let mut answers = Vec::new();
        for entry in std::fs::read_dir(built::provider_testdata(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().ends_with(".expected.json") {
                continue;
            }
            let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let body = case["answer"]["body"].as_str().and_then(|body| serde_json::from_str(body).ok());
            answers.extend(body);
        }
        let mut words = Vocabulary::default();
        answers.iter().for_each(|answer| words.learn(answer));
        words.learn(&thought());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { name, provider: built::provider(name), answers, words, runtime }
    }

    fn check(&self, status: u16, body: Vec<u8>) -> Result<(), TestCaseError> {
        let body: Vec<u8> = body.into_iter().take(MAX_ANSWER).collect();
        let shown = String::from_utf8_lossy(&body).chars().take(2_000).collect::<String>();
        let headers = vec![("retry-after".to_owned(), shown.chars().take(20).collect())];
        let host = Arc::new(Always(HttpResponse { status, headers, body }));
        let config = json!({ "api_key": "secret://api_key", "temperature": 1 }).to_string();
        let question = built::question("incident");
        let answer = self.runtime.block_on(self.provider.analyze(&question, &config, host));
        match answer {
            // The host has held it to the bounds of the contract.
            Ok(analysis) => prop_assert!(!analysis.summary.is_empty() || !analysis.probable_cause.is_empty()),
            Err(CallError::Plugin(
                PluginError::Auth(why) | PluginError::Unavailable(why) | PluginError::Rejected(why),
            )) => prop_assert!(!why.is_empty()),
            Err(CallError::Plugin(PluginError::RateLimited(_))) => {}
            Err(other) => prop_assert!(false, "{other}\n{status} {shown}"),
        }
        Ok(())
    }

    fn try_all<S: Strategy>(&self, kind: &str, answers: S, body: impl Fn(S::Value) -> Vec<u8>) {
        let config = contextualize_config(Config {
            cases: CASES,
            rng_seed: RngSeed::Fixed(1),
            failure_persistence: None,
            ..Config::default()
        });
        let status = select(&[200_u16, 200, 200, 200, 204, 302, 400, 401, 404, 422, 429, 500, 529]);
        let outcome = TestRunner::new(config)
            .run(&(status, answers), |(status, answer)| self.check(status, body(answer)));
        outcome.unwrap_or_else(|error| panic!("provider `{}`, {kind}: {error}", self.name));
    }

    fn try_bytes(&self) {
        self.try_all("bytes", prop::collection::vec(any::<u8>(), 0..300), |bytes| bytes);
        self.try_all("texts", any_text(), String::into_bytes);
        let nested = (select(&["[", "{\"a\":", "{\"error\":", "[{\"error\":"]), 1..200_000_usize);
        self.try_all("nested", nested, |(unit, times)| unit.repeat(times).into_bytes());
    }

    fn try_documents(&self) {
        self.try_all("documents", self.words.document(), |document| text(&document).into_bytes());
    }

    fn try_mutations(&self) {
        let inputs: Vec<Json> = self.answers.iter().map(Json::from).collect();
        let changes = (any::<Index>(), prop::collection::vec(mutation(&self.words), 1..4));
        self.try_all("mutated answers", changes, |(input, mutations)| {
            mutated(&inputs[input.index(inputs.len())], &mutations, &inputs)
        });
    }

    /// Answers that are well, in which the model writes what it likes.
    fn try_writings(&self) {
        let thought = Json::from(&thought());
        let cut = prop::collection::vec(mutation(&self.words), 0..4);
        let writing = prop_oneof![
            cut.prop_map(move |mutations| {
                let bytes = mutated(&thought, &mutations, std::slice::from_ref(&thought));
                String::from_utf8_lossy(&bytes).into_owned()
            }),
            self.words.document().prop_map(|document| text(&document)),
            any_text(),
            prop::collection::vec(recommendation(), 1..30).prop_map(|list| {
                text(&Json::Object(vec![("recommendations".to_owned(), Json::List(list))]))
            }),
            (select(&["[", "{", "[,", "{\"a\":[", "[1]", "\\\""]), 1..100_000_usize)
                .prop_map(|(unit, times)| unit.repeat(times)),
        ];
        let answered: Vec<&Value> =
            self.answers.iter().filter(|answer| written(&mut (*answer).clone()).is_some()).collect();
        assert!(!answered.is_empty(), "`{}` has an answer among its cases", self.name);
        self.try_all("writings", (any::<Index>(), writing), |(answer, writing)| {
            let mut answer = answered[answer.index(answered.len())].clone();
            *written(&mut answer).unwrap() = json!(writing);
            answer.to_string().into_bytes()
        });
    }
}

/// A recommendation of the right form, with anything in its fields.
fn recommendation() -> BoxedStrategy<Json> {
    let any = || prop_oneof![2 => any_text().prop_map(|text| Json::text(&text)), 1 => odd_scalar()];
    let actions = prop::collection::vec(any(), 0..20).prop_map(Json::List);
    let fields = (any(), any(), any(), any(), prop_oneof![3 => actions, 1 => any()]);
    let name = |name: &str, value: Json| (name.to_owned(), value);
    fields
        .prop_map(move |(kind, priority, title, description, actions)| {
            Json::Object(vec![
                name("type", kind),
                name("priority", priority),
                name("title", title),
                name("description", description),
                name("actions", actions),
            ])
        })
        .boxed()
}

fn text(document: &Json) -> String {
    let mut text = String::new();
    document.write(&mut text);
    text
}

/// Where the model writes: the first text in an answer that is JSON itself.
fn written(answer: &mut Value) -> Option<&mut Value> {
    let is_json = |text: &str| text.starts_with('{') && text.contains("recommendations");
    match answer {
        Value::String(text) if is_json(text) => Some(answer),
        Value::Array(items) => items.iter_mut().find_map(written),
        Value::Object(fields) => fields.values_mut().find_map(written),
        _ => None,
    }
}

/// What a model is asked to write.
fn thought() -> Value {
    let one = json!({
        "type": "disk", "priority": "high", "title": "t", "description": "d", "actions": ["a", { "step": "b" }],
    });
    json!({ "summary": "s", "probable_cause": "c", "recommendations": [one, one] })
}

fn check(name: &'static str) {
    let subject = Subject::new(name);
    subject.try_bytes();
    subject.try_documents();
    subject.try_mutations();
    subject.try_writings();
}

#[test]
fn every_provider_of_a_model_is_tried() {
    let mut names = built::providers();
    // The one that asks nobody.
    names.retain(|name| name != "local");
    names.sort();
    assert_eq!(names, ["claude", "copilot", "gemini", "grok", "mistral", "ollama", "openai"]);
}

// One test for each: they run beside one another, and each compiles one component.

#[test]
fn claude_reads_any_answer() {
    check("claude");
}

#[test]
fn copilot_reads_any_answer() {
    check("copilot");
}

#[test]
fn gemini_reads_any_answer() {
    check("gemini");
}

#[test]
fn grok_reads_any_answer() {
    check("grok");
}

#[test]
fn mistral_reads_any_answer() {
    check("mistral");
}

#[test]
fn ollama_reads_any_answer() {
    check("ollama");
}

#[test]
fn openai_reads_any_answer() {
    check("openai");
}
