//! Variables: `{{ expression }}` in patterns, conditions and messages; and references: `$(./../path)`.
//!
//! A text that is one variable becomes the variable's value, of whatever kind; within a longer text it
//! becomes text. A variable may hold another; the innermost is filled in first. `\{{` stays as it is.
//! A reference stands for the text at another place of the same value, and is filled in before any variable.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::MAX_DEPTH;
use crate::context::Context;
use crate::jmespath::{Expression, QueryError, as_json};
use crate::references;

/// How often a text may be filled in before it counts as endless.
const MAX_ROUNDS: usize = 200;

/// The longest text that filling in may produce, in bytes.
const MAX_TEXT: usize = 256 * 1024;

/// How much of an expression an error message shows, in characters.
const MAX_SHOWN: usize = 100;

/// The expressions of a policy, parsed when it loads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expressions {
    parsed: HashMap<String, Expression>,
}

impl Expressions {
    /// Parses every variable in a value, and tells the first that cannot be evaluated here.
    /// An error is an expression that cannot be read at all.
    pub(crate) fn learn(&mut self, value: &Value) -> Result<Option<String>, String> {
        let mut unsupported = None;
        self.learn_below(value, &mut unsupported)?;
        Ok(unsupported)
    }

    fn learn_below(&mut self, value: &Value, unsupported: &mut Option<String>) -> Result<(), String> {
        match value {
            Value::String(text) => self.learn_text(text, unsupported),
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.learn_below(item, unsupported)),
            Value::Object(map) => map.iter().try_for_each(|(key, value)| {
                self.learn_text(key, unsupported)?;
                self.learn_below(value, unsupported)
            }),
            _ => Ok(()),
        }
    }

    fn learn_text(&mut self, text: &str, unsupported: &mut Option<String>) -> Result<(), String> {
        // A variable that holds another is only known once the inner one is filled in.
        let mut from = 0;
        while let Some(found) = Variable::first(text, from) {
            let nested = text[..found.start].contains("{{") && text[found.end..].contains("}}");
            if !nested {
                self.learn_expression(found.expression(text), unsupported)
                    .map_err(|reason| {
                        format!(
                            "cannot read the variable {{{{ {} }}}}: {reason}",
                            shortened(found.expression(text))
                        )
                    })?;
            }
            from = found.end;
        }
        if unreadable(text) {
            unsupported.get_or_insert_with(|| {
                "braces that nest deeper than once within a variable make it plain text".to_owned()
            });
        }
        Ok(())
    }

    /// Parses one expression, such as the list of a `foreach`.
    pub(crate) fn learn_expression(
        &mut self,
        text: &str,
        unsupported: &mut Option<String>,
    ) -> Result<(), String> {
        if !self.parsed.contains_key(text) {
            let expression = Expression::parse(text)?;
            if let Some(function) = expression.unknown_function() {
                unsupported.get_or_insert_with(|| format!("the function {function} does not exist"));
            }
            self.parsed.insert(text.to_owned(), expression);
        }
        Ok(())
    }

    /// An expression that was parsed when the policy was read.
    pub(crate) fn parsed(&self, text: &str) -> Option<&Expression> {
        self.parsed.get(text)
    }

    /// The plain path of the first variable in a text, such as `["element", "image"]`.
    pub(crate) fn leading_path(&self, text: &str) -> Vec<&str> {
        Variable::first(text, 0)
            .and_then(|found| self.parsed.get(found.expression(text)))
            .map(Expression::leading_path)
            .unwrap_or_default()
    }
}

/// Whether something between double braces is no variable: braces may nest once within one. Kyverno takes it for
/// plain text, which a condition then compares with something it can never be.
fn unreadable(text: &str) -> bool {
    let mut text = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        let Some(found) = Variable::first(&text, 0) else {
            break;
        };
        text.replace_range(found.start..found.end, "x");
    }
    let Some(end) = text.rfind("}}") else {
        return false;
    };
    let mut opened = text[..end].match_indices("{{");
    opened.any(|(start, _)| !text[..start].ends_with('\\'))
}

/// The beginning of an expression, as an error message has room for.
fn shortened(expression: &str) -> String {
    match expression.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &expression[..end]),
        None => expression.to_owned(),
    }
}

