//! What a signature is made over: a template with the time and the body put in.

use domain::signature::{Algorithm, Encoding, HmacScheme, SecretEncoding};

/// The bytes that are signed are the template with `{timestamp}` and `{body}` replaced, and nothing that
/// stands in the time or the body is taken for the template.
///
/// # Panics
/// They are others, or a template without the body is accepted.
pub fn check(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let template = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let timestamp = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let body = parts.next().unwrap_or_default();
    let scheme = HmacScheme {
        header: "x-signature".to_owned(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefixes: Vec::new(),
        separator: None,
        timestamp_header: template.contains("{timestamp}").then(|| "x-time".to_owned()),
        template,
        tolerance_s: 300,
        secret_encoding: SecretEncoding::Utf8,
    };
    let around =
        scheme.template.split("{body}").map(|text| text.replace("{timestamp}", &timestamp).into_bytes());
    let expected = around.collect::<Vec<_>>().join(body);
    assert_eq!(scheme.signed_bytes(&timestamp, body), expected);
    assert_eq!(scheme.defect().is_none(), scheme.template.contains("{body}"));
}
