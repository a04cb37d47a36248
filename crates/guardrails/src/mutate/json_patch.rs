//! JSON Patch (RFC 6902), with what Kyverno allows beyond it: `add` makes the maps and lists on the way, `remove`
//! of what is not there does nothing, and an index may count from the end (`-1`).

use ::cel::budget::{Budget, MAX_OBJECT_DEPTH};
use serde_json::{Map, Value};

use super::Fault;
use crate::cursor::{Cursor, Refusal};

/// How many operations one patch may have.
const MAX_OPERATIONS: usize = 10_000;

/// How many empty places are made before the item that is added to a list that was not there.
const MAX_FILL: usize = 100;

/// The operations of a patch, from YAML or JSON text. A single operation may stand for a list of one.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>, String> {
    let parsed = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        yaml::parse(text)
            .map(|document| document.value)
            .map_err(|error| error.to_string())
    };
    match parsed {
        Ok(Value::Array(operations)) if operations.len() <= MAX_OPERATIONS => Ok(operations),
        Ok(Value::Array(_)) => Err(format!("a patch has at most {MAX_OPERATIONS} operations")),
        Ok(_) => Err("a patch is a list of operations".to_owned()),
        Err(error) => Err(error),
    }
}

/// Refuses operations that can never be applied. Variables may stand where their values belong.
pub(crate) fn check(cursor: &Cursor<'_>, operations: &[Value]) -> Result<(), Refusal> {
    for operation in operations {
        let text = |key: &str| operation.get(key).and_then(Value::as_str);
        let (Some(op), Some(path)) = (text("op"), text("path")) else {
            return Err(cursor.refuse("every operation of a patch has op and path"));
        };
        if !path.starts_with('/') && !path.starts_with("{{") {
            return Err(cursor.refuse(format!("the path {path:?} does not begin with a slash")));
        }
        match op {
            "add" | "replace" | "test" if operation.get("value").is_none() => {
                return Err(cursor.refuse(format!("the operation {op} at {path} has no value")));
            }
            "move" | "copy" if text("from").is_none() => {
                return Err(cursor.refuse(format!("the operation {op} at {path} does not say from where")));
            }
            "add" | "replace" | "test" | "move" | "copy" | "remove" => {}
            op if op.contains("{{") => {}
            op => return Err(cursor.refuse(format!("the operation {op:?} does not exist"))),
        }
    }
    Ok(())
}

/// Applies operations in order.
pub(crate) fn apply(object: &mut Value, operations: &[Value], budget: &Budget) -> Result<(), Fault> {
    for operation in operations {
        let text = |key: &str| -> Result<&str, Fault> {
            let text = operation.get(key).and_then(Value::as_str);
            text.ok_or_else(|| Fault::Failed(format!("an operation of the patch has no {key}")))
        };
        let (op, path) = (text("op")?, steps(text("path")?)?);
        budget.spend(1 + path.len())?;
        let value = || -> Result<Value, Fault> {
            let value = operation
                .get("value")
                .ok_or_else(|| Fault::Failed(format!("the operation {op} has no value")))?;
            Ok(budget.copy(value)?)
        };
        match op {
            "add" => add(object, &path, value()?, budget)?,
            "remove" => {
                take(object, &path, budget)?;
            }
            "replace" => match find(object, &path) {
                Some(place) => *place = value()?,
                None => return Err(missing(op, &path)),
            },
            "test" => {
                let expect = operation.get("value").unwrap_or(&Value::Null);
                budget.pay_for(expect)?;
                if find(object, &path).as_deref().unwrap_or(&Value::Null) != expect {
                    return Err(Fault::Failed(format!("testing value {} failed", print(&path))));
                }
            }
            "move" => {
                let from = steps(text("from")?)?;
                if path.len() > from.len() && path.starts_with(&from) {
                    return Err(Fault::Failed(format!(
                        "{} cannot be moved into itself",
                        print(&from)
                    )));
                }
                match take(object, &from, budget)? {
                    Some(value) => add(object, &path, value, budget)?,
                    None => return Err(missing(op, &from)),
                }
            }
            "copy" => {
                let from = steps(text("from")?)?;
                let value = match find(object, &from) {
                    Some(value) => budget.copy(value)?,
                    None => return Err(missing(op, &from)),
                };
                add(object, &path, value, budget)?;
            }
            other => return Err(Fault::Failed(format!("the operation {other:?} does not exist"))),
        }
    }
    Ok(())
}

