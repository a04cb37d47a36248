//! The built-in kinds of Kubernetes: one embedded data file of facts read from a real API server
//! (`data/README.md` says which), indexed at first use and decoded type by type when needed.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::model::{Field, ListType, MapType, PatchStrategy, Ref, Rules, Schema, Type};

static FACTS: &str = include_str!("../data/kubernetes.facts");

/// The built-in kinds and their schemas.
#[derive(Debug)]
pub struct Schemas {
    kinds: Vec<Kind>,
    names: Vec<&'static str>,
    index: HashMap<&'static str, u16>,
    types: Vec<(&'static str, OnceLock<Schema>)>,
}

/// One built-in resource, as discovery describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// API group, empty for the core group.
    pub group: String,
    /// Version, such as `v1`.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Name in paths, such as `deployments`.
    pub plural: String,
    /// Name of one, such as `deployment`.
    pub singular: String,
    /// Short names, such as `deploy`.
    pub short_names: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What may be done: `get`, `list`, `watch`, `create`, …
    pub verbs: Vec<String>,
    /// Groups of kinds, such as `all`.
    pub categories: Vec<String>,
    /// Subresources, such as `status` and `scale`.
    pub subresources: Vec<Subresource>,
    type_name: String,
}

/// A subresource of a built-in resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subresource {
    /// Name in paths, such as `scale`.
    pub name: String,
    /// Group of the kind it speaks.
    pub group: String,
    /// Version of the kind it speaks.
    pub version: String,
    /// Kind it speaks.
    pub kind: String,
    /// What may be done.
    pub verbs: Vec<String>,
}

impl Kind {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// A subresource by name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources
            .iter()
            .find(|subresource| subresource.name == name)
    }

    /// Whether the status is written through a subresource of its own.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// The schema of its objects.
    pub fn schema(&self) -> &'static Schema {
        Schemas::builtin()
            .type_named(&self.type_name)
            .unwrap_or(Schema::any())
    }
}

impl Schemas {
    /// The built-in kinds of Kubernetes 1.36.
    pub fn builtin() -> &'static Schemas {
        static BUILTIN: OnceLock<Schemas> = OnceLock::new();
        BUILTIN.get_or_init(|| Schemas::index(FACTS))
    }

    fn index(facts: &'static str) -> Schemas {
        let mut schemas = Schemas {
            kinds: Vec::new(),
            names: Vec::new(),
            index: HashMap::new(),
            types: Vec::new(),
        };
        for line in facts.lines() {
            let mut parts = line.splitn(3, '\t');
            match (parts.next(), parts.next(), parts.next()) {
                (Some("K"), Some(kind), None) => schemas.kinds.extend(decode_kind(kind)),
                (Some("T"), Some(name), Some(body)) => {
                    schemas.index.insert(name, schemas.types.len() as u16);
                    schemas.names.push(name);
                    schemas.types.push((body, OnceLock::new()));
                }
                _ => {}
            }
        }
        schemas
    }

    /// Every built-in resource.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// A built-in resource by group, version and kind.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Kind> {
        self.kinds
            .iter()
            .find(|found| found.kind == kind && found.group == group && found.version == version)
    }

    /// A built-in resource by group, version and its name in paths.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Kind> {
        self.kinds
            .iter()
            .find(|found| found.plural == plural && found.group == group && found.version == version)
    }

    /// The schema of a built-in kind, by the `apiVersion` and `kind` that objects carry.
    pub fn schema(&self, api_version: &str, kind: &str) -> Option<&'static Schema> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.kind(group, version, kind).map(Kind::schema)
    }

    /// The names of all built-in types.
    pub fn type_names(&self) -> &[&'static str] {
        &self.names
    }

    /// A built-in type by its name, such as `core.v1.PodSpec`.
    pub fn type_named(&self, name: &str) -> Option<&'static Schema> {
        self.index.get(name).map(|index| type_at(*index))
    }

    /// A reference to a built-in type by its name.
    pub(crate) fn reference(&self, name: &str) -> Option<Ref> {
        self.index.get(name).copied().map(Ref::Builtin)
    }
}

/// The built-in type with this index, decoded at first use.
pub(crate) fn type_at(index: u16) -> &'static Schema {
    let schemas = Schemas::builtin();
    match schemas.types.get(usize::from(index)) {
        Some((body, cell)) => cell.get_or_init(|| {
            let facts: Value = serde_json::from_str(body).unwrap_or_default();
            let name = schemas.names.get(usize::from(index)).copied().unwrap_or_default();
            Schema {
                name: name.to_owned(),
                ..decode_node(&facts, schemas)
            }
        }),
        None => Schema::any(),
    }
}

