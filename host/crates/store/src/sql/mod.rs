//! The catalogue: every fixed statement, named, in the dialects we speak.
//!
//! `any` marks a statement that all three databases understand as it is; `sqlite` one that another
//! database will need in its own words. Lists with filters are put together in [`crate::page`] from
//! the parts kept here. Placeholders are `$1, $2, ...`, each used once and in order, so that a dialect
//! with `?` can be had by rewriting; the compiler refuses anything else.

pub(crate) mod account;
pub(crate) mod channel;
pub(crate) mod ingest;
pub(crate) mod keep;
pub(crate) mod outbox;
pub(crate) mod plugin;
pub(crate) mod provider;
pub(crate) mod read;
pub(crate) mod run;
pub(crate) mod sealed;

use std::fmt::Write as _;

/// One statement of the catalogue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    /// What it is called in logs and tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests; `db.operation.name` of spans later"))]
    pub(crate) name: &'static str,
    /// Its text.
    pub(crate) text: &'static str,
    /// How many parameters it has.
    pub(crate) parameters: usize,
}

impl Sql {
    /// Refuses placeholders that are not `$1, $2, ...`, each once and in order.
    pub(crate) const fn new(name: &'static str, text: &'static str) -> Self {
        let mut rest = text.as_bytes();
        let mut last = 0;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first != b'$' {
                continue;
            }
            let mut number = 0;
            while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
                number = number * 10 + (*digit - b'0') as usize;
                rest = after;
            }
            assert!(number == last + 1, "placeholders must be $1, $2, ... each once and in order");
            last = number;
        }
        Self { name, text, parameters: last }
    }
}

/// Adds a statement to others that are sent with it, behind so many placeholders of theirs.
pub(crate) fn append(joined: &mut String, sql: Sql, before: usize) {
    let mut pieces = sql.text.split('$');
    joined.push_str(pieces.next().unwrap_or_default());
    for (number, piece) in (before + 1..).zip(pieces) {
        let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let _infallible = write!(joined, "${number}{rest}");
    }
    joined.push_str(";\n");
}

/// Declares statements, and `ALL` of them for the tests.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = { $dialect:ident: $text:expr })+) => {
        $($(#[$doc])* pub(crate) const $name: $crate::sql::Sql = $crate::sql::statements!(@ $dialect $name $text);)+

        /// Every statement above.
        #[cfg(test)]
        pub(crate) const ALL: &[$crate::sql::Sql] = &[$($name),+];
    };
    (@ any $name:ident $text:expr) => { $crate::sql::Sql::new(stringify!($name), $text) };
    (@ sqlite $name:ident $text:expr) => { $crate::sql::Sql::new(stringify!($name), $text) };
}
pub(crate) use statements;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_joined_statements_count_through() {
        let (first, second) = (Sql::new("A", "SELECT $1, $2 + 1"), Sql::new("B", "SELECT $1"));
        let mut joined = String::new();
        append(&mut joined, first, 0);
        append(&mut joined, second, first.parameters);
        assert_eq!(joined, "SELECT $1, $2 + 1;\nSELECT $3;\n");
    }
}
