//! Secrets that senders sign with: settings of this host, and encrypted rows that change while it runs.
//!
//! For one driver either its setting counts or its row, and the setting if there are both. In doubt a
//! driver that has a secret takes nothing: whatever is wrong with the secret, its webhooks are not let in
//! unsigned.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use domain::plugin::PluginName;
use domain::secret::Secret;
use domain::time::Timestamp;
use serde::Serialize;
use store::{SecretChange, Store, StoreError, StoredSecret};

use super::again::Actor;
use super::{SignatureRules, secret_defect};
use crate::clock;
use crate::config::{ReferenceError, References, SecretText};
use crate::crypto::{CryptoError, KeyRing, Place, Purpose};
use crate::plugins::{Catalogue, DriverEntry, DriverSet};

/// What names of rows begin with.
const PREFIX: &str = "webhook/";
/// The longest secret, in bytes.
const MAX_BYTES: usize = 4096;

/// Why a secret is not set or removed. Never shows one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such driver.
    #[error("there is no driver `{0}`; known are {1}")]
    NoDriver(String, String),
    /// Its sender does not sign.
    #[error(
        "driver `{0}` knows no signature, so a secret would protect nothing\n\
         hint: give the sender an API key of its own: `watchbell key create --name {0}`"
    )]
    NoScheme(PluginName),
    /// It would let nothing in.
    #[error(
        "the secret {0}, so that every webhook would be refused\n\
         hint: take it over as the sender shows it, with nothing before, after or left out"
    )]
    Defect(String),
    /// It refers to nothing.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// It cannot be sealed.
    #[error(transparent)]
    Sealed(#[from] CryptoError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A secret, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownSecret {
    /// `webhook/<driver>`.
    pub name: String,
    /// When it was set.
    pub created_at: Timestamp,
    /// When the one before was set, if that is accepted too.
    pub previous_created_at: Option<Timestamp>,
    /// Whether a setting of this host counts instead of it.
    pub overridden: bool,
}

/// What webhook secrets come from.
#[derive(Debug, Clone)]
pub struct SecretSources {
    /// Where rows are.
    pub store: Store,
    /// Opens them.
    pub keys: Arc<KeyRing>,
    /// What references lead to.
    pub references: Arc<References>,
    /// The drivers.
    pub catalogue: Arc<Catalogue>,
    /// Settings by driver, the current secret first.
    pub set: HashMap<String, Vec<SecretText>>,
    /// Whether a driver that can be signed needs a secret.
    pub required: bool,
}

/// The secrets of this moment, and how they are changed.
#[derive(Debug)]
pub struct WebhookSecrets {
    from: SecretSources,
    rules: ArcSwap<SignatureRules>,
    /// What is wrong and was said.
    said: Mutex<BTreeSet<String>>,
}

impl WebhookSecrets {
    /// Reads them.
    ///
    /// # Errors
    /// When the database does not answer. What is wrong with a row is logged; it lets nothing in.
    pub async fn load(from: SecretSources) -> Result<Self, StoreError> {
        let secrets = Self { from, rules: ArcSwap::default(), said: Mutex::default() };
        secrets.refresh().await?;
        Ok(secrets)
    }

    /// What holds at this moment. One webhook is looked at under one of these.
    pub fn rules(&self) -> Arc<SignatureRules> {
        self.rules.load_full()
    }

    /// Reads rows and references again; returns what is wrong with them.
    ///
    /// # Errors
    /// When the database does not answer; then everything stays as it was.
    pub async fn refresh(&self) -> Result<Vec<String>, StoreError> {
        let mut troubles = BTreeSet::new();
        let before = self.rules();
        let mut secrets = HashMap::new();
        for (driver, texts) in &self.from.set {
            let named = texts.iter().zip(variables(driver));
            let followed = named.map(|(text, variable)| self.from.references.resolve(&variable, text));
            secrets.insert(driver.clone(), or_as_before(followed, before.secrets.get(driver), &mut troubles));
        }
        let drivers = self.from.catalogue.drivers();
        for (driver, versions) in by_driver(self.from.store.secrets().await?) {
            if secrets.contains_key(&driver) {
                continue;
            }
            let mut texts = Vec::new();
            for version in &versions {
                match self.open(version) {
                    Ok(text) => texts.push((version.name.as_str(), text)),
                    Err(error) => {
                        troubles.insert(format!("secret `{}` cannot be opened: {error}", version.name));
                    }
                }
            }
            let followed = texts.iter().map(|(name, text)| self.from.references.resolve(name, text));
            let known = or_as_before(followed, before.secrets.get(&driver), &mut troubles);
            for secret in &known {
                match fits(&drivers, &driver, secret.expose()) {
                    // What is not loaded needs no protection.
                    Ok(()) | Err(SecretError::NoDriver(..)) => {}
                    Err(error) => {
                        troubles.insert(format!("secret `{PREFIX}{driver}`: {error}"));
                    }
                }
            }
            secrets.insert(driver, known);
        }
        self.rules.store(Arc::new(SignatureRules { secrets, required: self.from.required }));
        self.say(&troubles);
        Ok(troubles.into_iter().collect())
    }

