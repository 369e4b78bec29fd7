//! The plugins that are loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use domain::host::{PluginInForce, PluginSet};
use domain::plugin::{PluginInfo, PluginKind, PluginName};
use domain::shape::{Shape, ShapeSet};
use domain::signature::SignatureScheme;
use sandbox::{Driver, Notifier, Provider};

use super::{Breakers, ChannelError, ChannelSettings, ComponentBreaker, Entry, SettingsSchema};
use crate::config::References;
use crate::egress::Origin;

/// One driver and what `plugins.toml` says of it.
#[derive(Debug, Clone)]
pub struct DriverEntry {
    /// The component.
    pub driver: Driver,
    /// What its sender signs with, under the header names that `plugins.toml` gives.
    pub signatures: Vec<SignatureScheme>,
    /// Its settings, as JSON.
    pub config: String,
    /// Whether it takes part in detection.
    pub detect: bool,
    /// Leaves it alone when its calls trap.
    pub breaker: Arc<ComponentBreaker>,
}

impl DriverEntry {
    /// A driver with what `plugins.toml` says of it.
    ///
    /// # Errors
    /// When a header is named there that has no place in the schemes it declares.
    pub(super) fn new(driver: Driver, entry: &Entry, breakers: &Breakers) -> Result<Self> {
        let signatures = entry.signatures(&driver.info().signatures)?;
        let breaker = breakers.of(PluginKind::Driver, &driver.info().plugin.name, driver.digest());
        Ok(Self { driver, config: entry.settings(), detect: entry.detect, signatures, breaker })
    }
}

/// One notifier and what it may reach whatever the channel.
#[derive(Debug)]
pub struct NotifierEntry {
    /// The component.
    pub notifier: Notifier,
    /// What its settings are checked against.
    pub schema: SettingsSchema,
    /// Origins granted in `plugins.toml`.
    pub allow_hosts: Vec<Origin>,
    /// Leaves it alone when its calls trap.
    pub breaker: Arc<ComponentBreaker>,
}

impl NotifierEntry {
    /// A notifier with what `plugins.toml` says of it.
    ///
    /// # Errors
    /// When its schema is not taken.
    pub(super) fn new(notifier: Notifier, entry: &Entry, breakers: &Breakers) -> Result<Self> {
        let schema = SettingsSchema::new(&notifier.info().config_schema)?;
        let breaker = breakers.of(PluginKind::Notifier, &notifier.info().plugin.name, notifier.digest());
        Ok(Self { notifier, schema, allow_hosts: entry.allow_hosts.clone(), breaker })
    }
}

/// One provider and what it may reach.
#[derive(Debug)]
pub struct ProviderEntry {
    /// The component.
    pub provider: Provider,
    /// What its settings are checked against.
    pub schema: SettingsSchema,
    /// Its settings as they stand in `plugins.toml`.
    pub settings: serde_json::Value,
    /// Origins granted in `plugins.toml`.
    pub allow_hosts: Vec<Origin>,
    /// Whether it may ask about this machine.
    pub system: bool,
    /// Leaves it alone when its calls trap.
    pub breaker: Arc<ComponentBreaker>,
}

impl ProviderEntry {
    /// A provider with what `plugins.toml` says of it.
    ///
    /// # Errors
    /// When its schema is not taken, or the settings that it is given there do not fit. A provider that is
    /// given none is there all the same: whoever makes it the active one is told then.
    pub(super) fn new(provider: Provider, entry: &Entry, breakers: &Breakers) -> Result<Self> {
        let schema = SettingsSchema::new(&provider.info().config_schema)?;
        let settings = entry.settings_value();
        let problems = schema.problems_as_written(&settings);
        if !entry.setting_names().is_empty() && !problems.is_empty() {
            let name = &provider.info().plugin.name;
            let error = anyhow::Error::new(ChannelError::Invalid(problems));
            return Err(error.context(format!("[provider.{name}.settings] in `plugins.toml`")));
        }
        let breaker = breakers.of(PluginKind::Intelligence, &provider.info().plugin.name, provider.digest());
        let (allow_hosts, system) = (entry.allow_hosts.clone(), entry.system);
        Ok(Self { provider, schema, settings, allow_hosts, system, breaker })
    }

    /// Its settings taken apart, and checked with the secrets that references lead to.
    ///
    /// # Errors
    /// [`ChannelError`], which names the setting and never shows its value.
    pub fn open_settings(&self, references: &References) -> Result<ChannelSettings, ChannelError> {
        ChannelSettings::of_granted(&self.schema, &self.settings, &self.allow_hosts, references)
    }
}

/// All drivers of one moment, with their shapes ready for detection.
#[derive(Debug, Default)]
pub struct DriverSet {
    entries: BTreeMap<String, Arc<DriverEntry>>,
    shapes: ShapeSet,
    signature_headers: BTreeSet<String>,
}

impl DriverSet {
    /// Prepares these drivers.
    pub fn new(entries: Vec<Arc<DriverEntry>>) -> Self {
        let shapes = ShapeSet::new(entries.iter().filter(|entry| entry.detect).map(|entry| {
            let info = entry.driver.info();
            (&info.plugin.name, info.shapes.as_slice() as &[Shape])
        }));
        let named = |entry: Arc<DriverEntry>| (entry.driver.info().plugin.name.to_string(), entry);
        let signature_headers = entries
            .iter()
            // The declared names too: a sender may not know yet that it is to use another.
            .flat_map(|entry| entry.driver.info().signatures.iter().chain(&entry.signatures))
            .map(|scheme| scheme.header().to_owned())
            .collect();
        Self { entries: entries.into_iter().map(named).collect(), shapes, signature_headers }
    }

