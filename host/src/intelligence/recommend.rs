//! Questions that somebody asks by hand: about an incident, about memory, about disks.

use domain::alert::AlertStatus;
use domain::id::IncidentId;
use domain::incident::IncidentStatus;
use domain::plugin::{Analysis, AnalysisRequest, Recommendation};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::IncidentContext;
use tokio::time::Instant;

use super::ask::{Story, fault};
use super::manage::{merged, refuse_references};
use super::providers::SetUp;
use super::{FALLBACK, Intelligence, MAX_OUTPUT_TOKENS, ProviderError};

/// How long the local rules may look at this machine for somebody who waits.
const LOCAL_WITHIN: Duration = Duration::from_secs(10);
/// How long its checks may take then.
const CHECKS_WITHIN: Duration = Duration::from_secs(2);

/// Facts of the earlier system, which callers know.
const TOP_N: u64 = 10;
const THRESHOLD_MB: u64 = 100;
const OLD_DAYS: u64 = 30;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The incident; without one how this machine is.
    pub incident_id: Option<IncidentId>,
    /// Who is asked; without one the active provider, and the local rules where it gives no answer.
    pub provider: Option<String>,
    /// Settings over those of the provider, for this question.
    pub config: Option<Map<String, Value>>,
}

/// What is asked about disks.
#[derive(Debug, Clone, Default)]
pub struct DiskWish {
    /// A folder; without one all that are open.
    pub path: Option<String>,
    /// From how many MB on a file is large.
    pub threshold_mb: Option<u64>,
    /// From how many days on a file is old.
    pub old_days: Option<u64>,
}

/// What was recommended.
#[derive(Debug, Serialize)]
pub struct Recommended {
    /// Who answered.
    pub provider: String,
    /// The incident that it was about.
    pub incident_id: Option<IncidentId>,
    /// The answer.
    #[serde(flatten)]
    pub analysis: Analysis,
    /// How many recommendations there are.
    pub count: usize,
    /// Whether the local rules answered in place of the active provider.
    pub fallback_used: bool,
    /// Why they did.
    pub fallback_reason: Option<String>,
}

/// What the local rules found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// `memory` or `disk`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it was asked with.
    #[serde(flatten)]
    pub options: Value,
    /// What was found, in a sentence.
    pub summary: String,
    /// What to do about it.
    pub recommendations: Vec<Recommendation>,
    /// How many there are.
    pub count: usize,
}

