//! A controller as people write them with kube-rs, for `cargo xtask e2e`, which lets it do the same work on the
//! sandbox and on real Kubernetes: `cargo run -p sandbox --example controller -- identity`.
//!
//! It leads while it holds a lease, by server-side apply. For each Gadget (`e2e/clients/kubectl/definition.yaml`) it
//! keeps a ConfigMap that the Gadget owns, says in the status how many there are, tells events, and has a finalizer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::finalizer::{self, finalizer};
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

type Problem = Box<dyn Error + Send + Sync>;

const NAME: &str = "gadgets";
const FINALIZER: &str = "shop.example.com/gadgets";
/// How long a lease holds, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(15);
const RENEWAL: Duration = Duration::from_millis(500);

struct Context {
    client: Client,
    gadgets: kube::core::ApiResource,
    recorder: Recorder,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Problem> {
    let identity = std::env::args().nth(1).ok_or("who am I? give an identity")?;
    let client = Client::try_default().await?;
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    println!("{identity} stands by");
    let mut turns = tokio::time::interval(RENEWAL);
    while !held(&leases, &identity).await {
        turns.tick().await;
    }
    println!("{identity} leads");
    tokio::select! {
        () = control(client, &identity) => Ok(()),
        () = keep(&leases, &identity) => Err("the lease is lost".into()),
    }
}

/// Whether the lease is ours now. Whoever applies it owns the field that says who holds it, so a conflict means that
/// somebody else does; it is taken by force when they have not renewed it in time.
async fn held(leases: &Api<Lease>, identity: &str) -> bool {
    let apply = |force: bool| {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME},
            "spec": {
                "holderIdentity": identity,
                "leaseDurationSeconds": LEASE.as_secs(),
                "renewTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            },
        });
        let parameters = PatchParams {
            force,
            ..PatchParams::apply(identity)
        };
        async move {
            leases
                .patch(NAME, &parameters, &Patch::Apply(&lease))
                .await
                .is_ok()
        }
    };
    if apply(false).await {
        return true;
    }
    match leases.get(NAME).await {
        Ok(lease) => {
            let renewed = lease.spec.and_then(|spec| spec.renew_time);
            let over = renewed.is_none_or(|renewed| {
                Timestamp::now().duration_since(renewed.0).as_secs_f64() > LEASE.as_secs_f64()
            });
            over && apply(true).await
        }
        Err(_) => false,
    }
}

/// Renews the lease; returns when that has not worked for as long as it holds.
async fn keep(leases: &Api<Lease>, identity: &str) {
    let mut turns = tokio::time::interval(RENEWAL);
    let mut renewed = tokio::time::Instant::now();
    // An API server that is started anew may be away for longer than the lease; nobody else gets it meanwhile.
    while renewed.elapsed() < 8 * LEASE {
        turns.tick().await;
        if held(leases, identity).await {
            renewed = tokio::time::Instant::now();
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn control(client: Client, identity: &str) {
    let kind = GroupVersionKind::gvk("shop.example.com", "v1", "Gadget");
    let gadgets = kube::core::ApiResource::from_gvk(&kind);
    let reporter = Reporter {
        controller: NAME.to_owned(),
        instance: Some(identity.to_owned()),
    };
    let context = Arc::new(Context {
        client: client.clone(),
        gadgets: gadgets.clone(),
        recorder: Recorder::new(client.clone(), reporter),
    });
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &gadgets);
    Controller::new_with(all, watcher::Config::default(), gadgets)
        .owns(Api::<ConfigMap>::all(client), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(RENEWAL), context)
        .for_each(|done| {
            if let Err(why) = done {
                println!("{why}");
            }
            std::future::ready(())
        })
        .await;
}

async fn reconcile(
    gadget: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, finalizer::Error<Fault>> {
    let namespace = gadget.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &context.gadgets);
    finalizer(&api, FINALIZER, gadget, |event| async {
        match event {
            finalizer::Event::Apply(gadget) => apply(&gadget, &api, &context).await,
            finalizer::Event::Cleanup(gadget) => {
                context.tell(&gadget, "Dismantled", "nothing is left").await?;
                Ok(Action::await_change())
            }
        }
    })
    .await
}

async fn apply(gadget: &DynamicObject, api: &Api<DynamicObject>, context: &Context) -> Result<Action, Fault> {
    let name = gadget.name_any();
    let namespace = gadget.namespace().unwrap_or_default();
    let count = gadget.data["spec"]["count"].as_i64().unwrap_or_default();
    let parts: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
    let owner = gadget.controller_owner_ref(&context.gadgets);
    let part = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"gadget": name}, "ownerReferences": [owner]},
        "data": {"count": count.to_string()},
    });
    let parameters = PatchParams::apply(NAME).force();
    parts.patch(&name, &parameters, &Patch::Apply(&part)).await?;
    if gadget.data["status"]["count"] != count {
        let status = json!({
            "apiVersion": "shop.example.com/v1",
            "kind": "Gadget",
            "status": {"count": count, "ready": true},
        });
        api.patch_status(&name, &parameters, &Patch::Apply(&status))
            .await?;
        context
            .tell(gadget, "Assembled", &format!("there are {count}"))
            .await?;
    }
    Ok(Action::await_change())
}

impl Context {
    async fn tell(&self, gadget: &DynamicObject, reason: &str, note: &str) -> Result<(), Fault> {
        let event = Event {
            type_: EventType::Normal,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        self.recorder
            .publish(&event, &gadget.object_ref(&self.gadgets))
            .await?;
        Ok(())
    }
}

/// What went wrong with the API; it is tried again.
#[derive(Debug)]
struct Fault(kube::Error);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Fault {}

impl From<kube::Error> for Fault {
    fn from(error: kube::Error) -> Self {
        Self(error)
    }
}
