//! Drivers that lie, boast or go wild in what they say of themselves.

use super::files::File;
use crate::driver::{Claims, Driver, Scheme};

fn saying(claims: Claims) -> Vec<u8> {
    Driver { claims: Box::new(claims), ..Driver::default() }.build()
}

fn honest() -> Claims {
    *Driver::default().claims
}

pub(super) fn cases() -> Vec<File> {
    let mut files = signatures();
    files.extend(sizes());
    files.extend(beginnings());
    files
}

fn refused(text: &'static str) -> (&'static str, &'static str) {
    ("load.metadata", text)
}

/// Schemes that would let a forged webhook pass.
fn signatures() -> Vec<File> {
    let signed = |scheme| saying(Claims { scheme: Some(scheme), ..honest() });
    let honest = Scheme::HONEST;
    let file = |name, scheme, text| File::new(name, signed(scheme), refused(text)).beside(signed(honest));
    vec![
        file(
            "signature_that_leaves_the_body_out",
            Scheme { template: "{timestamp}", ..honest },
            "`signatures[0].hmac` is not acceptable",
        ),
        file(
            "signature_that_is_good_for_601_seconds",
            Scheme { tolerance_s: 601, ..honest },
            "`signatures[0].hmac` is not acceptable",
        ),
        file(
            "signature_that_is_good_for_ever",
            Scheme { tolerance_s: u32::MAX, ..honest },
            "`signatures[0].hmac` is not acceptable",
        ),
        file(
            "signature_by_md5",
            Scheme { algorithm: "md5", ..honest },
            "`signatures[0].algorithm` is none of",
        ),
    ]
}

/// More than anybody reads.
fn sizes() -> Vec<File> {
    let shapes = |shapes| saying(Claims { shapes, ..honest() });
    let summary = |bytes| saying(Claims { summary: "x".repeat(bytes), ..honest() });
    let metadata = |metadata| Driver { metadata, ..Driver::default() }.build();
    vec![
        File::new(
            "shapes_by_the_thousand",
            shapes(4000),
            refused("`shapes` has 4000 entries, at most 8 are allowed"),
        )
        .beside(shapes(8)),
        File::new("huge_summary", summary(200_000), refused("`plugin.summary` has 200000 bytes"))
            .beside(summary(100)),
        File::new(
            "summary_of_twenty_million_bytes",
            metadata(
                "(drop (memory.grow (i32.const 400)))
                 (i32.store offset=16 (i32.const $INFO) (i32.const 1048576))
                 (i32.store offset=20 (i32.const $INFO) (i32.const 20000000))
                 (i32.const $INFO)",
            ),
            refused("`result` is larger than its limit"),
        ),
        File::new(
            "four_thousand_million_signatures",
            metadata("(i32.store offset=48 (i32.const $INFO) (i32.const -1)) (i32.const $INFO)"),
            refused("out of bounds"),
        ),
    ]
}

/// What runs before anybody has asked for anything.
fn beginnings() -> Vec<File> {
    let deep = "(func $down (param i32)
        (call $down (i32.add (local.get 0) (i32.const 1)))
        (drop (i32.load8_u (i32.and (local.get 0) (i32.const 255)))))";
    let start = |module: &str| Driver::default().with(module).build();
    let metadata = Driver { metadata: "(call $down (i32.const 1)) (i32.const $INFO)", ..Driver::default() };
    vec![
        File::new(
            "recursion_in_start",
            start(&format!("{deep} (func $start (call $down (i32.const 1))) (start $start)")),
            refused("deeper than the stack allows"),
        ),
        File::new(
            "host_call_in_start",
            start("(func $start (call $log (i32.const 2) (i32.const 1024) (i32.const 8))) (start $start)"),
            // The way out is linked only after it has started.
            refused("uninitialized element"),
        ),
        File::new(
            "recursion_in_metadata",
            metadata.with(deep).build(),
            refused("deeper than the stack allows"),
        ),
    ]
}
