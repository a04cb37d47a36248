//! Conditions: `key`, `operator`, `value` in `any`/`all` blocks, as preconditions and `deny` use them.

use std::borrow::Cow;

use serde_json::Value;

use crate::budget::{Budget, MAX_DEPTH};
use crate::context::Context;
use crate::cursor::{Cursor, Refusal};
use crate::jmespath::{QueryError, Version, as_text, equal};
use crate::pattern::{Scalar, is_range};
use crate::quantity::{Quantity, parse_duration};
use crate::variables::has_variables;
use crate::wildcard;

/// The conditions of a rule. A plain list means `all`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    any: Option<Vec<Condition>>,
    all: Vec<Condition>,
    /// A plain list, whose messages Kyverno joins without a space.
    plain: bool,
}

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) key: Value,
    operator: Operator,
    value: Value,
    /// Whether key and value hold nothing to fill in.
    fixed: [bool; 2],
    message: String,
}

/// Kyverno's operators, the old ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    NotEquals,
    In,
    NotIn,
    AnyIn,
    AllIn,
    AnyNotIn,
    AllNotIn,
    Order(Order),
    DurationOrder(Order),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What conditions came to.
pub(crate) struct Judged<'a> {
    pub(crate) holds: bool,
    /// The messages of the conditions that decided, joined.
    pub(crate) message: String,
    /// The condition that decided: the first that held, or the first that did not.
    pub(crate) decisive: Option<&'a Condition>,
}

impl Conditions {
    /// Reads `{any: […], all: […]}` or a plain list.
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<Conditions, Refusal> {
        if cursor.value.is_array() {
            return Ok(Conditions {
                any: None,
                all: read_list(cursor)?,
                plain: true,
            });
        }
        cursor.only(&["any", "all"])?;
        Ok(Conditions {
            any: cursor.field("any").map(|list| read_list(&list)).transpose()?,
            all: cursor
                .field("all")
                .map(|list| read_list(&list))
                .transpose()?
                .unwrap_or_default(),
            plain: false,
        })
    }

    /// Evaluates the conditions; no conditions hold.
    pub(crate) fn judge<'a>(&'a self, context: &Context<'_>) -> Result<Judged<'a>, QueryError> {
        let (mut held, mut failed) = (Vec::new(), Vec::new());
        let mut first_held = None;
        let mut first_failed = None;
        let mut any_holds = true;
        if let Some(any) = &self.any {
            any_holds = false;
            for condition in any {
                if condition.holds(context)? {
                    any_holds = true;
                    first_held.get_or_insert(condition);
                    held.push(condition.message.as_str());
                    break;
                }
                first_failed.get_or_insert(condition);
                failed.push(condition.message.as_str());
            }
        }
        let mut all_hold = true;
        for condition in &self.all {
            if condition.holds(context)? {
                first_held.get_or_insert(condition);
                held.push(condition.message.as_str());
            } else {
                all_hold = false;
                first_failed.get_or_insert(condition);
                failed.push(condition.message.as_str());
                break;
            }
        }
        let holds = any_holds && all_hold;
        let (messages, decisive) = if holds {
            (held, first_held)
        } else {
            (failed, first_failed)
        };
        let messages: Vec<&str> = messages
            .into_iter()
            .filter(|message| !message.is_empty())
            .collect();
        Ok(Judged {
            holds,
            message: messages.join(if self.plain { ";" } else { "; " }),
            decisive,
        })
    }
}

fn read_list(cursor: &Cursor<'_>) -> Result<Vec<Condition>, Refusal> {
    cursor.items()?.iter().map(Condition::read).collect()
}

impl Condition {
    fn read(cursor: &Cursor<'_>) -> Result<Condition, Refusal> {
        cursor.only(&["key", "operator", "value", "message"])?;
        let operator = cursor.required("operator")?;
        let name = operator.string()?;
        let Some(operator) = Operator::parse(name) else {
            return Err(operator.refuse(format!("the operator {name:?} does not exist")));
        };
        for side in ["key", "value"] {
            if let Some(side) = cursor.field(side)
                && crate::budget::deeper_than(side.value, MAX_DEPTH)
            {
                return Err(side.refuse("the value nests too deep"));
            }
        }
        let side = |name: &str| cursor.field(name).map_or(Value::Null, |side| side.value.clone());
        let (key, value) = (side("key"), side("value"));
        Ok(Condition {
            fixed: [&key, &value].map(|side| !has_variables(side)),
            key,
            operator,
            value,
            message: cursor.text("message")?.unwrap_or_default().to_owned(),
        })
    }

