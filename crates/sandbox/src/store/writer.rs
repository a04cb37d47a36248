//! The only thread that changes anything: checks, numbers, commits in groups, publishes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, mpsc};

use tokio::sync::{oneshot, watch};

use super::disk::{Disk, DiskError};
use super::followers::Followers;
use super::{Change, CommitError, Expect, Key, Memory, Object, Request};
use crate::Faults;

/// Changes committed with one fsync at most.
const GROUP: usize = 512;

pub(super) struct Writer {
    pub(super) disk: Option<Disk>,
    pub(super) faults: Option<Faults>,
    pub(super) failures: Arc<AtomicU64>,
    pub(super) followers: Arc<Followers>,
    pub(super) memory: Arc<RwLock<Memory>>,
    pub(super) announce: watch::Sender<u64>,
    pub(super) queue: mpsc::Receiver<Request>,
}

/// A change that holds, waiting for its group to reach the disk.
struct Accepted {
    key: Key,
    object: Arc<Object>,
    removed: bool,
    answer: oneshot::Sender<Result<Arc<Object>, CommitError>>,
}

impl Writer {
    /// Runs until every sender is gone.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let mut requests = vec![first];
            while requests.len() < GROUP
                && let Ok(next) = self.queue.try_recv()
            {
                requests.push(next);
            }
            self.group(requests);
        }
    }

    fn group(&mut self, requests: Vec<Request>) {
        let accepted = self.accept(requests);
        let Some(last) = accepted.last() else { return };
        let revision = last.object.revision;
        if let Err(error) = self.keep(&accepted, revision) {
            tracing::warn!(%error, "a write failed");
            self.failures.fetch_add(1, Ordering::Release);
            for change in accepted {
                let _ = change.answer.send(Err(CommitError::Disk(error.clone())));
            }
            return;
        }
        let oldest = {
            let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
            for change in &accepted {
                memory.apply(&change.key, Arc::clone(&change.object), change.removed);
            }
            memory.oldest()
        };
        self.announce.send_replace(revision);
        self.followers.leave_behind(oldest);
        for change in accepted {
            // The asker may have gone; the change stands.
            let _ = change.answer.send(Ok(change.object));
        }
    }

    /// Puts a group on the disk.
    fn keep(&mut self, accepted: &[Accepted], revision: u64) -> Result<(), DiskError> {
        let changes = accepted
            .iter()
            .map(|change| (&change.key, (!change.removed).then_some(&*change.object)));
        if let Some(disk) = &mut self.disk {
            let memory = &self.memory;
            let before = |key: &Key| memory.read().unwrap_or_else(PoisonError::into_inner).get(key);
            return disk.commit(changes, revision, before);
        }
        match &self.faults {
            Some(faults) => {
                let bytes = changes.map(|(_, object)| object.map_or(1, |object| object.json.len()));
                faults.spend_all(bytes.sum())
            }
            None => Ok(()),
        }
    }

    /// Checks each change against the state as the ones before it in the group leave it.
    fn accept(&self, requests: Vec<Request>) -> Vec<Accepted> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let mut revision = memory.revision();
        let mut ahead: HashMap<Key, Option<Arc<Object>>> = HashMap::new();
        let mut accepted = Vec::new();
        for Request { change, answer } in requests {
            let find = |key: &Key| ahead.get(key).cloned().unwrap_or_else(|| memory.get(key));
            let current = match check(&change, find) {
                Ok(current) => current,
                Err(error) => {
                    let _ = answer.send(Err(error));
                    continue;
                }
            };
            let removed = change.object.is_none();
            let Some(value) = change
                .object
                .or_else(|| current.map(|object| object.look().into_owned()))
            else {
                let _ = answer.send(Err(CommitError::Missing));
                continue;
            };
            revision += 1;
            let object = Arc::new(Object::new(value, revision));
            ahead.insert(change.key.clone(), (!removed).then(|| Arc::clone(&object)));
            accepted.push(Accepted {
                key: change.key,
                object,
                removed,
                answer,
            });
        }
        accepted
    }
}

fn check(
    change: &Change,
    find: impl Fn(&Key) -> Option<Arc<Object>>,
) -> Result<Option<Arc<Object>>, CommitError> {
    if let Some(guard) = &change.guard {
        let held = find(guard);
        if held.as_ref().is_none_or(|object| object.is_terminating()) {
            return Err(CommitError::Guarded {
                guard: guard.clone(),
                terminating: held.is_some(),
            });
        }
    }
    let current = find(&change.key);
    match (change.expect, &current) {
        (Expect::Absent, Some(_)) => Err(CommitError::Exists),
        (Expect::Revision(_), None) => Err(CommitError::Missing),
        (Expect::Revision(expected), Some(object)) if object.revision != expected => {
            Err(CommitError::Changed)
        }
        _ => Ok(current),
    }
}
