//! Conditions: `key`, `operator`, `value` in `any`/`all` blocks, as preconditions and `deny` use them.

#[cfg(test)]
mod tests;

use ::cel::budget::Budget;
use ::cel::quantity::{Quantity, parse_duration};
use ::cel::semver::Version;
use serde_json::Value;

use crate::MAX_DEPTH;
use crate::context::Context;
use crate::cursor::{Cursor, Refusal};
use crate::jmespath::{QueryError, as_text, equal};
use crate::pattern::{Scalar, is_range};
use crate::variables::Prepared;
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
    pub(crate) key: Prepared,
    operator: Operator,
    value: Prepared,
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
                && ::cel::budget::deeper_than(side.value, MAX_DEPTH)
            {
                return Err(side.refuse("the value nests too deep"));
            }
        }
        let side = |name: &str| Prepared::of(cursor.field(name).map_or(&Value::Null, |side| side.value));
        Ok(Condition {
            key: side("key"),
            operator,
            value: side("value"),
            message: cursor.text("message")?.unwrap_or_default().to_owned(),
        })
    }

    fn holds(&self, context: &Context<'_>) -> Result<bool, QueryError> {
        let key = self.key.value(context)?;
        let value = self.value.value(context)?;
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
