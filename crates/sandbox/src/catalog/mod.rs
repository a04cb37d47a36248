//! Which resources there are at this moment: the built-in ones and those of CRDs.
//!
//! A [`Catalog`] never changes; when a CRD does, the engine puts a new one in its place. It knows schemas and
//! names, not objects in the store and not HTTP.

mod builtin;

use std::collections::HashMap;
use std::sync::Arc;

use crate::status::{About, ApiError};
use crate::store::{Collection, Key};

/// One resource in one API version.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) collection: Collection,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether `status` is written through a subresource of its own.
    pub(crate) has_status: bool,
    /// Whether `metadata.generation` counts changes of the intent.
    pub(crate) has_generation: bool,
    /// Fields that may be selected by, besides those every resource has.
    pub(crate) selectable: Vec<String>,
    /// Whether it comes from a CRD.
    pub(crate) custom: bool,
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

    pub(crate) fn list_kind(&self) -> String {
        format!("{}List", self.kind)
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
}

impl Catalog {
    /// The built-in resources.
    pub(crate) fn builtin() -> Self {
        Self::new(builtin::resources())
    }

    fn new(resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut catalog = Self::default();
        for resource in resources {
            let path = (
                resource.group.clone(),
                resource.version.clone(),
                resource.plural.clone(),
            );
            let resource = Arc::new(resource);
            catalog.by_path.insert(path, Arc::clone(&resource));
            catalog.resources.push(resource);
        }
        catalog
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Result<Arc<Resource>, ApiError> {
        let path = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.by_path
            .get(&path)
            .cloned()
            .ok_or_else(ApiError::no_such_resource)
    }

    /// The first version of a collection, for work that does not care about versions.
    pub(crate) fn of(&self, collection: &Collection) -> Option<&Arc<Resource>> {
        self.resources
            .iter()
            .find(|resource| resource.collection == *collection)
    }

    /// Whether objects of this kind can be here.
    pub(crate) fn serves(&self, api_version: &str, kind: &str) -> bool {
        self.resources
            .iter()
            .any(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    pub(crate) fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }
}
