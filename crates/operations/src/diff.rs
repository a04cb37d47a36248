//! `service diff`: what the cluster would get from Git that it does not have.
//!
//! Git's side is expanded here, as the operator does it, and tried in the cluster by a dry run of the same
//! server-side apply: so defaults are the cluster's own, and what others own of an object is no difference.
//! Values of Secrets leave this module in no form.

mod compare;
mod mask;

use std::cell::OnceCell;
use std::collections::HashSet;

use api::{Application, Kind, MANAGER_OPERATOR, MANAGER_SYNC};
use apply::{InventoryItem, Kinds, ObjectId, Problem, Tracking, pointer};
use expansion::Provenance;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use crate::catalog::{Catalog, ServiceFile};
use crate::error::OperationError;
use crate::platform::Platform;

pub use compare::FieldChange;

/// What differs between Git and the cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceDiff {
    /// The service.
    pub name: String,
    /// `team/environment`.
    pub place: String,
    /// How many objects Git asks for, the Application among them.
    pub objects: usize,
    /// The objects that differ.
    pub changes: Vec<ObjectChange>,
    /// The objects that the cluster would not take.
    pub problems: Vec<ObjectProblem>,
    /// Whether its pods are simulated.
    pub simulated: bool,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What would happen to it.
    pub action: Action,
    /// The fields that would change, and what decides them; empty unless it is changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The difference as a unified diff.
    pub diff: String,
}

/// What would happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It would be made.
    Add,
    /// It would be changed.
    Change,
    /// It would be removed.
    Remove,
}

/// An object that the cluster would not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectProblem {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the cluster says.
    pub reason: String,
    /// The field of the object that it speaks of, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The field of the intent that decides that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl ServiceDiff {
    /// Whether nothing would happen.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.problems.is_empty()
    }
}

/// Compares a service as Git has it with the cluster.
pub async fn diff_service(
    platform: &Platform,
    name: &str,
    team: Option<&str>,
    environment: Option<&str>,
) -> Result<ServiceDiff, OperationError> {
    let (catalog, _) = Catalog::read(&platform.repository, &platform.settings)?;
    let service = catalog.find(name, team, environment)?;
    let (expansion, inputs) = catalog.expand(&service)?;
    let intent = inputs.intent(catalog.group(), &service.application, &service.place);
    let trial = Trial {
        platform,
        kinds: Kinds::new(platform.client.clone()),
    };
    let mut found = ServiceDiff {
        name: name.to_owned(),
        place: service.place.describe(),
        objects: 1 + expansion.objects.len() + expansion.claims.len(),
        changes: Vec::new(),
        problems: Vec::new(),
        simulated: platform.simulated().await?,
    };
    let live = live_application(platform, &service).await?;
    trial.application(&service, live.as_ref(), &mut found).await?;

    let mut wanted = HashSet::new();
    // It costs a render a field, so it is asked once there is something to explain.
    let provenance = OnceCell::new();
    for object in expansion.claims.iter().chain(&expansion.objects) {
        let id = ObjectId::of(object);
        let made = trial.decorate(object, &service, live.as_ref());
        let decides = |path: &str| {
            let provenance = provenance.get_or_init(|| Provenance::of(&intent));
            let origin = provenance.origin(&id.kind, &id.name, path);
            origin.map(|origin| origin.field.clone())
        };
        match trial.object(&id, &made).await? {
            Compared::Same => {}
            Compared::Differs(mut change) => {
                for field in &mut change.fields {
                    field.field = decides(&field.path);
                }
                found.changes.push(*change);
            }
            Compared::Refused(mut problem) => {
                problem.field = problem.path.as_deref().and_then(decides);
                found.problems.push(problem);
            }
        }
        wanted.insert((id.group, id.kind, id.name));
    }
    let inventory = live.and_then(|live| live.status).unwrap_or_default().inventory;
    for item in inventory {
        let Ok(item) = serde_json::from_value::<InventoryItem>(json!(item)) else {
            continue;
        };
        let id = item.id();
        if !wanted.contains(&(id.group.clone(), id.kind.clone(), id.name.clone())) {
            found.changes.extend(trial.leftover(&id, name).await?);
        }
    }
    Ok(found)
}

