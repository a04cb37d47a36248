//! Writes the schema facts of built-in kinds, read from what a kube-apiserver publishes, as the one
//! compact file that the `schema` crate embeds. Facts only: types, fields, list and map types, merge
//! keys, enums, defaults, and the discovery table. No descriptions.
//!
//! The format: one line a kind (`K`) or a type (`T`), tab-separated name and JSON with one-letter
//! keys, so that a line is decoded when first used and a new Kubernetes version reads well as a diff.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

/// Reads the saved `/openapi/v3/*` documents (any file names ending in `.json`) and the aggregated
/// discovery documents of `/api` and `/apis` (`discovery-api.json`, `discovery-apis.json`) from a
/// folder and writes the data file.
pub fn generate(openapi_v3_dir: &Path, out: &Path) -> io::Result<()> {
    let mut definitions: BTreeMap<String, Value> = BTreeMap::new();
    for entry in fs::read_dir(openapi_v3_dir)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !name.ends_with(".json") || name.starts_with("discovery-") {
            continue;
        }
        let document = read(&path)?;
        if let Some(schemas) = document.pointer("/components/schemas").and_then(Value::as_object) {
            for (name, schema) in schemas {
                definitions.entry(name.clone()).or_insert_with(|| schema.clone());
            }
        }
    }
    let mut kinds = Vec::new();
    for file in ["discovery-api.json", "discovery-apis.json"] {
        kinds.extend(kinds_of(&read(&openapi_v3_dir.join(file))?));
    }
    let by_kind = types_by_kind(&definitions);
    let mut roots = BTreeSet::new();
    let mut lines = Vec::new();
    for mut kind in kinds {
        for gvk in kind.all_kinds() {
            if let Some(name) = by_kind.get(&gvk) {
                roots.insert(name.clone());
            }
        }
        if let Some(name) = by_kind.get(&kind.gvk) {
            kind.facts.insert("t".to_owned(), json!(short(name)));
        }
        lines.push(format!("K\t{}", Value::Object(kind.facts)));
    }
    lines.sort();
    for extra in [
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
        "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta",
        "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
        "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    ] {
        roots.insert(extra.to_owned());
    }
    for name in reachable(&definitions, roots) {
        if let Some(definition) = definitions.get(&name) {
            lines.push(format!(
                "T\t{}\t{}",
                short(&name),
                named_type(&name, definition, &definitions)
            ));
        }
    }
    lines.push(String::new());
    fs::write(out, lines.join("\n"))
}

