//! White space, and words that must not be in the repository.

use std::path::Path;

use crate::tidy::{Finding, Source};

/// Types of files that people write and whose white space is checked.
const WRITTEN: [&str; 14] =
    ["css", "html", "js", "json", "md", "py", "rs", "sample", "sh", "sql", "toml", "wit", "yaml", "yml"];

/// Folders of a developer's machine, which mean nothing to anybody else. In two parts each, so that this
/// list does not find itself.
const MACHINE_FOLDERS: [&str; 4] =
    [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "farm/"), concat!("/", "home/")];

/// Hosts of package registries: where packages come from is the builder's configuration, not ours.
const REGISTRIES: [&str; 8] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted.org"),
    concat!("registry.", "npmjs.org"),
    concat!("proxy.", "golang.org"),
    concat!("deb.", "debian.org"),
    concat!("static.", "rust-lang.org"),
];

const API_KEY: &str = "wbk_";
const API_KEY_HEX_DIGITS: usize = 40;
const SECRET_KEY: &str = concat!("WATCHBELL_SECRET_KEY", "=");
const SECRET_KEY_HEX_DIGITS: usize = 64;
const PRIVATE_KEY: &str = concat!("PRIVATE KEY", "-----");

/// Checks one file, line by line.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    // Made by cargo, and captured from real senders: neither is ours to change.
    if source.path.ends_with("Cargo.lock") || source.path.contains("testdata/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let mut find = |message: String| findings.push(Finding::new(source, index + 1, message));
        if is_written(&source.path) {
            white_space(line).map(&mut find);
        }
        forbidden_word(line).map(&mut find);
        if !source.is_test() {
            secret(line).map(&mut find);
        }
    }
    if is_written(&source.path) && !source.text.is_empty() && !source.text.ends_with('\n') {
        let last = source.text.lines().count();
        findings.push(Finding::new(source, last, "no line break at the end of the file: add one"));
    }
    findings
}

fn is_written(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| WRITTEN.contains(&extension)) || path.starts_with(".ci/")
}

fn white_space(line: &str) -> Option<String> {
    if line.contains('\t') {
        return Some("a tab: use spaces".to_owned());
    }
    line.ends_with([' ', '\r']).then(|| "white space at the end of the line: remove it".to_owned())
}

fn forbidden_word(line: &str) -> Option<String> {
    let machine = |folder: &&&str| starts_a_path(line, folder);
    if let Some(folder) = MACHINE_FOLDERS.iter().find(machine) {
        return Some(format!("`{folder}` is a folder of one machine: use a path from the workspace root"));
    }
    let registry = REGISTRIES.iter().find(|registry| line.contains(**registry))?;
    Some(format!("`{registry}` names a package registry: leave it to the configuration of the builder"))
}

/// Whether a folder stands in a line as the start of a path, not in the middle of one or of a URL.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !(before.is_alphanumeric() || "_.-}".contains(before)))
    })
}

fn secret(line: &str) -> Option<String> {
    let has = |prefix: &str, digits: usize| {
        line.match_indices(prefix).any(|(at, _)| {
            let rest = line.get(at + prefix.len()..).unwrap_or_default();
            rest.chars().take_while(char::is_ascii_hexdigit).count() >= digits
        })
    };
    let found = has(API_KEY, API_KEY_HEX_DIGITS)
        || has(SECRET_KEY, SECRET_KEY_HEX_DIGITS)
        || line.contains(PRIVATE_KEY);
    found.then(|| "this looks like a secret: take it out, and revoke it if it was real".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn check_lines(path: &str, text: &str, lines: &[usize]) {
        let findings = check(&source(path, text));
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{findings:?}");
    }

    #[test]
    fn stray_white_space_is_found() {
        check_lines("a.md", "one\n\ttwo\nthree \nfour\r\n", &[2, 3]);
        check_lines("a.md", "no line break", &[1]);
        check_lines("a.md", "one\n", &[]);
    }

    #[test]
    fn captured_payloads_and_other_types_keep_their_white_space() {
        check_lines("plugins/drivers/x/testdata/a.json", "{ \t}", &[]);
        check_lines("LICENSE", "  text \n\n", &[]);
    }

    #[test]
    fn a_folder_of_one_machine_is_found() {
        let folder = MACHINE_FOLDERS[0];
        check_lines("a.md", &format!("see {folder}main\nand http://x{folder}y\n"), &[1]);
        check_lines("a.md", &format!("\"{folder}\"\n"), &[1]);
    }

    #[test]
    fn a_package_registry_is_found() {
        check_lines("a.md", &format!("get it from {}\n", REGISTRIES[2]), &[1]);
    }

    #[test]
    fn a_secret_is_found_outside_of_tests() {
        let key = format!("{API_KEY}{}\n", "0123456789".repeat(4));
        check_lines("docs/a.md", &key, &[1]);
        check_lines("tests/api/a.rs", &format!("// {key}"), &[]);
        check_lines("docs/a.md", &format!("{API_KEY}0123…\n"), &[]);
        check_lines("a.sample", &format!("{SECRET_KEY}{}\n", "ab".repeat(32)), &[1]);
        check_lines("a.sample", &format!("{SECRET_KEY}\n"), &[]);
    }
}
