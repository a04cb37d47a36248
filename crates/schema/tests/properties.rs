//! What must hold for whatever comes in.

#![expect(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "a test may stop at a schema that is not there"
)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use schema::{
    Element, FieldSet, Scalar, Schema, Schemas, Write, apply, decode_mistake, default, diff, prepare,
    strategic_merge, unknown_fields, update, validate, validate_new, validate_update, warnings,
};
use serde_json::{Map, Value, json};

fn widget() -> Schema {
    let labels = json!({"type": "object", "additionalProperties": {"type": "string"}});
    Schema::from_crd(
        &json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer", "minimum": 1},
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "plain": {"type": "array", "items": {"type": "string"}},
            "labels": labels,
            "items": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {
                    "name": {"type": "string"}, "value": {"type": "string"}, "labels": labels,
                }},
            },
        }}}}),
    )
    .expect("schema")
}

fn write<'a>(manager: &'a str, reset: &'a FieldSet) -> Write<'a> {
    Write {
        manager,
        api_version: "example.com/v1",
        subresource: "",
        time: "2026-01-01T00:00:00Z",
        reset,
    }
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

fn labels() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(word(), word(), 1..3).prop_map(|labels| json!(labels))
}

fn some<T: Strategy<Value = Value>>(strategy: T) -> impl Strategy<Value = Option<Value>> {
    prop::option::of(strategy)
}

