//! The plugin and its single calls.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use domain::golden;
use domain::limits::Limits;
use domain::plugin::{Incoming, PluginKind};
use domain::time::Timestamp;
use sandbox::{CallError, Driver, LoadError, LoadStep, Notifier, Plugin, PluginLog, Provider};
use serde_json::{Value, json};

use super::input;
use crate::config::{PluginSettings, References};
use crate::egress::{Egress, Grants};
use crate::plugins::inspect::find;
use crate::plugins::load::new_sandbox;
use crate::plugins::{ChannelSettings, Entry, Manifest, Outside, SettingsSchema, Snapshots, Target};

/// A function of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Function {
    /// Who the plugin says it is; needs no input
    Metadata,
    /// Drivers: a webhook's body in, alerts out
    Parse,
    /// Notifiers: a notification in, what the remote answered out; it is really sent
    Send,
    /// Providers: an incident in, an analysis out
    Analyze,
    /// Notifiers and providers: what is wrong with the settings of --config
    ValidateConfig,
}

impl Function {
    /// What a kind of plugin has.
    const fn of(kind: PluginKind) -> &'static str {
        match kind {
            PluginKind::Driver => "`metadata` and `parse`",
            PluginKind::Notifier => "`metadata`, `validate-config` and `send`",
            PluginKind::Intelligence => "`metadata`, `validate-config` and `analyze`",
        }
    }

    /// The one kind of plugin that has it, if it is one.
    pub const fn kind(self) -> Option<PluginKind> {
        match self {
            Self::Parse => Some(PluginKind::Driver),
            Self::Send => Some(PluginKind::Notifier),
            Self::Analyze => Some(PluginKind::Intelligence),
            Self::Metadata | Self::ValidateConfig => None,
        }
    }

    /// Whether a call of it begins with reading an input.
    pub const fn has_input(self) -> bool {
        !matches!(self, Self::Metadata | Self::ValidateConfig)
    }
}

/// One call.
#[derive(Debug)]
pub struct Call {
    /// Which function.
    pub function: Function,
    /// The body of a webhook, or JSON.
    pub input: Vec<u8>,
    /// Settings that take the place of those in `plugins.toml`; a notifier's come from its channel.
    pub config: Option<Value>,
    /// Names in lower case, for `parse`.
    pub headers: Vec<(String, String)>,
    /// For `parse`, in lower case and without parameters.
    pub content_type: String,
    /// For `parse`.
    pub received_at: Timestamp,
}

/// What one call sees of the world.
#[derive(Clone)]
pub struct Around {
    /// The way out, under the plugin's grants.
    pub egress: Arc<Egress>,
    /// This machine, for a provider that may ask about it.
    pub snapshots: Option<Arc<dyn Snapshots>>,
    /// What references to secrets lead to.
    pub references: Arc<References>,
    /// Takes the lines of the call and what it used.
    pub log: Arc<dyn PluginLog>,
}

/// One loaded plugin.
pub struct Subject {
    pub(super) plugin: Plugin,
    entry: Entry,
    kind: PluginKind,
    limits: Limits,
}

impl Subject {
    /// Loads a plugin as the hub does. A file is loaded under the name that it gives itself, unless
    /// the target says under which.
    ///
    /// Blocks: call it from a thread that may be blocked.
    ///
    /// # Errors
    /// The loader's.
    pub fn load(settings: &PluginSettings, target: &Target) -> Result<Self> {
        let manifest = Manifest::read(&settings.file)?;
        let mut candidate = find(settings, &manifest, target)?;
        let sandbox = new_sandbox(settings)?;
        let body_limit_bytes = settings.body_limit_bytes;
        let mut loaded = candidate.load(&sandbox, body_limit_bytes, &|_: LoadStep| {});
        if target.name.is_none()
            && let Some(LoadError::NameMismatch { found, .. }) =
                loaded.as_ref().err().and_then(|error| error.downcast_ref())
            && let Ok(name) = found.parse()
        {
            candidate.entry = target.entry(&manifest, candidate.kind, &name);
            candidate.name = name;
            loaded = candidate.load(&sandbox, body_limit_bytes, &|_: LoadStep| {});
        }
        let limits = candidate.entry.limits(candidate.kind, body_limit_bytes);
        Ok(Self { plugin: loaded?, entry: candidate.entry, kind: candidate.kind, limits })
    }

    /// What its calls may use.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// An input to start from: a driver's own sample, or the form of what others are given.
    ///
    /// # Errors
    /// When the function has no input, or the driver no sample.
    pub fn example(&self, function: Function) -> Result<Vec<u8>> {
        match (&self.plugin, function) {
            (Plugin::Driver(driver), Function::Parse) => driver.info().sample.clone().with_context(|| {
                format!("driver `{}` brings no sample\nhint: give it a body of its sender", self.name())
            }),
            (Plugin::Notifier(_), Function::Send) => Ok(input::NOTIFICATION.as_bytes().to_vec()),
            (Plugin::Provider(_), Function::Analyze) => Ok(input::ANALYSIS_REQUEST.as_bytes().to_vec()),
            (_, Function::Metadata | Function::ValidateConfig) => {
                bail!("this function needs no input\nhint: `validate-config` looks at --config")
            }
            _ => Err(self.misfit()),
        }
    }

