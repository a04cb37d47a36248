//! The grammar of `--set` and its kin, assignment by assignment, straight into the values.
//!
//! Helm's reader takes the end of the text inside an assignment for the end of the work more often than one
//! would think (`a[0` is nothing at all, `a[0].b=` an empty list), and what it says is what it says: so does this.

use serde_json::{Map, Number, Value as Json};

/// The highest index of a list.
const MAX_INDEX: i64 = 65_536;
/// How many dots a name may have.
const MAX_NAMES: usize = 30;
/// How many indices may follow each other; Helm has no such bound.
const MAX_LISTS: usize = 100;
/// How many elements all assignments of one set of values may make; Helm has no such bound.
const MAX_ELEMENTS: usize = 4 << 20;

type Table = Map<String, Json>;

/// What one value becomes.
pub(super) type Convert<'a> = &'a mut dyn FnMut(String) -> Result<Json, String>;

/// Which of the grammars it is.
pub(super) enum Grammar<'a> {
    /// `name=value,name={a,b}`, with `\` to take a character as it is.
    Values(Convert<'a>),
    /// `name=JSON,name=JSON`
    Json,
    /// `name=anything`, without escapes and lists of assignments.
    Literal,
}

/// Why reading stopped.
enum Stop {
    /// The text has ended, which is no failure.
    End,
    Wrong(String),
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(message.into()))
}

pub(super) struct Parser<'g, 't> {
    grammar: Grammar<'g>,
    text: &'t str,
    at: usize,
    /// How many indices have followed each other inside this assignment.
    lists: usize,
    elements: &'t mut usize,
}

impl<'g, 't> Parser<'g, 't> {
    pub(super) fn new(grammar: Grammar<'g>, text: &'t str, elements: &'t mut usize) -> Self {
        Self {
            grammar,
            text,
            at: 0,
            lists: 0,
            elements,
        }
    }

