//! What variables stand for while a rule is judged: the request, and the rule's own `context`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Judge;
use crate::context::{Common, Context, Shared};
use crate::facts::{Call, Callee, Unavailable};
use crate::image;
use crate::jmespath::{QueryError, unknown};
use crate::policy::{Entry, Source, Target};
use crate::request::{Operation, User};

/// The names of service accounts begin with this.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

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
        let deleting = request.operation == Operation::Delete;
        let object = (!deleting && !request.object.is_null()).then_some(request.object);
        let mut context = Context::of(
            self,
            object,
            &self.policy.expressions,
            &self.budget,
            request.facts,
        );
        context.deleting = deleting;
        context.namespace = self.policy.namespace.as_deref();
        context.give(request.facts.given(&self.policy.name, &self.rule.name))?;
        context.add(&self.rule.context);
        Ok(context)
    }

    /// Makes the variables every rule has.
    fn make_variables(&self) -> Result<Value, QueryError> {
        let (subject, request) = (self.subject, self.request);
        let now = self.budget.copy(request.object)?;
        let old = request
            .old
            .map(|old| self.budget.copy(old))
            .transpose()?
            .unwrap_or(Value::Null);
        let (now, old) = match (request.operation == Operation::Delete, old) {
            (false, old) => (now, old),
            (true, Value::Null) => (Value::Null, now),
            (true, old) => (Value::Null, old),
        };
        let text = |field: &str| {
            request
                .object
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (group, version) = text("apiVersion")
            .split_once('/')
            .unwrap_or(("", text("apiVersion")));
        let images = self.images().map_or_else(
            |reason| unknown(&format!("what images the object has ({reason})")),
            |used| image::described(&used),
        );
        let kind = json!({"group": group, "version": version, "kind": text("kind")});
        let resource = match request.resource {
            Some(resource) => {
                json!({"group": subject.group, "version": subject.version, "resource": resource})
            }
            None => unknown("request.resource"),
        };
        let mut root = json!({
            "request": {
                "uid": "",
                "kind": kind,
                "requestKind": kind,
                "resource": resource,
                "requestResource": resource,
                "subResource": subject.subresource,
                "requestSubResource": subject.subresource,
                "name": subject.name,
                "namespace": subject.namespace,
                "operation": request.operation.word(),
                "dryRun": request.dry_run,
                "object": now,
                "oldObject": old,
            },
            "images": images,
        });
        merge_user(&mut root, request.user);
        Ok(root)
    }
}

impl Common for Judge<'_> {
    fn variables(&self) -> Result<Value, QueryError> {
        if let Some((variables, steps)) = self.shared.and_then(Shared::take) {
            self.budget.spend(steps)?;
            return Ok(variables);
        }
        let before = self.budget.left();
        let variables = self.make_variables()?;
        if let Some(shared) = self.shared {
            shared.set_steps(before - self.budget.left());
        }
        Ok(variables)
    }

    fn give_back(&self, variables: Value) {
        if let Some(shared) = self.shared {
            shared.put(variables);
        }
    }
}

/// Who asks, as far as that is known.
fn merge_user(root: &mut Value, user: Option<&User>) {
    let Some(user) = user else {
        for name in ["userInfo", "roles", "clusterRoles"] {
            root["request"][name] = unknown(&format!("who asks (request.{name})"));
        }
        for name in ["serviceAccountName", "serviceAccountNamespace"] {
            root[name] = unknown(&format!("who asks ({name})"));
        }
        return;
    };
    // As in an admission request, what is empty is not there.
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
    root["request"]["userInfo"] = Value::Object(info);
    root["request"]["roles"] = json!(user.roles);
    root["request"]["clusterRoles"] = json!(user.cluster_roles);
    let account = user.name.strip_prefix(SERVICE_ACCOUNT);
    let (namespace, name) = account
        .and_then(|account| account.split_once(':'))
        .unwrap_or_default();
    root["serviceAccountName"] = json!(name);
    root["serviceAccountNamespace"] = json!(namespace);
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
