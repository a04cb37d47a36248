//! Walks a parsed expression over a value. Borrowed as long as possible, copied (and paid for) when a
//! list or map is built.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::syntax::{Comparator, Node};
use super::{QueryError, World, functions};
use crate::budget::{Budget, Exhausted};

/// Stands in the context for a fact that is not known; reading it is an error, not a null.
pub(crate) const UNKNOWN: &str = "\u{0}unknown: ";

/// A marker for a fact that is not known.
pub(crate) fn unknown(what: &str) -> Value {
    Value::String(format!("{UNKNOWN}{what}"))
}

pub(super) type Outcome<'a> = Result<Cow<'a, Value>, QueryError>;

const NULL: &Value = &Value::Null;

pub(super) fn query(node: &Node, root: &Value, world: World<'_>) -> Result<Value, QueryError> {
    let value = evaluate(node, Cow::Borrowed(root), world)?;
    owned(value, world.budget).map_err(QueryError::from)
}

/// A copy of a value, paid for unless it is ours already.
pub(super) fn owned(value: Cow<'_, Value>, budget: &Budget) -> Result<Value, Exhausted> {
    match value {
        Cow::Borrowed(value) => budget.copy(value),
        Cow::Owned(value) => Ok(value),
    }
}

/// A missing key is a null to whoever can live with one.
fn or_null(outcome: Outcome<'_>) -> Outcome<'_> {
    match outcome {
        Err(QueryError::NotFound(_)) => Ok(Cow::Borrowed(NULL)),
        outcome => outcome,
    }
}

pub(super) fn evaluate<'a>(node: &Node, value: Cow<'a, Value>, world: World<'_>) -> Outcome<'a> {
    let budget = world.budget;
    budget.spend(1)?;
    match node {
        Node::Current => Ok(value),
        Node::Field(name) => field(name, value),
        Node::Index(at) => Ok(index(*at, value)),
        Node::Literal(literal) => Ok(Cow::Owned(budget.copy(literal)?)),
        Node::Below(left, right) => {
            let left = evaluate(left, value, world)?;
            evaluate(right, left, world)
        }
        Node::Pipe(left, right) => {
            let left = or_null(evaluate(left, value, world))?;
            or_null(evaluate(right, left, world))
        }
        Node::Or(left, right) => {
            let left = or_null(evaluate(left, copy(&value, budget)?, world))?;
            if truthy(&left) {
                Ok(left)
            } else {
                or_null(evaluate(right, value, world))
            }
        }
        Node::And(left, right) => {
            let left = or_null(evaluate(left, copy(&value, budget)?, world))?;
            if truthy(&left) {
                evaluate(right, value, world)
            } else {
                Ok(left)
            }
        }
        Node::Not(node) => {
            let inner = or_null(evaluate(node, value, world))?;
            Ok(Cow::Owned(Value::Bool(!truthy(&inner))))
        }
        Node::Compare(comparator, left, right) => {
            let left = or_null(evaluate(left, copy(&value, budget)?, world))?;
            let right = or_null(evaluate(right, value, world))?;
            compare(*comparator, &left, &right, budget).map(Cow::Owned)
        }
        Node::Each(left, right) => {
            let left = or_null(evaluate(left, value, world))?;
            project(left, budget, |item| or_null(evaluate(right, item, world)))
        }
        Node::Filter(left, right, condition) => {
            let left = or_null(evaluate(left, value, world))?;
            project(left, budget, |item| {
                let holds = or_null(evaluate(condition, copy(&item, budget)?, world))?;
                if truthy(&holds) {
                    or_null(evaluate(right, item, world))
                } else {
                    Ok(Cow::Borrowed(NULL))
                }
            })
        }
        Node::Values(left, right) => {
            let left = or_null(evaluate(left, value, world))?;
            project(values(left, budget)?, budget, |item| {
                or_null(evaluate(right, item, world))
            })
        }
        Node::Flatten(node) => {
            let value = or_null(evaluate(node, value, world))?;
            flatten(value, budget)
        }
        Node::Slice(bounds) => slice(&value, *bounds, budget),
        Node::List(nodes) => {
            if value.is_null() {
                return Ok(value);
            }
            let mut list = Vec::with_capacity(nodes.len());
            for node in nodes {
                let item = or_null(evaluate(node, copy(&value, budget)?, world))?;
                list.push(owned(item, budget)?);
            }
            Ok(Cow::Owned(Value::Array(list)))
        }
        Node::Object(pairs) => {
            if value.is_null() {
                return Ok(value);
            }
            let mut map = Map::new();
            for (key, node) in pairs {
                let item = or_null(evaluate(node, copy(&value, budget)?, world))?;
                map.insert(key.clone(), owned(item, budget)?);
            }
            Ok(Cow::Owned(Value::Object(map)))
        }
        Node::Call(name, arguments) => functions::call(name, arguments, &value, world).map(Cow::Owned),
        Node::Reference(_) => Err(QueryError::Failed(
            "an expression reference stands outside of a function".to_owned(),
        )),
    }
}

/// Evaluates an argument of a function: a missing key is a null there.
pub(super) fn argument(node: &Node, value: &Value, world: World<'_>) -> Result<Value, QueryError> {
    let value = or_null(evaluate(node, Cow::Borrowed(value), world))?;
    Ok(owned(value, world.budget)?)
}

/// The values of an object; null for anything else.
fn values<'a>(value: Cow<'a, Value>, budget: &Budget) -> Result<Cow<'a, Value>, Exhausted> {
    Ok(match value {
        Cow::Borrowed(Value::Object(map)) => {
            let values = map.values().map(|value| budget.copy(value));
            Cow::Owned(Value::Array(values.collect::<Result<_, _>>()?))
        }
        Cow::Owned(Value::Object(map)) => {
            Cow::Owned(Value::Array(map.into_iter().map(|(_, value)| value).collect()))
        }
        _ => Cow::Borrowed(NULL),
    })
}

