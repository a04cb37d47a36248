//! Sprig's functions about types.

use super::Kind::{Any, Text};
use super::{Function, fixed, string, text_of};
use crate::functions::lists::deep_equal;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("typeOf", &[Any], |_, args| string(args[0].type_name())),
    fixed("typeIs", &[Text, Any], |_, args| {
        Ok(Value::Bool(text_of(&args[0]) == args[1].type_name()))
    }),
    fixed("typeIsLike", &[Text, Any], |_, args| {
        let (wanted, name) = (text_of(&args[0]), args[1].type_name());
        Ok(Value::Bool(wanted == name || format!("*{wanted}") == name))
    }),
    fixed("kindOf", &[Any], |_, args| string(args[0].kind())),
    fixed("kindIs", &[Text, Any], |_, args| {
        Ok(Value::Bool(text_of(&args[0]) == args[1].kind()))
    }),
    fixed("deepEqual", &[Any, Any], |engine, args| {
        Ok(Value::Bool(deep_equal(engine, &args[0], &args[1], 0)?))
    }),
];
