//! Golden tests of drivers: a body in, alerts out.

use serde_json::{Value, json};

use super::{alert_json, breach, error_json, matching, matching_form, run};
use crate::driver::{self, Driver, Incoming, Outcome, Parsed};
use crate::{Alert, PluginError};

/// When golden webhooks were received: 2026-06-01T12:00:00Z.
pub const RECEIVED_AT: i64 = 1_780_315_200_000;

/// The content type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Compares what the driver makes of every input, and tries each input in many broken forms, of which
/// none may end in a result that the host refuses.
///
/// The expected file names the shape that recognises the body, so that detection is pinned too.
pub fn driver<D: Driver>(folder: &str) {
    let shapes = D::metadata().shapes;
    run(folder, |content_type, body| {
        let parse = |body: &[u8]| {
            driver::read::<D>(&Incoming { content_type: content_type.to_owned(), ..incoming(body) }, "")
        };
        for broken in variations(body) {
            if let Ok(parsed) = parse(&broken)
                && let Some(field) = breach(&parsed)
            {
                panic!("`{field}` breaks the contract for {}", String::from_utf8_lossy(&broken));
            }
        }
        let mut result = match &parse(body) {
            Ok(parsed) => parsed_json(parsed),
            Err(error) => error_json(error),
        };
        let shape =
            if content_type == FORM { matching_form(&shapes, body) } else { matching(&shapes, &[], body) };
        let shape = shape.map(|shape| shape.name.as_str());
        if let Value::Object(fields) = &mut result {
            fields.insert("shape".to_owned(), json!(shape));
        }
        result
    });
}

/// Calls the driver with a body, as the host would.
///
/// # Errors
/// What the driver says.
pub fn parse<D: Driver>(body: &[u8]) -> Result<Parsed, PluginError> {
    driver::read::<D>(&incoming(body), "")
}

/// The alerts of a result; panics where there are none.
pub fn alerts_of(result: Result<Parsed, PluginError>) -> Vec<Alert> {
    match result.expect("the driver reads the body").outcome {
        Outcome::Alerts(alerts) => alerts,
        Outcome::Nothing(reason) => panic!("{reason}"),
    }
}

/// The alerts that the driver reads from a body; panics where there are none.
pub fn alerts_in<D: Driver>(body: &str) -> Vec<Alert> {
    alerts_of(parse::<D>(body.as_bytes()))
}

/// The first alert that the driver reads from a body; panics where there is none.
pub fn alert_in<D: Driver>(body: &str) -> Alert {
    alerts_in::<D>(body).remove(0)
}

/// Checks that the driver's own sample gives alerts, without which the host does not load it.
pub fn sample<D: Driver>() {
    let sample = D::metadata().sample.expect("a driver has a sample");
    assert!(!alerts_of(parse::<D>(&sample)).is_empty());
}

/// A JSON webhook received at [`RECEIVED_AT`].
pub fn incoming(body: &[u8]) -> Incoming {
    Incoming {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        body: body.to_vec(),
        received_at: RECEIVED_AT,
    }
}

/// A body in broken forms: every beginning of it, and with every value in turn replaced by a null, a
/// number, an odd text, a very long text, an empty list, an empty object, and an object with more
/// than is taken.
pub fn variations(body: &[u8]) -> Vec<Vec<u8>> {
    let mut variations: Vec<Vec<u8>> =
        (0..body.len()).filter_map(|end| body.get(..end)).map(<[u8]>::to_vec).collect();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let long = "\u{202e}é\n".repeat(4_000);
        let many: serde_json::Map<String, Value> = (0..70)
            .map(|index| (format!("{index}\u{2067}{}", "k".repeat(200)), json!("é".repeat(300))))
            .collect();
        let replacements = [
            json!(null),
            json!(-1.5e300),
            json!("\u{0}é\u{202e}"),
            json!(long),
            json!(format!("https://{}", "x".repeat(4_000))),
            json!([]),
            json!({}),
            Value::Object(many),
        ];
        let mut pointers = Vec::new();
        collect_pointers(&value, &mut String::new(), &mut pointers);
        for pointer in pointers {
            for replacement in &replacements {
                let mut changed = value.clone();
                if let Some(place) = changed.pointer_mut(&pointer) {
                    place.clone_from(replacement);
                }
                variations.push(changed.to_string().into_bytes());
            }
        }
    }
    variations
}

fn collect_pointers(value: &Value, at: &mut String, pointers: &mut Vec<String>) {
    pointers.push(at.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(key, child)| (key.replace('~', "~0").replace('/', "~1"), child)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        let length = at.len();
        at.push('/');
        at.push_str(&key);
        collect_pointers(child, at, pointers);
        at.truncate(length);
    }
}

fn parsed_json(parsed: &Parsed) -> Value {
    let (outcome, content) = match &parsed.outcome {
        Outcome::Alerts(alerts) => ("alerts", alerts.iter().map(alert_json).collect()),
        Outcome::Nothing(reason) => ("nothing", json!(reason)),
    };
    json!({
        outcome: content,
        "group_key": parsed.group_key,
        "receiver": parsed.receiver,
        "external_url": parsed.external_url,
        "version": parsed.version,
        "warnings": parsed.warnings,
    })
}
