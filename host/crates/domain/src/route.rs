//! Routes: which stages a run takes and which channels it tells.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alert::{AlertStatus, Labels, Severity, words};
use crate::id::RouteId;
use crate::plugin::PluginName;
use crate::run::{Origin, Stage};

/// How long a name may be, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// How many conditions a route may have: each is looked at for every run.
const MAX_CONDITIONS: usize = 32;
/// How many values a list may have.
const MAX_VALUES: usize = 100;
/// How long a value or the key of a label may be, in bytes; labels are bounded by the contract.
const MAX_VALUE_BYTES: usize = 1024;

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
    /// What set it off.
    pub origin: Origin,
    /// The worst alert's labels.
    pub labels: &'a Labels,
}

words! {
    /// How a field is compared.
    Operator {
        /// Equal.
        Is = "is",
        /// Not equal.
        IsNot = "is-not",
        /// One of a list.
        In = "in",
        /// None of a list.
        NotIn = "not-in",
    }
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

    /// Why it can never be understood, or never hold, if so: such a condition is refused.
    pub fn defect(&self) -> Option<String> {
        let field = shown(&self.field);
        if !self.is_known() {
            return Some(format!(
                "field `{field}` is none of `source`, `severity`, `status`, `instance`, `origin`, `label:<key>`"
            ));
        }
        let values = match (self.op, &self.value) {
            (Operator::Is | Operator::IsNot, Value::String(_)) => std::slice::from_ref(&self.value),
            (Operator::In | Operator::NotIn, Value::Array(list)) => list.as_slice(),
            (op @ (Operator::Is | Operator::IsNot), _) => {
                return Some(format!("value of `{field}` must be a text for `{op}`"));
            }
            (op, _) => return Some(format!("value of `{field}` must be a list of texts for `{op}`")),
        };
        if values.is_empty() {
            return Some(format!("the list of `{field}` is empty: name at least one value"));
        }
        if values.len() > MAX_VALUES {
            return Some(format!(
                "the list of `{field}` must have at most {MAX_VALUES} values, found {}",
                values.len()
            ));
        }
        values.iter().find_map(|value| self.defect_of(value))
    }

    /// Why one value can never be met.
    fn defect_of(&self, value: &Value) -> Option<String> {
        let field = shown(&self.field);
        let Value::String(text) = value else {
            return Some(format!("value of `{field}` must hold texts only"));
        };
        if text.len() > MAX_VALUE_BYTES {
            return Some(format!(
                "a value of `{field}` must have at most {MAX_VALUE_BYTES} bytes, found {}",
                text.len()
            ));
        }
        // What set off a run is never the change that it is about.
        let origins = Origin::ALL.iter().filter(|origin| **origin != Origin::IncidentChange);
        let allowed: Vec<&str> = match self.field.as_str() {
            "severity" => Severity::ALL.iter().map(|word| word.as_str()).collect(),
            "status" => AlertStatus::ALL.iter().map(|word| word.as_str()).collect(),
            "origin" => origins.map(|word| word.as_str()).collect(),
            "source" => {
                let problem = text.parse::<PluginName>().err()?;
                return Some(format!("value of `source` is no driver's name: {problem}"));
            }
            _ => return None,
        };
        (!allowed.contains(&text.as_str())).then(|| {
            format!("value of `{field}` must be one of `{}`, found `{}`", allowed.join("`, `"), shown(text))
        })
    }

    fn is_known(&self) -> bool {
        let label = self.field.strip_prefix("label:");
        ["source", "severity", "status", "instance", "origin"].contains(&self.field.as_str())
            || label.is_some_and(|key| !key.is_empty() && key.len() <= MAX_VALUE_BYTES)
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

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.field, self.op, self.value)
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

/// What a route says to a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether all of its conditions hold.
    pub matches: bool,
    /// For each condition what it asks for and what was found; one line says so where there is none.
    pub because: Vec<String>,
}

impl Route {
    /// Whether all conditions hold.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(subject))
    }

    /// Why it matches, or does not: only conditions that do not hold are told where there are such.
    pub fn verdict(&self, subject: &Subject<'_>) -> Verdict {
        let matches = self.matches(subject);
        let told = self.conditions.iter().filter(|condition| condition.holds(subject) == matches);
        let mut because: Vec<String> = told
            .map(|condition| match condition.field_of(subject) {
                None => format!("{condition}: there is no such field"),
                Some(_) if matches => condition.to_string(),
                Some(found) => format!("{condition}: found {}", Value::from(found)),
            })
            .collect();
        if because.is_empty() {
            because.push("it asks for nothing".to_owned());
        }
        Verdict { matches, because }
    }

    /// Why it cannot be understood: of each part that is wrong, the name and what is wrong with it.
    pub fn defects(&self) -> Vec<String> {
        let mut defects = Vec::new();
        let name = &self.name;
        if name.trim().is_empty()
            || name.trim() != name
            || name.len() > MAX_NAME_BYTES
            || name.contains(char::is_control)
        {
            defects.push(format!(
                "`name` must have 1 to {MAX_NAME_BYTES} bytes, no control characters and no blanks around it"
            ));
        }
        if self.conditions.len() > MAX_CONDITIONS {
            let found = self.conditions.len();
            defects.push(format!("`conditions` must be at most {MAX_CONDITIONS}, found {found}"));
        }
        let conditions = self.conditions.iter().enumerate();
        defects.extend(
            conditions
                .filter_map(|(at, condition)| Some(format!("`conditions[{at}]`: {}", condition.defect()?))),
        );
        // A run ends with its notify stage, and the later stages use what the earlier ones found.
        let ordered = self.stages.is_sorted_by(|a, b| a < b) && !self.stages.contains(&Stage::Ingest);
        if !ordered || self.stages.is_empty() {
            let found: Vec<&str> = self.stages.iter().map(|stage| stage.as_str()).collect();
            defects.push(format!(
                "`stages` must be one or more of `check`, `analyze`, `notify`, each once and in this order, \
                 found {}",
                Value::from(found)
            ));
        }
        let twice = self
            .channels
            .iter()
            .enumerate()
            .find(|(at, name)| self.channels.iter().take(*at).any(|other| other == *name));
        if let Some((_, name)) = twice {
            defects.push(format!("`channels` names `{}` twice", shown(name)));
        }
        defects
    }
}

