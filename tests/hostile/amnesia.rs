//! Nothing of a call is left for the next: not in memory, not in globals, tables and segments,
//! whoever's call it was and however it ended.
//!
//! Instances come from a pool that keeps pages between calls, so it is the pool that is on trial:
//! it has few slots here, and all of them have held a secret.

use std::sync::Arc;
use std::time::Duration;

use domain::limits::Limits;
use domain::plugin::PluginName;
use sandbox::{CallError, Sandbox, Settings};

use crate::case::{driver_limits, notifier_limits};
use crate::driver::Driver;
use crate::harness::{Lines, subject, webhook};
use crate::notifier::Notifier;
use crate::remote::{Host, Remote, notification};

/// What is looked for. The plugins have it in no place of their own: they put it together from the
/// two halves.
const SECRET: u64 = LEFT ^ RIGHT;
const LEFT: u64 = 0x9d1f_62a7_c4e8_5b03;
const RIGHT: u64 = 0x27b4_e95c_118a_f6d2;

/// `$plant` leaves the secret wherever it can; `$scan` says whether anything of it is there, in
/// memory as it is and in so many pages more. `$change` is 1 once something was changed.
fn spy() -> String {
    format!(
        r#"
  (global $changed (mut i64) (i64.const 0))
  (table $entries 4 1000 funcref)
  (data $segment "segment")
  (elem $element func $empty)
  (func $empty)
  (func $secret (result i64) (i64.xor (i64.const {LEFT}) (i64.const {RIGHT})))
  (func $plant (local $at i32) (local $end i32)
    (drop (memory.grow (i32.const 200)))
    (local.set $end (i32.mul (memory.size) (i32.const 65536)))
    ;; Behind the arguments, which are full of it anyway.
    (local.set $at (i32.const 524288))
    (loop $again
      (i64.store (local.get $at) (call $secret))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $again (i32.lt_u (local.get $at) (local.get $end))))
    (global.set $changed (call $secret))
    (drop (table.grow $entries (ref.func $empty) (i32.const 500)))
    (table.fill $entries (i32.const 0) (ref.func $empty) (i32.const 4))
    (data.drop $segment)
    (elem.drop $element))
  (func $look (param $at i32) (param $step i32) (result i32) (local $end i32)
    (local.set $end (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))
    (loop $again
      (if (i64.eq (i64.load align=1 (local.get $at)) (call $secret)) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (local.get $step)))
      (br_if $again (i32.le_u (local.get $at) (local.get $end))))
    (i32.const 0))
  (func $scan (param $more i32) (result i32) (local $at i32)
    (if (i32.ne (memory.size) (i32.const 16)) (then (return (i32.const 1))))
    (if (i64.ne (global.get $changed) (i64.const 0)) (then (return (i32.const 1))))
    (if (i32.ne (table.size $entries) (i32.const 4)) (then (return (i32.const 1))))
    (loop $again
      (if (i32.eqz (ref.is_null (table.get $entries (local.get $at)))) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $at) (i32.const 4))))
    ;; A fault if a segment is gone.
    (memory.init $segment (i32.const 900000) (i32.const 0) (i32.const 7))
    (table.init $entries $element (i32.const 0) (i32.const 0) (i32.const 1))
    (if (call $look (i32.const 0) (i32.const 1)) (then (return (i32.const 1))))
    (drop (memory.grow (local.get $more)))
    (call $look (i32.const 1048576) (i32.const 8)))"#
    )
}

