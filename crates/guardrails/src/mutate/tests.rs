//! One table for each kind of patch: object, patch, what becomes of it (`null` when the patch is refused).

use serde_json::json;

use super::*;

fn lay(object: &Value, patch: Patch) -> Result<Value, Fault> {
    let mut patched = object.clone();
    patch.apply(&mut patched, &Budget::default()).map(|()| patched)
}

#[track_caller]
fn strategic(object: Value, patch: Value, expect: Value) {
    let patched = lay(&object, Patch::Strategic(patch.clone())).unwrap_or(Value::Null);
    assert_eq!(patched, expect, "{object} + {patch}");
}

fn pod(containers: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers}})
}

#[test]
fn strategic_merge_of_maps() {
    let check = strategic;
    check(json!({"a": 1}), json!({"b": 2}), json!({"a": 1, "b": 2}));
    check(json!({"a": 1}), json!({"a": 2}), json!({"a": 2}));
    check(json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2}));
    check(
        json!({"a": {"b": 1}}),
        json!({"a": {"c": 2}}),
        json!({"a": {"b": 1, "c": 2}}),
    );
    check(
        json!({}),
        json!({"a": {"b": null, "c": 1}}),
        json!({"a": {"c": 1}}),
    );
    check(
        json!({"a": {"b": 1}}),
        json!({"a": {"$patch": "delete"}}),
        json!({}),
    );
    check(
        json!({"a": {"b": 1}}),
        json!({"a": {"$patch": "replace", "c": 1}}),
        json!({"a": {"c": 1}}),
    );
    check(
        json!({"a": {"b": 1}}),
        json!({"a": {"$patch": "merge", "c": 1}}),
        json!({"a": {"b": 1, "c": 1}}),
    );
    check(
        json!({"a": {"b": 1}}),
        json!({"a": {"$patch": "erase"}}),
        Value::Null,
    );
    check(json!({"a": 1}), json!({"a": {"b": 1}}), Value::Null);
    check(json!({"a": {"b": 1}}), json!({"a": "x"}), Value::Null);
    check(json!({"a": null}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}}));
    // Of kinds that are not built in nothing is known: lists are replaced.
    check(
        json!({"l": [{"name": "a"}]}),
        json!({"l": [{"name": "b"}]}),
        json!({"l": [{"name": "b"}]}),
    );
}

#[test]
fn strategic_merge_of_lists_with_keys() {
    let check = |items: Value, patch: Value, expect: Value| {
        strategic(pod(items), json!({"spec": {"containers": patch}}), pod(expect));
    };
    let (a, b) = (
        json!({"name": "a", "image": "x"}),
        json!({"name": "b", "image": "y"}),
    );
    check(
        json!([a, b]),
        json!([{"name": "b", "tty": true}]),
        json!([{"name": "b", "image": "y", "tty": true}, a]),
    );
    check(json!([a]), json!([{"name": "c"}]), json!([{"name": "c"}, a]));
    check(
        json!([a, b]),
        json!([{"name": "a", "$patch": "delete"}]),
        json!([b]),
    );
    check(
        json!([a, b]),
        json!([{"$patch": "replace"}, {"name": "c"}]),
        json!([{"name": "c"}]),
    );
    let port = |number: u16| json!({"containerPort": number});
    check(
        json!([{"name": "a", "ports": [port(80)]}]),
        json!([{"name": "a", "ports": [{"containerPort": 80, "name": "http"}, port(81)]}]),
        json!([{"name": "a", "ports": [{"containerPort": 80, "name": "http"}, port(81)]}]),
    );
    let udp = json!({"containerPort": 53, "protocol": "UDP"});
    let tcp = json!({"containerPort": 53, "protocol": "TCP"});
    check(
        json!([{"name": "a", "ports": [udp]}]),
        json!([{"name": "a", "ports": [tcp]}]),
        json!([{"name": "a", "ports": [tcp, udp]}]),
    );
    check(
        json!([{"name": "a", "ports": [udp]}]),
        json!([{"name": "a", "ports": [{"containerPort": 53, "name": "dns"}]}]),
        json!([{"name": "a", "ports": [{"containerPort": 53, "name": "dns", "protocol": "UDP"}]}]),
    );
    // Without a merge key in Kubernetes' own schema a list is replaced.
    check(
        json!([{"name": "a", "command": ["x"]}]),
        json!([{"name": "a", "command": ["y"]}]),
        json!([{"name": "a", "command": ["y"]}]),
    );
    let meta = |list: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"finalizers": list}});
    strategic(
        meta(json!(["a", "b"])),
        json!({"metadata": {"finalizers": ["b", "c"]}}),
        meta(json!(["b", "c", "a"])),
    );
    // An old version of a kind is merged like the one that is known.
    let cron = |list: Value| json!({"apiVersion": "batch/v1beta1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": list}}}}}});
    let patch =
        json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "b"}]}}}}}});
    strategic(cron(json!([a])), patch, cron(json!([{"name": "b"}, a])));
}

