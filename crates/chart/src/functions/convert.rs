//! YAML and JSON in both directions, byte for byte as Go writes them.

use std::fmt::Write as _;

use super::Kind::{Any, Text};
use super::{Function, fixed, string, text_of};
use crate::object::Object;
use crate::template::Engine;
use crate::value::{Entries, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    // Helm swallows what cannot be written, except where `must` is asked for.
    fixed("toYaml", &[Any], |engine, args| {
        string(to_yaml(engine, &args[0], yaml::emit)?.unwrap_or_default())
    }),
    fixed("mustToYaml", &[Any], |engine, args| {
        string(to_yaml(engine, &args[0], yaml::emit)?.ok_or(UNSUPPORTED)?)
    }),
    fixed("toYamlPretty", &[Any], |engine, args| {
        string(to_yaml(engine, &args[0], yaml::emit_pretty)?.unwrap_or_default())
    }),
    fixed("fromYaml", &[Text], |engine, args| {
        let text = text_of(&args[0]);
        engine.budget.spend(text.len() as u64 / 16)?;
        Ok(match first_document(&text) {
            Ok(value @ serde_json::Value::Object(_)) => Value::from_json(&value),
            Ok(serde_json::Value::Null) => Value::map(Entries::new()),
            Ok(other) => error_map(&format!(
                "error unmarshaling JSON: while decoding JSON: {}",
                mismatch(&other, MAP)
            )),
            Err(error) => error_map(&format!("error converting YAML to JSON: yaml: {error}")),
        })
    }),
    fixed("fromYamlArray", &[Text], |engine, args| {
        let text = text_of(&args[0]);
        engine.budget.spend(text.len() as u64 / 16)?;
        Ok(match first_document(&text) {
            Ok(value @ serde_json::Value::Array(_)) => Value::from_json(&value),
            Ok(serde_json::Value::Null) => Value::list(Vec::new()),
            Ok(other) => error_list(&format!(
                "error unmarshaling JSON: while decoding JSON: {}",
                mismatch(&other, LIST)
            )),
            Err(error) => error_list(&format!("error converting YAML to JSON: yaml: {error}")),
        })
    }),
    fixed("toJson", &[Any], |engine, args| {
        string(to_json(engine, &args[0], Style::COMPACT)?.unwrap_or_default())
    }),
    fixed("mustToJson", &[Any], |engine, args| {
        string(to_json(engine, &args[0], Style::COMPACT)?.ok_or(UNSUPPORTED)?)
    }),
    fixed("toPrettyJson", &[Any], |engine, args| {
        string(to_json(engine, &args[0], Style::PRETTY)?.unwrap_or_default())
    }),
    fixed("mustToPrettyJson", &[Any], |engine, args| {
        string(to_json(engine, &args[0], Style::PRETTY)?.ok_or(UNSUPPORTED)?)
    }),
    fixed("toRawJson", &[Any], |engine, args| {
        string(to_json(engine, &args[0], Style::RAW)?.ok_or(UNSUPPORTED)?)
    }),
    fixed("mustToRawJson", &[Any], |engine, args| {
        string(to_json(engine, &args[0], Style::RAW)?.ok_or(UNSUPPORTED)?)
    }),
    fixed("fromJson", &[Text], |engine, args| {
        let text = text_of(&args[0]);
        engine.budget.spend(text.len() as u64 / 16)?;
        Ok(match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value @ serde_json::Value::Object(_)) => Value::from_json(&value),
            Ok(serde_json::Value::Null) => Value::map(Entries::new()),
            Ok(other) => error_map(&mismatch(&other, MAP)),
            Err(error) => error_map(&json_mistake(&error, &text)),
        })
    }),
    fixed("fromJsonArray", &[Text], |engine, args| {
        let text = text_of(&args[0]);
        engine.budget.spend(text.len() as u64 / 16)?;
        Ok(match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value @ serde_json::Value::Array(_)) => Value::from_json(&value),
            Ok(serde_json::Value::Null) => Value::list(Vec::new()),
            Ok(other) => error_list(&mismatch(&other, LIST)),
            Err(error) => error_list(&json_mistake(&error, &text)),
        })
    }),
    fixed("mustFromJson", &[Text], |engine, args| {
        let text = text_of(&args[0]);
        engine.budget.spend(text.len() as u64 / 16)?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| json_mistake(&error, &text))?;
        Ok(Value::from_json(&value))
    }),
];

