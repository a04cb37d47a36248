//! What variables stand for while a rule is judged: the request, and the rule's own `context`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use typed_arena::Arena;

use super::Judge;
use crate::context::Context;
use crate::facts::{Call, Callee, Unavailable};
use crate::image;
use crate::jmespath::{Fields, QueryError, Seen, unknown};
use crate::matching::Subject;
use crate::policy::{Entry, Source, Target};
use crate::request::{Operation, Request, User};

/// The names of service accounts begin with this.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// For how many values there is room before more is made.
const ROOM: usize = 16;

impl<'a> Judge<'a> {
    /// What the rule adds to reports, with its variables filled in as far as all of them have a value.
    pub(crate) fn properties(&'a self) -> BTreeMap<String, String> {
        let written = &self.rule.properties;
        let filled = |context: Context<'_>| -> Result<BTreeMap<String, String>, QueryError> {
            let pairs = written.iter();
            pairs
                .map(|(key, text)| Ok((context.filled_text(key)?, context.filled_text(text)?)))
                .collect()
        };
        let as_written = || written.iter().cloned().collect();
        if written.is_empty() {
            return BTreeMap::new();
        }
        self.context().and_then(filled).unwrap_or_else(|_| as_written())
    }

    /// The variables every rule has, and the entries of the rule's own context.
    pub(super) fn context(&'a self) -> Result<Context<'a>, QueryError> {
        let request = self.request;
        let mut context = Context::new(
            self,
            self.values.get_or_init(|| Arena::with_capacity(ROOM)),
            &self.policy.expressions,
            &self.budget,
            request.facts,
        );
        context.deleting = request.operation == Operation::Delete;
        context.namespace = self.policy.namespace.as_deref();
        context.give(request.facts.given(&self.policy.name, &self.rule.name))?;
        context.add(&self.rule.context);
        Ok(context)
    }
}

/// The names every rule has.
impl Fields for Judge<'_> {
    fn names(&self) -> Vec<&str> {
        vec![
            "request",
            "images",
            "serviceAccountName",
            "serviceAccountNamespace",
        ]
    }

    fn field(&self, name: &str) -> Result<Option<Seen<'_>>, QueryError> {
        // What nobody asks has no account.
        let user = self.request.user.filter(|user| **user != User::default());
        let account = || match (user.map(account_of), name) {
            (None, _) => unknown(&format!("who asks ({name})")),
            (Some((_, account)), "serviceAccountName") => Value::from(account),
            (Some((namespace, _)), _) => Value::from(namespace),
        };
        Ok(Some(match name {
            "request" => Seen::Fields(&self.asked),
            "images" => {
                let used = self.used.get_or_init(|| {
                    self.images().map_or_else(
                        |reason| unknown(&format!("what images the object has ({reason})")),
                        |used| image::described(&used),
                    )
                });
                Seen::Lent(used)
            }
            "serviceAccountName" | "serviceAccountNamespace" => Seen::Own(account()),
            _ => return Ok(None),
        }))
    }
}

/// What `request` stands for.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) subject: &'a Subject<'a>,
}

impl Fields for Asked<'_> {
    fn names(&self) -> Vec<&str> {
        vec![
            "uid",
            "kind",
            "requestKind",
            "resource",
            "requestResource",
            "subResource",
            "requestSubResource",
            "name",
            "namespace",
            "operation",
            "dryRun",
            "object",
            "oldObject",
            "userInfo",
            "roles",
            "clusterRoles",
        ]
    }

    fn field(&self, name: &str) -> Result<Option<Seen<'_>>, QueryError> {
        let (request, subject) = (self.request, self.subject);
        let deleting = request.operation == Operation::Delete;
        let old = request.old.or(deleting.then_some(request.object));
        let value = match name {
            "object" if deleting => Value::Null,
            "object" => return Ok(Some(Seen::Lent(request.object))),
            "oldObject" => return Ok(Some(old.map_or(Seen::Own(Value::Null), Seen::Lent))),
            "operation" => Value::from(request.operation.word()),
            "name" => Value::from(subject.name),
            "namespace" => Value::from(subject.namespace),
            "uid" => Value::from(""),
            "dryRun" => Value::from(request.dry_run),
            "subResource" | "requestSubResource" => Value::from(subject.subresource),
            "kind" | "requestKind" => kind_of(request.object),
            "resource" | "requestResource" => match request.resource {
                Some(resource) => {
                    json!({"group": subject.group, "version": subject.version, "resource": resource})
                }
                None => unknown("request.resource"),
            },
            "userInfo" | "roles" | "clusterRoles" => match (request.user, name) {
                (None, _) => unknown(&format!("who asks (request.{name})")),
                (Some(user), "roles") => json!(user.roles),
                (Some(user), "clusterRoles") => json!(user.cluster_roles),
                (Some(user), _) => user_info(user),
            },
            _ => return Ok(None),
        };
        Ok(Some(Seen::Own(value)))
    }
}

