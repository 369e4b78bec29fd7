//! Ends the hub at each named point of its path, starts it again, and compares with what is written here.
//!
//! [`TABLE`] has a line for every point of `domain::crash`, with what must be found afterwards. What must hold
//! whatever the point is: what was acknowledged is there; anything is there as a whole or not at all
//! ([`whole`]); who sends again is not counted twice; everybody is told under one key; every run comes to its end.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use domain::crash::Point;
use domain::id::RunId;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use store::Store;
use tests::{Answer, Home, Hub, PATIENCE, Received, Sink, wait_for};

use crate::whole::{self, Age};

const CRASH_AT: &str = "WATCHBELL_CRASH_AT";
const CLOCK_AHEAD: &str = "WATCHBELL_CLOCK_AHEAD_S";
/// Longer than a lease and the first pauses between attempts: nobody waits for them in the next process.
const LATER_S: u32 = 10 * 60;
/// Longer than anything is kept.
const MUCH_LATER_S: u32 = 500 * 24 * 60 * 60;
/// How many webhooks are sent at once where several have to share a transaction.
const AT_ONCE: u32 = 8;

/// How the process is brought to a point, and what must be found afterwards.
#[derive(Debug, Clone, Copy)]
enum Story {
    /// One webhook that opens an incident.
    Webhook(Webhook),
    /// Webhooks at once until several shared a transaction.
    Batch { kept: bool },
    /// A webhook in quarantine, read again by a person.
    Reparse { kept: bool },
    /// Everything there is too old; of the four kinds (requests, results, runs, incidents) so many are gone.
    Retention { gone: usize },
    /// The schema of a new file.
    Migrate { kept: bool },
    /// The times of last use, written at a stop.
    LastUsed { kept: bool },
    /// Another secret key is put in place of the first; so many data keys are wrapped under it.
    Rewrap { done: usize },
}

#[derive(Debug, Clone, Copy)]
struct Webhook {
    /// Whether it is there although nobody was answered yet, or may not have been.
    kept: bool,
    /// How often the remote heard of it, always under one key.
    told: usize,
    /// How often an attempt was begun.
    attempts: u64,
    /// How often the stages check, analyze and notify were begun.
    tries: [usize; 3],
    /// What the remote answers first.
    answer: u16,
}

/// What is found where nothing has to be done twice.
const ONCE: Webhook = Webhook { kept: true, told: 1, attempts: 1, tries: [1, 1, 1], answer: 200 };

