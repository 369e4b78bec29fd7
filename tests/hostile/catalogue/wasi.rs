//! Drivers that turn virtual WASI against the host that gives it to them.

use std::time::Duration;

use crate::case::{Case, Ends, driver_limits, notifier_limits};
use crate::driver::Driver;
use crate::notifier::Notifier;

use domain::limits::Limits;

/// What these drivers import, in the form of the canonical ABI. Results go to `$RESULT`.
const IMPORTS: &str = r#"
  (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))
  (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.6" "[resource-drop]pollable" (func $forget (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $sleep (param i64) (result i32)))
  (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $directories (param i32)))
  (import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.6" "create-tcp-socket" (func $socket (param i32 i32)))"#;

/// Nothing of the data segment lies there.
const RESULT: u32 = 240 * 1024;

/// A driver whose `parse` does this first.
fn doing(first: &str) -> Driver {
    let first = first.replace("$RESULT", &RESULT.to_string());
    Driver {
        world: "driver-with-wasi",
        imports: IMPORTS,
        ..Driver::parsing(format!("{first} (i32.const $PARSED)"))
    }
}

/// A number of rounds; `$i` counts down.
fn rounds(count: u32, body: &str) -> String {
    format!(
        "(local.set $i (i32.const {count}))
         (loop $again {body}
           (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
    )
}

fn boundary(name: &'static str, hostile: &str, text: &'static str, benign: &str) -> Case {
    Case::fixed(name, doing(hostile), Ends::With("trap.boundary", text), doing(benign))
}

/// What must hold, else the driver gives up.
fn holds(name: &'static str, claim: &str) -> Case {
    let driver = doing(&format!("{claim} (if (i32.eqz) (then unreachable))"));
    Case::fixed(name, driver.clone(), Ends::Answered, driver)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = too_much();
    cases.extend(nothing_behind());
    cases.push(waits_in_a_circle());
    cases.push(sleeps());
    cases.push(Case::fixed(
        "wasi_exit",
        doing("(call $exit (i32.const 1))"),
        Ends::With("trap.exit", "ended itself with exit code 1"),
        doing(""),
    ));
    // How long the log may be is checked of every call.
    let line = "(call $write (call $stdout) (i32.const 1024) (i32.const 4096) (i32.const $RESULT))";
    let new_line = "(i32.store8 (i32.const 1040) (i32.const 10))";
    let flood = doing(&format!("{new_line} {}", rounds(200, line)));
    cases.push(Case::fixed("wasi_floods_the_log_by_standard_output", flood.clone(), Ends::Answered, flood));
    cases
}

/// Each asks for more than one call of the host may cost.
fn too_much() -> Vec<Case> {
    let write = |bytes: u32| {
        format!("(call $write (call $stdout) (i32.const 1024) (i32.const {bytes}) (i32.const $RESULT))")
    };
    let zeroes =
        |bytes: u64| format!("(call $zeroes (call $stdout) (i64.const {bytes}) (i32.const $RESULT))");
    let random = |bytes: u64| format!("(call $random (i64.const {bytes}) (i32.const $RESULT))");
    let pollables = |count: u32| rounds(count, "(drop (call $sleep (i64.const 1)))");
    vec![
        boundary("wasi_writes_half_a_mebibyte", &write(1 << 19), "longer than", &write(1 << 16)),
        boundary("wasi_writes_an_exbibyte_of_zeroes", &zeroes(1 << 60), "more zeroes", &zeroes(1 << 16)),
        boundary("wasi_asks_for_an_exbibyte_of_chance", &random(1 << 60), "at most 65536", &random(1 << 16)),
        boundary("wasi_hoards_pollables", &pollables(1000), "more than 256", &pollables(100)),
    ]
}

/// Each looks for something of the host.
fn nothing_behind() -> Vec<Case> {
    let is_empty = |call: &str| {
        format!("(call {call} (i32.const $RESULT)) (i32.eqz (i32.load offset=4 (i32.const $RESULT)))")
    };
    vec![
        holds("wasi_has_no_environment", &is_empty("$environment")),
        holds("wasi_has_no_directories", &is_empty("$directories")),
        // `result<tcp-socket, error-code>`: an error, and that is `access-denied`.
        holds(
            "wasi_has_no_sockets",
            "(call $socket (i32.const 0) (i32.const $RESULT))
             (i32.and (i32.load8_u (i32.const $RESULT)) (i32.load8_u offset=4 (i32.const $RESULT)))",
        ),
        // A sleep of 584 years is over at once, and then it is that late.
        holds(
            "wasi_sleeps_for_ever",
            "(call $block (call $sleep (i64.const -1))) (i64.eq (call $now) (i64.const -1))",
        ),
        holds(
            "wasi_sees_no_time_pass",
            &format!("{} (i64.eqz (call $now))", rounds(1000, "(drop (call $now))")),
        ),
    ]
}

/// Waiting costs no time there, so it is CPU that ends it.
fn waits_in_a_circle() -> Case {
    let wait = "(local.set $at (call $sleep (i64.const 0)))
                (call $block (local.get $at)) (call $forget (local.get $at))";
    let driver = doing(&format!("(loop $forever {wait} (br $forever))"));
    let raised = Limits { cpu: Duration::from_millis(120), ..driver_limits() };
    Case::raised(
        "wasi_waits_in_a_circle",
        driver,
        (driver_limits(), Ends::With("trap.cpu", "at most 50 ms")),
        (raised, Ends::With("trap.cpu", "at most 120 ms")),
    )
}

/// For a notifier time passes, and its wall limit is what ends a sleep of 584 years.
fn sleeps() -> Case {
    let notifier = Notifier {
        world: "notifier-with-wasi",
        imports: r#"
  (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $sleep (param i64) (result i32)))"#,
        ..Notifier::sending("(call $block (call $sleep (i64.const -1))) (i32.const $RECEIPT)")
    };
    let wall = |ms| Limits { wall: Duration::from_millis(ms), ..notifier_limits() };
    Case::raised(
        "wasi_sleeps_for_ever_in_a_notifier",
        notifier,
        (wall(30), Ends::With("trap.wall", "within 30 ms")),
        (wall(60), Ends::With("trap.wall", "within 60 ms")),
    )
}
