//! The message: Block Kit within Slack's limits.
//!
//! # Source
//! Limits of the official client library (`slack_sdk` 3.47, `models/blocks/blocks.py`): header 150
//! characters, section 3,000, ten fields of 2,000, ten context elements, 50 blocks a message.

use plugin_sdk::json::{Items, Text};
use plugin_sdk::notifier::Notification;
use plugin_sdk::time::Instant;
use plugin_sdk::{AlertStatus, Label, Severity};
use serde::Deserialize;
use serde_json::{Value, json};

const HEADER_CHARS: usize = 150;
const SECTION_CHARS: usize = 3_000;
const FIELD_CHARS: usize = 2_000;
/// So that all sections together stay far below 50 blocks and a readable length.
const MAX_RECOMMENDATIONS: usize = 5;
const MAX_TAGS: usize = 10;
/// The longest text of a time.
const MAX_TIME_CHARS: usize = 64;
/// Lines of the message that a reply repeats.
const SUMMARY_LINES: usize = 3;

#[derive(Deserialize, Default)]
struct Incident<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    instance: Text<'a>,
    #[serde(borrow, default)]
    opened_at: Text<'a>,
    #[serde(borrow, default)]
    resolved_at: Text<'a>,
    #[serde(borrow, default)]
    trace_id: Text<'a>,
}

#[derive(Deserialize)]
struct Recommendation<'a> {
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, default)]
    actions: Vec<Text<'a>>,
}

/// Text for one block: `&`, `<` and `>` escaped, cut at Slack's limit.
#[derive(Default)]
struct Writer {
    cut: bool,
}

impl Writer {
    /// `text` as mrkdwn of at most `max` characters. A cut never splits an escape.
    fn mrkdwn(&mut self, text: &str, max: usize) -> String {
        let mut escaped = String::with_capacity(text.len());
        let mut length = 0;
        for character in text.chars() {
            let piece = match character {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                _ => "",
            };
            length += piece.len().max(1);
            if length >= max {
                self.cut = true;
                escaped.push('…');
                break;
            }
            match piece {
                "" => escaped.push(character),
                piece => escaped.push_str(piece),
            }
        }
        escaped
    }

    fn section(&mut self, text: &str) -> Value {
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": self.mrkdwn(text, SECTION_CHARS) } })
    }

    fn field(&mut self, name: &str, value: &str) -> Value {
        let value = self.mrkdwn(value, FIELD_CHARS - 100);
        json!({ "type": "mrkdwn", "text": format!("*{name}*\n{value}") })
    }
}

