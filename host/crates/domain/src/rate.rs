//! Rate limits: how many requests of one caller are let in within one minute of UTC.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::client::Client;
use crate::id::KeyId;
use crate::key::covers;
use crate::time::Timestamp;

/// What holds where no setting says otherwise: requests a minute of one caller below a prefix.
const DEFAULTS: [(&str, u32); 4] =
    [("/alerts/", 120), ("/orchestration/", 30), ("/notify/", 30), ("/intelligence/", 20)];
/// The highest limit that can be set.
const MAX_LIMIT: u32 = 10_000_000;
/// The longest prefix: with the rest it stays below the 250 bytes that Memcached allows a name.
const MAX_PREFIX_BYTES: usize = 100;
/// Length of a window in seconds.
const WINDOW_S: i64 = 60;

/// The limit of all paths below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    prefix: String,
    /// None where requests are not counted.
    limit: Option<NonZeroU32>,
}

/// All limits; the longest prefix of a path decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// The defaults, with entries such as `/alerts/=600` and `/notify/=off` put over them or beside them.
    ///
    /// # Errors
    /// What is wrong with each entry that is not understood.
    pub fn parse<S: AsRef<str>>(overrides: &[S]) -> Result<Self, Vec<String>> {
        let default = |(prefix, limit): (&str, u32)| Rule {
            prefix: prefix.trim_end_matches('/').to_owned(),
            limit: NonZeroU32::new(limit),
        };
        let mut rules: Vec<Rule> = DEFAULTS.into_iter().map(default).collect();
        let mut problems = Vec::new();
        let mut said: Vec<String> = Vec::new();
        for entry in overrides {
            match Rule::parse(entry.as_ref()) {
                Ok(rule) if said.contains(&rule.prefix) => {
                    problems.push(format!("names `{}/` twice", rule.prefix));
                }
                Ok(rule) => {
                    said.push(rule.prefix.clone());
                    rules.retain(|other| other.prefix != rule.prefix);
                    rules.push(rule);
                }
                Err(problem) => problems.push(problem),
            }
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.prefix.len()));
        if problems.is_empty() { Ok(Self(rules)) } else { Err(problems) }
    }

    /// The limit of a path with the prefix that it stands at; none where requests are not counted.
    pub fn find(&self, path: &str) -> Option<(&str, NonZeroU32)> {
        let rule = self.0.iter().find(|rule| covers(&rule.prefix, path))?;
        Some((&rule.prefix, rule.limit?))
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, String> {
        let Some((prefix, limit)) = entry.split_once('=') else {
            return Err(format!("must hold entries such as `/alerts/=600`, found `{entry}`"));
        };
        let prefix = prefix.trim().trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
        let is_path = prefix.is_empty() || prefix.starts_with('/');
        if !is_path || prefix.contains("//") || !prefix.bytes().all(plain) || prefix.len() > MAX_PREFIX_BYTES
        {
            return Err(format!(
                "must name path prefixes such as `/alerts/`, of up to {MAX_PREFIX_BYTES} plain characters, \
                 found `{prefix}`"
            ));
        }
        let limit = match limit.trim() {
            "off" => None,
            text => {
                let number = text.parse::<u32>().ok().filter(|number| *number <= MAX_LIMIT);
                let number = number.and_then(NonZeroU32::new);
                Some(number.ok_or_else(|| {
                    format!(
                        "must give `{prefix}/` a number from 1 to {MAX_LIMIT}, or `off` for no limit, found `{text}`"
                    )
                })?)
            }
        };
        Ok(Self { prefix: prefix.to_owned(), limit })
    }
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Those made with one key, from wherever.
    Key(KeyId),
    /// Those without a key from one address.
    Client(Client),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key:{key}"),
            Self::Client(client) => write!(f, "client:{client}"),
        }
    }
}

/// One minute of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window(i64);

impl Window {
    /// How long its counters have to be kept by whoever keeps them: its own length, and as much again for
    /// clocks that differ.
    pub const KEPT_FOR: Duration = Duration::from_secs(120);

