//! From parser events to values: anchors, merges, keys and the budgets, as go-yaml v2 and
//! `sigs.k8s.io/yaml` do it.

mod locate;
mod repeated;

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Number, Value};

use crate::block;
use crate::document::{Document, Error, Position};
use crate::number::{format_float, format_float32};
use crate::repair::Repair;
use crate::scalar::{self, Scalar, Tag};

pub(crate) use locate::locate;
pub use repeated::repeated_keys;

/// The longest text that is read, in bytes.
const MAX_BYTES: usize = 32 << 20;
/// The deepest nesting, aliases followed; the same bound as JSON readers set.
pub(crate) const MAX_DEPTH: usize = 128;
/// How many nodes one text may hold, aliases followed.
pub(crate) const MAX_NODES: usize = 4_000_000;
/// How many nodes may come from aliases alone before they are called excessive.
const MAX_ALIAS_NODES: usize = 400_000;
/// How many bytes of text aliases may repeat.
const MAX_ALIAS_BYTES: usize = 64 << 20;

/// Reads a text that holds exactly one document; no document at all is `null`.
pub fn parse(text: &str) -> Result<Document, Error> {
    let mut documents = read(text)?;
    let second = documents.get(1).map(Document::line);
    if let Some(line) = second {
        return Err(Error {
            message: "one document was expected, and a second one starts here".to_owned(),
            position: Some(Position { line, column: 1 }),
        });
    }
    Ok(documents.pop().unwrap_or_else(|| Document {
        value: Value::Null,
        text: Arc::from(""),
        start: 0,
        end: 0,
        start_line: 1,
        line: 1,
    }))
}

/// Reads a stream of documents; empty ones are left out.
pub fn parse_all(text: &str) -> Result<Vec<Document>, Error> {
    read(text)
}

