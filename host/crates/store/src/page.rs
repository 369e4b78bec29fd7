//! Keyset pages: lists that stay right while rows are added, and cost the same on every page.

use std::fmt::{Display, Write as _};
use std::str::FromStr;

use crate::db::{Query, Row, Text, Value};
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
    text: String,
    values: Vec<Value>,
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
        let mut list = Self { text: start.to_owned(), values: Vec::new(), limit };
        if let Some(cursor) = &page.cursor {
            let id: Id = decode(cursor)?;
            list.push(&[" AND ", key, " < "]);
            list.push_bind(id.to_string());
        }
        Ok(list)
    }

    /// Adds `condition`, which ends where the value belongs, if there is a value.
    pub(crate) fn filter<T: Display>(&mut self, condition: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.push(&[" AND ", condition]);
            self.push_bind(value.to_string());
        }
    }

    /// Adds `first value second value last`, if there is a value.
    pub(crate) fn filter_twice<T: Display>(&mut self, parts: [&'static str; 3], value: Option<T>) {
        if let Some(value) = value {
            let [first, second, last] = parts;
            self.push(&[" AND ", first]);
            self.push_bind(value.to_string());
            self.push(&[second]);
            self.push_bind(value.to_string());
            self.push(&[last]);
        }
    }

    /// Ends the statement with its order and one row more than wanted.
    fn finish(mut self, key: &'static str) -> (Query, usize) {
        self.push(&[" ORDER BY ", key, " DESC LIMIT "]);
        self.push_bind(i64::from(self.limit) + 1);
        (Query { text: Text::Built(self.text), values: self.values }, self.limit as usize)
    }

    /// Only what is constant: it is not looked at.
    fn push(&mut self, parts: &[&'static str]) {
        self.text.extend(parts.iter().copied());
    }

    fn push_bind(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
        let _infallible = write!(self.text, "${}", self.values.len());
    }

    /// The statement, for tests.
    #[cfg(test)]
    pub(crate) fn text(self, key: &'static str) -> String {
        match self.finish(key).0.text {
            Text::Built(text) => text,
            Text::Catalogue(_) | Text::Fixed(_) => unreachable!(),
        }
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
        let (query, limit) = list.finish(key);
        let rows = query.fetch_all(&self.inner.readers).await.doing(doing)?;
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