    /// Takes all assignments.
    pub(super) fn run(mut self, into: &mut Table) -> Result<(), String> {
        loop {
            self.lists = 0;
            match self.assignment(into, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Wrong(message)) => return Err(message),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.text[self.at..].chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn is_literal(&self) -> bool {
        matches!(self.grammar, Grammar::Literal)
    }

    /// Reads to one of some characters, which is taken as well; `None` if the text ends before.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut read = String::new();
        while let Some(next) = self.next() {
            if stops.contains(&next) {
                return (read, Some(next));
            }
            if next == '\\' && !self.is_literal() {
                match self.next() {
                    Some(escaped) => read.push(escaped),
                    None => break,
                }
            } else {
                read.push(next);
            }
        }
        (read, None)
    }

    /// A name and what follows it.
    fn assignment(&mut self, into: &mut Table, depth: usize) -> Result<(), Stop> {
        let stops: &[char] = if self.is_literal() {
            &['=', '[', '.']
        } else {
            &['=', '[', ',', '.']
        };
        match self.until(stops) {
            (name, None) if name.is_empty() => Err(Stop::End),
            (name, None) => wrong(format!("key {name:?} has no value")),
            (name, Some('[')) => {
                let index = self.index()?;
                let mut list = match into.get_mut(&name) {
                    None => Vec::new(),
                    Some(Json::Array(list)) => std::mem::take(list),
                    Some(other) => return mismatch(other, "a list"),
                };
                let outcome = self.element(&mut list, index, depth);
                put(into, name, Json::Array(list));
                outcome
            }
            (name, Some('.')) => {
                if depth >= MAX_NAMES {
                    return wrong(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NAMES}"
                    ));
                }
                let mut inner = match into.get_mut(&name) {
                    None => Table::new(),
                    Some(Json::Object(inner)) => std::mem::take(inner),
                    Some(other) => return mismatch(other, "a mapping"),
                };
                let outcome = self.assignment(&mut inner, depth + 1);
                if inner.is_empty() && outcome.is_ok() {
                    return wrong(format!("key map {name:?} has no value"));
                }
                if !inner.is_empty() || into.contains_key(&name) {
                    put(into, name, Json::Object(inner));
                }
                outcome
            }
            (name, Some(',')) => wrong(format!("key {name:?} has no value (cannot end with ,)")),
            (name, Some(_)) => match self.value() {
                Ok(value) => {
                    put(into, name, value);
                    Ok(())
                }
                Err(Stop::End) => {
                    put(into, name, Json::String(String::new()));
                    Err(Stop::End)
                }
                Err(stop) => Err(stop),
            },
        }
    }

    /// What follows an index: another one, a name, or the value.
    fn element(&mut self, list: &mut Vec<Json>, index: i64, depth: usize) -> Result<(), Stop> {
        self.lists += 1;
        if self.lists > MAX_LISTS {
            return wrong(format!("lists are nested more than {MAX_LISTS} deep"));
        }
        if index < 0 {
            return wrong(format!("negative {index} index not allowed"));
        }
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        match self.until(&['[', '.', '=']) {
            (rest, _) if !rest.is_empty() => {
                wrong(format!("unexpected data at end of array index: {rest:?}"))
            }
            (_, None) => Err(Stop::End),
            (_, Some('[')) => {
                let next = self.index()?;
                let existing = list.get_mut(place);
                let exists = matches!(existing, Some(Json::Array(_)));
                let mut inner = match existing {
                    None | Some(Json::Null) => Vec::new(),
                    Some(Json::Array(inner)) => std::mem::take(inner),
                    Some(other) => return mismatch(other, "a list"),
                };
                let outcome = self.element(&mut inner, next, depth);
                if outcome.is_ok() || exists {
                    self.put_at(list, index, Json::Array(inner))?;
                }
                outcome
            }
            (_, Some('.')) => {
                let existing = list.get_mut(place);
                let exists = existing.is_some();
                let mut inner = match existing {
                    Some(Json::Object(inner)) => std::mem::take(inner),
                    _ => Table::new(),
                };
                // The name's own dots are counted on: the depth does not start again inside a list.
                let outcome = self.assignment(&mut inner, depth);
                if outcome.is_ok() || exists {
                    self.put_at(list, index, Json::Object(inner))?;
                }
                outcome
            }
            (_, Some(_)) => {
                let value = match self.value() {
                    Ok(value) => value,
                    Err(Stop::End) => Json::String(String::new()),
                    Err(stop) => return Err(stop),
                };
                self.put_at(list, index, value)
            }
        }
    }

    fn put_at(&mut self, list: &mut Vec<Json>, index: i64, value: Json) -> Result<(), Stop> {
        if index > MAX_INDEX {
            return wrong(format!(
                "index of {index} is greater than maximum supported index of {MAX_INDEX}"
            ));
        }
        let place = usize::try_from(index).unwrap_or_default();
        if place >= list.len() {
            self.grow(place + 1 - list.len())?;
            list.resize(place + 1, Json::Null);
        }
        list[place] = value;
        Ok(())
    }

    /// Counts elements that are about to be made.
    fn grow(&mut self, by: usize) -> Result<(), Stop> {
        *self.elements += by;
        if *self.elements > MAX_ELEMENTS {
            return wrong(format!(
                "the lists would have more than {MAX_ELEMENTS} elements together"
            ));
        }
        Ok(())
    }

    /// The number up to a `]`.
    fn index(&mut self) -> Result<i64, Stop> {
        match self.until(&[']']) {
            (_, None) => Err(Stop::End),
            (digits, Some(_)) => digits
                .parse()
                .or_else(|_| wrong(format!("error parsing index: {digits:?} is not a whole number"))),
        }
    }

    /// What stands behind a `=`; [`Stop::End`] if that is nothing.
    fn value(&mut self) -> Result<Json, Stop> {
        match self.grammar {
            Grammar::Literal => {
                let rest = self.text[self.at..].to_owned();
                self.at = self.text.len();
                Ok(Json::String(rest))
            }
            Grammar::Json => self.json(),
            Grammar::Values(_) => match self.peek() {
                None => Err(Stop::End),
                Some('{') => {
                    self.next();
                    self.list()
                }
                Some(_) => {
                    let (text, _) = self.until(&[',']);
                    self.convert(text)
                }
            },
        }
    }

    /// The rest of `{a,b}`.
    fn list(&mut self) -> Result<Json, Stop> {
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            if stop.is_none() {
                return wrong("list must terminate with '}'");
            }
            if stop == Some('}') && self.peek() == Some(',') {
                self.next();
            }
            let item = self.convert(text)?;
            self.grow(1)?;
            list.push(item);
            if stop == Some('}') {
                return Ok(Json::Array(list));
            }
        }
    }

    fn convert(&mut self, text: String) -> Result<Json, Stop> {
        match &mut self.grammar {
            Grammar::Values(convert) => convert(text).map_err(Stop::Wrong),
            Grammar::Json | Grammar::Literal => Ok(Json::String(text)),
        }
    }

    /// Skips blanks, and a comma behind them; whether there is nothing more to this assignment.
    fn is_over(&mut self) -> bool {
        loop {
            match self.peek() {
                None => return true,
                Some(',') => {
                    self.next();
                    return true;
                }
                Some(blank) if blank.is_whitespace() => {
                    self.next();
                }
                Some(_) => return false,
            }
        }
    }

    /// One JSON value, and the comma behind it.
    fn json(&mut self) -> Result<Json, Stop> {
        if self.is_over() {
            return Ok(Json::Null);
        }
        let rest = &self.text[self.at..];
        let length = scalar_length(rest);
        let mut stream =
            serde_json::Deserializer::from_str(length.map_or(rest, |length| &rest[..length])).into_iter();
        let mut value: Json = match stream.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) => return wrong(error.to_string()),
            None => return wrong("a JSON value is missing"),
        };
        self.at += length.unwrap_or_else(|| stream.byte_offset());
        super::float(&mut value);
        self.is_over();
        Ok(value)
    }
}

