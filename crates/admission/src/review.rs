//! An AdmissionReview: what is asked, what the guardrails say, what is answered. No I/O of its own.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use guardrails::{
    About, Facts, Mutated, Operation, Outcome, Policies, Request, User, Verdict, builtin_kind, guessed_plural,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::acts::door::{Unhanded, Wanted, wanted};
use crate::cluster::Space;
use crate::configuration::{LEFT_OUT, Side};
use crate::policies::{InForce, Set};
use crate::scope::FailurePolicy;
use crate::words;

/// The one version that is spoken.
const VERSION: &str = "admission.k8s.io/v1";

/// A request as an API server sends it.
#[derive(Debug, Deserialize)]
pub(crate) struct Review {
    #[serde(rename = "apiVersion", default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Asked>,
}

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Asked {
    pub(crate) uid: String,
    kind: GroupVersionKind,
    resource: GroupVersionResource,
    sub_resource: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    operation: String,
    user_info: UserInfo,
    object: Value,
    old_object: Value,
    dry_run: Option<bool>,
    /// For something beneath an object, the kind of that object where the request does not tell it.
    #[serde(skip)]
    parent_kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionResource {
    group: String,
    version: String,
    resource: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UserInfo {
    username: String,
    uid: String,
    groups: Option<Vec<String>>,
    extra: Option<BTreeMap<String, Vec<String>>>,
}

/// Why something is no request that can be judged: HTTP status and words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) code: u16,
    pub(crate) uid: Option<String>,
    pub(crate) why: String,
}

impl Review {
    /// Reads the body of a request.
    pub(crate) fn read(body: &[u8]) -> Result<Asked, Unreadable> {
        let bad = |uid: Option<String>, why: String| Unreadable { code: 400, uid, why };
        let review: Review = serde_json::from_slice(body)
            .map_err(|error| bad(None, format!("the body is no AdmissionReview: {error}")))?;
        let uid = review
            .request
            .as_ref()
            .map(|asked| asked.uid.clone())
            .filter(|uid| !uid.is_empty());
        if review.kind != "AdmissionReview" || review.api_version != VERSION {
            return Err(bad(
                uid,
                format!(
                    "only AdmissionReview of {VERSION} is understood, not {:?} of {:?}",
                    review.kind, review.api_version
                ),
            ));
        }
        let Some(mut asked) = review.request else {
            return Err(bad(None, "the AdmissionReview has no request".to_owned()));
        };
        if asked.uid.is_empty() {
            return Err(bad(None, "the request has no uid".to_owned()));
        }
        if Operation::parse(&asked.operation).is_none() {
            let why = format!("{:?} is none of CREATE, UPDATE, DELETE, CONNECT", asked.operation);
            return Err(bad(uid, why));
        }
        if asked.judged().is_null() {
            return Err(bad(uid, format!("a {} without its object", asked.operation)));
        }
        asked.place();
        Ok(asked)
    }
}

impl Asked {
    fn operation(&self) -> Operation {
        Operation::parse(&self.operation).unwrap_or_default()
    }

    /// What is asked for beneath an object, such as the options of `exec`, need not say what it is beneath.
    fn place(&mut self) {
        let Some(fields) = self
            .object
            .as_object_mut()
            .filter(|_| !self.sub_resource.is_empty())
        else {
            return;
        };
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        for (key, said) in [("namespace", &self.namespace), ("name", &self.name)] {
            if let Some(metadata) = metadata.as_object_mut().filter(|_| !said.is_empty()) {
                metadata.entry(key).or_insert_with(|| json!(said));
            }
        }
    }

    /// For something beneath an object, the API version and kind of that object.
    fn parent(&self) -> Option<(String, &str)> {
        if self.sub_resource.is_empty() {
            return None;
        }
        let GroupVersionResource {
            group,
            version,
            resource,
        } = &self.resource;
        let itself = self.kind.group == *group && guessed_plural(&self.kind.kind) == *resource;
        let told = itself.then_some(self.kind.kind.as_str());
        let kind = told.or_else(|| builtin_kind(group, version, resource));
        let slash = if group.is_empty() { "" } else { "/" };
        Some((
            format!("{group}{slash}{version}"),
            kind.or(self.parent_kind.as_deref()).unwrap_or_default(),
        ))
    }

    /// For something beneath an object of a kind that was added to Kubernetes, and that the request does not tell: its
    /// API version and plural name. See [`Asked::beneath`].
    pub(crate) fn unknown_parent(&self) -> Option<(String, &str)> {
        let (api_version, _) = self.parent().filter(|(_, kind)| kind.is_empty())?;
        Some((api_version, &self.resource.resource))
    }

    /// Takes in the kind of what it is beneath.
    pub(crate) fn beneath(&mut self, kind: String) {
        self.parent_kind = Some(kind);
    }

    /// The object: as it is to be, or for a deletion as it is.
    fn judged(&self) -> &Value {
        if self.operation() == Operation::Delete && !self.old_object.is_null() {
            &self.old_object
        } else {
            &self.object
        }
    }

    /// The name, or what it will begin with.
    fn shown_name(&self) -> &str {
        let metadata = &self.judged()["metadata"];
        [self.name.as_str(), metadata["name"].as_str().unwrap_or_default()]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| metadata["generateName"].as_str().unwrap_or_default())
    }

    /// `Kind/namespace/name`.
    pub(crate) fn shown(&self) -> String {
        let namespace = if self.namespace.is_empty() || self.kind.kind == "Namespace" {
            String::new()
        } else {
            format!("{}/", self.namespace)
        };
        format!("{}/{namespace}{}", self.kind.kind, self.shown_name())
    }

    /// API version and kind of the object.
    pub(crate) fn types(&self) -> (String, String) {
        let GroupVersionKind { group, version, kind } = &self.kind;
        let slash = if group.is_empty() { "" } else { "/" };
        (format!("{group}{slash}{version}"), kind.clone())
    }

    /// Who asks.
    pub(crate) fn user(&self) -> User {
        User {
            name: self.user_info.username.clone(),
            uid: self.user_info.uid.clone(),
            groups: self.user_info.groups.clone().unwrap_or_default(),
            extra: self.user_info.extra.clone().unwrap_or_default(),
            ..User::default()
        }
    }

    /// The namespace by whose labels the request is judged: a Namespace is judged by its own.
    pub(crate) fn space(&self) -> Option<&str> {
        (!self.namespace.is_empty() && self.kind.kind != "Namespace").then_some(self.namespace.as_str())
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run == Some(true)
    }

    fn own_labels(&self) -> BTreeMap<String, String> {
        let labels = self.judged()["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten();
        labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}

/// What is answered.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) refusal: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// What is to be changed, as a JSON patch.
    pub(crate) patch: Option<Value>,
    pub(crate) verdicts: Vec<Verdict>,
    /// What is to be handed over before the answer is given.
    pub(crate) orders: Vec<Wanted>,
}

impl Answer {
    /// Takes in what could not be handed over: refused or warned of, as the policy says.
    pub(crate) fn take(&mut self, asked: &Asked, unhanded: Vec<Unhanded>) {
        let verdicts: Vec<Verdict> = unhanded
            .into_iter()
            .map(|unhanded| {
                let about = About {
                    policy: unhanded.policy,
                    rule: unhanded.rule,
                    ..About::default()
                };
                Verdict {
                    enforce: unhanded.failure == FailurePolicy::Fail,
                    ..Verdict::of_trouble(about, asked.shown(), unhanded.why)
                }
            })
            .collect();
        self.refusal = words::refusal(&asked.shown(), &verdicts);
        self.warnings.extend(words::warnings(&verdicts, |_| true));
        self.verdicts.extend(verdicts);
    }
}

/// Changes or judges a request. `facts` answers the policies of the cluster, `own` those of the request's namespace.
pub(crate) fn judge(
    side: Side,
    in_force: &InForce,
    asked: &Asked,
    user: &User,
    space: Option<&Space>,
    facts: &dyn Facts,
    own: &dyn Facts,
) -> Answer {
    if LEFT_OUT.contains(&asked.namespace.as_str()) {
        return Answer::default();
    }
    let old =
        (!asked.old_object.is_null() && asked.operation() != Operation::Delete).then_some(&asked.old_object);
    let own_labels = if space.is_none() {
        asked.own_labels()
    } else {
        BTreeMap::new()
    };
    let parent = asked.parent();
    let request = Request {
        old,
        operation: asked.operation(),
        subresource: &asked.sub_resource,
        parent: parent
            .as_ref()
            .map(|(api_version, kind)| (api_version.as_str(), *kind)),
        resource: Some(asked.resource.resource.as_str()).filter(|name| !name.is_empty()),
        namespace_labels: space.map_or(&own_labels, |space| &space.labels),
        namespace: space.map(|space| &space.object),
        user: Some(user),
        dry_run: asked.is_dry_run(),
        facts,
        ..Request::new(asked.judged())
    };
    if side == Side::Mutating {
        return change(in_force, asked, &request, own);
    }
    let verdicts = judge_by(&in_force.admission, &asked.namespace, &request, own);
    let refusal = words::refusal(&asked.shown(), &verdicts);
    let orders = if refusal.is_none() && !asked.is_dry_run() {
        wanted(in_force, &asked.namespace, &request, own)
    } else {
        Vec::new()
    };
    Answer {
        patch: None,
        refusal,
        warnings: words::warnings(&verdicts, |policy| in_force.loud.contains(policy)),
        verdicts,
        orders,
    }
}

/// Judges an object that is there already. `facts` and `own` as for a request.
pub(crate) fn judge_there(
    in_force: &InForce,
    object: &Value,
    space: Option<&Space>,
    facts: &dyn Facts,
    own: &dyn Facts,
) -> Vec<Verdict> {
    let none = Space::default();
    let request = Request {
        namespace_labels: &space.unwrap_or(&none).labels,
        namespace: space.map(|space| &space.object),
        background: true,
        facts,
        ..Request::new(object)
    };
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    judge_by(&in_force.background, namespace, &request, own)
}

/// Judges by the policies of the cluster, then by those of a namespace.
fn judge_by(set: &Set, namespace: &str, request: &Request<'_>, own: &dyn Facts) -> Vec<Verdict> {
    let mut verdicts = evaluate(&set.cluster, request);
    if let Some(policies) = set.namespaced.get(namespace) {
        verdicts.extend(evaluate(
            policies,
            &Request {
                facts: own,
                ..*request
            },
        ));
    }
    verdicts
}

/// Changes an object: by the policies of the cluster, then by those of its namespace. What cannot be changed as a
/// policy wants is refused, unless that policy says that it may go on without it.
fn change(in_force: &InForce, asked: &Asked, request: &Request<'_>, own: &dyn Facts) -> Answer {
    let Mutated {
        mut object,
        mut verdicts,
    } = mutate(&in_force.admission.cluster, request);
    if let Some(policies) = in_force.admission.namespaced.get(&asked.namespace) {
        let request = Request {
            object: &object,
            facts: own,
            ..*request
        };
        let further = mutate(policies, &request);
        verdicts.extend(further.verdicts);
        object = further.object;
    }
    for verdict in &mut verdicts {
        verdict.enforce =
            verdict.outcome == Outcome::Error && !in_force.lenient.contains(&verdict.about.policy);
    }
    let refusal = words::refusal(&asked.shown(), &verdicts);
    let patch = json_patch::diff(request.object, &object);
    Answer {
        patch: (refusal.is_none() && !patch.0.is_empty()).then(|| json!(patch)),
        refusal,
        warnings: Vec::new(),
        verdicts,
        orders: Vec::new(),
    }
}

/// A panic in an evaluation is one verdict, and no pass.
fn evaluate(policies: &Policies, request: &Request<'_>) -> Vec<Verdict> {
    catch_unwind(AssertUnwindSafe(|| policies.evaluate(request))).unwrap_or_else(|_| panicked(request))
}

/// A panic leaves the object as it was, and is no pass either.
fn mutate(policies: &Policies, request: &Request<'_>) -> Mutated {
    catch_unwind(AssertUnwindSafe(|| policies.mutate(request))).unwrap_or_else(|_| Mutated {
        object: request.object.clone(),
        verdicts: panicked(request),
    })
}

fn panicked(request: &Request<'_>) -> Vec<Verdict> {
    let kind = request.object["kind"].as_str().unwrap_or_default();
    let name = request.object["metadata"]["name"].as_str().unwrap_or_default();
    let message = "the evaluation failed in the guardrails themselves; their log says where".to_owned();
    let about = About {
        policy: "guardrails".to_owned(),
        rule: "evaluation".to_owned(),
        hint: Some("This is a mistake in the platform, not in the object: report it.".to_owned()),
        ..About::default()
    };
    vec![Verdict::of_trouble(about, format!("{kind}/{name}"), message)]
}

/// The answer as an API server reads it.
pub(crate) fn told(uid: &str, answer: &Answer) -> Value {
    let mut response = json!({"uid": uid, "allowed": answer.refusal.is_none()});
    if let Some(message) = &answer.refusal {
        response["status"] =
            json!({"status": "Failure", "reason": "Forbidden", "code": 403, "message": message});
    }
    if !answer.warnings.is_empty() {
        response["warnings"] = json!(answer.warnings);
    }
    if let Some(patch) = &answer.patch {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(STANDARD.encode(patch.to_string()));
    }
    json!({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response})
}

/// A request that cannot be judged is refused, where it has an id to answer to.
pub(crate) fn told_unreadable(uid: &str, unreadable: &Unreadable) -> Value {
    json!({
        "apiVersion": VERSION,
        "kind": "AdmissionReview",
        "response": {
            "uid": uid,
            "allowed": false,
            "status": {"status": "Failure", "reason": "BadRequest", "code": unreadable.code, "message": unreadable.why},
        },
    })
}

#[cfg(test)]
pub(crate) mod tests;
