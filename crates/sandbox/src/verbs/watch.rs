//! Watches: what changed since a revision, then what changes from now on.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::read::too_large_revision;
use super::{Selector, Target};
use crate::Faults;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Collection, Cut, Event, Expired, Follower, Key, Object};

/// Changes handed out at once, at most.
const BATCH: usize = 128;
/// Bytes of the objects in them, beyond the first, at most: what a watcher holds whose client does not read.
const BATCH_BYTES: usize = 256 << 10;

/// How to watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchOptions {
    pub(crate) selector: Selector,
    /// Changes after this revision; `None` begins with the present state.
    pub(crate) since: Option<u64>,
    /// Begin with the present state and mark its end with a bookmark.
    pub(crate) initial_events: bool,
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

/// How waiting for more ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There may be more.
    More,
    /// There will not be: the store has closed, or the definition of the resource is gone.
    Over,
    /// A test wants the connection to be lost.
    Lost,
}

/// How far the present state has been handed out.
struct Initial {
    /// Namespace and name to go on from.
    next: Option<(String, String)>,
    /// Whether its end is marked.
    marked: bool,
}

/// A watch under way. It holds what was handed out last, and nothing of what comes after that.
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
    /// The state at the revision [`Watcher::at`], while that is being handed out.
    initial: Option<Initial>,
    follower: Arc<Follower>,
    /// Changes when a test wants the connection to be lost.
    lost: Option<watch::Receiver<()>>,
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
            initial: None,
            follower: self.store.follow(memory.revision()),
            lost: self.faults.as_ref().map(Faults::watch),
        };
        match options.since {
            Some(since) if since > memory.revision() => {
                return Err(too_large_revision(since, memory.revision()));
            }
            Some(since) if !options.initial_events => {
                memory
                    .since(since)
                    .map(drop)
                    .map_err(|expired| ApiError::expired(since, expired.oldest))?;
                watcher.at = since;
            }
            _ => {
                watcher.initial = Some(Initial {
                    next: None,
                    marked: options.initial_events,
                });
            }
        }
        drop(memory);
        Ok(watcher)
    }
}

impl Watcher {
    /// Some of what is known now and was not handed out before, nothing when there is no more of that; an error when
    /// the watcher has fallen too far behind.
    pub(crate) fn ready(&mut self) -> Result<VecDeque<Change>, ApiError> {
        let ready = self
            .batch()
            .map_err(|expired| ApiError::expired(self.at, expired.oldest));
        self.follower.reached(self.at);
        ready
    }

    fn batch(&mut self) -> Result<VecDeque<Change>, Expired> {
        self.revisions.borrow_and_update();
        let memory = self.engine.store.read();
        let (mut ready, mut bytes) = (VecDeque::new(), 0);
        let mut is_last = |object: &Object| {
            bytes += object.json.len();
            bytes >= BATCH_BYTES
        };
        if let Some(initial) = &mut self.initial {
            let namespace = (!self.namespace.is_empty()).then_some(self.namespace.as_str());
            let next = initial.next.take();
            for ((namespace, name), object) in memory.list_at(&self.collection, namespace, next, self.at)? {
                if (self.name.is_empty() || self.name == name) && self.selector.chooses(object) {
                    ready.push_back(Change::Added(Arc::clone(object)));
                    if is_last(object) || ready.len() >= BATCH {
                        // The smallest name after this one is this one with a zero byte behind it.
                        initial.next = Some((namespace.to_owned(), format!("{name}\0")));
                        return Ok(ready);
                    }
                }
            }
            if initial.marked {
                ready.push_back(Change::Bookmark {
                    revision: self.at,
                    initial: true,
                });
            }
            self.initial = None;
        }
        for event in memory.since(self.at)? {
            let seen = self.seen(event);
            self.at = event.object.revision;
            if let Some(change) = seen {
                ready.push_back(change);
                if is_last(&event.object) || ready.len() >= BATCH {
                    return Ok(ready);
                }
            }
        }
        self.undefined = self
            .definition
            .as_ref()
            .is_some_and(|key| memory.get(key).is_none());
        self.at = memory.revision();
        Ok(ready)
    }

