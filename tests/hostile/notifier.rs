//! Notifiers, honest but for the parts that a test replaces.

use crate::kit::{ALLOCATE, Image, Record, component};

/// A notifier in parts. `..Notifier::default()` delivers with one request.
#[derive(Clone)]
pub(crate) struct Notifier {
    /// Body of `send`; `$RECEIPT` is the address of an honest result, `$SEND` a call of `host-http`
    /// with a small request.
    pub(crate) send: String,
    /// Body of `validate-config`; `$NOTHING` is the address of an empty list.
    pub(crate) validate: &'static str,
    /// Body of `metadata`; `$INFO` is the address of an honest result.
    pub(crate) metadata: &'static str,
    /// The contract's own world, or one with virtual WASI.
    pub(crate) world: &'static str,
    /// Imports beside those of the contract.
    pub(crate) imports: &'static str,
    /// Anything else on the module's level.
    pub(crate) module: String,
    /// Body of `cabi_realloc`; `$allocate` is an honest one.
    pub(crate) realloc: &'static str,
    /// How many origins it wants to reach.
    pub(crate) hosts: u32,
}

impl Default for Notifier {
    fn default() -> Self {
        Self {
            send: "$SEND (i32.const $RECEIPT)".to_owned(),
            validate: "(i32.const $NOTHING)",
            metadata: "(i32.const $INFO)",
            world: "alert-notifier",
            imports: "",
            module: String::new(),
            realloc: ALLOCATE,
            hosts: 0,
        }
    }
}

impl Notifier {
    /// Honest but for the body of `send`.
    pub(crate) fn sending(send: impl Into<String>) -> Self {
        Self { send: send.into(), ..Self::default() }
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut image = Image::new();
        let host = image.text("https://example.com");
        let hosts = (0..self.hosts).fold(Record::default(), |record, _| record.span(host));
        let hosts = (image.record(hosts), self.hosts);
        let info = image.plugin_info("subject").span((0, 0)).span(hosts).byte(0);
        let info = image.record(info);
        // `result<receipt, plugin-error>`
        let receipt = image.record(Record::default().byte(0).optional(None).span((0, 0)));
        let nothing = image.record(Record::default().span((0, 0)));
        let (method, length) = image.text("POST");
        let (url, url_length) = image.text("https://example.com/hook");
        let to =
            format!("(i32.const {method}) (i32.const {length}) (i32.const {url}) (i32.const {url_length})");
        let zeros = "(i32.const 0) ".repeat(10);
        let Self { send, validate, metadata, imports, module, .. } = self;
        let memory = image.wat(self.realloc);
        let wat = format!(
            r#"(module
  (import "watchbell:plugin/host-log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "watchbell:plugin/host-http@0.1.0" "send" (func $http {params}))
  (import "watchbell:plugin/host-random@0.1.0" "bytes" (func $random (param i32 i32)))
  (import "watchbell:plugin/host-clock@0.1.0" "now" (func $now (result i64)))
  {imports}
  {memory}
  {module}
  (func (export "watchbell:plugin/notifier@0.1.0#metadata") (result i32) {metadata})
  (func (export "watchbell:plugin/notifier@0.1.0#validate-config") (param i32 i32) (result i32)
    {validate})
  (func (export "watchbell:plugin/notifier@0.1.0#send") (param i32) (result i32)
    {send}))"#,
            params = "(param i32)".repeat(15),
        )
        .replace("$INFO", &info.to_string())
        .replace("$NOTHING", &nothing.to_string())
        .replace("$RECEIPT", &receipt.to_string())
        .replace("$SEND", &format!("(call $http $TO {zeros} (i32.const 131072))"))
        .replace("$TO", &to);
        component("0.1.0", self.world, &wat)
    }
}
