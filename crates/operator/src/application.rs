//! The reconcile of an Application, in five named steps: dereference, build, apply, observe, write status.

use std::time::Duration;

use api::{
    Application, ApplicationStatus, Binding, ClaimStatus, Health, Kind, MANAGER_OPERATOR, Phase, Sync,
    condition, set_condition,
};
use apply::{ApplySet, Bounds, Owner, Prune, Tracking};
use expansion::{Expansion, Intent, expand, judge};
use guardrails::Clock;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::core::Object;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use provision::recast;
use serde_json::{Value, json};

use crate::claims;
use crate::context::{Context, Surroundings};
use crate::decided;
use crate::error::OperatorError;
use crate::events;
use crate::workload;

/// A service is looked at again this much later, in case somebody bent it.
const RESYNC: Duration = Duration::from_mins(5);
/// A service that is not well is looked at again this much later even if nothing wakes it.
const BACKSTOP: Duration = Duration::from_secs(30);

/// How a service is, before it is written down.
pub(crate) struct Condition {
    health: Health,
    reason: String,
}

impl Condition {
    pub(crate) fn new(health: Health, reason: impl Into<String>) -> Self {
        Self {
            health,
            reason: reason.into(),
        }
    }
}

/// Makes one Application true and writes its status.
pub(crate) async fn reconcile(context: &Context, application: &Application) -> Result<Action, OperatorError> {
    if application.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let namespace = application.namespace().unwrap_or_default();
    let surroundings = context.surroundings(&namespace).await?;
    let before = application.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let found = keep(context, application, &surroundings, &mut status).await?;
    settle(context, application, &mut status, &found);
    if status != before {
        if !write_status(context, application, &status).await? {
            return Ok(Action::await_change());
        }
        events::tell(context, application, &events::news(&before, &status)).await;
    }
    let well = matches!(found.health, Health::Healthy | Health::Suspended);
    Ok(Action::requeue(if well { RESYNC } else { BACKSTOP }))
}

/// Builds, applies and observes.
async fn keep(
    context: &Context,
    application: &Application,
    surroundings: &Surroundings,
    status: &mut ApplicationStatus,
) -> Result<Condition, OperatorError> {
    let generation = application.metadata.generation;
    let now = jiff::Timestamp::now().to_string();
    let golden_path = match context.golden_paths.resolve(context, application).await? {
        Ok(golden_path) => golden_path,
        Err(why) => return Ok(Condition::new(Health::Degraded, why)),
    };
    let intent = Intent {
        group: &context.group,
        application,
        place: &surroundings.place,
        team: surroundings.team.as_ref(),
        environment: &surroundings.environment,
        capabilities: &surroundings.capabilities,
        golden_path: &golden_path,
    };
    let expansion = match expand(&intent) {
        Ok(expansion) => expansion,
        Err(why) => return Ok(Condition::new(Health::Degraded, why.explained())),
    };
    let judgement = judge(&intent, &expansion, &context.policies.current(), &clock());
    status.golden_path = Some(expansion.golden_path.clone());
    status.image.clone_from(&expansion.image);
    status.url.clone_from(&expansion.url);
    status.replicas = expansion.replicas;
    status.binding = binding(&expansion);
    let refusals: Vec<String> = judgement.refusals().map(decided::by_guardrail).collect();
    let passed = match refusals.first() {
        None => condition(
            "GuardrailsPassed",
            "True",
            "Passed",
            format!("{} rules", judgement.rules),
        ),
        Some(_) => condition("GuardrailsPassed", "False", "Refused", refusals.join("; ")),
    };
    set_condition(&mut status.conditions, passed, generation, &now);
    if let Some(first) = refusals.first() {
        return Ok(Condition::new(
            Health::Degraded,
            format!("a guardrail refuses it: {first}"),
        ));
    }
    if let Some(problem) = put(context, &intent, &expansion, status).await {
        return Ok(Condition::new(Health::Degraded, problem));
    }
    observe(context, application, &expansion, status, &now).await
}

