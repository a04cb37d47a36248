//! Walks a parsed expression over a value. Borrowed as long as possible, copied (and paid for) when a
//! list or map is built.

use std::borrow::Cow;

use jmespath::Variable;
use jmespath::ast::{Ast, Comparator};
use serde_json::{Map, Number, Value};

use super::{QueryError, functions};
use crate::budget::{Budget, Exhausted};

/// Stands in the context for a fact that is not known; reading it is an error, not a null.
pub(crate) const UNKNOWN: &str = "\u{0}unknown: ";

/// A marker for a fact that is not known.
pub(crate) fn unknown(what: &str) -> Value {
    Value::String(format!("{UNKNOWN}{what}"))
}

pub(super) type Outcome<'a> = Result<Cow<'a, Value>, QueryError>;

const NULL: &Value = &Value::Null;

pub(super) fn query(ast: &Ast, root: &Value, budget: &Budget) -> Result<Value, QueryError> {
    let value = evaluate(ast, Cow::Borrowed(root), budget)?;
    owned(value, budget).map_err(QueryError::from)
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

pub(super) fn evaluate<'a>(ast: &Ast, value: Cow<'a, Value>, budget: &Budget) -> Outcome<'a> {
    budget.spend(1)?;
    match ast {
        Ast::Identity { .. } => Ok(value),
        Ast::Field { name, .. } => field(name, value),
        Ast::Index { idx, .. } => Ok(index(*idx, value)),
        Ast::Literal { value, .. } => Ok(Cow::Owned(literal(value))),
        Ast::Subexpr { lhs, rhs, .. } => {
            // A pipe and a dot parse alike; both hand a null on.
            let left = evaluate(lhs, value, budget)?;
            evaluate(rhs, left, budget)
        }
        Ast::Or { lhs, rhs, .. } => {
            let left = or_null(evaluate(lhs, copy(&value, budget)?, budget))?;
            if truthy(&left) {
                Ok(left)
            } else {
                or_null(evaluate(rhs, value, budget))
            }
        }
        Ast::And { lhs, rhs, .. } => {
            let left = or_null(evaluate(lhs, copy(&value, budget)?, budget))?;
            if truthy(&left) {
                evaluate(rhs, value, budget)
            } else {
                Ok(left)
            }
        }
        Ast::Not { node, .. } => {
            let inner = or_null(evaluate(node, value, budget))?;
            Ok(Cow::Owned(Value::Bool(!truthy(&inner))))
        }
        Ast::Condition { predicate, then, .. } => {
            let holds = or_null(evaluate(predicate, copy(&value, budget)?, budget))?;
            if truthy(&holds) {
                evaluate(then, value, budget)
            } else {
                Ok(Cow::Borrowed(NULL))
            }
        }
        Ast::Comparison {
            comparator, lhs, rhs, ..
        } => {
            let left = or_null(evaluate(lhs, copy(&value, budget)?, budget))?;
            let right = or_null(evaluate(rhs, value, budget))?;
            compare(comparator, &left, &right, budget).map(Cow::Owned)
        }
        Ast::Projection { lhs, rhs, .. } => {
            let left = or_null(evaluate(lhs, value, budget))?;
            project(left, budget, |item| {
                // `[?condition]` parses as a projection of a condition; what fails it becomes null.
                or_null(evaluate(rhs, item, budget))
            })
        }
        Ast::ObjectValues { node, .. } => {
            let value = or_null(evaluate(node, value, budget))?;
            Ok(match value {
                Cow::Borrowed(Value::Object(map)) => {
                    let values = map
                        .values()
                        .map(|value| budget.copy(value))
                        .collect::<Result<Vec<_>, _>>()?;
                    Cow::Owned(Value::Array(values))
                }
                Cow::Owned(Value::Object(map)) => {
                    Cow::Owned(Value::Array(map.into_iter().map(|(_, value)| value).collect()))
                }
                _ => Cow::Borrowed(NULL),
            })
        }
        Ast::Flatten { node, .. } => {
            let value = or_null(evaluate(node, value, budget))?;
            flatten(value, budget)
        }
        Ast::Slice {
            start, stop, step, ..
        } => slice(&value, *start, *stop, *step, budget),
        Ast::MultiList { elements, .. } => {
            if value.is_null() {
                return Ok(value);
            }
            let mut list = Vec::with_capacity(elements.len());
            for element in elements {
                let item = or_null(evaluate(element, copy(&value, budget)?, budget))?;
                list.push(owned(item, budget)?);
            }
            Ok(Cow::Owned(Value::Array(list)))
        }
        Ast::MultiHash { elements, .. } => {
            if value.is_null() {
                return Ok(value);
            }
            let mut map = Map::new();
            for pair in elements {
                let item = or_null(evaluate(&pair.value, copy(&value, budget)?, budget))?;
                map.insert(pair.key.clone(), owned(item, budget)?);
            }
            Ok(Cow::Owned(Value::Object(map)))
        }
        Ast::Function { name, args, .. } => functions::call(name, args, &value, budget).map(Cow::Owned),
        Ast::Expref { .. } => Err(QueryError::Failed(
            "an expression reference stands outside of a function".to_owned(),
        )),
    }
}

/// Evaluates an argument of a function: a missing key is a null there.
pub(super) fn argument(ast: &Ast, value: &Value, budget: &Budget) -> Result<Value, QueryError> {
    let value = or_null(evaluate(ast, Cow::Borrowed(value), budget))?;
    Ok(owned(value, budget)?)
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
        _ => return Ok(Cow::Borrowed(NULL)),
    };
    match found {
        None => Err(QueryError::NotFound(name.to_owned())),
        Some(value) => match value.as_str().and_then(|text| text.strip_prefix(UNKNOWN)) {
            Some(what) => Err(QueryError::Unknown(what.to_owned())),
            None => Ok(value),
        },
    }
}

fn index(at: i32, value: Cow<'_, Value>) -> Cow<'_, Value> {
    let position = |length: usize| {
        let from = if at < 0 {
            length.checked_sub(at.unsigned_abs() as usize)?
        } else {
            at as usize
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

fn slice<'a>(
    value: &Value,
    start: Option<i32>,
    stop: Option<i32>,
    step: i32,
    budget: &Budget,
) -> Outcome<'a> {
    let Value::Array(items) = value else {
        return Ok(Cow::Borrowed(NULL));
    };
    if step == 0 {
        return Err(QueryError::Failed("a slice cannot have the step 0".to_owned()));
    }
    let length = items.len() as i64;
    let step = i64::from(step);
    let (lowest, highest) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let bound = |given: Option<i32>, default: i64| match given.map(i64::from) {
        None => default,
        Some(given) if given < 0 => (given + length).max(lowest),
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
        at += step;
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
    comparator: &Comparator,
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
        Comparator::LessThan => ordered(|left, right| left < right),
        Comparator::LessThanEqual => ordered(|left, right| left <= right),
        Comparator::GreaterThan => ordered(|left, right| left > right),
        Comparator::GreaterThanEqual => ordered(|left, right| left >= right),
    })
}

/// A literal in backquotes or single quotes. Its size is bounded by the expression's.
fn literal(value: &Variable) -> Value {
    match value {
        Variable::Null | Variable::Expref(_) => Value::Null,
        Variable::String(text) => Value::String(text.clone()),
        Variable::Bool(value) => Value::Bool(*value),
        Variable::Number(number) => Value::Number(number.clone()),
        Variable::Array(items) => Value::Array(items.iter().map(|item| literal(item)).collect()),
        Variable::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), literal(value)))
                .collect(),
        ),
    }
}
