//! The rules of a schema: read, and what is wrong with them.

use std::fmt::Write as _;

use cel::check::{self as types, Type};
use cel::{Names, Program};
use serde_json::{Value as Json, json};

use super::shape::{ListKind, Shape, is_true};
use super::{Node, OLD_SELF, Rule, Rules, SELF};
use crate::status::Cause;

const KEY: &str = "x-kubernetes-validations";

/// The reasons that a rule may give.
const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// How deep a schema may nest before its rules are not looked for.
const DEEPEST: usize = 100;

/// The rules of a schema that was found in order; what is not is left out, as it was refused before.
pub(crate) fn read(schema: &Json) -> Rules {
    let mut reader = Reader::default();
    let node = reader.node("", schema, &Place::root());
    Rules(Some(node).filter(|node| node.any))
}

/// What is wrong with the rules of a schema that stands at `at`.
pub(crate) fn check(schema: &Json, at: &str) -> Vec<Cause> {
    let mut reader = Reader::default();
    let node = reader.node(at, schema, &Place::root());
    // What is not even written well is not compiled.
    if reader.written.is_empty() {
        drop(node);
        reader.compiled
    } else {
        reader.written
    }
}

/// Where in a schema.
struct Place {
    depth: usize,
    /// The list above whose items cannot be found again.
    lost: Option<String>,
}

impl Place {
    fn root() -> Place {
        Place { depth: 0, lost: None }
    }
}

#[derive(Default)]
struct Reader {
    /// Faults of what is written.
    written: Vec<Cause>,
    /// Faults of expressions.
    compiled: Vec<Cause>,
}

fn invalid(field: String, value: &Json, why: &str) -> Cause {
    Cause::new(
        "FieldValueInvalid",
        field,
        format!("Invalid value: {value}: {why}"),
    )
}

impl Reader {
    fn node(&mut self, at: &str, schema: &Json, place: &Place) -> Node {
        if place.depth > DEEPEST {
            return Node {
                rules: Vec::new(),
                shape: Shape::Hidden,
                any: false,
            };
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for (index, schema) in schema[key].as_array().into_iter().flatten().enumerate() {
                self.refuse_within(&format!("{at}.{key}[{index}]"), schema, place.depth + 1);
            }
        }
        if schema["not"].is_object() {
            self.refuse_within(&format!("{at}.not"), &schema["not"], place.depth + 1);
        }
        let lost = |here: &str| match (here, schema["x-kubernetes-list-type"].as_str()) {
            ("items", Some("map")) => place.lost.clone(),
            ("items", _) => place.lost.clone().or_else(|| Some(at.to_owned())),
            _ => place.lost.clone(),
        };
        let shape = Shape::of(schema, place.depth == 0, &mut |step, below| {
            let place = Place {
                depth: place.depth + 1,
                lost: lost(step),
            };
            self.node(&format!("{at}.{step}"), below, &place)
        });
        let mut rules = Vec::new();
        for (index, rule) in schema[KEY].as_array().into_iter().flatten().enumerate() {
            rules.extend(self.rule(&format!("{at}.{KEY}[{index}]"), rule, schema, &shape, place));
        }
        let below = match &shape {
            Shape::List(list) => list.item.any,
            Shape::Map(values) => values.any,
            Shape::Object(fields) => fields.values().any(|property| property.node.any),
            _ => false,
        };
        Node {
            any: below || !rules.is_empty(),
            rules,
            shape,
        }
    }

