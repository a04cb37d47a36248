//! Holds an object against the rules of its schema.

use std::fmt::Write as _;

use cel::{Budget, Failure, Host, Root, Scope, Value};
use serde_json::Value as Json;

use super::read::has_line_breaks;
use super::shape::Shape;
use super::{Node, OLD_SELF, Rule, Rules, SELF};
use crate::status::Cause;

/// What one rule may cost, and all rules on one object. Beyond that there is an error, and no rule is asked any more.
const ONE: u64 = 1_000_000;
const ALL: u64 = 10_000_000;

/// The longest text that a `messageExpression` may make, in bytes.
const LONGEST: usize = 5 * 1024;

impl Rules {
    /// What an object breaks, as it is and by what it was. What did not change may stay as it is.
    pub(crate) fn judge(&self, object: &Json, old: Option<&Json>) -> Vec<Cause> {
        let Some(root) = &self.0 else { return Vec::new() };
        let mut judge = Judge {
            left: ALL,
            spent: false,
            causes: Vec::new(),
        };
        judge.node(root, object, old, false, &mut String::new());
        judge.causes
    }
}

struct Judge {
    /// What may still be spent.
    left: u64,
    /// Whether no more rules are asked.
    spent: bool,
    causes: Vec<Cause>,
}

/// What a rule sees.
struct Seen<'v> {
    own: Value<'v>,
    old: Value<'v>,
}

impl<'v> Host<'v> for Seen<'v> {
    fn root(&self, root: Root) -> Value<'v> {
        match root {
            SELF => self.own.clone(),
            OLD_SELF => self.old.clone(),
            other => Value::Unknown(other.0.into()),
        }
    }
}

impl Judge {
    fn node(&mut self, node: &Node, new: &Json, old: Option<&Json>, unchanged: bool, path: &mut String) {
        if self.spent || !node.any || new.is_null() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        let unchanged = unchanged || old == Some(new);
        for rule in &node.rules {
            self.rule(rule, node, new, old, unchanged, path);
            if self.spent {
                return;
            }
        }
        let length = path.len();
        match (&node.shape, new) {
            (Shape::List(list), Json::Array(items)) => {
                let before = old
                    .and_then(Json::as_array)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                for (index, item) in items.iter().enumerate() {
                    let _ = write!(path, "[{index}]");
                    self.node(&list.item, item, list.kind.find(item, before), unchanged, path);
                    path.truncate(length);
                }
            }
            (Shape::Map(values), Json::Object(fields)) => {
                for (key, value) in fields {
                    let _ = write!(path, "[{key}]");
                    let before = old.and_then(|old| old.get(key));
                    self.node(values, value, before, unchanged, path);
                    path.truncate(length);
                }
            }
            (Shape::Object(properties), Json::Object(fields)) => {
                for (field, property) in properties {
                    let Some(value) = fields.get(field) else { continue };
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(field);
                    let before = old.and_then(|old| old.get(field));
                    self.node(&property.node, value, before, unchanged, path);
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn rule(
        &mut self,
        rule: &Rule,
        node: &Node,
        new: &Json,
        old: Option<&Json>,
        unchanged: bool,
        path: &str,
    ) {
        // There is nothing to compare with.
        if rule.transition && !rule.optional_old && old.is_none() {
            return;
        }
        let given = self.left.min(ONE);
        let budget = Budget::of(given);
        let paid = budget.pay_for(new).and_then(|()| match old {
            Some(old) if rule.transition => budget.pay_for(old),
            _ => Ok(()),
        });
        let outcome = paid.map_err(Failure::from).and_then(|()| {
            let seen = seen(rule, node, new, old)?;
            let scope = Scope::new(&budget, &seen);
            let holds = scope.holds(&rule.program)?;
            let message = match &rule.message_expression {
                Some(program) if !holds => scope.evaluate(program).ok().and_then(|value| said(&value)),
                _ => None,
            };
            Ok((holds, message))
        });
        self.left = self.left.saturating_sub(given - budget.left());
        let field = || {
            let whole = format!("{path}{}", rule.field_path);
            match whole.strip_prefix('.').unwrap_or(&whole) {
                "" => "<nil>".to_owned(),
                whole => whole.to_owned(),
            }
        };
        match outcome {
            Ok((true, _)) => {}
            // It was so before, and nobody touched it.
            Ok((false, _)) if unchanged && !rule.transition => {}
            Ok((false, message)) => {
                let message = message.as_deref().unwrap_or(&rule.message);
                let message = match (rule.reason, scalar(new)) {
                    ("FieldValueRequired", _) => format!("Required value: {message}"),
                    ("FieldValueForbidden", _) => format!("Forbidden: {message}"),
                    ("FieldValueDuplicate", None) => "Duplicate value".to_owned(),
                    ("FieldValueDuplicate", Some(value)) => format!("Duplicate value: {value}"),
                    (_, None) => format!("Invalid value: {message}"),
                    (_, Some(value)) => format!("Invalid value: {value}: {message}"),
                };
                self.causes.push(Cause::new(rule.reason, field(), message));
            }
            Err(failure) => {
                let why = self.failed(rule, &failure);
                let place = if path.is_empty() { "<nil>" } else { path };
                let message = format!("Invalid value: {:?}: {why}", type_name(new));
                self.causes.push(Cause::new("FieldValueInvalid", place, message));
            }
        }
    }

    /// What a rule without a value is told as. What was cut off ends all.
    fn failed(&mut self, rule: &Rule, failure: &Failure) -> String {
        let name = &rule.name;
        match failure {
            Failure::Cut(_) => {
                self.spent = true;
                format!(
                    "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to \
                     call cost exceeds limit for rule: {name}"
                )
            }
            Failure::Failed(reason) if reason.starts_with("no such overload") => format!(
                "'no such overload': call arguments did not match a supported operator, function or macro signature \
                 for rule: {name}"
            ),
            other => {
                let reason = other.to_string();
                // Kubernetes names the index alone.
                let reason = match reason.strip_prefix("index out of bounds: ") {
                    Some(index) => format!(
                        "index out of bounds: {}",
                        index.split(' ').next().unwrap_or_default()
                    ),
                    None => reason,
                };
                format!("{reason} evaluating rule: {name}")
            }
        }
    }
}

fn seen<'v>(rule: &Rule, node: &'v Node, new: &'v Json, old: Option<&'v Json>) -> Result<Seen<'v>, Failure> {
    let own = node.shape.see(new)?;
    let old = match (rule.transition, old) {
        (false, _) => Value::Null,
        (true, Some(old)) => {
            let old = node.shape.see(old)?;
            if rule.optional_old { Value::some(old)? } else { old }
        }
        (true, None) => Value::Optional(None),
    };
    Ok(Seen { own, old })
}

/// What a message expression says, if it can be shown.
fn said(value: &Value<'_>) -> Option<String> {
    let text = value.as_text()?.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST && !has_line_breaks(text);
    fits.then(|| text.to_owned())
}

/// A value that is shown in messages: one that is neither list nor object.
fn scalar(value: &Json) -> Option<&Json> {
    (!value.is_object() && !value.is_array()).then_some(value)
}

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Object(_) => "object",
        Json::Array(_) => "array",
        Json::String(_) => "string",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::Null => "null",
    }
}
