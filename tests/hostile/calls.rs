//! Drivers that misbehave while they parse.

use std::time::Duration;

use domain::limits::Limits;
use domain::plugin::Outcome;

use crate::driver::{Alert, Driver};
use crate::harness::{Lines, call, check_answered, check_stopped, limits, new_sandbox, subject, webhook};

const MIB: usize = 1 << 20;

/// Counts to two thousand million: about a second of CPU.
const LONG_LOOP: &str = "
    (loop $again
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 2000000000))))
    (i32.const $PARSED)";

/// Without a sample, so that the driver loads and misbehaves later.
fn driver(parse: &'static str) -> Driver {
    Driver { parse, sample: None, ..Driver::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loop_in_parse_ends_at_its_cpu_limit() {
    check_stopped(driver("(loop $for_ever (br $for_ever)) (unreachable)"), limits(), "trap.cpu").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_call_is_answered_when_the_cpu_limit_allows_it() {
    check_stopped(driver(LONG_LOOP), limits(), "trap.cpu").await;
    check_answered(driver(LONG_LOOP), Limits { cpu: Duration::from_secs(60), ..limits() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wall_limit_ends_a_call_that_has_cpu_left() {
    let short = Limits { cpu: Duration::from_secs(60), wall: Duration::from_millis(30), ..limits() };
    check_stopped(driver(LONG_LOOP), short, "trap.wall").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_body_is_run_in_the_yielding_form_with_the_same_limits() {
    let sandbox = new_sandbox();
    let slow = sandbox.load_driver(&subject(), &driver(LONG_LOOP).build(), limits()).unwrap();
    let large = webhook(vec![b' '; MIB]);
    let error = slow.parse(&large, "{}", &Lines::default()).await.unwrap_err();
    assert_eq!(error.error_type(), "trap.cpu");
    let too_large = webhook(vec![b' '; 3 * MIB]);
    let error = slow.parse(&too_large, "{}", &Lines::default()).await.unwrap_err();
    assert_eq!(error.error_type(), "trap.input");
    let honest = sandbox.load_driver(&subject(), &Driver::default().build(), limits()).unwrap();
    assert!(honest.parse(&large, "{}", &Lines::default()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_endless_calls_at_once_all_end() {
    let sandbox = new_sandbox();
    let endless = driver("(loop $for_ever (br $for_ever)) (unreachable)").build();
    let endless = sandbox.load_driver(&subject(), &endless, limits()).unwrap();
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let endless = endless.clone();
            tokio::spawn(async move { endless.parse(&webhook(vec![]), "{}", &Lines::default()).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.error_type(), "trap.cpu", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_growth_ends_at_its_limit() {
    let growing = driver(
        "(if (i32.eq (i32.const -1) (memory.grow (i32.const 512))) (then unreachable))
         (i32.const $PARSED)",
    );
    check_stopped(growing.clone(), Limits { memory_bytes: 32 * MIB, ..limits() }, "trap.memory").await;
    check_answered(growing, Limits { memory_bytes: 64 * MIB, ..limits() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_by_page_growth_ends_at_the_same_limit() {
    let growing =
        driver("(loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) unreachable");
    check_stopped(growing, limits(), "trap.memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memories_and_tables_are_summed() {
    let second = Driver {
        module: "(memory $second 0) (table $table 0 funcref)",
        ..driver(
            "(if (i32.eq (i32.const -1) (memory.grow $second (i32.const 256))) (then unreachable))
             (if (i32.eq (i32.const -1) (table.grow $table (ref.null func) (i32.const 10000))) (then unreachable))
             (i32.const $PARSED)",
        )
    };
    // One MiB of the first, sixteen of the second, 80,000 bytes of the table.
    check_stopped(second.clone(), Limits { memory_bytes: 17 * MIB, ..limits() }, "trap.memory").await;
    check_answered(second, Limits { memory_bytes: 18 * MIB, ..limits() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_recursion_ends_at_the_stack() {
    let recursive = |depth: &'static str| Driver {
        module: depth,
        ..driver("(call $down (i32.const 1)) (i32.const $PARSED)")
    };
    let endless = "(func $down (param i32) (call $down (i32.add (local.get 0) (i32.const 1))) (drop (i32.load (local.get 0))))";
    check_stopped(recursive(endless), limits(), "trap.stack").await;
    let bounded = "(func $down (param i32) (if (i32.lt_u (local.get 0) (i32.const 100))
        (then (call $down (i32.add (local.get 0) (i32.const 1))))))";
    check_answered(recursive(bounded), limits()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_is_named_and_the_next_call_is_fresh() {
    check_stopped(driver("unreachable"), limits(), "trap.panic").await;
    check_stopped(driver("(i32.div_u (i32.const 1) (local.get $i))"), limits(), "trap.fault").await;
    check_stopped(driver("(i32.load (i32.const -16))"), limits(), "trap.fault").await;
}

/// Repeats the one alert as often as the placeholder says.
const REPEATED: &str = "
    (loop $again
      (memory.copy (i32.add (i32.const 300000) (i32.mul (local.get $i) (i32.const 120))) (i32.const $ALERT) (i32.const 120))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 2001))))
    (i32.store (i32.const $LIST) (i32.const 300000))
    (i32.store (i32.const $LIST4) (i32.const 2001))
    (i32.const $PARSED)";

/// `$LIST4` is the length of the list, four bytes behind its address.
fn repeated() -> Driver {
    let parse = REPEATED.replace("(i32.const $LIST4)", "(i32.add (i32.const $LIST) (i32.const 4))");
    driver(Box::leak(parse.into_boxed_str()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_alerts_are_refused() {
    check_stopped(repeated(), limits(), "trap.output").await;
    check_answered(repeated(), Limits { alerts: 2001, ..limits() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_text_in_thousands_of_alerts_counts_each_time() {
    let alert = Alert { description: "x".repeat(16 * 1024), ..Driver::default().alert };
    let shared = Driver { alert, ..repeated() };
    let many = Limits { alerts: 3000, cpu: Duration::from_secs(10), ..limits() };
    check_stopped(shared.clone(), many, "trap.output").await;
    // So small a limit is already noticed while the result is copied, before it is read.
    check_stopped(shared.clone(), Limits { output_bytes: MIB, ..many }, "trap.output").await;
    check_answered(shared, Limits { output_bytes: 64 * MIB, ..many }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_end_outside_of_memory_are_refused() {
    let list = "
      (i32.store (i32.add (i32.const $LIST) (i32.const 4)) (i32.const 100000000))
      (i32.const $PARSED)";
    check_stopped(driver(list), limits(), "trap.boundary").await;
    check_stopped(driver("(i32.const -8)"), limits(), "trap.boundary").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_values_are_refused_and_named() {
    let honest = Driver::default().alert;
    for (alert, error_type) in [
        (Alert { name: b"a\xff".to_vec(), ..honest.clone() }, "trap.boundary"),
        (Alert { name: b"Disk\nFull".to_vec(), ..honest.clone() }, "trap.output"),
        (Alert { name: "Disk\u{202e}lluF".into(), ..honest.clone() }, "trap.output"),
        (Alert { name: vec![], ..honest.clone() }, "trap.output"),
        (Alert { starts_at: Some(i64::MAX), ..honest.clone() }, "trap.output"),
        (Alert { starts_at: Some(-1), ..honest.clone() }, "trap.output"),
        (Alert { labels: 65, ..honest.clone() }, "trap.output"),
    ] {
        let bad = Driver { alert, sample: None, ..Driver::default() };
        check_stopped(bad, limits(), error_type).await;
    }
    check_answered(Driver { alert: Alert { labels: 64, ..honest }, ..Driver::default() }, limits()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_list_is_not_the_same_as_nothing() {
    let empty =
        driver("(i32.store (i32.add (i32.const $LIST) (i32.const 4)) (i32.const 0)) (i32.const $PARSED)");
    check_stopped(empty, limits(), "trap.output").await;
    // Four bytes before the list is the outcome's discriminant.
    let nothing = driver(
        "(i32.store8 (i32.sub (i32.const $LIST) (i32.const 4)) (i32.const 1))
         (i32.store (i32.const $LIST) (i32.const 0)) (i32.store (i32.add (i32.const $LIST) (i32.const 4)) (i32.const 0))
         (i32.const $PARSED)",
    );
    assert!(
        matches!(call(&nothing, limits()).await.unwrap().outcome, Outcome::Nothing(why) if why.is_empty())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_flood_is_cut_and_counted() {
    let sandbox = new_sandbox();
    let flood = driver(
        "(loop $again
           (call $log (i32.const 2) (i32.const 700000) (i32.const 16000))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 150))))
         (i32.const $PARSED)",
    );
    let generous = Limits { cpu: Duration::from_secs(10), ..limits() };
    for (log_lines, kept) in [(100, 101), (200, 150)] {
        let limits = Limits { log_lines, ..generous };
        let flood = sandbox.load_driver(&subject(), &flood.build(), limits).unwrap();
        let lines = Lines::default();
        flood.parse(&webhook(vec![]), "{}", &lines).await.unwrap();
        let lines = lines.0.lock().unwrap();
        assert_eq!(lines.len(), kept);
        assert!(lines.iter().all(|(_, line)| line.len() <= 8192 && !line.contains(char::is_control)));
        assert_eq!(log_lines == 100, lines.last().unwrap().1.starts_with("50 further lines"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_survives_a_call() {
    let sandbox = new_sandbox();
    // Answers once and is a trap ever after, if it could remember.
    let planted = driver(
        "(if (i32.load (i32.const 500)) (then unreachable))
         (i32.store (i32.const 500) (i32.const 1))
         (i32.store (i32.const 500000) (i32.const 1))
         (if (i32.load (i32.const 600000)) (then unreachable))
         (i32.store (i32.const 600000) (i32.const 1))
         (i32.const $PARSED)",
    );
    let planted = sandbox.load_driver(&subject(), &planted.build(), limits()).unwrap();
    for _ in 0..100 {
        planted.parse(&webhook(vec![]), "{}", &Lines::default()).await.unwrap();
    }
}
