//! The sequences of requests, as files of YAML say them. `conformance/sandbox/README.md` describes the form.

use crate::failure::{Doing, Result, fail};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/// Requests that are sent one after another, in a namespace of their own.
#[derive(Debug)]
pub(super) struct Sequence {
    /// What it belongs to, a row of the table.
    pub(super) area: String,
    pub(super) name: String,
    /// Whether controllers and nodes are needed.
    pub(super) controllers: bool,
    /// The namespace that `$ns` stands for.
    pub(super) namespace: String,
    pub(super) steps: Vec<Step>,
}

/// One request, and what to do with its answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Asked again until these places of the answer have these values.
    pub(super) until: Vec<(String, Value)>,
    /// Variables that are taken from places of the answer.
    pub(super) remember: Vec<(String, String)>,
    /// Places of the answer that are not compared.
    pub(super) ignoring: Vec<String>,
}

impl Sequence {
    /// Whether it needs its namespace.
    pub(super) fn has_namespace(&self) -> bool {
        self.steps.iter().any(|step| step.path.contains("$ns"))
    }
}

/// Reads all files of a folder. Objects of `objects.yaml` can be used in each.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Sequence>> {
    let entries = fs::read_dir(folder).doing(|| format!("read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .filter(|name| name != "objects")
        .collect();
    names.sort();
    let shared = read(&folder.join("objects.yaml"))?;
    let mut sequences = Vec::new();
    for name in names {
        let file = read(&folder.join(format!("{name}.yaml")))?;
        let mut objects = shared.clone();
        merge(&mut objects, &file["objects"]);
        of_file(&name, &file, &objects, &mut sequences)?;
    }
    for (number, sequence) in sequences.iter().enumerate() {
        if sequences[..number]
            .iter()
            .any(|other| other.name == sequence.name)
        {
            fail!("two sequences are called {:?}", sequence.name);
        }
    }
    Ok(sequences)
}

fn read(file: &Path) -> Result<Value> {
    let what = || format!("read {}", file.display());
    let text = fs::read_to_string(file).doing(what)?;
    Ok(yaml::parse(&text).doing(what)?.value)
}

fn of_file(name: &str, file: &Value, objects: &Value, into: &mut Vec<Sequence>) -> Result<()> {
    let Some(area) = file["area"].as_str() else {
        fail!("{name}.yaml has no area")
    };
    let controllers = file["controllers"] == true;
    let mut number = 0;
    let mut add = |name_of: String, steps: Vec<Step>| {
        number += 1;
        into.push(Sequence {
            area: area.to_owned(),
            name: name_of,
            controllers,
            namespace: format!("{name}-{number}"),
            steps,
        });
    };
    for sequence in list(&file["sequences"]) {
        let Some(called) = sequence["name"].as_str() else {
            fail!("a sequence of {name}.yaml has no name")
        };
        add(called.to_owned(), steps(&sequence["steps"], objects)?);
    }
    for table in list(&file["tables"]) {
        let (about, request) = (
            table["about"].as_str().unwrap_or_default(),
            table["do"].as_str().unwrap_or_default(),
        );
        for row in list(&table["each"]) {
            let Some((case, with)) = only_entry(row) else {
                fail!("a row of a table in {name}.yaml is a name and a body, not {row}")
            };
            let mut all = steps(&table["first"], objects)?;
            let mut body = match table["base"].as_str() {
                Some(base) => named(objects, base)?,
                None => Value::Null,
            };
            merge(&mut body, with);
            all.push(request_of(request, &body)?);
            all.extend(steps(&table["then"], objects)?);
            add(format!("{about}: {case}"), all);
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn only_entry(value: &Value) -> Option<(&String, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.iter().next()
}

fn named(objects: &Value, name: &str) -> Result<Value> {
    match &objects[name] {
        Value::Null => fail!("there is no object {name} to begin with"),
        object => Ok(object.clone()),
    }
}

/// A merge patch: null takes a field away. Numbers as names reach into lists.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Array(into), Value::Object(patch))
            if !patch.is_empty() && patch.keys().all(|key| key.parse::<usize>().is_ok()) =>
        {
            for (key, value) in patch {
                if let Some(at) = key.parse().ok().and_then(|at: usize| into.get_mut(at)) {
                    merge(at, value);
                }
            }
        }
        (into, Value::Object(patch)) => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            let Some(into) = into.as_object_mut() else { return };
            for (key, value) in patch {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (_, Value::Null) => {}
        (into, value) => *into = value.clone(),
    }
}

fn steps(given: &Value, objects: &Value) -> Result<Vec<Step>> {
    list(given).iter().map(|step| step_of(step, objects)).collect()
}

fn step_of(given: &Value, objects: &Value) -> Result<Step> {
    if let Some(request) = given.as_str() {
        return request_of(request, &Value::Null);
    }
    if let Some((request, body)) = only_entry(given)
        && request.contains(' ')
    {
        return request_of(request, &filled(body, objects)?);
    }
    let Some(request) = given["do"].as_str() else {
        fail!("a step says what to do, unlike {given}")
    };
    let mut step = request_of(request, &filled(&given["body"], objects)?)?;
    if let Some(text) = given["text"].as_str() {
        step.body = text.as_bytes().to_vec();
    }
    if let Some(numbers) = given["bytes"].as_array() {
        let bytes = numbers
            .iter()
            .filter_map(|number| number.as_u64()?.try_into().ok());
        step.body = bytes.collect();
    }
    if let Some(repeat) = given["repeat"].as_object() {
        let part = |name: &str| repeat.get(name).and_then(Value::as_str).unwrap_or_default();
        let times = repeat.get("times").and_then(Value::as_u64).unwrap_or(1);
        let middle = part("piece").repeat(usize::try_from(times).unwrap_or(1));
        step.body = [part("before"), &middle, part("after")].concat().into_bytes();
    }
    for (header, name) in [
        ("Content-Type", "type"),
        ("Accept", "accept"),
        ("User-Agent", "agent"),
    ] {
        if let Some(value) = given[name].as_str() {
            step.headers.retain(|(known, _)| known != header);
            step.headers.push((header.to_owned(), value.to_owned()));
        }
    }
    for (name, value) in given["headers"].as_object().into_iter().flatten() {
        step.headers
            .push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
    }
    for (place, value) in given["until"].as_object().into_iter().flatten() {
        step.until.push((place.clone(), value.clone()));
    }
    for (name, place) in given["remember"].as_object().into_iter().flatten() {
        step.remember
            .push((name.clone(), place.as_str().unwrap_or_default().to_owned()));
    }
    let ignoring = list(&given["ignoring"]).iter().filter_map(Value::as_str);
    step.ignoring = ignoring.map(str::to_owned).collect();
    Ok(step)
}

/// The body, where `$from` begins with a named object.
fn filled(body: &Value, objects: &Value) -> Result<Value> {
    match body["$from"].as_str() {
        None => Ok(body.clone()),
        Some(name) => {
            let mut patch = body.clone();
            if let Some(patch) = patch.as_object_mut() {
                patch.remove("$from");
            }
            let mut object = named(objects, name)?;
            merge(&mut object, &patch);
            Ok(object)
        }
    }
}

/// `WORD PATH`: the word is a method or one of our own for a method with a media type.
fn request_of(request: &str, body: &Value) -> Result<Step> {
    let Some((word, path)) = request.split_once(' ') else {
        fail!("a request is a method and a path, unlike {request:?}")
    };
    let (method, header) = match word {
        "JSON" => ("PATCH", Some(("Content-Type", "application/json-patch+json"))),
        "MERGE" => ("PATCH", Some(("Content-Type", "application/merge-patch+json"))),
        "STRATEGIC" => (
            "PATCH",
            Some(("Content-Type", "application/strategic-merge-patch+json")),
        ),
        "APPLY" => ("PATCH", Some(("Content-Type", "application/apply-patch+yaml"))),
        "TABLE" => ("GET", Some(("Accept", TABLE))),
        "META" => ("GET", Some(("Accept", METADATA))),
        "METALIST" => ("GET", Some(("Accept", METADATA_LIST))),
        method => (method, None),
    };
    let mut headers: Vec<(String, String)> = header
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    if headers.iter().all(|(name, _)| name != "Accept") {
        headers.push(("Accept".to_owned(), "application/json".to_owned()));
    }
    headers.push(("User-Agent".to_owned(), "conformance/1".to_owned()));
    let body = if body.is_null() {
        Vec::new()
    } else {
        if header.is_none() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        body.to_string().into_bytes()
    };
    Ok(Step {
        method: method.to_owned(),
        path: whole(path),
        headers,
        body,
        ..Step::default()
    })
}

/// `apps/v1:deployments` is the way to the Deployments of the sequence's namespace.
fn whole(path: &str) -> String {
    match path.split_once(':') {
        Some((version, rest)) if !path.starts_with('/') => {
            let root = if version.contains('/') { "apis" } else { "api" };
            format!("/{root}/{version}/namespaces/$ns/{rest}")
        }
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_files_can_be_read() {
        let all = read_all(&crate::root().join("conformance/sandbox")).unwrap();
        assert!(all.len() >= 250, "there are {} sequences", all.len());
    }

    #[test]
    fn requests_are_words() {
        let check = |request: &str, method: &str, path: &str| {
            let step = request_of(request, &Value::Null).unwrap();
            assert_eq!(
                (step.method.as_str(), step.path.as_str()),
                (method, path),
                "{request}"
            );
        };
        check("GET v1:pods/a", "GET", "/api/v1/namespaces/$ns/pods/a");
        check(
            "APPLY apps/v1:deployments/a",
            "PATCH",
            "/apis/apps/v1/namespaces/$ns/deployments/a",
        );
        check("TABLE /api/v1/nodes", "GET", "/api/v1/nodes");
    }

    #[test]
    fn bodies_are_laid_over_objects() {
        let objects = json!({ "a": { "x": 1, "list": [{ "y": 1, "z": 2 }] } });
        let check = |body: Value, expect: Value| assert_eq!(filled(&body, &objects).unwrap(), expect);
        check(json!({ "x": null }), json!({ "x": null }));
        check(
            json!({ "$from": "a", "x": null, "list": { "0": { "y": 3 } } }),
            json!({ "list": [{ "y": 3, "z": 2 }] }),
        );
        check(
            json!({ "$from": "a", "list": [1] }),
            json!({ "x": 1, "list": [1] }),
        );
        assert!(filled(&json!({ "$from": "b" }), &objects).is_err());
    }
}
