//! Several statements that are sent at once.
//!
//! Each connection to SQLite has a thread of its own, and every statement is a trip there and back that
//! costs as much as writing a few rows. So what one step reads or changes goes in one. Servers take one
//! prepared statement at a time. They are not a transaction by themselves.
//!
//! A statement that the database has no words for is passed over: most of those lock what needs no lock where
//! there is one writer. It has a result all the same, which is empty.

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Either, Sqlite};

use crate::db::{Connection, Dialect, Query, Row, Text, Value, arguments};
use crate::error::StoreError;
use crate::sql::{self, Sql};

/// Room for the text of most steps, in bytes.
const USUAL_LENGTH: usize = 2048;
/// Room for the statements and the parameters of most steps.
const USUAL_STATEMENTS: usize = 8;
const USUAL_PARAMETERS: usize = 32;

/// Statements with their parameters.
pub(crate) struct Script {
    statements: Vec<Sql>,
    /// Of all of them, one after the other.
    values: Vec<Value>,
}

impl Script {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            statements: Vec::with_capacity(USUAL_STATEMENTS),
            values: Vec::with_capacity(USUAL_PARAMETERS),
        }
    }

    /// Adds a statement; its parameters are bound next.
    pub(crate) fn then(mut self, sql: Sql) -> Self {
        self.statements.push(sql);
        self
    }

    /// How many statements there are.
    pub(crate) const fn len(&self) -> usize {
        self.statements.len()
    }

    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Sends them, and says what came of each.
    pub(crate) async fn send(self, connection: &mut Connection) -> Result<Results, sqlx::Error> {
        let results = match connection {
            Connection::Sqlite(tx) => self.send_joined(tx).await,
            server => self.send_each(server).await,
        };
        Ok(Results(results?.into_iter()))
    }

    /// All in one trip.
    async fn send_joined(self, connection: &mut sqlx::SqliteConnection) -> Result<Vec<Came>, sqlx::Error> {
        use sqlx::Executor as _;
        let mut text = String::with_capacity(USUAL_LENGTH);
        let mut parameters = 0;
        for sql in &self.statements {
            if let Some(words) = sql.text(Dialect::Sqlite) {
                sql::append(&mut text, words, parameters);
            }
            // Those of one that is passed over are bound to nothing.
            parameters += sql.parameters;
        }
        let arguments = arguments::<Sqlite>(self.values.into_iter()).map_err(sqlx::Error::Encode)?;
        // Nothing but statements of the catalogue is in it.
        let mut stream = connection.fetch_many(sqlx::query_with(AssertSqlSafe(text), arguments));
        let (mut results, mut rows) = (Vec::with_capacity(self.statements.len()), Vec::new());
        let mut statements = self.statements.iter();
        while let Some(step) = stream.try_next().await? {
            match step {
                Either::Right(row) => rows.push(row.into()),
                Either::Left(done) => {
                    let passed_over =
                        statements.by_ref().take_while(|sql| sql.text(Dialect::Sqlite).is_none());
                    results.extend(passed_over.map(|_| Came::default()));
                    results.push(Came { rows: std::mem::take(&mut rows), changed: done.rows_affected() });
                }
            }
        }
        results.extend(statements.map(|_| Came::default()));
        Ok(results)
    }

    /// One after the other.
    async fn send_each(self, connection: &mut Connection) -> Result<Vec<Came>, sqlx::Error> {
        let mut values = self.values.into_iter();
        let mut results = Vec::with_capacity(self.statements.len());
        for sql in self.statements {
            let values = values.by_ref().take(sql.parameters).collect();
            if sql.text(connection.dialect()).is_none() {
                results.push(Came::default());
                continue;
            }
            let (rows, done) = Query { text: Text::Catalogue(sql), values }.run(&mut *connection).await?;
            results.push(Came { rows, changed: done.rows_affected() });
        }
        Ok(results)
    }
}

/// What came of one statement.
#[derive(Default)]
struct Came {
    rows: Vec<Row>,
    changed: u64,
}

/// What came of each statement, in their order.
pub(crate) struct Results(std::vec::IntoIter<Came>);

impl Results {
    /// Passes over so many whose results do not matter.
    pub(crate) fn skip(&mut self, statements: usize) {
        self.0.by_ref().take(statements).for_each(drop);
    }

    /// How many rows the next one changed.
    pub(crate) fn changed(&mut self) -> u64 {
        self.0.next().map_or(0, |came| came.changed)
    }

    /// The rows that the next one found.
    pub(crate) fn rows(&mut self) -> Vec<Row> {
        self.0.next().map(|came| came.rows).unwrap_or_default()
    }

    /// The one row that the next one found.
    pub(crate) fn row(&mut self) -> Result<Row, StoreError> {
        let row = self.rows().into_iter().next();
        row.ok_or_else(|| StoreError::Corrupt { what: "a row that has to be there is missing".to_owned() })
    }
}
