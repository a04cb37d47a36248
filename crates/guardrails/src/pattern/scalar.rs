//! One leaf of a pattern against one value: wildcards, operators, ranges, quantities, durations.
//!
//! A text pattern is a list of alternatives (`|`) of terms that must all hold (`&`). Each term is read
//! once, when the policy loads. Semantics follow Kyverno's `pkg/engine/pattern`, its oddities too: a
//! missing value counts as zero for `>`, `<` and friends when the other side is a quantity or duration.

use ::cel::budget::{Budget, Exhausted};
use ::cel::quantity::{Quantity, parse_duration};
use serde_json::{Number, Value};

use crate::wildcard;

/// A leaf of a pattern, ready to compare.
#[derive(Debug, Clone)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text {
        whole: String,
        alternatives: Vec<Vec<Term>>,
    },
}

/// One comparison inside a text pattern.
#[derive(Debug, Clone)]
pub(crate) enum Term {
    Compare(Comparison),
    /// `low-high`
    Within(Comparison, Comparison),
    /// `low!-high`
    Outside(Comparison, Comparison),
}

/// An operator and its right-hand side.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    operator: Operator,
    text: String,
    duration: Option<i64>,
    quantity: Option<Quantity>,
}

/// Longer signs come first.
const OPERATORS: [(&str, Operator); 5] = [
    (">=", Operator::MoreEqual),
    ("<=", Operator::LessEqual),
    (">", Operator::More),
    ("<", Operator::Less),
    ("!", Operator::NotEqual),
];

/// The operators a text pattern may start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    More,
    MoreEqual,
    Less,
    LessEqual,
}

impl Scalar {
    /// Reads a leaf; maps and lists are not leaves.
    pub(crate) fn parse(value: &Value) -> Option<Scalar> {
        match value {
            Value::Null => Some(Scalar::Null),
            Value::Bool(value) => Some(Scalar::Bool(*value)),
            Value::Number(value) => Some(Scalar::Number(value.clone())),
            Value::String(text) => Some(Scalar::text(text)),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Reads a text pattern.
    pub(crate) fn text(text: &str) -> Scalar {
        let alternatives = text
            .split('|')
            .map(|terms| {
                terms
                    .trim_matches(' ')
                    .split('&')
                    .map(|term| Term::parse(term.trim_matches(' ')))
                    .collect()
            })
            .collect();
        Scalar::Text {
            whole: text.to_owned(),
            alternatives,
        }
    }

    /// Whether the value (absent is `None`) satisfies the leaf.
    pub(crate) fn matches(&self, value: Option<&Value>, budget: &Budget) -> Result<bool, Exhausted> {
        budget.spend(1)?;
        let value = value.unwrap_or(&Value::Null);
        Ok(match self {
            Scalar::Null => match value {
                Value::Null => true,
                Value::Bool(value) => !value,
                Value::Number(number) => number.as_f64() == Some(0.0),
                Value::String(text) => text.is_empty(),
                Value::Array(_) | Value::Object(_) => false,
            },
            Scalar::Bool(expect) => value.as_bool() == Some(*expect),
            Scalar::Number(expect) => number_matches(expect, value),
            Scalar::Text { whole, alternatives } => {
                if value.as_str() == Some(whole) {
                    return Ok(true);
                }
                let operand = Operand::of(value);
                for terms in alternatives {
                    let mut all = true;
                    for term in terms {
                        budget.spend(1)?;
                        if !term.holds(&operand, budget)? {
                            all = false;
                            break;
                        }
                    }
                    if all {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }

    /// Whether this is the pattern `*`, which asks for presence alone.
    pub(crate) fn is_star(&self) -> bool {
        matches!(self, Scalar::Text { whole, .. } if whole == "*")
    }

    /// The leaf as the policy wrote it, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Scalar::Null => "<nil>".to_owned(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Number(value) => value.to_string(),
            Scalar::Text { whole, .. } => whole.clone(),
        }
    }
}

fn number_matches(expect: &Number, value: &Value) -> bool {
    match value {
        Value::Number(number) => match (expect.as_i64(), number.as_i64()) {
            (Some(expect), Some(number)) => expect == number,
            _ => expect.as_f64() == number.as_f64(),
        },
        Value::String(text) => match expect.as_i64() {
            Some(expect) => text.parse() == Ok(expect),
            None => text.parse().ok() == expect.as_f64(),
        },
        _ => false,
    }
}

/// A value with the readings that comparisons ask for, each made at most once.
struct Operand<'a> {
    text: Option<std::borrow::Cow<'a, str>>,
    number_text: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Operand<'a> {
    fn of(value: &'a Value) -> Operand<'a> {
        use std::borrow::Cow;
        match value {
            Value::Null => Operand {
                text: None,
                number_text: Some(Cow::Borrowed("0")),
            },
            Value::Bool(value) => Operand {
                text: Some(Cow::Borrowed(if *value { "true" } else { "false" })),
                number_text: None,
            },
            Value::String(text) => Operand {
                text: Some(Cow::Borrowed(text)),
                number_text: Some(Cow::Borrowed(text)),
            },
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => {
                    let text = whole.to_string();
                    Operand {
                        text: Some(Cow::Owned(text.clone())),
                        number_text: Some(Cow::Owned(text)),
                    }
                }
                (None, Some(float)) => Operand {
                    text: Some(Cow::Owned(go_exponent(float))),
                    number_text: Some(Cow::Owned(format!("{float:.6}"))),
                },
                (None, None) => Operand {
                    text: None,
                    number_text: None,
                },
            },
            Value::Array(_) | Value::Object(_) => Operand {
                text: None,
                number_text: None,
            },
        }
    }
}

/// A float as Go's `FormatFloat(v, 'E', -1, 64)` writes it: `1.5E+00`.
fn go_exponent(value: f64) -> String {
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent
                .strip_prefix('-')
                .map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}E{sign}{digits:0>2}")
        }
        None => text,
    }
}

impl Term {
    fn parse(term: &str) -> Term {
        let (operator, rest) = Operator::split(term);
        if operator == Operator::Equal {
            if let Some((low, high)) = split_range(term, "!-") {
                return Term::Outside(
                    Comparison::new(Operator::Less, low),
                    Comparison::new(Operator::More, high),
                );
            }
            if let Some((low, high)) = split_range(term, "-") {
                return Term::Within(
                    Comparison::new(Operator::MoreEqual, low),
                    Comparison::new(Operator::LessEqual, high),
                );
            }
        }
        Term::Compare(Comparison::new(operator, rest.trim()))
    }

