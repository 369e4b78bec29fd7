//! The JSON Schema of a plugin's settings: looked over when the plugin is loaded, and what settings are
//! checked against before they are kept or used.
//!
//! A schema comes from a plugin and is treated as hostile. It is a plain subset of draft 2020-12: nothing
//! refers to anything, so that checking costs no more than its size times that of the settings, and the host
//! finds every secret by walking along the properties.

mod words;

use domain::plugin::Problem;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

/// How large a schema may be, as JSON.
const MAX_BYTES: usize = 32 * 1024;
/// How deep schemas may be nested in one another.
const MAX_DEPTH: usize = 12;
/// How long a pattern may be.
const MAX_PATTERN_BYTES: usize = 512;
/// How large a pattern may become: its time is linear in the text, and this bounds what it costs to make it.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// How many problems are told at once.
const MAX_PROBLEMS: usize = 20;
/// The one dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords that hold no further schema.
const PLAIN: &[&str] = &[
    "$comment",
    "$schema",
    "const",
    "default",
    "deprecated",
    "dependentRequired",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];
/// Keywords that hold one schema, in which the host looks for no secrets.
const ONE: &[&str] = &["contains", "else", "if", "items", "not", "propertyNames", "then"];
/// Keywords that hold a list of schemas, in which the host looks for no secrets.
const SEVERAL: &[&str] = &["allOf", "anyOf", "oneOf"];

/// Why a plugin's schema is not taken, and what its author does about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema of its settings is not taken: at `{pointer}`: {fault}\nhint: {remedy}")]
pub struct SchemaError {
    /// JSON Pointer into the schema.
    pointer: String,
    fault: String,
    remedy: &'static str,
}

/// A schema that was looked over and compiled, once for each generation of its plugin.
pub struct SettingsSchema {
    described: Value,
    validator: Validator,
}

impl std::fmt::Debug for SettingsSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SettingsSchema").field(&self.described).finish()
    }
}

impl SettingsSchema {
    /// Looks a schema over and compiles it. One without `properties` lets every object pass.
    ///
    /// # Errors
    /// [`SchemaError`], with its place and the fix.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        let size = schema.to_string().len();
        if size > MAX_BYTES {
            let fault = format!("it has {size} bytes, at most {MAX_BYTES} are allowed");
            return Err(error("", fault, "shorten its descriptions"));
        }
        let Value::Object(root) = schema else {
            return Err(error("", "it is no object".to_owned(), "describe an object with `properties`"));
        };
        if !root.is_empty() && root.get("type").and_then(Value::as_str) != Some("object") {
            let fault = "settings are an object, and it does not say so".to_owned();
            return Err(error("", fault, "write `\"type\": \"object\"`"));
        }
        if root.get("$schema").is_some_and(|dialect| dialect != DIALECT) {
            let fault = "it is in another dialect of JSON Schema".to_owned();
            return Err(error("/$schema", fault, "leave `$schema` out, or name draft 2020-12 there"));
        }
        walk(root, &mut String::new(), 0, Some(String::new()))?;
        let patterns = PatternOptions::regex().size_limit(MAX_COMPILED_BYTES);
        let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
        let options = options.should_validate_formats(true).with_pattern_options(patterns);
        let validator = options.build(schema).map_err(|found| {
            let fault = found.to_string().chars().take(300).flat_map(char::escape_debug).collect();
            let remedy = "compare it with draft 2020-12; patterns know no look-around and no back-references";
            error(found.instance_path().as_str(), fault, remedy)
        })?;
        Ok(Self { described: schema.clone(), validator })
    }

    /// The schema as its plugin gave it.
    pub const fn described(&self) -> &Value {
        &self.described
    }

    /// What is wrong with settings in which secrets stand for themselves. No value is in the answer.
    pub fn problems(&self, settings: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Value::Object(settings) = settings {
            self.unknown(settings, &mut problems);
        }
        problems.extend(
            self.validator.iter_errors(settings).flat_map(|found| words::tell(&self.described, &found)),
        );
        problems.truncate(MAX_PROBLEMS);
        problems
    }

    /// [`SettingsSchema::problems`] of settings in which references to secrets stand for what they lead to: of
    /// those nothing is known.
    pub fn problems_as_written(&self, settings: &Value) -> Vec<Problem> {
        let is_reference = |problem: &Problem| {
            let value = settings.pointer(&problem.path).and_then(Value::as_str).unwrap_or_default();
            value.starts_with("env:") || value.starts_with("file:")
        };
        let mut problems = self.problems(settings);
        problems.retain(|problem| !is_reference(problem));
        problems
    }

    /// A schema that does not say what becomes of other settings knows no others.
    fn unknown(&self, settings: &Map<String, Value>, problems: &mut Vec<Problem>) {
        let Some(Value::Object(known)) = self.described.get("properties") else { return };
        if self.described.get("additionalProperties").is_none() {
            let strange = settings.keys().filter(|name| !known.contains_key(*name));
            problems.extend(strange.map(|name| words::unknown("", name, Some(known))));
        }
    }
}

