//! Secrets that a remote sends back.
//!
//! Some remotes repeat what they were sent: "no webhook at /services/T0/B1/…". A plugin would pass that
//! on in an error or a log line without knowing what it is, so it never gets to see it. This keeps
//! carelessness from spreading a secret; a remote that encodes what it repeats could hide it from here,
//! but it has the secret anyway.

use aho_corasick::{AhoCorasick, MatchKind};
use domain::egress::{HttpError, HttpResponse};

use super::origin::Origin;
use super::secrets::{BoundSecret, Encoding, encode};

/// What stands where a secret was.
const MARK: &str = "[redacted]";

/// Shorter values would be found in texts that have nothing to do with them.
const MIN_BYTES: usize = 8;

/// From this length on, a part of an address that is a secret is taken for the secret part; shorter ones
/// are words such as `services`.
const MIN_PART_BYTES: usize = 16;

/// Takes the secrets of one call out of what comes back.
pub(super) struct Redactor(Option<AhoCorasick>);

impl Redactor {
    /// For these secrets, in the forms in which they are put into requests, upper or lower case.
    pub(super) fn new(secrets: &[BoundSecret]) -> Self {
        let forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret.value.expose())).collect();
        let build = || {
            let builder = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .build(&forms);
            // Fails for more text than fits into 2 GiB only.
            builder.ok()
        };
        Self(if forms.is_empty() { None } else { build() })
    }

    /// A text without secrets.
    pub(super) fn text(&self, text: String) -> String {
        match &self.0 {
            Some(finder) if finder.is_match(&text) => {
                finder.replace_all(&text, &vec![MARK; finder.patterns_len()])
            }
            _ => text,
        }
    }

    /// An answer or an error without secrets.
    pub(super) fn result(&self, result: Result<HttpResponse, HttpError>) -> Result<HttpResponse, HttpError> {
        if self.0.is_none() {
            return result;
        }
        match result {
            Ok(HttpResponse { status, headers, body }) => {
                let headers =
                    headers.into_iter().map(|(name, value)| (self.text(name), self.text(value))).collect();
                Ok(HttpResponse { status, headers, body: self.bytes(body) })
            }
            Err(HttpError::Denied(why)) => Err(HttpError::Denied(self.text(why))),
            Err(HttpError::InvalidRequest(why)) => Err(HttpError::InvalidRequest(self.text(why))),
            Err(HttpError::Unreachable(why)) => Err(HttpError::Unreachable(self.text(why))),
            Err(HttpError::BudgetExceeded(why)) => Err(HttpError::BudgetExceeded(self.text(why))),
            Err(error @ (HttpError::Timeout | HttpError::TooLarge)) => Err(error),
        }
    }

    fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.0 {
            Some(finder) if finder.is_match(&bytes) => {
                finder.replace_all_bytes(&bytes, &vec![MARK; finder.patterns_len()])
            }
            _ => bytes,
        }
    }
}

/// How a secret may look when it comes back: whole, and its parts that are secret by themselves.
fn forms(value: &str) -> Vec<String> {
    let mut parts: Vec<&str> = vec![value];
    match Origin::of_url(value) {
        Ok(_) => {
            let behind =
                value.split_once("//").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
            let behind = behind.unwrap_or_default();
            parts.extend([behind, behind.split(['?', '#']).next().unwrap_or_default()]);
            parts.extend(behind.split(['/', '?', '&', '=', '#']).filter(|part| part.len() >= MIN_PART_BYTES));
        }
        // `Bearer …`: the remote may repeat the token alone.
        Err(_) => parts.extend(value.split_whitespace()),
    }
    parts.retain(|part| part.len() >= MIN_BYTES);
    let spell = |part: &str, encoding| {
        let mut spelt = String::new();
        encode(part, encoding, &mut spelt);
        spelt
    };
    let spellings = [Encoding::Raw, Encoding::Percent, Encoding::Json];
    let mut forms: Vec<String> =
        parts.into_iter().flat_map(|part| spellings.map(|encoding| spell(part, encoding))).collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use domain::secret::Secret;

    use super::*;

    fn redactor(values: &[&str]) -> Redactor {
        let secret = |value: &&str| BoundSecret {
            name: "key".to_owned(),
            value: Secret::new((*value).to_owned()),
            origins: Vec::new(),
        };
        Redactor::new(&values.iter().map(secret).collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(secret: &str, text: &str, redacted: &str) {
        assert_eq!(redactor(&[secret]).text(text.to_owned()), redacted);
    }

    #[test]
    fn a_secret_is_taken_out_however_it_was_put_in() {
        let secret = "a/b \"c\"-1234";
        check(secret, "no a/b \"c\"-1234!", "no [redacted]!");
        check(secret, "no a%2fb%20%22c%22-1234!", "no [redacted]!");
        check(secret, r#"{"key":"a/b \"c\"-1234"}"#, r#"{"key":"[redacted]"}"#);
        check(secret, "A/B \"C\"-1234 a/b \"c\"-1234", "[redacted] [redacted]");
        check(secret, "a/b \"c\"-123", "a/b \"c\"-123");
    }

    #[test]
    fn the_secret_part_of_a_longer_setting_is_enough() {
        check("Bearer xoxb-12345678", "token xoxb-12345678 is revoked", "token [redacted] is revoked");
        let url = "https://hooks.example/services/T0/B1/abcdefghijklmnop?token=0123456789abcdef";
        check(url, url, "[redacted]");
        check(url, "cannot POST /services/T0/B1/abcdefghijklmnop here", "cannot POST [redacted] here");
        check(url, "no webhook abcdefghijklmnop", "no webhook [redacted]");
        check(url, "token 0123456789ABCDEF", "token [redacted]");
        check(url, "https://hooks.example/ has services", "https://hooks.example/ has services");
    }

    #[test]
    fn what_is_too_short_to_be_told_from_other_text_stays() {
        check("ok", "ok", "ok");
        check("https://hooks.example/", "GET / at hooks.example", "GET / at hooks.example");
    }

    #[test]
    fn of_secrets_that_begin_alike_the_longest_goes_whole() {
        let redactor = redactor(&["token-1234", "token-1234-5678"]);
        assert_eq!(redactor.text("token-1234-5678".to_owned()), "[redacted]");
    }
}
