//! Drivers that break the canonical ABI: pointers, lengths, discriminants and the allocator.

use crate::case::{Case, Ends};
use crate::driver::{Alert, Driver};

fn honest() -> Driver {
    Driver::parsing("(i32.const $PARSED)")
}

fn boundary(name: &'static str, driver: Driver, text: &'static str) -> Case {
    Case::fixed(name, driver, Ends::With("trap.boundary", text), honest())
}

/// One word of the result overwritten: of which record, how far in, with what.
fn word(name: &'static str, text: &'static str, (record, offset, value): (&str, u32, &str)) -> Case {
    let store = format!("(i32.store offset={offset} (i32.const {record}) (i32.const {value}))");
    boundary(name, Driver::parsing(format!("{store} (i32.const $PARSED)")), text)
}

/// The same with one byte.
fn byte(name: &'static str, text: &'static str, (record, offset, value): (&str, u32, u8)) -> Case {
    let store = format!("(i32.store8 offset={offset} (i32.const {record}) (i32.const {value}))");
    boundary(name, Driver::parsing(format!("{store} (i32.const $PARSED)")), text)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = spans();
    cases.extend(discriminants());
    cases.extend(allocators());
    cases
}

fn spans() -> Vec<Case> {
    let text =
        |name: &[u8]| Driver { alert: Alert { name: name.to_vec(), ..Driver::default().alert }, ..honest() };
    vec![
        boundary("text_that_is_not_utf8", text(b"a\xff"), "utf-8"),
        boundary("text_cut_inside_a_character", text(b"a\xe2\x82"), "utf-8"),
        boundary("surrogate_in_text", text(b"a\xed\xa0\x80"), "utf-8"),
        boundary("result_outside_of_memory", Driver::parsing("(i32.const -8)"), "pointer"),
        boundary("result_that_ends_outside_of_memory", Driver::parsing("(i32.const 1048568)"), "pointer"),
        boundary("result_that_is_not_aligned", Driver::parsing("(i32.const $PARSED1)"), "align"),
        word("text_of_one_gibibyte", "out of bounds", ("$ALERT", 48, "0x40000000")),
        word("text_of_all_addresses", "out of bounds", ("$ALERT", 48, "-1")),
        word("text_outside_of_memory", "out of bounds", ("$ALERT", 44, "-1")),
        word("list_of_one_gibibyte", "out of bounds", ("$PARSED", 12, "8947848")),
        word("list_longer_than_any_memory", "out of bounds", ("$PARSED", 12, "-1")),
        word("list_outside_of_memory", "out of bounds", ("$PARSED", 8, "0x7ffffff8")),
        word("list_that_is_not_aligned", "align", ("$PARSED", 8, "$ALERT1")),
    ]
}

fn discriminants() -> Vec<Case> {
    vec![
        byte("unknown_case_of_result", "discriminant", ("$PARSED", 0, 9)),
        byte("unknown_case_of_outcome", "discriminant", ("$PARSED", 4, 7)),
        byte("unknown_status", "discriminant", ("$ALERT", 20, 200)),
        byte("unknown_severity", "discriminant", ("$ALERT", 32, 4)),
        byte("option_that_is_neither", "discriminant", ("$ALERT", 56, 2)),
    ]
}

/// The allocator runs while the host writes the arguments.
fn allocators() -> Vec<Case> {
    let realloc = |realloc: &'static str| Driver { realloc, ..honest() };
    vec![
        boundary("realloc_outside_of_memory", realloc("(i32.const -8)"), "beyond end of memory"),
        boundary("realloc_at_the_end_of_memory", realloc("(i32.const 1048576)"), "beyond end of memory"),
        boundary(
            "realloc_that_is_not_aligned",
            realloc(
                "(i32.add (i32.const 1) (call $allocate (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
            ),
            "align",
        ),
        Case::fixed(
            "realloc_that_calls_the_host",
            realloc(
                "(call $log (i32.const 2) (i32.const 1024) (i32.const 8))
                 (call $allocate (local.get 0) (local.get 1) (local.get 2) (local.get 3))",
            ),
            Ends::With("trap.fault", "cannot leave component instance"),
            honest(),
        ),
        // Everything lies on top of everything, which harms the plugin alone.
        Case::fixed(
            "realloc_that_gives_one_address_to_all",
            realloc("(i32.const 600000)"),
            Ends::Answered,
            honest(),
        ),
    ]
}
