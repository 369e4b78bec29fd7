//! Shapes as the host reads them, in the plainest way: enough to pin in a golden file which shape a
//! payload has. The host's own evaluator is faster and stricter.

use serde_json::Value;

use crate::driver::{Root, Shape};

/// The shape with the highest priority that this body and these headers have; of several with the same
/// priority the one that is declared first, as at the host.
pub fn matching<'s>(shapes: &'s [Shape], headers: &[&str], body: &[u8]) -> Option<&'s Shape> {
    let body: Value = serde_json::from_slice(body).ok()?;
    // The last of the highest is taken, so the first is last here.
    shapes.iter().rev().filter(|shape| matches(shape, headers, &body)).max_by_key(|shape| shape.priority)
}

fn matches(shape: &Shape, headers: &[&str], body: &Value) -> bool {
    let root_fits = match shape.root {
        Root::Object => body.is_object(),
        Root::Array => body.is_array(),
        Root::Form => false,
    };
    root_fits
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
