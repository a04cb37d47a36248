//! What policies in CEL have in common: conditions, variables, validations. Knows nothing of kinds of policies.

use std::collections::BTreeMap;

use ::cel::{Failure, Names, Program, Root, Scope, Value};

use crate::cel::world;
use crate::cursor::{Cursor, Refusal};

/// How many of each a policy may have.
const MAX_ITEMS: usize = 200;

/// A condition on whether a policy is about a request at all.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) program: Program,
}

/// The variables of a policy, each of which may name those before it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    pub(crate) names: Vec<String>,
    pub(crate) programs: Vec<Program>,
}

/// Something that must hold, and what is said when it does not.
#[derive(Debug, Clone)]
pub(crate) struct Validation {
    pub(crate) program: Program,
    pub(crate) message: String,
    pub(crate) message_expression: Option<Program>,
}

/// Something to note down about a decision.
#[derive(Debug, Clone)]
pub(crate) struct AuditAnnotation {
    pub(crate) key: String,
    pub(crate) program: Program,
}

/// Reads an expression.
pub(crate) fn read_program(cursor: &Cursor<'_>, names: Names<'_>) -> Result<Program, Refusal> {
    Program::compile(cursor.string()?, names)
        .map_err(|unreadable| cursor.refuse(format!("cannot read the expression: {unreadable}")))
}

fn bounded(cursor: Option<Cursor<'_>>) -> Result<Vec<Cursor<'_>>, Refusal> {
    let Some(list) = cursor else { return Ok(Vec::new()) };
    let items = list.items()?;
    if items.len() > MAX_ITEMS {
        return Err(list.refuse(format!("there are more than {MAX_ITEMS} items")));
    }
    Ok(items)
}

/// Reads a list of names and conditions.
pub(crate) fn read_conditions(list: Option<Cursor<'_>>, names: Names<'_>) -> Result<Vec<Condition>, Refusal> {
    bounded(list)?
        .iter()
        .map(|item| {
            item.only(&["name", "expression"])?;
            Ok(Condition {
                program: read_program(&item.required("expression")?, names)?,
            })
        })
        .collect()
}

impl Variables {
    /// Reads a list of names and expressions.
    pub(crate) fn read(list: Option<Cursor<'_>>, roots: &[Root]) -> Result<Variables, Refusal> {
        let mut variables = Variables::default();
        for item in bounded(list)? {
            item.only(&["name", "expression"])?;
            let name = item.required("name")?;
            if variables.names.iter().any(|known| known == name.value) {
                return Err(name.refuse(format!("there are two variables {}", name.string()?)));
            }
            let names = world::names(roots, &variables.names);
            let program = read_program(&item.required("expression")?, names)?;
            variables.names.push(name.string()?.to_owned());
            variables.programs.push(program);
        }
        Ok(variables)
    }
}

/// Reads validations; `message` is said by those that have none of their own.
pub(crate) fn read_validations(
    list: Option<Cursor<'_>>,
    names: Names<'_>,
    message: &str,
) -> Result<Vec<Validation>, Refusal> {
    bounded(list)?
        .iter()
        .map(|item| {
            item.only(&["expression", "message", "messageExpression", "reason"])?;
            let expression = item.field("messageExpression");
            Ok(Validation {
                program: read_program(&item.required("expression")?, names)?,
                message: match item.text("message")? {
                    None | Some("") => message.to_owned(),
                    Some(own) => own.to_owned(),
                },
                message_expression: expression.map(|inner| read_program(&inner, names)).transpose()?,
            })
        })
        .collect()
}

/// Reads audit annotations.
pub(crate) fn read_annotations(
    list: Option<Cursor<'_>>,
    names: Names<'_>,
) -> Result<Vec<AuditAnnotation>, Refusal> {
    bounded(list)?
        .iter()
        .map(|item| {
            item.only(&["key", "valueExpression"])?;
            Ok(AuditAnnotation {
                key: item.required("key")?.string()?.to_owned(),
                program: read_program(&item.required("valueExpression")?, names)?,
            })
        })
        .collect()
}

/// Whether all conditions hold. One that is false decides, whatever became of the others.
pub(crate) fn met<'v>(conditions: &'v [Condition], scope: &Scope<'v>) -> Result<bool, Failure> {
    let mut failure = None;
    for condition in conditions {
        match scope.holds(&condition.program) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(cut @ Failure::Cut(_)) => return Err(cut),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or(Ok(true), Err)
}

impl Validation {
    /// What the message expression says, if it says something.
    pub(crate) fn said<'v>(&'v self, scope: &Scope<'v>) -> Option<Result<String, Failure>> {
        let program = self.message_expression.as_ref()?;
        Some(match scope.evaluate(program) {
            Ok(Value::Text(text)) => Ok(text.to_string()),
            Ok(other) => Err(Failure::new(format!(
                "it is a {}, not a string",
                other.type_name()
            ))),
            Err(failure) => Err(failure),
        })
    }

    /// What Kyverno says of it where it does not hold; `index` is its place among the validations.
    pub(crate) fn refusal<'v>(&'v self, index: usize, scope: &Scope<'v>) -> String {
        let message = match self.said(scope) {
            None => self.message.clone(),
            Some(Ok(said)) => said,
            Some(Err(failure)) => format!("failed to evaluate message expression: {failure}"),
        };
        if message.is_empty() {
            format!("CEL expression validation failed at index {index}")
        } else {
            message
        }
    }
}

/// The audit annotations that have something to say.
pub(crate) fn notes<'v>(
    annotations: &'v [AuditAnnotation],
    scope: &Scope<'v>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut notes = BTreeMap::new();
    for annotation in annotations {
        match scope.evaluate(&annotation.program)? {
            Value::Text(text) if text.is_empty() => {}
            Value::Text(text) => {
                notes.insert(annotation.key.clone(), text.to_string());
            }
            Value::Null => {}
            other => {
                return Err(Failure::new(format!(
                    "the audit annotation {} is a {}, not a string",
                    annotation.key,
                    other.type_name()
                )));
            }
        }
    }
    Ok(notes)
}
