//! What the store keeps of the thing that was asked about, and around it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use domain::alert::Alert;
use domain::id::{DeliveryId, IncidentId, RunId, TraceId};
use store::{
    AlertDetail, AlertFilter, DeliveryDetail, IncidentDetail, IncidentHistory, PageRequest, RunDetail,
    RunFilter, Store, StoreError,
};

/// How many runs, alerts or incidents one explanation looks at: the newest.
const MOST: u32 = 50;

domain::words! {
    /// What kind of thing somebody asked about.
    Kind {
        /// A webhook and all that came of it.
        Trace = "trace",
        /// One run.
        Run = "run",
        /// One alert.
        Alert = "alert",
        /// One incident.
        Incident = "incident",
    }
}

/// What somebody asked about, as it was found.
#[derive(Debug)]
pub(super) enum Asked {
    Trace(TraceId),
    Run(Box<RunDetail>),
    Alert(Box<AlertDetail>),
    Incident(Box<IncidentDetail>),
}

impl Asked {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Trace(_) => Kind::Trace,
            Self::Run(_) => Kind::Run,
            Self::Alert(_) => Kind::Alert,
            Self::Incident(_) => Kind::Incident,
        }
    }

    pub(super) fn id(&self) -> String {
        match self {
            Self::Trace(id) => id.to_string(),
            Self::Run(found) => found.run.run_id.to_string(),
            Self::Alert(found) => found.alert.id.to_string(),
            Self::Incident(found) => found.incident.id.to_string(),
        }
    }
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The oldest first.
    pub(super) runs: Vec<RunDetail>,
    pub(super) alerts: Vec<AlertDetail>,
    pub(super) incidents: Vec<IncidentDetail>,
    /// With the attempts at each, and who had it tried again.
    pub(super) deliveries: BTreeMap<DeliveryId, DeliveryDetail>,
    /// Of what happened to alerts and incidents only what these webhooks told; everything where empty.
    pub(super) traces: HashSet<TraceId>,
    /// Beside that, what people did to incidents.
    with_people: bool,
    /// Runs that caused others.
    pub(super) causes: HashSet<RunId>,
    /// Whether there is more than was looked at.
    pub(super) more: bool,
}

impl Facts {
    pub(super) fn title(&self, kind: Kind) -> String {
        let incident = self.incidents.first().map(|found| found.incident.title.clone());
        let alert = self.alerts.first().map(|found| found.alert.name.clone());
        match kind {
            Kind::Alert => alert.unwrap_or_default(),
            Kind::Incident => incident.unwrap_or_default(),
            Kind::Trace | Kind::Run => incident.or(alert).unwrap_or_else(|| "a webhook".to_owned()),
        }
    }

    /// Whether something that a webhook told belongs to what is explained.
    pub(super) fn tells_of(&self, trace_id: Option<TraceId>) -> bool {
        self.traces.is_empty() || trace_id.is_some_and(|id| self.traces.contains(&id))
    }

    /// What happened to an incident, the oldest first. What people did to it belongs to the story of its alerts,
    /// though no webhook told it.
    pub(super) fn history<'a>(
        &'a self,
        found: &'a IncidentDetail,
    ) -> impl Iterator<Item = &'a IncidentHistory> + 'a {
        let belongs = |entry: &&IncidentHistory| {
            self.tells_of(entry.trace_id) || self.with_people && entry.event.is_of_a_person()
        };
        found.history.iter().rev().filter(belongs)
    }
}

/// Finds what an identifier belongs to; that of a delivery stands for its run.
pub(super) async fn find(store: &Store, id: &str) -> Result<Asked, StoreError> {
    if let Ok(id) = id.parse::<TraceId>() {
        return Ok(Asked::Trace(id));
    }
    if let Ok(run) = id.parse()
        && let Some(run) = if_there(store.run(run).await)?
    {
        return Ok(Asked::Run(Box::new(run)));
    }
    if let Ok(incident) = id.parse()
        && let Some(incident) = if_there(store.incident(incident).await)?
    {
        return Ok(Asked::Incident(Box::new(incident)));
    }
    if let Ok(alert) = id.parse()
        && let Some(alert) = if_there(store.alert(alert).await)?
    {
        return Ok(Asked::Alert(Box::new(alert)));
    }
    if let Ok(delivery) = id.parse()
        && let Some(found) = if_there(store.delivery(delivery).await)?
    {
        return Ok(Asked::Run(Box::new(store.run(found.delivery.run_id).await?)));
    }
    let shown: String = id.chars().take(64).flat_map(char::escape_default).collect();
    Err(StoreError::NotFound(format!("run, incident, alert, delivery or trace `{shown}`")))
}

/// None for what is not there, or was taken away by retention meanwhile.
fn if_there<T>(found: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match found {
        Err(StoreError::NotFound(_)) => Ok(None),
        found => found.map(Some),
    }
}

