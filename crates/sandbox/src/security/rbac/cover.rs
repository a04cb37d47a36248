//! Whether somebody holds what they would give away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Rule;
use super::rule::{has_or_all, url_covers};

/// What of `wanted` is not in `held`, a line for each resource, in the words of the real API server; empty when all is.
pub(crate) fn missing(held: &[Rule], wanted: &[Rule]) -> String {
    let mut room = MOST;
    let pieces = wanted.iter().flat_map(|rule| pieces(rule, &mut room));
    let lacking: Vec<Rule> = pieces
        .filter(|piece| !held.iter().any(|rule| covers(rule, piece)))
        .collect();
    let lines: BTreeSet<String> = compact(lacking).iter().map(told).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// More parts of all rules together are not told apart.
const MOST: usize = 100_000;

/// A rule in its smallest parts: one verb on one resource, object or path. A rule of more parts than there is room for is
/// one part.
fn pieces(rule: &Rule, room: &mut usize) -> Vec<Rule> {
    let objects = [&rule.groups, &rule.resources, &rule.verbs]
        .map(Vec::len)
        .into_iter();
    let objects = objects.fold(rule.names.len().max(1), usize::saturating_mul);
    let parts = objects.saturating_add(rule.urls.len().saturating_mul(rule.verbs.len()));
    let Some(left) = room.checked_sub(parts) else {
        return vec![rule.clone()];
    };
    *room = left;
    let mut pieces = Vec::new();
    for group in &rule.groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let piece = Rule {
                    verbs: vec![verb.clone()],
                    groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    ..Rule::default()
                };
                if rule.names.is_empty() {
                    pieces.push(piece);
                } else {
                    pieces.extend(rule.names.iter().map(|name| Rule {
                        names: vec![name.clone()],
                        ..piece.clone()
                    }));
                }
            }
        }
    }
    for url in &rule.urls {
        pieces.extend(rule.verbs.iter().map(|verb| Rule {
            verbs: vec![verb.clone()],
            urls: vec![url.clone()],
            ..Rule::default()
        }));
    }
    pieces
}

fn covers(rule: &Rule, piece: &Rule) -> bool {
    let all = |words: &[String], wanted: &[String]| wanted.iter().all(|word| has_or_all(words, word));
    let resource = |wanted: &String| {
        let beneath = wanted.split_once('/').map(|(_, beneath)| format!("*/{beneath}"));
        has_or_all(&rule.resources, wanted)
            || beneath.is_some_and(|beneath| rule.resources.contains(&beneath))
    };
    all(&rule.verbs, &piece.verbs)
        && all(&rule.groups, &piece.groups)
        && piece.resources.iter().all(resource)
        && (rule.names.is_empty()
            || (!piece.names.is_empty() && piece.names.iter().all(|name| rule.names.contains(name))))
        && piece
            .urls
            .iter()
            .all(|url| rule.urls.iter().any(|known| url_covers(known, url)))
}

/// Puts the verbs on the same thing together.
fn compact(pieces: Vec<Rule>) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    let mut places: BTreeMap<Rule, usize> = BTreeMap::new();
    for piece in pieces {
        if !piece.urls.is_empty() {
            compacted.push(piece);
            continue;
        }
        let place = Rule {
            verbs: Vec::new(),
            ..piece.clone()
        };
        let at = *places.entry(place).or_insert(compacted.len());
        match compacted.get_mut(at) {
            Some(known) => known.verbs.extend(piece.verbs),
            None => compacted.push(piece),
        }
    }
    compacted
}

/// `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`
fn told(rule: &Rule) -> String {
    let mut parts = Vec::new();
    for (name, words) in [
        ("APIGroups", &rule.groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.urls),
        ("ResourceNames", &rule.names),
        ("Verbs", &rule.verbs),
    ] {
        if !words.is_empty() {
            parts.push(format!("{name}:{}", quoted(words)));
        }
    }
    format!("{{{}}}", parts.join(", "))
}

/// Words as Go writes a list of them.
pub(crate) fn quoted(words: &[String]) -> String {
    let mut text = String::from("[");
    for (at, word) in words.iter().enumerate() {
        let gap = if at == 0 { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{gap}{word:?}");
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rules(rules: &Value) -> Vec<Rule> {
        Rule::all_of(&json!({ "rules": rules }))
    }

    fn on(resource: &str, verbs: &[&str]) -> Value {
        json!({ "apiGroups": [""], "resources": [resource], "verbs": verbs })
    }

    #[test]
    fn the_parts_of_all_rules_together_are_few() {
        let words = |count: usize| -> Vec<String> { (0..count).map(|number| format!("w{number}")).collect() };
        let large = json!({ "apiGroups": words(50), "resources": words(50), "verbs": words(30) });
        let wanted = rules(&json!([large, large, on("pods", &["get"])]));
        let mut room = MOST;
        let counts: Vec<usize> = wanted.iter().map(|rule| pieces(rule, &mut room).len()).collect();
        assert_eq!(counts, [75_000, 1, 1]);
        let said = missing(&[], &wanted);
        assert!(said.contains("Resources:[\"pods\"], Verbs:[\"get\"]"));
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let check = |held: Value, wanted: Value, expect: &str| {
            assert_eq!(missing(&rules(&held), &rules(&wanted)), expect, "{held} {wanted}");
        };
        check(json!([]), json!([]), "");
        check(
            json!([]),
            json!([on("pods", &["get", "list"])]),
            "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}",
        );
        check(json!([on("pods", &["get"])]), json!([on("pods", &["get"])]), "");
        check(json!([on("*", &["*"])]), json!([on("pods/log", &["get"])]), "");
        check(
            json!([on("*/log", &["get"])]),
            json!([on("pods/log", &["get"])]),
            "",
        );
        check(
            json!([on("pods", &["get"])]),
            json!([on("*", &["get"])]),
            "{APIGroups:[\"\"], Resources:[\"*\"], Verbs:[\"get\"]}",
        );
        // Each half alone is not enough, both together are.
        check(
            json!([on("pods", &["get"]), on("pods", &["list"])]),
            json!([on("pods", &["get", "list"])]),
            "",
        );
        let named = |names: &[&str]| json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": names });
        check(json!([on("secrets", &["get"])]), json!([named(&["a"])]), "");
        check(json!([named(&["a", "b"])]), json!([named(&["a"])]), "");
        check(
            json!([named(&["a"])]),
            json!([on("secrets", &["get"]), named(&["b"])]),
            "{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"b\"], Verbs:[\"get\"]}\n\
             {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}",
        );
        let path = |url: &str| json!({ "nonResourceURLs": [url], "verbs": ["get"] });
        check(json!([path("/healthz/*")]), json!([path("/healthz/ping")]), "");
        check(
            json!([path("/healthz")]),
            json!([path("/metrics")]),
            "{NonResourceURLs:[\"/metrics\"], Verbs:[\"get\"]}",
        );
    }
}
