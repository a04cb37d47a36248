//! Sprig's functions on lists. None changes a list in place.

use std::rc::Rc;

use super::Kind::{Any, Int};
use super::{Function, Outcome, fixed, int_of, items_of, list_like, variadic};
use crate::functions::defaults::is_empty;
use crate::functions::numbers::to_int;
use crate::object::Object;
use crate::template::{Engine, Failure};
use crate::value::{Elements, List, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("list", &[], Any, |_, args| Ok(Value::list(args.to_vec()))),
    variadic("tuple", &[], Any, |_, args| Ok(Value::list(args.to_vec()))),
    fixed("append", &[Any, Any], push),
    fixed("push", &[Any, Any], push),
    fixed("mustAppend", &[Any, Any], push),
    fixed("mustPush", &[Any, Any], push),
    fixed("prepend", &[Any, Any], prepend),
    fixed("mustPrepend", &[Any, Any], prepend),
    fixed("first", &[Any], first),
    fixed("mustFirst", &[Any], first),
    fixed("last", &[Any], last),
    fixed("mustLast", &[Any], last),
    fixed("rest", &[Any], rest),
    fixed("mustRest", &[Any], rest),
    fixed("initial", &[Any], initial),
    fixed("mustInitial", &[Any], initial),
    fixed("reverse", &[Any], reverse),
    fixed("mustReverse", &[Any], reverse),
    fixed("compact", &[Any], compact),
    fixed("mustCompact", &[Any], compact),
    fixed("uniq", &[Any], uniq),
    fixed("mustUniq", &[Any], uniq),
    variadic("without", &[Any], Any, without),
    variadic("mustWithout", &[Any], Any, without),
    fixed("has", &[Any, Any], has),
    fixed("mustHas", &[Any, Any], has),
    variadic("slice", &[Any], Any, slice),
    variadic("mustSlice", &[Any], Any, slice),
    variadic("concat", &[], Any, |engine, args| {
        let mut all = Vec::new();
        for list in args {
            if list.is_nil() {
                return Err(NIL_POINTER.into());
            }
            let Some(items) = items_of(list) else {
                return Err(format!("Cannot concat type {} as list", list.kind()).into());
            };
            all.extend_from_slice(&items);
        }
        made(engine, all)
    }),
    fixed("chunk", &[Int, Any], chunk),
    fixed("mustChunk", &[Int, Any], chunk),
];

/// What Go says where a list is nothing at all.
const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

/// The elements, or Sprig's words for what has none.
fn elements<'value>(
    engine: &Engine<'_>,
    verb: &str,
    value: &'value Value,
) -> Result<std::borrow::Cow<'value, [Value]>, Failure> {
    match items_of(value) {
        Some(items) => {
            engine.budget.spend(items.len() as u64)?;
            Ok(items)
        }
        None if value.is_nil() => Err(NIL_POINTER.into()),
        None => Err(format!("Cannot {verb} type {}", value.kind()).into()),
    }
}

fn made(engine: &Engine<'_>, items: Vec<Value>) -> Outcome {
    engine.budget.spend(items.len() as u64)?;
    Ok(Value::list(items))
}

fn push(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let mut items = elements(engine, "push on", &args[0])?.into_owned();
    items.push(args[1].clone());
    Ok(Value::list(items))
}

fn prepend(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let items = elements(engine, "prepend on", &args[0])?;
    let mut all = Vec::with_capacity(items.len() + 1);
    all.push(args[1].clone());
    all.extend_from_slice(&items);
    Ok(Value::list(all))
}

fn first(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    Ok(elements(engine, "find first on", &args[0])?
        .first()
        .cloned()
        .unwrap_or(Value::Nil))
}

fn last(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    Ok(elements(engine, "find last on", &args[0])?
        .last()
        .cloned()
        .unwrap_or(Value::Nil))
}

fn rest(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let items = elements(engine, "find rest on", &args[0])?;
    Ok(Value::list(
        items
            .split_first()
            .map_or_else(Vec::new, |(_, rest)| rest.to_vec()),
    ))
}