    fn holds(&self, operand: &Operand<'_>, budget: &Budget) -> Result<bool, Exhausted> {
        Ok(match self {
            Term::Compare(comparison) => comparison.holds(operand, budget)?,
            Term::Within(low, high) => low.holds(operand, budget)? && high.holds(operand, budget)?,
            Term::Outside(low, high) => low.holds(operand, budget)? || high.holds(operand, budget)?,
        })
    }
}

impl Operator {
    fn split(term: &str) -> (Operator, &str) {
        if term.len() < 2 {
            return (Operator::Equal, term);
        }
        OPERATORS
            .iter()
            .find_map(|(text, operator)| term.strip_prefix(text).map(|rest| (*operator, rest)))
            .unwrap_or((Operator::Equal, term))
    }

    fn accepts(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::More => ordering.is_gt(),
            Operator::MoreEqual => ordering.is_ge(),
            Operator::Less => ordering.is_lt(),
            Operator::LessEqual => ordering.is_le(),
        }
    }
}

/// Whether a text is a range such as `1-5` or `1Mi-2Gi` (and not `1!-5`).
pub(crate) fn is_range(text: &str) -> bool {
    Operator::split(text).0 == Operator::Equal
        && split_range(text, "!-").is_none()
        && split_range(text, "-").is_some()
}

/// Splits `low<separator>high` where both sides are numbers with an optional unit of letters.
fn split_range<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    text.match_indices(separator)
        .map(|(at, found)| (&text[..at], &text[at + found.len()..]))
        .find(|(low, high)| is_endpoint(low) && is_endpoint(high))
}

fn is_endpoint(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+', '|']).unwrap_or(text);
    let number = digits.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let whole_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match number.split_once('.') {
        Some((whole, fraction)) => whole_number(whole) && whole_number(fraction),
        None => whole_number(number),
    }
}

impl Comparison {
    fn new(operator: Operator, text: &str) -> Comparison {
        Comparison {
            operator,
            text: text.to_owned(),
            duration: parse_duration(text),
            quantity: Quantity::parse(text),
        }
    }

