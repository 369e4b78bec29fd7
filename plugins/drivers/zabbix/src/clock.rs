//! The local time of a Zabbix server.

use plugin_sdk::PluginError;
use plugin_sdk::alert::Warnings;
use plugin_sdk::json::{self, Text};
use plugin_sdk::text::cut;
use plugin_sdk::time::Instant;
use serde::Deserialize;

/// How far the clock of a server may be ahead, in milliseconds.
const AHEAD_MS: i64 = 60_000;

/// The driver's settings.
#[derive(Deserialize, Default)]
struct Settings<'a> {
    #[serde(borrow, default)]
    utc_offset: Text<'a>,
}

/// How local times of the sender are to be read.
pub(crate) struct Clock {
    utc_offset: String,
    pub(crate) received_at: i64,
}

impl Clock {
    pub(crate) fn new(config: &str, received_at: i64) -> Result<Self, PluginError> {
        let settings: Settings<'_> =
            if config.is_empty() { Settings::default() } else { json::read(config)? };
        let utc_offset = settings.utc_offset.as_str().to_owned();
        if Instant::read(&format!("2000-01-02T00:00:00{utc_offset}")).ms().is_none() {
            return Err(PluginError::Config(format!(
                "setting `utc_offset` is `{}`, which is no offset from UTC\n\
                 hint: write it as `+02:00`",
                cut(&utc_offset, 64)
            )));
        }
        Ok(Self { utc_offset, received_at })
    }

    /// A date and a time of day as RFC 3339, or as they are where they are none; empty where either is
    /// missing. `2026.08.22` and `10:15:30` is how Zabbix writes them.
    ///
    /// A time that is still to come is of another zone than was said, and worse than none.
    pub(crate) fn local(&self, date: &str, time: &str, warnings: &mut Warnings) -> String {
        let (date, time) = match date.split_once([' ', 'T']) {
            Some((date, rest)) if time.is_empty() => (date, rest),
            _ => (date, time),
        };
        if date.is_empty() || time.is_empty() {
            return String::new();
        }
        let parts: Vec<&str> = date.splitn(4, ['.', '-', '/']).collect();
        let text = match parts.as_slice() {
            [year, month, day] if year.len() == 4 => {
                format!("{year}-{month}-{day}T{time}{}", self.utc_offset)
            }
            [day, month, year] if year.len() == 4 => {
                format!("{year}-{month}-{day}T{time}{}", self.utc_offset)
            }
            _ => format!("{date} {time}"),
        };
        if Instant::read(&text).ms().is_some_and(|ms| ms > self.received_at + AHEAD_MS) {
            warnings.add(|| {
                format!(
                    "local time `{}` is still to come and was left out: set `utc_offset` of the driver, or \
                     let the script send `{{EVENT.TIMESTAMP}}` as `event_timestamp`",
                    cut(&text, 64)
                )
            });
            return String::new();
        }
        text
    }
}
