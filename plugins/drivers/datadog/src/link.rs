//! The link to the monitor that Datadog puts below every message.

use std::borrow::Cow;

/// Links beyond these are not looked at: a message has two or three.
const MAX_LINKS: usize = 32;

/// Which monitor a message is from, and which of its groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MonitorLink<'a> {
    /// The whole address.
    pub(crate) url: &'a str,
    /// The monitor's number.
    pub(crate) monitor: &'a str,
    /// The group's tags, with commas between them; empty for a monitor without groups.
    pub(crate) group: Cow<'a, str>,
}

impl<'a> MonitorLink<'a> {
    /// Finds the link in a message. Only links with the number of an event are Datadog's own: what
    /// people write into a message may lead to any monitor.
    pub(crate) fn find(message: &'a str) -> Self {
        let mut found = Self::default();
        let mut rest = message;
        for _ in 0..MAX_LINKS {
            let Some(start) = rest.find("https://") else { break };
            let from_start = rest.get(start..).unwrap_or_default();
            let end = from_start.find(ends_address).unwrap_or(from_start.len());
            let (url, after) = from_start.split_at_checked(end).unwrap_or((from_start, ""));
            rest = after;
            let Some(link) = Self::read(url) else { continue };
            let is_better = found.group.is_empty() && !link.group.is_empty();
            if found.monitor.is_empty() || (is_better && link.monitor == found.monitor) {
                found = link;
            }
        }
        found
    }

    fn read(url: &'a str) -> Option<Self> {
        let (address, query) = url.split_once('?')?;
        let monitor = address.split_once("/monitors/")?.1;
        if monitor.is_empty() || !monitor.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut is_datadogs = false;
        let mut group = Cow::Borrowed("");
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "event_id" => is_datadogs = true,
                "group" => group = value,
                _ => {}
            }
        }
        is_datadogs.then_some(Self { url, monitor, group })
    }
}

/// Whether an address in a Markdown text ends before this.
fn ends_address(character: char) -> bool {
    character.is_whitespace() || matches!(character, ')' | ']' | '>' | '"' | '\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_with_the_group_is_found_among_others() {
        let message = "see https://app.datadoghq.com/monitors/9?group=host%3Amine\n\
            [![Graph](https://p.datadoghq.com/snapshot/x.png)]\
            (https://app.datadoghq.eu/monitors/41?from_ts=1&event_id=7&link_source=monitor_notif)\n\
            [[Monitor Status](https://app.datadoghq.eu/monitors/41?group=host%3Aweb-1%2Cenv%3Aprod&event_id=7)] · \
            [[Edit Monitor](https://app.datadoghq.eu/monitors/41/edit?event_id=7)]";
        let link = MonitorLink::find(message);
        assert_eq!((link.monitor, link.group.as_ref()), ("41", "host:web-1,env:prod"));
        assert!(
            link.url.starts_with("https://app.datadoghq.eu/monitors/41?group=") && link.url.ends_with("=7")
        );
    }

    #[test]
    fn a_monitor_without_groups_has_a_link_without_one() {
        let link = MonitorLink::find("https://app.datadoghq.com/monitors/41?event_id=7");
        assert_eq!((link.monitor, link.group.as_ref()), ("41", ""));
    }

    #[test]
    fn other_text_holds_no_link() {
        for text in
            ["", "https://", "https://x/monitors/?event_id=1", "https://x/monitors/1", "https://é?event_id=1"]
        {
            assert_eq!(MonitorLink::find(text), MonitorLink::default(), "{text}");
        }
    }
}
