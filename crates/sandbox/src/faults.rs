//! Faults on request: what goes wrong on networks and disks, when a test wants it to.
//!
//! It says what is to happen and to whom; the rooms that it happens in ask it. A sandbox that was opened without it asks
//! nobody.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use crate::Clock;
use crate::security::{Action, On};
use crate::status::ApiError;
use crate::store::DiskError;

/// What goes wrong in a sandbox: a handle that a test keeps and gives to [`crate::Options::faults`]. Its clones are the
/// same handle. Nothing goes wrong until it is asked for, and everything may be changed while the sandbox runs.
///
/// ```
/// use http::StatusCode;
/// use sandbox::{Fault, Faults, Options, Sandbox};
///
/// let faults = Faults::new(7);
/// let sandbox = Sandbox::open(Options { faults: Some(faults.clone()), ..Options::default() })?;
/// // The next two updates of Deployments are answered with 503, and a tenth of all requests.
/// let away = Fault::status(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "away");
/// faults.add(away.clone().on("update", "deployments").times(2));
/// faults.add(away.chance(0.1));
/// // Every watch breaks off, and no write finds room any more.
/// faults.drop_watches();
/// faults.fill_disk(0);
/// // All is well again.
/// faults.clear();
/// faults.free_disk();
/// # Ok::<(), sandbox::OpenError>(())
/// ```
#[derive(Clone)]
pub struct Faults(Arc<State>);

struct State {
    requests: Mutex<Requests>,
    /// Changes when all watches are to break off; whoever holds a receiver is a watch.
    watches: watch::Sender<()>,
    /// How many bytes the disk has room for; `None` is any number.
    room: Mutex<Option<usize>>,
}

struct Requests {
    faults: Vec<Fault>,
    random: StdRng,
    struck: u64,
}

/// Something that happens to requests. Made by [`Fault::status`] or [`Fault::latency`], it happens to every request until
/// it is narrowed down.
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    verb: String,
    resource: String,
    left: Option<u64>,
    chance: f64,
}

#[derive(Clone, Debug)]
enum Effect {
    Refuse(ApiError),
    Wait(SignedDuration),
}

impl Fault {
    /// The request is answered with a `Status` of this code, reason and message, and has no effect.
    pub fn status(code: StatusCode, reason: &str, message: &str) -> Self {
        Self::of(Effect::Refuse(ApiError::new(code, reason, message)))
    }

