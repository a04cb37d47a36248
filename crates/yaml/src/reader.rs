//! From parser events to values: anchors, merges, keys and the budgets, as go-yaml v2 and
//! `sigs.k8s.io/yaml` do it. Also finds the place of a value again.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Number, Value};

use crate::block;
use crate::document::{Document, Error, Position};
use crate::number::{format_float, format_float32};
use crate::scalar::{self, Scalar, Tag};

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

/// What the parser says of a line of a quoted scalar that stands too far to the left.
const UNDER_INDENTED: &str = "invalid indentation in multiline quoted scalar";
/// What it says of a comment right behind a quoted scalar or a bracket.
const JOINED_COMMENT: &str = "comments must be separated from other tokens by whitespace";
/// What it says of the mark of a block scalar that stands as far to the left as its key.
const BARE_BLOCK: &str = "simple key expected ':'";
/// How many such lines are put right in any text.
const MIN_REPAIRS: usize = 32;
/// How much may be read again for them in a text with more of them, in bytes.
const MAX_READ_AGAIN: usize = 32 << 20;
/// How much longer than twice its length a text may become by them.
const MAX_GROWTH: usize = 1 << 20;
/// How far such a line is moved.
const FAR_RIGHT: &str = "                                                                ";

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
    match read_once(text) {
        Err(error) if is_tolerated(&error) => read_repaired(text, error),
        result => result,
    }
}

/// Whether it is something that go-yaml does not mind.
fn is_tolerated(error: &Error) -> bool {
    matches!(
        error.message.as_str(),
        UNDER_INDENTED | JOINED_COMMENT | BARE_BLOCK
    )
}

/// Reads a text in which quoted scalars go on or block scalars begin further to the left than YAML allows, or comments
/// follow without a blank: blanks are put there, where they mean nothing.
fn read_repaired(text: &str, mut error: Error) -> Result<Vec<Document>, Error> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut repairs = 0;
    let mut read_again = 0;
    while repairs < MIN_REPAIRS || read_again < MAX_READ_AGAIN {
        let Some(place) = error.position else {
            return Err(error);
        };
        let at = place.line.saturating_sub(1).min(lines.len());
        let (before, rest) = lines.split_at_mut(at);
        let Some(line) = rest.first_mut() else {
            return Err(error);
        };
        let follows_key = || {
            let last = before.iter().rev().find(|line| !line.trim().is_empty());
            last.is_some_and(|line| line.trim_end().ends_with(':'))
        };
        let column = line.char_indices().nth(place.column - 1).map(|(at, _)| at);
        match (error.message.as_str(), column) {
            (UNDER_INDENTED, _) => {
                let rest_of_scalar = 1 + before.last().map_or(0, |opening| lines_left(opening, rest));
                for line in rest.iter_mut().take(rest_of_scalar) {
                    line.insert_str(0, FAR_RIGHT);
                }
            }
            (BARE_BLOCK, Some(at))
                if line[..at].trim().is_empty() && line[at..].starts_with(['|', '>']) && follows_key() =>
            {
                line.insert_str(0, FAR_RIGHT);
            }
            (JOINED_COMMENT, Some(at)) if line[at..].starts_with('#') => line.insert(at, ' '),
            _ => return Err(error),
        }
        let repaired = lines.join("\n");
        if repaired.len() > 2 * text.len() + MAX_GROWTH {
            return Err(error);
        }
        repairs += 1;
        read_again += repaired.len();
        match read_once(&repaired) {
            Err(next) if is_tolerated(&next) => error = next,
            result => return result,
        }
    }
    Err(error)
}

/// How many lines behind the first of `rest` belong to the quoted scalar that begins on the line `opening`, as far as
/// the look of it tells: none too many, for what is inside quotes is followed to their end.
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

/// Finds the place of the value under a JSON pointer in the text of one document.
pub(crate) fn locate(text: &str, pointer: &str) -> Option<Position> {
    let mut steps: Vec<String> = Vec::new();
    if !pointer.is_empty() {
        for step in pointer.strip_prefix('/')?.split('/') {
            steps.push(step.replace("~1", "/").replace("~0", "~"));
        }
    }
    let mut reader = Reader::new(text);
    loop {
        match reader.next().ok()?? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (event, span) => return find(&mut reader, &event, &span, None, &steps),
        }
    }
}