    fn holds(&self, context: &Context<'_>) -> Result<bool, QueryError> {
        let filled = |side, fixed| {
            if fixed {
                Ok(Cow::Borrowed(side))
            } else {
                context.fill(side).map(Cow::Owned)
            }
        };
        let key = filled(&self.key, self.fixed[0])?;
        let value = filled(&self.value, self.fixed[1])?;
        context.budget.pay_for(&key)?;
        context.budget.pay_for(&value)?;
        self.operator.holds(&key, &value, context)
    }
}

impl Operator {
    fn parse(name: &str) -> Option<Operator> {
        Some(match name.to_lowercase().as_str() {
            "equal" | "equals" => Operator::Equals,
            "notequal" | "notequals" => Operator::NotEquals,
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            "anyin" => Operator::AnyIn,
            "allin" => Operator::AllIn,
            "anynotin" => Operator::AnyNotIn,
            "allnotin" => Operator::AllNotIn,
            "greaterthan" => Operator::Order(Order::Greater),
            "greaterthanorequals" => Operator::Order(Order::GreaterOrEqual),
            "lessthan" => Operator::Order(Order::Less),
            "lessthanorequals" => Operator::Order(Order::LessOrEqual),
            "durationgreaterthan" => Operator::DurationOrder(Order::Greater),
            "durationgreaterthanorequals" => Operator::DurationOrder(Order::GreaterOrEqual),
            "durationlessthan" => Operator::DurationOrder(Order::Less),
            "durationlessthanorequals" => Operator::DurationOrder(Order::LessOrEqual),
            _ => return None,
        })
    }

    fn holds(self, key: &Value, value: &Value, context: &Context<'_>) -> Result<bool, QueryError> {
        match self {
            Operator::Equals => equals(key, value, context),
            Operator::NotEquals => not_equals(key, value, context),
            Operator::Order(order) => Ok(in_order(order, key, value)),
            Operator::DurationOrder(order) => Ok(match (as_duration(key), as_duration(value)) {
                (Some(key), Some(value)) => order.accepts(key.cmp(&value)),
                _ => false,
            }),
            Operator::In
            | Operator::NotIn
            | Operator::AnyIn
            | Operator::AllIn
            | Operator::AnyNotIn
            | Operator::AllNotIn => self.membership(key, value, context),
        }
    }

    /// The six operators that look for keys among values. What is of a kind that holds nothing, or can be in
    /// nothing, is neither in nor out.
    fn membership(self, key: &Value, value: &Value, context: &Context<'_>) -> Result<bool, QueryError> {
        let budget = context.budget;
        match key {
            Value::Null | Value::Object(_) => Ok(false),
            Value::Array(keys) if matches!(self, Operator::In | Operator::NotIn) => {
                self.exact_membership(keys, value, context)
            }
            Value::Array(keys) => {
                let keys: Vec<String> = keys.iter().map(as_text).collect();
                self.set_membership(&keys, value, context)
            }
            single => {
                let found = self.single_membership(&as_text(single), value, budget)?;
                let negated = matches!(self, Operator::NotIn | Operator::AnyNotIn | Operator::AllNotIn);
                Ok(found.is_some_and(|found| found != negated))
            }
        }
    }

    /// Whether one key is among values; `None` when they are of a kind that holds nothing.
    fn single_membership(
        self,
        key: &str,
        value: &Value,
        budget: &Budget,
    ) -> Result<Option<bool>, QueryError> {
        match value {
            Value::Array(values) => {
                for value in values {
                    if alike(key, &as_text(value), budget)? {
                        return Ok(Some(true));
                    }
                }
                Ok(Some(false))
            }
            Value::String(text) => {
                if wildcard::matches_within(text, key, budget)? {
                    return Ok(Some(true));
                }
                let old = matches!(self, Operator::In | Operator::NotIn);
                if !old && is_range(text) {
                    return Ok(Some(in_range(key, text, budget)?));
                }
                let listed = if old { json_list(text) } else { listed(text) };
                Ok(listed.map(|listed| listed.iter().any(|value| value == key)))
            }
            _ => Ok(None),
        }
    }

