//! A channel's settings.

use plugin_sdk::mail::Security;
use plugin_sdk::notifier::{Problem, problem};
use serde::Deserialize;

/// As the host shows and checks them. What `server` says is what the channel may reach, and the only place
/// that `username` and `password` may go to.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "server": {
      "type": "string",
      "format": "uri",
      "pattern": "^[Ss][Mm][Tt][Pp][Ss]?://[^/?#@\\s]+/?$",
      "title": "Mail server",
      "description": "smtp://mail.example.com (STARTTLS, port 587 unless given) or smtps://mail.example.com (TLS from the start, port 465 unless given)."
    },
    "security": {
      "type": "string",
      "enum": ["tls", "none"],
      "default": "tls",
      "title": "Security",
      "description": "none: clear text, for a relay within your own network, such as smtp://relay.internal:25. No password is sent then."
    },
    "username": {
      "type": "string",
      "maxLength": 255,
      "title": "User name",
      "description": "To log in with, together with the password."
    },
    "password": {
      "type": "string",
      "format": "secret",
      "title": "Password"
    },
    "from_address": {
      "type": "string",
      "maxLength": 512,
      "title": "From",
      "description": "The sender: watchbell@example.com, or Watchbell <watchbell@example.com>."
    },
    "to_addresses": {
      "type": ["array", "string"],
      "items": { "type": "string", "maxLength": 512 },
      "minItems": 1,
      "minLength": 1,
      "maxItems": 50,
      "title": "To",
      "description": "Who gets it: a list, or one text with commas between the addresses. To, Cc and Bcc are at most 50."
    },
    "cc_addresses": {
      "type": ["array", "string"],
      "items": { "type": "string", "maxLength": 512 },
      "maxItems": 50,
      "title": "Cc"
    },
    "bcc_addresses": {
      "type": ["array", "string"],
      "items": { "type": "string", "maxLength": 512 },
      "maxItems": 50,
      "title": "Bcc",
      "description": "Who gets it without the others seeing that."
    },
    "reply_to": {
      "type": "string",
      "maxLength": 512,
      "title": "Reply to",
      "description": "Where answers go, if not to the sender."
    },
    "subject_prefix": {
      "type": "string",
      "maxLength": 100,
      "title": "Subject prefix",
      "description": "Stands before every subject: [prod]."
    },
    "subject_style": {
      "type": "string",
      "enum": ["thread", "status"],
      "default": "thread",
      "title": "Subject style",
      "description": "thread: the same for all messages about an incident, so that Gmail too shows them as one conversation. status: says in each what has become of it."
    }
  },
  "required": ["server", "from_address", "to_addresses"],
  "additionalProperties": false
}"#;

/// The contract allows as many.
const MAX_RECIPIENTS: usize = 50;
const MAX_ADDRESS_BYTES: usize = 512;
const MAX_PREFIX_BYTES: usize = 100;

/// Addresses as a list, or as one text with commas between them, which is what a command line gives.
#[derive(Deserialize)]
#[serde(untagged)]
enum Addresses {
    List(Vec<String>),
    Text(String),
}

impl Default for Addresses {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Addresses {
    fn into_list(self) -> Vec<String> {
        let texts = match self {
            Self::List(list) => list,
            Self::Text(text) => text.split(',').map(ToOwned::to_owned).collect(),
        };
        texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    server: String,
    #[serde(default)]
    security: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    from_address: String,
    #[serde(default)]
    to_addresses: Addresses,
    #[serde(default)]
    cc_addresses: Addresses,
    #[serde(default)]
    bcc_addresses: Addresses,
    #[serde(default)]
    reply_to: Option<String>,
    #[serde(default)]
    subject_prefix: String,
    #[serde(default)]
    subject_style: Option<String>,
}

/// What subjects are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubjectStyle {
    /// The same for a whole incident.
    Thread,
    /// The title of the notification.
    Status,
}

/// Settings that can work.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) server: String,
    pub(crate) security: Security,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    pub(crate) bcc: Vec<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) subject_prefix: String,
    pub(crate) subject_style: SubjectStyle,
}

