//! What commands print: results to standard output, errors to standard error.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use domain::text::disturbs;
use serde::Serialize;

/// What was asked for makes no sense; where the parser of arguments could not tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// Prints one line. What could drive a terminal is escaped: much of what is shown comes from senders.
pub(super) fn line(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{}", harmless(text))?)
}

/// The first line of a reason in brackets; nothing where there is none.
pub(super) fn first_line(reason: Option<&str>) -> String {
    let line = reason.and_then(|reason| reason.lines().next());
    line.map(|line| format!(" ({line})")).unwrap_or_default()
}

/// Prints bytes as they are, and as text without power over the terminal where there is one.
pub(super) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    if stdout.is_terminal() {
        return Ok(writeln!(stdout, "{}", harmless(&String::from_utf8_lossy(bytes)))?);
    }
    stdout.write_all(bytes)?;
    Ok(stdout.write_all(b"\n")?)
}

/// The text with what disturbs its reader escaped, but for tabs and line breaks.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| disturbs(c) && !matches!(c, '\n' | '\t');
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Prints text as it is.
pub(super) fn text(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(value)?)?)
}

/// Prints rows under a heading, columns aligned.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Result<()> {
    let mut widths = heading.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading = heading.map(str::to_owned);
    for row in std::iter::once(&heading).chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Says how a list goes on, where it does.
pub(super) fn more(next: Option<&str>) -> Result<()> {
    next.map_or(Ok(()), |next| line(&format!("there are more: --cursor {next}")))
}

/// Tells the person who is watching, beside the results.
pub(super) fn note(text: &str) {
    // When standard error is gone there is nobody left to tell.
    drop(writeln!(std::io::stderr().lock(), "{}", harmless(text)));
}

/// Prints what is wrong with the arguments, or the help that they ask for.
pub(super) fn not_understood(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // When standard output is gone there is nobody left to tell.
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    // It repeats the arguments.
    drop(write!(std::io::stderr().lock(), "{}", harmless(&error.to_string())));
    ExitCode::from(2)
}

/// Prints an error with its causes.
pub(super) fn error(error: &anyhow::Error) {
    // When standard error is gone there is nobody left to tell.
    drop(writeln!(std::io::stderr().lock(), "error: {}", harmless(&format!("{error:#}"))));
}
