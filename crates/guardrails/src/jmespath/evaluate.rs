//! Walks a parsed expression over a value.

use std::borrow::Cow;

use ::cel::budget::{Budget, Exhausted};
use serde_json::{Map, Number, Value};

use super::seen::{NULL, Seen, known};
use super::syntax::{Comparator, Node};
use super::{QueryError, World, functions, tree};

/// Stands in the context for a fact that is not known; reading it is an error, not a null.
pub(crate) const UNKNOWN: &str = "\u{0}unknown: ";

/// A marker for a fact that is not known.
pub(crate) fn unknown(what: &str) -> Value {
    Value::String(format!("{UNKNOWN}{what}"))
}

pub(super) type Outcome<'a> = Result<Seen<'a>, QueryError>;

/// A missing key is a null to whoever can live with one.
fn or_null(outcome: Outcome<'_>) -> Outcome<'_> {
    match outcome {
        Err(QueryError::NotFound(_)) => Ok(Seen::Lent(NULL)),
        outcome => outcome,
    }
}

pub(super) fn evaluate<'a>(node: &'a Node, value: Seen<'a>, world: World<'_>) -> Outcome<'a> {
    let budget = world.budget;
    budget.spend(1)?;
    match node {
        Node::Current => Ok(value),
        Node::Field(name) if world.is_tree() => or_null(value.field(name)),
        Node::Field(name) => value.field(name),
        Node::Index(at) => Ok(value.index(*at)),
        Node::Literal(literal) => Ok(Seen::Lent(literal)),
        Node::Below(left, right) => {
            let left = evaluate(left, value, world)?;
            if world.is_tree() && left.is_null() {
                return Ok(left);
            }
            evaluate(right, left, world)
        }
        Node::Pipe(left, right) => {
            let left = or_null(evaluate(left, value, world))?;
            or_null(evaluate(right, left, world))
        }
        Node::Or(left, right) => {
            let left = or_null(evaluate(left, value.copy(budget)?, world))?;
            if left.truthy() {
                Ok(left)
            } else {
                or_null(evaluate(right, value, world))
            }
        }
        Node::And(left, right) => {
            let left = or_null(evaluate(left, value.copy(budget)?, world))?;
            if left.truthy() {
                evaluate(right, value, world)
            } else {
                Ok(left)
            }
        }
        Node::Not(node) => {
            let inner = or_null(evaluate(node, value, world))?;
            Ok(Seen::Own(Value::Bool(!inner.truthy())))
        }
        Node::Compare(comparator, left, right) => {
            let left = argument(left, value.lend(budget)?, world)?;
            let right = argument(right, value.lend(budget)?, world)?;
            if world.is_tree() {
                known(&left)?;
                known(&right)?;
            }
            compare(*comparator, &left, &right, budget).map(Seen::Own)
        }
        Node::Each(left, right) => {
            let sliced = matches!(&**left, Node::Below(_, right) if matches!(**right, Node::Slice(_)));
            let left = or_null(evaluate(left, value, world))?;
            if sliced && left.as_text().is_some() {
                return Ok(left);
            }
            project(left.items(), budget, |item| or_null(evaluate(right, item, world)))
        }
        Node::Filter(left, right, condition) => {
            let left = or_null(evaluate(left, value, world))?;
            project(left.items(), budget, |item| {
                let holds = or_null(evaluate(condition, item.lend(budget)?, world))?.truthy();
                if holds {
                    or_null(evaluate(right, item, world))
                } else {
                    Ok(Seen::Lent(NULL))
                }
            })
        }
        Node::Values(left, right) => {
            let left = or_null(evaluate(left, value, world))?;
            project(left.values(budget)?, budget, |item| {
                or_null(evaluate(right, item, world))
            })
        }
        Node::Flatten(node) => {
            let value = or_null(evaluate(node, value, world))?;
            flatten(value, budget)
        }
        Node::Slice(bounds) => match value.as_text() {
            Some(text) if world.is_tree() => slice_of_text(text, *bounds, budget),
            _ => slice(value, *bounds, budget),
        },
        Node::List(nodes) => {
            if value.is_null() && !world.is_tree() {
                return Ok(value);
            }
            let mut list = Vec::with_capacity(nodes.len());
            for node in nodes {
                list.push(or_null(evaluate(node, value.copy(budget)?, world))?);
            }
            Ok(Seen::List(list))
        }
        Node::Object(pairs) => {
            if value.is_null() && !world.is_tree() {
                return Ok(value);
            }
            let mut map = Map::new();
            for (key, node) in pairs {
                let item = argument(node, value.lend(budget)?, world)?;
                map.insert(key.clone(), Seen::of(item).own(budget)?);
            }
            Ok(Seen::Own(Value::Object(map)))
        }
        Node::Call(name, arguments) => functions::call(name, arguments, &value, world).map(Seen::Own),
        Node::Variable(name) => tree::variable(name, world).map(Seen::Own),
        Node::Let(variables, body) => tree::with_variables(variables, body, &value, world).map(Seen::Own),
        Node::Arithmetic(operator, left, right) => {
            let left = argument(left, value.lend(budget)?, world)?;
            let right = argument(right, value.lend(budget)?, world)?;
            tree::compute(*operator, &left, &right).map(Seen::Own)
        }
        Node::Reference(_) => Err(QueryError::Failed(
            "an expression reference stands outside of a function".to_owned(),
        )),
    }
}