    /// The minute that `now` lies in.
    pub const fn of(now: Timestamp) -> Self {
        Self(now.as_seconds().div_euclid(WINDOW_S))
    }

    /// Minutes since 1970.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Whole seconds until the next one begins, from 1 to 60: who waits that long is in it.
    pub fn seconds_left(now: Timestamp) -> u32 {
        let left = WINDOW_S.saturating_sub(now.as_seconds().rem_euclid(WINDOW_S));
        u32::try_from(left).unwrap_or(1)
    }
}

/// Where a caller stands in the current window, as `RateLimit-*` headers say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests a minute.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// Seconds until the next window begins.
    pub reset_s: u32,
    /// Whether this request is one of them.
    pub admitted: bool,
}

impl Standing {
    /// After the `count`-th request of a window.
    pub fn after(count: u64, limit: NonZeroU32, now: Timestamp) -> Self {
        let left = u64::from(limit.get()).checked_sub(count);
        Self {
            limit: limit.get(),
            remaining: u32::try_from(left.unwrap_or(0)).unwrap_or(u32::MAX),
            reset_s: Window::seconds_left(now),
            admitted: left.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, micros: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000 + micros)
    }

    fn found(overrides: &[&str], path: &str) -> Option<(String, u32)> {
        let rules = Rules::parse(overrides).unwrap();
        rules.find(path).map(|(prefix, limit)| (prefix.to_owned(), limit.get()))
    }

    #[test]
    fn defaults_are_those_of_the_four_apis() {
        for (path, limit) in [
            ("/alerts", 120),
            ("/alerts/webhook/grafana", 120),
            ("/orchestration/pipelines", 30),
            ("/notify/send", 30),
            ("/intelligence/disk", 20),
        ] {
            assert_eq!(found(&[], path).map(|(_, limit)| limit), Some(limit), "{path}");
        }
        for path in ["/", "/incidents", "/manage/keys", "/metrics", "/alertsx", "/notifying"] {
            assert_eq!(found(&[], path), None, "{path}");
        }
    }

    #[test]
    fn longest_prefix_of_whole_segments_decides() {
        let overrides = ["/alerts/webhook/=1200", "/alerts/=600", "/notify/=off", "/=5"];
        assert_eq!(found(&overrides, "/alerts/webhook/x"), Some(("/alerts/webhook".into(), 1200)));
        assert_eq!(found(&overrides, "/alerts/webhooks"), Some(("/alerts".into(), 600)));
        assert_eq!(found(&overrides, "/notify/send"), None);
        assert_eq!(found(&overrides, "/metrics"), Some((String::new(), 5)));
    }

    #[test]
    fn entries_that_are_not_understood_are_all_named() {
        for entry in [
            "alerts=5",
            "/alerts/",
            "/alerts/=0",
            "/alerts/=-1",
            "/alerts/=ten",
            "/a b/=1",
            "/a//b=1",
            "=x",
            "/alerts/=99999999",
        ] {
            assert!(Rules::parse(&[entry]).is_err(), "{entry}");
        }
        let problems = Rules::parse(&["/a/=1", "/a=2", "x"]).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn windows_are_minutes_of_utc() {
        assert_eq!(Window::of(at(59, 999_999)), Window::of(at(0, 0)));
        assert_ne!(Window::of(at(60, 0)), Window::of(at(59, 999_999)));
        assert_eq!(Window::seconds_left(at(0, 0)), 60);
        assert_eq!(Window::seconds_left(at(59, 999_999)), 1);
        assert_eq!(Window::of(at(59, 0).after(Duration::from_secs(1))), Window::of(at(60, 0)));
    }

    #[test]
    fn exactly_as_many_as_the_limit_are_admitted() {
        let limit = NonZeroU32::new(3).unwrap();
        let seen: Vec<(bool, u32)> = (1..=5)
            .map(|count| Standing::after(count, limit, at(10, 0)))
            .map(|standing| (standing.admitted, standing.remaining))
            .collect();
        assert_eq!(seen, [(true, 2), (true, 1), (true, 0), (false, 0), (false, 0)]);
    }
}
