//! Which resources there are at this moment: the built-in ones and those of CRDs.
//!
//! A [`Catalog`] never changes; when a CRD does, the engine puts a new one in its place. It knows schemas and
//! names, not objects in the store and not HTTP.

mod builtin;
mod column;
mod custom;
pub(crate) mod definition;
mod json_path;
pub(crate) mod names;

use std::collections::HashMap;
use std::sync::Arc;

use schema::{FieldSet, Schema};

use crate::status::{About, ApiError};
use crate::store::{Collection, Key, Object};

pub(crate) use column::Column;
pub(crate) use custom::Definition;
pub(crate) use json_path::JsonPath;

/// One resource in one API version.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) collection: Collection,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) verbs: Vec<String>,
    pub(crate) subresources: Vec<Subresource>,
    /// Whether `metadata.generation` counts changes of the intent.
    pub(crate) has_generation: bool,
    /// The `apiVersion` its objects are stored with, whichever version they are written in.
    pub(crate) stored: String,
    /// Fields that may be selected by, besides those every resource has.
    pub(crate) selectable: Vec<String>,
    pub(crate) source: Source,
}

/// Where a resource comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Builtin(&'static schema::Kind),
    Custom(Box<custom::Version>),
}

/// A subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subresource {
    pub(crate) name: String,
    /// Group, version and kind it speaks.
    pub(crate) speaks: (String, String, String),
    pub(crate) verbs: Vec<String>,
}

impl Resource {
    /// `apps/v1`, or `v1` in the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(crate) fn schema(&self) -> &Schema {
        match &self.source {
            Source::Builtin(kind) => kind.schema(),
            Source::Custom(version) => &version.schema,
        }
    }

    /// The schema of the form its objects are stored in.
    pub(crate) fn stored_schema(&self) -> &Schema {
        if self.is_custom() || self.api_version() == self.stored {
            return self.schema();
        }
        schema::Schemas::builtin()
            .schema(&self.stored, &self.kind)
            .unwrap_or(Schema::any())
    }

    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.source, Source::Custom(_))
    }

    /// Whether an update must name the version it was made for. A patch need not.
    pub(crate) fn needs_revision(&self) -> bool {
        self.is_custom() || self.is("apiextensions.k8s.io", "customresourcedefinitions")
    }

    /// Whether replacing an object that is not there makes it.
    pub(crate) fn made_by_update(&self) -> bool {
        match self.group.as_str() {
            "" => matches!(
                self.plural.as_str(),
                "services" | "endpoints" | "events" | "limitranges"
            ),
            "coordination.k8s.io" | "events.k8s.io" | "rbac.authorization.k8s.io" => true,
            _ => false,
        }
    }

    /// Whether a delete that does not say what becomes of dependents lets them stay, as of old.
    pub(crate) fn orphans(&self) -> bool {
        self.is("batch", "jobs") || self.is("", "replicationcontrollers")
    }

    /// Whether a delete answers with the object itself.
    pub(crate) fn shown_when_deleted(&self) -> bool {
        self.group.is_empty()
            && matches!(
                self.plural.as_str(),
                "pods"
                    | "podtemplates"
                    | "persistentvolumeclaims"
                    | "persistentvolumes"
                    | "resourcequotas"
                    | "serviceaccounts"
                    | "services"
            )
    }

    /// The fields that a write to the resource, or to a subresource of it, neither changes nor owns.
    pub(crate) fn reset_fields(&self, subresource: &str) -> FieldSet {
        match &self.source {
            Source::Builtin(kind) => schema::reset_fields(kind, subresource),
            Source::Custom(_) => match subresource {
                "" if self.has("status") => FieldSet::of_fields(&[&["status"]]),
                "status" => FieldSet::of_fields(&[&["spec"]]),
                _ => FieldSet::new(),
            },
        }
    }

    /// Whether it has a subresource.
    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|one| one.name == subresource)
    }

    /// Whether a verb is allowed on it, or on a subresource of it.
    pub(crate) fn allows(&self, subresource: &str, verb: &str) -> bool {
        let verbs = if subresource.is_empty() {
            Some(&self.verbs)
        } else {
            self.subresources
                .iter()
                .find(|one| one.name == subresource)
                .map(|one| &one.verbs)
        };
        verbs.is_some_and(|verbs| verbs.iter().any(|one| one == verb))
    }

    pub(crate) fn about<'a>(&'a self, name: &'a str) -> About<'a> {
        About {
            group: &self.group,
            plural: &self.plural,
            kind: &self.kind,
            name,
        }
    }

    pub(crate) fn key(&self, namespace: &str, name: &str) -> Key {
        Key {
            collection: self.collection.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }
}

/// All resources, by path and in order.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    resources: Vec<Arc<Resource>>,
    by_path: HashMap<(String, String, String), Arc<Resource>>,
    definitions: Vec<Arc<Definition>>,
}

impl Catalog {
    /// The built-in resources and those of these CRDs. What `before` already knows is not read again.
    pub(crate) fn new(before: &Self, definitions: &[Arc<Object>]) -> Self {
        let mut catalog = Self::default();
        let known: Vec<Arc<Resource>> = before
            .resources
            .iter()
            .filter(|resource| !resource.is_custom())
            .cloned()
            .collect();
        let builtin = if known.is_empty() {
            builtin::resources().map(Arc::new).collect()
        } else {
            known
        };
        for resource in builtin {
            catalog.add(resource);
        }
        for object in definitions {
            let known = before
                .definitions
                .iter()
                .find(|known| known.is_of(object))
                .cloned();
            let read = || Definition::read(object, &before.definitions).map(Arc::new);
            let Some(definition) = known.or_else(read) else {
                continue;
            };
            for resource in &definition.resources {
                catalog.add(Arc::clone(resource));
            }
            catalog.definitions.push(definition);
        }
        catalog
    }

    fn add(&mut self, resource: Arc<Resource>) {
        let path = (
            resource.group.clone(),
            resource.version.clone(),
            resource.plural.clone(),
        );
        self.by_path.insert(path, Arc::clone(&resource));
        self.resources.push(resource);
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Result<Arc<Resource>, ApiError> {
        let path = (group.to_owned(), version.to_owned(), plural.to_owned());
        if let Some(found) = self.by_path.get(&path) {
            return Ok(Arc::clone(found));
        }
        Err(self.not_served(group, version))
    }

    /// What to say of a version that a group does not have, or of a resource that a version does not have.
    pub(crate) fn not_served(&self, group: &str, version: &str) -> ApiError {
        let known = |resource: &Arc<Resource>| {
            resource.group == group && (resource.version == version || !resource.is_custom())
        };
        if self.resources.iter().any(known) {
            ApiError::no_such_resource()
        } else {
            ApiError::no_such_page()
        }
    }

    /// A version of a collection for work that does not care about versions: the one that is stored, if it is served.
    pub(crate) fn of(&self, collection: &Collection) -> Option<&Arc<Resource>> {
        let versions = self.resources.iter();
        let mut versions = versions.filter(|resource| resource.collection == *collection);
        let first = versions.next()?;
        if first.api_version() == first.stored {
            return Some(first);
        }
        versions
            .find(|resource| resource.api_version() == resource.stored)
            .or(Some(first))
    }

    /// Whether objects of this kind can be here.
    pub(crate) fn serves(&self, api_version: &str, kind: &str) -> bool {
        self.of_kind(api_version, kind).is_some()
    }

    /// The resource whose objects are of a kind.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources
            .iter()
            .find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    pub(crate) fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }
}
