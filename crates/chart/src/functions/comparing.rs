//! Go's own functions: comparison, `and`, `or`, `not`, `index`, `len`, `print` and escaping.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::Kind::{Any, Text};
use super::{Body, Function, Outcome, fixed, string, text_of, variadic};
use crate::object::Object;
use crate::template::{Engine, printing};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "and",
        parameters: &[Any],
        rest: Some(Any),
        body: Body::ShortCircuit(false),
    },
    Function {
        name: "or",
        parameters: &[Any],
        rest: Some(Any),
        body: Body::ShortCircuit(true),
    },
    fixed("not", &[Any], |_, args| Ok(Value::Bool(!args[0].truth()))),
    variadic("eq", &[Any], Any, |engine, args| {
        if args.len() < 2 {
            return Err("missing argument for comparison".into());
        }
        for other in &args[1..] {
            if equal(engine, &args[0], other)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }),
    fixed("ne", &[Any, Any], |engine, args| {
        Ok(Value::Bool(!equal(engine, &args[0], &args[1])?))
    }),
    fixed("lt", &[Any, Any], |_, args| {
        Ok(Value::Bool(compare(&args[0], &args[1])?.is_lt()))
    }),
    fixed("le", &[Any, Any], |_, args| {
        Ok(Value::Bool(compare(&args[0], &args[1])?.is_le()))
    }),
    fixed("gt", &[Any, Any], |_, args| {
        Ok(Value::Bool(compare(&args[0], &args[1])?.is_gt()))
    }),
    fixed("ge", &[Any, Any], |_, args| {
        Ok(Value::Bool(compare(&args[0], &args[1])?.is_ge()))
    }),
    fixed("len", &[Any], |_, args| {
        let length = match &args[0] {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) | Value::Octets(bytes) => bytes.len(),
            Value::List(list) => list.items.len(),
            Value::Map(map) => map.len(),
            Value::Object(object) if object.length().is_some() => object.length().unwrap_or(0),
            Value::Missing | Value::Nil => return Err("len of nil pointer".into()),
            other => return Err(format!("len of type {}", other.type_name()).into()),
        };
        Ok(Value::Int(length as i64))
    }),
    variadic("index", &[Any], Any, index),
    variadic("call", &[Any], Any, |engine, args| {
        if args[0].is_nil() {
            return Err("call of nil".into());
        }
        let shown = match &args[0] {
            Value::Str(text) => printing::quote(text),
            other => printing::display(engine, other)?,
        };
        Err(format!("non-function {shown} of type {}", args[0].type_name()).into())
    }),
    variadic("print", &[], Any, |engine, args| {
        string(printing::sprint(engine, args)?)
    }),
    variadic("println", &[], Any, |engine, args| {
        string(printing::sprintln(engine, args)?)
    }),
    variadic("printf", &[Text], Any, |engine, args| {
        string(printing::sprintf(engine, &text_of(&args[0]), &args[1..])?)
    }),
    variadic("html", &[], Any, |engine, args| {
        string(html(&evaluated(engine, args)?))
    }),
    variadic("js", &[], Any, |engine, args| {
        string(javascript(&evaluated(engine, args)?))
    }),
    variadic("urlquery", &[], Any, |engine, args| {
        string(query_escape(&evaluated(engine, args)?))
    }),
];

fn evaluated(engine: &Engine<'_>, args: &[Value]) -> Result<String, String> {
    match args {
        [Value::Str(text)] => Ok(text.to_string()),
        [Value::Nil | Value::Missing] => Ok("<no value>".to_owned()),
        other => {
            let shown: Vec<Value> = other
                .iter()
                .map(|value| match value {
                    Value::Nil | Value::Missing => Value::str("<no value>"),
                    other => other.clone(),
                })
                .collect();
            printing::sprint(engine, &shown)
        }
    }
}

/// The kinds that can be compared with each other.
#[derive(PartialEq, Clone, Copy)]
enum Basic {
    Invalid,
    Bool,
    Int,
    Float,
    Text,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_) | Value::Int64(_) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::Str(_) => Basic::Text,
        Value::Object(object) if matches!(object.kind(), "int" | "int64") => Basic::Int,
        _ => Basic::Invalid,
    }
}

