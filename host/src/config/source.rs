//! Where settings come from, and what is wrong with them.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The environment with `.env` behind it.
#[derive(Debug, Clone, Default)]
pub struct Source {
    values: HashMap<String, String>,
}

impl Source {
    /// The shell's variables, and behind them `.env` of the working directory; `.env.dev` comes
    /// between the two where `WATCHBELL_ENV` is `dev`.
    ///
    /// # Errors
    /// When a file is there but cannot be read or understood; names the file and the line.
    pub fn load() -> Result<Self, Problems> {
        let mut values: HashMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut problems = Problems::default();
        let dev = values.get("WATCHBELL_ENV").is_some_and(|kind| kind == "dev");
        for file in dev.then_some(".env.dev").into_iter().chain([".env"]) {
            match read_file(Path::new(file)) {
                Ok(pairs) => {
                    for (name, value) in pairs {
                        values.entry(name).or_insert(value);
                    }
                }
                Err(problem) => problems.add(problem),
            }
        }
        if problems.is_empty() { Ok(Self { values }) } else { Err(problems) }
    }

    /// Just these.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: pairs.into_iter().collect() }
    }

    /// The text of a variable; an empty one counts as not set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// All variables whose name begins with `prefix`, with the rest of the name.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.trim())))
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
