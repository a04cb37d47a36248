//! Files of policies and of resources, read as Kyverno's own command line reads them. Knows nothing of rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schema::Schemas;
use serde_json::{Map, Value};

use crate::error::OperationError;

/// More than any file of policies or resources needs.
const MAX_FILE: u64 = 64 << 20;
/// How deep folders are looked into.
const MAX_DEPTH: usize = 32;
/// Fields that hold maps: charts leave them empty, and a policy would take that for a null.
const MAPS: [&str; 6] = [
    "annotations",
    "labels",
    "matchLabels",
    "nodeSelector",
    "data",
    "stringData",
];

/// Standard input, which can be read once.
#[derive(Debug, Default)]
pub(crate) struct Stdin {
    text: Option<String>,
}

impl Stdin {
    pub(crate) fn new(text: Option<String>) -> Self {
        Self { text }
    }
}

/// One file and its documents.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) documents: Vec<yaml::Document>,
}

/// Refuses what is not on this machine.
pub(crate) fn refuse_remote(place: &str) -> Result<(), OperationError> {
    let remote = ["http://", "https://", "git://", "ssh://", "git@", "oci://"]
        .iter()
        .any(|scheme| place.starts_with(scheme));
    if remote {
        return Err(OperationError::invalid_hint(
            format!("{place} is not on this machine, and nothing is fetched"),
            "git clone or curl it first, then give the folder or file",
        ));
    }
    Ok(())
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, OperationError> {
    let size = std::fs::metadata(path)
        .map_err(OperationError::io("read", path))?
        .len();
    if size > MAX_FILE {
        return Err(OperationError::invalid(format!(
            "{} is larger than {} MB",
            path.display(),
            MAX_FILE >> 20
        )));
    }
    std::fs::read_to_string(path).map_err(OperationError::io("read", path))
}

/// The documents of a file; those that hold nothing are left out.
pub(crate) fn documents(path: &Path) -> Result<Vec<yaml::Document>, OperationError> {
    parse(&path.display().to_string(), &text(path)?)
}

fn parse(name: &str, text: &str) -> Result<Vec<yaml::Document>, OperationError> {
    let mut documents = yaml::parse_all(text).map_err(|error| {
        let line = error.position.map(|p| format!(":{}", p.line)).unwrap_or_default();
        OperationError::invalid(format!("{name}{line}: {}", error.message))
    })?;
    documents.retain(|document| !document.value.is_null());
    Ok(documents)
}

/// Files with policies: a file, a folder with all below it but what is hidden, or `-`.
pub(crate) fn policies(
    places: &[String],
    base: &Path,
    stdin: &mut Stdin,
) -> Result<Vec<File>, OperationError> {
    let mut files = Vec::new();
    for place in places {
        if let Some(file) = from_stdin(place, stdin)? {
            files.push(file);
            continue;
        }
        refuse_remote(place)?;
        for path in below(&base.join(place), usize::MAX)? {
            files.push(File {
                documents: documents(&path)?,
                name: path.display().to_string(),
            });
        }
    }
    Ok(files)
}

/// Objects: of files, of folders (not of those below them), or of standard input.
pub(crate) fn resources(
    places: &[String],
    base: &Path,
    kinds: &Kinds,
    stdin: &mut Stdin,
) -> Result<Vec<Object>, OperationError> {
    let mut objects = Vec::new();
    for place in places {
        let files = if let Some(file) = from_stdin(place, stdin)? {
            vec![file]
        } else {
            refuse_remote(place)?;
            let mut files = Vec::new();
            for path in below(&base.join(place), 1)? {
                files.push(File {
                    documents: documents(&path)?,
                    name: path.display().to_string(),
                });
            }
            files
        };
        for file in files {
            for document in file.documents {
                let line = document.line();
                for value in items(document.value) {
                    objects.push(Object {
                        value: kinds.complete(value).map_err(|reason| {
                            OperationError::invalid(format!("{}:{line}: {reason}", file.name))
                        })?,
                        file: file.name.clone(),
                        line,
                    });
                }
            }
        }
    }
    Ok(objects)
}

fn from_stdin(place: &str, stdin: &mut Stdin) -> Result<Option<File>, OperationError> {
    if place != "-" {
        return Ok(None);
    }
    let Some(text) = stdin.text.take() else {
        return Err(OperationError::invalid(
            "standard input can be read once: for policies, or for resources",
        ));
    };
    Ok(Some(File {
        name: "standard input".to_owned(),
        documents: parse("standard input", &text)?,
    }))
}

/// The YAML files at a place, in order: itself, or those of the folder as deep as is said.
fn below(place: &Path, depth: usize) -> Result<Vec<PathBuf>, OperationError> {
    let metadata = std::fs::metadata(place).map_err(OperationError::io("read", place))?;
    if !metadata.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    walk(place, depth.min(MAX_DEPTH), &mut |path| {
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
        {
            found.push(path);
        }
    })?;
    Ok(found)
}

/// Files with this name at or below a folder, hidden folders too.
pub(crate) fn named(folder: &Path, name: &str) -> Result<Vec<PathBuf>, OperationError> {
    let mut found = Vec::new();
    every(folder, MAX_DEPTH, true, &mut |path| {
        if path.file_name().is_some_and(|own| own == name) {
            found.push(path);
        }
    })?;
    Ok(found)
}

fn walk(folder: &Path, depth: usize, take: &mut impl FnMut(PathBuf)) -> Result<(), OperationError> {
    every(folder, depth, false, take)
}

fn every(
    folder: &Path,
    depth: usize,
    hidden: bool,
    take: &mut impl FnMut(PathBuf),
) -> Result<(), OperationError> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(OperationError::io("read", folder))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if !hidden && entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        // What a link leads to is not walked into: it may lead back.
        let kind = entry.file_type().map_err(OperationError::io("read", &path))?;
        if !kind.is_dir() {
            take(path);
        } else if depth > 1 {
            every(&path, depth - 1, hidden, take)?;
        }
    }
    Ok(())
}

