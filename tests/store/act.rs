//! What people do to incidents, alone and all at once.

use domain::act::Act;
use domain::alert::AlertStatus;
use domain::id::IncidentId;
use domain::incident::{IncidentEvent, IncidentStatus, Material};
use domain::life::Action;
use domain::run::{Origin, RunStatus};
use store::{Acted, IncidentDetail, IncidentFilter, IngestWrite, RunFilter, Store, StoreError};

use crate::fixture::{Counter, World, at, critical, everything, firing, on_every_database, resolved};

on_every_database! {
    act_changes_the_state_writes_history_and_starts_a_run_that_tells_of_it,
    what_set_off_a_run_is_what_its_webhook_says_and_acts_keep_it,
    what_is_so_already_leaves_no_line_and_what_makes_no_sense_is_a_conflict,
    comment_is_in_the_history_and_starts_nothing,
    closed_by_a_person_stays_closed_while_it_fires_on_and_opens_when_it_fires_anew,
    resolved_by_a_person_opens_again_when_it_gets_worse,
    people_and_webhooks_at_once_lose_no_update,
}

fn act(action: Action) -> Act {
    Act::new(action, "key:alice".to_owned(), Some("looking at it")).unwrap()
}

async fn only(world: &World) -> IncidentId {
    let found = world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items;
    let [incident] = found.as_slice() else { panic!("{found:?}") };
    incident.id
}

impl World {
    async fn act(&mut self, id: IncidentId, action: Action, seconds: i64) -> Result<Acted, StoreError> {
        self.store.act(id, &act(action), &mut self.mint, at(seconds)).await
    }

    async fn detail(&self) -> IncidentDetail {
        self.store.incident(only(self).await).await.unwrap()
    }
}

/// What is in the history, the oldest first: what, and the state then.
fn told(detail: &IncidentDetail) -> Vec<(IncidentEvent, IncidentStatus)> {
    detail.history.iter().rev().map(|line| (line.event, line.status)).collect()
}

async fn act_changes_the_state_writes_history_and_starts_a_run_that_tells_of_it(mut world: World) {
    world.fire(1, vec![critical(firing("DiskFull", "db1"))]).await;
    world.claim(1).await;
    let id = only(&world).await;
    let acted = world.act(id, Action::Acknowledge, 5).await.unwrap();
    assert!(acted.changed);
    let (run_id, trace_id) = acted.run.unwrap();

    let detail = world.detail().await;
    assert_eq!(detail.incident, acted.incident);
    assert_eq!(detail.incident.status, IncidentStatus::Acknowledged);
    assert_eq!(detail.incident.acknowledged_at, Some(at(5)));
    let line = &detail.history[0];
    assert_eq!((line.event, line.status), (IncidentEvent::Acknowledged, IncidentStatus::Acknowledged));
    assert_eq!((line.actor.as_str(), line.reason.as_deref()), ("key:alice", Some("looking at it")));
    assert_eq!((line.run_id, line.trace_id, line.at), (Some(run_id), Some(trace_id), at(5)));

    let run = world.store.run(run_id).await.unwrap().run;
    assert_eq!(
        (run.status, run.origin, run.trace_id),
        (RunStatus::Pending, Origin::IncidentChange, trace_id)
    );
    assert_eq!((run.parent_run_id, run.normalized_payload_ref), (None, None));
    // Routes see it as they saw the webhook.
    assert_eq!((run.source.as_deref(), run.reasons), (Some("grafana"), vec![Material::Status]));
    // It waits for the run before it, which has not ended.
    assert!(world.claim(6).await.is_empty());
    let claimed = world.claim(1000).await.remove(0);
    let end = store::RunEnd { status: RunStatus::Notified, fault: None, at: at(1001) };
    world.store.finish_run(claimed.claim, &end).await.unwrap();
    let claimed = world.claim(1002).await.remove(0);
    assert_eq!(claimed.run.run_id, run_id);
    assert_eq!(
        (claimed.moment.status, claimed.moment.origin),
        (AlertStatus::Acknowledged, Origin::IncomingWebhook)
    );
    assert_eq!(claimed.moment.by.unwrap().actor, "key:alice");
}

async fn what_set_off_a_run_is_what_its_webhook_says_and_acts_keep_it(mut world: World) {
    let write = world.webhook(1, vec![firing("DiskFull", "db1")]);
    let write = IngestWrite { origin: Origin::CheckerGenerated, ..write };
    assert!(world.ingest(&[write]).await[0].is_ok());
    let id = only(&world).await;
    world.act(id, Action::Close, 2).await.unwrap();
    let run = world.claim(3).await.remove(0);
    assert_eq!((run.moment.origin, run.run.origin), (Origin::CheckerGenerated, Origin::CheckerGenerated));
    let end = store::RunEnd { status: RunStatus::Notified, fault: None, at: at(4) };
    world.store.finish_run(run.claim, &end).await.unwrap();
    assert_eq!(world.claim(5).await.remove(0).moment.origin, Origin::CheckerGenerated);
}

