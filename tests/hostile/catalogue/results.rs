//! Drivers that return what the contract does not allow.

use std::time::Duration;

use domain::limits::Limits;

use super::MIB;
use crate::case::{Case, Ends, Plugin, driver_limits};
use crate::driver::{Alert, Driver};

fn honest() -> Driver {
    Driver::parsing("(i32.const $PARSED)")
}

fn output(name: &'static str, driver: Driver, text: &'static str, benign: Driver) -> Case {
    Case::fixed(name, driver, Ends::With("trap.output", text), benign)
}

/// An answer after these stores.
fn storing(stores: &str) -> Driver {
    Driver::parsing(format!("{stores} (i32.const $PARSED)"))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = large();
    cases.extend(counts());
    cases.extend(values());
    cases.extend(json());
    cases.extend(errors());
    cases
}

/// Repeats the one alert, without another byte of memory for its text.
fn repeated(times: u32, description: usize) -> Driver {
    let alert = Alert { description: "x".repeat(description), ..Driver::default().alert };
    let parse = format!(
        "(loop $again
           (memory.copy (i32.add (i32.const 300000) (i32.mul (local.get $i) (i32.const 120))) (i32.const $ALERT) (i32.const 120))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))
         (i32.store offset=8 (i32.const $PARSED) (i32.const 300000))
         (i32.store offset=12 (i32.const $PARSED) (i32.const {times}))
         (i32.const $PARSED)"
    );
    Driver { alert, ..Driver::parsing(parse) }
}

/// Warnings that are all the same text: `$PARSED` + 48 is their list.
fn same_text(times: u32, bytes: u32) -> Driver {
    Driver::parsing(format!(
        "(drop (memory.grow (i32.const 32)))
         (memory.fill (i32.const 1048576) (i32.const 120) (i32.const {bytes}))
         (loop $again
           (i32.store (i32.add (i32.const 2097152) (i32.mul (local.get $i) (i32.const 8))) (i32.const 1048576))
           (i32.store offset=4 (i32.add (i32.const 2097152) (i32.mul (local.get $i) (i32.const 8))) (i32.const {bytes}))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const {times}))))
         (i32.store offset=48 (i32.const $PARSED) (i32.const 2097152))
         (i32.store offset=52 (i32.const $PARSED) (i32.const {times}))
         (i32.const $PARSED)"
    ))
}

/// More bytes than the host takes.
fn large() -> Vec<Case> {
    let roomy = Limits { cpu: Duration::from_secs(10), ..driver_limits() };
    let empty_strings = Driver::parsing(
        "(drop (memory.grow (i32.const 1300)))
         (i32.store offset=48 (i32.const $PARSED) (i32.const 1048576))
         (i32.store offset=52 (i32.const $PARSED) (i32.const 10000000))
         (i32.const $PARSED)",
    );
    let empty_limits = Limits { memory_bytes: 128 * MIB, ..roomy };
    vec![
        Case::raised(
            "ten_million_empty_strings",
            empty_strings,
            (empty_limits, Ends::With("trap.output", "`result` is larger than its limit of 8388608 bytes")),
            (Limits { output_bytes: 64 * MIB, ..empty_limits }, Ends::Answered),
        ),
        output(
            "one_mebibyte_ten_thousand_times",
            same_text(10_000, 1 << 20),
            "`result` is larger than its limit of 8388608 bytes",
            same_text(20, 4096),
        ),
        Case::raised(
            "result_one_alert_over_its_limit",
            repeated(513, 16 * 1024),
            (roomy, Ends::With("trap.output", "over its limit of 8388608 bytes")),
            (Limits { output_bytes: 9 * MIB, ..roomy }, Ends::Answered),
        ),
        Case::raised(
            "one_text_in_thousands_of_alerts",
            repeated(2000, 16 * 1024),
            (
                Limits { output_bytes: MIB, ..roomy },
                Ends::With("trap.output", "`result` is larger than its limit of 1048576"),
            ),
            (Limits { output_bytes: 64 * MIB, ..roomy }, Ends::Answered),
        ),
        output(
            "description_over_its_limit",
            repeated(1, 16 * 1024 + 1),
            "`outcome.alerts[0].description` has 16385 bytes",
            repeated(1, 16 * 1024),
        ),
    ]
}