fn error(pointer: &str, fault: String, remedy: &'static str) -> SchemaError {
    let pointer = if pointer.is_empty() { "/" } else { pointer };
    SchemaError { pointer: pointer.to_owned(), fault, remedy }
}

/// Looks one schema over. `secrets` is the name that a secret here would have; none where the host does not
/// look for one.
fn walk(
    schema: &Map<String, Value>,
    pointer: &mut String,
    depth: usize,
    secrets: Option<String>,
) -> Result<(), SchemaError> {
    if depth > MAX_DEPTH {
        let fault = format!("it is nested more than {MAX_DEPTH} deep");
        return Err(error(pointer, fault, "flatten the settings"));
    }
    for (keyword, value) in schema {
        let length = pointer.len();
        step(pointer, keyword);
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let length = pointer.len();
                    step(pointer, name);
                    let secret = secrets.as_ref().map(|outer| inner(outer, name));
                    below(property, pointer, depth, secret)?;
                    pointer.truncate(length);
                }
            }
            ("additionalProperties", value) => {
                below(value, pointer, depth, secrets.as_ref().map(|outer| inner(outer, "x")))?;
            }
            (keyword, value) if ONE.contains(&keyword) => below(value, pointer, depth, None)?,
            (keyword, Value::Array(schemas)) if SEVERAL.contains(&keyword) => {
                for (index, schema) in schemas.iter().enumerate() {
                    let length = pointer.len();
                    step(pointer, &index.to_string());
                    below(schema, pointer, depth, None)?;
                    pointer.truncate(length);
                }
            }
            ("format", Value::String(format)) if format == "secret" => {
                secret(schema, pointer, secrets.as_deref())?
            }
            ("pattern", Value::String(pattern)) if pattern.len() > MAX_PATTERN_BYTES => {
                let fault =
                    format!("it has {} bytes, at most {MAX_PATTERN_BYTES} are allowed", pattern.len());
                return Err(error(pointer, fault, "check less here and more in `validate-config`"));
            }
            (keyword, _) if PLAIN.contains(&keyword) || keyword.starts_with("x-") => {}
            _ => {
                let fault = "this keyword is not taken, or not in this form".to_owned();
                let remedy = "write schemas out where they are used; what else is to be checked belongs into `validate-config`";
                return Err(error(pointer, fault, remedy));
            }
        }
        pointer.truncate(length);
    }
    Ok(())
}

/// A schema inside another; `true` and `false` are schemas too.
fn below(
    schema: &Value,
    pointer: &mut String,
    depth: usize,
    secrets: Option<String>,
) -> Result<(), SchemaError> {
    match schema {
        Value::Object(schema) => walk(schema, pointer, depth.saturating_add(1), secrets),
        Value::Bool(_) => Ok(()),
        _ => Err(error(pointer, "it is no schema".to_owned(), "a schema is an object, `true` or `false`")),
    }
}

/// The host must find it, and be able to name it `secret://name`.
fn secret(schema: &Map<String, Value>, pointer: &str, name: Option<&str>) -> Result<(), SchemaError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        let fault = "a secret stands where the host does not look for one".to_owned();
        return Err(error(
            pointer,
            fault,
            "make it one of `properties`, not of a list, an alternative or a condition",
        ));
    };
    if schema.get("type").and_then(Value::as_str) != Some("string") {
        let fault = "a secret is a text, and it does not say so".to_owned();
        return Err(error(pointer, fault, "write `\"type\": \"string\"` beside it"));
    }
    if !is_secret_name(name) {
        let fault = "the name of a secret has letters, digits, `_` and `-` only".to_owned();
        return Err(error(pointer, fault, "give the setting another name"));
    }
    Ok(())
}

/// Whether `secret://name` can be read back.
pub(super) fn is_secret_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The name of a secret that is a setting inside another.
pub(super) fn inner(outer: &str, name: &str) -> String {
    if outer.is_empty() { name.to_owned() } else { format!("{outer}__{name}") }
}

/// One step further along a JSON Pointer (RFC 6901).
pub(super) fn step(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests;
