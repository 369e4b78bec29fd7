//! One way to ask three databases, and how columns become values.
//!
//! Nothing but this module and [`crate::open`] tells the drivers apart. A statement names its parameters
//! once; what it is asked of decides in which dialect it is sent.

mod columns;
mod pool;
mod query;
mod value;

pub(crate) use columns::{Columns, Row, readable, to_json};
pub(crate) use pool::{Connection, Pool, Transaction};
pub(crate) use query::{Query, Text, fixed, query};
pub(crate) use value::{Value, arguments};

/// A kind of database, by how it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    Mysql,
}

impl Dialect {
    /// Whether several hosts write at once: what a change rests on has to be locked.
    pub(crate) const fn is_server(self) -> bool {
        !matches!(self, Self::Sqlite)
    }
}
