//! Roles and bindings, beyond what their schemas require.

use serde_json::Value;

use super::Report;
use super::names::{is_subdomain, label_selector};
use crate::error::Cause;
use crate::model::Schema;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks the kinds of role-based access control.
pub(super) fn check(schema: &Schema, object: &Value, report: &mut Report<'_>) {
    match schema.name.as_str() {
        "rbac.v1.Role" => rules(object, true, report),
        "rbac.v1.ClusterRole" => {
            rules(object, false, report);
            let aggregation = &object["aggregationRule"];
            let selectors = aggregation["clusterRoleSelectors"].as_array();
            if aggregation.is_object() && selectors.is_none_or(Vec::is_empty) {
                let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
                report.add(
                    "aggregationRule.clusterRoleSelectors",
                    Cause::Required,
                    None,
                    detail,
                );
            }
            for (at, selector) in selectors.into_iter().flatten().enumerate() {
                let field = format!("aggregationRule.clusterRoleSelectors[{at}]");
                if !label_selector(selector, &field, report) {
                    report.invalid(&field, &Value::Null, "invalid label selector.");
                }
            }
        }
        "rbac.v1.RoleBinding" => binding(object, &["Role", "ClusterRole"], report),
        "rbac.v1.ClusterRoleBinding" => binding(object, &["ClusterRole"], report),
        _ => {}
    }
}

fn rules(role: &Value, namespaced: bool, report: &mut Report<'_>) {
    for (at, rule) in role["rules"].as_array().into_iter().flatten().enumerate() {
        let field = |name: &str| format!("rules[{at}].{name}");
        let has = |name: &str| rule[name].as_array().is_some_and(|words| !words.is_empty());
        let mut need = |name: &str, detail: &str| {
            if !has(name) {
                report.add(&field(name), Cause::Required, None, detail);
            }
        };
        need("verbs", "verbs must contain at least one value");
        if has("nonResourceURLs") {
            let urls = &rule["nonResourceURLs"];
            let mut refuse =
                |detail: &str| report.add(&field("nonResourceURLs"), Cause::Invalid, Some(urls), detail);
            if namespaced {
                refuse("namespaced rules cannot apply to non-resource URLs");
            }
            if has("apiGroups") || has("resources") || has("resourceNames") {
                refuse("rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        need("apiGroups", "resource rules must supply at least one api group");
        need("resources", "resource rules must supply at least one resource");
    }
}

fn binding(binding: &Value, kinds: &[&str], report: &mut Report<'_>) {
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let role = &binding["roleRef"];
    one_of("roleRef.apiGroup", &word(role, "apiGroup"), &[GROUP], report);
    one_of("roleRef.kind", &word(role, "kind"), kinds, report);
    for (at, subject) in binding["subjects"].as_array().into_iter().flatten().enumerate() {
        let field = |name: &str| format!("subjects[{at}].{name}");
        let (kind, name, group) = (
            word(subject, "kind"),
            word(subject, "name"),
            word(subject, "apiGroup"),
        );
        match kind.as_str() {
            "ServiceAccount" => {
                if !name.is_empty() && !is_subdomain(&name) {
                    let value = Value::from(name);
                    report.add(
                        &field("name"),
                        Cause::Invalid,
                        Some(&value),
                        super::names::SUBDOMAIN,
                    );
                }
                one_of(&field("apiGroup"), &group, &[""], report);
                if kinds == ["ClusterRole"] && word(subject, "namespace").is_empty() {
                    report.add(&field("namespace"), Cause::Required, None, "");
                }
            }
            "User" | "Group" => one_of(&field("apiGroup"), &group, &[GROUP], report),
            _ => one_of(
                &field("kind"),
                &kind,
                &["ServiceAccount", "User", "Group"],
                report,
            ),
        }
    }
}

fn one_of(field: &str, value: &str, allowed: &[&str], report: &mut Report<'_>) {
    if !allowed.contains(&value) {
        report.unsupported(field, &Value::from(value), allowed);
    }
}

/// A binding stays one of its role.
pub(super) fn check_update(old: &Value, new: &Value, report: &mut Report<'_>) {
    let word = |object: &Value, name: &str| object["roleRef"][name].as_str().unwrap_or_default().to_owned();
    let role = |object: &Value| {
        serde_json::json!({
            "APIGroup": word(object, "apiGroup"), "Kind": word(object, "kind"), "Name": word(object, "name"),
        })
    };
    let (was, is) = (role(old), role(new));
    if was != is {
        report.add("roleRef", Cause::Invalid, Some(&is), "cannot change roleRef");
    }
}
