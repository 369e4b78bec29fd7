//! Which settings notifiers take, from their schemas.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use crate::app;
use crate::cli::output;
use crate::config::Config;
use crate::deliver::Channels;
use crate::plugins::NotifierEntry;

/// Prints the settings of one notifier, or of all.
pub(super) async fn settings(config: &Config, notifier: Option<String>, json: bool) -> Result<()> {
    let parts = app::channels(config, |_| true).await?;
    let all = parts.catalogue.notifiers();
    let wanted = match notifier {
        Some(name) => vec![Channels::new(parts).notifier(&name)?],
        None => all,
    };
    if json {
        let about = |entry: &Arc<NotifierEntry>| {
            let info = entry.notifier.info();
            let plugin = &info.plugin;
            json!({ "name": plugin.name, "summary": plugin.summary, "config_schema": info.config_schema })
        };
        let all: Vec<Value> = wanted.iter().map(about).collect();
        return output::json(&json!({ "notifiers": all }));
    }
    wanted.iter().try_for_each(|entry| tell(entry))
}

fn tell(entry: &NotifierEntry) -> Result<()> {
    let info = entry.notifier.info();
    let schema = entry.schema.described();
    output::line(&format!("{}: {}", info.plugin.name, info.plugin.summary))?;
    let required = list(schema.get("required"));
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, about) in properties.into_iter().flatten() {
        let text = |keyword| about.get(keyword).and_then(Value::as_str);
        let mut notes = vec![kind(about)];
        notes.extend(required.contains(&name.as_str()).then(|| "required".to_owned()));
        notes.extend(about.get("default").map(|default| format!("default {default}")));
        let meaning = text("description").or_else(|| text("title")).unwrap_or_default();
        output::line(&format!("  {name} ({})", notes.join(", ")))?;
        if !meaning.is_empty() {
            output::line(&format!("      {meaning}"))?;
        }
    }
    let ways =
        ["anyOf", "oneOf"].into_iter().find_map(|keyword| schema.get(keyword)).and_then(Value::as_array);
    let ways: Vec<String> =
        ways.into_iter().flatten().map(|way| list(way.get("required")).join(" with ")).collect();
    if !ways.is_empty() && ways.iter().all(|way| !way.is_empty()) {
        output::line(&format!("  one of these is needed: {}", ways.join(", or ")))?;
    }
    Ok(())
}

fn kind(about: &Value) -> String {
    if let Some(options) = about.get("enum").and_then(Value::as_array) {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        return format!("one of {}", options.join(", "));
    }
    match (about.get("format").and_then(Value::as_str), about.get("type").and_then(Value::as_str)) {
        (Some("secret"), _) => "secret: `env:NAME`, `file:/path`, or itself".to_owned(),
        (Some("uri"), _) => "address".to_owned(),
        (_, Some("string")) => "text".to_owned(),
        (_, Some("integer")) => "whole number".to_owned(),
        (_, Some("boolean")) => "true or false".to_owned(),
        (_, Some("object")) => "JSON object".to_owned(),
        (_, Some("array")) => "JSON list".to_owned(),
        (_, Some(other)) => other.to_owned(),
        (_, None) => "anything".to_owned(),
    }
}

fn list(names: Option<&Value>) -> Vec<&str> {
    names.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
