//! What a file is, read from its bytes alone: nothing is compiled and nothing runs.

use std::collections::BTreeSet;

use domain::plugin::{PluginKind, PluginName, Wasi};
use wasmparser::{
    BinaryReaderError, ComponentExternalKind, Encoding, KnownCustom, Parser, Payload, ProducersSectionReader,
};

use crate::load_error::{CONTRACT, LoadError};
use crate::wasi;

const PACKAGE: &str = "watchbell:plugin/";
/// How names of the system interface begin.
const WASI: &str = "wasi:";

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

    /// Whether it asks for anything of WASI.
    pub fn imports_wasi(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with(WASI))
    }

    /// Checks it against the world of a kind. `wasi` is what a driver is given of WASI.
    ///
    /// # Errors
    /// The first thing that does not fit: version, export, then imports, those that no setting grants first.
    pub fn check(&self, plugin: &PluginName, kind: PluginKind, wasi: Wasi) -> Result<(), LoadError> {
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
        let is_allowed = |import: &&String| is_granted(import) || wasi::is_linked(import);
        let virtual_wasi = kind != PluginKind::Driver || wasi == Wasi::Virtual;
        let refused = self.imports.iter().find(|import| !is_allowed(import));
        let refused =
            refused.or_else(|| self.imports.iter().find(|import| !virtual_wasi && import.starts_with(WASI)));
        match refused {
            None => Ok(()),
            Some(import) => Err(LoadError::ImportNotAllowed {
                plugin: plugin.clone(),
                kind,
                import: printable(import),
                advice: advice(plugin, import),
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

/// How to do without an import, or how to get it.
fn advice(plugin: &PluginName, import: &str) -> String {
    let advice = if import.starts_with("wasi:http/") {
        "build without it: `-d http fetch-event` for componentize-js; notifiers and providers send requests \
         through `host-http`"
    } else if wasi::is_linked(import) {
        return format!(
            "put `wasi = \"virtual\"` under `[driver.{plugin}]` in `plugins.toml` (for a file by path, call with \
             `--wasi virtual`), or build without it: target `wasm32-unknown-unknown` for Rust, \
             `--backend-qjs-stub-wasi` for jco, `-s` for componentize-py"
        );
    } else if import.starts_with(WASI) {
        "virtual WASI is a part of version 0.2; without asynchronous functions there is no need for more: \
         `--backend-qjs-disable-async` for jco"
    } else if import.starts_with(PACKAGE) {
        "target the world of this kind of plugin; a driver is a pure function and gets logging only"
    } else {
        "a plugin gets the interfaces of `watchbell:plugin` only; compose other components into it"
    };
    advice.to_owned()
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
        check_with(Wasi::None, imports, export, kind)
    }

    fn check_with(wasi: Wasi, imports: &[&str], export: &str, kind: PluginKind) -> &'static str {
        match manifest(imports, export).check(&"p".parse().unwrap(), kind, wasi) {
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
    }

    #[test]
    fn wasi_is_virtual_for_those_who_reach_out_and_for_drivers_that_are_given_it() {
        let wasi = ["watchbell:plugin/host-log@0.1.0", "wasi:cli/environment@0.2.12", "wasi:io/poll@0.2.0"];
        let (driver, notifier) = ("watchbell:plugin/driver@0.1.0", "watchbell:plugin/notifier@0.1.0");
        assert_eq!(check(&wasi, notifier, PluginKind::Notifier), "ok");
        assert_eq!(check(&wasi, driver, PluginKind::Driver), "load.import");
        assert_eq!(check_with(Wasi::Virtual, &wasi, driver, PluginKind::Driver), "ok");
        for never in ["wasi:http/types@0.2.10", "wasi:io/poll@0.3.0", "wasi:keyvalue/store@0.2.0"] {
            assert_eq!(check_with(Wasi::Virtual, &[never], driver, PluginKind::Driver), "load.import");
            assert_eq!(check(&[never], notifier, PluginKind::Notifier), "load.import");
        }
    }

    #[test]
    fn refused_imports_come_with_what_to_do() {
        let said = |imports: &[&str]| {
            let checked = manifest(imports, "watchbell:plugin/driver@0.1.0").check(
                &"acme".parse().unwrap(),
                PluginKind::Driver,
                Wasi::None,
            );
            checked.unwrap_err().to_string()
        };
        let setting = said(&["wasi:cli/exit@0.2.12"]);
        assert!(setting.contains("put `wasi = \"virtual\"` under `[driver.acme]`"), "{setting}");
        // What no setting grants goes first: a setting would not help.
        let http = said(&["wasi:cli/exit@0.2.12", "wasi:http/types@0.2.10"]);
        assert!(
            http.contains("`wasi:http/types@0.2.10`") && http.contains("`-d http fetch-event`"),
            "{http}"
        );
        let later = said(&["wasi:clocks/monotonic-clock@0.3.0"]);
        assert!(later.contains("`--backend-qjs-disable-async`"), "{later}");
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
            .check(&"p".parse().unwrap(), PluginKind::Driver, Wasi::None)
            .unwrap_err();
        assert!(error.to_string().contains("exports: `watchbell:plugin/notifier@0.1.0`"), "{error}");
    }
}
