//! The objects that a `mutate` rule with `targets` is about: found through the facts, then changed one by one.

use schema::Schemas;
use serde_json::{Value, json};

use super::{Judge, Judged};
use crate::facts::{Call, Callee, Facts, Unavailable};
use crate::mutate::{Mutate, Target};
use crate::selector::Selector;
use crate::verdict::Outcome;
use crate::wildcard;

/// How many objects the targets of one rule may stand for.
const MAX_FOUND: usize = 1_000;

/// An object that a target stands for.
pub(crate) struct Found<'a> {
    pub(crate) target: &'a Target,
    pub(crate) object: Value,
}

/// Which objects are meant.
pub(crate) struct Wanted<'a> {
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) selector: Option<Selector>,
    /// The namespace of a policy that has one: it has to do with nothing outside of it.
    pub(crate) own: Option<&'a str>,
}

impl<'a> Judge<'a> {
    /// The objects that the targets of the rule stand for. An error is a target that cannot be looked for; the
    /// preconditions of the rule may let all of them be.
    pub(crate) fn targets(&'a self, rule: &'a Mutate) -> Result<Vec<Found<'a>>, Judged> {
        let context = self.context().map_err(|error| Judged::error(error.to_string()))?;
        if let Some(judged) = Self::precondition(&context, self.rule.preconditions.as_ref()) {
            return Err(judged);
        }
        if let Some(judged) = self.excepting(&context).skip() {
            return Err(judged);
        }
        let mut found = Vec::new();
        for (index, target) in rule.targets.iter().enumerate() {
            let selector = context.fill(&target.selector).map_err(|error| {
                Judged::error(format!(
                    "failed to substitute variables in target[{index}]: {error}"
                ))
            })?;
            let wanted = self.wanted(&selector).map_err(Judged::error)?;
            let objects = find(self.request.facts, &wanted).map_err(Judged::error)?;
            found.extend(objects.into_iter().map(|object| Found { target, object }));
            if found.len() > MAX_FOUND {
                let reason = format!("the targets are more than {MAX_FOUND} objects");
                return Err(Judged::error(reason));
            }
        }
        Ok(found)
    }

    /// Whether the rule has anything to do because of this request. Where that cannot be said it may have: whoever
    /// carries it out finds out why not.
    pub(crate) fn is_triggered(&'a self) -> bool {
        let Ok(context) = self.context() else { return true };
        let skips = |judged: Judged| judged.outcome == Outcome::Skip;
        !Self::precondition(&context, self.rule.preconditions.as_ref()).is_some_and(skips)
            && self.excepting(&context).skip().is_none()
    }

    fn wanted<'s>(&'s self, selector: &'s Value) -> Result<Wanted<'s>, String> {
        let text = |key: &str| match selector.get(key) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(format!("the {key} of a target is no text")),
        };
        let labels = selector.get("selector").filter(|labels| !labels.is_null());
        let labels = labels.map(Selector::of_value);
        Ok(Wanted {
            version: text("apiVersion")?,
            kind: text("kind")?,
            // A policy of a namespace changes nothing outside of it.
            namespace: match &self.policy.namespace {
                Some(namespace) => namespace,
                None => text("namespace")?,
            },
            name: text("name")?,
            selector: labels.transpose()?,
            own: self.policy.namespace.as_deref(),
        })
    }

    /// A target as the rule wants it; `None` when nothing is changed.
    pub(crate) fn mutate_target(&'a self, rule: &'a Mutate, found: &Found<'a>) -> (Judged, Option<Value>) {
        let prepared = self.context().and_then(|context| {
            context.set("target", self.budget.copy(&found.object)?);
            context.add(&found.target.context);
            Ok(context)
        });
        let context = match prepared {
            Ok(context) => context,
            Err(error) => return (Judged::error(error.to_string()), None),
        };
        if let Some(judged) = Self::precondition(&context, found.target.preconditions.as_ref()) {
            return (judged, None);
        }
        Self::outcome(self.changed(&context, &rule.change, &found.object, 0))
    }
}

