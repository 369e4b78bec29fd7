//! What routes would do with an alert that somebody makes up.

use domain::alert::{Labels, ReportedSeverity, ReportedStatus, instance};
use domain::route::Subject;
use domain::run::{Origin, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Store, StoreError};

/// How many alerts are tried out at once.
const MOST: usize = 100;

/// What a route is asked about.
#[derive(Debug, Clone, Serialize)]
pub struct Probe {
    /// The driver.
    pub source: String,
    /// How bad.
    pub severity: domain::alert::Severity,
    /// Its state.
    pub status: domain::alert::AlertStatus,
    /// The machine or service.
    pub instance: Option<String>,
    /// What set it off.
    pub origin: Origin,
    /// Its labels.
    pub labels: Labels,
}

/// What one route says.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: i32,
    /// Whether it takes part.
    pub enabled: bool,
    /// Whether all of its conditions hold.
    pub matches: bool,
    /// Why, or why not.
    pub because: Vec<String>,
}

/// What would become of one alert.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// What was asked about.
    pub alert: Probe,
    /// What each route says, in the order in which they are asked.
    pub routes: Vec<Asked>,
    /// The route that is taken; none where nobody would be told.
    pub route: Option<String>,
    /// Its stages.
    pub stages: Vec<Stage>,
    /// The channels that are told: those of the route that are switched on.
    pub channels: Vec<String>,
    /// Routes that were not asked, because they cannot be understood.
    pub broken: Vec<String>,
}

/// The fields of an alert that routes look at, in the forms that people have alerts in: as the API shows
/// them, as a driver reads them, as Alertmanager sends them.
#[derive(Deserialize)]
struct Told {
    source: Option<String>,
    severity: Option<String>,
    status: Option<String>,
    instance: Option<String>,
    origin: Option<Origin>,
    #[serde(default)]
    labels: Map<String, Value>,
}

/// Reads an alert, a list of alerts, or an object with such a list in `alerts`, which may have a `source` for
/// all of them. What an alert does not say is a firing warning of the driver `generic`.
///
/// # Errors
/// What cannot be understood, and where.
pub fn probes(value: &Value) -> Result<Vec<Probe>, String> {
    let source = value.get("source").and_then(Value::as_str);
    let alerts = match (value, value.get("alerts")) {
        (Value::Array(list), _) | (_, Some(Value::Array(list))) => list.as_slice(),
        _ => std::slice::from_ref(value),
    };
    if alerts.len() > MOST {
        return Err(format!("at most {MOST} alerts are tried out at once, found {}", alerts.len()));
    }
    let read =
        |(at, alert): (usize, &Value)| probe(alert, source).map_err(|why| format!("alert {}: {why}", at + 1));
    alerts.iter().enumerate().map(read).collect()
}

fn probe(value: &Value, source: Option<&str>) -> Result<Probe, String> {
    if !value.is_object() {
        return Err("expected an object".to_owned());
    }
    let told = Told::deserialize(value).map_err(|error| error.to_string())?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let labels: Labels = told.labels.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    let severity = told.severity.or_else(|| labels.get("severity").cloned());
    let severity: ReportedSeverity = match severity {
        Some(word) => word.parse().map_err(|error| format!("`severity`: {error}"))?,
        None => ReportedSeverity::Warning,
    };
    let status: ReportedStatus = match told.status {
        Some(word) => word.parse().map_err(|error| format!("`status`: {error}"))?,
        None => ReportedStatus::Firing,
    };
    Ok(Probe {
        source: told.source.as_deref().or(source).unwrap_or("generic").to_owned(),
        severity: severity.mapped(),
        status: status.mapped(),
        instance: told.instance.or_else(|| instance(&labels).map(str::to_owned)),
        origin: told.origin.unwrap_or(Origin::IncomingWebhook),
        labels,
    })
}

/// Asks every route about each alert. Nothing is written or counted.
///
/// # Errors
/// When the database does not answer.
pub async fn try_out(store: &Store, probes: Vec<Probe>) -> Result<Vec<Trial>, StoreError> {
    let (routes, channels) = (store.routes().await?, store.channels().await?);
    let broken: Vec<String> = routes.broken.into_iter().map(|broken| broken.name).collect();
    let ask = |alert: Probe| {
        let subject = Subject {
            source: &alert.source,
            severity: alert.severity,
            status: alert.status,
            instance: alert.instance.as_deref(),
            origin: alert.origin,
            labels: &alert.labels,
        };
        let asked = routes.routes.iter().map(|kept| {
            let verdict = kept.route.verdict(&subject);
            let (name, priority) = (kept.route.name.clone(), kept.route.priority);
            let enabled = kept.route.enabled;
            Asked { name, priority, enabled, matches: verdict.matches, because: verdict.because }
        });
        let asked: Vec<Asked> = asked.collect();
        let taken = routes.routes.iter().map(|kept| &kept.route);
        let taken =
            taken.zip(&asked).find(|(_, asked)| asked.enabled && asked.matches).map(|(route, _)| route);
        let is_told = |name: &String| {
            taken.is_some_and(|route| {
                route.stages.contains(&Stage::Notify)
                    && (route.channels.is_empty() || route.channels.contains(name))
            })
        };
        let on = channels.iter().filter(|channel| channel.enabled).map(|channel| channel.name.clone());
        Trial {
            routes: asked,
            route: taken.map(|route| route.name.clone()),
            stages: taken.map(|route| route.stages.clone()).unwrap_or_default(),
            channels: on.filter(is_told).collect(),
            broken: broken.clone(),
            alert,
        }
    };
    Ok(probes.into_iter().map(ask).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alerts_are_taken_in_every_form_that_people_have_them_in() {
        let shown = json!({"id": "x", "source": "grafana", "severity": "critical", "status": "resolved", "labels": {"host": "a"}});
        let parsed =
            json!({"alerts": [{"name": "a", "severity": "unmapped", "status": "firing", "labels": {}}]});
        let sent = json!({"source": "alertmanager", "status": "firing", "alerts": [{"status": "firing", "labels": {"severity": "info", "instance": "b", "n": 1}}]});
        let read = |value: &Value| {
            let probe = probes(value).unwrap().remove(0);
            format!("{} {} {} {:?}", probe.source, probe.severity, probe.status, probe.instance)
        };
        assert_eq!(read(&shown), r#"grafana critical resolved Some("a")"#);
        assert_eq!(read(&parsed), "generic warning firing None");
        assert_eq!(read(&sent), r#"alertmanager info firing Some("b")"#);
        assert_eq!(probes(&json!([{}, {}])).unwrap().len(), 2);
    }

    #[test]
    fn what_cannot_be_understood_is_named_with_its_place() {
        let said = |value: Value| probes(&value).unwrap_err();
        assert!(said(json!([{}, {"severity": "high"}])).starts_with("alert 2: `severity`: expected one of"));
        assert!(said(json!({"status": "open"})).contains("`status`"));
        assert!(said(json!("text")).contains("object"));
        assert!(said(json!({"labels": []})).contains("map"));
        assert!(said(json!(vec![json!({}); 101])).contains("100"));
    }
}
