//! Builds components from a few lines of WebAssembly text.
//!
//! The text of an honest plugin is the base; a hostile one replaces a part of it. Records lie in
//! the data segment in the layout of the canonical ABI, so that no code is needed to return them.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// Where the records of the data segment begin.
const DATA: u32 = 1024;
/// Where allocation begins; what is below belongs to the data segment.
const HEAP: u32 = 256 * 1024;

/// Worlds that ask for more than the contract's.
const GREEDY: &str = r#"
package hostile:worlds;

world driver-with-clock {
  include watchbell:plugin/alert-driver@0.1.0;
  import watchbell:plugin/host-clock@0.1.0;
}

world driver-with-network {
  include watchbell:plugin/alert-driver@0.1.0;
  import wasi:sockets/instance-network@0.2.0;
}

interface vault {
  resource handle { constructor(); }
}

world driver-with-vault {
  include watchbell:plugin/alert-driver@0.1.0;
  export vault;
}

package wasi:sockets@0.2.0 {
  interface instance-network { instance-network: func() -> u32; }
}
"#;

/// The contract as one text, said to be of this version.
fn contract(version: &str) -> String {
    // The file with the package's name comes first.
    let files = [
        include_str!("../../wit/package.wit"),
        include_str!("../../wit/types.wit"),
        include_str!("../../wit/host.wit"),
        include_str!("../../wit/driver.wit"),
        include_str!("../../wit/notifier.wit"),
        include_str!("../../wit/intelligence.wit"),
    ];
    files.concat().replace("@0.1.0", &format!("@{version}"))
}

fn world(version: &str, name: &str) -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let mut package = resolve.push_str("contract.wit", &contract(version)).unwrap();
    if name.ends_with("-with-wasi") {
        package = resolve.push_str("wasi.wit", include_str!("wasi.wit")).unwrap();
    } else if name.starts_with("driver-with-") {
        package = resolve.push_str("greedy.wit", GREEDY).unwrap();
    }
    let world = resolve.select_world(&[package], Some(name)).unwrap();
    (resolve, world)
}

/// The body of an honest allocator.
pub(crate) const ALLOCATE: &str = "(call $allocate (local.get 0) (local.get 1) (local.get 2) (local.get 3))";

/// Turns a core module into a component of a world.
pub(crate) fn component(version: &str, world_name: &str, wat: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    let (resolve, world) = world(version, world_name);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .unwrap_or_else(|error| panic!("{error:#}\n{wat}"))
}

/// Bytes in the layout of the canonical ABI.
#[derive(Default)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    pub(crate) fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn word(mut self, value: u32) -> Self {
        self = self.align(4);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn long(mut self, value: i64) -> Self {
        self = self.align(8);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn align(mut self, to: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
        self
    }

    /// A string or list at an address.
    pub(crate) fn span(self, (address, length): (u32, u32)) -> Self {
        self.word(address).word(length)
    }

    /// `option<string>` or `option<list<…>>`.
    pub(crate) fn optional(self, span: Option<(u32, u32)>) -> Self {
        let this = self.align(4).byte(u8::from(span.is_some()));
        this.span(span.unwrap_or_default())
    }

    /// `option<s64>`.
    pub(crate) fn optional_long(self, value: Option<i64>) -> Self {
        let this = self.align(8).byte(u8::from(value.is_some()));
        this.long(value.unwrap_or_default())
    }
}

/// The data segment.
pub(crate) struct Image(Vec<u8>);

impl Image {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts bytes at the next free address.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> (u32, u32) {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = DATA + u32::try_from(self.0.len()).unwrap();
        self.0.extend(bytes);
        assert!(address + u32::try_from(bytes.len()).unwrap() < HEAP, "the data segment is full");
        (address, u32::try_from(bytes.len()).unwrap())
    }

    pub(crate) fn text(&mut self, text: &str) -> (u32, u32) {
        self.put(text.as_bytes())
    }

    /// Puts a record and says where.
    pub(crate) fn record(&mut self, record: Record) -> u32 {
        self.put(&record.align(8).0).0
    }

    /// `plugin-info`, to be continued by the record around it.
    pub(crate) fn plugin_info(&mut self, name: &str) -> Record {
        self.plugin_info_with(name, "made for a test")
    }

    /// The same with another summary.
    pub(crate) fn plugin_info_with(&mut self, name: &str, summary: &str) -> Record {
        let (name, version, summary) = (self.text(name), self.text("1.0.0"), self.text(summary));
        Record::default().span(name).span(version).span(summary).optional(None).span((0, 0))
    }

    /// The data segment, memory and allocator of every module here. `allocate` takes the place of
    /// the honest allocator's body; it may call that as `$allocate`.
    pub(crate) fn wat(&self, allocate: &str) -> String {
        let bytes: String = self.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(
            r#"
  (memory (export "memory") 16)
  (data (i32.const {DATA}) "{bytes}")
  (global $next (mut i32) (i32.const {HEAP}))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    {allocate})
  (func $allocate (param i32 i32 i32 i32) (result i32)
    (local $start i32)
    (local.set $start (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $start) (local.get 3)))
    (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (i32.const -1) (memory.grow (i32.const 64))) (then unreachable))))
    (local.get $start))"#
        )
    }
}