/// The path of a kind in the Kubernetes API, without a name, and whether its objects live in namespaces.
pub(crate) fn path_of(
    facts: &dyn Facts,
    version: &str,
    kind: &str,
    namespace: &str,
) -> Result<(String, bool), String> {
    let (plural, namespaced) = resource(facts, version, kind)?;
    let root = if version.contains('/') { "/apis" } else { "/api" };
    let plain = |text: &str| !text.is_empty() && !text.contains(['/', '?', '#', '%']);
    if !plain(&plural) || !version.split('/').all(plain) || !(namespace.is_empty() || plain(namespace)) {
        return Err(format!(
            "{kind} of {version} in {namespace:?} has no path in the API"
        ));
    }
    Ok((
        if namespaced && !namespace.is_empty() {
            format!("{root}/{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("{root}/{version}/{plural}")
        },
        namespaced,
    ))
}

/// The plural of a kind: the built-in ones are known, of the others the facts tell.
fn resource(facts: &dyn Facts, version: &str, kind: &str) -> Result<(String, bool), String> {
    let (group, number) = version.split_once('/').unwrap_or(("", version));
    if let Some(known) = Schemas::builtin().kind(group, number, kind) {
        return Ok((known.plural.clone(), known.namespaced));
    }
    facts
        .resource(version, kind)
        .map_err(|unavailable| unavailable.to_string())
}

/// The objects that are meant. One that is not there is none.
pub(crate) fn find(facts: &dyn Facts, wanted: &Wanted<'_>) -> Result<Vec<Value>, String> {
    let (version, kind) = match wanted.kind.rsplit_once('/') {
        Some(_) => return Err(format!("the kind {} names more than a kind", wanted.kind)),
        None => (wanted.version, wanted.kind),
    };
    if version.is_empty() || wildcard::has_wildcard(version) || wildcard::has_wildcard(kind) {
        return Err(format!("{kind:?} of {version:?} is not one kind of one version"));
    }
    let listed_in = if wildcard::has_wildcard(wanted.namespace) {
        ""
    } else {
        wanted.namespace
    };
    let (path, namespaced) = path_of(facts, version, kind, listed_in)?;
    if let Some(own) = wanted.own
        && (!namespaced || wanted.namespace != own)
    {
        return Err(format!(
            "a policy of the namespace {own} has to do with no {kind} outside of it"
        ));
    }
    let call = |path: String| {
        let to = Callee::Cluster(path);
        facts.object(&Call { to, data: None })
    };
    let one = !wanted.name.is_empty() && !wildcard::has_wildcard(wanted.name);
    let objects = if one && (!namespaced || !listed_in.is_empty()) {
        if wanted.name.contains(['/', '?', '#', '%']) {
            return Err(format!("{:?} is not the name of an object", wanted.name));
        }
        match call(format!("{path}/{}", wanted.name)) {
            Ok(object) => vec![object],
            Err(Unavailable::Missing(_)) => Vec::new(),
            Err(unavailable) => return Err(unavailable.to_string()),
        }
    } else {
        match call(path) {
            Ok(Value::Array(items)) => items,
            Ok(mut list) => match list.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => return Err(format!("what was asked for {kind} is no list")),
            },
            Err(Unavailable::Missing(_)) => Vec::new(),
            Err(unavailable) => return Err(unavailable.to_string()),
        }
    };
    let meant = objects.into_iter().filter(|object| {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        let labels = labels
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect();
        (wanted.name.is_empty() || wildcard::matches(wanted.name, text("/metadata/name")))
            && (wanted.namespace.is_empty()
                || !namespaced
                || wildcard::matches(wanted.namespace, text("/metadata/namespace")))
            && wanted
                .selector
                .as_ref()
                .is_none_or(|selector| selector.matches(&labels))
    });
    // What stands in a list does not say its kind.
    Ok(meant
        .map(|mut object| {
            if let Value::Object(fields) = &mut object {
                fields.entry("apiVersion").or_insert_with(|| json!(version));
                fields.entry("kind").or_insert_with(|| json!(kind));
            }
            object
        })
        .collect())
}
