//! Puts right, in the text, what go-yaml does not mind and the parser does: blanks are put where they mean nothing.
//!
//! The parser stops at the first such place and says where; a text is read, put right there, and read again. It
//! knows nothing of the reader: only of its errors.

use crate::document::Error;

/// What the parser says of a line of a quoted scalar that stands too far to the left.
const UNDER_INDENTED: &str = "invalid indentation in multiline quoted scalar";
/// What it says of a comment right behind a quoted scalar or a bracket.
const JOINED_COMMENT: &str = "comments must be separated from other tokens by whitespace";
/// What it says of the mark of a block scalar that stands as far to the left as its key.
const BARE_BLOCK: &str = "simple key expected ':'";
/// How much may be read again in all, in bytes.
const MAX_READ_AGAIN: usize = 32 << 20;
/// How many lines a text may have that is put right: each may be moved.
const MAX_LINES: usize = 100_000;
/// How far a line is moved.
const FAR_RIGHT: &str = "                                                                ";

/// The work on one text.
pub(crate) struct Repair<'text> {
    text: &'text str,
    /// Empty until there is something to put right.
    lines: Vec<String>,
    read_again: usize,
}

impl<'text> Repair<'text> {
    pub(crate) fn of(text: &'text str) -> Self {
        Self {
            text,
            lines: Vec::new(),
            read_again: 0,
        }
    }

    /// The text with the place of an error put right too. `None` when the error is a true one, or when this text has
    /// been read again for long enough.
    pub(crate) fn next(&mut self, error: &Error) -> Option<String> {
        let fault = error.message.as_str();
        if !matches!(fault, UNDER_INDENTED | JOINED_COMMENT | BARE_BLOCK) || self.read_again > MAX_READ_AGAIN
        {
            return None;
        }
        let place = error.position?;
        if self.lines.is_empty() {
            let lines = self.text.split('\n').take(MAX_LINES + 1);
            self.lines = lines.map(str::to_owned).collect();
        }
        if self.lines.len() > MAX_LINES {
            return None;
        }
        let (before, rest) = self.lines.split_at_mut_checked(place.line.checked_sub(1)?)?;
        let line = rest.first_mut()?;
        let column = line.char_indices().nth(place.column - 1).map(|(at, _)| at);
        match (fault, column) {
            (UNDER_INDENTED, _) => {
                let more = before.last().map_or(0, |opening| lines_left(opening, rest));
                for line in rest.iter_mut().take(1 + more) {
                    line.insert_str(0, FAR_RIGHT);
                }
            }
            (JOINED_COMMENT, Some(at)) if line[at..].starts_with('#') => line.insert(at, ' '),
            (BARE_BLOCK, Some(at)) => {
                let is_mark = line[..at].trim().is_empty() && line[at..].starts_with(['|', '>']);
                let last = before.iter().rev().find(|line| !line.trim().is_empty())?;
                if !is_mark || !last.trim_end().ends_with(':') {
                    return None;
                }
                line.insert_str(0, FAR_RIGHT);
            }
            _ => return None,
        }
        let repaired = self.lines.join("\n");
        self.read_again += repaired.len();
        Some(repaired)
    }
}

/// How many lines behind the first of `rest` belong to the quoted scalar that begins on the line `opening`, as far as
/// the look of it tells. One too few costs another look; one too many moves a line that is not the scalar's, and the
/// text is refused: never read as something else, for nothing else may stand so far to the right.
fn lines_left(opening: &str, rest: &[String]) -> usize {
    let quoted = opening
        .split_once(": ")
        .map_or(opening, |(_, value)| value)
        .trim_start_matches(['-', ' ']);
    let Some(quote @ ('\'' | '"')) = quoted.chars().next() else {
        return 0;
    };
    let is_open = |text: &str, open: bool| {
        let mut open = open;
        let mut escaped = false;
        for mark in text.chars() {
            if escaped {
                escaped = false;
            } else if mark == '\\' && quote == '"' {
                escaped = true;
            } else if mark == quote {
                open = !open;
            }
        }
        open
    };
    let mut open = is_open(quoted, false);
    let ending = rest.iter().position(|line| {
        open = is_open(line, open);
        !open
    });
    ending.unwrap_or(0)
}
