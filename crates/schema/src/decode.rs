//! Why a value cannot be read into the Go types in which the API server holds a built-in kind, in the words of Go's
//! JSON decoder, which clients know from there.
//!
//! Reference: `encoding/json` of Go, and the decoders of `k8s.io/apimachinery` for quantities and times. It knows
//! nothing of what a value means: that is validation.

mod base64;
pub(crate) mod embedded;
mod moment;

use serde_json::{Map, Value};

use crate::model::{Schema, Type};
use crate::quantity::Quantity;

/// What Go says of the first value in an object that does not fit its field; `None` when all do, and for what is not
/// held in Go types: custom resources.
pub fn decode_mistake(schema: &Schema, object: &Value) -> Option<String> {
    if !schema.typed {
        return None;
    }
    let mut place = Place {
        owner: short(&schema.name),
        path: String::new(),
    };
    place.at(schema, object)
}

/// What the decoder is at: the struct it fills, and the fields that led there, without places in lists and maps.
struct Place<'a> {
    owner: &'a str,
    path: String,
}

impl<'a> Place<'a> {
    fn at(&mut self, schema: &'a Schema, value: &Value) -> Option<String> {
        if value.is_null() || schema.name == "meta.v1.FieldsV1" {
            return None;
        }
        match (schema.kind, value) {
            (Type::Any | Type::Raw, _)
            | (Type::Number, Value::Number(_))
            | (Type::Boolean, Value::Bool(_))
            | (Type::IntOrString, Value::String(_)) => None,
            (Type::Quantity, _) => quantity(value).map(str::to_owned),
            (Type::IntOrString, _) => self.integer("int32", value),
            (Type::Integer, _) => self.integer(
                if schema.format == "int32" {
                    "int32"
                } else {
                    "int64"
                },
                value,
            ),
            (Type::String, Value::String(text)) => match schema.name.as_str() {
                "meta.v1.Time" => moment::mistake(text, false),
                "meta.v1.MicroTime" => moment::mistake(text, true),
                _ if schema.format == "byte" => base64::mistake(text),
                _ => None,
            },
            (Type::Array, Value::Array(items)) => items.iter().find_map(|item| self.at(schema.item(), item)),
            (Type::Object, Value::Object(fields)) => fields.iter().find_map(|(name, value)| {
                let child = schema.child(name)?;
                if schema.field(name).is_none() {
                    return self.at(child, value);
                }
                let (owner, length) = (self.owner, self.path.len());
                self.owner = short(&schema.name);
                for step in embedded::steps(&schema.name, name) {
                    self.step(step);
                }
                self.step(name);
                let found = self.at(child, value);
                self.owner = owner;
                self.path.truncate(length);
                found
            }),
            _ => Some(self.wrong(json_type(value), &go_type(schema))),
        }
    }

    fn step(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }

    fn integer(&self, kind: &str, value: &Value) -> Option<String> {
        let Value::Number(number) = value else {
            return Some(self.wrong(json_type(value), kind));
        };
        let whole = number.as_i64();
        if whole.is_some_and(|whole| kind == "int64" || i32::try_from(whole).is_ok()) {
            return None;
        }
        Some(self.wrong(&format!("number {number}"), kind))
    }

    fn wrong(&self, value: &str, kind: &str) -> String {
        let Self { owner, path } = self;
        format!("json: cannot unmarshal {value} into Go struct field {owner}.{path} of type {kind}")
    }
}

/// `PodSpec` of `core.v1.PodSpec`.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// The name of a type as Go prints it: `[]v1.Container`.
fn go_type(schema: &Schema) -> String {
    let qualified = || {
        let mut parts = schema.name.rsplitn(3, '.');
        let (name, package) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{package}.{name}")
    };
    match schema.kind {
        // A time is written as a string, and is read by way of one.
        Type::String if schema.format == "byte" => "[]uint8".to_owned(),
        Type::String => "string".to_owned(),
        Type::Integer if schema.format == "int32" => "int32".to_owned(),
        Type::Integer => "int64".to_owned(),
        Type::Number => "float64".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Array => format!("[]{}", go_type(schema.item())),
        Type::Object if schema.name.is_empty() => {
            format!("map[string]{}", schema.values().map_or_else(String::new, go_type))
        }
        Type::Any if schema.name.is_empty() => "interface {}".to_owned(),
        Type::Object | Type::Any | Type::Raw | Type::Quantity | Type::IntOrString => qualified(),
    }
}

/// What Go's decoder of JSON calls a value.
#[must_use]
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What is wrong with a quantity.
fn quantity(value: &Value) -> Option<&'static str> {
    const FORMAT: &str =
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    if text.parse::<Quantity>().is_ok() {
        return None;
    }
    let digits = |text: &str| {
        text.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let mut suffix = &unsigned[digits(unsigned)..];
    if let Some(fraction) = suffix.strip_prefix('.') {
        suffix = &fraction[digits(fraction)..];
    }
    let rest = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    Some(if text.is_empty() || digits(rest) < rest.len() {
        FORMAT
    } else if format!("1{suffix}").parse::<Quantity>().is_err() {
        "unable to parse quantity's suffix"
    } else {
        "unable to parse numeric part of quantity"
    })
}

/// No value is printed longer.
const LONGEST: usize = 20_000;

/// A value as Go prints what its decoder of JSON makes of it: `map[a:1 b:[x y]]`. A very long one is cut.
#[must_use]
pub fn go_value(value: &Value) -> String {
    let mut printed = String::new();
    print_value(value, &mut printed);
    printed
}

/// The same of the fields of an object.
pub(crate) fn go_map(fields: &Map<String, Value>) -> String {
    let mut printed = String::new();
    print_map(fields, &mut printed);
    printed
}

