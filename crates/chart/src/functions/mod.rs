//! The functions that templates may call: Go's own, Sprig's and Helm's, one module a subject.
//!
//! A function declares the types of its parameters as Go's has them, because text/template refuses wrong
//! ones before the call. `env`, `expandenv` and anything that reaches a network do not exist here.

mod bytes;
mod certificates;
mod civil;
mod classes;
mod comparing;
mod convert;
pub(crate) mod dates;
mod decimal;
mod defaults;
mod der;
mod dicts;
mod digests;
pub(crate) mod durations;
mod flow;
mod keys;
mod layouts;
mod lists;
mod numbers;
mod passwords;
mod paths;
mod pem;
mod primes;
mod random;
mod regexes;
mod text;
mod toml;
mod types;
mod urls;
mod versions;

pub(crate) use convert::yaml_of;
pub(crate) use digests::hex;
pub(crate) use regexes::in_syntax_of_rust;

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use crate::template::{Engine, Failure};
use crate::value::{Dict, List, Value};

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    Text,
    Int,
    Float,
    Bool,
    Dict,
    List,
    Time,
    Uint32,
    Certificate,
}

impl Kind {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Dict => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Time => "time.Time",
            Self::Uint32 => "uint32",
            Self::Certificate => "sprig.certificate",
        }
    }
}

/// What a function does with its checked arguments.
pub(crate) type Plain = fn(&Engine<'_>, &[Value]) -> Outcome;

/// What comes of it.
pub(crate) type Outcome = Result<Value, Failure>;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    Plain(Plain),
    /// `and` and `or`: stops at the first argument whose truth is this.
    ShortCircuit(bool),
}

/// A function as templates see it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Kind],
    /// The type of any further arguments, if it takes them.
    pub(crate) rest: Option<Kind>,
    pub(crate) body: Body,
}

/// A function with a fixed number of arguments.
const fn fixed(name: &'static str, parameters: &'static [Kind], body: Plain) -> Function {
    Function {
        name,
        parameters,
        rest: None,
        body: Body::Plain(body),
    }
}

/// A function that takes further arguments of one type.
const fn variadic(name: &'static str, parameters: &'static [Kind], rest: Kind, body: Plain) -> Function {
    Function {
        name,
        parameters,
        rest: Some(rest),
        body: Body::Plain(body),
    }
}

/// Looks a function up by name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    table().get(name).copied()
}

fn table() -> &'static HashMap<&'static str, &'static Function> {
    static TABLE: OnceLock<HashMap<&'static str, &'static Function>> = OnceLock::new();
    TABLE.get_or_init(|| {
        [
            comparing::FUNCTIONS,
            bytes::FUNCTIONS,
            certificates::FUNCTIONS,
            convert::FUNCTIONS,
            dates::FUNCTIONS,
            defaults::FUNCTIONS,
            dicts::FUNCTIONS,
            digests::FUNCTIONS,
            durations::FUNCTIONS,
            flow::FUNCTIONS,
            lists::FUNCTIONS,
            numbers::FUNCTIONS,
            passwords::FUNCTIONS,
            paths::FUNCTIONS,
            random::FUNCTIONS,
            regexes::FUNCTIONS,
            text::FUNCTIONS,
            toml::FUNCTIONS,
            types::FUNCTIONS,
            urls::FUNCTIONS,
            versions::FUNCTIONS,
        ]
        .into_iter()
        .flatten()
        .map(|function| (function.name, function))
        .collect()
    })
}

/// An argument that was declared as text.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes),
        _ => Cow::Borrowed(""),
    }
}

/// The bytes of an argument that was declared as text.
fn bytes_of(value: &Value) -> &[u8] {
    match value {
        Value::Str(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => b"",
    }
}

/// An argument that was declared as `int`.
fn int_of(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        _ => 0,
    }
}

/// An argument that was declared as a map.
fn dict_of(value: &Value) -> Result<&Rc<Dict>, Failure> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(format!("expected map[string]interface {{}}; got {}", other.type_name()).into()),
    }
}

/// Text as a value.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends the bodies of functions that can fail"
)]
fn string(text: impl AsRef<str>) -> Outcome {
    Ok(Value::str(text.as_ref()))
}

/// A key shared with its map.
fn key(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// The elements of anything that Go would call a slice.
fn items_of(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(&list.items)),
        Value::Octets(bytes) => Some(Cow::Owned(
            bytes.iter().map(|byte| Value::Int(i64::from(*byte))).collect(),
        )),
        Value::Object(object) => {
            if object.kind() != "slice" {
                return None;
            }
            Some(Cow::Owned(
                object
                    .elements()?
                    .into_iter()
                    .map(|(_, element)| element)
                    .collect(),
            ))
        }
        _ => None,
    }
}

/// Sprig's `strval`: text as it is, everything else as `%v`.
fn strval(engine: &Engine<'_>, value: &Value) -> Result<String, Failure> {
    match value {
        Value::Str(text) => Ok(text.to_string()),
        Value::Bytes(bytes) | Value::Octets(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => Ok(crate::template::printing::display(engine, other)?),
    }
}

/// A list that keeps what its elements were declared as.
fn list_like(list: &List, items: Vec<Value>) -> Value {
    Value::List(Rc::new(List {
        items,
        elements: list.elements,
    }))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::budget::Limits;
    use crate::template::Scope;

    /// An engine without templates, its seed always the same.
    pub(crate) fn with_engine<T>(run: impl FnOnce(&Engine<'_>) -> T) -> T {
        let scope = Scope {
            names: HashMap::new(),
            parent: None,
        };
        run(&Engine::new(scope, Limits::default(), 0, &[7; 32]))
    }

    /// The functions that templates have from Go, Sprig 3.3 and Helm 4.3.1; more would be no help, since charts
    /// have to render with stock Helm as well.
    #[test]
    fn every_function_has_a_case_in_the_tables() {
        let tables = [
            include_str!("../../tests/functions/text.txt"),
            include_str!("../../tests/functions/numbers.txt"),
            include_str!("../../tests/functions/lists.txt"),
            include_str!("../../tests/functions/versions.txt"),
            include_str!("../../tests/functions/dates.txt"),
            include_str!("../../tests/functions/formats.txt"),
        ];
        let expressions = tables
            .iter()
            .flat_map(|table| table.lines())
            .filter_map(|line| line.split(" ==> ").next());
        let words: HashSet<&str> = expressions
            .flat_map(|expression| expression.split(|c: char| !(c.is_alphanumeric() || c == '_')))
            .collect();
        let mut without: Vec<&str> = table()
            .keys()
            .copied()
            .filter(|name| !words.contains(name))
            .collect();
        without.sort_unstable();
        assert_eq!(without, Vec::<&str>::new());
        assert_eq!(table().len(), 251);
    }
}
