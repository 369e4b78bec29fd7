//! What a file is, read from its bytes alone: nothing is compiled and nothing runs.

use std::collections::BTreeSet;

use domain::plugin::{PluginKind, PluginName};
use wasmparser::{
    BinaryReaderError, ComponentExternalKind, Encoding, KnownCustom, Parser, Payload, ProducersSectionReader,
};

use crate::load_error::{CONTRACT, LoadError};

const PACKAGE: &str = "watchbell:plugin/";

/// What every world may import: the shared types (no function among them) and logging.
const SHARED: [&str; 2] = ["types", "host-log"];

/// The most entries that are kept of what a component was made with.
const MAX_PRODUCERS: usize = 32;

/// What a component asks for and offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Manifest {
    /// What it is, by the interface it exports; none when it exports none of the contract's.
    pub kind: Option<PluginKind>,
    /// The version of the contract it was built for.
    pub contract: Option<String>,
    /// Names of everything it imports.
    pub imports: Vec<String>,
    /// Names of everything it exports.
    pub exports: Vec<String>,
    /// What it was made with, as far as it says so: `language Rust`, `processed-by rustc 1.95.0`.
    pub producers: BTreeSet<String>,
}

/// Why a file could not be read to its end.
enum Flaw {
    CoreModule,
    Malformed(BinaryReaderError),
}

impl From<BinaryReaderError> for Flaw {
    fn from(error: BinaryReaderError) -> Self {
        Self::Malformed(error)
    }
}

/// A name of the contract, taken apart: interface and version.
struct ContractName<'a> {
    interface: &'a str,
    version: &'a str,
}

impl<'a> ContractName<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
        Some(Self { interface, version })
    }

    fn is_supported(&self) -> bool {
        self.version.strip_prefix(CONTRACT).is_some_and(|patch| patch.starts_with('.'))
    }
}

/// The interface that makes a component a plugin of a kind.
const fn interface(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Driver => "driver",
        PluginKind::Notifier => "notifier",
        PluginKind::Intelligence => "intelligence",
    }
}

/// What the world of a kind imports besides what all worlds share.
const fn granted(kind: PluginKind) -> &'static [&'static str] {
    match kind {
        PluginKind::Driver => &[],
        PluginKind::Notifier => &["host-clock", "host-random", "host-http", "host-mail"],
        PluginKind::Intelligence => &["host-clock", "host-random", "host-http", "host-system"],
    }
}

