//! Who owns what after a write, in the words of a small notation: `manager[+subresource]: paths`.

#![expect(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "cases are written where they are used"
)]

use schema::{ApplyError, FieldSet, Schema, Schemas, Write, apply, custom_resource_reset_fields, update};
use serde_json::{Value, json};

const TIME: &str = "2026-01-01T00:00:00Z";

fn widget() -> Schema {
    Schema::from_crd(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"},
        "mode": {"type": "string", "default": "plain"},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "order": {"type": "array", "items": {"type": "string"}},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "properties": {
                "port": {"type": "integer"},
                "protocol": {"type": "string", "default": "TCP"},
                "note": {"type": "string"},
            }},
        },
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}, "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}}))
    .expect("schema")
}

fn widget_with(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
}

fn write<'a>(manager: &'a str, reset: &'a FieldSet) -> Write<'a> {
    Write {
        manager,
        api_version: "example.com/v1",
        subresource: "",
        time: TIME,
        reset,
    }
}

/// The owners of an object, one line each.
fn owners(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            let set = FieldSet::from_fields_v1(&entry["fieldsV1"]).expect("fieldsV1");
            let paths: Vec<String> = set
                .paths()
                .iter()
                .map(|path| path.iter().map(ToString::to_string).collect::<String>())
                .collect();
            format!(
                "{}: {}",
                entry["manager"].as_str().expect("manager"),
                paths.join(" ")
            )
        })
        .collect()
}

/// Applies configurations in turn; checks the spec that comes out and who owns what.
fn check(steps: &[(&str, Value)], spec: &Value, expect: &[&str]) {
    let schema = widget();
    let reset = custom_resource_reset_fields("");
    let mut live = None;
    for (manager, config) in steps {
        let written = apply(
            &schema,
            live.as_ref(),
            &widget_with(config.clone()),
            true,
            &write(manager, &reset),
        );
        live = Some(written.expect("applied").object);
    }
    let live = live.expect("an object");
    assert_eq!(&live["spec"], spec);
    assert_eq!(owners(&live), expect);
}

#[test]
fn set_items_have_their_own_owners() {
    check(
        &[
            ("a", json!({"tags": ["x", "y"]})),
            ("b", json!({"tags": ["y", "z"]})),
            ("a", json!({"tags": ["x"]})),
        ],
        &json!({"mode": "plain", "tags": ["x", "y", "z"]}),
        &[
            r#"a: .spec.tags[="x"]"#,
            r#"b: .spec.tags[="y"] .spec.tags[="z"]"#,
        ],
    );
}

#[test]
fn the_last_owner_of_a_list_takes_it_along() {
    check(
        &[
            ("a", json!({"size": 1, "tags": ["x"], "ports": [{"port": 1}]})),
            ("a", json!({"size": 1})),
        ],
        &json!({"mode": "plain", "size": 1}),
        &["a: .spec.size"],
    );
}

