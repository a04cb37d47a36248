//! `cargo xtask conformance jmespath`: how near our JMESPath is to its public compliance suite.
//!
//! Kyverno's dialect is meant to differ: a literal in backquotes is JSON, `sum` needs items, `to_string` writes as
//! Go does. What differs is printed, so that nothing else creeps in.

use std::fs;

use serde_json::Value;

use super::language;
use crate::failure::{Doing, Result, fail};
use crate::say;

/// Runs every `*.json` of a folder and prints how many cases come out as they should.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut passed, mut total) = (0, 0);
    for file in language::files("jmespath", arguments, "json")? {
        let text = fs::read_to_string(&file).doing(|| format!("read {}", file.display()))?;
        let Ok(groups) = serde_json::from_str::<Vec<Value>>(&text) else {
            fail!("{} is no list of cases", file.display())
        };
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (mut here, mut of) = (0, 0);
        let mut differing = Vec::new();
        for group in &groups {
            let given = &group["given"];
            for case in group["cases"].as_array().into_iter().flatten() {
                of += 1;
                match differs(given, case) {
                    None => here += 1,
                    Some(difference) => differing.push(difference),
                }
            }
        }
        say::line(format!("{name:<20} {here:>4} of {of}"));
        for difference in differing {
            say::line(format!("    {difference}"));
        }
        (passed, total) = (passed + here, total + of);
    }
    language::sum(passed, total)
}

/// What is other than the suite says; a case that only measures has no result to compare.
fn differs(given: &Value, case: &Value) -> Option<String> {
    let expression = case["expression"].as_str().unwrap_or_default();
    let found = match guardrails::query(expression, given) {
        // To the standard a key that is not there is null.
        Err(reason) if reason.starts_with("Unknown key ") => Ok(Value::Null),
        found => found,
    };
    let same = match (&found, case.get("error"), case.get("result")) {
        (Err(_), Some(_), _) | (Ok(_), None, None) => true,
        (Ok(found), None, Some(result)) => equal(found, result),
        _ => false,
    };
    let expected = case.get("error").or(case.get("result")).unwrap_or(&Value::Null);
    (!same).then(|| format!("{expression}: {expected} expected, got {found:?}"))
}

/// Whether two values are the same; `1` and `1.0` are.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let same =
                |(key, left): (&String, &Value)| right.get(key).is_some_and(|right| equal(left, right));
            left.len() == right.len() && left.iter().all(same)
        }
        (left, right) => left == right,
    }
}
