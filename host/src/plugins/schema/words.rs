//! What is wrong with settings, in words: the place, what was expected, and never a value.

use std::borrow::Cow;

use domain::plugin::Problem;
use domain::text::disturbs;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::{Map, Value};

use super::step;

/// How much of a name or a text of the schema is shown.
const SHOWN_CHARS: usize = 120;

/// What one finding comes to.
pub(super) fn tell(schema: &Value, found: &ValidationError<'_>) -> Vec<Problem> {
    let path = found.instance_path().as_str();
    let around = around(schema, found.schema_path().as_str());
    let properties = around.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    match found.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| unknown(path, name, properties)).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![missing(path, property.as_str().unwrap_or_default(), properties)]
        }
        kind => vec![Problem { path: path.to_owned(), message: expected(kind, found.instance()) }],
    }
}

/// A setting that is not there.
pub(super) fn unknown(path: &str, name: &str, known: Option<&Map<String, Value>>) -> Problem {
    let names: Vec<String> =
        known.into_iter().flat_map(Map::keys).map(|name| format!("`{}`", shown(name))).collect();
    let there = if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) };
    let name: String = name.chars().take(40).collect();
    let message = format!("there is no setting `{}`{there}", shown(&name));
    Problem { path: at(path, &shown(&name)), message }
}

fn missing(path: &str, name: &str, properties: Option<&Map<String, Value>>) -> Problem {
    let about = properties.and_then(|properties| properties.get(name));
    let text = |keyword| about.and_then(|about| about.get(keyword)).and_then(Value::as_str);
    let about = text("description").or_else(|| text("title"));
    let about = about.map(|text| format!(": {}", shown(text))).unwrap_or_default();
    Problem { path: at(path, name), message: format!("`{}` is missing{about}", shown(name)) }
}

fn expected(kind: &ValidationErrorKind, found: &Value) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind } => format!("must be {}, found {}", types(kind), of(found)),
        Kind::Enum { options } => format!("must be one of {}", list(options)),
        Kind::Constant { expected_value } => format!("must be {}", quoted(expected_value)),
        Kind::Format { format } => self::format(format),
        Kind::Pattern { pattern } => format!("must match the pattern `{}`", shown(pattern)),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::Minimum { limit } => format!("must be {limit} or more"),
        Kind::Maximum { limit } => format!("must be {limit} or less"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinItems { limit } => format!("must have at least {limit} entries"),
        Kind::MaxItems { limit } => format!("must have at most {limit} entries"),
        Kind::MinProperties { limit } => format!("must have at least {limit} entries"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} entries"),
        Kind::UniqueItems => "must not have an entry twice".to_owned(),
        Kind::PropertyNames { .. } => "has an entry whose name is not allowed".to_owned(),
        Kind::FalseSchema => "must not be set together with what else is set".to_owned(),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context),
        Kind::OneOfMultipleValid { .. } => {
            "fits several of the forms that exclude one another; keep one".to_owned()
        }
        Kind::Not { .. } => "has a form that is not allowed".to_owned(),
        other => format!("does not satisfy `{}` of the schema", other.keyword()),
    }
}

/// Where all alternatives ask for settings by name, those are named.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let needed = |branch: &Vec<ValidationError<'static>>| -> Option<String> {
        let names: Option<Vec<String>> = branch
            .iter()
            .map(|found| match found.kind() {
                ValidationErrorKind::Required { property } => {
                    Some(format!("`{}`", shown(property.as_str()?)))
                }
                _ => None,
            })
            .collect();
        Some(names?.join(" with "))
    };
    match context.iter().map(needed).collect::<Option<Vec<String>>>() {
        Some(ways) if !ways.is_empty() => format!("one of these is needed: {}", ways.join(", or ")),
        _ => format!("fits none of the {} forms that are allowed", context.len()),
    }
}

fn format(format: &str) -> String {
    match format {
        "uri" => "must be a whole address, such as `https://hooks.example.com/x`".to_owned(),
        "email" => "must be an e-mail address".to_owned(),
        "hostname" => "must be the name of a host".to_owned(),
        other => format!("must have the format `{}`", shown(other)),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(name).collect::<Vec<_>>().join(" or "),
    }
}

const fn name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a text",
    }
}

const fn of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "`true` or `false`",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn list(options: &Value) -> String {
    options.as_array().into_iter().flatten().map(quoted).collect::<Vec<_>>().join(", ")
}

fn quoted(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
    format!("`{}`", shown(&text))
}

/// A text of the schema, or a name, without power over what shows it.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !disturbs(*c)).take(SHOWN_CHARS).collect()
}

fn at(path: &str, name: &str) -> String {
    let mut pointer = path.to_owned();
    step(&mut pointer, name);
    pointer
}

/// The schema whose keyword was broken.
fn around<'a>(schema: &'a Value, keyword: &str) -> Option<&'a Value> {
    schema.pointer(keyword.rsplit_once('/')?.0)
}
