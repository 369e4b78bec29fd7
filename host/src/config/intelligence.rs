//! What providers of intelligence are told, and what they may cost.

use std::path::{Component, PathBuf};
use std::time::Duration;

use super::{Problems, Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "INTELLIGENCE_PROVIDER",
        default: "local",
        meaning: "The provider that analyses incidents, unless `watchbell provider activate` chose another.",
    },
    Variable {
        name: "INTELLIGENCE_REDACT",
        default: "emails,addresses",
        meaning: "What is replaced by placeholders before anything is sent to a provider that can reach the network,\n\
                  and put back in its answer: `emails`, `addresses` (IP addresses and names of hosts), or `none`.\n\
                  Secrets are always taken out.",
    },
    Variable {
        name: "INTELLIGENCE_DAILY_TOKENS",
        default: "0",
        meaning: "How many tokens all providers together may use in a day (UTC); beyond it `local` answers. Hubs on\n\
                  one database share it. What is under way when it is used up is not cut off. 0: no limit.",
    },
    Variable {
        name: "INTELLIGENCE_REUSE_S",
        default: "600",
        meaning: "For how long the analysis of an incident is used again while its state is the same, in seconds,\n\
                  0 to 86400. 0: never.",
    },
    Variable {
        name: "INTELLIGENCE_DISK_ROOTS",
        default: "/var,/tmp,/opt,/srv",
        meaning: "Folders in which large and old files may be looked for: by `/intelligence/disk/`, and by providers\n\
                  with `system = true`. `none` opens none.",
    },
];

/// What providers of intelligence are told, and what they may cost.
#[derive(Debug, Clone)]
pub struct IntelligenceSettings {
    /// The active provider where none was chosen.
    pub provider: String,
    /// Whether mail addresses are hidden from remotes.
    pub hides_emails: bool,
    /// Whether IP addresses and names of hosts are.
    pub hides_addresses: bool,
    /// How many tokens a day; none without a limit.
    pub daily_tokens: Option<u64>,
    /// How long an analysis holds for the same state; zero for never.
    pub reuse: Duration,
    /// Folders that may be looked through.
    pub disk_roots: Vec<PathBuf>,
}

impl IntelligenceSettings {
    /// Reads the section.
    pub fn read(source: &Source, problems: &mut Problems) -> Self {
        let hidden = source.text("INTELLIGENCE_REDACT").unwrap_or("emails,addresses");
        let hidden: Vec<&str> = hidden.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        for word in hidden.iter().filter(|word| !["emails", "addresses", "secrets", "none"].contains(*word)) {
            problems.add(format!(
                "`INTELLIGENCE_REDACT` is a list of `emails` and `addresses`, or `none`; found `{}`",
                word.chars().take(40).flat_map(char::escape_default).collect::<String>()
            ));
        }
        let tokens: u64 = source.number("INTELLIGENCE_DAILY_TOKENS", 0, 0..=1_000_000_000_000, problems);
        let reuse_s = source.number("INTELLIGENCE_REUSE_S", 600, 0..=86_400, problems);
        Self {
            provider: source.text("INTELLIGENCE_PROVIDER").unwrap_or("local").to_owned(),
            hides_emails: hidden.contains(&"emails"),
            hides_addresses: hidden.contains(&"addresses"),
            daily_tokens: (tokens > 0).then_some(tokens),
            reuse: Duration::from_secs(reuse_s),
            disk_roots: disk_roots(source, problems),
        }
    }
}

fn disk_roots(source: &Source, problems: &mut Problems) -> Vec<PathBuf> {
    let text = source.text("INTELLIGENCE_DISK_ROOTS").unwrap_or("/var,/tmp,/opt,/srv");
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "none");
    let roots: Vec<PathBuf> = words.map(PathBuf::from).collect();
    let is_plain =
        |root: &&PathBuf| root.is_absolute() && !root.components().any(|part| part == Component::ParentDir);
    if let Some(root) = roots.iter().find(|root| !is_plain(root)) {
        problems.add(format!(
            "`INTELLIGENCE_DISK_ROOTS` must hold absolute paths without `..`, found `{}`",
            root.display().to_string().chars().take(80).flat_map(char::escape_default).collect::<String>()
        ));
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (IntelligenceSettings, Problems) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut problems = Problems::default();
        (IntelligenceSettings::read(&Source::from_pairs(pairs), &mut problems), problems)
    }

    #[test]
    fn everything_is_hidden_unless_it_is_said_otherwise() {
        let hides = |pairs: &[(&str, &str)]| {
            let settings = read(pairs).0;
            (settings.hides_emails, settings.hides_addresses)
        };
        assert_eq!(hides(&[]), (true, true));
        assert_eq!(hides(&[("INTELLIGENCE_REDACT", "none")]), (false, false));
        assert_eq!(hides(&[("INTELLIGENCE_REDACT", "emails")]), (true, false));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_name() {
        for (name, value) in [
            ("INTELLIGENCE_REDACT", "mails"),
            ("INTELLIGENCE_DISK_ROOTS", "/var,tmp"),
            ("INTELLIGENCE_DISK_ROOTS", "/var/../etc"),
            ("INTELLIGENCE_DAILY_TOKENS", "-1"),
            ("INTELLIGENCE_REUSE_S", "100000"),
        ] {
            assert!(read(&[(name, value)]).1.to_string().contains(name), "{name}={value}");
        }
        let none = read(&[("INTELLIGENCE_DISK_ROOTS", "none")]);
        assert!(none.0.disk_roots.is_empty() && none.1.is_empty());
    }
}
