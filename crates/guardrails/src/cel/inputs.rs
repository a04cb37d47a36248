//! What the variables of policies stand for: `object`, `oldObject`, `request`, `namespaceObject`, `params`.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use ::cel::{Failure, Key, Root, Text, Value};
use serde_json::Value as Json;

use crate::cel::world::{Roots, root};
use crate::facts::guessed_plural;
use crate::matching::Subject;
use crate::request::{Operation, Request};

/// What Kubernetes tells an admission policy.
pub(crate) const ADMISSION: [Root; 6] = [
    root::OBJECT,
    root::OLD_OBJECT,
    root::REQUEST,
    root::NAMESPACE_OBJECT,
    root::PARAMS,
    root::AUTHORIZER,
];

/// What an expression is evaluated about.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) subject: &'a Subject<'a>,
    pub(super) resource: &'a str,
}

/// The variables of one request.
pub(crate) struct Inputs<'v> {
    request: &'v Request<'v>,
    subject: &'v Subject<'v>,
    resource: &'v str,
    /// The object and the one before it, as the request has them.
    of_request: (Value<'v>, Value<'v>),
    object: Value<'v>,
    old: Value<'v>,
    /// Whether the namespace of the request is another than that of the object.
    elsewhere: bool,
    pub(crate) params: Value<'v>,
    pub(crate) exceptions: Value<'v>,
    /// `images`, `attestors` and `attestations`, once they are known.
    images: OnceCell<[Value<'v>; 3]>,
    asked: OnceCell<Value<'v>>,
    namespace: OnceCell<Value<'v>>,
}

impl<'v> Inputs<'v> {
    /// The variables of a request about a resource by its plural name.
    pub(crate) fn new(request: &'v Request<'v>, subject: &'v Subject<'v>, resource: &'v str) -> Inputs<'v> {
        let (now, old) = (
            Value::from(request.object),
            request.old.map_or(Value::Null, Value::from),
        );
        let (object, old) = match (request.operation, request.old) {
            (Operation::Delete, None) => (Value::Null, now),
            (Operation::Delete, Some(_)) => (Value::Null, old),
            _ => (now, old),
        };
        Inputs {
            request,
            subject,
            resource,
            of_request: (object.clone(), old.clone()),
            object,
            old,
            elsewhere: false,
            params: Value::Null,
            exceptions: Value::Null,
            images: OnceCell::new(),
            asked: OnceCell::new(),
            namespace: OnceCell::new(),
        }
    }

    /// What `images`, `attestors` and `attestations` stand for from now on.
    pub(crate) fn learn_images(&self, values: [Value<'v>; 3]) {
        let _ = self.images.set(values);
    }

    fn of_images(&self, index: usize, root: Root) -> Value<'v> {
        let known = self.images.get().and_then(|values| values.get(index));
        known.cloned().unwrap_or_else(|| Value::Unknown(root.0.into()))
    }

    /// Puts another object into the place of the one that was asked about: what became of it, or a `target` that is
    /// there already, whose Namespace is not known. The request itself stays as it is.
    pub(crate) fn stands_at(&mut self, object: &'v Json, target: bool) {
        self.object = Value::from(object);
        self.elsewhere = target;
        if target {
            self.old = Value::Null;
        }
    }

    /// The AdmissionRequest; as JSON leaves it out, what is empty is not there.
    fn asked(&self) -> Result<Value<'v>, Failure> {
        let (request, subject) = (self.request, self.subject);
        let text = |text: &'v str| Value::Text(Text::Borrowed(text));
        let kind = fields([
            ("group", text(subject.group)),
            ("version", text(subject.version)),
            ("kind", text(subject.kind)),
        ])?;
        let (group, version) = request
            .parent
            .map_or((subject.group, subject.version), |(api_version, _)| {
                api_version.split_once('/').unwrap_or(("", api_version))
            });
        let resource = fields([
            ("group", text(group)),
            ("version", text(version)),
            ("resource", text(self.resource)),
        ])?;
        let mut entries = vec![
            ("uid", text("")),
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("requestKind", kind),
            ("requestResource", resource),
            ("operation", text(request.operation.word())),
            ("userInfo", self.user()?),
            ("dryRun", Value::Bool(request.dry_run)),
            ("object", self.of_request.0.clone()),
            ("oldObject", self.of_request.1.clone()),
            ("options", Value::Null),
        ];
        for (name, value) in [
            ("subResource", request.subresource),
            ("requestSubResource", request.subresource),
            ("name", subject.name),
            ("namespace", subject.namespace),
        ] {
            if !value.is_empty() {
                entries.push((name, text(value)));
            }
        }
        fields(entries)
    }

