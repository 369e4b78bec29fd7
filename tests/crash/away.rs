//! A database server that goes away and comes back: nothing is acknowledged that it did not take.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use tests::{DatabaseServer, Engine, Home, Hub, PATIENCE, Proxy, wait_for};

use crate::kills::stored;
use crate::steady::{Steady, fingerprint};

/// How long nothing of the database comes through while it is looked at what the hub does meanwhile.
const QUIET: Duration = Duration::from_secs(10);
/// What it may do then: a tenth of a processor. A debug build has its share.
const IDLE_CPU: Duration = Duration::from_secs(1);

#[tokio::test]
async fn while_postgres_is_away_webhooks_are_told_to_come_back_and_none_is_lost() {
    go_away(Engine::Postgres).await;
}

#[tokio::test]
async fn while_mariadb_is_away_webhooks_are_told_to_come_back_and_none_is_lost() {
    go_away(Engine::Mariadb).await;
}

/// A disturbance of the way to the server.
struct Trouble {
    what: &'static str,
    begin: fn(&Proxy),
    /// Whether nobody at all gets through meanwhile.
    total: bool,
}

const TROUBLES: &[Trouble] = &[
    Trouble { what: "connections are reset once", begin: Proxy::cut, total: false },
    Trouble { what: "there is nobody", begin: Proxy::refuse, total: true },
    Trouble { what: "the cable is pulled out", begin: Proxy::swallow, total: true },
    Trouble {
        what: "every piece takes 5 s",
        begin: |proxy| proxy.delay(Duration::from_secs(5)),
        total: true,
    },
    Trouble { what: "commits do not arrive", begin: Proxy::lose_commits, total: true },
    Trouble { what: "commits are not confirmed", begin: Proxy::lose_answers, total: false },
];

async fn go_away(engine: Engine) {
    let Some(server) = DatabaseServer::start(engine) else { return };
    let proxy = Proxy::start(server.address()).await;
    let home = Home::new().await.with("WATCHBELL_LOG", "warn,host::app=info");
    let hub = Arc::new(home.with("DATABASE_URL", &server.url_by(proxy.port())).start().await);
    let mut acknowledged = BTreeSet::new();
    for (number, trouble) in TROUBLES.iter().enumerate() {
        let load = Steady::start(&hub, number);
        load.goes_through(2, "before").await;
        (trouble.begin)(&proxy);
        if trouble.total {
            wait_for(trouble.what, PATIENCE, async || load.seen().answers.contains_key(&503).then_some(()))
                .await;
        }
        proxy.pass();
        let open = Instant::now();
        load.goes_through(2, "after").await;
        show(engine, trouble.what, open.elapsed());
        let seen = load.end().await;
        for status in seen.answers.keys() {
            assert!([202, 503].contains(status), "{}: answered {status}", trouble.what);
        }
        acknowledged.extend(seen.acknowledged.iter().map(fingerprint));
        wait_for("the hub is ready again", PATIENCE, async || (ready(&hub).await == 200).then_some(())).await;
    }

    proxy.refuse();
    wait_for("the hub says that it is not ready", PATIENCE, async || {
        (ready(&hub).await == 503).then_some(())
    })
    .await;
    let before = cpu(&hub);
    tokio::time::timeout(QUIET, std::future::pending::<()>()).await.unwrap_err();
    let spent = cpu(&hub).saturating_sub(before);
    assert!(spent < IDLE_CPU, "{spent:?} of processor time in {QUIET:?} without a database");
    proxy.pass();
    wait_for("the hub is ready again", PATIENCE, async || (ready(&hub).await == 200).then_some(())).await;

    let stored = stored(&hub).await;
    let missing: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), acknowledged.len());
    assert!(acknowledged.len() > 10 * TROUBLES.len());
}

async fn ready(hub: &Hub) -> u16 {
    hub.send(hub.anonymous(Method::GET, "/readyz")).await.status
}

/// Processor time of the hub so far, of all its threads.
fn cpu(hub: &Hub) -> Duration {
    let stat = std::fs::read_to_string(hub.process_file("stat")).unwrap();
    // After the name, which may hold anything, in parentheses; in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[expect(clippy::print_stderr, reason = "a figure for docs/OPERATIONS.md")]
fn show(engine: Engine, what: &str, took: Duration) {
    eprintln!("{engine:?}, {what}: webhooks go through again after {took:?}");
}
