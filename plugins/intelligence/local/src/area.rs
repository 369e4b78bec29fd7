//! What an incident can be about, and the words that give it away.

use crate::incident::Subject;

/// What something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Disk,
    Memory,
    Cpu,
    Certificate,
    Network,
    Process,
    General,
}

/// Words of each area. Those of three letters or fewer must stand alone (`ram` is no part of
/// `program`); longer ones may be part of another (`filesystem` in `NodeFilesystemAlmostFull`). The
/// order of the rows breaks ties: what is narrower comes first.
const WORDS: &[(Area, &[&str])] = &[
    (Area::Certificate, &["certificate", "tls", "ssl", "x509", "expired"]),
    (Area::Memory, &["memory", "oom", "ram", "swap", "heap"]),
    (Area::Disk, &["disk", "filesystem", "file system", "inode", "storage", "volume", "raid", "no space"]),
    (Area::Cpu, &["cpu", "load average", "highload", "throttl", "processor"]),
    (
        Area::Network,
        &["network", "latency", "packet", "dns", "unreachable", "timeout", "connection", "bandwidth"],
    ),
    (
        Area::Process,
        &[
            "down",
            "crash",
            "restart",
            "service",
            "systemd",
            "process",
            "job",
            "backup",
            "not running",
            "failed",
        ],
    ),
];

impl Area {
    /// The `kind` of a recommendation.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Certificate => "certificate",
            Self::Network => "network",
            Self::Process => "process",
            Self::General => "general",
        }
    }

    /// How a sentence speaks of it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Disk => "disk space",
            Self::Memory => "memory",
            Self::Cpu => "the processors",
            Self::Certificate => "a certificate",
            Self::Network => "the network",
            Self::Process => "a service",
            Self::General => "something else",
        }
    }

    /// The area of a checker, by its name.
    pub(crate) fn of_checker(name: &str) -> Self {
        in_text(name).first().copied().unwrap_or(Self::General)
    }
}

/// The areas that the incident's words name: by its headlines, else by its descriptions.
pub(crate) fn named_in(subject: &Subject) -> Vec<Area> {
    let named = in_text(&subject.headlines);
    if named.is_empty() { in_text(&subject.descriptions) } else { named }
}

fn in_text(text: &str) -> Vec<Area> {
    let lower = text.to_lowercase();
    let words = split(text);
    let says = |word: &&str| {
        if word.len() > 3 { lower.contains(*word) } else { words.iter().any(|known| known == *word) }
    };
    WORDS.iter().filter(|(_, words)| words.iter().any(says)).map(|(area, _)| *area).collect()
}

/// The words of a text in lower case: apart at what is no letter or digit, and where a capital
/// begins a word, so that `HighCPU`, `OOMKilled` and `cpu_usage` all give theirs away.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = character.is_uppercase() && (previous.is_lowercase() || next_is_lower);
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        previous = character;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_spelling_give_their_area_away() {
        for (name, area) in [
            ("HostOutOfDiskSpace", Area::Disk),
            ("NodeFilesystemAlmostOutOfInodes", Area::Disk),
            ("diskspacelow", Area::Disk),
            ("HighCPU", Area::Cpu),
            ("cpu_usage_high", Area::Cpu),
            ("OOMKilled", Area::Memory),
            ("Low RAM on web-1", Area::Memory),
            ("SSLCertExpiringSoon", Area::Certificate),
            ("DNS lookups fail", Area::Network),
            ("TargetDown", Area::Process),
        ] {
            assert_eq!(in_text(name).first(), Some(&area), "{name}");
        }
    }

    #[test]
    fn short_words_inside_other_words_mean_nothing() {
        assert_eq!(in_text("ProgramGroomed"), []);
        assert_eq!(in_text(""), []);
    }
}
