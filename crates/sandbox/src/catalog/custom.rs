//! Custom resource definitions: what may be in one, what the server writes into its status, and the resources that
//! follow from it.
//!
//! Not here: conversion webhooks.

use std::sync::Arc;

use schema::Schema;
use serde_json::{Value, json};

use super::{Catalog, Column, JsonPath, Resource, Source, Subresource};
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
    pub(crate) columns: Vec<Column>,
    pub(crate) scale: Option<Scale>,
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

    /// The resources of a CRD; `None` when its names are not accepted or a schema cannot be read.
    pub(super) fn read(object: &Object) -> Option<Self> {
        let definition = &object.value;
        let accepted = condition(definition, "NamesAccepted");
        if accepted.is_none_or(|condition| condition["status"] != "True") {
            return None;
        }
        let spec = &definition["spec"];
        let versions = spec["versions"].as_array()?;
        let stored = versions.iter().find(|version| version["storage"] == true)?["name"].as_str()?;
        let resources: Option<Vec<Arc<Resource>>> = versions
            .iter()
            .filter(|version| version["served"] == true)
            .map(|version| resource(spec, version, stored, object.is_terminating()).map(Arc::new))
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
            columns,
            scale,
            terminating,
        })),
        version: name,
        group,
        plural,
        kind,
    })
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

/// What is wrong with a CRD, beyond its own schema.
pub(crate) fn check(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut report =
        |reason: &str, field: &str, message: String| causes.push(Cause::new(reason, field, message));
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let name = text(&definition["metadata"]["name"]);
    let expected = format!("{plural}.{group}");
    if name != expected {
        let message = format!("Invalid value: {name:?}: must be spec.names.plural+\".\"+spec.group");
        report("FieldValueInvalid", "metadata.name", message);
    }
    if !group.contains('.') && !group.is_empty() {
        let message = format!("Invalid value: {group:?}: should be a domain with at least one dot");
        report("FieldValueInvalid", "spec.group", message);
    }
    if plural != plural.to_lowercase() {
        let message = format!("Invalid value: {plural:?}: must be lower case");
        report("FieldValueInvalid", "spec.names.plural", message);
    }
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.is_empty() {
        report(
            "FieldValueRequired",
            "spec.versions",
            "Required value: must have at least one version".to_owned(),
        );
        return causes;
    }
    if versions
        .iter()
        .filter(|version| version["storage"] == true)
        .count()
        != 1
    {
        let message = "Invalid value: must have exactly one version marked as storage version".to_owned();
        report("FieldValueInvalid", "spec.versions", message);
    }
    // What all versions have in common is told of as one.
    let schemas = || {
        versions
            .iter()
            .map(|version| &version["schema"]["openAPIV3Schema"])
    };
    let common = schemas().all(|schema| Some(schema) == schemas().next());
    let mut unruly = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let at = format!("spec.versions[{index}]");
        let repeated = versions[..index]
            .iter()
            .any(|earlier| earlier["name"] == version["name"]);
        if repeated {
            let message = format!("Duplicate value: {}", version["name"]);
            report("FieldValueDuplicate", &format!("{at}.name"), message);
        }
        let field = format!("{at}.schema.openAPIV3Schema");
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            report(
                "FieldValueRequired",
                &field,
                "Required value: schemas are required".to_owned(),
            );
            continue;
        }
        if schema["type"] != "object" {
            let message = format!("Invalid value: {}: must be object at the root", schema["type"]);
            report("FieldValueInvalid", &format!("{field}.type"), message);
        }
        if let Err(error) = Schema::from_crd(schema) {
            report("FieldValueInvalid", &field, format!("Invalid value: {error}"));
        }
        if !common {
            unruly.extend(rules::check(schema, &field));
        } else if index == 0 {
            unruly.extend(rules::check(schema, "spec.validation.openAPIV3Schema"));
        }
        let scale = &version["subresources"]["scale"];
        if !scale.is_null() && read_scale(scale).is_none() {
            let message = "Invalid value: the paths must be JSON paths of plain fields".to_owned();
            report("FieldValueInvalid", &format!("{at}.subresources.scale"), message);
        }
        let columns = version["additionalPrinterColumns"]
            .as_array()
            .into_iter()
            .flatten();
        for (number, column) in columns.enumerate() {
            if Column::read(column).is_none() {
                let field = format!("{at}.additionalPrinterColumns[{number}].jsonPath");
                report(
                    "FieldValueInvalid",
                    &field,
                    format!("Invalid value: {}: not understood", column["jsonPath"]),
                );
            }
        }
    }
    causes.extend(unruly);
    causes
}

/// Writes the status of a CRD: whether its names are free, and that its resources are served.
pub(crate) fn settle(definition: &mut Value, catalog: &Catalog, now: &str) {
    let spec = definition["spec"].clone();
    let collection = Collection::new(
        spec["group"].as_str().unwrap_or_default(),
        spec["names"]["plural"].as_str().unwrap_or_default(),
    );
    let taken = catalog.resources().iter().find_map(|other| {
        if other.group != *collection.group || other.collection == collection {
            return None;
        }
        let names = &spec["names"];
        let others = [&other.plural, &other.singular]
            .into_iter()
            .chain(&other.short_names);
        let mine = [&names["plural"], &names["singular"]]
            .into_iter()
            .filter_map(Value::as_str)
            .map(str::to_owned);
        let mine: Vec<String> = mine.chain(words(&names["shortNames"])).collect();
        if names["kind"] == other.kind.as_str() {
            return Some(("KindConflict", format!("{:?} is already in use", other.kind)));
        }
        let name = others.into_iter().find(|name| mine.contains(name))?;
        Some(("NamesConflict", format!("{name:?} is already in use")))
    });
    let (accepted, established) = match &taken {
        None => (
            ("True", "NoConflicts", "no conflicts found".to_owned()),
            (
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted".to_owned(),
            ),
        ),
        Some((reason, message)) => (
            ("False", *reason, message.clone()),
            ("False", "NotAccepted", "not all names are accepted".to_owned()),
        ),
    };
    let before = definition["status"].clone();
    let condition = |kind: &str, (status, reason, message): (&str, &str, String)| {
        let known = before["conditions"].as_array().into_iter().flatten();
        let known = known.filter(|known| known["type"] == kind && known["status"] == status);
        let since = known
            .map(|known| known["lastTransitionTime"].clone())
            .next()
            .unwrap_or_else(|| json!(now));
        json!({
            "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
        })
    };
    let mut stored = words(&before["storedVersions"]);
    let versions = spec["versions"].as_array().into_iter().flatten();
    let storage = versions
        .filter(|version| version["storage"] == true)
        .filter_map(|version| version["name"].as_str());
    for name in storage {
        if !stored.iter().any(|one| one == name) {
            stored.push(name.to_owned());
        }
    }
    let others = before["conditions"].as_array().into_iter().flatten();
    let mut conditions = vec![
        condition("NamesAccepted", accepted),
        condition("Established", established),
    ];
    conditions.extend(
        others
            .filter(|other| other["type"] != "NamesAccepted" && other["type"] != "Established")
            .cloned(),
    );
    definition["status"] = json!({
        "acceptedNames": if taken.is_none() { spec["names"].clone() } else { json!({ "plural": "", "kind": "" }) },
        "conditions": conditions,
        "storedVersions": stored,
    });
}
