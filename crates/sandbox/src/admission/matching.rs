//! Which writes a webhook or a policy wants to see.
//!
//! Reference: `k8s.io/apiserver/pkg/admission/plugin/webhook` (`generic`, `predicates`) and
//! `k8s.io/apiserver/pkg/admission/plugin/policy/matching`.

use std::sync::Arc;

use serde_json::Value;

use super::{Attributes, Operation};
use crate::catalog::Resource;
use crate::engine::Engine;
use crate::status::{About, ApiError};
use crate::store::{Key, Object};
use crate::verbs::{Selector, text};

/// What somebody at the door wants to see, as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants<'a> {
    /// The rules of which one must name the write.
    pub(super) rules: &'a Value,
    /// Rules of which none may.
    pub(super) except: &'a Value,
    pub(super) namespaces: &'a Value,
    pub(super) objects: &'a Value,
    /// Whether other versions of what the rules name are seen as well.
    pub(super) equivalents: bool,
}

impl<'a> Wants<'a> {
    /// What stands in a policy, or in a binding of one.
    pub(super) fn of(constraints: &'a Value) -> Self {
        Self {
            rules: &constraints["resourceRules"],
            except: &constraints["excludeResourceRules"],
            namespaces: &constraints["namespaceSelector"],
            objects: &constraints["objectSelector"],
            equivalents: constraints["matchPolicy"] != "Exact",
        }
    }
}

fn listed(rules: &Value) -> impl Iterator<Item = &Value> {
    rules.as_array().into_iter().flatten()
}

impl Engine {
    /// The resource in whose terms somebody is asked about a write; none when it is no business of theirs.
    pub(super) fn wanted_by(
        &self,
        wants: Wants<'_>,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<Option<Arc<Resource>>, ApiError> {
        let chosen = self.chooses_namespace(wants.namespaces, write, object);
        if matches!(chosen, Ok(false)) || !chooses_object(wants.objects, write, object)? {
            return Ok(None);
        }
        if self.named(wants.except, wants.equivalents, write).is_some() {
            return Ok(None);
        }
        let Some(resource) = self.named(wants.rules, wants.equivalents, write) else {
            return Ok(None);
        };
        chosen?;
        Ok(Some(resource))
    }

