//! Custom resource definitions: the resources that follow from one.
//!
//! Not here: conversion webhooks.

use std::sync::Arc;

use schema::Schema;
use serde_json::Value;

use super::{Column, JsonPath, Resource, Source, Subresource};
use crate::rules::{self, Rules};
use crate::status::Cause;
use crate::store::{Collection, Object};

/// What one version of a custom resource brings beyond names.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) schema: Schema,
    /// What its objects must keep to beyond that.
    pub(crate) rules: Rules,
    /// The schema as it was written, descriptions and all.
    pub(crate) written: Value,
    /// Since which revision the schema is as it is: what was written before may be another's.
    pub(crate) since: u64,
    pub(crate) columns: Vec<Column>,
    pub(crate) scale: Option<Scale>,
    /// What whoever uses it is told, when it is on its way out.
    pub(crate) deprecation: Option<String>,
    /// While the definition is being deleted nothing new is made.
    pub(crate) terminating: bool,
}

/// Where a custom resource keeps what its scale subresource shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) spec: Vec<String>,
    pub(crate) status: Vec<String>,
    pub(crate) selector: Option<Vec<String>>,
}

impl Scale {
    /// What is wrong with the numbers that a scale would show of an object: with those asked for unless its status alone is
    /// written, and with those there are.
    pub(crate) fn mistakes(&self, object: &Value, status_alone: bool) -> Vec<Cause> {
        let paths = [Some(&self.spec).filter(|_| !status_alone), Some(&self.status)];
        let mut causes = Vec::new();
        for path in paths.into_iter().flatten() {
            let found = path.iter().try_fold(object, |within, name| within.get(name));
            let Some(number) = found.and_then(Value::as_i64) else {
                continue;
            };
            let why = if number < 0 {
                "should be a non-negative integer".to_owned()
            } else if number > i64::from(i32::MAX) {
                format!("should be less than or equal to {}", i32::MAX)
            } else {
                continue;
            };
            let field = format!(".{}", path.join("."));
            causes.push(Cause::new(
                "FieldValueInvalid",
                field,
                format!("Invalid value: {number}: {why}"),
            ));
        }
        causes
    }
}

/// A CRD whose names were accepted, and what it serves.
#[derive(Debug)]
pub(crate) struct Definition {
    uid: String,
    revision: u64,
    pub(crate) resources: Vec<Arc<Resource>>,
}

impl Definition {
    /// Whether this was read from exactly this state of the CRD.
    pub(super) fn is_of(&self, object: &Object) -> bool {
        self.uid == object.uid() && self.revision == object.revision
    }

    /// Since when a version has this schema, if it has.
    fn same_schema(&self, version: &str, written: &Value) -> Option<u64> {
        let mut versions = self.resources.iter();
        versions.find_map(|resource| match &resource.source {
            Source::Custom(own) if resource.version == version && own.written == *written => Some(own.since),
            _ => None,
        })
    }

    /// The resources of a CRD; `None` when its names are not accepted or a schema cannot be read. `before` are those known so
    /// far, of which it may be a later state.
    pub(super) fn read(object: &Object, before: &[Arc<Self>]) -> Option<Self> {
        let definition = &object.value;
        let accepted = condition(definition, "NamesAccepted");
        if accepted.is_none_or(|condition| condition["status"] != "True") {
            return None;
        }
        let spec = &definition["spec"];
        let versions = spec["versions"].as_array()?;
        let stored = versions.iter().find(|version| version["storage"] == true)?["name"].as_str()?;
        let before = before.iter().find(|known| known.uid == object.uid());
        let resources: Option<Vec<Arc<Resource>>> = versions
            .iter()
            .filter(|version| version["served"] == true)
            .map(|version| {
                let mut read = resource(spec, version, stored, object.is_terminating())?;
                if let Source::Custom(own) = &mut read.source {
                    own.since = before
                        .and_then(|known| known.same_schema(&read.version, &own.written))
                        .unwrap_or(object.revision);
                }
                Some(Arc::new(read))
            })
            .collect();
        Some(Self {
            uid: object.uid().to_owned(),
            revision: object.revision,
            resources: resources?,
        })
    }
}

fn condition<'a>(definition: &'a Value, kind: &str) -> Option<&'a Value> {
    definition["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
}