/// The length of a number, or of `true`, `false` or `null`, with which a text starts.
fn scalar_length(text: &str) -> Option<usize> {
    for word in ["true", "false", "null"] {
        if text.starts_with(word) {
            return Some(word.len());
        }
    }
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let mut end = match bytes.get(sign)? {
        b'0' => sign + 1,
        b'1'..=b'9' => sign + digits(sign),
        _ => return None,
    };
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        end += 1;
        end += usize::from(matches!(bytes.get(end), Some(b'+' | b'-')));
        end += digits(end);
    }
    Some(end)
}

/// A value is set under its name; one without a name is dropped.
fn put(into: &mut Table, name: String, value: Json) {
    if !name.is_empty() || into.contains_key("") {
        into.insert(name, value);
    }
}

fn mismatch<T>(found: &Json, wanted: &str) -> Result<T, Stop> {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a mapping",
    };
    wrong(format!(
        "unable to parse key: {wanted} is wanted, but there is {found}"
    ))
}

/// What `--set` makes of a value.
pub(super) fn typed(text: &str) -> Json {
    for (word, value) in [
        ("true", Json::Bool(true)),
        ("false", Json::Bool(false)),
        ("null", Json::Null),
    ] {
        if text.eq_ignore_ascii_case(word) {
            return value;
        }
    }
    let number = match text.strip_prefix('0') {
        Some("") => Some(0),
        // What begins with a zero may be an identifier, and stays as it is.
        Some(_) => None,
        None => text.parse::<i64>().ok(),
    };
    number.map_or_else(
        || Json::String(text.to_owned()),
        |number| Json::Number(Number::from(number)),
    )
}