/// More entries than the host takes.
fn counts() -> Vec<Case> {
    // Labels of the grown memory are all zero: empty texts.
    let labels = |count: u32| {
        storing(&format!(
            "(drop (memory.grow (i32.const 64)))
             (i32.store offset=88 (i32.const $ALERT) (i32.const 1048576))
             (i32.store offset=92 (i32.const $ALERT) (i32.const {count}))"
        ))
    };
    let alert = |labels| Driver { alert: Alert { labels, ..Driver::default().alert }, ..honest() };
    vec![
        output("a_hundred_thousand_labels", labels(100_000), "has 100000 entries, at most 64", labels(0)),
        Case::fixed(
            "ten_million_labels",
            labels(10_000_000),
            Ends::With("trap.boundary", "out of bounds"),
            labels(0),
        ),
        output("one_label_too_many", alert(65), "`outcome.alerts[0].labels` has 65 entries", alert(64)),
        Case::raised(
            "one_alert_too_many",
            repeated(2001, 8),
            (driver_limits(), Ends::With("trap.output", "`outcome.alerts` has 2001 entries, at most 2000")),
            (Limits { alerts: 2001, ..driver_limits() }, Ends::Answered),
        ),
        output(
            "empty_list_of_alerts",
            storing("(i32.store offset=12 (i32.const $PARSED) (i32.const 0))"),
            "`outcome.alerts` is empty",
            // The same list as `nothing`, with an empty reason.
            storing(
                "(i32.store8 offset=4 (i32.const $PARSED) (i32.const 1))
                 (i32.store offset=12 (i32.const $PARSED) (i32.const 0))",
            ),
        ),
    ]
}

/// Values out of range and text that would disturb a reader.
fn values() -> Vec<Case> {
    let base = Driver::default().alert;
    let alert = |alert: Alert| Driver { alert, ..honest() };
    let named = |name: &str| alert(Alert { name: name.as_bytes().to_vec(), ..base.clone() });
    let at = |starts_at| alert(Alert { starts_at: Some(starts_at), ..base.clone() });
    let fault = "has control or direction characters";
    let years = "is not between the years 1970 and 2200";
    vec![
        output("line_break_in_a_name", named("Disk\r\nFull"), fault, named("Disk Full")),
        output("escape_sequence_in_a_name", named("\u{1b}[2JFull"), fault, named("[2JFull")),
        output("nul_in_a_name", named("Disk\0Full"), fault, named("Disk0Full")),
        output("bidirectional_override_in_a_name", named("Disk\u{202e}lluF"), fault, named("דיסק")),
        output("bidirectional_isolate_in_a_name", named("Disk\u{2066}lluF"), fault, named("Émile")),
        output("empty_name", named(""), "`outcome.alerts[0].name` is empty", named("x")),
        output("far_future", at(i64::MAX), years, at(7_289_654_399_999)),
        output("time_before_time", at(i64::MIN), years, at(0)),
        output("time_in_nanoseconds", at(1_700_000_000_000_000_000), years, at(1_700_000_000_000)),
    ]
}

/// Text that should be JSON, in `extra`: `$ALERT` + 112.
fn json() -> Vec<Case> {
    let extra = |text: &str| {
        let stores = format!(
            "(i32.store offset=112 (i32.const $ALERT) (i32.const 600000))
             (i32.store offset=116 (i32.const $ALERT) (i32.const {}))",
            text.len()
        );
        storing(&stores).with(format!("(data (i32.const 600000) \"{}\")", text.replace('"', "\\22")))
    };
    let nested = |levels: usize| extra(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    vec![
        output("deep_json", nested(8000), "is nested 8000 deep, at most 64", nested(64)),
        output("json_one_level_too_deep", nested(65), "is nested 65 deep, at most 64", nested(64)),
        output("json_that_never_closes", extra(&"[".repeat(60)), "is not JSON", extra("[]")),
        output("json_with_a_number_beyond_numbers", extra("[1e999999999]"), "is not JSON", extra("[1e9]")),
        output(
            "large_json",
            extra(&format!("\"{}\"", "x".repeat(16 * 1024))),
            "bytes, at most 16384",
            extra("\"x\""),
        ),
    ]
}

/// What a driver says about its own failure.
fn errors() -> Vec<Case> {
    // The discriminants of the result and of the error's case, then the text.
    let failing = |case: u32, address: &str, length: &str| {
        storing(&format!(
            "(i32.store8 (i32.const $PARSED) (i32.const 1))
             (i32.store8 offset=4 (i32.const $PARSED) (i32.const {case}))
             (i32.store offset=8 (i32.const $PARSED) {address})
             (i32.store offset=12 (i32.const $PARSED) {length})"
        ))
    };
    let echo = Plugin::Driver(
        failing(0, "(local.get $body)", "(local.get $length)"),
        b"secret=hunter2\r\n\x1b[31mERROR\0\xe2\x80\xaeforged line".to_vec(),
    );
    let echoed = Ends::With("invalid_input", "secret=hunter2\n\u{fffd}[31mERROR\u{fffd}\u{fffd}forged line");
    vec![
        // A driver has no secret to give away: it never gets credentials. What it echoes cannot
        // forge a line or steer a terminal.
        Case::fixed("body_echoed_in_an_error", echo, echoed, honest()),
        output(
            "huge_error_text",
            failing(0, "(i32.mul (memory.grow (i32.const 20)) (i32.const 65536))", "(i32.const 1000000)"),
            "`error` has 1000000 bytes, at most 16384",
            honest(),
        ),
        Case::fixed(
            "unknown_case_of_error",
            failing(9, "(i32.const 0)", "(i32.const 0)"),
            Ends::With("trap.boundary", ""),
            honest(),
        ),
    ]
}
