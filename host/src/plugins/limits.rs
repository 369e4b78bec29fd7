//! `[<kind>.<name>.limits]` of `plugins.toml`: what one call may use.

use std::time::Duration;

use anyhow::{Result, ensure};
use domain::limits::Limits;
use domain::plugin::PluginKind;
use domain::time::millis;
use sandbox::MAX_MEMORY_BYTES;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

const MIB: u64 = 1 << 20;
const PAGE: u64 = 64 << 10;

/// The changes of one entry. Bounds are checked while it is read, so that an error shows the line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitChanges {
    // A guest has at least one page; the pool of the sandbox sets the upper bound.
    #[serde(deserialize_with = "within::<_, PAGE, { MAX_MEMORY_BYTES as u64 }>")]
    memory_bytes: Option<u64>,
    #[serde(deserialize_with = "within::<_, 1, 60_000>")]
    cpu_ms: Option<u64>,
    #[serde(deserialize_with = "within::<_, 1, 600_000>")]
    wall_ms: Option<u64>,
    #[serde(deserialize_with = "within::<_, 1, { 16 * MIB }>")]
    input_bytes: Option<u64>,
    #[serde(deserialize_with = "within::<_, 1, { 64 * MIB }>")]
    output_bytes: Option<u64>,
    #[serde(deserialize_with = "within::<_, 1, 100_000>")]
    alerts: Option<u64>,
    #[serde(deserialize_with = "within::<_, 0, 10_000>")]
    log_lines: Option<u64>,
    #[serde(deserialize_with = "within::<_, 0, 100>")]
    http_calls: Option<u64>,
    #[serde(deserialize_with = "within::<_, 0, { 64 * MIB }>")]
    sent_bytes: Option<u64>,
    #[serde(deserialize_with = "within::<_, 0, { 64 * MIB }>")]
    received_bytes: Option<u64>,
    #[serde(deserialize_with = "within::<_, 0, { 64 * MIB }>")]
    response_bytes: Option<u64>,
}

fn within<'de, D: Deserializer<'de>, const LEAST: u64, const MOST: u64>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let allowed = u64::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number));
    allowed
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("must be between {LEAST} and {MOST}, found {number}")))
}

impl LimitChanges {
    /// The limits with these changes.
    pub(super) fn apply(&self, mut limits: Limits) -> Limits {
        let size =
            |change: Option<u64>, default| change.and_then(|n| usize::try_from(n).ok()).unwrap_or(default);
        let small =
            |change: Option<u64>, default| change.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
        limits.memory_bytes = size(self.memory_bytes, limits.memory_bytes);
        limits.cpu = self.cpu_ms.map_or(limits.cpu, Duration::from_millis);
        limits.wall = self.wall_ms.map_or(limits.wall, Duration::from_millis);
        limits.input_bytes = size(self.input_bytes, limits.input_bytes);
        limits.output_bytes = size(self.output_bytes, limits.output_bytes);
        limits.alerts = size(self.alerts, limits.alerts);
        limits.log_lines = small(self.log_lines, limits.log_lines);
        limits.egress.calls = small(self.http_calls, limits.egress.calls);
        limits.egress.sent_bytes = size(self.sent_bytes, limits.egress.sent_bytes);
        limits.egress.received_bytes = size(self.received_bytes, limits.egress.received_bytes);
        limits.egress.response_bytes = size(self.response_bytes, limits.egress.response_bytes);
        limits
    }

