//! A fast reader for the YAML that programs and most people write: block mappings and lists, plain and quoted scalars,
//! literal blocks, short lists in brackets. Whatever else turns up (anchors, tags, other flow collections, folded blocks,
//! errors) makes it give up, and the general reader takes the text from the start. Both give the same values
//! for what this one reads; a property test holds them to it.

use serde_json::{Map, Value};

use crate::reader::{MAX_DEPTH, MAX_NODES, json_scalar};
use crate::scalar::{Scalar, resolve_plain};

/// A document of a stream, as offsets and lines of the text.
pub(crate) struct Part {
    pub(crate) value: Value,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The line of `start`, from 1.
    pub(crate) start_line: usize,
    /// The line of the first content, from 1.
    pub(crate) line: usize,
}

/// Reads a stream, or gives up.
pub(crate) fn read(text: &str) -> Option<Vec<Part>> {
    // Other line breaks than newlines, controls, and marks that editors leave. Without branches, many bytes are
    // looked at in one step.
    let odd = |byte: &u8| *byte == 0x7f || *byte < b' ' && *byte != b'\n' && *byte != b'\t';
    let any_odd = |bytes: &[u8]| bytes.iter().fold(false, |found, byte| found | odd(byte));
    if text.as_bytes().chunks(256).any(any_odd)
        || !text.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'])
    {
        return None;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        position: 0,
        line: 1,
        column: 0,
        nodes: 0,
    };
    let mut parts = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    loop {
        let content = reader.next_content()?;
        let value = match content {
            Content::At(0) => {
                let line = reader.line;
                let value = reader.root()?;
                Some((value, line))
            }
            Content::At(_) => return None,
            Content::Marker | Content::End => None,
        };
        let boundary = reader.next_content()?;
        if let Some((value, line)) = value {
            parts.push(Part {
                value,
                start,
                end: reader.position,
                start_line,
                line,
            });
        }
        match boundary {
            Content::End => return Some(parts),
            Content::At(_) => return None,
            Content::Marker => {
                (start, start_line) = (reader.position, reader.line);
                reader.position += 3;
                reader.column = 3;
                reader.end_of_line()?;
            }
        }
    }
}

/// What comes next in the text.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    /// Something, at this column.
    At(usize),
    /// A line `---`.
    Marker,
    End,
}

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

