//! Settings as they are given on the command line.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::cli::output;

/// What stands for standard input.
const STDIN: &str = "-";

#[derive(clap::Args)]
pub(in crate::cli) struct Given {
    /// One setting; may be repeated. A value of `-` is read from standard input; a secret may be given as
    /// `env:NAME` or `file:/path`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// All settings as JSON: a file, `-` for standard input, or the object itself
    #[arg(long, alias = "config", value_name = "FILE")]
    settings: Option<String>,
}

impl Given {
    /// Whether all of them are given.
    pub(super) const fn is_whole(&self) -> bool {
        self.settings.is_some()
    }

    /// Those of `--settings` with those of `--set` over them.
    pub(in crate::cli) fn all(&self, schema: &Value) -> Result<Value> {
        self.check_inputs()?;
        let mut all = match &self.settings {
            Some(place) => whole(place, schema)?,
            None => Map::new(),
        };
        all.extend(self.pairs(schema)?);
        Ok(Value::Object(all))
    }

    /// Standard input comes to an end, and what it holds belongs to one of them.
    fn check_inputs(&self) -> Result<()> {
        let is_input = |pair: &&String| pair.split_once('=').is_some_and(|(_, text)| text == STDIN);
        let inputs = self.set.iter().filter(is_input).count();
        if inputs.saturating_add(usize::from(self.settings.as_deref() == Some(STDIN))) > 1 {
            bail!(
                "standard input can be read once\nhint: give several settings by it as JSON: `--settings -`"
            );
        }
        Ok(())
    }

    /// Those of `--set`.
    pub(super) fn pairs(&self, schema: &Value) -> Result<Vec<(String, Value)>> {
        self.check_inputs()?;
        let pair = |(place, pair): (usize, &String)| {
            // What it holds may be a secret.
            let place = place.saturating_add(1);
            let (name, text) =
                pair.split_once('=').with_context(|| format!("`--set` number {place} must be NAME=VALUE"))?;
            let name = name.trim().to_owned();
            let text = match text {
                STDIN => read_input()?.trim_end_matches(['\r', '\n']).to_owned(),
                text => {
                    warn_of_secret(schema, &name, text);
                    text.to_owned()
                }
            };
            let value = typed(part(schema, &name), text);
            Ok((name, value))
        };
        self.set.iter().enumerate().map(pair).collect()
    }
}

fn whole(place: &str, schema: &Value) -> Result<Map<String, Value>> {
    let is_inline = place.trim_start().starts_with('{');
    let text = match place {
        STDIN => read_input()?,
        text if is_inline => text.to_owned(),
        file => std::fs::read_to_string(file).with_context(|| format!("`{file}` cannot be read"))?,
    };
    // The parser's own error is kept out: it may show a part of a secret.
    let Ok(Value::Object(settings)) = serde_json::from_str(&text) else {
        bail!("what `--settings` gives is no JSON object, such as {{\"url\": \"https://…\"}}");
    };
    if is_inline {
        for (name, value) in &settings {
            warn_of_secret(schema, name, value.as_str().unwrap_or_default());
        }
    }
    Ok(settings)
}

fn read_input() -> Result<String> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).context("standard input cannot be read")?;
    Ok(input)
}

/// Others on this machine see what stands on a command line, and shells remember it.
fn warn_of_secret(schema: &Value, name: &str, text: &str) {
    let is_secret = part(schema, name).get("format").and_then(Value::as_str) == Some("secret");
    if is_secret && !text.starts_with("env:") && !text.starts_with("file:") {
        output::note(&format!(
            "warning: `{name}` is a secret, and others can see the command line\n\
             hint: `--set {name}=-` reads it from standard input; `env:NAME` and `file:/path` keep it elsewhere"
        ));
    }
}

fn part<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema.get("properties").and_then(|properties| properties.get(name)).unwrap_or(&Value::Null)
}

/// A text, but for a setting that is something else and where the text says such a thing.
fn typed(schema: &Value, text: String) -> Value {
    let kinds = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if kinds.is_empty() || kinds.contains(&"string") {
        return Value::String(text);
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_their_setting_is_meant() {
        let schema = json!({ "properties": {
            "port": {"type": "integer"}, "url": {"type": "string"}, "headers": {"type": "object"}, "any": {}
        }});
        let set = ["port=587", "url=5", "headers={\"a\":\"b\"}", "any=1", "port=many"].map(str::to_owned);
        let given = Given { set: set.into(), settings: None };
        let pairs: Vec<Value> = given.pairs(&schema).unwrap().into_iter().map(|(_, value)| value).collect();
        assert_eq!(pairs, [json!(587), json!("5"), json!({"a": "b"}), json!("1"), json!("many")]);
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        let error = |set: &[&str], settings: Option<&str>| {
            let set = set.iter().map(|text| (*text).to_owned()).collect();
            let given = Given { set, settings: settings.map(str::to_owned) };
            format!("{:#}", given.all(&Value::Null).unwrap_err())
        };
        assert_eq!(error(&["a=b", "hunter2"], None), "`--set` number 2 must be NAME=VALUE");
        assert!(!error(&[], Some("{\"a\": hunter2")).contains("hunter2"));
        assert!(error(&["a=-", "b=-"], None).contains("read once"));
        assert!(error(&["a=-"], Some("-")).contains("read once"));
        assert!(error(&[], Some("/no/such/file")).contains("`/no/such/file`"));
    }
}
