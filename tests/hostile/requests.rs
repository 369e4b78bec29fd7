//! What a call writes and asks for, beyond its own outcome.

use std::sync::Arc;

use domain::limits::{EgressLimits, Limits};

use crate::case::{driver_limits, notifier_limits};
use crate::catalogue::notifiers::requesting;
use crate::driver::Driver;
use crate::harness::{Lines, new_sandbox, subject, webhook};
use crate::notifier::Notifier;
use crate::remote::{Host, Remote, notification};

/// Delivers once and says what the host was asked to send: the bodies' lengths.
async fn sent(notifier: &Notifier, limits: Limits) -> Vec<usize> {
    let host = Arc::new(Host::new(Remote::Answers));
    let notifier = new_sandbox().load_notifier(&subject(), &notifier.build(), limits).unwrap();
    notifier.send(&notification(), "{}", Arc::clone(&host) as _).await.unwrap();
    let requests = host.requests.lock().unwrap();
    requests.iter().map(|request| request.body.len()).collect()
}

#[tokio::test]
async fn request_over_its_limit_does_not_reach_the_host() {
    let mebibyte = notifier_limits();
    let egress = EgressLimits { sent_bytes: 2 << 20, ..mebibyte.egress };
    let raised = Limits { egress, ..mebibyte };
    assert_eq!(sent(&Notifier::default(), mebibyte).await, [0]);
    let large = requesting((0, 0), (1 << 20, 1_048_577));
    assert!(sent(&large, mebibyte).await.is_empty());
    assert_eq!(sent(&large, raised).await, [1_048_577]);
    // Thirty-three headers, all of them empty; there is no limit to raise.
    assert!(sent(&requesting((1 << 20, 33), (0, 0)), mebibyte).await.is_empty());
    assert_eq!(sent(&requesting((1 << 20, 32), (0, 0)), mebibyte).await, [0]);
}

#[tokio::test]
async fn log_flood_is_cut_and_counted() {
    let flood = Driver::parsing(
        "(loop $again
           (call $log (i32.const 2) (i32.const 700000) (i32.const 16000))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 150))))
         (i32.const $PARSED)",
    );
    let sandbox = new_sandbox();
    for (log_lines, kept) in [(100, 101), (200, 150)] {
        let limits = Limits { log_lines, cpu: std::time::Duration::from_secs(10), ..driver_limits() };
        let flood = sandbox.load_driver(&subject(), &flood.build(), limits).unwrap();
        let lines = Lines::default();
        flood.parse(&webhook(vec![]), "{}", &lines).await.unwrap();
        lines.check(log_lines).unwrap();
        let lines = lines.0.lock().unwrap();
        assert_eq!(lines.len(), kept);
        assert_eq!(log_lines == 100, lines.last().unwrap().1.starts_with("50 further lines"));
    }
}

#[tokio::test]
async fn input_over_its_limit_is_not_passed_on() {
    let honest = new_sandbox().load_driver(&subject(), &Driver::default().build(), driver_limits()).unwrap();
    let limit = driver_limits().input_bytes;
    assert!(honest.parse(&webhook(vec![b' '; limit]), "{}", &Lines::default()).await.is_ok());
    let error = honest.parse(&webhook(vec![b' '; limit + 1]), "{}", &Lines::default()).await.unwrap_err();
    assert_eq!(error.error_type(), "trap.input", "{error}");
}
