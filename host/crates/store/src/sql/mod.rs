//! The catalogue: every fixed statement, named, in the dialects we speak.
//!
//! `any` marks what all databases understand as it is; beside it or without it stand one's own words.
//! Lists with filters are put together in [`crate::page`] from the parts kept here. Placeholders are
//! `$1, $2, ...`, each used once and in order, so that they can be rewritten as `?` for MySQL; the
//! compiler refuses anything else.

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

use crate::db::Dialect;

/// One statement of the catalogue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    /// What it is called in errors and tests.
    pub(crate) name: &'static str,
    /// How many parameters it has.
    pub(crate) parameters: usize,
    sqlite: Option<&'static str>,
    postgres: Option<&'static str>,
    /// With `?` for placeholders.
    mysql: Option<&'static str>,
}

impl Sql {
    /// Refuses placeholders that are not `$1, $2, ...`, each once and in order, and dialects that have
    /// different numbers of them.
    pub(crate) const fn new(
        name: &'static str,
        sqlite: Option<&'static str>,
        postgres: Option<&'static str>,
        mysql: Option<&'static str>,
    ) -> Self {
        let mut parameters = None;
        let texts = [sqlite, postgres];
        let mut texts = texts.as_slice();
        while let Some((text, rest)) = texts.split_first() {
            texts = rest;
            if let Some(text) = text {
                let found = placeholders(text);
                assert!(
                    parameters.is_none() || matches!(parameters, Some(n) if n == found),
                    "as many everywhere"
                );
                parameters = Some(found);
            }
        }
        if let Some(text) = mysql {
            let found = question_marks(text);
            assert!(
                parameters.is_none() || matches!(parameters, Some(n) if n == found),
                "as many everywhere"
            );
            parameters = Some(found);
        }
        let parameters = match parameters {
            Some(found) => found,
            None => 0,
        };
        Self { name, parameters, sqlite, postgres, mysql }
    }

    /// Its text for a database that has a use for it.
    pub(crate) fn words(self, dialect: Dialect) -> Result<&'static str, sqlx::Error> {
        let missing = || sqlx::Error::Protocol(format!("{} is no statement of {dialect:?}", self.name));
        self.text(dialect).ok_or_else(missing)
    }

    /// Its text for a database; none where that has no use for it.
    pub(crate) const fn text(self, dialect: Dialect) -> Option<&'static str> {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
            Dialect::Mysql => self.mysql,
        }
    }
}

/// How many placeholders there are; they must be `$1, $2, ...`, each once and in order.
const fn placeholders(text: &str) -> usize {
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
    last
}

const fn question_marks(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut found = 0;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'?' {
            found += 1;
        }
    }
    found
}

/// How long a text is with `?` in place of `$1, $2, ...`.
pub(crate) const fn length_with_question_marks(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut length = 0;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        length += 1;
        if *first == b'$' {
            while let Some((b'0'..=b'9', after)) = rest.split_first() {
                rest = after;
            }
        }
    }
    length
}

/// The bytes of a text with `?` in place of `$1, $2, ...`.
pub(crate) const fn bytes_with_question_marks<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    placeholders(text);
    let mut bytes = [0; LENGTH];
    let mut left = bytes.as_mut_slice();
    let mut rest = text.as_bytes();
    while let (Some((first, after)), Some((place, others))) = (rest.split_first(), left.split_first_mut()) {
        rest = after;
        left = others;
        *place = *first;
        if *first == b'$' {
            *place = b'?';
            while let Some((b'0'..=b'9', after)) = rest.split_first() {
                rest = after;
            }
        }
    }
    bytes
}

/// The bytes that [`bytes_with_question_marks`] made, as text.
pub(crate) const fn text_of(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Only digits were taken out of a text.
        Err(_) => "",
    }
}

/// The same for a text that was put together.
pub(crate) fn with_question_marks(text: &str) -> String {
    let mut pieces = text.split('$');
    let mut changed = String::with_capacity(text.len());
    changed.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        changed.push('?');
        changed.push_str(piece.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    }
    changed
}

/// Adds a statement to others that are sent with it, behind so many placeholders of theirs.
pub(crate) fn append(joined: &mut String, text: &str, before: usize) {
    let mut pieces = text.split('$');
    joined.push_str(pieces.next().unwrap_or_default());
    for (number, piece) in (before + 1..).zip(pieces) {
        let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let _infallible = write!(joined, "${number}{rest}");
    }
    joined.push_str(";\n");
}

