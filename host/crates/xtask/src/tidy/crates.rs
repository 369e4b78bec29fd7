//! What each crate must never name, and that no crate has unsafe code but those that say why.

use std::path::Path;

use crate::tidy::rust::NamedPath;
use crate::tidy::{Finding, Source};
use crate::workspace::{Metadata, Target};

/// A folder and the crates that nothing in it may depend on or name.
struct Boundary {
    folder: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

const BOUNDARIES: &[Boundary] = &[
    Boundary {
        folder: "host/crates/domain/",
        never: &["axum", "host", "hyper", "reqwest", "sandbox", "sqlx", "store", "tokio", "wasmtime"],
        why: "`domain` decides without I/O, so that its rules are tested in microseconds",
    },
    Boundary {
        folder: "host/crates/store/",
        never: &["axum", "host", "reqwest", "sandbox", "wasmtime"],
        why: "`store` is the one place for SQL and nothing else",
    },
    Boundary {
        folder: "host/crates/sandbox/",
        never: &["axum", "host", "reqwest", "sqlx", "store"],
        why: "`sandbox` is compiled once and knows the runtime alone",
    },
    Boundary {
        folder: "host/crates/xtask/",
        never: &["axum", "domain", "host", "reqwest", "sandbox", "sqlx", "store", "tokio", "wasmtime"],
        why: "the tooling has to build in seconds, also while the product does not build",
    },
    Boundary {
        folder: "host/src/",
        never: &["sqlx", "wasmtime"],
        why: "the database is behind `store` and the runtime behind `sandbox`",
    },
    Boundary {
        folder: "host/Cargo.toml",
        never: &["sqlx", "wasmtime"],
        why: "the database is behind `store` and the runtime behind `sandbox`",
    },
    Boundary {
        folder: "plugins/",
        never: &["domain", "host", "sandbox", "store", "tokio", "wasmtime"],
        why: "a plugin and the host share the WIT contract only",
    },
];

/// Packages that cannot forbid unsafe code, because each has a block with a SAFETY comment.
const MAY_HAVE_UNSAFE: [&str; 2] = ["plugin-sdk", "sandbox"];
const FORBID: &str = "#![forbid(unsafe_code)]";

/// Checks the code and the manifest of a crate against its boundary.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for boundary in BOUNDARIES.iter().filter(|boundary| source.path.starts_with(boundary.folder)) {
        let found = |(name, line): (String, usize)| {
            let message = format!("`{name}` must not be named here: {}", boundary.why);
            boundary.never.contains(&name.as_str()).then(|| Finding::new(source, line, message))
        };
        findings.extend(names(source).into_iter().filter_map(found));
    }
    findings
}

/// The crates that a file of Rust or a manifest names, with the line.
fn names(source: &Source) -> Vec<(String, usize)> {
    if let Some(rust) = &source.rust {
        let first = |path: NamedPath| Some((path.segments.into_iter().next()?, path.line));
        let paths = rust.paths().into_iter().filter_map(first);
        // A module of the same name, declared in this file, is no crate.
        return paths.filter(|(name, _)| !rust.declares_module(name)).collect();
    }
    if source.path.ends_with("Cargo.toml") {
        return dependencies(&source.text);
    }
    Vec::new()
}

/// The dependencies of a manifest, under their own names also where they are renamed.
fn dependencies(manifest: &str) -> Vec<(String, usize)> {
    let Ok(manifest_table) = manifest.parse::<toml::Table>() else { return Vec::new() };
    let mut tables = vec![&manifest_table];
    let targets = manifest_table.get("target").and_then(toml::Value::as_table);
    tables.extend(targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table));
    let mut names = Vec::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(entries) = table.get(kind).and_then(toml::Value::as_table) else { continue };
            for (key, value) in entries {
                let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
                let line = manifest.lines().position(|line| line.starts_with(key.as_str()));
                names.push((name.to_owned(), line.map_or(1, |line| line + 1)));
            }
        }
    }
    names
}

/// Checks that the roots of all packages forbid unsafe code.
pub(crate) fn check_unsafe(sources: &[Source], metadata: &Metadata, workspace_root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in
        metadata.packages.iter().filter(|package| !MAY_HAVE_UNSAFE.contains(&package.name.as_str()))
    {
        let is_shipped = |target: &&Target| target.kind.iter().all(|kind| kind != "custom-build");
        for target in package.targets.iter().filter(is_shipped) {
            let Ok(path) = target.src_path.strip_prefix(workspace_root) else { continue };
            let source = sources.iter().find(|source| Path::new(&source.path) == path);
            findings.extend(source.and_then(check_root));
        }
    }
    findings
}

fn check_root(source: &Source) -> Option<Finding> {
    let message = format!("no `{FORBID}`: add it below the module's documentation");
    (!source.text.lines().any(|line| line.trim() == FORBID)).then(|| Finding::new(source, 1, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn check_names(path: &str, text: &str, lines: &[usize]) {
        let findings = check(&source(path, text));
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{findings:?}");
    }

    #[test]
    fn a_crate_across_a_boundary_is_found_in_code() {
        check_names("host/src/http/x.rs", "use axum::Router;\nuse sqlx::Row;\n", &[2]);
        check_names("host/crates/domain/src/x.rs", "async fn f() { tokio::spawn(g()); }\n", &[1]);
        check_names("plugins/drivers/x/src/lib.rs", "use domain::Alert;\n", &[1]);
        check_names("host/crates/store/src/x.rs", "use sqlx::Row;\n", &[]);
        check_names("host/crates/sandbox/src/lib.rs", "mod host;\npub use host::Http;\n", &[]);
    }

    #[test]
    fn a_crate_across_a_boundary_is_found_in_a_manifest() {
        let manifest = "[dependencies]\nserde = \"1\"\ndb = { package = \"sqlx\", version = \"1\" }\n\
                        [target.'cfg(unix)'.dev-dependencies]\nwasmtime.workspace = true\n";
        check_names("host/Cargo.toml", manifest, &[3, 5]);
        check_names("host/crates/store/Cargo.toml", manifest, &[5]);
    }

    #[test]
    fn a_root_that_does_not_forbid_unsafe_code_is_found() {
        assert!(check_root(&source("a/src/lib.rs", "//! A.\n")).is_some());
        assert!(check_root(&source("a/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n")).is_none());
    }
}
