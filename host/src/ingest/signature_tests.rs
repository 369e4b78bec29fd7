//! Vectors of the vendors, and what must not pass.

use domain::secret::Secret;
use domain::signature::HeaderNames;

use super::*;

const BODY: &[u8] = br#"{"status":"firing"}"#;
const NOW: i64 = 1_700_000_000;
const PLAIN: &str = "28a683a6144fb7c3f590b19d8b8c9082c07af22f920df265175758c7c0a749ec";
const TIMED: &str = "2df7303a90af847a72802ca693e8c2763d4d0d0676f92e0cf5b7779907056a3f";
const PAGERDUTY: &[u8] = br#"{"event":{"id":"01ABC"}}"#;
const PAGERDUTY_NEW: &str = "v1=5c0fe30bcb6658db6d782bf481b87b23e65b6b66e6e7b2192bcf483a5fca15cc";
const PAGERDUTY_OLD: &str = "v1=959349536f3bc18b9560bb67031ae206052298321f5176c4e8c3c95163ef6be7";
const STANDARD_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const STANDARD: &str = "v1,3/pWpx5nB9/C7jyIR0C8Mbwzoax2FY2ieF5DCz1IUss=";

/// Hexadecimal HMAC-SHA-256 of the body, the scheme that most vendors have.
pub(super) fn hmac_of_body(header: &str) -> HmacScheme {
    HmacScheme {
        header: header.into(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefixes: vec![],
        separator: None,
        timestamp_header: None,
        template: "{body}".into(),
        tolerance_s: 300,
        secret_encoding: SecretEncoding::Utf8,
    }
}

/// As the driver declares them.
pub(super) fn grafana() -> Vec<SignatureScheme> {
    let mut schemes = Vec::new();
    for header in ["x-grafana-alerting-signature", "x-grafana-signature"] {
        let timed = HmacScheme {
            timestamp_header: Some("x-grafana-alerting-timestamp".into()),
            template: "{timestamp}:{body}".into(),
            ..hmac_of_body(header)
        };
        schemes.extend([timed, hmac_of_body(header)].map(SignatureScheme::Hmac));
    }
    schemes
}

/// As they are when `plugins.toml` names the header with the time.
pub(super) fn grafana_timed() -> Vec<SignatureScheme> {
    let names = HeaderNames { signature: None, timestamp: Some("x-time".into()) };
    names.apply(&grafana()).unwrap()
}

pub(super) fn pagerduty() -> Vec<SignatureScheme> {
    vec![SignatureScheme::Hmac(HmacScheme {
        prefixes: vec!["v1=".into()],
        separator: Some(",".into()),
        ..hmac_of_body("x-pagerduty-signature")
    })]
}

/// With `sha256=` or without, as New Relic's and the generic driver have it.
fn prefixed(header: &str) -> SignatureScheme {
    let prefixes = vec!["sha256=".into(), String::new()];
    SignatureScheme::Hmac(HmacScheme { prefixes, ..hmac_of_body(header) })
}

pub(super) fn generic() -> Vec<SignatureScheme> {
    vec![prefixed("x-webhook-signature"), SignatureScheme::StandardWebhooks]
}

/// A request that a vendor, or the computation of its vendor's description, signed.
pub(super) struct Vector {
    pub(super) name: &'static str,
    pub(super) schemes: Vec<SignatureScheme>,
    pub(super) secret: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'static [u8],
}

pub(super) fn vectors() -> Vec<Vector> {
    let vector = |name, schemes, secret, headers: &[(&'static str, &str)], body| {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Vector { name, schemes, secret, headers, body }
    };
    let github = SignatureScheme::Hmac(HmacScheme {
        prefixes: vec!["sha256=".into()],
        ..hmac_of_body("x-hub-signature-256")
    });
    let published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let sentry = "f701788d2b66b99da9bf51286a50b56594a63acc582bbea21ffc99037971bb32";
    let new = "x-grafana-alerting-signature";
    let list = format!("{PAGERDUTY_OLD},{PAGERDUTY_NEW}");
    let with_prefix = format!("sha256={PLAIN}");
    let standard =
        [("webhook-id", "msg_1"), ("webhook-timestamp", "1700000000"), ("webhook-signature", STANDARD)];
    vec![
        vector("grafana", grafana(), "s3cr3t", &[(new, PLAIN)], BODY),
        vector("grafana, older header", grafana(), "s3cr3t", &[("x-grafana-signature", PLAIN)], BODY),
        vector(
            "grafana with a time",
            grafana(),
            "s3cr3t",
            &[(new, TIMED), ("x-grafana-alerting-timestamp", "1700000000")],
            BODY,
        ),
        vector(
            "grafana with a time in a header of its own",
            grafana_timed(),
            "s3cr3t",
            &[(new, TIMED), ("x-time", "1700000000")],
            BODY,
        ),
        vector("pagerduty", pagerduty(), "s3cr3t", &[("x-pagerduty-signature", PAGERDUTY_NEW)], PAGERDUTY),
        vector(
            "pagerduty, the older of two",
            pagerduty(),
            "0ld",
            &[("x-pagerduty-signature", &list)],
            PAGERDUTY,
        ),
        vector(
            "pagerduty, the newer of two",
            pagerduty(),
            "s3cr3t",
            &[("x-pagerduty-signature", &list)],
            PAGERDUTY,
        ),
        vector(
            "newrelic",
            vec![prefixed("x-newrelic-signature")],
            "s3cr3t",
            &[("x-newrelic-signature", PLAIN)],
            BODY,
        ),
        vector("generic", generic(), "s3cr3t", &[("x-webhook-signature", PLAIN)], BODY),
        vector("generic with a prefix", generic(), "s3cr3t", &[("x-webhook-signature", &with_prefix)], BODY),
        vector("standard webhooks", generic(), STANDARD_SECRET, &standard, BODY),
        vector(
            "github's published one",
            vec![github],
            "It's a Secret to Everybody",
            &[("x-hub-signature-256", published)],
            b"Hello, World!",
        ),
        vector(
            "sentry",
            vec![SignatureScheme::Hmac(hmac_of_body("sentry-hook-signature"))],
            "s3cr3t",
            &[("sentry-hook-signature", sentry)],
            br#"{"action":"triggered"}"#,
        ),
    ]
}

pub(super) fn rules(secrets: &[&str]) -> SignatureRules {
    let secrets: Vec<_> = secrets.iter().map(|text| Secret::new((*text).to_owned())).collect();
    let secrets = (!secrets.is_empty()).then(|| ("acme".to_owned(), secrets));
    SignatureRules { secrets: secrets.into_iter().collect(), required: false }
}

fn check(
    schemes: &[SignatureScheme],
    secrets: &[&str],
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    verify("acme", schemes, &rules(secrets), &map, signed(body, NOW)).is_ok()
}

pub(super) fn signed(body: &[u8], now: i64) -> Signed<'_> {
    Signed { body, received_at: Timestamp::from_millis(now * 1000) }
}

fn plain(headers: &[(&'static str, &str)], body: &[u8]) -> bool {
    check(&grafana(), &["s3cr3t"], headers, body)
}

#[test]
fn every_vector_passes_with_its_secret_headers_and_body_and_with_nothing_else() {
    for Vector { name, schemes, secret, headers, body } in vectors() {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let pass = |secrets: &[&str], headers: &[(&'static str, &str)], body: &[u8]| {
            check(&schemes, secrets, headers, body)
        };
        assert!(pass(&[secret], &headers, body), "{name}");
        assert!(
            pass(&["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", secret], &headers, body),
            "{name}: previous"
        );
        assert!(!pass(&["another secret"], &headers, body), "{name}: another secret");
        assert!(!pass(&[secret], &headers, b"{}"), "{name}: another body");
        for left_out in 0..headers.len() {
            let mut headers = headers.clone();
            let (header, _) = headers.remove(left_out);
            assert!(!pass(&[secret], &headers, body), "{name}: without `{header}`");
        }
    }
}

#[test]
fn a_signed_time_is_a_number_of_seconds_near_now() {
    let timed = |time: &str| {
        let headers = [("x-grafana-alerting-signature", TIMED), ("x-time", time)];
        check(&grafana_timed(), &["s3cr3t"], &headers, BODY)
    };
    assert!(timed("1700000000"));
    for time in ["1700000001", "", "-1", "+1700000000", "1699999000", "1700000000 ", "1e9", "01700000000"] {
        assert!(!timed(time), "{time}");
    }
    let at = |schemes: &[SignatureScheme], headers: &[(&'static str, &str)], secret: &str, now| {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(headers);
        verify("acme", schemes, &rules(&[secret]), &headers, signed(BODY, now)).is_ok()
    };
    let grafana_headers = [("x-grafana-alerting-signature", TIMED), ("x-time", "1700000000")];
    let standard =
        [("webhook-id", "msg_1"), ("webhook-timestamp", "1700000000"), ("webhook-signature", STANDARD)];
    for (offset, accepted) in [(-301, false), (-300, true), (300, true), (301, false)] {
        assert_eq!(at(&grafana_timed(), &grafana_headers, "s3cr3t", NOW + offset), accepted, "{offset}");
        assert_eq!(at(&generic(), &standard, STANDARD_SECRET, NOW + offset), accepted, "{offset}");
    }
}

#[test]
fn a_time_that_is_named_is_required() {
    let header = "x-grafana-alerting-signature";
    assert!(check(&grafana(), &["s3cr3t"], &[(header, PLAIN)], BODY));
    assert!(!check(&grafana_timed(), &["s3cr3t"], &[(header, PLAIN)], BODY));
    assert!(!check(&grafana_timed(), &["s3cr3t"], &[(header, PLAIN), ("x-time", "1700000000")], BODY));
    let usual = [(header, TIMED), ("x-grafana-alerting-timestamp", "1700000000")];
    assert!(!check(&grafana_timed(), &["s3cr3t"], &usual, BODY), "only the name that was given");
    // What was signed with a time, sent as if the time were a part of the body.
    let moved = [b"1700000000:", BODY].concat();
    assert!(!check(&grafana_timed(), &["s3cr3t"], &[(header, TIMED)], &moved));
}

#[test]
fn standard_webhooks_vector_passes_under_its_id_and_version_only() {
    let pass = |id: &str, time: &str, signature: &str| {
        let headers = [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
        check(&generic(), &[STANDARD_SECRET], &headers, BODY)
    };
    assert!(pass("msg_1", "1700000000", &format!("v1,AAAA v2,x {STANDARD}")));
    assert!(!pass("msg_2", "1700000000", STANDARD));
    assert!(!pass("", "1700000000", STANDARD));
    assert!(!pass("msg_1", "1700000001", STANDARD));
    assert!(!pass("msg_1", "1700000000", &STANDARD.replace("v1", "v2")));
    assert!(!pass("msg_1", "1700000000", &STANDARD.replace("v1,", "")));
}

#[test]
fn lists_take_any_that_matches_among_the_first_ten() {
    let pass = |secrets: &[&str], value: &str| {
        check(&pagerduty(), secrets, &[("x-pagerduty-signature", value)], PAGERDUTY)
    };
    assert!(pass(&["s3cr3t"], &format!("{PAGERDUTY_OLD}, {PAGERDUTY_NEW}")));
    assert!(pass(&["s3cr3t"], &format!("v2=00,{PAGERDUTY_NEW}")), "unknown versions are passed over");
    assert!(!pass(&["s3cr3t"], PAGERDUTY_OLD));
    assert!(!pass(&["s3cr3t"], PAGERDUTY_NEW.trim_start_matches("v1=")));
    assert!(pass(&["s3cr3t"], &format!("{}{PAGERDUTY_NEW}", "v1=00,".repeat(9))));
    assert!(!pass(&["s3cr3t"], &format!("{}{PAGERDUTY_NEW}", "v1=00,".repeat(10))));
}

#[test]
fn missing_repeated_cut_and_altered_signatures_fail() {
    let header = "x-grafana-alerting-signature";
    assert!(!plain(&[], BODY));
    assert!(!plain(&[(header, PLAIN), (header, PLAIN)], BODY));
    assert!(!plain(&[(header, "")], BODY));
    assert!(!plain(&[(header, PLAIN.get(..62).unwrap())], BODY));
    assert!(!plain(&[(header, &format!("sha256={PLAIN}"))], BODY));
    assert!(plain(&[(header, &PLAIN.to_ascii_uppercase())], BODY));
    assert!(!plain(&[(header, PLAIN)], br#"{"status": "firing"}"#));
}

#[test]
fn without_a_secret_nothing_is_checked_unless_it_is_required() {
    let (schemes, none) = (grafana(), HeaderMap::new());
    let pass = |schemes: &[SignatureScheme], rules: &SignatureRules| {
        verify("acme", schemes, rules, &none, signed(BODY, NOW)).is_ok()
    };
    assert!(pass(&schemes, &rules(&[])));
    let required = SignatureRules { required: true, ..rules(&[]) };
    assert!(!pass(&schemes, &required));
    assert!(pass(&[], &required), "its sender cannot sign");
}

#[test]
fn secrets_that_would_verify_nothing_are_found() {
    let defect = |secret: &str| secret_defect(&generic(), secret);
    for fine in ["any text", "c2hvcnQ=", STANDARD_SECRET, STANDARD_SECRET.trim_start_matches("whsec_")] {
        assert_eq!(defect(fine), None, "{fine}");
    }
    for wrong in ["whsec_", "whsec_c2hvcnQ=", "whsec_no base64", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY"] {
        let defect = defect(wrong).unwrap();
        assert!(defect.starts_with("begins with `whsec_`, and "), "{wrong}: {defect}");
    }
    assert_eq!(secret_defect(&grafana(), "whsec_no base64"), None, "just a text for others");
    assert!(secret_defect(&[SignatureScheme::StandardWebhooks], "any text").is_some());
    assert!(secret_defect(&grafana(), "").is_some(), "an empty key is everybody's");
}

#[test]
fn a_short_or_empty_key_verifies_nothing() {
    let mac_with = |key: &[u8]| {
        let mac =
            Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update([b"m.1700000000.", BODY].concat());
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    };
    let pass = |secret: &str, key: &[u8]| {
        let signature = mac_with(key);
        let headers =
            [("webhook-id", "m"), ("webhook-timestamp", "1700000000"), ("webhook-signature", &signature)];
        check(&generic(), &[secret], &headers, BODY)
    };
    assert!(!pass("whsec_", b""));
    assert!(!pass("whsec_c2hvcnQ=", b"short"));
    assert!(pass("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", b"012345678901234567890123"));
}

#[path = "signature_mutations.rs"]
mod mutations;
