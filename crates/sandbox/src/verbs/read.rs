//! Get and list.

use std::sync::Arc;

use super::{Selector, Target};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::Object;

/// How to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListOptions {
    pub(crate) selector: Selector,
    /// Objects per page; `None` is all.
    pub(crate) limit: Option<usize>,
    /// Where the page before ended.
    pub(crate) resume: Option<Resume>,
    /// Not older than this revision.
    pub(crate) at_least: Option<u64>,
    /// At that revision and no other.
    pub(crate) exact: bool,
}

/// The end of a page: the revision of the first page, and the last object listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) revision: u64,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) revision: u64,
    pub(crate) resume: Option<Resume>,
    /// How many objects lie beyond this page; `None` when a selector makes that unknown.
    pub(crate) remaining: Option<usize>,
}

impl Engine {
    pub(crate) fn get(&self, target: &Target) -> Result<Arc<Object>, ApiError> {
        self.store
            .get(&target.key())
            .ok_or_else(|| ApiError::not_found(target.resource.about(&target.name)))
    }

    /// Refuses a state that this server has not reached.
    pub(crate) fn require_revision(&self, asked: u64) -> Result<(), ApiError> {
        let held = self.store.read().revision();
        if asked > held {
            Err(too_large_revision(asked, held))
        } else {
            Ok(())
        }
    }

    /// Lists a collection in order of namespace and name.
    ///
    /// Later pages show the objects as they were when the first was made.
    pub(crate) fn list(&self, target: &Target, options: &ListOptions) -> Result<Listed, ApiError> {
        let memory = self.store.read();
        if let Some(asked) = options.at_least
            && asked > memory.revision()
        {
            return Err(too_large_revision(asked, memory.revision()));
        }
        let revision = match &options.resume {
            Some(resume) if resume.revision < memory.oldest() => return Err(ApiError::continue_expired()),
            Some(resume) => resume.revision.min(memory.revision()),
            None => options
                .at_least
                .filter(|_| options.exact)
                .unwrap_or(memory.revision()),
        };
        let namespace = (!target.namespace.is_empty()).then_some(target.namespace.as_str());
        // The smallest name after the last one listed is that name with a zero byte behind it.
        let start = options
            .resume
            .as_ref()
            .map(|at| (at.namespace.clone(), format!("{}\0", at.name)));
        if let (Some(only), Some((at, _))) = (namespace, &start)
            && only != at
        {
            return Err(ApiError::bad_request(
                "continue key is not valid: it is of another namespace",
            ));
        }
        let collection = &target.resource.collection;
        let past;
        let held: Box<dyn Iterator<Item = (&(String, String), &Arc<Object>)>> = if revision == memory.revision() {
            Box::new(memory.list(collection, namespace, start))
        } else {
            past = memory
                .list_at(collection, namespace, start, revision)
                .map_err(|expired| ApiError::expired(revision, expired.oldest))?;
            Box::new(past.iter().map(|(place, object)| (place, object)))
        };
        let mut found = held.filter(|(_, object)| options.selector.chooses(object));
        let limit = options.limit.unwrap_or(usize::MAX);
        let mut objects = Vec::new();
        let mut last = None;
        for (place, object) in found.by_ref().take(limit) {
            objects.push(Arc::clone(object));
            last = Some(place);
        }
        let beyond = if options.limit.is_some() { found.count() } else { 0 };
        let resume = last.filter(|_| beyond > 0).map(|(namespace, name)| Resume {
            revision,
            namespace: namespace.clone(),
            name: name.clone(),
        });
        let remaining = options
            .selector
            .is_everything()
            .then_some(beyond)
            .filter(|&beyond| beyond > 0);
        Ok(Listed {
            objects,
            revision,
            resume,
            remaining,
        })
    }
}

/// The client has seen a state this server has not: it speaks of another store.
pub(super) fn too_large_revision(asked: u64, current: u64) -> ApiError {
    let mut error = ApiError::new(
        http::StatusCode::GATEWAY_TIMEOUT,
        "Timeout",
        format!("Timeout: Too large resource version: {asked}, current: {current}"),
    );
    error.details = Some(serde_json::json!({
        "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
        "retryAfterSeconds": 1,
    }));
    error
}
