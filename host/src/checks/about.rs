//! What a checker says of itself: its unit, its limits, its options.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::CheckStatus;

/// One checker, for settings, `check-health --list` and docs/CHECKERS.md.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// What its value is.
    pub meaning: &'static str,
    /// The unit of its value and its limits.
    pub unit: &'static str,
    /// What it reads; without it the answer is `skipped`.
    pub source: &'static str,
    /// The limits where nothing else is set.
    pub thresholds: Thresholds,
    /// What else can be set.
    pub options: &'static [Choice],
}

/// One option of a checker.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What holds where nothing is set; entries of a list are separated by commas.
    pub default: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

/// What an option may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 0 or 1.
    Flag,
    /// A whole number within bounds.
    Number(u32, u32),
    /// Names.
    Names,
    /// Folders, from the root.
    Folders,
    /// Ports: `22`, `53/udp`.
    Ports,
    /// Hosts with a port: `db1:5432`.
    Hosts,
}

impl Kind {
    /// Whether the option may be given several times.
    pub const fn is_list(self) -> bool {
        !matches!(self, Self::Flag | Self::Number(..))
    }

    /// What is expected where a text is none of it.
    pub(super) fn defect(self, text: &str) -> Option<String> {
        let number = text.parse::<u32>().ok();
        let (fits, expected) = match self {
            Self::Flag => (matches!(text, "0" | "1"), "0 or 1".to_owned()),
            Self::Number(least, most) => {
                (number.is_some_and(|number| (least..=most).contains(&number)), format!("{least} to {most}"))
            }
            Self::Names => (!text.is_empty(), "a name".to_owned()),
            Self::Folders => (Path::new(text).is_absolute(), "a path from the root".to_owned()),
            Self::Ports => {
                let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
                let port = port.parse::<u16>().is_ok_and(|port| port > 0);
                (port && matches!(protocol, "tcp" | "udp"), "a port as `22` or `53/udp`".to_owned())
            }
            Self::Hosts => {
                let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains(':'));
                let named = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                (named || text.parse::<SocketAddr>().is_ok(), "a host with a port as `db1:5432`".to_owned())
            }
        };
        (!fits).then_some(expected)
    }
}

/// From which value on a check is no longer `ok`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// At or above: `warning`.
    pub warning: f64,
    /// At or above: `critical`.
    pub critical: f64,
}

impl Thresholds {
    pub(super) fn judge(self, value: f64) -> CheckStatus {
        if value >= self.critical {
            CheckStatus::Critical
        } else if value >= self.warning {
            CheckStatus::Warning
        } else {
            CheckStatus::Ok
        }
    }

    /// What is wrong with them.
    pub(super) fn defect(self) -> Option<String> {
        let Self { warning, critical } = self;
        if ![warning, critical].iter().all(|limit| limit.is_finite() && *limit >= 0.0) {
            return Some("limits must be 0 or more".to_owned());
        }
        (warning > critical)
            .then(|| format!("`warning` must not be above `critical`, found {warning} and {critical}"))
    }
}
