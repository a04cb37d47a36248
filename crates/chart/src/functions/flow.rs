//! Helm's functions that run templates or end a render: `include`, `tpl`, `required`, `fail`, `lookup`.

use super::Kind::{Any, Text};
use super::{Function, fixed, string, text_of};
use crate::template::Failure;
use crate::value::{Entries, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("include", &[Text, Any], |engine, args| match &args[0] {
        Value::Str(name) => engine.include(name, &data(&args[1])),
        _ => Err("a template's name is text".into()),
    }),
    fixed("tpl", &[Text, Any], |engine, args| match &args[0] {
        Value::Str(text) => engine.run_text(text, &data(&args[1])),
        _ => Err("a template is text".into()),
    }),
    fixed("required", &[Text, Any], |_, args| {
        let empty = match &args[1] {
            Value::Missing | Value::Nil => true,
            Value::Str(text) => text.is_empty(),
            _ => false,
        };
        if empty {
            Err(Failure::Refusal(text_of(&args[0]).into_owned()))
        } else {
            Ok(args[1].clone())
        }
    }),
    fixed("fail", &[Text], |_, args| {
        Err(Failure::Refusal(text_of(&args[0]).into_owned()))
    }),
    // Nothing can be looked up without a cluster.
    fixed("lookup", &[Text, Text, Text, Text], |_, _| {
        Ok(Value::map(Entries::new()))
    }),
    fixed("getHostByName", &[Text], |_, _| string("")),
    fixed("hello", &[], |_, _| string("Hello!")),
];

/// A nil given as data is no value: its fields are missing rather than wrong.
fn data(value: &Value) -> Value {
    match value {
        Value::Nil => Value::Missing,
        other => other.clone(),
    }
}
