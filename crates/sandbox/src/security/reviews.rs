//! Questions about who somebody is and what they may do. They are created, answered and not kept.
//!
//! Reference: `pkg/registry/authentication` and `pkg/registry/authorization` of Kubernetes.

use serde_json::{Value, json};

use super::tokens::NO_TOKEN;
use super::{Action, On, Place, User};
use crate::engine::Engine;
use crate::status::{self, ApiError, Cause};
use crate::verbs::{Target, text, texts};

/// Whether objects of the resource are answered instead of stored.
pub(crate) fn is_question(group: &str, plural: &str) -> bool {
    matches!(group, "authorization.k8s.io" | "authentication.k8s.io") && plural.ends_with("reviews")
}

impl Engine {
    /// Answers a review that somebody sent.
    pub(crate) fn answer(&self, target: &Target, mut body: Value, asker: &User) -> Result<Value, ApiError> {
        if !body.is_object() {
            return Err(ApiError::bad_request("the body of the request is not an object"));
        }
        let resource = &target.resource;
        let spec = body["spec"].take();
        let status = match resource.plural.as_str() {
            "selfsubjectreviews" => json!({ "userInfo": asker.json() }),
            "tokenreviews" => self.review_token(&spec)?,
            "selfsubjectrulesreviews" => self.review_rules(&spec, asker)?,
            plural => {
                let own = plural == "selfsubjectaccessreviews";
                let local = (plural == "localsubjectaccessreviews").then_some(target.namespace.as_str());
                let faults = faults(&spec, own, local);
                if !faults.is_empty() {
                    // The real one does not say of what kind either.
                    let about = status::About {
                        kind: "",
                        ..resource.about("")
                    };
                    return Err(ApiError::invalid(about, &faults));
                }
                let user = if own { asker.clone() } else { user_in(&spec) };
                self.review_access(&spec, &user)
            }
        };
        body["apiVersion"] = json!(resource.api_version());
        body["kind"] = json!(resource.kind);
        if !body["metadata"].is_object() {
            body["metadata"] = json!({});
        }
        if resource.plural == "selfsubjectreviews" {
            body["metadata"]["creationTimestamp"] = json!(self.timestamp());
        } else if spec.is_object() {
            body["spec"] = spec;
        } else {
            body["spec"] = json!({});
        }
        if body["spec"].is_null()
            && let Some(body) = body.as_object_mut()
        {
            body.remove("spec");
        }
        body["status"] = status;
        Ok(body)
    }

    fn review_access(&self, spec: &Value, user: &User) -> Value {
        let decision = self.decide(user, &action_in(spec));
        let mut status = json!({ "allowed": decision.allowed });
        if !decision.reason.is_empty() {
            status["reason"] = json!(decision.reason);
        }
        status
    }

    fn review_token(&self, spec: &Value) -> Result<Value, ApiError> {
        let token = text(spec, &["token"]);
        if token.is_empty() {
            return Err(ApiError::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        Ok(match self.known_by(token, &texts(&spec["audiences"])) {
            Ok((user, audiences)) => {
                json!({ "authenticated": true, "user": user.json(), "audiences": audiences })
            }
            Err(why) if why == NO_TOKEN => json!({ "user": {}, "error": why }),
            Err(why) => json!({ "user": {}, "error": format!("[{NO_TOKEN}, {why}]") }),
        })
    }

    fn review_rules(&self, spec: &Value, asker: &User) -> Result<Value, ApiError> {
        let namespace = text(spec, &["namespace"]);
        if namespace.is_empty() {
            return Err(ApiError::bad_request("no namespace on request"));
        }
        let held = self.rights().held(asker, namespace);
        let of_rules = |paths: bool| {
            let rules = held.rules.iter();
            let rules = rules.filter(|rule| {
                if paths {
                    !rule.urls.is_empty()
                } else {
                    !rule.resources.is_empty()
                }
            });
            rules.map(super::rbac::Rule::json).collect::<Vec<Value>>()
        };
        let mut status = json!({
            "resourceRules": of_rules(false), "nonResourceRules": of_rules(true), "incomplete": false,
        });
        if !held.trouble.is_empty() {
            status["evaluationError"] = json!(held.trouble);
        }
        Ok(status)
    }
}

/// Whom a review asks about.
fn user_in(spec: &Value) -> User {
    let extra = spec["extra"].as_object().into_iter().flatten();
    User {
        name: text(spec, &["user"]).to_owned(),
        uid: text(spec, &["uid"]).to_owned(),
        groups: texts(&spec["groups"]),
        extra: extra.map(|(key, values)| (key.clone(), texts(values))).collect(),
    }
}

/// What a review asks about.
fn action_in(spec: &Value) -> Action {
    let asked = &spec["resourceAttributes"];
    if asked.is_object() {
        let word = |field: &str| text(asked, &[field]).to_owned();
        return Action {
            verb: word("verb"),
            on: On::Resource(Place {
                group: word("group"),
                resource: word("resource"),
                subresource: word("subresource"),
                namespace: word("namespace"),
                name: word("name"),
            }),
        };
    }
    let asked = &spec["nonResourceAttributes"];
    Action {
        verb: text(asked, &["verb"]).to_owned(),
        on: On::Path(text(asked, &["path"]).to_owned()),
    }
}

/// What is wrong with the question. `local` is the namespace in the path of one that is about a namespace.
fn faults(spec: &Value, own: bool, local: Option<&str>) -> Vec<Cause> {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    // As Go prints it.
    let shown = json!({ "Path": text(path, &["path"]), "Verb": text(path, &["verb"]) }).to_string();
    let mut faults = Vec::new();
    let mut fault = |field: &str, value: &str, why: &str| {
        let message = format!("Invalid value: {value}: {why}");
        faults.push(Cause::new("FieldValueInvalid", field, message));
    };
    if resource.is_object() && path.is_object() {
        let why = "cannot be specified in combination with resourceAttributes";
        fault("spec.nonResourceAttributes", &shown, why);
    }
    if !resource.is_object() && !path.is_object() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        fault("spec.resourceAttributes", "null", why);
    }
    let nobody = text(spec, &["user"]).is_empty() && spec["groups"].as_array().is_none_or(Vec::is_empty);
    if !own && nobody {
        fault(
            "spec.user",
            "\"\"",
            "at least one of user or group must be specified",
        );
    }
    if let Some(namespace) = local {
        let given = text(resource, &["namespace"]);
        if resource.is_object() && given != namespace {
            let given = format!("{given:?}");
            fault(
                "spec.resourceAttributes.namespace",
                &given,
                "must match metadata.namespace",
            );
        }
        if path.is_object() {
            fault(
                "spec.nonResourceAttributes",
                &shown,
                "disallowed on this kind of request",
            );
        }
    }
    faults
}