#[test]
fn anchors() {
    let check = strategic;
    // +(): only what is not there.
    check(
        json!({"a": 1}),
        json!({"+(a)": 2, "+(b)": 3}),
        json!({"a": 1, "b": 3}),
    );
    check(
        json!({"m": {"a": 1}}),
        json!({"m": {"+(a)": 2, "+(b)": 3}}),
        json!({"m": {"a": 1, "b": 3}}),
    );
    check(
        json!({}),
        json!({"m": {"+(a)": {"b": 1}}}),
        json!({"m": {"a": {"b": 1}}}),
    );
    // (): the patch holds where the value matches.
    check(
        json!({"a": "x"}),
        json!({"(a)": "x", "b": 1}),
        json!({"a": "x", "b": 1}),
    );
    check(json!({"a": "y"}), json!({"(a)": "x", "b": 1}), json!({"a": "y"}));
    check(json!({}), json!({"(a)": "x", "b": 1}), json!({}));
    check(
        json!({"a": 3}),
        json!({"(a)": ">2", "b": 1}),
        json!({"a": 3, "b": 1}),
    );
    check(
        json!({"a": true}),
        json!({"(a)": true, "b": 1}),
        json!({"a": true, "b": 1}),
    );
    check(
        json!({"a": "nginx:1"}),
        json!({"(a)": "nginx:* | redis:*", "b": 1}),
        json!({"a": "nginx:1", "b": 1}),
    );
    check(
        json!({"m": {"a": "y"}, "c": 1}),
        json!({"m": {"(a)": "x"}, "b": 1}),
        json!({"m": {"a": "y"}, "c": 1}),
    );
    // What a condition holds beyond conditions is part of the patch.
    check(
        json!({"m": {"a": "x"}}),
        json!({"(m)": {"(a)": "x", "+(b)": 1}}),
        json!({"m": {"a": "x", "b": 1}}),
    );
    // <(): one that fails keeps the whole patch away.
    check(
        json!({"a": "x", "m": {}}),
        json!({"<(a)": "x", "m": {"b": 1}}),
        json!({"a": "x", "m": {"b": 1}}),
    );
    check(
        json!({"a": "y", "m": {}}),
        json!({"<(a)": "x", "m": {"b": 1}}),
        json!({"a": "y", "m": {}}),
    );
    check(
        json!({"m": {"a": "y"}}),
        json!({"b": 1, "m": {"<(a)": "x"}}),
        json!({"m": {"a": "y"}}),
    );
}

#[test]
fn anchors_in_lists() {
    let check = |items: Value, patch: Value, expect: Value| {
        strategic(pod(items), json!({"spec": {"containers": patch}}), pod(expect));
    };
    let (a, b) = (
        json!({"name": "a", "image": "x:latest"}),
        json!({"name": "b", "image": "y:1"}),
    );
    check(
        json!([a, b]),
        json!([{"(image)": "*:latest", "imagePullPolicy": "Always"}]),
        json!([{"name": "a", "image": "x:latest", "imagePullPolicy": "Always"}, b]),
    );
    check(
        json!([b]),
        json!([{"(image)": "*:latest", "imagePullPolicy": "Always"}]),
        json!([b]),
    );
    check(
        json!([a, b]),
        json!([{"(name)": "*", "tty": true}]),
        json!([{"name": "a", "image": "x:latest", "tty": true}, {"name": "b", "image": "y:1", "tty": true}]),
    );
    check(
        json!([{"name": "a", "tty": false}, {"name": "b"}]),
        json!([{"(name)": "b", "+(tty)": true}]),
        json!([{"name": "b", "tty": true}, {"name": "a", "tty": false}]),
    );
    check(
        json!([a]),
        json!([{"(name)": "*", "resources": {"limits": {"+(memory)": "1Gi"}}}]),
        json!([{"name": "a", "image": "x:latest", "resources": {"limits": {"memory": "1Gi"}}}]),
    );
    // Two conditions in one list are applied each where it holds.
    check(
        json!([a, b]),
        json!([{"(name)": "a", "tty": true}, {"(name)": "b", "stdin": true}]),
        json!([{"name": "a", "image": "x:latest", "tty": true}, {"name": "b", "image": "y:1", "stdin": true}]),
    );
    let guarded = |items: Value, host: Option<bool>, expect: bool| {
        let mut object = pod(items);
        if let Some(host) = host {
            object["spec"]["hostNetwork"] = json!(host);
        }
        let mut after = object.clone();
        if expect {
            after["spec"]["tty"] = json!(true);
        }
        let patch = json!({"spec": {"containers": [{"<(image)": "*:latest"}], "tty": true}});
        strategic(object, patch, after);
    };
    guarded(json!([a, b]), None, true);
    guarded(json!([b]), None, false);
}

