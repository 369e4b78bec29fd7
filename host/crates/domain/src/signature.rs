//! How senders sign their webhooks: the schemes as data, and what makes one acceptable.
//!
//! Computing and comparing hashes is the host's business (`host::ingest::signature`).

use serde::Serialize;

/// How a signature or a secret is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal digits.
    Hex,
    /// Base64 with or without padding.
    Base64,
}

/// The hash behind an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-384.
    Sha384,
    /// HMAC-SHA-512.
    Sha512,
}

/// How a shared secret is turned into a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// The text itself.
    Utf8,
    /// Base64 behind this prefix, which may be empty.
    Base64(String),
}

/// A keyed hash over the body, sent in a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HmacScheme {
    /// Header with the signature, in lower case.
    pub header: String,
    /// The hash.
    pub algorithm: Algorithm,
    /// How the signature is written.
    pub encoding: Encoding,
    /// What may stand before it; if not empty, one must match, where the empty text always does.
    pub prefixes: Vec<String>,
    /// What separates several signatures.
    pub separator: Option<String>,
    /// Header with the signed time, in lower case.
    pub timestamp_header: Option<String>,
    /// What is signed, with `{body}` and `{timestamp}`.
    pub template: String,
    /// How far the signed time may be off, in seconds.
    pub tolerance_s: u32,
    /// How the secret is written.
    pub secret_encoding: SecretEncoding,
}

/// How a sender signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureScheme {
    /// A keyed hash in a header.
    Hmac(HmacScheme),
    /// Headers `webhook-id`, `webhook-timestamp`, `webhook-signature` (standardwebhooks.com).
    StandardWebhooks,
}

/// Header names of a sender that lets its user choose them, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderNames {
    /// The header with the signature.
    pub signature: Option<String>,
    /// The header with the signed time.
    pub timestamp: Option<String>,
}

/// Why names do not go with the schemes that a driver declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameDefect {
    /// Nothing is signed, or by Standard Webhooks only, whose headers have fixed names.
    #[error("declares no signature whose header can be named")]
    NoSignature,
    /// A time is signed in none of its schemes, so nobody knows what would be signed.
    #[error("declares no signature with a time, so no timestamp header can be named")]
    NoTimestamp,
    /// A signature cannot be its own time.
    #[error("would get signature and time from one header")]
    OneHeader,
}

impl HeaderNames {
    /// What a driver declares, with these names in the place of its own.
    ///
    /// A time that is named is required: schemes that sign the body alone are left out then, because
    /// who names it wants old webhooks refused. Standard Webhooks stay as they are.
    ///
    /// # Errors
    /// When a name has no place in any scheme.
    pub fn apply(&self, declared: &[SignatureScheme]) -> Result<Vec<SignatureScheme>, NameDefect> {
        let mut named = Vec::new();
        let (mut takes_signature, mut takes_timestamp) = (self.signature.is_none(), self.timestamp.is_none());
        for scheme in declared {
            let mut scheme = scheme.clone();
            if let SignatureScheme::Hmac(hmac) = &mut scheme {
                takes_signature = true;
                if let Some(timestamp) = &self.timestamp {
                    let Some(header) = &mut hmac.timestamp_header else { continue };
                    header.clone_from(timestamp);
                    takes_timestamp = true;
                }
                if let Some(signature) = &self.signature {
                    hmac.header.clone_from(signature);
                }
                if hmac.timestamp_header.as_ref() == Some(&hmac.header) {
                    return Err(NameDefect::OneHeader);
                }
            }
            if !named.contains(&scheme) {
                named.push(scheme);
            }
        }
        match (takes_signature, takes_timestamp) {
            (false, _) => Err(NameDefect::NoSignature),
            (true, false) => Err(NameDefect::NoTimestamp),
            (true, true) => Ok(named),
        }
    }
}

/// The header that holds the signatures of Standard Webhooks.
pub const STANDARD_WEBHOOKS_HEADER: &str = "webhook-signature";

impl SignatureScheme {
    /// The header with the signature, in lower case.
    pub fn header(&self) -> &str {
        match self {
            Self::Hmac(scheme) => &scheme.header,
            Self::StandardWebhooks => STANDARD_WEBHOOKS_HEADER,
        }
    }
}

/// Headers that carry something else, whatever a driver or a sender's user chooses: what signs in one is
/// withheld from all drivers.
const TAKEN: [&str; 11] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "webhook-id",
    "webhook-timestamp",
    "x-api-key",
    "x-webhook-id",
];

/// Whether this header, in lower case, can hold no signature and no signed time of an own scheme.
pub fn is_taken(header: &str) -> bool {
    TAKEN.contains(&header)
}

/// The longest tolerance for a signed time, in seconds.
pub const MAX_TOLERANCE_S: u32 = 600;

