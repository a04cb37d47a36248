//! Requests that are sent when they are due, whether or not earlier ones were answered, and timed from when they were
//! due: a server that stalls cannot slow down who measures it.

use crate::failure::{Failure, Result};
use std::thread;
use std::time::{Duration, Instant};

/// How many requests, how fast, on how many connections.
pub(super) struct Load {
    pub(super) total: u32,
    /// A second.
    pub(super) rate: u32,
    pub(super) connections: u32,
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) errors: u32,
    /// From the shortest to the longest.
    pub(super) times: Vec<Duration>,
}

impl Load {
    /// Sends all; `ask` says whether the answer to a request is the one that is wanted. After an error its connection is
    /// opened anew.
    pub(super) fn run<C>(
        &self,
        open: impl Fn() -> Result<C> + Sync,
        ask: impl Fn(&mut C, u32) -> std::io::Result<bool> + Sync,
    ) -> Result<Told> {
        let begin = Instant::now() + Duration::from_millis(200);
        let (open, ask) = (&open, &ask);
        let told: Vec<Result<Told>> = thread::scope(|scope| {
            let one = |which: u32| {
                scope.spawn(move || {
                    let mut connection = open()?;
                    let mut told = Told::default();
                    for number in (which..self.total).step_by(self.connections as usize) {
                        let due = begin + Duration::from_secs(1) / self.rate * number;
                        // The clock of the offered load: a request goes when it is due, however the others fare.
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        match ask(&mut connection, number) {
                            Ok(true) => {}
                            Ok(false) => told.errors += 1,
                            Err(_) => {
                                told.errors += 1;
                                connection = open()?;
                            }
                        }
                        told.times.push(due.elapsed());
                    }
                    Ok(told)
                })
            };
            let threads: Vec<_> = (0..self.connections).map(one).collect();
            let ended = |_| Err(Failure::new("a connection panicked".to_owned()));
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(ended))
                .collect()
        });
        let mut all = Told::default();
        for told in told {
            let told = told?;
            all.errors += told.errors;
            all.times.extend(told.times);
        }
        all.times.sort_unstable();
        Ok(all)
    }
}

/// The value below which such a share of sorted values lies.
pub(super) fn at<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_request_is_sent_once_and_what_fails_is_counted() {
        let (opened, asked) = (AtomicU32::new(0), AtomicU32::new(0));
        let load = Load {
            total: 100,
            rate: 10_000,
            connections: 3,
        };
        let open = || {
            opened.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let told = load.run(open, |(), number| {
            asked.fetch_add(number, Ordering::Relaxed);
            match number {
                7 => Err(std::io::Error::other("cut off")),
                number => Ok(number != 8),
            }
        });
        let told = told.unwrap();
        assert_eq!((told.errors, told.times.len()), (2, 100));
        assert_eq!(asked.into_inner(), (0..100).sum::<u32>());
        assert_eq!(opened.into_inner(), 4, "one for each and one after the error");
    }

    #[test]
    fn shares_of_sorted_values() {
        let values: Vec<u32> = (0..101).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|share| at(&values, share)),
            [0, 50, 99, 100].map(Some)
        );
        assert_eq!(at::<u32>(&[], 0.5), None);
    }
}