const UNSUPPORTED: &str = "json: unsupported value";
const MAP: &str = "map[string]interface {}";
const LIST: &str = "[]interface {}";

fn first_document(text: &str) -> Result<serde_json::Value, yaml::Error> {
    let mut documents = yaml::parse_all(text)?.into_iter();
    Ok(documents
        .next()
        .map_or(serde_json::Value::Null, |document| document.value))
}

fn mismatch(value: &serde_json::Value, wanted: &str) -> String {
    let found = match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go value of type {wanted}")
}

/// What is wrong with a JSON text, the commonest mistakes as Go names them.
fn json_mistake(error: &serde_json::Error, text: &str) -> String {
    let message = error.to_string();
    let place = match message.split(" at line").next() {
        _ if error.is_eof() => return "unexpected end of JSON input".to_owned(),
        Some("expected value") => "looking for beginning of value",
        Some("key must be a string") => "looking for beginning of object key string",
        Some("trailing characters") => "after top-level value",
        _ => return message,
    };
    let line = text.split('\n').nth(error.line().saturating_sub(1));
    let character = line
        .and_then(|line| line.get(error.column().saturating_sub(1)..))
        .and_then(|rest| rest.chars().next());
    match character {
        Some('\'') => format!("invalid character '\\'' {place}"),
        Some(character) => format!("invalid character '{character}' {place}"),
        None => message,
    }
}

fn error_map(message: &str) -> Value {
    Value::map(Entries::from([(super::key("Error"), Value::str(message))]))
}

fn error_list(message: &str) -> Value {
    Value::list(vec![Value::str(message)])
}

/// A value as YAML without its last newline; `None` if it holds what JSON cannot.
/// What the `YAML` of values gives.
pub(crate) fn yaml_of(engine: &Engine<'_>, value: &Value) -> Result<String, String> {
    let mut text = to_yaml(engine, value, yaml::emit)?.ok_or(UNSUPPORTED)?;
    text.push('\n');
    Ok(text)
}

fn to_yaml(
    engine: &Engine<'_>,
    value: &Value,
    emit: fn(&serde_json::Value) -> String,
) -> Result<Option<String>, String> {
    let Some(json) = json_value(engine, value, 0)? else {
        return Ok(None);
    };
    let mut text = emit(&json);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Some(text))
}

