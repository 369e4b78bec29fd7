//! Shapes as the host reads them, in the plainest way: enough to pin in a golden file which shape a
//! payload has. The host's own evaluator is faster and stricter.

use serde_json::{Map, Value, json};

use crate::driver::{Root, Shape};

/// The shape with the highest priority that this body and these headers have; of several with the same
/// priority the one that is declared first, as at the host.
pub fn matching<'s>(shapes: &'s [Shape], headers: &[&str], body: &[u8]) -> Option<&'s Shape> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let root = if body.is_object() { Root::Object } else { Root::Array };
    best(shapes, root, headers, &body)
}

/// The same for a form without headers: its pointers have one step, the name of a field.
pub fn matching_form<'s>(shapes: &'s [Shape], body: &[u8]) -> Option<&'s Shape> {
    let fields: Map<String, Value> =
        form_urlencoded::parse(body).map(|(key, value)| (key.into_owned(), json!(value))).collect();
    best(shapes, Root::Form, &[], &Value::Object(fields))
}

fn best<'s>(shapes: &'s [Shape], root: Root, headers: &[&str], body: &Value) -> Option<&'s Shape> {
    // The last of the highest is taken, so the first is last here.
    let fitting = shapes.iter().rev().filter(|shape| shape.root == root && matches(shape, headers, body));
    fitting.max_by_key(|shape| shape.priority)
}

fn matches(shape: &Shape, headers: &[&str], body: &Value) -> bool {
    (body.is_object() || body.is_array())
        && shape.headers.iter().all(|header| headers.contains(&header.as_str()))
        && shape.required.iter().all(|pointer| body.pointer(pointer).is_some())
        && shape.forbidden.iter().all(|pointer| body.pointer(pointer).is_none())
        && shape.equals.iter().all(|equal| match body.pointer(&equal.key) {
            Some(Value::String(text)) => *text == equal.value,
            Some(Value::Number(number)) => number.to_string() == equal.value,
            Some(Value::Bool(flag)) => flag.to_string() == equal.value,
            _ => false,
        })
}
