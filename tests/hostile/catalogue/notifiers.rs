//! Notifiers that misbehave.

use std::time::Duration;

use domain::limits::Limits;

use super::MIB;
use super::cpu::ENDLESS;
use crate::case::{Case, Ends, Plugin, Proof, notifier_limits};
use crate::notifier::Notifier;
use crate::remote::Remote;

fn tight() -> Limits {
    Limits { cpu: Duration::from_millis(20), ..notifier_limits() }
}

fn tight_in_wall() -> Limits {
    Limits { wall: Duration::from_millis(20), ..notifier_limits() }
}

/// Ends at 20 ms of CPU; with CPU enough, at its wall time.
fn endless(name: &'static str, notifier: Notifier) -> Case {
    let long = Limits { wall: Duration::from_millis(60), cpu: Duration::from_secs(60), ..notifier_limits() };
    Case::raised(
        name,
        notifier,
        (tight(), Ends::With("trap.cpu", "of CPU, at most 20 ms are allowed")),
        (long, Ends::With("trap.wall", "within 60 ms")),
    )
}

fn fixed(name: &'static str, notifier: Notifier, ends: (&'static str, &'static str)) -> Case {
    Case::fixed(name, notifier, Ends::With(ends.0, ends.1), Notifier::default())
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = loops();
    cases.extend(requests());
    cases.extend(random());
    cases.extend(results());
    cases
}

fn loops() -> Vec<Case> {
    let again = |body: &str| Notifier::sending(format!("(loop $again {body} (br $again)) unreachable"));
    let validate = Notifier { validate: ENDLESS, ..Notifier::default() };
    let waiting = Plugin::Notifier(Notifier::default(), Remote::Hangs);
    let mut hangs = Case::fixed(
        "remote_that_never_answers",
        waiting,
        Ends::With("trap.wall", "was not done within 30 ms"),
        Notifier::default(),
    );
    hangs.limits.wall = Duration::from_millis(30);
    // Its allocator fails, and all that it says of it is that it gave up.
    let small = Limits { memory_bytes: 2 * MIB, ..notifier_limits() };
    let flooded = Case::raised(
        "answer_larger_than_its_memory",
        Plugin::Notifier(Notifier::default(), Remote::Floods),
        (small, Ends::With("trap.memory", "more than its 2 MiB of memory")),
        (notifier_limits(), Ends::Answered),
    );
    let mut dawdles = endless("loop_of_slow_requests", again("$SEND"));
    dawdles.plugin =
        Plugin::Notifier(Notifier { realloc: "(i32.const 400000)", ..again("$SEND") }, Remote::Dawdles);
    dawdles.limits = Limits { wall: Duration::from_millis(60), ..notifier_limits() };
    dawdles.ends = Ends::With("trap.wall", "within 60 ms");
    dawdles.proof = Proof::Raised(tight_in_wall(), Ends::With("trap.wall", "within 20 ms"));
    vec![
        flooded,
        dawdles,
        endless("loop_in_send", Notifier::sending(ENDLESS)),
        endless("loop_in_validate_config", validate),
        endless("loop_of_requests", again("$SEND")),
        endless("loop_of_clock_readings", again("(drop (call $now))")),
        // All numbers land at one address: the plugin's own allocator would run out first.
        endless(
            "loop_of_random_numbers",
            Notifier {
                realloc: "(i32.const 400000)",
                ..again("(call $random (i32.const 1024) (i32.const 131072))")
            },
        ),
        hangs,
    ]
}

/// Requests that no honest notifier makes: headers and body as addresses and lengths.
pub(crate) fn requesting(headers: (u32, i64), body: (u32, i64)) -> Notifier {
    Notifier::sending(format!(
        "(drop (memory.grow (i32.const 400)))
         (call $http $TO (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {})
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 131072))
         (i32.const $RECEIPT)",
        headers.0, headers.1, body.0, body.1
    ))
}

