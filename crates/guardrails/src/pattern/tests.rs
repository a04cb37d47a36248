use super::node::Node;
use super::walk::{Mismatch, matches};
use ::cel::budget::Budget;
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Eq)]
enum Expect {
    Pass,
    /// Refused, at this pointer.
    Fail(&'static str),
    Skip,
    Unclear,
}
use Expect::{Fail, Pass, Skip, Unclear};

fn check(pattern: Value, object: Value, expect: Expect) {
    let node = Node::compile(&pattern).expect("a pattern");
    let outcome = matches(&node, &object, &Budget::default());
    let fits = match (&outcome, &expect) {
        (Ok(()), Pass) | (Err(Mismatch::Skipped(_)), Skip) | (Err(Mismatch::Unclear(_)), Unclear) => true,
        (Err(Mismatch::Refused(finding)), Fail(pointer)) => finding.pointer == *pointer,
        _ => false,
    };
    assert!(fits, "{pattern} on {object}: {outcome:?}, not {expect:?}");
}

#[test]
fn plain_keys() {
    check(json!({"a": 1}), json!({"a": 1, "b": 2}), Pass);
    check(json!({"a": 1}), json!({"a": 2}), Fail("/a"));
    check(json!({"a": 1}), json!({}), Fail("/a"));
    check(json!({"a": {"b": 1}}), json!({"a": "x"}), Fail("/a"));
    check(json!({"a": "*"}), json!({"a": {}}), Pass);
    check(json!({"a": "*"}), json!({"a": null}), Fail("/a"));
    check(json!({"a": "*"}), json!({}), Fail("/a"));
    check(json!({"a/b": "?*"}), json!({"a/b": ""}), Fail("/a~1b"));
    check(json!({"a": null}), json!({}), Pass);
    check(json!({"a": {}}), json!({"a": {"b": 1}}), Pass);
    check(json!({"a": {}}), json!({}), Fail("/a"));
}

#[test]
fn condition_anchor() {
    let pattern = json!({"(kind)": "a*", "size": 1});
    check(pattern.clone(), json!({"kind": "abc", "size": 1}), Pass);
    check(pattern.clone(), json!({"kind": "abc", "size": 2}), Fail("/size"));
    check(pattern.clone(), json!({"kind": "xyz", "size": 2}), Skip);
    check(pattern, json!({"size": 2}), Skip);
    // In a list only the items that meet the condition are judged; when none does, the rule is skipped.
    let pattern = json!({"list": [{"(name)": "a*", "ok": true}]});
    check(
        pattern.clone(),
        json!({"list": [{"name": "a", "ok": true}, {"name": "b"}]}),
        Pass,
    );
    check(
        pattern.clone(),
        json!({"list": [{"name": "b"}, {"name": "a1"}]}),
        Fail("/list/1/ok"),
    );
    check(pattern.clone(), json!({"list": [{"name": "b"}]}), Skip);
    check(pattern.clone(), json!({"list": []}), Pass);
    // A condition that fails lets the other anchors of the same map off.
    check(json!({"(a)": 1, "X(b)": "null"}), json!({"a": 2, "b": 1}), Skip);
    // A condition on a map holds when the whole of it does.
    check(
        json!({"(a)": {"b": 1, "c": 1}, "d": 1}),
        json!({"a": {"b": 1, "c": 2}, "d": 2}),
        Skip,
    );
}

#[test]
fn global_anchor() {
    let pattern = json!({"<(kind)": "a", "spec": {"x": 1}});
    check(
        pattern.clone(),
        json!({"kind": "a", "spec": {"x": 2}}),
        Fail("/spec/x"),
    );
    check(pattern.clone(), json!({"kind": "b", "spec": {"x": 2}}), Skip);
    check(pattern, json!({"spec": {"x": 2}}), Fail("/spec/x")); // an absent key holds
    // Below a list it skips the whole rule only when no item applies.
    let pattern = json!({"list": [{"<(image)": "corp/*"}], "secrets": [{"name": "key"}]});
    check(
        pattern.clone(),
        json!({"list": [{"image": "corp/a"}], "secrets": [{"name": "other"}]}),
        Fail("/secrets/0/name"),
    );
    check(
        pattern,
        json!({"list": [{"image": "b"}], "secrets": [{"name": "other"}]}),
        Skip,
    );
}

#[test]
fn equality_anchor() {
    let pattern = json!({"=(a)": {"=(b)": false}});
    check(pattern.clone(), json!({}), Pass);
    check(pattern.clone(), json!({"a": {}}), Pass);
    check(pattern.clone(), json!({"a": {"b": false}}), Pass);
    check(pattern.clone(), json!({"a": {"b": true}}), Fail("/a/b"));
    check(pattern, json!({"a": 1}), Fail("/a"));
    check(json!({"=(a)": "?*"}), json!({"a": null}), Fail("/a"));
}

#[test]
fn negation_anchor() {
    let pattern = json!({"spec": {"X(host)": "null"}});
    check(pattern.clone(), json!({"spec": {}}), Pass);
    check(
        pattern.clone(),
        json!({"spec": {"host": null}}),
        Fail("/spec/host"),
    );
    check(pattern, json!({"spec": {"host": 1}}), Fail("/spec/host"));
    let pattern = json!({"list": [{"X(path)": "null"}]});
    check(
        pattern.clone(),
        json!({"list": [{}, {"path": 1}]}),
        Fail("/list/1/path"),
    );
    check(pattern, json!({"list": [{}]}), Pass);
    // Its absence is no reason for an unclear outcome.
    check(json!({"X(a)": "null", "b": 1}), json!({"b": 2}), Fail("/b"));
}

#[test]
fn existence_anchor() {
    let pattern = json!({"spec": {"^(list)": [{"name": "a*"}]}});
    check(
        pattern.clone(),
        json!({"spec": {"list": [{"name": "b"}, {"name": "a1"}]}}),
        Pass,
    );
    check(
        pattern.clone(),
        json!({"spec": {"list": [{"name": "b"}]}}),
        Fail("/spec/list"),
    );
    check(pattern.clone(), json!({"spec": {"list": []}}), Fail("/spec/list"));
    check(pattern.clone(), json!({"spec": {}}), Pass);
    check(
        pattern,
        json!({"spec": {"list": {"name": "a"}}}),
        Fail("/spec/list"),
    );
    // Each pattern of the list must be met.
    let pattern = json!({"^(list)": [{"name": "a"}, {"name": "b"}]});
    check(
        pattern.clone(),
        json!({"list": [{"name": "b"}, {"name": "a"}]}),
        Pass,
    );
    check(pattern, json!({"list": [{"name": "b"}]}), Fail("/list"));
}

#[test]
fn a_failure_beside_an_anchor_that_was_never_met_is_unclear() {
    check(
        json!({"a": {"^(b)": [{"c": 1}], "d": 1}}),
        json!({"a": {"d": 2}}),
        Unclear,
    );
    check(
        json!({"a": {"^(b)": [{"c": 1}], "d": 1}}),
        json!({"a": {"b": [{"c": 1}], "d": 2}}),
        Fail("/a/d"),
    );
}

#[test]
fn lists() {
    // The first item of a pattern speaks for every item of the list.
    check(json!([{"a": 1}]), json!([{"a": 1}, {"a": 1}]), Pass);
    check(json!([{"a": 1}]), json!([{"a": 1}, {"a": 2}]), Fail("/1/a"));
    check(json!([{"a": 1}, {"a": 2}]), json!([{"a": 1}, {"a": 1}]), Pass);
    check(json!([{"a": 1}]), json!([]), Pass);
    check(json!([{"a": 1}]), json!({"a": 1}), Fail(""));
    check(json!(["a*"]), json!(["a1", "a2"]), Pass);
    check(json!(["a*"]), json!(["a1", "b"]), Fail("/1"));
    check(json!({"l": []}), json!({"l": []}), Fail("/l"));
    check(json!({"l": "a*"}), json!({"l": ["a1", "b"]}), Fail("/l/1"));
    // Lists of lists are judged side by side.
    check(json!([["a"], ["b"]]), json!([["a"], ["b"], ["c"]]), Pass);
    check(json!([["a"], ["b"]]), json!([["a"], ["c"]]), Fail("/1/0"));
    check(json!([["a"], ["b"]]), json!([["a"]]), Unclear);
}

#[test]
fn wildcards_in_the_keys_of_labels_and_annotations() {
    let pattern = json!({"metadata": {"labels": {"app.kubernetes.io/*": "?*"}}});
    check(
        pattern.clone(),
        json!({"metadata": {"labels": {"app.kubernetes.io/name": "x"}}}),
        Pass,
    );
    check(
        pattern.clone(),
        json!({"metadata": {"labels": {"name": "x"}}}),
        Fail("/metadata/labels/app.kubernetes.io~1*"),
    );
    check(
        pattern,
        json!({"metadata": {"labels": {"app.kubernetes.io/name": ""}}}),
        Fail("/metadata/labels/app.kubernetes.io~1name"),
    );
    let pattern = json!({"metadata": {"=(annotations)": {"=(corp.io/*)": "v*"}}});
    check(
        pattern.clone(),
        json!({"metadata": {"annotations": {"corp.io/a": "v1"}}}),
        Pass,
    );
    check(
        pattern.clone(),
        json!({"metadata": {"annotations": {"corp.io/a": "w"}}}),
        Fail("/metadata/annotations/corp.io~1a"),
    );
    check(pattern, json!({"metadata": {}}), Pass);
    let pattern = json!({"metadata": {"annotations": {"X(corp.io/*)": "null"}}});
    check(
        pattern,
        json!({"metadata": {"annotations": {"corp.io/a": "v1"}}}),
        Fail("/metadata/annotations/corp.io~1a"),
    );
    // Elsewhere a star in a key is only a star.
    check(
        json!({"data": {"a*": "1"}}),
        json!({"data": {"ab": "1"}}),
        Fail("/data/a*"),
    );
}

#[test]
fn what_was_seen_is_told() {
    let node = Node::compile(&json!({"spec": {"list": [{"image": "!*:latest"}]}})).expect("a pattern");
    let object = json!({"spec": {"list": [{"image": "a:1"}, {"image": "a:latest"}]}});
    let Err(Mismatch::Refused(finding)) = matches(&node, &object, &Budget::default()) else {
        panic!("refused")
    };
    assert_eq!(finding.printed, "/spec/list/1/image/");
    assert_eq!(finding.pointer, "/spec/list/1/image");
    assert_eq!(finding.value, Some(json!("a:latest")));
}

#[test]
fn a_walk_that_costs_too_much_is_cut_off() {
    let node = Node::compile(&json!({"^(l)": [{"a": 1}, {"a": 2}, {"a": 3}]})).expect("a pattern");
    let object = json!({"l": vec![json!({"a": 0}); 1000]});
    assert!(matches!(
        matches(&node, &object, &Budget::of(500)),
        Err(Mismatch::Exhausted(_))
    ));
}

/// JSON that looks enough like patterns and objects to meet each other.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c*?!<>=|& 0-9.-]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let key = "([=X^<]?\\((a|b|metadata|labels|\\*)\\)|a|b|metadata|labels|a\\*)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics_and_points_into_the_object(pattern in any_json(), object in any_json()) {
        let Ok(node) = Node::compile(&pattern) else { return Ok(()) };
        if let Err(Mismatch::Refused(finding)) = matches(&node, &object, &Budget::default()) {
            let there = object.pointer(&finding.pointer);
            if finding.value.is_some() {
                prop_assert_eq!(there, finding.value.as_ref());
            } else {
                prop_assert!(there.is_none() || there == Some(&json!(null)));
            }
        }
    }
}