/// Walks one node whose opening event was read; consumes it wholly unless the place is found.
fn find(
    reader: &mut Reader<'_>,
    event: &Event<'_>,
    span: &Span,
    key: Option<Position>,
    steps: &[String],
) -> Option<Position> {
    let Some((step, rest)) = steps.split_first() else {
        // Nothing was written, or a block whose text starts on a later line.
        let hidden = span.start.index() == span.end.index()
            || matches!(
                event,
                Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, _, _)
            );
        let own = place(span);
        return Some(match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => key.unwrap_or(own),
            _ if hidden => key.unwrap_or(own),
            _ => own,
        });
    };
    match event {
        Event::MappingStart(..) => {
            // The last of equal keys wins, so the whole mapping is walked.
            let mut found = None;
            let mut merged = None;
            loop {
                let (event, span) = reader.next().ok()??;
                if matches!(event, Event::MappingEnd) {
                    return found.or(merged);
                }
                let here = place(&span);
                if is_merge(&event) {
                    let (event, _) = reader.next().ok()??;
                    skip(reader, &event)?;
                    merged = Some(here);
                    continue;
                }
                let matches_step = if let Event::Scalar(..) = &event {
                    reader.key(event, &span, 0).ok()?.0 == *step
                } else {
                    skip(reader, &event)?;
                    false
                };
                let (event, span) = reader.next().ok()??;
                if matches_step {
                    let is_collection = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
                    let inner = find(reader, &event, &span, Some(here), rest);
                    if is_collection && rest.is_empty() {
                        skip(reader, &event)?;
                    }
                    found = inner;
                } else {
                    skip(reader, &event)?;
                }
            }
        }
        Event::SequenceStart(..) => {
            let wanted = step.parse().unwrap_or(usize::MAX);
            let mut index = 0;
            let mut found = None;
            loop {
                let (event, span) = reader.next().ok()??;
                if matches!(event, Event::SequenceEnd) {
                    return found;
                }
                if index == wanted {
                    found = find(reader, &event, &span, Some(place(&span)), rest);
                    let is_collection = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
                    if is_collection && rest.is_empty() {
                        skip(reader, &event)?;
                    }
                } else {
                    skip(reader, &event)?;
                }
                index += 1;
            }
        }
        // What an alias holds stands elsewhere; the alias is where it came in here.
        Event::Alias(_) => Some(place(span)),
        _ => None,
    }
}

