//! `plugins.toml`: what plugins may use and reach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use domain::limits::Limits;
use domain::plugin::{PluginKind, PluginName, Wasi};
use domain::signature::SignatureScheme;
use serde::{Deserialize, Deserializer};

use super::headers::SignatureHeaders;
use super::limits::LimitChanges;
use crate::egress::Origin;

/// The whole file. Refused whole when any line of it is not understood.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    driver: BTreeMap<PluginName, Entry>,
    #[serde(default)]
    notifier: BTreeMap<PluginName, Entry>,
    #[serde(default)]
    provider: BTreeMap<PluginName, Entry>,
}

/// What holds for plugins that no entry names.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Policy {
    unpinned: Unpinned,
}

/// Whether drivers in the plugin directory run that nobody pinned or approved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpinned {
    /// They do, under their own URL.
    #[default]
    Allow,
    /// They wait.
    Refuse,
}

/// What is said of one plugin.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// The component; none for a built-in one.
    pub file: Option<PathBuf>,
    /// The SHA-256 it must have, in hexadecimal.
    pub sha256: Option<String>,
    /// Whether it is loaded.
    pub enabled: bool,
    /// Whether a driver takes part in detection.
    pub detect: bool,
    /// Origins that it may reach.
    #[serde(deserialize_with = "origins")]
    pub allow_hosts: Vec<Origin>,
    /// Whether it may ask about this machine.
    pub system: bool,
    /// What a driver is given of WASI.
    pub wasi: Wasi,
    /// Names of headers that its sender's user chose.
    pub(super) signature: SignatureHeaders,
    /// What one call may use.
    limits: LimitChanges,
    /// Handed to it as JSON.
    settings: toml::Table,
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Origin>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parse = |text: &String| {
        let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
        text.parse().map_err(|error| serde::de::Error::custom(format!("`{shown}`: {error}")))
    };
    texts.iter().map(parse).collect()
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            file: None,
            sha256: None,
            enabled: true,
            detect: true,
            allow_hosts: Vec::new(),
            system: false,
            wasi: Wasi::None,
            signature: SignatureHeaders::default(),
            limits: LimitChanges::default(),
            settings: toml::Table::new(),
        }
    }
}

impl Entry {
    /// What holds for a component in the plugin directory that nothing is said of: no part in detection.
    pub(super) fn unlisted() -> Self {
        Self { detect: false, ..Self::default() }
    }

    /// The contract's limits with the changes of this entry.
    ///
    /// A driver reads what the hub takes, up to `body_limit_bytes`, unless the entry says less: what it
    /// cannot read goes to quarantine.
    pub fn limits(&self, kind: PluginKind, body_limit_bytes: usize) -> Limits {
        let mut limits = Limits::of(kind);
        if kind == PluginKind::Driver {
            limits.input_bytes = limits.input_bytes.max(body_limit_bytes);
        }
        self.limits.apply(limits)
    }

    /// What its sender signs with: the schemes that a driver declares, with the header names of this
    /// entry.
    ///
    /// # Errors
    /// When the driver has no scheme for such a name.
    pub fn signatures(&self, declared: &[SignatureScheme]) -> Result<Vec<SignatureScheme>> {
        self.signature.apply(declared)
    }

    /// The names of its settings; their values may be nobody's business.
    pub fn setting_names(&self) -> Vec<&str> {
        self.settings.keys().map(String::as_str).collect()
    }

    /// The settings as JSON text.
    pub fn settings(&self) -> String {
        self.settings_value().to_string()
    }

    /// The settings as JSON.
    pub fn settings_value(&self) -> serde_json::Value {
        serde_json::to_value(&self.settings).unwrap_or_else(|_| serde_json::json!({}))
    }
}

impl Manifest {
    /// Reads the file; without one nothing is said of any plugin.
    ///
    /// # Errors
    /// When it cannot be read or understood; names the line.
    pub fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).with_context(|| format!("`{}` is not understood", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text).map_err(|error| shown(&error, text))?;
        for kind in PluginKind::ALL {
            for (name, entry) in manifest.of(kind) {
                entry.check(kind).with_context(|| format!("[{kind}.{name}]"))?;
            }
        }
        Ok(manifest)
    }

    /// Whether drivers in the plugin directory run that nobody pinned or approved.
    pub const fn unpinned(&self) -> Unpinned {
        self.policy.unpinned
    }

    /// What is said of the plugins of one kind.
    pub const fn of(&self, kind: PluginKind) -> &BTreeMap<PluginName, Entry> {
        match kind {
            PluginKind::Driver => &self.driver,
            PluginKind::Notifier => &self.notifier,
            PluginKind::Intelligence => &self.provider,
        }
    }

    /// What is said of one plugin; the defaults where nothing is.
    pub fn entry(&self, kind: PluginKind, name: &PluginName) -> Entry {
        self.of(kind).get(name).cloned().unwrap_or_default()
    }
}