fn kind_of(object: &Value) -> Value {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("apiVersion")
        .split_once('/')
        .unwrap_or(("", text("apiVersion")));
    json!({"group": group, "version": version, "kind": text("kind")})
}

/// Who asks. As in an admission request, what is empty is not there.
fn user_info(user: &User) -> Value {
    let mut info = Map::new();
    for (name, value) in [
        ("username", json!(user.name)),
        ("uid", json!(user.uid)),
        ("groups", json!(user.groups)),
        ("extra", json!(user.extra)),
    ] {
        if ![json!(""), json!([]), json!({})].contains(&value) {
            info.insert(name.to_owned(), value);
        }
    }
    Value::Object(info)
}

/// The namespace and the name of the service account that asks; empty when it is somebody else.
fn account_of(user: &User) -> (&str, &str) {
    let account = user.name.strip_prefix(SERVICE_ACCOUNT);
    account
        .and_then(|account| account.split_once(':'))
        .unwrap_or_default()
}

impl Entry {
    /// The value of an entry, for whoever mentions its name.
    pub(crate) fn value(&self, context: &Context<'_>) -> Result<Value, QueryError> {
        match &self.source {
            Source::Variable { value, path, default } => {
                variable(context, value.as_ref(), path.as_deref(), default.as_ref())
            }
            Source::ConfigMap { name, namespace } => config_map(context, name, namespace),
            Source::Call {
                to,
                data,
                path,
                default,
            } => {
                let call = Call {
                    to: callee(context, to)?,
                    data: data.as_ref().map(|data| body(context, data)).transpose()?,
                };
                match (context.facts.call(&call), default) {
                    (Ok(answer), _) => at_path(context, answer, path.as_deref()),
                    (Err(Unavailable::Missing(_) | Unavailable::Failed(_)), Some(default)) => {
                        Ok(context.budget.copy(default)?)
                    }
                    (Err(unavailable), _) => Err(unavailable.into()),
                }
            }
            Source::Global { name, path } => {
                let name = context.filled_text(name)?;
                let mut parts = name.split('.');
                let entry = parts.next().unwrap_or_default();
                let projection = parts.next().filter(|projection| !projection.is_empty());
                let answer = context.facts.global(entry, projection)?;
                at_path(context, answer, path.as_deref())
            }
            Source::Image { reference, path } => {
                let reference = context.filled_text(reference)?;
                let answer = context.facts.image(&reference)?;
                at_path(context, answer, path.as_deref())
            }
        }
    }
}

/// A value made from others. Null is no value.
fn variable(
    context: &Context<'_>,
    value: Option<&Value>,
    path: Option<&str>,
    default: Option<&Value>,
) -> Result<Value, QueryError> {
    let path = path.map(|path| context.filled_text(path)).transpose()?;
    let default = default.map(|default| context.fill(default)).transpose()?;
    let default = default.filter(|default| !default.is_null());
    let found = match (value, path) {
        (Some(value), None) => Ok(context.fill(value)?),
        (Some(value), Some(path)) => {
            let value = context.fill(value)?;
            parsed_query(context, &value, &path)
        }
        (None, Some(path)) => match context.query(&path) {
            Ok(Value::Null) => Ok(default.clone().unwrap_or(Value::Null)),
            found => found,
        },
        (None, None) => Ok(default.clone().unwrap_or(Value::Null)),
    };
    let found = match (found, default) {
        (Err(QueryError::NotFound(_) | QueryError::Failed(_)), Some(default)) => default,
        (found, _) => found?,
    };
    if found.is_null() {
        return Err(QueryError::Failed("it evaluates to null".to_owned()));
    }
    Ok(found)
}

