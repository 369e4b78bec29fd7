//! Alerts that the hub raises about itself.

use std::time::Duration;

use crate::alert::{Alert, Labels, ParsedAlert, ReportedSeverity, ReportedStatus};
use crate::delivery::{Channel, ChannelHealth};
use crate::plugin::HUB_SOURCE;
use crate::time::Timestamp;

/// The name of alerts about channels.
pub const CHANNEL_FAILING: &str = "ChannelFailing";
/// The label that names the channel.
const CHANNEL: &str = "channel";

/// What has to be said about channels: those that have taken nothing for `patience`, and those that were said
/// to and work again or are switched off. `known` are the alerts about channels that hold.
pub fn about_channels<'a>(
    channels: impl IntoIterator<Item = (&'a Channel, &'a ChannelHealth)>,
    known: &[Alert],
    patience: Duration,
    now: Timestamp,
) -> Vec<ParsedAlert> {
    let said = |name: &str| known.iter().any(|alert| channel(alert) == Some(name));
    let change = |(channel, health): (&Channel, &ChannelHealth)| {
        let since = health.failing_since.filter(|_| channel.enabled);
        let fails = since.filter(|since| now.since(*since) >= patience);
        match (fails, said(&channel.name)) {
            (Some(since), false) => Some(failing(channel, since, health.last_error.as_deref())),
            // What fails anew but not for long yet was over in between.
            (None, true) => Some(working(channel, now)),
            _ => None,
        }
    };
    channels.into_iter().filter_map(change).collect()
}

/// The channel that an alert of the hub's own is about. It is not told of that itself.
pub fn channel(alert: &Alert) -> Option<&str> {
    let is_ours = alert.source.as_str() == HUB_SOURCE && alert.name == CHANNEL_FAILING;
    alert.labels.get(CHANNEL).map(String::as_str).filter(|_| is_ours)
}

fn failing(channel: &Channel, since: Timestamp, error: Option<&str>) -> ParsedAlert {
    let error = error.and_then(|error| error.lines().next()).map(|error| format!(": {error}"));
    ParsedAlert {
        status: ReportedStatus::Firing,
        raw_status: "failing".to_owned(),
        description: format!(
            "channel `{}` has taken nothing since {since}, so what it should tell waits{}",
            channel.name,
            error.unwrap_or_default()
        ),
        starts_at: Some(since),
        ..about(channel)
    }
}

fn working(channel: &Channel, now: Timestamp) -> ParsedAlert {
    ParsedAlert {
        status: ReportedStatus::Resolved,
        raw_status: "working".to_owned(),
        description: match channel.enabled {
            true => format!("channel `{}` takes notifications again", channel.name),
            false => format!("channel `{}` is switched off", channel.name),
        },
        ends_at: Some(now),
        ..about(channel)
    }
}

/// The channel stands for the machine, so that each has an incident of its own.
fn about(channel: &Channel) -> ParsedAlert {
    let labels = [(CHANNEL, channel.name.clone()), ("instance", channel.name.clone())];
    ParsedAlert {
        fingerprint: None,
        name: CHANNEL_FAILING.to_owned(),
        status: ReportedStatus::Firing,
        raw_status: String::new(),
        severity: ReportedSeverity::Critical,
        raw_severity: String::new(),
        description: String::new(),
        starts_at: None,
        ends_at: None,
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        annotations: Labels::new(),
        links: Labels::new(),
        extra: serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;
    use crate::alert::{AlertStatus, Severity};
    use crate::id::{AlertId, ChannelId, TraceId};

    const PATIENCE: Duration = Duration::from_secs(900);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(Duration::from_secs(seconds))
    }

    fn ops(enabled: bool) -> Channel {
        Channel {
            id: ChannelId::from(Ulid(1)),
            name: "ops".to_owned(),
            notifier: "slack".parse().unwrap(),
            enabled,
            created_at: at(0),
        }
    }

    fn health(failing_since: Option<Timestamp>) -> ChannelHealth {
        ChannelHealth {
            last_success_at: None,
            last_error_at: failing_since,
            last_error: failing_since.map(|_| "it answered 503\nhint: wait".to_owned()),
            failing_since,
        }
    }

    fn holds(source: &str, labels: &[(&str, &str)]) -> Alert {
        Alert {
            id: AlertId::from(Ulid(2)),
            source: source.parse().unwrap(),
            fingerprint: String::new(),
            name: CHANNEL_FAILING.to_owned(),
            status: AlertStatus::Firing,
            raw_status: String::new(),
            severity: Severity::Critical,
            raw_severity: String::new(),
            description: String::new(),
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            annotations: Labels::new(),
            links: Labels::new(),
            started_at: at(0),
            ended_at: None,
            received_at: at(0),
            incident_id: None,
            trace_id: TraceId::mint(&mut || Ulid(3)),
        }
    }

    fn said(enabled: bool, failing_since: Option<u64>, known: &[Alert], now: u64) -> Option<ReportedStatus> {
        let (channel, health) = (ops(enabled), health(failing_since.map(at)));
        let alerts = about_channels([(&channel, &health)], known, PATIENCE, at(now));
        assert!(alerts.len() <= 1);
        alerts.first().map(|alert| alert.status)
    }

    #[test]
    fn a_channel_that_fails_for_long_is_said_once_and_once_more_when_it_works() {
        let known = [holds(HUB_SOURCE, &[("channel", "ops"), ("instance", "ops")])];
        assert_eq!(said(true, None, &[], 5000), None);
        assert_eq!(said(true, Some(100), &[], 999), None);
        assert_eq!(said(true, Some(100), &[], 1000), Some(ReportedStatus::Firing));
        assert_eq!(said(true, Some(100), &known, 5000), None);
        assert_eq!(said(true, None, &known, 5000), Some(ReportedStatus::Resolved));
        assert_eq!(said(true, Some(4900), &known, 5000), Some(ReportedStatus::Resolved));
        assert_eq!(said(false, Some(100), &known, 5000), Some(ReportedStatus::Resolved));
        assert_eq!(said(false, Some(100), &[], 5000), None);
    }

    #[test]
    fn only_the_hub_s_own_word_is_taken_for_it() {
        let labels = [("channel", "ops")];
        assert_eq!(channel(&holds(HUB_SOURCE, &labels)), Some("ops"));
        assert_eq!(channel(&holds("grafana", &labels)), None);
        assert_eq!(channel(&Alert { name: "DiskFull".to_owned(), ..holds(HUB_SOURCE, &labels) }), None);
        assert_eq!(channel(&holds(HUB_SOURCE, &[])), None);
    }

    #[test]
    fn the_alert_says_which_since_when_and_why() {
        let (channel, health) = (ops(true), health(Some(at(100))));
        let alerts = about_channels([(&channel, &health)], &[], PATIENCE, at(2000));
        let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
        assert_eq!(
            alert.description,
            "channel `ops` has taken nothing since 2023-11-14T22:15:00.000000Z, so what it should tell waits: \
             it answered 503"
        );
        assert_eq!((alert.labels["instance"].as_str(), alert.starts_at), ("ops", Some(at(100))));
    }
}
