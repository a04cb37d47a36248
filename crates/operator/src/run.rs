//! The controllers: what wakes which reconcile.

use std::sync::Arc;
use std::time::Duration;

use admission::PolicyStore;
use api::{Application, Cache, Database, Environment, GoldenPath, Group, Kind, Team};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::core::ApiResource;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::OperatorError;
use crate::telemetry::Telemetry;
use crate::{application, golden_path, team};

/// After a failure a resource is looked at again this much later.
const RETRY: Duration = Duration::from_secs(5);

/// How long reconciles may take to finish once the operator is told to stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The operator of one cluster.
#[derive(Clone)]
pub struct Operator {
    context: Context,
}

impl Operator {
    /// The operator of the cluster behind `client`.
    pub fn new(client: Client, group: Group, policies: PolicyStore) -> Self {
        Self {
            context: Context::new(client, group, policies),
        }
    }

    /// Counts what it does in these figures.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Telemetry) -> Self {
        self.context.telemetry = telemetry;
        self
    }

    /// Keeps everything true until `stop`. Reconciles that have begun by then are finished, if they are quick.
    pub async fn run(self, stop: CancellationToken) {
        let context = Arc::new(self.context);
        let provision = provision::Context {
            client: context.client.clone(),
            group: context.group.clone(),
            applier: context.applier.clone(),
            busy: context.busy.clone(),
            done: {
                let telemetry = context.telemetry.clone();
                Arc::new(move |kind, took, well| telemetry.count(kind, took, well))
            },
        };
        let busy = context.busy.clone();
        let controllers = async {
            futures::join!(
                provision::run(provision),
                teams(Arc::clone(&context)),
                golden_paths(Arc::clone(&context)),
                follow_golden_paths(Arc::clone(&context)),
                applications(context)
            )
        };
        let stopped = async {
            stop.cancelled().await;
            busy.close();
            tokio::time::timeout(LAST_WORDS, busy.wait()).await
        };
        tokio::select! {
            _ = controllers => {}
            _ = stopped => {}
        }
    }
}

async fn applications(context: Arc<Context>) {
    let group = context.group.clone();
    let client = context.client.clone();
    let resource = group.resource(Kind::Application);
    let managed = watcher::Config::default().labels(&format!("{}=true", group.label_managed()));
    let all: Api<Application> = Api::all_with(client.clone(), &resource);
    let controller = Controller::new_with(all, watcher::Config::default(), resource.clone());
    let everything = controller.store();
    let environments = group.resource(Kind::Environment);
    let databases = group.resource(Kind::Database);
    let caches = group.resource(Kind::Cache);
    let of_environment = {
        let (store, label) = (everything.clone(), group.label_environment());
        move |environment: Environment| {
            let name = environment.name_any();
            select(&store, |application| {
                application.labels().get(&label) == Some(&name)
            })
        }
    };
    let of_namespace = move |namespace: Namespace| {
        let name = namespace.name_any();
        select(&everything, |application| {
            application.namespace().as_ref() == Some(&name)
        })
    };
    let policies = each_change(context.policies.changes());
    let golden_paths = each_change(context.golden_paths.changes());
    controller
        .owns(Api::<Deployment>::all(client.clone()), managed.clone())
        .owns(Api::<StatefulSet>::all(client.clone()), managed.clone())
        .owns(Api::<DaemonSet>::all(client.clone()), managed.clone())
        .owns(Api::<CronJob>::all(client.clone()), managed.clone())
        .watches(
            Api::<Job>::all(client.clone()),
            managed.clone(),
            service_of(&group, &resource),
        )
        .watches(
            Api::<ReplicaSet>::all(client.clone()),
            managed.clone(),
            service_of(&group, &resource),
        )
        .watches(
            Api::<Pod>::all(client.clone()),
            managed,
            service_of(&group, &resource),
        )
        .watches_with(
            Api::<Database>::all_with(client.clone(), &databases),
            databases.clone(),
            watcher::Config::default(),
            service_of(&group, &resource),
        )
        .watches_with(
            Api::<Cache>::all_with(client.clone(), &caches),
            caches.clone(),
            watcher::Config::default(),
            service_of(&group, &resource),
        )
        .watches_with(
            Api::<Environment>::all_with(client.clone(), &environments),
            environments.clone(),
            watcher::Config::default(),
            of_environment,
        )
        .watches(
            Api::<Namespace>::all(client),
            watcher::Config::default(),
            of_namespace,
        )
        .reconcile_all_on(policies)
        .reconcile_all_on(golden_paths)
        .run(
            |application, context| async move {
                let work = application::reconcile(&context, &application);
                let work = context.telemetry.reconcile(Kind::Application, work);
                Box::pin(context.busy.track_future(work)).await
            },
            retry,
            context,
        )
        .for_each(|_| futures::future::ready(()))
        .await;
}

