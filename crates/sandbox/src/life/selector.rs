//! Label selectors: the plain map of Services and nodes, the expressions of node affinity, and both together.

use serde_json::{Map, Value};

use super::object::{list, map, text};

/// Are all pairs among the labels?
pub(crate) fn contains(pairs: &Map<String, Value>, labels: Option<&Map<String, Value>>) -> bool {
    pairs
        .iter()
        .all(|(key, value)| labels.is_some_and(|labels| labels.get(key) == Some(value)))
}

/// Does a label selector with both pairs and expressions choose these labels? An empty one chooses everything, one
/// that is not there nothing.
pub(crate) fn chooses(selector: &Value, labels: Option<&Map<String, Value>>) -> bool {
    selector.is_object()
        && map(selector, "/matchLabels").is_none_or(|pairs| contains(pairs, labels))
        && list(selector, "/matchExpressions")
            .iter()
            .all(|expression| holds(expression, labels))
}

/// Does one expression (`In`, `NotIn`, `Exists`, `DoesNotExist`, and for nodes `Gt`, `Lt`) hold?
/// One with an unknown operator does not.
pub(crate) fn holds(expression: &Value, labels: Option<&Map<String, Value>>) -> bool {
    let value = labels.and_then(|labels| labels.get(text(expression, "/key")));
    let values = list(expression, "/values");
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    match text(expression, "/operator") {
        "In" => value.is_some_and(|value| values.contains(value)),
        "NotIn" => value.is_none_or(|value| !values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" | "Lt" => {
            let (Some(value), Some(bound)) = (value.and_then(number), values.first().and_then(number)) else {
                return false;
            };
            if text(expression, "/operator") == "Gt" {
                value > bound
            } else {
                value < bound
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions() {
        let labels = json!({"app": "web", "size": "5"});
        let check = |key: &str, operator: &str, values: &[&str], expect: bool| {
            let expression = json!({"key": key, "operator": operator, "values": values});
            assert_eq!(holds(&expression, labels.as_object()), expect, "{expression}");
        };
        check("app", "In", &["web", "api"], true);
        check("app", "In", &["api"], false);
        check("app", "NotIn", &["api"], true);
        check("absent", "NotIn", &["api"], true);
        check("absent", "Exists", &[], false);
        check("absent", "DoesNotExist", &[], true);
        check("size", "Gt", &["4"], true);
        check("size", "Gt", &["5"], false);
        check("size", "Gt", &["many"], false);
        check("absent", "Gt", &["4"], false);
        check("size", "Lt", &["4"], false);
        check("size", "Lt", &["6"], true);
        check("app", "Like", &["web"], false);
    }

    #[test]
    fn whole_selectors() {
        let labels = json!({"app": "web"});
        let check = |selector: Value, expect: bool| {
            assert_eq!(chooses(&selector, labels.as_object()), expect, "{selector}");
        };
        check(json!(null), false);
        check(json!({}), true);
        check(json!({"matchLabels": {"app": "web"}}), true);
        check(json!({"matchLabels": {"app": "api"}}), false);
        let exists = json!([{"key": "tier", "operator": "Exists"}]);
        check(
            json!({"matchLabels": {"app": "web"}, "matchExpressions": exists}),
            false,
        );
        check(json!({"matchExpressions": exists}), false);
    }

    #[test]
    fn pairs() {
        let labels = json!({"app": "web", "tier": "front"});
        let check = |pairs: Value, expect: bool| {
            let pairs = pairs.as_object().cloned().unwrap_or_default();
            assert_eq!(contains(&pairs, labels.as_object()), expect, "{pairs:?}");
        };
        check(json!({}), true);
        check(json!({"app": "web"}), true);
        check(json!({"app": "web", "tier": "back"}), false);
        assert!(!contains(
            &json!({"app": "web"}).as_object().cloned().unwrap_or_default(),
            None
        ));
    }
}
