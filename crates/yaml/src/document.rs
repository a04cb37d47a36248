//! What a reader gets back: a document with its value, places in the text, and errors that name a place.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::reader;

/// A place in the text that was read; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", position.map(|p| format!("{p}: ")).unwrap_or_default())]
pub struct Error {
    /// What is wrong, in lower case and without a period.
    pub message: String,
    /// Where, if it is one place.
    pub position: Option<Position>,
}

/// One document of a stream: its value, and the text it came from so that places can be found again.
#[derive(Debug, Clone)]
pub struct Document {
    /// The value, as JSON would hold it.
    pub value: Value,
    pub(crate) text: Arc<str>,
    /// Byte offset in `text` where this document's own text starts.
    pub(crate) start: usize,
    /// Byte offset in `text` where it ends.
    pub(crate) end: usize,
    /// The line of `start`, from 1.
    pub(crate) start_line: usize,
    /// The line of the first content, from 1.
    pub(crate) line: usize,
}

impl Document {
    /// The line on which the document's content starts, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Where the value under `pointer` (RFC 6901, `""` is the whole document) was written.
    ///
    /// Scalars and aliases answer with the place of the value, mappings and sequences with the place of
    /// their key, so that the answer is where a reader would start to type. What came in by a merge key
    /// answers with the place of the merge. `None` if there is no such value.
    ///
    /// The places are not stored: the document's text is read again, so ask only when there is
    /// something to report.
    pub fn position(&self, pointer: &str) -> Option<Position> {
        self.value.pointer(pointer)?;
        let text = self.text.get(self.start..)?;
        let found = reader::locate(text, pointer)?;
        Some(Position {
            line: found.line + self.start_line - 1,
            column: found.column,
        })
    }

    /// The document's own text, without its neighbours in the stream.
    pub fn text(&self) -> &str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }
}