impl Settings {
    /// Reads and checks the settings; the error is everything that is wrong with them.
    pub(crate) fn read(config: &str) -> Result<Self, Vec<Problem>> {
        let fields: Fields = serde_json::from_str(config)
            .map_err(|error| vec![problem("", &format!("settings cannot be read: {error}"))])?;
        let mut problems = Problems(Vec::new());
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let settings = Self {
            server: fields.server.trim().to_owned(),
            security: problems.security(fields.security.as_deref()),
            username: given(fields.username),
            password: given(fields.password),
            from: fields.from_address.trim().to_owned(),
            to: fields.to_addresses.into_list(),
            cc: fields.cc_addresses.into_list(),
            bcc: fields.bcc_addresses.into_list(),
            reply_to: given(fields.reply_to).map(|text| text.trim().to_owned()),
            subject_prefix: fields.subject_prefix.trim().to_owned(),
            subject_style: problems.style(fields.subject_style.as_deref()),
        };
        problems.server(&settings);
        problems.login(&settings);
        problems.addresses(&settings);
        problems.prefix(&settings.subject_prefix);
        if problems.0.is_empty() { Ok(settings) } else { Err(problems.0) }
    }

    /// The host part of the sender's address.
    pub(crate) fn domain(&self) -> &str {
        let domain = self.from.rsplit_once('@').map_or("", |(_, domain)| domain);
        domain.trim_end_matches('>').trim()
    }
}

/// What is wrong so far.
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: &str, message: &str) {
        self.0.push(problem(path, message));
    }

    fn security(&mut self, word: Option<&str>) -> Security {
        match word {
            Some("none") => return Security::None,
            None | Some("" | "tls") => {}
            Some(_) => self.add("/security", "`security` must be `tls` or `none`"),
        }
        Security::Tls
    }

    fn style(&mut self, word: Option<&str>) -> SubjectStyle {
        match word {
            Some("status") => return SubjectStyle::Status,
            None | Some("" | "thread") => {}
            Some(_) => self.add("/subject_style", "`subject_style` must be `thread` or `status`"),
        }
        SubjectStyle::Thread
    }

    fn server(&mut self, settings: &Settings) {
        let server = settings.server.to_ascii_lowercase();
        let host = server.strip_prefix("smtp://").or_else(|| server.strip_prefix("smtps://"));
        let host = host.map(|host| host.strip_suffix('/').unwrap_or(host));
        match host {
            None if server.is_empty() => self.add("/server", "`server` is missing"),
            None => self.add("/server", "`server` must begin with `smtp://` or `smtps://`"),
            Some(host) if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) => {
                let text = "`server` must be host and port only: `smtp://mail.example.com:587`\n\
                            hint: user name and password are settings of their own";
                self.add("/server", text);
            }
            Some(_) => {}
        }
        if settings.security == Security::None && server.starts_with("smtps:") {
            self.add("/security", "an `smtps` server has TLS: `none` is for `smtp`");
        }
    }

    fn login(&mut self, settings: &Settings) {
        match (&settings.username, &settings.password) {
            (Some(_), None) => self.add("/password", "`password` is missing for the user name"),
            (None, Some(_)) => self.add("/username", "`username` is missing for the password"),
            _ => {}
        }
    }

    fn addresses(&mut self, settings: &Settings) {
        let sender = std::slice::from_ref(&settings.from);
        let reply_to = settings.reply_to.as_slice();
        let lists = [
            ("from_address", sender),
            ("to_addresses", &settings.to),
            ("cc_addresses", &settings.cc),
            ("bcc_addresses", &settings.bcc),
            ("reply_to", reply_to),
        ];
        for (name, list) in lists {
            if list.iter().any(|address| address.is_empty()) || (name == "to_addresses" && list.is_empty()) {
                self.add(&format!("/{name}"), &format!("`{name}` is missing"));
            } else if !list.iter().all(|address| is_address(address)) {
                let expected = "expected `ops@example.com` or `Operations <ops@example.com>`";
                self.add(&format!("/{name}"), &format!("`{name}` has what is no address: {expected}"));
            }
        }
        let count = settings.to.len() + settings.cc.len() + settings.bcc.len();
        if count > MAX_RECIPIENTS {
            let text = format!("there are {count} recipients, at most {MAX_RECIPIENTS} are allowed");
            self.add("/to_addresses", &text);
        }
    }

    fn prefix(&mut self, prefix: &str) {
        if prefix.len() > MAX_PREFIX_BYTES || prefix.chars().any(char::is_control) {
            let text = format!("`subject_prefix` must be one line of at most {MAX_PREFIX_BYTES} bytes");
            self.add("/subject_prefix", &text);
        }
    }
}

/// Whether it looks like one. The host reads it exactly when it writes the message.
fn is_address(text: &str) -> bool {
    let bare = match text.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<').map_or("", |(_, address)| address),
        None => text,
    };
    let sound = |part: &str| !part.is_empty() && !part.contains([' ', '<', '>', ',', '"']);
    text.len() <= MAX_ADDRESS_BYTES
        && !text.chars().any(char::is_control)
        && bare.rsplit_once('@').is_some_and(|(name, host)| sound(name) && sound(host) && !name.contains('@'))
}
