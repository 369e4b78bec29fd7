//! Who may call.

use std::collections::HashMap;

use super::{Problems, SecretText, Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "API_KEY_AUTH_ENABLED",
        default: "1",
        meaning: "Whether requests need an API key (`watchbell key create --name N`). 0 lets everybody in and warns.",
    },
    Variable {
        name: "WEBHOOK_SECRET_<DRIVER>",
        default: "",
        meaning: "The secret that a sender signs with, as WEBHOOK_SECRET_GRAFANA. Once set, that driver takes\n\
                  no webhook without a valid signature; where a URL names no driver, that holds for every body\n\
                  that looks like its webhooks. Not set: signatures are not looked at.\n\
                  For GENERIC: any text, or `whsec_` and base64 for Standard Webhooks. Only for drivers whose\n\
                  sender signs: GENERIC, GRAFANA, NEWRELIC, PAGERDUTY. `plugins.toml` names the headers where\n\
                  they are not the usual ones. `watchbell secrets set webhook/grafana` keeps it encrypted instead; what\n\
                  is set here wins.",
    },
    Variable {
        name: "WEBHOOK_SECRET_<DRIVER>_PREVIOUS",
        default: "",
        meaning: "The secret before, accepted too while senders are being changed.",
    },
    Variable {
        name: "WEBHOOK_SIGNATURE_REQUIRED",
        default: "0",
        meaning: "1 refuses webhooks of drivers that can be signed but have no secret set. What cannot be signed\n\
                  then needs an API key, also with API_KEY_AUTH_ENABLED=0.",
    },
];

/// Who may call.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Whether API keys are asked for.
    pub api_key_auth_enabled: bool,
    /// Secrets by driver in lower case, the current one first; references are followed when they are
    /// needed.
    pub webhook_secrets: HashMap<String, Vec<SecretText>>,
    /// Whether drivers with a scheme need a secret.
    pub signature_required: bool,
}

impl AuthSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let mut webhook_secrets: HashMap<String, Vec<SecretText>> = HashMap::new();
        for (name, value) in source.with_prefix("WEBHOOK_SECRET_") {
            let current = name.strip_suffix("_PREVIOUS").unwrap_or(name);
            let secrets = webhook_secrets.entry(current.to_ascii_lowercase()).or_default();
            let place = if current == name { 0 } else { secrets.len() };
            match SecretText::parse(&format!("WEBHOOK_SECRET_{name}"), value) {
                Ok(secret) => secrets.insert(place, secret),
                Err(error) => problems.add(error.to_string()),
            }
            if source.text(&format!("WEBHOOK_SECRET_{current}")).is_none() {
                problems.add(format!(
                    "`WEBHOOK_SECRET_{name}` is set without `WEBHOOK_SECRET_{current}`\n\
                     hint: the secret that is in use now belongs into `WEBHOOK_SECRET_{current}`"
                ));
            }
        }
        Self {
            api_key_auth_enabled: source.flag("API_KEY_AUTH_ENABLED", true, problems),
            webhook_secrets,
            signature_required: source.flag("WEBHOOK_SIGNATURE_REQUIRED", false, problems),
        }
    }
}
