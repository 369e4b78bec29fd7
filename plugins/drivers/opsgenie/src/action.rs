//! The webhook of an outgoing integration: an action, and the alert that it was done to.
//!
//! `createdAt` is in milliseconds, `updatedAt` in nanoseconds. `description` and `details` come only
//! with some actions and only where the integration is told to send them, so they are no labels.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{About, Parsed};
use plugin_sdk::json::{self, Maybe, Pairs, Text};
use plugin_sdk::text::{first, quotable};
use plugin_sdk::words::{SEVERITIES, Table, look_up};
use plugin_sdk::{Alert, AlertStatus, PluginError};
use serde::Deserialize;

/// Actions that change the state of an alert.
const STATUSES: &Table<AlertStatus> = &[
    ("Create", AlertStatus::Firing),
    ("Acknowledge", AlertStatus::Acknowledged),
    ("UnAcknowledge", AlertStatus::Firing),
    ("Close", AlertStatus::Resolved),
    ("Delete", AlertStatus::Resolved),
];

/// Actions that change how an alert is handled or described, and what they do.
const UPDATES: &Table<&str> = &[
    ("AddNote", "a note was added"),
    ("AddTags", "tags were added"),
    ("RemoveTags", "tags were removed"),
    ("AddDetails", "details were added"),
    ("RemoveDetails", "details were removed"),
    ("AddRecipient", "a recipient was added"),
    ("AddResponder", "a responder was added"),
    ("AddTeam", "a team was added"),
    ("AssignOwnership", "the alert was assigned"),
    ("TakeOwnership", "the alert was taken over"),
    ("Escalate", "the alert was escalated"),
    ("EscalateNext", "the alert was escalated"),
    ("Snooze", "the alert was put off"),
    ("SnoozeEnded", "the alert is no longer put off"),
    ("UpdatePriority", "the priority changed, and the body does not say the alert's state"),
    ("UpdateMessage", "the message changed"),
    ("UpdateDescription", "the description changed"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    #[serde(borrow, default)]
    action: Text<'a>,
    #[serde(borrow, default)]
    integration_name: Text<'a>,
    #[serde(borrow, default)]
    alert: Maybe<AlertFields<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlertFields<'a> {
    #[serde(borrow, default)]
    alert_id: Text<'a>,
    #[serde(borrow, default)]
    alias: Text<'a>,
    #[serde(borrow, default)]
    tiny_id: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, default)]
    details: Pairs<'a>,
    #[serde(borrow, default)]
    tags: Pairs<'a>,
    #[serde(borrow, default)]
    entity: Text<'a>,
    #[serde(borrow, default)]
    source: Text<'a>,
    #[serde(borrow, default)]
    team: Text<'a>,
    #[serde(borrow, default)]
    username: Text<'a>,
    #[serde(borrow, default)]
    note: Text<'a>,
    #[serde(borrow, default)]
    priority: Text<'a>,
    #[serde(borrow, default)]
    created_at: Text<'a>,
    #[serde(borrow, default)]
    updated_at: Text<'a>,
}

pub(crate) fn parse(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    let Some(alert) = &webhook.alert.0 else {
        return Err(PluginError::Unsupported(
            "body has no object `alert`, which every OpsGenie webhook has".to_owned(),
        ));
    };
    let action = webhook.action.as_str();
    if let Some(reason) = look_up(UPDATES, action) {
        return Ok(Parsed::nothing(reason));
    }
    if !action.is_empty() && look_up(STATUSES, action).is_none() {
        let action = quotable(action);
        return Ok(Parsed::nothing(&format!("custom action `{action}` changes no state of the alert")));
    }
    let mut warnings = Warnings::default();
    if action.is_empty() {
        warnings.add(|| "body has no `action`: the alert counts as firing".to_owned());
    }
    let alert = alert.read(action, received_at, &mut warnings);
    let about = About { receiver: webhook.integration_name.as_str(), ..About::default() };
    Ok(Parsed::alerts(vec![alert]).about(&about, warnings))
}

impl AlertFields<'_> {
    fn read(&self, action: &str, received_at: i64, warnings: &mut Warnings) -> Alert {
        let name = first(&[self.message.as_str(), self.alias.as_str()]);
        Draft::new(name, warnings)
            .fingerprint(&self.identity())
            .status(STATUSES, &[action])
            .severity(SEVERITIES, &[self.priority.as_str()])
            .description(self.description.as_str())
            .starts_at(self.created_at.as_str())
            .ends_at(self.updated_at.as_str(), received_at)
            .labels(&self.tags)
            .label("alertname", name)
            .label("alert_id", self.alert_id.as_str())
            .label("tiny_id", self.tiny_id.as_str())
            .label("alias", self.alias.as_str())
            .label("entity", self.entity.as_str())
            .label("priority", self.priority.as_str())
            .label("team", self.team.as_str())
            .label("sender_source", self.source.as_str())
            .annotations(&self.details)
            .annotation("username", self.username.as_str())
            .annotation("note", self.note.as_str())
            .link("runbook", self.details.first_of(&["runbook_url", "runbook"]))
            .link("dashboard", self.details.first_of(&["dashboard_url", "dashboard", "dashboardURL"]))
            .finish()
    }

    fn identity(&self) -> String {
        match first(&[self.alias.as_str(), self.alert_id.as_str()]) {
            "" if self.tiny_id.is_empty() => String::new(),
            "" => format!("tiny/{}", self.tiny_id.as_str()),
            id => id.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_action_stands_in_two_rows() {
        let actions: Vec<&str> =
            STATUSES.iter().map(|(word, _)| *word).chain(UPDATES.iter().map(|(word, _)| *word)).collect();
        for (index, word) in actions.iter().enumerate() {
            assert!(!actions[index + 1..].contains(word), "{word}");
        }
    }
}
