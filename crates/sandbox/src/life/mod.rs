//! What makes the sandbox alive: the controllers of a Kubernetes control plane, and simulated nodes
//! whose pods run at once, or fail when asked to.
//!
//! A program on `kube::Client` and nothing else: it does not know whether the API is in this process.
//! All state is in the API, so it can stop and start again at any moment; time comes from the
//! [`Clock`] alone.
//!
//! Each controller is a pure function from what it is shown of the world to a plan of changes, in a
//! file of its own: [`deployment`], [`replicaset`], [`statefulset`], [`daemonset`], [`job`], [`cronjob`],
//! [`autoscaler`], [`disruption`], [`claim`], [`endpoints`], [`scheduler`], [`kubelet`], [`seed`].
//! [`driver`] follows the API through `watch`, keeps the `world`,
//! decides by `links` who has to look again, and carries plans out through `write` and `recorder`.
//!
//! What users can ask of it by annotations is described in `docs/sandbox.md`.

mod autoscaler;
mod change;
mod claim;
mod cronjob;
mod daemonset;
mod deployment;
mod disruption;
mod driver;
mod endpoints;
mod job;
mod kind;
mod kubelet;
mod links;
mod object;
mod recorder;
mod refusal;
mod replicaset;
mod revisions;
mod scheduler;
mod seed;
mod selector;
mod statefulset;
mod template_hash;
#[cfg(test)]
mod told;
mod watch;
mod world;
mod write;

use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
pub(crate) use selector::chooses;

/// The annotation on everything that is only simulated; its value is `true`.
pub const SIMULATED: &str = "sandbox.towpath.dev/simulated";

/// How the sandbox lives.
#[derive(Clone)]
pub struct LifeOptions {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How many simulated nodes there are at least, up to 100.
    pub nodes: usize,
    /// How many pods there may be; controllers make no more.
    pub max_pods: usize,
}

impl Default for LifeOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            nodes: 1,
            max_pods: 5000,
        }
    }
}

impl fmt::Debug for LifeOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LifeOptions")
            .field("nodes", &self.nodes)
            .field("max_pods", &self.max_pods)
            .finish_non_exhaustive()
    }
}

/// Lives until `shutdown` resolves, then finishes the writes under way, events included, and returns.
///
/// Trouble with the API is logged and tried again; it never ends this. Must be polled on a Tokio
/// runtime, by one task of one process at a time.
pub async fn run(client: kube::Client, options: LifeOptions, shutdown: impl Future<Output = ()>) {
    driver::run(client, options, shutdown).await;
}
