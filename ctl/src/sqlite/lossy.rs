//! Text that need not be UTF-8: names come from processes, which may call themselves anything.

use rusqlite::types::{FromSql, FromSqlResult, ValueRef};

/// A column's text; what is not UTF-8 in it is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lossy(pub String);

impl FromSql for Lossy {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(String::from_utf8_lossy(value.as_bytes()?).into_owned()))
    }
}
