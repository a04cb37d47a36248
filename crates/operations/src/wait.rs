//! Waiting for the cluster by watching it, until something is so, time is up, or the person stops it.

use std::fmt::Debug;
use std::future::{Future, pending};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::OperationError;
use crate::platform::Platform;

/// Until when to wait, and what ends it early.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    deadline: Instant,
    limit: Duration,
    cancel: CancellationToken,
}

/// How a wait ended without what it waited for.
#[derive(Debug)]
pub(crate) enum Impatience {
    /// Time is up.
    TimeUp(Duration),
    /// The person stopped it.
    Cancelled,
    /// The watch ended, which it never should.
    Ended,
}

impl Patience {
    /// Waits no longer than `limit` from now, in all.
    pub(crate) fn new(limit: Duration, cancel: CancellationToken) -> Self {
        Self {
            deadline: Instant::now() + limit,
            limit,
            cancel,
        }
    }

    /// The same patience, but for no longer than `limit` from now.
    pub(crate) fn at_most(&self, limit: Duration) -> Self {
        let deadline = self.deadline.min(Instant::now() + limit);
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// An error once the person has stopped the run.
    pub(crate) fn check(&self) -> Result<(), OperationError> {
        if self.cancel.is_cancelled() {
            Err(OperationError::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Watches one object until `decide` says what came of it. It sees the object at each change, `None` while
    /// there is none.
    pub(crate) async fn watch<K, T>(
        &self,
        api: Api<K>,
        name: &str,
        mut decide: impl FnMut(Option<&K>) -> Option<T>,
    ) -> Result<T, Impatience>
    where
        K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut seen = false;
        let watching = async {
            loop {
                // An unreachable cluster is tried again, with growing pauses, for as long as there is patience.
                let event = match events.try_next().await {
                    Ok(Some(event)) => event,
                    Ok(None) => return None,
                    Err(error) => {
                        tracing::debug!(%error, "watch interrupted");
                        continue;
                    }
                };
                let outcome = match event {
                    watcher::Event::Init => {
                        seen = false;
                        None
                    }
                    watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                        seen = true;
                        decide(Some(&object))
                    }
                    watcher::Event::InitDone if !seen => decide(None),
                    watcher::Event::InitDone => None,
                    watcher::Event::Delete(_) => decide(None),
                };
                if outcome.is_some() {
                    return outcome;
                }
            }
        };
        tokio::select! {
            outcome = watching => outcome.ok_or(Impatience::Ended),
            () = tokio::time::sleep_until(self.deadline) => Err(Impatience::TimeUp(self.limit)),
            () = self.cancel.cancelled() => Err(Impatience::Cancelled),
        }
    }
}

/// How often a sandbox is asked whether it still takes writes.
const PROBE: Duration = Duration::from_secs(2);

/// Does `work`, which waits for the cluster, unless the sandbox can no longer write anything down: its disk may be
/// full, or the process that serves it gone. Its controllers would only try again, and nobody would say why.
pub(crate) async fn unless_stuck<T>(
    platform: &Platform,
    work: impl Future<Output = Result<T, OperationError>>,
) -> Result<T, OperationError> {
    let stuck = async {
        if !platform.is_embedded() {
            // A real cluster says so in its own ways.
            return pending().await;
        }
        loop {
            tokio::time::sleep(PROBE).await;
            let now = jiff::Timestamp::now();
            let written = delivery::sync::request_sync(&platform.client, platform.group(), now).await;
            if let Err(error) = written {
                return OperationError::cluster("write to the sandbox")(error);
            }
        }
    };
    tokio::select! {
        outcome = work => outcome,
        error = stuck => Err(error),
    }
}

impl Impatience {
    /// The error that says it: `what` was waited for, `state` is how far it is, `hint` how to look at it.
    pub(crate) fn explain(self, what: &str, state: String, hint: String) -> OperationError {
        match self {
            Self::TimeUp(limit) => OperationError::TimedOut {
                what: what.to_owned(),
                seconds: limit.as_secs(),
                state,
                hint,
            },
            Self::Cancelled => OperationError::Interrupted,
            Self::Ended => OperationError::Stopped("the watch on the cluster"),
        }
    }
}