/// Consumes the rest of a node whose opening event was read.
fn skip(reader: &mut Reader<'_>, event: &Event<'_>) -> Option<()> {
    if !matches!(event, Event::MappingStart(..) | Event::SequenceStart(..)) {
        return Some(());
    }
    let mut open = 1_usize;
    while open > 0 {
        match reader.next().ok()??.0 {
            Event::MappingStart(..) | Event::SequenceStart(..) => open += 1,
            Event::MappingEnd | Event::SequenceEnd => open -= 1,
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
    fn check(text: &str, expect: Value) {
        let document = parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        assert_eq!(document.value, expect, "{text}");
    }

    fn check_error(text: &str, expect: &str) {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(expect), "{error:?} should say {expect:?}");
    }

    #[test]
    fn the_end_of_the_text_ends_no_line() {
        check("a: |\n  cc", json!({"a": "cc"}));
        check("a: |+\n  cc", json!({"a": "cc"}));
        check("a: >\n  cc\n  dd", json!({"a": "cc dd"}));
        check("- |\n  cc\n  # dd", json!(["cc\n# dd"]));
        check("a: |\n  cc\n# no", json!({"a": "cc\n"}));
        check("a: |\n  cc\n  ", json!({"a": "cc\n"}));
        check("a: |\n  cc\n", json!({"a": "cc\n"}));
    }

    #[test]
    fn quoted_text_may_go_on_at_the_left() {
        check(
            "a:\n  b: \"x\n y\nz\n\"\nc: 'd\ne'\nf: 1\n",
            json!({"a": {"b": "x y z "}, "c": "d e", "f": 1}),
        );
        check_error("a:\n  b: \"x\nz", "");
        let many = (0..200).fold(String::new(), |mut text, number| {
            let _ = writeln!(text, "k{number}:\n  a: 'x\n  y'");
            text
        });
        assert_eq!(parse(&many).unwrap().value["k199"]["a"], "x y");
    }

    #[test]
    fn a_block_may_begin_below_its_key() {
        check(
            "a:\n  b:\n  |\n    c\n    d\n  e:\n\n  >-\n   f\ng: 1\n",
            json!({"a": {"b": "c\nd\n", "e": "f"}, "g": 1}),
        );
        check_error("a: 1\n|\n  b\n", BARE_BLOCK);
    }

    #[test]
    fn comments_may_follow_at_once() {
        check(
            "a: \"b\"#c\nd: 'e'# f\ng: [h]#i\nj: |#k\n  l\n",
            json!({"a": "b", "d": "e", "g": ["h"], "j": "l\n"}),
        );
    }

    #[test]
    fn text_means_what_go_yaml_says() {
        check("", Value::Null);
        check("# nothing\n", Value::Null);
        check(
            "a: yes\nb: on\nc: n\nd: ~\ne:\n",
            json!({"a": true, "b": true, "c": false, "d": null, "e": null}),
        );
        check(
            "on: x\n1: q\n1.5: z\n014: w",
            json!({"true": "x", "1": "q", "1.5": "z", "12": "w"}),
        );
        check(
            "a: 014\nb: 1_000\nc: 1e3\nd: 0.5\ne: 1.0",
            json!({"a": 12, "b": 1000, "c": 1000, "d": 0.5, "e": 1}),
        );
        check(
            "a: '1'\nb: \"yes\"\nc: !!str 12\nd: !foo bar",
            json!({"a": "1", "b": "yes", "c": "12", "d": "bar"}),
        );
        check(
            "a: !!binary aGk=\nb: 2001-12-14",
            json!({"a": "hi", "b": "2001-12-14"}),
        );
        check("a: 1\na: 2", json!({"a": 2}));
        check(
            "a: |\n  x\n  y\nb: >-\n  x\n  y",
            json!({"a": "x\ny\n", "b": "x y"}),
        );
        check("a: [1, {b: c}]", json!({"a": [1, {"b": "c"}]}));
        check("a:\n- 1\n- 2", json!({"a": [1, 2]}));
        check(
            "{\"a\": 1, \"b\": [true, null]}",
            json!({"a": 1, "b": [true, null]}),
        );
        check("---\na: 1\n...\n", json!({"a": 1}));
        check("\u{feff}a: 1", json!({"a": 1}));
        check("a: b\r\nc: d\r\n", json!({"a": "b", "c": "d"}));
    }

    #[test]
    fn anchors_and_merges() {
        check("a: &x {b: 1}\nc: *x", json!({"a": {"b": 1}, "c": {"b": 1}}));
        check(
            "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3",
            json!({"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        );
        // go-yaml v2 merges in the order of the text.
        check(
            "a: &x {c: 2}\nd:\n  c: 3\n  <<: *x",
            json!({"a": {"c": 2}, "d": {"c": 2}}),
        );
        check(
            "a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc: {<<: [*x, *y]}",
            json!({"a": {"k": 1}, "b": {"k": 2, "l": 3}, "c": {"k": 1, "l": 3}}),
        );
        check("\"<<\": 1", json!({"<<": 1}));
        check("&k a: 1\nb: *k", json!({"a": 1, "b": "a"}));
        check_error("<<: 1", "map merge requires");
        check_error("a: &x [*x]", "contains itself");
        check_error("a: *nope", "line 1, column 4");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        check_error("a: b: c", "line 1");
        check_error("a: 1\n b: 2", "line 2");
        check_error("{{ .Values.x }}: 1", "cannot be a key");
        check_error("a: [1", "line 1");
        check_error("a: \"x", "line 1");
        check_error("~: x", "null cannot be a key");
        check_error("a: .nan", "line 1, column 4: NaN is not a number");
        check_error("a: 1\n---\nb: 2", "line 3, column 1: one document was expected");
    }

    #[test]
    fn hostile_text_is_bounded() {
        check_error(&"[".repeat(100_000), "");
        check_error(&"- ".repeat(100_000), "");
        check_error(&format!("{}1{}", "{a: ".repeat(200), "}".repeat(200)), "");
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            writeln!(laughs, "a{level}: &a{level} [{items}]").unwrap();
        }
        check_error(&laughs, "excessive aliasing");
        let mut ladder = String::from("a0: &a0 [x]\n");
        for level in 1..200 {
            writeln!(ladder, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
        }
        check_error(&ladder, "nested more than");
    }

    #[test]
    fn streams_leave_out_empty_documents() {
        let text = "# lead\n---\n# Source: x\na: 1\n---\n---\n# only a comment\n---\n\nb:\n  c: 2\n";
        let documents = parse_all(text).unwrap();
        let values: Vec<Value> = documents.iter().map(|document| document.value.clone()).collect();
        assert_eq!(values, [json!({"a": 1}), json!({"b": {"c": 2}})]);
        assert_eq!(documents.iter().map(Document::line).collect::<Vec<_>>(), [4, 10]);
        assert_eq!(
            documents[1].position("/b/c"),
            Some(Position { line: 11, column: 6 })
        );
        assert_eq!(documents[0].text(), "---\n# Source: x\na: 1\n");
    }

    #[test]
    fn places_are_found_again() {
        let text = concat!(
            "kind: Pod\nspec:\n  image: a:1\n  \"x/y~z\": 1\n  list:\n  - name: a\n    env:\n    - 5\n",
            "  - name: b\n  empty:\nbase: &b {k: v}\nuse:\n  <<: *b\n  own: 1\nalias: *b\n",
        );
        let document = parse(text).unwrap();
        let check = |pointer: &str, expect: Option<(usize, usize)>| {
            let expect = expect.map(|(line, column)| Position { line, column });
            assert_eq!(document.position(pointer), expect, "{pointer}");
        };
        check("", Some((1, 1)));
        check("/kind", Some((1, 7)));
        check("/spec", Some((2, 1)));
        check("/spec/image", Some((3, 10)));
        check("/spec/x~1y~0z", Some((4, 12)));
        check("/spec/list", Some((5, 3)));
        check("/spec/list/0", Some((6, 5)));
        check("/spec/list/0/env/0", Some((8, 7)));
        check("/spec/list/1/name", Some((9, 11)));
        check("/spec/empty", Some((10, 3)));
        check("/use/k", Some((13, 3)));
        check("/use/own", Some((14, 8)));
        check("/alias/k", Some((15, 8)));
        check("/spec/none", None);
        check("/spec/list/2", None);
        check("/spec/list/x", None);
        check("spec", None);
    }

    /// Lines as charts print them, with indents that go wrong now and then.
    fn block_text() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            "[a-z0-9.:/# -]{0,8}",
            Just(String::new()),
            Just("|".to_owned()),
            Just("|-".to_owned()),
            Just("|+".to_owned()),
            Just("{}".to_owned()),
            Just("[]".to_owned()),
            "\\[[a-c1, '\"]{0,8}\\]",
            Just("\"q: \\n\\\" x\" # c".to_owned()),
            Just("'it''s' ".to_owned()),
            Just("*a".to_owned()),
            Just("yes".to_owned()),
            Just("- b".to_owned()),
            "['\"][a-c \\\\]{0,4}",
            "[a-c ]{0,4}['\"] ?",
        ];
        let line = (
            0..4_usize,
            0..2_usize,
            "([a-c]|\"k k\"|'k'|on|1)?",
            value,
            0..10_usize,
        )
            .prop_map(|(indent, dashes, key, value, odd)| {
                let pad = " ".repeat(indent * 2 + usize::from(odd == 0));
                match odd {
                    1 => String::new(),
                    2 => format!("{pad}# c"),
                    3 => "---".to_owned(),
                    4 => format!("{pad}{value}"),
                    _ if key.is_empty() => format!("{pad}{}{value}", "- ".repeat(dashes)),
                    _ => format!("{pad}{}{key}: {value}", "- ".repeat(dashes)),
                }
            });
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n") + "\n")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_fast_reader_agrees_with_the_general_one(text in block_text(), cut in 0..4_usize) {
            let text = &text[..text.len() - cut.min(text.len())];
            if let Some(parts) = block::read(text) {
                let general = read_generally(text, &Arc::from(text));
                let general = general.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
                let fast: Vec<Value> =
                    parts.iter().map(|part| part.value.clone()).filter(|value| !value.is_null()).collect();
                let slow: Vec<Value> = general.iter().map(|document| document.value.clone()).collect();
                prop_assert_eq!(fast, slow, "{}", text);
                for (part, document) in parts.iter().zip(&general) {
                    prop_assert_eq!((part.line, part.start_line), (document.line, document.start_line), "{}", text);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(
            text in "\\PC{0,200}|[-a-c:&*!|>{}\\[\\], \n#'\"<0-9.]{0,120}",
        ) {
            if let Ok(documents) = parse_all(&text) {
                for document in documents {
                    let written = crate::emit(&document.value);
                    let back = parse(&written).map(|document| document.value);
                    prop_assert_eq!(back, Ok(document.value.clone()), "{}", written);
                    prop_assert!(document.position("").is_some());
                }
            }
        }
    }
}
