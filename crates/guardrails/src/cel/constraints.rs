//! Which requests a policy in CEL is about: `matchConstraints` and `matchResources`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::cursor::{Cursor, Refusal};
use crate::engine::Served;
use crate::matching::Subject;
use crate::request::{Operation, Request};
use crate::selector::Selector;

/// Rules for resources, and selectors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Constraints {
    pub(super) rules: Vec<ResourceRule>,
    exclude: Vec<ResourceRule>,
    pub(super) namespaces: Option<Selector>,
    objects: Option<Selector>,
}

#[derive(Debug, Clone)]
pub(super) struct ResourceRule {
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<Operation>,
    names: Vec<String>,
    scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Any,
    Cluster,
    Namespaced,
}

impl Constraints {
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<Constraints, Refusal> {
        Constraints::read_beside(cursor, &[])
    }

    /// As [`Constraints::read`]; some more fields may stand there, which the caller reads.
    pub(super) fn read_beside(cursor: &Cursor<'_>, others: &[&str]) -> Result<Constraints, Refusal> {
        let own = [
            "resourceRules",
            "excludeResourceRules",
            "namespaceSelector",
            "objectSelector",
            "matchPolicy",
        ];
        cursor.only(&[&own[..], others].concat())?;
        if let Some(policy) = cursor.field("matchPolicy")
            && !matches!(policy.string()?, "Exact" | "Equivalent")
        {
            return Err(policy.refuse("the match policy is neither Exact nor Equivalent"));
        }
        let rules = |name: &str| match cursor.field(name) {
            None => Ok(Vec::new()),
            Some(list) => list
                .items()?
                .iter()
                .map(ResourceRule::read)
                .collect::<Result<_, _>>(),
        };
        let selector = |name: &str| cursor.field(name).map(|field| Selector::read(&field)).transpose();
        Ok(Constraints {
            rules: rules("resourceRules")?,
            exclude: rules("excludeResourceRules")?,
            namespaces: selector("namespaceSelector")?,
            objects: selector("objectSelector")?,
        })
    }

    /// Whether a request about a resource, by its plural name, is meant. `operations` says whether they matter.
    pub(crate) fn matches(
        &self,
        request: &Request<'_>,
        subject: &Subject<'_>,
        resource: &str,
        operations: bool,
    ) -> bool {
        // Something beneath an object is asked for by the resource of that object.
        let (group, version) = request
            .parent
            .map_or((subject.group, subject.version), |(api_version, _)| {
                api_version.split_once('/').unwrap_or(("", api_version))
            });
        let place = (group, version, resource);
        self.in_namespaces(subject)
            && self.objects.as_ref().is_none_or(|selector| {
                selector.matches(&subject.labels)
                    || request.old.is_some_and(|old| selector.matches(&labels_of(old)))
            })
            && !self
                .exclude
                .iter()
                .any(|rule| rule.matches(subject, place, operations))
            && (self.rules.is_empty()
                || self
                    .rules
                    .iter()
                    .any(|rule| rule.matches(subject, place, operations)))
    }

    fn in_namespaces(&self, subject: &Subject<'_>) -> bool {
        let Some(selector) = &self.namespaces else {
            return true;
        };
        if subject.kind == "Namespace" && subject.group.is_empty() {
            return selector.matches(&subject.labels);
        }
        if subject.namespace.is_empty() {
            return true;
        }
        let mut labels = subject.namespace_labels.clone();
        labels
            .entry("kubernetes.io/metadata.name")
            .or_insert(subject.namespace);
        selector.matches(&labels)
    }

    /// Whether objects of a kind may be meant.
    pub(crate) fn may_mean(&self, served: &Served<'_>) -> bool {
        if self.rules.is_empty() {
            return served.is_preferred();
        }
        let listed = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        self.rules.iter().any(|rule| {
            // An object is looked at once, in the version that the cluster prefers if that will do.
            let version = served.is_preferred() || !listed(&rule.versions, served.preferred);
            version
                && listed(&rule.groups, served.group)
                && listed(&rule.versions, served.version)
                && listed(&rule.resources, served.plural)
        })
    }

    /// The plural names it can be about, or `None` when it could be any.
    pub(crate) fn resources(&self) -> Option<Vec<&str>> {
        let mut names = Vec::new();
        for resource in self.rules.iter().flat_map(|rule| &rule.resources) {
            let name = resource.split('/').next().unwrap_or_default();
            if name == "*" {
                return None;
            }
            names.push(name);
        }
        (!self.rules.is_empty()).then_some(names)
    }
}

fn labels_of(object: &Json) -> BTreeMap<&str, &str> {
    let labels = object.pointer("/metadata/labels").and_then(Json::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect()
}

impl ResourceRule {
    /// Group, version and plural name of everything it names.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.groups.iter().flat_map(move |group| {
            self.versions.iter().flat_map(move |version| {
                let resources = self.resources.iter();
                resources.map(move |resource| (group.as_str(), version.as_str(), resource.as_str()))
            })
        })
    }

    fn read(cursor: &Cursor<'_>) -> Result<ResourceRule, Refusal> {
        cursor.only(&[
            "apiGroups",
            "apiVersions",
            "resources",
            "operations",
            "resourceNames",
            "scope",
        ])?;
        let mut operations = Vec::new();
        for item in cursor
            .field("operations")
            .map(|list| list.items())
            .transpose()?
            .unwrap_or_default()
        {
            match item.string()? {
                "*" => operations.extend([
                    Operation::Create,
                    Operation::Update,
                    Operation::Delete,
                    Operation::Connect,
                ]),
                word => operations.push(Operation::parse(word).ok_or_else(|| {
                    item.refuse("an operation is one of CREATE, UPDATE, DELETE, CONNECT, *")
                })?),
            }
        }
        Ok(ResourceRule {
            groups: cursor.strings("apiGroups")?,
            versions: cursor.strings("apiVersions")?,
            resources: cursor.strings("resources")?,
            operations,
            names: cursor.strings("resourceNames")?,
            scope: match cursor.text("scope")? {
                None | Some("*" | "") => Scope::Any,
                Some("Cluster") => Scope::Cluster,
                Some("Namespaced") => Scope::Namespaced,
                Some(other) => {
                    return Err(cursor.refuse_below("/scope", format!("{other:?} is no scope")));
                }
            },
        })
    }

    fn matches(
        &self,
        subject: &Subject<'_>,
        (group, version, resource): (&str, &str, &str),
        operations: bool,
    ) -> bool {
        let listed = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        let cluster = subject.namespace.is_empty() || resource == "namespaces";
        let scope = match self.scope {
            Scope::Any => true,
            Scope::Cluster => cluster,
            Scope::Namespaced => !cluster,
        };
        scope
            && (!operations || self.operations.is_empty() || self.operations.contains(&subject.operation))
            && listed(&self.groups, group)
            && listed(&self.versions, version)
            && self.resources.iter().any(|pattern| {
                let (name, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
                (name == "*" || name == resource) && (sub == "*" || sub == subject.subresource)
            })
            && (self.names.is_empty() || self.names.iter().any(|name| name == subject.name))
    }
}
