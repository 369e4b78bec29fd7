//! What must hold of the database at any time, whatever was cut off: no part of anything without the rest.

use std::collections::{BTreeMap, BTreeSet};

use domain::alert::{Alert, AlertStatus};
use domain::delivery::{AttemptOutcome, DeliveryStatus};
use domain::id::{IncidentId, RunId};
use domain::incident::{Incident, IncidentEvent};
use domain::run::{RunStatus, Stage, StageExecution, StageStatus};
use store::{
    AlertFilter, DeliveryDetail, IncidentFilter, MAX_PAGE, Options, PageRequest, RunDetail, RunFilter, Store,
};
use tests::Home;

/// How much of what there was may have been taken away for its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// Nothing.
    Fresh,
    /// Requests, then results, then runs, then incidents.
    Old,
}

/// Opens the database of a hub, running or not.
pub(crate) async fn open(home: &Home) -> Store {
    let url = format!("sqlite://{}", home.path().join("watchbell.sqlite3").display());
    Store::open(&url, Options::default()).await.unwrap()
}

/// Checks everything that is stored against everything else.
pub(crate) async fn check(store: &Store, age: Age) {
    assert_eq!(store.damage().await.unwrap(), Vec::<String>::new());
    let everything = Everything::read(store).await;
    everything.check_runs(age);
    everything.check_incidents(age);
    everything.check_deliveries();
    everything.check_counts(store, age).await;
    for run in everything.runs.values() {
        for artifact in everything.artifacts(run) {
            assert!(age == Age::Old || store.artifact(artifact).await.is_ok(), "{artifact} of {run:?}");
        }
    }
}

struct Everything {
    runs: BTreeMap<RunId, RunDetail>,
    deliveries: Vec<DeliveryDetail>,
    incidents: BTreeMap<IncidentId, (Incident, Vec<IncidentEvent>)>,
    alerts: Vec<Alert>,
}

impl Everything {
    async fn read(store: &Store) -> Self {
        let page = PageRequest { limit: MAX_PAGE, cursor: None };
        let (mut runs, mut deliveries, mut incidents) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        for run in store.runs(&RunFilter::default(), &page).await.unwrap().items {
            let run = store.run(run.run_id).await.unwrap();
            for delivery in &run.deliveries {
                deliveries.push(store.delivery(delivery.id).await.unwrap());
            }
            runs.insert(run.run.run_id, run);
        }
        for incident in store.incidents(&IncidentFilter::default(), &page).await.unwrap().items {
            let history = store.incident(incident.id).await.unwrap().history;
            let events = history.iter().map(|line| line.event).collect();
            incidents.insert(incident.id, (incident, events));
        }
        let alerts = store.alerts(&AlertFilter::default(), &page).await.unwrap().items;
        for alert in &alerts {
            let history = store.alert(alert.id).await.unwrap().history;
            assert!(history.iter().any(|line| line.event.as_str() == "created"), "{alert:?}: {history:?}");
        }
        Self { runs, deliveries, incidents, alerts }
    }

    fn check_runs(&self, age: Age) {
        for run in self.runs.values() {
            let Some(parent) = run.run.parent_run_id else {
                let request = run.request.as_ref().unwrap_or_else(|| panic!("no request: {run:?}"));
                assert_eq!(Some(request.outcome), run.run.outcome, "{run:?}");
                assert!(run.run.completed_at.is_some() && run.run.incident_id.is_none(), "{run:?}");
                continue;
            };
            assert!(run.request.is_none(), "{run:?}");
            assert!(self.incidents.contains_key(&run.run.incident_id.unwrap()), "{run:?}");
            match self.runs.get(&parent) {
                Some(parent) => assert_eq!(parent.run.trace_id, run.run.trace_id, "{run:?}"),
                None => assert_eq!(age, Age::Old, "no parent: {run:?}"),
            }
            check_stages(&run.stages, run.run.status == RunStatus::Notified);
            let notified = run.stages.iter().any(|stage| is_done(stage) && stage.stage == Stage::Notify);
            assert_eq!(
                notified,
                !run.deliveries.is_empty(),
                "deliveries come with the end of notify: {run:?}"
            );
            let told = run.deliveries.iter().all(|delivery| delivery.status == DeliveryStatus::Delivered);
            assert_eq!(run.run.status == RunStatus::Notified, notified && told, "{run:?}");
            assert_eq!(run.run.status == RunStatus::Notified, run.run.completed_at.is_some(), "{run:?}");
        }
    }

