//! A database of its own for each test, and the things that tests put into it.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::alert::{ParsedAlert, ReportedSeverity, ReportedStatus};
use domain::delivery::{Channel, NewDelivery};
use domain::id::{ChannelId, DeliveryId, Mint, RunId, TraceId};
use domain::plan::Webhook;
use domain::run::{IngestOutcome, Origin, Stage, StageStatus};
use domain::time::Timestamp;
use store::{ClaimedRun, IngestWrite, Ingested, Options, PageRequest, RouteTaken, StageEnd, Store};
use tests::{DatabaseServer, Engine};
use ulid::Ulid;

/// How long claims last in tests.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A database of its own for one test.
pub(crate) enum Database {
    /// A file in a folder of its own.
    Sqlite(tempfile::TempDir),
    /// One on a real server.
    Server(DatabaseServer),
}

impl Database {
    /// An SQLite file that is not there yet.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// An empty one on a server, if that is installed here.
    pub(crate) fn server(engine: Engine) -> Option<Self> {
        DatabaseServer::start(engine).map(Self::Server)
    }

    /// Another one of the same kind, empty.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Sqlite(_) => Self::sqlite(),
            Self::Server(server) => Self::Server(DatabaseServer::start(server.engine()).unwrap()),
        }
    }

    /// The folder of a file.
    pub(crate) fn folder(&self) -> &std::path::Path {
        match self {
            Self::Sqlite(folder) => folder.path(),
            Self::Server(_) => panic!("it is on a server"),
        }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("watchbell.sqlite3").display()),
            Self::Server(server) => server.url(),
        }
    }
}

/// Makes of every claim a test for each database. Some claims are about tasks that run at once.
macro_rules! on_every_database {
    ($($claim:ident),+ $(,)?) => {
        $(mod $claim {
            use crate::fixture::{Database, World};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$claim(World::new(Database::sqlite()).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(database) = Database::server(tests::Engine::Postgres) {
                    super::$claim(World::new(database).await).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                if let Some(database) = Database::server(tests::Engine::Mariadb) {
                    super::$claim(World::new(database).await).await;
                }
            }
        })+
    };
}
pub(crate) use on_every_database;

/// Identifiers that count up, apart from each other by a prefix.
pub(crate) struct Counter(u128);

impl Counter {
    pub(crate) fn of_process(number: u128) -> Self {
        Self((1 << 100) + (number << 80))
    }
}

impl Mint for Counter {
    fn mint(&mut self) -> Ulid {
        self.0 += 1;
        Ulid(self.0)
    }
}

/// Seconds after a fixed moment.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis((1_700_000_000 + seconds) * 1000)
}

/// A migrated database, open, with what tests need at hand.
pub(crate) struct World {
    // Closed before its server is stopped.
    pub(crate) store: Store,
    pub(crate) mint: Counter,
    pub(crate) database: Database,
}

impl World {
    pub(crate) async fn new(database: Database) -> Self {
        let store = Store::open(&database.url(), Options::default()).await.unwrap();
        store.migrate(at(0)).await.unwrap();
        Self { store, mint: Counter::of_process(1), database }
    }

    /// Another database of the same kind, migrated and empty.
    pub(crate) async fn another(&self) -> Self {
        Self::new(self.database.another()).await
    }

    /// The same database as another process has it.
    pub(crate) async fn another_process(&self) -> Store {
        Store::open(&self.database.url(), Options::default()).await.unwrap()
    }

    /// A webhook of the driver `grafana` with these alerts, `seconds` after the start.
    pub(crate) fn webhook(&mut self, seconds: i64, alerts: Vec<ParsedAlert>) -> IngestWrite {
        let driver: domain::plugin::PluginName = "grafana".parse().unwrap();
        let (run_id, trace_id) = (RunId::mint(&mut self.mint), TraceId::mint(&mut self.mint));
        let received_at = at(seconds);
        IngestWrite {
            run_id,
            trace_id,
            origin: Origin::IncomingWebhook,
            received_at,
            driver: Some(driver.clone()),
            named: true,
            verified: false,
            detection: "named in the path".to_owned(),
            delivery_id: None,
            api_key_id: None,
            size_bytes: 650,
            sealed_request: format!("sealed {run_id}\0\u{ff}").into_bytes(),
            outcome: IngestOutcome::Parsed,
            reason_code: None,
            reason: None,
            webhook: Some(Webhook::new(run_id, trace_id, driver, received_at, alerts)),
        }
    }

