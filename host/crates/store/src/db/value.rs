//! Parameters of statements.

use std::borrow::Cow;

use domain::text::without_nul;
use sqlx::error::BoxDynError;
use sqlx::{Database, Encode, Type};

/// A parameter. A NULL has a type too: servers want to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Bool(Option<bool>),
    Text(Option<Cow<'static, str>>),
    Bytes(Option<Vec<u8>>),
}

/// Hands parameters to a driver.
pub(crate) fn arguments<DB: Database>(
    values: impl ExactSizeIterator<Item = Value>,
) -> Result<DB::Arguments, BoxDynError>
where
    Option<i64>: for<'t> Encode<'t, DB> + Type<DB>,
    Option<bool>: for<'t> Encode<'t, DB> + Type<DB>,
    Option<Cow<'static, str>>: for<'t> Encode<'t, DB> + Type<DB>,
    Option<Vec<u8>>: for<'t> Encode<'t, DB> + Type<DB>,
{
    use sqlx::Arguments as _;
    let mut arguments = DB::Arguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value),
            Value::Bool(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
        }?;
    }
    Ok(arguments)
}

macro_rules! from {
    ($($kind:ident: $($from:ty),+;)+) => { $($(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$kind(Some(value.into()))
            }
        }

        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$kind(value.map(Into::into))
            }
        }
    )+)+ };
}

from! {
    Int: i64, i32, u32;
    Bool: bool;
    Bytes: Vec<u8>;
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<Option<&'static str>> for Value {
    fn from(value: Option<&'static str>) -> Self {
        Self::Text(value.map(Into::into))
    }
}

// What people, plugins and remotes wrote may hold U+0000, which PostgreSQL refuses.
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(without_nul(value).into()))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(|text| without_nul(text).into()))
    }
}