async fn live_application(
    platform: &Platform,
    service: &ServiceFile,
) -> Result<Option<Application>, OperationError> {
    let name = service.application.metadata.name.as_deref().unwrap_or_default();
    let resource = platform.group().resource(Kind::Application);
    let api: Api<Application> =
        Api::namespaced_with(platform.client.clone(), &service.place.namespace, &resource);
    match api.get_opt(name).await {
        Ok(found) => Ok(found),
        // A cluster that does not know the kind has no object of it.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(OperationError::cluster(format!("look at Application {name}"))(
            error,
        )),
    }
}

/// Tries things in the cluster without doing them.
struct Trial<'a> {
    platform: &'a Platform,
    kinds: Kinds,
}

/// What a trial came to.
enum Tried {
    /// The cluster would have this.
    Would(Value),
    /// The cluster would not take it.
    Refused(Problem),
}

/// One object of Git's beside the cluster's.
enum Compared {
    Same,
    Differs(Box<ObjectChange>),
    Refused(ObjectProblem),
}

impl Trial<'_> {
    /// The Application itself: its spec, which is all that Git says of it.
    async fn application(
        &self,
        service: &ServiceFile,
        live: Option<&Application>,
        found: &mut ServiceDiff,
    ) -> Result<(), OperationError> {
        let id = ObjectId {
            group: self.platform.group().as_str().to_owned(),
            version: api::VERSION.to_owned(),
            kind: Kind::Application.as_str().to_owned(),
            namespace: Some(service.place.namespace.clone()),
            name: found.name.clone(),
        };
        let spec = |value: &Value| json!({"spec": value.get("spec").cloned().unwrap_or_default()});
        let made = json!({
            "apiVersion": id.api_version(),
            "kind": id.kind,
            "metadata": {"name": id.name, "namespace": id.namespace},
            "spec": service.application.spec,
        });
        let Some(live) = live else {
            found.changes.push(compare::added(&id, &spec(&made)));
            return Ok(());
        };
        let resource = self.platform.group().resource(Kind::Application);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.platform.client.clone(), &service.place.namespace, &resource);
        match try_out(&api, &id, &made, MANAGER_SYNC).await? {
            Tried::Would(after) => {
                let change = compare::changed(&id, &spec(&json!(live)), &spec(&after));
                found.changes.extend(change.map(|mut change| {
                    for field in &mut change.fields {
                        field.field = Some(compare::words(&field.path));
                    }
                    change
                }));
            }
            Tried::Refused(why) => {
                let mut refused = refused(&id, &why, &made);
                refused.field = refused.path.as_deref().map(compare::words);
                found.problems.push(refused);
            }
        }
        Ok(())
    }

    /// An object as the operator applies it: marked, and owned by the Application unless it is a claim that stays.
    fn decorate(&self, object: &Value, service: &ServiceFile, live: Option<&Application>) -> Value {
        let name = service.application.metadata.name.as_deref().unwrap_or_default();
        let claim = object.get("apiVersion").and_then(Value::as_str)
            == Some(self.platform.group().api_version().as_str());
        let stays = claim && object.pointer("/spec/deletionPolicy") != Some(&json!("Delete"));
        let owner = if stays {
            format!("{name}-data")
        } else {
            name.to_owned()
        };
        let tracking = Tracking::new(self.platform.group().annotation_tracking(), owner);
        let mut made = object.clone();
        tracking.mark(&mut made, &ObjectId::of(object));
        if let (false, Some(uid)) = (stays, live.and_then(|live| live.metadata.uid.as_ref())) {
            made["metadata"]["ownerReferences"] = json!([{
                "apiVersion": self.platform.group().api_version(),
                "kind": Kind::Application.as_str(),
                "name": name,
                "uid": uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }]);
        }
        made
    }

    /// What would happen to one object.
    async fn object(&self, id: &ObjectId, made: &Value) -> Result<Compared, OperationError> {
        let Some(api) = self.api(id).await? else {
            let unknown = Problem::UnknownKind {
                api_version: id.api_version(),
                kind: id.kind.clone(),
            };
            return Ok(Compared::Refused(refused(id, &unknown, made)));
        };
        let Some(live) = get(&api, id).await? else {
            let added = compare::added(id, &self.shown(made));
            return Ok(Compared::Differs(Box::new(added)));
        };
        Ok(match try_out(&api, id, made, MANAGER_OPERATOR).await? {
            Tried::Would(after) => match compare::changed(id, &self.shown(&live), &self.shown(&after)) {
                Some(change) => Compared::Differs(Box::new(change)),
                None => Compared::Same,
            },
            Tried::Refused(why) => Compared::Refused(refused(id, &why, made)),
        })
    }

    /// An object of the inventory that Git does not ask for any more.
    async fn leftover(&self, id: &ObjectId, service: &str) -> Result<Option<ObjectChange>, OperationError> {
        let Some(api) = self.api(id).await? else {
            return Ok(None);
        };
        let annotation = self.platform.group().annotation_tracking();
        let mark = Tracking::new(&annotation, service).value(id);
        let ours = |live: &Value| {
            let marked = live["metadata"]["annotations"]
                .get(&annotation)
                .and_then(Value::as_str);
            marked == Some(mark.as_str())
        };
        let live = get(&api, id).await?.filter(ours);
        Ok(live.map(|live| compare::removed(id, &self.shown(&live))))
    }

    async fn api(&self, id: &ObjectId) -> Result<Option<Api<DynamicObject>>, OperationError> {
        let kind = self
            .kinds
            .find(&id.api_version(), &id.kind)
            .await
            .map_err(OperationError::cluster(format!("look for the kind {}", id.kind)))?;
        let client = self.platform.client.clone();
        Ok(kind.map(|kind| match &id.namespace {
            Some(namespace) if kind.namespaced => Api::namespaced_with(client, namespace, &kind.resource),
            _ => Api::all_with(client, &kind.resource),
        }))
    }

    /// What of an object is anybody's business: neither what the server keeps in it nor the platform's marks.
    fn shown(&self, object: &Value) -> Value {
        compare::plain(object, &self.platform.group().annotation_tracking())
    }
}

