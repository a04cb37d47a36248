//! ValidatingAdmissionPolicies: what may not be.

use cel::{Budget, Scope, Value as Found};
use http::StatusCode;
use serde_json::Value;

use super::super::Attributes;
use super::super::expressions::{Around, Question, hold, no_value};
use super::super::matching::Wants;
use super::read::{Policy, Validation};
use super::{SPENT, caused, ignores_failures, name};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::verbs::text;

/// How long a message that an expression makes may be.
const LONGEST: usize = 5 << 10;

/// What a policy finds wrong.
struct Violation {
    message: String,
    reason: String,
    /// Whether an expression has no value, which is not a verdict.
    failed: bool,
    /// Whether it refuses whatever the binding says.
    always: bool,
}

impl Violation {
    fn failed(message: String) -> Self {
        Self {
            message,
            reason: String::new(),
            failed: true,
            always: false,
        }
    }
}

impl Engine {
    /// Refuses a write that a bound policy does not allow. The first one has the say, all of them warn.
    pub(in crate::admission) fn judge_by_policies(
        &self,
        write: &Attributes<'_>,
        object: &Value,
        budget: &Budget,
    ) -> Result<(), ApiError> {
        let mut refusal = None;
        for (policy, bindings) in
            self.bound("validatingadmissionpolicies", "validatingadmissionpolicybindings")
        {
            let spec = &policy.value["spec"];
            let by = format!("ValidatingAdmissionPolicy '{}'", name(&policy));
            let mut refuse = |by: &str, message: &str, reason: &str| {
                refusal.get_or_insert_with(|| {
                    refused(write, object, &format!("{by} denied request: {message}"), reason)
                });
            };
            let resource = match self.wanted_by(Wants::of(&spec["matchConstraints"]), write, object) {
                Ok(Some(resource)) => resource,
                Ok(None) => continue,
                Err(error) => {
                    if !ignores_failures(spec) {
                        refuse(&by, &format!("failed to configure policy: {}", error.message), "");
                    }
                    continue;
                }
            };
            let question = Question::of(write, &resource, object, self.namespace_of(write));
            let read = Policy::read(spec);
            for binding in &bindings {
                let by = format!("{by} with binding '{}'", name(binding));
                let binding = &binding.value["spec"];
                let params = match self.params_of(spec, binding, write, object) {
                    Ok(params) => params,
                    Err(why) => {
                        if !ignores_failures(spec) {
                            refuse(&by, &format!("failed to configure binding: {why}"), "");
                        }
                        continue;
                    }
                };
                for param in &params {
                    let param = param.shown();
                    let found = match &read {
                        _ if budget.pay_for(&param).is_err() => vec![Violation::failed(SPENT.to_owned())],
                        Ok(policy) => policy.judge(&question.with(&param), budget),
                        Err(why) => vec![Violation::failed(why.clone())],
                    };
                    let counts = |violation: &Violation| !(violation.failed && ignores_failures(spec));
                    for violation in found.into_iter().filter(counts) {
                        let does = |action: &str| {
                            let actions = binding["validationActions"].as_array();
                            actions.is_some_and(|actions| actions.iter().any(|one| one == action))
                        };
                        if violation.always || does("Deny") {
                            refuse(&by, &violation.message, &violation.reason);
                        }
                        if does("Warn") && !violation.always {
                            let warning = format!("Validation failed for {by}: {}", violation.message);
                            write.options.warnings.add(&[warning]);
                        }
                    }
                    if budget.left() == 0 {
                        break;
                    }
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// The refusal of a policy.
fn refused(write: &Attributes<'_>, object: &Value, message: &str, reason: &str) -> ApiError {
    let mut error = caused(write.forbidden(object, message), &[message.to_owned()]);
    let said = if reason.is_empty() { "Invalid" } else { reason };
    said.clone_into(&mut error.reason);
    error.code = match reason {
        "Forbidden" => StatusCode::FORBIDDEN,
        "Unauthorized" => StatusCode::UNAUTHORIZED,
        "RequestEntityTooLarge" => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    error
}

impl Policy<'_> {
    /// What is wrong; nothing when the policy's own conditions do not hold.
    fn judge(&self, around: &Around<'_>, budget: &Budget) -> Vec<Violation> {
        match budget.share(|budget| hold(&self.conditions, around, budget)) {
            Ok(true) => budget.share(|budget| self.violations(around, budget)),
            Ok(false) => Vec::new(),
            Err(why) => vec![Violation::failed(why)],
        }
    }

    /// What is wrong where the policy's conditions hold.
    fn violations(&self, around: &Around<'_>, budget: &Budget) -> Vec<Violation> {
        let scope = Scope::new(budget, around).with_variables(&self.variables);
        let mut found = Vec::new();
        for validation in &self.validations {
            match scope.evaluate(&validation.program) {
                Ok(Found::Bool(true)) => {}
                Ok(_) => found.push(Violation {
                    message: validation.message(&scope),
                    reason: text(validation.written, &["reason"]).to_owned(),
                    failed: false,
                    always: false,
                }),
                Err(why) => {
                    let expression = text(validation.written, &["expression"]);
                    found.push(Violation::failed(no_value(expression, &why)));
                }
            }
        }
        // There is no audit log; but what cannot be written into one refuses.
        for (expression, program) in &self.annotations {
            let wrong = match scope.evaluate(program) {
                Ok(value) if value.as_text().is_some() || matches!(value, Found::Null) => continue,
                Ok(value) => format!(
                    "valueExpression '{expression}' resulted in unsupported return type: {}. Return type must be either \
                     string or null.",
                    value.type_name()
                ),
                Err(why) => no_value(expression, &why),
            };
            found.push(Violation {
                always: true,
                ..Violation::failed(wrong)
            });
        }
        found
    }
}

impl Validation<'_> {
    /// What is said of a violation: what the policy makes of it, what it says always, or what was not so.
    fn message<'v>(&'v self, scope: &Scope<'v>) -> String {
        let made = self
            .message
            .as_ref()
            .and_then(|program| scope.evaluate(program).ok());
        let made = made.as_ref().and_then(Found::as_text).map(str::trim);
        let fits = |made: &&str| !made.is_empty() && made.len() <= LONGEST && !made.contains('\n');
        if let Some(made) = made.filter(fits) {
            return made.to_owned();
        }
        match text(self.written, &["message"]).trim() {
            "" => format!(
                "failed expression: {}",
                text(self.written, &["expression"]).trim()
            ),
            message => message.to_owned(),
        }
    }
}
