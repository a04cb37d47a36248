//! Values as text, in the two ways Go writes them: as JSON, and as `fmt` prints them.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// A value as JSON. As Go does it keys are sorted and `<`, `>`, `&` escaped.
pub(crate) fn as_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

/// A value as Go prints it: a text as it is.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        other => as_json(other),
    }
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&written_number(number)),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(key, out);
                out.push(':');
                write_value(value, out);
            }
            out.push('}');
        }
    }
}

/// A number without an exponent as long as it has at most 21 digits, and no fraction when it is whole.
pub(super) fn written_number(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    format!("{value}")
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", letter as u32);
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_as_go_writes_them() {
        let check = |value: Value, expect: &str| assert_eq!(as_json(&value), expect);
        check(
            json!({"b": [1, 2.0, 0.5], "a": null}),
            r#"{"a":null,"b":[1,2,0.5]}"#,
        );
        check(
            json!("a<b>&\"\\\n\u{1}é"),
            r#""a\u003cb\u003e\u0026\"\\\n\u0001é""#,
        );
        check(json!(1e20), "100000000000000000000");
        check(json!(1e21), "1e+21");
        check(json!(0.000_001), "0.000001");
        check(json!(1.5e-7), "1.5e-7");
        check(json!(-0.0), "-0");
        check(json!(u64::MAX), "18446744073709551615");
        assert_eq!(as_text(&json!(null)), "<nil>");
        assert_eq!(as_text(&json!("a<b")), "a<b");
        assert_eq!(as_text(&json!(true)), "true");
    }
}
