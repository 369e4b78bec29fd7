//! What the incident says of itself.

use plugin_sdk::json::Text;
use plugin_sdk::text::{clip, first};
use plugin_sdk::{Alert, Severity};
use serde::Deserialize;

#[derive(Deserialize, Default)]
struct Incident<'a> {
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    instance: Text<'a>,
    #[serde(borrow, default)]
    severity: Text<'a>,
}

/// The incident in the words that the rules look at.
pub(crate) struct Subject {
    /// The incident's name, or that of its worst alert.
    pub(crate) name: String,
    /// Where it happens, or empty.
    pub(crate) instance: String,
    /// Whether somebody has to act now.
    pub(crate) is_critical: bool,
    /// Names and titles, which say best what it is about.
    pub(crate) headlines: String,
    /// Descriptions, for when the headlines say nothing.
    pub(crate) descriptions: String,
}

impl Subject {
    pub(crate) fn read(incident: &str, alerts: &[Alert]) -> Self {
        let incident: Incident<'_> = serde_json::from_str(incident).unwrap_or_default();
        let worst_name = alerts.first().map_or("", |alert| alert.name.as_str());
        let names = alerts.iter().map(|alert| alert.name.as_str());
        let headlines: Vec<&str> =
            [incident.name.as_str(), incident.title.as_str()].into_iter().chain(names).collect();
        let descriptions: Vec<&str> = alerts.iter().map(|alert| alert.description.as_str()).collect();
        Self {
            name: clip(first(&[incident.name.as_str(), incident.title.as_str(), worst_name]), 255)
                .into_owned(),
            instance: clip(incident.instance.as_str(), 255).into_owned(),
            is_critical: incident.severity.as_str() == Severity::Critical.as_str(),
            headlines: headlines.join(" "),
            descriptions: descriptions.join(" "),
        }
    }

    /// The host of the instance, without a port, where it is safe to paste into a command: the name
    /// comes from whoever sent the alert.
    pub(crate) fn host(&self) -> Option<&str> {
        let host = self.instance.split(':').next().unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let begins_well = host.starts_with(|first: char| first.is_ascii_alphanumeric());
        (begins_well && host.bytes().all(is_plain)).then_some(host)
    }

    /// The beginning of a sentence about it.
    pub(crate) fn heading(&self) -> String {
        match (self.name.as_str(), self.instance.as_str()) {
            ("", _) => "This".to_owned(),
            (name, "") => format!("`{name}`"),
            (name, instance) => format!("`{name}` on {instance}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_host_name_gets_into_a_command() {
        let host = |instance: &str| {
            let incident = serde_json::json!({ "instance": instance }).to_string();
            Subject::read(&incident, &[]).host().map(ToOwned::to_owned)
        };
        assert_eq!(host("db-3.example.net:9100").as_deref(), Some("db-3.example.net"));
        assert_eq!(host("10.0.0.7").as_deref(), Some("10.0.0.7"));
        for instance in ["", "$(reboot)", "a;b", "-rf", "a b", "[::1]:9100", "`x`"] {
            assert_eq!(host(instance), None, "{instance}");
        }
    }
}