#[derive(serde::Deserialize)]
struct KindLine {
    g: String,
    v: String,
    k: String,
    p: String,
    s: String,
    n: bool,
    verbs: Vec<String>,
    #[serde(default)]
    short: Vec<String>,
    #[serde(default)]
    c: Vec<String>,
    #[serde(default)]
    sub: Vec<SubresourceLine>,
    #[serde(default)]
    t: String,
}

#[derive(serde::Deserialize)]
struct SubresourceLine {
    n: String,
    g: String,
    v: String,
    k: String,
    verbs: Vec<String>,
}

fn decode_kind(line: &str) -> Option<Kind> {
    let line: KindLine = serde_json::from_str(line).ok()?;
    Some(Kind {
        group: line.g,
        version: line.v,
        kind: line.k,
        plural: line.p,
        singular: line.s,
        short_names: line.short,
        namespaced: line.n,
        verbs: line.verbs,
        categories: line.c,
        subresources: line
            .sub
            .into_iter()
            .map(|sub| Subresource {
                name: sub.n,
                group: sub.g,
                version: sub.v,
                kind: sub.k,
                verbs: sub.verbs,
            })
            .collect(),
        type_name: line.t,
    })
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn decode_node(facts: &Value, schemas: &Schemas) -> Schema {
    let code = facts
        .as_str()
        .or_else(|| facts["t"].as_str())
        .unwrap_or("*")
        .trim_end_matches('+');
    let (code, format) = code.split_once(':').unwrap_or((code, ""));
    let (kind, format) = match code {
        "s" => (Type::String, format),
        "i32" => (Type::Integer, "int32"),
        "i64" => (Type::Integer, "int64"),
        "n" => (Type::Number, ""),
        "b" => (Type::Boolean, ""),
        "a" => (Type::Array, ""),
        "o" => (Type::Object, ""),
        "q" => (Type::Quantity, ""),
        "x" => (Type::IntOrString, ""),
        "r" => (Type::Raw, ""),
        _ => (Type::Any, ""),
    };
    let mut schema = Schema {
        kind,
        format: format.to_owned(),
        typed: true,
        ..Schema::default()
    };
    if facts.is_string() {
        return schema;
    }
    for (name, field) in facts["p"].as_object().into_iter().flatten() {
        let name = match name.strip_suffix('!') {
            Some(required) => {
                schema.required.push(required.to_owned());
                required
            }
            None => name,
        };
        schema
            .fields
            .insert(name.to_owned(), decode_field(field, schemas));
    }
    if !facts["v"].is_null() {
        schema.values = Some(decode_reference(&facts["v"], schemas));
    }
    if !facts["i"].is_null() {
        schema.items = Some(decode_reference(&facts["i"], schemas));
    }
    if let Some(keys) = facts["l"].as_array() {
        schema.list = if keys.is_empty() {
            ListType::Set
        } else {
            ListType::Map(strings(&facts["l"]))
        };
    }
    schema.map = map_type(facts).unwrap_or_default();
    schema.patch = patch_strategy(facts).unwrap_or_default();
    facts["k"]
        .as_str()
        .unwrap_or_default()
        .clone_into(&mut schema.merge_key);
    schema.default = facts.get("d").cloned();
    if let Some(allowed) = facts["e"].as_array() {
        schema.rules = Some(Box::new(Rules {
            allowed: allowed.clone(),
            ..Rules::default()
        }));
    }
    schema
}

fn map_type(facts: &Value) -> Option<MapType> {
    match facts["m"].as_str()? {
        "atomic" => Some(MapType::Atomic),
        _ => Some(MapType::Granular),
    }
}

fn patch_strategy(facts: &Value) -> Option<PatchStrategy> {
    match facts["g"].as_str()? {
        "merge" => Some(PatchStrategy::Merge),
        "replace" => Some(PatchStrategy::Replace),
        "retainKeys" => Some(PatchStrategy::RetainKeys),
        "merge,retainKeys" => Some(PatchStrategy::MergeRetainKeys),
        _ => None,
    }
}

fn type_code(facts: &Value) -> &str {
    facts.as_str().or_else(|| facts["t"].as_str()).unwrap_or_default()
}

fn decode_field(facts: &Value, schemas: &Schemas) -> Field {
    let code = type_code(facts);
    let is_reference = code.starts_with('@');
    Field {
        schema: decode_reference(facts, schemas),
        always: code.ends_with('+'),
        map: if is_reference { map_type(facts) } else { None },
        patch: if is_reference { patch_strategy(facts) } else { None },
    }
}

fn decode_reference(facts: &Value, schemas: &Schemas) -> Ref {
    match type_code(facts).strip_prefix('@') {
        Some(name) => schemas
            .reference(name.trim_end_matches('+'))
            .unwrap_or_else(|| Ref::Own(Arc::new(Schema::any().clone()))),
        None => Ref::own(decode_node(facts, schemas)),
    }
}
