//! `cargo xtask conformance cel`: how near our CEL is to its public compliance suite.
//!
//! What Kubernetes does not have is counted apart: messages of protobuf beside durations and timestamps, enums,
//! containers, the types that a checker deduces, and what only optimizers write. A value is right when it is of the type
//! and equal to what is expected; within lists and maps numbers of different types are equal, as CEL has it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::language;
use super::text_proto::{Field, Message, read};
use crate::failure::{Doing, Result};
use crate::say;

/// Runs every `*.textproto` of a folder and prints how many cases come out as they should.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut passed, mut total) = (0, 0);
    let mut apart: BTreeMap<&str, usize> = BTreeMap::new();
    for file in language::files("cel", arguments, "textproto")? {
        let text = fs::read_to_string(&file).doing(|| format!("read {}", file.display()))?;
        let suite = read(&text).doing(|| format!("read {}", file.display()))?;
        let (mut here, mut of, mut beside) = (0, 0, 0);
        let mut differing = Vec::new();
        for section in suite.messages("section") {
            for case in section.messages("test") {
                if let Some(reason) = out_of_scope(&section.text("name"), case) {
                    *apart.entry(reason).or_default() += 1;
                    beside += 1;
                    continue;
                }
                of += 1;
                match differs(case) {
                    None => here += 1,
                    Some(difference) => differing.push(format!(
                        "{}/{}: {difference}",
                        section.text("name"),
                        case.text("name")
                    )),
                }
            }
        }
        say::line(format!(
            "{:<20} {here:>4} of {of:>4}, {beside:>4} apart",
            suite.text("name")
        ));
        for difference in differing {
            say::line(format!("    {difference}"));
        }
        (passed, total) = (passed + here, total + of);
    }
    language::sum(passed, total)?;
    for (reason, count) in apart {
        say::line(format!("{count:>5} apart: {reason}"));
    }
    Ok(())
}

/// Cases in which Kubernetes' own evaluator, which ours follows, says otherwise: a search from behind the end of a text
/// finds nothing, a duration has milliseconds in all, a present value that is no map has no fields, an address of IPv4
/// written as one of IPv6 is none.
const OTHERWISE: [&str; 7] = [
    "indexof_out_of_range",
    "lastindexof_out_of_range",
    "get_milliseconds",
    "map_null_entry_no_such_key",
    "map_present_key_invalid_field",
    "ipv4_equals_ipv6",
    "ipv4_not_equals_ipv6",
];

/// What Kubernetes has nothing of, or sees in another way.
fn out_of_scope(section: &str, case: &Message) -> Option<&'static str> {
    const MESSAGES: [&str; 10] = [
        "TestAllTypes",
        "proto.hasExt",
        "proto.getExt",
        "google.protobuf.",
        "GlobalEnum",
        "cel.expr.conformance",
        "Value{",
        "Struct{",
        "Any{",
        "NullValue",
    ];
    let (name, expression) = (case.text("name"), case.text("expr"));
    if expression.contains("cel.@")
        || expression.contains("cel.block(")
        || expression.contains("cel.iterVar(")
    {
        return Some("what only optimizers write");
    }
    let plain = expression
        .replace("google.protobuf.Timestamp)", ")")
        .replace("google.protobuf.Duration)", ")");
    let plain = plain
        .trim_end_matches("google.protobuf.Timestamp")
        .trim_end_matches("google.protobuf.Duration");
    let written = MESSAGES.iter().any(|name| plain.contains(name));
    if written || holds_messages(case) || case.text("container").starts_with("cel.expr") {
        return Some("messages and enums of protobuf");
    }
    let dotted = |messages: &str, field: &str| {
        case.messages(messages)
            .any(|message| message.text(field).contains('.'))
    };
    if !case.text("container").is_empty() || dotted("type_env", "name") || dotted("bindings", "key") {
        return Some("containers of names, variables with dots in their names");
    }
    if case.text("check_only") == "true" {
        return Some("types that a checker deduces");
    }
    if section == "receiver_function_names" || name == "unbound_is_runtime_error" {
        return Some("names that nobody declared, which Kubernetes refuses before it evaluates");
    }
    if case.message("unknown").is_some() || case.message("any_unknowns").is_some() {
        return Some("values that are not known yet");
    }
    OTHERWISE
        .contains(&name.as_str())
        .then_some("Kubernetes' own evaluator says otherwise")
}

