//! A policy as it is written, made into what can be evaluated.

use cel::Program;
use serde_json::Value;

use super::super::expressions::read;
use crate::verbs::text;

/// What a policy says, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Policy<'a> {
    pub(super) conditions: Vec<&'a Value>,
    /// The values of its variables, in order.
    pub(super) variables: Vec<Program>,
    pub(super) validations: Vec<Validation<'a>>,
    /// The values of what would be written into an audit log.
    pub(super) annotations: Vec<(&'a str, Program)>,
    pub(super) mutations: Vec<Mutation>,
}

/// What must be so.
#[derive(Debug)]
pub(super) struct Validation<'a> {
    pub(super) written: &'a Value,
    pub(super) program: Program,
    pub(super) message: Option<Program>,
}

/// What is to be changed.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) program: Program,
    /// Whether its value is a list of operations, and not an object to lay over.
    pub(super) operations: bool,
}

fn list<'a>(spec: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    spec[field].as_array().into_iter().flatten()
}

impl<'a> Policy<'a> {
    /// Reads the spec of a policy; an error says which expression cannot be read.
    pub(super) fn read(spec: &'a Value) -> Result<Self, String> {
        let mut names = Vec::new();
        let mut variables = Vec::new();
        for variable in list(spec, "variables") {
            variables.push(read(text(variable, &["expression"]), &names)?);
            names.push(text(variable, &["name"]).to_owned());
        }
        let validations = list(spec, "validations").map(|written| {
            let message =
                Some(text(written, &["messageExpression"])).filter(|message| !message.trim().is_empty());
            Ok(Validation {
                written,
                program: read(text(written, &["expression"]), &names)?,
                message: message.map(|message| read(message, &names)).transpose()?,
            })
        });
        let annotations = list(spec, "auditAnnotations").map(|written| {
            let expression = text(written, &["valueExpression"]);
            Ok((expression, read(expression, &names)?))
        });
        let mutations = list(spec, "mutations").map(|written| {
            let operations = written["patchType"] == "JSONPatch";
            let field = if operations {
                "jsonPatch"
            } else {
                "applyConfiguration"
            };
            Ok(Mutation {
                program: read(text(written, &[field, "expression"]), &names)?,
                operations,
            })
        });
        Ok(Self {
            conditions: list(spec, "matchConditions").collect(),
            validations: validations.collect::<Result<_, String>>()?,
            annotations: annotations.collect::<Result<_, String>>()?,
            mutations: mutations.collect::<Result<_, String>>()?,
            variables,
        })
    }
}