fn whole(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Object(object) => match &**object {
            Object::Duration(nanoseconds) => *nanoseconds,
            Object::Month(number) | Object::Weekday(number) => *number as i64,
            _ => 0,
        },
        _ => 0,
    }
}

#[expect(clippy::float_cmp, reason = "Go compares floats exactly")]
fn equal(engine: &Engine<'_>, left: &Value, right: &Value) -> Result<bool, String> {
    let (left_kind, right_kind) = (basic(left), basic(right));
    if left_kind != right_kind {
        if left.is_nil() || right.is_nil() {
            return Ok(false);
        }
        return Err(format!(
            "incompatible types for comparison: {} and {}",
            left.type_name(),
            right.type_name()
        ));
    }
    Ok(match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        _ if left_kind == Basic::Int => whole(left) == whole(right),
        _ if holds_nil(left) || holds_nil(right) => holds_nil(left) && holds_nil(right),
        (_, other) => {
            let shown = printing::display(engine, other)?;
            return Err(format!("non-comparable type {shown}: {}", other.type_name()));
        }
    })
}

/// Whether it is nil, or a map that is.
fn holds_nil(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.declared.is_nil(),
        other => other.is_nil(),
    }
}

fn compare(left: &Value, right: &Value) -> Result<Ordering, String> {
    let (left_kind, right_kind) = (basic(left), basic(right));
    if left_kind == Basic::Invalid || right_kind == Basic::Invalid {
        return Err("invalid type for comparison".to_owned());
    }
    if left_kind != right_kind {
        return Err(format!(
            "incompatible types for comparison: {} and {}",
            left.type_name(),
            right.type_name()
        ));
    }
    match (left, right) {
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b).unwrap_or(Ordering::Greater)),
        (Value::Str(a), Value::Str(b)) => Ok(a.cmp(b)),
        _ if left_kind == Basic::Int => Ok(whole(left).cmp(&whole(right))),
        _ => Err("invalid type for comparison".to_owned()),
    }
}

fn index(_: &Engine<'_>, args: &[Value]) -> Outcome {
    let mut item = args[0].clone();
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    for index in &args[1..] {
        let number = match index {
            Value::Int(number) | Value::Int64(number) => Ok(*number),
            Value::Nil | Value::Missing => Err("cannot index slice/array with nil".to_owned()),
            other => Err(format!(
                "cannot index slice/array with type {}",
                other.type_name()
            )),
        };
        let within = |length: usize| -> Result<usize, String> {
            let number = number.clone()?;
            usize::try_from(number)
                .ok()
                .filter(|number| *number < length)
                .ok_or_else(|| format!("index out of range: {number}"))
        };
        item = match &item {
            Value::Missing | Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => list.items[within(list.items.len())?].clone(),
            Value::Str(text) => Value::Int(i64::from(text.as_bytes()[within(text.len())?])),
            Value::Bytes(bytes) | Value::Octets(bytes) => Value::Int(i64::from(bytes[within(bytes.len())?])),
            Value::Map(map) => match index {
                Value::Str(name) => {
                    let missing = if map.declared.holds_text() {
                        Value::str("")
                    } else {
                        Value::Nil
                    };
                    map.get(name).unwrap_or(missing)
                }
                Value::Nil | Value::Missing => return Err("value is nil; should be of type string".into()),
                other => {
                    return Err(format!("value has type {}; should be string", other.type_name()).into());
                }
            },
            Value::Object(object) => match (object.elements(), index) {
                (Some(elements), Value::Str(name)) => elements
                    .into_iter()
                    .find(|(known, _)| matches!(known, Value::Str(known) if known == name))
                    .map_or(Value::Nil, |(_, value)| value),
                (Some(elements), _) => elements[within(elements.len())?].1.clone(),
                (None, _) => return Err(format!("can't index item of type {}", item.type_name()).into()),
            },
            other => return Err(format!("can't index item of type {}", other.type_name()).into()),
        };
    }
    Ok(item)
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    out
}

fn javascript(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            other if u32::from(other) < 0x20 => {
                let _ = write!(out, "\\u{:04X}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out
}

/// Go's `url.QueryEscape`.
fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            b' ' => out.push('+'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}