macro_rules! table {
    ($($(#[doc = $why:literal])+ $name:ident: $at:literal => $story:expr;)+) => {
        /// Where the process ends, the how-maniest time, and what is found.
        const TABLE: &[(&str, Story)] = &[$(($at, $story)),+];

        $($(#[doc = $why])+
        #[tokio::test]
        async fn $name() {
            $story.play($at).await;
        })+
    };
}

table! {
    /// Neither there nor answered: as if it had never come, until the sender comes again.
    a_webhook_that_is_not_committed: "ingest.before_commit:1" =>
        Story::Webhook(Webhook { kept: false, ..ONCE });
    /// On disk without an answer: the sender comes again, and is told of the first.
    a_webhook_that_is_committed_and_not_answered: "ingest.after_commit:1" => Story::Webhook(ONCE);
    /// None of a transaction is there.
    webhooks_that_are_not_committed: "ingest.batch.before_commit:1" => Story::Batch { kept: false };
    /// All of a transaction are there, and no sender knows.
    webhooks_that_are_committed_and_not_answered: "ingest.batch.after_commit:1" =>
        Story::Batch { kept: true };
    /// The lease ends and the run is claimed again.
    a_run_that_is_claimed: "pipeline.claimed:1" => Story::Webhook(ONCE);
    /// It was not claimed.
    a_run_that_is_not_committed_as_claimed: "pipeline.claim.before_commit:1" => Story::Webhook(ONCE);
    /// A stage that did not end is begun again.
    check_begun: "pipeline.stage_begun:1" => Story::Webhook(Webhook { tries: [2, 1, 1], ..ONCE });
    /// The end of a stage, what it found and the beginning of the next are one transaction.
    check_not_committed: "pipeline.stage.before_commit:1" => Story::Webhook(Webhook { tries: [2, 1, 1], ..ONCE });
    /// A stage that ended is not begun again. The next had begun with its end.
    check_ended: "pipeline.stage_ended:1" => Story::Webhook(Webhook { tries: [1, 2, 1], ..ONCE });
    /// Only the stage that was cut off is begun again.
    analyze_begun: "pipeline.stage_begun:2" => Story::Webhook(Webhook { tries: [1, 2, 1], ..ONCE });
    /// What was found is taken up.
    analyze_ended: "pipeline.stage_ended:2" => Story::Webhook(Webhook { tries: [1, 1, 2], ..ONCE });
    /// Nothing is in the outbox, so nobody was told.
    notify_begun: "pipeline.stage_begun:3" => Story::Webhook(Webhook { tries: [1, 1, 2], ..ONCE });
    /// The outbox and the end of the stage are one transaction: no key is given out twice.
    notify_not_committed: "pipeline.notify.before_commit:1" => Story::Webhook(Webhook { tries: [1, 1, 2], ..ONCE });
    /// The outbox has it, and the run needs nobody any more.
    notify_committed: "pipeline.notify_committed:1" => Story::Webhook(ONCE);
    /// Neither the claim nor its attempt is there.
    a_delivery_that_is_not_committed_as_claimed: "deliver.claim.before_commit:1" => Story::Webhook(ONCE);
    /// The first attempt was cut off before the call: it counts, and the remote hears once.
    a_delivery_that_is_claimed: "deliver.claimed:1" => Story::Webhook(Webhook { attempts: 2, ..ONCE });
    /// Nobody can know whether the remote took it: it hears twice, under one key.
    a_delivery_that_is_answered: "deliver.answered:1" =>
        Story::Webhook(Webhook { attempts: 2, told: 2, ..ONCE });
    /// The same, one step later.
    a_delivery_that_is_not_committed: "deliver.record.before_commit:1" =>
        Story::Webhook(Webhook { attempts: 2, told: 2, ..ONCE });
    /// Over and done with.
    a_delivery_that_is_recorded: "deliver.recorded:1" => Story::Webhook(ONCE);
    /// The refusal is lost, the attempt is not.
    a_refusal_that_is_not_recorded: "deliver.answered:1" =>
        Story::Webhook(Webhook { attempts: 2, told: 2, answer: 503, ..ONCE });
    /// The next attempt is in the database, not in the process.
    a_refusal_that_is_recorded: "deliver.recorded:1" =>
        Story::Webhook(Webhook { attempts: 2, told: 2, answer: 503, ..ONCE });
    /// It stays in quarantine.
    a_reparse_that_is_not_committed: "reparse.before_commit:1" => Story::Reparse { kept: false };
    /// It is read, its incident is told of, and it cannot be read into a second one.
    a_reparse_that_is_committed_and_not_answered: "reparse.after_commit:1" => Story::Reparse { kept: true };
    /// Nothing is gone.
    requests_found_too_old: "retention.found:1" => Story::Retention { gone: 0 };
    /// Nothing is gone.
    requests_taken_and_not_committed: "retention.before_commit:1" => Story::Retention { gone: 0 };
    /// Requests are gone, and nothing else.
    requests_taken: "retention.after_commit:1" => Story::Retention { gone: 1 };
    /// Runs are whole: with their deliveries, or gone with them.
    runs_found_too_old: "retention.found:3" => Story::Retention { gone: 2 };
    /// Deliveries go before their runs, in one transaction.
    runs_taken_and_not_committed: "retention.before_commit:3" => Story::Retention { gone: 2 };
    /// Incidents stay without their runs.
    runs_taken: "retention.after_commit:3" => Story::Retention { gone: 3 };
    /// Alerts go before their incidents, in one transaction.
    incidents_taken_and_not_committed: "retention.before_commit:4" => Story::Retention { gone: 3 };
    /// A migration is one transaction, so that there is nothing between its statements.
    a_migration_that_is_not_committed: "migrate.before_commit:1" => Story::Migrate { kept: false };
    /// It is not applied again.
    a_migration_that_is_committed: "migrate.after_commit:1" => Story::Migrate { kept: true };
    /// The time of a use is lost, and nothing else.
    last_used_that_is_not_committed: "last_used.before_commit:1" => Story::LastUsed { kept: false };
    /// Both secret keys are needed, and the next start goes on where this one was cut off.
    a_data_key_that_is_wrapped_again_before_the_others: "keys.rewrapped:2" => Story::Rewrap { done: 2 };
    /// Nobody writes it twice.
    last_used_that_is_committed: "last_used.after_commit:1" => Story::LastUsed { kept: true };
}

#[test]
fn every_point_has_its_line() {
    let name = |at: &'static str| at.split_once(':').unwrap().0;
    let lines: BTreeSet<&str> = TABLE.iter().map(|(at, _)| name(at)).collect();
    let points: BTreeSet<&str> = Point::ALL.iter().map(|point| point.as_str()).collect();
    assert_eq!(lines, points);
}

impl Story {
    async fn play(self, at: &str) {
        match self {
            Self::Webhook(expected) => webhook(at, expected).await,
            Self::Batch { kept } => batch(at, kept).await,
            Self::Reparse { kept } => reparse(at, kept).await,
            Self::Retention { gone } => retention(at, gone).await,
            Self::Migrate { kept } => migrate(at, kept).await,
            Self::LastUsed { kept } => last_used(at, kept).await,
            Self::Rewrap { done } => rewrap(at, done).await,
        }
    }
}

async fn webhook(at: &str, expected: Webhook) {
    let sink = Sink::start([Answer::Status(expected.answer, Vec::new())]).await;
    let mut hub = hub(&sink, Some(at)).await;
    let answer = hub.try_send(alert(&hub, "one")).await;
    let acknowledged = answer.is_ok_and(|answer| answer.status == 202);
    died(hub.ended().await);
    let store = whole::open(&hub).await;
    whole::check(&store, Age::Fresh).await;
    let found = runs(&store).await;
    assert_eq!(found.len(), if expected.kept { 2 } else { 0 }, "{found:?}");
    assert!(!acknowledged || expected.kept && !at.starts_with("ingest."), "acknowledged, and not there");

    go_on(&mut hub, LATER_S).await;
    let again = hub.send(alert(&hub, "one")).await;
    assert_eq!(again.status, 202, "{}", again.text());
    let run_id: RunId = again.json()["run_id"].as_str().unwrap().parse().unwrap();
    assert!(!expected.kept || found.contains(&run_id), "a second run of the same delivery: {run_id}");
    rest(&hub).await;

    told(&sink, expected.told, expected.told);
    let run = hub.downstream(again.json()["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");
    let stages = run["stages"].as_array().unwrap();
    let tries = ["check", "analyze", "notify"]
        .map(|stage| stages.iter().filter(|execution| execution["stage"] == stage).count());
    assert_eq!(tries, expected.tries, "{run}");
    assert_eq!(run["deliveries"][0]["attempts"], expected.attempts, "{run}");
    assert_eq!(runs(&store).await.len(), 2);
    whole::check(&store, Age::Fresh).await;
}

async fn batch(at: &str, kept: bool) {
    let sink = Sink::start([]).await;
    let mut hub = hub(&sink, Some(at)).await;
    let mut sent = Vec::new();
    let unanswered = wait_for("several webhooks share a transaction", PATIENCE, async || {
        let ids: Vec<String> = (0..AT_ONCE).map(|number| format!("{}-{number}", sent.len())).collect();
        sent.extend(ids.clone());
        let mut waiting = tokio::task::JoinSet::new();
        for id in ids {
            let request = alert(&hub, &id);
            waiting
                .spawn(async move { (id, request.send().await.is_ok_and(|answer| answer.status() == 202)) });
        }
        let unanswered: Vec<String> = waiting
            .join_all()
            .await
            .into_iter()
            .filter(|(_, is_answered)| !is_answered)
            .map(|(id, _)| id)
            .collect();
        (!unanswered.is_empty()).then_some(unanswered)
    })
    .await;
    died(hub.ended().await);
    let store = whole::open(&hub).await;
    whole::check(&store, Age::Fresh).await;

    go_on(&mut hub, LATER_S).await;
    let stored = fingerprints(&hub).await;
    let lost: Vec<_> = sent.iter().filter(|id| !stored.contains(*id)).collect();
    assert!(lost.iter().all(|id| unanswered.contains(id)), "acknowledged and not there: {lost:?}");
    let there = unanswered.len() - lost.len();
    // A webhook may have been alone in the transaction before, and its sender not answered yet.
    assert!(
        if kept { lost.len() + 2 <= unanswered.len() } else { lost.len() >= 2 },
        "{there} of {unanswered:?}"
    );
    for id in &unanswered {
        assert_eq!(hub.send(alert(&hub, id)).await.status, 202);
    }
    rest(&hub).await;
    assert_eq!(fingerprints(&hub).await, sent.iter().cloned().collect());
    // The process may also have ended between the remote's answer and its record.
    told(&sink, 1, 2);
    whole::check(&store, Age::Fresh).await;
}

async fn reparse(at: &str, kept: bool) {
    let sink = Sink::start([]).await;
    let mut hub = hub(&sink, Some(at)).await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    // No driver says that it is its own; the generic one can read it.
    let odd = json!([{ "alertname": "DiskFull", "host": "db1" }]);
    let run_id = hub.accept("/alerts/webhook/", &odd).await["run_id"].as_str().unwrap().to_owned();
    let read_again = |hub: &Hub| {
        let path = format!("/manage/quarantine/{run_id}/reparse/");
        hub.anonymous(Method::POST, &path).bearer_auth(&token).body(r#"{"driver":"generic"}"#)
    };
    hub.try_send(read_again(&hub)).await.unwrap_err();
    died(hub.ended().await);
    let store = whole::open(&hub).await;
    whole::check(&store, Age::Fresh).await;
    assert_eq!(runs(&store).await.len(), if kept { 2 } else { 1 });

    go_on(&mut hub, LATER_S).await;
    let again = hub.send(read_again(&hub)).await;
    assert_eq!(again.status, if kept { 409 } else { 200 }, "{}", again.text());
    rest(&hub).await;
    told(&sink, 1, 1);
    assert_eq!(runs(&store).await.len(), 2);
    whole::check(&store, Age::Fresh).await;
}

async fn retention(at: &str, gone: usize) {
    let sink = Sink::start([]).await;
    let mut hub = hub(&sink, None).await;
    let first = hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let resolved = json!({ "name": "DiskFull", "host": "db1", "status": "resolved" });
    hub.accept("/alerts/webhook/", &resolved).await;
    rest(&hub).await;
    hub.terminate();
    assert!(hub.ended().await.success());
    let run_id: RunId = first["run_id"].as_str().unwrap().parse().unwrap();
    let store = whole::open(&hub).await;
    assert_eq!(taken(&store, run_id).await, [false; 4]);

    hub.set(CRASH_AT, at);
    hub.set(CLOCK_AHEAD, &MUCH_LATER_S.to_string());
    died(hub.runs_to_its_end().await);
    whole::check(&store, Age::Old).await;
    let expected = [0, 1, 2, 3].map(|kind| kind < gone);
    assert_eq!(taken(&store, run_id).await, expected, "requests, results, runs, incidents");

    go_on(&mut hub, MUCH_LATER_S).await;
    wait_for("everything old is gone", PATIENCE, async || {
        (taken(&store, run_id).await == [true; 4]).then_some(())
    })
    .await;
    whole::check(&store, Age::Old).await;
    assert_eq!(sink.received().len(), 2, "nobody is told of what goes");
}

/// Whether the requests, the results, the runs and the incidents are gone.
async fn taken(store: &Store, run_id: RunId) -> [bool; 4] {
    let stats = store.stats().await.unwrap();
    let none = |table: &str| stats.tables.iter().any(|found| found.table == table && found.rows == 0);
    [store.inbox_request(run_id).await.is_err(), none("artifact"), none("run"), none("incident")]
}

async fn migrate(at: &str, kept: bool) {
    let sink = Sink::start([]).await;
    let mut home = home().await;
    home.set(CRASH_AT, at);
    died(home.cli(&["migrate"]).await.status);
    let store = whole::open(&home).await;
    assert_eq!(store.damage().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.pending_migrations().await.unwrap().is_empty(), kept);
    store.close().await;

    home.unset(CRASH_AT);
    let said = home.cli_text(&["migrate"]).await;
    assert_eq!(said.contains("nothing to do"), kept, "{said}");
    let hub = home.start().await;
    hub.add_channel("sink", &sink.url()).await;
    hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    rest(&hub).await;
    told(&sink, 1, 1);
    whole::check(&whole::open(&hub).await, Age::Fresh).await;
}

async fn last_used(at: &str, kept: bool) {
    let sink = Sink::start([]).await;
    let mut hub = hub(&sink, Some(at)).await;
    // The hub may come to the point by itself before it is told to stop.
    let _answer = hub.try_send(alert(&hub, "one")).await;
    hub.terminate();
    died(hub.ended().await);
    let store = whole::open(&hub).await;
    whole::check(&store, Age::Fresh).await;
    assert_eq!(is_used(&store).await, kept);

    go_on(&mut hub, LATER_S).await;
    assert_eq!(hub.send(alert(&hub, "one")).await.status, 202);
    rest(&hub).await;
    hub.terminate();
    assert!(hub.ended().await.success());
    assert!(is_used(&store).await);
    told(&sink, 1, 2);
    whole::check(&store, Age::Fresh).await;
}

async fn rewrap(at: &str, done: usize) {
    const KEYS: [&str; 2] = ["WATCHBELL_SECRET_KEY", "WATCHBELL_SECRET_KEY_PREVIOUS"];
    let sink = Sink::start([]).await;
    let mut hub = hub(&sink, None).await;
    hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    rest(&hub).await;
    hub.terminate();
    assert!(hub.ended().await.success());
    let (old, new) = (hub.setting(KEYS[0]).to_owned(), hub.fresh_secret_key().await);
    for (name, value) in [(KEYS[0], new.as_str()), (KEYS[1], &old), (CRASH_AT, at)] {
        hub.set(name, value);
    }
    died(hub.runs_to_its_end().await);
    let store = whole::open(&hub).await;
    whole::check(&store, Age::Fresh).await;
    let keys = store.data_keys().await.unwrap();
    let wrapped: BTreeSet<&str> = keys.iter().map(|key| key.kek_id.as_str()).collect();
    let last = store.secret_keys().await.unwrap().remove(0).kek_id;
    assert_eq!((wrapped.len(), keys.iter().filter(|key| key.kek_id == last).count()), (2, done));
    for alone in [&old, &new] {
        let mut home = Home::clone(&hub).with(KEYS[0], alone);
        home.unset(KEYS[1]);
        home.unset(CRASH_AT);
        assert!(!home.cli(&["secrets", "status"]).await.status.success(), "one key alone opens everything");
    }

    go_on(&mut hub, LATER_S).await;
    wait_for("all data keys are wrapped again", PATIENCE, async || {
        let keys = store.data_keys().await.unwrap();
        keys.iter().all(|key| key.kek_id == last).then_some(())
    })
    .await;
    hub.unset(KEYS[1]);
    let status = hub.cli_json(&["secrets", "status", "--verify", "--json"]).await;
    assert_eq!((&status["left"], &status["verified"]["unreadable"]), (&json!(0), &json!(0)), "{status}");
    told(&sink, 1, 1);
}

async fn is_used(store: &Store) -> bool {
    store.api_keys().await.unwrap().iter().any(|key| key.last_used_at.is_some())
}

async fn home() -> Home {
    Home::new().await.with_own_program().with_local_remotes()
}

/// A hub that tells the sink, and ends where it is said.
async fn hub(sink: &Sink, at: Option<&str>) -> Hub {
    let mut home = home().await;
    home.add_channel("sink", &sink.url()).await;
    if let Some(at) = at {
        home.set(CRASH_AT, at);
    }
    home.start().await
}

/// A webhook whose sender has an identifier for it. All belong to one incident.
fn alert(hub: &Hub, id: &str) -> RequestBuilder {
    let body = json!({ "name": "DiskFull", "fingerprint": id, "instance": "db1" });
    hub.request(Method::POST, "/alerts/webhook/generic/").header("webhook-id", id).body(body.to_string())
}

/// The process was killed; it did not end for another reason.
fn died(status: ExitStatus) {
    assert_eq!(status.signal(), Some(9), "{status}");
}

/// Starts the hub again so much later, to end nowhere.
async fn go_on(hub: &mut Hub, seconds: u32) {
    hub.unset(CRASH_AT);
    hub.set(CLOCK_AHEAD, &seconds.to_string());
    hub.restart().await;
}

/// Waits until nothing is left to do.
async fn rest(hub: &Hub) {
    wait_for("every run has come to its end", PATIENCE, async || {
        let runs = hub.list("/orchestration/pipelines/?limit=1000").await;
        runs.iter().all(|run| !run["completed_at"].is_null()).then_some(())
    })
    .await;
}

async fn runs(store: &Store) -> Vec<RunId> {
    let page = store::PageRequest { limit: store::MAX_PAGE, cursor: None };
    let page = store.runs(&store::RunFilter::default(), &page).await.unwrap();
    page.items.iter().map(|run| run.run_id).collect()
}

async fn fingerprints(hub: &Hub) -> BTreeSet<String> {
    let text = |alert: &Value| alert["fingerprint"].as_str().unwrap().to_owned();
    hub.list("/alerts/?limit=1000").await.iter().map(text).collect()
}

/// The remote heard of one incident, under one key, and neither more seldom nor more often.
fn told(sink: &Sink, least: usize, most: usize) {
    let received = sink.received();
    assert!((least..=most).contains(&received.len()), "told {} times", received.len());
    let keys: BTreeSet<&str> = received.iter().map(Received::key).collect();
    assert_eq!(keys.len(), 1, "told under several keys: {keys:?}");
}