fn read(text: &str) -> Result<Vec<Document>, Error> {
    if text.len() > MAX_BYTES {
        return Err(Error {
            message: format!(
                "the text is {} bytes long, more than {MAX_BYTES} are not read",
                text.len()
            ),
            position: None,
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut repair = Repair::of(text);
    let mut result = read_once(text);
    while let Err(error) = &result {
        let Some(repaired) = repair.next(error) else {
            return result;
        };
        result = read_once(&repaired);
    }
    result
}

fn read_once(text: &str) -> Result<Vec<Document>, Error> {
    let shared: Arc<str> = Arc::from(text);
    if let Some(parts) = block::read(text) {
        let document = |part: block::Part| Document {
            value: part.value,
            text: Arc::clone(&shared),
            start: part.start,
            end: part.end,
            start_line: part.start_line,
            line: part.line,
        };
        return Ok(parts.into_iter().map(document).collect());
    }
    read_generally(text, &shared)
}

/// Reads any YAML.
fn read_generally(text: &str, shared: &Arc<str>) -> Result<Vec<Document>, Error> {
    let mut reader = Reader::new(text);
    let mut documents = Vec::new();
    // Where the document before ended: byte offset and line.
    let mut resume = (0, 1);
    while let Some((event, span)) = reader.next()? {
        let Event::DocumentStart(explicit, _) = event else {
            continue;
        };
        // Without a marker the event's own span starts at the content, which for block scalars is too late.
        let (start, start_line) = if explicit {
            (offset(&span), span.start.line())
        } else {
            resume
        };
        let (root, root_span) = reader.expect_next()?;
        let node = reader.node(root, &root_span, 0)?;
        let mut end = text.len();
        if let Some((Event::DocumentEnd, span)) = reader.next()? {
            end = offset(&span);
            resume = (span.end.byte_offset().unwrap_or(end), span.end.line());
        }
        reader.anchors.clear();
        if !node.value.is_null() {
            documents.push(Document {
                value: node.value,
                text: Arc::clone(shared),
                start,
                end,
                start_line,
                line: root_span.start.line(),
            });
        }
    }
    Ok(documents)
}

fn offset(span: &Span) -> usize {
    span.start.byte_offset().unwrap_or(0)
}

fn place(span: &Span) -> Position {
    Position {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

fn failure(span: &Span, message: impl Into<String>) -> Error {
    Error {
        message: message.into(),
        position: Some(place(span)),
    }
}

fn scan_error(error: &ScanError) -> Error {
    let mark = error.marker();
    Error {
        message: error.info(),
        position: Some(Position {
            line: mark.line().max(1),
            column: mark.col() + 1,
        }),
    }
}

/// A value with what it cost, so that an alias to it can be charged.
#[derive(Clone)]
struct Node {
    value: Value,
    /// How deep it nests, 0 for a scalar.
    depth: usize,
    nodes: usize,
    bytes: usize,
}

struct Reader<'text> {
    text: &'text str,
    parser: Parser<'text, StrInput<'text>>,
    /// Anchored values by the parser's own number; `None` while the value is still being read.
    anchors: HashMap<usize, Option<Node>>,
    nodes: usize,
    alias_nodes: usize,
    alias_bytes: usize,
}

impl<'text> Reader<'text> {
    fn new(text: &'text str) -> Self {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH + 1,
            block_nesting_limit: MAX_DEPTH + 1,
        };
        Self {
            text,
            parser: Parser::new_from_str_with_options(text, options),
            anchors: HashMap::new(),
            nodes: 0,
            alias_nodes: 0,
            alias_bytes: 0,
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'text>, Span)>, Error> {
        self.parser.next().transpose().map_err(|error| scan_error(&error))
    }

    fn expect_next(&mut self) -> Result<(Event<'text>, Span), Error> {
        self.next()?.ok_or_else(|| Error {
            message: "the text ends in the middle of a value".to_owned(),
            position: None,
        })
    }

    fn node(&mut self, event: Event<'text>, span: &Span, depth: usize) -> Result<Node, Error> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(failure(
                span,
                format!("the text holds more than {MAX_NODES} values"),
            ));
        }
        if depth > MAX_DEPTH {
            return Err(failure(
                span,
                format!("values are nested more than {MAX_DEPTH} deep"),
            ));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map_or(Tag::None, |tag| Tag::from_uri(tag.handle(), tag.suffix()));
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let text = match text.strip_suffix('\n') {
                    Some(cut) if is_block && self.ends_without_break(span) => cut,
                    _ => &text,
                };
                let scalar = scalar::resolve(tag, style == ScalarStyle::Plain, text)
                    .map_err(|message| failure(span, message))?;
                let bytes = text.len();
                let value = json_scalar(scalar, text).map_err(|message| failure(span, message))?;
                let node = Node {
                    value,
                    depth: 0,
                    nodes: 1,
                    bytes,
                };
                self.finish(anchor, node, span)
            }
            Event::SequenceStart(_, anchor, _) => self.sequence(anchor, span, depth),
            Event::MappingStart(_, anchor, _) => self.mapping(anchor, span, depth),
            Event::Alias(anchor) => self.alias(anchor, span, depth),
            other => Err(failure(
                span,
                format!("a value was expected, not {}", name_of(&other)),
            )),
        }
    }

    /// Whether a block scalar goes to the end of a text whose last line is not ended: go-yaml does not add the
    /// line break then.
    fn ends_without_break(&self, span: &Span) -> bool {
        let last_line = self.text.rsplit('\n').next().unwrap_or_default();
        span.end.byte_offset() == Some(self.text.len()) && !last_line.trim_matches([' ', '\t']).is_empty()
    }

    fn alias(&mut self, anchor: usize, span: &Span, depth: usize) -> Result<Node, Error> {
        let node = match self.anchors.get(&anchor) {
            Some(Some(node)) => node,
            Some(None) => return Err(failure(span, "an anchor's value contains itself")),
            None => return Err(failure(span, "the alias has no anchor")),
        };
        if depth + node.depth > MAX_DEPTH {
            return Err(failure(
                span,
                format!("values are nested more than {MAX_DEPTH} deep"),
            ));
        }
        let node = node.clone();
        self.nodes += node.nodes;
        self.charge(&node, span)?;
        Ok(node)
    }

    /// Takes a copy's cost from what aliases may add.
    fn charge(&mut self, node: &Node, span: &Span) -> Result<(), Error> {
        self.alias_nodes += node.nodes;
        self.alias_bytes += node.bytes;
        if self.alias_nodes > MAX_ALIAS_NODES || self.alias_bytes > MAX_ALIAS_BYTES {
            return Err(failure(span, "document contains excessive aliasing"));
        }
        Ok(())
    }

    fn sequence(&mut self, anchor: usize, start: &Span, depth: usize) -> Result<Node, Error> {
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        let mut items = Vec::new();
        let mut whole = Node {
            value: Value::Null,
            depth: 1,
            nodes: 1,
            bytes: 0,
        };
        loop {
            let (event, span) = self.expect_next()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let item = self.node(event, &span, depth + 1)?;
            whole.add(&item);
            items.push(item.value);
        }
        whole.value = Value::Array(items);
        self.finish(anchor, whole, start)
    }

    fn mapping(&mut self, anchor: usize, start: &Span, depth: usize) -> Result<Node, Error> {
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        let mut members = Map::new();
        let mut whole = Node {
            value: Value::Null,
            depth: 1,
            nodes: 1,
            bytes: 0,
        };
        loop {
            let (event, span) = self.expect_next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            if is_merge(&event) {
                let (event, span) = self.expect_next()?;
                let is_value_list = matches!(event, Event::SequenceStart(..));
                let merged = self.node(event, &span, depth + 1)?;
                whole.add(&merged);
                merge(&mut members, merged.value, is_value_list, &span)?;
                continue;
            }
            let (key, bytes) = self.key(event, &span, depth)?;
            whole.nodes += 1;
            whole.bytes += bytes;
            let (event, span) = self.expect_next()?;
            let member = self.node(event, &span, depth + 1)?;
            whole.add(&member);
            members.insert(key, member.value);
        }
        whole.value = Value::Object(members);
        self.finish(anchor, whole, start)
    }

    /// Keeps a copy of what has an anchor.
    fn finish(&mut self, anchor: usize, node: Node, span: &Span) -> Result<Node, Error> {
        if anchor > 0 {
            self.charge(&node, span)?;
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    /// A key as the string that JSON needs.
    fn key(&mut self, event: Event<'text>, span: &Span, depth: usize) -> Result<(String, usize), Error> {
        let Event::Scalar(text, style, anchor, tag) = event else {
            let node = self.node(event, span, depth + 1)?;
            return match node.value {
                // An alias to a scalar serves as a key too.
                Value::String(text) => Ok((text, node.bytes)),
                Value::Bool(_) | Value::Number(_) => Ok((node.value.to_string(), node.bytes)),
                _ => Err(failure(
                    span,
                    "a mapping, a list or null cannot be a key; quote it if it is meant as text",
                )),
            };
        };
        let tag = tag.map_or(Tag::None, |tag| Tag::from_uri(tag.handle(), tag.suffix()));
        let scalar = scalar::resolve(tag, style == ScalarStyle::Plain, &text)
            .map_err(|message| failure(span, message))?;
        let bytes = text.len();
        let key = match &scalar {
            Scalar::Bool(value) => value.to_string(),
            Scalar::Int(value) => value.to_string(),
            Scalar::UInt(value) => value.to_string(),
            Scalar::Float(value) => match format_float32(*value).as_str() {
                "+Inf" => ".inf".to_owned(),
                "-Inf" => "-.inf".to_owned(),
                "NaN" => ".nan".to_owned(),
                text => text.to_owned(),
            },
            Scalar::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Scalar::String | Scalar::Timestamp => text.to_string(),
            Scalar::Null => {
                return Err(failure(
                    span,
                    "null cannot be a key; quote it if it is meant as text",
                ));
            }
        };
        if anchor > 0 {
            let value = json_scalar(scalar, &text).map_err(|message| failure(span, message))?;
            self.finish(
                anchor,
                Node {
                    value,
                    depth: 0,
                    nodes: 1,
                    bytes,
                },
                span,
            )?;
        }
        Ok((key, bytes))
    }
}

impl Node {
    fn add(&mut self, child: &Node) {
        self.depth = self.depth.max(child.depth + 1);
        self.nodes += child.nodes;
        self.bytes += child.bytes;
    }
}

pub(crate) fn json_scalar(scalar: Scalar, text: &str) -> Result<Value, String> {
    Ok(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::from(value),
        Scalar::UInt(value) => Value::from(value),
        Scalar::Float(value) => {
            // JSON writes whole floats without a fraction, so they come back as integers.
            if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_807.0 {
                Value::from(value as i64)
            } else {
                let number = Number::from_f64(value);
                Value::Number(
                    number.ok_or_else(|| {
                        format!("{} is not a number that JSON can hold", format_float(value))
                    })?,
                )
            }
        }
        Scalar::String | Scalar::Timestamp => Value::String(text.to_owned()),
        Scalar::Bytes(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, _, tag) if text == "<<" => match tag {
            None => *style == ScalarStyle::Plain,
            Some(tag) => Tag::from_uri(tag.handle(), tag.suffix()) == Tag::Merge,
        },
        _ => false,
    }
}

/// Merges in the order of the text: what is there is replaced, what follows will replace. Of a list, the
/// earlier mapping wins.
fn merge(into: &mut Map<String, Value>, value: Value, is_list: bool, span: &Span) -> Result<(), Error> {
    let wrong = || failure(span, "map merge requires map or sequence of maps as the value");
    match value {
        Value::Object(members) => into.extend(members),
        Value::Array(items) if is_list => {
            for item in items.into_iter().rev() {
                let Value::Object(members) = item else {
                    return Err(wrong());
                };
                into.extend(members);
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

fn name_of(event: &Event<'_>) -> &'static str {
    match event {
        Event::SequenceEnd => "the end of a list",
        Event::MappingEnd => "the end of a mapping",
        Event::DocumentEnd | Event::DocumentStart(..) => "the end of the document",
        _ => "the end of the text",
    }
}

#[cfg(test)]
mod tests;
