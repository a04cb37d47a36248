//! Watches: what changed since a revision, then what changes from now on.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::read::too_large_revision;
use super::{Selector, Target};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Collection, Event, Key, Object};

/// How to watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchOptions {
    pub(crate) selector: Selector,
    /// Changes after this revision; `None` begins with the present state.
    pub(crate) since: Option<u64>,
    /// Whether to begin with the present state, when the client says so or says the contrary.
    pub(crate) initial_events: Option<bool>,
    /// Whether bookmarks are wanted; one of them ends the present state.
    pub(crate) bookmarks: bool,
}

/// One change as a watcher sees it through its selector.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Added(Arc<Object>),
    Modified(Arc<Object>),
    Deleted(Arc<Object>),
    /// Everything up to this revision has been sent; `initial` ends the initial events.
    Bookmark {
        revision: u64,
        initial: bool,
    },
}

/// A watch under way.
pub(crate) struct Watcher {
    engine: Arc<Engine>,
    revisions: watch::Receiver<u64>,
    collection: Collection,
    namespace: String,
    name: String,
    selector: Selector,
    at: u64,
    /// The CRD that the resource comes from, and whether it is gone.
    definition: Option<Key>,
    undefined: bool,
    pending: VecDeque<Change>,
}

impl Engine {
    /// Begins a watch of a collection, or of the one object that `target` names.
    pub(crate) fn watch(
        self: &Arc<Self>,
        target: &Target,
        options: WatchOptions,
    ) -> Result<Watcher, ApiError> {
        let revisions = self.store.revisions();
        let memory = self.store.read();
        let mut watcher = Watcher {
            engine: Arc::clone(self),
            revisions,
            collection: target.resource.collection.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            selector: options.selector,
            at: memory.revision(),
            definition: target
                .resource
                .is_custom()
                .then(|| Key::definition(&target.resource.collection)),
            undefined: false,
            pending: VecDeque::new(),
        };
        match options.since {
            Some(since) if since > memory.revision() => {
                return Err(too_large_revision(since, memory.revision()));
            }
            None if options.initial_events == Some(false) => {}
            Some(since) if options.initial_events != Some(true) => {
                memory
                    .since(since)
                    .map(drop)
                    .map_err(|expired| ApiError::expired(since, expired.oldest))?;
                watcher.at = since;
            }
            _ => {
                let namespace = (!target.namespace.is_empty()).then_some(target.namespace.as_str());
                let present = memory.list(&watcher.collection, namespace, None);
                let added = present
                    .filter(|((_, name), object)| {
                        (watcher.name.is_empty() || watcher.name == *name) && watcher.selector.chooses(object)
                    })
                    .map(|(_, object)| Change::Added(Arc::clone(object)));
                watcher.pending = added.collect();
                if options.initial_events == Some(true) && options.bookmarks {
                    watcher.pending.push_back(Change::Bookmark {
                        revision: memory.revision(),
                        initial: true,
                    });
                }
            }
        }
        drop(memory);
        Ok(watcher)
    }
}

impl Watcher {
    /// What is known now and was not handed out before; an error when the watcher has fallen too far behind.
    pub(crate) fn ready(&mut self) -> Result<VecDeque<Change>, ApiError> {
        self.revisions.borrow_and_update();
        let mut ready = std::mem::take(&mut self.pending);
        let memory = self.engine.store.read();
        let events = memory
            .since(self.at)
            .map_err(|expired| ApiError::expired(self.at, expired.oldest))?;
        ready.extend(events.filter_map(|event| self.seen(event)));
        self.undefined = self
            .definition
            .as_ref()
            .is_some_and(|key| memory.get(key).is_none());
        self.at = memory.revision();
        Ok(ready)
    }

    /// Waits until there may be more; `false` when there will not be, since the store has closed or the definition
    /// of the resource is gone.
    pub(crate) async fn changed(&mut self) -> bool {
        !self.undefined && self.revisions.changed().await.is_ok()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// The revision up to which everything has been handed out.
    pub(crate) fn revision(&self) -> u64 {
        self.at
    }

    /// An event through the selector: an object that begins or ceases to match is added or deleted.
    fn seen(&self, event: &Event) -> Option<Change> {
        let key = &event.key;
        if key.collection != self.collection
            || (!self.namespace.is_empty() && key.namespace != self.namespace)
            || (!self.name.is_empty() && key.name != self.name)
        {
            return None;
        }
        let matches = |object: &Arc<Object>| self.selector.chooses(object);
        let before = event.previous.as_ref().is_some_and(matches);
        let after = !event.removed && matches(&event.object);
        match (before, after) {
            (false, true) => Some(Change::Added(Arc::clone(&event.object))),
            (true, true) => Some(Change::Modified(Arc::clone(&event.object))),
            (true, false) if event.removed => Some(Change::Deleted(Arc::clone(&event.object))),
            // Whoever watches through a selector never saw the state that does not match.
            (true, false) => event.previous.as_ref().map(|previous| {
                let mut last = Value::clone(&previous.value);
                if let Some(version) = event.object.metadata("resourceVersion") {
                    last["metadata"]["resourceVersion"] = version.clone();
                }
                Change::Deleted(Arc::new(Object::unstored(last)))
            }),
            (false, false) => None,
        }
    }
}