    /// Whether this driver can take the place of the one that has its name: its secrets, which protect that
    /// one, must fit.
    ///
    /// # Errors
    /// With what is wrong; never shows a secret.
    pub fn admit(&self, entry: &DriverEntry) -> anyhow::Result<()> {
        let name = entry.driver.info().plugin.name.as_str();
        for secret in self.rules().secrets.get(name).into_iter().flatten() {
            fits_entry(entry, secret.expose()).with_context(|| {
                let from = match self.from.set.contains_key(name) {
                    true => format!("`{}`", variable(name)),
                    false => format!("secret `{PREFIX}{name}`"),
                };
                format!("{from} would not protect this driver")
            })?;
        }
        Ok(())
    }

    /// Logs what was not wrong before.
    fn say(&self, troubles: &BTreeSet<String>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        for trouble in troubles.difference(&said) {
            tracing::error!(error.r#type = "secret", error = trouble, "webhook secrets: {trouble}");
        }
        said.clone_from(troubles);
    }

    fn open(&self, secret: &StoredSecret) -> Result<SecretText, String> {
        let row = row(&secret.name, secret.version);
        let plain = self.from.keys.open_value(Purpose::Secret, place(&row), &secret.sealed);
        let plain = plain.map_err(|error| error.to_string())?;
        let text = String::from_utf8(plain).map_err(|_| "it is no text".to_owned())?;
        let text = Secret::new(text);
        SecretText::parse(&secret.name, text.expose()).map_err(|error| error.to_string())
    }

    /// Keeps a secret for a driver, encrypted; webhooks are verified with it from now on here, and within
    /// seconds by others. The one before is accepted too, unless `replace` says not.
    ///
    /// # Errors
    /// [`SecretError`]; then the one before stays.
    pub async fn set(
        &self,
        driver: &str,
        value: &Secret<String>,
        replace: bool,
        actor: Actor<'_>,
    ) -> Result<ShownSecret, SecretError> {
        let name = format!("{PREFIX}{driver}");
        let text = SecretText::parse(&name, value.expose())?;
        let secret = self.from.references.resolve(&name, &text)?;
        fits(&self.from.catalogue.drivers(), driver, secret.expose())?;
        let stored = self.from.store.secrets().await?;
        let last = stored.iter().find(|secret| secret.name == name).map_or(0, |secret| secret.version);
        let version = last.saturating_add(1);
        let sealed =
            self.from.keys.seal(Purpose::Secret, place(&row(&name, version)), value.expose().as_bytes())?;
        let secret = StoredSecret { name: name.clone(), version, sealed, created_at: clock::now() };
        let oldest = if replace { version } else { last };
        self.from.store.change_secret(&name, SecretChange::Set { secret: &secret, oldest }).await.map_err(
            |error| match error {
                StoreError::Conflict(_) => StoreError::Conflict(format!(
                    "somebody else set `{name}` at this moment; look at it again"
                )),
                other => other,
            },
        )?;
        tracing::info!(%actor, "{actor} set secret `{name}`");
        self.refresh().await?;
        let shown = self.list().await?.into_iter().find(|secret| secret.name == name);
        Ok(shown
            .ok_or_else(|| StoreError::Conflict(format!("somebody else removed `{name}` at this moment")))?)
    }

    /// Takes the secret of a driver away, or only the one before it; returns how many went.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn remove(
        &self,
        driver: &str,
        previous_only: bool,
        actor: Actor<'_>,
    ) -> Result<u64, SecretError> {
        let name = format!("{PREFIX}{driver}");
        let missing = |what: &str| StoreError::NotFound(format!("{what} `{name}`"));
        let stored = self.from.store.secrets().await?;
        let current = stored.iter().find(|secret| secret.name == name).ok_or_else(|| missing("secret"))?;
        let change = match previous_only {
            true => SecretChange::DropPrevious { current: current.version },
            false => SecretChange::Remove,
        };
        let gone = self.from.store.change_secret(&name, change).await?;
        if gone == 0 {
            return Err(missing("secret before the current one of").into());
        }
        tracing::info!(%actor, count = gone, "{actor} removed {gone} versions of secret `{name}`");
        self.refresh().await?;
        Ok(gone)
    }