fn print_value(value: &Value, printed: &mut String) {
    match value {
        Value::Null => printed.push_str("<nil>"),
        Value::String(text) => printed.extend(text.chars().take(LONGEST)),
        Value::Array(items) => {
            printed.push('[');
            for (index, item) in items.iter().enumerate() {
                if printed.len() > LONGEST {
                    break;
                }
                if index > 0 {
                    printed.push(' ');
                }
                print_value(item, printed);
            }
            printed.push(']');
        }
        Value::Object(fields) => print_map(fields, printed),
        plain => printed.push_str(&plain.to_string()),
    }
}

fn print_map(fields: &Map<String, Value>, printed: &mut String) {
    printed.push_str("map[");
    for (index, (name, value)) in fields.iter().enumerate() {
        if printed.len() > LONGEST {
            break;
        }
        if index > 0 {
            printed.push(' ');
        }
        printed.push_str(name);
        printed.push(':');
        print_value(value, printed);
    }
    printed.push(']');
}

/// A text in quotes, as Go prints it: `"a\x00b"`.
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        quoted.push_str(&go_escape(letter, '"'));
    }
    quoted.push('"');
    quoted
}

/// A letter between quotes of one kind.
pub fn go_escape(letter: char, quote: char) -> String {
    match letter {
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\\' => "\\\\".to_owned(),
        letter if letter == quote => format!("\\{quote}"),
        '"' | '\'' => letter.to_string(),
        letter if letter.is_ascii_control() => format!("\\x{:02x}", u32::from(letter)),
        letter if is_printed(letter) => letter.to_string(),
        letter => match u32::from(letter) {
            code @ 0..=0xffff => format!("\\u{code:04x}"),
            code => format!("\\U{code:08x}"),
        },
    }
}

/// Whether Go prints a letter as it is. Marks that join the letter before them are.
fn is_printed(letter: char) -> bool {
    // Rust hides such marks only where there is no letter before them.
    let mut text = String::from("a");
    text.push(letter);
    text.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Schemas;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        let value = serde_json::json!({"b": [1, "x", null], "a": {"c": true, "d": 1.5}});
        assert_eq!(go_value(&value), "map[a:map[c:true d:1.5] b:[1 x <nil>]]");
        let long = Value::Array(vec![Value::from("x".repeat(1000)); 100_000]);
        assert!(go_value(&long).len() < 2 * LONGEST, "bounded");
    }

    #[test]
    fn go_says_what_does_not_fit() {
        let check = |kind: &str, object: Value, expect: Option<&str>| {
            let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
            let schema = Schemas::builtin().schema(api_version, kind).unwrap();
            assert_eq!(decode_mistake(schema, &object).as_deref(), expect, "{object}");
        };
        let field = |value: &str, field: &str, kind: &str| {
            Some(format!(
                "json: cannot unmarshal {value} into Go struct field {field} of type {kind}"
            ))
        };
        for (kind, object, expect) in [
            (
                "ConfigMap",
                json!({"data": {"a": 1}}),
                field("number", "ConfigMap.data", "string"),
            ),
            (
                "ConfigMap",
                json!({"metadata": "text"}),
                field("string", "ConfigMap.metadata", "v1.ObjectMeta"),
            ),
            (
                "ConfigMap",
                json!({"data": ["a"]}),
                field("array", "ConfigMap.data", "map[string]string"),
            ),
            (
                "Secret",
                json!({"data": {"a": 5}}),
                field("number", "Secret.data", "[]uint8"),
            ),
            (
                "Deployment",
                json!({"spec": {"replicas": 1.5}}),
                field("number 1.5", "DeploymentSpec.spec.replicas", "int32"),
            ),
            (
                "Deployment",
                json!({"spec": {"replicas": 99_999_999_999_i64}}),
                field("number 99999999999", "DeploymentSpec.spec.replicas", "int32"),
            ),
            (
                "Deployment",
                json!({"spec": {"template": {"spec": {"containers": "text"}}}}),
                field(
                    "string",
                    "PodSpec.spec.template.spec.containers",
                    "[]v1.Container",
                ),
            ),
            (
                "Pod",
                json!({"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": 1.5}}}]}}),
                field(
                    "number 1.5",
                    "HTTPGetAction.spec.containers.livenessProbe.ProbeHandler.httpGet.port",
                    "int32",
                ),
            ),
        ] {
            check(kind, object, expect.as_deref());
        }
        check(
            "Pod",
            json!({"spec": {"containers": [{"name": null, "ports": []}]}}),
            None,
        );
    }

    #[test]
    fn quantities_are_refused_in_three_ways() {
        let check = |value: Value, expect: Option<&str>| {
            let found = quantity(&value).map(|why| why.split(' ').next_back().unwrap_or_default());
            assert_eq!(found, expect, "{value}");
        };
        check(json!("500m"), None);
        check(json!(2), None);
        check(
            json!("lots"),
            Some("'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        );
        check(json!(""), Some("'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"));
        check(json!({}), Some("'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"));
        check(json!("5KK"), Some("suffix"));
        check(json!("k"), Some("quantity"));
    }

    #[test]
    fn texts_are_quoted_as_go_does() {
        assert_eq!(go_quote("a\u{0}\n\"\\'ä\u{9e}"), r#""a\x00\n\"\\'ä\u009e""#);
        assert_eq!(go_quote("e\u{301}\u{ad}\u{200d}"), "\"e\u{301}\\u00ad\\u200d\"");
        assert_eq!(go_escape('\u{301}', '\''), "\u{301}");
    }
}
