//! One ingest transaction: read what the plans need, plan, write what they say.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::alert::Alert;
use domain::id::{AlertId, IncidentId, Mint};
use domain::incident::Incident;
use domain::plan::{IngestPlan, Known, Webhook, plan};
use domain::plugin::PluginName;
use domain::time::Timestamp;

use super::later::Later;
use super::rows::{
    AlertHistoryRow, AlertKeyRow, AlertRow, DeliveryKeyRow, InboxRow, IncidentHistoryRow, IncidentRow, RunRow,
};
use super::{IngestWrite, Ingested};
use crate::alert::read_alert;
use crate::db::{Columns as _, Dialect, Transaction, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::incident::read_incident;
use crate::script::Script;
use crate::sql;

const DOING: &str = "store webhooks";

/// Writes a batch and says what came of each; the caller commits.
pub(super) async fn write(
    tx: &mut Transaction,
    batch: &[IngestWrite],
    mint: &mut (dyn Mint + Send),
    now: Timestamp,
) -> Result<Vec<Ingested>, StoreError> {
    let mut results = duplicates(tx, batch).await?;
    let fresh: Vec<&IngestWrite> =
        batch.iter().zip(&results).filter(|(_, seen)| seen.is_none()).map(|(write, _)| write).collect();
    let plans = apply(tx, &fresh, Requests::New, mint, now).await?;
    let mut stored = fresh.iter().zip(&plans).map(|(write, plan)| stored(write, plan));
    for result in &mut results {
        if result.is_none() {
            *result = stored.next();
        }
    }
    Ok(results.into_iter().flatten().collect())
}

/// What was stored of a webhook whose plan is written.
pub(super) fn stored(write: &IngestWrite, plan: &IngestPlan) -> Ingested {
    Ingested::Stored {
        alerts: alerts_of(write),
        incidents: plan.incidents.iter().map(|change| change.incident.id).collect(),
        runs: plan.runs.iter().map(|run| run.id).collect(),
    }
}

/// What is there already of the requests that are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Requests {
    /// Nothing: they and the runs that ingest them are written too.
    New,
    /// They and their runs: only what follows from them is written.
    Stored,
}

/// Plans and writes what follows from these webhooks.
pub(super) async fn apply(
    tx: &mut Transaction,
    writes: &[&IngestWrite],
    requests: Requests,
    mint: &mut (dyn Mint + Send),
    now: Timestamp,
) -> Result<Vec<IngestPlan>, StoreError> {
    let webhooks: Vec<&Webhook> = writes.iter().filter_map(|write| write.webhook.as_ref()).collect();
    let mut known = known(tx, &webhooks, Reading::ToWrite).await?;
    let mint = &mut Later::than_runs_about(tx, known.incidents.keys().copied(), mint).await?;
    let plans: Vec<IngestPlan> = writes
        .iter()
        .map(|write| {
            let plan = write.webhook.as_ref().map(|webhook| plan(webhook, &mut known, mint));
            let mut plan = plan.unwrap_or_default();
            plan.runs.iter_mut().for_each(|run| run.moment.origin = write.origin);
            plan
        })
        .collect();
    if writes.is_empty() {
        return Ok(plans);
    }
    let new = if requests == Requests::New { writes } else { &[] };
    let (incidents, alerts) = incidents_and_alerts(&plans)?;
    let (requests, inbox) = to_be_kept(new)?;
    let (alert_history, incident_history) = history(writes, &plans, mint)?;
    use sql::ingest as i;
    let is_mysql = tx.dialect() == Dialect::Mysql;
    let mut write = Script::new();
    if is_mysql {
        write = write.then(i::GIVE_UP_KEYS).bind(incidents.clone());
        write = write.then(i::UPDATE_INCIDENTS).bind(incidents.clone());
    }
    write = write.then(i::UPSERT_INCIDENTS).bind(incidents);
    if is_mysql {
        write = write.then(i::UPDATE_ALERTS).bind(alerts.clone());
    }
    let write = write
        .then(i::UPSERT_ALERTS)
        .bind(alerts)
        .then(i::INSERT_RUNS)
        .bind(runs(new, &plans, now)?)
        .then(i::INSERT_INBOX)
        .bind(requests)
        .bind(inbox)
        .then(i::INSERT_ALERT_HISTORY)
        .bind(alert_history)
        .then(i::INSERT_INCIDENT_HISTORY)
        .bind(incident_history);
    write.send(tx).await.doing(DOING)?;
    Ok(plans)
}

/// How many alerts a webhook holds.
pub(super) fn alerts_of(write: &IngestWrite) -> u32 {
    let alerts = write.webhook.as_ref().map_or(0, |webhook| webhook.alerts.len());
    u32::try_from(alerts).unwrap_or(u32::MAX)
}