struct Reader<'text> {
    text: &'text str,
    bytes: &'text [u8],
    /// The next byte; behind a line break unless something is being read.
    position: usize,
    line: usize,
    /// The column of `position`, from 0.
    column: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn advance(&mut self, bytes: usize) {
        self.position += bytes;
        self.column += bytes;
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.advance(1);
        }
    }

    /// Whether a blank or the end of the line stands at an offset from here.
    fn ends_word(&self, offset: usize) -> bool {
        matches!(self.bytes.get(self.position + offset), None | Some(b' ' | b'\n'))
    }

    fn newline(&mut self) {
        self.position += 1;
        self.line += 1;
        self.column = 0;
    }

    /// Skips blanks and a comment up to the next line; gives up if there is anything else.
    fn end_of_line(&mut self) -> Option<()> {
        let spaced = self.column == 0 || self.bytes.get(self.position.wrapping_sub(1)) == Some(&b' ');
        let before = self.position;
        self.skip_blanks();
        match self.peek() {
            None => Some(()),
            Some(b'\n') => {
                self.newline();
                Some(())
            }
            Some(b'#') if spaced || self.position > before => {
                self.skip_line();
                Some(())
            }
            Some(_) => None,
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.position += length;
        if self.position < self.bytes.len() {
            self.newline();
        }
    }

    /// Moves to the next content, over empty lines and comments. Only from the start of a line.
    fn next_content(&mut self) -> Option<Content> {
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Some(Content::End),
                Some(b'\n') => self.newline(),
                Some(b'#') => self.skip_line(),
                Some(b'\t') => return None,
                Some(b'-') if self.column == 0 && self.bytes[self.position..].starts_with(b"---") => {
                    return self.ends_word(3).then_some(Content::Marker);
                }
                Some(b'.') if self.column == 0 && self.bytes[self.position..].starts_with(b"...") => {
                    return None;
                }
                Some(_) => return Some(Content::At(self.column)),
            }
        }
    }

    fn at_dash(&self) -> bool {
        self.peek() == Some(b'-') && self.ends_word(1)
    }

    /// A mapping or list that starts here, at this column.
    fn node(&mut self, column: usize, depth: usize) -> Option<Value> {
        if depth >= MAX_DEPTH {
            return None;
        }
        if self.at_dash() {
            self.sequence(column, depth)
        } else {
            self.mapping(column, depth)
        }
    }

    /// A whole document. Programs write empty ones as `{}` and `[]`.
    fn root(&mut self) -> Option<Value> {
        let value = match &self.bytes[self.position..] {
            [b'{', b'}', ..] => Value::Object(Map::new()),
            [b'[', b']', ..] => Value::Array(Vec::new()),
            _ => return self.node(0, 0),
        };
        self.advance(2);
        self.end_of_line()?;
        Some(value)
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= MAX_NODES).then_some(())
    }

    fn mapping(&mut self, column: usize, depth: usize) -> Option<Value> {
        self.count()?;
        let mut members = Map::new();
        loop {
            let key = self.key()?;
            self.advance(1);
            let value = self.value(column, depth, true)?;
            members.insert(key, value);
            match self.next_content()? {
                Content::At(next) if next == column && !self.at_dash() => {}
                Content::At(next) if next >= column => return None,
                _ => return Some(Value::Object(members)),
            }
        }
    }

    fn sequence(&mut self, column: usize, depth: usize) -> Option<Value> {
        self.count()?;
        let mut items = Vec::new();
        loop {
            self.advance(1);
            items.push(self.item(column, depth)?);
            match self.next_content()? {
                Content::At(next) if next == column && self.at_dash() => {}
                Content::At(next) if next > column => return None,
                _ => return Some(Value::Array(items)),
            }
        }
    }

    /// What stands behind a dash.
    fn item(&mut self, column: usize, depth: usize) -> Option<Value> {
        let dash_end = self.position;
        self.skip_blanks();
        let inside = self.column;
        let starts_node = match self.peek() {
            Some(b'\n' | b'#') | None => false,
            Some(b'-') if self.at_dash() => true,
            Some(_) => self.is_key(),
        };
        if starts_node {
            return self.node(inside, depth + 1);
        }
        self.position = dash_end;
        self.column = column + 1;
        self.value(column, depth, false)
    }

    /// Whether a key stands here; looks only.
    fn is_key(&mut self) -> bool {
        let (position, column) = (self.position, self.column);
        let found = self.key().is_some();
        self.position = position;
        self.column = column;
        found
    }

    /// A key, up to its colon.
    fn key(&mut self) -> Option<String> {
        self.count()?;
        let key = match self.peek()? {
            b'"' => self.double_quoted(None)?,
            b'\'' => self.single_quoted(None)?,
            first if first.is_ascii_alphanumeric() || matches!(first, b'_' | b'.' | b'/' | b'$') => {
                let rest = &self.bytes[self.position..];
                let fits = |byte: &u8| {
                    byte.is_ascii_alphanumeric()
                        || matches!(byte, b'_' | b'.' | b'/' | b'-' | b'$' | b'+' | b'=')
                };
                let length = rest.iter().position(|byte| !fits(byte))?;
                let key = self.text.get(self.position..self.position + length)?;
                if resolve_plain(key) != Scalar::String {
                    return None;
                }
                self.advance(length);
                key.to_owned()
            }
            _ => return None,
        };
        // Longer keys are no simple keys to YAML.
        (self.peek() == Some(b':') && self.ends_word(1) && key.len() < 512).then_some(key)
    }

    /// What stands behind a key's colon or a dash, on this line or below.
    fn value(&mut self, column: usize, depth: usize, of_key: bool) -> Option<Value> {
        self.skip_blanks();
        let first = self.peek();
        if matches!(first, None | Some(b'\n' | b'#')) {
            self.end_of_line()?;
            return match self.next_content()? {
                Content::At(next) if next > column => {
                    if self.at_dash() || self.is_key() {
                        self.node(next, depth + 1)
                    } else if self.peek() == Some(b'|') {
                        None
                    } else {
                        self.scalar(column)
                    }
                }
                // The dashes of a list may stand right below their key.
                Content::At(next) if of_key && next == column && self.at_dash() => self.node(next, depth + 1),
                _ => {
                    self.count()?;
                    Some(Value::Null)
                }
            };
        }
        self.scalar(column)
    }

    /// A scalar or an empty or short collection that starts here, in a place further in than `column`.
    fn scalar(&mut self, column: usize) -> Option<Value> {
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
    fn single_quoted(&mut self, column: Option<usize>) -> Option<String> {
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
    fn double_quoted(&mut self, column: Option<usize>) -> Option<String> {
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
