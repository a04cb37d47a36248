//! JSON as Go's decoder takes it: bytes that are no UTF-8 are replaced, a field that stands twice is told and its last
//! value counts, and what is no JSON is refused in Go's words.

mod scan;

use std::cell::RefCell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub(super) use scan::mistake;

/// How many fields that stand twice are told.
const MOST: usize = 100;
/// How much of the path of such a field is told.
const LONGEST: usize = 256;

/// A document, and the fields that stand twice in it, or the words about them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) value: Value,
    pub(super) twice: Vec<String>,
}

/// Reads a document; an error is worded as Go words it.
pub(super) fn read(bytes: &[u8]) -> Result<Read, String> {
    read_strictly(bytes).or_else(|error| {
        if let Some(mistake) = mistake(bytes) {
            return Err(mistake);
        }
        // What is left are bytes that are no UTF-8 and halves of letters, or too many levels.
        let whole = String::from_utf8_lossy(bytes);
        read_strictly(whole.as_bytes()).map_err(|_| error.to_string())
    })
}

/// The same of what keeps to the letter of JSON.
pub(super) fn read_strictly(bytes: &[u8]) -> Result<Read, serde_json::Error> {
    let seen = RefCell::new(Seen::default());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Node(&seen).deserialize(&mut reader)?;
    reader.end()?;
    let twice = seen.into_inner().twice;
    Ok(Read { value, twice })
}

/// Where the reader is, and what it has noticed.
#[derive(Default)]
struct Seen {
    path: String,
    twice: Vec<String>,
}

/// A value to be read.
#[derive(Clone, Copy)]
struct Node<'a>(&'a RefCell<Seen>);

impl Node<'_> {
    /// Goes one step down and, once the value is read, up again.
    fn below<T>(self, step: &str, read: impl FnOnce() -> T) -> T {
        let length = {
            let mut seen = self.0.borrow_mut();
            let length = seen.path.len();
            if !step.starts_with('[') && length > 0 {
                seen.path.push('.');
            }
            seen.path.push_str(step);
            length
        };
        let done = read();
        self.0.borrow_mut().path.truncate(length);
        done
    }

    fn is_twice(self) {
        let mut seen = self.0.borrow_mut();
        if seen.twice.len() >= MOST {
            return;
        }
        let field: String = seen.path.chars().take(LONGEST).collect();
        if !seen.twice.contains(&field) {
            seen.twice.push(field);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        loop {
            let step = format!("[{}]", read.len());
            match self.below(&step, || items.next_element_seed(self))? {
                Some(item) => read.push(item),
                None => return Ok(Value::Array(read)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let twice = read.contains_key(&name);
            let value = self.below(&name, || {
                if twice {
                    self.is_twice();
                }
                fields.next_value_seed(self)
            })?;
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_and_doubles_are_told() {
        let check = |text: &[u8], value: Value, twice: &[&str]| {
            let read = read(text).unwrap();
            assert_eq!(read.value, value);
            assert_eq!(read.twice, twice);
        };
        check(
            br#"{"a":{"x":1,"x":2},"b":[{"c":0,"c":null}],"d":1.5}"#,
            json!({"a": {"x": 2}, "b": [{"c": null}], "d": 1.5}),
            &["a.x", "b[0].c"],
        );
        check(b"{\"a\":\"\xff\xfe\"}", json!({"a": "\u{fffd}\u{fffd}"}), &[]);
        check(b"null", Value::Null, &[]);
    }

    #[test]
    fn what_is_no_json_is_refused_in_the_words_of_go() {
        assert_eq!(read(b"{"), Err("unexpected end of JSON input".to_owned()));
    }
}
