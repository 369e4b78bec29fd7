//! A channel's settings.

use plugin_sdk::json::{Pairs, Text};
use plugin_sdk::notifier::{Problem, problem};
use plugin_sdk::text::cut;
use serde::Deserialize;

/// As the host shows and checks them. Any text may hold a placeholder `secret://name`.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "url": {
      "type": "string",
      "format": "secret",
      "pattern": "^https?://",
      "title": "Address",
      "description": "Where to send, http or https. Kept as a secret, since addresses of this kind often hold a token; its origin is shown."
    },
    "method": {
      "type": "string",
      "enum": ["POST", "PUT", "PATCH"],
      "default": "POST",
      "title": "Method"
    },
    "headers": {
      "type": "object",
      "additionalProperties": { "type": "string" },
      "maxProperties": 24,
      "title": "Headers",
      "description": "Headers to add. Host, Content-Length and those of the connection are not allowed."
    },
    "secret_headers": {
      "type": "object",
      "additionalProperties": { "type": "string", "format": "secret" },
      "maxProperties": 8,
      "title": "Secret headers",
      "description": "Headers to add whose values are kept as secrets: X-Api-Key."
    },
    "authorization": {
      "type": "string",
      "format": "secret",
      "title": "Authorization",
      "description": "The whole value of the Authorization header, kept as a secret: Bearer abc."
    },
    "signing_secret": {
      "type": "string",
      "format": "secret",
      "title": "Signing secret",
      "description": "Signs each request as Standard Webhooks says: whsec_ and base64 of 24 to 64 bytes, or any text."
    }
  },
  "required": ["url"],
  "additionalProperties": false
}"#;

/// The headers that carry the idempotency key. Where the host signs, it sets the second.
pub(crate) const KEY_HEADERS: [&str; 2] = ["idempotency-key", "webhook-id"];

/// The other headers of a signature.
const SIGNATURE: [&str; 2] = ["webhook-timestamp", "webhook-signature"];

/// Headers that belong to the connection, and so to the host (`wit/host.wit`).
const FORBIDDEN: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
];

const METHODS: [&str; 3] = ["POST", "PUT", "PATCH"];

/// The contract allows 32 headers; this leaves room for the notifier's own.
const MAX_HEADERS: usize = 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow, default)]
    url: Text<'a>,
    #[serde(borrow, default)]
    method: Text<'a>,
    #[serde(borrow, default)]
    headers: Pairs<'a>,
    #[serde(borrow, default)]
    secret_headers: Pairs<'a>,
    #[serde(borrow, default)]
    authorization: Text<'a>,
    #[serde(borrow, default)]
    signing_secret: Text<'a>,
}

/// Settings that can work.
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) method: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The name of the secret to sign with.
    pub(crate) signing_secret: Option<String>,
}

impl Settings {
    /// Reads and checks the settings; the error is everything that is wrong with them.
    pub(crate) fn read(config: &str) -> Result<Self, Vec<Problem>> {
        let fields: Fields<'_> = serde_json::from_str(config)
            .map_err(|error| vec![problem("", &format!("settings cannot be read: {error}"))])?;
        let mut problems = Vec::new();
        let url = fields.url.as_str().trim();
        if url.is_empty() {
            problems.push(problem("/url", "`url` is missing"));
        } else if !["http://", "https://", "secret://"].iter().any(|start| url.starts_with(start)) {
            problems.push(problem("/url", "`url` must begin with `https://` or `http://`"));
        }
        let method = match fields.method.as_str() {
            "" => "POST".to_owned(),
            method => method.to_ascii_uppercase(),
        };
        if !METHODS.contains(&method.as_str()) {
            problems.push(problem("/method", "`method` must be `POST`, `PUT` or `PATCH`"));
        }
        let headers = headers(&fields, &mut problems);
        let signing_secret = fields.signing_secret.as_str().strip_prefix("secret://").map(ToOwned::to_owned);
        if signing_secret.is_none() && !fields.signing_secret.is_empty() {
            problems.push(problem("/signing_secret", "`signing_secret` is not kept as a secret"));
        }
        match problems.is_empty() {
            true => Ok(Self { url: url.to_owned(), method, headers, signing_secret }),
            false => Err(problems),
        }
    }
}

fn headers(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (setting, given) in [("headers", &fields.headers), ("secret_headers", &fields.secret_headers)] {
        if given.is_misfit() {
            problems
                .push(problem(&format!("/{setting}"), &format!("`{setting}` must be an object of texts")));
        }
        if headers.len() + given.iter().count() > MAX_HEADERS || given.dropped() > 0 {
            let message = format!("there are more than {MAX_HEADERS} headers");
            problems.push(problem(&format!("/{setting}"), &message));
            return Vec::new();
        }
        for (name, value) in given.iter() {
            let name = name.to_ascii_lowercase();
            if let Some(wrong) = wrong_header(&name, value) {
                let path = format!("/{setting}/{}", name.replace('~', "~0").replace('/', "~1"));
                problems.push(problem(&path, &format!("header `{}` {wrong}", cut(&name, 64))));
            }
            headers.push((name, value.to_owned()));
        }
    }
    if !fields.authorization.is_empty() {
        headers.push(("authorization".to_owned(), fields.authorization.as_str().to_owned()));
    }
    headers
}

/// What is wrong with a header, whose name is in lower case. Never shows the value.
fn wrong_header(name: &str, value: &str) -> Option<&'static str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        Some("has a name that HTTP does not allow")
    } else if FORBIDDEN.contains(&name) {
        Some("belongs to the connection and cannot be set")
    } else if KEY_HEADERS.contains(&name) {
        Some("carries the idempotency key and cannot be set")
    } else if SIGNATURE.contains(&name) {
        Some("is a part of the signature and cannot be set")
    } else if value.chars().any(char::is_control) {
        Some("has a control character in its value")
    } else {
        None
    }
}
