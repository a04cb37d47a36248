//! What differs between two answers.

use super::play::Seen;
use super::sequence::Step;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is said of one step at most: two documents of discovery could differ in thousands of places.
const MOST: usize = 80;
/// The fields by which elements of lists are known, tried in this order.
const NAMES: [&str; 5] = ["name", "resource", "subresource", "type", "groupVersion"];

/// One place where two answers are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Counted from 1.
    pub(super) step: usize,
    /// The request.
    pub(super) request: String,
    /// `status`, `type`, `warnings`, or a place in the `body`.
    pub(super) place: String,
    pub(super) ours: String,
    pub(super) real: String,
}

/// All of them.
pub(super) fn between(number: usize, step: &Step, ours: &Seen, real: &Seen) -> Vec<Difference> {
    let mut found = Vec::new();
    if ours.status == real.status {
        compare(
            "type",
            &text(&ours.media_type),
            &text(&real.media_type),
            &mut found,
        );
        compare(
            "warnings",
            &Value::from(ours.warnings.clone()),
            &Value::from(real.warnings.clone()),
            &mut found,
        );
        compare("body", &ours.body, &real.body, &mut found);
    } else {
        // The rest would only say the same again.
        let whole = |seen: &Seen| match seen.body["message"].as_str() {
            Some(message) if seen.body["kind"] == "Status" => format!("{} {message}", seen.status),
            _ => format!("{} {}", seen.status, seen.body),
        };
        found.push(("status".to_owned(), whole(ours), whole(real)));
    }
    found.retain(|(place, _, _)| !step.ignoring.iter().any(|ignored| place.starts_with(ignored)));
    found.truncate(MOST);
    found
        .into_iter()
        .map(|(place, ours, real)| Difference {
            step: number,
            request: format!("{} {}", step.method, step.path),
            place,
            ours,
            real,
        })
        .collect()
}

fn text(text: &str) -> Value {
    Value::from(text)
}

type Found = Vec<(String, String, String)>;

fn compare(place: &str, ours: &Value, real: &Value, found: &mut Found) {
    if ours == real {
        return;
    }
    match (ours, real) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let inner = format!("{place}/{key}");
                of_each(&inner, left.get(key), right.get(key), found);
            }
        }
        (Value::Array(left), Value::Array(right)) => match (names(left), names(right)) {
            (Some(ours), Some(real)) => {
                let all: BTreeSet<&String> = ours.iter().chain(&real).collect();
                for name in all {
                    let at = |names: &[String]| names.iter().position(|known| known == name);
                    let inner = format!("{place}/[{name}]");
                    of_each(
                        &inner,
                        at(&ours).and_then(|at| left.get(at)),
                        at(&real).and_then(|at| right.get(at)),
                        found,
                    );
                }
                let common = |names: &[String], others: &[String]| -> Vec<String> {
                    names
                        .iter()
                        .filter(|name| others.contains(name))
                        .cloned()
                        .collect()
                };
                let (left, right) = (common(&ours, &real), common(&real, &ours));
                if left != right {
                    found.push((format!("{place}/order"), left.join(", "), right.join(", ")));
                }
            }
            _ => {
                for at in 0..left.len().max(right.len()) {
                    of_each(&format!("{place}/{at}"), left.get(at), right.get(at), found);
                }
            }
        },
        _ => found.push((place.to_owned(), ours.to_string(), real.to_string())),
    }
}

fn of_each(place: &str, ours: Option<&Value>, real: Option<&Value>, found: &mut Found) {
    match (ours, real) {
        (Some(ours), Some(real)) => compare(place, ours, real, found),
        (ours, real) => {
            let said = |value: Option<&Value>| value.map_or("(absent)".to_owned(), Value::to_string);
            found.push((place.to_owned(), said(ours), said(real)));
        }
    }
}

/// The names of a list's elements, if each has one of its own.
fn names(list: &[Value]) -> Option<Vec<String>> {
    NAMES.iter().find_map(|field| {
        let names: Option<Vec<String>> = list
            .iter()
            .map(|element| element.get(field)?.as_str().map(str::to_owned))
            .collect();
        names.filter(|names| !names.is_empty() && names.iter().collect::<BTreeSet<_>>().len() == names.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_are_found() {
        let check = |ours: Value, real: Value, expect: &[&str]| {
            let mut found = Vec::new();
            compare("body", &ours, &real, &mut found);
            let places: Vec<&str> = found.iter().map(|(place, _, _)| place.as_str()).collect();
            assert_eq!(places, expect, "{ours} {real}");
        };
        check(json!({ "a": 1 }), json!({ "a": 1 }), &[]);
        check(
            json!({ "a": 1, "b": null }),
            json!({ "a": 2 }),
            &["body/a", "body/b"],
        );
        check(json!([1, 2]), json!([1]), &["body/1"]);
        check(
            json!([{ "name": "x", "v": 1 }, { "name": "y" }]),
            json!([{ "name": "y" }, { "name": "x", "v": 2 }]),
            &["body/[x]/v", "body/order"],
        );
    }
}