    /// What is kept, without what it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<ShownSecret>, StoreError> {
        let shown = |(driver, versions): (String, Vec<StoredSecret>)| {
            let mut versions = versions.into_iter();
            let current = versions.next()?;
            Some(ShownSecret {
                name: current.name,
                created_at: current.created_at,
                previous_created_at: versions.next().map(|secret| secret.created_at),
                overridden: self.from.set.contains_key(&driver),
            })
        };
        Ok(by_driver(self.from.store.secrets().await?).into_iter().filter_map(shown).collect())
    }
}

/// What is wrong with secrets that are settings: those that would protect nothing or let nothing in, all
/// of them at once.
pub fn defects(
    set: &HashMap<String, Vec<SecretText>>,
    references: &References,
    catalogue: &Catalogue,
) -> Vec<String> {
    let drivers = catalogue.drivers();
    let mut problems = BTreeSet::new();
    for (driver, texts) in set {
        for (text, variable) in texts.iter().zip(variables(driver)) {
            let secret = match references.resolve(&variable, text) {
                Ok(secret) => secret,
                Err(error) => {
                    problems.insert(error.to_string());
                    continue;
                }
            };
            problems.extend(
                fits(&drivers, driver, secret.expose()).err().map(|error| told(&variable, driver, error)),
            );
        }
    }
    problems.into_iter().collect()
}

/// What is wrong with the secret that a variable sets.
fn told(variable: &str, driver: &str, error: SecretError) -> String {
    match error {
        SecretError::NoDriver(_, known) => format!(
            "`{variable}` is set, but no driver `{driver}` is loaded, so it would protect nothing\n\
             hint: loaded are {known}; the log says which were left out and why"
        ),
        SecretError::NoScheme(_) => format!(
            "`{variable}` is set, but driver `{driver}` knows no signature, so it would protect nothing\n\
             hint: unset it, and give the sender an API key of its own: `watchbell key create --name {driver}`"
        ),
        SecretError::Defect(defect) => format!(
            "`{variable}` {defect}, so that every webhook of `{driver}` would be refused\n\
             hint: take it over as the sender shows it, with nothing before, after or left out"
        ),
        other => other.to_string(),
    }
}

/// Whether a secret protects the driver of this name.
fn fits(drivers: &DriverSet, driver: &str, secret: &str) -> Result<(), SecretError> {
    let Some(entry) = drivers.by_name(driver) else {
        let known: Vec<String> = drivers.names().iter().map(|name| format!("`{name}`")).collect();
        let driver = driver.chars().take(40).flat_map(char::escape_default).collect();
        return Err(SecretError::NoDriver(driver, known.join(", ")));
    };
    fits_entry(&entry, secret)
}

/// Whether a secret protects this driver.
fn fits_entry(entry: &DriverEntry, secret: &str) -> Result<(), SecretError> {
    if entry.signatures.is_empty() {
        return Err(SecretError::NoScheme(entry.driver.info().plugin.name.clone()));
    }
    if secret.len() > MAX_BYTES {
        return Err(SecretError::Defect(format!("is longer than {MAX_BYTES} bytes")));
    }
    secret_defect(&entry.signatures, secret).map_or(Ok(()), |defect| Err(SecretError::Defect(defect)))
}

/// What references lead to; where one leads nowhere, what all of them led to before: whoever puts a new
/// file in place of another may be caught in between.
fn or_as_before(
    followed: impl Iterator<Item = Result<Secret<String>, ReferenceError>>,
    before: Option<&Vec<Secret<String>>>,
    troubles: &mut BTreeSet<String>,
) -> Vec<Secret<String>> {
    let (mut secrets, mut is_whole) = (Vec::new(), true);
    for result in followed {
        match result {
            Ok(secret) => secrets.push(secret),
            Err(error) => {
                is_whole = false;
                troubles.insert(error.to_string());
            }
        }
    }
    before.filter(|_| !is_whole).cloned().unwrap_or(secrets)
}

/// The setting of a driver's secret.
fn variable(driver: &str) -> String {
    format!("WEBHOOK_SECRET_{}", driver.to_ascii_uppercase())
}

/// The settings of a driver's secrets, the current one's first.
fn variables(driver: &str) -> [String; 2] {
    let variable = variable(driver);
    [variable.clone(), format!("{variable}_PREVIOUS")]
}

/// Rows of webhook secrets by driver, of each the current version first.
fn by_driver(rows: Vec<StoredSecret>) -> BTreeMap<String, Vec<StoredSecret>> {
    let mut found: BTreeMap<String, Vec<StoredSecret>> = BTreeMap::new();
    for secret in rows {
        if let Some(driver) = secret.name.strip_prefix(PREFIX) {
            found.entry(driver.to_owned()).or_default().push(secret);
        }
    }
    found
}

/// What a sealed secret is bound to: another name or version does not open it.
fn row(name: &str, version: u32) -> String {
    format!("{name}/{version}")
}

const fn place(row: &str) -> Place<'_> {
    Place { table: "secret", column: "sealed", row }
}
