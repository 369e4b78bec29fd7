//! Files that the loader has to refuse.
//!
//! Compiling that never ends and forged results of compiling are in `compiling`.

use super::MIB;
use super::cpu::ENDLESS;
use super::{claims, wants};
use crate::driver::{Alert, Driver};
use crate::notifier::Notifier;

/// One file.
pub(crate) struct File {
    pub(crate) name: &'static str,
    /// Whether it is loaded as a driver or as a notifier.
    pub(crate) is_notifier: bool,
    pub(crate) bytes: Vec<u8>,
    /// The `error.type` and a text of the message.
    pub(crate) refused: (&'static str, &'static str),
    /// A file that differs in what is refused alone and is taken. None: the honest plugin is one.
    pub(crate) taken: Option<Vec<u8>>,
}

impl File {
    pub(super) fn new(name: &'static str, bytes: Vec<u8>, refused: (&'static str, &'static str)) -> Self {
        Self { name, is_notifier: false, bytes, refused, taken: None }
    }

    pub(super) fn beside(self, taken: Vec<u8>) -> Self {
        Self { taken: Some(taken), ..self }
    }
}

pub(crate) fn cases() -> Vec<File> {
    let mut files = no_components();
    files.extend(imports_and_exports());
    files.extend(structures());
    files.extend(features());
    files.extend(first_calls());
    files.extend(claims::cases());
    files.extend(wants::cases());
    files
}

fn honest() -> Vec<u8> {
    Driver::default().build()
}

fn no_components() -> Vec<File> {
    let cut = |at: usize| honest()[..at].to_vec();
    let whole = honest().len();
    let mut too_large = honest();
    too_large.extend(section(0, [&[1, b'x'][..], &vec![0; 33 * MIB]].concat()));
    let mut padded = honest();
    padded.extend(section(0, [&[1, b'x'][..], &vec![0; MIB]].concat()));
    // What wasmtime compiles ahead of time is an object file of the machine's own kind.
    let mut compiled = b"\x7fELF\x02\x01\x01\xc8".to_vec();
    compiled.extend([0; 56]);
    compiled.extend(b".wasmtime.engine\0.text\0.wasmtime.info");
    let mut lying = honest();
    lying.extend([0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    vec![
        File::new("empty_file", vec![], ("load.not_wasm", "is not WebAssembly")),
        File::new("shell_script", b"#!/bin/sh\nrm -rf /\n".to_vec(), ("load.not_wasm", "is not WebAssembly")),
        File::new("file_compiled_ahead_of_time", compiled, ("load.not_wasm", "are never taken")),
        File::new("magic_and_nothing_else", b"\0asm".to_vec(), ("load.malformed", "not a complete")),
        File::new(
            "future_version_of_webassembly",
            b"\0asm\xff\0\x01\0".to_vec(),
            ("load.malformed", "version"),
        ),
        File::new(
            "core_module",
            wat::parse_str("(module)").unwrap(),
            ("load.core_module", "not a component"),
        ),
        File::new("half_a_component", cut(whole / 2), ("load.malformed", "not a complete")),
        File::new("component_without_its_last_byte", cut(whole - 1), ("load.malformed", "not a complete")),
        File::new("section_longer_than_the_file", lying, ("load.malformed", "")),
        File::new("giant_custom_section", too_large, ("load.too_large", "a component may have 33554432"))
            .beside(padded),
    ]
}

fn imports_and_exports() -> Vec<File> {
    let with_clock = Driver {
        world: "driver-with-clock",
        imports: r#"(import "watchbell:plugin/host-clock@0.1.0" "now" (func $now (result i64)))"#,
        ..Driver::parsing("(drop (call $now)) (i32.const $PARSED)")
    };
    let with_network = Driver {
        world: "driver-with-network",
        imports: r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))"#,
        ..Driver::parsing("(drop (call $network)) (i32.const $PARSED)")
    };
    let version = |version| Driver { version, ..Driver::default() }.build();
    let named = |name| Driver { name, ..Driver::default() }.build();
    let notifier = || Notifier::default().build();
    let driver = File::new(
        "driver_as_notifier",
        honest(),
        ("load.export", "it exports: `watchbell:plugin/driver@0.1.0`"),
    );
    vec![
        File::new(
            "driver_that_wants_a_clock",
            with_clock.build(),
            (
                "load.import",
                "imports `watchbell:plugin/host-clock@0.1.0`, which a driver does not get\nhint: ",
            ),
        ),
        File::new(
            "driver_that_wants_a_network",
            with_network.build(),
            (
                "load.import",
                "imports `wasi:sockets/instance-network@0.2.0`, which a driver does not get\nhint: put `wasi = \"virtual\"`",
            ),
        ),
        File::new(
            "hundred_thousand_imports",
            importing(&honest(), (0..100_000).map(|n| format!("x{n}"))),
            ("load.import", "imports `x0`"),
        ),
        File::new(
            "import_that_forges_a_line",
            importing(&honest(), ["x\n\u{1b}[2Jok\u{202e}"]),
            ("load.import", r"imports `x\n\u{1b}[2Jok\u{202e}`"),
        ),
        File::new(
            "import_with_a_huge_name",
            importing(&honest(), ["x".repeat(90_000)]),
            ("load.import", "imports `xxx"),
        ),
        File::new(
            "next_version_of_the_contract",
            version("0.2.0"),
            ("load.version", "built for version 0.2.0 of the contract, this host speaks 0.1"),
        )
        .beside(version("0.1.3")),
        File::new(
            "notifier_as_driver",
            notifier(),
            ("load.export", "it exports: `watchbell:plugin/notifier@0.1.0`"),
        ),
        File { is_notifier: true, ..driver },
        File::new(
            "component_that_exports_nothing",
            wat::parse_str("(component)").unwrap(),
            ("load.export", "it exports: nothing"),
        ),
        File::new("another_plugins_name", named("grafana"), ("load.name", "calls itself `grafana`")),
        File::new("path_as_a_name", named("../../etc"), ("load.metadata", "`plugin.name`")),
    ]
}

