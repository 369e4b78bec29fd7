use plugin_sdk::testkit;
use plugin_sdk::{Alert, AlertStatus, Severity};

use super::*;

fn alert_of(result: Result<Parsed, PluginError>) -> Alert {
    testkit::alerts_of(result).remove(0)
}

fn alert(body: &str) -> Alert {
    testkit::alert_in::<Datadog>(body)
}

fn form(body: &str) -> Result<Parsed, PluginError> {
    let content_type = form::CONTENT_TYPE.to_owned();
    Datadog::parse(&Incoming { content_type, ..testkit::incoming(body.as_bytes()) }, "")
}

fn fingerprint(fields: &str) -> String {
    alert(&format!(r#"{{"title":"CPU",{fields}}}"#)).fingerprint.unwrap()
}

#[test]
fn golden_payloads_are_read_as_reviewed() {
    testkit::driver::<Datadog>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
}

#[test]
fn the_sample_gives_an_alert_whatever_it_is_called() {
    let sample = Datadog::metadata().sample.unwrap();
    let sample = std::str::from_utf8(&sample).unwrap();
    assert_eq!(alert_of(form(sample)).name, "CPU of the web tier");
    assert_eq!(alert(sample).severity, Severity::Critical);
}

#[test]
fn a_recovery_ends_what_fired_and_a_test_or_another_group_does_not() {
    let [fired, ended, other, test] = [
        include_str!("../testdata/template_triggered.json"),
        include_str!("../testdata/template_recovered.json"),
        include_str!("../testdata/template_other_group.json"),
        include_str!("../testdata/test_message.json"),
    ]
    .map(alert);
    assert_eq!(fired.fingerprint, ended.fingerprint);
    assert_eq!((fired.status, ended.status), (AlertStatus::Firing, AlertStatus::Resolved));
    assert_eq!(fired.name, ended.name);
    assert_ne!(fired.fingerprint, other.fingerprint);
    assert_ne!(fired.fingerprint, test.fingerprint);
}

#[test]
fn identity_is_monitor_and_group_or_what_comes_nearest() {
    let is = |fields: &str, expected: &str| assert_eq!(fingerprint(fields), expected, "{fields}");
    is(r#""alert_id":1,"scopes":"b:2, a:1","alert_cycle_key":"c""#, "monitor 1 group a:1,b:2");
    is(r#""alert_id":1,"alert_scope":"{a:1,b:2}""#, "monitor 1 group a:1,b:2");
    is(r#""alert_id":1,"alert_scope":"","alert_cycle_key":"c","aggreg_key":"k""#, "cycle c");
    is(r#""alert_id":1,"alert_scope":"*","aggreg_key":"k","hostname":"h""#, "aggregation k");
    is(r#""alert_id":1,"hostname":"h""#, "monitor 1 group h");
    is(
        r#""alert_id":1,"alert_title":"CPU","event_title":"[Warn on {b:2,a:1}] CPU""#,
        "monitor 1 group a:1,b:2",
    );
    is(
        r#""alert_id":1,"event_title":"x","alert_title":"[Warn on {b:2,a:1}] CPU""#,
        "monitor 1 group a:1,b:2",
    );
    is(r#""monitor_id":"1","org":{"id":9}"#, "org 9 monitor 1");
    is(r#""id":"1","org_id":"9""#, "org 9 title CPU");
    is(r#""id":"1","host.name":"h""#, "title CPU group h");
    is(r#""aggreg_key":"k","scope":"a:1""#, "aggregation k");
    let link = "https://app.datadoghq.com/monitors/5?event_id=1";
    is(&format!(r#""body":"{link}","host":"h""#), "monitor 5");
    is(&format!(r#""body":"{link}&group=a%3A1","host":"h""#), "monitor 5 group a:1");
}

#[test]
fn a_form_says_the_same_as_the_object_that_it_was_made_from() {
    let body = "alert_id=5030&title=%5BTriggered%5D+CPU+%C3%A9&alert_transition=Triggered&alert_type=error\
                &alert_scope=host%3Aweb-1&tags=env%3Aprod%2Curgent&date=1780315110000&org_id=4711";
    let json = r#"{"alert_id":"5030","title":"[Triggered] CPU é","alert_transition":"Triggered",
        "alert_type":"error","alert_scope":"host:web-1","tags":"env:prod,urgent","date":"1780315110000",
        "org_id":"4711"}"#;
    let (from_form, from_json) = (alert_of(form(body)), alert(json));
    assert_eq!(format!("{from_form:?}"), format!("{from_json:?}"));
    assert_eq!(from_form.name, "CPU é");
    assert_eq!(from_form.fingerprint.as_deref(), Some("org 4711 monitor 5030 group host:web-1"));
}

#[test]
fn any_form_ends_in_a_result_or_an_error() {
    let body = "alert_id=5030&title=%5BTriggered+on+%7Bhost%3Aw%7D%5D+%C3%A9&tags=a%3Ab%2C%00&org=%7B%7D";
    for end in 0..body.len() {
        if let Ok(parsed) = form(&body[..end]) {
            assert_eq!(testkit::breach(&parsed), None, "{}", &body[..end]);
        }
    }
    for body in ["", " ", "&&&", "=", "a", "%", "%zz=%ff", "\u{202e}=\u{0}", "title=%ff%00"] {
        if let Ok(parsed) = form(body) {
            assert_eq!(testkit::breach(&parsed), None, "{body}");
        }
    }
    assert!(matches!(form("a=b"), Err(PluginError::Unsupported(_))));
    assert!(matches!(form("[]"), Err(PluginError::InvalidInput(_))));
    assert!(testkit::parse::<Datadog>(b"title=CPU").is_err(), "not said to be a form");
}

#[test]
fn tags_are_text_or_a_list_and_change_no_label_of_the_driver() {
    for tags in
        [r#""env:prod,urgent,,alertname:forged,scope:x""#, r#"["env:prod","urgent","","alertname:forged"]"#]
    {
        let alert = alert(&format!(r#"{{"title":"CPU","alert_id":1,"alert_scope":"host:h","tags":{tags}}}"#));
        let value = |key: &str| {
            let label = alert.labels.iter().find(|label| label.key == key);
            label.map_or("", |label| label.value.as_str())
        };
        assert_eq!(
            ["env", "urgent", "alertname", "scope", "host"].map(value),
            ["prod", "true", "CPU", "host:h", "h"]
        );
        assert_eq!(alert.labels.len(), 6);
    }
}

#[test]
fn many_tags_groups_and_links_keep_within_bounds() {
    let tags = "k:v,".repeat(100_000);
    let links = "https://x/monitors/1?group=a&group=b ".repeat(20_000);
    let body = format!(r#"{{"title":"CPU","tags":"{tags}","alert_scope":"{tags}","body":"{links}"}}"#);
    let parsed = testkit::parse::<Datadog>(body.as_bytes()).unwrap();
    assert_eq!(testkit::breach(&parsed), None);
}

#[test]
fn a_text_of_commas_is_not_looked_at_to_its_end() {
    let body = format!(r#"{{"title":"CPU","tags":"a:b{}c:d"}}"#, ",".repeat(300));
    let labels = alert(&body).labels;
    assert!(labels.iter().any(|label| label.key == "a"));
    assert!(labels.iter().all(|label| label.key != "c"));
}

#[test]
fn the_largest_bodies_are_read() {
    let text = "%C3%A9+".repeat(350_000);
    let alert = alert_of(form(&format!("title=CPU&alert_id=1&event_msg={text}")));
    assert!(alert.description.len() <= 16_384 && alert.description.starts_with("é é"));
    assert!(form(&format!("title=CPU&{}", "a=b&".repeat(600_000))).is_err());
}

#[test]
fn words_mean_what_the_table_says() {
    let read = |fields: &str| {
        let alert = alert(&format!(r#"{{"title":"CPU",{fields}}}"#));
        (alert.status.as_str(), alert.severity.as_str(), alert.raw_status, alert.raw_severity)
    };
    let is = |fields: &str, expected: (&str, &str, &str, &str)| {
        let found = read(fields);
        assert_eq!((found.0, found.1, found.2.as_str(), found.3.as_str()), expected, "{fields}");
    };
    is(r#""alert_transition":"Warn","alert_type":"warning""#, ("firing", "warning", "Warn", "warning"));
    is(
        r#""alert_transition":"Triggered","priority":"normal""#,
        ("firing", "critical", "Triggered", "Triggered"),
    );
    is(
        r#""alert_transition":"Triggered","priority":"P4","alert_type":"error""#,
        ("firing", "info", "Triggered", "P4"),
    );
    is(r#""alert_transition":"Renotify","priority":"low""#, ("firing", "info", "Renotify", "low"));
    is(r#""alert_transition":"Renotify""#, ("firing", "unmapped", "Renotify", ""));
    is(r#""alert_type":"success""#, ("resolved", "info", "success", "success"));
    is(r#""alert_type":"info""#, ("firing", "info", "", "info"));
    is(r#""alert_status":"ok","alert_type":"metric_alert""#, ("resolved", "unmapped", "ok", "metric_alert"));
    is(r#""alert_transition":"Snoozed""#, ("unmapped", "unmapped", "Snoozed", ""));
    is(r#""alert_status":"cpu was > 90""#, ("firing", "unmapped", "", ""));
}

#[test]
fn bodies_of_other_senders_have_no_shape_of_datadogs() {
    let shapes = shapes();
    assert!(shapes.len() <= 8);
    for body in [
        r#"{"title":"CPU high","state":"alerting","message":"over 90 %"}"#,
        r#"{"title":"x","state":"ACTIVATED","issueUrl":"https://example.net","org":"shop"}"#,
        r#"{"alert_id":"7","name":"backup","status":"failed"}"#,
        r#"{"org":{"id":1},"title":"x"}"#,
        r#"{"event_type":"INCIDENT","account_id":1,"incident_id":2,"current_state":"open"}"#,
        r#"{"event":{"event_type":"incident.triggered","data":{"title":"x"}}}"#,
    ] {
        assert_eq!(testkit::matching(&shapes, &[], body.as_bytes()), None, "{body}");
    }
}