fn initial(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let items = elements(engine, "find initial on", &args[0])?;
    Ok(Value::list(
        items
            .split_last()
            .map_or_else(Vec::new, |(_, initial)| initial.to_vec()),
    ))
}

fn reverse(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    Ok(Value::list(
        elements(engine, "find reverse on", &args[0])?
            .iter()
            .rev()
            .cloned()
            .collect(),
    ))
}

fn compact(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let items = elements(engine, "compact on", &args[0])?;
    Ok(Value::list(
        items.iter().filter(|item| !is_empty(item)).cloned().collect(),
    ))
}

fn uniq(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let mut kept: Vec<Value> = Vec::new();
    for item in elements(engine, "find uniq on", &args[0])?.iter() {
        if !in_list(engine, &kept, item)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn without(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let mut kept = Vec::new();
    for item in elements(engine, "find without on", &args[0])?.iter() {
        if !in_list(engine, &args[1..], item)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn has(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    if args[1].is_nil() {
        return Ok(Value::Bool(false));
    }
    Ok(Value::Bool(in_list(
        engine,
        &elements(engine, "find has on", &args[1])?,
        &args[0],
    )?))
}

fn in_list(engine: &Engine<'_>, items: &[Value], wanted: &Value) -> Result<bool, Failure> {
    for item in items {
        if deep_equal(engine, wanted, item, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn slice(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    if args[0].is_nil() {
        return Err(NIL_POINTER.into());
    }
    let items = items_of(&args[0])
        .ok_or_else(|| format!("list should be type of slice or array but {}", args[0].kind()))?;
    engine.budget.spend(items.len() as u64)?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int);
    let end = args.get(2).map_or(items.len() as i64, to_int);
    if start < 0 || start > end || end > items.len() as i64 {
        return Err("reflect.Value.Slice: slice index out of bounds".into());
    }
    let part = items[start as usize..end as usize].to_vec();
    Ok(match &args[0] {
        Value::List(list) => list_like(list, part),
        _ => Value::list(part),
    })
}

fn chunk(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let size = usize::try_from(int_of(&args[0]))
        .ok()
        .filter(|size| *size > 0)
        .ok_or("runtime error: makeslice: len out of range")?;
    let items = elements(engine, "chunk", &args[1])?;
    let chunks = items
        .chunks(size)
        .map(|chunk| Value::list(chunk.to_vec()))
        .collect();
    Ok(Value::List(Rc::new(List {
        items: chunks,
        elements: Elements::Lists,
    })))
}

/// Go's `reflect.DeepEqual`: types count, so 1 and 1.0 differ.
#[expect(clippy::float_cmp, reason = "Go compares floats exactly")]
pub(super) fn deep_equal(
    engine: &Engine<'_>,
    left: &Value,
    right: &Value,
    depth: usize,
) -> Result<bool, Failure> {
    engine.budget.descend(depth)?;
    Ok(match (left, right) {
        (Value::Missing | Value::Nil, Value::Missing | Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) | (Value::Octets(a), Value::Octets(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.elements != b.elements || a.items.len() != b.items.len() {
                return Ok(false);
            }
            for (a, b) in a.items.iter().zip(&b.items) {
                if !deep_equal(engine, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.declared != b.declared || a.len() != b.len() {
                return Ok(false);
            }
            for (key, a) in a.entries.borrow().iter() {
                match b.get(key) {
                    Some(b) if deep_equal(engine, a, &b, depth + 1)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b) || same_object(a, b),
        _ => false,
    })
}

/// Whether two objects say the same.
fn same_object(left: &Object, right: &Object) -> bool {
    match (left, right) {
        (Object::SemVer(a), Object::SemVer(b)) => {
            a.original == b.original && a.metadata == b.metadata && a.cmp_precedence(b).is_eq()
        }
        (Object::Time(a, x), Object::Time(b, y)) => a == b && x == y,
        (Object::Duration(a), Object::Duration(b)) => a == b,
        (Object::Certificate { cert: a, key: b }, Object::Certificate { cert: c, key: d }) => {
            a == c && b == d
        }
        _ => false,
    }
}
