//! Scalars of every style that the fast reader knows, with the lines that continue them, and the short collections that
//! stand where a scalar may. What they belong to is not known here, only the column that they must stay behind.

use serde_json::{Map, Value};

use super::{Content, Reader};
use crate::reader::json_scalar;
use crate::scalar::resolve_plain;

/// A line that goes on with the scalar of the line before.
struct Continuation {
    /// Where its content begins, and in which column.
    start: usize,
    indent: usize,
    /// How many empty lines stand before it.
    empty: usize,
}

/// A line break in a scalar is a blank; of several, all but the first stay.
fn fold(text: &mut String, empty_lines: usize) {
    if empty_lines == 0 {
        text.push(' ');
    } else {
        text.extend(std::iter::repeat_n('\n', empty_lines));
    }
}

/// Where a plain scalar on a line ends: at a comment, or with the line. Nothing if it is no scalar after all.
fn plain_end(line: &[u8]) -> Option<usize> {
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'\t' => return None,
            b':' if matches!(line.get(at + 1), None | Some(b' ')) => return None,
            b'#' if at > 0 && line[at - 1] == b' ' => return Some(at),
            _ => {}
        }
    }
    Some(line.len())
}

impl Reader<'_> {
    /// A scalar or an empty or short collection that starts here, in a place further in than `column`.
    pub(super) fn scalar(&mut self, column: usize) -> Option<Value> {
        self.count()?;
        let value = match self.peek()? {
            b'"' => Value::String(self.double_quoted(Some(column))?),
            b'\'' => Value::String(self.single_quoted(Some(column))?),
            b'{' if self.bytes[self.position..].starts_with(b"{}") => {
                self.advance(2);
                Value::Object(Map::new())
            }
            b'[' => self.short_list()?,
            b'|' => return self.literal(column),
            _ => self.plain(column)?,
        };
        self.end_of_line()?;
        // Whatever is further in would continue the scalar, or be an error.
        let before = (self.position, self.line, self.column);
        match self.next_content()? {
            Content::At(next) if next > column => None,
            _ => {
                (self.position, self.line, self.column) = before;
                Some(value)
            }
        }
    }

    /// A list of scalars between brackets, on one line.
    fn short_list(&mut self) -> Option<Value> {
        let mut items = Vec::new();
        loop {
            // Past the bracket or a comma.
            self.advance(1);
            self.skip_blanks();
            self.count()?;
            match self.peek()? {
                b']' if items.is_empty() => break,
                b'"' => items.push(Value::String(self.double_quoted(None)?)),
                b'\'' => items.push(Value::String(self.single_quoted(None)?)),
                first if first.is_ascii_alphanumeric() || matches!(first, b'_' | b'.' | b'/') => {
                    let rest = &self.bytes[self.position..];
                    let fits = |byte: &u8| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-' | b'=')
                    };
                    let length = rest.iter().position(|byte| !fits(byte))?;
                    let written = self.text.get(self.position..self.position + length)?;
                    items.push(json_scalar(resolve_plain(written), written).ok()?);
                    self.advance(length);
                }
                _ => return None,
            }
            self.skip_blanks();
            match self.peek()? {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        self.advance(1);
        Some(Value::Array(items))
    }

    /// A scalar without quotes, with the lines further in than `column` that continue it.
    fn plain(&mut self, column: usize) -> Option<Value> {
        let rest = &self.bytes[self.position..];
        let line = &rest[..rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())];
        match line {
            [b'-' | b'?' | b':', b' ', ..] | [b'-' | b'?' | b':'] => return None,
            [
                b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@'
                | b'`',
                ..,
            ] => {
                return None;
            }
            _ => {}
        }
        let end = plain_end(line)?;
        let written = self
            .text
            .get(self.position..self.position + end)?
            .trim_end_matches(' ');
        self.advance(written.len());
        let mut whole: Option<String> = None;
        // A comment ends a scalar.
        while end == line.len()
            && let Some(next) = self.continuation(column)
        {
            let line = self.text.get(next.start..)?;
            let line = &line[..line.find('\n').unwrap_or(line.len())];
            let starts_anew = matches!(line.as_bytes(), [b'-' | b'?', b' ', ..] | [b'-' | b'?']);
            if starts_anew || plain_end(line.as_bytes())? < line.len() {
                return None;
            }
            let line = line.trim_end_matches(' ');
            let whole = whole.get_or_insert_with(|| written.to_owned());
            fold(whole, next.empty);
            whole.push_str(line);
            self.move_to(&next);
            self.advance(line.len());
        }
        match whole {
            Some(whole) => json_scalar(resolve_plain(&whole), &whole).ok(),
            None => json_scalar(resolve_plain(written), written).ok(),
        }
    }

    /// The next line with anything on it, if it is further in than `column` and no comment. Only from behind what
    /// stands on a line; looks only.
    fn continuation(&self, column: usize) -> Option<Continuation> {
        let blanks = |from: usize| {
            self.bytes[from..]
                .iter()
                .take_while(|byte| **byte == b' ')
                .count()
        };
        let mut line_end = self.position + blanks(self.position);
        let mut empty = 0;
        loop {
            if *self.bytes.get(line_end)? != b'\n' {
                return None;
            }
            let indent = blanks(line_end + 1);
            let start = line_end + 1 + indent;
            match self.bytes.get(start)? {
                b'\n' => {
                    empty += 1;
                    line_end = start;
                }
                b'#' => return None,
                _ if indent <= column => return None,
                _ => {
                    return Some(Continuation { start, indent, empty });
                }
            }
        }
    }

    fn move_to(&mut self, next: &Continuation) {
        self.position = next.start;
        self.column = next.indent;
        self.line += next.empty + 1;
    }

    /// What stands between single quotes; over several lines, if those are further in than a column.
    pub(super) fn single_quoted(&mut self, column: Option<usize>) -> Option<String> {
        let mut out = String::new();
        let mut of_line = 0;
        self.advance(1);
        loop {
            let rest = self.text.get(self.position..)?;
            let end = rest.find(['\'', '\n', '\t'])?;
            out.push_str(&rest[..end]);
            self.advance(end);
            match rest.as_bytes()[end..] {
                [b'\'', b'\'', ..] => {
                    out.push('\'');
                    self.advance(2);
                }
                [b'\'', ..] => {
                    self.advance(1);
                    return Some(out);
                }
                [b'\n', ..] => self.fold_line(&mut out, &mut of_line, column?)?,
                _ => return None,
            }
        }
    }

    /// What stands between double quotes; over several lines, if those are further in than a column.
    pub(super) fn double_quoted(&mut self, column: Option<usize>) -> Option<String> {
        let mut out = String::new();
        let mut of_line = 0;
        self.advance(1);
        loop {
            let rest = self.text.get(self.position..)?;
            let end = rest.find(['"', '\\', '\n', '\t'])?;
            out.push_str(&rest[..end]);
            self.advance(end);
            match rest.as_bytes()[end..] {
                [b'"', ..] => {
                    self.advance(1);
                    return Some(out);
                }
                [b'\\', escape, ..] => {
                    out.push(match escape {
                        b'n' => '\n',
                        b't' => '\t',
                        b'r' => '\r',
                        b'"' | b'\\' | b'/' => char::from(escape),
                        _ => return None,
                    });
                    self.advance(2);
                    // What is written as an escape is never a blank at the end of a line.
                    of_line = out.len();
                }
                [b'\n', ..] => self.fold_line(&mut out, &mut of_line, column?)?,
                _ => return None,
            }
        }
    }

    /// The break in a quoted scalar that stands here: blanks around it go, and it becomes a blank itself.
    fn fold_line(&mut self, out: &mut String, of_line: &mut usize, column: usize) -> Option<()> {
        let kept = out[*of_line..].trim_end_matches(' ').len();
        out.truncate(*of_line + kept);
        let next = self.continuation(column)?;
        fold(out, next.empty);
        *of_line = out.len();
        self.move_to(&next);
        Some(())
    }

    /// A literal block behind its bar.
    fn literal(&mut self, column: usize) -> Option<Value> {
        self.advance(1);
        let chomp = match self.peek()? {
            sign @ (b'-' | b'+') => {
                self.advance(1);
                Some(sign)
            }
            _ => None,
        };
        if self.peek()? != b'\n' {
            return None;
        }
        self.newline();
        let mut out = String::new();
        let mut indent = None;
        let mut waiting = 0_usize;
        while self.position < self.bytes.len() {
            let rest = self.text.get(self.position..)?;
            // A last line without its break may stand behind the block, not in it.
            let ended = rest.find('\n');
            let length = ended.unwrap_or(rest.len());
            let line = &rest[..length];
            let blanks = line.len() - line.trim_start_matches(' ').len();
            let is_blank = blanks == line.len();
            if is_blank && ended.is_none() {
                return None;
            }
            let content = match indent {
                Some(content) => content,
                None if is_blank => {
                    // Blanks before the content is known could belong to it.
                    if blanks > 0 {
                        return None;
                    }
                    waiting += 1;
                    self.newline_after(length);
                    continue;
                }
                None if blanks > column && !line[blanks..].starts_with('\t') => *indent.insert(blanks),
                None => return None,
            };
            if is_blank && blanks <= content {
                waiting += 1;
            } else if blanks < content {
                break;
            } else if ended.is_none() {
                return None;
            } else {
                out.extend(std::iter::repeat_n('\n', waiting));
                waiting = 0;
                out.push_str(&line[content..]);
                out.push('\n');
            }
            self.newline_after(length);
        }
        if out.is_empty() || indent.is_none() {
            return None;
        }
        match chomp {
            Some(b'-') => {
                out.pop();
            }
            Some(_) => out.extend(std::iter::repeat_n('\n', waiting)),
            None => {}
        }
        self.column = 0;
        match self.next_content()? {
            Content::At(next) if next > column => None,
            _ => Some(Value::String(out)),
        }
    }

    fn newline_after(&mut self, length: usize) {
        self.position += length;
        self.newline();
    }
}
