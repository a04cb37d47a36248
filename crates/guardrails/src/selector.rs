//! Label selectors, with Kyverno's wildcards in keys and values of `matchLabels`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cursor::{Cursor, Origin, Refusal};
use crate::wildcard::{has_wildcard, matches};

/// A label selector: everything in it must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<(String, String)>,
    expressions: Vec<Expression>,
}

#[derive(Debug, Clone)]
struct Expression {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Reads `matchLabels` and `matchExpressions`.
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<Selector, Refusal> {
        cursor.only(&["matchLabels", "matchExpressions"])?;
        let expressions = match cursor.field("matchExpressions") {
            None => Vec::new(),
            Some(list) => list
                .items()?
                .iter()
                .map(Expression::read)
                .collect::<Result<_, _>>()?,
        };
        Ok(Selector {
            labels: cursor.string_map("matchLabels")?,
            expressions,
        })
    }

    /// Reads a selector whose variables were filled in; what is wrong with it is said without a place.
    pub(crate) fn of_value(value: &Value) -> Result<Selector, String> {
        let cursor = Cursor::root(Origin::named("selector"), value);
        Selector::read(&cursor).map_err(|refusal| refusal.reason)
    }

    /// Whether labels satisfy the selector.
    pub(crate) fn matches(&self, labels: &BTreeMap<&str, &str>) -> bool {
        self.labels.iter().all(|(key, value)| {
            if has_wildcard(key) || has_wildcard(value) {
                labels
                    .iter()
                    .any(|(label, text)| matches(key, label) && matches(value, text))
            } else {
                labels.get(key.as_str()) == Some(&value.as_str())
            }
        }) && self
            .expressions
            .iter()
            .all(|expression| expression.matches(labels))
    }
}

/// As `kubectl` takes it: `environment=dev,tier in (front,back),!legacy`.
impl std::fmt::Display for Selector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels = self.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let expressions = self.expressions.iter().map(|expression| {
            let (key, values) = (&expression.key, expression.values.join(","));
            match expression.operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
            }
        });
        formatter.write_str(&labels.chain(expressions).collect::<Vec<_>>().join(","))
    }
}

impl Expression {
    fn read(cursor: &Cursor<'_>) -> Result<Expression, Refusal> {
        cursor.only(&["key", "operator", "values"])?;
        let operator = cursor.required("operator")?;
        let values = cursor.strings("values")?;
        let (operator, wants_values) = match operator.string()? {
            "In" => (Operator::In, true),
            "NotIn" => (Operator::NotIn, true),
            "Exists" => (Operator::Exists, false),
            "DoesNotExist" => (Operator::DoesNotExist, false),
            other => return Err(operator.refuse(format!("the selector operator {other:?} does not exist"))),
        };
        if values.is_empty() == wants_values {
            let need = if wants_values { "needs" } else { "takes no" };
            return Err(cursor.refuse(format!("this selector operator {need} values")));
        }
        Ok(Expression {
            key: cursor.required("key")?.string()?.to_owned(),
            operator,
            values,
        })
    }

    fn matches(&self, labels: &BTreeMap<&str, &str>) -> bool {
        let value = labels.get(self.key.as_str());
        let listed = value.is_some_and(|value| self.values.iter().any(|candidate| candidate == value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}
