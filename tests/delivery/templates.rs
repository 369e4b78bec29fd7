//! Templates on their way to a remote: rendered at each attempt, and never in the way.

use std::fs;

use serde_json::{Value, json};
use tests::{Answer, Home, Hub, Received, Sink};

fn alert(name: &str) -> Value {
    json!({ "name": name, "host": "db1", "severity": "critical", "message": "97% full" })
}

fn settings(sink: &Sink, templates: &Value) -> String {
    json!({ "url": sink.url(), "templates": templates }).to_string()
}

async fn add(hub: &Hub, name: &str, sink: &Sink, templates: &Value) {
    let settings = settings(sink, templates);
    hub.cli_text(&["channel", "add", name, "--notifier", "generic", "--config", &settings]).await;
}

/// The last of so many requests.
async fn told(sink: &Sink, count: usize) -> Value {
    sink.wait(count).await.last().map(Received::json).unwrap()
}

#[tokio::test]
async fn a_channel_speaks_in_the_words_of_its_templates_and_in_the_hubs_where_they_fail() {
    let home = Home::new().await.with_local_remotes();
    let folder = home.path().join("templates");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("words.j2");
    fs::write(&file, "first words about {{ incident.name }}").unwrap();
    let hub = home.with("WATCHBELL_TEMPLATES_DIR", folder.to_str().unwrap()).start().await;
    let (text, body) = (Sink::start([]).await, Sink::start([]).await);
    add(&hub, "text", &text, &json!({ "title": "{{ severity }}!", "text": { "file": "words.j2" } })).await;
    let payload = "{\"what\": {{ title }}, \"alerts\": {{ alerts | length }}, \"said\": {{ message }}}";
    add(&hub, "body", &body, &json!({ "payload": payload, "text": { "file": "words.j2" } })).await;

    hub.accept("/alerts/webhook/", &alert("DiskFull")).await;
    let plain = told(&text, 1).await;
    assert_eq!(
        (&plain["title"], &plain["message"]),
        (&json!("critical!"), &json!("first words about DiskFull"))
    );
    let whole =
        json!({ "what": "[CRITICAL] DiskFull on db1", "alerts": 1, "said": "first words about DiskFull" });
    assert_eq!(told(&body, 1).await, whole);

    fs::write(&file, "other words about {{ incident.name }}").unwrap();
    hub.accept("/alerts/webhook/", &alert("CpuHigh")).await;
    assert_eq!(told(&text, 2).await["message"], "other words about CpuHigh");

    fs::write(&file, "{{ broken").unwrap();
    hub.accept("/alerts/webhook/", &alert("NetDown")).await;
    let message = told(&text, 3).await["message"].as_str().unwrap().to_owned();
    assert!(message.contains("NetDown on db1 is firing (critical).\n97% full"), "{message}");
    assert!(
        message.ends_with("Note: template `words.j2` was not used: line 1: it is not a template."),
        "{message}"
    );
    let line = hub.log().wait("template `words.j2` of channel `text` was not used").await;
    assert!(line.contains("trace_id") && line.contains("delivery.id"), "{line}");
    let metrics = hub.get("/metrics").await.text();
    let counted = "watchbell_template_failures_total{template=\"text\",notifier=\"generic\"}";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_template_that_was_mended_helps_the_next_attempt() {
    let home = Home::new().await.with_local_remotes();
    let folder = home.path().join("templates");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("generic_text.j2");
    let hub = home.with("WATCHBELL_TEMPLATES_DIR", folder.to_str().unwrap()).start().await;
    let sink = Sink::start([Answer::Status(503, Vec::new())]).await;
    hub.add_channel("ops", &sink.url()).await;
    fs::write(&file, "{{ broken").unwrap();
    let warned = hub.cli_text(&["check"]).await;
    assert!(warned.contains("W031") && warned.contains("`generic_text.j2`, line 1"), "{warned}");
    hub.accept("/alerts/webhook/", &alert("DiskFull")).await;
    let first = told(&sink, 1).await;
    assert!(first["message"].as_str().unwrap().contains("Note: template `generic_text.j2`"), "{first}");
    fs::write(&file, "attempt {{ attempt }}").unwrap();
    let second = told(&sink, 2).await;
    assert_eq!((&second["message"], &second["id"]), (&json!("attempt 2"), &first["id"]));
}

#[tokio::test]
async fn templates_that_cannot_work_are_refused_when_the_channel_is_added() {
    let home = Home::new().await;
    let sink = Sink::start([]).await;
    for (templates, words) in [
        (
            json!({ "text": "a\n{{ incident.titel }}" }),
            "`templates.text`, line 2: `incident.titel` is not there",
        ),
        (json!({ "payload": "{\"a\": \"{{ title }}\"}" }), "values bring their own quotes"),
        (json!({ "text": { "file": "../.env" } }), "without a path"),
        (json!({ "text": { "file": "a.j2" } }), "`WATCHBELL_TEMPLATES_DIR` is not set"),
        (json!({ "body": "x" }), "no `body`"),
    ] {
        let settings = settings(&sink, &templates);
        let output = home.cli(&["channel", "add", "x", "--notifier", "generic", "--config", &settings]).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(words), "{templates}: {text}");
    }
}

#[tokio::test]
async fn templates_are_checked_and_shown_without_a_hub() {
    let mut home = Home::new().await;
    home.unset("WATCHBELL_SECRET_KEY");
    let folder = home.path().join("templates");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("generic_payload.j2"), "{\"a\": {{ title }}}").unwrap();
    home.set("WATCHBELL_TEMPLATES_DIR", folder.to_str().unwrap());
    let checked = home.cli_json(&["template", "check", "--json"]).await;
    assert_eq!(checked, json!({ "checked": 1, "problems": [] }));
    let arguments = ["template", "preview", "--notifier", "generic", "--sample", "resolved", "--json"];
    let shown = home.cli_json(&arguments).await;
    assert_eq!(shown["payload"], json!({ "a": "[RESOLVED] DiskFull on db1" }));
    assert!(shown["text"].as_str().unwrap().contains("after 15 min"), "{shown}");
    let html = home.cli_text(&["template", "preview", "--notifier", "email", "--only", "html"]).await;
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"), "{html}");

    fs::write(folder.join("email_html.j2"), "<p>\n{{ incident.title | safe }}").unwrap();
    let output = home.cli(&["template", "check"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("`email_html.j2`, with sample `hostile`: what a sender writes"), "{text}");
    assert_eq!(output.status.code(), Some(1));
    let output = home.cli(&["template", "preview", "--notifier", "email", "--sample", "nothing"]).await;
    assert_eq!(output.status.code(), Some(2));
}
