//! The corpus: bodies of senders, and what another system once made of each.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use domain::time::Timestamp;
use serde_json::Value;

/// One body and what the witness says of it.
#[derive(Debug)]
pub(crate) struct Witness {
    /// The file, as seen from the folder of the corpus.
    pub(crate) file: String,
    /// Whose URL it was sent to; none where only detection was asked.
    pub(crate) driver: Option<String>,
    /// The body.
    pub(crate) payload: Value,
    /// Which driver was found where none was named.
    pub(crate) detected: Option<String>,
    /// What the named driver made of it; none where it refused.
    pub(crate) alerts: Option<Vec<Alert>>,
}

/// One alert as the witness has it.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) severity: String,
    pub(crate) fingerprint: String,
    pub(crate) starts_at: Time,
    pub(crate) ends_at: Time,
}

/// A time as the witness has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// There is none.
    None,
    /// None could be read, so it took the time of receipt.
    Receipt,
    /// This one.
    At(Timestamp),
    /// One before any that a system could have meant: the zero of a language's clock.
    Zero,
}

/// All bodies below a folder, by name of the file.
///
/// # Errors
/// A folder or file that cannot be read or is in another form.
pub(crate) fn read(folder: &Path) -> Result<Vec<Witness>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    ensure!(!files.is_empty(), "`{}` holds no payload", folder.display());
    let read = |file: &PathBuf| {
        let name = file.strip_prefix(folder).unwrap_or(file).display().to_string();
        one(file, &name).with_context(|| format!("`{name}`"))
    };
    files.iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

fn one(file: &Path, name: &str) -> Result<Witness> {
    let whole: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let text = |key: &str| whole.get(key).and_then(Value::as_str).map(str::to_owned);
    let alerts = whole.pointer("/expected/alerts").and_then(Value::as_array);
    Ok(Witness {
        file: name.to_owned(),
        driver: text("driver"),
        payload: whole.get("payload").cloned().context("it has no `payload`")?,
        detected: text("detected_driver"),
        alerts: alerts.map(|alerts| alerts.iter().map(alert).collect::<Result<_>>()).transpose()?,
    })
}

fn alert(alert: &Value) -> Result<Alert> {
    let text = |key: &str| match alert.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    Ok(Alert {
        name: text("name"),
        status: text("status"),
        severity: text("severity"),
        fingerprint: text("fingerprint"),
        starts_at: time(&text("started_at")).context("`started_at`")?,
        ends_at: time(&text("ended_at")).context("`ended_at`")?,
    })
}

/// Times without a zone are in UTC.
fn time(text: &str) -> Result<Time> {
    Ok(match text {
        "" => Time::None,
        "$now" => Time::Receipt,
        _ if text.starts_with("000") => Time::Zero,
        _ => {
            let time = text.parse::<Timestamp>().or_else(|_| format!("{text}Z").parse());
            Time::At(time.map_err(|error| anyhow::anyhow!("`{text}`: {error}"))?)
        }
    })
}