/// Declares statements, and `ALL` of them for the tests.
///
/// `any` is what all databases understand; `sqlite`, `postgres` and `mysql` are one's own words, beside it or
/// without it. A database without words has no use for the statement.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = { $($dialect:ident: $text:expr),+ $(,)? })+) => {
        $($(#[$doc])* pub(crate) const $name: $crate::sql::Sql = {
            $crate::sql::statements!(@ [$($dialect)+] [$($text,)+]);
            $crate::sql::Sql::new(stringify!($name), SQLITE, POSTGRES, MYSQL)
        };)+

        /// Every statement above.
        #[cfg(test)]
        pub(crate) const ALL: &[$crate::sql::Sql] = &[$($name),+];
    };
    (@ [any] [$any:expr,]) => { $crate::sql::statements!(@@ Some($any), Some($any), Some($any)); };
    (@ [any postgres] [$any:expr, $postgres:expr,]) => {
        $crate::sql::statements!(@@ Some($any), Some($postgres), Some($any));
    };
    (@ [any mysql] [$any:expr, $mysql:expr,]) => {
        $crate::sql::statements!(@@ Some($any), Some($any), Some($mysql));
    };
    (@ [any sqlite] [$any:expr, $sqlite:expr,]) => {
        $crate::sql::statements!(@@ Some($sqlite), Some($any), Some($any));
    };
    (@ [any postgres mysql] [$any:expr, $postgres:expr, $mysql:expr,]) => {
        $crate::sql::statements!(@@ Some($any), Some($postgres), Some($mysql));
    };
    (@ [sqlite] [$sqlite:expr,]) => { $crate::sql::statements!(@@ Some($sqlite), None, None); };
    (@ [postgres] [$postgres:expr,]) => { $crate::sql::statements!(@@ None, Some($postgres), None); };
    (@ [mysql] [$mysql:expr,]) => { $crate::sql::statements!(@@ None, None, Some($mysql)); };
    (@ [sqlite postgres] [$sqlite:expr, $postgres:expr,]) => {
        $crate::sql::statements!(@@ Some($sqlite), Some($postgres), None);
    };
    (@ [postgres mysql] [$postgres:expr, $mysql:expr,]) => {
        $crate::sql::statements!(@@ None, Some($postgres), Some($mysql));
    };
    (@ [sqlite postgres mysql] [$sqlite:expr, $postgres:expr, $mysql:expr,]) => {
        $crate::sql::statements!(@@ Some($sqlite), Some($postgres), Some($mysql));
    };
    (@@ $sqlite:expr, $postgres:expr, $mysql:expr) => {
        const SQLITE: Option<&str> = $sqlite;
        const POSTGRES: Option<&str> = $postgres;
        const MYSQL: Option<&str> = {
            const TEXT: Option<&str> = $mysql;
            const LENGTH: usize = match TEXT {
                Some(text) => $crate::sql::length_with_question_marks(text),
                None => 0,
            };
            const BYTES: [u8; LENGTH] = match TEXT {
                Some(text) => $crate::sql::bytes_with_question_marks(text),
                None => [0; LENGTH],
            };
            match TEXT {
                Some(_) => Some($crate::sql::text_of(&BYTES)),
                None => None,
            }
        };
    };
}
pub(crate) use statements;

#[cfg(test)]
mod tests {
    use super::*;

    statements! {
        /// One text for all.
        A = { any: "SELECT $1, $2 + 1" }

        /// Its own words for each.
        B = { sqlite: "SELECT $1", postgres: "SELECT $1::bigint", mysql: "SELECT CAST($1 AS SIGNED)" }

        /// Of one only.
        C = { sqlite: "SELECT 1" }
    }

    #[test]
    fn placeholders_of_joined_statements_count_through() {
        let mut joined = String::new();
        append(&mut joined, A.text(Dialect::Sqlite).unwrap(), 0);
        append(&mut joined, B.text(Dialect::Sqlite).unwrap(), A.parameters);
        assert_eq!(joined, "SELECT $1, $2 + 1;\nSELECT $3;\n");
    }

    #[test]
    fn each_database_has_its_words() {
        assert_eq!(A.text(Dialect::Postgres), A.text(Dialect::Sqlite));
        assert_eq!(A.text(Dialect::Mysql), Some("SELECT ?, ? + 1"));
        assert_eq!(B.text(Dialect::Postgres), Some("SELECT $1::bigint"));
        assert_eq!(B.text(Dialect::Mysql), Some("SELECT CAST(? AS SIGNED)"));
        assert_eq!((C.text(Dialect::Postgres), C.text(Dialect::Mysql)), (None, None));
        assert_eq!(ALL.iter().map(|sql| sql.parameters).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(with_question_marks("a = $1 AND b < $12"), "a = ? AND b < ?");
    }
}
