//! A notifier that does one thing in `send`.

use crate::kit::{Image, Record, component};

/// A notifier with this body of `send`; `$RECEIPT` is the address of an honest result, `$SEND` a
/// call of `host-http` with a small request.
pub(crate) fn build(send: &str) -> Vec<u8> {
    let mut image = Image::new();
    let info = image.plugin_info("subject").span((0, 0)).span((0, 0)).byte(0);
    let info = image.record(info);
    // `result<receipt, plugin-error>`
    let receipt = image.record(Record::default().byte(0).optional(None).span((0, 0)));
    let nothing = image.record(Record::default().span((0, 0)));
    let (method, length) = image.text("POST");
    let (url, url_length) = image.text("https://example.com/hook");
    let call = format!(
        "(call $http (i32.const {method}) (i32.const {length}) (i32.const {url}) (i32.const {url_length}) \
         {zeros} (i32.const 131072))",
        zeros = "(i32.const 0) ".repeat(10)
    );
    let memory = image.wat();
    let wat = format!(
        r#"(module
  (import "watchbell:plugin/host-http@0.1.0" "send" (func $http {params}))
  (import "watchbell:plugin/host-random@0.1.0" "bytes" (func $random (param i32 i32)))
  {memory}
  (func (export "watchbell:plugin/notifier@0.1.0#metadata") (result i32) (i32.const {info}))
  (func (export "watchbell:plugin/notifier@0.1.0#validate-config") (param i32 i32) (result i32)
    (i32.const {nothing}))
  (func (export "watchbell:plugin/notifier@0.1.0#send") (param i32) (result i32)
    {send}))"#,
        params = "(param i32)".repeat(15),
    )
    .replace("$RECEIPT", &receipt.to_string())
    .replace("$SEND", &call);
    component("0.1.0", "alert-notifier", &wat)
}