    /// `In` and `NotIn` of a list: without wildcards.
    fn exact_membership(
        self,
        keys: &[Value],
        value: &Value,
        context: &Context<'_>,
    ) -> Result<bool, QueryError> {
        let keys: Option<Vec<&str>> = keys.iter().map(Value::as_str).collect();
        let Some(keys) = keys else {
            return Err(QueryError::Failed(
                "In and NotIn need a list of strings".to_owned(),
            ));
        };
        let values = match value {
            Value::Array(values) => {
                let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<String>>>()
            }
            // Kyverno says so of both.
            Value::String(text) if keys == [text] => return Ok(true),
            Value::String(text) => json_list(text),
            _ => None,
        };
        let Some(values) = values else { return Ok(false) };
        context.budget.spend(keys.len().saturating_mul(values.len()))?;
        let within = keys.iter().all(|key| values.iter().any(|value| value == key));
        Ok(within == (self == Operator::In))
    }

    /// The four newer operators of a list of keys.
    fn set_membership(
        self,
        keys: &[String],
        value: &Value,
        context: &Context<'_>,
    ) -> Result<bool, QueryError> {
        let budget = context.budget;
        let any = matches!(self, Operator::AnyIn | Operator::AnyNotIn);
        let values = match value {
            Value::Array(values) => Some(values.iter().map(as_text).collect()),
            Value::Number(_) | Value::Bool(_) if any => Some(vec![as_text(value)]),
            Value::String(text) => {
                if let [key] = keys
                    && key == text
                {
                    return Ok(matches!(self, Operator::AnyIn | Operator::AllIn));
                }
                if is_range(text) {
                    return self.range_membership(keys, text, budget);
                }
                listed(text)
            }
            _ => None,
        };
        let Some(values) = values else { return Ok(false) };
        let is_in = |key: &String| -> Result<bool, QueryError> {
            for value in &values {
                if alike(key, value, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let found = keys.iter().map(is_in).collect::<Result<Vec<bool>, _>>()?;
        Ok(match self {
            Operator::AnyIn => found.contains(&true),
            Operator::AnyNotIn => found.contains(&false),
            Operator::AllIn => !found.contains(&false),
            _ => !found.contains(&true),
        })
    }

    fn range_membership(self, keys: &[String], range: &str, budget: &Budget) -> Result<bool, QueryError> {
        // For "any is not in" Kyverno asks for the opposite range, in which what is no number is not either.
        let opposite = range.replacen('-', "!-", 1);
        let range = if self == Operator::AnyNotIn {
            &opposite
        } else {
            range
        };
        let found = keys
            .iter()
            .map(|key| in_range(key, range, budget))
            .collect::<Result<Vec<bool>, _>>()?;
        Ok(match self {
            Operator::AnyIn | Operator::AnyNotIn => found.contains(&true),
            Operator::AllIn => !found.contains(&false),
            _ => !found.contains(&true),
        })
    }
}

/// Whether two texts are the same, either of them with wildcards.
fn alike(left: &str, right: &str, budget: &Budget) -> Result<bool, QueryError> {
    Ok(wildcard::matches_within(left, right, budget)? || wildcard::matches_within(right, left, budget)?)
}

fn in_range(key: &str, range: &str, budget: &Budget) -> Result<bool, QueryError> {
    let key = Value::String(key.to_owned());
    Ok(Scalar::text(range).matches(Some(&key), budget)?)
}

/// The texts of a list that is written as JSON.
fn json_list(text: &str) -> Option<Vec<String>> {
    match serde_json::from_str(text).ok()? {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Null => Some(String::new()),
                item => item.as_str().map(str::to_owned),
            })
            .collect(),
        _ => None,
    }
}

/// As [`json_list`]; a text that is not JSON is a list of itself.
fn listed(text: &str) -> Option<Vec<String>> {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Some(vec![text.to_owned()]);
    }
    json_list(text)
}

impl Order {
    fn accepts(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Order::Greater => ordering.is_gt(),
            Order::GreaterOrEqual => ordering.is_ge(),
            Order::Less => ordering.is_lt(),
            Order::LessOrEqual => ordering.is_le(),
        }
    }
}