    /// Whether a binding, which need not name resources, is about a write.
    pub(super) fn is_bound(
        &self,
        constraints: &Value,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<bool, ApiError> {
        let wants = Wants::of(constraints);
        if listed(wants.rules).next().is_some() {
            return Ok(self.wanted_by(wants, write, object)?.is_some());
        }
        let chosen = self.chooses_namespace(wants.namespaces, write, object);
        if matches!(chosen, Ok(false)) || !chooses_object(wants.objects, write, object)? {
            return Ok(false);
        }
        if self.named(wants.except, wants.equivalents, write).is_some() {
            return Ok(false);
        }
        chosen
    }

    /// The resource that a rule names: the one that is written to, or the same in another version.
    fn named(&self, rules: &Value, equivalents: bool, write: &Attributes<'_>) -> Option<Arc<Resource>> {
        let own = &write.target.resource;
        if listed(rules).any(|rule| names(rule, own, write)) {
            return Some(Arc::clone(own));
        }
        if !equivalents {
            return None;
        }
        let catalog = self.catalog();
        let same = |other: &&Arc<Resource>| {
            other.collection == own.collection && (other.group != own.group || other.version != own.version)
        };
        listed(rules).find_map(|rule| {
            let mut others = catalog.resources().iter().filter(same);
            others.find(|other| names(rule, other, write)).cloned()
        })
    }

    fn chooses_namespace(
        &self,
        selector: &Value,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<bool, ApiError> {
        let is_namespace = write.target.resource.is("", "namespaces");
        let name = write.namespace();
        if name.is_empty() && !is_namespace {
            return Ok(true);
        }
        let selector = Selector::of(selector)?;
        if selector.is_everything() {
            return Ok(true);
        }
        if is_namespace && write.target.subresource.is_empty() && write.operation != Operation::Delete {
            return Ok(selector.matches(object));
        }
        let namespace: Arc<Object> = self.store.get(&Key::namespace(name)).ok_or_else(|| {
            ApiError::not_found(About {
                group: "",
                plural: "namespaces",
                kind: "Namespace",
                name,
            })
        })?;
        Ok(selector.matches(&namespace.value))
    }
}

/// The object as it was or as it will be has the labels.
fn chooses_object(selector: &Value, write: &Attributes<'_>, object: &Value) -> Result<bool, ApiError> {
    let selector = Selector::of(selector)?;
    let fits = |object: &Value| object.is_object() && selector.matches(object);
    Ok(selector.is_everything() || fits(object) || write.old.is_some_and(fits))
}

fn names(rule: &Value, resource: &Resource, write: &Attributes<'_>) -> bool {
    let lists = |field: &str, wanted: &str| {
        let items = rule[field].as_array().into_iter().flatten();
        items
            .filter_map(Value::as_str)
            .any(|item| item == "*" || item == wanted)
    };
    // Namespaces are of the cluster, though each is in itself.
    let of_cluster = write.namespace().is_empty() || resource.is("", "namespaces");
    let in_scope = match text(rule, &["scope"]) {
        "Namespaced" => !of_cluster,
        "Cluster" => of_cluster,
        _ => true,
    };
    let part = |item: &str, wanted: &str| item == "*" || item == wanted;
    let listed = rule["resources"].as_array().into_iter().flatten();
    let names = rule["resourceNames"].as_array();
    let by_name =
        names.is_none_or(|names| names.is_empty() || names.iter().any(|name| *name == *write.target.name));
    in_scope
        && by_name
        && lists("operations", write.operation.word())
        && lists("apiGroups", &resource.group)
        && lists("apiVersions", &resource.version)
        && listed.filter_map(Value::as_str).any(|item| {
            let (plural, subresource) = item.split_once('/').unwrap_or((item, ""));
            part(plural, &resource.plural) && part(subresource, &write.target.subresource)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;
    use crate::verbs::{Target, WriteOptions};

    #[test]
    fn rules_name_writes() {
        let catalog = Catalog::new(&Catalog::default(), &[]);
        let options = WriteOptions::internal("tests");
        let check = |rule: (&str, &str, &str, &str, &str), place: (&str, &str, &str, &str), expect: bool| {
            let (operations, groups, versions, resources, scope) = rule;
            let rule = json!({
                "operations": [operations], "apiGroups": [groups], "apiVersions": [versions],
                "resources": [resources], "scope": scope,
            });
            let (group, plural, subresource, namespace) = place;
            let target = Target {
                resource: catalog.find(group, "v1", plural).unwrap(),
                namespace: namespace.to_owned(),
                name: "it".to_owned(),
                subresource: subresource.to_owned(),
            };
            let write = Attributes {
                target: &target,
                operation: Operation::Update,
                options: &options,
                old: None,
            };
            assert_eq!(names(&rule, &target.resource, &write), expect, "{rule} {place:?}");
        };
        let pods = ("", "pods", "", "shop");
        check(("UPDATE", "", "v1", "pods", "*"), pods, true);
        check(("*", "*", "*", "*", "*"), pods, true);
        check(("CREATE", "", "v1", "pods", "*"), pods, false);
        check(("UPDATE", "apps", "v1", "pods", "*"), pods, false);
        check(("UPDATE", "", "v2", "pods", "*"), pods, false);
        check(("UPDATE", "", "v1", "pods", "Namespaced"), pods, true);
        check(("UPDATE", "", "v1", "pods", "Cluster"), pods, false);
        check(("UPDATE", "", "v1", "pods/status", "*"), pods, false);
        let status = ("", "pods", "status", "shop");
        check(("UPDATE", "", "v1", "pods/status", "*"), status, true);
        check(("UPDATE", "", "v1", "pods/*", "*"), status, true);
        check(("UPDATE", "", "v1", "*/status", "*"), status, true);
        check(("UPDATE", "", "v1", "*/*", "*"), status, true);
        check(("UPDATE", "", "v1", "*", "*"), status, false);
        check(("UPDATE", "", "v1", "pods", "*"), status, false);
        check(("UPDATE", "", "v1", "pods/*", "*"), pods, true);
        let namespaces = ("", "namespaces", "", "");
        check(("UPDATE", "", "v1", "namespaces", "Cluster"), namespaces, true);
        check(
            ("UPDATE", "", "v1", "namespaces", "Namespaced"),
            namespaces,
            false,
        );
    }
}