/// Valid bytes in numbers that no honest component has.
fn structures() -> Vec<File> {
    let with = |sections: &[Vec<u8>]| [honest(), sections.concat()].concat();
    let instance_type = |declarations: Vec<Vec<u8>>| {
        let count = number(declarations.len());
        section(7, [vec![1, 0x42], count, declarations.concat()].concat())
    };
    // In an instance type, types have numbers of their own: each is a list of the one before.
    let lists = |depth: usize| {
        let nested = (1..depth).map(|n| [vec![1, 0x70], signed(n - 1)].concat());
        instance_type(std::iter::once(vec![1, 0x70, 0x7d]).chain(nested).collect())
    };
    // One more module, empty, and many instances of it.
    let modules = honest().windows(8).filter(|bytes| bytes == b"\0asm\x01\0\0\0").count();
    let instances = |count: usize| {
        let one = [vec![0], number(modules), vec![0]].concat();
        let all = [number(count), one.repeat(count)].concat();
        with(&[section(1, b"\0asm\x01\0\0\0".to_vec()), section(2, all)])
    };
    let counting = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, vec![1, 0x60, 0, 0]),
        section(3, number(usize::from(u16::MAX) << 16)),
    ];
    vec![
        File::new("deep_types", with(&[lists(1000)]), ("load.compile", "")).beside(with(&[lists(20)])),
        File::new("many_core_instances", instances(1000), ("load.compile", "")).beside(instances(3)),
        File::new(
            "lying_count_of_functions",
            with(&[section(1, counting.concat())]),
            ("load.malformed", "count"),
        ),
        // Each a list of bytes; the least number that is refused is the machine's.
        File::new("a_million_types", with(&[lists_of_bytes(1_000_001)]), ("load.compile", ""))
            .beside(with(&[lists_of_bytes(1000)])),
        File::new(
            "module_that_is_cut_short",
            with(&[section(1, b"\0asm\x01\0\0\0\x01\x20".to_vec())]),
            ("load.malformed", ""),
        ),
        File::new("unknown_section", with(&[section(99, vec![0; 10])]), ("load.compile", "section id: 99")),
    ]
}

fn lists_of_bytes(count: usize) -> Vec<u8> {
    section(7, [number(count), [0x70, 0x7d].repeat(count)].concat())
}

/// An honest driver with one more type in it: a type of instances that declares a type of instances,
/// so many levels deep.
pub(crate) fn types_in_types(levels: usize) -> Vec<u8> {
    let open = [0x42, 1, 1].repeat(levels);
    [honest(), section(7, [vec![1], open, vec![0x70, 0x7d]].concat())].concat()
}

/// An honest driver with a component in it that has a component in it, so many levels deep.
pub(crate) fn components_in_components(levels: usize) -> Vec<u8> {
    let preamble = b"\0asm\x0d\0\x01\0";
    let nested =
        (0..levels).fold(preamble.to_vec(), |inner, _| [preamble.to_vec(), section(4, inner)].concat());
    [honest(), section(4, nested)].concat()
}

/// An honest driver with a core module in it that has so many functions, all of them empty.
pub(crate) fn functions(count: usize) -> Vec<u8> {
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, vec![1, 0x60, 0, 0]),
        section(3, [number(count), vec![0; count]].concat()),
        section(10, [number(count), [2, 0, 0x0b].repeat(count)].concat()),
    ];
    [honest(), section(1, module.concat())].concat()
}