/// Whether there is a message other than a duration, a timestamp and what stands for JSON.
fn holds_messages(message: &Message) -> bool {
    message
        .0
        .iter()
        .any(|(name, field)| match (name.as_str(), field) {
            ("enum_value", _) => true,
            ("message_type", Field::Quoted(name)) => {
                ![&b"google.protobuf.Duration"[..], b"google.protobuf.Timestamp"].contains(&name.as_slice())
            }
            ("object_value", Field::Message(object)) => literal_of_object(object).is_none(),
            (_, Field::Message(below)) => holds_messages(below),
            _ => false,
        })
}

/// What is other than the suite says.
fn differs(case: &Message) -> Option<String> {
    let expression = case.text("expr");
    let mut bound = format!("({expression}\n)");
    for binding in case.messages("bindings") {
        // No variable hides a constant.
        if matches!(binding.text("key").as_str(), "true" | "false" | "null") {
            continue;
        }
        let value = binding.message("value").and_then(|value| value.message("value"));
        let Some(value) = value.and_then(literal) else {
            return Some(format!("{expression}: a binding cannot be read"));
        };
        bound = format!("cel.bind({}, {value}, {bound})", binding.text("key"));
    }
    if case.message("eval_error").is_some() || case.message("any_eval_errors").is_some() {
        return match guardrails::evaluate_cel(&bound, &Value::Null) {
            Ok(value) => Some(format!("{expression}: an error expected, got {value}")),
            Err(_) => None,
        };
    }
    let expected = case.message("value").or_else(|| {
        case.message("typed_result")
            .and_then(|typed| typed.message("result"))
    });
    let expected = match expected.map(literal) {
        None => "true".to_owned(),
        Some(Some(expected)) => expected,
        Some(None) => return Some(format!("{expression}: the expected value cannot be read")),
    };
    let compared = format!(
        "cel.bind(expected_, {expected}, cel.bind(got_, {bound}, \
         [type(got_) == type(expected_), got_ == expected_ || (got_ != got_ && expected_ != expected_)]))"
    );
    match guardrails::evaluate_cel(&compared, &Value::Null) {
        Ok(verdict) if verdict == json!([true, true]) => None,
        Ok(_) => Some(match guardrails::evaluate_cel(&bound, &Value::Null) {
            Ok(value) => format!("{expression}: {expected} expected, got {value}"),
            Err(reason) => format!("{expression}: {expected} expected, got {reason}"),
        }),
        Err(reason) => Some(format!(
            "{expression}: {expected} expected, got the error {reason}"
        )),
    }
}

/// A value of the suite as CEL writes it.
fn literal(value: &Message) -> Option<String> {
    let (kind, field) = value.0.first()?;
    Some(match (kind.as_str(), field) {
        ("int64_value" | "bool_value", Field::Word(word)) => format!("({word})"),
        ("uint64_value", Field::Word(word)) => format!("{word}u"),
        ("double_value", Field::Word(word)) => double(word)?,
        ("null_value", _) => "null".to_owned(),
        ("string_value", Field::Quoted(bytes)) => quoted(std::str::from_utf8(bytes).ok()?),
        ("bytes_value", Field::Quoted(bytes)) => {
            let mut text = "b\"".to_owned();
            for byte in bytes {
                let _ = write!(text, "\\x{byte:02x}");
            }
            text + "\""
        }
        ("type_value", Field::Quoted(name)) => String::from_utf8(name.clone()).ok()?,
        ("list_value", Field::Message(list)) => {
            let items: Option<Vec<String>> = list.messages("values").map(literal).collect();
            format!("[{}]", items?.join(", "))
        }
        ("map_value", Field::Message(map)) => {
            let entries: Option<Vec<String>> = map
                .messages("entries")
                .map(|entry| {
                    Some(format!(
                        "{}: {}",
                        literal(entry.message("key")?)?,
                        literal(entry.message("value")?)?
                    ))
                })
                .collect();
            format!("{{{}}}", entries?.join(", "))
        }
        ("object_value", Field::Message(object)) => literal_of_object(object)?,
        _ => return None,
    })
}

