//! What can be found: one code each, so that scripts and people can speak of it.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::cli::output;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// The hub does not start, or does not do its work.
    Error,
    /// It works, and somebody should look.
    Warning,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Declares the codes, each with its meaning.
macro_rules! codes {
    ($($name:ident = $code:literal $meaning:literal,)+) => {
        /// What can be found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code { $($name),+ }

        impl Code {
            /// All of them.
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// Its short name: `E` or `W` and a number.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// What it means.
            pub(super) const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),+ }
            }
        }
    };
}

codes! {
    Setting = "E001" "A setting cannot be used; the hub does not start.",
    Database = "E002" "The database cannot be opened or read.",
    Schema = "E003" "The database belongs to another version of the program.",
    Keys = "E004" "The secret key does not open what is stored.",
    Plugin = "E005" "A plugin, or what `plugins.toml` says of one, cannot be used.",
    Channel = "E006" "A channel cannot send: its notifier is missing or does not take its settings.",
    WebhookSecret = "E007" "A webhook secret would protect nothing; the hub does not start.",
    StoredSecret = "E008" "A stored secret cannot be used: webhooks of its driver are refused.",
    BrokenRoute = "E009" "A stored route cannot be understood and matches nothing.",
    Skew = "E010" "The clock differs from the database's by more than 2 s: the hub would claim nothing and not be ready.",
    SplitCounting = "W001" "Rate limits are counted in one process, but the database is a server: several would each let in the whole limit.",
    DroppedByLimit = "W002" "Some senders drop for good what a rate limit answers 429.",
    NoKeysAsked = "W003" "API keys are switched off: everybody who reaches the port may send and read.",
    Debug = "W004" "Debugging is on.",
    NoKey = "W005" "There is no API key that can be used, so nobody can send.",
    UnknownSetting = "W006" "Something is set that is no setting, so it has no effect.",
    EnvReadable = "W007" "A file with secrets can be read by other users.",
    FolderWritable = "W008" "Other users can put plugins where the hub loads them.",
    Unpinned = "W009" "A driver of the operator's is not pinned to a digest.",
    NoChannel = "W010" "No channel is enabled, so nobody is told.",
    NoDatabase = "W011" "There is no database yet; the first start makes it.",
    Behind = "W012" "The database waits for migrations.",
    Clock = "W013" "The clock is behind what is stored, or was never set.",
    Disk = "W014" "The disk is nearly full.",
    Backlog = "W015" "Runs or notifications have been due for minutes: nobody works them off, or too few.",
    Dead = "W016" "Notifications were given up on.",
    KeysLeft = "W017" "The secret key was replaced, and data keys are still wrapped under the one before: it has to stay.",
    KeyAhead = "W018" "Another host has replaced the secret key already, this one has not.",
    NeedlessKey = "W019" "A previous secret key opens nothing any more and can go.",
    PlainHttp = "W020" "The hub listens for plain HTTP on more than this machine.",
    NotEncryptedOnly = "W021" "What comes unencrypted is answered.",
    SessionCookie = "W022" "Browsers may send sessions of the console unencrypted.",
    CsrfCookie = "W023" "Browsers may send what guards forms unencrypted.",
    NoHsts = "W024" "Browsers are not told to come back encrypted.",
    EverybodyTrusted = "W025" "Every sender is believed about where it is, so limits by address hold nobody.",
    NoLimits = "W026" "Requests are not limited: one sender can take all the hub has.",
    NoProvider = "W027" "The provider that is set is not loaded, so notifications come without an analysis.",
    ChannelFails = "W028" "A channel takes nothing: its last attempts failed.",
    Held = "W029" "Notifications wait for a channel that is switched off.",
    RouteChannel = "W030" "A route names a channel that is not there or is switched off.",
    Template = "W031" "A template cannot be used: others' words are sent in its place.",
    HostsDiffer = "W032" "Hosts on this database have different plugins.",
}

impl Code {
    /// How bad it is.
    pub(super) fn level(self) -> Level {
        if self.name().starts_with('E') { Level::Error } else { Level::Warning }
    }
}

/// Prints them all.
pub(in crate::cli) fn list() -> Result<()> {
    let rows: Vec<_> =
        Code::ALL.iter().map(|code| [code.name().to_owned(), code.meaning().to_owned()]).collect();
    output::table(["CODE", "MEANING"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_and_documented() {
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md")).unwrap();
        for code in Code::ALL {
            let twins = Code::ALL.iter().filter(|other| other.name() == code.name()).count();
            assert_eq!(twins, 1, "{}", code.name());
            let row = format!("| {} | {} |", code.name(), code.meaning());
            assert!(text.contains(&row), "docs/OPERATIONS.md has no row\n{row}");
        }
    }
}