fn read(path: &Path) -> io::Result<Value> {
    serde_json::from_slice(&fs::read(path)?)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

/// The upstream name without the parts that every name shares.
fn short(name: &str) -> String {
    name.replace("io.k8s.apimachinery.pkg.apis.", "")
        .replace("io.k8s.apimachinery.pkg.", "")
        .replace("io.k8s.apiextensions-apiserver.pkg.apis.", "")
        .replace("io.k8s.kube-aggregator.pkg.apis.", "")
        .replace("io.k8s.api.", "")
}

struct KindFacts {
    gvk: (String, String, String),
    facts: Map<String, Value>,
    others: Vec<(String, String, String)>,
}

impl KindFacts {
    fn all_kinds(&self) -> Vec<(String, String, String)> {
        std::iter::once(self.gvk.clone())
            .chain(self.others.clone())
            .collect()
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn gvk_of(value: &Value) -> (String, String, String) {
    (text(value, "group"), text(value, "version"), text(value, "kind"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn kinds_of(discovery: &Value) -> Vec<KindFacts> {
    let mut found = Vec::new();
    for group in list(discovery, "items") {
        let group_name = text(&group["metadata"], "name");
        for version in list(group, "versions") {
            let version_name = text(version, "version");
            for resource in list(version, "resources") {
                let kind = text(&resource["responseKind"], "kind");
                let gvk = (group_name.clone(), version_name.clone(), kind);
                let mut facts = Map::new();
                let mut others = Vec::new();
                facts.insert("g".into(), json!(gvk.0));
                facts.insert("v".into(), json!(gvk.1));
                facts.insert("k".into(), json!(gvk.2));
                facts.insert("p".into(), resource["resource"].clone());
                facts.insert("s".into(), resource["singularResource"].clone());
                facts.insert("n".into(), json!(resource["scope"] == "Namespaced"));
                facts.insert("verbs".into(), resource["verbs"].clone());
                for (from, to) in [("shortNames", "short"), ("categories", "c")] {
                    if !list(resource, from).is_empty() {
                        facts.insert(to.into(), resource[from].clone());
                    }
                }
                let mut subresources = Vec::new();
                for subresource in list(resource, "subresources") {
                    // An empty version means the group and version of the resource itself.
                    let (mut group, mut version, kind) = gvk_of(&subresource["responseKind"]);
                    if version.is_empty() {
                        (group, version) = (group_name.clone(), version_name.clone());
                    }
                    others.push((group.clone(), version.clone(), kind.clone()));
                    subresources.push(json!({
                        "n": subresource["subresource"],
                        "g": group,
                        "v": version,
                        "k": kind,
                        "verbs": subresource["verbs"],
                    }));
                }
                if !subresources.is_empty() {
                    facts.insert("sub".into(), Value::Array(subresources));
                }
                found.push(KindFacts { gvk, facts, others });
            }
        }
    }
    found
}

fn types_by_kind(definitions: &BTreeMap<String, Value>) -> BTreeMap<(String, String, String), String> {
    let mut found = BTreeMap::new();
    for (name, definition) in definitions {
        for gvk in list(definition, "x-kubernetes-group-version-kind") {
            found.entry(gvk_of(gvk)).or_insert_with(|| name.clone());
        }
    }
    found
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()
        .or_else(|| schema["allOf"][0]["$ref"].as_str())
        .and_then(|reference| reference.rsplit('/').next())
}

fn reachable(definitions: &BTreeMap<String, Value>, roots: BTreeSet<String>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        if let Some(definition) = definitions.get(&name) {
            references(definition, &mut open);
        }
    }
    seen
}

fn references(schema: &Value, found: &mut Vec<String>) {
    if let Some(name) = reference(schema) {
        found.push(name.to_owned());
    }
    for child in ["items", "additionalProperties"] {
        if schema[child].is_object() {
            references(&schema[child], found);
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        for property in properties.values() {
            references(property, found);
        }
    }
}

fn named_type(name: &str, definition: &Value, definitions: &BTreeMap<String, Value>) -> Value {
    match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => json!("q"),
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => json!("x"),
        "io.k8s.apimachinery.pkg.runtime.RawExtension" => json!("r"),
        _ => node(definition, definitions),
    }
}

/// Whether the server writes the zero value of a plain field that nobody set. Of strings, only the
/// required ones: others have the empty string as their default and are left out all the same.
fn always_written(property: &Value, required: bool) -> bool {
    let default = &property["default"];
    default == &json!(0) || default == &json!(false) || (default == &json!("") && required)
}

/// A schema: a string for the plain ones (`s` string, `i32`, `i64`, `n` number, `b` boolean, `*`
/// anything, `@name` another type, followed by `+` when the empty value is always written), an object
/// for the others.
fn node(schema: &Value, definitions: &BTreeMap<String, Value>) -> Value {
    let mut facts = Map::new();
    if let Some(name) = reference(schema) {
        let is_object = definitions
            .get(name)
            .is_some_and(|target| target["type"] == "object");
        let always = if schema["default"] == json!({}) && is_object {
            "+"
        } else {
            ""
        };
        facts.insert("t".into(), json!(format!("@{}{always}", short(name))));
    } else {
        let format = schema["format"].as_str().unwrap_or_default();
        let kind = match schema["type"].as_str().unwrap_or_default() {
            "string" => match format {
                "" => "s".to_owned(),
                other => format!("s:{other}"),
            },
            "integer" => match format {
                "int32" => "i32".to_owned(),
                _ => "i64".to_owned(),
            },
            "number" => "n".to_owned(),
            "boolean" => "b".to_owned(),
            "array" => "a".to_owned(),
            "object" => "o".to_owned(),
            _ => "*".to_owned(),
        };
        facts.insert("t".into(), json!(kind));
        let default = &schema["default"];
        let is_zero = default.is_null()
            || default == &json!("")
            || default == &json!(0)
            || default == &json!(false)
            || default == &json!({});
        if !is_zero {
            facts.insert("d".into(), default.clone());
        }
    }
    if schema["items"].is_object() {
        facts.insert("i".into(), node(&schema["items"], definitions));
    }
    if schema["additionalProperties"].is_object() {
        facts.insert("v".into(), node(&schema["additionalProperties"], definitions));
    }
    if let Some(properties) = schema["properties"].as_object() {
        let required: Vec<&str> = list(schema, "required")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = Map::new();
        for (name, property) in properties {
            let mark = if required.contains(&name.as_str()) {
                "!"
            } else {
                ""
            };
            let mut field = node(property, definitions);
            if always_written(property, !mark.is_empty()) {
                let code = if field.is_string() {
                    Some(&mut field)
                } else {
                    field.get_mut("t")
                };
                if let Some(Value::String(code)) = code {
                    code.push('+');
                }
            }
            fields.insert(format!("{name}{mark}"), field);
        }
        facts.insert("p".into(), Value::Object(fields));
    }
    for (from, to) in [
        ("enum", "e"),
        ("x-kubernetes-list-map-keys", "l"),
        ("x-kubernetes-map-type", "m"),
        ("x-kubernetes-patch-merge-key", "k"),
        ("x-kubernetes-patch-strategy", "g"),
    ] {
        if !schema[from].is_null() {
            facts.insert(to.into(), schema[from].clone());
        }
    }
    if schema["x-kubernetes-list-type"] == "set" {
        facts.insert("l".into(), json!([]));
    }
    if facts.len() == 1
        && let Some(kind) = facts.remove("t")
    {
        return kind;
    }
    Value::Object(facts)
}
