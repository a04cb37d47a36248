//! The recent past, for watches: a bounded ring of committed changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Collection, Key, Object};

/// Kept at least, whatever their size.
const FEWEST: usize = 16;
/// Kept at most.
const MOST: usize = 8192;
/// JSON bytes of what is no longer the present state, kept at most beyond [`FEWEST`] events.
const BYTES: usize = 2 << 20;

/// What was at the places of one collection, as namespace and name, at an earlier revision.
pub(super) type Past<'a> = BTreeMap<(&'a str, &'a str), Option<&'a Arc<Object>>>;

/// One committed change.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) key: Key,
    /// The new state; for a removal the last one, with the resource version of the removal.
    pub(crate) object: Arc<Object>,
    /// The state before, `None` for a new object.
    pub(crate) previous: Option<Arc<Object>>,
    pub(crate) removed: bool,
}

impl Event {
    /// The bytes that are held for its sake at most: those of the state before, which nobody else holds, and of the last
    /// state of a removed object. A new object is counted too, so that the past is as long for those who only add.
    fn bytes(&self) -> usize {
        let (now, before) = (
            self.object.json.len(),
            self.previous.as_ref().map_or(0, |previous| previous.json.len()),
        );
        if self.removed {
            now + before
        } else {
            now.max(before)
        }
    }
}

/// The revision asked for lies before what the ring still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) oldest: u64,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Everything after this revision is held.
    floor: u64,
}

impl Ring {
    pub(super) fn new(floor: u64) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            floor,
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.bytes += event.bytes();
        self.events.push_back(Arc::new(event));
        while self.events.len() > MOST || (self.bytes > BYTES && self.events.len() > FEWEST) {
            if let Some(gone) = self.events.pop_front() {
                self.bytes -= gone.bytes();
                self.floor = gone.object.revision;
            }
        }
    }

    /// Lets go of the values of events before a revision.
    pub(super) fn sweep(&mut self, since: u64) {
        for event in &mut self.events {
            if event.object.revision >= since {
                break;
            }
            let object = event.object.let_go();
            let previous = event.previous.as_ref().and_then(|previous| previous.let_go());
            if object.is_some() || previous.is_some() {
                *event = Arc::new(Event {
                    key: event.key.clone(),
                    object: object.unwrap_or_else(|| Arc::clone(&event.object)),
                    previous: previous.or_else(|| event.previous.clone()),
                    removed: event.removed,
                });
            }
        }
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// The changes after `revision`, oldest first.
    pub(super) fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Arc<Event>>, Expired> {
        if revision < self.floor {
            return Err(Expired { oldest: self.floor });
        }
        let start = self
            .events
            .partition_point(|event| event.object.revision <= revision);
        Ok(self.events.range(start..))
    }

    /// What was at a revision, where it differs from what is now.
    pub(super) fn past(&self, collection: &Collection, revision: u64) -> Result<Past<'_>, Expired> {
        let mut past = Past::new();
        for event in self.since(revision)? {
            let key = &event.key;
            if key.collection == *collection {
                let place = (key.namespace.as_str(), key.name.as_str());
                past.entry(place).or_insert(event.previous.as_ref());
            }
        }
        Ok(past)
    }
}
