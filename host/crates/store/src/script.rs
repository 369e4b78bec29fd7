//! Several statements that are sent at once.
//!
//! Each connection to SQLite has a thread of its own, and every statement is a trip there and back that
//! costs as much as writing a few rows. So what one step reads or changes goes in one. They are not a
//! transaction by themselves.

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Either, Encode, Executor as _, Type};

use crate::db::{Arguments, Connection, Db, Row};
use crate::error::StoreError;
use crate::sql::{self, Sql};

/// Room for the text of most steps, in bytes.
const USUAL_LENGTH: usize = 2048;

/// Statements with their parameters.
pub(crate) struct Script {
    text: String,
    statements: usize,
    /// How many parameters they have together.
    parameters: usize,
    arguments: Result<Arguments, sqlx::error::BoxDynError>,
}

impl Script {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            text: String::with_capacity(USUAL_LENGTH),
            statements: 0,
            parameters: 0,
            arguments: Ok(Arguments::default()),
        }
    }

    /// Adds a statement; its parameters are bound next.
    pub(crate) fn then(mut self, sql: Sql) -> Self {
        sql::append(&mut self.text, sql, self.parameters);
        self.statements += 1;
        self.parameters += sql.parameters;
        self
    }

    /// How many statements there are.
    pub(crate) const fn len(&self) -> usize {
        self.statements
    }

    /// Binds the next parameter.
    pub(crate) fn bind<'t, T: Encode<'t, Db> + Type<Db>>(mut self, value: T) -> Self {
        use sqlx::Arguments as _;
        if let Ok(arguments) = &mut self.arguments
            && let Err(error) = arguments.add(value)
        {
            self.arguments = Err(error);
        }
        self
    }

    /// Sends them, and says what came of each.
    pub(crate) async fn send(self, connection: &mut Connection) -> Result<Results, sqlx::Error> {
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        // Nothing but statements of the catalogue is in it.
        let query = sqlx::query_with(AssertSqlSafe(self.text), arguments);
        let mut stream = connection.fetch_many(query);
        let (mut results, mut rows) = (Vec::new(), Vec::new());
        while let Some(step) = stream.try_next().await? {
            match step {
                Either::Right(row) => rows.push(row),
                Either::Left(done) => {
                    results.push(Came { rows: std::mem::take(&mut rows), changed: done.rows_affected() })
                }
            }
        }
        Ok(Results(results.into_iter()))
    }
}

/// What came of one statement.
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
