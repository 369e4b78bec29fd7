//! Where settings come from, and what is wrong with them.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use domain::secret::Secret;

use super::SecretText;

/// The environment with `.env` behind it.
#[derive(Debug, Clone, Default)]
pub struct Source {
    values: HashMap<String, Value>,
}

#[derive(Debug, Clone)]
struct Value {
    text: String,
    /// Where it was said.
    origin: &'static str,
}

impl Source {
    /// Where a setting was said that the environment held when the program began.
    pub const SHELL: &str = "shell";

    /// The shell's variables, and behind them `.env` of the working directory; `.env.dev` comes
    /// between the two where `WATCHBELL_ENV` is `dev`.
    ///
    /// # Errors
    /// When a file is there but cannot be read or understood; names the file and the line.
    pub fn load() -> Result<Self, Problems> {
        let mut values: HashMap<String, Value> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .map(|(name, text)| (name, Value { text, origin: Self::SHELL }))
            .collect();
        let mut problems = Problems::default();
        let dev = values.get("WATCHBELL_ENV").is_some_and(|kind| kind.text == "dev");
        for file in dev.then_some(".env.dev").into_iter().chain([".env"]) {
            match read_file(Path::new(file)) {
                Ok(pairs) => {
                    for (name, text) in pairs {
                        values.entry(name).or_insert(Value { text, origin: file });
                    }
                }
                Err(problem) => problems.add(problem),
            }
        }
        if problems.is_empty() { Ok(Self { values }) } else { Err(problems) }
    }

    /// Just these.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let said = |(name, text)| (name, Value { text, origin: Self::SHELL });
        Self { values: pairs.into_iter().map(said).collect() }
    }

    /// The text of a variable; an empty one counts as not set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.text.trim()).filter(|text| !text.is_empty())
    }

    /// The secret that a variable holds or refers to.
    pub fn secret(&self, name: &str, problems: &mut Problems) -> Option<Secret<String>> {
        self.follow(name, self.text(name)?, problems)
    }

    /// The secret that `text` is or refers to; it was given for `setting`.
    pub(super) fn follow(
        &self,
        setting: &str,
        text: &str,
        problems: &mut Problems,
    ) -> Option<Secret<String>> {
        let lookup = |name: &str| self.text(name).map(str::to_owned);
        let secret = SecretText::parse(setting, text).and_then(|text| text.follow(setting, lookup));
        secret.map_err(|error| problems.add(error.to_string())).ok()
    }

    /// The files that settings refer to.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let texts = self.values.values().flat_map(|value| value.text.split(','));
        let parts = texts.flat_map(|text| [Some(text), text.split_once('=').map(|(_, value)| value)]);
        parts.flatten().filter_map(|text| text.trim().strip_prefix("file:")).map(Path::new)
    }

    /// Where a variable was said: [`Source::SHELL`], or the name of a file.
    pub fn origin(&self, name: &str) -> &'static str {
        self.values.get(name).map_or(Self::SHELL, |value| value.origin)
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// All variables whose name begins with `prefix`, with the rest of the name.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.text.trim())))
            .filter(|(_, value)| !value.is_empty())
    }

    /// A list separated by commas.
    pub fn list(&self, name: &str) -> Vec<String> {
        let entries = self.text(name).unwrap_or_default().split(',').map(str::trim);
        entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// A yes or no: `1`, `true`, `yes`, `on` or their opposites.
    pub fn flag(&self, name: &str, default: bool, problems: &mut Problems) -> bool {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => default,
            Some("1" | "true" | "yes" | "on") => true,
            Some("0" | "false" | "no" | "off") => false,
            Some(_) => {
                problems.add(format!("`{name}` must be 1 or 0, found something else"));
                default
            }
        }
    }

    /// A number within bounds.
    pub fn number<T>(
        &self,
        name: &str,
        default: T,
        bounds: std::ops::RangeInclusive<T>,
        problems: &mut Problems,
    ) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let Some(text) = self.text(name) else { return default };
        match text.parse::<T>() {
            Ok(number) if bounds.contains(&number) => number,
            Ok(number) => {
                problems.add(format!(
                    "`{name}` must be between {} and {}, found {number}",
                    bounds.start(),
                    bounds.end()
                ));
                default
            }
            Err(_) => {
                problems.add(format!(
                    "`{name}` must be a number between {} and {}, found {} characters that are none",
                    bounds.start(),
                    bounds.end(),
                    text.chars().count()
                ));
                default
            }
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<(String, String)>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("`{}` cannot be read: {error}", path.display())),
    };
    let mut pairs = Vec::new();
    for pair in dotenvy::from_read_iter(text.as_bytes()) {
        // The parser's own error shows the line, which may hold a secret.
        let pair = pair.map_err(|_| {
            let line = pairs.len().saturating_add(1);
            format!(
                "`{}` is not understood at or after setting {line}\nhint: one NAME=value a line",
                path.display()
            )
        })?;
        pairs.push(pair);
    }
    Ok(pairs)
}

/// What is wrong with the settings, all of it.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes one.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// All of them.
    pub fn all(&self) -> &[String] {
        &self.0
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}