/// What is not understood, and in which line. The parser's own text shows the line, and its message a text
/// where it expected none: both may hold a secret of a plugin's settings.
fn shown(error: &toml::de::Error, text: &str) -> anyhow::Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let message = error.message();
    let quoted = message.split_once('"').and_then(|(start, rest)| Some((start, rest.rsplit_once('"')?.1)));
    let message = quoted.map_or_else(|| message.to_owned(), |(start, end)| format!("{start}…{end}"));
    anyhow::anyhow!("line {line}: {message}")
}

impl Entry {
    fn check(&self, kind: PluginKind) -> Result<()> {
        if let Some(pin) = &self.sha256 {
            let plain = pin.len() == 64 && pin.bytes().all(|byte| byte.is_ascii_hexdigit());
            anyhow::ensure!(plain, "`sha256` must be 64 hexadecimal digits, found {} characters", pin.len());
        }
        let reaches_out = kind != PluginKind::Driver;
        anyhow::ensure!(
            reaches_out || (self.allow_hosts.is_empty() && !self.system),
            "a driver reaches nothing: take `allow_hosts` and `system` out"
        );
        anyhow::ensure!(
            !reaches_out || self.file.is_none() || self.sha256.is_some(),
            "a {kind} of your own needs `sha256`, because it can reach the network\nhint: `sha256sum <file>`"
        );
        anyhow::ensure!(
            kind == PluginKind::Driver || self.signature.is_empty(),
            "a {kind} takes no webhooks: take `signature` out"
        );
        anyhow::ensure!(
            kind == PluginKind::Driver || self.wasi == Wasi::None,
            "a {kind} that imports WASI has the virtual one: take `wasi` out"
        );
        self.limits.check(kind).context("limits")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", Manifest::parse(text).unwrap_err())
    }

    #[test]
    fn file_in_the_repository_is_understood() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins.toml"));
        let manifest = Manifest::read(path).unwrap();
        assert!(manifest.entry(PluginKind::Intelligence, &"local".parse().unwrap()).system);
    }

    #[test]
    fn limits_change_what_they_name_and_nothing_else() {
        let manifest = Manifest::parse("[driver.acme.limits]\nmemory_bytes = 8388608\ncpu_ms = 10").unwrap();
        let limits =
            manifest.entry(PluginKind::Driver, &"acme".parse().unwrap()).limits(PluginKind::Driver, 0);
        let default = Limits::of(PluginKind::Driver);
        assert_eq!(limits.memory_bytes, 8 << 20);
        assert_eq!(limits.cpu, Duration::from_millis(10));
        assert_eq!(Limits { memory_bytes: default.memory_bytes, cpu: default.cpu, ..limits }, default);
    }

    #[test]
    fn driver_reads_what_the_hub_takes_unless_its_entry_says_less() {
        let input = |text: &str| {
            let manifest = Manifest::parse(text).unwrap();
            let entry = manifest.entry(PluginKind::Driver, &"acme".parse().unwrap());
            entry.limits(PluginKind::Driver, 10_000_000).input_bytes
        };
        assert_eq!(input(""), 10_000_000);
        assert_eq!(input("[driver.acme.limits]\ninput_bytes = 1000"), 1000);
    }

    #[test]
    fn mistakes_are_refused_with_their_place() {
        assert!(error("[driver.acme]\nallow_host = []").contains("line 2"));
        assert!(error("[driver.Acme]\n").contains("Acme"));
        assert!(error("[driver.acme]\nallow_hosts = [\"https://a\"]").contains("a driver reaches nothing"));
        assert!(error("[notifier.acme]\nfile = \"a.wasm\"").contains("sha256"));
        assert!(error("[notifier.acme]\nsha256 = \"12\"").contains("64 hexadecimal digits"));
        let header = error("[driver.acme.signature]\ntimestamp_header = \"no header\"");
        assert!(
            header.contains("line 2") && header.contains("`no header` is no name of a header"),
            "{header}"
        );
        let taken = error("[driver.acme.signature]\nheader = \"Authorization\"");
        assert!(taken.contains("`Authorization` carries something else\nhint: "), "{taken}");
        assert!(error("[driver.acme.signature]\ntime = \"x\"").contains("unknown field `time`"));
        assert!(error("[notifier.acme.signature]\nheader = \"x\"").contains("takes no webhooks"));
        assert!(error("[provider.acme]\nwasi = \"virtual\"").contains("take `wasi` out"));
        let real = error("[driver.acme]\nwasi = \"real\"");
        assert!(real.contains("line 2") && real.contains("expected `none` or `virtual`"), "{real}");
        let memory = error("[driver.acme]\ndetect = false\n[driver.acme.limits]\nmemory_bytes = 0");
        assert!(memory.contains("line 4") && memory.contains("between 65536 and 268435456"), "{memory}");
        let cpu = error("[driver.acme.limits]\ncpu_ms = 3000");
        assert!(cpu.contains("[driver.acme]: limits: `cpu_ms` is 3000"), "{cpu}");
    }
}
