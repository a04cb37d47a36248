//! The parts that make a cluster move, wired together: life of the sandbox, operator, sync loop.

use std::sync::Arc;
use std::time::Duration;

use admission::{LEFT_OUT, PolicyStore};
use api::Group;
use delivery::sync::Syncer;
use guardrails::Request;
use kube::Client;
use operations::{Nudge, OperationError, Platform};
use operator::Operator;
use sandbox::{Admission, AdmissionRequest, Denial, Sandbox};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the sync loop looks at a repository that nobody tells it about.
const GIT_INTERVAL: Duration = Duration::from_secs(2);

/// Background parts of this process; they stop when this is told to.
pub(crate) struct Engine {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Engine {
    pub(crate) fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Brings a sandbox to life: controllers and simulated nodes.
    pub(crate) fn live(&mut self, client: Client) {
        let stop = self.stop.clone();
        self.tasks.spawn(sandbox::life::run(
            client,
            sandbox::life::LifeOptions::default(),
            stop.cancelled_owned(),
        ));
    }

    /// Starts the operator, judging by `policies`, which follow the cluster's.
    pub(crate) fn operate(&mut self, client: &Client, group: &Group, policies: &PolicyStore) {
        let (stop, store, follower) = (self.stop.clone(), policies.clone(), client.clone());
        self.tasks
            .spawn(async move { store.follow(follower, stop).await });
        let operator = Operator::new(client.clone(), group.clone(), policies.clone());
        self.tasks.spawn(operator.run(self.stop.clone()));
    }

    /// Starts the sync loop from Git into the cluster. Besides what this process tells it, it looks at Git every
    /// so often: anybody may push.
    pub(crate) fn sync(&mut self, platform: &mut Platform) {
        let nudge = Arc::new(Notify::new());
        platform.nudge = Nudge::Here(Arc::clone(&nudge));
        let syncer = Syncer::new(
            platform.repository.clone(),
            platform.client.clone(),
            platform.group().clone(),
        )
        .with_nudge(nudge)
        .with_interval(GIT_INTERVAL);
        self.tasks.spawn(syncer.run(self.stop.clone()));
    }

    /// Stops everything and waits until it has stopped.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The guardrails that ship, until the cluster's own are read.
pub(crate) fn policies() -> Result<PolicyStore, OperationError> {
    PolicyStore::builtin().map_err(|error| OperationError::invalid(error.to_string()))
}

/// The guardrails as the sandbox's admission: what a webhook would be in a real cluster.
pub(crate) struct GuardrailAdmission {
    policies: PolicyStore,
}

impl GuardrailAdmission {
    pub(crate) fn new(policies: PolicyStore) -> Arc<Self> {
        Arc::new(Self { policies })
    }
}

impl Admission for GuardrailAdmission {
    fn name(&self) -> &'static str {
        "guardrails.platform"
    }

    fn review(&self, request: &AdmissionRequest<'_>) -> Result<Option<Value>, Denial> {
        let operation = match request.operation {
            sandbox::Operation::Create => guardrails::Operation::Create,
            sandbox::Operation::Update => guardrails::Operation::Update,
            sandbox::Operation::Delete => return Ok(None),
        };
        if !request.resource.subresource.is_empty() || LEFT_OUT.contains(&request.namespace) {
            return Ok(None);
        }
        let verdicts = self.policies.current().evaluate(&Request {
            old: request.old_object,
            operation,
            namespace_labels: request.namespace_labels,
            ..Request::new(request.object)
        });
        let slash = if request.namespace.is_empty() { "" } else { "/" };
        let object = format!(
            "{}/{}{slash}{}",
            request.resource.kind, request.namespace, request.name
        );
        match admission::refusal(&object, &verdicts) {
            None => Ok(None),
            Some(message) => Err(Denial::forbidden(message)),
        }
    }
}

/// Opens the sandbox's store, with the guardrails as its admission.
pub(crate) fn open_sandbox(
    path: std::path::PathBuf,
    policies: &PolicyStore,
) -> Result<Sandbox, sandbox::OpenError> {
    Sandbox::open(sandbox::Options {
        path: Some(path),
        admission: Some(GuardrailAdmission::new(policies.clone())),
        ..sandbox::Options::default()
    })
}

#[cfg(test)]
mod tests;