/// Reads what belongs to it.
pub(super) async fn gather(store: &Store, asked: Asked) -> Result<Facts, StoreError> {
    let mut facts = Facts::default();
    match asked {
        Asked::Trace(id) => of_trace(store, id, &mut facts).await?,
        Asked::Run(run) => match (run.run.incident_id, run.run.trace_id) {
            (None, trace_id) => of_trace(store, trace_id, &mut facts).await?,
            (Some(incident_id), trace_id) => {
                facts.traces.insert(trace_id);
                facts.causes.extend(run.run.parent_run_id);
                with_causes(store, vec![*run], &mut facts).await?;
                facts.incidents.push(store.incident(incident_id).await?);
                told_by(store, trace_id, Some(incident_id), &mut facts).await?;
            }
        },
        Asked::Alert(alert) => of_alert(store, *alert, &mut facts).await?,
        Asked::Incident(incident) => {
            let incident_id = Some(incident.incident.id);
            let filter = RunFilter { incident_id, ..RunFilter::default() };
            let runs = runs(store, filter, &mut facts).await?;
            with_causes(store, runs, &mut facts).await?;
            details(store, &incident.alerts, &mut facts).await?;
            facts.incidents.push(*incident);
        }
    }
    facts.runs.sort_by_key(|found| found.run.run_id);
    for delivery in facts.runs.iter().flat_map(|run| &run.deliveries) {
        facts.deliveries.insert(delivery.id, store.delivery(delivery.id).await?);
    }
    Ok(facts)
}

async fn of_trace(store: &Store, id: TraceId, facts: &mut Facts) -> Result<(), StoreError> {
    facts.traces.insert(id);
    facts.runs = runs(store, RunFilter { trace_id: Some(id), ..RunFilter::default() }, facts).await?;
    told_by(store, id, None, facts).await?;
    let incidents: BTreeSet<IncidentId> = (facts.runs.iter().filter_map(|found| found.run.incident_id))
        .chain(facts.alerts.iter().filter_map(|found| found.alert.incident_id))
        .collect();
    for id in incidents {
        facts.incidents.push(store.incident(id).await?);
    }
    Ok(())
}

/// An alert, the webhooks that changed it or told of it last, and what these did to its incident.
async fn of_alert(store: &Store, alert: AlertDetail, facts: &mut Facts) -> Result<(), StoreError> {
    facts.with_people = true;
    facts.more |= alert.history.len() > MOST as usize;
    facts.traces = alert.history.iter().take(MOST as usize).map(|entry| entry.trace_id).collect();
    facts.traces.insert(alert.alert.trace_id);
    let mut found = Vec::new();
    for trace_id in facts.traces.clone() {
        let filter = RunFilter { trace_id: Some(trace_id), ..RunFilter::default() };
        found.extend(runs(store, filter, facts).await?);
    }
    let incident_id = alert.alert.incident_id;
    found.retain(|run| run.run.incident_id.is_none() || run.run.incident_id == incident_id);
    facts.runs = found;
    if let Some(incident_id) = incident_id {
        facts.incidents.push(store.incident(incident_id).await?);
    }
    facts.alerts.push(alert);
    Ok(())
}

/// The alerts that a webhook told of; only those of one incident where one is named.
async fn told_by(
    store: &Store,
    trace_id: TraceId,
    incident_id: Option<IncidentId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let filter = AlertFilter { trace_id: Some(trace_id), incident_id, ..AlertFilter::default() };
    let page = store.alerts(&filter, &PageRequest { limit: MOST, cursor: None }).await?;
    facts.more |= page.next.is_some();
    details(store, &page.items, facts).await
}

async fn details(store: &Store, alerts: &[Alert], facts: &mut Facts) -> Result<(), StoreError> {
    facts.more |= alerts.len() > MOST as usize;
    for alert in alerts.iter().take(MOST as usize) {
        facts.alerts.push(store.alert(alert.id).await?);
    }
    Ok(())
}

async fn runs(store: &Store, filter: RunFilter, facts: &mut Facts) -> Result<Vec<RunDetail>, StoreError> {
    let page = store.runs(&filter, &PageRequest { limit: MOST, cursor: None }).await?;
    facts.more |= page.next.is_some();
    let mut found = Vec::with_capacity(page.items.len());
    for run in page.items {
        facts.causes.extend(run.parent_run_id);
        found.push(store.run(run.run_id).await?);
    }
    Ok(found)
}

/// Keeps these runs and the ones that caused them.
async fn with_causes(store: &Store, runs: Vec<RunDetail>, facts: &mut Facts) -> Result<(), StoreError> {
    let causes: BTreeSet<RunId> = runs.iter().filter_map(|found| found.run.parent_run_id).collect();
    for cause in causes {
        facts.runs.extend(if_there(store.run(cause).await)?);
    }
    facts.runs.extend(runs);
    Ok(())
}
