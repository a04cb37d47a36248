//! Single operations on values: the library's package `typed`.
//!
//! Our engine has no door for each of them, since a sandbox only writes objects. A value becomes the `spec` of an object,
//! and the operation is done by the write that does it: what merging gives is what an apply leaves behind, what a
//! comparison finds is what an update takes over and takes away.

use super::super::jmespath::equal;
use super::types::Types;
use super::{Outcome, Verdict, differs, entry, fields, managers, read, write};
use crate::failure::Result;
use schema::{ApplyError, Field, FieldSet, Ref, Schema, Type};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const TWICE: &str = "reads items that stand twice, which only updates may bring; the comparisons have them";
const TWICE_APPLIED: &str = "asks of a value with items that stand twice what only a configuration is asked";

/// Every operation once.
pub(super) fn replay(recording: &str) -> Result<Vec<Outcome>> {
    let (types, lines) = read(recording)?;
    let mut cases: BTreeMap<(String, String), Value> = BTreeMap::new();
    for line in lines {
        let operation = line["op"].as_str().unwrap_or_default();
        let mut name = format!("{operation} {}", line["value"]);
        for (word, key) in [("with", "other"), ("without", "set")] {
            if let Some(value) = line.get(key) {
                let _ = write!(name, " {word} {value}");
            }
        }
        let schema = format!("{} {}", line["types"], line["type"]);
        cases.insert((name, schema), line);
    }
    cases
        .into_iter()
        .map(|((name, _), line)| {
            Ok(Outcome {
                area: format!("typed {}", line["op"].as_str().unwrap_or_default()),
                name,
                result: case(&types, &line)?,
            })
        })
        .collect()
}

/// An object with this `spec`.
fn object(spec: &Value, managed: Option<Value>) -> Value {
    let metadata = managed.map_or_else(|| json!({}), |entry| json!({"managedFields": [entry]}));
    json!({"metadata": metadata, "spec": spec})
}

/// A set below `spec`.
fn below(set: &FieldSet) -> Value {
    let mut below = set.to_fields_v1();
    if let Some(entries) = below.as_object_mut() {
        if entries.is_empty() {
            return json!({});
        }
        entries.remove(".");
    }
    json!({"f:spec": below})
}

/// What of `spec` a manager has; that it has `spec` itself says nothing, as the whole value is nobody's.
fn owned(object: &Value, manager: &str) -> Result<FieldSet> {
    let found = managers(object).into_iter().find(|(name, _)| name == manager);
    match found {
        Some((_, state)) => inner(&state["fields"]["f:spec"]),
        None => Ok(FieldSet::new()),
    }
}

/// A set without the path that is the value as a whole.
fn inner(set: &Value) -> Result<FieldSet> {
    let mut set = set.clone();
    if let Some(entries) = set.as_object_mut() {
        entries.remove(".");
    }
    fields(&set)
}

