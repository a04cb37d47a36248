//! Who leads: of several operators one works, the others stand by, by way of a Lease.
//!
//! ```text
//! acquire -> work, renewing -> the work ends: give up the lease, so that the next one leads at once
//!                           -> a renewal fails for too long, or somebody else has it: end the work, begin anew
//! ```
//!
//! The rules are those of Kubernetes' own components (client-go's leader election): a candidate never compares its
//! clock with another's. It takes a lease over when it has *seen* no renewal for as long as the lease says, by its
//! own clock; a leader stops earlier than that when it cannot renew. Writes carry the version they are based on, so
//! of two that reach for the lease at once one is refused.
//!
//! Knows nothing of what the leader does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Telemetry;

/// The wall clock, for what people read in a Lease; nothing is decided by it.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait for a renewal before they take over, in whole seconds.
    pub lease: Duration,
    /// How long a leader tries to renew before it stops. Shorter than `lease`, by the time its work needs to end.
    pub renew: Duration,
    /// The pause between two tries.
    pub retry: Duration,
}

impl Default for Timing {
    /// As Kubernetes' own components have it.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// A candidate for a lease.
#[derive(Clone)]
pub struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    clock: Clock,
    telemetry: Telemetry,
}

/// What was last seen of the lease, and when, by our own clock.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    version: Option<String>,
    at: Instant,
}

/// What follows from looking at the lease.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// There is none: make it.
    Create,
    /// It is ours: renew it.
    Renew,
    /// Nobody holds it, or its holder is gone: take it.
    Take,
    /// Somebody else leads.
    StandBy,
}

impl Election {
    /// A candidate for the lease `name` in `namespace`. No two candidates may have the same identity.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing: Timing::default(),
            clock: Arc::new(jiff::Timestamp::now),
            telemetry: Telemetry::default(),
        }
    }

    /// With other times.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// With another wall clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Tells these figures who leads.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// Stands for the lease until `stop`, and works while leading. `work` gets a token that ends it: when it is
    /// cancelled, the work must come to its end within `lease` less `renew`.
    pub async fn run<F, W>(&self, stop: CancellationToken, work: F)
    where
        F: Fn(CancellationToken) -> W,
        W: Future<Output = ()>,
    {
        while !stop.is_cancelled() {
            let acquired = tokio::select! {
                since = self.acquire() => since,
                () = stop.cancelled() => return,
            };
            tracing::info!(identity = self.identity, "leading");
            self.telemetry.leads(true);
            let term = stop.child_token();
            let working = work(term.clone());
            tokio::pin!(working);
            let lost = tokio::select! {
                () = &mut working => false,
                () = self.hold(acquired) => true,
            };
            if lost {
                tracing::warn!(identity = self.identity, "not leading any more");
                term.cancel();
                working.await;
            }
            self.telemetry.leads(false);
            if !lost && let Err(error) = self.give_up().await {
                tracing::warn!(%error, "cannot give up the lease; the others wait until it ends");
            }
        }
    }

    /// Returns once the lease is ours, with the time from which on it is.
    async fn acquire(&self) -> Instant {
        let mut seen = None;
        loop {
            let asked = Instant::now();
            match self.attempt(&mut seen).await {
                Ok(true) => return asked,
                Ok(false) => self.telemetry.reaches(),
                Err(error) => tracing::warn!(%error, "cannot stand for the lease"),
            }
            tokio::time::sleep(self.timing.retry).await;
        }
    }

    /// Renews the lease, and returns when it is not ours any more or could not be renewed in time.
    async fn hold(&self, acquired: Instant) {
        let mut renewed = acquired;
        let mut seen = None;
        loop {
            tokio::time::sleep(self.timing.retry).await;
            let asked = Instant::now();
            match tokio::time::timeout_at(renewed + self.timing.renew, self.attempt(&mut seen)).await {
                Ok(Ok(true)) => {
                    self.telemetry.reaches();
                    renewed = asked;
                }
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(error)) => tracing::warn!(%error, "cannot renew the lease"),
            }
            if renewed.elapsed() >= self.timing.renew {
                return;
            }
        }
    }

    /// Looks at the lease and takes or renews it where that is right. Says whether it is ours now.
    async fn attempt(&self, seen: &mut Option<Seen>) -> Result<bool, kube::Error> {
        let lease = self.leases.get_opt(&self.name).await?;
        let now = Instant::now();
        look(seen, lease.as_ref(), now);
        let step = decide(lease.as_ref(), seen.as_ref(), &self.identity, now);
        let parameters = PostParams::default();
        let written = match (step, lease) {
            (Step::StandBy, _) => return Ok(false),
            (step, Some(lease)) => {
                let lease = self.held(lease, step == Step::Take);
                self.leases.replace(&self.name, &parameters, &lease).await
            }
            (_, None) => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.name.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: None,
                };
                self.leases.create(&parameters, &self.held(lease, true)).await
            }
        };
        match written {
            Ok(_) => Ok(true),
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The lease as ours.
    fn held(&self, mut lease: Lease, taken: bool) -> Lease {
        let now = MicroTime((self.clock)());
        let before = lease.spec.take().unwrap_or_default();
        let transitions = before.lease_transitions.unwrap_or_default();
        let first = before.acquire_time.is_none();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lease.as_secs()).ok(),
            renew_time: Some(now.clone()),
            acquire_time: if taken { Some(now) } else { before.acquire_time },
            lease_transitions: Some(if taken && !first {
                transitions.saturating_add(1)
            } else {
                transitions
            }),
            ..before
        });
        lease
    }

    /// Says that nobody holds the lease, if it is ours.
    async fn give_up(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            return Ok(());
        };
        let ours = |spec: &LeaseSpec| spec.holder_identity.as_deref() == Some(&self.identity);
        let Some(spec) = lease.spec.as_mut().filter(|spec| ours(spec)) else {
            return Ok(());
        };
        spec.holder_identity = Some(String::new());
        match self
            .leases
            .replace(&self.name, &PostParams::default(), &lease)
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Notes when the lease last changed, by our own clock.
fn look(seen: &mut Option<Seen>, lease: Option<&Lease>, now: Instant) {
    let version = lease.and_then(|lease| lease.metadata.resource_version.clone());
    if seen.as_ref().is_none_or(|seen| seen.version != version) {
        *seen = Some(Seen { version, at: now });
    }
}

