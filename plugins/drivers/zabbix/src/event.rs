//! An event of Zabbix, whatever names its script gave the macros.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{About, Parsed};
use plugin_sdk::text::authority;
use plugin_sdk::words::{self, Table};
use plugin_sdk::{Alert, AlertStatus, Severity};

use crate::clock::Clock;
use crate::tags;

const STATUSES: &Table<AlertStatus> = &[
    ("1", AlertStatus::Firing),
    ("problem", AlertStatus::Firing),
    ("0", AlertStatus::Resolved),
    ("ok", AlertStatus::Resolved),
    ("resolved", AlertStatus::Resolved),
];

const SEVERITIES: &Table<Severity> = &[
    ("disaster", Severity::Critical),
    ("high", Severity::Critical),
    ("average", Severity::Warning),
    ("warning", Severity::Warning),
    ("information", Severity::Info),
    ("not classified", Severity::Info),
    ("5", Severity::Critical),
    ("4", Severity::Critical),
    ("3", Severity::Warning),
    ("2", Severity::Warning),
    ("1", Severity::Info),
    ("0", Severity::Info),
];

/// What a script says. Empty texts: it does not say.
#[derive(Default)]
pub(crate) struct Event<'a> {
    /// The id of the problem event.
    pub(crate) id: &'a str,
    pub(crate) trigger_id: &'a str,
    pub(crate) name: &'a str,
    /// `{EVENT.SOURCE}`.
    pub(crate) source: &'a str,
    pub(crate) statuses: [&'a str; 3],
    pub(crate) severities: [&'a str; 4],
    /// `{EVENT.ACK.STATUS}`.
    pub(crate) acknowledged: &'a str,
    /// `{EVENT.UPDATE.ACTION}`, of updates only.
    pub(crate) action: &'a str,
    pub(crate) description: &'a str,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) tags: &'a str,
    pub(crate) labels: &'a [(&'a str, &'a str)],
    pub(crate) annotations: &'a [(&'a str, &'a str)],
    pub(crate) links: &'a [(&'a str, &'a str)],
    /// The address of the Zabbix server.
    pub(crate) url: &'a str,
    /// Which script it was.
    pub(crate) script: &'a str,
}

impl Event<'_> {
    /// Whether no macro that matters has a value.
    pub(crate) fn is_blank(&self) -> bool {
        self.id.is_empty() && self.trigger_id.is_empty() && self.statuses.iter().all(|word| word.is_empty())
    }

    pub(crate) fn parsed(&self, clock: &Clock, mut warnings: Warnings) -> Parsed {
        let about = About { external_url: self.url, version: self.script, ..About::default() };
        match self.why_nothing() {
            Some(reason) => Parsed::nothing(reason).about(&about, warnings),
            None => {
                let alert = self.read(clock, &mut warnings);
                Parsed::alerts(vec![alert]).about(&about, warnings)
            }
        }
    }

    fn why_nothing(&self) -> Option<&'static str> {
        if matches!(self.source, "1" | "2") {
            return Some("a host was discovered or registered itself, which is no problem");
        }
        let action = self.action.to_ascii_lowercase();
        let matters =
            action.is_empty() || ["acknowledged", "severity"].iter().any(|word| action.contains(word));
        let (_, status) = self.status();
        if !matters && status != Some(AlertStatus::Resolved) {
            return Some("an update of a problem that changes neither its acknowledgement nor its severity");
        }
        None
    }

    /// The table that knows a word, and what it means.
    fn status(&self) -> (&'static Table<AlertStatus>, Option<AlertStatus>) {
        let table = words::own_or_common(STATUSES, words::STATUSES, &self.statuses);
        (table, words::choose(table, &self.statuses).1)
    }

    fn read(&self, clock: &Clock, warnings: &mut Warnings) -> Alert {
        let (statuses, status) = self.status();
        let severities = words::own_or_common(SEVERITIES, words::SEVERITIES, &self.severities);
        let mut draft =
            Draft::new(self.name, warnings).fingerprint(&self.identity()).status(statuses, &self.statuses);
        let has_word = self.statuses.iter().any(|word| !word.is_empty());
        if status == Some(AlertStatus::Firing) || !has_word {
            draft = draft.implied_status(if self.is_acknowledged() {
                AlertStatus::Acknowledged
            } else {
                AlertStatus::Firing
            });
        }
        draft = draft
            .severity(severities, &self.severities)
            .description(self.description)
            .starts_at(&self.start)
            .ends_at(&self.end, clock.received_at);
        for (key, value) in tags::read(self.tags) {
            draft = draft.label(&key, &value);
        }
        let own = [("alertname", self.name), ("trigger_id", self.trigger_id), ("event_id", self.id)];
        draft = own.iter().chain(self.labels).fold(draft, |draft, (key, value)| draft.label(key, value));
        draft = self.annotations.iter().fold(draft, |draft, (key, value)| draft.annotation(key, value));
        draft = draft.annotation("update_action", self.action).link("source", self.url);
        self.links.iter().fold(draft, |draft, (name, url)| draft.link(name, url)).finish()
    }

    /// A script may send what was done and not how the problem stands after it.
    fn is_acknowledged(&self) -> bool {
        let action = self.action.to_ascii_lowercase();
        match self.acknowledged {
            "" => action.contains("acknowledged") && !action.contains("unacknowledged"),
            word => word.eq_ignore_ascii_case("yes"),
        }
    }

    fn identity(&self) -> String {
        let event = match (self.id, self.trigger_id) {
            ("", "") => return String::new(),
            ("", trigger) => format!("trigger {trigger}"),
            (id, _) => format!("event {id}"),
        };
        match authority(self.url).as_str() {
            "" => event,
            server => format!("{server}/{event}"),
        }
    }
}
