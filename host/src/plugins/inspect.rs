//! Looking at one plugin without a hub: the same code as the loader's, with every step shown.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use domain::plugin::{PluginKind, PluginName, Wasi};
use domain::signature::SignatureScheme;
use sandbox::{CONTRACT, LoadError, LoadStep, Plugin};
use serde_json::{Value, json};

use super::candidate::{self, Candidate};
use super::files::{self, Component, Files};
use super::limits::in_words;
use super::load::new_sandbox;
use super::state::{LeftOut, Origin};
use super::{Breakers, DriverEntry, Entry, Manifest, tell};
use crate::config::PluginSettings;

/// The name of a file that has none that a plugin could have.
const NAMELESS: &str = "unnamed";

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Target {
    /// A file, or the name of a plugin that the hub would load.
    pub what: String,
    /// The kind, where it must be a certain one.
    pub kind: Option<PluginKind>,
    /// The kind that is meant where plugins of several kinds have the name.
    pub rather: Option<PluginKind>,
    /// The name of a file's plugin; without it the file's own name without `.wasm`.
    pub name: Option<PluginName>,
    /// What it is given of WASI, whatever `plugins.toml` says.
    pub wasi: Option<Wasi>,
}

impl Target {
    /// What is said of a plugin of this name.
    pub(super) fn entry(&self, manifest: &Manifest, kind: PluginKind, name: &PluginName) -> Entry {
        let mut entry = manifest.entry(kind, name);
        entry.wasi = self.wasi.unwrap_or(entry.wasi);
        entry
    }
}

/// What was found out about a plugin, up to what is wrong with it.
#[derive(Debug)]
pub struct Inspection {
    /// All of it, for people and machines.
    pub report: Value,
    /// Why the hub would not load it.
    pub error: Option<anyhow::Error>,
}

/// Does what the loader does with one file, and tells every step.
///
/// # Errors
/// The loader's.
pub fn check(settings: &PluginSettings, target: &Target, steps: &dyn Fn(&str)) -> Result<()> {
    let manifest = Manifest::read(&settings.file)?;
    let candidate = find(settings, &manifest, target)?;
    let (kind, name) = (candidate.kind, &candidate.name);
    let size = candidate.component.open()?.bytes().len();
    steps(&format!("{kind} {name}: {size} bytes, sha256 {}", candidate.component.digest));
    let sandbox = new_sandbox(settings)?;
    candidate.load(&sandbox, settings.body_limit_bytes, &|step| steps(&step.to_string()))?;
    Ok(())
}

/// Loads one driver, with what `plugins.toml` says of it.
///
/// # Errors
/// When there is none, it is no driver, or it does not load.
pub async fn driver(settings: &PluginSettings, what: &str) -> Result<DriverEntry> {
    let kind = Some(PluginKind::Driver);
    let target = Target { what: what.to_owned(), kind, rather: None, name: None, wasi: None };
    let settings = settings.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let manifest = Manifest::read(&settings.file)?;
        let candidate = find(&settings, &manifest, &target)?;
        match candidate.load(&new_sandbox(&settings)?, settings.body_limit_bytes, &|_| {})? {
            Plugin::Driver(driver) => DriverEntry::new(driver, &candidate.entry, &Breakers::default()),
            Plugin::Notifier(_) | Plugin::Provider(_) => bail!("`{}` is no driver", target.what),
        }
    });
    loading.await.context("loading the driver broke off")?
}

/// Finds out what can be found out about one plugin.
///
/// # Errors
/// When there is nothing to look at; what is wrong with the plugin is a part of the answer.
pub fn inspect(settings: &PluginSettings, target: &Target) -> Result<Inspection> {
    let manifest = Manifest::read(&settings.file)?;
    let mut candidate = find(settings, &manifest, target)?;
    let sandbox = new_sandbox(settings)?;
    let load = |candidate: &Candidate| candidate.load(&sandbox, settings.body_limit_bytes, &|_: LoadStep| {});
    let mut loaded = load(&candidate);
    let mut error = None;
    // Under the name that it gives itself it tells more; that the names differ stays the error.
    if let Some(LoadError::NameMismatch { found, .. }) = loaded.as_ref().err().and_then(|e| e.downcast_ref())
        && let Ok(name) = found.parse()
    {
        candidate.name = name;
        let second = load(&candidate);
        error = std::mem::replace(&mut loaded, second).err();
    }
    let mut report = about_file(&candidate)?;
    let limits = candidate.entry.limits(candidate.kind, settings.body_limit_bytes);
    put(&mut report, "limits", in_words(candidate.kind, &limits).into_iter().collect());
    let listed = manifest.of(candidate.kind).contains_key(&candidate.name);
    put(&mut report, "plugins_toml", if listed { about_entry(&candidate.entry) } else { Value::Null });
    match loaded {
        Ok(plugin) => about_plugin(&mut report, &plugin),
        Err(found) => error = error.or(Some(found)),
    }
    if let Some(error) = &error {
        let kind = error.downcast_ref().map_or("load.refused", LoadError::error_type);
        put(&mut report, "error", json!({ "type": kind, "message": format!("{error:#}") }));
    }
    Ok(Inspection { report, error })
}

