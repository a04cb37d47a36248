//! Which names of a CRD are accepted: those that no other of its group has.

use serde_json::{Value, json};

use super::{Catalog, Resource};
use crate::store::Collection;

/// The status with which a CRD begins, before anybody has looked at its names.
pub(crate) fn begin(definition: &mut Value) {
    let stored: Vec<&Value> = storing(definition).take(1).collect();
    let stored = if stored.is_empty() {
        Value::Null
    } else {
        json!(stored)
    };
    definition["status"] = json!({
        "acceptedNames": { "plural": "", "kind": "" }, "conditions": null, "storedVersions": stored,
    });
}

/// Notes the version in which objects are stored from now on.
pub(crate) fn go_on(definition: &mut Value) {
    let new: Vec<Value> = storing(definition).cloned().collect();
    let status = &mut definition["status"];
    if !status["storedVersions"].is_array() {
        status["storedVersions"] = json!([]);
    }
    if let Some(stored) = status["storedVersions"].as_array_mut() {
        for name in new {
            if !stored.contains(&name) {
                stored.push(name);
            }
        }
    }
}

fn storing(definition: &Value) -> impl Iterator<Item = &Value> {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    versions
        .filter(|version| version["storage"] == true)
        .map(|version| &version["name"])
}

/// The status of a CRD once its names have been looked at: those that are free are accepted, and its resources are
/// served when all are.
pub(crate) fn accept(definition: &Value, catalog: &Catalog, now: &str) -> Value {
    let (spec, before) = (&definition["spec"], &definition["status"]);
    let collection = Collection::new(
        spec["group"].as_str().unwrap_or_default(),
        spec["names"]["plural"].as_str().unwrap_or_default(),
    );
    let others: Vec<&Resource> = catalog
        .resources()
        .iter()
        .filter(|other| other.group == *collection.group && other.collection != collection)
        .map(AsRef::as_ref)
        .collect();
    let resources = |name: &str| {
        others.iter().any(|other| {
            other.plural == name
                || other.singular == name
                || other.short_names.iter().any(|short| short == name)
        })
    };
    let kinds = |name: &str| {
        others
            .iter()
            .any(|other| other.kind == name || other.list_kind == name)
    };
    let mut names = before["acceptedNames"].clone();
    let mut verdict = ("True", "NoConflicts", "no conflicts found".to_owned());
    let mut conflict = |name: &str, reason: &'static str| {
        verdict = ("False", reason, format!("{name:?} is already in use"));
    };
    let wanted = &spec["names"];
    let mut wish = |field: &str, reason: &'static str, taken: bool| {
        let name = wanted[field].as_str().unwrap_or_default();
        if taken && names[field] != wanted[field] {
            conflict(name, reason);
        } else if !name.is_empty() {
            names[field] = json!(name);
        }
    };
    let text = |field: &str| wanted[field].as_str().unwrap_or_default();
    wish("plural", "PluralConflict", resources(text("plural")));
    wish("singular", "SingularConflict", resources(text("singular")));
    let shorts = wanted["shortNames"].as_array().into_iter().flatten();
    let taken = shorts.filter_map(Value::as_str).find(|short| resources(short));
    let kind = (kinds(text("kind")), kinds(text("listKind")));
    wish("kind", "KindConflict", kind.0);
    wish("listKind", "ListKindConflict", kind.1);
    if let Some(short) = taken.filter(|_| !(kind.0 || kind.1)) {
        conflict(short, "ShortNamesConflict");
    }
    for (field, free) in [("shortNames", taken.is_none()), ("categories", true)] {
        if free && let Some(names) = names.as_object_mut() {
            match wanted.get(field).filter(|list| list.is_array()) {
                Some(list) => names.insert(field.to_owned(), list.clone()),
                None => names.remove(field),
            };
        }
    }
    let known = |kind: &str| {
        let mut known = before["conditions"].as_array().into_iter().flatten();
        known.find(|known| known["type"] == kind)
    };
    let served = known("Established").is_some_and(|known| known["status"] == "True");
    let established = match verdict.0 {
        _ if served => None,
        "True" => Some((
            "True",
            "InitialNamesAccepted",
            "the initial names have been accepted".to_owned(),
        )),
        _ => Some(("False", "NotAccepted", "not all names are accepted".to_owned())),
    };
    let mut conditions = before["conditions"].as_array().cloned().unwrap_or_default();
    for (kind, said) in [("NamesAccepted", Some(verdict)), ("Established", established)] {
        let Some((status, reason, message)) = said else {
            continue;
        };
        let since = known(kind).filter(|known| known["status"] == status);
        let since = since.map_or_else(|| json!(now), |known| known["lastTransitionTime"].clone());
        let condition = json!({
            "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
        });
        match conditions.iter_mut().find(|known| known["type"] == kind) {
            Some(known) => *known = condition,
            None => conditions.push(condition),
        }
    }
    json!({
        "acceptedNames": names, "conditions": conditions, "storedVersions": before["storedVersions"],
    })
}
