//! Steps of traces, sent to a collector in the form of OpenTelemetry where one is set.
//!
//! A step is told when it has ended, with the trace and the identifiers that its rows have anyway
//! (docs/decisions/0012), so nothing is carried along and nothing is lost with a worker that dies.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use domain::id::TraceId;
use domain::time::Timestamp;
use domain::trace::{SpanId, TraceParent};
use opentelemetry::trace::{
    Link, SpanContext, SpanId as OtelSpanId, SpanKind, Status, TraceFlags, TraceId as OtelTraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanLinks, SpanProcessor as _};

use crate::config::ExportSettings;

/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where steps go; not set where nobody wants them.
static COLLECTOR: OnceLock<BatchSpanProcessor> = OnceLock::new();

/// What a step is to the one that called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It answers somebody outside.
    Server,
    /// It calls somebody outside.
    Client,
    /// Neither.
    Internal,
}

/// One step of a trace that has ended.
#[derive(Debug)]
pub struct Step {
    /// What it is: a word of a small closed set.
    pub name: &'static str,
    /// What it is to its caller.
    pub side: Side,
    /// The trace.
    pub trace_id: TraceId,
    /// This step.
    pub id: SpanId,
    /// The step it is a part of.
    pub parent: Option<SpanId>,
    /// A step in somebody else's trace that it came of.
    pub link: Option<TraceParent>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What went wrong, in a word of a small closed set.
    pub error: Option<String>,
    /// More about it, under the names that log lines have. Never a secret or an address with a path.
    pub fields: Vec<(&'static str, String)>,
}

/// Starts sending, if that is wanted. Needs the runtime, and must be stopped.
///
/// # Errors
/// When the address or a header is none, or the HTTP client cannot be set up.
pub fn start(settings: &ExportSettings) -> Result<()> {
    let Some(endpoint) = &settings.endpoint else { return Ok(()) };
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .context("the HTTP client for `OTEL_EXPORTER_OTLP_ENDPOINT` was not set up")?;
    let headers: HashMap<String, String> =
        settings.headers.iter().map(|(name, value)| (name.clone(), value.expose().clone())).collect();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector { client, runtime: tokio::runtime::Handle::current() })
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(TIMEOUT)
        .with_headers(headers)
        .build()
        .context("`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_HEADERS` cannot be used")?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    let about = [
        KeyValue::new("service.name", settings.service_name.clone()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    processor.set_resource(&Resource::builder_empty().with_attributes(about).build());
    // A second start in one process keeps the first.
    drop(COLLECTOR.set(processor));
    Ok(())
}

/// Whether steps are sent.
pub fn is_on() -> bool {
    COLLECTOR.get().is_some()
}

/// Tells of a step; it is made only if somebody wants it, and dropped when too many wait.
pub fn step(make: impl FnOnce() -> Step) {
    if let Some(collector) = COLLECTOR.get() {
        collector.on_end(data(make()));
    }
}

/// Sends what waits, and no more after that.
pub async fn stop() {
    // It waits on a thread that waits for this runtime.
    let stopped = tokio::task::spawn_blocking(|| {
        COLLECTOR.get().map(opentelemetry_sdk::trace::SpanProcessor::shutdown)
    });
    if let Ok(Some(Err(error))) = stopped.await {
        tracing::warn!(error.r#type = "export", "the last steps of traces were not sent: {error}");
    }
}

fn data(step: Step) -> SpanData {
    let context = |trace: TraceId, span: SpanId, flags, is_remote| {
        let trace = OtelTraceId::from_bytes(trace.bits().to_be_bytes());
        let span = OtelSpanId::from_bytes(span.get().to_be_bytes());
        SpanContext::new(trace, span, flags, is_remote, TraceState::default())
    };
    let mut links = SpanLinks::default();
    links.links.extend(step.link.map(|link| {
        let flags = if link.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        Link::with_context(context(link.trace_id, link.span_id, flags, true))
    }));
    let mut attributes: Vec<KeyValue> =
        step.fields.into_iter().map(|(name, value)| KeyValue::new(name, Value::from(value))).collect();
    debug_assert!(attributes.iter().all(|told| super::FIELDS.contains(&told.key.as_str())), "{attributes:?}");
    let status = match step.error {
        Some(error) => {
            attributes.push(KeyValue::new("error.type", error));
            Status::error("")
        }
        None => Status::Unset,
    };
    SpanData {
        span_context: context(step.trace_id, step.id, TraceFlags::SAMPLED, false),
        parent_span_id: step
            .parent
            .map_or(OtelSpanId::INVALID, |parent| OtelSpanId::from_bytes(parent.get().to_be_bytes())),
        parent_span_is_remote: false,
        span_kind: match step.side {
            Side::Server => SpanKind::Server,
            Side::Client => SpanKind::Client,
            Side::Internal => SpanKind::Internal,
        },
        name: step.name.into(),
        start_time: machine_time(step.began),
        end_time: machine_time(step.ended),
        attributes,
        dropped_attributes_count: 0,
        events: opentelemetry_sdk::trace::SpanEvents::default(),
        links,
        status,
        instrumentation_scope: InstrumentationScope::builder("watchbell").build(),
    }
}

fn machine_time(time: Timestamp) -> SystemTime {
    let since = Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// Sends over the runtime of the program; the exporter has a thread of its own and no runtime.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

impl HttpClient for Collector {
    fn send_bytes<'own, 'call>(
        &'own self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'call>>
    where
        'own: 'call,
        Self: 'call,
    {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move { send(&client, request).await });
        Box::pin(async move {
            let sent = sending.await.map_err(HttpError::from).flatten();
            match &sent {
                Ok(response) if response.status().is_success() => {}
                Ok(response) => {
                    let status = response.status();
                    tracing::warn!(error.r#type = "export", "the collector of traces answered {status}");
                }
                Err(error) => {
                    tracing::warn!(error.r#type = "export", "steps of traces were not sent: {error}");
                }
            }
            sent
        })
    }
}

async fn send(client: &reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    // The address may hold a password.
    let bare = reqwest::Error::without_url;
    let request: reqwest::Request = request.try_into().map_err(bare)?;
    let response = client.execute(request).await.map_err(bare)?;
    let status = response.status();
    let mut answer = Response::new(response.bytes().await.map_err(bare)?);
    *answer.status_mut() = status;
    Ok(answer)
}
