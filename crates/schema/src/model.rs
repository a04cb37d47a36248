//! One node of a schema, and how nodes refer to each other. Only shape: what is computed from it
//! lives in the modules beside.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::builtin;
use crate::pattern::Pattern;

/// One node of a schema: what a value at one place of an object may be.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// The name of a built-in type, such as `apps.v1.DeploymentSpec`; empty for inline nodes and
    /// custom resources.
    pub name: String,
    /// The JSON type.
    pub kind: Type,
    /// OpenAPI format (`int32`, `date-time`, …), empty when there is none.
    pub format: String,
    /// Whether `null` is a value of its own.
    pub nullable: bool,
    /// The named fields of an object.
    pub fields: BTreeMap<String, Field>,
    /// The names of fields that must be there.
    pub required: Vec<String>,
    /// The schema of values under names that are not in `fields`: a map.
    pub values: Option<Ref>,
    /// Whether fields that the schema does not name are kept.
    pub preserve_unknown: bool,
    /// Whether the object is a whole Kubernetes object of any kind (apiVersion, kind, metadata).
    pub embedded: bool,
    /// The schema of list items.
    pub items: Option<Ref>,
    /// How two writers share a list.
    pub list: ListType,
    /// How two writers share an object.
    pub map: MapType,
    /// Strategic merge patch: how this list or object is patched.
    pub patch: PatchStrategy,
    /// Strategic merge patch: the field by which list items are matched, empty for none.
    pub merge_key: String,
    /// The value when the field is absent.
    pub default: Option<Value>,
    /// Whether the API server holds this node in a Go type of its own (built-in kinds): empty
    /// optional lists and maps then vanish on a round trip, and nulls never survive.
    pub typed: bool,
    /// Further constraints on the value, rarely present.
    pub rules: Option<Box<Rules>>,
}

/// A named field of an object.
#[derive(Debug, Clone)]
pub struct Field {
    /// The schema of its value.
    pub schema: Ref,
    /// Whether the server writes the empty object, zero or empty string even when nobody set it, as
    /// Go does for fields that are neither pointers nor left out when empty: `status: {}`.
    pub always: bool,
    /// Overrides the map type of the schema referred to.
    pub map: Option<MapType>,
    /// Overrides the patch strategy of the schema referred to.
    pub patch: Option<PatchStrategy>,
}

impl Field {
    /// A field with nothing but a schema.
    pub fn new(schema: Ref) -> Field {
        Field {
            schema,
            always: false,
            map: None,
            patch: None,
        }
    }
}

/// The JSON type of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Type {
    /// Anything at all.
    #[default]
    Any,
    /// An object: a struct, a map, or both.
    Object,
    /// A list.
    Array,
    /// A string.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A whole number or a string (`x-kubernetes-int-or-string`).
    IntOrString,
    /// A quantity such as `500m` or `2Gi`, as a string or a number.
    Quantity,
    /// Anything at all, owned as a whole.
    Raw,
}

/// How two writers share a list (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListType {
    /// The list is one value; whoever writes it owns all of it.
    #[default]
    Atomic,
    /// Each scalar item has its own owners.
    Set,
    /// Each item has its own owners and is found by these fields.
    Map(Vec<String>),
}

/// How two writers share an object (`x-kubernetes-map-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MapType {
    /// Each field has its own owners.
    #[default]
    Granular,
    /// The object is one value; whoever writes it owns all of it.
    Atomic,
}

/// How strategic merge patch treats a list or an object (`x-kubernetes-patch-strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatchStrategy {
    /// Lists are replaced, objects are merged.
    #[default]
    Default,
    /// Lists are merged, by merge key when there is one.
    Merge,
    /// Replaced, objects too.
    Replace,
    /// Merged, and fields the patch does not name under `$retainKeys` go.
    RetainKeys,
    /// Lists are merged by key, and the items keep only what `$retainKeys` names.
    MergeRetainKeys,
}

