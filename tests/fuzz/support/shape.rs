//! Detection in one pass, beside the plainest way to do the same.

use std::sync::LazyLock;

use domain::plugin::PluginName;
use domain::shape::{Root, Shape, ShapeSet};
use plugin_sdk::driver::{Driver, Root as DriverRoot, Shape as DriverShape};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The content type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

static DRIVERS: LazyLock<Vec<(PluginName, Vec<Shape>)>> = LazyLock::new(|| {
    vec![
        shapes::<driver_alertmanager::Alertmanager>(),
        shapes::<driver_datadog::Datadog>(),
        shapes::<driver_generic::Generic>(),
        shapes::<driver_grafana::Grafana>(),
        shapes::<driver_newrelic::NewRelic>(),
        shapes::<driver_opsgenie::OpsGenie>(),
        shapes::<driver_pagerduty::PagerDuty>(),
        shapes::<driver_zabbix::Zabbix>(),
    ]
});

static SET: LazyLock<ShapeSet> =
    LazyLock::new(|| ShapeSet::new(DRIVERS.iter().map(|(name, shapes)| (name, shapes.as_slice()))));

fn shapes<D: Driver>() -> (PluginName, Vec<Shape>) {
    let info = D::metadata();
    let name = info.plugin.name.parse().expect("a built-in driver has a name that may be used");
    (name, info.shapes.into_iter().map(shape).collect())
}

fn shape(shape: DriverShape) -> Shape {
    Shape {
        name: shape.name,
        root: match shape.root {
            DriverRoot::Object => Root::Object,
            DriverRoot::Array => Root::Array,
            DriverRoot::Form => Root::Form,
        },
        headers: shape.headers,
        required: shape.required,
        forbidden: shape.forbidden,
        equals: shape.equals.into_iter().map(|label| (label.key, label.value)).collect(),
        priority: shape.priority,
    }
}

/// Any body is detected or named unreadable. What keeps to the grammar of JSON is readable; where a library reads
/// it too, the same shapes fit it.
///
/// # Panics
/// One of these does not hold.
pub fn check(input: &[u8]) {
    let content_type = if input.len().is_multiple_of(2) { "application/json" } else { FORM };
    let found = SET.matches(content_type, |_| true, input);
    assert_eq!(found, SET.matches(content_type, |_| true, input), "another answer to the same bytes");
    let body = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let is_json = str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    if is_json && body.trim_ascii_start().starts_with(b"{") {
        assert!(found.is_ok(), "what is JSON is readable: {found:?}");
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    if !(value.is_object() || value.is_array()) {
        return;
    }
    let mut names: Vec<(String, String)> = found
        .expect("what a JSON library reads is readable")
        .into_iter()
        .map(|found| (found.driver.to_string(), found.shape))
        .collect();
    names.sort();
    assert_eq!(names, fitting(&value));
}

/// The shapes that fit, in the plainest way.
fn fitting(body: &Value) -> Vec<(String, String)> {
    let all = DRIVERS.iter().flat_map(|(name, shapes)| shapes.iter().map(move |shape| (name, shape)));
    let fitting = all.filter(|(_, shape)| fits(shape, body));
    let mut names: Vec<_> = fitting.map(|(name, shape)| (name.to_string(), shape.name.clone())).collect();
    names.sort();
    names
}

fn fits(shape: &Shape, body: &Value) -> bool {
    let root = if body.is_object() { Root::Object } else { Root::Array };
    shape.root == root
        && shape.required.iter().all(|pointer| body.pointer(pointer).is_some())
        && shape.forbidden.iter().all(|pointer| body.pointer(pointer).is_none())
        && shape.equals.iter().all(|(pointer, text)| match body.pointer(pointer) {
            Some(Value::String(found)) => found == text,
            Some(Value::Number(found)) => {
                found.to_string() == *text || found.as_f64().is_some_and(|found| found.to_string() == *text)
            }
            Some(Value::Bool(found)) => found.to_string() == *text,
            _ => false,
        })
}
