//! Drivers that want more than their memory.

use std::time::Duration;

use domain::limits::Limits;

use super::MIB;
use crate::case::{Case, Ends, driver_limits};
use crate::driver::Driver;

/// Ends at so many bytes of memory, and is answered with so many.
fn memory(name: &'static str, driver: Driver, (few, enough): (usize, usize)) -> Case {
    let limits = |memory_bytes| Limits { memory_bytes, cpu: Duration::from_secs(10), ..driver_limits() };
    Case::raised(
        name,
        driver,
        (limits(few), Ends::With("trap.memory", "of memory")),
        (limits(enough), Ends::Answered),
    )
}

fn stack(name: &'static str, endless: Driver, bounded: Driver) -> Case {
    Case::fixed(name, endless, Ends::With("trap.stack", "deeper than the stack allows"), bounded)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = growing();
    cases.extend(recursing());
    cases.extend(hoarding());
    cases
}

const GIVE_UP: &str = "(then unreachable)";

fn growing() -> Vec<Case> {
    let one_step = Driver::parsing(format!(
        "(if (i32.eq (i32.const -1) (memory.grow (i32.const 512))) {GIVE_UP}) (i32.const $PARSED)"
    ));
    let by_pages = Driver::parsing(format!(
        "(loop $more
           (if (i32.eq (i32.const -1) (memory.grow (i32.const 1))) {GIVE_UP})
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $i) (i32.const 400))))
         (i32.const $PARSED)"
    ));
    let ignoring = Driver::parsing("(drop (memory.grow (i32.const 512))) (i32.const $PARSED)");
    let small_pieces = Driver::parsing(
        "(loop $more
           (drop (call $allocate (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $i) (i32.const 1000000))))
         (i32.const $PARSED)",
    );
    let two_and_a_table = Driver::parsing(format!(
        "(if (i32.eq (i32.const -1) (memory.grow $second (i32.const 256))) {GIVE_UP})
         (if (i32.eq (i32.const -1) (table.grow $table (ref.null func) (i32.const 10000))) {GIVE_UP})
         (i32.const $PARSED)"
    ))
    .with("(memory $second 0) (table $table 0 funcref)");
    let tables = Driver::parsing(format!(
        "(if (i32.eq (i32.const -1) (table.grow $one (ref.null func) (i32.const 19000))) {GIVE_UP})
         (if (i32.eq (i32.const -1) (table.grow $two (ref.null func) (i32.const 19000))) {GIVE_UP})
         (i32.const $PARSED)"
    ))
    .with("(table $one 0 funcref) (table $two 0 funcref)");
    let realloc = Driver {
        realloc: "(if (i32.eq (i32.const -1) (memory.grow (i32.const 500))) (then unreachable))
                  (call $allocate (local.get 0) (local.get 1) (local.get 2) (local.get 3))",
        ..Driver::parsing("(i32.const $PARSED)")
    };
    let ignored = Case::fixed("refused_growth_that_is_ignored", ignoring.clone(), Ends::Answered, ignoring);
    vec![
        memory("memory_in_one_step", one_step, (32 * MIB, 64 * MIB)),
        memory("memory_page_by_page", by_pages, (8 * MIB, 64 * MIB)),
        memory("memory_in_small_pieces", small_pieces, (4 * MIB, 32 * MIB)),
        // One MiB of the first, sixteen of the second, 80,000 bytes of the table.
        memory("memories_and_tables_together", two_and_a_table, (17 * MIB, 18 * MIB)),
        memory("many_tables", tables, (MIB + 256 * 1024, 2 * MIB)),
        memory("memory_in_realloc", realloc, (32 * MIB, 256 * MIB)),
        // A driver may go on without what it did not get.
        Case { limits: Limits { memory_bytes: 8 * MIB, ..driver_limits() }, ..ignored },
    ]
}

fn recursing() -> Vec<Case> {
    let call = |module: &str| Driver::parsing("(call $down (i32.const 1)) (i32.const $PARSED)").with(module);
    let mutual = |depth: &str| {
        let step = |next: u32| {
            format!(
                "(if (i32.lt_u (local.get 0) (i32.const {depth})) (then
                   (call_indirect $steps (type $step) (i32.add (local.get 0) (i32.const 1)) (i32.const {next}))))
                 (drop (i32.load8_u (i32.and (local.get 0) (i32.const 255))))"
            )
        };
        call(&format!(
            "(type $step (func (param i32)))
             (table $steps 2 funcref) (elem (table $steps) (i32.const 0) func $down $other)
             (func $down (param i32) {}) (func $other (param i32) {})",
            step(1),
            step(0)
        ))
    };
    let deep = |depth: &str| {
        call(&format!(
            "(func $down (param i32)
               (if (i32.lt_u (local.get 0) (i32.const {depth}))
                 (then (call $down (i32.add (local.get 0) (i32.const 1)))))
               (drop (i32.load8_u (i32.and (local.get 0) (i32.const 255)))))"
        ))
    };
    let after = |depth: &str| {
        let deep = format!(
            r#"(func (export "cabi_post_watchbell:plugin/driver@0.1.0#parse") (param i32) (call $down (i32.const 1)))
             (func $down (param i32)
               (if (i32.lt_u (local.get 0) (i32.const {depth}))
                 (then (call $down (i32.add (local.get 0) (i32.const 1)))))
               (drop (i32.load8_u (i32.and (local.get 0) (i32.const 255)))))"#
        );
        Driver::parsing("(i32.const $PARSED)").with(deep)
    };
    vec![
        stack("deep_recursion", deep("-1"), deep("100")),
        stack("mutual_recursion_through_a_table", mutual("-1"), mutual("100")),
        stack("deep_recursion_after_the_result", after("-1"), after("100")),
    ]
}

/// Memory that is the host's.
fn hoarding() -> Vec<Case> {
    let hoard = |handles: u32| {
        let driver = Driver {
            world: "driver-with-vault",
            imports: r#"
  (import "[export]hostile:worlds/vault" "[resource-new]handle" (func $new (param i32) (result i32)))"#,
            ..Driver::parsing(format!(
                "(loop $more
                   (drop (call $new (local.get $i)))
                   (local.set $i (i32.add (local.get $i) (i32.const 1)))
                   (br_if $more (i32.lt_u (local.get $i) (i32.const {handles}))))
                 (i32.const $PARSED)"
            ))
        };
        driver.with(r#"(func (export "hostile:worlds/vault#[constructor]handle") (result i32) unreachable)"#)
    };
    let limits = Limits { cpu: Duration::from_secs(10), ..driver_limits() };
    let mut handles = Case::fixed(
        "a_million_handles",
        hoard(1_000_000),
        Ends::With("trap.boundary", "handle limit exceeded"),
        hoard(1000),
    );
    handles.limits = limits;
    // Touches all it may have, then dies with it.
    let touched = |end: &str| {
        Driver::parsing(format!(
            "(drop (memory.grow (i32.const 900)))
             (memory.fill (i32.const 1048576) (i32.const 7) (i32.const 58000000)) {end}"
        ))
    };
    let crash = Case {
        limits,
        ..Case::fixed(
            "crash_with_all_memory_in_use",
            touched("unreachable"),
            Ends::With("trap.panic", "gave up"),
            touched("(i32.const $PARSED)"),
        )
    };
    vec![handles, crash]
}
