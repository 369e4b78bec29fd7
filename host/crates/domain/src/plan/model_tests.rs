//! Random histories through the plan and through the model: incidents and notifications must be the same.
//!
//! Every run tries the same histories; `PROPTEST_CASES` asks for more and `PROPTEST_RNG_SEED` for others. The
//! seed of a history that failed is kept in `model.regressions` and tried first from then on.
//!
//! Mistakes planted into the code that this found at once: leaving out that an older request is late; letting
//! the severity of a reopened incident fall below that of alerts that still hold; forgetting that a reopened
//! incident is open for the next webhook of its batch; taking an alert that somebody has taken for over. Those of
//! [`Plant`] are tried each time.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngSeed, TestCaseError, TestRunner, contextualize_config,
};
use ulid::Ulid;

use super::model::{Entry, Plant, Report, Seen, Told, replay};
use super::*;
use crate::act::{self, Act, Cause};
use crate::alert::{Labels, ParsedAlert, Severity};
use crate::id::{IncidentId, TraceId};
use crate::life::Action;
use crate::time::Timestamp;

/// How many histories are tried.
const HISTORIES: u32 = 10_000;
/// How far the clock jumps at most between two steps, in milliseconds.
const JUMP_MS: i64 = 3_600_000;
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/plan/model.regressions");

/// One step of a history, as it is drawn: what it refers to is found when the history is put together.
#[derive(Debug, Clone)]
enum Step {
    New(u8, Vec<Report>),
    /// An earlier request is sent again.
    Again(prop::sample::Index),
    /// An earlier request, which is stored, is parsed again.
    Replayed(prop::sample::Index),
    Person(prop::sample::Index, Action),
}