/// Does what the first byte of the body says; the second says how a call ends that planted.
fn agent(name: &'static str) -> Driver {
    let parse = "
      (if (i32.eq (i32.load8_u (local.get $body)) (i32.const 0x53)) ;; S: scan
        (then (if (call $scan (i32.const 200)) (then unreachable)) (return (i32.const $PARSED))))
      (if (i32.eq (i32.load8_u (local.get $body)) (i32.const 0x42)) ;; B: both
        (then
          (i64.store offset=1 align=1 (i32.const 700000) (call $secret))
          (if (call $scan (i32.const 0)) (then unreachable))
          (return (i32.const $PARSED))))
      (call $plant)
      (if (i32.eq (i32.load8_u offset=1 (local.get $body)) (i32.const 0x70)) (then unreachable)) ;; panic
      (if (i32.eq (i32.load8_u offset=1 (local.get $body)) (i32.const 0x6c)) ;; loop
        (then (loop $for_ever (br $for_ever))))
      (if (i32.eq (i32.load8_u offset=1 (local.get $body)) (i32.const 0x6d)) ;; memory
        (then (if (i32.eq (i32.const -1) (memory.grow (i32.const 1000))) (then unreachable))))
      (i32.const $PARSED)";
    // A new plugin looks around at once, in a slot that was another's until then.
    let metadata = "(if (call $scan (i32.const 200)) (then unreachable)) (i32.const $INFO)";
    Driver { name, metadata, ..Driver::parsing(parse) }.with(spy())
}

fn name(name: &str) -> PluginName {
    name.parse().unwrap()
}

fn limits() -> Limits {
    Limits { cpu: Duration::from_millis(100), ..driver_limits() }
}

/// Eight places for memories in all.
fn small_sandbox() -> Sandbox {
    let settings =
        Settings { slots: 3, reserved_for_drivers: 2, long_driver_calls: 1, ..Settings::default() };
    Sandbox::new(&settings).unwrap()
}

async fn say(driver: &sandbox::Driver, what: &[u8]) -> Result<(), CallError> {
    driver.parse(&webhook(what.to_vec()), "{}", &Lines::default()).await.map(drop)
}

/// A webhook full of the secret.
fn secret_webhook(what: &[u8]) -> Vec<u8> {
    let mut body = what.to_vec();
    // The allocator aligns, so the secret is found by words, too.
    body.resize(8, 0);
    body.extend(SECRET.to_le_bytes().repeat(20_000));
    body
}

#[tokio::test]
async fn secret_of_the_same_call_is_found() {
    let sandbox = small_sandbox();
    let agent = sandbox.load_driver(&name("agent"), &agent("agent").build(), limits()).unwrap();
    say(&agent, b"S").await.expect("there is nothing to find yet");
    for found in [b"B".to_vec(), secret_webhook(b"S")] {
        assert_eq!(say(&agent, &found).await.unwrap_err().error_type(), "trap.panic");
    }
}

#[tokio::test]
async fn nothing_survives_a_call() {
    const PLANTERS: [&str; 9] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"];
    const SCANNERS: [&str; 4] = ["s0", "s1", "s2", "s3"];
    let sandbox = small_sandbox();
    let load = |called| sandbox.load_driver(&name(called), &agent(called).build(), limits()).unwrap();
    // More of them than the pool has places, so that each place has held the secret.
    let planters = PLANTERS.map(load);
    let ends =
        [("returns", "ok"), ("panics", "trap.panic"), ("loops", "trap.cpu"), ("memory", "trap.memory")];
    for (scanner, (end, error_type)) in SCANNERS.into_iter().zip(ends) {
        let plant = secret_webhook(&[b'P', end.as_bytes()[0]]);
        for planter in &planters {
            let planted = say(planter, &plant).await;
            assert_eq!(planted.map_or_else(|error| error.error_type(), |()| "ok"), error_type);
        }
        // Loading it scans once; then its calls do, and those of all that planted.
        let scanner = load(scanner);
        for driver in planters.iter().chain([&scanner, &scanner]) {
            say(driver, b"S").await.unwrap_or_else(|error| panic!("after a call that {end}: {error}"));
        }
        let notifier = Notifier {
            module: spy(),
            ..Notifier::sending("(if (call $scan (i32.const 200)) (then unreachable)) (i32.const $RECEIPT)")
        };
        let limits = Limits { cpu: Duration::from_secs(1), ..notifier_limits() };
        let notifier = sandbox.load_notifier(&subject(), &notifier.build(), limits).unwrap();
        for planter in &planters {
            let _ended = say(planter, &plant).await;
            let host = Arc::new(Host::new(Remote::Answers));
            notifier.send(&notification(), "{}", host).await.expect("a notifier finds nothing either");
        }
    }
}
