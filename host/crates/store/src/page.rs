//! Keyset pages: lists that stay right while rows are added, and cost the same on every page.

use std::fmt::Display;
use std::str::FromStr;

use sqlx::QueryBuilder;

use crate::db::{Db, Row};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;

/// The most items of one page.
pub const MAX_PAGE: u32 = 1000;

/// Which part of a list is wanted. Lists are newest first: in falling order of identifiers, which is
/// the order in which things were made.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// How many items; 0 stands for 100, and more than [`MAX_PAGE`] for that.
    pub limit: u32,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// One part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to ask the next page with; none at the end.
    pub next: Option<String>,
}

/// A list under construction: the constant start of a statement, then conditions.
pub(crate) struct List {
    builder: QueryBuilder<Db>,
    limit: u32,
}

impl List {
    /// `start` ends in conditions; `key` is the column of the identifier, such as `a.id`.
    pub(crate) fn new<Id: FromStr + Display>(
        start: &'static str,
        key: &'static str,
        page: &PageRequest,
    ) -> Result<Self, StoreError> {
        let limit = match page.limit {
            0 => 100,
            wanted => wanted.min(MAX_PAGE),
        };
        let mut builder = QueryBuilder::new(start);
        if let Some(cursor) = &page.cursor {
            let id: Id = decode(cursor)?;
            builder.push(" AND ").push(key).push(" < ").push_bind(id.to_string());
        }
        Ok(Self { builder, limit })
    }

    /// Adds `condition`, which ends where the value belongs, if there is a value.
    pub(crate) fn filter<T: Display>(&mut self, condition: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.builder.push(" AND ").push(condition).push_bind(value.to_string());
        }
    }

    /// Adds `first value second value last`, if there is a value.
    pub(crate) fn filter_twice<T: Display>(&mut self, parts: [&'static str; 3], value: Option<T>) {
        if let Some(value) = value {
            let [first, second, last] = parts;
            self.builder.push(" AND ").push(first).push_bind(value.to_string());
            self.builder.push(second).push_bind(value.to_string()).push(last);
        }
    }

    /// Ends the statement with its order and one row more than wanted.
    fn finish(mut self, key: &'static str) -> (QueryBuilder<Db>, usize) {
        self.builder.push(" ORDER BY ").push(key).push(" DESC LIMIT ").push_bind(i64::from(self.limit) + 1);
        (self.builder, self.limit as usize)
    }

    /// The statement, for tests.
    #[cfg(test)]
    pub(crate) fn text(self, key: &'static str) -> String {
        self.finish(key).0.into_string()
    }
}

impl Store {
    /// Reads one page of a list.
    pub(crate) async fn page<T, Id: Display>(
        &self,
        doing: &'static str,
        list: List,
        key: &'static str,
        read: impl Fn(&Row) -> Result<T, StoreError>,
        id: impl Fn(&T) -> Id,
    ) -> Result<Page<T>, StoreError> {
        let (mut builder, limit) = list.finish(key);
        let rows = builder.build().fetch_all(&self.inner.readers).await.doing(doing)?;
        let more = rows.len() > limit;
        let items: Vec<T> = rows.iter().take(limit).map(read).collect::<Result<_, _>>()?;
        let next = items.last().filter(|_| more).map(|last| encode(&id(last)));
        Ok(Page { items, next })
    }
}

/// Cursors say nothing to the caller, so that what is in them can change.
fn encode(id: &impl Display) -> String {
    hex::encode(format!("1{id}"))
}

fn decode<Id: FromStr>(cursor: &str) -> Result<Id, StoreError> {
    let bytes = hex::decode(cursor).map_err(|_| StoreError::BadCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| StoreError::BadCursor)?;
    text.strip_prefix('1').and_then(|id| id.parse().ok()).ok_or(StoreError::BadCursor)
}
