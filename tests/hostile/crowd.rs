//! Many hostile calls at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use domain::limits::Limits;
use domain::plugin::PluginKind;
use sandbox::{Sandbox, Settings};

use crate::case::{driver_limits, notifier_limits};
use crate::driver::Driver;
use crate::harness::{Lines, new_sandbox, subject, webhook};
use crate::notifier::Notifier;
use crate::remote::{Host, Remote, notification};
use crate::witness::{answer, honest};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_endless_calls_at_once_cost_no_honest_call_its_answer() {
    let sandbox = new_sandbox();
    let honest = honest(&sandbox);
    let endless = Driver::parsing("(loop $for_ever (br $for_ever)) unreachable").build();
    // With its default wall time: most of these wait for a slot until that is over.
    let endless = sandbox.load_driver(&subject(), &endless, Limits::of(PluginKind::Driver)).unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let witness = tokio::spawn({
        let is_done = Arc::clone(&is_done);
        async move {
            let mut answered = 0;
            while !is_done.load(SeqCst) {
                answer(&honest).await;
                answered += 1;
                tokio::task::yield_now().await;
            }
            answered
        }
    });
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let endless = endless.clone();
            tokio::spawn(async move { endless.parse(&webhook(vec![]), "{}", &Lines::default()).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().expect_err("an endless call has no result");
        // Out of CPU; or out of time, running or before it got a slot.
        assert!(["trap.cpu", "trap.wall", "trap.busy"].contains(&error.error_type()), "{error}");
    }
    is_done.store(true, SeqCst);
    assert!(witness.await.expect("the honest driver answered every time") > 0);
}

/// Runs a call until it has to wait.
async fn is_waiting<T>(call: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_notifiers_leave_the_slots_of_drivers_alone() {
    let sandbox =
        Sandbox::new(&Settings { slots: 5, reserved_for_drivers: 3, ..Settings::default() }).unwrap();
    let honest = honest(&sandbox);
    let limits = Limits { wall: Duration::from_secs(600), ..notifier_limits() };
    let waiting = sandbox.load_notifier(&subject(), &Notifier::default().build(), limits).unwrap();
    let notification = notification();
    let send = |remote| waiting.send(&notification, "{}", Arc::new(Host::new(remote)));
    let mut first = Box::pin(send(Remote::Hangs));
    let mut second = Box::pin(send(Remote::Hangs));
    // Both now wait for their remote and hold every slot that notifiers may have.
    assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
    assert_eq!(send(Remote::Answers).await.unwrap_err().error_type(), "trap.busy");
    answer(&honest).await;
    // A caller that gives up gives its slot back.
    drop(first);
    send(Remote::Answers).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_drivers_wait_for_each_other_and_not_the_short_ones() {
    let sandbox = new_sandbox();
    let honest = honest(&sandbox);
    let endless = Driver::parsing("(loop $for_ever (br $for_ever)) unreachable").build();
    let endless = sandbox.load_driver(&subject(), &endless, driver_limits()).unwrap();
    let large = webhook(vec![b' '; 1 << 20]);
    let lines = Lines::default();
    let call = || Box::pin(endless.parse(&large, "{}", &lines));
    let mut calls = [call(), call(), call()];
    for call in &mut calls {
        assert!(is_waiting(call).await);
    }
    // Two hold the slots for long calls, one waits for them.
    answer(&honest).await;
    for call in calls {
        assert_eq!(call.await.unwrap_err().error_type(), "trap.cpu");
    }
}