/// Evaluates what somebody looks at as a value: a missing key is a null there.
pub(super) fn argument<'a>(
    node: &'a Node,
    value: Seen<'a>,
    world: World<'_>,
) -> Result<Cow<'a, Value>, QueryError> {
    or_null(evaluate(node, value, world))?.value(world.budget)
}

/// What an expression says of each item, nulls left out.
fn project<'a>(
    items: Option<Vec<Seen<'a>>>,
    budget: &Budget,
    each: impl Fn(Seen<'a>) -> Outcome<'a>,
) -> Outcome<'a> {
    let Some(items) = items else {
        return Ok(Seen::Lent(NULL));
    };
    budget.spend(items.len())?;
    let mut collected = Vec::new();
    for item in items {
        let item = each(item)?;
        if !item.is_null() {
            collected.push(item);
        }
    }
    Ok(Seen::List(collected))
}

fn flatten<'a>(value: Seen<'a>, budget: &Budget) -> Outcome<'a> {
    let Some(items) = value.items() else {
        return Ok(Seen::Lent(NULL));
    };
    let mut flat = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Seen::Lent(Value::Array(_)) | Seen::Own(Value::Array(_)) | Seen::List(_) => {
                let inner = item.items().unwrap_or_default();
                budget.spend(1 + inner.len())?;
                flat.extend(inner);
            }
            item => {
                budget.spend(1)?;
                flat.push(item);
            }
        }
    }
    Ok(Seen::List(flat))
}

fn slice<'a>(value: Seen<'a>, bounds: [Option<i64>; 3], budget: &Budget) -> Outcome<'a> {
    let Some(items) = value.items() else {
        return Ok(Seen::Lent(NULL));
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
    budget.spend(items.len())?;
    let mut taken = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
            taken.push(item.copy(budget)?);
        }
        at = at.saturating_add(step);
    }
    Ok(Seen::List(taken))
}

/// A part of a text, by its characters.
fn slice_of_text<'a>(text: &str, bounds: [Option<i64>; 3], budget: &Budget) -> Outcome<'a> {
    budget.spend(text.len())?;
    let letters = text
        .chars()
        .map(|letter| Seen::Own(Value::from(letter.to_string())));
    let taken = slice(Seen::List(letters.collect()), bounds, budget)?;
    let taken = taken.items().unwrap_or_default();
    let text: String = taken.iter().filter_map(Seen::as_text).collect();
    Ok(Seen::Own(Value::String(text)))
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
