//! Who follows the changes, and who has fallen so far behind that the changes it waits for are forgotten.
//!
//! A follower that takes what it is given finds that out by itself. One whose client has stopped reading takes nothing any
//! more: it is cut off from here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::Notify;

/// How many changes beyond those that are forgotten a follower may lag: two groups of changes, so that none is cut off that
/// had no chance to look.
const SLACK: u64 = 1024;

/// Ends whatever a follower's changes are written to.
pub(crate) type Cut = Arc<Notify>;

/// Somebody who follows the changes.
#[derive(Debug)]
pub(crate) struct Follower {
    /// The revision it has come to.
    at: AtomicU64,
    cut: OnceLock<Cut>,
}

impl Follower {
    /// It has taken everything up to this revision.
    pub(crate) fn reached(&self, revision: u64) {
        self.at.store(revision, Ordering::Release);
    }

    /// How it is cut off. Without that it is left alone.
    pub(crate) fn cut_by(&self, cut: Cut) {
        // Whoever comes second changes nothing.
        let _ = self.cut.set(cut);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Followers(Mutex<Vec<Weak<Follower>>>);

impl Followers {
    pub(super) fn add(&self, revision: u64) -> Arc<Follower> {
        let follower = Arc::new(Follower {
            at: AtomicU64::new(revision),
            cut: OnceLock::new(),
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&follower));
        follower
    }

    /// Cuts off those who wait for changes long forgotten, now that `oldest` is the first revision to be followed from.
    pub(super) fn leave_behind(&self, oldest: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|follower| {
            let Some(follower) = follower.upgrade() else {
                return false;
            };
            let stuck = follower.at.load(Ordering::Acquire).saturating_add(SLACK) < oldest;
            match follower.cut.get() {
                Some(cut) if stuck => {
                    cut.notify_one();
                    false
                }
                _ => true,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn only_who_stands_still_is_cut_off() {
        let followers = Followers::default();
        let (still, going, alone) = (followers.add(7), followers.add(7), followers.add(7));
        let (cut_still, cut_going) = (Cut::default(), Cut::default());
        still.cut_by(Arc::clone(&cut_still));
        going.cut_by(Arc::clone(&cut_going));
        followers.leave_behind(7 + SLACK);
        assert!(cut_still.notified().now_or_never().is_none());
        going.reached(8);
        followers.leave_behind(8 + SLACK);
        assert!(cut_still.notified().now_or_never().is_some());
        assert!(cut_going.notified().now_or_never().is_none());
        drop((going, alone));
        followers.leave_behind(u64::MAX);
        assert!(followers.0.lock().unwrap().is_empty());
        assert!(cut_going.notified().now_or_never().is_none());
    }
}