/// What the machine could do and plugins do not get.
fn features() -> Vec<File> {
    let module = |module: &str| Driver::default().with(module).build();
    let two = || module("(memory 1)");
    vec![
        File::new("many_memories", module("(memory 1) (memory 1) (memory 1)"), ("load.compile", "memor"))
            .beside(two()),
        File::new("memory_of_four_gibibytes", module("(memory 65536)"), ("load.compile", "memory"))
            .beside(two()),
        File::new("memory_with_long_addresses", module("(memory i64 1)"), ("load.compile", "memory64"))
            .beside(two()),
        File::new("memory_shared_with_threads", module("(memory 1 1 shared)"), ("load.compile", "thread"))
            .beside(two()),
        File::new("table_of_ten_million", module("(table 10000000 funcref)"), ("load.compile", "table"))
            .beside(module("(table 1000 funcref)")),
        File::new("many_tables", module(&"(table 1 funcref)".repeat(50)), ("load.compile", "table"))
            .beside(module(&"(table 1 funcref)".repeat(3))),
        File::new("collected_types", module("(type (struct (field i32)))"), ("load.compile", ""))
            .beside(module("(type (func))")),
    ]
}

/// What goes wrong when it is run for the first time.
fn first_calls() -> Vec<File> {
    let metadata = |metadata| Driver { metadata, ..Driver::default() }.build();
    let start = |body: &str| Driver::default().with(format!("(func $start {body}) (start $start)")).build();
    let refused = |text| ("load.metadata", text);
    let sample = Driver { sample: Some("{}"), ..Driver::parsing("unreachable") };
    let unnamed = Driver { alert: Alert { name: vec![], ..Driver::default().alert }, ..Driver::default() };
    let endless_sample = Driver { sample: Some("{}"), ..Driver::parsing(ENDLESS) };
    let notifier = |name, notifier: Notifier, text| File {
        is_notifier: true,
        taken: Some(Notifier::default().build()),
        ..File::new(name, notifier.build(), refused(text))
    };
    let asks = Notifier { metadata: "$SEND (i32.const $INFO)", ..Notifier::default() };
    vec![
        File::new("panic_in_start", start("unreachable"), refused("gave up")),
        File::new("loop_in_start", start(ENDLESS), refused("of CPU")),
        File::new(
            "memory_in_start",
            start("(if (i32.eq (i32.const -1) (memory.grow (i32.const 2000))) (then unreachable))"),
            refused("64 MiB"),
        ),
        File::new("panic_in_metadata", metadata("unreachable"), refused("`metadata` gave up")),
        File::new("loop_in_metadata", metadata(ENDLESS), refused("`metadata` used")),
        File::new(
            "metadata_outside_of_memory",
            metadata("(i32.const -4)"),
            refused("`metadata` broke the rules"),
        ),
        File::new(
            "memory_in_metadata",
            metadata(
                "(if (i32.eq (i32.const -1) (memory.grow (i32.const 2000))) (then unreachable)) (i32.const $INFO)",
            ),
            refused("`metadata` asked for more than its 64 MiB"),
        ),
        File::new("sample_that_traps", sample.build(), ("load.sample", "does not read its own sample")),
        File::new("sample_that_never_ends", endless_sample.build(), ("load.sample", "of CPU")),
        File::new(
            "sample_that_breaks_a_rule",
            unnamed.build(),
            ("load.sample", "`outcome.alerts[0].name` is empty"),
        ),
        notifier(
            "metadata_with_many_hosts",
            Notifier { hosts: 33, ..Notifier::default() },
            "`hosts` has 33 entries",
        ),
        notifier("request_in_metadata", asks, "`metadata`"),
    ]
}

/// A component that imports resources of these names besides.
pub(super) fn importing<N: AsRef<str>>(base: &[u8], names: impl IntoIterator<Item = N>) -> Vec<u8> {
    let import = |name: N| {
        let name = name.as_ref().as_bytes();
        [vec![0], number(name.len()), name.to_vec(), vec![3, 1]].concat()
    };
    let imports: Vec<Vec<u8>> = names.into_iter().map(import).collect();
    [base, &section(10, [number(imports.len()), imports.concat()].concat())].concat()
}

/// A section of the binary format.
fn section(id: u8, contents: Vec<u8>) -> Vec<u8> {
    [vec![id], number(contents.len()), contents].concat()
}

/// The same for places where a number may be negative: its last byte keeps a bit free.
fn signed(value: usize) -> Vec<u8> {
    let mut bytes = number(value);
    if let Some(last) = bytes.last_mut().filter(|last| **last >= 0x40) {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}

/// A number in the binary format: seven bits to a byte, the lowest first.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
