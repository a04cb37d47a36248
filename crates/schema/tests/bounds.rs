//! Whatever an object holds, little is told of it, and in little time; and none of it makes a check stop.

#![expect(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "a test may stop at a kind that is not there"
)]

use schema::{Schema, Schemas, Type, decode_mistake, validate, validate_new, validate_update, warnings};
use serde_json::{Map, Value, json};

fn schema(api_version: &str, kind: &str) -> &'static Schema {
    Schemas::builtin().schema(api_version, kind).expect(kind)
}

/// A pod with a spec of which this is added to its only container.
fn pod(container: Value) -> Value {
    let mut all = json!({ "name": "a", "image": "a" });
    all.as_object_mut()
        .expect("a container")
        .extend(container.as_object().expect("an object").clone());
    json!({ "metadata": { "name": "a" }, "spec": { "containers": [all] } })
}

fn many(item: impl Fn(usize) -> Value) -> Vec<Value> {
    (0..MANY).map(item).collect()
}

/// So many that a test which looks at every pair of them does not end soon.
const MANY: usize = 20_000;

#[test]
fn no_more_than_a_hundred_findings() {
    let wrong = |count: usize| -> Value { (0..count).map(|_| json!({ "name": "A!" })).collect() };
    let object = pod(json!({ "env": [], "ports": wrong(300) }));
    assert_eq!(validate(schema("v1", "Pod"), &object).len(), 100);
    let references: Value = (0..300)
        .map(|_| json!({ "apiVersion": "v1", "kind": "Event" }))
        .collect();
    let object = json!({ "metadata": { "name": "a", "ownerReferences": references } });
    assert_eq!(validate(schema("v1", "ConfigMap"), &object).len(), 100);
}

#[test]
fn a_long_value_is_shown_in_part() {
    let object = json!({ "metadata": { "name": "ä".repeat(100_000) } });
    for finding in validate(schema("v1", "ConfigMap"), &object) {
        assert!(finding.message.chars().count() < 5000 && finding.message.contains("ä…"));
    }
}

#[test]
fn what_holds_the_whole_context_is_told_once() {
    let add = vec!["CAP_SYS_ADMIN"; 50];
    let context =
        json!({ "allowPrivilegeEscalation": false, "privileged": true, "capabilities": { "add": add } });
    let found = validate(schema("v1", "Pod"), &pod(json!({ "securityContext": context })));
    let together: Vec<_> = found
        .iter()
        .filter_map(|finding| finding.message.split_once("to false and "))
        .map(|(_, why)| why)
        .collect();
    assert_eq!(
        together,
        ["`privileged` to true", "`capabilities.Add` CAP_SYS_ADMIN"]
    );
}

#[test]
fn no_more_than_a_hundred_warnings() {
    let ports: Value = (0..300).map(|_| json!({ "containerPort": 80 })).collect();
    let found = warnings(schema("v1", "Pod"), &pod(json!({ "ports": ports })));
    assert_eq!(found.len(), 100);
}

#[test]
fn ports_get_in_the_way_of_each_other_as_upstream_sees_it() {
    let ports = json!([
        { "containerPort": 80, "hostPort": 1, "hostIP": "10.0.0.1" },
        { "containerPort": 80, "hostPort": 1, "hostIP": "10.0.0.2" },
        { "containerPort": 80, "hostPort": 1 },
        { "containerPort": 80, "hostPort": 2 },
        { "containerPort": 80 },
        { "containerPort": 80, "hostPort": 1, "hostIP": "10.0.0.2" },
        { "containerPort": 81 },
    ]);
    let found = warnings(schema("v1", "Pod"), &pod(json!({ "ports": ports })));
    let found: Vec<String> = found
        .iter()
        .map(|warning| warning.replace("spec.containers[0].ports", ""))
        .map(|warning| warning.replace(" port definition with ", " "))
        .collect();
    assert_eq!(
        found,
        [
            "[2]: dangerously ambiguous [0]",
            "[2]: dangerously ambiguous [1]",
            "[4]: overlapping [0]",
            "[4]: overlapping [1]",
            "[4]: overlapping [2]",
            "[4]: overlapping [3]",
            "[5]: duplicate [1]",
            "[5]: dangerously ambiguous [2]",
            "[5]: overlapping [4]",
        ]
    );
}

