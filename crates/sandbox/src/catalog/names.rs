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
    let taken: [(&str, &str, &dyn Fn(&str) -> bool); 4] = [
        ("plural", "PluralConflict", &resources),
        ("singular", "SingularConflict", &resources),
        ("kind", "KindConflict", &kinds),
        ("listKind", "ListKindConflict", &kinds),
    ];
    for (field, reason, taken) in taken {
        let name = wanted[field].as_str().unwrap_or_default();
        if names[field] != wanted[field] && taken(name) {
            conflict(name, reason);
        } else if !name.is_empty() {
            names[field] = json!(name);
        }
        if field == "singular" {
            let shorts = wanted["shortNames"].as_array().into_iter().flatten();
            match shorts.filter_map(Value::as_str).find(|short| resources(short)) {
                Some(short) => conflict(short, "ShortNamesConflict"),
                None if wanted["shortNames"].is_array() => names["shortNames"] = wanted["shortNames"].clone(),
                None => _ = names.as_object_mut().and_then(|names| names.remove("shortNames")),
            }
        }
    }
    match wanted["categories"].is_array() {
        true => names["categories"] = wanted["categories"].clone(),
        false => _ = names.as_object_mut().and_then(|names| names.remove("categories")),
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
