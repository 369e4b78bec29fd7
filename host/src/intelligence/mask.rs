//! Placeholders for what a remote need not know: addresses of people and machines.
//!
//! The same value has the same placeholder throughout one question, so that an answer can still say that two
//! alerts are about one machine; in the answer the values are put back.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use domain::plugin::{Analysis, AnalysisRequest};
use serde_json::Value;

use super::redact::redacted;

/// Labels whose values name a machine: those by which alerts are correlated.
const HOST_LABELS: [&str; 5] = ["instance_id", "instance", "hostname", "host", "host_name"];
/// From so many parts on, a dotted name is taken for that of a host.
const NAME_PARTS: usize = 3;

/// What is hidden beside secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hides {
    pub(super) emails: bool,
    pub(super) addresses: bool,
}

/// The placeholders of one question.
#[derive(Debug)]
pub(super) struct Mask {
    hides: Hides,
    /// Names of hosts that the question itself gives away as such.
    hosts: Vec<String>,
    placeholders: HashMap<String, String>,
    counts: HashMap<&'static str, u32>,
}

impl Mask {
    pub(super) fn new(hides: Hides) -> Self {
        Self { hides, hosts: Vec::new(), placeholders: HashMap::new(), counts: HashMap::new() }
    }

    /// Hides what is to be hidden in a question, secrets always.
    pub(super) fn cover(&mut self, request: &mut AnalysisRequest) {
        self.find_hosts(request);
        for value in [&mut request.incident, &mut request.checks, &mut request.options] {
            *value = redacted(value.take());
            self.cover_value(value);
        }
        for alert in &mut request.alerts {
            for labels in [&mut alert.labels, &mut alert.annotations, &mut alert.links] {
                // With its name each value shows whether it is a secret.
                let value = redacted(serde_json::json!(labels));
                *labels = serde_json::from_value(value).unwrap_or_default();
                labels.values_mut().for_each(|text| *text = self.cover_text(text));
            }
            alert.extra = redacted(alert.extra.take());
            self.cover_value(&mut alert.extra);
            alert.fingerprint = alert.fingerprint.take().map(|text| self.cover_plain(text));
            for text in [&mut alert.name, &mut alert.description] {
                *text = self.cover_plain(std::mem::take(text));
            }
        }
    }

    /// Puts values back where an answer mentions their placeholders.
    pub(super) fn uncover(&self, analysis: &mut Analysis) {
        if self.placeholders.is_empty() {
            return;
        }
        for text in [&mut analysis.summary, &mut analysis.probable_cause] {
            *text = self.uncovered(text);
        }
        for recommendation in &mut analysis.recommendations {
            let texts = [&mut recommendation.title, &mut recommendation.description];
            for text in texts.into_iter().chain(&mut recommendation.actions) {
                *text = self.uncovered(text);
            }
            self.uncover_value(&mut recommendation.details);
        }
    }

    fn find_hosts(&mut self, request: &AnalysisRequest) {
        let labels = request.alerts.iter().flat_map(|alert| &alert.labels);
        let labelled = labels.filter(|(name, _)| HOST_LABELS.contains(&name.as_str())).map(|(_, host)| host);
        let instance = request.incident.get("instance").and_then(Value::as_str);
        for host in labelled.map(String::as_str).chain(instance) {
            let host = host.trim();
            // A port is no part of a name; an IPv6 address has more than one colon.
            let host = match host.split_once(':') {
                Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
                _ => host,
            };
            if host.len() > 1 && !self.hosts.iter().any(|known| known == host) {
                self.hosts.push(host.to_owned());
            }
        }
        self.hosts.sort_by_key(|host| std::cmp::Reverse(host.len()));
    }

    /// A text by itself: also without what looks like a secret.
    fn cover_plain(&mut self, text: String) -> String {
        match redacted(Value::String(text)) {
            Value::String(text) => self.cover_text(&text),
            _ => String::new(),
        }
    }

    fn cover_value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.cover_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.cover_value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.cover_value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn uncover_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.uncovered(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.uncover_value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.uncover_value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn uncovered(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, placeholder) in &self.placeholders {
            if text.contains(placeholder.as_str()) {
                text = text.replace(placeholder.as_str(), value);
            }
        }
        text
    }