/// A ConfigMap: its `data` and `metadata`.
fn config_map(context: &Context<'_>, name: &str, namespace: &str) -> Result<Value, QueryError> {
    let name = context.filled_text(name)?;
    let mut namespace = context.filled_text(namespace)?;
    if namespace.is_empty() {
        context.namespace.unwrap_or("default").clone_into(&mut namespace);
    }
    if let Some(own) = context.namespace.filter(|own| *own != namespace) {
        return Err(QueryError::Failed(format!(
            "the ConfigMap is in the namespace {namespace}, the policy in {own}"
        )));
    }
    for part in [&name, &namespace] {
        if part.is_empty() || part.contains(['/', '?', '#', '%']) || part.contains("..") {
            return Err(QueryError::Failed(format!(
                "{part:?} is not the name of an object"
            )));
        }
    }
    let call = Call {
        to: Callee::Cluster(format!("/api/v1/namespaces/{namespace}/configmaps/{name}")),
        data: None,
    };
    let mut answer = context.facts.call(&call)?;
    let part = |answer: &mut Value, field: &str| answer.get_mut(field).map_or(Value::Null, Value::take);
    Ok(json!({"data": part(&mut answer, "data"), "metadata": part(&mut answer, "metadata")}))
}

fn callee(context: &Context<'_>, to: &Target) -> Result<Callee, QueryError> {
    Ok(match to {
        Target::Cluster(path) => {
            let path = context.filled_text(path)?;
            if let Some(own) = context.namespace {
                within_namespace(&path, own)?;
            }
            Callee::Cluster(path)
        }
        Target::Service {
            url,
            ca_bundle,
            headers,
        } => {
            if let Some(own) = context.namespace {
                return Err(QueryError::Failed(format!(
                    "a policy of the namespace {own} calls only the API of that namespace"
                )));
            }
            let text = |text: &String| context.filled_text(text);
            Callee::Service {
                url: text(url)?,
                ca_bundle: ca_bundle.as_ref().map(text).transpose()?,
                headers: headers
                    .iter()
                    .map(|(key, value)| Ok((text(key)?, text(value)?)))
                    .collect::<Result<_, QueryError>>()?,
            }
        }
    })
}

/// A policy of a namespace calls the API for nothing outside of it.
fn within_namespace(path: &str, own: &str) -> Result<(), QueryError> {
    let plain = path.split(['?', '#']).next().unwrap_or_default();
    let mut parts = plain.split('/').filter(|part| !part.is_empty());
    let dotted = plain.split('/').any(|part| matches!(part, "." | "..")) || plain.contains('%');
    let named = parts
        .any(|part| part == "namespaces")
        .then(|| parts.next())
        .flatten();
    if dotted || named != Some(own) || !plain.starts_with("/api") {
        return Err(QueryError::Failed(format!(
            "the path {path} is not within {own}, the namespace of the policy"
        )));
    }
    Ok(())
}

fn body(context: &Context<'_>, data: &[(String, Value)]) -> Result<Value, QueryError> {
    let mut map = Map::new();
    for (key, value) in data {
        map.insert(context.filled_text(key)?, context.fill(value)?);
    }
    Ok(Value::Object(map))
}

/// What a path leads to in an answer.
fn at_path(context: &Context<'_>, answer: Value, path: Option<&str>) -> Result<Value, QueryError> {
    let Some(path) = path else {
        context.budget.pay_for(&answer)?;
        return Ok(answer);
    };
    parsed_query(context, &answer, &context.filled_text(path)?)
}

fn parsed_query(context: &Context<'_>, value: &Value, path: &str) -> Result<Value, QueryError> {
    match context.expressions.parsed(path) {
        Some(parsed) => parsed.query(value, context.world()),
        None => context.parse(path)?.query(value, context.world()),
    }
}
