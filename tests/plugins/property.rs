//! Built drivers in the real sandbox, and bodies that nobody would think of.
//!
//! Whatever comes in, a driver must answer within the limits of the sandbox and the bounds of the contract:
//! alerts, nothing with a reason, or an error that names the sender's fault. It must answer the same when
//! asked again. Every run tries the same bodies; `PROPTEST_CASES` asks for more of each kind, and
//! `PROPTEST_RNG_SEED` for others.

use std::collections::BTreeMap;

use domain::alert::ReportedStatus;
use domain::fingerprint::fingerprint;
use domain::plugin::{Incoming, Outcome, Parsed, PluginError, PluginName};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner, contextualize_config};
use sandbox::{CallError, Driver};
use serde_json::Value;

use crate::any_json::{Json, Vocabulary, any_text};
use crate::built::{self, FORM, JSON, Silence, incoming};
use crate::mutate::{MAX_BODY, mutated, mutation};

/// Bodies of each kind for each driver: as many as fit in a few seconds of an unoptimised host.
const CASES: u32 = 128;

/// Golden inputs of a driver, by the name of the case. What is no JSON is left out.
fn inputs(name: &PluginName) -> BTreeMap<String, Value> {
    let entries = std::fs::read_dir(built::testdata(name)).unwrap().map(|entry| entry.unwrap().path());
    let inputs = entries.filter_map(|path| {
        let case = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
        if case.ends_with(".expected") {
            return None;
        }
        Some((case, serde_json::from_slice(&std::fs::read(&path).unwrap()).ok()?))
    });
    inputs.collect()
}

/// What a form says in one field.
#[derive(Debug, Clone)]
enum Field {
    Json(Json),
    Text(String),
}

impl Field {
    fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Json(value) => value.write(&mut text),
            Self::Text(plain) => text.push_str(plain),
        }
        text
    }
}

/// One driver, and what its inputs are made of.
struct Subject {
    name: PluginName,
    driver: Driver,
    inputs: Vec<Json>,
    words: Vocabulary,
    runtime: tokio::runtime::Runtime,
}

impl Subject {
    fn new(name: &str) -> Self {
        let name: PluginName = name.parse().unwrap();
        let inputs = inputs(&name);
        let mut words = Vocabulary::default();
        inputs.values().for_each(|input| words.learn(input));
        Self {
            driver: built::driver(&name),
            inputs: inputs.values().map(Json::from).collect(),
            words,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            name,
        }
    }

    fn parse(&self, request: &Incoming) -> Result<Parsed, CallError> {
        self.runtime.block_on(self.driver.parse(request, "{}", &Silence))
    }

    /// What holds of every answer.
    fn check(&self, content_type: &str, body: Vec<u8>) -> Result<(), TestCaseError> {
        let request = incoming(content_type, body);
        let answer = self.parse(&request);
        match &answer {
            // The host refuses an empty list, texts over their bounds and the like: those are traps too.
            Ok(Parsed { outcome: Outcome::Alerts(alerts), .. }) => prop_assert!(!alerts.is_empty()),
            Ok(Parsed { outcome: Outcome::Nothing(why), .. }) => prop_assert!(!why.is_empty()),
            Err(CallError::Plugin(PluginError::InvalidInput(why) | PluginError::Unsupported(why))) => {
                prop_assert!(!why.is_empty());
            }
            Err(other) => {
                let body = String::from_utf8_lossy(&request.body);
                prop_assert!(false, "{other}\nbody of {} bytes: {body:.2000}", request.body.len());
            }
        }
        prop_assert_eq!(self.parse(&request), answer, "another answer to the same bytes");
        Ok(())
    }