#[test]
fn many_things_are_looked_at_once_each() {
    let named = |place: usize| json!({ "name": format!("n{place}") });
    let env = many(named);
    let ports =
        many(|place| json!({ "name": format!("n{place}"), "containerPort": 80, "hostPort": place + 1 }));
    let mounts = many(|place| json!({ "name": "v", "mountPath": format!("/{place}") }));
    let mut object = pod(json!({ "env": env, "ports": ports, "volumeMounts": mounts }));
    let spec = object["spec"].as_object_mut().expect("a spec");
    spec.insert(
        "hostAliases".into(),
        many(|place| json!({ "ip": format!("{place}") })).into(),
    );
    spec.insert("imagePullSecrets".into(), many(named).into());
    spec.insert("volumes".into(), many(named).into());
    let sysctls = many(|place| json!({ "name": format!("a.n{place}") }));
    spec.insert("securityContext".into(), json!({ "sysctls": sysctls }));
    let spreads = many(|place| json!({ "topologyKey": format!("n{place}"), "maxSkew": 1 }));
    spec.insert("topologySpreadConstraints".into(), spreads.into());
    let tolerations = many(|place| json!({ "key": format!("n{place}"), "operator": "Exists" }));
    spec.insert("tolerations".into(), tolerations.into());
    let pods = schema("v1", "Pod");
    let few = |told: usize| assert!(told <= 100, "{told}");
    few(validate(pods, &object).len());
    few(warnings(pods, &object).len());
    few(validate_update(pods, &object, &object).len());
    let ports = many(|place| json!({ "name": format!("n{place}"), "port": place + 1 }));
    few(validate(schema("v1", "Service"), &json!({ "spec": { "ports": ports } })).len());
    let limits = many(|place| json!({ "type": format!("a/{place}") }));
    few(validate(
        schema("v1", "LimitRange"),
        &json!({ "spec": { "limits": limits } }),
    )
    .len());
}

/// An object of a schema with all that it may hold, so many levels deep.
fn whole(schema: &Schema, depth: usize) -> Value {
    match schema.kind {
        Type::Object if depth > 0 => {
            let mut fields: Map<String, Value> = schema
                .fields
                .iter()
                .map(|(name, field)| (name.clone(), whole(field.schema.get(), depth - 1)))
                .collect();
            if let Some(values) = schema.values() {
                fields.insert("a".to_owned(), whole(values, depth - 1));
            }
            Value::Object(fields)
        }
        Type::Array if depth > 0 => json!([whole(schema.item(), depth - 1)]),
        Type::Object => json!({}),
        Type::Array => json!([]),
        Type::Integer | Type::Number => json!(1),
        Type::Boolean => json!(true),
        _ => json!("a"),
    }
}

/// The pointers to all objects and lists in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| places(value, &format!("{at}/{name}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(place, value)| places(value, &format!("{at}/{place}"), found)),
        _ => return,
    }
    found.push(at.to_owned());
}

#[test]
fn what_is_of_the_wrong_type_stops_nothing() {
    for kind in Schemas::builtin().kinds() {
        let schema = kind.schema();
        let good = whole(schema, 5);
        let mut all = Vec::new();
        places(&good, "", &mut all);
        for place in all {
            for scalar in [json!("a"), json!(1)] {
                let mut bad = good.clone();
                *bad.pointer_mut(&place).expect("a place") = scalar;
                validate(schema, &bad);
                validate_new(schema, &bad);
                validate_update(schema, &good, &bad);
                validate_update(schema, &bad, &good);
                warnings(schema, &bad);
                decode_mistake(schema, &bad);
            }
        }
    }
}
