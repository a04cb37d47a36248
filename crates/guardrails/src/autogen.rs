//! Rules for pod controllers, made from rules for pods.
//!
//! A rule about `Pod` alone is also meant for what makes pods. When every rule of a policy allows it
//! (no names, selectors or annotations in `match` or `exclude`, no other kind beside `Pod`), each such
//! rule gets two companions: `autogen-<rule>` over `spec.template` and `autogen-cronjob-<rule>` over
//! `spec.jobTemplate.spec.template`: it validates, changes or verifies there. JSON patches, whose places are fixed,
//! allow none of it. The annotation `pod-policies.kyverno.io/autogen-controllers` names
//! the kinds (separated by commas) or `none`.

use serde_json::{Map, Value, json};

/// The annotation that names the controllers.
pub(crate) const ANNOTATION: &str = "pod-policies.kyverno.io/autogen-controllers";

const TEMPLATED: [&str; 6] = [
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

const CRON_JOB: &str = "CronJob";

/// A rule made for pod controllers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Generated {
    pub(crate) rule: Value,
    /// The kinds it is evaluated for, whatever else its `match` says.
    pub(crate) kinds: Vec<&'static str>,
    /// Where the pod stands in such an object.
    pub(crate) pod: &'static str,
}

/// Where the pod stands in a controller that has a template.
pub(crate) const TEMPLATE: &str = "/spec/template";

/// Where the pod stands in a CronJob.
pub(crate) const JOB_TEMPLATE: &str = "/spec/jobTemplate/spec/template";

/// Where the pod stands in an object of a kind; `None` for kinds without one.
pub(crate) fn pod_in(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some(""),
        CRON_JOB => Some(JOB_TEMPLATE),
        kind if TEMPLATED.contains(&kind) => Some(TEMPLATE),
        _ => None,
    }
}

/// Which controllers a policy's rules are made for. `rules` are the rules as written.
pub(crate) fn controllers(rules: &[Value], annotation: Option<&str>) -> Vec<&'static str> {
    let mut needed = false;
    for rule in rules {
        if !allows(rule, &mut needed) {
            return Vec::new();
        }
    }
    if !needed {
        return Vec::new();
    }
    let all = TEMPLATED.into_iter().chain([CRON_JOB]);
    match annotation {
        None => all.collect(),
        Some(names) => {
            let named: Vec<&str> = names.split(',').map(str::trim).collect();
            if named.contains(&"none") {
                return Vec::new();
            }
            let every = named.contains(&"all");
            all.filter(|kind| every || named.contains(kind)).collect()
        }
    }
}

