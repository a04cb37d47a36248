//! SARIF 2.1.0: what code hosts show beside the lines of a change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Finding;
use crate::verdict::Outcome;

/// A SARIF log of what is wrong; what passes is not in it.
pub fn sarif(findings: &[Finding<'_>], tool: &str, version: &str) -> Value {
    let problems = || findings.iter().filter(|finding| finding.is_problem());
    // Rules are named once and results point at them.
    let mut rules: BTreeMap<String, (usize, Value)> = BTreeMap::new();
    let mut listed = Vec::new();
    for finding in problems() {
        let id = rule_id(finding);
        if rules.contains_key(&id) {
            continue;
        }
        let rule = rule(finding, &id);
        listed.push(rule.clone());
        rules.insert(id, (listed.len() - 1, rule));
    }
    let results: Vec<Value> = problems()
        .map(|finding| {
            let id = rule_id(finding);
            let index = rules.get(&id).map_or(0, |(index, _)| *index);
            result(finding, &id, index)
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": tool, "version": version, "rules": listed}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule_id(finding: &Finding<'_>) -> String {
    let verdict = finding.verdict;
    if verdict.about.rule.is_empty() {
        verdict.about.policy.clone()
    } else {
        format!("{}/{}", verdict.about.policy, verdict.about.rule)
    }
}

fn rule(finding: &Finding<'_>, id: &str) -> Value {
    let verdict = finding.verdict;
    let short = verdict.about.title.as_deref().unwrap_or(&verdict.about.policy);
    let mut rule = json!({
        "id": id,
        "name": verdict.about.policy,
        "shortDescription": {"text": short},
        "defaultConfiguration": {"level": level(finding)},
    });
    if let Some(why) = &verdict.about.why {
        rule["fullDescription"] = json!({"text": why});
    }
    if let Some(hint) = &verdict.about.hint {
        rule["help"] = json!({"text": hint});
    }
    let mut properties = json!({});
    let tags: Vec<&String> = verdict
        .about
        .category
        .iter()
        .chain(verdict.about.controls.iter())
        .collect();
    if !tags.is_empty() {
        properties["tags"] = json!(tags);
    }
    // Code hosts sort by this figure.
    let score = match verdict.about.severity.as_deref() {
        Some("critical") => Some("9.5"),
        Some("high") => Some("8.0"),
        Some("medium") => Some("5.5"),
        Some("low") => Some("3.0"),
        Some("info") => Some("1.0"),
        _ => None,
    };
    if let Some(score) = score {
        properties["security-severity"] = score.into();
    }
    if properties.as_object().is_some_and(|map| !map.is_empty()) {
        rule["properties"] = properties;
    }
    rule
}

fn result(finding: &Finding<'_>, id: &str, index: usize) -> Value {
    let verdict = finding.verdict;
    let mut text = format!("{}: {}", finding.subject(), verdict.message);
    if let Some(hint) = &verdict.about.hint {
        text = format!("{text}\n{hint}");
    }
    let mut location = json!({
        "logicalLocations": [{
            "fullyQualifiedName": format!("{}{}", finding.subject(), verdict.path.as_deref().unwrap_or_default()),
            "kind": "object",
        }],
    });
    if let Some(file) = finding.file {
        let (line, column) = finding.place.unwrap_or((1, 1));
        location["physicalLocation"] = json!({
            "artifactLocation": {"uri": uri(file)},
            "region": {"startLine": line.max(1), "startColumn": column.max(1)},
        });
    }
    json!({
        "ruleId": id,
        "ruleIndex": index,
        "level": level(finding),
        "message": {"text": text},
        "locations": [location],
    })
}

fn level(finding: &Finding<'_>) -> &'static str {
    match finding.verdict.outcome {
        Outcome::Fail | Outcome::Error if finding.verdict.enforce => "error",
        Outcome::Warn | Outcome::Fail | Outcome::Error => "warning",
        Outcome::Pass | Outcome::Skip => "none",
    }
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).replace('\\', "/");
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