impl PatchStrategy {
    /// Whether lists are merged rather than replaced.
    pub fn merges(self) -> bool {
        matches!(self, PatchStrategy::Merge | PatchStrategy::MergeRetainKeys)
    }
}

/// Constraints on a value beyond its type, mostly of custom resources.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The values allowed.
    pub allowed: Vec<Value>,
    /// A regular expression that a string must match somewhere.
    pub pattern: Option<Pattern>,
    /// Smallest number, and whether it is itself excluded.
    pub minimum: Option<(f64, bool)>,
    /// Largest number, and whether it is itself excluded.
    pub maximum: Option<(f64, bool)>,
    /// The number must be a multiple of this.
    pub multiple_of: Option<f64>,
    /// Fewest characters.
    pub min_length: Option<u64>,
    /// Most characters.
    pub max_length: Option<u64>,
    /// Fewest items.
    pub min_items: Option<u64>,
    /// Most items.
    pub max_items: Option<u64>,
    /// Whether items must differ from each other.
    pub unique_items: bool,
    /// Fewest fields.
    pub min_properties: Option<u64>,
    /// Most fields.
    pub max_properties: Option<u64>,
    /// All of these must accept the value.
    pub all_of: Vec<Schema>,
    /// At least one of these must accept the value.
    pub any_of: Vec<Schema>,
    /// Exactly one of these must accept the value.
    pub one_of: Vec<Schema>,
    /// This must not accept the value.
    pub not: Option<Schema>,
}

/// A reference to a schema: one of its own, or a built-in type that is decoded when first used.
#[derive(Debug, Clone)]
pub enum Ref {
    /// A schema held here.
    Own(Arc<Schema>),
    /// The built-in type with this index.
    Builtin(u16),
}

impl Ref {
    /// A reference to a schema of one's own.
    pub fn own(schema: Schema) -> Ref {
        Ref::Own(Arc::new(schema))
    }

    /// The schema referred to.
    pub fn get(&self) -> &Schema {
        match self {
            Ref::Own(schema) => schema,
            Ref::Builtin(index) => builtin::type_at(*index),
        }
    }
}

impl std::ops::Deref for Ref {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        self.get()
    }
}

/// A node that accepts anything, with its objects shared field by field and its lists owned whole.
static ANY: Schema = Schema {
    name: String::new(),
    kind: Type::Any,
    format: String::new(),
    nullable: true,
    fields: BTreeMap::new(),
    required: Vec::new(),
    values: None,
    preserve_unknown: true,
    embedded: false,
    items: None,
    list: ListType::Atomic,
    map: MapType::Granular,
    patch: PatchStrategy::Default,
    merge_key: String::new(),
    default: None,
    typed: false,
    rules: None,
};

impl Schema {
    /// A schema that accepts anything; its objects are shared field by field.
    pub fn any() -> &'static Schema {
        &ANY
    }

    /// A named field.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// The schema of the value under a name: the named field's, else that of the map's values, else
    /// [`Schema::any`] where unknown fields are kept. `None` when the schema does not know the name.
    pub fn child(&self, name: &str) -> Option<&Schema> {
        match self.fields.get(name) {
            Some(field) => Some(field.schema.get()),
            None => self.values(),
        }
    }

    /// The schema of values under names that are not fields.
    pub fn values(&self) -> Option<&Schema> {
        match &self.values {
            Some(values) => Some(values.get()),
            None if self.keeps_unknown() => Some(Schema::any()),
            None => None,
        }
    }

    /// The schema of list items.
    pub fn item(&self) -> &Schema {
        self.items.as_ref().map_or(Schema::any(), Ref::get)
    }

    /// Whether a name that is neither field nor map entry is kept all the same.
    pub fn keeps_unknown(&self) -> bool {
        self.preserve_unknown
            || matches!(self.kind, Type::Any | Type::Raw)
            || (self.typed && self.fields.is_empty() && self.values.is_none())
    }

    /// Whether this is a whole map or raw value rather than a struct.
    pub fn is_open_map(&self) -> bool {
        self.fields.is_empty()
    }
}