fn double(word: &str) -> Option<String> {
    let plain = word.trim_end_matches(['f', 'F']);
    Some(match word.trim_start_matches('-').to_ascii_lowercase().as_str() {
        "inf" | "infinity" => format!("({}1.0 / 0.0)", if word.starts_with('-') { "-" } else { "" }),
        "nan" => "(0.0 / 0.0)".to_owned(),
        _ => format!("({:?})", plain.parse::<f64>().ok()?),
    })
}

fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == ' ' {
            quoted.push(letter);
        } else {
            let _ = write!(quoted, "\\U{:08x}", u32::from(letter));
        }
    }
    quoted + "\""
}

/// A duration, a timestamp.
fn literal_of_object(object: &Message) -> Option<String> {
    let (name, field) = object.0.first()?;
    let Field::Message(fields) = field else {
        return None;
    };
    let number = |name: &str| match fields.text(name) {
        empty if empty.is_empty() => Some(0_i64),
        written => written.parse().ok(),
    };
    let (seconds, nanos) = (number("seconds")?, number("nanos")?);
    match name.rsplit('/').next()? {
        "google.protobuf.Duration]" => Some(format!("(duration('{seconds}s') + duration('{nanos}ns'))")),
        "google.protobuf.Timestamp]" => Some(format!("(timestamp({seconds}) + duration('{nanos}ns'))")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(text: &str) -> Message {
        read(text).expect("a case")
    }

    #[test]
    fn cases_are_judged() {
        let same = |text: &str| assert_eq!(differs(&case(text)), None, "{text}");
        same("expr: '1 + 1' value { int64_value: 2 }");
        same(
            "expr: 'x + \"b\"' bindings { key: 'x' value { value { string_value: 'a' } } } value { string_value: 'ab' }",
        );
        same("expr: '1 / 0' eval_error { errors { message: 'divide by zero' } }");
        same("expr: '0.0 / 0.0' value { double_value: nan }");
        same("expr: \"b'\\\\xff'\" value { bytes_value: '\\377' }");
        same(
            "expr: '{1: [true]}' value { map_value { entries { key { int64_value: 1 } value { list_value { values { bool_value: true } } } } } }",
        );
        same("expr: 'type(1)' value { type_value: 'int' }");
        same(
            "expr: 'duration(\"1.5s\")' value { object_value { [type.googleapis.com/google.protobuf.Duration] { seconds: 1 nanos: 500000000 } } }",
        );
        let other = |text: &str| assert!(differs(&case(text)).is_some(), "{text}");
        other("expr: '1 + 1' value { int64_value: 3 }");
        other("expr: '1 + 1' value { double_value: 2 }");
        other("expr: '1 + 1' eval_error { }");
        other("expr: '1 / 0' value { int64_value: 3 }");
    }

    #[test]
    fn what_kubernetes_does_not_have_is_apart() {
        let apart = |text: &str| assert!(out_of_scope("", &case(text)).is_some(), "{text}");
        apart("expr: 'TestAllTypes{}'");
        apart("expr: 'x' check_only: true");
        apart("expr: 'cel.@block([1], cel.@index0)'");
        apart("expr: 'y' container: 'x' bindings { key: 'x.y' value { value { int64_value: 1 } } }");
        apart("expr: 'x' value { object_value { [type.googleapis.com/a.B] { } } }");
        assert_eq!(
            out_of_scope(
                "",
                &case("expr: 'type(duration(\"1s\")) == google.protobuf.Duration'")
            ),
            None
        );
    }
}
