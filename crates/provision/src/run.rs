//! The controllers: one for each kind of claim, woken by the claim, its server, its pods and its volumes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Group, Kind, LABEL_INSTANCE};
use apply::Applier;
use futures::{Future, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::DynamicObject;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use tokio_util::task::TaskTracker;

use crate::claim::reconcile;
use crate::error::ProvisionError;

/// What the controllers work with.
#[derive(Clone)]
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// The platform's API group.
    pub group: Group,
    /// The way in for objects.
    pub applier: Applier,
    /// The reconciles under way: what has begun is finished before the controllers are let go.
    pub busy: TaskTracker,
    /// Hears of each reconcile that has ended.
    pub done: Done,
}

/// Hears which kind of claim was looked at, how long that took, and whether it went well.
pub type Done = Arc<dyn Fn(Kind, Duration, bool) + Send + Sync>;

/// After a failure the claim is looked at again this much later.
const RETRY: Duration = Duration::from_secs(5);

/// Runs the controllers of all claims. It never ends: whoever runs it drops it when [`Context::busy`] is empty.
pub async fn run(context: Context) {
    let context = Arc::new(context);
    futures::join!(
        control(Arc::clone(&context), Kind::Database),
        control(context, Kind::Cache),
    );
}

fn control(context: Arc<Context>, kind: Kind) -> impl Future<Output = ()> {
    let resource = context.group.resource(kind);
    let client = context.client.clone();
    let claims: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let managed = watcher::Config::default().labels(&format!("{}=true", context.group.label_managed()));
    let to_pod = {
        let resource = resource.clone();
        move |pod: Pod| claim_of(&pod, &resource)
    };
    let to_volume = {
        let resource = resource.clone();
        move |volume: PersistentVolumeClaim| claim_of(&volume, &resource)
    };
    let controller = Controller::new_with(claims, watcher::Config::default(), resource.clone())
        .owns(Api::<StatefulSet>::all(client.clone()), managed.clone())
        .watches(Api::<Pod>::all(client.clone()), managed.clone(), to_pod)
        .watches(Api::<PersistentVolumeClaim>::all(client), managed, to_volume);
    controller
        .run(
            move |claim, context| reconcile_one(kind, claim, context),
            retry,
            context,
        )
        .for_each(move |outcome| {
            if let Err(error) = outcome {
                tracing::debug!(%kind, %error, "claim not settled");
            }
            futures::future::ready(())
        })
}

async fn reconcile_one(
    kind: Kind,
    claim: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, ProvisionError> {
    let busy = context.busy.clone();
    let begun = Instant::now();
    let outcome = busy.track_future(reconcile(&context, kind, &claim)).await;
    (context.done)(kind, begun.elapsed(), outcome.is_ok());
    outcome
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the controller's")]
fn retry(claim: Arc<DynamicObject>, error: &ProvisionError, _: Arc<Context>) -> Action {
    tracing::warn!(claim = claim.name_any(), %error, "will try again");
    Action::requeue(RETRY)
}

/// The claim that a pod or a volume belongs to: its server carries the claim's name as its instance.
fn claim_of(
    object: &impl ResourceExt,
    resource: &kube::core::ApiResource,
) -> Option<ObjectRef<DynamicObject>> {
    let instance = object.labels().get(LABEL_INSTANCE)?;
    Some(ObjectRef::new_with(instance, resource.clone()).within(&object.namespace()?))
}
