//! A fast reader for the YAML that programs and most people write: block mappings and lists, plain and quoted scalars,
//! literal blocks, short lists in brackets. Whatever else turns up (anchors, tags, other flow collections, folded blocks,
//! errors) makes it give up, and the general reader takes the text from the start. Both give the same values
//! for what this one reads; a property test holds them to it.

mod scalars;

use serde_json::{Map, Value};

use crate::reader::{MAX_DEPTH, MAX_NODES};
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
}