    fn cover_text(&mut self, text: &str) -> String {
        let mut covered = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let taken = if let Some(host) = self.odd_host(rest) {
                covered.push_str(&self.placeholder("host", &host));
                host.len()
            } else if is_part(first) {
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let run = rest.get(..end).unwrap_or_default();
                // The user and password before a host have been taken out.
                let is_authority = covered.ends_with("://") || covered.ends_with("://[redacted]");
                covered.push_str(&self.cover_run(run, is_authority));
                end
            } else {
                covered.push(first);
                first.len_utf8()
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        covered
    }

    /// The known host with characters that names do not have, such as blanks, with which a text begins.
    fn odd_host(&self, text: &str) -> Option<String> {
        if !self.hides.addresses {
            return None;
        }
        let odd = self.hosts.iter().filter(|host| host.contains(|c| !is_part(c)));
        odd.into_iter().find(|host| text.starts_with(host.as_str())).cloned()
    }

    /// A run of characters that mail addresses, IP addresses and names of hosts are made of.
    fn cover_run(&mut self, run: &str, is_authority: bool) -> String {
        // What ends a sentence is no part of a name.
        let bare = run.trim_end_matches(['.', ':', '-', '_']);
        let tail = run.get(bare.len()..).unwrap_or_default();
        if let Some(at) = bare.find('@').filter(|_| self.hides.emails)
            && let Some(covered) = self.cover_email(bare, at)
        {
            return covered + tail;
        }
        if !self.hides.addresses {
            return run.to_owned();
        }
        let address = bare.split('%').next().unwrap_or_default();
        if address.contains(|c: char| c.is_ascii_hexdigit()) && address.parse::<Ipv6Addr>().is_ok() {
            let zone = bare.get(address.len()..).unwrap_or_default();
            return self.placeholder("address", address) + zone + tail;
        }
        let mut pieces = Vec::new();
        for (place, piece) in bare.split(':').enumerate() {
            pieces.push(self.cover_piece(piece, is_authority && place == 0));
        }
        pieces.join(":") + tail
    }

    /// `before:local@domain:after` with the address hidden; none where there is none.
    fn cover_email(&mut self, run: &str, at: usize) -> Option<String> {
        let (before, after) = (run.get(..at)?, run.get(at.saturating_add(1)..)?);
        let start = before.rfind(':').map_or(0, |colon| colon.saturating_add(1));
        let end = after.find([':', '@', '%', '+']).unwrap_or(after.len());
        let (local, domain) = (before.get(start..)?, after.get(..end)?);
        if local.is_empty() || !domain.contains('.') {
            return None;
        }
        let email = format!("{local}@{domain}");
        let (head, rest) = (before.get(..start)?.to_owned(), after.get(end..)?.to_owned());
        let covered = self.placeholder("email", &email);
        Some(head + &covered + &self.cover_run(&rest, false))
    }

    fn cover_piece(&mut self, piece: &str, is_authority: bool) -> String {
        if piece.contains('@') {
            // `root@db1`
            let parts: Vec<String> =
                piece.split('@').map(|part| self.cover_piece(part, is_authority)).collect();
            return parts.join("@");
        }
        if piece.parse::<Ipv4Addr>().is_ok() {
            return self.placeholder("address", piece);
        }
        if !piece.is_empty() && (is_authority || self.is_host(piece)) {
            return self.placeholder("host", piece);
        }
        piece.to_owned()
    }

    fn is_host(&self, name: &str) -> bool {
        let first = name.split('.').next().unwrap_or_default();
        let is_known = |host: &String| host.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(first);
        self.hosts.iter().any(is_known) || is_full_name(name)
    }

    /// The same for the same value, however it is written.
    fn placeholder(&mut self, kind: &'static str, value: &str) -> String {
        if let Some(known) = self.placeholders.get(value) {
            return known.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count = count.saturating_add(1);
        let placeholder = format!("[{kind}-{count}]");
        self.placeholders.insert(value.to_owned(), placeholder.clone());
        placeholder
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '@' | ':')
}

/// Whether a name looks like `db1.example.com`: three parts or more, the last of letters alone.
fn is_full_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let parts: Vec<&str> = name.split('.').collect();
    let is_zone = |part: &&str| part.len() > 1 && part.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.len() >= NAME_PARTS && parts.iter().all(|part| is_part(part)) && parts.last().is_some_and(is_zone)
}

#[cfg(test)]
mod tests {
    use domain::plugin::{Priority, Recommendation};
    use serde_json::json;

    use super::*;

    const ALL: Hides = Hides { emails: true, addresses: true };

    fn request(incident: Value, alerts: Value) -> AnalysisRequest {
        let alert = |alert: &Value| {
            let mut whole = json!({
                "fingerprint": null, "name": "", "status": "firing", "raw_status": "", "severity": "critical",
                "raw_severity": "", "description": "", "starts_at": null, "ends_at": null, "labels": {},
                "annotations": {}, "links": {}, "extra": {},
            });
            whole.as_object_mut().unwrap().extend(alert.as_object().unwrap().clone());
            whole
        };
        let alerts: Vec<Value> = alerts.as_array().unwrap().iter().map(alert).collect();
        let checks = json!([]);
        serde_json::from_value(json!({
            "task": "incident", "incident": incident, "alerts": alerts, "checks": checks, "options": {},
            "max_output_tokens": 1,
        }))
        .unwrap()
    }