    /// Makes one call with the plugin's real limits and grants; the inner result is the plugin's, in the form
    /// of golden files.
    ///
    /// # Errors
    /// When it cannot be made: another kind of plugin, or an input or settings that are not understood.
    pub async fn call(&self, call: &Call, around: Around) -> Result<Result<Value, CallError>> {
        match (&self.plugin, call.function) {
            (plugin, Function::Metadata) => Ok(Ok(metadata(plugin))),
            (Plugin::Driver(driver), Function::Parse) => self.parse(driver, call, &*around.log).await,
            (Plugin::Notifier(notifier), Function::Send | Function::ValidateConfig) => {
                self.notifier(notifier, call, around).await
            }
            (Plugin::Provider(provider), Function::Analyze | Function::ValidateConfig) => {
                self.provider(provider, call, around).await
            }
            _ => Err(self.misfit()),
        }
    }

    async fn parse(
        &self,
        driver: &Driver,
        call: &Call,
        log: &dyn PluginLog,
    ) -> Result<Result<Value, CallError>> {
        let incoming = Incoming {
            method: "POST".to_owned(),
            query: String::new(),
            content_type: call.content_type.clone(),
            headers: call.headers.clone(),
            body: call.input.clone(),
            received_at: call.received_at,
        };
        let parsed = driver.parse(&incoming, &self.settings(call), log).await;
        Ok(parsed.map(|parsed| golden::parsed(&parsed)))
    }

    /// As a delivery does it: the settings' own addresses and those of `plugins.toml` can be reached,
    /// and the plugin sees placeholders where the settings hold secrets.
    async fn notifier(
        &self,
        notifier: &Notifier,
        call: &Call,
        around: Around,
    ) -> Result<Result<Value, CallError>> {
        let config = call.config.as_ref().context(
            "a notifier gets its settings from a channel, and there is none here\n\
             hint: give them with `--config '{\"url\": \"https://…\"}'`; `watchbell plugin inspect` and `metadata` show which",
        )?;
        let schema = SettingsSchema::new(&notifier.info().config_schema)?;
        let granted = &self.entry.allow_hosts;
        let settings =
            ChannelSettings::split(&schema, config, granted, &around.references).context("--config")?;
        let grants = self.grants(settings.origins, settings.secrets);
        let outside = Arc::new(Outside::new(around.log, around.egress, grants, self.limits.egress, None));
        if call.function == Function::ValidateConfig {
            let problems = notifier.validate_config(&settings.config, outside).await;
            return Ok(problems.map(|problems| golden::problems(&problems)));
        }
        let notification = input::notification(json_input(&call.input)?)?;
        let sent = notifier.send(&notification, &settings.config, outside).await;
        Ok(sent.map(|receipt| golden::receipt(&receipt)))
    }

    async fn provider(
        &self,
        provider: &Provider,
        call: &Call,
        around: Around,
    ) -> Result<Result<Value, CallError>> {
        let settings = call.config.clone().unwrap_or_else(|| self.entry.settings_value());
        let schema = &provider.info().config_schema;
        let split =
            ChannelSettings::of_provider(schema, &settings, &self.entry.allow_hosts, &around.references)?;
        let (config, grants) = (split.config, self.grants(split.origins, split.secrets));
        let snapshots = around.snapshots.filter(|_| self.entry.system);
        let outside = Outside::new(around.log, around.egress, grants, self.limits.egress, snapshots);
        if call.function == Function::ValidateConfig {
            let problems = provider.validate_config(&config, Arc::new(outside)).await;
            return Ok(problems.map(|problems| golden::problems(&problems)));
        }
        let request = input::analysis_request(json_input(&call.input)?)?;
        let analysis = provider.analyze(&request, &config, Arc::new(outside)).await;
        Ok(analysis.map(|analysis| golden::analysis(&analysis)))
    }

    fn grants(
        &self,
        origins: Vec<crate::egress::Origin>,
        secrets: Vec<crate::egress::BoundSecret>,
    ) -> Grants {
        let plugin = self.plugin.info().name.clone();
        Grants { kind: self.kind, plugin, channel: None, origins, secrets, trace: None }
    }

    fn settings(&self, call: &Call) -> String {
        call.config.as_ref().map_or_else(|| self.entry.settings(), Value::to_string)
    }

    fn name(&self) -> &str {
        self.plugin.info().name.as_str()
    }

    fn misfit(&self) -> anyhow::Error {
        let (kind, name) = (self.kind, self.name());
        anyhow::anyhow!("{kind} `{name}` has no such function\nhint: a {kind} has {}", Function::of(kind))
    }
}

fn metadata(plugin: &Plugin) -> Value {
    match plugin {
        Plugin::Driver(driver) => json!(driver.info()),
        Plugin::Notifier(notifier) => json!(notifier.info()),
        Plugin::Provider(provider) => json!(provider.info()),
    }
}

fn json_input(input: &[u8]) -> Result<Value> {
    serde_json::from_slice(input)
        .context("the input is not JSON\nhint: the same command with `--example` prints one to start from")
}
