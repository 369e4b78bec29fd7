//! Notifiers that misbehave while they deliver.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use domain::alert::{ReportedSeverity, ReportedStatus};
use domain::egress::{HttpError, HttpRequest, HttpResponse, SnapshotKind};
use domain::limits::Limits;
use domain::plugin::{Notification, PluginKind, Receipt};
use domain::time::Timestamp;
use sandbox::{CallError, HostServices, LogLevel, PluginLog, Sandbox, Settings};

use crate::harness::{Lines, beside_honest, new_sandbox, subject};
use crate::notifier::build;

/// A host whose remote answers at once or never.
struct Host {
    answers: bool,
    lines: Lines,
}

impl PluginLog for Host {
    fn log(&self, level: LogLevel, message: &str) {
        self.lines.log(level, message);
    }
}

impl HostServices for Host {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1)
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }

    fn http<'a>(
        &'a self,
        request: HttpRequest,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>> {
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://example.com/hook"));
        assert!(time_left > Duration::ZERO);
        Box::pin(async move {
            if !self.answers {
                pending::<()>().await;
            }
            Ok(HttpResponse { status: 200, headers: vec![], body: b"ok".to_vec() })
        })
    }

    fn snapshot(&self, _kind: SnapshotKind, _options: &str) -> Result<String, String> {
        Err("not granted".to_owned())
    }
}

fn host(answers: bool) -> Arc<Host> {
    Arc::new(Host { answers, lines: Lines::default() })
}

fn notification() -> Notification {
    Notification {
        id: "d1".into(),
        attempt: 1,
        title: "DiskFull".into(),
        message: "a disk is full".into(),
        severity: ReportedSeverity::Critical,
        status: ReportedStatus::Firing,
        incident: serde_json::json!({}),
        alerts: vec![],
        recommendations: serde_json::json!([]),
        tags: [("host".to_owned(), "a".to_owned())].into(),
        links: [].into(),
        previous_ref: None,
    }
}

async fn send(sandbox: &Sandbox, body: &str, wall: Duration, answers: bool) -> Result<Receipt, CallError> {
    let limits = Limits { wall, ..Limits::of(PluginKind::Notifier) };
    let notifier = sandbox.load_notifier(&subject(), &build(body), limits).unwrap();
    assert!(notifier.validate_config("{}", host(true)).await.unwrap().is_empty());
    beside_honest(sandbox, async { notifier.send(&notification(), "{}", host(answers)).await }).await
}

/// Runs a call until it has to wait.
async fn is_waiting<T>(call: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifier_delivers_through_the_host() {
    let receipt = send(&new_sandbox(), "$SEND (i32.const $RECEIPT)", MINUTE, true).await.unwrap();
    assert_eq!(receipt, Receipt { remote_ref: None, detail: serde_json::json!({}) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_that_never_answers_ends_at_the_wall_limit() {
    let waiting = "$SEND (i32.const $RECEIPT)";
    let error = send(&new_sandbox(), waiting, Duration::from_millis(50), false).await.unwrap_err();
    assert_eq!(error.error_type(), "trap.wall", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loop_of_host_calls_ends_at_a_limit() {
    let error =
        send(&new_sandbox(), "(loop $again $SEND (br $again)) unreachable", MINUTE, true).await.unwrap_err();
    assert_eq!(error.error_type(), "trap.cpu", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_random_bytes_are_a_trap() {
    let ask =
        |count: u32| format!("(call $random (i32.const {count}) (i32.const 131072)) (i32.const $RECEIPT)");
    assert!(send(&new_sandbox(), &ask(1024), MINUTE, true).await.is_ok());
    let error = send(&new_sandbox(), &ask(1025), MINUTE, true).await.unwrap_err();
    assert_eq!(error.error_type(), "trap.boundary", "{error}");
    assert!(error.to_string().contains("at most 1024 bytes a call, 1025 were asked for"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_notifiers_leave_the_slots_of_drivers_alone() {
    let sandbox =
        Sandbox::new(&Settings { slots: 5, reserved_for_drivers: 3, ..Settings::default() }).unwrap();
    let limits = Limits { wall: Duration::from_secs(600), ..Limits::of(PluginKind::Notifier) };
    let waiting = sandbox.load_notifier(&subject(), &build("$SEND (i32.const $RECEIPT)"), limits).unwrap();
    let notification = notification();
    let mut first = Box::pin(waiting.send(&notification, "{}", host(false)));
    let mut second = Box::pin(waiting.send(&notification, "{}", host(false)));
    // Both now wait for their remote and hold every slot that notifiers may have.
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
    let third = beside_honest(&sandbox, waiting.send(&notification, "{}", host(true))).await;
    assert_eq!(third.unwrap_err().error_type(), "trap.busy");
    drop(first);
    assert!(waiting.send(&notification, "{}", host(true)).await.is_ok());
}