    fn covered(hides: Hides, host: &str, text: &str) -> String {
        let mut request = request(json!({ "instance": host, "title": text }), json!([]));
        Mask::new(hides).cover(&mut request);
        request.incident["title"].as_str().unwrap().to_owned()
    }

    #[test]
    fn addresses_of_people_and_machines_get_placeholders() {
        for (text, expected) in [
            ("mail ops@example.com or root@example.org.", "mail [email-1] or [email-2]."),
            ("<mailto:ops@example.com?x>", "<mailto:[email-1]?x>"),
            ("10.0.0.7:9100 and 10.0.0.7, not 10.0.0.8", "[address-1]:9100 and [address-1], not [address-2]"),
            ("[2001:db8::1]:443 via fe80::1%eth0", "[[address-1]]:443 via [address-2]%eth0"),
            (
                "db1 is down; db1:9100; root@db1; db10 is not",
                "[host-1] is down; [host-1]:9100; root@[host-1]; db10 is not",
            ),
            ("DB1.internal and web.eu.example.com.", "[host-2] and [host-3]."),
            ("see https://grafana/d/1?x=db1 now", "see https://[host-2]/d/1?x=[host-1] now"),
            ("https://me:pw@grafana/d", "https://[redacted]@[host-2]/d"),
            ("at 12:30:45, version 1.2.3, 99.5 %, a.b", "at 12:30:45, version 1.2.3, 99.5 %, a.b"),
            ("größe € db1…", "größe € [host-1]…"),
        ] {
            // The incident's own host has the first placeholder of its kind.
            assert_eq!(covered(ALL, "db1:9100", text), expected);
        }
        assert_eq!(covered(ALL, "the db server", "on the db server now"), "on [host-1] now");
    }

    #[test]
    fn what_is_not_to_be_hidden_stays_but_secrets_never_do() {
        let text = "ops@example.com at 10.0.0.7 password=hunter2";
        let none = Hides { emails: false, addresses: false };
        assert_eq!(covered(none, "db1", text), "ops@example.com at 10.0.0.7 password=[redacted]");
        let emails = Hides { emails: true, addresses: false };
        assert_eq!(covered(emails, "db1", text), "[email-1] at 10.0.0.7 password=[redacted]");
        let addresses = Hides { emails: false, addresses: true };
        assert_eq!(covered(addresses, "db1", "db1 at 10.0.0.7"), "[host-1] at [address-1]");
    }

    #[test]
    fn alerts_and_their_labels_are_covered_and_answers_uncovered() {
        let alert = json!({
            "name": "DiskFull on db1", "description": "token=hunter2 ask ops@example.com",
            "labels": { "instance": "db1:9100", "db_password": "hunter2", "owner": "ops@example.com" },
            "links": { "runbook": "https://wiki.example.com/db1" }, "extra": { "peer": "10.0.0.7" },
        });
        let mut request = request(json!({ "instance": "db1" }), json!([alert]));
        let mut mask = Mask::new(ALL);
        mask.cover(&mut request);
        let sent = json!(request).to_string();
        for hidden in ["db1", "hunter2", "ops@", "example.com", "10.0.0.7"] {
            assert!(!sent.contains(hidden), "{hidden} is in {sent}");
        }
        assert_eq!(
            (request.incident["instance"].as_str(), request.alerts[0].labels["instance"].as_str()),
            (Some("[host-1]"), "[host-1]:9100")
        );
        let mut analysis = Analysis {
            summary: "[host-1] is full".to_owned(),
            probable_cause: "[address-1] writes, [address-9] does not".to_owned(),
            recommendations: vec![Recommendation {
                kind: "disk".to_owned(),
                priority: Priority::High,
                title: "Ask [email-1]".to_owned(),
                description: String::new(),
                actions: vec!["ssh [host-1]".to_owned()],
                details: json!({ "at": ["[host-1]"] }),
            }],
            model: String::new(),
            prompt_version: None,
            usage: None,
        };
        mask.uncover(&mut analysis);
        assert_eq!(analysis.summary, "db1 is full");
        assert_eq!(analysis.probable_cause, "10.0.0.7 writes, [address-9] does not");
        let recommendation = &analysis.recommendations[0];
        assert_eq!(
            (recommendation.title.as_str(), recommendation.actions[0].as_str()),
            ("Ask ops@example.com", "ssh db1")
        );
        assert_eq!(recommendation.details, json!({ "at": ["db1"] }));
    }
}
