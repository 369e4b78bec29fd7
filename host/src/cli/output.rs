//! What commands print: results to standard output, errors to standard error.

use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;

/// Prints one line.
pub(super) fn line(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Prints text as it is.
pub(super) fn text(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string(value)?)
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

/// Tells the person who is watching, beside the results.
pub(super) fn note(text: &str) {
    // When standard error is gone there is nobody left to tell.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Prints an error with its causes.
pub(super) fn error(error: &anyhow::Error) {
    // When standard error is gone there is nobody left to tell.
    drop(writeln!(std::io::stderr().lock(), "error: {error:#}"));
}
