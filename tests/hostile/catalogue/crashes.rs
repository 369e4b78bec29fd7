//! Drivers that crash.

use super::cpu::AFTER;
use crate::case::{Case, Ends};
use crate::driver::Driver;

fn honest() -> Driver {
    Driver::parsing("(i32.const $PARSED)")
}

fn crash(name: &'static str, driver: Driver, ends: (&'static str, &'static str)) -> Case {
    Case::fixed(name, driver, Ends::With(ends.0, ends.1), honest())
}

fn parse(body: &str) -> Driver {
    Driver::parsing(format!("{body} (i32.const $PARSED)"))
}

pub(super) fn cases() -> Vec<Case> {
    let panic = ("trap.panic", "gave up");
    let realloc = Driver { realloc: "unreachable", ..honest() };
    let table = "(type $other (func (param i64))) (table $table 2 funcref)
        (elem (table $table) (i32.const 1) func $one) (func $one)";
    let call = |slot: u32| {
        parse(&format!("(call_indirect $table (type $other) (i64.const 0) (i32.const {slot}))")).with(table)
    };
    vec![
        crash("panic_in_parse", Driver::parsing("unreachable"), panic),
        crash("panic_in_realloc", realloc, panic),
        crash("panic_after_the_result", honest().with(format!("{AFTER} unreachable)")), panic),
        crash(
            "host_call_after_the_result",
            honest().with(format!("{AFTER} (call $log (i32.const 2) (i32.const 1024) (i32.const 8)))")),
            ("trap.fault", "cannot leave component instance"),
        ),
        crash(
            "division_by_zero",
            parse("(drop (i32.div_u (i32.const 1) (local.get $i)))"),
            ("trap.fault", "divide by zero"),
        ),
        crash("conversion_of_nothing", parse("(drop (i32.trunc_f64_s (f64.const nan)))"), ("trap.fault", "")),
        crash(
            "read_outside_of_memory",
            parse("(drop (i32.load (i32.const -16)))"),
            ("trap.fault", "out of bounds"),
        ),
        crash(
            "fill_outside_of_memory",
            parse("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1))"),
            ("trap.fault", "out of bounds"),
        ),
        crash("call_through_an_empty_entry", call(0), ("trap.fault", "uninitialized")),
        crash("call_with_another_signature", call(1), ("trap.fault", "type mismatch")),
        crash("call_outside_of_the_table", call(1000), ("trap.fault", "out of bounds")),
        crash("stale_handle", handle("(call $drop (i32.const 77))"), ("trap.boundary", "handle")),
        crash(
            "handle_dropped_twice",
            handle(
                "(local.set $i (call $new (i32.const 1))) (call $drop (local.get $i)) (call $drop (local.get $i))",
            ),
            ("trap.boundary", "handle"),
        ),
    ]
}

/// Uses handles of a resource of its own; the contract has none.
fn handle(body: &str) -> Driver {
    let driver = Driver {
        world: "driver-with-vault",
        imports: r#"
  (import "[export]hostile:worlds/vault" "[resource-new]handle" (func $new (param i32) (result i32)))
  (import "[export]hostile:worlds/vault" "[resource-drop]handle" (func $drop (param i32)))"#,
        ..parse(body)
    };
    driver.with(r#"(func (export "hostile:worlds/vault#[constructor]handle") (result i32) unreachable)"#)
}
