//! The reconcile of one claim: read -> credentials -> expand -> apply -> status.

use std::time::Duration;

use api::{ClaimStatus, Kind, MANAGER_PROVISION, Phase, condition, set_condition};
use apply::health::HealthStatus;
use apply::{ApplySet, Bounds, Owner, Prune, Tracking};
use expansion::{ClaimIntent, expand_claim};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::credentials::{Credentials, ensure};
use crate::error::ProvisionError;
use crate::run::Context;
use crate::workload;

/// A claim that is not ready is looked at again this much later even if nothing wakes it.
const BACKSTOP: Duration = Duration::from_secs(30);

/// What came of looking at a claim.
struct Outcome {
    phase: Phase,
    reason: String,
}

impl Outcome {
    fn new(phase: Phase, reason: impl Into<String>) -> Self {
        Self {
            phase,
            reason: reason.into(),
        }
    }
}

/// Fills one claim and writes its status.
pub(crate) async fn reconcile(
    context: &Context,
    kind: Kind,
    claim: &DynamicObject,
) -> Result<Action, ProvisionError> {
    if claim.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let intent = read(kind, claim)?;
    let before: ClaimStatus = claim
        .data
        .get("status")
        .cloned()
        .map(serde_json::from_value)
        .and_then(Result::ok)
        .unwrap_or_default();
    let mut status = before.clone();
    let outcome = fill(context, claim, &intent, &mut status).await?;
    write_status(context, claim, &intent, &before, status, &outcome).await?;
    Ok(if outcome.phase == Phase::Ready {
        Action::await_change()
    } else {
        Action::requeue(BACKSTOP)
    })
}

fn read(kind: Kind, claim: &DynamicObject) -> Result<ClaimIntent, ProvisionError> {
    let unreadable = |source| ProvisionError::Unreadable {
        name: claim.name_any(),
        source,
    };
    let value = serde_json::to_value(claim).map_err(unreadable)?;
    if kind == Kind::Database {
        serde_json::from_value(value)
            .map(|claim| ClaimIntent::database(&claim))
            .map_err(unreadable)
    } else {
        serde_json::from_value(value)
            .map(|claim| ClaimIntent::cache(&claim))
            .map_err(unreadable)
    }
}

async fn fill(
    context: &Context,
    claim: &DynamicObject,
    intent: &ClaimIntent,
    status: &mut ClaimStatus,
) -> Result<Outcome, ProvisionError> {
    let name = &intent.name;
    let labels = claim.labels();
    let mut intent = intent.clone();
    intent.team = labels.get(&context.group.label_team()).cloned();
    intent.environment = labels.get(&context.group.label_environment()).cloned();
    let golden_path = match expansion::builtin::golden_path(intent.golden_path()) {
        Ok(path) => path,
        Err(error) => return Ok(Outcome::new(Phase::Failed, error.to_string())),
    };
    let objects = match expand_claim(&context.group, &intent, &golden_path) {
        Ok(objects) => objects,
        Err(error) => return Ok(Outcome::new(Phase::Failed, error.to_string())),
    };
    let owner = owner_of(claim);
    let credentials = ensure(
        &context.client,
        &context.group,
        &intent,
        &owner,
        status.binding.is_some(),
    )
    .await?;
    match credentials {
        Credentials::Present | Credentials::Made => {}
        Credentials::Unwanted => return Ok(Outcome::new(Phase::Pending, "it is being deleted")),
        Credentials::Lost { data } => {
            return Ok(Outcome::new(
                Phase::Failed,
                format!(
                    "its credentials are gone: Secret {name} does not exist, but its data does ({data}); restore the Secret"
                ),
            ));
        }
    }
    status.binding = Some(api::BindingReference { name: name.clone() });
    status.endpoint = Some(format!("{}:{}", intent.host(), intent.port()));
    status.version = Some(intent.version.clone());

    let tracking = Tracking::new(context.group.annotation_tracking(), name.clone());
    let mut set = ApplySet::new(MANAGER_PROVISION, tracking, objects);
    set.owner = Some(Owner {
        namespace: intent.namespace.clone(),
        reference: owner,
    });
    set.bounds = Bounds::Namespace(intent.namespace.clone());
    set.inventory = recast(&status.inventory);
    set.prune = Prune::AfterSuccess;
    set.force = true;
    let applied = context.applier.apply(&set).await;
    status.inventory = recast(&applied.inventory);
    if let Some((object, problem)) = applied.problems().next() {
        return Ok(Outcome::new(
            Phase::Failed,
            format!("{object} cannot be applied: {problem}"),
        ));
    }
    observe(context, &intent).await
}

async fn observe(context: &Context, intent: &ClaimIntent) -> Result<Outcome, ProvisionError> {
    let name = &intent.name;
    let sets: Api<StatefulSet> = Api::namespaced(context.client.clone(), &intent.namespace);
    let looking = || ProvisionError::cluster(format!("look at StatefulSet {name}"));
    let Some(set) = sets.get_opt(name).await.map_err(looking())? else {
        return Ok(Outcome::new(Phase::Pending, "its server is being made"));
    };
    let object = workload::value(&set, "StatefulSet");
    let pods = format!("{}={name}", api::LABEL_INSTANCE);
    let health = workload::observe(
        &context.client,
        &intent.namespace,
        &object,
        &pods,
        "a larger size",
    )
    .await
    .map_err(looking())?;
    Ok(match health.status {
        HealthStatus::Healthy => Outcome::new(Phase::Ready, intent.describe()),
        HealthStatus::Degraded => Outcome::new(Phase::Failed, health.reason),
        _ => Outcome::new(Phase::Pending, health.reason),
    })
}

async fn write_status(
    context: &Context,
    claim: &DynamicObject,
    intent: &ClaimIntent,
    before: &ClaimStatus,
    mut status: ClaimStatus,
    outcome: &Outcome,
) -> Result<(), ProvisionError> {
    let generation = claim.metadata.generation;
    status.phase = outcome.phase;
    status.reason = Some(outcome.reason.clone());
    status.observed_generation = generation;
    let (ready, word) = match outcome.phase {
        Phase::Ready => ("True", "Ready"),
        Phase::Pending => ("False", "Pending"),
        Phase::Failed => ("False", "Failed"),
    };
    let now = jiff::Timestamp::now().to_string();
    let conditions = &mut status.conditions;
    set_condition(
        conditions,
        condition("Ready", ready, word, outcome.reason.clone()),
        generation,
        &now,
    );
    if status == *before {
        return Ok(());
    }
    let resource = context.group.resource(intent.kind);
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &intent.namespace, &resource);
    let patch = json!({
        "apiVersion": context.group.api_version(),
        "kind": intent.kind.as_str(),
        "metadata": {"name": intent.name, "uid": claim.metadata.uid},
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER_PROVISION).force();
    match api
        .patch_status(&intent.name, &parameters, &Patch::Apply(patch))
        .await
    {
        Ok(_) => Ok(()),
        // It went away meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(ProvisionError::cluster(format!(
            "write the status of {}",
            intent.name
        ))(error)),
    }
}

fn owner_of(claim: &DynamicObject) -> OwnerReference {
    let types = claim.types.clone().unwrap_or_default();
    OwnerReference {
        api_version: types.api_version,
        kind: types.kind,
        name: claim.name_any(),
        uid: claim.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Inventories look the same in a status and in the apply engine; both are plain data.
pub fn recast<T: serde::Serialize, U: serde::de::DeserializeOwned>(items: &[T]) -> Vec<U> {
    items
        .iter()
        .filter_map(|item| serde_json::from_value::<U>(json!(item)).ok())
        .collect()
}