impl Manifest {
    /// Reads the names that a component imports and exports.
    ///
    /// # Errors
    /// [`LoadError::NotWasm`], [`LoadError::CoreModule`] or [`LoadError::Malformed`].
    pub fn read(plugin: &PluginName, bytes: &[u8]) -> Result<Self, LoadError> {
        match Self::read_partly(plugin, bytes) {
            (manifest, None) => Ok(manifest),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads as far as it can, and says why no further.
    pub fn read_partly(plugin: &PluginName, bytes: &[u8]) -> (Self, Option<LoadError>) {
        let mut manifest = Self::default();
        let plugin = plugin.clone();
        let error = if bytes.starts_with(b"\0asm") {
            manifest.scan(bytes).err().map(|flaw| match flaw {
                Flaw::CoreModule => LoadError::CoreModule { plugin },
                Flaw::Malformed(error) => {
                    LoadError::Malformed { plugin, detail: printable(&error.to_string()) }
                }
            })
        } else {
            Some(LoadError::NotWasm { plugin })
        };
        (manifest, error)
    }

    /// Whether this host speaks the version of the contract that the component was built for.
    pub fn is_supported(&self) -> bool {
        let version = self.contract.as_deref().unwrap_or_default();
        ContractName { interface: "", version }.is_supported()
    }

    fn scan(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        // Modules and components inside the component have imports of their own, which it satisfies.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(Flaw::CoreModule);
                }
                Payload::Version { .. } => depth = depth.saturating_add(1),
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        self.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        let export = export?;
                        self.note_export(export.name.name, export.kind);
                    }
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(section) = section.as_known() {
                        self.note_producers(section);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes what is well-formed: nothing hangs on this section.
    fn note_producers(&mut self, section: ProducersSectionReader<'_>) {
        for field in section.into_iter().filter_map(Result::ok) {
            for value in field.values.into_iter().filter_map(Result::ok) {
                if self.producers.len() < MAX_PRODUCERS {
                    let text = format!("{} {} {}", field.name, value.name, value.version);
                    self.producers.insert(printable(text.trim_end()));
                }
            }
        }
    }

    /// The exported interface that makes it a plugin of this kind, with the version it has.
    pub(crate) fn interface(&self, kind: PluginKind) -> Option<&str> {
        let is_it =
            |name: &&String| ContractName::parse(name).is_some_and(|name| name.interface == interface(kind));
        self.exports.iter().find(is_it).map(String::as_str)
    }

    fn note_export(&mut self, name: &str, kind: ComponentExternalKind) {
        self.exports.push(name.to_owned());
        let Some(found) = ContractName::parse(name).filter(|_| kind == ComponentExternalKind::Instance)
        else {
            return;
        };
        let of = |kind: &PluginKind| interface(*kind) == found.interface;
        if let Some(kind) = PluginKind::ALL.into_iter().find(of) {
            self.kind = Some(kind);
            self.contract = Some(found.version.to_owned());
        }
    }

    /// Checks it against the world of a kind.
    ///
    /// # Errors
    /// The first thing that does not fit: version, export, then imports.
    pub fn check(&self, plugin: &PluginName, kind: PluginKind) -> Result<(), LoadError> {
        let names = || self.imports.iter().chain(&self.exports);
        if let Some(found) =
            names().filter_map(|name| ContractName::parse(name)).find(|name| !name.is_supported())
        {
            return Err(LoadError::WrongVersion { plugin: plugin.clone(), found: found.version.to_owned() });
        }
        if self.kind != Some(kind) {
            return Err(LoadError::MissingExport {
                plugin: plugin.clone(),
                kind,
                expected: format!("{PACKAGE}{}@{CONTRACT}.0", interface(kind)),
                found: shown(&self.exports),
            });
        }
        let is_granted = |import: &str| {
            ContractName::parse(import).is_some_and(|name| {
                SHARED.contains(&name.interface) || granted(kind).contains(&name.interface)
            })
        };
        match self.imports.iter().find(|import| !is_granted(import)) {
            None => Ok(()),
            Some(import) => Err(LoadError::ImportNotAllowed {
                plugin: plugin.clone(),
                kind,
                import: printable(import),
                advice: advice(import),
            }),
        }
    }
}

/// Names of a hostile file, fit for a log line.
pub(crate) fn printable(name: &str) -> String {
    name.chars().take(120).flat_map(char::escape_default).collect()
}

fn shown(exports: &[String]) -> String {
    if exports.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<String> = exports.iter().take(8).map(|name| format!("`{}`", printable(name))).collect();
    names.join(", ")
}

fn advice(import: &str) -> &'static str {
    if import.starts_with("wasi:http/") {
        return "build without it: `-d http fetch-event` for componentize-js, and send requests \
                through `host-http`, which notifiers and providers get";
    }
    if import.starts_with("wasi:") {
        return "build without WASI: target `wasm32-unknown-unknown` for Rust, \
                `--backend quickjs --backend-qjs-stub-wasi` for jco, `-s` for componentize-py, \
                the reactor model without libc's I/O for C";
    }
    if import.starts_with(PACKAGE) {
        return "target the world of this kind of plugin; a driver is a pure function and gets logging only";
    }
    "a plugin gets the interfaces of `watchbell:plugin` only; compose other components into it"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(imports: &[&str], export: &str) -> Manifest {
        let mut manifest = Manifest {
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
            ..Manifest::default()
        };
        manifest.note_export(export, ComponentExternalKind::Instance);
        manifest
    }

    fn check(imports: &[&str], export: &str, kind: PluginKind) -> &'static str {
        match manifest(imports, export).check(&"p".parse().unwrap(), kind) {
            Ok(()) => "ok",
            Err(error) => error.error_type(),
        }
    }

    #[test]
    fn each_world_gets_its_own_imports_only() {
        let clock = ["watchbell:plugin/host-log@0.1.0", "watchbell:plugin/host-clock@0.1.0"];
        let system = ["watchbell:plugin/host-system@0.1.0"];
        assert_eq!(check(&clock, "watchbell:plugin/driver@0.1.0", PluginKind::Driver), "load.import");
        assert_eq!(check(&clock, "watchbell:plugin/notifier@0.1.0", PluginKind::Notifier), "ok");
        assert_eq!(check(&system, "watchbell:plugin/notifier@0.1.0", PluginKind::Notifier), "load.import");
        assert_eq!(check(&system, "watchbell:plugin/intelligence@0.1.0", PluginKind::Intelligence), "ok");
        let mail = ["watchbell:plugin/host-mail@0.1.0"];
        assert_eq!(check(&mail, "watchbell:plugin/notifier@0.1.0", PluginKind::Notifier), "ok");
        assert_eq!(
            check(&mail, "watchbell:plugin/intelligence@0.1.0", PluginKind::Intelligence),
            "load.import"
        );
        assert_eq!(
            check(&["wasi:cli/environment@0.2.0"], "watchbell:plugin/notifier@0.1.0", PluginKind::Notifier),
            "load.import"
        );
    }

    #[test]
    fn patches_are_compatible_and_minor_versions_are_not() {
        assert_eq!(check(&[], "watchbell:plugin/driver@0.1.7", PluginKind::Driver), "ok");
        assert_eq!(check(&[], "watchbell:plugin/driver@0.10.0", PluginKind::Driver), "load.version");
        assert_eq!(check(&[], "watchbell:plugin/driver@1.0.0", PluginKind::Driver), "load.version");
    }

    #[test]
    fn another_kind_of_plugin_is_named() {
        let error = manifest(&[], "watchbell:plugin/notifier@0.1.0")
            .check(&"p".parse().unwrap(), PluginKind::Driver)
            .unwrap_err();
        assert!(error.to_string().contains("exports: `watchbell:plugin/notifier@0.1.0`"), "{error}");
    }
}
