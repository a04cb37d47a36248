//! What variables stand for while a rule is judged: the request, and the rule's own `context`.

use serde_json::{Map, Value, json};

use super::Judge;
use crate::autogen;
use crate::image;
use crate::jmespath::{Expression, QueryError, unknown};
use crate::policy::{Entry, Source};
use crate::request::Operation;
use crate::variables::Context;

impl Judge<'_> {
    /// The variables every rule has.
    pub(super) fn context(&self) -> Result<Context<'_>, QueryError> {
        let (subject, request) = (self.subject, self.request);
        let deleting = request.operation == Operation::Delete;
        let now = self.budget.copy(request.object)?;
        let old = request
            .old
            .map(|old| self.budget.copy(old))
            .transpose()?
            .unwrap_or(Value::Null);
        let (now, old) = match (deleting, old) {
            (false, old) => (now, old),
            (true, Value::Null) => (Value::Null, now),
            (true, old) => (Value::Null, old),
        };
        let mut images = Value::Object(Map::new());
        if let Some(pod) = autogen::pod_in(subject.kind) {
            images = image::of_object(request.object, &format!("{pod}/spec"));
        }
        let root = json!({
            "request": {
                "uid": "",
                "kind": {"group": subject.group, "version": subject.version, "kind": subject.kind},
                "resource": unknown("request.resource"),
                "subResource": subject.subresource,
                "name": subject.name,
                "namespace": subject.namespace,
                "operation": request.operation.word(),
                "userInfo": unknown("who asks (request.userInfo)"),
                "roles": unknown("who asks (request.roles)"),
                "clusterRoles": unknown("who asks (request.clusterRoles)"),
                "dryRun": false,
                "object": now,
                "oldObject": old,
            },
            "images": images,
            "serviceAccountName": unknown("who asks (serviceAccountName)"),
            "serviceAccountNamespace": unknown("who asks (serviceAccountNamespace)"),
        });
        Ok(Context {
            root,
            expressions: &self.policy.expressions,
            budget: &self.budget,
            deleting,
        })
    }

    /// Gives the names of a context their values. A name without one is an error for whoever reads it.
    pub(super) fn add_entries(context: &mut Context<'_>, entries: &[Entry]) {
        for entry in entries {
            let name = &entry.name;
            let value = match &entry.source {
                Source::Unsupported(what) => {
                    unknown(&format!("the context variable {name}, which needs {what},"))
                }
                Source::Variable { value, path, default } => {
                    match variable(context, value.as_ref(), path.as_deref(), default.as_ref()) {
                        Ok(value) => value,
                        Err(QueryError::Unknown(what)) => unknown(&what),
                        Err(error) => unknown(&format!("the context variable {name} ({error})")),
                    }
                }
            };
            set(&mut context.root, name, value);
        }
    }
}

fn variable(
    context: &Context<'_>,
    value: Option<&Value>,
    path: Option<&str>,
    default: Option<&Value>,
) -> Result<Value, QueryError> {
    let path = path.map(|path| context.fill_text(path)).transpose()?;
    let path = path.as_ref().and_then(Value::as_str);
    let found = match (value, path) {
        (Some(value), None) => context.fill(value),
        (Some(value), Some(path)) => context.fill(value).and_then(|value| {
            Expression::parse(path)
                .map_err(QueryError::Failed)?
                .query(&value, context.budget)
        }),
        (None, Some(path)) => context.query(path),
        (None, None) => Ok(Value::Null),
    };
    match (found, default) {
        (Ok(Value::Null) | Err(QueryError::NotFound(_)), Some(default)) => context.fill(default),
        (found, _) => found,
    }
}

pub(super) fn set(root: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = root {
        map.insert(name.to_owned(), value);
    }
}
