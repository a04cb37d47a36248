//! `validate.cel` of a classic rule: Kubernetes' own way to judge by expressions.

use ::cel::budget::Budget;
use ::cel::{Failure, Root, Scope, Value};
use serde_json::Value as Json;

use super::body::{self, AuditAnnotation, Condition, Validation, Variables};
use super::inputs::{ADMISSION, Inputs, resource_of};
use super::params::{ParamKind, ParamRef};
use crate::cel::world::{self, World, root};
use crate::cursor::{Cursor, Refusal};
use crate::matching::Subject;
use crate::request::Request;
use crate::verdict::Outcome;

/// What such a rule asks.
#[derive(Debug, Clone)]
pub(crate) struct CelCheck {
    preconditions: Vec<Condition>,
    variables: Variables,
    validations: Vec<Validation>,
    annotations: Vec<AuditAnnotation>,
    params: Option<(ParamKind, ParamRef)>,
}

impl CelCheck {
    /// Reads `validate.cel` with the `celPreconditions` beside it.
    pub(crate) fn read(
        cursor: &Cursor<'_>,
        preconditions: Option<Cursor<'_>>,
        message: &str,
    ) -> Result<CelCheck, Refusal> {
        cursor.only(&[
            "generate",
            "expressions",
            "paramKind",
            "paramRef",
            "auditAnnotations",
            "variables",
        ])?;
        let params = match (cursor.field("paramKind"), cursor.field("paramRef")) {
            (None, None) => None,
            (Some(kind), Some(reference)) => Some((ParamKind::read(&kind)?, ParamRef::read(&reference)?)),
            _ => return Err(cursor.refuse("paramKind and paramRef stand together")),
        };
        let roots: Vec<Root> = ADMISSION
            .into_iter()
            .filter(|root| params.is_some() || *root != root::PARAMS)
            .collect();
        let variables = Variables::read(cursor.field("variables"), &roots)?;
        let names = world::names(&roots, &variables.names);
        let validations = body::read_validations(Some(cursor.required("expressions")?), names, message)?;
        if validations.is_empty() {
            return Err(cursor.refuse("at least one expression is needed here"));
        }
        let annotations = body::read_annotations(cursor.field("auditAnnotations"), names)?;
        let preconditions = body::read_conditions(preconditions, world::names(&roots, &[]))?;
        Ok(CelCheck {
            preconditions,
            variables,
            validations,
            annotations,
            params,
        })
    }

    /// Judges an object.
    pub(crate) fn judge(
        &self,
        request: &Request<'_>,
        subject: &Subject<'_>,
        budget: &Budget,
        passed: String,
    ) -> (Outcome, String) {
        let params = match &self.params {
            None => vec![None],
            Some((kind, reference)) => match reference.find(kind, request, subject.namespace) {
                Ok(params) if params.is_empty() => return (Outcome::Pass, passed),
                Ok(params) => params.into_iter().map(Some).collect(),
                Err(reason) => {
                    return (
                        Outcome::Error,
                        format!("error in parameterized resource: {reason}"),
                    );
                }
            },
        };
        let mut skipped = None;
        for params in &params {
            let judged = self.judge_with(params.as_ref(), request, subject, budget);
            match judged.0 {
                Outcome::Pass => {}
                // The preconditions may hold for the next parameters.
                Outcome::Skip => skipped = Some(judged),
                _ => return judged,
            }
        }
        skipped.unwrap_or((Outcome::Pass, passed))
    }

    fn judge_with(
        &self,
        params: Option<&Json>,
        request: &Request<'_>,
        subject: &Subject<'_>,
        budget: &Budget,
    ) -> (Outcome, String) {
        let resource = resource_of(request);
        let mut inputs = Inputs::new(request, subject, &resource);
        inputs.params = params.map_or(Value::Null, Value::from);
        let world = World::new(request.facts, &inputs);
        let scope = Scope::new(budget, &world).with_variables(&self.variables.programs);
        match body::met(&self.preconditions, &scope) {
            Ok(true) => {}
            Ok(false) => return (Outcome::Skip, "cel preconditions not met".to_owned()),
            Err(failure) => return failed(&failure, failure.to_string()),
        }
        judge_all(&self.validations, &scope, failed).unwrap_or_else(|| {
            match body::notes(&self.annotations, &scope) {
                Ok(_) => (Outcome::Pass, String::new()),
                Err(failure) => (Outcome::Error, failure.to_string()),
            }
        })
    }
}

/// As Kubernetes: an expression that fails to evaluate refuses, as one that is false does. What is not known here
/// is an error.
fn failed(failure: &Failure, message: String) -> (Outcome, String) {
    match failure {
        Failure::Failed(_) => (Outcome::Fail, message),
        Failure::Unknown(_) | Failure::Cut(_) => (Outcome::Error, message),
    }
}

/// Judges by each validation in turn; the first that does not hold decides.
/// `failed` says what a failure to evaluate comes to.
pub(super) fn judge_all<'v>(
    validations: &'v [Validation],
    scope: &Scope<'v>,
    failed: impl Fn(&Failure, String) -> (Outcome, String),
) -> Option<(Outcome, String)> {
    for validation in validations {
        let expression = validation.program.text.trim();
        match scope.holds(&validation.program) {
            Ok(true) => {}
            Ok(false) => {
                let message = validation
                    .said(scope)
                    .and_then(Result::ok)
                    .map(|said| said.trim().to_owned())
                    .filter(|said| !said.is_empty() && said.len() <= 5 << 10 && !said.contains('\n'));
                let message = message.unwrap_or_else(|| match validation.message.trim() {
                    "" => format!("failed expression: {expression}"),
                    message => message.to_owned(),
                });
                return Some((Outcome::Fail, message));
            }
            Err(failure) => {
                return Some(failed(
                    &failure,
                    format!("expression '{expression}' resulted in error: {failure}"),
                ));
            }
        }
    }
    None
}