    /// The request waits for so long by the sandbox's clock. A [`crate::ManualClock`] holds it until it is moved on.
    pub fn latency(time: Duration) -> Self {
        Self::of(Effect::Wait(
            SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX),
        ))
    }

    fn of(effect: Effect) -> Self {
        Self {
            effect,
            verb: String::new(),
            resource: String::new(),
            left: None,
            chance: 1.0,
        }
    }

    /// Only to this verb of this resource: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`; `pods`, `deployments.apps`, `pods/status`. An empty word means any.
    #[must_use]
    pub fn on(mut self, verb: &str, resource: &str) -> Self {
        verb.clone_into(&mut self.verb);
        resource.clone_into(&mut self.resource);
        self
    }

    /// Only so often, then never again.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.left = Some(times);
        self
    }

    /// Only to this part of the requests, from 0 for none to 1 for all, by the chance of the handle's seed.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    fn is_about(&self, action: &Action) -> bool {
        if !self.verb.is_empty() && self.verb != action.verb {
            return false;
        }
        let On::Resource(place) = &action.on else {
            return self.resource.is_empty();
        };
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        self.resource.is_empty()
            || (subresource == place.subresource
                && resource
                    .strip_prefix(place.resource.as_str())
                    .is_some_and(|rest| {
                        rest.is_empty() || rest.strip_prefix('.').is_some_and(|group| group == place.group)
                    }))
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Faults {
    /// Nothing goes wrong yet. The seed decides what happens by chance.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(State {
            requests: Mutex::new(Requests {
                faults: Vec::new(),
                random: StdRng::seed_from_u64(seed),
                struck: 0,
            }),
            watches: watch::Sender::new(()),
            room: Mutex::new(None),
        }))
    }

    /// From now on this happens to requests, beside what does already. Of several answers the first one added is given.
    pub fn add(&self, fault: Fault) {
        self.requests().faults.push(fault);
    }

    /// Nothing happens to requests any more. The disk stays as it is.
    pub fn clear(&self) {
        self.requests().faults.clear();
    }

    /// How often something has gone wrong: with requests, and with writes that found no room.
    pub fn struck(&self) -> u64 {
        self.requests().struck
    }

    /// Breaks off every watch that is open, as a lost connection does, after what it has been told so far.
    pub fn drop_watches(&self) {
        self.0.watches.send_replace(());
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        self.0.watches.receiver_count()
    }

    /// Resolves when no watch is open.
    pub async fn no_watches(&self) {
        self.0.watches.closed().await;
    }

    /// The disk has room for so many more bytes, and what does not fit is cut off. Every write takes some, and none comes
    /// back until [`Faults::free_disk`]. A sandbox that keeps everything in memory counts the bytes of its objects.
    pub fn fill_disk(&self, room: usize) {
        *self.room() = Some(room);
    }

    /// The disk has room again.
    pub fn free_disk(&self) {
        *self.room() = None;
    }

    /// How many of these bytes there is room for; they are taken.
    pub(crate) fn spend(&self, bytes: usize) -> usize {
        let spent = match &mut *self.room() {
            Some(room) => {
                let spent = bytes.min(*room);
                *room -= spent;
                spent
            }
            None => return bytes,
        };
        self.requests().struck += u64::from(spent < bytes);
        spent
    }

    /// Takes room for all of these bytes, or fails.
    pub(crate) fn spend_all(&self, bytes: usize) -> Result<(), DiskError> {
        if self.spend(bytes) < bytes {
            Err(DiskError::Full)
        } else {
            Ok(())
        }
    }

    /// Lets happen to a request what is to happen to it.
    pub(crate) async fn strike(&self, action: &Action, clock: &dyn Clock) -> Result<(), ApiError> {
        let (mut wait, mut refusal) = (SignedDuration::ZERO, None);
        {
            let requests = &mut *self.requests();
            let mut struck = false;
            for fault in &mut requests.faults {
                if fault.left == Some(0) || !fault.is_about(action) {
                    continue;
                }
                if fault.chance < 1.0 && requests.random.random::<f64>() >= fault.chance {
                    continue;
                }
                if let Effect::Refuse(_) = fault.effect
                    && refusal.is_some()
                {
                    continue;
                }
                struck = true;
                fault.left = fault.left.map(|left| left - 1);
                match &fault.effect {
                    Effect::Refuse(error) => refusal = Some(error.clone()),
                    Effect::Wait(time) => wait = wait.saturating_add(*time),
                }
            }
            requests.faults.retain(|fault| fault.left != Some(0));
            requests.struck += u64::from(struck);
        }
        if wait.is_positive() {
            let until = clock.now().checked_add(wait).unwrap_or(jiff::Timestamp::MAX);
            clock.sleep_until(until).await;
        }
        refusal.map_or(Ok(()), Err)
    }

    /// For a watch: changes when it is to break off.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.0.watches.subscribe()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> MutexGuard<'_, Option<usize>> {
        self.0.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Faults")
            .field("requests", &self.requests().faults)
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn a_fault_is_about_what_it_names() {
        let check = |verb: &str, resource: &str, method: &Method, path: &str, expect: bool| {
            let parts: Vec<&str> = path.split('/').collect();
            let action = Action::of(method, &parts, false, None);
            let fault = Fault::latency(Duration::ZERO).on(verb, resource);
            assert_eq!(
                fault.is_about(&action),
                expect,
                "{verb} {resource} and {method} {path}"
            );
        };
        let deployment = "apis/apps/v1/namespaces/a/deployments/web";
        check("", "", &Method::GET, deployment, true);
        check("get", "deployments", &Method::GET, deployment, true);
        check("get", "deployments.apps", &Method::GET, deployment, true);
        check("list", "deployments", &Method::GET, deployment, false);
        check("get", "deployments.extensions", &Method::GET, deployment, false);
        check("get", "deploymentsx", &Method::GET, deployment, false);
        check("get", "pods", &Method::GET, deployment, false);
        let status = "apis/apps/v1/namespaces/a/deployments/web/status";
        check("update", "deployments", &Method::PUT, status, false);
        check("update", "deployments/status", &Method::PUT, status, true);
        check("", "deployments.apps/status", &Method::PUT, status, true);
        check("", "", &Method::GET, "version", true);
        check("", "pods", &Method::GET, "version", false);
    }
}
