//! Resources that are questions: they are created, answered and not kept. The sandbox has one user, who may do
//! everything.

use serde_json::{Value, json};

use super::{Target, WriteOptions};
use crate::engine::Engine;

/// Whether objects of the resource are answered instead of stored.
pub(crate) fn is_question(group: &str, plural: &str) -> bool {
    matches!(group, "authorization.k8s.io" | "authentication.k8s.io") && plural.ends_with("reviews")
}

impl Engine {
    /// Answers a review.
    pub(crate) fn answer(&self, target: &Target, mut body: Value, options: &WriteOptions) -> Value {
        let user = json!({ "username": options.user.name, "groups": options.user.groups });
        let resource = &target.resource;
        let status = match resource.plural.as_str() {
            "selfsubjectreviews" => json!({ "userInfo": user }),
            "tokenreviews" => json!({ "authenticated": false, "error": "the sandbox issues no tokens" }),
            "selfsubjectrulesreviews" => json!({
                "incomplete": false,
                "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
                "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
            }),
            _ => json!({ "allowed": true, "reason": "the sandbox allows everything" }),
        };
        if let Some(body) = body.as_object_mut() {
            body.insert("apiVersion".to_owned(), json!(resource.api_version()));
            body.insert("kind".to_owned(), json!(resource.kind));
            body.entry("metadata")
                .or_insert_with(|| json!({ "creationTimestamp": self.timestamp() }));
            body.insert("status".to_owned(), status);
        }
        body
    }
}
