//! The catalogue: every fixed statement, named, in the dialects we speak.
//!
//! `any` marks what all databases understand as it is; beside it or without it stand one's own words.
//! Lists with filters are put together in [`crate::page`] from the parts kept here. Placeholders are
//! `$1, $2, ...`, each used once and in order; the compiler refuses anything else. For MySQL it rewrites
//! them as `?`, and notes in which order its own words use them, and how often.

pub(crate) mod account;
pub(crate) mod channel;
pub(crate) mod host;
pub(crate) mod ingest;
pub(crate) mod keep;
pub(crate) mod outbox;
pub(crate) mod plugin;
pub(crate) mod provider;
pub(crate) mod read;
pub(crate) mod run;
pub(crate) mod sealed;
pub(crate) mod signal;

use std::fmt::Write as _;

use crate::db::{Dialect, Value};

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
    /// Which parameter, counted from 1, each `?` stands for.
    mysql_order: &'static [usize],
}

impl Sql {
    /// Refuses placeholders that are not `$1, $2, ...`, each once and in order, and dialects that have
    /// different numbers of them.
    pub(crate) const fn new(
        name: &'static str,
        sqlite: Option<&'static str>,
        postgres: Option<&'static str>,
        mysql: Option<&'static str>,
        mysql_order: &'static [usize],
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
        if mysql.is_some() {
            let found = highest(mysql_order);
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
        Self { name, parameters, sqlite, postgres, mysql, mysql_order }
    }

    /// Its text for a database that has a use for it.
    pub(crate) fn words(self, dialect: Dialect) -> Result<&'static str, sqlx::Error> {
        let missing = || sqlx::Error::Protocol(format!("{} is no statement of {dialect:?}", self.name));
        self.text(dialect).ok_or_else(missing)
    }

    /// The parameters as its text for a database takes them: `?` have no numbers.
    pub(crate) fn ordered(self, dialect: Dialect, values: Vec<Value>) -> Vec<Value> {
        let in_order = self.mysql_order.iter().copied().eq(1..=self.parameters);
        if dialect != Dialect::Mysql || in_order {
            return values;
        }
        self.mysql_order.iter().filter_map(|number| values.get(number - 1)).cloned().collect()
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

/// The number behind a `$` and what follows it; no number: the `$` means something else, as in a JSON path.
const fn number(mut rest: &[u8]) -> (Option<usize>, &[u8]) {
    let mut number = None;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        let before = match number {
            Some(before) => before,
            None => 0,
        };
        number = Some(before * 10 + (*digit - b'0') as usize);
        rest = after;
    }
    (number, rest)
}

/// How many placeholders there are; they must be `$1, $2, ...`, each once and in order.
const fn placeholders(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut last = 0;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'$'
            && let (Some(number), after) = number(rest)
        {
            rest = after;
            assert!(number == last + 1, "placeholders must be $1, $2, ... each once and in order");
            last = number;
        }
    }
    last
}

/// How many placeholders there are, in any order.
pub(crate) const fn count(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut found = 0;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'$'
            && let (Some(_), after) = number(rest)
        {
            rest = after;
            found += 1;
        }
    }
    found
}

/// The numbers of the placeholders, in the order of the text.
pub(crate) const fn order<const COUNT: usize>(text: &str) -> [usize; COUNT] {
    let mut order = [0; COUNT];
    let mut left = order.as_mut_slice();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'$'
            && let (Some(found), after) = number(rest)
        {
            rest = after;
            let Some((place, others)) = left.split_first_mut() else { break };
            left = others;
            *place = found;
        }
    }
    order
}

/// The highest number; all below it must be there too.
const fn highest(order: &[usize]) -> usize {
    let mut highest = 0;
    while let Some(next) = after(order, highest) {
        assert!(next == highest + 1, "a parameter that no `?` stands for");
        highest = next;
    }
    highest
}

/// The lowest number above another.
const fn after(mut order: &[usize], number: usize) -> Option<usize> {
    let mut lowest = None;
    while let Some((first, rest)) = order.split_first() {
        order = rest;
        let lower = match lowest {
            Some(lowest) => *first < lowest,
            None => true,
        };
        if *first > number && lower {
            lowest = Some(*first);
        }
    }
    lowest
}