fn case(types: &Types, line: &Value) -> Result<Verdict> {
    let mut schema = Schema {
        kind: Type::Object,
        ..Schema::default()
    };
    for (name, field) in [("metadata", Schema::any().clone()), ("spec", types.of(line)?)] {
        schema.fields.insert(name.to_owned(), Field::new(Ref::own(field)));
    }
    let nothing = FieldSet::new();
    let writer = write("writer", "v1", &nothing);
    let (value, other) = (&line["value"], &line["other"]);
    let applied = |value: &Value| schema::apply(&schema, None, &object(value, None), true, &writer);
    let verdict = |difference: Option<String>| difference.map_or(Verdict::Equal, Verdict::Differs);
    let set = |what: &str, ours: &FieldSet, real: &FieldSet| {
        (ours != real).then(|| differs(what, &ours.to_fields_v1(), &real.to_fields_v1()))
    };
    let operation = line["op"].as_str().unwrap_or_default();
    Ok(match operation {
        "read" if line["duplicates"] == true => Verdict::Apart(TWICE),
        "read" => verdict(match (applied(value), line["error"].is_null()) {
            (Ok(_), true) | (Err(_), false) => None,
            (Ok(_), false) => Some(differs("taken", value, &line["error"])),
            (Err(error), true) => Some(refusal(&error)),
        }),
        "fields" | "remove" if repeats(&applied(value)) => Verdict::Apart(TWICE_APPLIED),
        "fields" => verdict(match applied(value) {
            Ok(written) => set(
                "fields",
                &owned(&written.object, "writer")?,
                &inner(&line["result"])?,
            ),
            Err(error) => Some(refusal(&error)),
        }),
        "merge" => {
            let live = object(value, None);
            let merged = schema::apply(&schema, Some(&live), &object(other, None), true, &writer);
            verdict(match merged {
                Ok(written) => result(&written.object, line),
                Err(error) => Some(refusal(&error)),
            })
        }
        "remove" => {
            let reset = fields(&below(&fields(&line["set"])?))?;
            let writer = write("writer", "v1", &reset);
            verdict(
                match schema::apply(&schema, None, &object(value, None), true, &writer) {
                    Ok(written) => result(&written.object, line),
                    Err(error) => Some(refusal(&error)),
                },
            )
        }
        "compare" => {
            let [removed, modified, added] = ["removed", "modified", "added"].map(|key| inner(&line[key]));
            let (removed, written) = (removed?, modified?.union(&added?));
            // Somebody who has all that goes, and what stays as well.
            let had = match applied(value) {
                Ok(written) => owned(&written.object, "writer")?,
                Err(_) => nothing.clone(),
            };
            let had = had.union(&removed).union(&written);
            let old = object(value, Some(entry("owner", "v1", true, &below(&had))));
            let new = schema::update(&schema, Some(&old), object(other, None), &writer).object;
            let left = had.difference(&removed).difference(&written);
            let wrote = set("written", &owned(&new, "writer")?, &written);
            verdict(wrote.or(set("left to its owner", &owned(&new, "owner")?, &left)))
        }
        "follow" => {
            let had = entry("owner", "v1", true, &below(&inner(&line["set"])?));
            let old = object(value, Some(had));
            let new = schema::update(&schema, Some(&old), object(value, None), &writer).object;
            verdict(set("fields", &owned(&new, "owner")?, &inner(&line["result"])?))
        }
        _ => Verdict::Differs(format!("  nobody knows the operation {operation}")),
    })
}

fn refusal(error: &ApplyError) -> String {
    differs("refused", &json!(error.to_string()), &Value::Null)
}

fn repeats(applied: &std::result::Result<schema::Written, ApplyError>) -> bool {
    matches!(applied, Err(error) if error.to_string().contains("duplicate entries"))
}

fn result(object: &Value, line: &Value) -> Option<String> {
    let (ours, real) = (&object["spec"], &line["result"]);
    (!equal(ours, real)).then(|| differs("value", ours, real))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an operation on maps with a set `s` and a text `t` is found equal.
    fn check(line: Value, expect: bool) {
        let types = json!({"schema": 0, "types": {"t": {"map": {"fields": {
            "t": {"type": {"inlined": {"scalar": "string"}}},
            "s": {"type": {"inlined": {"list": {
                "items": {"inlined": {"scalar": "string"}}, "relationship": "associative"}}}},
        }}}}});
        let mut line = line;
        line["types"] = json!(0);
        line["type"] = json!({"named": "t"});
        let outcomes = replay(&format!("{types}\n{line}")).unwrap();
        assert_eq!(outcomes[0].result == Verdict::Equal, expect, "{outcomes:?}");
    }

    #[test]
    fn operations_are_told_from_what_writes_leave() {
        let merge = |result: Value| json!({"op": "merge", "value": {"s": ["a"]}, "other": {"s": ["b"]}, "result": result});
        check(merge(json!({"s": ["a", "b"]})), true);
        check(merge(json!({"s": ["b"]})), false);
        let has = |set: Value| json!({"op": "fields", "value": {"s": ["a"]}, "result": set});
        check(has(json!({"f:s": {"v:\"a\"": {}}})), true);
        check(has(json!({"f:s": {}})), false);
        let compare = |removed: Value| {
            json!({"op": "compare", "value": {"t": "x", "s": ["a"]}, "other": {"t": "y"}, "removed": removed,
                "modified": {"f:t": {}}, "added": {}})
        };
        check(compare(json!({"f:s": {".": {}, "v:\"a\"": {}}})), true);
        check(compare(json!({})), false);
        let remove = |result: Value| {
            json!({"op": "remove", "value": {"t": "x", "s": ["a", "b"]}, "set": {"f:s": {"v:\"a\"": {}}},
                "result": result})
        };
        check(remove(json!({"t": "x", "s": ["b"]})), true);
        check(remove(json!({"t": "x"})), false);
        let read = |value: Value, error: Value| json!({"op": "read", "value": value, "error": error});
        check(read(json!({"t": 1}), json!("expected string")), true);
        check(read(json!({"t": 1}), Value::Null), false);
    }
}
