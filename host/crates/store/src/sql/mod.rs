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
        Self { name, text }
    }
}

/// Joins statements into one text that is sent at once: with SQLite each trip to the thread of its own
/// costs as much as writing a few rows. Their placeholders count through.
pub(crate) fn join(statements: &[Sql]) -> String {
    let mut joined = String::new();
    let mut before = 0;
    for sql in statements {
        let mut pieces = sql.text.split('$');
        joined.push_str(pieces.next().unwrap_or_default());
        let mut placeholders = 0;
        for piece in pieces {
            placeholders += 1;
            let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let _infallible = write!(joined, "${}{rest}", before + placeholders);
        }
        before += placeholders;
        joined.push_str(";\n");
    }
    joined
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
        assert_eq!(join(&[first, second]), "SELECT $1, $2 + 1;\nSELECT $3;\n");
    }
}
