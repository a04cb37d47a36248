//! Variables: `{{ expression }}` in patterns, conditions and messages.
//!
//! A text that is one variable becomes the variable's value, of whatever kind; within a longer text it
//! becomes text. A variable may hold another; the innermost is filled in first. `\{{` stays as it is.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::budget::{Budget, MAX_DEPTH};
use crate::jmespath::{Expression, QueryError};

/// How often a text may be filled in before it counts as endless.
const MAX_ROUNDS: usize = 200;

/// The longest text that filling in may produce, in bytes.
const MAX_TEXT: usize = 256 * 1024;

/// How much of an expression an error message shows, in characters.
const MAX_SHOWN: usize = 100;

/// What the variables of a rule stand for.
pub(crate) struct Context<'a> {
    pub(crate) root: Value,
    pub(crate) expressions: &'a Expressions,
    pub(crate) budget: &'a Budget,
    /// The object is being deleted: `request.object` means the object as it was.
    pub(crate) deleting: bool,
}

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
        if text.contains("$(") {
            unsupported.get_or_insert_with(|| "the reference $(…) is not supported yet".to_owned());
        }
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
            unsupported.get_or_insert_with(|| "braces that nest this deep are not supported yet".to_owned());
        }
        Ok(())
    }

    /// Parses one expression, such as the list of a `foreach`.
    pub(crate) fn learn_expression(
        &mut self,
        text: &str,
        unsupported: &mut Option<String>,
    ) -> Result<(), String> {
        if text == "@" || text.starts_with("@.") {
            unsupported.get_or_insert_with(|| "the variable {{ @ }} is not supported yet".to_owned());
            return Ok(());
        }
        if !self.parsed.contains_key(text) {
            let expression = Expression::parse(text)?;
            if let Some(function) = expression.unknown_function() {
                unsupported.get_or_insert_with(|| format!("the function {function} is not supported yet"));
            }
            self.parsed.insert(text.to_owned(), expression);
        }
        Ok(())
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

/// Whether a value holds variables (or text that only looks like one when escaped).
pub(crate) fn has_variables(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(has_variables),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains("{{") || has_variables(value)),
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

impl Context<'_> {
    /// Evaluates an expression.
    pub(crate) fn query(&self, expression: &str) -> Result<Value, QueryError> {
        let on_delete;
        let text = if self.deleting && expression.contains("request.object") {
            on_delete = expression.replace("request.object", "request.oldObject");
            &on_delete
        } else {
            expression
        };
        if let Some(parsed) = self.expressions.parsed.get(text) {
            return parsed.query(&self.root, self.budget);
        }
        self.budget.spend(200 + text.len())?;
        Expression::parse(text)
            .map_err(QueryError::Failed)?
            .query(&self.root, self.budget)
    }

    /// Fills in every variable in a value, its keys included.
    pub(crate) fn fill(&self, value: &Value) -> Result<Value, QueryError> {
        self.fill_at(value, 0)
    }

    fn fill_at(&self, value: &Value, depth: usize) -> Result<Value, QueryError> {
        if depth > MAX_DEPTH {
            return Err(QueryError::Failed("the value nests too deep".to_owned()));
        }
        self.budget.spend(1)?;
        match value {
            Value::String(text) => self.fill_text(text),
            Value::Array(items) => items
                .iter()
                .map(|item| self.fill_at(item, depth + 1))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Value::Object(map) => {
                let mut filled = Map::new();
                for (key, value) in map {
                    let key = match self.fill_text(key)? {
                        Value::String(key) => key,
                        other => other.to_string(),
                    };
                    filled.insert(key, self.fill_at(value, depth + 1)?);
                }
                Ok(Value::Object(filled))
            }
            other => Ok(other.clone()),
        }
    }

    /// Fills in a text; the result is text unless the whole of it is one variable.
    pub(crate) fn fill_text(&self, text: &str) -> Result<Value, QueryError> {
        if !text.contains("{{") {
            return Ok(Value::String(text.to_owned()));
        }
        let mut text = text.to_owned();
        let mut shallow_until = 0;
        for _ in 0..MAX_ROUNDS {
            let Some(found) = Variable::first(&text, shallow_until) else {
                return Ok(Value::String(text.replace("\\{{", "{{")));
            };
            self.budget.spend(1 + text.len() / 64)?;
            let value = self.query(found.expression(&text))?;
            if found.start == 0 && found.end == text.len() {
                return Ok(value);
            }
            let value = match value {
                Value::String(value) => value,
                other => {
                    self.budget.pay_for(&other)?;
                    other.to_string()
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fill(text: &str, root: Value) -> Result<Value, QueryError> {
        let (expressions, budget) = (Expressions::default(), Budget::default());
        let context = Context {
            root,
            expressions: &expressions,
            budget: &budget,
            deleting: false,
        };
        context.fill(&json!(text))
    }

    #[test]
    fn variables_are_filled_in() {
        let root = json!({"a": "x", "n": 3, "l": [1, "b"], "m": {"k": "v"}, "key": "k", "deep": "{{ a }}", "none": null});
        let check = |text: &str, expect: Value| assert_eq!(fill(text, root.clone()), Ok(expect), "{text}");
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
            fill("{{ missing }}", json!({})),
            Err(QueryError::NotFound("missing".to_owned()))
        );
        assert_eq!(
            fill("{{ who }}", json!({"who": crate::jmespath::unknown("who asks")})),
            Err(QueryError::Unknown("who asks".to_owned()))
        );
        assert!(fill("{{ a.. }}", json!({})).is_err());
        assert!(fill("again {{ a }}", json!({"a": "{{ a }}"})).is_err());
        assert!(fill("again {{ a }}", json!({"a": "{{ a }}{{ a }}"})).is_err());
    }

    #[test]
    fn unknown_functions_are_told_at_load() {
        let mut expressions = Expressions::default();
        assert_eq!(expressions.learn(&json!({"a": ["{{ length(b) }}"]})), Ok(None));
        let unsupported = expressions.learn(&json!("{{ x509_decode(b) }}")).expect("read");
        assert_eq!(
            unsupported.as_deref(),
            Some("the function x509_decode is not supported yet")
        );
        assert!(expressions.learn(&json!("{{ a[ }}")).is_err());
        let unsupported = expressions.learn(&json!("{{ {a: {b: {c: @}}} }}")).expect("read");
        assert_eq!(
            unsupported.as_deref(),
            Some("braces that nest this deep are not supported yet")
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
            let _ = fill(&text, json!({"a": "{{a}}"}));
            let _ = Expressions::default().learn(&json!(text));
        }
    }
}