async fn what_is_so_already_leaves_no_line_and_what_makes_no_sense_is_a_conflict(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let id = only(&world).await;
    assert!(world.act(id, Action::Acknowledge, 2).await.unwrap().changed);
    let again = world.act(id, Action::Acknowledge, 3).await.unwrap();
    assert_eq!((again.changed, again.run, again.incident.acknowledged_at), (false, None, Some(at(2))));
    world.act(id, Action::Close, 4).await.unwrap();
    let before = world.detail().await;
    for action in [Action::Acknowledge, Action::Unacknowledge, Action::Resolve] {
        let refused = world.act(id, action, 5).await;
        let Err(StoreError::Conflict(text)) = refused else { panic!("{refused:?}") };
        assert!(text.contains("is closed"), "{text}");
    }
    assert_eq!(world.detail().await, before);
    let missing = world.act(IncidentId::from(ulid::Ulid(7)), Action::Close, 6).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
}

async fn comment_is_in_the_history_and_starts_nothing(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let id = only(&world).await;
    let before = world.detail().await.incident;
    let acted = world.act(id, Action::Comment, 2).await.unwrap();
    assert!(acted.changed && acted.run.is_none());
    let detail = world.detail().await;
    assert_eq!(detail.incident, before);
    assert_eq!((detail.history[0].event, detail.history[0].run_id), (IncidentEvent::Commented, None));
}

async fn closed_by_a_person_stays_closed_while_it_fires_on_and_opens_when_it_fires_anew(mut world: World) {
    use IncidentEvent as E;
    use IncidentStatus as S;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let id = only(&world).await;
    world.act(id, Action::Close, 2).await.unwrap();
    world.fire(3, vec![firing("DiskFull", "db1")]).await;
    world.fire(4, vec![critical(firing("DiskFull", "db1"))]).await;
    assert_eq!(world.detail().await.incident.status, S::Closed);
    world.fire(5, vec![resolved("DiskFull", "db1")]).await;
    world.fire(6, vec![firing("DiskFull", "db1")]).await;
    let detail = world.detail().await;
    assert_eq!(told(&detail), [(E::Created, S::Open), (E::Closed, S::Closed), (E::Reopened, S::Open)]);
    assert_eq!((detail.incident.firing, detail.incident.closed_at), (1, None));
}

async fn resolved_by_a_person_opens_again_when_it_gets_worse(mut world: World) {
    use IncidentEvent as E;
    use IncidentStatus as S;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let id = only(&world).await;
    world.act(id, Action::Resolve, 2).await.unwrap();
    world.fire(3, vec![firing("DiskFull", "db1")]).await;
    assert_eq!(world.detail().await.incident.status, S::Resolved, "a steady repeat is no news");
    world.fire(4, vec![critical(firing("DiskFull", "db1"))]).await;
    let detail = world.detail().await;
    assert_eq!(told(&detail), [(E::Created, S::Open), (E::Resolved, S::Resolved), (E::Reopened, S::Open)]);
    assert_eq!(detail.incident.firing, 1);
}

/// Acts of many people through two processes, with webhooks in between: each is one transaction.
async fn people_and_webhooks_at_once_lose_no_update(mut world: World) {
    const ALERTS: usize = 40;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let id = only(&world).await;
    let other = world.another_process().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { world.store.clone() } else { other.clone() };
        tasks.spawn(async move { acknowledge(store, id, number).await });
    }
    let mut webhooks = tokio::task::JoinSet::new();
    for number in 0..ALERTS {
        let mut alert = firing("DiskFull", "db1");
        alert.fingerprint = Some(format!("f{number}"));
        let write = world.webhook(10, vec![alert]);
        let store = if number % 2 == 0 { world.store.clone() } else { other.clone() };
        let mut mint = Counter::of_process(1000 + number as u128);
        webhooks.spawn(async move { store.ingest(&[write], &mut mint, at(10)).await.remove(0) });
    }
    let acted: Vec<Acted> = tasks.join_all().await;
    for stored in webhooks.join_all().await {
        stored.unwrap();
    }
    assert_eq!(acted.iter().filter(|acted| acted.changed).count(), 1, "one of them was the first");
    let detail = world.detail().await;
    assert_eq!(detail.incident.status, IncidentStatus::Acknowledged);
    assert_eq!(detail.incident.firing as usize, ALERTS + 1, "every alert is counted");
    let lines = told(&detail);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let runs = RunFilter { incident_id: Some(id), ..RunFilter::default() };
    assert_eq!(world.store.runs(&runs, &everything()).await.unwrap().items.len(), 2);
}

async fn acknowledge(store: Store, id: IncidentId, number: u128) -> Acted {
    store.act(id, &act(Action::Acknowledge), &mut Counter::of_process(100 + number), at(10)).await.unwrap()
}