impl HmacScheme {
    /// Why a driver with this scheme is refused, if it is.
    pub fn defect(&self) -> Option<String> {
        if !self.template.contains("{body}") {
            return Some(format!("signed-template `{}` does not contain `{{body}}`", self.template));
        }
        if self.template.contains("{timestamp}") != self.timestamp_header.is_some() {
            return Some("`{timestamp}` in signed-template and timestamp-header go together".to_owned());
        }
        if self.tolerance_s > MAX_TOLERANCE_S {
            return Some(format!(
                "tolerance-s is {}, at most {MAX_TOLERANCE_S} is allowed",
                self.tolerance_s
            ));
        }
        for header in std::iter::once(&self.header).chain(&self.timestamp_header) {
            if header.is_empty() || header.bytes().any(|b| b.is_ascii_uppercase()) {
                return Some(format!("header `{header}` is empty or not in lower case"));
            }
            if is_taken(header) {
                return Some(format!("header `{header}` carries something else"));
            }
        }
        None
    }

    /// The bytes that are signed.
    pub fn signed_bytes(&self, timestamp: &str, body: &[u8]) -> Vec<u8> {
        let mut signed =
            Vec::with_capacity(body.len().saturating_add(self.template.len()).saturating_add(16));
        let mut rest = self.template.as_str();
        while let Some(start) = rest.find('{') {
            let (plain, tail) = rest.split_at(start);
            signed.extend_from_slice(plain.as_bytes());
            if let Some(after) = tail.strip_prefix("{body}") {
                signed.extend_from_slice(body);
                rest = after;
            } else if let Some(after) = tail.strip_prefix("{timestamp}") {
                signed.extend_from_slice(timestamp.as_bytes());
                rest = after;
            } else {
                signed.push(b'{');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
        signed.extend_from_slice(rest.as_bytes());
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(template: &str, timestamp: Option<&str>) -> HmacScheme {
        HmacScheme {
            header: "x-signature".into(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefixes: vec![],
            separator: None,
            timestamp_header: timestamp.map(Into::into),
            template: template.into(),
            tolerance_s: 300,
            secret_encoding: SecretEncoding::Utf8,
        }
    }

    #[test]
    fn template_is_filled_in_once_and_left_to_right() {
        let signed = scheme("{x}{timestamp}:{body}.", Some("t")).signed_bytes("{body}", b"{timestamp}");
        assert_eq!(signed, b"{x}{body}:{timestamp}.");
    }

    #[test]
    fn schemes_that_sign_nothing_are_refused() {
        assert!(scheme("{timestamp}", Some("t")).defect().is_some());
        assert!(scheme("{timestamp}{body}", None).defect().is_some());
        assert!(scheme("{body}", Some("t")).defect().is_some());
        assert!(scheme("{body}", None).defect().is_none());
        for header in ["", "X-Signature", "content-type", "x-webhook-id"] {
            let header = HmacScheme { header: header.into(), ..scheme("{body}", None) };
            assert!(header.defect().is_some(), "{header:?}");
        }
        assert!(scheme("{body}{timestamp}", Some("host")).defect().is_some());
        assert!(HmacScheme { tolerance_s: 601, ..scheme("{body}", None) }.defect().is_some());
    }

    fn named(signature: Option<&str>, timestamp: Option<&str>) -> HeaderNames {
        HeaderNames { signature: signature.map(Into::into), timestamp: timestamp.map(Into::into) }
    }

    /// With and without a time in two headers, as Grafana's driver declares them.
    fn declared() -> Vec<SignatureScheme> {
        let both = [scheme("{timestamp}:{body}", Some("x-time")), scheme("{body}", None)];
        let of = |header: &str| {
            both.clone().map(|scheme| SignatureScheme::Hmac(HmacScheme { header: header.into(), ..scheme }))
        };
        [of("x-new"), of("x-old")].concat()
    }

    fn headers(schemes: &[SignatureScheme]) -> Vec<(&str, Option<&str>)> {
        let mut headers = Vec::new();
        for scheme in schemes {
            if let SignatureScheme::Hmac(hmac) = scheme {
                headers.push((hmac.header.as_str(), hmac.timestamp_header.as_deref()));
            }
        }
        headers
    }

    #[test]
    fn a_named_time_is_required_in_every_scheme() {
        let schemes = named(None, Some("x-mine")).apply(&declared()).unwrap();
        assert_eq!(headers(&schemes), [("x-new", Some("x-mine")), ("x-old", Some("x-mine"))]);
    }

    #[test]
    fn a_named_signature_header_is_the_only_one() {
        let schemes = named(Some("x-mine"), None).apply(&declared()).unwrap();
        assert_eq!(headers(&schemes), [("x-mine", Some("x-time")), ("x-mine", None)]);
        assert_eq!(HeaderNames::default().apply(&declared()), Ok(declared()));
    }

    #[test]
    fn names_without_a_place_are_refused() {
        let standard = [SignatureScheme::StandardWebhooks];
        let plain = [SignatureScheme::Hmac(scheme("{body}", None)), SignatureScheme::StandardWebhooks];
        assert_eq!(named(Some("x"), None).apply(&standard), Err(NameDefect::NoSignature));
        assert_eq!(named(None, Some("x")).apply(&[]), Err(NameDefect::NoTimestamp));
        assert_eq!(named(None, Some("x")).apply(&plain), Err(NameDefect::NoTimestamp));
        assert_eq!(named(Some("x-time"), None).apply(&declared()), Err(NameDefect::OneHeader));
        assert_eq!(named(None, Some("x-new")).apply(&declared()), Err(NameDefect::OneHeader));
        assert_eq!(named(Some("x"), None).apply(&plain).unwrap().len(), 2);
    }
}