/// Whether a value holds variables or references (or text that only looks like one when escaped).
pub(crate) fn has_variables(value: &Value) -> bool {
    let is_one = |text: &str| text.contains("{{") || text.contains("$(");
    match value {
        Value::String(text) => is_one(text),
        Value::Array(items) => items.iter().any(has_variables),
        Value::Object(map) => map.iter().any(|(key, value)| is_one(key) || has_variables(value)),
        _ => false,
    }
}

/// Where a variable stands in a text: its braces included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Variable {
    start: usize,
    end: usize,
}

impl Variable {
    /// The first innermost variable at or after `from`. Braces within it may nest once: `{{ {a: b} }}`.
    fn first(text: &str, from: usize) -> Option<Variable> {
        let bytes = text.as_bytes();
        let mut start = from;
        while let Some(offset) = text.get(start..)?.find("{{") {
            start += offset;
            let escaped = start > 0 && bytes[start - 1] == b'\\';
            if !escaped && let Some(end) = end_of_variable(bytes, start + 2) {
                return Some(Variable { start, end });
            }
            start += 1;
        }
        None
    }

    fn expression<'a>(&self, text: &'a str) -> &'a str {
        let inside = text[self.start + 2..self.end - 2].trim();
        inside.strip_prefix('-').map_or(inside, str::trim)
    }

    /// `{{- expression }}` fills in the value and leaves variables in it alone.
    fn is_shallow(&self, text: &str) -> bool {
        text[self.start + 2..self.end - 2].trim_start().starts_with('-')
    }
}

fn end_of_variable(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'}' => return (bytes.get(at + 1) == Some(&b'}')).then_some(at + 2),
            b'{' => {
                at += 1;
                while !matches!(bytes.get(at)?, b'{' | b'}') {
                    at += 1;
                }
                if bytes[at] != b'}' {
                    return None;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The place in a value that is being filled in, which `{{ @ }}` means in the object.
struct Place<'p> {
    steps: Vec<String>,
    /// Fields of the rule around the value; `{{ @ }}` counts from them.
    above: &'p [&'p str],
}

impl Place<'_> {
    /// The expression for the same place in an object: two steps further in than the rule, or than its last
    /// `foreach`.
    fn in_object(&self, object: &str) -> String {
        let above = self.above.iter().copied();
        let steps: Vec<&str> = above.chain(self.steps.iter().map(String::as_str)).collect();
        let from = steps
            .iter()
            .position(|step| *step == "foreach")
            .map_or(2, |at| at + 3);
        let mut expression = object.to_owned();
        for step in steps.get(from..).unwrap_or_default() {
            if step.bytes().all(|byte| byte.is_ascii_digit()) && !step.is_empty() {
                let _ = write!(expression, "[{step}]");
            } else {
                let name = Value::String(references::without_anchor(step).to_owned());
                let _ = write!(expression, ".{name}");
            }
        }
        expression
    }
}

/// A value to be filled in, prepared when the policy is read.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) written: Value,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// There is nothing to fill in.
    Fixed,
    /// The whole of it is one variable.
    Variable { text: String, parsed: Box<Expression> },
    /// Anything else.
    Filled,
}

impl Prepared {
    pub(crate) fn of(written: &Value) -> Prepared {
        Prepared {
            written: written.clone(),
            way: Way::of(written),
        }
    }

    /// What it comes to.
    pub(crate) fn value<'s>(&'s self, context: &'s Context<'_>) -> Result<Cow<'s, Value>, QueryError> {
        match &self.way {
            Way::Fixed => Ok(Cow::Borrowed(&self.written)),
            // Of an object that is being deleted variables mean something else.
            Way::Variable { text, parsed } if !context.deleting => {
                context.look_by(text, parsed)?.value(context.budget)
            }
            _ => context.fill(&self.written).map(Cow::Owned),
        }
    }
}

impl Way {
    fn of(written: &Value) -> Way {
        if !has_variables(written) {
            return Way::Fixed;
        }
        let Some(text) = written.as_str().filter(|text| !text.contains("$(")) else {
            return Way::Filled;
        };
        let whole = Variable::first(text, 0).filter(|found| found.start == 0 && found.end == text.len());
        let expression = whole
            .map(|found| found.expression(text))
            .filter(|text| *text != "@");
        match expression.map(|text| (text, Expression::parse(text))) {
            Some((text, Ok(parsed))) => Way::Variable {
                text: text.to_owned(),
                parsed: Box::new(parsed),
            },
            _ => Way::Filled,
        }
    }
}