/// One item for each change of what all services are judged or expanded by.
fn each_change(changes: watch::Receiver<u64>) -> impl Stream<Item = ()> + Send + Sync + 'static {
    futures::stream::unfold(changes, |mut changes| async move {
        changes.changed().await.ok()?;
        Some(((), changes))
    })
}

async fn follow_golden_paths(context: Arc<Context>) {
    context.golden_paths.follow(&context).await;
}

async fn golden_paths(context: Arc<Context>) {
    let resource = context.group.resource(Kind::GoldenPath);
    let all: Api<GoldenPath> = Api::all_with(context.client.clone(), &resource);
    // Whether one is the default hangs on the others.
    let others = each_change(context.golden_paths.changes());
    Controller::new_with(all, watcher::Config::default(), resource)
        .reconcile_all_on(others)
        .run(
            |path, context| async move {
                let work = golden_path::reconcile(&context, &path);
                let work = context.telemetry.reconcile(Kind::GoldenPath, work);
                context.busy.track_future(work).await
            },
            retry,
            context,
        )
        .for_each(|_| futures::future::ready(()))
        .await;
}

async fn teams(context: Arc<Context>) {
    let resource = context.group.resource(Kind::Team);
    let all: Api<Team> = Api::all_with(context.client.clone(), &resource);
    let managed = watcher::Config::default().labels(&format!("{}=true", context.group.label_managed()));
    let label = context.group.label_team();
    let to_team = move |namespace: Namespace| {
        let team = namespace.labels().get(&label)?;
        Some(ObjectRef::<Team>::new_with(team, resource.clone()))
    };
    Controller::new_with(
        all,
        watcher::Config::default(),
        context.group.resource(Kind::Team),
    )
    .watches(Api::<Namespace>::all(context.client.clone()), managed, to_team)
    .run(
        |team, context| async move {
            let work = context
                .telemetry
                .reconcile(Kind::Team, team::reconcile(&context, &team));
            context.busy.track_future(work).await
        },
        retry,
        context,
    )
    .for_each(|_| futures::future::ready(()))
    .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the controller's")]
fn retry<K: Resource>(object: Arc<K>, error: &OperatorError, _: Arc<Context>) -> Action {
    tracing::warn!(object = object.name_any(), %error, "will try again");
    Action::requeue(RETRY)
}

/// The known Applications that `fits` picks.
fn select(store: &Store<Application>, fits: impl Fn(&Application) -> bool) -> Vec<ObjectRef<Application>> {
    store
        .state()
        .iter()
        .filter(|application| fits(application))
        .map(|application| reference(application))
        .collect()
}

fn reference(application: &Application) -> ObjectRef<Application> {
    let types = application.types.clone().unwrap_or_default();
    let resource = ApiResource {
        group: types.api_version.split('/').next().unwrap_or_default().to_owned(),
        version: api::VERSION.to_owned(),
        api_version: types.api_version,
        kind: types.kind,
        plural: Kind::Application.plural().to_owned(),
    };
    ObjectRef::from_obj_with(application, resource)
}

/// The service that an object belongs to, by its label.
fn service_of<K: ResourceExt>(
    group: &Group,
    resource: &ApiResource,
) -> impl Fn(K) -> Option<ObjectRef<Application>> + Send + Sync + 'static {
    let (label, resource) = (group.label_service(), resource.clone());
    move |object| {
        let service = object.labels().get(&label)?;
        Some(ObjectRef::new_with(service, resource.clone()).within(&object.namespace()?))
    }
}