    /// Where alternatives are told apart there are no rules.
    fn refuse_within(&mut self, at: &str, schema: &Json, depth: usize) {
        if depth > DEEPEST || !schema.is_object() {
            return;
        }
        if schema[KEY].as_array().is_some_and(|rules| !rules.is_empty()) {
            let message = "Forbidden: must be empty to be structural";
            self.written
                .push(Cause::new("FieldValueForbidden", format!("{at}.{KEY}"), message));
        }
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            self.refuse_within(&format!("{at}.properties[{field}]"), schema, depth + 1);
        }
        for key in ["items", "additionalProperties", "not"] {
            self.refuse_within(&format!("{at}.{key}"), &schema[key], depth + 1);
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for (index, schema) in schema[key].as_array().into_iter().flatten().enumerate() {
                self.refuse_within(&format!("{at}.{key}[{index}]"), schema, depth + 1);
            }
        }
    }

    fn rule(&mut self, at: &str, rule: &Json, schema: &Json, shape: &Shape, place: &Place) -> Option<Rule> {
        let text = |field: &str| rule[field].as_str().unwrap_or_default();
        let (expression, message) = (text("rule").trim(), text("message"));
        let before = self.written.len();
        if expression.is_empty() {
            let message = "Required value: rule is not specified";
            self.written
                .push(Cause::new("FieldValueRequired", format!("{at}.rule"), message));
        }
        for field in ["message", "messageExpression"] {
            if !text(field).is_empty() && text(field).trim().is_empty() {
                let cause = invalid(
                    format!("{at}.{field}"),
                    &rule[field],
                    "must be non-empty if specified",
                );
                self.written.push(cause);
            }
        }
        if has_line_breaks(message.trim()) {
            let cause = invalid(
                format!("{at}.message"),
                &rule["message"],
                "must not contain line breaks",
            );
            self.written.push(cause);
        } else if has_line_breaks(expression) && message.trim().is_empty() {
            let message = "Required value: message must be specified if rule contains line breaks";
            self.written
                .push(Cause::new("FieldValueRequired", format!("{at}.message"), message));
        }
        let reason = REASONS.into_iter().find(|reason| *reason == text("reason"));
        if reason.is_none() && !text("reason").is_empty() {
            let supported = REASONS.map(|reason| format!("{reason:?}")).join(", ");
            let message = format!(
                "Unsupported value: {}: supported values: {supported}",
                rule["reason"]
            );
            self.written.push(Cause::new(
                "FieldValueNotSupported",
                format!("{at}.reason"),
                message,
            ));
        }
        let field_path = match text("fieldPath") {
            "" => Some(String::new()),
            path => field_path(path, schema),
        };
        if field_path.is_none() {
            let cause = invalid(
                format!("{at}.fieldPath"),
                &rule["fieldPath"],
                "must be a valid path",
            );
            self.written.push(cause);
        }
        if self.written.len() > before {
            return None;
        }
        let optional_old = is_true(rule, "optionalOldSelf");
        let transition = types::names_variable(expression, OLD_SELF.0);
        let own = shape.checked();
        let mut variables = Vec::new();
        if let Some(own) = own {
            let old = if optional_old {
                Type::optional(own.clone())
            } else {
                own.clone()
            };
            variables.extend([(SELF.0, own), (OLD_SELF.0, old)]);
        }
        let whole = described(rule);
        let mut compile = |field: &str, before: &str, is: fn(&Type) -> bool, otherwise: &str| {
            let field_at = format!("{at}.{field}");
            let expression = rule[field].as_str().unwrap_or_default().trim();
            let fault = match types::check(expression, &variables) {
                Err(faults) => Some(format!("{before}compilation failed: {faults}")),
                Ok(found) if !is(&found) => Some(otherwise.to_owned()),
                Ok(_) => None,
            };
            if let Some(fault) = fault {
                let message = format!("Invalid value: {whole}: {fault}");
                self.compiled
                    .push(Cause::new("FieldValueInvalid", field_at, message));
                return None;
            }
            let names = Names {
                roots: &[SELF, OLD_SELF],
                ..Names::default()
            };
            match Program::compile(expression, names) {
                Ok(program) => Some(program),
                Err(unreadable) => {
                    let message = format!("Invalid value: {whole}: {before}compilation failed: {unreadable}");
                    self.compiled
                        .push(Cause::new("FieldValueInvalid", field_at, message));
                    None
                }
            }
        };
        let program = compile(
            "rule",
            "",
            Type::may_be_bool,
            "cel expression must evaluate to a bool",
        );
        let message_expression = match text("messageExpression") {
            "" => None,
            _ => Some(compile(
                "messageExpression",
                "messageExpression ",
                Type::may_be_text,
                "messageExpression must evaluate to a string",
            )?),
        };
        if program.is_some()
            && transition
            && let Some(lost) = &place.lost
        {
            let why =
                format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {lost}");
            self.compiled
                .push(invalid(format!("{at}.rule"), &json!(expression), &why));
        }
        if optional_old && (program.is_none() || !transition) {
            let why = "may not be set if oldSelf is not used in rule";
            self.compiled
                .push(invalid(format!("{at}.optionalOldSelf"), &json!(true), why));
        }
        let message = message.trim();
        Some(Rule {
            program: program?,
            name: if message.is_empty() { expression } else { message }.to_owned(),
            message: if message.is_empty() {
                format!("failed rule: {expression}")
            } else {
                message.to_owned()
            },
            message_expression,
            reason: reason.unwrap_or("FieldValueInvalid"),
            field_path: field_path?,
            transition,
            optional_old,
        })
    }
}

pub(super) fn has_line_breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// A rule as the API server writes it into an error.
fn described(rule: &Json) -> String {
    let text = |field: &str| rule[field].as_str().unwrap_or_default();
    let escaped = |value: &Json| {
        value
            .to_string()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
    };
    format!(
        r#"{{"Rule":{},"Message":{},"MessageExpression":{},"Reason":{},"FieldPath":{},"OptionalOldSelf":{}}}"#,
        escaped(&json!(text("rule"))),
        escaped(&json!(text("message"))),
        escaped(&json!(text("messageExpression"))),
        escaped(&rule["reason"]),
        escaped(&json!(text("fieldPath"))),
        escaped(&rule["optionalOldSelf"]),
    )
}

/// What a `fieldPath` adds to the path of the value, if the schema has what it names: `.a.b` or `['a b']`.
fn field_path(path: &str, schema: &Json) -> Option<String> {
    let mut rest = path.trim();
    let (mut written, mut schema) = (String::new(), schema);
    while !rest.is_empty() {
        let name;
        if let Some(quoted) = rest.strip_prefix("['") {
            let (inner, after) = quoted.split_once("']")?;
            (name, rest) = (inner, after);
        } else {
            let plain = rest.strip_prefix('.')?;
            if plain.starts_with("['") {
                rest = plain;
                continue;
            }
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            (name, rest) = plain.split_at(end);
        }
        if name.is_empty() {
            return None;
        }
        if schema["properties"][name].is_object() {
            schema = &schema["properties"][name];
            written.push('.');
            written.push_str(name);
        } else if schema["additionalProperties"].is_object() {
            schema = &schema["additionalProperties"];
            let _ = write!(written, "[{name}]");
        } else {
            return None;
        }
    }
    Some(written)
}

impl ListKind {
    /// Where the item that was `item` stands in a list, if it can be found again.
    pub(super) fn find<'j>(&self, item: &Json, among: &'j [Json]) -> Option<&'j Json> {
        match self {
            ListKind::Atomic | ListKind::Set => None,
            ListKind::Map(keys) => among
                .iter()
                .find(|other| keys.iter().all(|key| item.get(key) == other.get(key))),
        }
    }
}
