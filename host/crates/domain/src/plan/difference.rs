//! What a webhook says differently.

use serde_json::{Map, Value, json};

use crate::alert::Alert;

/// Which of the fields that people see differ, as `{"field": [old, new]}`.
pub(super) fn differences(before: &Alert, after: &Alert) -> Value {
    let mut changed = Map::new();
    let mut note = |field: &str, old: Value, new: Value| {
        if old != new {
            changed.insert(field.to_owned(), json!([old, new]));
        }
    };
    note("name", json!(before.name), json!(after.name));
    note("status", json!(before.status), json!(after.status));
    note("severity", json!(before.severity), json!(after.severity));
    note("raw_severity", json!(before.raw_severity), json!(after.raw_severity));
    note("description", json!(before.description), json!(after.description));
    note("labels", json!(before.labels), json!(after.labels));
    note("annotations", json!(before.annotations), json!(after.annotations));
    Value::Object(changed)
}
