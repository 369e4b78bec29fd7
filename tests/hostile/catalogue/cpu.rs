//! Drivers that do not stop by themselves.

use std::time::Duration;

use domain::limits::Limits;

use super::MIB;
use crate::case::{Case, Ends, driver_limits};
use crate::driver::Driver;

/// Endless, as the last thing in a function.
pub(super) const ENDLESS: &str = "(loop $for_ever (br $for_ever)) unreachable";

/// Where the code runs that comes after the result has been read. The contract has no resources;
/// destructors have their own case.
pub(super) const AFTER: &str =
    r#"(func (export "cabi_post_watchbell:plugin/driver@0.1.0#parse") (param i32)"#;

/// Ends at 20 ms of CPU; with CPU enough, at its wall time.
fn endless(name: &'static str, driver: Driver) -> Case {
    let (tight, long) = (cpu(20), Limits { wall: Duration::from_millis(60), ..cpu(60_000) });
    Case::raised(
        name,
        driver,
        (tight, Ends::With("trap.cpu", "of CPU, at most 20 ms are allowed")),
        (long, Ends::With("trap.wall", "within 60 ms")),
    )
}

fn cpu(millis: u64) -> Limits {
    Limits { cpu: Duration::from_millis(millis), ..driver_limits() }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = in_phases();
    cases.extend(in_few_instructions());
    cases.push(finite_but_long());
    cases.push(long_in_wall_time());
    cases
}

/// The same loop in every place that runs.
fn in_phases() -> Vec<Case> {
    let destructor = Driver {
        world: "driver-with-vault",
        imports: r#"
  (import "[export]hostile:worlds/vault" "[resource-new]handle" (func $new (param i32) (result i32)))
  (import "[export]hostile:worlds/vault" "[resource-drop]handle" (func $drop (param i32)))"#,
        ..Driver::parsing("(call $drop (call $new (i32.const 1))) (i32.const $PARSED)")
    };
    let destructor = destructor.with(format!(
        r#"(func (export "hostile:worlds/vault#[constructor]handle") (result i32) unreachable)
  (func (export "hostile:worlds/vault#[dtor]handle") (param i32) {ENDLESS})"#
    ));
    let after = Driver::parsing("(i32.const $PARSED)").with(format!("{AFTER} {ENDLESS})"));
    let realloc = Driver { realloc: ENDLESS, ..Driver::parsing("(i32.const $PARSED)") };
    let large = crate::case::Plugin::Driver(Driver::parsing(ENDLESS), vec![b' '; MIB]);
    let mut cases = vec![
        endless("loop_in_parse", Driver::parsing(ENDLESS)),
        endless("loop_in_destructor", destructor),
        endless("loop_after_the_result", after),
        endless("loop_in_realloc", realloc),
        endless(
            "loop_of_log_calls",
            Driver::parsing(
                "(loop $again (call $log (i32.const 2) (i32.const 1024) (i32.const 8)) (br $again)) unreachable",
            ),
        ),
    ];
    // So large a body takes the yielding form at once.
    cases.push(Case {
        name: "loop_over_a_large_body",
        plugin: large,
        ..endless("", Driver::parsing(ENDLESS))
    });
    cases
}

/// Loops that do much at a time, or look as if they did nothing.
fn in_few_instructions() -> Vec<Case> {
    let again = |body: &str| Driver::parsing(format!("(loop $again {body} (br $again)) unreachable"));
    let grown = |body: &str| {
        Driver::parsing(format!(
            "(drop (memory.grow (i32.const 900))) (loop $again {body} (br $again)) unreachable"
        ))
    };
    let switch = |targets: usize| {
        let open: String = (0..targets).map(|_| "(block ").collect();
        let labels: String = (0..targets).map(|n| format!("{n} ")).collect();
        format!(
            "{open} (br_table {labels} (i32.rem_u (local.get $i) (i32.const {targets}))) {close}
             (local.set $i (i32.add (local.get $i) (i32.const 1)))",
            close = ")".repeat(targets)
        )
    };
    let table = "(table $table 20000 funcref)";
    let fibonacci = "(func $fibonacci (param i64) (result i64)
      (if (result i64) (i64.lt_u (local.get 0) (i64.const 2)) (then (local.get 0)) (else
        (i64.add (call $fibonacci (i64.sub (local.get 0) (i64.const 1)))
                 (call $fibonacci (i64.sub (local.get 0) (i64.const 2)))))))";
    let ping = "(type $step (func (param i32)))
      (table $steps 2 funcref) (elem (table $steps) (i32.const 0) func $ping $pong)
      (func $ping (param i32) (if (local.get 0) (then
        (call_indirect $steps (type $step) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))))
      (func $pong (param i32) (if (local.get 0) (then
        (call_indirect $steps (type $step) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))";
    vec![
        endless("loop_of_empty_growth", again("(drop (memory.grow (i32.const 0)))")),
        endless(
            "loop_of_table_growth",
            again("(drop (table.grow $table (ref.null func) (i32.const 0)))").with(table),
        ),
        endless(
            "loop_of_memory_fills",
            grown("(memory.fill (i32.const 1048576) (i32.const 7) (i32.const 58000000))"),
        ),
        endless(
            "loop_of_memory_copies",
            grown("(memory.copy (i32.const 1048576) (i32.const 30000000) (i32.const 29000000))"),
        ),
        endless(
            "loop_of_table_fills",
            again("(table.fill $table (i32.const 0) (ref.null func) (i32.const 20000))").with(table),
        ),
        endless(
            "loop_of_table_copies",
            again("(table.copy $table $table (i32.const 1) (i32.const 0) (i32.const 19999))").with(table),
        ),
        endless("loop_over_a_large_switch", again(&switch(400))),
        endless(
            "calls_that_double",
            Driver::parsing("(drop (call $fibonacci (i64.const 80))) (i32.const $PARSED)").with(fibonacci),
        ),
        endless(
            "loop_of_mutual_calls",
            again("(call_indirect $steps (type $step) (i32.const 100) (i32.const 0))").with(ping),
        ),
    ]
}

/// Counts to two thousand million: about a second of CPU.
fn counting() -> Driver {
    Driver::parsing(
        "(loop $again
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 2000000000))))
         (i32.const $PARSED)",
    )
}

/// Not endless: with CPU enough it is answered.
fn finite_but_long() -> Case {
    Case::raised(
        "long_computation",
        counting(),
        (driver_limits(), Ends::With("trap.cpu", "at most 50 ms are allowed")),
        (cpu(60_000), Ends::Answered),
    )
}

fn long_in_wall_time() -> Case {
    let short = Limits { wall: Duration::from_millis(30), ..cpu(60_000) };
    Case::raised(
        "long_wait",
        counting(),
        (short, Ends::With("trap.wall", "was not done within 30 ms")),
        (cpu(60_000), Ends::Answered),
    )
}