/// Applies the objects and the claims. Says what is in the way, if something is.
///
/// The service's objects are owned by the Application and go with it. Claims are owned by nobody, so that data
/// outlives the service; a claim whose data is not to be kept is owned like the rest.
async fn put(
    context: &Context,
    intent: &Intent<'_>,
    expansion: &Expansion,
    status: &mut ApplicationStatus,
) -> Option<String> {
    let application = intent.application;
    let namespace = &application.namespace().unwrap_or_default();
    let name = application.name_any();
    let annotation = context.group.annotation_tracking();
    let (owned, kept): (Vec<Value>, Vec<Value>) = expansion
        .claims
        .iter()
        .cloned()
        .partition(|claim| claim.pointer("/spec/deletionPolicy") == Some(&json!("Delete")));

    let objects = expansion.objects.iter().cloned().chain(owned).collect();
    let mut service = ApplySet::new(MANAGER_OPERATOR, Tracking::new(&annotation, name), objects);
    service.owner = Some(Owner {
        namespace: namespace.clone(),
        reference: owner_of(context, application),
    });
    service.bounds = Bounds::Namespace(namespace.clone());
    service.inventory = recast(&status.inventory);
    service.prune = Prune::AfterSuccess;
    service.force = true;

    let deployer = match context.deployers.applier(context, namespace).await {
        Ok(deployer) => deployer,
        Err(why) => return Some(why),
    };
    let (claimed, applied) =
        futures::join!(claims::keep(context, application, kept), deployer.apply(&service));
    if applied.problems().next().is_some() {
        context.deployers.forget(namespace);
    }
    status.inventory = recast(&applied.inventory);
    let claimed = match claimed {
        Ok(Some(claimed)) => claimed,
        // What it owns goes with it.
        Ok(None) => return Some("it is being deleted".to_owned()),
        Err(error) => return Some(error.to_string()),
    };
    let first = claimed.problems().chain(applied.problems()).next();
    first.map(|(object, problem)| decided::by_cluster(intent, expansion, object, problem))
}

/// How the service is: suspended, waiting for a claim, or as its workloads are.
async fn observe(
    context: &Context,
    application: &Application,
    expansion: &Expansion,
    status: &mut ApplicationStatus,
    now: &str,
) -> Result<Condition, OperatorError> {
    let namespace = application.namespace().unwrap_or_default();
    let generation = application.metadata.generation;
    let mut waiting: Option<Condition> = None;
    for claim in &expansion.claims {
        let read = |pointer: &str| claim.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, claim_name) = if read("/kind") == "Database" {
            (Kind::Database, read("/metadata/name"))
        } else {
            (Kind::Cache, read("/metadata/name"))
        };
        let state = claim_state(context, &namespace, kind, claim_name).await?;
        let (word, what) = if kind == Kind::Database {
            ("DatabaseReady", "database")
        } else {
            ("CacheReady", "cache")
        };
        let reason = state
            .reason
            .clone()
            .unwrap_or_else(|| "it is being made".to_owned());
        let entry = match state.phase {
            Phase::Ready => condition(word, "True", "Ready", reason.clone()),
            Phase::Pending => condition(word, "False", "Pending", reason.clone()),
            Phase::Failed => condition(word, "False", "Failed", reason.clone()),
        };
        set_condition(&mut status.conditions, entry, generation, now);
        let health = match state.phase {
            Phase::Ready => continue,
            Phase::Pending => Health::Progressing,
            Phase::Failed => Health::Degraded,
        };
        if waiting.as_ref().is_none_or(|w| w.health < health) {
            waiting = Some(Condition::new(
                health,
                format!("{what} {claim_name} is not ready: {reason}"),
            ));
        }
    }

    let workloads = workload::look(context, application, expansion).await?;
    status.ready_replicas = workloads.ready;
    if let Some(why) = expansion.suspended {
        return Ok(Condition::new(Health::Suspended, why));
    }
    Ok(match waiting {
        Some(waiting) => waiting,
        None => workloads.condition(expansion.replicas),
    })
}