/// The first route whose conditions all hold. `routes` must be ordered by priority, then id.
pub fn choose(routes: &mut impl Iterator<Item = Route>, subject: &Subject<'_>) -> Option<Route> {
    routes.find(|route| route.enabled && route.matches(subject))
}

/// A text of somebody's as messages show it.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
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
        for (condition, named) in [
            (json!({"field": "severity", "value": "high"}), "`info`, `warning`, `critical`, found `high`"),
            (
                json!({"field": "status", "op": "is-not", "value": "open"}),
                "`firing`, `acknowledged`, `resolved`",
            ),
            (json!({"field": "origin", "value": "incident_change"}), "`checker_generated`"),
            (json!({"field": "source", "value": "Grafana!"}), "driver's name"),
            (json!({"field": "label:team", "op": "in", "value": []}), "empty"),
            (json!({"field": "label:team", "op": "in", "value": "db"}), "list of texts for `in`"),
            (json!({"field": "label:team", "value": ["db"]}), "a text for `is`"),
            (json!({"field": "instance", "op": "in", "value": vec!["x"; 101]}), "at most 100 values"),
            (json!({"field": "instance", "value": "x".repeat(1025)}), "at most 1024 bytes"),
        ] {
            let said = defect(condition.clone()).unwrap();
            assert!(said.contains(named), "{condition}: {said}");
        }
    }

    fn route(name: &str, conditions: Value, stages: &[Stage]) -> Route {
        Route {
            id: RouteId::from(ulid::Ulid(1)),
            name: name.to_owned(),
            priority: 1,
            conditions: serde_json::from_value(conditions).unwrap(),
            stages: stages.to_vec(),
            channels: Vec::new(),
            enabled: true,
        }
    }

    #[test]
    fn routes_that_cannot_be_understood_say_which_part() {
        let good = route("ops", json!([]), &[Stage::Check, Stage::Notify]);
        assert_eq!(good.defects(), Vec::<String>::new());
        for (route, named) in [
            (route(" ", json!([]), &[Stage::Notify]), "`name`"),
            (route("a\nb", json!([]), &[Stage::Notify]), "`name`"),
            (route("ops", json!([]), &[]), "`stages`"),
            (route("ops", json!([]), &[Stage::Ingest, Stage::Notify]), "`stages`"),
            (route("ops", json!([]), &[Stage::Notify, Stage::Check]), "`stages`"),
            (route("ops", json!([]), &[Stage::Notify, Stage::Notify]), "`stages`"),
            (route("ops", json!([{"field": "colour", "value": "red"}]), &[Stage::Notify]), "`conditions[0]`"),
            (Route { channels: vec!["a".into(), "a".into()], ..good }, "`channels` names `a` twice"),
        ] {
            let said = route.defects().join("; ");
            assert!(said.contains(named), "{said}");
        }
    }

    #[test]
    fn verdict_tells_what_was_asked_for_and_what_was_found() {
        let labels = Labels::new();
        let subject = Subject {
            source: "grafana",
            severity: Severity::Warning,
            status: AlertStatus::Firing,
            instance: None,
            origin: Origin::IncomingWebhook,
            labels: &labels,
        };
        let verdict = |conditions| {
            let verdict = route("ops", conditions, &[Stage::Notify]).verdict(&subject);
            (verdict.matches, verdict.because.join("; "))
        };
        assert_eq!(verdict(json!([])), (true, "it asks for nothing".into()));
        let severity = json!({"field": "severity", "value": "critical"});
        let source = json!({"field": "source", "op": "in", "value": ["grafana"]});
        assert_eq!(verdict(json!([source])), (true, r#"source in ["grafana"]"#.into()));
        assert_eq!(
            verdict(json!([source, severity])),
            (false, r#"severity is "critical": found "warning""#.into())
        );
        let unknown = verdict(json!([{"field": "colour", "op": "is-not", "value": "red"}]));
        assert_eq!(unknown, (false, r#"colour is-not "red": there is no such field"#.into()));
    }
}
