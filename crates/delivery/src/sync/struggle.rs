//! How soon to heal an object again that somebody keeps changing: at once a few times, then more and more
//! slowly, so that two writers do not chase each other at full speed. The time is passed in.

use std::collections::BTreeMap;
use std::time::Duration;

use apply::ObjectId;
use tokio::time::Instant;

use super::patience;

/// How often an object is healed at once before the loop takes its time.
const FREE: u32 = 3;
/// After this long without healing an object, its past is forgotten.
const QUIET: Duration = Duration::from_mins(1);

/// How often each object had to be healed lately, and when last.
#[derive(Debug, Default)]
pub(super) struct Struggles(BTreeMap<ObjectId, (u32, Instant)>);

impl Struggles {
    /// Notes that an object needs healing, and says how long to wait before.
    pub(super) fn note(&mut self, id: ObjectId, now: Instant) -> Duration {
        self.0.retain(|_, (_, last)| now.duration_since(*last) < QUIET);
        let (count, last) = self.0.entry(id).or_insert((0, now));
        *count = count.saturating_add(1);
        *last = now;
        match count.saturating_sub(FREE) {
            0 => Duration::ZERO,
            more => patience(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ObjectId {
        ObjectId {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: None,
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_quarrel_slows_down_and_is_forgotten() {
        let mut struggles = Struggles::default();
        let start = Instant::now();
        let waits: Vec<u64> = (0..12)
            .map(|second| {
                struggles
                    .note(id("a"), start + Duration::from_secs(second))
                    .as_secs()
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        assert_eq!(struggles.note(id("b"), start), Duration::ZERO);
        assert_eq!(
            struggles.note(id("a"), start + Duration::from_secs(100)),
            Duration::ZERO
        );
    }
}