    /// The driver of this name.
    pub fn by_name(&self, name: &str) -> Option<Arc<DriverEntry>> {
        self.entries.get(name).cloned()
    }

    /// Whether any driver's sender signs in this header: no driver gets to see it, and it is not kept.
    pub fn is_signature_header(&self, name: &str) -> bool {
        self.signature_headers.contains(name)
    }

    /// All names, in order.
    pub fn names(&self) -> Vec<PluginName> {
        self.entries.values().map(|entry| entry.driver.info().plugin.name.clone()).collect()
    }

    /// What payloads look like.
    pub const fn shapes(&self) -> &ShapeSet {
        &self.shapes
    }
}

/// All plugins. A change swaps a whole set, so a call sees one moment and never half of two.
#[derive(Debug, Default)]
pub struct Catalogue {
    drivers: ArcSwap<DriverSet>,
    notifiers: ArcSwap<BTreeMap<PluginName, Arc<NotifierEntry>>>,
    providers: ArcSwap<BTreeMap<PluginName, Arc<ProviderEntry>>>,
}

impl Catalogue {
    /// Takes these for the drivers from now on. A call under way keeps the one that it has.
    pub(super) fn replace_drivers(&self, entries: Vec<Arc<DriverEntry>>) {
        self.drivers.store(Arc::new(DriverSet::new(entries)));
    }

    /// Takes these for the notifiers from now on.
    pub(super) fn replace_notifiers(&self, entries: Vec<Arc<NotifierEntry>>) {
        let named = |entry: Arc<NotifierEntry>| (entry.notifier.info().plugin.name.clone(), entry);
        self.notifiers.store(Arc::new(entries.into_iter().map(named).collect()));
    }

    /// Takes these for the providers from now on.
    pub(super) fn replace_providers(&self, entries: Vec<Arc<ProviderEntry>>) {
        let named = |entry: Arc<ProviderEntry>| (entry.provider.info().plugin.name.clone(), entry);
        self.providers.store(Arc::new(entries.into_iter().map(named).collect()));
    }

    /// The drivers of this moment.
    pub fn drivers(&self) -> Arc<DriverSet> {
        self.drivers.load_full()
    }

    /// The names of the drivers of this moment.
    pub fn driver_names(&self) -> Vec<PluginName> {
        self.drivers.load().names()
    }

    /// The notifier of this name.
    pub fn notifier(&self, name: &PluginName) -> Option<Arc<NotifierEntry>> {
        self.notifiers.load().get(name).cloned()
    }

    /// All notifiers by name.
    pub fn notifiers(&self) -> Vec<Arc<NotifierEntry>> {
        self.notifiers.load().values().cloned().collect()
    }

    /// What a plugin is for, in its own words, and its breaker.
    pub fn about(&self, kind: PluginKind, name: &PluginName) -> Option<(String, Arc<ComponentBreaker>)> {
        let about =
            |info: &PluginInfo, breaker: &Arc<ComponentBreaker>| (info.summary.clone(), Arc::clone(breaker));
        match kind {
            PluginKind::Driver => {
                let entry = self.drivers.load().by_name(name.as_str())?;
                Some(about(&entry.driver.info().plugin, &entry.breaker))
            }
            PluginKind::Notifier => {
                let entry = self.notifier(name)?;
                Some(about(&entry.notifier.info().plugin, &entry.breaker))
            }
            PluginKind::Intelligence => {
                let entry = self.provider(name)?;
                Some(about(&entry.provider.info().plugin, &entry.breaker))
            }
        }
    }

    /// The breakers of all that runs.
    pub fn breakers(&self) -> Vec<Arc<ComponentBreaker>> {
        let drivers = self.drivers();
        let drivers = drivers.entries.values().map(|entry| Arc::clone(&entry.breaker));
        let notifiers = self.notifiers().into_iter().map(|entry| Arc::clone(&entry.breaker));
        let providers = self.providers().into_iter().map(|entry| Arc::clone(&entry.breaker));
        drivers.chain(notifiers).chain(providers).collect()
    }

    /// Every plugin with its digest and what it may: what hosts compare.
    pub fn in_force(&self) -> PluginSet {
        let plugin = |kind, info: &PluginInfo, digest: &str, grants: Vec<String>| PluginInForce {
            kind,
            name: info.name.clone(),
            digest: digest.to_owned(),
            grants,
        };
        let named = |is_given: bool, name: &str| is_given.then(|| name.to_owned());
        let hosts = |hosts: &[Origin]| hosts.iter().map(Origin::to_string).collect::<Vec<_>>();
        let mut all = Vec::new();
        for DriverEntry { driver, detect, .. } in self.drivers.load().entries.values().map(AsRef::as_ref) {
            let grants = named(*detect, "detect").into_iter().collect();
            all.push(plugin(PluginKind::Driver, &driver.info().plugin, driver.digest(), grants));
        }
        for NotifierEntry { notifier, allow_hosts, .. } in self.notifiers.load().values().map(AsRef::as_ref) {
            let grants = hosts(allow_hosts);
            all.push(plugin(PluginKind::Notifier, &notifier.info().plugin, notifier.digest(), grants));
        }
        for entry in self.providers.load().values() {
            let (info, digest) = (&entry.provider.info().plugin, entry.provider.digest());
            let grants = named(entry.system, "system").into_iter().chain(hosts(&entry.allow_hosts)).collect();
            all.push(plugin(PluginKind::Intelligence, info, digest, grants));
        }
        all.into()
    }

    /// All providers in the order of their names.
    pub fn providers(&self) -> Vec<Arc<ProviderEntry>> {
        self.providers.load().values().cloned().collect()
    }

    /// The provider of this name.
    pub fn provider(&self, name: &PluginName) -> Option<Arc<ProviderEntry>> {
        self.providers.load().get(name).cloned()
    }
}
