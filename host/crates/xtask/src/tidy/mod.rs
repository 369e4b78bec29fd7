//! `cargo xtask tidy`: the rules of the repository that neither compiler nor clippy checks.
//!
//! One file per family of rules; each rule looks at one [`Source`], or at all of them, and returns
//! [`Finding`]s.

mod crates;
mod files;
mod layers;
mod layers_data;
mod links;
mod migrations;
mod phrases;
mod rust;
mod size;
mod text;

use std::fmt;
use std::process::ExitCode;

use anyhow::bail;

use crate::say;
use crate::tidy::rust::Rust;
use crate::workspace::Workspace;

/// One file of the repository.
pub(crate) struct Source {
    /// From the workspace root, with `/` between.
    path: String,
    text: String,
    /// The tokens, if the file is Rust.
    rust: Option<Rust>,
}

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    /// What is wrong, and what to do.
    message: String,
    /// Said, but no failure: a soft limit.
    is_note: bool,
}

impl Finding {
    fn new(source: &Source, line: usize, message: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, message: message.into(), is_note: false }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.is_note { "note: " } else { "" };
        write!(formatter, "{}:{}: {note}{}", self.path, self.line, self.message)
    }
}

impl Source {
    fn new(path: &str, text: String) -> Result<Self, Finding> {
        let mut source = Self { path: path.to_owned(), text, rust: None };
        if path.ends_with(".rs") {
            source.rust = Some(Rust::read(&source.text).map_err(|line| {
                Finding::new(&source, line, "not readable as Rust here, so compile it first")
            })?);
        }
        Ok(source)
    }

    /// Whether all of the file is test code or test data.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || ["/tests/", "/testdata/"].iter().any(|folder| self.path.contains(folder))
            || ["/tests.rs", "_tests.rs"].iter().any(|end| self.path.ends_with(end))
    }
}

/// Prints all findings, and fails if one is more than a note.
///
/// # Errors
/// The files cannot be listed or read.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let findings = find(workspace)?;
    for finding in &findings {
        say::result(&finding.to_string());
    }
    let failed = findings.iter().filter(|finding| !finding.is_note).count();
    say::progress(&format!("tidy: {failed} findings, {} notes", findings.len() - failed));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As [`run`], as a step of `cargo xtask test`.
///
/// # Errors
/// There is a finding.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    if run(workspace)? != ExitCode::SUCCESS {
        bail!("tidy found something");
    }
    Ok(())
}

fn find(workspace: &Workspace) -> anyhow::Result<Vec<Finding>> {
    let metadata = workspace.metadata()?;
    let (sources, mut findings) = files::read(&workspace.root)?;
    for source in &sources {
        findings.extend(text::check(source));
        findings.extend(size::check(source));
        findings.extend(layers::check(source));
        findings.extend(phrases::check(source));
        findings.extend(crates::check(source));
        findings.extend(links::check(source, &workspace.root));
    }
    findings.extend(crates::check_unsafe(&sources, &metadata, &workspace.root));
    findings.extend(migrations::check(&sources));
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// A source for the tests of the rules.
#[cfg(test)]
fn source(path: &str, text: &str) -> Source {
    Source::new(path, text.to_owned()).unwrap()
}
