//! What is wrong with a webhook's configuration or a policy when it is written: expressions that cannot be read, or whose
//! value could not be what is needed.
//!
//! Reference: `pkg/apis/admissionregistration/validation` of Kubernetes. What its types say already is not here.

use cel::check::Type;
use serde_json::Value;

use super::expressions::{Known, read};
use crate::status::Cause;
use crate::verbs::text;

/// How many faults are told, and how many bytes of them: the one that goes beyond either is the last.
const MOST_FAULTS: usize = 100;
const MOST_TOLD: usize = 512 << 10;
/// How many match conditions there may be, as upstream has it.
const MOST_CONDITIONS: usize = 64;
/// Of what a policy may have how many. Upstream bounds the conditions and annotations alone; but each variable is known to
/// all that follow.
const MOST: [(&str, usize); 5] = [
    ("matchConditions", MOST_CONDITIONS),
    ("variables", 256),
    ("validations", 256),
    ("auditAnnotations", 20),
    ("mutations", 256),
];
/// The reasons that a policy may give.
const REASONS: [&str; 4] = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

/// What was found wrong.
#[derive(Default)]
struct Faults {
    causes: Vec<Cause>,
    length: usize,
}

impl Faults {
    /// Whether enough is known, so that no more need be looked at.
    fn are_enough(&self) -> bool {
        self.causes.len() >= MOST_FAULTS || self.length > MOST_TOLD
    }

    fn push(&mut self, cause: Cause) {
        if !self.are_enough() {
            self.length += cause.message.len();
            self.causes.push(cause);
        }
    }

    /// Whether a list has no more items than it may, which is said otherwise.
    fn allow(&mut self, at: &str, list: &Value, most: usize) -> bool {
        let count = list.as_array().map_or(0, Vec::len);
        if count > most {
            let message = format!("Too many: {count}: must have at most {most} items");
            self.push(Cause::new("FieldValueTooMany", at, message));
        }
        count <= most
    }
}

/// What is wrong with an object of `admissionregistration.k8s.io`; what stood there before may stay.
pub(crate) fn mistakes(plural: &str, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Faults::default();
    match plural {
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            let known = Known::new(&Type::Dyn, None);
            for (place, webhook) in items(&new["webhooks"]) {
                let before = old.map(|old| &old["webhooks"][place]["matchConditions"]);
                if before != Some(&webhook["matchConditions"]) {
                    let at = format!("webhooks[{place}].matchConditions");
                    if found.allow(&at, &webhook["matchConditions"], MOST_CONDITIONS) {
                        conditions(webhook, &at, &known, &mut found);
                    }
                }
            }
        }
        "validatingadmissionpolicies" | "mutatingadmissionpolicies"
            if old.is_none_or(|old| old["spec"] != new["spec"]) =>
        {
            let spec = &new["spec"];
            let allow = |(list, most)| found.allow(&format!("spec.{list}"), &spec[list], most);
            // All that are too long are told.
            if MOST.map(allow) == [true; MOST.len()] {
                policy(spec, &mut found);
            }
        }
        "validatingadmissionpolicybindings" => actions(&new["spec"]["validationActions"], &mut found),
        _ => {}
    }
    found.causes
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
fn expression(at: &str, written: &str, known: &Known, of: Option<&Type>, found: &mut Faults) -> Type {
    if found.are_enough() {
        return Type::Dyn;
    }
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

fn conditions(holder: &Value, at: &str, known: &Known, found: &mut Faults) {
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

fn policy(spec: &Value, found: &mut Faults) {
    let params = spec["paramKind"].is_object().then_some(&Type::Dyn);
    let mut known = Known::new(&Type::Dyn, params);
    conditions(spec, "spec.matchConditions", &known, found);
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
        known.declare(text(variable, &["name"]), of);
    }
    let messages = known.without_authorizer();
    for (place, validation) in items(&spec["validations"]) {
        let at = format!("spec.validations[{place}]");
        validated(validation, &at, [&known, &messages], found);
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
    for (place, mutation) in items(&spec["mutations"]) {
        for field in ["applyConfiguration", "jsonPatch"] {
            let written = text(mutation, &[field, "expression"]);
            if mutation[field].is_object()
                && !found.are_enough()
                && let Err(why) = read(written, known.names())
            {
                let at = format!("spec.mutations[{place}].{field}.expression");
                found.push(invalid(&at, written, &format!("compilation failed: {why}")));
            }
        }
    }
}

/// `known` is what the expression may name, and what that of the message may.
fn validated(validation: &Value, at: &str, [known, messages]: [&Known; 2], found: &mut Faults) {
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
            expression(
                &format!("{at}.messageExpression"),
                written,
                messages,
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

fn actions(actions: &Value, found: &mut Faults) {
    let has = |action: &str| items(actions).any(|(_, one)| one == action);
    if has("Deny") && has("Warn") {
        let message = format!(
            "Invalid value: {actions}: must not contain both Deny and Warn (repeating the same validation failure \
             information in the API response and headers serves no purpose)"
        );
        found.push(Cause::new("FieldValueInvalid", "spec.validationActions", message));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(spec: &Value) -> Vec<Cause> {
        mistakes("validatingadmissionpolicies", &json!({ "spec": spec }), None)
    }

    #[test]
    fn faults_have_an_end() {
        let all = |expression: &str, count: usize| json!({ "validations": vec![json!({ "expression": expression }); count] });
        assert_eq!(told(&all("a == 1", 99)).len(), 99);
        assert_eq!(told(&all("a == 1", 200)).len(), MOST_FAULTS);
        let faulty = format!("'{}' == ''{}", "x".repeat(15_000), " || a == 1".repeat(100));
        let causes = told(&all(&faulty, 150));
        let length: usize = causes.iter().map(|cause| cause.message.len()).sum();
        assert!(length < 1 << 20, "{length} in {}", causes.len());
    }

    #[test]
    fn a_policy_of_very_many_parts_is_not_looked_into() {
        let of = |count: usize| {
            let variables: Vec<Value> = (0..count)
                .map(|number| match number {
                    0 => json!({ "name": "v0", "expression": "true" }),
                    _ => json!({ "name": format!("v{number}"), "expression": format!("variables.v{}", number - 1) }),
                })
                .collect();
            json!({ "variables": variables, "validations": vec![json!({ "expression": "true" }); count] })
        };
        assert_eq!(told(&of(256)), []);
        let causes = told(&of(100_000));
        let listed: Vec<(&str, &str)> = causes
            .iter()
            .map(|cause| (cause.field.as_str(), cause.message.as_str()))
            .collect();
        let why = "Too many: 100000: must have at most 256 items";
        assert_eq!(listed, [("spec.variables", why), ("spec.validations", why)]);
        let conditions = vec![json!({ "name": "a", "expression": "true" }); 65];
        let webhooks = json!({ "webhooks": [{ "matchConditions": conditions }] });
        let causes = mistakes("validatingwebhookconfigurations", &webhooks, None);
        assert_eq!(
            (causes.len(), causes[0].reason.as_str()),
            (1, "FieldValueTooMany")
        );
    }
}
