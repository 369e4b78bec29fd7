//! Routes: which stages a run takes and which channels it tells.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alert::{AlertStatus, Labels, Severity};
use crate::id::RouteId;
use crate::run::{Origin, Stage};

/// What a route is matched against.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The driver.
    pub source: &'a str,
    /// The incident's severity.
    pub severity: Severity,
    /// The incident's state, in the words of alerts.
    pub status: AlertStatus,
    /// The machine or service.
    pub instance: Option<&'a str>,
    /// Where the run came from.
    pub origin: Origin,
    /// The worst alert's labels.
    pub labels: &'a Labels,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// Equal.
    Is,
    /// Not equal.
    IsNot,
    /// One of a list.
    In,
    /// None of a list.
    NotIn,
}

/// One condition of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// `source`, `severity`, `status`, `instance`, `origin` or `label:<key>`.
    pub field: String,
    /// How it is compared.
    #[serde(default = "is")]
    pub op: Operator,
    /// A text, or for `in` and `not-in` a list of texts.
    pub value: Value,
}

const fn is() -> Operator {
    Operator::Is
}

impl Condition {
    /// Whether it holds. An unknown field or a value of the wrong type never does: a rule that
    /// cannot be understood must not catch alerts that another one is meant for.
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        let Some(found) = self.field_of(subject) else { return false };
        match (self.op, &self.value) {
            (Operator::Is, Value::String(wanted)) => wanted == found,
            (Operator::IsNot, Value::String(wanted)) => wanted != found,
            (Operator::In, Value::Array(list)) => list.iter().any(|wanted| wanted == found),
            (Operator::NotIn, Value::Array(list)) => !list.iter().any(|wanted| wanted == found),
            _ => false,
        }
    }

    /// Why it can never hold, if so: what `route add` refuses.
    pub fn defect(&self) -> Option<String> {
        let known = ["source", "severity", "status", "instance", "origin"];
        let label = self.field.strip_prefix("label:").is_some_and(|key| !key.is_empty());
        if !known.contains(&self.field.as_str()) && !label {
            return Some(format!(
                "field `{}` is none of `source`, `severity`, `status`, `instance`, `origin`, `label:<key>`",
                self.field
            ));
        }
        let fits = match self.op {
            Operator::Is | Operator::IsNot => self.value.is_string(),
            Operator::In | Operator::NotIn => {
                self.value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
            }
        };
        (!fits).then(|| {
            format!("value of `{}` must be a text, or a list of texts for `in` and `not-in`", self.field)
        })
    }

    fn field_of<'a>(&self, subject: &Subject<'a>) -> Option<&'a str> {
        match self.field.as_str() {
            "source" => Some(subject.source),
            "severity" => Some(subject.severity.as_str()),
            "status" => Some(subject.status.as_str()),
            "instance" => Some(subject.instance.unwrap_or_default()),
            "origin" => Some(subject.origin.as_str()),
            field => {
                let key = field.strip_prefix("label:")?;
                Some(subject.labels.get(key).map_or("", String::as_str))
            }
        }
    }
}

/// A rule that picks a run's stages and channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its identifier; breaks ties of priority.
    pub id: RouteId,
    /// Unique.
    pub name: String,
    /// The lowest is asked first.
    pub priority: i32,
    /// All must hold; an empty list always does.
    pub conditions: Vec<Condition>,
    /// In this order.
    pub stages: Vec<Stage>,
    /// Names of channels; empty means every enabled channel.
    pub channels: Vec<String>,
    /// Whether it takes part.
    pub enabled: bool,
}

/// The first route whose conditions all hold. `routes` must be ordered by priority, then id.
pub fn choose<'a>(routes: &'a [Route], subject: &Subject<'_>) -> Option<&'a Route> {
    routes
        .iter()
        .find(|route| route.enabled && route.conditions.iter().all(|condition| condition.holds(subject)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(condition: Value) -> bool {
        let labels = Labels::from([("team".into(), "db".into())]);
        let subject = Subject {
            source: "grafana",
            severity: Severity::Critical,
            status: AlertStatus::Firing,
            instance: None,
            origin: Origin::IncidentChange,
            labels: &labels,
        };
        serde_json::from_value::<Condition>(condition).is_ok_and(|condition| condition.holds(&subject))
    }

    #[test]
    fn each_operator_compares_text() {
        assert!(holds(json!({"field": "source", "value": "grafana"})));
        assert!(!holds(json!({"field": "source", "op": "is-not", "value": "grafana"})));
        assert!(holds(json!({"field": "severity", "op": "in", "value": ["warning", "critical"]})));
        assert!(holds(json!({"field": "status", "op": "not-in", "value": ["resolved"]})));
        assert!(holds(json!({"field": "label:team", "value": "db"})));
        assert!(holds(json!({"field": "label:none", "value": ""})));
        assert!(holds(json!({"field": "instance", "value": ""})));
    }

    #[test]
    fn what_cannot_be_understood_does_not_match() {
        assert!(!holds(json!({"field": "colour", "op": "is-not", "value": "red"})));
        assert!(!holds(json!({"field": "source", "op": "like", "value": "graf"})));
        assert!(!holds(json!({"field": "source", "op": "is-not", "value": 3})));
        assert!(!holds(json!({"field": "source", "op": "not-in", "value": "x"})));
        assert!(!holds(json!({"field": "source", "value": "grafana", "extra": 1})));
    }

    #[test]
    fn conditions_that_never_hold_are_named() {
        let defect = |value| serde_json::from_value::<Condition>(value).unwrap().defect();
        assert!(defect(json!({"field": "colour", "value": "red"})).unwrap().contains("colour"));
        assert!(defect(json!({"field": "label:", "value": "red"})).is_some());
        assert!(defect(json!({"field": "source", "op": "in", "value": [1]})).is_some());
        assert!(defect(json!({"field": "source", "op": "in", "value": ["a"]})).is_none());
    }
}