    /// Duration first, then quantity, then text: the first kind both sides are decides.
    fn holds(&self, operand: &Operand<'_>, budget: &Budget) -> Result<bool, Exhausted> {
        if let Some(number) = &operand.number_text {
            if let (Some(expect), Some(value)) = (self.duration, parse_duration(number)) {
                return Ok(self.operator.accepts(value.cmp(&expect)));
            }
            if let Some(expect) = &self.quantity
                && let Some(value) = Quantity::parse(number)
            {
                return Ok(self.operator.accepts(value.cmp(expect)));
            }
        }
        let Some(text) = &operand.text else {
            return Ok(false);
        };
        match self.operator {
            Operator::Equal => wildcard::matches_within(&self.text, text, budget),
            Operator::NotEqual => Ok(!wildcard::matches_within(&self.text, text, budget)?),
            Operator::More | Operator::MoreEqual | Operator::Less | Operator::LessEqual => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(pattern: &Value, value: Option<&Value>, expect: bool) {
        let leaf = Scalar::parse(pattern).expect("a leaf");
        let outcome = leaf.matches(value, &Budget::default());
        assert_eq!(outcome, Ok(expect), "pattern {pattern} on {value:?}");
    }

    fn text(pattern: &str, value: &Value, expect: bool) {
        check(&json!(pattern), Some(value), expect);
    }

    #[test]
    fn wildcards() {
        text("?*", &json!("x"), true);
        text("?*", &json!(""), false);
        text("?*", &json!(0), true);
        text("?*", &json!(1.5), true);
        text("?*", &json!(true), true);
        check(&json!("?*"), None, false);
        check(&json!("*"), None, false);
        text("*:latest", &json!("nginx:latest"), true);
        text("!*:latest", &json!("nginx:latest"), false);
        text("!*:latest", &json!("nginx:1"), true);
        check(&json!("!*:latest"), None, false); // an absent value is no text at all
        text("true", &json!(true), true);
        text("false", &json!(true), false);
        text("1.5E+00", &json!(1.5), true);
    }

    #[test]
    fn operators() {
        text(">1", &json!(2), true);
        text(">1", &json!(1), false);
        text(">=1", &json!(1), true);
        text("<1", &json!(0.5), true);
        text("<=1", &json!("1"), true);
        text("!1", &json!(1), false);
        text("!1", &json!("one"), true);
        text(">abc", &json!("abd"), false); // order means nothing for text
        text("> 10", &json!(11), true);
        text(">", &json!(">"), true); // a lone sign is text
        check(&json!("<=4"), None, true); // an absent value counts as zero
        check(&json!(">0"), None, false);
        text("<=4", &json!(true), false);
        text("<=4", &json!([1]), false);
    }

    #[test]
    fn alternatives_and_conjunctions() {
        text("a | b", &json!("b"), true);
        text("a|b", &json!("c"), false);
        text(">1 & <5", &json!(3), true);
        text(">1 & <5", &json!(5), false);
        text("<1 | >5 & !7", &json!(7), false);
        text("<1 | >5 & !7", &json!(8), true);
        text("a & b | a & b", &json!("a & b | a & b"), true); // the very text always matches
    }

    #[test]
    fn ranges() {
        text("1-5", &json!(1), true);
        text("1-5", &json!(5), true);
        text("1-5", &json!(6), false);
        text("1!-5", &json!(6), true);
        text("1!-5", &json!(3), false);
        text("-5--1", &json!(-3), true);
        text("1Mi-1Gi", &json!("512Mi"), true);
        text("1Mi-1Gi", &json!("2Gi"), false);
        text("1.5-2.5", &json!(2), true);
        text("10m-1h", &json!("30m"), true);
        text("a-b", &json!("a-b"), true);
        text("v1-2", &json!("v1-2"), true);
    }

    #[test]
    fn quantities_and_durations() {
        text("1Gi", &json!("1024Mi"), true);
        text("<=1Gi", &json!("1025Mi"), false);
        text(">500m", &json!("1"), true);
        text("<2h", &json!("90m"), true); // both are durations
        text(">1h", &json!("90m"), true);
        text("1h", &json!("60m"), true);
        text("!1h", &json!("60m"), false);
        text("<=64", &json!(32.5), true);
        text(">0", &json!("100m"), true);
        text(">0", &json!("0"), false);
        text(">0", &json!("lots"), false);
    }

    #[test]
    fn leaves_that_are_not_text() {
        check(&json!(true), Some(&json!(true)), true);
        check(&json!(true), Some(&json!("true")), false);
        check(&json!(false), None, false);
        check(&json!(3), Some(&json!(3)), true);
        check(&json!(3), Some(&json!(3.0)), true);
        check(&json!(3), Some(&json!("3")), true);
        check(&json!(3), Some(&json!("3.0")), false);
        check(&json!(3), Some(&json!(true)), false);
        check(&json!(1.5), Some(&json!("1.5")), true);
        check(&json!(1.5), Some(&json!(1)), false);
        check(&json!(null), None, true);
        check(&json!(null), Some(&json!(0)), true);
        check(&json!(null), Some(&json!("")), true);
        check(&json!(null), Some(&json!(false)), true);
        check(&json!(null), Some(&json!({})), false);
        check(&json!(null), Some(&json!("x")), false);
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "\\PC{0,40}", range in "[-+0-9.a-zM!|&<>*? ]{0,24}", value in "\\PC{0,40}") {
            for pattern in [&pattern, &range] {
                for value in [json!(value), json!(1.5e300), json!(u64::MAX), json!(null), json!([1])] {
                    let _ = Scalar::text(pattern).matches(Some(&value), &Budget::default());
                }
            }
        }
    }
}
