//! A statement with its parameters, sent in the dialect of whom it is asked.

use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Database, Either, Executor, IntoArguments, MySql, Postgres, SqlSafeStr as _, SqlStr,
    Sqlite,
};

use super::pool::in_time;
use super::{Connection, Dialect, Pool, Row, Value, arguments};
use crate::sql::{self, Sql};

/// Makes a statement of the catalogue ready for its parameters.
pub(crate) fn query(sql: Sql) -> Query {
    Query { text: Text::Catalogue(sql), values: Vec::with_capacity(sql.parameters) }
}

/// Makes a statement outside of the catalogue ready that all databases understand.
pub(crate) const fn fixed(text: &'static str) -> Query {
    Query { text: Text::Fixed(text), values: Vec::new() }
}

/// The text of a statement, with placeholders `$1, $2, ...`.
#[derive(Debug)]
pub(crate) enum Text {
    /// Of the catalogue.
    Catalogue(Sql),
    /// Outside of it.
    Fixed(&'static str),
    /// Put together of constant parts.
    Built(String),
}

impl Text {
    /// The text in a dialect.
    fn of(self, dialect: Dialect) -> Result<SqlStr, sqlx::Error> {
        match (self, dialect) {
            (Self::Catalogue(sql), _) => sql.words(dialect).map(|text| text.into_sql_str()),
            (Self::Fixed(text), Dialect::Mysql) => {
                Ok(AssertSqlSafe(sql::with_question_marks(text)).into_sql_str())
            }
            (Self::Fixed(text), _) => Ok(text.into_sql_str()),
            (Self::Built(text), Dialect::Mysql) => {
                Ok(AssertSqlSafe(sql::with_question_marks(&text)).into_sql_str())
            }
            (Self::Built(text), _) => Ok(AssertSqlSafe(text).into_sql_str()),
        }
    }
}

/// A statement with its parameters.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) text: Text,
    pub(crate) values: Vec<Value>,
}

/// What a statement did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done(u64);

impl Done {
    /// How many rows it changed: those that it found, the same as before or not.
    pub(crate) const fn rows_affected(self) -> u64 {
        self.0
    }
}

/// Whom a statement is asked: any connection, or the one of a transaction.
pub(crate) enum Asked<'c> {
    Pool(&'c Pool),
    Connection(&'c mut Connection),
}

impl<'c> From<&'c Pool> for Asked<'c> {
    fn from(pool: &'c Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'c> From<&'c mut Connection> for Asked<'c> {
    fn from(connection: &'c mut Connection) -> Self {
        Self::Connection(connection)
    }
}

/// Calls a function of a driver with its executor, the text in its dialect and the parameters.
macro_rules! ask {
    ($asked:expr, $query:expr, $function:ident) => {{
        let Query { text, values } = $query;
        match $asked.into() {
            Asked::Pool(Pool::Sqlite(pool)) => $function::<Sqlite, _>(pool, text, values).await,
            Asked::Pool(Pool::Postgres(pool)) => in_time($function::<Postgres, _>(pool, text, values)).await,
            Asked::Pool(Pool::Mysql(pool)) => in_time($function::<MySql, _>(pool, text, values)).await,
            Asked::Connection(Connection::Sqlite(tx)) => {
                $function::<Sqlite, _>(&mut **tx, text, values).await
            }
            Asked::Connection(Connection::Postgres(tx)) => {
                in_time($function::<Postgres, _>(&mut **tx, text, values)).await
            }
            Asked::Connection(Connection::Mysql(tx)) => {
                in_time($function::<MySql, _>(&mut **tx, text, values)).await
            }
        }
    }};
}

impl Query {
    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it in a transaction of a database that has words for it; most that lock have none for a file.
    pub(crate) async fn if_spoken(self, connection: &mut Connection) -> Result<Vec<Row>, sqlx::Error> {
        match &self.text {
            Text::Catalogue(sql) if sql.text(connection.dialect()).is_none() => Ok(Vec::new()),
            _ => self.fetch_all(connection).await,
        }
    }

    /// Runs it for what it changes.
    pub(crate) async fn execute<'c>(self, asked: impl Into<Asked<'c>>) -> Result<Done, sqlx::Error> {
        ask!(asked, self, execute)
    }

    /// The rows that it finds.
    pub(crate) async fn fetch_all<'c>(self, asked: impl Into<Asked<'c>>) -> Result<Vec<Row>, sqlx::Error> {
        ask!(asked, self, fetch_all)
    }

    /// The first row that it finds.
    pub(crate) async fn fetch_optional<'c>(
        self,
        asked: impl Into<Asked<'c>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        ask!(asked, self, fetch_optional)
    }

    /// The rows that it finds, and what it changes: for who does not know which it does.
    pub(crate) async fn run<'c>(self, asked: impl Into<Asked<'c>>) -> Result<(Vec<Row>, Done), sqlx::Error> {
        ask!(asked, self, run)
    }

    /// The first row that it finds, where there must be one.
    pub(crate) async fn fetch_one<'c>(self, asked: impl Into<Asked<'c>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(asked).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// What is the driver's own.