    /// Tries bodies of one kind.
    fn try_all<S: Strategy>(
        &self,
        kind: &str,
        bodies: S,
        body: impl Fn(S::Value) -> (&'static str, Vec<u8>),
    ) {
        self.try_some(kind, 1, bodies, body);
    }

    /// Tries one body of a kind where of others so many are tried.
    fn try_some<S: Strategy>(
        &self,
        kind: &str,
        of: u32,
        bodies: S,
        body: impl Fn(S::Value) -> (&'static str, Vec<u8>),
    ) {
        let mut config = contextualize_config(Config {
            cases: CASES,
            rng_seed: RngSeed::Fixed(1),
            failure_persistence: None,
            ..Config::default()
        });
        config.cases = config.cases.div_ceil(of);
        let outcome = TestRunner::new(config).run(&bodies, |value| {
            let (content_type, body) = body(value);
            self.check(content_type, body)
        });
        outcome.unwrap_or_else(|error| panic!("driver `{}`, {kind}: {error}", self.name));
    }

    fn try_documents(&self) {
        let documents = (self.words.document(), any::<bool>());
        self.try_all("documents", documents, |(document, as_form)| {
            let mut text = String::new();
            document.write(&mut text);
            // `curl -d` calls everything a form.
            (if as_form { FORM } else { JSON }, text.into_bytes())
        });
    }

    fn try_bytes(&self) {
        const TOKENS: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\\",
            "\\u",
            "d83d",
            "null",
            "true",
            "-",
            "1",
            "e",
            ".",
            " ",
            "\n",
            "\"alerts\":[",
            "\"a\":",
            "{\"",
            "\u{feff}",
            "é",
            "%7B",
            "&",
            "=",
            "+",
            "payload=",
        ];
        let token = select(TOKENS).prop_map(|token| token.as_bytes().to_vec());
        let any_bytes = prop::collection::vec(any::<u8>(), 1..4);
        let tokens = prop::collection::vec(prop_oneof![60 => token, 1 => any_bytes], 0..60);
        self.try_all("bytes", (tokens, any::<bool>()), |(tokens, as_form)| {
            (if as_form { FORM } else { JSON }, tokens.concat())
        });
    }

    fn try_forms(&self) {
        let value = prop_oneof![self.words.scalar().prop_map(Field::Json), any_text().prop_map(Field::Text)];
        let fields = prop::collection::vec((self.words.key(), value), 0..40);
        let payload =
            self.words.document().prop_map(|document| vec![("payload".to_owned(), Field::Json(document))]);
        let fields = (prop_oneof![4 => fields, 1 => payload], any::<Index>(), any::<u8>());
        self.try_some("forms", 2, fields, |(fields, place, byte)| {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (key, value) in &fields {
                form.append_pair(key, &value.text());
            }
            let mut body = form.finish().into_bytes();
            // Half of them are not quite what a library writes.
            if byte < 128 {
                body.insert(place.index(body.len() + 1), byte);
            }
            (FORM, body)
        });
    }

    fn try_mutations(&self) {
        let foreign: Vec<Json> = built::names()
            .iter()
            .flat_map(|name| inputs(name).into_values())
            .map(|input| Json::from(&input))
            .collect();
        let bodies = (any::<Index>(), prop::collection::vec(mutation(&self.words), 1..4), any::<bool>());
        self.try_all("mutated inputs", bodies, |(input, mutations, as_form)| {
            let input = &self.inputs[input.index(self.inputs.len())];
            (if as_form { FORM } else { JSON }, mutated(input, &mutations, &foreign))
        });
    }
}

/// Texts that fill a body: plain, escaped, and such as the drivers look into.
const FILLERS: &[&str] = &[
    "x",
    "é",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\n",
    " ",
    ",",
    "a:b,",
    "[P1] ",
    "[Triggered on {a}] ",
    "https://a ",
    "https://a/monitors/1?event_id=1&group=%61%62 ",
    "{\\\"tag\\\":\\\"a\\\"},",
    "0",
    "[",
    "\u{202e}",
];

impl Subject {
    /// Bodies of up to the size that the host hands on: one value of an input is grown.
    ///
    /// Those that are hard to read have half that size. At the full size they come near the limit of 50 ms on
    /// a machine that does other things at the same time, and this is no measurement.
    fn try_large_bodies(&self) {
        let hard = (select(FILLERS), 2..=4_usize);
        let size = prop_oneof![3 => hard, 1 => (Just("x"), Just(1_usize))];
        let bodies = (any::<Index>(), any::<Index>(), size, prop::bool::weighted(0.2));
        self.try_some("large bodies", 8, bodies, |(input, place, (filler, part), as_form)| {
            let mut document = self.inputs[input.index(self.inputs.len())].clone();
            let place = place.index(document.count());
            grow(document.at(place).unwrap(), filler, MAX_BODY / part - 64 * 1024);
            let mut text = String::new();
            document.write(&mut text);
            (if as_form { FORM } else { JSON }, text.into_bytes())
        });
    }
}

/// A list gets as many of its entries as fit, an object as many keys, a scalar becomes a long text.
fn grow(value: &mut Json, filler: &str, room: usize) {
    match value {
        Json::Raw(text) => *text = format!("\"{}\"", filler.repeat(room / filler.len())),
        Json::List(items) => {
            let mut text = String::new();
            items.iter().for_each(|item| item.write(&mut text));
            let times = (room / (text.len() + 2 * items.len() + 2)).clamp(1, 2_000);
            *items = std::iter::repeat_n(items.clone(), times).flatten().take(2_000).collect();
        }
        Json::Object(fields) => {
            let entry = |index: usize| (format!("{index}"), Json::Raw(format!("\"{filler}\"")));
            fields.extend((0..room / (filler.len() + 14)).map(entry));
        }
    }
}

fn check(name: &str) {
    let subject = Subject::new(name);
    subject.try_documents();
    subject.try_bytes();
    subject.try_forms();
    subject.try_mutations();
    subject.try_large_bodies();
    for (fired, resolved) in TWINS.iter().filter(|twins| twins.0 == name).map(|twins| (twins.1, twins.2)) {
        subject.check_twins(fired, resolved);
    }
}

/// Golden inputs of a driver of which the second reports the end of what the first reports.
const TWINS: &[(&str, &str, &str)] = &[
    ("alertmanager", "push_minimal", "push_minimal_over"),
    ("alertmanager", "webhook_firing", "webhook_firing_over"),
    ("datadog", "template_triggered", "template_recovered"),
    ("generic", "single_firing", "single_firing_over"),
    ("grafana", "legacy_alerting", "legacy_ok"),
    ("grafana", "unified_firing", "unified_resolved"),
    ("newrelic", "legacy_open", "legacy_closed"),
    ("newrelic", "workflow_activated", "workflow_closed"),
    ("opsgenie", "create", "close"),
    ("opsgenie", "create", "delete"),
    ("pagerduty", "v2_trigger", "v2_resolve"),
    ("pagerduty", "v3_triggered", "v3_resolved"),
    ("pagerduty", "v3_triggered", "v2_resolve"),
    ("zabbix", "keep_problem", "keep_resolved"),
    ("zabbix", "oncall_problem", "oncall_ok"),
    ("zabbix", "script_problem", "script_resolved"),
];

impl Subject {
    /// What the hub stores of a golden input: status and fingerprint of each alert.
    fn reported(&self, case: &str) -> Vec<(ReportedStatus, String)> {
        let body = std::fs::read(built::testdata(&self.name).join(format!("{case}.json"))).unwrap();
        let Ok(Parsed { outcome: Outcome::Alerts(alerts), .. }) = self.parse(&incoming(JSON, body)) else {
            panic!("{}/{case} has no alerts", self.name);
        };
        alerts.iter().map(|alert| (alert.status, fingerprint(&self.name, alert))).collect()
    }

