//! Notifier for mail.
//!
//! # Message
//! The notification's text, and its HTML where there is some, as two forms of one message. All messages
//! about an incident refer to one identifier that is made of the incident's own, so that readers show them as
//! a thread; no message needs to have it. Gmail wants the same subject too, up to a leading `Re:`, hence the
//! setting `subject_style`.
//!
//! The `Message-ID` is made of the delivery's identifier: an attempt at a message that may have arrived
//! already carries the same one, and many servers drop what they have.
//!
//! # Recipients
//! A message that the server took for at least one recipient is delivered. Those whom it refused stand in the
//! receipt and are counted in the log, and are not tried again, also where the refusal was temporary:
//! the next attempt would mail all the others once more. Where every recipient was refused, one temporary
//! refusal is reason enough for another attempt.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;
mod receipt;
mod settings;

use std::borrow::Cow;

use plugin_sdk::json::Text;
use plugin_sdk::mail::{MailNotifier, Mailer, Message, failure};
use plugin_sdk::notifier::{Notification, NotifierInfo, Problem, Receipt};
use plugin_sdk::text::{clip, one_line};
use plugin_sdk::{AlertStatus, Label, PluginError, Severity, label, plugin_info};
use serde::Deserialize;

use crate::settings::{Settings, SubjectStyle};

/// Room for both forms, encoded, in the 1 MiB that the contract lets a call send. Longer HTML is left out
/// (Gmail shows no more than about 100 KiB of it), longer text is cut.
const MAX_TEXT_BYTES: usize = 200 << 10;
const MAX_HTML_BYTES: usize = 300 << 10;

/// Longer subjects are cut: nobody sees more of them.
const MAX_TITLE_BYTES: usize = 400;

/// Stands below a text that was cut.
const CUT: &str = "\n\n(The rest was too long for a mail and was cut.)\n";

/// The notifier.
#[derive(Debug)]
pub struct Email;

/// What is read of an incident.
#[derive(Default, Deserialize)]
struct Incident<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
}

impl MailNotifier for Email {
    fn metadata() -> NotifierInfo {
        NotifierInfo {
            plugin: plugin_info("email", env!("CARGO_PKG_VERSION"), "Mail by SMTP"),
            config_schema: settings::SCHEMA.to_owned(),
            hosts: Vec::new(),
            supports_update: false,
        }
    }

    fn validate_config(config: &str) -> Vec<Problem> {
        Settings::read(config).err().unwrap_or_default()
    }

    fn send(
        notification: &Notification,
        config: &str,
        mailer: &mut dyn Mailer,
    ) -> Result<Receipt, PluginError> {
        let settings = Settings::read(config).map_err(|problems| {
            let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            PluginError::Config(messages.join("\n"))
        })?;
        let message = message(notification, settings);
        let sent = mailer.send(&message).map_err(failure)?;
        receipt::warn(&sent);
        Ok(receipt::of(message.message_id, &sent))
    }
}

fn message(notification: &Notification, settings: Settings) -> Message {
    let incident: Incident<'_> = serde_json::from_str(&notification.incident).unwrap_or_default();
    let subject = subject(notification, &incident, &settings);
    let identifier = |text: &str| format!("<{}@{}>", plain(text), settings.domain());
    let message_id = identifier(&notification.id);
    let references = match incident.id.is_empty() {
        true => Vec::new(),
        false => vec![identifier(&format!("incident.{}", incident.id.as_str()))],
    };
    Message {
        message_id,
        references,
        headers: headers(notification, &incident),
        subject,
        text: text(notification),
        html: notification.html.clone().filter(|html| html.len() <= MAX_HTML_BYTES),
        server: settings.server,
        security: settings.security,
        username: settings.username,
        password: settings.password,
        sender: settings.from,
        reply_to: settings.reply_to,
        to: settings.to,
        cc: settings.cc,
        bcc: settings.bcc,
        timeout_ms: None,
    }
}

/// One line. In the style `thread` it is the incident's title, with `Re:` once something was told before:
/// the one prefix that Gmail does not take for another subject.
fn subject(notification: &Notification, incident: &Incident<'_>, settings: &Settings) -> String {
    let title = match settings.subject_style {
        SubjectStyle::Thread if !incident.title.is_empty() => incident.title.as_str(),
        _ => &notification.title,
    };
    let title = one_line(title);
    let reply = match settings.subject_style {
        SubjectStyle::Thread if notification.previous_ref.is_some() => "Re:",
        _ => "",
    };
    let parts = [reply, &settings.subject_prefix, &clip(title.trim(), MAX_TITLE_BYTES)];
    let words: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    words.join(" ")
}

fn text(notification: &Notification) -> String {
    let text = match notification.message.trim() {
        "" => notification.title.as_str(),
        text => text,
    };
    match clip(text, MAX_TEXT_BYTES) {
        Cow::Borrowed(whole) => format!("{whole}\n"),
        Cow::Owned(cut) => cut + CUT,
    }
}

/// What says that a machine wrote it, so that no machine answers, and how much it matters.
fn headers(notification: &Notification, incident: &Incident<'_>) -> Vec<Label> {
    let (priority, importance) = match (notification.status, notification.severity) {
        (AlertStatus::Resolved, _) => ("3", "normal"),
        (_, Severity::Critical) => ("1", "high"),
        (_, Severity::Warning | Severity::Unmapped) => ("2", "high"),
        (_, Severity::Info) => ("3", "normal"),
    };
    let mut headers = vec![
        label("Auto-Submitted", "auto-generated"),
        label("Precedence", "bulk"),
        label("X-Auto-Response-Suppress", "All"),
        label("X-Priority", priority),
        label("Importance", importance),
        label("X-Watchbell-Severity", notification.severity.as_str()),
        label("X-Watchbell-Status", notification.status.as_str()),
    ];
    if !incident.id.is_empty() {
        headers.push(label("X-Watchbell-Incident", &plain(incident.id.as_str())));
    }
    headers
}

/// What may stand in an identifier.
fn plain(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect()
}

#[cfg(test)]
mod tests;
