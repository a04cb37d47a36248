//! What is asked of a writer beyond the right to the verb: nobody gives away more than they have, and an apply that makes
//! an object is a create.
//!
//! Reference: `pkg/registry/rbac` of Kubernetes.

use serde_json::{Value, json};

use super::rbac::{self, RoleRef, Rule};
use super::{Action, On, Place, User};
use crate::engine::Engine;
use crate::status::{self, ApiError};
use crate::verbs::Target;

impl Engine {
    /// Refuses a patch that would make an object, to those who may not make one.
    pub(crate) fn authorize_create(&self, target: &Target, user: &User) -> Result<(), ApiError> {
        let action = Action {
            verb: "create".to_owned(),
            on: On::Resource(Place {
                group: target.resource.group.clone(),
                resource: target.resource.plural.clone(),
                subresource: target.subresource.clone(),
                namespace: target.namespace.clone(),
                name: target.name.clone(),
            }),
        };
        self.authorize(user, &action)
    }

    /// Refuses a role, or a binding, that gives rights which its writer does not have.
    pub(crate) fn check_grant(
        &self,
        target: &Target,
        user: &User,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        let resource = &target.resource;
        if resource.group != rbac::GROUP
            || !target.subresource.is_empty()
            || user.is_master()
            || old.is_some_and(|old| only_ownership(object, old))
        {
            return Ok(());
        }
        let namespace = target.namespace.as_str();
        let may = |verb: &str, plural: &str, name: &str| {
            let action = Action {
                verb: verb.to_owned(),
                on: On::Resource(Place {
                    group: rbac::GROUP.to_owned(),
                    resource: plural.to_owned(),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    ..Place::default()
                }),
            };
            self.decide(user, &action).allowed
        };
        let rules = match resource.plural.as_str() {
            "roles" | "clusterroles" => {
                // Who makes a role has not yet named it.
                let name = if old.is_some() { &target.name } else { "" };
                if may("escalate", &resource.plural, name) {
                    return Ok(());
                }
                Rule::all_of(object)
            }
            "rolebindings" | "clusterrolebindings" => {
                let role = RoleRef::of(object);
                let plural = match role.kind.as_str() {
                    "Role" => "roles",
                    "ClusterRole" => "clusterroles",
                    // Validation says what is wrong with it.
                    _ => return Ok(()),
                };
                if may("bind", plural, &role.name) {
                    return Ok(());
                }
                let known = self.rights().rules_of(&role, namespace).map(<[Rule]>::to_vec);
                known.map_err(|_| {
                    ApiError::not_found(status::About {
                        name: &role.name,
                        ..resource.about("")
                    })
                })?
            }
            _ => return Ok(()),
        };
        let held = self.rights().held(user, namespace);
        let refuse = |why: &str| Err(ApiError::forbidden(resource.about(&target.name), why));
        let missing = rbac::missing(&held.rules, &rules);
        if !missing.is_empty() {
            let groups = rbac::quoted(&user.groups);
            let mut why = format!(
                "user {:?} (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{missing}",
                user.name
            );
            if !held.trouble.is_empty() {
                why = format!("{why}; resolution errors: [{}]", held.trouble);
            }
            return refuse(&why);
        }
        let aggregates = |object: &Value| {
            let selectors = &object["aggregationRule"]["clusterRoleSelectors"];
            selectors
                .as_array()
                .is_some_and(|selectors| !selectors.is_empty())
        };
        if (aggregates(object) || old.is_some_and(aggregates))
            && !rbac::missing(&held.rules, &everything()).is_empty()
        {
            return refuse("must have cluster-admin privileges to use the aggregationRule");
        }
        Ok(())
    }
}

fn everything() -> Vec<Rule> {
    Rule::all_of(&json!({ "rules": [
        { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] },
        { "nonResourceURLs": ["*"], "verbs": ["*"] },
    ]}))
}

/// Whether a change is one that garbage collection needs, and no other.
fn only_ownership(new: &Value, old: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in [
                "ownerReferences",
                "finalizers",
                "managedFields",
                "resourceVersion",
            ] {
                metadata.remove(field);
            }
        }
        object
    };
    bare(new) == bare(old)
}