    fn check_twins(&self, fired: &str, resolved: &str) {
        let (before, after) = (self.reported(fired), self.reported(resolved));
        assert_eq!(before.len(), after.len(), "{}: {fired}, {resolved}", self.name);
        for ((firing, one), (over, other)) in before.iter().zip(&after) {
            assert_eq!(
                (*firing, *over),
                (ReportedStatus::Firing, ReportedStatus::Resolved),
                "{fired}, {resolved}"
            );
            assert_eq!(one, other, "{}: {resolved} closes something else than {fired}", self.name);
        }
    }
}

#[test]
fn every_built_driver_is_tried() {
    let mut names: Vec<String> = built::names().iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(
        names,
        ["alertmanager", "datadog", "generic", "grafana", "newrelic", "opsgenie", "pagerduty", "zabbix"]
    );
}

// One test for each: they run beside one another, and each compiles one component.

#[test]
fn alertmanager_answers_any_body() {
    check("alertmanager");
}

#[test]
fn datadog_answers_any_body() {
    check("datadog");
}

#[test]
fn generic_answers_any_body() {
    check("generic");
}

#[test]
fn grafana_answers_any_body() {
    check("grafana");
}

#[test]
fn newrelic_answers_any_body() {
    check("newrelic");
}

#[test]
fn opsgenie_answers_any_body() {
    check("opsgenie");
}

#[test]
fn pagerduty_answers_any_body() {
    check("pagerduty");
}

#[test]
fn zabbix_answers_any_body() {
    check("zabbix");
}