/// The companions of a rule.
pub(crate) fn generate(rule: &Value, controllers: &[&'static str]) -> Vec<Generated> {
    let Some(name) = rule.get("name").and_then(Value::as_str) else {
        return Vec::new();
    };
    let excluded = kinds_of(rule.get("exclude"));
    let about_pods = kinds_of(rule.get("match")).iter().any(|kind| is_pod(kind));
    if name.starts_with("autogen-")
        || !about_pods
        || (!excluded.is_empty() && !excluded.iter().any(|kind| is_pod(kind)))
        || !can_be_moved(rule)
    {
        return Vec::new();
    }
    let mut generated = Vec::new();
    let templated: Vec<&'static str> = controllers
        .iter()
        .copied()
        .filter(|kind| *kind != CRON_JOB)
        .collect();
    if !templated.is_empty() {
        let mut companion = rewrite(rule, "autogen", &["template"], &templated, false);
        shift(&mut companion, "spec.template.");
        generated.push(Generated {
            rule: companion,
            kinds: templated,
            pod: TEMPLATE,
        });
    }
    if controllers.contains(&CRON_JOB) {
        let mut companion = rewrite(
            rule,
            "autogen-cronjob",
            &["jobTemplate", "template"],
            &[CRON_JOB],
            true,
        );
        shift(&mut companion, "spec.jobTemplate.spec.template.");
        generated.push(Generated {
            rule: companion,
            kinds: vec![CRON_JOB],
            pod: JOB_TEMPLATE,
        });
    }
    generated
}

/// Whether what the rule does can be done below a template. What it makes of other objects stays as it is.
fn can_be_moved(rule: &Value) -> bool {
    let patched = |change: &Value| change.get("patchStrategicMerge").is_some();
    match rule.get("mutate") {
        Some(mutate) if mutate.get("targets").is_some() => false,
        Some(mutate) => match mutate.get("foreach").and_then(Value::as_array) {
            Some(each) => each.iter().all(patched),
            None => patched(mutate),
        },
        None => rule.get("validate").is_some() || rule.get("verifyImages").is_some(),
    }
}

fn allows(rule: &Value, needed: &mut bool) -> bool {
    if rule.get("generate").is_some() {
        return false;
    }
    if let Some(mutate) = rule.get("mutate") {
        let each = mutate
            .get("foreach")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        if std::iter::once(mutate)
            .chain(each)
            .any(|mutate| mutate.get("patchesJson6902").is_some())
        {
            return false;
        }
    }
    ["match", "exclude"]
        .into_iter()
        .filter_map(|side| rule.get(side))
        .flat_map(resources_of)
        .all(|resources| {
            let kinds: Vec<&str> = kinds_in(resources);
            *needed |= kinds
                .iter()
                .any(|kind| *kind == "Pod" || *kind == CRON_JOB || TEMPLATED.contains(kind));
            let named = ["name", "names", "selector", "annotations"].iter().any(|field| {
                resources
                    .get(field)
                    .is_some_and(|value| !value.is_null() && value != "")
            });
            let mixed = kinds.len() > 1 && kinds.iter().any(|kind| is_pod(kind));
            !(named || mixed)
        })
}

/// Every `resources` of a `match` or `exclude`: the bare one and those under `any` and `all`.
fn resources_of(side: &Value) -> Vec<&Value> {
    let below = ["any", "all"]
        .into_iter()
        .filter_map(|list| side.get(list).and_then(Value::as_array))
        .flatten()
        .filter_map(|block| block.get("resources"));
    side.get("resources").into_iter().chain(below).collect()
}

fn kinds_of(side: Option<&Value>) -> Vec<&str> {
    side.map(resources_of)
        .unwrap_or_default()
        .into_iter()
        .flat_map(kinds_in)
        .collect()
}

fn kinds_in(resources: &Value) -> Vec<&str> {
    resources
        .get("kinds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// `Pod`, `v1/Pod`, `Pod/exec`, `v1/Pod.status`.
fn is_pod(kind: &str) -> bool {
    kind.split(['/', '.']).any(|part| part == "Pod")
}

/// The rule with another name, the controllers for kinds and the patterns one or two levels deeper.
fn rewrite(rule: &Value, prefix: &str, levels: &[&str], kinds: &[&'static str], all_blocks: bool) -> Value {
    let mut rule = rule.clone();
    let name = format!(
        "{prefix}-{}",
        rule.get("name").and_then(Value::as_str).unwrap_or_default()
    );
    let name: String = name
        .char_indices()
        .take_while(|(at, letter)| at + letter.len_utf8() <= 63)
        .map(|(_, letter)| letter)
        .collect();
    rule["name"] = json!(name);
    let qualified: Vec<Value> = kinds.iter().map(|kind| json!(qualify(kind))).collect();
    for side in ["match", "exclude"] {
        if let Some(side_value) = rule.get_mut(side).filter(|value| value.is_object()) {
            replace_kinds(side_value, &qualified, all_blocks, side == "match");
        }
    }
    if let Some(validate) = rule.get_mut("validate").and_then(Value::as_object_mut) {
        if let Some(pattern) = validate.get_mut("pattern") {
            wrap(pattern, levels);
        }
        if let Some(patterns) = validate.get_mut("anyPattern").and_then(Value::as_array_mut) {
            for pattern in patterns {
                wrap(pattern, levels);
            }
        }
        // Only what stands below a plain key is moved; expressions stay as they are.
        if let Some(assertion) = validate.get_mut("assert").and_then(Value::as_object_mut) {
            for object in ["object", "oldObject"] {
                if let Some(tree) = assertion.get_mut(object).filter(|tree| tree.is_object()) {
                    wrap(tree, levels);
                }
            }
        }
    }
    if let Some(mutate) = rule.get_mut("mutate") {
        wrap_patch(mutate, levels);
        for each in mutate
            .get_mut("foreach")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            wrap_patch(each, levels);
        }
    }
    // Where the images of a controller stand is known.
    if let Some(fields) = rule.as_object_mut() {
        fields.remove("imageExtractors");
    }
    rule
}

fn wrap_patch(change: &mut Value, levels: &[&str]) {
    if let Some(patch) = change.get_mut("patchStrategicMerge") {
        wrap(patch, levels);
    }
}

fn wrap(pattern: &mut Value, levels: &[&str]) {
    for level in levels.iter().rev() {
        let inner = pattern.take();
        *pattern = json!({"spec": {*level: inner}});
    }
}

fn replace_kinds(side: &mut Value, kinds: &[Value], all_blocks: bool, is_match: bool) {
    let mut in_blocks = false;
    for list in ["any", "all"] {
        let blocks = side
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten();
        for block in blocks {
            in_blocks = true;
            let about_pods = block
                .get("resources")
                .is_some_and(|resources| kinds_in(resources).iter().any(|kind| is_pod(kind)));
            if (about_pods || all_blocks)
                && let Some(resources) = block.get_mut("resources").and_then(Value::as_object_mut)
            {
                set_kinds(resources, kinds);
            }
        }
    }
    if !in_blocks
        && let Some(resources) = side.get_mut("resources").and_then(Value::as_object_mut)
        && (is_match || resources.contains_key("kinds"))
    {
        set_kinds(resources, kinds);
    }
}

fn set_kinds(resources: &mut Map<String, Value>, kinds: &[Value]) {
    resources.insert("kinds".to_owned(), Value::Array(kinds.to_vec()));
}

/// The kind with its group, in any version: an old version holds a pod all the same.
fn qualify(kind: &str) -> String {
    match kind {
        "Job" | CRON_JOB => format!("batch/*/{kind}"),
        "ReplicationController" => format!("v1/{kind}"),
        kind => format!("apps/*/{kind}"),
    }
}

/// Variables that look at the pod look at the template instead.
fn shift(rule: &mut Value, into: &str) {
    let by_cel = rule.pointer("/validate/cel").is_some();
    shift_below(rule, if by_cel { "" } else { "request." }, into);
}

fn shift_below(value: &mut Value, before: &str, into: &str) {
    match value {
        Value::String(text) => *text = shifted(text, before, into),
        Value::Array(items) => items.iter_mut().for_each(|item| shift_below(item, before, into)),
        Value::Object(map) => {
            let fields = std::mem::take(map);
            for (key, mut field) in fields {
                shift_below(&mut field, before, into);
                map.insert(shifted(&key, before, into), field);
            }
        }
        _ => {}
    }
}

fn shifted(text: &str, before: &str, into: &str) -> String {
    if !text.contains(before) {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    for object in ["object", "oldObject"] {
        for part in ["spec", "metadata"] {
            text = text.replace(
                &format!("{before}{object}.{part}"),
                &format!("{before}{object}.\u{0}{part}"),
            );
        }
    }
    text.replace('\u{0}', into)
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]
mod tests {
    use super::*;

    fn rule(matches: Value) -> Value {
        json!({"name": "r", "match": matches, "validate": {"pattern": {"spec": {"x": 1}}}})
    }

    #[test]
    fn when_it_applies() {
        let pod = json!({"resources": {"kinds": ["Pod"]}});
        let check = |rules: &[Value], annotation: Option<&str>, expect: usize| {
            assert_eq!(
                controllers(rules, annotation).len(),
                expect,
                "{rules:?} {annotation:?}"
            );
        };
        check(&[rule(pod.clone())], None, 7);
        check(&[rule(json!({"any": [pod]}))], None, 7);
        check(
            &[rule(
                json!({"all": [{"resources": {"kinds": ["v1/Pod", "Pod"]}}]}),
            )],
            None,
            0,
        );
        check(
            &[rule(json!({"resources": {"kinds": ["Pod", "Deployment"]}}))],
            None,
            0,
        );
        check(&[rule(json!({"resources": {"kinds": ["Service"]}}))], None, 0);
        check(
            &[rule(
                json!({"resources": {"kinds": ["Pod"], "namespaces": ["a"]}}),
            )],
            None,
            7,
        );
        for field in ["name", "names", "selector", "annotations"] {
            let value = if field == "name" { json!("a") } else { json!(["a"]) };
            check(
                &[rule(json!({"resources": {"kinds": ["Pod"], field: value}}))],
                None,
                0,
            );
        }
        // One rule that does not allow it speaks for the whole policy.
        let named = rule(json!({"resources": {"kinds": ["Pod"], "names": ["a"]}}));
        check(&[rule(pod.clone()), named], None, 0);
        let mut excluding = rule(pod.clone());
        excluding["exclude"] =
            json!({"any": [{"resources": {"kinds": ["Pod"], "selector": {"matchLabels": {"a": "b"}}}}]});
        check(&[excluding], None, 0);
        check(&[json!({"name": "g", "match": pod, "generate": {}})], None, 0);
        // The annotation chooses.
        let pods = [rule(pod)];
        check(&pods, Some("none"), 0);
        check(&pods, Some("Deployment, CronJob"), 2);
        check(&pods, Some("all"), 7);
        check(&pods, Some("Pods"), 0);
    }

    #[test]
    fn companions_look_at_the_template() {
        let mut rule = json!({
            "name": "limits",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}, {"resources": {"kinds": ["Service"]}}]},
            "exclude": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["kube-system"]}}]},
            "preconditions": [{"key": "{{ request.object.spec.a }}", "operator": "Equals", "value": "{{request.oldObject.metadata.b}}"}],
            "validate": {"message": "see {{ request.object.metadata.name }}", "pattern": {"spec": {"x": 1}}},
        });
        let made = generate(&rule, &["Deployment", "CronJob"]);
        assert_eq!(made.len(), 2);
        assert_eq!(
            (made[0].pod, made[0].kinds.as_slice()),
            (TEMPLATE, &["Deployment"][..])
        );
        assert_eq!(made[0].rule["name"], "autogen-limits");
        assert_eq!(
            made[0].rule["match"]["any"][0]["resources"]["kinds"],
            json!(["apps/*/Deployment"])
        );
        assert_eq!(
            made[0].rule["match"]["any"][1]["resources"]["kinds"],
            json!(["Service"])
        );
        assert_eq!(
            made[0].rule["exclude"]["any"][0]["resources"]["kinds"],
            json!(["apps/*/Deployment"])
        );
        assert_eq!(
            made[0].rule["validate"]["pattern"],
            json!({"spec": {"template": {"spec": {"x": 1}}}})
        );
        assert_eq!(
            made[0].rule["preconditions"][0]["key"],
            "{{ request.object.spec.template.spec.a }}"
        );
        assert_eq!(
            made[0].rule["preconditions"][0]["value"],
            "{{request.oldObject.spec.template.metadata.b}}"
        );
        assert_eq!(
            made[0].rule["validate"]["message"],
            "see {{ request.object.spec.template.metadata.name }}"
        );
        assert_eq!(
            (made[1].pod, made[1].kinds.as_slice()),
            (JOB_TEMPLATE, &["CronJob"][..])
        );
        assert_eq!(made[1].rule["name"], "autogen-cronjob-limits");
        assert_eq!(
            made[1].rule["validate"]["pattern"],
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"x": 1}}}}}})
        );
        assert_eq!(
            made[1].rule["preconditions"][0]["key"],
            "{{ request.object.spec.jobTemplate.spec.template.spec.a }}"
        );
        rule["name"] = json!("x".repeat(63));
        assert_eq!(
            generate(&rule, &["Job"])[0].rule["name"].as_str().map(str::len),
            Some(63)
        );
        // A rule that leaves something other than pods out is not for controllers.
        rule["exclude"] = json!({"any": [{"resources": {"kinds": ["Service"]}}]});
        assert_eq!(generate(&rule, &["Job"]), []);
        rule["exclude"] = json!({"any": [{"resources": {"namespaces": ["a"]}}]});
        assert_eq!(generate(&rule, &["Job"]).len(), 1);
    }

    #[test]
    fn changes_are_made_in_the_template() {
        let check = |work: Value, expect: Option<Value>| {
            let mut rule = work.clone();
            rule["name"] = json!("a");
            rule["match"] = json!({"resources": {"kinds": ["Pod"]}});
            rule["imageExtractors"] = json!({"Pod": [{"path": "/spec/x"}]});
            let made = generate(&rule, &["Deployment", "CronJob"]);
            assert_eq!(made.len(), if expect.is_some() { 2 } else { 0 }, "{rule}");
            if let Some(expect) = expect {
                for (name, expect) in expect.as_object().into_iter().flatten() {
                    assert_eq!(made[1].rule.get(name).unwrap_or(&Value::Null), expect, "{rule}");
                }
            }
        };
        let below = |patch: Value| json!({"spec": {"jobTemplate": {"spec": {"template": patch}}}});
        let patch = json!({"metadata": {"labels": {"a": "{{ request.object.metadata.name }}"}}});
        let moved = json!({"metadata": {"labels": {"a": "{{ request.object.spec.jobTemplate.spec.template.metadata.name }}"}}});
        check(
            json!({"mutate": {"patchStrategicMerge": patch}}),
            Some(json!({"mutate": {"patchStrategicMerge": below(moved)}, "imageExtractors": null})),
        );
        let containers = json!({"spec": {"containers": [{"(name)": "{{ element.name }}", "tty": true}]}});
        check(
            json!({"mutate": {"foreach": [{"list": "request.object.spec.containers", "patchStrategicMerge": containers}]}}),
            Some(json!({"mutate": {"foreach": [{
                "list": "request.object.spec.jobTemplate.spec.template.spec.containers",
                "patchStrategicMerge": below(containers.clone()),
            }]}})),
        );
        let entries = json!([{"imageReferences": ["*"]}]);
        check(
            json!({"verifyImages": entries}),
            Some(json!({"verifyImages": entries})),
        );
        // What is fixed to a place, nested, or about other objects is made for nothing else.
        check(json!({"mutate": {"patchesJson6902": "[]"}}), None);
        check(
            json!({"mutate": {"foreach": [{"list": "a", "foreach": []}]}}),
            None,
        );
        let target = json!([{"apiVersion": "v1", "kind": "Secret", "name": "a"}]);
        check(
            json!({"mutate": {"targets": target, "patchStrategicMerge": {}}}),
            None,
        );
    }

    #[test]
    fn every_alternative_of_any_pattern_is_wrapped() {
        let rule = json!({
            "name": "a",
            "match": {"resources": {"kinds": ["Pod"]}},
            "validate": {"anyPattern": [{"a": 1}, {"b": 2}]},
        });
        let made = generate(&rule, &["Job"]);
        assert_eq!(
            made[0].rule["validate"]["anyPattern"],
            json!([{"spec": {"template": {"a": 1}}}, {"spec": {"template": {"b": 2}}}])
        );
        assert_eq!(
            made[0].rule["match"]["resources"]["kinds"],
            json!(["batch/*/Job"])
        );
    }
}
