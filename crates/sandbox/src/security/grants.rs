//! What is asked of a writer beyond the right to the verb: nobody gives away more than they have, or has policies read for
//! them what they may not read, and an apply that makes an object is a create.
//!
//! Reference: `pkg/registry/rbac` and `pkg/registry/admissionregistration` of Kubernetes.

use serde_json::{Value, json};

use super::rbac::{self, RoleRef, Rule};
use super::{Action, On, Place, User};
use crate::engine::Engine;
use crate::status::{self, ApiError, Cause};
use crate::store::Key;
use crate::verbs::{Target, WriteOptions, text};

/// The group of admission policies.
const ADMISSION: &str = "admissionregistration.k8s.io";

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
        options: &WriteOptions,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        let (resource, user) = (&target.resource, &options.user);
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
                // Rights to a role by its name are no rights to post one that has it.
                let name = if options.named { &target.name } else { "" };
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

    /// Refuses an admission policy, or a binding of one, to those who may not read its parameters.
    pub(crate) fn check_params(
        &self,
        target: &Target,
        user: &User,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        let resource = &target.resource;
        if resource.group != ADMISSION || !target.subresource.is_empty() || user.is_master() {
            return Ok(());
        }
        let spec = &object["spec"];
        let stays = |field: &str| old.is_some_and(|old| old["spec"][field] == spec[field]);
        let (field, verb, place) = match resource.plural.as_str() {
            "validatingadmissionpolicies" | "mutatingadmissionpolicies" => {
                let kind = &spec["paramKind"];
                if !kind.is_object() || stays("paramKind") {
                    return Ok(());
                }
                let all = Place {
                    namespace: "*".to_owned(),
                    name: "*".to_owned(),
                    ..self.place_of(kind)
                };
                ("paramKind", "get", all)
            }
            "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings" => {
                let reference = &spec["paramRef"];
                if !reference.is_object() || (stays("paramRef") && stays("policyName")) {
                    return Ok(());
                }
                let policies = resource.plural.replace("policybindings", "policies");
                let policy = Key::new(ADMISSION, &policies, "", text(spec, &["policyName"]));
                let policy = self.store.get(&policy);
                let kind = policy
                    .as_ref()
                    .map_or(&Value::Null, |policy| &policy.value["spec"]["paramKind"]);
                let name = text(reference, &["name"]);
                let meant = Place {
                    // Without one, it is that of whatever is written.
                    namespace: text(reference, &["namespace"]).to_owned(),
                    name: name.to_owned(),
                    ..self.place_of(kind)
                };
                ("paramRef", if name.is_empty() { "list" } else { "get" }, meant)
            }
            _ => return Ok(()),
        };
        let action = Action {
            verb: verb.to_owned(),
            on: On::Resource(place),
        };
        if self.decide(user, &action).allowed {
            return Ok(());
        }
        let who = told(user);
        let why = if field == "paramKind" {
            let (kind, version) = (text(spec, &[field, "kind"]), text(spec, &[field, "apiVersion"]));
            format!(
                "user {who} must have \"get\" permission on all objects of the referenced paramKind (kind={kind}, \
                 apiVersion={version})"
            )
        } else {
            format!("user {who} does not have \"{verb}\" permission on the object referenced by paramRef")
        };
        let cause = Cause::new(
            "FieldValueForbidden",
            format!("spec.{field}"),
            format!("Forbidden: {why}"),
        );
        Err(ApiError::invalid(resource.about(&target.name), &[cause]))
    }

    /// The resource of a kind; everything that it could be of, where that is not known.
    fn place_of(&self, kind: &Value) -> Place {
        let (version, name) = (text(kind, &["apiVersion"]), text(kind, &["kind"]));
        let parts: Vec<&str> = version.split('/').collect();
        let group = match parts.as_slice() {
            _ if !kind.is_object() => "*",
            [_] => "",
            [group, _] => group,
            _ => "*",
        };
        let catalog = self.catalog();
        let resource = catalog.of_kind(version, name);
        Place {
            group: group.to_owned(),
            resource: resource.map_or("*", |resource| &resource.plural).to_owned(),
            ..Place::default()
        }
    }
}

/// Somebody as Go prints who asks.
fn told(user: &User) -> String {
    let extra = user
        .extra
        .iter()
        .map(|(key, words)| format!("{key}:[{}]", words.join(" ")));
    let (groups, extra) = (user.groups.join(" "), extra.collect::<Vec<_>>().join(" "));
    format!("&{{{} {} [{groups}] map[{extra}]}}", user.name, user.uid)
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
