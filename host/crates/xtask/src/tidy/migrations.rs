//! The same migrations, by number and name, for every database.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::{Finding, Source};

/// Compares the folders under `migrations/` that there are.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut files: BTreeMap<&str, BTreeMap<&str, &Source>> = BTreeMap::new();
    let mut findings = Vec::new();
    for source in sources {
        let Some((dialect, file)) =
            source.path.strip_prefix("migrations/").and_then(|path| path.split_once('/'))
        else {
            continue;
        };
        if !file.ends_with(".sql") {
            continue;
        }
        if number_of(file).is_none() {
            let message =
                "a migration is named by four digits, `_` and what it does, such as `0001_alerts.sql`";
            findings.push(Finding::new(source, 1, message));
        }
        files.entry(dialect).or_default().insert(file, source);
    }
    let all: BTreeSet<&str> = files.values().flat_map(BTreeMap::keys).copied().collect();
    for (dialect, files) in &files {
        for file in all.iter().filter(|file| !files.contains_key(*file)) {
            // Said where the folder's last migration is: the missing one has no place of its own.
            let Some(source) = files.values().next_back() else { continue };
            findings.push(Finding::new(
                source,
                1,
                format!("`{dialect}` has no migration `{file}`: write it"),
            ));
        }
        for ((expected, file), source) in (1..).zip(files.keys()).zip(files.values()) {
            if number_of(file).is_some_and(|number| number != expected) {
                let message = format!("number {expected:04} was expected here: numbers go up by one");
                findings.push(Finding::new(source, 1, message));
            }
        }
    }
    findings
}

/// The number of a file named `0001_what_it_does.sql`.
fn number_of(file: &str) -> Option<u32> {
    let (number, name) = file.strip_suffix(".sql")?.split_once('_')?;
    let is_named = !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter));
    if number.len() == 4 && is_named { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn check_files(files: &[&str], findings: &[&str]) {
        let sources: Vec<Source> =
            files.iter().map(|file| source(&format!("migrations/{file}"), "")).collect();
        let found: Vec<String> = check(&sources).into_iter().map(|finding| finding.path).collect();
        let expected: Vec<String> = findings.iter().map(|file| format!("migrations/{file}")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_migration_that_one_database_lacks_is_found() {
        check_files(&["sqlite/0001_a.sql", "sqlite/0002_b.sql", "mysql/0001_a.sql"], &["mysql/0001_a.sql"]);
        check_files(&["sqlite/0001_a.sql", "mysql/0001_a.sql"], &[]);
    }

    #[test]
    fn a_number_twice_or_left_out_is_found() {
        check_files(&["sqlite/0001_a.sql", "sqlite/0001_b.sql"], &["sqlite/0001_b.sql"]);
        check_files(&["sqlite/0001_a.sql", "sqlite/0003_b.sql"], &["sqlite/0003_b.sql"]);
    }

    #[test]
    fn a_name_without_a_number_is_found() {
        check_files(&["sqlite/first.sql", "sqlite/README.md"], &["sqlite/first.sql"]);
    }
}