trait Driver:
    Database<Row: Into<Row>, Arguments: IntoArguments<Self>> + sqlx::database::HasStatementCache
{
    const DIALECT: Dialect;

    /// Makes parameters of values.
    fn arguments(values: Vec<Value>) -> Result<Self::Arguments, sqlx::error::BoxDynError>;

    /// How many rows a statement changed.
    fn changed(result: &Self::QueryResult) -> u64;
}

macro_rules! driver {
    ($($driver:ty: $dialect:ident),+) => { $(
        impl Driver for $driver {
            const DIALECT: Dialect = Dialect::$dialect;

            fn arguments(values: Vec<Value>) -> Result<Self::Arguments, sqlx::error::BoxDynError> {
                arguments::<Self>(values.into_iter())
            }

            fn changed(result: &Self::QueryResult) -> u64 {
                result.rows_affected()
            }
        }
    )+ };
}

driver!(Sqlite: Sqlite, Postgres: Postgres, MySql: Mysql);

type Native<DB> = sqlx::query::Query<'static, DB, <DB as Database>::Arguments>;

fn native<DB: Driver>(text: Text, values: Vec<Value>) -> Result<Native<DB>, sqlx::Error> {
    let values = match &text {
        Text::Catalogue(sql) => sql.ordered(DB::DIALECT, values),
        Text::Fixed(_) | Text::Built(_) => values,
    };
    let arguments = DB::arguments(values).map_err(sqlx::Error::Encode)?;
    Ok(sqlx::query_with(text.of(DB::DIALECT)?, arguments))
}

async fn execute<'c, DB: Driver, E: Executor<'c, Database = DB>>(
    executor: E,
    text: Text,
    values: Vec<Value>,
) -> Result<Done, sqlx::Error> {
    let result = native::<DB>(text, values)?.execute(executor).await?;
    Ok(Done(DB::changed(&result)))
}

async fn fetch_all<'c, DB: Driver, E: Executor<'c, Database = DB>>(
    executor: E,
    text: Text,
    values: Vec<Value>,
) -> Result<Vec<Row>, sqlx::Error> {
    native::<DB>(text, values)?.fetch(executor).map_ok(Into::into).try_collect().await
}

async fn run<'c, DB: Driver, E: Executor<'c, Database = DB>>(
    executor: E,
    text: Text,
    values: Vec<Value>,
) -> Result<(Vec<Row>, Done), sqlx::Error> {
    let mut stream = executor.fetch_many(native::<DB>(text, values)?);
    let (mut rows, mut changed) = (Vec::new(), 0);
    while let Some(step) = stream.try_next().await? {
        match step {
            Either::Right(row) => rows.push(row.into()),
            Either::Left(done) => changed += DB::changed(&done),
        }
    }
    Ok((rows, Done(changed)))
}

async fn fetch_optional<'c, DB: Driver, E: Executor<'c, Database = DB>>(
    executor: E,
    text: Text,
    values: Vec<Value>,
) -> Result<Option<Row>, sqlx::Error> {
    Ok(native::<DB>(text, values)?.fetch_optional(executor).await?.map(Into::into))
}
