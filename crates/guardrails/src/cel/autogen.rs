//! What is made of a policy in CEL for pod controllers, when it is about pods and nothing else.

use serde_json::{Value as Json, json};

use crate::cursor::Cursor;

struct Controller {
    resource: &'static str,
    group: &'static str,
    cron: bool,
}

const CONTROLLERS: [Controller; 6] = [
    Controller {
        resource: "daemonsets",
        group: "apps",
        cron: false,
    },
    Controller {
        resource: "deployments",
        group: "apps",
        cron: false,
    },
    Controller {
        resource: "replicasets",
        group: "apps",
        cron: false,
    },
    Controller {
        resource: "statefulsets",
        group: "apps",
        cron: false,
    },
    Controller {
        resource: "jobs",
        group: "batch",
        cron: false,
    },
    Controller {
        resource: "cronjobs",
        group: "batch",
        cron: true,
    },
];

/// The specs made of a spec: one for controllers with a template, one for cron jobs.
pub(super) fn variants(spec: &Cursor<'_>) -> Vec<Json> {
    made(spec.value, shift)
}

/// The same of a spec that mutates: what it applies is wrapped in the template.
pub(super) fn mutating_variants(spec: &Cursor<'_>) -> Vec<Json> {
    made(spec.value, shift_mutations)
}

fn made(spec: &Json, shift: impl Fn(&mut Json, &str)) -> Vec<Json> {
    if !about_pods(spec) {
        return Vec::new();
    }
    let named = spec
        .pointer("/autogen/podControllers/controllers")
        .and_then(Json::as_array);
    let chosen: Vec<&Controller> = CONTROLLERS
        .iter()
        .filter(|controller| named.is_none_or(|list| list.iter().any(|name| name == controller.resource)))
        .collect();
    let mut made = Vec::new();
    for (cron, template) in [
        (false, "spec.template."),
        (true, "spec.jobTemplate.spec.template."),
    ] {
        let targets: Vec<&&Controller> = chosen
            .iter()
            .filter(|controller| controller.cron == cron)
            .collect();
        if targets.is_empty() {
            continue;
        }
        let mut variant = spec.clone();
        let operations = spec
            .pointer("/matchConstraints/resourceRules/0/operations")
            .cloned();
        let rule = |group: &str| {
            let resources: Vec<&str> = targets
                .iter()
                .filter(|target| target.group == group)
                .map(|target| target.resource)
                .collect();
            (!resources.is_empty()).then(|| {
                json!({
                    "apiGroups": [group],
                    "apiVersions": ["v1"],
                    "resources": resources,
                    "operations": operations.clone().unwrap_or_else(|| json!([])),
                })
            })
        };
        let rules: Vec<Json> = ["apps", "batch"].into_iter().filter_map(rule).collect();
        let mut constraints = json!({"resourceRules": rules});
        if let Some(selector) = spec.pointer("/matchConstraints/namespaceSelector") {
            constraints["namespaceSelector"] = selector.clone();
        }
        shift(&mut variant, template);
        variant["matchConstraints"] = constraints;
        made.push(variant);
    }
    made
}

/// Whether a spec is about pods alone, without names or labels that controllers would not have.
fn about_pods(spec: &Json) -> bool {
    let Some(constraints) = spec.get("matchConstraints") else {
        return false;
    };
    let filled = |name: &str| match constraints.get(name) {
        Some(Json::Object(fields)) => fields.values().any(|value| {
            value.as_object().is_some_and(|map| !map.is_empty())
                || value.as_array().is_some_and(|list| !list.is_empty())
        }),
        Some(Json::Array(items)) => !items.is_empty(),
        _ => false,
    };
    if filled("objectSelector") || filled("excludeResourceRules") {
        return false;
    }
    let Some([rule]) = constraints
        .get("resourceRules")
        .and_then(Json::as_array)
        .map(Vec::as_slice)
    else {
        return false;
    };
    let names = rule
        .get("resourceNames")
        .and_then(Json::as_array)
        .is_some_and(|names| !names.is_empty());
    !names
        && rule.get("apiGroups") == Some(&json!([""]))
        && rule.get("apiVersions") == Some(&json!(["v1"]))
        && rule.get("resources") == Some(&json!(["pods"]))
}

/// Expressions that look at the pod look at the template instead; its namespace is the controller's.
fn shift(value: &mut Json, template: &str) {
    match value {
        Json::String(text) => {
            for object in ["object", "oldObject"] {
                for part in ["spec", "metadata"] {
                    *text = marked(text, object, part);
                }
            }
            *text = text.replace('\u{0}', template);
        }
        Json::Array(items) => items.iter_mut().for_each(|item| shift(item, template)),
        Json::Object(fields) => fields.values_mut().for_each(|field| shift(field, template)),
        _ => {}
    }
}

/// With a mark where the way to the template goes, so that what was moved is not moved again.
fn marked(text: &str, object: &str, part: &str) -> String {
    let from = format!("{object}.{part}");
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        result.push_str(before);
        let namespace = after.strip_prefix(".namespace").is_some_and(|after| {
            !after
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if namespace {
            result.push_str(&from);
        } else {
            result.extend([object, ".\u{0}", part]);
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// Conditions and configurations look at the template, and configurations are about it.
fn shift_mutations(spec: &mut Json, template: &str) {
    let lists = [
        ("matchConditions", "/expression"),
        ("mutations", "/applyConfiguration/expression"),
    ];
    for (list, pointer) in lists {
        for item in spec
            .get_mut(list)
            .and_then(Json::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(Json::String(text)) = item.pointer_mut(pointer) {
                *text = in_template(text, template);
            }
        }
    }
}

fn in_template(text: &str, template: &str) -> String {
    let mut text = text.to_owned();
    for object in ["object", "oldObject", "Object"] {
        for part in ["spec", "metadata.labels", "metadata.annotations"] {
            text = whole_words(&text, object, part);
        }
    }
    let text = text.replace('\u{0}', template);
    let inner = text
        .trim()
        .strip_prefix("Object")
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix('{'));
    let Some(inner) = inner else { return text };
    let mut depth = 1;
    let end = inner.char_indices().find_map(|(at, letter)| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    });
    let Some(end) = end.filter(|end| *end > 0) else {
        return text;
    };
    let mut path = "Object".to_owned();
    let (mut before, mut after) = ("Object{".to_owned(), String::from("}"));
    for step in template.split('.').filter(|step| !step.is_empty()) {
        path.extend([".", step]);
        before.extend([step, ": ", &path, "{"]);
        after.push('}');
    }
    format!("{before}{}{after}{}", &inner[..end], &inner[end + 1..])
}

/// Marks `object.spec` where it begins at the border of a word.
fn whole_words(text: &str, object: &str, part: &str) -> String {
    let from = format!("{object}.{part}");
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&from) {
        let before = &rest[..at];
        let last = before.bytes().last().or_else(|| result.bytes().last());
        let inside = last.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        result.push_str(before);
        if inside {
            result.push_str(&from);
        } else {
            result.extend([object, ".\u{0}", part]);
        }
        rest = &rest[at + from.len()..];
    }
    result.push_str(rest);
    result
}
