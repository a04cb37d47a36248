//! Sprig's functions about what is empty: `default`, `coalesce`, `ternary` and their like.

use super::Kind::{Any, Bool};
use super::{Function, fixed, variadic};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("default", &[Any], Any, |_, args| {
        Ok(match args.get(1) {
            Some(given) if !is_empty(given) => given.clone(),
            _ => args[0].clone(),
        })
    }),
    fixed("empty", &[Any], |_, args| Ok(Value::Bool(is_empty(&args[0])))),
    variadic("coalesce", &[], Any, |_, args| {
        Ok(args
            .iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    variadic("all", &[], Any, |_, args| {
        Ok(Value::Bool(!args.iter().any(is_empty)))
    }),
    variadic("any", &[], Any, |_, args| {
        Ok(Value::Bool(!args.iter().all(is_empty)))
    }),
    fixed("ternary", &[Any, Any, Bool], |_, args| {
        Ok(if matches!(args[2], Value::Bool(true)) {
            args[0].clone()
        } else {
            args[1].clone()
        })
    }),
];

/// Sprig's idea of empty, which is Go's idea of false.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.truth()
}