async fn claim_state(
    context: &Context,
    namespace: &str,
    kind: Kind,
    name: &str,
) -> Result<ClaimStatus, OperatorError> {
    let resource = context.group.resource(kind);
    let api: Api<Object<Value, ClaimStatus>> =
        Api::namespaced_with(context.client.clone(), namespace, &resource);
    let claim = api
        .get_opt(name)
        .await
        .map_err(OperatorError::cluster(format!("look at {kind} {name}")))?;
    let Some(claim) = claim else {
        return Ok(ClaimStatus::default());
    };
    let status = claim.status.unwrap_or_default();
    // A status that speaks of an older spec says nothing about this one.
    let stale = status.observed_generation != claim.metadata.generation;
    Ok(if stale { ClaimStatus::default() } else { status })
}

/// What follows from the rest of the status.
fn settle(context: &Context, application: &Application, status: &mut ApplicationStatus, found: &Condition) {
    let generation = application.metadata.generation;
    let now = jiff::Timestamp::now().to_string();
    let revision = application
        .annotations()
        .get(&context.group.annotation_revision());
    status.health = Some(found.health);
    status.reason = Some(found.reason.clone());
    status.sync = Some(if revision.is_some() {
        Sync::Synced
    } else {
        Sync::Unknown
    });
    status.revision = revision.cloned();
    status.observed_generation = generation;
    let (ready, reconciling, stalled) = match found.health {
        Health::Healthy => ("True", "False", "False"),
        Health::Progressing | Health::Missing | Health::Unknown => ("False", "True", "False"),
        Health::Degraded => ("False", "False", "True"),
        Health::Suspended => ("False", "False", "False"),
    };
    for (kind, value) in [
        ("Ready", ready),
        ("Reconciling", reconciling),
        ("Stalled", stalled),
    ] {
        let entry = condition(kind, value, found.health.as_str(), found.reason.clone());
        set_condition(&mut status.conditions, entry, generation, &now);
    }
}

/// Writes the status. Says whether the Application was still there to take it.
async fn write_status(
    context: &Context,
    application: &Application,
    status: &ApplicationStatus,
) -> Result<bool, OperatorError> {
    let name = application.name_any();
    let namespace = application.namespace().unwrap_or_default();
    let resource = context.group.resource(Kind::Application);
    let api: Api<Application> = Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let patch = json!({
        "apiVersion": context.group.api_version(),
        "kind": Kind::Application.as_str(),
        "metadata": {"name": name, "uid": application.metadata.uid},
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER_OPERATOR).force();
    match api.patch_status(&name, &parameters, &Patch::Apply(patch)).await {
        Ok(_) => Ok(true),
        // It went away meanwhile, and a namesake took its place at most.
        Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => Ok(false),
        Err(error) => Err(OperatorError::cluster(format!("write the status of {name}"))(
            error,
        )),
    }
}

fn binding(expansion: &Expansion) -> Option<Binding> {
    let named = |kind: &str| {
        let claim = expansion
            .claims
            .iter()
            .find(|c| c.get("kind").and_then(Value::as_str) == Some(kind))?;
        claim
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let binding = Binding {
        database: named("Database"),
        cache: named("Cache"),
    };
    (binding != Binding::default()).then_some(binding)
}

fn owner_of(context: &Context, application: &Application) -> OwnerReference {
    OwnerReference {
        api_version: context.group.api_version(),
        kind: Kind::Application.as_str().to_owned(),
        name: application.name_any(),
        uid: application.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// What time it is, for exceptions that end.
fn clock() -> Clock {
    Clock((jiff::Timestamp::now().as_second(), 0))
}