/// Durations first, then quantities, numbers, versions: the first kind both sides are decides.
fn in_order(order: Order, key: &Value, value: &Value) -> bool {
    if let Some((key, value)) = durations(key, value) {
        return order.accepts(key.cmp(&value));
    }
    if let (Value::String(key), Value::String(value)) = (key, value)
        && let (Some(key), Some(value)) = (Quantity::parse(key), Quantity::parse(value))
    {
        return order.accepts(key.cmp(&value));
    }
    if let (Some(key), Some(value)) = (as_number(key), as_number(value)) {
        return key
            .partial_cmp(&value)
            .is_some_and(|ordering| order.accepts(ordering));
    }
    if let (Value::String(key), Value::String(value)) = (key, value)
        && let (Some(key), Some(value)) = (Version::parse(key), Version::parse(value))
    {
        return order.accepts(key.cmp(&value));
    }
    false
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Both sides as durations when at least one is written as one; a number is seconds then.
fn durations(key: &Value, value: &Value) -> Option<(i64, i64)> {
    let written = |value: &Value| {
        value
            .as_str()
            .filter(|text| *text != "0")
            .and_then(parse_duration)
    };
    if written(key).is_none() && written(value).is_none() {
        return None;
    }
    let side = |value: &Value| written(value).or_else(|| seconds(value));
    Some((side(key)?, side(value)?))
}

fn seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64()?.trunc();
    (seconds.abs() < 9.0e9).then(|| seconds as i64 * 1_000_000_000)
}

fn as_duration(value: &Value) -> Option<i64> {
    value.as_str().and_then(parse_duration).or_else(|| seconds(value))
}

fn equals(key: &Value, value: &Value, context: &Context<'_>) -> Result<bool, QueryError> {
    Ok(match (key, value) {
        (Value::Bool(key), value) => value.as_bool() == Some(*key),
        (Value::Number(_), Value::Number(_)) => equal(key, value, context.budget)?,
        (Value::Number(number), Value::String(text)) => {
            if number.is_i64() {
                text.parse().ok() == number.as_i64()
            } else {
                text.parse().ok() == number.as_f64()
            }
        }
        (Value::String(key), value) => text_equals(key, value, context)?,
        (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) => {
            equal(key, value, context.budget)?
        }
        _ => false,
    })
}

/// Not simply the opposite: what cannot be compared at all is equal to neither side's liking.
fn not_equals(key: &Value, value: &Value, context: &Context<'_>) -> Result<bool, QueryError> {
    if key.is_null() {
        return Ok(false);
    }
    Ok(!equals(key, value, context)?)
}

fn text_equals(key: &str, value: &Value, context: &Context<'_>) -> Result<bool, QueryError> {
    if let Some((key, value)) = durations(&Value::String(key.to_owned()), value) {
        return Ok(key == value);
    }
    let Value::String(value) = value else {
        return Ok(false);
    };
    if let Some(key) = Quantity::parse(key) {
        return Ok(Quantity::parse(value) == Some(key));
    }
    Ok(wildcard::matches_within(value, key, context.budget)?)
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]
mod tests {
    use super::*;
    use crate::cursor::Origin;
    use crate::facts::NoFacts;
    use crate::variables::Expressions;
    use proptest::prelude::*;
    use serde_json::json;