    /// Waits until there may be more.
    pub(crate) async fn changed(&mut self) -> Next {
        if self.undefined {
            return Next::Over;
        }
        let lost = async {
            match &mut self.lost {
                // The sender goes only with the engine.
                Some(lost) => drop(lost.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = lost => Next::Lost,
            open = self.revisions.changed() => if open.is_ok() { Next::More } else { Next::Over },
        }
    }

    /// How it is cut off when nobody takes what it has to tell.
    pub(crate) fn cut_by(&self, cut: Cut) {
        self.follower.cut_by(cut);
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

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use serde_json::json;

    use super::*;
    use crate::Options;
    use crate::store::{Change as Write, Expect};

    fn maps(engine: &Engine) -> Target {
        Target {
            resource: engine.catalog().find("", "v1", "configmaps").unwrap(),
            namespace: "default".to_owned(),
            name: String::new(),
            subresource: String::new(),
        }
    }

    /// Writes an object anew, or for the first time.
    async fn write(engine: &Engine, name: &str, old: Option<u64>) -> Arc<Object> {
        let mut target = maps(engine);
        name.clone_into(&mut target.name);
        let value = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "default", "uid": name },
        });
        let change = Write {
            key: target.key(),
            expect: old.map_or(Expect::Absent, Expect::Revision),
            guard: None,
            object: Some(value),
        };
        engine.store.commit(change).await.unwrap()
    }

    /// The state at the start in portions, whatever happens meanwhile, then every change.
    #[tokio::test]
    async fn the_state_at_the_start_comes_whole() {
        let engine = Arc::new(Engine::open(Options::default()).unwrap());
        let mut revisions = Vec::new();
        for number in 0..300 {
            revisions.push(write(&engine, &format!("m-{number:03}"), None).await.revision);
        }
        let options = WatchOptions {
            initial_events: true,
            ..WatchOptions::default()
        };
        let mut watcher = engine.watch(&maps(&engine), options).unwrap();
        let begun = watcher.revision();
        let (mut added, mut portions) = (Vec::new(), 0);
        let after = loop {
            let mut ready = watcher.ready().unwrap();
            assert!(ready.len() <= BATCH);
            portions += 1;
            // Behind what was handed out, and before it.
            for number in [0, 299 - portions] {
                let name = format!("m-{number:03}");
                revisions[number] = write(&engine, &name, Some(revisions[number])).await.revision;
            }
            write(&engine, &format!("n-{portions}"), None).await;
            while let Some(change) = ready.pop_front() {
                match change {
                    Change::Added(object) if object.revision <= begun => added.push(object.revision),
                    _ => {
                        ready.push_front(change);
                        break;
                    }
                }
            }
            if !ready.is_empty() {
                break ready;
            }
        };
        assert!(portions > 2 && added.len() == 300 && added.is_sorted());
        assert!(matches!(after[0], Change::Bookmark { revision, initial: true } if revision == begun));
        let mut changes = after.len() - 1;
        loop {
            let ready = watcher.ready().unwrap();
            if ready.is_empty() {
                break;
            }
            changes += ready.len();
        }
        assert_eq!(changes, portions * 3);
    }

    /// A watcher that takes nothing holds one portion; what it has not seen is forgotten like everything else.
    #[tokio::test]
    async fn a_watcher_that_stands_still_holds_little() {
        let engine = Arc::new(Engine::open(Options::default()).unwrap());
        let mut watcher = engine.watch(&maps(&engine), WatchOptions::default()).unwrap();
        assert!(watcher.ready().unwrap().is_empty());
        let mut object = write(&engine, "a", None).await;
        let mut all: Vec<Weak<Object>> = Vec::new();
        for _ in 0..1000 {
            object = write(&engine, "a", Some(object.revision)).await;
            all.push(Arc::downgrade(&object));
        }
        let held = watcher.ready().unwrap();
        assert_eq!(held.len(), BATCH);
        for _ in 0..20_000 {
            object = write(&engine, "a", Some(object.revision)).await;
            all.push(Arc::downgrade(&object));
        }
        let alive = all.iter().filter(|version| version.strong_count() > 0).count();
        assert!(alive < 8192 + 2 * BATCH, "{alive} versions are held");
        let expired = watcher.ready().unwrap_err();
        assert_eq!(expired.reason, "Expired");
        drop(held);
    }
}