fn object_of(fields: Vec<(&'static str, Option<Value>)>) -> Value {
    Value::Object(
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
    )
}

fn item() -> impl Strategy<Value = Value> {
    (some(word().prop_map(Value::from)), some(labels()))
        .prop_map(|(value, labels)| object_of(vec![("value", value), ("labels", labels)]))
}

/// A well-formed spec: no doubles, nothing empty.
fn spec() -> impl Strategy<Value = Value> {
    let items = prop::collection::btree_map(word(), item(), 1..4).prop_shuffle_items();
    let tags = prop::collection::btree_set(word(), 1..4).prop_map(|tags: BTreeSet<String>| json!(tags));
    let plain = prop::collection::vec(word(), 1..4).prop_map(|plain| json!(plain));
    (
        some((1..4i64).prop_map(Value::from)),
        some(tags),
        some(plain),
        some(labels()),
        some(items),
    )
        .prop_map(|(size, tags, plain, labels, items)| {
            object_of(vec![
                ("size", size),
                ("tags", tags),
                ("plain", plain),
                ("labels", labels),
                ("items", items),
            ])
        })
}

trait Items: Strategy<Value = std::collections::BTreeMap<String, Value>> + Sized {
    /// The entries as a keyed list in any order.
    fn prop_shuffle_items(self) -> impl Strategy<Value = Value> {
        self.prop_map(|items| {
            items
                .into_iter()
                .map(|(name, mut item)| {
                    item["name"] = json!(name);
                    item
                })
                .collect::<Vec<Value>>()
        })
        .prop_shuffle()
        .prop_map(Value::Array)
    }
}

impl<T: Strategy<Value = std::collections::BTreeMap<String, Value>>> Items for T {}

/// Any JSON, of words that make it past the first level of real schemas.
fn anything() -> impl Strategy<Value = Value> {
    let names = vec![
        "spec",
        "metadata",
        "status",
        "template",
        "containers",
        "name",
        "ports",
        "containerPort",
        "protocol",
        "env",
        "labels",
        "annotations",
        "managedFields",
        "fieldsV1",
        "f:spec",
        "k:{\"name\":\"a\"}",
        "v:1",
        "i:0",
        ".",
        "operation",
        "apiVersion",
        "fieldsType",
        "manager",
        "resources",
        "limits",
        "cpu",
        "volumes",
        "finalizers",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "selector",
        "matchLabels",
        "items",
        "tags",
        "plain",
        "strategy",
        "rollingUpdate",
        "tolerations",
        "replicas",
        "type",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..70000i64).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        prop::sample::select(vec![
            "", "a", "delete", "replace", "merge", "Update", "Apply", "FieldsV1", "100m", "v1"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 60, 5, move |inner| {
        let name = prop::sample::select(names.clone()).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            3 => prop::collection::vec((name, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_schema() -> impl Strategy<Value = Schema> {
    let mut schemas: Vec<Schema> = Schemas::builtin()
        .kinds()
        .iter()
        .map(|kind| kind.schema().clone())
        .collect();
    schemas.push(widget());
    schemas.push(Schema::any().clone());
    let deployment = Schemas::builtin()
        .schema("apps/v1", "Deployment")
        .expect("Deployment")
        .clone();
    prop_oneof![Just(deployment), Just(widget()), prop::sample::select(schemas)]
}

fn element() -> impl Strategy<Value = Element> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[ -~é<>&]{0,6}".prop_map(Value::from),
    ]
    .prop_map(Scalar);
    prop_oneof![
        "[a-z.:/é$ ]{0,5}".prop_map(Element::Field),
        scalar.clone().prop_map(Element::Value),
        prop::collection::btree_map("[a-z]{1,3}", scalar, 1..3)
            .prop_map(|key| Element::Key(key.into_iter().collect())),
        any::<i64>().prop_map(Element::Index),
    ]
}

fn field_set() -> impl Strategy<Value = FieldSet> {
    prop::collection::vec(prop::collection::vec(element(), 1..5), 0..8).prop_map(|paths| {
        let mut set = FieldSet::new();
        for path in &paths {
            set.insert(path);
        }
        set
    })
}

fn without_owners(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn field_sets_read_back_as_written(set in field_set()) {
        prop_assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()), Ok(set));
    }

    #[test]
    fn field_sets_are_sets(a in field_set(), b in field_set()) {
        let (union, both) = (a.union(&b), a.intersection(&b));
        prop_assert_eq!(union.len() + both.len(), a.len() + b.len());
        prop_assert_eq!(a.difference(&b).union(&both), a.clone());
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert!(a.without_below(&union).is_empty());
        for path in a.paths() {
            prop_assert!(a.has(&path) && union.has(&path));
            prop_assert_eq!(both.has(&path), b.has(&path));
        }
    }

    #[test]
    fn applying_twice_changes_nothing(first in spec(), mine in spec()) {
        let (schema, reset) = (widget(), FieldSet::new());
        let live = apply(&schema, None, &object(first), false, &write("other", &reset)).expect("created").object;
        let once = apply(&schema, Some(&live), &object(mine.clone()), true, &write("me", &reset)).expect("applied");
        let twice = apply(&schema, Some(&once.object), &object(mine), false, &write("me", &reset)).expect("again");
        prop_assert!(!twice.changed);
        prop_assert_eq!(once.object, twice.object);
    }

    #[test]
    fn what_was_applied_is_there(first in spec(), mine in spec()) {
        let (schema, reset) = (widget(), FieldSet::new());
        let live = apply(&schema, None, &object(first), false, &write("other", &reset)).expect("created").object;
        let applied = apply(&schema, Some(&live), &object(mine.clone()), true, &write("me", &reset)).expect("applied");
        let merged = strip_unapplied(&applied.object["spec"], &mine);
        prop_assert_eq!(merged, mine);
    }

    #[test]
    fn applying_then_removing_restores(mut first in spec(), mine in spec()) {
        let (schema, reset) = (widget(), FieldSet::new());
        // An object that was applied empty, filled by another and emptied again ends as null, upstream too.
        first["size"] = json!(1);
        let live = apply(&schema, None, &object(first), false, &write("other", &reset)).expect("created").object;
        // With conflicts there is nothing to restore: the fields changed hands.
        if let Ok(applied) = apply(&schema, Some(&live), &object(mine), false, &write("me", &reset)) {
            let nothing = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
            let removed = apply(&schema, Some(&applied.object), &nothing, false, &write("me", &reset)).expect("removed");
            let (before, after) = (without_owners(live), without_owners(removed.object));
            prop_assert_eq!(unordered(&before), unordered(&after));
        }
    }

    #[test]
    fn a_fresh_owner_of_everything_conflicts_with_nobody(first in spec(), mine in spec()) {
        let (schema, reset) = (widget(), FieldSet::new());
        let live = update(&schema, None, object(first), &write("other", &reset)).object;
        let forced = apply(&schema, Some(&live), &object(mine.clone()), true, &write("me", &reset)).expect("forced");
        let again = apply(&schema, Some(&forced.object), &object(mine), false, &write("me", &reset));
        prop_assert!(again.is_ok());
    }

    #[test]
    fn nothing_panics(schema in any_schema(), a in anything(), b in anything(), force in any::<bool>()) {
        let reset = FieldSet::of_fields(&[&["status"], &["metadata", "labels"]]);
        let _ = apply(&schema, Some(&a), &b, force, &write("kubectl", &reset));
        let _ = apply(&schema, None, &b, force, &write("", &reset));
        let written = update(&schema, Some(&a), b.clone(), &write("me", &reset));
        let _ = update(&schema, None, written.object, &write("you", &reset));
        let _ = strategic_merge(&schema, &a, &b);
        let _ = validate(&schema, &a);
        let _ = validate_new(&schema, &a);
        let _ = validate_update(&schema, &a, &b);
        let _ = warnings(&schema, &a);
        let _ = decode_mistake(&schema, &a);
        let _ = unknown_fields(&schema, &a);
        let _ = Schema::from_openapi_v3(&a);
        let _ = FieldSet::from_fields_v1(&a);
    }

    #[test]
    fn any_text_is_a_time_or_is_said_not_to_be(
        text in prop_oneof![
            any::<String>(),
            "[0-9]{3,5}-[0-9é]{1,3}-[0-9]{1,3}T[0-9]{1,2}:[0-9]{2}:[0-9ä]{2}([.,][0-9é]{0,7})?(Z|[+-][0-9é:]{0,6})?",
        ],
    ) {
        let whole = json!({"metadata": {"creationTimestamp": text}});
        let micro = json!({"spec": {"renewTime": text}});
        for object in [whole, micro] {
            let lease = Schemas::builtin().schema("coordination.k8s.io/v1", "Lease").expect("Lease");
            if let Some(mistake) = decode_mistake(lease, &object) {
                prop_assert!(mistake.starts_with("parsing time "), "{mistake}");
            }
        }
    }

    #[test]
    fn preparing_twice_is_preparing_once(schema in any_schema(), value in anything()) {
        let mut once = value;
        prepare(&schema, &mut once);
        let mut twice = once.clone();
        prepare(&schema, &mut twice);
        prop_assert_eq!(&once, &twice);
        default(&schema, &mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn pruned_objects_have_no_unknown_fields(schema in any_schema(), value in anything()) {
        let mut pruned = value;
        schema::prune(&schema, &mut pruned);
        prop_assert_eq!(unknown_fields(&schema, &pruned), vec![]);
    }

    #[test]
    fn equal_objects_do_not_differ(schema in any_schema(), value in anything(), other in anything()) {
        prop_assert_eq!(diff(&schema, &value, &value), vec![]);
        for change in diff(&schema, &value, &other) {
            let found = if change.new.is_some() { other.pointer(&change.pointer) } else { value.pointer(&change.pointer) };
            prop_assert_eq!(found, change.new.as_ref().or(change.old.as_ref()));
        }
    }
}

/// What a merged value holds of a configuration, keyed items and set items in the configuration's order.
fn strip_unapplied(merged: &Value, config: &Value) -> Value {
    match (merged, config) {
        (Value::Object(merged), Value::Object(config)) => {
            let fields = config.iter().map(|(name, config)| {
                (
                    name.clone(),
                    merged
                        .get(name)
                        .map_or(Value::Null, |merged| strip_unapplied(merged, config)),
                )
            });
            Value::Object(fields.collect())
        }
        (Value::Array(merged), Value::Array(config)) => {
            let named = config.iter().all(|item| item.get("name").is_some());
            let found = config.iter().filter_map(|config| {
                if named {
                    let item = merged
                        .iter()
                        .find(|item| item.get("name") == config.get("name"))?;
                    Some(strip_unapplied(item, config))
                } else {
                    merged.iter().find(|item| *item == config).cloned()
                }
            });
            Value::Array(found.collect())
        }
        (merged, _) => merged.clone(),
    }
}

/// A value with its lists sorted: an apply may reorder sets and keyed lists for good.
fn unordered(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), unordered(value)))
                .collect(),
        ),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(unordered).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        other => other.clone(),
    }
}