    const ORIGIN: Origin<'_> = Origin {
        source: "test",
        document: None,
        policy: None,
    };

    fn judge(conditions: &Value, root: Value) -> Result<(bool, String), QueryError> {
        let read = Conditions::read(&Cursor::root(ORIGIN, conditions)).expect("conditions");
        let (expressions, budget) = (Expressions::default(), Budget::default());
        let context = Context::new(root, &expressions, &budget, &NoFacts);
        read.judge(&context).map(|judged| (judged.holds, judged.message))
    }

    #[track_caller]
    fn check(key: Value, operator: &str, value: Value, expect: bool) {
        let conditions = json!({"all": [{"key": key, "operator": operator, "value": value}]});
        assert_eq!(
            judge(&conditions, json!({})).map(|(holds, _)| holds),
            Ok(expect),
            "{conditions}"
        );
    }

    #[test]
    fn equals() {
        check(json!("a"), "Equals", json!("a"), true);
        check(json!("abc"), "Equals", json!("a*"), true);
        check(json!("a*"), "Equals", json!("abc"), false);
        check(json!("a"), "Equal", json!("b"), false);
        check(json!(1), "equals", json!(1.0), true);
        check(json!(1), "Equals", json!("1"), true);
        check(json!(1.5), "Equals", json!("1.5"), true);
        check(json!(true), "Equals", json!("true"), false);
        check(json!("1h"), "Equals", json!("60m"), true);
        check(json!("1h"), "Equals", json!(3600), true);
        check(json!("1Gi"), "Equals", json!("1024Mi"), true);
        check(json!([1, "a"]), "Equals", json!([1, "a"]), true);
        check(json!({"a": 1}), "Equals", json!({"a": 1}), true);
        check(json!(null), "Equals", json!(null), false);
        check(json!(null), "NotEquals", json!("a"), false);
        check(json!("a"), "NotEquals", json!("b"), true);
        check(json!("a"), "NotEquals", json!(1), true);
        check(json!(2), "NotEqual", json!("2"), false);
    }

    #[test]
    fn membership() {
        check(json!("a"), "AnyIn", json!(["a", "b"]), true);
        check(json!("c"), "AnyIn", json!(["a", "b"]), false);
        check(json!("abc"), "AnyIn", json!(["a*"]), true);
        check(json!("a"), "AnyIn", json!("a"), true);
        check(json!("a"), "AnyIn", json!("[\"a\",\"b\"]"), true);
        check(json!(5), "AnyIn", json!("1-10"), true);
        check(json!(50), "AnyIn", json!("1-10"), false);
        check(json!("c"), "AnyNotIn", json!(["a", "b"]), true);
        check(json!("a"), "AllNotIn", json!(["a"]), false);
        check(json!(["a", "c"]), "AnyIn", json!(["a", "b"]), true);
        check(json!(["a", "c"]), "AllIn", json!(["a", "b"]), false);
        check(json!(["a", "b"]), "AllIn", json!(["a", "b", "c"]), true);
        check(json!(["a", "c"]), "AnyNotIn", json!(["a", "b"]), true);
        check(json!(["a", "b"]), "AnyNotIn", json!(["a", "b"]), false);
        check(json!(["c", "d"]), "AllNotIn", json!(["a", "b"]), true);
        check(json!(["a", "d"]), "AllNotIn", json!(["a", "b"]), false);
        check(json!([]), "AllIn", json!(["a"]), true);
        check(json!([]), "AnyIn", json!(["a"]), false);
        check(json!([]), "AnyNotIn", json!(["a"]), false);
        check(json!([1, 2]), "AllIn", json!([1, 2, 3]), true);
        check(json!("a"), "In", json!(["a"]), true);
        check(json!(["a", "b"]), "In", json!(["a"]), false);
        check(json!(["a", "b"]), "NotIn", json!(["a"]), true);
        check(json!(["a"]), "NotIn", json!(["a"]), false);
        // What is neither text nor list is in nothing, and not outside of anything either.
        check(json!("a"), "AnyIn", json!({"a": 1}), false);
        check(json!("a"), "AnyNotIn", json!({"a": 1}), false);
        check(json!(null), "AnyNotIn", json!(["a"]), false);
        check(json!("x"), "AnyNotIn", json!("5"), false);
        // A list as text, and text that is none.
        check(json!("a*"), "AnyIn", json!("abc"), false);
        check(json!("abc"), "AnyIn", json!("a*"), true);
        check(json!("a"), "In", json!("[\"a\"]"), true);
        check(json!("x"), "NotIn", json!("[\"a\"]"), true);
        check(json!("x"), "NotIn", json!("abc"), false);
        check(json!("x"), "AllNotIn", json!("abc"), true);
        check(json!("x"), "AllNotIn", json!("null"), true);
        check(json!("x"), "AllNotIn", json!("[1]"), false);
        check(json!(["a"]), "NotIn", json!("a"), true);
        check(json!(["a"]), "In", json!("a"), true);
        check(json!(["a"]), "AllNotIn", json!("a"), false);
        check(json!(["a", "b"]), "AllIn", json!("[\"a\",\"b\"]"), true);
        check(json!(["a", "b"]), "AnyNotIn", json!("a"), true);
        check(json!(["a*"]), "In", json!(["ab"]), false);
        check(json!(["a*"]), "AllIn", json!(["ab"]), true);
        check(json!(["a"]), "In", json!([1]), false);
        check(json!([1]), "AnyIn", json!(1), true);
        check(json!([1]), "AllIn", json!(1), false);
        check(json!([true]), "AnyNotIn", json!(false), true);
        check(json!([]), "In", json!(["a"]), true);
        check(json!([]), "NotIn", json!(["a"]), false);
        // Ranges.
        check(json!([5, 50]), "AnyIn", json!("1-10"), true);
        check(json!([5, 50]), "AllIn", json!("1-10"), false);
        check(json!([5, 50]), "AnyNotIn", json!("1-10"), true);
        check(json!([5, 6]), "AnyNotIn", json!("1-10"), false);
        check(json!(["x", 6]), "AnyNotIn", json!("1-10"), false);
        check(json!([50, 60]), "AllNotIn", json!("1-10"), true);
        check(json!([5, 60]), "AllNotIn", json!("1-10"), false);
        check(json!(50), "AllNotIn", json!("1-10"), true);
        check(json!("512Mi"), "AnyIn", json!("256Mi-1Gi"), true);
    }

    #[test]
    fn order() {
        check(json!(2), "GreaterThan", json!(1), true);
        check(json!(1), "GreaterThan", json!(1), false);
        check(json!(1), "GreaterThanOrEquals", json!("1"), true);
        check(json!("1"), "LessThan", json!("2"), true);
        check(json!("10"), "LessThan", json!("9"), false);
        check(json!("512Mi"), "LessThanOrEquals", json!("1Gi"), true);
        check(json!("1h"), "GreaterThan", json!("90m"), false);
        check(json!("1h"), "LessThan", json!(7200), true);
        check(json!("1.10.0"), "GreaterThan", json!("1.9.0"), true);
        check(json!("a"), "GreaterThan", json!("b"), false);
        check(json!(null), "LessThan", json!(1), false);
        check(json!("2h"), "DurationGreaterThan", json!("1h"), true);
        check(json!(60), "DurationLessThanOrEquals", json!("1m"), true);
        check(json!("x"), "DurationLessThan", json!("1m"), false);
    }

    #[test]
    fn any_all_and_messages() {
        let yes = json!({"key": 1, "operator": "Equals", "value": 1, "message": "one is one"});
        let no = json!({"key": 1, "operator": "Equals", "value": 2, "message": "one is two"});
        let check = |conditions: Value, holds: bool, message: &str| {
            assert_eq!(
                judge(&conditions, json!({})),
                Ok((holds, message.to_owned())),
                "{conditions}"
            );
        };
        check(json!({}), true, "");
        check(json!([]), true, "");
        check(json!([yes, no]), false, "one is two");
        check(json!({"any": [no, yes]}), true, "one is one");
        check(json!({"any": [no, no]}), false, "one is two; one is two");
        check(json!({"any": []}), false, "");
        check(json!({"any": [yes], "all": [yes, no]}), false, "one is two");
        check(
            json!({"any": [yes], "all": [yes]}),
            true,
            "one is one; one is one",
        );
    }

    #[test]
    fn a_variable_without_a_value_is_an_error() {
        let conditions = json!([{"key": "{{ a }}", "operator": "Equals", "value": 1}]);
        assert_eq!(
            judge(&conditions, json!({})),
            Err(QueryError::NotFound("a".to_owned()))
        );
        assert_eq!(
            judge(&conditions, json!({"a": 1})).map(|(holds, _)| holds),
            Ok(true)
        );
    }

    #[test]
    fn a_list_that_cannot_be_compared_is_an_error() {
        let conditions = json!([{"key": [1], "operator": "In", "value": ["1"]}]);
        assert!(matches!(
            judge(&conditions, json!({})),
            Err(QueryError::Failed(_))
        ));
    }

    #[test]
    fn what_cannot_be_read() {
        for conditions in [
            json!([{"key": 1, "operator": "Is", "value": 1}]),
            json!([{"key": 1, "value": 1}]),
            json!({"some": []}),
            json!("x"),
            json!([{"key": 1, "operator": "Equals", "vlaue": 1}]),
        ] {
            assert!(
                Conditions::read(&Cursor::root(ORIGIN, &conditions)).is_err(),
                "{conditions}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(
            key in crate::pattern::tests::any_json(),
            value in crate::pattern::tests::any_json(),
            operator in "(Equals|NotEquals|In|NotIn|AnyIn|AllIn|AnyNotIn|AllNotIn|GreaterThan|DurationLessThan)",
        ) {
            let _ = judge(&json!([{"key": key, "operator": operator, "value": value}]), json!({}));
        }
    }
}
