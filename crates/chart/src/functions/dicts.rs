//! Sprig's functions on maps. `set`, `unset` and the merges change a map in place, and whoever holds it sees
//! that.

use std::rc::Rc;
use std::sync::Arc;

use super::Kind::{Any, Dict as DictKind, Text};
use super::{Function, Outcome, dict_of, fixed, key, list_like, strval, text_of, variadic};
use crate::functions::defaults::is_empty;
use crate::template::{Engine, Failure};
use crate::value::{Declared, Dict, Entries, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("dict", &[], Any, |engine, args| {
        let mut entries = Entries::new();
        for pair in args.chunks(2) {
            let name = key(&strval(engine, &pair[0])?);
            entries.insert(name, pair.get(1).cloned().unwrap_or_else(|| Value::str("")));
        }
        Ok(Value::map(entries))
    }),
    fixed("get", &[DictKind, Text], |_, args| {
        Ok(dict_of(&args[0])?
            .get(&text_of(&args[1]))
            .unwrap_or_else(|| Value::str("")))
    }),
    fixed("set", &[DictKind, Text, Any], |engine, args| {
        let map = dict_of(&args[0])?;
        if map.declared == Declared::Nothing {
            return Err("assignment to entry in nil map".into());
        }
        engine.changes(map);
        map.insert(key(&text_of(&args[1])), args[2].clone());
        Ok(args[0].clone())
    }),
    fixed("unset", &[DictKind, Text], |_, args| {
        dict_of(&args[0])?
            .entries
            .borrow_mut()
            .remove(&*text_of(&args[1]));
        Ok(args[0].clone())
    }),
    fixed("hasKey", &[DictKind, Text], |_, args| {
        Ok(Value::Bool(
            dict_of(&args[0])?
                .entries
                .borrow()
                .contains_key(&*text_of(&args[1])),
        ))
    }),
    variadic("pluck", &[Text], DictKind, |_, args| {
        let name = text_of(&args[0]);
        let mut found = Vec::new();
        for map in &args[1..] {
            found.extend(dict_of(map)?.get(&name));
        }
        Ok(Value::list(found))
    }),
    variadic("keys", &[], DictKind, |engine, args| {
        let mut names: Vec<Arc<str>> = Vec::new();
        for map in args {
            names.extend(dict_of(map)?.entries.borrow().keys().cloned());
        }
        engine.budget.spend(names.len() as u64)?;
        Ok(Value::strings(names))
    }),
    fixed("values", &[DictKind], |engine, args| {
        let map = dict_of(&args[0])?;
        engine.budget.spend(map.len() as u64)?;
        Ok(Value::list(map.entries.borrow().values().cloned().collect()))
    }),
    variadic("pick", &[DictKind], Text, |_, args| {
        let map = dict_of(&args[0])?;
        let mut entries = Entries::new();
        for name in &args[1..] {
            let name = text_of(name);
            if let Some(value) = map.get(&name) {
                entries.insert(key(&name), value);
            }
        }
        Ok(Value::map(entries))
    }),
    variadic("omit", &[DictKind], Text, |engine, args| {
        let mut entries = dict_of(&args[0])?.entries.borrow().clone();
        engine.budget.spend(entries.len() as u64)?;
        for name in &args[1..] {
            entries.remove(&*text_of(name));
        }
        Ok(Value::map(entries))
    }),
    variadic("merge", &[DictKind], DictKind, |engine, args| {
        merged(engine, args, false)
    }),
    variadic("mustMerge", &[DictKind], DictKind, |engine, args| {
        merged(engine, args, false)
    }),
    variadic("mergeOverwrite", &[DictKind], DictKind, |engine, args| {
        merged(engine, args, true)
    }),
    variadic("mustMergeOverwrite", &[DictKind], DictKind, |engine, args| {
        merged(engine, args, true)
    }),
    fixed("deepCopy", &[Any], |engine, args| copied(engine, &args[0])),
    fixed("mustDeepCopy", &[Any], |engine, args| copied(engine, &args[0])),
    variadic("dig", &[], Any, dig),
];

fn copied(engine: &Engine<'_>, value: &Value) -> Outcome {
    if value.is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    Ok(deep_copy(engine, value, 0)?)
}

fn deep_copy(engine: &Engine<'_>, value: &Value, depth: usize) -> Result<Value, String> {
    engine.budget.descend(depth)?;
    Ok(match value {
        Value::Map(map) => {
            let mut entries = Entries::new();
            for (name, member) in map.entries.borrow().iter() {
                entries.insert(Arc::clone(name), deep_copy(engine, member, depth + 1)?);
            }
            Value::declared(entries, map.declared)
        }
        Value::List(list) => {
            let items = list.items.iter().map(|item| deep_copy(engine, item, depth + 1));
            list_like(list, items.collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

fn merged(engine: &Engine<'_>, args: &[Value], overwrite: bool) -> Outcome {
    // Into a nil map nothing can be put, so a new one takes its place.
    let result = match &args[0] {
        Value::Map(map) if map.declared == Declared::Nothing => Value::map(Entries::new()),
        other => other.clone(),
    };
    let into = dict_of(&result)?;
    engine.changes(into);
    for from in &args[1..] {
        merge(engine, into, dict_of(from)?, overwrite, 0)?;
    }
    Ok(result)
}

/// Merges as `mergo` does: maps run together, a value that is empty in the first map is filled, and when
/// overwriting every value of the second map that is not a map takes the place of the first's.
fn merge(
    engine: &Engine<'_>,
    into: &Rc<Dict>,
    from: &Rc<Dict>,
    overwrite: bool,
    depth: usize,
) -> Result<(), Failure> {
    if Rc::ptr_eq(into, from) {
        return Ok(());
    }
    let entries: Vec<(Arc<str>, Value)> = from
        .entries
        .borrow()
        .iter()
        .map(|(name, value)| (Arc::clone(name), value.clone()))
        .collect();
    for (name, theirs) in entries {
        engine.budget.descend(depth)?;
        let ours = into.get(&name);
        if theirs.is_nil() {
            if overwrite {
                into.insert(name, Value::Nil);
            }
            continue;
        }
        if let (Some(Value::Map(ours)), Value::Map(theirs)) = (&ours, &theirs)
            && ours.len() > 0
        {
            engine.changes(ours);
            merge(engine, ours, theirs, overwrite, depth + 1)?;
            continue;
        }
        if overwrite || ours.as_ref().is_none_or(is_empty) {
            into.insert(name, theirs);
        }
    }
    Ok(())
}

fn dig(_: &Engine<'_>, args: &[Value]) -> Outcome {
    let [names @ .., otherwise, start] = args else {
        return Err("dig needs at least three arguments".into());
    };
    if names.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let wrong = |value: &Value, wanted: &str| -> Failure {
        if value.is_nil() {
            format!("interface conversion: interface {{}} is nil, not {wanted}").into()
        } else {
            format!(
                "interface conversion: interface {{}} is {}, not {wanted}",
                value.type_name()
            )
            .into()
        }
    };
    let mut value = start.clone();
    for name in names {
        let Value::Str(name) = name else {
            return Err(wrong(name, "string"));
        };
        let next = match &value {
            Value::Map(map) if map.declared == Declared::Any => map.get(name),
            other => return Err(wrong(other, "map[string]interface {}")),
        };
        match next {
            Some(next) => value = next,
            None => return Ok(otherwise.clone()),
        }
    }
    Ok(value)
}
