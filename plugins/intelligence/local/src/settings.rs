//! What narrows a look at this machine: options of a question over the provider's settings.

use plugin_sdk::intelligence::Problem;
use serde::Deserialize;
use serde_json::Value;

/// JSON Schema of the settings.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "top_n": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10,
      "title": "Processes", "description": "How many processes are named."},
    "path": {"type": "string", "minLength": 1,
      "title": "Folder", "description": "Where large and old files are looked for; without it in every folder that the hub opens."},
    "threshold_mb": {"type": "integer", "minimum": 1, "maximum": 1048576, "default": 100,
      "title": "Large files", "description": "From how many MiB on a file is large."},
    "old_days": {"type": "integer", "minimum": 1, "maximum": 3650, "default": 30,
      "title": "Old files", "description": "From how many days without a change on a file is old."}
  },
  "additionalProperties": false
}"#;

/// Numbers with their bounds and what holds where nothing is said.
const NUMBERS: [(&str, u64, u64, u64); 3] =
    [("top_n", 1, 50, 10), ("threshold_mb", 1, 1_048_576, 100), ("old_days", 1, 3650, 30)];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    top_n: Option<u64>,
    path: Option<String>,
    threshold_mb: Option<u64>,
    old_days: Option<u64>,
}

/// How to look.
pub(crate) struct Settings {
    pub(crate) top_n: u64,
    pub(crate) path: Option<String>,
    pub(crate) threshold_mb: u64,
    pub(crate) old_days: u64,
}

impl Settings {
    /// What is not understood counts as not said: it has been looked over before, and somebody waits.
    pub(crate) fn read(options: &str, config: &str) -> Self {
        let said = |text: &str| serde_json::from_str::<Said>(text).unwrap_or_default();
        let (asked, set) = (said(options), said(config));
        let number = |place: usize, asked: Option<u64>, set: Option<u64>| {
            let (_, least, most, default) = NUMBERS.get(place).copied().unwrap_or(("", 1, 1, 1));
            asked.or(set).unwrap_or(default).clamp(least, most)
        };
        Self {
            top_n: number(0, asked.top_n, set.top_n),
            path: asked.path.or(set.path).filter(|path| !path.is_empty()),
            threshold_mb: number(1, asked.threshold_mb, set.threshold_mb),
            old_days: number(2, asked.old_days, set.old_days),
        }
    }
}

/// What is wrong with settings.
pub(crate) fn problems(config: &str) -> Vec<Problem> {
    let Ok(Value::Object(fields)) = serde_json::from_str(config) else {
        return vec![Problem { path: String::new(), message: "expected a JSON object".to_owned() }];
    };
    fields
        .iter()
        .filter_map(|(name, value)| {
            let message = match NUMBERS.iter().find(|(known, ..)| known == name) {
                Some((_, least, most, _)) => {
                    let fits = value.as_u64().is_some_and(|number| (*least..=*most).contains(&number));
                    (!fits).then(|| format!("expected a whole number between {least} and {most}"))
                }
                None if name == "path" => {
                    let fits = value.as_str().is_some_and(|path| path.starts_with('/'));
                    (!fits).then(|| "expected an absolute path, such as `/var/log`".to_owned())
                }
                None => Some(
                    "there is no such setting: known are `top_n`, `path`, `threshold_mb` and `old_days`"
                        .to_owned(),
                ),
            };
            message.map(|message| Problem { path: format!("/{name}"), message })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_win_over_settings_and_settings_over_defaults() {
        let settings =
            Settings::read(r#"{"top_n":3,"path":null}"#, r#"{"top_n":5,"old_days":7,"path":"/var"}"#);
        assert_eq!((settings.top_n, settings.old_days, settings.threshold_mb), (3, 7, 100));
        assert_eq!(settings.path.as_deref(), Some("/var"));
        assert_eq!(Settings::read("nonsense", "[]").top_n, 10);
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let paths = |config: &str| problems(config).into_iter().map(|found| found.path).collect::<Vec<_>>();
        assert!(paths(r#"{"top_n":50,"path":"/var","threshold_mb":1,"old_days":3650}"#).is_empty());
        assert_eq!(
            paths(r#"{"top_n":0,"path":"var","threshold_mb":"1","old_days":1.5,"colour":1}"#),
            ["/colour", "/old_days", "/path", "/threshold_mb", "/top_n"]
        );
        assert_eq!(paths("[]"), [""]);
        assert!(serde_json::from_str::<Value>(SCHEMA).is_ok());
    }
}