fn report() -> impl Strategy<Value = Report> {
    // A fingerprint mostly goes with one name and instance, as with real senders.
    let place = prop_oneof![
        6 => (0..4u8).prop_map(|fingerprint| (fingerprint, fingerprint / 3, Some(fingerprint / 2))),
        1 => (0..4u8, 0..2u8, prop::option::of(0..2u8)),
    ];
    (place, select(AlertStatus::ALL), select(Severity::ALL)).prop_map(
        |((fingerprint, name, instance), status, severity)| Report {
            fingerprint,
            name,
            instance,
            status,
            severity,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (0..2u8, prop::collection::vec(report(), 1..4)).prop_map(|(source, reports)| Step::New(source, reports)),
        1 => index().prop_map(Step::Again),
        2 => index().prop_map(Step::Replayed),
        4 => (index(), select(Action::ALL)).prop_map(|(incident, action)| Step::Person(incident, action)),
    ]
}

/// Steps, each with how far the clock jumps before it and whether a webhook shares its transaction with the
/// one before.
fn steps() -> impl Strategy<Value = Vec<(Step, i64, bool)>> {
    prop::collection::vec((step(), -JUMP_MS..JUMP_MS, any::<bool>()), 1..16)
}

/// Puts a history together: its entries, and whether each shares the transaction of the one before.
fn history(steps: &[(Step, i64, bool)]) -> Vec<(Entry, bool)> {
    let mut entries: Vec<(Entry, bool)> = Vec::new();
    let mut clock = 100 * JUMP_MS;
    for (step, jump, shares) in steps {
        clock += jump;
        let earlier: Vec<&Entry> = entries
            .iter()
            .map(|(entry, _)| entry)
            .filter(|entry| matches!(entry, Entry::Webhook { .. }))
            .collect();
        let entry = match step {
            Step::New(source, reports) => {
                Entry::Webhook { source: *source, at: clock, replayed: false, reports: reports.clone() }
            }
            Step::Again(index) if !earlier.is_empty() => match index.get(&earlier) {
                Entry::Webhook { source, reports, .. } => {
                    Entry::Webhook { source: *source, at: clock, replayed: false, reports: reports.clone() }
                }
                Entry::Person { .. } => continue,
            },
            Step::Replayed(index) if !earlier.is_empty() => match index.get(&earlier) {
                Entry::Webhook { source, at, reports, .. } => {
                    Entry::Webhook { source: *source, at: *at, replayed: true, reports: reports.clone() }
                }
                Entry::Person { .. } => continue,
            },
            Step::Person(index, action) => {
                let so_far: Vec<Entry> = entries.iter().map(|(entry, _)| entry.clone()).collect();
                let incidents = replay(&so_far, None).1.len();
                if incidents == 0 {
                    continue;
                }
                Entry::Person { incident: index.index(incidents), action: *action }
            }
            Step::Again(_) | Step::Replayed(_) => continue,
        };
        entries.push((entry, *shares));
    }
    entries
}

/// What the store holds, changed by nothing but what plans say.
#[derive(Default)]
struct Database {
    alerts: HashMap<AlertKey, Alert>,
    /// In the order in which they were made.
    incidents: BTreeMap<IncidentId, Incident>,
    minted: u128,
}

impl Database {
    fn webhook(&mut self, source: u8, at: i64, replayed: bool, reports: &[Report]) -> Webhook {
        let driver = ["alertmanager", "grafana"][usize::from(source)].parse().unwrap();
        let alerts = reports.iter().map(parsed).collect();
        let mut mint = self.mint();
        let (run, trace) = (RunId::mint(&mut mint), TraceId::mint(&mut mint));
        let webhook = Webhook::new(run, trace, driver, Timestamp::from_millis(at), alerts);
        Webhook { replayed, ..webhook }
    }

    fn mint(&mut self) -> impl Mint {
        let minted = &mut self.minted;
        move || {
            *minted += 1;
            Ulid(*minted)
        }
    }

    /// What the store reads before it plans a batch: no more than that.
    fn known(&self, webhooks: &[Webhook]) -> Known {
        let mut known = Known::default();
        for webhook in webhooks {
            for found in &webhook.alerts {
                let key = AlertKey { source: webhook.source.clone(), fingerprint: found.fingerprint.clone() };
                let alert = self.alerts.get(&key);
                let incidents = self.incidents.values().filter(|incident| {
                    let own = alert.is_some_and(|alert| alert.incident_id == Some(incident.id));
                    own || incident.status.is_open() && incident.key == found.correlation_key
                });
                incidents.for_each(|incident| known.add_incident(incident.clone()));
                alert.into_iter().for_each(|alert| known.add_alert(alert.clone()));
            }
        }
        known
    }

    /// One transaction; returns what each webhook told.
    fn ingest(&mut self, webhooks: &[Webhook]) -> Vec<Vec<Told>> {
        let mut known = self.known(webhooks);
        let plans: Vec<IngestPlan> =
            webhooks.iter().map(|webhook| plan(webhook, &mut known, &mut self.mint())).collect();
        for plan in &plans {
            for AlertChange { alert, .. } in &plan.alerts {
                let key = AlertKey { source: alert.source.clone(), fingerprint: alert.fingerprint.clone() };
                self.alerts.insert(key, alert.clone());
            }
            for IncidentChange { incident, .. } in &plan.incidents {
                self.incidents.insert(incident.id, incident.clone());
            }
        }
        plans.iter().map(|plan| self.told(&plan.runs)).collect()
    }

    fn act(&mut self, incident: usize, action: Action) -> Vec<Told> {
        let act = Act::new(action, "key:test".to_owned(), Some("because")).unwrap();
        let cause = Cause { source: None, origin: Origin::Api };
        let before = self.incidents.values().nth(incident).unwrap().clone();
        let plan = act::plan(&before, &act, &cause, &mut self.mint(), Timestamp::from_millis(0));
        // A refusal changes nothing and tells nobody.
        let Ok(plan) = plan else { return Vec::new() };
        self.incidents.insert(plan.incident.id, plan.incident);
        self.told(plan.run.as_slice())
    }

    fn told(&self, runs: &[NewRun]) -> Vec<Told> {
        let told = |run: &NewRun| {
            let incident = self.incidents.keys().position(|id| *id == run.moment.incident_id).unwrap();
            let mut reasons = run.moment.reasons.clone();
            reasons.sort_unstable();
            (incident, run.moment.status, run.moment.severity, reasons)
        };
        let mut told: Vec<Told> = runs.iter().map(told).collect();
        told.sort_unstable_by_key(|(incident, ..)| *incident);
        told
    }

    fn seen(&self) -> Vec<Seen> {
        let count = |count: u32| usize::try_from(count).unwrap();
        let seen = |incident: &Incident| {
            (incident.status, incident.severity, count(incident.firing), count(incident.acknowledged))
        };
        self.incidents.values().map(seen).collect()
    }
}

fn parsed(report: &Report) -> ParsedAlert {
    let instance = report.instance.map(|instance| ("instance".to_owned(), instance.to_string()));
    ParsedAlert {
        fingerprint: Some(report.fingerprint.to_string()),
        name: report.name.to_string(),
        status: report.status.into(),
        raw_status: report.status.to_string(),
        severity: report.severity.into(),
        raw_severity: report.severity.to_string(),
        description: String::new(),
        starts_at: None,
        ends_at: None,
        labels: instance.into_iter().collect(),
        annotations: Labels::new(),
        links: Labels::new(),
        extra: Value::Null,
    }
}

/// Lets a history happen; says what is not as the model has it.
fn difference(history: &[(Entry, bool)], plant: Option<Plant>) -> Option<String> {
    let entries: Vec<Entry> = history.iter().map(|(entry, _)| entry.clone()).collect();
    let mut database = Database::default();
    let mut done = 0;
    while let Some((first, _)) = history.get(done) {
        let told = match first {
            Entry::Person { incident, action } => vec![database.act(*incident, *action)],
            Entry::Webhook { .. } => {
                let sharing = history
                    .iter()
                    .skip(done + 1)
                    .take_while(|(entry, shares)| *shares && matches!(entry, Entry::Webhook { .. }));
                let together = entries.iter().skip(done).take(1 + sharing.count());
                let webhooks: Vec<Webhook> = together
                    .map(|entry| match entry {
                        Entry::Webhook { source, at, replayed, reports } => {
                            database.webhook(*source, *at, *replayed, reports)
                        }
                        Entry::Person { .. } => unreachable!("only webhooks share a transaction"),
                    })
                    .collect();
                database.ingest(&webhooks)
            }
        };
        for told in told {
            done += 1;
            let expected = replay(&entries[..done], plant);
            if told != expected.0 {
                return Some(format!("entry {done} tells {told:?} instead of {:?}", expected.0));
            }
        }
        let (seen, expected) = (database.seen(), replay(&entries[..done], plant).1);
        if seen != expected {
            return Some(format!("after entry {done} incidents are {seen:?} instead of {expected:?}"));
        }
    }
    None
}

fn config() -> Config {
    contextualize_config(Config {
        cases: HISTORIES,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        ..Config::default()
    })
}

#[test]
fn incidents_and_notifications_are_those_of_the_model() {
    let outcome = TestRunner::new(config()).run(&steps(), |steps| {
        let history = history(&steps);
        match difference(&history, None) {
            Some(difference) => Err(TestCaseError::fail(format!("{difference}\n{history:#?}"))),
            None => Ok(()),
        }
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_mistake_on_either_side_is_noticed() {
    for plant in [Plant::LateCountsAsLive, Plant::TakenIsOver, Plant::ClosedComesBack] {
        let config = Config { failure_persistence: None, max_shrink_iters: 0, ..config() };
        let outcome = TestRunner::new(config).run(&steps(), |steps| {
            prop_assert!(difference(&history(&steps), Some(plant)).is_none());
            Ok(())
        });
        assert!(outcome.is_err(), "{plant:?} is not noticed");
    }
}