impl Context<'_> {
    /// Fills in every reference and variable in a value, its keys included.
    pub(crate) fn fill(&self, value: &Value) -> Result<Value, QueryError> {
        self.fill_below(value, &[])
    }

    /// As [`Context::fill`], for a value that stands below these fields of a rule.
    pub(crate) fn fill_below(&self, value: &Value, above: &[&str]) -> Result<Value, QueryError> {
        let mut place = Place {
            steps: Vec::new(),
            above,
        };
        match references::resolved(value, self.budget)? {
            Some(value) => self.fill_at(&value, &mut place),
            None => self.fill_at(value, &mut place),
        }
    }

    fn fill_at(&self, value: &Value, place: &mut Place<'_>) -> Result<Value, QueryError> {
        if place.steps.len() > MAX_DEPTH {
            return Err(QueryError::Failed("the value nests too deep".to_owned()));
        }
        self.budget.spend(1)?;
        match value {
            Value::String(text) => self.fill_variables(text, place),
            Value::Array(items) => {
                let mut filled = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    place.steps.push(at.to_string());
                    filled.push(self.fill_at(item, place)?);
                    place.steps.pop();
                }
                Ok(Value::Array(filled))
            }
            Value::Object(map) => {
                let mut filled = Map::new();
                for (key, value) in map {
                    let new = match self.fill_variables(key, place)? {
                        Value::String(key) => key,
                        Value::Null => key.clone(),
                        _ => {
                            return Err(QueryError::Failed(format!(
                                "expected string after substituting variables in key \"{key}\""
                            )));
                        }
                    };
                    place.steps.push(key.clone());
                    filled.insert(new, self.fill_at(value, place)?);
                    place.steps.pop();
                }
                Ok(Value::Object(filled))
            }
            other => Ok(other.clone()),
        }
    }

    /// Fills in a text; the result is text unless the whole of it is one variable.
    pub(crate) fn fill_text(&self, text: &str) -> Result<Value, QueryError> {
        self.fill(&Value::String(text.to_owned()))
    }

    /// Fills in what must be a text afterwards.
    pub(crate) fn filled_text(&self, text: &str) -> Result<String, QueryError> {
        match self.fill_text(text)? {
            Value::String(text) => Ok(text),
            _ => Err(QueryError::Failed(format!("{} is not a text", shortened(text)))),
        }
    }

    fn fill_variables(&self, text: &str, place: &Place<'_>) -> Result<Value, QueryError> {
        if !text.contains("{{") {
            return Ok(Value::String(text.to_owned()));
        }
        if let Some(whole) = Variable::first(text, 0).filter(|it| it.start == 0 && it.end == text.len()) {
            self.budget.spend(1 + text.len() / 64)?;
            return self.variable(whole.expression(text), place);
        }
        let mut text = text.to_owned();
        let mut shallow_until = 0;
        for _ in 0..MAX_ROUNDS {
            let Some(found) = Variable::first(&text, shallow_until) else {
                return Ok(Value::String(text.replace("\\{{", "{{")));
            };
            self.budget.spend(1 + text.len() / 64)?;
            let value = self.variable(found.expression(&text), place)?;
            if found.start == 0 && found.end == text.len() {
                return Ok(value);
            }
            let value = match value {
                Value::String(value) => value,
                other => {
                    self.budget.pay_for(&other)?;
                    as_json(&other)
                }
            };
            if found.is_shallow(&text) {
                shallow_until = found.start + value.len();
            }
            text.replace_range(found.start..found.end, &value);
            if text.len() > MAX_TEXT {
                return Err(QueryError::Failed(
                    "a variable makes the text too long".to_owned(),
                ));
            }
        }
        Err(QueryError::Failed(
            "the variables do not come to an end".to_owned(),
        ))
    }

    /// The value of a variable. `@` is the same place in the object, and `request.object` of an object that is
    /// being deleted is the object as it was.
    fn variable(&self, expression: &str, place: &Place<'_>) -> Result<Value, QueryError> {
        let mut changed = None;
        if expression == "@" {
            let object = match self.query("target") {
                Ok(_) => "target",
                Err(QueryError::NotFound(_)) => "request.object",
                Err(error) => return Err(error),
            };
            changed = Some(place.in_object(object));
        }
        if self.deleting
            && changed
                .as_deref()
                .unwrap_or(expression)
                .contains("request.object")
        {
            let text = changed.as_deref().unwrap_or(expression);
            changed = Some(text.replace("request.object", "request.oldObject"));
        }
        self.query(changed.as_deref().unwrap_or(expression))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::NoFacts;
    use ::cel::budget::Budget;
    use proptest::prelude::*;
    use serde_json::json;
    use typed_arena::Arena;

    fn fill(text: &str, root: &Value) -> Result<Value, QueryError> {
        let (expressions, budget, values) = (Expressions::default(), Budget::default(), Arena::new());
        let context = Context::new(root, &values, &expressions, &budget, &NoFacts);
        let filled = context.fill(&json!(text));
        let prepared = Prepared::of(&json!(text));
        let looked = prepared.value(&context).map(Cow::into_owned);
        assert_eq!(looked, filled, "{text}");
        filled
    }

    #[test]
    fn variables_are_filled_in() {
        let root = json!({"a": "x", "n": 3, "l": [1, "b"], "m": {"k": "v"}, "key": "k", "deep": "{{ a }}", "none": null});
        let check = |text: &str, expect: Value| assert_eq!(fill(text, &root), Ok(expect), "{text}");
        check("plain", json!("plain"));
        check("{{ a }}", json!("x"));
        check("{{a}}-{{n}}", json!("x-3"));
        check("{{ n }}", json!(3));
        check("{{ l }}", json!([1, "b"]));
        check("is {{ l }}", json!("is [1,\"b\"]"));
        check("is {{ none }}", json!("is null"));
        check("{{ m.{{ key }} }}", json!("v"));
        check("{{ {a: a, n: n} }}", json!({"a": "x", "n": 3}));
        check("see {{ deep }}", json!("see x"));
        check("see {{- deep }}", json!("see {{ a }}"));
        check("\\{{ a }}", json!("{{ a }}"));
        check("{{ missing || 'default' }}", json!("default"));
        check("{ {a} }", json!("{ {a} }"));
    }

    #[test]
    fn what_cannot_be_filled_in() {
        assert_eq!(
            fill("{{ missing }}", &json!({})),
            Err(QueryError::NotFound("missing".to_owned()))
        );
        assert_eq!(
            fill("{{ who }}", &json!({"who": crate::jmespath::unknown("who asks")})),
            Err(QueryError::Unknown("who asks".to_owned()))
        );
        assert!(fill("{{ a.. }}", &json!({})).is_err());
        assert!(fill("again {{ a }}", &json!({"a": "{{ a }}"})).is_err());
        assert!(fill("again {{ a }}", &json!({"a": "{{ a }}{{ a }}"})).is_err());
    }

    #[test]
    fn unknown_functions_are_told_at_load() {
        let mut expressions = Expressions::default();
        assert_eq!(expressions.learn(&json!({"a": ["{{ length(b) }}"]})), Ok(None));
        let unsupported = expressions.learn(&json!("{{ unheard_of(b) }}")).expect("read");
        assert_eq!(
            unsupported.as_deref(),
            Some("the function unheard_of does not exist")
        );
        assert!(expressions.learn(&json!("{{ a[ }}")).is_err());
        let unsupported = expressions.learn(&json!("{{ {a: {b: {c: @}}} }}")).expect("read");
        assert_eq!(
            unsupported.as_deref(),
            Some("braces that nest deeper than once within a variable make it plain text")
        );
        for text in [
            "{{ a.{{ b }} }}",
            "\\{{ {a: {b: @}} }}",
            "{{ {a: b} }}",
            "{{ a",
            "a }} {{",
        ] {
            assert_eq!(expressions.learn(&json!(text)), Ok(None), "{text}");
        }
        assert_eq!(expressions.leading_path("{{ length(b) }}"), ["b"]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[{}\\\\ a.|\\[\\]é-]{0,30}") {
            let _ = fill(&text, &json!({"a": "{{a}}"}));
            let _ = Expressions::default().learn(&json!(text));
        }
    }
}
