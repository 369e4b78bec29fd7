//! A sandbox with an honest driver in it, and ways to call a hostile one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use domain::limits::Limits;
use domain::plugin::{Incoming, Outcome, Parsed, PluginKind, PluginName};
use domain::time::Timestamp;
use sandbox::{CallError, LoadError, LogLevel, PluginLog, Sandbox, Settings};

use crate::driver::Driver;

/// The name under which every hostile plugin is loaded.
pub(crate) fn subject() -> PluginName {
    "subject".parse().unwrap()
}

pub(crate) fn new_sandbox() -> Sandbox {
    Sandbox::new(&Settings { slots: 16, reserved_for_drivers: 8, ..Settings::default() }).unwrap()
}

/// A driver's limits with room for a slow machine in wall time: what must bite is set by the test.
pub(crate) fn limits() -> Limits {
    Limits { wall: Duration::from_secs(60), ..Limits::of(PluginKind::Driver) }
}

pub(crate) fn webhook(body: Vec<u8>) -> Incoming {
    Incoming {
        method: "POST".into(),
        query: String::new(),
        content_type: "application/json".into(),
        headers: vec![("user-agent".into(), "test".into())],
        body,
        received_at: Timestamp::from_millis(1_700_000_000_000),
    }
}

/// Keeps log lines.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<(LogLevel, String)>>);

impl PluginLog for Lines {
    fn log(&self, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push((level, message.to_owned()));
    }
}

/// Loads a driver and calls it once, while an honest driver keeps answering.
pub(crate) async fn call(driver: &Driver, limits: Limits) -> Result<Parsed, CallError> {
    let sandbox = new_sandbox();
    let hostile = sandbox.load_driver(&subject(), &driver.build(), limits).unwrap();
    beside_honest(&sandbox, async { hostile.parse(&webhook(b"{}".to_vec()), "{}", &Lines::default()).await })
        .await
}

/// Runs something hostile while an honest driver answers, and checks that it always did.
pub(crate) async fn beside_honest<T>(sandbox: &Sandbox, hostile: impl Future<Output = T>) -> T {
    let honest = Driver { name: "honest", ..Driver::default() }.build();
    let honest = sandbox.load_driver(&"honest".parse().unwrap(), &honest, limits()).unwrap();
    let is_done = std::sync::Arc::new(AtomicBool::new(false));
    let witness = tokio::spawn({
        let is_done = std::sync::Arc::clone(&is_done);
        async move {
            let mut answered = 0_u32;
            // At least a few calls after the hostile one has ended, too.
            let mut left = 5;
            while left > 0 {
                left -= i32::from(is_done.load(SeqCst));
                let parsed = honest.parse(&webhook(b"{}".to_vec()), "{}", &Lines::default()).await;
                assert!(
                    matches!(parsed.expect("honest").outcome, Outcome::Alerts(alerts) if alerts.len() == 1)
                );
                answered += 1;
                tokio::task::yield_now().await;
            }
            answered
        }
    });
    let outcome = hostile.await;
    is_done.store(true, SeqCst);
    assert!(witness.await.expect("the honest driver answered every time") >= 5);
    outcome
}

/// Checks that a call is stopped with this error, and that the message says by whom and what to do.
pub(crate) async fn check_stopped(driver: Driver, limits: Limits, error_type: &str) {
    let error = call(&driver, limits).await.expect_err(error_type);
    assert_eq!(error.error_type(), error_type, "{error}");
    let text = error.to_string();
    assert!(text.contains("driver `subject` 1.0.0: `parse`") && text.contains("\nhint: "), "{text}");
}

/// Checks that the same call is answered with other limits.
pub(crate) async fn check_answered(driver: Driver, limits: Limits) {
    call(&driver, limits).await.expect("the raised limit lets it through");
}

/// Checks that a file is refused with this error and this text in it, and that the sandbox is as
/// good as before.
pub(crate) async fn check_refused(bytes: &[u8], error_type: &str, text: &str) {
    let sandbox = new_sandbox();
    let refused: Result<_, LoadError> =
        beside_honest(&sandbox, async { sandbox.load_driver(&subject(), bytes, limits()) }).await;
    let error = refused.expect_err(error_type);
    assert_eq!(error.error_type(), error_type, "{error}");
    assert!(error.to_string().contains("`subject`") && error.to_string().contains(text), "{error}");
}