fn json_value(engine: &Engine<'_>, value: &Value, depth: usize) -> Result<Option<serde_json::Value>, String> {
    engine.budget.descend(depth)?;
    Ok(Some(match value {
        Value::Missing | Value::Nil => serde_json::Value::Null,
        Value::Bool(value) => serde_json::Value::Bool(*value),
        Value::Int(number) | Value::Int64(number) => serde_json::Value::from(*number),
        Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => serde_json::Value::Number(number),
            None => return Ok(None),
        },
        Value::Str(text) => {
            engine.budget.text(text.len())?;
            serde_json::Value::String(text.to_string())
        }
        Value::Bytes(bytes) => serde_json::Value::String(String::from_utf8_lossy(bytes).into_owned()),
        Value::Octets(bytes) => {
            use base64::Engine as _;
            engine.budget.text(bytes.len().saturating_mul(4) / 3)?;
            serde_json::Value::String(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        Value::List(list) => {
            let mut items = Vec::with_capacity(list.items.len());
            for item in &list.items {
                match json_value(engine, item, depth + 1)? {
                    Some(item) => items.push(item),
                    None => return Ok(None),
                }
            }
            serde_json::Value::Array(items)
        }
        Value::Map(map) if map.declared.is_nil() => serde_json::Value::Null,
        Value::Map(map) => {
            let mut members = serde_json::Map::new();
            for (key, member) in map.entries.borrow().iter() {
                match json_value(engine, member, depth + 1)? {
                    Some(member) => members.insert(key.to_string(), member),
                    None => return Ok(None),
                };
            }
            serde_json::Value::Object(members)
        }
        Value::Object(object) => object_json(object),
    }))
}

fn object_json(object: &Object) -> serde_json::Value {
    use base64::Engine as _;
    match object {
        Object::Files(files) => files
            .iter()
            .map(|(name, data)| {
                let packed = base64::engine::general_purpose::STANDARD.encode(data);
                (name.to_owned(), serde_json::Value::String(packed))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Object::ApiVersions(set) => serde_json::json!(set.api_versions),
        Object::KubeVersion(set) => {
            serde_json::json!({"Version": set.version, "Major": set.major, "Minor": set.minor})
        }
        Object::Capabilities(set) => serde_json::json!({
            "KubeVersion": {"Version": set.version, "Major": set.major, "Minor": set.minor},
            "APIVersions": set.api_versions,
            "HelmVersion": {"version": crate::object::HELM_VERSION},
        }),
        Object::HelmVersion => serde_json::json!({"version": crate::object::HELM_VERSION}),
        Object::SemVer(version) => serde_json::Value::String(version.to_string()),
        Object::Time(..) => serde_json::Value::String(super::dates::format_time(
            object,
            "2006-01-02T15:04:05.999999999Z07:00",
        )),
        Object::Duration(nanoseconds) => serde_json::Value::from(*nanoseconds),
        Object::Month(number) | Object::Weekday(number) => serde_json::Value::from(*number),
        Object::Certificate { cert, key } => serde_json::json!({"Cert": cert, "Key": key}),
    }
}

/// How JSON is laid out.
#[derive(Clone, Copy)]
struct Style {
    pretty: bool,
    /// `<`, `>` and `&` are written as escapes.
    escapes_html: bool,
}

impl Style {
    const COMPACT: Self = Self {
        pretty: false,
        escapes_html: true,
    };
    const PRETTY: Self = Self {
        pretty: true,
        escapes_html: true,
    };
    const RAW: Self = Self {
        pretty: false,
        escapes_html: false,
    };
}

/// A value as Go's `encoding/json` writes it; `None` if it holds what JSON cannot.
fn to_json(engine: &Engine<'_>, value: &Value, style: Style) -> Result<Option<String>, String> {
    let Some(json) = json_value(engine, value, 0)? else {
        return Ok(None);
    };
    let mut out = String::new();
    write_json(&mut out, &json, style, 0);
    engine.budget.text(out.len())?;
    Ok(Some(out))
}

fn write_json(out: &mut String, value: &serde_json::Value, style: Style, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        if style.pretty {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
    };
    match value {
        serde_json::Value::Null => out.push_str("null"),
        serde_json::Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(value) if number.is_f64() => out.push_str(&json_float(value)),
            _ => {
                let _ = write!(out, "{number}");
            }
        },
        serde_json::Value::String(text) => write_json_text(out, text, style),
        serde_json::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                write_json(out, item, style, depth + 1);
            }
            if !items.is_empty() {
                line(out, depth);
            }
            out.push(']');
        }
        serde_json::Value::Object(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                write_json_text(out, key, style);
                out.push(':');
                if style.pretty {
                    out.push(' ');
                }
                write_json(out, member, style, depth + 1);
            }
            if !members.is_empty() {
                line(out, depth);
            }
            out.push('}');
        }
    }
}

/// Go writes floats plainly between 1e-6 and 1e21, and with a short exponent beyond.
fn json_float(value: f64) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() {
            "-0".to_owned()
        } else {
            "0".to_owned()
        };
    }
    if (1e-6..1e21).contains(&value.abs()) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if exponent.starts_with('-') => format!("{mantissa}e{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}e+{exponent}"),
        None => text,
    }
}

fn write_json_text(out: &mut String, text: &str, style: Style) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if style.escapes_html => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other if u32::from(other) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