/// What to do about a lease. No I/O.
fn decide(lease: Option<&Lease>, seen: Option<&Seen>, identity: &str, now: Instant) -> Step {
    let Some(lease) = lease else { return Step::Create };
    let spec = lease.spec.clone().unwrap_or_default();
    match spec.holder_identity.as_deref() {
        None | Some("") => return Step::Take,
        Some(holder) if holder == identity => return Step::Renew,
        Some(_) => {}
    }
    let length = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let length = Duration::from_secs(length.unwrap_or_default());
    let quiet = seen.is_some_and(|seen| now.duration_since(seen.at) > length);
    if quiet { Step::Take } else { Step::StandBy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::watch;

    fn lease(holder: Option<&str>, version: &str, seconds: Option<i32>) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some("operator".to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: seconds,
                ..LeaseSpec::default()
            }),
        }
    }

    /// What the candidate `me` does, having first seen version `first` and looking again after `later` seconds.
    fn check(first: &str, now: Option<&Lease>, later: u64, expect: &Step) {
        let begun = Instant::now();
        let mut seen = None;
        look(&mut seen, Some(&lease(Some("other"), first, Some(15))), begun);
        let at = begun + Duration::from_secs(later);
        look(&mut seen, now, at);
        assert_eq!(
            &decide(now, seen.as_ref(), "me", at),
            expect,
            "{now:?} after {later} s"
        );
    }

    #[test]
    fn a_lease_is_taken_over_only_when_its_holder_is_silent() {
        check("1", None, 0, &Step::Create);
        check("1", Some(&lease(Some("me"), "1", Some(15))), 1000, &Step::Renew);
        check("1", Some(&lease(None, "1", Some(15))), 0, &Step::Take);
        check("1", Some(&lease(Some(""), "1", Some(15))), 0, &Step::Take);
        check(
            "1",
            Some(&lease(Some("other"), "1", Some(15))),
            15,
            &Step::StandBy,
        );
        check("1", Some(&lease(Some("other"), "1", Some(15))), 16, &Step::Take);
        // It was renewed meanwhile: the time begins anew.
        check(
            "1",
            Some(&lease(Some("other"), "2", Some(15))),
            1000,
            &Step::StandBy,
        );
        // A lease that does not say how long it lasts, or says nonsense, lasts no longer than the next look.
        check("1", Some(&lease(Some("other"), "1", None)), 1, &Step::Take);
        check("1", Some(&lease(Some("other"), "1", Some(-5))), 1, &Step::Take);
    }

    struct World {
        client: Client,
        _sandbox: sandbox::Sandbox,
    }

    fn world() -> World {
        let sandbox = sandbox::Sandbox::open(sandbox::Options::default()).unwrap();
        World {
            client: sandbox.client("default"),
            _sandbox: sandbox,
        }
    }

    impl World {
        /// Starts a candidate; says by the channel whether it works.
        fn candidate(
            &self,
            identity: &str,
        ) -> (
            CancellationToken,
            watch::Receiver<bool>,
            tokio::task::JoinHandle<()>,
        ) {
            let timing = Timing {
                lease: Duration::from_secs(1),
                renew: Duration::from_millis(700),
                retry: Duration::from_millis(20),
            };
            let election =
                Election::new(self.client.clone(), "default", "operator", identity).with_timing(timing);
            let (tell, working) = watch::channel(false);
            let stop = CancellationToken::new();
            let stopped = stop.clone();
            let task = tokio::spawn(async move {
                let work = |term: CancellationToken| {
                    let tell = tell.clone();
                    async move {
                        tell.send_replace(true);
                        term.cancelled().await;
                        tell.send_replace(false);
                    }
                };
                election.run(stopped, work).await;
            });
            (stop, working, task)
        }

        async fn holder(&self) -> Lease {
            let leases: Api<Lease> = Api::namespaced(self.client.clone(), "default");
            leases.get("operator").await.unwrap()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_next_one_leads_at_once_when_the_leader_stops_in_order() {
        let world = world();
        let (stop_first, mut first, ended) = world.candidate("first");
        first.wait_for(|works| *works).await.unwrap();
        let (stop_second, mut second, also) = world.candidate("second");
        stop_first.cancel();
        ended.await.unwrap();
        assert!(!*first.borrow());
        second.wait_for(|works| *works).await.unwrap();
        let spec = world.holder().await.spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("second"));
        assert_eq!(spec.lease_transitions, Some(1));
        stop_second.cancel();
        also.await.unwrap();
        assert_eq!(
            world.holder().await.spec.unwrap().holder_identity.as_deref(),
            Some("")
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_next_one_leads_when_the_leader_is_killed() {
        let world = world();
        let (_, mut first, task) = world.candidate("first");
        first.wait_for(|works| *works).await.unwrap();
        let (stop, mut second, ended) = world.candidate("second");
        let killed = Instant::now();
        task.abort();
        second.wait_for(|works| *works).await.unwrap();
        assert!(
            killed.elapsed() >= Duration::from_millis(900),
            "{:?}",
            killed.elapsed()
        );
        stop.cancel();
        ended.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_leader_whose_lease_was_taken_stops_and_stands_by() {
        let world = world();
        let (stop, mut working, ended) = world.candidate("first");
        working.wait_for(|works| *works).await.unwrap();
        let leases: Api<Lease> = Api::namespaced(world.client.clone(), "default");
        loop {
            let mut lease = world.holder().await;
            lease.spec.as_mut().unwrap().holder_identity = Some("usurper".to_owned());
            // It may have been renewed in between.
            if leases
                .replace("operator", &PostParams::default(), &lease)
                .await
                .is_ok()
            {
                break;
            }
        }
        working.wait_for(|works| !*works).await.unwrap();
        assert_eq!(
            world.holder().await.spec.unwrap().holder_identity.as_deref(),
            Some("usurper")
        );
        // The usurper is silent, so it leads again in time.
        working.wait_for(|works| *works).await.unwrap();
        stop.cancel();
        ended.await.unwrap();
    }
}