fn steps(path: &str) -> Result<Vec<String>, Fault> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let Some(path) = path.strip_prefix('/') else {
        return Err(Fault::Failed(format!(
            "the path {path:?} does not begin with a slash"
        )));
    };
    let steps: Vec<String> = path
        .split('/')
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect();
    if steps.len() > MAX_OBJECT_DEPTH {
        return Err(Fault::Failed(format!(
            "a path of the patch is deeper than {MAX_OBJECT_DEPTH} levels"
        )));
    }
    Ok(steps)
}

fn print(path: &[String]) -> String {
    path.iter()
        .fold(String::new(), |printed, step| format!("{printed}/{step}"))
}

fn missing(op: &str, path: &[String]) -> Fault {
    Fault::Failed(format!(
        "{op} operation does not apply: there is nothing at {}",
        print(path)
    ))
}

/// The place of an item in a list; counted from the end when negative.
fn index(step: &str, length: usize) -> Option<usize> {
    let at: i64 = step.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    usize::try_from(if at < 0 { length + at } else { at }).ok()
}

fn find<'v>(mut value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    for step in path {
        value = match value {
            Value::Object(map) => map.get_mut(step)?,
            Value::Array(items) => {
                let at = index(step, items.len())?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    Some(value)
}

fn add(object: &mut Value, path: &[String], value: Value, budget: &Budget) -> Result<(), Fault> {
    let Some((last, way)) = path.split_last() else {
        *object = value;
        return Ok(());
    };
    let mut place = object;
    for (at, step) in way.iter().enumerate() {
        // What is not there is made: a list where an index follows, else a map.
        let next = path.get(at + 1).unwrap_or(last);
        let fresh = match next.parse::<i64>() {
            // A new list is filled up to the place that is asked for.
            Ok(at) if usize::try_from(at).is_ok_and(|at| at > MAX_FILL) => return Err(missing("add", path)),
            Ok(at) => Value::Array(vec![Value::Null; usize::try_from(at).unwrap_or(0)]),
            Err(_) if next == "-" => Value::Array(Vec::new()),
            Err(_) => Value::Object(Map::new()),
        };
        place = match place {
            Value::Object(map) => {
                let inner = map.entry(step.clone()).or_insert(Value::Null);
                if inner.is_null() {
                    *inner = fresh;
                }
                inner
            }
            Value::Array(items) => {
                let length = items.len();
                let wanted = match step.as_str() {
                    "-" => Some(length),
                    // Counted from the end of nothing: the first.
                    "-1" if length == 0 => Some(0),
                    step => index(step, length),
                };
                match wanted {
                    Some(at) if at < length => &mut items[at],
                    Some(at) if at == length => {
                        items.push(fresh);
                        &mut items[length]
                    }
                    _ => return Err(missing("add", path)),
                }
            }
            _ => return Err(missing("add", path)),
        };
    }
    match place {
        Value::Object(map) => {
            map.insert(last.clone(), value);
        }
        Value::Array(items) => {
            budget.spend(items.len())?;
            // From the end `-1` means behind the last item.
            let at = match last.as_str() {
                "-" => Some(items.len()),
                last => last.parse::<i64>().ok().and_then(|at| {
                    let length = i64::try_from(items.len()).ok()?;
                    usize::try_from(if at < 0 { length + 1 + at } else { at }).ok()
                }),
            };
            match at.filter(|at| *at <= items.len()) {
                Some(at) => items.insert(at, value),
                None => return Err(missing("add", path)),
            }
        }
        _ => return Err(missing("add", path)),
    }
    Ok(())
}

/// Takes a value out; `None` when it is not there.
fn take(object: &mut Value, path: &[String], budget: &Budget) -> Result<Option<Value>, Fault> {
    let Some((last, way)) = path.split_last() else {
        return Err(Fault::Failed("the whole object cannot be removed".to_owned()));
    };
    Ok(match find(object, way) {
        Some(Value::Object(map)) => map.remove(last),
        Some(Value::Array(items)) => {
            budget.spend(items.len())?;
            let at = index(last, items.len()).filter(|at| *at < items.len());
            at.map(|at| items.remove(at))
        }
        _ => None,
    })
}
