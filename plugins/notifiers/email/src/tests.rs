use plugin_sdk::mail::{MailError, Reply, Security, Sent};
use plugin_sdk::testkit;
use serde_json::{Value, json};

use super::*;

#[test]
fn golden_notifications_are_sent_as_reviewed() {
    testkit::mail_notifier::<Email>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
}

/// Takes everything and keeps the last message.
#[derive(Default)]
struct Server(Option<Message>);

impl Mailer for Server {
    fn send(&mut self, message: &Message) -> Result<Sent, MailError> {
        self.0 = Some(message.clone());
        let reply = Reply { code: 250, text: "2.0.0 Ok".to_owned() };
        Ok(Sent { reply, refused: Vec::new() })
    }
}

fn config() -> Value {
    json!({
        "server": "smtp://mail.example.com", "from_address": "Watchbell <hub@example.com>",
        "to_addresses": ["ops@example.com"],
    })
}

fn with(changes: &Value) -> String {
    let mut config = config();
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config.to_string()
}

fn notification() -> Notification {
    Notification {
        id: "01JD".to_owned(),
        attempt: 1,
        title: "[FIRING] DiskFull on db1".to_owned(),
        message: "DiskFull on db1 is firing (critical).".to_owned(),
        html: None,
        payload: None,
        severity: Severity::Critical,
        status: AlertStatus::Firing,
        incident: json!({ "id": "01JI", "title": "DiskFull on db1" }).to_string(),
        alerts: Vec::new(),
        recommendations: "[]".to_owned(),
        tags: Vec::new(),
        links: Vec::new(),
        previous_ref: None,
    }
}

fn sent(notification: &Notification, config: &str) -> Message {
    let mut server = Server::default();
    Email::send(notification, config, &mut server).unwrap();
    server.0.unwrap()
}

#[test]
fn all_messages_about_an_incident_are_one_thread_under_one_subject() {
    let first = sent(&notification(), &config().to_string());
    let resolved = Notification {
        id: "01JE".to_owned(),
        title: "[RESOLVED] DiskFull on db1".to_owned(),
        status: AlertStatus::Resolved,
        previous_ref: Some(first.message_id.clone()),
        ..notification()
    };
    let last = sent(&resolved, &config().to_string());
    assert_eq!(first.references, ["<incident.01JI@example.com>"]);
    assert_eq!(first.references, last.references);
    assert_eq!(
        (first.message_id.as_str(), last.message_id.as_str()),
        ("<01JD@example.com>", "<01JE@example.com>")
    );
    assert_eq!(format!("Re: {}", first.subject), last.subject);

    let style = with(&json!({ "subject_style": "status", "subject_prefix": "[prod]" }));
    assert_eq!(sent(&resolved, &style).subject, "[prod] [RESOLVED] DiskFull on db1");
}

#[test]
fn another_attempt_is_the_same_message() {
    let again = Notification { attempt: 2, ..notification() };
    let [first, again] = [notification(), again].map(|one| sent(&one, &config().to_string()));
    assert_eq!(first, again);
}

#[test]
fn what_an_alert_is_called_breaks_no_header() {
    let hostile = Notification {
        id: "a\r\nBcc: x@example.com".to_owned(),
        incident: json!({ "id": "b>\r\nX: 1", "title": "Disk\r\nBcc: x@example.com\u{202e}" }).to_string(),
        ..notification()
    };
    let message = sent(&hostile, &config().to_string());
    let lines = [&message.subject, &message.message_id, &message.references[0]];
    let values = message.headers.iter().map(|header| &header.value);
    for text in lines.into_iter().chain(values) {
        assert!(!text.contains(char::is_control) && !text.contains('\u{202e}'), "{text:?}");
    }
    assert_eq!(message.message_id, "<a--Bcc--x-example.com@example.com>");
}

#[test]
fn the_largest_notification_fits_and_says_that_it_was_cut() {
    let long = "é".repeat(400_000);
    let large = Notification {
        title: long.clone(),
        message: long.clone(),
        html: Some(long.clone()),
        incident: json!({ "id": long, "title": long }).to_string(),
        ..notification()
    };
    let message = sent(&large, &config().to_string());
    assert!(message.text.ends_with(CUT) && message.text.len() < MAX_TEXT_BYTES + 100);
    assert!(message.html.is_none() && message.subject.len() < 900 && message.message_id.len() <= 250);
    let html = Notification { html: Some("é".repeat(MAX_HTML_BYTES / 2)), ..notification() };
    assert!(sent(&html, &config().to_string()).html.is_some());
}

#[test]
fn settings_that_cannot_work_are_named_before_they_are_saved() {
    let problems = |changes: &Value| -> Vec<String> {
        Email::validate_config(&with(changes)).into_iter().map(|problem| problem.path).collect()
    };
    assert!(problems(&json!({})).is_empty());
    assert!(problems(&json!({ "username": "hub", "password": "secret://password" })).is_empty());
    assert!(problems(&json!({ "server": "SMTPS://mail.example.com:4465/" })).is_empty());
    assert!(problems(&json!({ "to_addresses": "a@example.com, B <b@example.com>" })).is_empty());
    let many: Vec<String> = (0..51).map(|number| format!("a{number}@example.com")).collect();
    for (changes, path) in [
        (json!({ "server": "" }), "/server"),
        (json!({ "server": "mail.example.com" }), "/server"),
        (json!({ "server": "https://mail.example.com" }), "/server"),
        (json!({ "server": "smtp://hub:pw@mail.example.com" }), "/server"),
        (json!({ "server": "smtp://mail.example.com/x" }), "/server"),
        (json!({ "server": "smtps://mail.example.com", "security": "none" }), "/security"),
        (json!({ "security": "starttls" }), "/security"),
        (json!({ "username": "hub" }), "/password"),
        (json!({ "password": "secret://password" }), "/username"),
        (json!({ "from_address": "" }), "/from_address"),
        (json!({ "from_address": "hub" }), "/from_address"),
        (json!({ "to_addresses": [] }), "/to_addresses"),
        (json!({ "to_addresses": " , " }), "/to_addresses"),
        (json!({ "to_addresses": ["a@b.example\r\nBcc: c@d.example"] }), "/to_addresses"),
        (json!({ "to_addresses": many }), "/to_addresses"),
        (json!({ "cc_addresses": ["a b@example.com"] }), "/cc_addresses"),
        (json!({ "bcc_addresses": "a@b@c" }), "/bcc_addresses"),
        (json!({ "reply_to": "Ops <ops>" }), "/reply_to"),
        (json!({ "subject_prefix": "a\nb" }), "/subject_prefix"),
        (json!({ "subject_style": "loud" }), "/subject_style"),
        (json!({ "smtp_host": "mail.example.com" }), ""),
    ] {
        assert_eq!(problems(&changes), [path], "{changes}");
    }
}

#[test]
fn the_schema_names_what_is_read_and_keeps_the_password() {
    let schema: Value = serde_json::from_str(settings::SCHEMA).unwrap();
    assert_eq!(schema["properties"]["password"]["format"], "secret");
    let all = json!({
        "security": "none", "username": "a", "password": "b", "cc_addresses": [], "bcc_addresses": [],
        "reply_to": "a@example.com", "subject_prefix": "", "subject_style": "thread",
    });
    let config: Value = serde_json::from_str(&with(&all)).unwrap();
    let names = |object: &Value| -> Vec<String> { object.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&schema["properties"]), names(&config));
    let settings = Settings::read(&config.to_string()).unwrap();
    assert_eq!((settings.security, settings.domain()), (Security::None, "example.com"));
}