/// What the bytes alone say.
fn about_file(candidate: &Candidate) -> Result<Value> {
    let file = candidate.component.open()?;
    let (read, _) = sandbox::Manifest::read_partly(&candidate.name, file.bytes());
    Ok(json!({
        "name": candidate.name,
        "kind": read.kind.map(|kind| kind.to_string()),
        "contract": { "found": read.contract, "supported": format!("{CONTRACT}.x"), "fits": read.is_supported() },
        "size_bytes": file.bytes().len(),
        "sha256": candidate.component.digest,
        "builtin": candidate.origin == Origin::BuiltIn,
        "imports": read.imports,
        "exports": read.exports,
        "producers": read.producers,
        "asks": { "system": candidate.component.system, "wasi": read.imports_wasi() },
    }))
}

/// What it says about itself.
fn about_plugin(report: &mut Value, plugin: &Plugin) {
    let info = plugin.info();
    put(report, "version", json!(info.version));
    put(report, "summary", json!(info.summary));
    put(report, "homepage", json!(info.homepage));
    let Some(asks) = report.get_mut("asks") else { return };
    match plugin {
        Plugin::Driver(driver) => {
            let info = driver.info();
            put(asks, "signatures", info.signatures.iter().map(signature).collect());
            let shapes =
                info.shapes.iter().map(|shape| json!({ "name": shape.name, "priority": shape.priority }));
            put(asks, "shapes", shapes.collect());
        }
        Plugin::Notifier(notifier) => put(asks, "hosts", json!(notifier.info().hosts)),
        Plugin::Provider(provider) => {
            put(asks, "hosts", json!(provider.info().hosts));
            put(asks, "tasks", json!(provider.info().tasks));
        }
    }
}

fn signature(scheme: &SignatureScheme) -> Value {
    let header = scheme.header();
    match scheme {
        SignatureScheme::Hmac(scheme) => json!({
            "scheme": "hmac", "header": header, "algorithm": scheme.algorithm,
            "timestamp_header": scheme.timestamp_header,
            "signed": scheme.template, "tolerance_s": scheme.tolerance_s,
        }),
        SignatureScheme::StandardWebhooks => json!({ "scheme": "standard-webhooks", "header": header }),
    }
}

/// What `plugins.toml` says of it. Names of settings only.
fn about_entry(entry: &Entry) -> Value {
    let hosts: Vec<String> = entry.allow_hosts.iter().map(ToString::to_string).collect();
    json!({
        "enabled": entry.enabled, "detect": entry.detect, "file": entry.file, "sha256": entry.sha256,
        "allow_hosts": hosts, "system": entry.system, "wasi": entry.wasi, "settings": entry.setting_names(),
        "signature": entry.signature,
    })
}

fn put(report: &mut Value, key: &str, value: Value) {
    if let Some(fields) = report.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

pub(super) fn find(settings: &PluginSettings, manifest: &Manifest, target: &Target) -> Result<Candidate> {
    let path = Path::new(&target.what);
    match target.what.parse::<PluginName>() {
        Ok(name) if !path.is_file() => by_name(settings, manifest, target, &name),
        _ => by_file(path, manifest, target),
    }
}

fn by_file(path: &Path, manifest: &Manifest, target: &Target) -> Result<Candidate> {
    let file = files::read(path).with_context(|| format!("`{}`", path.display()))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().parse().ok();
    let name = match target.name.clone().or(stem) {
        Some(name) => name,
        None => NAMELESS.parse()?,
    };
    let (component, _) = Component::of_bytes(&name, file);
    let kind = target.kind.or(component.kind).unwrap_or(PluginKind::Driver);
    let (entry, is_listed) = (target.entry(manifest, kind, &name), manifest.of(kind).contains_key(&name));
    let origin = Origin::Configured(path.to_owned());
    Ok(Candidate { kind, name, entry, component, origin, is_listed, stands_for: None })
}

fn by_name(
    settings: &PluginSettings,
    manifest: &Manifest,
    target: &Target,
    name: &PluginName,
) -> Result<Candidate> {
    let found = candidate::find(settings, manifest, &mut Files::as_they_are())?;
    found.troubles.iter().for_each(|trouble| tell::left_out(&LeftOut::from(trouble)));
    let mut found = found.candidates;
    let fits = |kind: PluginKind| target.kind.is_none_or(|wanted| kind == wanted);
    found.retain(|candidate| candidate.name == *name && fits(candidate.kind) && candidate.entry.enabled);
    if let Some(rather) = target.rather
        && found.iter().any(|candidate| candidate.kind == rather)
    {
        found.retain(|candidate| candidate.kind == rather);
    }
    match (found.pop(), found.as_slice()) {
        (Some(mut candidate), []) => {
            candidate.entry.wasi = target.wasi.unwrap_or(candidate.entry.wasi);
            Ok(candidate)
        }
        (Some(_), _) => {
            bail!(
                "several plugins are called `{name}`\nhint: say which with `--kind driver`, `--kind notifier` or `--kind provider`"
            )
        }
        (None, _) => {
            let off = PluginKind::ALL
                .iter()
                .any(|kind| manifest.of(*kind).get(name).is_some_and(|entry| !entry.enabled));
            let why = if off { "; `plugins.toml` has it disabled" } else { "" };
            bail!(
                "there is no file and no plugin `{name}`{why}\nhint: `watchbell plugin list` shows the plugins that load"
            )
        }
    }
}
