//! What providers are asked, and what that costs: about incidents, and about this machine.
//!
//! Exactly one provider is active. What leaves towards a provider that can reach the network has gone
//! through `mask`: without secrets, with placeholders for people and machines. Whatever goes wrong with
//! it, the rules of `local` answer, and nothing waits longer than its budget.

mod ask;
mod error;
mod machine;
mod manage;
mod mask;
mod memo;
mod providers;
mod recommend;
mod redact;
mod rest;

use std::sync::Arc;
use std::time::Duration;

use domain::id::RunId;
use domain::plugin::{Analysis, AnalysisRequest};
use domain::time::Timestamp;
use store::{Fault, Store};
use tokio::time::{Instant, timeout_at};

use crate::checks::{Checks, Folders, Machine, Shown};
use crate::config::{Config, References};
use crate::crypto::KeyRing;
use crate::egress::{Egress, Sent};
use crate::plugins::Catalogue;
use ask::{Asked, fault};
use mask::Hides;
use memo::Memo;
use providers::Providers;
use rest::Rests;

pub use ask::Story;
pub use error::ProviderError;
pub use machine::View;
pub use manage::Trial;
pub use providers::{SettingsFrom, ShownProvider};
pub use recommend::{DiskWish, Found, Recommended, Wish};
pub use redact::redacted;

/// The provider that needs nothing but this machine.
const FALLBACK: &str = "local";
/// How long the fallback may take.
const FALLBACK_BUDGET: Duration = Duration::from_secs(2);
/// How long an answer may be, in tokens.
const MAX_OUTPUT_TOKENS: u32 = 1024;

/// What is needed to ask.
pub struct Parts {
    /// Where settings and counts are kept.
    pub store: Store,
    /// The providers.
    pub catalogue: Arc<Catalogue>,
    /// Seals settings.
    pub keys: Arc<KeyRing>,
    /// The way out.
    pub egress: Arc<Egress>,
    /// This machine.
    pub machine: Arc<Machine>,
    /// What is checked about it.
    pub checks: Arc<Checks>,
}

/// Asks providers. One for the whole program.
pub struct Intelligence {
    store: Store,
    egress: Arc<Egress>,
    references: Arc<References>,
    checks: Arc<Checks>,
    shown: Shown,
    budget: Duration,
    hides: Hides,
    daily_tokens: Option<u64>,
    providers: Providers,
    rests: Rests,
    memo: Memo,
}

/// What came of the analysis of an incident.
#[derive(Debug)]
pub struct Thought {
    /// Who answered, or was asked last.
    pub provider: String,
    /// The answer, if there is one.
    pub analysis: Option<Analysis>,
    /// Why the active provider gave none.
    pub trouble: Option<Fault>,
    /// What left this machine, but for placeholders of secrets.
    pub sent: Vec<Sent>,
    /// Whose answer was used again, and when it was given.
    pub reused: Option<(RunId, Timestamp)>,
}

impl Intelligence {
    /// From these parts and settings.
    pub fn new(parts: Parts, config: &Config) -> Self {
        let Parts { store, catalogue, keys, egress, machine, checks } = parts;
        let settings = &config.intelligence;
        Self {
            providers: Providers::new(store.clone(), keys, catalogue, settings.provider.clone()),
            store,
            egress,
            references: Arc::clone(&config.references),
            checks,
            shown: Shown { machine, folders: Arc::new(Folders::new(settings.disk_roots.clone())) },
            budget: config.pipeline.analyze_budget,
            hides: Hides { emails: settings.hides_emails, addresses: settings.hides_addresses },
            daily_tokens: settings.daily_tokens,
            rests: Rests::default(),
            memo: Memo::new(settings.reuse),
        }
    }

    /// Asks the active provider within the budget, then the fallback, then nobody. Never fails.
    pub async fn analyze(&self, request: &AnalysisRequest, story: Story) -> Thought {
        let until = Instant::now() + self.budget;
        let (provider, asked) = self.ask_active(request, story, until).await;
        let Asked { result, sent, reused } = asked;
        let trouble = match result {
            Ok(analysis) => {
                return Thought { provider, analysis: Some(analysis), trouble: None, sent, reused };
            }
            Err(trouble) => trouble,
        };
        tracing::warn!(
            plugin.name = provider,
            error.r#type = trouble.error_type,
            "provider `{provider}` gave no analysis: {}",
            trouble.message
        );
        let (provider, analysis) = match provider.as_str() {
            FALLBACK => (provider, None),
            _ => (FALLBACK.to_owned(), self.fallback(request, story).await),
        };
        Thought { provider, analysis, trouble: Some(trouble), sent, reused }
    }

    async fn ask_active(&self, request: &AnalysisRequest, story: Story, until: Instant) -> (String, Asked) {
        let found = async {
            let name = self.providers.active().await?;
            let set_up = self.providers.find(&name).await;
            Ok::<_, store::StoreError>((name, set_up))
        };
        match timeout_at(until, found).await {
            Ok(Ok((name, Ok(set_up)))) => {
                let asked = self.ask(&set_up, request, story, until, true).await;
                (name, asked)
            }
            Ok(Ok((name, Err(error)))) => {
                let kind = if matches!(error, ProviderError::Unknown { .. }) {
                    "unknown_provider"
                } else {
                    "config"
                };
                (name, Asked::nothing(fault(kind, error.to_string())))
            }
            Ok(Err(error)) => ("?".to_owned(), Asked::nothing(fault(error.kind(), error.to_string()))),
            Err(_) => {
                let why = "which provider is active was not looked up in time";
                ("?".to_owned(), Asked::nothing(fault("timeout", why)))
            }
        }
    }

    /// What the local rules say, if they answer in time.
    async fn fallback(&self, request: &AnalysisRequest, story: Story) -> Option<Analysis> {
        let until = Instant::now() + FALLBACK_BUDGET;
        let asked = async {
            let set_up = self.providers.find(FALLBACK).await.map_err(|error| error.to_string())?;
            let asked = self.ask(&set_up, request, story, until, false).await;
            asked.result.map_err(|fault| fault.message)
        };
        let answer = timeout_at(until, asked).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        answer
            .inspect_err(|why| {
                tracing::warn!(plugin.name = FALLBACK, "provider `{FALLBACK}` gave no analysis: {why}");
            })
            .ok()
    }
}

impl std::fmt::Debug for Intelligence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intelligence").field("providers", &self.providers).finish_non_exhaustive()
    }
}