fn words(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn resource(spec: &Value, version: &Value, stored: &str, terminating: bool) -> Option<Resource> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (group, names) = (text(&spec["group"])?, &spec["names"]);
    let (plural, kind, name) = (
        text(&names["plural"])?,
        text(&names["kind"])?,
        text(&version["name"])?,
    );
    let written = &version["schema"]["openAPIV3Schema"];
    let schema = Schema::from_crd(if written.is_null() {
        &Value::Bool(true)
    } else {
        written
    })
    .ok();
    let schema = schema.or_else(|| written.is_null().then(|| Schema::any().clone()))?;
    let columns = match version["additionalPrinterColumns"].as_array() {
        Some(columns) if !columns.is_empty() => columns.iter().filter_map(Column::read).collect(),
        _ => Column::age().into_iter().collect(),
    };
    let declared = &version["subresources"];
    let scale = declared.get("scale").and_then(read_scale);
    let verbs = |verbs: &[&str]| verbs.iter().map(|&verb| verb.to_owned()).collect::<Vec<_>>();
    let mut subresources = Vec::new();
    if declared.get("status").is_some_and(|status| !status.is_null()) {
        subresources.push(Subresource {
            name: "status".to_owned(),
            speaks: (group.clone(), name.clone(), kind.clone()),
            verbs: verbs(&["get", "patch", "update"]),
        });
    }
    if scale.is_some() {
        subresources.push(Subresource {
            name: "scale".to_owned(),
            speaks: ("autoscaling".to_owned(), "v1".to_owned(), "Scale".to_owned()),
            verbs: verbs(&["get", "patch", "update"]),
        });
    }
    let selectable = version["selectableFields"].as_array().into_iter().flatten();
    let selectable = selectable.filter_map(|field| field["jsonPath"].as_str());
    Some(Resource {
        collection: Collection::new(&group, &plural),
        list_kind: text(&names["listKind"]).unwrap_or_else(|| format!("{kind}List")),
        singular: text(&names["singular"]).unwrap_or_else(|| kind.to_lowercase()),
        short_names: words(&names["shortNames"]),
        categories: words(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        verbs: verbs(&[
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "create",
            "update",
            "watch",
        ]),
        subresources,
        has_generation: true,
        stored: format!("{group}/{stored}"),
        selectable: selectable
            .map(|path| path.trim_start_matches('.').to_owned())
            .collect(),
        source: Source::Custom(Box::new(Version {
            schema,
            rules: rules::read(written),
            written: written.clone(),
            since: 0,
            columns,
            scale,
            deprecation: deprecation(spec, version),
            terminating,
        })),
        version: name,
        group,
        plural,
        kind,
    })
}

/// What is said of a version that is on its way out: the newest that stays, unless it has its own words.
fn deprecation(spec: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(own) = version["deprecationWarning"].as_str() {
        return Some(own.to_owned());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
    let name = text(&version["name"]);
    let others = spec["versions"].as_array().into_iter().flatten();
    let staying = others
        .filter(|other| other["served"] == true && other["deprecated"] != true)
        .map(|other| text(&other["name"]))
        .max_by(|one, other| rank(one).cmp(&rank(other)));
    let said = format!("{group}/{name} {kind} is deprecated");
    Some(match staying.filter(|staying| rank(staying) > rank(&name)) {
        Some(staying) => format!("{said}; use {group}/{staying} {kind}"),
        None => said,
    })
}

/// The order of versions: `v2` is above `v1`, that above `v2beta1`, that above `v2alpha1`, and these above all others.
fn rank(version: &str) -> (u8, u64, u64) {
    let parts = || {
        let rest = version.strip_prefix('v')?;
        let digits = |text: &str| {
            text.find(|letter: char| !letter.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let (major, rest) = rest.split_at(digits(rest));
        let major = major.parse().ok()?;
        for (level, word) in [(3, ""), (2, "beta"), (1, "alpha")] {
            match rest.strip_prefix(word) {
                Some("") if word.is_empty() => return Some((level, major, 0)),
                Some(minor) if !word.is_empty() => return Some((level, major, minor.parse().ok()?)),
                _ => {}
            }
        }
        None
    };
    parts().unwrap_or_default()
}

fn read_scale(scale: &Value) -> Option<Scale> {
    let path = |name: &str| {
        let path = JsonPath::parse(scale[name].as_str()?)?;
        Some(path.fields()?.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    Some(Scale {
        spec: path("specReplicasPath")?,
        status: path("statusReplicasPath")?,
        selector: path("labelSelectorPath"),
    })
}
