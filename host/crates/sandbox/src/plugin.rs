//! Loading: what is asked for, and what comes of it.

use std::borrow::Cow;

use domain::limits::Limits;
use domain::plugin::{PluginInfo, PluginKind, PluginName, Wasi};
use sha2::{Digest as _, Sha256};

use crate::driver::Driver;
use crate::load_error::LoadError;
use crate::notifier::Notifier;
use crate::provider::Provider;
use crate::sandbox::Sandbox;
use crate::step::LoadStep;

/// The bytes of a component with their digest, which is taken once, here.
#[derive(Debug, Clone)]
pub struct ComponentFile<'a> {
    bytes: Cow<'a, [u8]>,
    digest: [u8; 32],
}

impl<'a> ComponentFile<'a> {
    /// Takes the bytes as they were read.
    pub fn new(bytes: Cow<'a, [u8]>) -> Self {
        let digest = Sha256::digest(&bytes).into();
        Self { bytes, digest }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their SHA-256, in hexadecimal.
    pub fn digest(&self) -> String {
        hex::encode(self.digest)
    }

    pub(crate) const fn raw_digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// What is to be loaded.
#[derive(Debug, Clone, Copy)]
pub struct LoadRequest<'a> {
    /// As what.
    pub kind: PluginKind,
    /// Under which name; the plugin must call itself so.
    pub name: &'a PluginName,
    /// From which bytes.
    pub file: &'a ComponentFile<'a>,
    /// What its calls may use.
    pub limits: Limits,
    /// What a driver is given of WASI; notifiers and providers have the virtual one whatever this says.
    pub wasi: Wasi,
}

/// A loaded plugin of some kind.
#[derive(Debug, Clone)]
pub enum Plugin {
    /// Turns webhooks into alerts.
    Driver(Driver),
    /// Delivers notifications.
    Notifier(Notifier),
    /// Analyses incidents.
    Provider(Provider),
}

impl Plugin {
    /// Who it is.
    pub fn info(&self) -> &PluginInfo {
        match self {
            Self::Driver(driver) => &driver.info().plugin,
            Self::Notifier(notifier) => &notifier.info().plugin,
            Self::Provider(provider) => &provider.info().plugin,
        }
    }

    /// What a call may use.
    pub fn limits(&self) -> &Limits {
        match self {
            Self::Driver(driver) => driver.limits(),
            Self::Notifier(notifier) => notifier.limits(),
            Self::Provider(provider) => provider.limits(),
        }
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        match self {
            Self::Driver(driver) => driver.digest(),
            Self::Notifier(notifier) => notifier.digest(),
            Self::Provider(provider) => provider.digest(),
        }
    }

    /// The same component under other limits. Nothing is compiled, and it is not asked again who it is.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        match self {
            Self::Driver(driver) => Self::Driver(driver.with_limits(limits)),
            Self::Notifier(notifier) => Self::Notifier(notifier.with_limits(limits)),
            Self::Provider(provider) => Self::Provider(provider.with_limits(limits)),
        }
    }
}

impl Sandbox {
    /// Loads a plugin: checks, gets its native code from the cache or compiles it, asks who it is, and
    /// tries its sample. Tells `steps` what it did, whatever comes of it.
    ///
    /// Blocks: call it from a thread that may be blocked, and from no more threads at a time than may
    /// compile at a time.
    ///
    /// # Errors
    /// [`LoadError`] names the plugin, the cause and, where there is one, the remedy.
    pub fn load(&self, request: &LoadRequest<'_>, steps: &dyn Fn(LoadStep)) -> Result<Plugin, LoadError> {
        let prepared = self.shared.prepare(request, steps)?;
        Ok(match request.kind {
            PluginKind::Driver => Plugin::Driver(Driver::from_prepared(&self.shared, &prepared)?),
            PluginKind::Notifier => Plugin::Notifier(Notifier::from_prepared(&self.shared, &prepared)?),
            PluginKind::Intelligence => Plugin::Provider(Provider::from_prepared(&self.shared, &prepared)?),
        })
    }

    /// [`Sandbox::load`] for a driver, from bytes that nobody has hashed yet.
    ///
    /// # Errors
    /// As [`Sandbox::load`].
    pub fn load_driver(&self, name: &PluginName, bytes: &[u8], limits: Limits) -> Result<Driver, LoadError> {
        let file = ComponentFile::new(bytes.into());
        let request = LoadRequest { kind: PluginKind::Driver, name, file: &file, limits, wasi: Wasi::None };
        Driver::from_prepared(&self.shared, &self.shared.prepare(&request, &|_| {})?)
    }

    /// [`Sandbox::load`] for a notifier, from bytes that nobody has hashed yet.
    ///
    /// # Errors
    /// As [`Sandbox::load`].
    pub fn load_notifier(
        &self,
        name: &PluginName,
        bytes: &[u8],
        limits: Limits,
    ) -> Result<Notifier, LoadError> {
        let file = ComponentFile::new(bytes.into());
        let request = LoadRequest { kind: PluginKind::Notifier, name, file: &file, limits, wasi: Wasi::None };
        Notifier::from_prepared(&self.shared, &self.shared.prepare(&request, &|_| {})?)
    }
}
