//! The one way the sandbox learns the time and waits for a moment.
//!
//! Everything that depends on time (back-off, deadlines, timestamps) asks a [`Clock`], so that a
//! test can hold the time still and move it by hand. Nothing here knows what the time is used for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

/// The time, and a way to wait for it.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Resolves once [`Clock::now`] has reached `moment`; at once when it already has.
    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()>;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        async move {
            // The wall clock may be set back while we sleep, and a timer may fire a little early.
            loop {
                let left = moment.duration_since(Timestamp::now());
                let Ok(left) = std::time::Duration::try_from(left) else {
                    return;
                };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left).await;
            }
        }
        .boxed()
    }
}

/// A clock that stands still until it is told to [`advance`](ManualClock::advance).
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<ManualState>,
}

#[derive(Debug)]
struct ManualState {
    now: Timestamp,
    sleepers: BTreeMap<Timestamp, Vec<oneshot::Sender<()>>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: Mutex::new(ManualState {
                now,
                sleepers: BTreeMap::new(),
            }),
        }
    }

    /// Moves the time forward and wakes every sleeper whose moment has come. The time stays at the
    /// largest representable moment when `by` would go past it; a negative `by` changes nothing.
    pub fn advance(&self, by: SignedDuration) {
        let due = {
            let mut state = self.state();
            if by.is_negative() {
                return;
            }
            state.now = state.now.checked_add(by).unwrap_or(Timestamp::MAX);
            let now = state.now;
            let mut due = Vec::new();
            while let Some(entry) = state.sleepers.first_entry() {
                if *entry.key() > now {
                    break;
                }
                due.extend(entry.remove());
            }
            due
        };
        for sleeper in due {
            // A sleeper that was dropped needs no waking.
            let _ = sleeper.send(());
        }
    }

    /// The earliest moment somebody sleeps until.
    pub fn next_sleeper(&self) -> Option<Timestamp> {
        let mut state = self.state();
        state.sleepers.retain(|_, sleepers| {
            sleepers.retain(|sleeper| !sleeper.is_closed());
            !sleepers.is_empty()
        });
        state.sleepers.keys().next().copied()
    }

    fn state(&self) -> MutexGuard<'_, ManualState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'static, ()> {
        let mut state = self.state();
        if moment <= state.now {
            return futures::future::ready(()).boxed();
        }
        let (sender, receiver) = oneshot::channel();
        state.sleepers.entry(moment).or_default().push(sender);
        async move {
            // The sender goes away only with the clock itself; then the moment never comes.
            if receiver.await.is_err() {
                futures::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[tokio::test]
    async fn the_system_clock_does_not_wait_for_the_past() {
        SystemClock
            .sleep_until(Timestamp::now() - SignedDuration::from_secs(1))
            .await;
    }

    #[tokio::test]
    async fn the_system_clock_waits_for_the_moment() {
        let moment = Timestamp::now() + SignedDuration::from_millis(3);
        SystemClock.sleep_until(moment).await;
        assert!(Timestamp::now() >= moment);
    }

    #[test]
    fn advancing_wakes_those_whose_moment_has_come_and_nobody_else() {
        let clock = ManualClock::new(at(100));
        let mut soon = clock.sleep_until(at(110));
        let mut later = clock.sleep_until(at(120));
        assert!((&mut soon).now_or_never().is_none());

        clock.advance(SignedDuration::from_secs(9));
        assert!((&mut soon).now_or_never().is_none());
        clock.advance(SignedDuration::from_secs(1));
        assert!((&mut soon).now_or_never().is_some());
        assert!((&mut later).now_or_never().is_none());
        assert_eq!(clock.next_sleeper(), Some(at(120)));

        clock.advance(SignedDuration::from_hours(1));
        assert!(later.now_or_never().is_some());
        assert_eq!(clock.now(), at(110 + 3600));
        assert_eq!(clock.next_sleeper(), None);
    }

    #[test]
    fn a_moment_that_has_passed_needs_no_waiting() {
        let clock = ManualClock::new(at(100));
        assert!(clock.sleep_until(at(100)).now_or_never().is_some());
    }

    #[test]
    fn a_dropped_sleeper_is_forgotten() {
        let clock = ManualClock::new(at(100));
        drop(clock.sleep_until(at(110)));
        assert_eq!(clock.next_sleeper(), None);
    }
}