#[test]
fn json_patch() {
    let check = |object: Value, text: &str, expect: Value| {
        let operations = json_patch::parse(text).expect("operations");
        let patched = lay(&object, Patch::Operations(operations)).unwrap_or(Value::Null);
        assert_eq!(patched, expect, "{object} + {text}");
    };
    let add = |path: &str, value: &str| format!("- op: add\n  path: {path}\n  value: {value}\n");
    check(json!({}), &add("/a", "1"), json!({"a": 1}));
    check(json!({"a": 1}), &add("/a", "2"), json!({"a": 2}));
    check(json!({}), &add("/a/b/c", "x"), json!({"a": {"b": {"c": "x"}}}));
    check(json!({}), &add("/a/-", "x"), json!({"a": ["x"]}));
    check(json!({}), &add("/a/0", "x"), json!({"a": ["x"]}));
    check(json!({}), &add("/a/-1", "x"), json!({"a": ["x"]}));
    check(json!({}), &add("/a/-1/b/-1", "x"), json!({"a": [{"b": ["x"]}]}));
    check(
        json!({"a": [{"c": 1}]}),
        &add("/a/-1/b/-1", "x"),
        json!({"a": [{"b": ["x"], "c": 1}]}),
    );
    check(json!({}), &add("/a/0/b", "x"), json!({"a": [{"b": "x"}]}));
    check(json!({"a": [1, 2]}), &add("/a/1", "x"), json!({"a": [1, "x", 2]}));
    check(json!({"a": [1, 2]}), &add("/a/-", "x"), json!({"a": [1, 2, "x"]}));
    check(
        json!({"a": [1, 2]}),
        &add("/a/-1", "x"),
        json!({"a": [1, 2, "x"]}),
    );
    check(json!({"a": [1, 2]}), &add("/a/3", "x"), Value::Null);
    check(json!({"a": 1}), &add("/a/b", "x"), Value::Null);
    check(
        json!({"a": {}}),
        &add("/a/x~1y~0z", "1"),
        json!({"a": {"x/y~z": 1}}),
    );
    check(
        json!({"a": 1, "b": 2}),
        r#"[{"op": "remove", "path": "/a"}]"#,
        json!({"b": 2}),
    );
    check(
        json!({"b": 2}),
        r#"[{"op": "remove", "path": "/a/c"}]"#,
        json!({"b": 2}),
    );
    check(
        json!({"a": [1, 2]}),
        r#"[{"op": "remove", "path": "/a/-1"}]"#,
        json!({"a": [1]}),
    );
    check(
        json!({"a": [1]}),
        r#"[{"op": "remove", "path": "/a/4"}]"#,
        json!({"a": [1]}),
    );
    check(
        json!({"a": 1}),
        r#"[{"op": "replace", "path": "/a", "value": 2}]"#,
        json!({"a": 2}),
    );
    check(
        json!({}),
        r#"[{"op": "replace", "path": "/a", "value": 2}]"#,
        Value::Null,
    );
    check(
        json!({"a": 1}),
        r#"[{"op": "move", "from": "/a", "path": "/b/c"}]"#,
        json!({"b": {"c": 1}}),
    );
    check(
        json!({"a": {}}),
        r#"[{"op": "move", "from": "/a", "path": "/a/b"}]"#,
        Value::Null,
    );
    check(
        json!({"a": 1}),
        r#"[{"op": "copy", "from": "/a", "path": "/b"}]"#,
        json!({"a": 1, "b": 1}),
    );
    check(
        json!({"a": 1}),
        r#"[{"op": "test", "path": "/a", "value": 2}]"#,
        Value::Null,
    );
    check(
        json!({"a": 1}),
        r#"[{"op": "test", "path": "/a", "value": 1}]"#,
        json!({"a": 1}),
    );
    check(json!({"a": 1}), r#"[{"op": "erase", "path": "/a"}]"#, Value::Null);
    for text in ["{}", "a: [", "[1", "3"] {
        assert!(json_patch::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_patch_that_costs_too_much_is_cut_off() {
    let items: Vec<Value> = (0..3_000)
        .map(|index| json!({"name": format!("c{index}"), "image": "x"}))
        .collect();
    let object = pod(json!(items));
    let patch = Patch::Strategic(json!({"spec": {"containers": [{"(name)": "*", "tty": true}]}}));
    assert!(matches!(lay(&object, patch), Err(Fault::Exhausted(_))));
    // Copies of copies.
    let doubled = r#"{"op": "copy", "from": "/a", "path": "/a/-"}"#;
    let text = format!("[{}]", vec![doubled; 60].join(","));
    let operations = json_patch::parse(&text).expect("operations");
    assert!(matches!(
        lay(&json!({"a": [1]}), Patch::Operations(operations)),
        Err(Fault::Exhausted(_))
    ));
}