/// The same value for a second expression: free while borrowed, paid for when ours.
fn copy<'a>(value: &Cow<'a, Value>, budget: &Budget) -> Result<Cow<'a, Value>, Exhausted> {
    match value {
        Cow::Borrowed(value) => Ok(Cow::Borrowed(value)),
        Cow::Owned(value) => Ok(Cow::Owned(budget.copy(value)?)),
    }
}

fn field<'a>(name: &str, value: Cow<'a, Value>) -> Outcome<'a> {
    let found = match value {
        Cow::Borrowed(Value::Object(map)) => map.get(name).map(Cow::Borrowed),
        Cow::Owned(Value::Object(mut map)) => map.remove(name).map(Cow::Owned),
        other => return known(&other).map(|()| Cow::Borrowed(NULL)),
    };
    let value = found.ok_or_else(|| QueryError::NotFound(name.to_owned()))?;
    known(&value)?;
    Ok(value)
}

/// An error if a value is only the marker of one that is not known.
pub(super) fn known(value: &Value) -> Result<(), QueryError> {
    match value.as_str().and_then(|text| text.strip_prefix(UNKNOWN)) {
        Some(what) => Err(QueryError::Unknown(what.to_owned())),
        None => Ok(()),
    }
}

fn index(at: i64, value: Cow<'_, Value>) -> Cow<'_, Value> {
    let position = |length: usize| {
        let distance = usize::try_from(at.unsigned_abs()).ok()?;
        let from = if at < 0 {
            length.checked_sub(distance)?
        } else {
            distance
        };
        (from < length).then_some(from)
    };
    match value {
        Cow::Borrowed(Value::Array(items)) => {
            position(items.len()).map_or(Cow::Borrowed(NULL), |at| Cow::Borrowed(&items[at]))
        }
        Cow::Owned(Value::Array(mut items)) => {
            position(items.len()).map_or(Cow::Borrowed(NULL), |at| Cow::Owned(items.swap_remove(at)))
        }
        _ => Cow::Borrowed(NULL),
    }
}

fn project<'a>(
    list: Cow<'a, Value>,
    budget: &Budget,
    each: impl Fn(Cow<'a, Value>) -> Outcome<'a>,
) -> Outcome<'a> {
    let mut collected = Vec::new();
    let mut collect = |item: Cow<'a, Value>| -> Result<(), QueryError> {
        let item = each(item)?;
        if !item.is_null() {
            collected.push(owned(item, budget)?);
        }
        Ok(())
    };
    match list {
        Cow::Borrowed(Value::Array(items)) => {
            items.iter().try_for_each(|item| collect(Cow::Borrowed(item)))?;
        }
        Cow::Owned(Value::Array(items)) => {
            items.into_iter().try_for_each(|item| collect(Cow::Owned(item)))?;
        }
        _ => return Ok(Cow::Borrowed(NULL)),
    }
    Ok(Cow::Owned(Value::Array(collected)))
}