    fn user(&self) -> Result<Value<'v>, Failure> {
        let Some(user) = self.request.user else {
            return Ok(Value::Unknown("who asks (request.userInfo)".into()));
        };
        let texts = |list: &'v [String]| {
            Value::list(
                list.iter()
                    .map(|text| Value::Text(Text::Borrowed(text)))
                    .collect(),
            )
        };
        let mut entries = Vec::new();
        for (name, value) in [("username", &user.name), ("uid", &user.uid)] {
            if !value.is_empty() {
                entries.push((name, Value::Text(Text::Borrowed(value))));
            }
        }
        if !user.groups.is_empty() {
            entries.push(("groups", texts(&user.groups)?));
        }
        if !user.extra.is_empty() {
            let extra = user
                .extra
                .iter()
                .map(|(key, list)| Ok((Key::Text(Text::Borrowed(key)), texts(list)?)));
            entries.push(("extra", Value::map(extra.collect::<Result<_, Failure>>()?)?));
        }
        fields(entries)
    }

    /// The Namespace of the object: as it is, or as far as it is known.
    fn namespace_object(&self) -> Result<Value<'v>, Failure> {
        if self.elsewhere {
            return Ok(Value::Unknown(
                "the Namespace of the object that is changed".into(),
            ));
        }
        if let Some(namespace) = self.request.namespace {
            return Ok(Value::from(namespace));
        }
        let subject = self.subject;
        if subject.namespace.is_empty() || subject.kind == "Namespace" {
            return Ok(Value::Null);
        }
        let mut metadata = vec![("name", Value::Text(Text::Borrowed(subject.namespace)))];
        let labels = self.request.namespace_labels;
        if !labels.is_empty() {
            let labels = labels
                .iter()
                .map(|(key, value)| (Key::Text(Text::Borrowed(key)), Value::Text(Text::Borrowed(value))));
            metadata.push(("labels", Value::map(labels.collect())?));
        }
        fields([("metadata", fields(metadata)?)])
    }
}

fn fields<'v>(entries: impl IntoIterator<Item = (&'static str, Value<'v>)>) -> Result<Value<'v>, Failure> {
    let entries: BTreeMap<_, _> = entries
        .into_iter()
        .map(|(key, value)| (Key::text(key), value))
        .collect();
    Value::map(entries)
}

fn kept<'v>(
    cell: &OnceCell<Value<'v>>,
    make: impl FnOnce() -> Result<Value<'v>, Failure>,
    name: &str,
) -> Value<'v> {
    cell.get_or_init(|| make().unwrap_or_else(|_| Value::Unknown(name.into())))
        .clone()
}

impl<'v> Roots<'v> for Inputs<'v> {
    fn root(&self, root: Root) -> Value<'v> {
        match root {
            root::OBJECT => self.object.clone(),
            root::OLD_OBJECT => self.old.clone(),
            root::REQUEST => kept(&self.asked, || self.asked(), "request"),
            root::NAMESPACE_OBJECT => kept(&self.namespace, || self.namespace_object(), "namespaceObject"),
            root::PARAMS => self.params.clone(),
            root::EXCEPTIONS => self.exceptions.clone(),
            root::IMAGES => self.of_images(0, root),
            root::ATTESTORS => self.of_images(1, root),
            root::ATTESTATIONS => self.of_images(2, root),
            root::AUTHORIZER => Value::Unknown("what somebody may do (authorizer)".into()),
            other => Value::Unknown(other.0.into()),
        }
    }
}

/// What of a request its constraints look at.
pub(super) fn subject_of<'a>(request: &'a Request<'_>) -> Subject<'a> {
    Subject::of(
        request.object,
        request.namespace_labels,
        request.operation,
        request.subresource,
    )
}

/// The plural name of the object's kind: as it was said, as the facts have it, or by the rules of English.
pub(crate) fn resource_of(request: &Request<'_>) -> String {
    if let Some(resource) = request.resource {
        return resource.to_owned();
    }
    let text = |name: &str| {
        request
            .object
            .get(name)
            .and_then(Json::as_str)
            .unwrap_or_default()
    };
    let (version, kind) = (text("apiVersion"), text("kind"));
    request
        .facts
        .resource(version, kind)
        .map_or_else(|_| guessed_plural(kind), |(resource, _)| resource)
}
