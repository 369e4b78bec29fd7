//! Secrets by reference: `env:NAME` and `file:/path` stand where a secret is kept.
//!
//! What is stored and shown is the reference. It is followed when the secret is needed, so that a changed
//! file counts without a restart.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use domain::secret::Secret;
use zeroize::Zeroize as _;

use super::{Source, is_own_name};

const ENV: &str = "env:";
const FILE: &str = "file:";
/// Longer secrets are files named by mistake.
const MAX_BYTES: u64 = 64 * 1024;
/// Readable or writable by the group or by others.
const OTHERS: u32 = 0o066;

/// Why a reference leads to no secret. Names the setting and where it points, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// What stands behind `env:` or `file:` is no name or no path.
    #[error(
        "`{0}` begins as a reference and is none\n\
         hint: write `env:` and the name of a variable, or `file:` and a path that begins with a slash"
    )]
    Form(String),
    /// The variable is one of the hub's own.
    #[error(
        "`{setting}` refers to `{name}`, which is a setting of the hub itself\n\
         hint: keep each secret in a variable of its own"
    )]
    Own {
        /// What the secret is for.
        setting: String,
        /// The variable.
        name: String,
    },
    /// The variable is not set, or empty.
    #[error(
        "`{setting}` refers to environment variable `{name}`, which is not set\n\
         hint: set it where the hub is started, or in `.env`, and restart the hub"
    )]
    Variable {
        /// What the secret is for.
        setting: String,
        /// The variable.
        name: String,
    },
    /// The file is not there, cannot be read, or holds no secret.
    #[error(
        "`{setting}` refers to file `{path}`, which {cause}\n\
         hint: put the secret there, in one line, readable by the user that the hub runs as"
    )]
    File {
        /// What the secret is for.
        setting: String,
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// A secret as it was given: itself, or where it is kept.
#[derive(Clone)]
pub enum SecretText {
    /// Itself.
    Plain(Secret<String>),
    /// In a variable of the environment.
    Env(String),
    /// In a file.
    File(PathBuf),
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reference().unwrap_or_else(|| "[redacted]".to_owned()))
    }
}

impl SecretText {
    /// Tells a reference from a secret.
    ///
    /// # Errors
    /// [`ReferenceError::Form`], which names `setting`.
    pub fn parse(setting: &str, text: &str) -> Result<Self, ReferenceError> {
        let form = || ReferenceError::Form(setting.to_owned());
        if let Some(name) = text.strip_prefix(ENV) {
            return if is_variable(name) { Ok(Self::Env(name.to_owned())) } else { Err(form()) };
        }
        if let Some(path) = text.strip_prefix(FILE) {
            let plain = path.starts_with('/') && !path.chars().any(char::is_control);
            return if plain { Ok(Self::File(path.into())) } else { Err(form()) };
        }
        Ok(Self::Plain(Secret::new(text.to_owned())))
    }

    /// The reference, if it is one; it may be shown.
    pub fn reference(&self) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            Self::Env(name) => Some(format!("{ENV}{name}")),
            Self::File(path) => Some(format!("{FILE}{}", path.display())),
        }
    }

    /// Follows it, with the variables of `lookup`.
    pub(super) fn follow(
        &self,
        setting: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Secret<String>, ReferenceError> {
        match self {
            Self::Plain(secret) => Ok(secret.clone()),
            Self::Env(name) if is_own_name(name) => {
                Err(ReferenceError::Own { setting: setting.to_owned(), name: name.clone() })
            }
            Self::Env(name) => lookup(name)
                .map(Secret::new)
                .ok_or_else(|| ReferenceError::Variable { setting: setting.to_owned(), name: name.clone() }),
            Self::File(path) => read(path).map_err(|cause| ReferenceError::File {
                setting: setting.to_owned(),
                path: path.display().to_string(),
                cause,
            }),
        }
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The text of a file without the line breaks at its end.
fn read(path: &Path) -> Result<Secret<String>, String> {
    let told = |error: std::io::Error| format!("cannot be read: {error}");
    // Secrets are mounted through links. What is no file could make the reader wait for ever.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(told)?;
    if bytes.len() as u64 > MAX_BYTES {
        bytes.zeroize();
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        error.into_bytes().zeroize();
        "holds something that is no text".to_owned()
    })?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(Secret::new(text)) }
}

