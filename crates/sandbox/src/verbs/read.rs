//! Get and list.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Selector, Target, faces};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::Object;

/// How long a list can be gone on with, in seconds: as long as etcd keeps the past for the API server.
const LASTS: i64 = 5 * 60;

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
    /// As it was at this revision.
    pub(crate) exactly: Option<u64>,
}

/// The end of a page: the revision of the list, and the last object listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// Without it the list goes on with whatever is there.
    pub(crate) revision: Option<u64>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// When the list began, in seconds since 1970.
    pub(crate) begun: i64,
}

impl Resume {
    /// As clients hand it back.
    pub(crate) fn token(&self) -> String {
        let revision = self
            .revision
            .map_or_else(|| "-1".to_owned(), |revision| revision.to_string());
        URL_SAFE_NO_PAD.encode(format!(
            "{revision}\0{}\0{}\0{}",
            self.namespace, self.name, self.begun
        ))
    }

    /// Reads the `continue` parameter of a list.
    pub(crate) fn read(token: &str) -> Result<Option<Self>, ApiError> {
        if token.is_empty() {
            return Ok(None);
        }
        let parse = || {
            let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            let mut parts = plain.split('\0');
            let (revision, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
            let revision = match revision {
                "-1" => None,
                revision => Some(revision.parse().ok()?),
            };
            Some(Self {
                revision,
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                begun: parts.next()?.parse().ok()?,
            })
        };
        parse()
            .map(Some)
            .ok_or_else(|| ApiError::bad_request("continue key is not valid"))
    }
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
        self.present(target)
            .ok_or_else(|| ApiError::not_found(target.resource.about(&target.name)))
    }

    /// The object, if it is there, as its resource has it now.
    pub(super) fn present(&self, target: &Target) -> Option<Arc<Object>> {
        let object = self.store.get(&target.key())?;
        Some(match faces::renewed(&target.resource, &object) {
            Some(value) => Arc::new(Object::new(value, object.revision)),
            None => object,
        })
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

    /// Lists a collection in order of namespace and name. All pages of a list show the state of the first one.
    pub(crate) fn list(&self, target: &Target, options: &ListOptions) -> Result<Listed, ApiError> {
        let memory = self.store.read();
        if options.resume.is_some() && (options.at_least.is_some() || options.exactly.is_some()) {
            let what = "specifying resource version is not allowed when using continue";
            return Err(ApiError::bad_request(what));
        }
        let now = self.now().as_second();
        let resumed = options.resume.as_ref().filter(|resume| resume.revision.is_some());
        let begun = resumed.and_then(|resume| resume.revision);
        let named = options.at_least.or(options.exactly).or(begun);
        if let Some(asked) = named.filter(|asked| *asked > memory.revision()) {
            return Err(too_large_revision(asked, memory.revision()));
        }
        let revision = begun.or(options.exactly).unwrap_or_else(|| memory.revision());
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
        let expired = || match &options.resume {
            Some(resume) => {
                let resume = Resume {
                    revision: None,
                    ..resume.clone()
                };
                ApiError::continue_expired(resume.token())
            }
            None => ApiError::list_expired(),
        };
        if resumed.is_some_and(|resume| now.saturating_sub(resume.begun) >= LASTS) {
            return Err(expired());
        }
        let found = memory.list_at(&target.resource.collection, namespace, start, revision);
        let found = found.map_err(|_| expired())?;
        let mut found = found.filter(|(_, object)| options.selector.chooses(object));
        let limit = options.limit.unwrap_or(usize::MAX);
        let mut objects = Vec::new();
        let mut last = None;
        for (place, object) in found.by_ref().take(limit) {
            objects.push(Arc::clone(object));
            last = Some(place);
        }
        let beyond = if options.limit.is_some() { found.count() } else { 0 };
        let resume = last.filter(|_| beyond > 0).map(|(namespace, name)| Resume {
            revision: Some(revision),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            begun: resumed.map_or(now, |resume| resume.begun),
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
