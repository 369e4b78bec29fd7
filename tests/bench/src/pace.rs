//! A sender with a fixed rate that is also the remote of the notifications.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bench::payload;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::report;

/// How long notifications may take after the last webhook was sent.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Address of the hub
    hub: SocketAddr,
    /// Where the hub's channel sends to
    sink: SocketAddr,
    /// File with the API key, so that it is in no list of processes
    token_file: std::path::PathBuf,
    /// Webhooks per second
    rate: u32,
    /// For how long
    seconds: u32,
    /// Number of the first alert, so that another call sends others
    #[arg(long, default_value_t = 0)]
    first: u64,
}

/// When each alert should have been sent, and when people were told.
#[derive(Default)]
struct Times {
    due: Mutex<HashMap<String, Instant>>,
    told: Mutex<HashMap<String, Instant>>,
}

impl Times {
    fn note(times: &Mutex<HashMap<String, Instant>>, alert: String, at: Instant) {
        times.lock().unwrap_or_else(PoisonError::into_inner).entry(alert).or_insert(at);
    }

    fn told(&self) -> usize {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Milliseconds between the two, in order.
    fn waits(&self) -> Vec<f64> {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |(alert, at): (&String, &Instant)| Some((*at - *due.get(alert)?).as_secs_f64() * 1e3);
        let mut waits: Vec<f64> = told.iter().filter_map(wait).collect();
        waits.sort_by(f64::total_cmp);
        waits
    }
}

/// Sends, waits for the notifications, and prints how long they took.
///
/// # Errors
/// The hub refuses a webhook, or nothing at all is delivered.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let times = Arc::new(Times::default());
    let listener = TcpListener::bind(options.sink).await.context("the sink cannot listen")?;
    let router = Router::new().fallback(post(told)).with_state(Arc::clone(&times));
    let sink = tokio::spawn(async move { axum::serve(listener, router).await });
    let sent = send(&options, &times).await?;
    let all = timeout(PATIENCE, async {
        let mut looks = interval(PAUSE);
        while times.told() < sent {
            looks.tick().await;
        }
    });
    // What is missing is in the printed counts.
    let _ = all.await;
    sink.abort();
    let waits = times.waits();
    ensure!(!waits.is_empty(), "of {sent} webhooks none led to a notification");
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).or(waits.last()).copied();
    report::row(
        &format!("{} webhooks/s", options.rate),
        &[
            ("sent", sent as f64),
            ("delivered", waits.len() as f64),
            ("p50 ms", at(0.50).unwrap_or_default()),
            ("p99 ms", at(0.99).unwrap_or_default()),
        ],
    );
    Ok(())
}

/// Sends all webhooks on time, whether or not those before were answered.
async fn send(options: &Options, times: &Arc<Times>) -> anyhow::Result<usize> {
    let token = std::fs::read_to_string(&options.token_file).context("the API key is not readable")?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let url = format!("http://{}/alerts/webhook/", options.hub);
    let template = payload::alertmanager(1);
    let mut ticks = interval(Duration::from_secs(1) / options.rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut answers = JoinSet::new();
    let count = u64::from(options.rate) * u64::from(options.seconds);
    for number in options.first..options.first + count {
        let due = ticks.tick().await.into_std();
        Times::note(&times.due, format!("{number:012x}"), due);
        let request = client
            .post(&url)
            .bearer_auth(token.trim())
            .header("content-type", "application/json")
            .body(payload::filled(&template, number));
        answers.spawn(async move { request.send().await?.error_for_status().map(drop) });
    }
    while let Some(answer) = answers.join_next().await {
        answer?.context("the hub did not take a webhook")?;
    }
    Ok(usize::try_from(count)?)
}

#[derive(Deserialize)]
struct Notification {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    fingerprint: Option<String>,
}

async fn told(State(times): State<Arc<Times>>, body: Bytes) -> StatusCode {
    let now = Instant::now();
    let Ok(notification) = serde_json::from_slice::<Notification>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    for alert in notification.alerts.into_iter().filter_map(|alert| alert.fingerprint) {
        Times::note(&times.told, alert, now);
    }
    StatusCode::OK
}
