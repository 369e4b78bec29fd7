//! Vectors of the vendors, and everything that must not pass.

use domain::secret::Secret;

use super::*;

const BODY: &[u8] = br#"{"status":"firing"}"#;
const NOW: i64 = 1_700_000_000;
const PLAIN: &str = "28a683a6144fb7c3f590b19d8b8c9082c07af22f920df265175758c7c0a749ec";
const TIMED: &str = "2df7303a90af847a72802ca693e8c2763d4d0d0676f92e0cf5b7779907056a3f";

fn scheme(timestamp: bool) -> HmacScheme {
    HmacScheme {
        header: "x-grafana-alerting-signature".into(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefixes: vec![],
        separator: None,
        timestamp_header: timestamp.then(|| "x-time".into()),
        template: if timestamp { "{timestamp}:{body}" } else { "{body}" }.into(),
        tolerance_s: 300,
        secret_encoding: SecretEncoding::Utf8,
    }
}

fn info(signatures: Vec<SignatureScheme>) -> DriverInfo {
    let plugin = domain::plugin::PluginInfo {
        name: "grafana".parse().unwrap(),
        version: "1.0.0".into(),
        summary: String::new(),
        homepage: None,
    };
    DriverInfo { plugin, signatures, shapes: vec![], delivery_id_header: None, sample: None }
}

fn rules(secrets: &[&str]) -> SignatureRules {
    let secrets: Vec<_> = secrets.iter().map(|text| Secret::new((*text).to_owned())).collect();
    let secrets = (!secrets.is_empty()).then(|| ("grafana".to_owned(), secrets));
    SignatureRules { secrets: secrets.into_iter().collect(), required: false }
}

fn check(scheme: SignatureScheme, secrets: &[&str], headers: &[(&'static str, &str)], body: &[u8]) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    verify(&info(vec![scheme]), &rules(secrets), &map, &incoming(body)).is_ok()
}

fn incoming(body: &[u8]) -> Incoming {
    Incoming {
        method: "POST".into(),
        query: String::new(),
        content_type: String::new(),
        headers: vec![],
        body: body.to_vec(),
        received_at: Timestamp::from_millis(NOW * 1000),
    }
}

fn plain(headers: &[(&'static str, &str)], body: &[u8]) -> bool {
    check(SignatureScheme::Hmac(scheme(false)), &["s3cr3t"], headers, body)
}

#[test]
fn grafana_vectors_pass_with_and_without_a_timestamp() {
    assert!(plain(&[("x-grafana-alerting-signature", PLAIN)], BODY));
    let timed = |time: &str| {
        let headers = [("x-grafana-alerting-signature", TIMED), ("x-time", time)];
        check(SignatureScheme::Hmac(scheme(true)), &["s3cr3t"], &headers, BODY)
    };
    assert!(timed("1700000000"));
    for time in ["1700000001", "", "-1", "+1700000000", "1699999000", "1700000000 ", "1e9"] {
        assert!(!timed(time), "{time}");
    }
}

#[test]
fn standard_webhooks_vector_passes_under_its_id_time_and_secret_only() {
    let signature = "v1,3/pWpx5nB9/C7jyIR0C8Mbwzoax2FY2ieF5DCz1IUss=";
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    let pass = |id: &str, time: &str, signature: &str, body: &[u8]| {
        let headers = [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
        check(SignatureScheme::StandardWebhooks, &[secret], &headers, body)
    };
    assert!(pass("msg_1", "1700000000", signature, BODY));
    assert!(pass("msg_1", "1700000000", &format!("v1,AAAA v2,x {signature}"), BODY));
    assert!(!pass("msg_2", "1700000000", signature, BODY));
    assert!(!pass("msg_1", "1700000001", signature, BODY));
    assert!(!pass("msg_1", "1700000000", signature, b"{}"));
    assert!(!pass("msg_1", "1700000000", &signature.replace("v1", "v2"), BODY));
}

#[test]
fn lists_with_prefixes_take_any_that_matches() {
    let scheme = || {
        SignatureScheme::Hmac(HmacScheme {
            header: "x-pagerduty-signature".into(),
            prefixes: vec!["v1=".into()],
            separator: Some(",".into()),
            ..scheme(false)
        })
    };
    let body = br#"{"event":{"id":"01ABC"}}"#;
    let old = "v1=959349536f3bc18b9560bb67031ae206052298321f5176c4e8c3c95163ef6be7";
    let new = "v1=5c0fe30bcb6658db6d782bf481b87b23e65b6b66e6e7b2192bcf483a5fca15cc";
    let pass =
        |secrets: &[&str], value: &str| check(scheme(), secrets, &[("x-pagerduty-signature", value)], body);
    assert!(pass(&["s3cr3t"], &format!("{old}, {new}")));
    assert!(pass(&["0ld"], &format!("{old},{new}")));
    assert!(pass(&["wrong", "s3cr3t"], new), "a previous secret is accepted");
    assert!(!pass(&["s3cr3t"], old));
    assert!(!pass(&["s3cr3t"], new.trim_start_matches("v1=")));
    let many = format!("{}{new}", "v1=00,".repeat(20));
    assert!(!pass(&["s3cr3t"], &many), "only so many signatures are looked at");
}

#[test]
fn missing_repeated_cut_and_altered_signatures_fail() {
    let header = "x-grafana-alerting-signature";
    assert!(!plain(&[], BODY));
    assert!(!plain(&[(header, PLAIN), (header, PLAIN)], BODY));
    assert!(!plain(&[(header, "")], BODY));
    assert!(!plain(&[(header, PLAIN.get(..62).unwrap())], BODY));
    assert!(!plain(&[(header, &format!("sha256={PLAIN}"))], BODY));
    assert!(!plain(&[(header, PLAIN)], br#"{"status": "firing"}"#));
    for place in 0..BODY.len() {
        let mut body = BODY.to_vec();
        body[place] ^= 1;
        assert!(!plain(&[(header, PLAIN)], &body), "byte {place}");
    }
}

#[test]
fn without_a_secret_nothing_is_checked_unless_it_is_required() {
    let signed = info(vec![SignatureScheme::Hmac(scheme(false))]);
    let none = HeaderMap::new();
    assert!(verify(&signed, &rules(&[]), &none, &incoming(BODY)).is_ok());
    let required = SignatureRules { required: true, ..rules(&[]) };
    assert!(verify(&signed, &required, &none, &incoming(BODY)).is_err());
    assert!(verify(&info(vec![]), &required, &none, &incoming(BODY)).is_ok(), "its sender cannot sign");
}