    /// Refuses limits that can never be reached, or that this kind does not have.
    pub(super) fn check(&self, kind: PluginKind) -> Result<()> {
        if kind == PluginKind::Driver {
            let egress = [self.http_calls, self.sent_bytes, self.received_bytes, self.response_bytes];
            ensure!(
                egress.iter().all(Option::is_none),
                "a driver reaches nothing: take `http_calls`, `sent_bytes`, `received_bytes` and `response_bytes` out"
            );
        } else {
            ensure!(self.alerts.is_none(), "a {kind} returns no alerts: take `alerts` out");
        }
        let limits = self.apply(Limits::of(kind));
        ensure!(
            limits.cpu <= limits.wall,
            "`cpu_ms` is {}, more than `wall_ms`, which is {}\nhint: a call ends with its wall time; raise `wall_ms` too",
            limits.cpu.as_millis(),
            limits.wall.as_millis()
        );
        let (one, all) = (limits.egress.response_bytes, limits.egress.received_bytes);
        ensure!(
            one <= all,
            "`response_bytes` is {one}, more than `received_bytes`, which is {all}\nhint: one answer is a part of what is received; raise `received_bytes` too"
        );
        Ok(())
    }
}

/// Limits under the names that `plugins.toml` has for them, in its order.
pub(super) fn in_words(kind: PluginKind, limits: &Limits) -> Vec<(&'static str, u64)> {
    let whole = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let mut words = vec![
        ("memory_bytes", whole(limits.memory_bytes)),
        ("cpu_ms", millis(limits.cpu)),
        ("wall_ms", millis(limits.wall)),
        ("input_bytes", whole(limits.input_bytes)),
        ("output_bytes", whole(limits.output_bytes)),
        ("log_lines", limits.log_lines.into()),
    ];
    if kind == PluginKind::Driver {
        words.push(("alerts", whole(limits.alerts)));
        return words;
    }
    words.extend([
        ("http_calls", limits.egress.calls.into()),
        ("sent_bytes", whole(limits.egress.sent_bytes)),
        ("received_bytes", whole(limits.egress.received_bytes)),
        ("response_bytes", whole(limits.egress.response_bytes)),
    ]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> LimitChanges {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn every_limit_can_be_changed_and_changes_nothing_else() {
        for kind in [PluginKind::Driver, PluginKind::Notifier] {
            let defaults = in_words(kind, &Limits::of(kind));
            for (name, default) in &defaults {
                let changed = read(&format!("{name} = {}", default - 1));
                let limits = in_words(kind, &changed.apply(Limits::of(kind)));
                for ((found, value), (_, default)) in limits.iter().zip(&defaults) {
                    assert_eq!(
                        *value,
                        default - u64::from(found == name),
                        "{found} after a change of {name}"
                    );
                }
            }
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_bounds_and_line() {
        let names = in_words(PluginKind::Driver, &Limits::of(PluginKind::Driver)).into_iter();
        let names = names.chain(in_words(PluginKind::Notifier, &Limits::of(PluginKind::Notifier)));
        for (name, _) in names {
            for value in ["-1", "1000000000000"] {
                let error =
                    toml::from_str::<LimitChanges>(&format!("\n{name} = {value}")).unwrap_err().to_string();
                assert!(error.contains("line 2") && error.contains("must be between"), "{error}");
            }
        }
        for name in ["memory_bytes", "cpu_ms", "wall_ms", "input_bytes", "output_bytes", "alerts"] {
            assert!(toml::from_str::<LimitChanges>(&format!("{name} = 0")).is_err(), "{name}");
        }
    }

    #[test]
    fn limits_that_never_bite_are_refused() {
        let check = |kind, text: &str| read(text).check(kind).map_err(|error| error.to_string());
        assert!(check(PluginKind::Driver, "cpu_ms = 3000").unwrap_err().contains("raise `wall_ms` too"));
        assert!(check(PluginKind::Driver, "cpu_ms = 3000\nwall_ms = 3000").is_ok());
        assert!(check(PluginKind::Driver, "sent_bytes = 1").unwrap_err().contains("reaches nothing"));
        assert!(check(PluginKind::Notifier, "alerts = 1").unwrap_err().contains("returns no alerts"));
        let small = check(PluginKind::Notifier, "received_bytes = 1000").unwrap_err();
        assert!(small.contains("`response_bytes` is 1048576"), "{small}");
    }
}
