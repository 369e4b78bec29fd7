//! The settings as they are: what holds, and where it was said.

use std::collections::BTreeSet;

use serde::Serialize;
use url::Url;

use super::{SECTIONS, SecretText, Source, Variable, crash};

/// What stands for a value that is nobody's business.
const HIDDEN: &str = "(set, not shown)";
/// Parts of names whose values are secrets.
const SECRET: [&str; 4] = ["SECRET", "PASSWORD", "TOKEN", "HEADERS"];
/// What names of ours begin with.
const OURS: [&str; 2] = ["WATCHBELL_", "WEBHOOK_SECRET_"];
/// Names of ours that are no settings of the hub: the key that the README's curl line takes.
const NO_SETTINGS: [&str; 1] = ["WATCHBELL_KEY"];

/// One setting as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The variable.
    pub name: String,
    /// What holds; none where nothing does.
    pub value: Option<String>,
    /// `shell`, a file, or `default`.
    pub from: &'static str,
    /// Whether the hub knows it; what it does not know has no effect.
    pub known: bool,
}

impl Setting {
    fn of(source: &Source, name: &str, default: &'static str, known: bool) -> Self {
        let set = source.text(name);
        let value = set.unwrap_or(default);
        Self {
            name: name.to_owned(),
            value: (!value.is_empty()).then(|| if known { safe(name, value) } else { HIDDEN.to_owned() }),
            from: if set.is_some() { source.origin(name) } else { "default" },
            known,
        }
    }
}

/// Every setting in the order of `.env.sample`, then what is set but not known: a slip of the pen.
pub fn settings(source: &Source) -> Vec<Setting> {
    let mut seen = BTreeSet::new();
    let mut shown = Vec::new();
    for Variable { name, default, .. } in SECTIONS.iter().flat_map(|(_, variables)| *variables) {
        for name in instances(source, name) {
            if seen.insert(name.clone()) {
                shown.push(Setting::of(source, &name, default, true));
            }
        }
    }
    let unknown = source.names().filter(|name| !seen.contains(*name) && is_ours(source, name));
    let mut unknown: Vec<Setting> = unknown.map(|name| Setting::of(source, name, "", false)).collect();
    unknown.sort_by(|a, b| a.name.cmp(&b.name));
    shown.extend(unknown);
    shown
}

/// The variables that a name stands for: itself, or each that is set where a part in `<>` stands for any.
fn instances(source: &Source, name: &str) -> Vec<String> {
    let parts = name.split_once('<').and_then(|(prefix, rest)| Some((prefix, rest.split_once('>')?.1)));
    let Some((prefix, suffix)) = parts else { return vec![name.to_owned()] };
    let fits = |found: &&str| {
        let part = found.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        part.is_some_and(|part| !part.is_empty())
    };
    let mut found: Vec<String> = source.names().filter(fits).map(str::to_owned).collect();
    found.sort();
    found
}

/// Whether a name is meant for the hub. What stands in its own files is.
fn is_ours(source: &Source, name: &str) -> bool {
    let named = OURS.iter().any(|prefix| name.starts_with(prefix))
        && !NO_SETTINGS.contains(&name)
        && !crash::knows(name);
    source.text(name).is_some() && (named || source.origin(name) != Source::SHELL)
}

/// A value without what is secret in it.
fn safe(name: &str, value: &str) -> String {
    if SECRET.iter().any(|part| name.contains(part)) {
        // Where a secret is kept is none.
        let reference = SecretText::parse(name, value).ok().and_then(|text| text.reference());
        return reference.filter(|_| !value.contains(',')).unwrap_or_else(|| HIDDEN.to_owned());
    }
    if !value.contains("://") {
        return value.to_owned();
    }
    // An address: of one that cannot be taken apart nothing is shown.
    let Ok(mut url) = Url::parse(value) else { return HIDDEN.to_owned() };
    let masked = if url.password().is_some() { Some("***") } else { None };
    if url.set_password(masked).is_err() && masked.is_some() {
        return HIDDEN.to_owned();
    }
    match url.query() {
        Some(_) => {
            url.set_query(Some("***"));
            url.into()
        }
        // As it was written: the parser has an own opinion on the slashes of files.
        None if masked.is_none() => value.to_owned(),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pairs: &[(&str, &str)]) -> Vec<Setting> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        settings(&Source::from_pairs(pairs))
    }

    fn value(pairs: &[(&str, &str)], name: &str) -> Option<String> {
        shown(pairs).into_iter().find(|setting| setting.name == name)?.value
    }

    #[test]
    fn secrets_are_never_shown_and_addresses_without_their_passwords() {
        for name in [
            "WATCHBELL_SECRET_KEY",
            "WATCHBELL_SECRET_KEY_PREVIOUS",
            "WEBHOOK_SECRET_GRAFANA",
            "WEBHOOK_SECRET_X_PREVIOUS",
        ] {
            assert_eq!(value(&[(name, "0canary")], name).as_deref(), Some(HIDDEN), "{name}");
        }
        let key = |text: &str| value(&[("WATCHBELL_SECRET_KEY", text)], "WATCHBELL_SECRET_KEY").unwrap();
        assert_eq!(key("file:/run/secrets/key"), "file:/run/secrets/key");
        assert_eq!(key("file:/run/secrets/key,0canary"), HIDDEN);
        let url = |value: &str| self::value(&[("DATABASE_URL", value)], "DATABASE_URL").unwrap();
        assert_eq!(url("postgres://u:canary@db/w?password=canary"), "postgres://u:***@db/w?***");
        assert_eq!(url("sqlite://watchbell.sqlite3"), "sqlite://watchbell.sqlite3");
        assert_eq!(url("post gres://u:canary@db"), HIDDEN);
    }

    #[test]
    fn defaults_say_so_and_slips_of_the_pen_are_named_without_their_value() {
        let all = shown(&[("WATCHBELL_BODY_LIMIT", "canary"), ("WATCHBELL_KEY", "x"), ("PATH", "/bin")]);
        let bind = all.iter().find(|setting| setting.name == "WATCHBELL_BIND").unwrap();
        assert_eq!((bind.value.as_deref(), bind.from, bind.known), (Some("127.0.0.1:8080"), "default", true));
        let unknown: Vec<_> = all.iter().filter(|setting| !setting.known).collect();
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        assert_eq!(
            (unknown[0].name.as_str(), unknown[0].value.as_deref()),
            ("WATCHBELL_BODY_LIMIT", Some(HIDDEN))
        );
    }
}