fn refused(id: &ObjectId, why: &Problem, made: &Value) -> ObjectProblem {
    ObjectProblem {
        kind: id.kind.clone(),
        name: id.name.clone(),
        reason: why.to_string(),
        path: why.fields().first().map(|field| pointer(field, made)),
        field: None,
    }
}

async fn get(api: &Api<DynamicObject>, id: &ObjectId) -> Result<Option<Value>, OperationError> {
    let doing = format!("look at {} {}", id.kind, id.name);
    let found = api
        .get_opt(&id.name)
        .await
        .map_err(OperationError::cluster(doing))?;
    Ok(found.map(|object| json!(object)))
}

/// What the cluster would make of an apply.
async fn try_out(
    api: &Api<DynamicObject>,
    id: &ObjectId,
    made: &Value,
    manager: &str,
) -> Result<Tried, OperationError> {
    let parameters = PatchParams {
        dry_run: true,
        ..PatchParams::apply(manager).force()
    };
    match api.patch(&id.name, &parameters, &Patch::Apply(made)).await {
        Ok(after) => Ok(Tried::Would(json!(after))),
        Err(kube::Error::Api(status)) if status.code == 403 && !by_admission(&status.message) => {
            Err(OperationError::NotAllowed {
                message: format!(
                    "you may not try a change of {} {} in the cluster: {}",
                    id.kind, id.name, status.message
                ),
                hint: "a dry run needs the right to patch; platform service render shows what Git asks for"
                    .to_owned(),
            })
        }
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 409 | 422) => {
            Ok(Tried::Refused(Problem::from_client(kube::Error::Api(status))))
        }
        Err(error) => {
            let doing = format!("try a change of {} {}", id.kind, id.name);
            Err(OperationError::cluster(doing)(error))
        }
    }
}

/// Whether it was an admission that said no, and not a missing right.
fn by_admission(message: &str) -> bool {
    message.contains("admission") || message.contains("denied the request")
}
