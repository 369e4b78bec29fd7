//! Drivers that write to the operator's log.
//!
//! What reaches the log is checked after every call of every case: length, count, characters.

use std::time::Duration;

use domain::limits::Limits;

use super::MIB;
use crate::case::{Case, Ends, driver_limits};
use crate::driver::Driver;

pub(super) fn cases() -> Vec<Case> {
    let roomy = Limits { cpu: Duration::from_secs(10), ..driver_limits() };
    let log = |times: u32, level: u32, address: &str, length: &str| {
        Driver::parsing(format!(
            "(drop (memory.grow (i32.const 800)))
             (loop $again
               (call $log (i32.const {level}) (i32.const {address}) (i32.const {length}))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))
             (i32.const $PARSED)"
        ))
    };
    let honest = || log(1, 2, "1024", "8");
    let refused = |name, driver, text| Case {
        limits: roomy,
        ..Case::fixed(name, driver, Ends::With("trap.boundary", text), honest())
    };
    let written =
        |name, driver| Case { limits: roomy, ..Case::fixed(name, driver, Ends::Answered, honest()) };
    let forged = r#"(data (i32.const 600000) "ok\r\n\1b[2J\00\e2\80\ae2026-01-01 ERROR forged")"#;
    vec![
        // Cut and counted, not stopped: talking too much is no reason to lose an alert.
        written("flood_of_log_lines", log(10_000, 2, "1024", "8")),
        written("huge_log_lines", log(20, 2, "1048576", "1000000")),
        written("log_lines_of_control_characters", log(50, 4, "1048576", "20000")),
        written("forged_log_line", log(5, 2, "600000", "40").with(forged)),
        refused("log_line_outside_of_memory", log(1, 2, "-8", "100"), "out of bounds"),
        refused(
            "log_line_that_is_not_utf8",
            log(1, 2, "600000", "2").with(r#"(data (i32.const 600000) "a\ff")"#),
            "utf-8",
        ),
        refused("unknown_log_level", log(1, 9, "1024", "8"), "discriminant"),
        Case::raised(
            "log_line_larger_than_anything",
            log(1, 2, "1048576", "50000000"),
            (roomy, Ends::With("trap.output", "`argument of a host function` is larger than its limit")),
            (Limits { output_bytes: 16 * MIB, ..roomy }, Ends::Answered),
        ),
    ]
}