    fn check_incidents(&self, age: Age) {
        let mut open = BTreeSet::new();
        for (incident, events) in self.incidents.values() {
            let about = |alert: &&Alert| alert.incident_id == Some(incident.id);
            let firing =
                self.alerts.iter().filter(about).filter(|alert| alert.status == AlertStatus::Firing).count();
            assert_eq!(firing, incident.firing as usize, "{incident:?}");
            assert!(self.alerts.iter().any(|alert| about(&alert)), "no alert: {incident:?}");
            assert!(events.contains(&IncidentEvent::Created), "{incident:?}: {events:?}");
            let run = self.runs.values().any(|run| run.run.incident_id == Some(incident.id));
            assert!(run || age == Age::Old, "nobody would be told: {incident:?}");
            let is_first = !incident.status.is_open() || open.insert((&incident.name, &incident.instance));
            assert!(is_first, "open twice: {incident:?}");
        }
        for alert in &self.alerts {
            assert!(self.incidents.contains_key(&alert.incident_id.unwrap()), "{alert:?}");
        }
    }

    fn check_deliveries(&self) {
        for DeliveryDetail { delivery, tries, .. } in &self.deliveries {
            let numbers: Vec<u32> = tries.iter().map(|attempt| attempt.attempt).collect();
            assert_eq!(numbers, (1..=delivery.attempts).collect::<Vec<_>>(), "{delivery:?}");
            let outcomes: Vec<_> = tries.iter().map(|attempt| attempt.outcome).collect();
            let delivered = outcomes.iter().filter(|outcome| **outcome == AttemptOutcome::Delivered).count();
            let is_delivered = delivery.status == DeliveryStatus::Delivered;
            assert_eq!(delivered, usize::from(is_delivered), "{delivery:?}: {outcomes:?}");
            assert_eq!(outcomes.last() == Some(&AttemptOutcome::Delivered), is_delivered, "{outcomes:?}");
        }
    }

    /// Nothing is there that the lists do not show.
    async fn check_counts(&self, store: &Store, age: Age) {
        let ingested = self.runs.values().filter(|run| run.request.is_some()).count();
        let results: usize = self.runs.values().map(|run| self.artifacts(run).count()).sum();
        let counts = [
            ("run", self.runs.len()),
            ("inbox", ingested),
            ("stage_execution", self.runs.values().map(|run| run.stages.len()).sum()),
            ("delivery", self.deliveries.len()),
            ("attempt", self.deliveries.iter().map(|delivery| delivery.tries.len()).sum()),
            ("incident", self.incidents.len()),
            ("alert", self.alerts.len()),
            ("artifact", results),
        ];
        let stats = store.stats().await.unwrap();
        for (table, expected) in counts {
            let found = stats.tables.iter().find(|stats| stats.table == table).unwrap().rows as usize;
            let gone = age == Age::Old && table == "artifact" && found == 0;
            assert!(found == expected || gone, "rows of `{table}`: {found}, shown: {expected}");
        }
    }

    fn artifacts(&self, run: &RunDetail) -> impl Iterator<Item = domain::id::ArtifactId> + use<> {
        let run = &run.run;
        [run.checker_output_ref, run.intelligence_output_ref, run.notify_output_ref].into_iter().flatten()
    }
}

const fn is_done(try_: &StageExecution) -> bool {
    matches!(try_.status, StageStatus::Succeeded | StageStatus::Skipped)
}

/// Tries are numbered, and none follows one that ended well; with `all_done` the last of each did.
fn check_stages(stages: &[StageExecution], all_done: bool) {
    let mut by_stage: BTreeMap<Stage, Vec<&StageExecution>> = BTreeMap::new();
    for execution in stages {
        by_stage.entry(execution.stage).or_default().push(execution);
    }
    for tries in by_stage.values() {
        for (number, execution) in (1..).zip(tries) {
            assert_eq!(execution.attempt, number, "{stages:?}");
            assert_eq!(
                execution.completed_at.is_some(),
                execution.status != StageStatus::Started,
                "{stages:?}"
            );
        }
        let (last, earlier) = tries.split_last().unwrap();
        assert!(!earlier.iter().any(|execution| is_done(execution)), "done twice: {stages:?}");
        assert!(is_done(last) || !all_done, "told before its time: {stages:?}");
    }
}
