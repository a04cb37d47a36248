//! Carries changes out through the API, one after the other, with the version each was based on.

use futures::stream::{self, StreamExt};
use http::{Method, Request};
use serde_json::{Value, json};

use super::change::{Change, Creation, Note, Target};
use super::kind::Kind;
use super::object::{deleting, list, name, namespace, set, text, uid};
use super::recorder::Recorder;
use super::world::Key;

/// Who writes, in `managedFields`.
const MANAGER: &str = "fieldManager=towpath-sandbox";
/// How many objects are made at the same time.
const ABREAST: usize = 32;

/// What a write did to the world.
#[derive(Debug)]
pub(crate) enum Effect {
    /// An object is now this.
    Now(Kind, Value),
    /// An object is gone: its place and uid.
    Gone(Key, String),
}

/// How far a plan got.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// What happened.
    pub(crate) effects: Vec<Effect>,
    /// What is still to be done.
    pub(crate) rest: Vec<Change>,
    /// Why it ends here.
    pub(crate) trouble: Option<Trouble>,
}

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Somebody was faster; the news is on its way.
    Outdated,
    /// The API refused to make an object.
    NotCreated(String),
    /// Anything else.
    Failed(String),
}

/// Does the first change, or all the creations of one kind that come first together.
pub(crate) async fn advance(
    client: &kube::Client,
    recorder: &Recorder,
    mut changes: Vec<Change>,
) -> Progress {
    let kind = match changes.first() {
        Some(Change::Create(creation)) => creation.kind,
        Some(_) => {
            let first = changes.remove(0);
            return single(client, recorder, first, changes).await;
        }
        None => return Progress::default(),
    };
    let together = changes
        .iter()
        .take(ABREAST)
        .take_while(|change| matches!(change, Change::Create(creation) if creation.kind == kind))
        .count();
    let rest = changes.split_off(together);
    let made: Vec<Result<Value, Trouble>> = stream::iter(changes)
        .map(|change| async move {
            match change {
                Change::Create(creation) => create(client, recorder, *creation).await,
                // Only creations were taken.
                _ => Err(Trouble::Outdated),
            }
        })
        .buffered(ABREAST)
        .collect()
        .await;
    let mut progress = Progress {
        rest,
        ..Progress::default()
    };
    for result in made {
        match result {
            Ok(object) => progress.effects.push(Effect::Now(kind, object)),
            Err(trouble) => progress.trouble = Some(trouble),
        }
    }
    progress
}

async fn single(
    client: &kube::Client,
    recorder: &Recorder,
    change: Change,
    mut rest: Vec<Change>,
) -> Progress {
    let result = match change {
        Change::Note(note) => {
            recorder.tell(note);
            return Progress {
                rest,
                ..Progress::default()
            };
        }
        Change::Create(creation) => {
            let kind = creation.kind;
            create(client, recorder, *creation)
                .await
                .map(|object| Effect::Now(kind, object))
        }
        Change::Update(kind, object) => {
            let path = kind.path_of(namespace(&object), name(&object));
            let done = send(client, Method::PUT, &format!("{path}?{MANAGER}"), &object).await;
            done.map(|done| {
                carry_version(&mut rest, kind, &done);
                Effect::Now(kind, done)
            })
        }
        Change::Status(kind, object) => {
            let path = kind.path_of(namespace(&object), name(&object));
            let done = send(client, Method::PUT, &format!("{path}/status?{MANAGER}"), &object).await;
            done.map(|done| {
                carry_version(&mut rest, kind, &done);
                Effect::Now(kind, done)
            })
        }
        Change::Delete(target) => delete(client, &target).await,
    };
    match result {
        Ok(effect) => Progress {
            effects: vec![effect],
            rest,
            trouble: None,
        },
        Err(trouble) => Progress {
            rest,
            trouble: Some(trouble),
            ..Progress::default()
        },
    }
}

/// Later changes of the same object build on the version that this one made.
fn carry_version(rest: &mut [Change], kind: Kind, done: &Value) {
    let version = text(done, "/metadata/resourceVersion");
    for change in rest {
        if let Change::Update(other, object) | Change::Status(other, object) = change
            && *other == kind
            && name(object) == name(done)
            && namespace(object) == namespace(done)
        {
            set(object, &["metadata", "resourceVersion"], json!(version));
        }
    }
}

async fn create(client: &kube::Client, recorder: &Recorder, creation: Creation) -> Result<Value, Trouble> {
    let Creation {
        kind,
        object,
        done,
        failed,
    } = creation;
    let path = format!("{}?{MANAGER}", kind.path_in(namespace(&object)));
    let result = match request(client, Method::POST, &path, &object).await {
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" && !name(&object).is_empty() => {
            // Made by ourselves a moment ago, or by ourselves before a restart?
            let path = kind.path_of(namespace(&object), name(&object));
            match request(client, Method::GET, &path, &Value::Null).await {
                Ok(present) if same_controller(&present, &object) && !deleting(&present) => {
                    return Ok(present);
                }
                _ => Err(status.message),
            }
        }
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(error) => Err(error.to_string()),
        Ok(made) => Ok(made),
    };
    match result {
        Ok(made) => {
            if let Some(note) = done {
                recorder.tell(filled(note, "{name}", name(&made)));
            }
            Ok(made)
        }
        Err(message) => {
            if let Some(note) = failed {
                recorder.tell(filled(note, "{error}", &message));
            }
            Err(Trouble::NotCreated(message))
        }
    }
}

fn same_controller(present: &Value, wanted: &Value) -> bool {
    let owner = |object| super::object::controller(object).map(|(_, _, uid)| uid.to_owned());
    owner(present) == owner(wanted)
}

fn filled(mut note: Note, place: &str, value: &str) -> Note {
    note.message = note.message.replace(place, value);
    note
}

async fn delete(client: &kube::Client, target: &Target) -> Result<Effect, Trouble> {
    let key = Key::new(target.kind, &target.namespace, &target.name);
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": target.uid},
    });
    if target.now {
        set(&mut options, &["gracePeriodSeconds"], json!(0));
    }
    let path = target.kind.path_of(&target.namespace, &target.name);
    match request(client, Method::DELETE, &path, &options).await {
        Ok(answer) => {
            let stays = text(&answer, "/kind") == target.kind.name()
                && uid(&answer) == target.uid
                && deleting(&answer)
                && (!list(&answer, "/metadata/finalizers").is_empty()
                    || super::object::number(&answer, "/metadata/deletionGracePeriodSeconds")
                        .is_some_and(|seconds| seconds > 0));
            Ok(if stays {
                Effect::Now(target.kind, answer)
            } else {
                Effect::Gone(key, target.uid.clone())
            })
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Effect::Gone(key, target.uid.clone())),
        Err(error) => Err(trouble(error)),
    }
}

async fn send(client: &kube::Client, method: Method, path: &str, object: &Value) -> Result<Value, Trouble> {
    request(client, method, path, object).await.map_err(trouble)
}

fn trouble(error: kube::Error) -> Trouble {
    match error {
        kube::Error::Api(status) if matches!(status.code, 404 | 409) => Trouble::Outdated,
        kube::Error::Api(status) => Trouble::Failed(status.message),
        other => Trouble::Failed(other.to_string()),
    }
}

/// One request with a JSON body.
pub(crate) async fn request(
    client: &kube::Client,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(body).map_err(kube::Error::SerdeError)?
    };
    let content = if method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, content)
        .body(bytes)
        .map_err(kube::Error::HttpError)?;
    client.request(request).await
}