/// For each webhook what was stored under its delivery id before, by the database or by this batch.
pub(super) async fn duplicates(
    tx: &mut Transaction,
    batch: &[IngestWrite],
) -> Result<Vec<Option<Ingested>>, StoreError> {
    let key = |write: &IngestWrite| Some((write.driver.clone()?, write.delivery_id.clone()?));
    let wanted: BTreeSet<(PluginName, String)> = batch.iter().filter_map(key).collect();
    let mut seen: HashMap<(PluginName, String), Ingested> = HashMap::new();
    if !wanted.is_empty() {
        let rows: Vec<DeliveryKeyRow<'_>> =
            wanted.iter().map(|(driver, delivery_id)| DeliveryKeyRow { driver, delivery_id }).collect();
        let found = query(sql::ingest::SEEN_DELIVERIES).bind(to_json(DOING, &rows)?);
        for row in found.fetch_all(&mut **tx).await.doing(DOING)? {
            let driver: PluginName = row.parse("driver")?;
            let first = Ingested::Duplicate {
                run_id: row.parse("run_id")?,
                trace_id: row.parse("trace_id")?,
                driver: driver.clone(),
                outcome: row.parse("outcome")?,
                alerts: row.int("alerts")?,
            };
            seen.insert((driver, row.text("delivery_id")?), first);
        }
    }
    let judge = |write: &IngestWrite| match seen.entry(key(write)?) {
        Entry::Occupied(first) => Some(first.get().clone()),
        Entry::Vacant(place) => {
            let driver = place.key().0.clone();
            place.insert(Ingested::Duplicate {
                run_id: write.run_id,
                trace_id: write.trace_id,
                driver,
                outcome: write.outcome,
                alerts: alerts_of(write),
            });
            None
        }
    };
    Ok(batch.iter().map(judge).collect())
}

/// What the plans are read for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// They are written: what they rest on must not change until then.
    ToWrite,
    /// They are looked at.
    ToSee,
}

/// Reads what the plans need: the alerts that are told of, their incidents, and the open ones that
/// they could join.
pub(super) async fn known(
    tx: &mut Transaction,
    webhooks: &[&Webhook],
    reading: Reading,
) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let mut keys: BTreeSet<AlertKeyRow<'_>> = BTreeSet::new();
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for webhook in webhooks {
        for found in &webhook.alerts {
            keys.insert(AlertKeyRow { source: &webhook.source, fingerprint: &found.fingerprint });
            open.insert(&found.correlation_key);
        }
    }
    if keys.is_empty() {
        return Ok(known);
    }
    let (alerts_by_key, incidents_by_id_or_key) = match reading {
        Reading::ToWrite => (sql::ingest::ALERTS_BY_KEY, sql::ingest::INCIDENTS_BY_ID_OR_KEY),
        Reading::ToSee => (sql::ingest::SEE_ALERTS_BY_KEY, sql::ingest::SEE_INCIDENTS_BY_ID_OR_KEY),
    };
    let rows = query(alerts_by_key).bind(to_json(DOING, &keys)?);
    let mut incidents: BTreeSet<IncidentId> = BTreeSet::new();
    for row in rows.fetch_all(&mut **tx).await.doing(DOING)? {
        let alert = read_alert(&row)?;
        incidents.extend(alert.incident_id);
        known.add_alert(alert);
    }
    let rows = query(incidents_by_id_or_key).bind(to_json(DOING, &incidents)?).bind(to_json(DOING, &open)?);
    for row in rows.fetch_all(&mut **tx).await.doing(DOING)? {
        known.add_incident(read_incident(&row)?);
    }
    Ok(known)
}

/// Each incident and alert once, as it is after the last plan that touched it.
fn incidents_and_alerts(plans: &[IngestPlan]) -> Result<(String, String), StoreError> {
    let mut incidents: BTreeMap<IncidentId, &Incident> = BTreeMap::new();
    let mut alerts: BTreeMap<AlertId, &Alert> = BTreeMap::new();
    for plan in plans {
        incidents.extend(plan.incidents.iter().map(|change| (change.incident.id, &change.incident)));
        alerts.extend(plan.alerts.iter().map(|change| (change.alert.id, &change.alert)));
    }
    // Those that are no longer open give up their key before another takes it.
    let mut incidents: Vec<IncidentRow<'_>> = incidents.into_values().map(IncidentRow::of).collect();
    incidents.sort_by_key(|row| row.open_key.is_some());
    let alerts: Vec<AlertRow<'_>> = alerts.into_values().map(AlertRow::of).collect();
    Ok((to_json(DOING, &incidents)?, to_json(DOING, &alerts)?))
}

/// The runs that ingested these new webhooks, and those that follow from all.
fn runs(new: &[&IngestWrite], plans: &[IngestPlan], now: Timestamp) -> Result<String, StoreError> {
    let ingesting = new.iter().map(|write| RunRow::ingest(write, now));
    let following = plans.iter().flat_map(|plan| &plan.runs).map(|run| RunRow::downstream(run, now));
    to_json(DOING, &ingesting.chain(following).collect::<Vec<_>>())
}

/// All requests one after the other, and rows that say where each is therein.
fn to_be_kept(fresh: &[&IngestWrite]) -> Result<(Vec<u8>, String), StoreError> {
    let mut requests = Vec::with_capacity(fresh.iter().map(|write| write.sealed_request.len()).sum());
    let mut inbox: Vec<InboxRow<'_>> = Vec::with_capacity(fresh.len());
    for write in fresh {
        inbox.push(InboxRow::of(write, requests.len() + 1));
        requests.extend_from_slice(&write.sealed_request);
    }
    Ok((requests, to_json(DOING, &inbox)?))
}

/// What happened to alerts and incidents.
fn history(
    fresh: &[&IngestWrite],
    plans: &[IngestPlan],
    mint: &mut (dyn Mint + Send),
) -> Result<(String, String), StoreError> {
    let mut alerts: Vec<AlertHistoryRow<'_>> = Vec::new();
    let mut incidents: Vec<IncidentHistoryRow> = Vec::new();
    for (write, plan) in fresh.iter().zip(plans) {
        for change in &plan.alerts {
            alerts.extend(AlertHistoryRow::of(write, change, &mut *mint));
        }
        for change in &plan.incidents {
            for reason in &change.reasons {
                incidents.push(IncidentHistoryRow::of(write, change, *reason, &mut *mint));
            }
        }
    }
    Ok((to_json(DOING, &alerts)?, to_json(DOING, &incidents)?))
}