/// The objects of a list (`List`, `PodList`), also of one within it, or the object itself.
pub(crate) fn items(value: Value) -> Vec<Value> {
    let mut found = Vec::new();
    unpack(value, 0, &mut found);
    found
}

fn unpack(mut value: Value, depth: usize, found: &mut Vec<Value>) {
    /// Deeper than any list in a list.
    const DEPTH: usize = 8;
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list && depth < DEPTH => {
            for item in items {
                unpack(item, depth + 1, found);
            }
        }
        None | Some(Value::Null) if value["kind"] == "List" => {}
        other => {
            if let (Some(items), Some(map)) = (other, value.as_object_mut()) {
                map.insert("items".to_owned(), items);
            }
            found.push(value);
        }
    }
}

/// An object and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) value: Value,
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// Which kinds there are: those of Kubernetes, and those that definitions add.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kinds {
    /// Group and kind to the plural and whether its objects live in namespaces.
    added: BTreeMap<(String, String), (String, bool)>,
}

impl Kinds {
    /// Adds what a `CustomResourceDefinition` defines.
    pub(crate) fn add(&mut self, definition: &Value) {
        let spec = &definition["spec"];
        let (group, names) = (&spec["group"], &spec["names"]);
        if let (Some(group), Some(kind), Some(plural)) =
            (group.as_str(), names["kind"].as_str(), names["plural"].as_str())
        {
            let namespaced = spec["scope"] != "Cluster";
            self.added.insert(
                (group.to_owned(), kind.to_owned()),
                (plural.to_owned(), namespaced),
            );
        }
    }

    /// Adds a kind that a cluster serves.
    pub(crate) fn serve(&mut self, group: &str, kind: &str, plural: &str, namespaced: bool) {
        self.added
            .entry((group.to_owned(), kind.to_owned()))
            .or_insert_with(|| (plural.to_owned(), namespaced));
    }

    /// The plural of a kind, and whether its objects live in namespaces, where that is known.
    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<(String, bool)> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let key = (group.to_owned(), kind.to_owned());
        if let Some(found) = self.added.get(&key) {
            return Some(found.clone());
        }
        let builtin = Schemas::builtin();
        let same = |found: &&schema::Kind| found.group == group && found.kind == kind;
        builtin
            .kind(group, version, kind)
            .or_else(|| builtin.kinds().iter().find(same))
            .map(|found| (found.plural.clone(), found.namespaced))
    }

    /// The object as the command line sees it: in a namespace if its kind lives in one, maps where maps belong.
    pub(crate) fn complete(&self, mut value: Value) -> Result<Value, String> {
        let Value::Object(map) = &mut value else {
            return Err("an object is expected here".to_owned());
        };
        let text = |map: &Map<String, Value>, key: &str| {
            map.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind) = (text(map, "apiVersion"), text(map, "kind"));
        if kind.is_empty() {
            return Err("an object without a kind".to_owned());
        }
        let namespaced = self
            .find(&api_version, &kind)
            .is_none_or(|(_, namespaced)| namespaced);
        if namespaced {
            let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
            if metadata.is_null() {
                *metadata = Value::Object(Map::new());
            }
            if let Value::Object(metadata) = metadata
                && metadata
                    .get("namespace")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    == ""
            {
                metadata.insert("namespace".to_owned(), "default".into());
            }
        }
        fill(map, 0);
        Ok(value)
    }
}

fn fill(map: &mut Map<String, Value>, depth: usize) {
    /// Deeper than any object that is judged.
    const DEPTH: usize = 128;
    if depth > DEPTH {
        return;
    }
    for (key, value) in map.iter_mut() {
        match value {
            Value::Null if MAPS.contains(&key.as_str()) => *value = Value::Object(Map::new()),
            Value::Object(inner) => fill(inner, depth + 1),
            Value::Array(items) => {
                for item in items {
                    if let Value::Object(inner) = item {
                        fill(inner, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_unpacked() {
        let check = |value: Value, expect: Value| assert_eq!(Value::Array(items(value)), expect);
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        check(pod.clone(), json!([pod]));
        check(
            json!({"kind": "List", "items": [pod, {"kind": "PodList", "items": [pod]}]}),
            json!([pod, pod]),
        );
        check(json!({"kind": "List"}), json!([]));
        check(json!({"kind": "List", "items": null}), json!([]));
        let own = json!({"kind": "AllowList", "items": {"a": 1}});
        check(own.clone(), json!([own]));
        check(json!("text"), json!(["text"]));
    }
}