#[test]
fn a_defaulted_key_names_the_same_item() {
    check(
        &[
            (
                "a",
                json!({"ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}),
            ),
            (
                "b",
                json!({"ports": [{"port": 80, "protocol": "TCP", "note": "web"}]}),
            ),
            ("a", json!({"ports": [{"port": 80, "protocol": "UDP"}]})),
        ],
        &json!({"mode": "plain", "ports": [
            {"port": 80, "protocol": "TCP", "note": "web"},
            {"port": 80, "protocol": "UDP"},
        ]}),
        &[
            r#"a: .spec.ports[port=80,protocol="UDP"] .spec.ports[port=80,protocol="UDP"].port .spec.ports[port=80,protocol="UDP"].protocol"#,
            r#"b: .spec.ports[port=80,protocol="TCP"] .spec.ports[port=80,protocol="TCP"].note .spec.ports[port=80,protocol="TCP"].port .spec.ports[port=80,protocol="TCP"].protocol"#,
        ],
    );
}

#[test]
fn whole_values_change_hands_whole() {
    check(
        &[
            ("a", json!({"whole": {"k": "1"}, "order": ["1", "2"]})),
            ("b", json!({"whole": {"l": "2"}})),
            ("c", json!({"order": ["2"]})),
        ],
        &json!({"mode": "plain", "whole": {"l": "2"}, "order": ["2"]}),
        &["b: .spec.whole", "c: .spec.order"],
    );
}

#[test]
fn free_fields_are_owned_one_by_one() {
    check(
        &[
            ("a", json!({"free": {"deep": {"x": 1, "list": [1]}}})),
            ("b", json!({"free": {"deep": {"y": 2}}})),
            ("a", json!({"free": {"deep": {"list": [1]}}})),
        ],
        &json!({"mode": "plain", "free": {"deep": {"list": [1], "y": 2}}}),
        &[
            "a: .spec.free.deep .spec.free.deep.list",
            "b: .spec.free.deep .spec.free.deep.y",
        ],
    );
}

#[test]
fn the_order_of_a_keyed_list_follows_the_last_applier() {
    check(
        &[
            ("a", json!({"ports": [{"port": 1}, {"port": 2}, {"port": 3}]})),
            ("b", json!({"ports": [{"port": 9}, {"port": 3}, {"port": 1}]})),
        ],
        &json!({"mode": "plain", "ports": [
            {"port": 2, "protocol": "TCP"},
            {"port": 9, "protocol": "TCP"},
            {"port": 3, "protocol": "TCP"},
            {"port": 1, "protocol": "TCP"},
        ]}),
        &[
            r#"a: .spec.ports[port=1,protocol="TCP"] .spec.ports[port=2,protocol="TCP"] .spec.ports[port=3,protocol="TCP"] .spec.ports[port=1,protocol="TCP"].port .spec.ports[port=2,protocol="TCP"].port .spec.ports[port=3,protocol="TCP"].port"#,
            r#"b: .spec.ports[port=1,protocol="TCP"] .spec.ports[port=3,protocol="TCP"] .spec.ports[port=9,protocol="TCP"] .spec.ports[port=1,protocol="TCP"].port .spec.ports[port=3,protocol="TCP"].port .spec.ports[port=9,protocol="TCP"].port"#,
        ],
    );
}

#[test]
fn a_conflict_names_owner_and_field_and_changes_nothing() {
    let schema = widget();
    let reset = FieldSet::new();
    let live = update(
        &schema,
        None,
        widget_with(json!({"size": 1, "labels": {"a": "1"}})),
        &write("ctl", &reset),
    );
    assert_eq!(
        owners(&live.object),
        ["ctl: .spec .spec.labels .spec.mode .spec.size .spec.labels.a"]
    );
    let config = widget_with(json!({"size": 2, "labels": {"a": "2", "b": "1"}}));
    let refused = apply(&schema, Some(&live.object), &config, false, &write("me", &reset));
    let error = refused.expect_err("a conflict");
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"ctl\" using example.com/v1:\n- .spec.size\n- .spec.labels.a"
    );
    let ApplyError::Conflicts { conflicts, paths } = error else {
        panic!("not a conflict")
    };
    assert_eq!((conflicts.len(), paths.len()), (2, 2));
    let forced = apply(&schema, Some(&live.object), &config, true, &write("me", &reset)).expect("forced");
    assert_eq!(
        owners(&forced.object),
        [
            "me: .spec.size .spec.labels.a .spec.labels.b",
            "ctl: .spec .spec.labels .spec.mode"
        ]
    );
}

#[test]
fn nothing_new_is_no_write() {
    let schema = widget();
    let reset = FieldSet::new();
    let config = widget_with(json!({"size": 1}));
    let first = apply(&schema, None, &config, false, &write("me", &reset)).expect("applied");
    assert!(first.changed);
    let later = Write {
        time: "2026-02-02T00:00:00Z",
        ..write("me", &reset)
    };
    let second = apply(&schema, Some(&first.object), &config, false, &later).expect("applied");
    assert!(!second.changed);
    assert_eq!(second.object, first.object);
    let third = update(&schema, Some(&first.object), first.object.clone(), &later);
    assert!(!third.changed);
    assert_eq!(third.object, first.object);
}

#[test]
fn an_object_without_owners_is_owned_before_its_first_apply() {
    let schema = widget();
    let reset = FieldSet::new();
    let live = widget_with(json!({"size": 1, "mode": "plain"}));
    let error = apply(
        &schema,
        Some(&live),
        &widget_with(json!({"size": 2})),
        false,
        &write("me", &reset),
    );
    assert_eq!(
        error.expect_err("a conflict").to_string(),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using example.com/v1: .spec.size"
    );
}

#[test]
fn fields_that_became_one_value_are_owned_as_one() {
    let reset = FieldSet::new();
    let granular = widget();
    let live = apply(
        &granular,
        None,
        &widget_with(json!({"labels": {"a": "1"}})),
        false,
        &write("me", &reset),
    )
    .expect("applied")
    .object;
    assert_eq!(owners(&live), ["me: .spec.labels.a"]);
    let atomic = Schema::from_crd(&json!({"type": "object", "properties": {"spec": {
        "type": "object", "properties": {"labels": {
            "type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"},
        }},
    }}}))
    .expect("schema");
    let written = update(
        &atomic,
        Some(&live),
        widget_with(json!({"labels": {"a": "1"}, "x": 1})),
        &write("b", &reset),
    );
    assert_eq!(owners(&written.object), ["me: .spec.labels"]);
}

#[test]
fn items_that_stand_twice_do_not_stop_a_write() {
    let schema = widget();
    let reset = FieldSet::new();
    let twice = widget_with(json!({"ports": [{"port": 1, "note": "a"}, {"port": 1, "note": "b"}]}));
    let live = update(&schema, None, twice, &write("old", &reset)).object;
    let config = widget_with(json!({"ports": [{"port": 2}]}));
    let applied = apply(&schema, Some(&live), &config, false, &write("me", &reset))
        .expect("applied")
        .object;
    let ports: Vec<&Value> = applied["spec"]["ports"]
        .as_array()
        .expect("ports")
        .iter()
        .map(|p| &p["note"])
        .collect();
    assert_eq!(ports, [&json!("a"), &json!("b"), &Value::Null]);
}

#[test]
fn configurations_that_cannot_be_read_are_refused() {
    let schema = Schemas::builtin()
        .schema("apps/v1", "Deployment")
        .expect("Deployment");
    let check = |config: Value, expect: &str| {
        let reset = FieldSet::new();
        let error = apply(schema, None, &config, false, &write("me", &reset)).expect_err("refused");
        assert_eq!(error.to_string(), expect);
    };
    check(
        json!([]),
        "failed to create typed patch object: an applied configuration must be an object",
    );
    check(
        json!({"metadata": {"managedFields": []}}),
        "metadata.managedFields must be nil",
    );
    check(
        json!({"spec": []}),
        "failed to create typed patch object: .spec: expected map, got list",
    );
    check(
        json!({"spec": {"template": {"spec": {"containers": [{"image": "x"}, null]}}}}),
        "failed to create typed patch object: .spec.template.spec.containers: element 1: associative list \
         with keys may not have a null element",
    );
    let mut deep = json!("end");
    for _ in 0..200 {
        deep = json!([deep]);
    }
    check(
        json!({"spec": {"x": deep}}),
        "failed to create typed patch object: the object is nested deeper than 128 levels",
    );
}
