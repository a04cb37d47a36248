//! Where the objects live: an index in memory for reads and watches, a redb file for durability, one writer.
//!
//! Flow of a write: the caller computes the new object against the state it read and sends a [`Change`] with what
//! it expects to find. The single writer thread takes whatever has queued up, checks each expectation, gives each
//! change the next resource version, commits all of them with one fsync, and only then makes them visible,
//! wakes the watchers and answers. Readers never see a change that a crash could take back.
//!
//! It knows objects only as JSON with `metadata`; kinds, validation and HTTP are other rooms' business.

mod disk;
mod events;
mod followers;
mod memory;
mod object;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::{oneshot, watch};

pub(crate) use disk::{Disk, DiskError};
pub(crate) use events::{Event, Expired};
pub(crate) use followers::{Cut, Follower};
pub(crate) use memory::{Memory, owner_uids};
pub(crate) use object::Object;

use crate::{Faults, OpenError};
use followers::Followers;

/// The objects of one resource, whatever version they are read in: `deployments` of `apps`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Collection {
    pub(crate) group: Arc<str>,
    pub(crate) plural: Arc<str>,
}

impl Collection {
    pub(crate) fn new(group: &str, plural: &str) -> Self {
        Self {
            group: group.into(),
            plural: plural.into(),
        }
    }

    /// What the server keeps for itself. No path leads there: this is the name of no API group.
    pub(crate) fn own() -> Self {
        Self::new("(server)", "secrets")
    }

    /// The CRDs.
    pub(crate) fn definitions() -> Self {
        Self::new("apiextensions.k8s.io", "customresourcedefinitions")
    }

    fn is_definitions(&self) -> bool {
        self.is("apiextensions.k8s.io", "customresourcedefinitions")
    }

    fn is_roles(&self) -> bool {
        &*self.group == "rbac.authorization.k8s.io"
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        &*self.group == group && &*self.plural == plural
    }
}

/// The place of one object. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) collection: Collection,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    /// The CRD that defines a collection.
    pub(crate) fn definition(collection: &Collection) -> Self {
        Self {
            collection: Collection::definitions(),
            namespace: String::new(),
            name: format!("{}.{}", collection.plural, collection.group),
        }
    }

    pub(crate) fn new(group: &str, plural: &str, namespace: &str, name: &str) -> Self {
        Self {
            collection: Collection::new(group, plural),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn namespace(name: &str) -> Self {
        Self::new("", "namespaces", "", name)
    }
}

/// What the writer must find for a change to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// No object of this name.
    Absent,
    /// The object at exactly this revision.
    Revision(u64),
}

/// One write.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) expect: Expect,
    /// An object that must exist and not be terminating: the namespace of a new object.
    pub(crate) guard: Option<Key>,
    /// The new object, or `None` to remove it.
    pub(crate) object: Option<Value>,
}

/// Why a change did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitError {
    Exists,
    Missing,
    Changed,
    Guarded { guard: Key, terminating: bool },
    Disk(DiskError),
    Closed,
}

/// A change on its way to the writer.
struct Request {
    change: Change,
    answer: oneshot::Sender<Result<Arc<Object>, CommitError>>,
}

/// The store. Dropping it waits for the writer to finish what it holds.
pub(crate) struct Store {
    memory: Arc<RwLock<Memory>>,
    revision: watch::Receiver<u64>,
    definitions: Arc<AtomicU64>,
    roles: Arc<AtomicU64>,
    /// How often the disk has failed.
    failures: Arc<AtomicU64>,
    followers: Arc<Followers>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store in `path`, or in memory only.
    pub(crate) fn open(path: Option<&Path>, faults: Option<&Faults>) -> Result<Self, OpenError> {
        let (disk, memory) = match path {
            Some(path) => {
                let (disk, (objects, revision)) = disk::Disk::open(path, faults)?;
                (Some(disk), Memory::new(objects, revision))
            }
            None => (None, Memory::new(Vec::new(), 1)),
        };
        let (announce, revision) = watch::channel(memory.revision());
        let (definitions, roles) = (memory.definitions(), memory.roles());
        let memory = Arc::new(RwLock::new(memory));
        let (failures, followers) = (Arc::<AtomicU64>::default(), Arc::<Followers>::default());
        let (requests, queue) = mpsc::channel();
        let writer = writer::Writer {
            disk,
            faults: faults.cloned(),
            failures: Arc::clone(&failures),
            followers: Arc::clone(&followers),
            memory: Arc::clone(&memory),
            announce,
            queue,
        };
        let writer = std::thread::Builder::new()
            .name("sandbox-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io {
                path: path.map(Path::to_path_buf),
                source,
            })?;
        Ok(Self {
            memory,
            revision,
            definitions,
            roles,
            failures,
            followers,
            requests: Mutex::new(Some(requests)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// A consistent view; hold it briefly and never across an await.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.read().get(key)
    }

    /// The objects of a collection at this moment, of one namespace or of all.
    pub(crate) fn all(&self, collection: &Collection, namespace: Option<&str>) -> Vec<Arc<Object>> {
        let memory = self.read();
        let objects = memory.list(collection, namespace, None);
        objects.map(|(_, object)| Arc::clone(object)).collect()
    }

    /// The revision of the last change of a CRD.
    pub(crate) fn definitions_revision(&self) -> u64 {
        self.definitions.load(Ordering::Acquire)
    }

    /// The revision of the last change of a role or of a binding.
    pub(crate) fn roles_revision(&self) -> u64 {
        self.roles.load(Ordering::Acquire)
    }

    /// How often the disk has failed: who has left work undone for that finds it changed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// Keeps an eye on somebody who follows the changes after a revision.
    pub(crate) fn follow(&self, revision: u64) -> Arc<Follower> {
        self.followers.add(revision)
    }

    /// A receiver that changes with every commit and closes with the store.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }

    /// Makes one change; returns when it is on disk and visible. For a removal the answer is the last state of
    /// the object, carrying the resource version of its removal.
    pub(crate) async fn commit(&self, change: Change) -> Result<Arc<Object>, CommitError> {
        let (answer, answered) = oneshot::channel();
        {
            let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            let requests = requests.as_ref().ok_or(CommitError::Closed)?;
            requests
                .send(Request { change, answer })
                .map_err(|_| CommitError::Closed)?;
        }
        answered.await.unwrap_or(Err(CommitError::Closed))
    }

    /// Stops taking changes, finishes the ones queued and lets go of the file.
    pub(crate) fn close(&self) {
        drop(
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A panic of the writer has already failed every waiting request.
            let _ = writer.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// Waits for what only the store's own thread is needed for. In a task of tokio that has used up its turn, a channel of
/// tokio's would answer only once the task has given way, which it cannot while it waits here.
pub(crate) fn at_once<F: Future>(work: F) -> F::Output {
    futures::executor::block_on(tokio::task::unconstrained(work))
}
