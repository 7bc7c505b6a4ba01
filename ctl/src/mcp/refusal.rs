//! Why a tool does not answer: one line that says what to do.

use crate::{error::Error, mcp::clean};

/// What goes to the client in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// From a sentence of ours.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The line, without what could hurt a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        clean::text(&self.0)
    }
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        match e {
            Error::Query { message } => Self(format!(
                "query: {message}; the resource ingero://schema lists the views and their columns"
            )),
            e => Self(e.to_string()),
        }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(e: rusqlite::Error) -> Self {
        match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => {
                Self("stopped: it took too long or was cancelled; ask for a shorter time".to_owned())
            }
            _ => Self(format!("database: {e}; make it again with `ingeroctl convert` if it is damaged")),
        }
    }
}