/// How long a text is with `?` in place of `$1, $2, ...`.
pub(crate) const fn length_with_question_marks(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut length = 0;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        length += 1;
        if *first == b'$' {
            (_, rest) = number(rest);
        }
    }
    length
}

/// The bytes of a text with `?` in place of `$1, $2, ...`.
pub(crate) const fn bytes_with_question_marks<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let mut left = bytes.as_mut_slice();
    let mut rest = text.as_bytes();
    while let (Some((first, after)), Some((place, others))) = (rest.split_first(), left.split_first_mut()) {
        rest = after;
        left = others;
        *place = *first;
        if *first == b'$'
            && let (Some(_), after) = number(rest)
        {
            rest = after;
            *place = b'?';
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
        let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
        changed.push(if rest.len() < piece.len() { '?' } else { '$' });
        changed.push_str(rest);
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
            $crate::sql::Sql::new(stringify!($name), SQLITE, POSTGRES, MYSQL, MYSQL_ORDER)
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
    (@ [sqlite mysql] [$sqlite:expr, $mysql:expr,]) => {
        $crate::sql::statements!(@@ Some($sqlite), None, Some($mysql));
    };
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
        const TEXT: Option<&str> = $mysql;
        const MYSQL_ORDER: &[usize] = {
            const COUNT: usize = match TEXT {
                Some(text) => $crate::sql::count(text),
                None => 0,
            };
            const ORDER: [usize; COUNT] = match TEXT {
                Some(text) => $crate::sql::order(text),
                None => [0; COUNT],
            };
            &ORDER
        };
        const MYSQL: Option<&str> = {
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

/// A parameter's JSON array as the table `k` of MySQL, with columns named like the members of its objects.
///
/// Texts have no bound, since what does not fit would become NULL; `key` is for what is compared with an
/// index. Their character set is named, because it would be the database's own, which may lack letters.
macro_rules! json_rows {
    ($parameter:literal: $first:ident $first_kind:ident $(, $column:ident $kind:ident)* $(,)?) => {
        concat!(
            "JSON_TABLE(", $parameter, ", '$[*]' COLUMNS (",
            $crate::sql::json_rows!(@ $first_kind $first),
            $(", ", $crate::sql::json_rows!(@ $kind $column),)*
            ")) AS k"
        )
    };
    // A list of texts.
    ($parameter:literal) => {
        concat!(
            "JSON_TABLE(", $parameter, ", '$[*]' COLUMNS (id VARCHAR(255) CHARACTER SET utf8mb4 PATH '$')) AS k"
        )
    };
    (@ text $name:ident) => { $crate::sql::json_rows!(@@ $name "LONGTEXT CHARACTER SET utf8mb4") };
    (@ key $name:ident) => { $crate::sql::json_rows!(@@ $name "VARCHAR(255) CHARACTER SET utf8mb4") };
    (@ json $name:ident) => { $crate::sql::json_rows!(@@ $name "JSON") };
    (@ int $name:ident) => { $crate::sql::json_rows!(@@ $name "BIGINT") };
    (@ flag $name:ident) => { $crate::sql::json_rows!(@@ $name "TINYINT") };
    (@@ $name:ident $kind:literal) => { concat!(stringify!($name), " ", $kind, " PATH '$.", stringify!($name), "'") };
}
pub(crate) use json_rows;

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

        /// In another order, and one twice.
        D = { sqlite: "UPDATE $1 SELECT $2", mysql: "UPDATE (SELECT $2 WHERE '$[*]') SET $1 AND $2" }
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
        assert_eq!(ALL.iter().map(|sql| sql.parameters).collect::<Vec<_>>(), [2, 1, 0, 2]);
        let values = || vec![Value::from(1i64), Value::from(2i64)];
        assert_eq!(D.text(Dialect::Mysql), Some("UPDATE (SELECT ? WHERE '$[*]') SET ? AND ?"));
        assert_eq!(
            D.ordered(Dialect::Mysql, values()),
            [Value::from(2i64), Value::from(1i64), Value::from(2i64)]
        );
        assert_eq!(D.ordered(Dialect::Sqlite, values()), values());
        assert_eq!(with_question_marks("a = $1 AND b < $12"), "a = ? AND b < ?");
    }
}