/// The whole message. `text` is what Slack shows where it shows no blocks, as on a locked phone.
pub(crate) fn message(notification: &Notification) -> Value {
    let mut writer = Writer::default();
    let incident: Incident<'_> = serde_json::from_str(&notification.incident).unwrap_or_default();
    let headline = headline(notification);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": plain(&headline), "emoji": true } }),
        json!({ "type": "section", "fields": fields(notification, &incident, &mut writer) }),
    ];
    if !notification.message.trim().is_empty() {
        blocks.push(writer.section(notification.message.trim()));
    }
    blocks.extend(recommendations(notification, &mut writer));
    if let Some(links) = links(&notification.links) {
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": links } }));
    }
    blocks.push(context(notification, &incident, &mut writer));
    json!({
        "text": text(notification),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// What Slack shows where it shows no blocks.
pub(crate) fn text(notification: &Notification) -> String {
    Writer::default().mrkdwn(&headline(notification), SECTION_CHARS)
}

/// The title behind a sign that can be told apart in a list of messages.
fn headline(notification: &Notification) -> String {
    format!("{} {}", symbol(notification), notification.title)
}

/// The beginning of what there is to say, for a thread that has the rest above it.
pub(crate) fn summary(notification: &Notification) -> String {
    let mut writer = Writer::default();
    let lines: Vec<&str> = notification.message.trim().lines().take(SUMMARY_LINES).collect();
    let title = writer.mrkdwn(&headline(notification), HEADER_CHARS);
    format!("*{title}*\n{}", writer.mrkdwn(&lines.join("\n"), SECTION_CHARS - 2 * HEADER_CHARS))
}

/// A message with a line of small print more.
pub(crate) fn with_note(mut message: Value, note: &str) -> Value {
    let note = json!({ "type": "mrkdwn", "text": Writer::default().mrkdwn(note, FIELD_CHARS) });
    if let Some(Value::Array(blocks)) = message.get_mut("blocks") {
        blocks.push(json!({ "type": "context", "elements": [note] }));
    }
    message
}

fn symbol(notification: &Notification) -> &'static str {
    match (notification.status, notification.severity) {
        (AlertStatus::Resolved, _) => "✅",
        (AlertStatus::Acknowledged, _) => "👀",
        (_, Severity::Critical) => "🔴",
        (_, Severity::Warning | Severity::Unmapped) => "🟠",
        (_, Severity::Info) => "🔵",
    }
}

/// A header takes no markup and one line.
fn plain(text: &str) -> String {
    let text = plugin_sdk::text::one_line(text);
    if text.chars().count() <= HEADER_CHARS {
        return text.into_owned();
    }
    text.chars().take(HEADER_CHARS - 1).chain(['…']).collect()
}

fn fields(notification: &Notification, incident: &Incident<'_>, writer: &mut Writer) -> Vec<Value> {
    let alerts = match notification.alerts.len() {
        0 => String::new(),
        count => count.to_string(),
    };
    [
        ("Severity", notification.severity.as_str()),
        ("Status", notification.status.as_str()),
        ("Instance", incident.instance.as_str()),
        ("Since", incident.opened_at.as_str()),
        ("Resolved", incident.resolved_at.as_str()),
        ("Alerts", &alerts),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| match name {
        "Since" | "Resolved" => {
            json!({ "type": "mrkdwn", "text": format!("*{name}*\n{}", local(value, writer)) })
        }
        _ => writer.field(name, value),
    })
    .collect()
}

/// A time that Slack shows in each reader's own time zone; as it is where it cannot be read.
fn local(time: &str, writer: &mut Writer) -> String {
    let fallback = writer.mrkdwn(time, MAX_TIME_CHARS);
    match Instant::read(time).ms() {
        Some(millis) => format!("<!date^{}^{{date_short_pretty}} {{time_secs}}|{fallback}>", millis / 1_000),
        None => fallback,
    }
}

/// One section for each recommendation that the message does not speak of already.
fn recommendations(notification: &Notification, writer: &mut Writer) -> Vec<Value> {
    let list: Items<Recommendation<'_>> =
        serde_json::from_str(&notification.recommendations).unwrap_or_default();
    let untold: Vec<_> =
        list.items.iter().filter(|item| !notification.message.contains(item.title.as_str())).collect();
    writer.cut |= untold.len() > MAX_RECOMMENDATIONS;
    untold
        .into_iter()
        .take(MAX_RECOMMENDATIONS)
        .map(|recommendation| {
            let mut text = format!("*{}*", recommendation.title.as_str());
            if !recommendation.description.is_empty() {
                text.push('\n');
                text.push_str(recommendation.description.as_str());
            }
            for action in &recommendation.actions {
                text.push_str("\n• ");
                text.push_str(action.as_str());
            }
            writer.section(&text)
        })
        .collect()
}

/// Links in one line. An address with a character that would end the link early is left out.
fn links(links: &[Label]) -> Option<String> {
    let usable = |link: &&Label| link.value.starts_with("http") && !link.value.contains(['<', '>', '|', ' ']);
    let mut line = String::new();
    for link in links.iter().filter(usable) {
        let piece =
            format!("<{}|{}>", link.value.replace('&', "&amp;"), Writer::default().mrkdwn(&link.key, 100));
        let separator = if line.is_empty() { "" } else { "  ·  " };
        if line.chars().count() + separator.len() + piece.chars().count() > SECTION_CHARS {
            break;
        }
        line.push_str(separator);
        line.push_str(&piece);
    }
    (!line.is_empty()).then_some(line)
}

/// The small print: tags, the identifiers to search for, and whether something was cut.
fn context(notification: &Notification, incident: &Incident<'_>, writer: &mut Writer) -> Value {
    let tags = notification.tags.iter().take(MAX_TAGS);
    let mut words: Vec<String> = tags.map(|tag| format!("{}: {}", tag.key, tag.value)).collect();
    for (name, id) in [("incident", incident.id.as_str()), ("trace", incident.trace_id.as_str())] {
        if !id.is_empty() {
            words.push(format!("{name} {id}"));
        }
    }
    let mut text = writer.mrkdwn(&words.join("  ·  "), FIELD_CHARS);
    if writer.cut {
        text.push_str("\n_Some of this was too long for Slack and was cut._");
    }
    if text.is_empty() {
        text.push_str("Watchbell");
    }
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_an_escape() {
        let mut writer = Writer::default();
        for max in 1..40 {
            let text = writer.mrkdwn("a<b>&c<<<>>>", max);
            assert!(text.chars().count() <= max, "{max}: {text}");
            let opened = text.matches('&').count();
            assert_eq!(opened, text.matches(';').count(), "{max}: {text}");
        }
    }

    #[test]
    fn the_largest_notification_keeps_to_the_limits_and_says_so() {
        let long = "<é&".repeat(20_000);
        let recommendations: Vec<Value> =
            (0..20).map(|_| json!({ "title": long, "description": long, "actions": [long] })).collect();
        let labels = || {
            (0..64)
                .map(|i| plugin_sdk::label(&format!("k{i}"), &format!("http://x/{}", "y".repeat(4_000))))
                .collect()
        };
        let message = message(&Notification {
            id: "n".to_owned(),
            attempt: 1,
            title: long.clone(),
            message: long.clone(),
            html: None,
            payload: None,
            severity: Severity::Critical,
            status: AlertStatus::Firing,
            incident: json!({ "id": long, "instance": long, "opened_at": long }).to_string(),
            alerts: Vec::new(),
            recommendations: Value::Array(recommendations).to_string(),
            tags: labels(),
            links: labels(),
            previous_ref: None,
        });
        let blocks = message["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        let chars = |value: &Value| value.as_str().unwrap_or_default().chars().count();
        for block in blocks {
            let limit = if block["type"] == "header" { HEADER_CHARS } else { SECTION_CHARS };
            assert!(chars(&block["text"]["text"]) <= limit, "{block}");
            for field in block["fields"].as_array().into_iter().flatten() {
                assert!(chars(&field["text"]) <= FIELD_CHARS);
            }
        }
        assert!(message.to_string().contains("too long for Slack"));
    }
}
