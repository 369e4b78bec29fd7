//! A provider with a remote: it sends the incident as it got it there, and says it in its summary.

use crate::kit::{ALLOCATE, Image, Record, component};

/// What it says it used for each answer.
pub(crate) const INPUT_TOKENS: u64 = 100;
pub(crate) const OUTPUT_TOKENS: u64 = 20;

/// The schema of its settings.
const SCHEMA: &str = r#"{"type":"object","required":["api_key"],"additionalProperties":false,"properties":{
    "api_key":{"type":"string","format":"secret"},"base_url":{"type":"string"},"model":{"type":"string"}}}"#;

/// The component, for a remote at this address.
pub(crate) fn echo(url: &str) -> Vec<u8> {
    let mut image = Image::new();
    let (task, schema, host) = (image.text("incident"), image.text(SCHEMA), image.text(url));
    let (tasks, hosts) =
        (image.record(Record::default().span(task)), image.record(Record::default().span(host)));
    let info = image.plugin_info("echo").span(schema).span((hosts, 1)).span((tasks, 1));
    let info = image.record(info);
    let (model, version, why) = (image.text("echo-1"), image.text("2026-11"), image.text("nobody there"));
    let usage = |record: Record| {
        record.align(8).byte(1).long(INPUT_TOKENS.cast_signed()).long(OUTPUT_TOKENS.cast_signed())
    };
    // `result<analysis, plugin-error>`: the summary, filled in by the code, is eight bytes in.
    let analysis = Record::default().long(0).span((0, 0)).span((0, 0)).span((0, 0)).span(model);
    let analysis = image.record(usage(analysis.optional(Some(version))));
    let unavailable = image.record(Record::default().byte(1).align(8).byte(5).span(why));
    let (response, nothing) = (image.put(&[0; 64]).0, image.put(&[0; 8]).0);
    let ((method, method_len), (url, url_len)) = (image.text("POST"), image.text(url));
    let (key, key_len) = image.text("api_key");
    let (params, memory) = ("i32 ".repeat(13), image.wat(ALLOCATE));
    let wat = format!(
        r#"(module
  (import "watchbell:plugin/host-http@0.1.0" "send" (func $send (param {send})))
  {memory}
  (func (export "watchbell:plugin/intelligence@0.1.0#metadata") (result i32) (i32.const {info}))
  (func (export "watchbell:plugin/intelligence@0.1.0#validate-config") (param i32 i32) (result i32)
    (i32.const {nothing}))
  (func (export "watchbell:plugin/intelligence@0.1.0#analyze") (param {params}) (result i32)
    (call $send (i32.const {method}) (i32.const {method_len}) (i32.const {url}) (i32.const {url_len})
      (i32.const 0) (i32.const 0) (local.get 2) (local.get 3) (i32.const 0)
      (i32.const 1) (i32.const {key}) (i32.const {key_len}) (i32.const 0) (i32.const 0) (i32.const {response}))
    (if (result i32) (i32.load8_u (i32.const {response}))
      (then (i32.const {unavailable}))
      (else
        (i32.store (i32.const {summary}) (local.get 2))
        (i32.store (i32.const {length}) (local.get 3))
        (i32.const {analysis})))))"#,
        send = "i32 ".repeat(15),
        summary = analysis + 8,
        length = analysis + 12,
    );
    component("0.1.0", "intelligence-provider", &wat)
}
