//! A channel's settings.

use plugin_sdk::json::Text;
use plugin_sdk::notifier::{Problem, problem};
use serde::Deserialize;

/// Where events go, unless the account lives in Europe.
pub(crate) const EVENTS_URL: &str = "https://events.pagerduty.com";

/// As the host shows and checks them. Secrets arrive as placeholders.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "routing_key": {
      "type": "string",
      "format": "secret",
      "minLength": 32,
      "maxLength": 32,
      "title": "Integration key",
      "description": "The 32 characters that PagerDuty shows for an integration of the kind Events API V2."
    },
    "events_url": {
      "type": "string",
      "format": "uri",
      "default": "https://events.pagerduty.com",
      "title": "Address of the Events API",
      "description": "Accounts in Europe have https://events.eu.pagerduty.com."
    },
    "client": {
      "type": "string",
      "maxLength": 255,
      "default": "Watchbell",
      "title": "Client",
      "description": "What PagerDuty shows as the sender."
    },
    "client_url": {
      "type": "string",
      "maxLength": 2000,
      "title": "Address of the client",
      "description": "Where the sender's name leads."
    },
    "component": {
      "type": "string",
      "maxLength": 255,
      "title": "Component",
      "description": "The part of the machine or service, for PagerDuty's event rules."
    },
    "group": {
      "type": "string",
      "maxLength": 255,
      "title": "Group",
      "description": "The cluster or application, for PagerDuty's event rules."
    }
  },
  "required": ["routing_key"],
  "additionalProperties": false
}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow, default)]
    routing_key: Text<'a>,
    #[serde(borrow, default)]
    events_url: Text<'a>,
    #[serde(borrow, default)]
    client: Text<'a>,
    #[serde(borrow, default)]
    client_url: Text<'a>,
    #[serde(borrow, default)]
    component: Text<'a>,
    #[serde(borrow, default)]
    group: Text<'a>,
}

/// Settings that can work. What is not set is empty.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The placeholder for it.
    pub(crate) routing_key: String,
    /// Without a slash at the end.
    pub(crate) events_url: String,
    pub(crate) client: String,
    pub(crate) client_url: String,
    pub(crate) component: String,
    pub(crate) group: String,
}

impl Settings {
    /// Reads the settings; the error is what is wrong with them.
    pub(crate) fn read(config: &str) -> Result<Self, Problem> {
        let fields: Fields<'_> = serde_json::from_str(config)
            .map_err(|error| problem("", &format!("settings cannot be read: {error}")))?;
        let routing_key = fields.routing_key.as_str().trim();
        if routing_key.is_empty() {
            let message = "`routing_key` is missing\n\
                           hint: in PagerDuty, add the integration `Events API V2` to a service and copy its key";
            return Err(problem("/routing_key", message));
        }
        let events_url = match fields.events_url.as_str().trim().trim_end_matches('/') {
            "" => EVENTS_URL,
            url if url.starts_with("https://") || url.starts_with("http://") => url,
            _ => return Err(problem("/events_url", "`events_url` must begin with `https://`")),
        };
        let client = match fields.client.as_str().trim() {
            "" => "Watchbell",
            client => client,
        };
        let text = |text: &Text<'_>| text.as_str().trim().to_owned();
        Ok(Self {
            routing_key: routing_key.to_owned(),
            events_url: events_url.to_owned(),
            client: client.to_owned(),
            client_url: text(&fields.client_url),
            component: text(&fields.component),
            group: text(&fields.group),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named_before_they_are_saved() {
        let wrong = |config: &str| Settings::read(config).unwrap_err().path;
        assert_eq!(wrong("{}"), "/routing_key");
        assert_eq!(wrong(r#"{"routing_key":"secret://routing_key","events_url":"events"}"#), "/events_url");
        assert_eq!(wrong(r#"{"routing_key":"secret://routing_key","colour":"red"}"#), "");
    }

    #[test]
    fn what_is_not_set_has_the_defaults_of_the_schema() {
        let settings = Settings::read(r#"{"routing_key":"secret://routing_key"}"#).unwrap();
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        assert_eq!(schema["properties"]["events_url"]["default"], settings.events_url);
        assert_eq!(schema["properties"]["client"]["default"], settings.client);
        assert_eq!(schema["properties"]["routing_key"]["format"], "secret");
    }
}