fn flatten<'a>(value: Cow<'a, Value>, budget: &Budget) -> Outcome<'a> {
    let Value::Array(items) = owned(value, budget)? else {
        return Ok(Cow::Borrowed(NULL));
    };
    let mut flat = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::Array(mut inner) => flat.append(&mut inner),
            item => flat.push(item),
        }
    }
    Ok(Cow::Owned(Value::Array(flat)))
}

fn slice<'a>(value: &Value, bounds: [Option<i64>; 3], budget: &Budget) -> Outcome<'a> {
    let Value::Array(items) = value else {
        return Ok(Cow::Borrowed(NULL));
    };
    let [start, stop, step] = bounds;
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(QueryError::Failed("a slice cannot have the step 0".to_owned()));
    }
    let length = items.len() as i64;
    let (lowest, highest) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let bound = |given: Option<i64>, default: i64| match given {
        None => default,
        Some(given) if given < 0 => given.saturating_add(length).max(lowest),
        Some(given) => given.min(highest),
    };
    let (mut at, end) = if step < 0 {
        (bound(start, length - 1), bound(stop, -1))
    } else {
        (bound(start, 0), bound(stop, length))
    };
    let mut taken = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
            taken.push(budget.copy(item)?);
        }
        at = at.saturating_add(step);
    }
    Ok(Cow::Owned(Value::Array(taken)))
}

/// JMESPath's truth: null, false, and what is empty are false.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(_) => true,
    }
}

/// Equality in which `1` and `1.0` are the same number.
pub(crate) fn equal(left: &Value, right: &Value, budget: &Budget) -> Result<bool, Exhausted> {
    budget.spend(1)?;
    Ok(match (left, right) {
        (Value::Number(left), Value::Number(right)) => same_number(left, right),
        (Value::String(left), Value::String(right)) => {
            budget.spend(left.len() / 64)?;
            left == right
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right) {
                if !equal(left, right, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(left), Value::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, left) in left {
                match right.get(key) {
                    Some(right) if equal(left, right, budget)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (left, right) => left == right,
    })
}

fn same_number(left: &Number, right: &Number) -> bool {
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => left == right,
        _ => left.as_f64() == right.as_f64(),
    }
}

fn compare(
    comparator: Comparator,
    left: &Value,
    right: &Value,
    budget: &Budget,
) -> Result<Value, QueryError> {
    let ordered = |accept: fn(f64, f64) -> bool| match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => Value::Bool(accept(left, right)),
        _ => Value::Null,
    };
    Ok(match comparator {
        Comparator::Equal => Value::Bool(equal(left, right, budget)?),
        Comparator::NotEqual => Value::Bool(!equal(left, right, budget)?),
        Comparator::Less => ordered(|left, right| left < right),
        Comparator::LessOrEqual => ordered(|left, right| left <= right),
        Comparator::Greater => ordered(|left, right| left > right),
        Comparator::GreaterOrEqual => ordered(|left, right| left >= right),
    })
}
