//! What is wrong with a webhook's configuration or a policy when it is written: expressions that cannot be read, or whose
//! value could not be what is needed.
//!
//! Reference: `pkg/apis/admissionregistration/validation` of Kubernetes. What its types say already is not here.

use cel::check::Type;
use serde_json::Value;

use super::expressions::{Known, read};
use crate::status::Cause;
use crate::verbs::text;

/// The reasons that a policy may give.
const REASONS: [&str; 4] = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

/// What is wrong with an object of `admissionregistration.k8s.io`; what stood there before may stay.
pub(crate) fn mistakes(plural: &str, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    match plural {
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            for (place, webhook) in items(&new["webhooks"]) {
                let before = old.map(|old| &old["webhooks"][place]["matchConditions"]);
                if before != Some(&webhook["matchConditions"]) {
                    conditions(
                        webhook,
                        &format!("webhooks[{place}]"),
                        &Known::new(false),
                        &mut found,
                    );
                }
            }
        }
        "validatingadmissionpolicies" | "mutatingadmissionpolicies"
            if old.is_none_or(|old| old["spec"] != new["spec"]) =>
        {
            policy(&new["spec"], &mut found);
        }
        "validatingadmissionpolicybindings" => actions(&new["spec"]["validationActions"], &mut found),
        _ => {}
    }
    found
}

fn items(list: &Value) -> impl Iterator<Item = (usize, &Value)> {
    list.as_array().into_iter().flatten().enumerate()
}

fn invalid(field: &str, value: &str, why: &str) -> Cause {
    let message = format!("Invalid value: {}: {why}", schema::go_quote(value));
    Cause::new("FieldValueInvalid", field, message)
}

fn required(field: &str, why: &str) -> Cause {
    let message = if why.is_empty() {
        "Required value".to_owned()
    } else {
        format!("Required value: {why}")
    };
    Cause::new("FieldValueRequired", field, message)
}

/// An expression whose value must be of a type, and the words when it is not.
fn expression(at: &str, written: &str, known: &Known, of: Option<&Type>, found: &mut Vec<Cause>) -> Type {
    match known.check(written) {
        Ok(is) => {
            let fits = match (&is, of) {
                (Type::Wrong, _) | (_, None) => true,
                (is, Some(of)) => is.to_string() == of.to_string(),
            };
            if let Some(of) = of.filter(|_| !fits) {
                found.push(invalid(
                    at,
                    written,
                    &format!("must evaluate to {of} but got {is}"),
                ));
            }
            is
        }
        Err(why) => {
            found.push(invalid(at, written, &why));
            Type::Dyn
        }
    }
}

fn conditions(holder: &Value, at: &str, known: &Known, found: &mut Vec<Cause>) {
    let at = format!(
        "{}matchConditions",
        if at.is_empty() {
            String::new()
        } else {
            format!("{at}.")
        }
    );
    for (place, condition) in items(&holder["matchConditions"]) {
        let at = format!("{at}[{place}].expression");
        match text(condition, &["expression"]).trim() {
            "" => found.push(required(&at, "")),
            written => {
                expression(&at, written, known, Some(&Type::Bool), found);
            }
        }
    }
}

fn policy(spec: &Value, found: &mut Vec<Cause>) {
    let mut known = Known::new(spec["paramKind"].is_object());
    conditions(spec, "spec", &known, found);
    for (place, variable) in items(&spec["variables"]) {
        let at = format!("spec.variables[{place}].expression");
        let of = match text(variable, &["expression"]) {
            written if written.trim().is_empty() => {
                found.push(required(&at, "expression is not specified"));
                Type::Dyn
            }
            written => expression(&at, written, &known, None, found),
        };
        let of = if matches!(of, Type::Wrong) { Type::Dyn } else { of };
        known.variables.push((text(variable, &["name"]).to_owned(), of));
    }
    for (place, validation) in items(&spec["validations"]) {
        validated(validation, &format!("spec.validations[{place}]"), &known, found);
    }
    for (place, annotation) in items(&spec["auditAnnotations"]) {
        let at = format!("spec.auditAnnotations[{place}].valueExpression");
        match text(annotation, &["valueExpression"]).trim() {
            "" => found.push(required(&at, "valueExpression is not specified")),
            written => {
                let is = expression(&at, written, &known, None, found);
                if !matches!(is, Type::Text | Type::Null | Type::Dyn | Type::Wrong) {
                    let why = format!("must evaluate to one of [string null_type] but got {is}");
                    found.push(invalid(&at, written, &why));
                }
            }
        }
    }
    let names: Vec<String> = known.variables.into_iter().map(|(name, _)| name).collect();
    for (place, mutation) in items(&spec["mutations"]) {
        for field in ["applyConfiguration", "jsonPatch"] {
            let written = text(mutation, &[field, "expression"]);
            if let Some(why) = read(written, &names)
                .err()
                .filter(|_| mutation[field].is_object())
            {
                let at = format!("spec.mutations[{place}].{field}.expression");
                found.push(invalid(&at, written, &format!("compilation failed: {why}")));
            }
        }
    }
}

fn validated(validation: &Value, at: &str, known: &Known, found: &mut Vec<Cause>) {
    let word = |field: &str| text(validation, &[field]);
    match word("expression") {
        written if written.trim().is_empty() => {
            found.push(required(
                &format!("{at}.expression"),
                "expression is not specified",
            ));
        }
        written => {
            expression(
                &format!("{at}.expression"),
                written,
                known,
                Some(&Type::Bool),
                found,
            );
        }
    }
    match word("messageExpression") {
        "" => {}
        written if written.trim().is_empty() => {
            found.push(invalid(
                &format!("{at}.messageExpression"),
                written,
                "must be non-empty if specified",
            ));
        }
        written => {
            let known = Known {
                authorizer: false,
                ..known.clone()
            };
            expression(
                &format!("{at}.messageExpression"),
                written,
                &known,
                Some(&Type::Text),
                found,
            );
        }
    }
    let message = word("message");
    if !message.is_empty() && message.trim().is_empty() {
        found.push(invalid(
            &format!("{at}.message"),
            message,
            "must be non-empty if specified",
        ));
    } else if message.trim().contains(['\n', '\r']) {
        found.push(invalid(
            &format!("{at}.message"),
            message,
            "must not contain line breaks",
        ));
    }
    let reason = word("reason");
    if !reason.is_empty() && !REASONS.contains(&reason) {
        let supported = REASONS.map(|reason| format!("{reason:?}")).join(", ");
        let message = format!("Unsupported value: {reason:?}: supported values: {supported}");
        found.push(Cause::new(
            "FieldValueNotSupported",
            format!("{at}.reason"),
            message,
        ));
    }
}

fn actions(actions: &Value, found: &mut Vec<Cause>) {
    let has = |action: &str| items(actions).any(|(_, one)| one == action);
    if has("Deny") && has("Warn") {
        let message = format!(
            "Invalid value: {actions}: must not contain both Deny and Warn (repeating the same validation failure \
             information in the API response and headers serves no purpose)"
        );
        found.push(Cause::new("FieldValueInvalid", "spec.validationActions", message));
    }
}
