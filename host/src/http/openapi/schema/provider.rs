//! What answers about providers of intelligence look like.

use serde_json::Value;
use utoipa::ToSchema;

use super::{Id, Time};

/// How soon to act.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Priority {
    Low,
    Medium,
    High,
    Critical,
}

/// The part that analyses answers.
#[derive(ToSchema)]
pub(crate) struct IntelligenceAlive {
    /// Always `intelligence`.
    name: String,
    /// Always `ok`.
    status: String,
    /// Names of the providers that are loaded.
    providers: Vec<String>,
}

/// A provider, as everybody with a key may know it.
#[derive(ToSchema)]
pub(crate) struct NamedProvider {
    name: String,
    /// Whether it analyses incidents.
    active: bool,
    summary: String,
    version: String,
    /// What it can be asked.
    tasks: Vec<String>,
}

/// All providers, as everybody with a key may know them.
#[derive(ToSchema)]
pub(crate) struct NamedProviders {
    providers: Vec<NamedProvider>,
    /// The name of the active one; it may not be loaded.
    active: String,
    count: u64,
}

/// Where settings come from.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SettingsFrom {
    File,
    Stored,
}

/// A provider as it is set up.
#[derive(ToSchema)]
pub(crate) struct Provider {
    name: String,
    /// Whether it analyses incidents.
    active: bool,
    summary: String,
    version: String,
    /// What it can be asked.
    tasks: Vec<String>,
    /// Where it may go.
    origins: Vec<String>,
    /// Where it would like to go.
    wants: Vec<String>,
    /// `plugins.toml`, or what was set since.
    settings_from: SettingsFrom,
    /// Its settings, without secrets.
    settings: Value,
    /// When it was last set up or chosen, where it was.
    #[schema(required)]
    updated_at: Option<Time>,
}

/// All providers as they are set up.
#[derive(ToSchema)]
pub(crate) struct ProviderList {
    providers: Vec<Provider>,
    /// The name of the active one; it may not be loaded.
    active: String,
}

/// A provider as it is set up.
#[derive(ToSchema)]
pub(crate) struct ShownProvider {
    provider: Provider,
}

/// A provider, and what its settings look like.
#[derive(ToSchema)]
pub(crate) struct ProviderDetail {
    provider: Provider,
    /// JSON Schema; a secret has the format `secret`.
    config_schema: Value,
}

/// One thing to do or to know.
#[derive(ToSchema)]
pub(crate) struct Recommendation {
    /// What it is about: `memory`, `disk`, `cpu`, `process`, `network`, `general` or a word of the provider's own.
    kind: String,
    priority: Priority,
    title: String,
    description: String,
    /// Steps a person can take.
    actions: Vec<String>,
    details: Value,
}

/// Tokens that an answer cost.
#[derive(ToSchema)]
pub(crate) struct TokenUsage {
    input_tokens: u64,
    output_tokens: u64,
}

/// What a provider thinks.
#[derive(ToSchema)]
pub(crate) struct Analysis {
    summary: String,
    probable_cause: String,
    recommendations: Vec<Recommendation>,
    /// The model that answered, or the provider's own name.
    model: String,
    /// Which wording of the provider's prompt was used.
    #[schema(required)]
    prompt_version: Option<String>,
    #[schema(required)]
    usage: Option<TokenUsage>,
}

/// What a provider recommends.
#[derive(ToSchema)]
pub(crate) struct RecommendedByProvider {
    /// Who answered.
    provider: String,
    /// The incident that was asked about.
    #[schema(required)]
    incident_id: Option<Id>,
    #[serde(flatten)]
    analysis: Analysis,
    count: u64,
    /// Whether the local rules answered in place of the active provider.
    fallback_used: bool,
    /// Why they did.
    #[schema(required)]
    fallback_reason: Option<String>,
}

/// What the local rules found on this machine.
#[derive(ToSchema)]
pub(crate) struct FoundHere {
    /// `memory` or `disk`.
    r#type: String,
    /// What was asked with.
    #[schema(required = false)]
    top_n: u64,
    /// The folder that was looked through; null for all that are open.
    #[schema(required = false)]
    path: Option<String>,
    /// In MiB.
    #[schema(required = false)]
    threshold_mb: u64,
    #[schema(required = false)]
    old_days: u64,
    summary: String,
    recommendations: Vec<Recommendation>,
    count: u64,
}

/// How a try ended.
#[derive(ToSchema)]
pub(crate) struct ProviderTrial {
    provider: String,
    /// Whether it answered.
    ok: bool,
    duration_ms: u64,
    #[schema(required)]
    analysis: Option<Analysis>,
    /// Why not, in one word.
    #[schema(required)]
    error_type: Option<String>,
    #[schema(required)]
    error_message: Option<String>,
}
