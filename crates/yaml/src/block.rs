//! A fast reader for the YAML that programs and most people write: block mappings and lists, scalars on one
//! line, literal blocks, short lists in brackets. Whatever else turns up (anchors, tags, other flow collections, folded or continued lines,
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
                let value = reader.node(0, 0)?;
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
            b'"' => self.double_quoted()?,
            b'\'' => self.single_quoted()?,
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
                    if !(self.at_dash() || self.is_key()) {
                        return None;
                    }
                    self.node(next, depth + 1)
                }
                // The dashes of a list may stand right below their key.
                Content::At(next) if of_key && next == column && self.at_dash() => self.node(next, depth + 1),
                _ => {
                    self.count()?;
                    Some(Value::Null)
                }
            };
        }
        self.count()?;
        let value = match first? {
            b'"' => Value::String(self.double_quoted()?),
            b'\'' => Value::String(self.single_quoted()?),
            b'{' if self.bytes[self.position..].starts_with(b"{}") => {
                self.advance(2);
                Value::Object(Map::new())
            }
            b'[' => self.short_list()?,
            b'|' => return self.literal(column),
            _ => self.plain()?,
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
                b'"' => items.push(Value::String(self.double_quoted()?)),
                b'\'' => items.push(Value::String(self.single_quoted()?)),
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

    fn plain(&mut self) -> Option<Value> {
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
        let mut end = line.len();
        for (at, byte) in line.iter().enumerate() {
            match byte {
                b'\t' => return None,
                b':' if matches!(line.get(at + 1), None | Some(b' ')) => return None,
                b'#' if at > 0 && line[at - 1] == b' ' => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let written = self
            .text
            .get(self.position..self.position + end)?
            .trim_end_matches(' ');
        self.advance(written.len());
        json_scalar(resolve_plain(written), written).ok()
    }

    fn single_quoted(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut rest = self.text.get(self.position + 1..)?;
        loop {
            let end = rest.find(['\'', '\n', '\t'])?;
            out.push_str(&rest[..end]);
            rest = rest[end..].strip_prefix('\'')?;
            match rest.strip_prefix('\'') {
                Some(after) => {
                    out.push('\'');
                    rest = after;
                }
                None => break,
            }
        }
        self.advance(self.text.len() - rest.len() - self.position);
        Some(out)
    }

    fn double_quoted(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut rest = self.text.get(self.position + 1..)?;
        loop {
            let end = rest.find(['"', '\\', '\n', '\t'])?;
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            if let Some(after) = rest.strip_prefix('"') {
                rest = after;
                break;
            }
            rest = rest.strip_prefix('\\')?;
            let escape = rest.chars().next()?;
            rest = &rest[escape.len_utf8()..];
            out.push(match escape {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '"' | '\\' | '/' => escape,
                _ => return None,
            });
        }
        self.advance(self.text.len() - rest.len() - self.position);
        Some(out)
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
