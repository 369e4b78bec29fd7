//! Placeholders and the secrets they stand for.

use domain::egress::HttpError;
use domain::secret::Secret;

use super::origin::Origin;

/// What a placeholder starts with.
const MARK: &str = "secret://";

/// How long a text may become, so that many placeholders of one long secret cannot fill the memory.
/// Twice what the contract lets a plugin send; the budget counts exactly.
const MAX_FILLED_BYTES: usize = 2 * 1024 * 1024;

/// A secret that the host puts into requests of one plugin.
#[derive(Debug, Clone)]
pub struct BoundSecret {
    /// What stands behind `secret://`: letters, digits, `_` and `-`.
    pub name: String,
    /// The value.
    pub value: Secret<String>,
    /// Where it may go. A value that is itself an address goes to its own origin only, whatever is
    /// listed here.
    pub origins: Vec<Origin>,
}

impl BoundSecret {
    fn may_go_to(&self, origin: &Origin) -> bool {
        match Origin::of_url(self.value.expose()) {
            Ok(own) => own == *origin,
            Err(_) => self.origins.contains(origin),
        }
    }
}

/// How a value is written where it lands, so that it cannot change what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Raw,
    /// Inside an address or a form: all but unreserved characters and `:` as `%XX` (RFC 3986).
    Percent,
    /// Inside a JSON string.
    Json,
}

/// Puts secrets in place of placeholders and remembers which.
pub(super) struct Filler<'a> {
    secrets: &'a [BoundSecret],
    used: Vec<&'a BoundSecret>,
}

impl<'a> Filler<'a> {
    pub(super) const fn new(secrets: &'a [BoundSecret]) -> Self {
        Self { secrets, used: Vec::new() }
    }

    /// The value of a secret by name.
    pub(super) fn value(&mut self, name: &str) -> Result<&'a str, HttpError> {
        let Some(secret) = self.secrets.iter().find(|secret| secret.name == name) else {
            let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
            return Err(HttpError::InvalidRequest(format!("there is no secret `{shown}`")));
        };
        let value = secret.value.expose();
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(HttpError::InvalidRequest(format!(
                "secret `{name}` is empty or has control characters\nhint: set it again without line breaks"
            )));
        }
        self.used.push(secret);
        Ok(value)
    }

    /// `text` with every placeholder replaced.
    pub(super) fn fill(&mut self, text: &str, encoding: Encoding) -> Result<String, HttpError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(MARK) {
            filled.push_str(before);
            let (name, after) = split_name(behind);
            encode(self.value(name)?, encoding, &mut filled);
            if filled.len() > MAX_FILLED_BYTES {
                let message = format!("more than {MAX_FILLED_BYTES} bytes once placeholders are replaced");
                return Err(HttpError::InvalidRequest(message));
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Refuses secrets that are not bound to where the request goes.
    pub(super) fn check_bindings(&self, plugin: &str, target: &Origin) -> Result<(), HttpError> {
        match self.used.iter().find(|secret| !secret.may_go_to(target)) {
            None => Ok(()),
            Some(secret) => Err(HttpError::Denied(format!(
                "`{plugin}` may not send secret `{}` to `{target}`: it is bound to other hosts\n\
                 hint: a secret goes to the addresses of its own channel, or to what `allow_hosts` grants",
                secret.name,
            ))),
        }
    }
}

/// The name, where the whole text is one placeholder.
pub(super) fn whole_placeholder(text: &str) -> Option<&str> {
    let (name, rest) = split_name(text.strip_prefix(MARK)?);
    rest.is_empty().then_some(name)
}

/// What stands before the first placeholder; nothing if there is none.
pub(super) fn before_placeholder(text: &str) -> Option<&str> {
    text.split_once(MARK).map(|(before, _)| before)
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    text.split_at(end.unwrap_or(text.len()))
}

/// Writes a value as its place wants it.
pub(super) fn encode(value: &str, encoding: Encoding, into: &mut String) {
    match encoding {
        Encoding::Raw => into.push_str(value),
        Encoding::Json => {
            for c in value.chars() {
                if matches!(c, '"' | '\\') {
                    into.push('\\');
                }
                into.push(c);
            }
        }
        Encoding::Percent => {
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
                    into.push(char::from(byte));
                } else {
                    into.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, value: &str, origins: &[&str]) -> BoundSecret {
        BoundSecret {
            name: name.to_owned(),
            value: Secret::new(value.to_owned()),
            origins: origins.iter().map(|origin| origin.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn every_placeholder_is_replaced_and_encoded_for_its_place() {
        let secrets = [secret("token", "12:a/b\"c", &[]), secret("user-id", "me", &[])];
        let mut filler = Filler::new(&secrets);
        let filled = filler.fill("bot:secret://token/x?u=secret://user-id&", Encoding::Percent).unwrap();
        assert_eq!(filled, "bot:12:a%2Fb%22c/x?u=me&");
        assert_eq!(filler.fill("\"secret://token\"", Encoding::Json).unwrap(), "\"12:a/b\\\"c\"");
        assert_eq!(filler.fill("Bearer secret://user-id", Encoding::Raw).unwrap(), "Bearer me");
        assert_eq!(filler.fill("nothing here", Encoding::Raw).unwrap(), "nothing here");
    }

    #[test]
    fn a_value_is_not_searched_for_placeholders() {
        let secrets = [secret("a", "secret://b", &[]), secret("b", "hidden", &[])];
        assert_eq!(Filler::new(&secrets).fill("secret://a", Encoding::Raw).unwrap(), "secret://b");
    }

    #[test]
    fn unknown_and_unusable_secrets_are_refused_without_their_value() {
        let secrets = [secret("bad", "top\r\nX-Evil: 1", &[]), secret("empty", "", &[])];
        let mut filler = Filler::new(&secrets);
        for text in ["secret://bad", "secret://empty", "secret://other", "secret://"] {
            match filler.fill(text, Encoding::Raw) {
                Err(HttpError::InvalidRequest(message)) => assert!(!message.contains("top"), "{message}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_secret_that_is_an_address_goes_to_its_own_origin_only() {
        let url = secret("url", "https://hooks.example/T0", &["https://other.example"]);
        assert!(url.may_go_to(&"https://hooks.example".parse().unwrap()));
        assert!(!url.may_go_to(&"https://other.example".parse().unwrap()));
        let token = secret("token", "xoxb", &["https://other.example"]);
        assert!(token.may_go_to(&"https://other.example".parse().unwrap()));
        assert!(!token.may_go_to(&"http://other.example".parse().unwrap()));
    }
}