    pub(crate) async fn ingest(
        &mut self,
        writes: &[IngestWrite],
    ) -> Vec<Result<Ingested, store::StoreError>> {
        let now = writes.last().map_or(at(0), |write| write.received_at);
        self.store.ingest(writes, &mut self.mint, now).await
    }

    /// Ingests one webhook that must be stored.
    pub(crate) async fn fire(&mut self, seconds: i64, alerts: Vec<ParsedAlert>) -> IngestWrite {
        let write = self.webhook(seconds, alerts);
        let results = self.ingest(std::slice::from_ref(&write)).await;
        assert!(matches!(results.as_slice(), [Ok(Ingested::Stored { .. })]), "{results:?}");
        write
    }

    pub(crate) async fn claim(&mut self, seconds: i64) -> Vec<ClaimedRun> {
        self.store.claim_runs(at(seconds), LEASE, 100, &mut self.mint).await.unwrap()
    }

    pub(crate) async fn channel(&mut self, name: &str) -> Channel {
        let channel = Channel {
            id: ChannelId::mint(&mut self.mint),
            name: name.to_owned(),
            notifier: "slack".parse().unwrap(),
            enabled: true,
            created_at: at(0),
        };
        self.store.add_channel(&channel, format!("sealed {name}").as_bytes()).await.unwrap();
        channel
    }

    /// Takes a claimed run through its notify stage, to the channels.
    pub(crate) async fn notify(
        &mut self,
        run: &ClaimedRun,
        channels: &[&Channel],
        seconds: i64,
    ) -> Vec<DeliveryId> {
        let attempt =
            self.store.begin_stage(run.claim, Stage::Notify, Some(&catch_all()), at(seconds)).await.unwrap();
        let deliveries: Vec<NewDelivery> =
            channels.iter().map(|channel| delivery(&mut self.mint, run, channel)).collect();
        let end = stage_end(Stage::Notify, attempt, StageStatus::Succeeded, seconds);
        self.store.finish_notify(run.claim, &end, &deliveries).await.unwrap();
        deliveries.iter().map(|delivery| delivery.id).collect()
    }
}

/// What a run would tell a channel.
pub(crate) fn delivery(mint: &mut Counter, run: &ClaimedRun, channel: &Channel) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::mint(mint),
        run_id: run.run.run_id,
        trace_id: run.run.trace_id,
        incident_id: run.moment.incident_id,
        channel_id: channel.id,
        tells: run.moment.status,
        notification: b"sealed notification".to_vec(),
        telling_both: Some(b"sealed, telling both".to_vec()),
        only_instead: false,
    }
}

/// The route that matches everything, taken.
pub(crate) fn catch_all() -> RouteTaken {
    RouteTaken { name: "catch-all".to_owned(), reason: "it asks for nothing".to_owned() }
}

pub(crate) fn stage_end(stage: Stage, attempt: u32, status: StageStatus, seconds: i64) -> StageEnd {
    StageEnd {
        stage,
        attempt,
        status,
        summary: Some(format!("{stage} is done")),
        fault: None,
        artifact: None,
        fallback_used: false,
        at: at(seconds),
    }
}

pub(crate) fn everything() -> PageRequest {
    PageRequest { limit: 1000, cursor: None }
}

/// An alert that fires, named and on a machine.
pub(crate) fn firing(name: &str, instance: &str) -> ParsedAlert {
    ParsedAlert {
        fingerprint: Some(format!("{name}-{instance}")),
        name: name.to_owned(),
        status: ReportedStatus::Firing,
        raw_status: "firing".into(),
        severity: ReportedSeverity::Warning,
        raw_severity: "warning".into(),
        description: "it holds".into(),
        starts_at: None,
        ends_at: None,
        labels: BTreeMap::from([("instance".to_owned(), instance.to_owned())]),
        annotations: BTreeMap::from([("summary".to_owned(), "full \"disk\"\nsoon".to_owned())]),
        links: BTreeMap::from([("graph".to_owned(), "https://grafana.example/d/1".to_owned())]),
        extra: serde_json::Value::Null,
    }
}

/// The same alert, over.
pub(crate) fn resolved(name: &str, instance: &str) -> ParsedAlert {
    ParsedAlert { status: ReportedStatus::Resolved, raw_status: "ok".into(), ..firing(name, instance) }
}

pub(crate) fn critical(alert: ParsedAlert) -> ParsedAlert {
    ParsedAlert { severity: ReportedSeverity::Critical, raw_severity: "page".into(), ..alert }
}