/// Whether others than its owner can read or write a file.
pub fn is_open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & OTHERS != 0)
}

/// What references lead to, in this process.
#[derive(Default)]
pub struct References {
    variables: HashMap<String, Secret<String>>,
    /// Files of which it was said that others can read them.
    warned: Mutex<BTreeSet<PathBuf>>,
}

impl fmt::Debug for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("References")
    }
}

impl References {
    /// Those of an environment.
    pub fn new(source: &Source) -> Self {
        let others = source.names().filter(|name| !is_own_name(name));
        let variable = |name: &str| Some((name.to_owned(), Secret::new(source.text(name)?.to_owned())));
        Self { variables: others.filter_map(variable).collect(), warned: Mutex::default() }
    }

    /// The secret that was given for `setting`: itself, or what its reference leads to now.
    ///
    /// # Errors
    /// [`ReferenceError`], which names the setting and the reference.
    pub fn resolve(&self, setting: &str, text: &SecretText) -> Result<Secret<String>, ReferenceError> {
        let secret =
            text.follow(setting, |name| self.variables.get(name).map(|value| value.expose().clone()))?;
        if let SecretText::File(path) = text
            && is_open_to_others(path)
            && self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone())
        {
            let path = path.display();
            tracing::warn!(
                "`{setting}` refers to `{path}`, which others on this machine can read: chmod 600 {path}"
            );
        }
        Ok(secret)
    }

    /// [`References::resolve`] of a text that may be a reference.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn resolve_text(&self, setting: &str, text: &str) -> Result<Secret<String>, ReferenceError> {
        self.resolve(setting, &SecretText::parse(setting, text)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn references(pairs: &[(&str, &str)]) -> References {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        References::new(&Source::from_pairs(pairs))
    }

    fn error(references: &References, text: &str) -> String {
        references.resolve_text("SETTING", text).unwrap_err().to_string()
    }

    #[test]
    fn a_secret_is_itself_or_what_its_reference_leads_to_at_this_moment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let references = references(&[("TOKEN", "from the environment")]);
        let found = |text: &str| references.resolve_text("S", text).unwrap().expose().clone();
        assert_eq!(found("plain: it:self"), "plain: it:self");
        assert_eq!(found("env:TOKEN"), "from the environment");
        for (text, expected) in [("first\n", "first"), ("second\r\n", "second"), (" third ", " third ")] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(found(&format!("file:{}", file.display())), expected);
        }
        std::fs::write(&file, "env:TOKEN").unwrap();
        assert_eq!(found(&format!("file:{}", file.display())), "env:TOKEN", "once, and not further");
    }

    #[test]
    fn what_leads_nowhere_is_told_with_its_setting_and_what_to_do() {
        let references =
            references(&[("WATCHBELL_SECRET_KEY", "k"), ("WEBHOOK_SECRET_X", "k"), ("EMPTY", "")]);
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "\n").unwrap();
        for (text, expected) in [
            ("env:MISSING", "environment variable `MISSING`, which is not set"),
            ("env:EMPTY", "which is not set"),
            ("env:WATCHBELL_SECRET_KEY", "a setting of the hub itself"),
            ("env:WEBHOOK_SECRET_X", "a setting of the hub itself"),
            ("env:DATABASE_URL", "a setting of the hub itself"),
            ("env:", "is none"),
            ("env:A B", "is none"),
            ("file:secret", "path that begins with a slash"),
            ("file:/no/such/file", "`/no/such/file`, which cannot be read"),
            (&format!("file:{}", folder.path().display()), "is not a file"),
            (&format!("file:{}", empty.display()), "is empty"),
        ] {
            let error = error(&references, text);
            assert!(error.contains(expected) && error.contains("`SETTING`"), "{text}: {error}");
            assert!(error.contains("\nhint: "), "{text}: {error}");
        }
    }

    #[test]
    fn neither_a_secret_nor_the_environment_is_in_a_debug_text() {
        let references = references(&[("TOKEN", "hunter2")]);
        let texts = ["hunter2", "env:TOKEN", "file:/run/x"].map(|text| SecretText::parse("S", text).unwrap());
        assert_eq!(format!("{texts:?} {references:?}"), "[[redacted], env:TOKEN, file:/run/x] References");
    }

    #[test]
    fn a_file_that_others_can_read_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o620, true)] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(file.path()), open, "{mode:o}");
        }
    }
}
