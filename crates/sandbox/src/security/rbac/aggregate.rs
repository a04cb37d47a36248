//! ClusterRoles that are put together of others.

use serde_json::{Value, json};

use super::Rule;

/// The rules that a ClusterRole takes over from the others, as it should hold them; `None` when it has its own.
/// `others` come in the order of their names, and `chooses` says whether a label selector chooses labels.
pub(crate) fn aggregated<'a>(
    role: &Value,
    others: &(impl Iterator<Item = &'a Value> + Clone),
    chooses: impl Fn(&Value, &Value) -> bool,
) -> Option<Value> {
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array()?;
    let mut rules: Vec<Value> = Vec::new();
    let own = &role["metadata"]["name"];
    for selector in selectors {
        for other in others.clone() {
            let metadata = &other["metadata"];
            if metadata["name"] == *own || !chooses(selector, &metadata["labels"]) {
                continue;
            }
            for rule in Rule::all_of(other) {
                let rule = rule.json();
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
    }
    Some(json!(rules))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_gathered_by_label() {
        let role = |name: &str, label: &str, resource: &str| {
            json!({
                "metadata": { "name": name, "labels": { "to": label } },
                "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": ["get"] }],
            })
        };
        let all = [
            role("a", "x", "pods"),
            role("b", "x", "pods"),
            role("c", "y", "nodes"),
            role("d", "z", "secrets"),
            role("sum", "x", "everything"),
        ];
        let sum = |selectors: Value| {
            json!({
                "metadata": { "name": "sum" },
                "aggregationRule": { "clusterRoleSelectors": selectors },
            })
        };
        let check = |selectors: Value, expect: Value| {
            let chooses = |selector: &Value, labels: &Value| selector["to"] == labels["to"];
            let found = aggregated(&sum(selectors), &all.iter(), chooses).unwrap();
            let resources: Vec<&Value> = found
                .as_array()
                .unwrap()
                .iter()
                .map(|rule| &rule["resources"][0])
                .collect();
            assert_eq!(json!(resources), expect);
        };
        check(json!([{ "to": "x" }]), json!(["pods"]));
        check(json!([{ "to": "y" }, { "to": "x" }]), json!(["nodes", "pods"]));
        check(json!([{ "to": "nobody" }]), json!([]));
        assert_eq!(aggregated(&all[0], &all.iter(), |_, _| true), None);
    }
}