fn requests() -> Vec<Case> {
    let grown = 1 << 20;
    let roomy = Limits { cpu: Duration::from_secs(10), ..notifier_limits() };
    let bounds = ("trap.boundary", "out of bounds");
    vec![
        Case::raised(
            "a_million_headers",
            requesting((grown, 1_000_000), (0, 0)),
            (roomy, Ends::With("trap.output", "`argument of a host function` is larger than its limit")),
            // Then it is the request that is refused, and the plugin may go on.
            (Limits { output_bytes: 64 * MIB, ..roomy }, Ends::Answered),
        ),
        fixed("headers_outside_of_memory", requesting((grown, -1), (0, 0)), bounds),
        fixed("request_body_outside_of_memory", requesting((0, 0), (grown, -1)), bounds),
        Case::fixed(
            "request_body_over_its_limit",
            requesting((0, 0), (grown, 1_048_577)),
            // Refused towards the plugin, which sees the error and may go on.
            Ends::Answered,
            Notifier::default(),
        ),
        Case::raised(
            "request_body_of_many_mebibytes",
            requesting((0, 0), (grown, 20_000_000)),
            (roomy, Ends::With("trap.output", "`argument of a host function` is larger than its limit")),
            (Limits { output_bytes: 8 * MIB, ..roomy }, Ends::Answered),
        ),
    ]
}

fn random() -> Vec<Case> {
    let ask = |count: &str| {
        Notifier::sending(format!(
            "(call $random (i32.const {count}) (i32.const 131072)) (i32.const $RECEIPT)"
        ))
    };
    let boundary = |text| Ends::With("trap.boundary", text);
    let asking_realloc = Notifier {
        realloc: "(call $random (i32.const 8) (i32.const 131072)) (i32.const 400000)",
        ..Notifier::default()
    };
    vec![
        Case::fixed(
            "random_bytes_over_the_limit",
            ask("1025"),
            boundary("at most 1024 bytes a call, 1025 were asked for"),
            ask("1024"),
        ),
        Case::fixed("random_bytes_without_end", ask("-1"), boundary("4294967295 were asked for"), ask("0")),
        fixed(
            "realloc_that_asks_for_random_numbers",
            asking_realloc,
            ("trap.fault", "cannot leave component instance"),
        ),
    ]
}

fn results() -> Vec<Case> {
    // `$RECEIPT`: the discriminant, then at 4 the option `remote-ref`, at 16 the span `detail`.
    let stores = |stores: &str, text: &str| Notifier {
        module: format!("(data (i32.const 600000) \"{text}\")"),
        ..Notifier::sending(format!("{stores} (i32.const $RECEIPT)"))
    };
    let reference = |length: u32| {
        stores(
            &format!(
                "(i32.store8 offset=4 (i32.const $RECEIPT) (i32.const 1))
                 (i32.store offset=8 (i32.const $RECEIPT) (i32.const 600000))
                 (i32.store offset=12 (i32.const $RECEIPT) (i32.const {length}))"
            ),
            &"x".repeat(600),
        )
    };
    let detail = |levels: usize| {
        stores(
            &format!(
                "(i32.store offset=16 (i32.const $RECEIPT) (i32.const 600000))
                 (i32.store offset=20 (i32.const $RECEIPT) (i32.const {}))",
                2 * levels
            ),
            &format!("{}{}", "[".repeat(levels), "]".repeat(levels)),
        )
    };
    let output = |text| Ends::With("trap.output", text);
    let validate = |validate| Notifier { validate, ..Notifier::default() };
    vec![
        Case::fixed(
            "remote_reference_over_its_limit",
            reference(513),
            output("`remote-ref` has 513 bytes"),
            reference(512),
        ),
        Case::fixed("deep_json_in_a_receipt", detail(5000), output("is nested 5000 deep"), detail(64)),
        fixed("panic_in_send", Notifier::sending("unreachable"), ("trap.panic", "`send` gave up")),
        fixed(
            "panic_in_validate_config",
            validate("unreachable"),
            ("trap.panic", "`validate-config` gave up"),
        ),
        fixed("receipt_outside_of_memory", Notifier::sending("(i32.const -4)"), ("trap.boundary", "pointer")),
        fixed(
            "a_hundred_problems_too_many",
            validate(
                "(drop (memory.grow (i32.const 2))) (i32.store (i32.const $NOTHING) (i32.const 1048576))
                 (i32.store offset=4 (i32.const $NOTHING) (i32.const 200)) (i32.const $NOTHING)",
            ),
            ("trap.output", "`problems` has 200 entries, at most 100"),
        ),
    ]
}
