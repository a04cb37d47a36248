//! Reading what an API server says when it refuses an apply: which fields belong to whom. No I/O.

use kube::core::Status;

use crate::field::spoken_of;
use crate::set::{FieldConflict, Problem};

/// A refusal as a [`Problem`].
pub(crate) fn explain(status: &Status) -> Problem {
    let conflicts: Vec<FieldConflict> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            field: cause.field.clone(),
            manager: manager(&cause.message),
        })
        .collect();
    if conflicts.is_empty() {
        let message = if status.message.is_empty() {
            status.reason.clone()
        } else {
            status.message.clone()
        };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let mut fields: Vec<String> = causes
            .map(|cause| cause.field.clone())
            .filter(|field| !field.is_empty() && field != "<nil>")
            .collect();
        // Some only say it in words: a schema that is asked too early for causes, and most webhooks.
        if fields.is_empty() {
            fields.extend(spoken_of(&message));
        }
        return Problem::Refused {
            code: status.code,
            message,
            fields,
        };
    }
    Problem::Conflict(conflicts)
}

/// The name in `conflict with "kubectl" using apps/v1 at 2024-…`.
fn manager(message: &str) -> String {
    message.split('"').nth(1).unwrap_or("another writer").to_owned()
}

/// `.spec.replicas (kubectl), .spec.paused (kubectl)`.
pub(crate) fn list(conflicts: &[FieldConflict]) -> String {
    let shown: Vec<String> = conflicts
        .iter()
        .map(|conflict| format!("{} ({})", conflict.field, conflict.manager))
        .collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_conflict_names_field_and_owner() {
        let status: Status = serde_json::from_value(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Conflict", "code": 409,
            "message": "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas",
            "details": {"causes": [{
                "reason": "FieldManagerConflict",
                "message": "conflict with \"kubectl\" using apps/v1",
                "field": ".spec.replicas",
            }]},
        }))
        .unwrap();
        assert_eq!(
            explain(&status).to_string(),
            "somebody else set .spec.replicas (kubectl)"
        );
    }

    #[test]
    fn other_refusals_are_quoted() {
        let status = Status::failure("namespaces \"x\" not found", "NotFound").with_code(404);
        let problem = explain(&status);
        assert_eq!(problem.to_string(), "namespaces \"x\" not found");
        assert!(problem.passes());
        assert!(!explain(&Status::failure("", "Invalid").with_code(422)).passes());
    }

    #[test]
    fn a_refusal_names_its_fields() {
        let status: Status = serde_json::from_value(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid", "code": 422,
            "message": "Service \"x\" is invalid",
            "details": {"causes": [
                {"reason": "FieldValueInvalid", "message": "no", "field": "spec.ports[0].port"},
                {"reason": "FieldValueInvalid", "message": "no", "field": "<nil>"},
            ]},
        }))
        .unwrap();
        assert_eq!(explain(&status).fields(), ["spec.ports[0].port"]);
    }
}
