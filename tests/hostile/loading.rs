//! Files that are not what they should be, and plugins that misbehave while they are loaded.

use crate::driver::{Alert, Driver};
use crate::harness::{check_refused, limits, new_sandbox, subject};
use crate::notifier;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn import_that_is_not_allowed_is_named() {
    let with_clock = Driver {
        world: "driver-with-clock",
        imports: r#"(import "watchbell:plugin/host-clock@0.1.0" "now" (func $now (result i64)))"#,
        parse: "(drop (call $now)) (i32.const $PARSED)",
        ..Driver::default()
    };
    let text = "imports `watchbell:plugin/host-clock@0.1.0`, which a driver does not get\nhint: ";
    check_refused(&with_clock.build(), "load.import", text).await;
    let with_network = Driver {
        world: "driver-with-network",
        imports: r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))"#,
        parse: "(drop (call $network)) (i32.const $PARSED)",
        ..Driver::default()
    };
    let text = "imports `wasi:sockets/instance-network@0.2.0`, which a driver does not get\nhint: build without WASI";
    check_refused(&with_network.build(), "load.import", text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_in_metadata_is_a_load_error() {
    let metadata = |metadata| Driver { metadata, ..Driver::default() }.build();
    check_refused(&metadata("unreachable"), "load.metadata", "`metadata` gave up").await;
    let endless = metadata("(loop $for_ever (br $for_ever)) (unreachable)");
    check_refused(&endless, "load.metadata", "`metadata` used").await;
    check_refused(&metadata("(i32.const -4)"), "load.metadata", "`metadata` broke the rules").await;
    let greedy = metadata(
        "(if (i32.eq (i32.const -1) (memory.grow (i32.const 2000))) (then unreachable)) (i32.const $INFO)",
    );
    check_refused(&greedy, "load.metadata", "`metadata` asked for more than its 64 MiB").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_function_is_under_the_same_limits() {
    let start = |module| Driver { module, ..Driver::default() }.build();
    check_refused(&start("(func $start unreachable) (start $start)"), "load.metadata", "gave up").await;
    let endless = start("(func $start (loop $for_ever (br $for_ever))) (start $start)");
    check_refused(&endless, "load.metadata", "of CPU").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_component_is_refused() {
    let honest = Driver::default().build();
    check_refused(b"#!/bin/sh", "load.not_wasm", "is not WebAssembly").await;
    check_refused(b"", "load.not_wasm", "is not WebAssembly").await;
    check_refused(&wat::parse_str("(module)").unwrap(), "load.core_module", "not a component").await;
    check_refused(&honest[..honest.len() / 2], "load.malformed", "complete").await;
    let mut too_large = honest;
    too_large.resize(40 << 20, 0);
    check_refused(&too_large, "load.too_large", "bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_of_the_contract_is_named() {
    let newer = Driver { version: "0.2.0", ..Driver::default() };
    check_refused(
        &newer.build(),
        "load.version",
        "built for version 0.2.0 of the contract, this host speaks 0.1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patch_of_the_contract_is_taken() {
    let patched = Driver { version: "0.1.3", ..Driver::default() };
    new_sandbox().load_driver(&subject(), &patched.build(), limits()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_kind_of_plugin_is_refused() {
    let notifier = notifier::build("(i32.const $RECEIPT)");
    check_refused(&notifier, "load.export", "it exports: `watchbell:plugin/notifier@0.1.0`").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugin_under_another_name_is_refused() {
    let other = Driver { name: "grafana", ..Driver::default() };
    check_refused(&other.build(), "load.name", "calls itself `grafana`").await;
    let no_name = Driver { name: "../../etc", ..Driver::default() };
    check_refused(&no_name.build(), "load.metadata", "`plugin.name`").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn driver_that_cannot_read_its_own_sample_is_refused() {
    let broken = Driver { parse: "unreachable", ..Driver::default() };
    check_refused(&broken.build(), "load.sample", "does not read its own sample").await;
    let unnamed = Alert { name: vec![], ..Driver::default().alert };
    let unnamed = Driver { alert: unnamed, ..Driver::default() };
    check_refused(&unnamed.build(), "load.sample", "`outcome.alerts[0].name` is empty").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_memories_are_refused_before_they_are_reserved() {
    let many = Driver { module: "(memory 1) (memory 1) (memory 1)", ..Driver::default() };
    check_refused(&many.build(), "load.compile", "memor").await;
}