impl Intelligence {
    /// Asks about an incident, or how this machine is. Nothing is kept of it but what it cost.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn recommend(&self, wish: Wish) -> Result<Recommended, ProviderError> {
        let Wish { incident_id, provider, config } = wish;
        let may_fall_back = provider.is_none() && config.is_none();
        let name = match provider {
            Some(name) => name,
            None => self.providers.active().await?,
        };
        let set_up = match config {
            Some(config) => self.for_once(&name, &config).await,
            None => self.providers.find(&name).await,
        };
        let request = self.request(incident_id).await?;
        let story = Story::fresh();
        let result = match set_up {
            Ok(set_up) => {
                let until = Instant::now() + self.budget;
                let asked = self.ask(&set_up, &request, story, until, false).await;
                asked.result.map_err(|fault| ProviderError::Failed { name: name.clone(), fault })
            }
            Err(error) => Err(error),
        };
        let (provider, analysis, reason) = match result {
            Ok(analysis) => (name, analysis, None),
            Err(error) if may_fall_back && name != FALLBACK => {
                let nothing = || ProviderError::Failed {
                    name: FALLBACK.to_owned(),
                    fault: fault("timeout", "no answer in time"),
                };
                let analysis = self.fallback(&request, story).await.ok_or_else(nothing)?;
                (FALLBACK.to_owned(), analysis, Some(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        Ok(Recommended {
            provider,
            incident_id,
            count: analysis.recommendations.len(),
            analysis,
            fallback_used: reason.is_some(),
            fallback_reason: reason,
        })
    }

    /// What the local rules say about the memory of this machine.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn memory(&self, top_n: Option<u64>) -> Result<Found, ProviderError> {
        let set_up = self.providers.find(FALLBACK).await?;
        let options = json!({ "top_n": top_n.unwrap_or_else(|| number(&set_up, "top_n", TOP_N)) });
        self.local("memory", &set_up, options).await
    }

    /// What the local rules say about its disks.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::Path`] for a folder that may not be looked through.
    pub async fn disk(&self, wish: DiskWish) -> Result<Found, ProviderError> {
        let set_up = self.providers.find(FALLBACK).await?;
        let set = set_up.settings.get("path").and_then(Value::as_str).map(str::to_owned);
        let path = match wish.path.or(set) {
            Some(path) => Some(self.shown.folders.resolve(&path).await?.display().to_string()),
            None => None,
        };
        let options = json!({
            "path": path,
            "threshold_mb": wish.threshold_mb.unwrap_or_else(|| number(&set_up, "threshold_mb", THRESHOLD_MB)),
            "old_days": wish.old_days.unwrap_or_else(|| number(&set_up, "old_days", OLD_DAYS)),
        });
        self.local("disk", &set_up, options).await
    }

    async fn local(
        &self,
        task: &'static str,
        set_up: &SetUp,
        options: Value,
    ) -> Result<Found, ProviderError> {
        let name = set_up.name().to_owned();
        if !set_up.info().tasks.iter().any(|known| known == task) {
            return Err(ProviderError::Task(name, task));
        }
        if !set_up.entry.system {
            return Err(ProviderError::NoSystem(name));
        }
        let request = AnalysisRequest {
            task: task.to_owned(),
            incident: json!({}),
            alerts: Vec::new(),
            checks: json!([]),
            options: options.clone(),
            max_output_tokens: MAX_OUTPUT_TOKENS,
        };
        let until = Instant::now() + LOCAL_WITHIN;
        let asked = self.ask(set_up, &request, Story::fresh(), until, false).await;
        let analysis = asked.result.map_err(|fault| ProviderError::Failed { name, fault })?;
        let Analysis { summary, recommendations, .. } = analysis;
        Ok(Found { kind: task, options, summary, count: recommendations.len(), recommendations })
    }

    /// A provider with other settings for one question: it can go nowhere else for them, and they lead to
    /// nothing that the caller has not said.
    async fn for_once(&self, name: &str, config: &Map<String, Value>) -> Result<SetUp, ProviderError> {
        refuse_references(&Value::Object(config.clone()), "config")?;
        let found = self.providers.find(name).await?;
        let set_up = SetUp { settings: merged(found.settings, config), ..found };
        self.check(&set_up).await?;
        Ok(set_up)
    }

    async fn request(&self, incident_id: Option<IncidentId>) -> Result<AnalysisRequest, ProviderError> {
        let (incident, alerts) = match incident_id {
            Some(id) => {
                let context = self.store.incident_context(id).await?;
                (described(&context), context.alerts.iter().map(Into::into).collect())
            }
            None => (json!({}), Vec::new()),
        };
        Ok(AnalysisRequest {
            task: "incident".to_owned(),
            incident,
            alerts,
            checks: json!(self.checks.run(CHECKS_WITHIN).await),
            options: json!({}),
            max_output_tokens: MAX_OUTPUT_TOKENS,
        })
    }
}

fn number(set_up: &SetUp, name: &str, default: u64) -> u64 {
    set_up.settings.get(name).and_then(Value::as_u64).unwrap_or(default)
}

/// An incident as the contract describes it, as it is now.
fn described(context: &IncidentContext) -> Value {
    let incident = &context.incident;
    let status = match incident.status {
        IncidentStatus::Open => AlertStatus::Firing,
        IncidentStatus::Acknowledged => AlertStatus::Acknowledged,
        IncidentStatus::Resolved | IncidentStatus::Closed => AlertStatus::Resolved,
    };
    json!({
        "id": incident.id,
        "title": incident.title,
        "name": incident.name,
        "instance": incident.instance,
        "status": status,
        "severity": incident.severity,
        "opened_at": incident.opened_at,
        "resolved_at": incident.resolved_at,
    })
}
