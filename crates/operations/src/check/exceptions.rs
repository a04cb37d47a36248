//! Exceptions from guardrails: each has somebody who answers for it, a reason, and an end. Knows nothing of what they
//! let through.

use api::SYSTEM_NAMESPACE;
use delivery::Snapshot;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::CheckFinding;
use crate::guard::policy_files;

const OWNER: &str = "policies.towpath.dev/owner";
const REASON: &str = "policies.towpath.dev/reason";
const EXPIRES: &str = "policies.towpath.dev/expires";

/// What is wrong with the PolicyExceptions of a repository. Files that cannot be read are told elsewhere.
pub(super) fn check(snapshot: &Snapshot, now: Timestamp) -> Vec<CheckFinding> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut findings = Vec::new();
    for (file, text) in policy_files(snapshot) {
        for document in yaml::parse_all(&text).unwrap_or_default() {
            if document.value["kind"] != "PolicyException" {
                continue;
            }
            for (at, message, hint) in problems(&document.value, today) {
                let place = document
                    .position(&at)
                    .or_else(|| document.position("/metadata/name"));
                findings.push(CheckFinding {
                    line: Some(place.map_or_else(|| document.line(), |place| place.line)),
                    message,
                    hint: Some(hint),
                    ..CheckFinding::at(&file)
                });
            }
        }
    }
    findings
}

/// Where, what, and what to do.
fn problems(exception: &serde_json::Value, today: Date) -> Vec<(String, String, String)> {
    let name = exception["metadata"]["name"].as_str().unwrap_or_default();
    let annotations = &exception["metadata"]["annotations"];
    let mut found = Vec::new();
    let namespace = exception["metadata"]["namespace"].as_str().unwrap_or_default();
    if namespace != SYSTEM_NAMESPACE {
        found.push((
            "/metadata/namespace".to_owned(),
            format!("the exception {name} is not in the namespace {SYSTEM_NAMESPACE}, and no cluster follows it elsewhere"),
            format!("metadata.namespace: {SYSTEM_NAMESPACE}"),
        ));
    }
    for (key, hint) in [
        (OWNER, "say who answers for it: a team or a person"),
        (
            REASON,
            "say why it is there, so that whoever reviews it can judge it",
        ),
        (EXPIRES, "say its last day, such as 2026-12-31"),
    ] {
        let at = format!("/metadata/annotations/{}", key.replace('/', "~1"));
        let said = annotations[key].as_str().unwrap_or_default().trim();
        if said.is_empty() {
            let message = format!("the exception {name} has no annotation {key}");
            found.push((at, message, hint.to_owned()));
        } else if key == EXPIRES {
            match said.get(..10).and_then(|day| day.parse::<Date>().ok()) {
                None => found.push((
                    at,
                    format!("the exception {name}: {said:?} is not a date"),
                    hint.to_owned(),
                )),
                Some(last) if last < today => found.push((
                    at,
                    format!("the exception {name} expired on {last} and lets nothing through"),
                    "remove it, or agree with its owner on another day".to_owned(),
                )),
                Some(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn owner_reason_and_end() {
        let today: Date = "2026-11-21".parse().unwrap();
        let check = |annotations: Value, expect: &[&str]| {
            let exception = json!({
                "metadata": {"name": "x", "namespace": SYSTEM_NAMESPACE, "annotations": annotations},
            });
            let said: Vec<String> = problems(&exception, today).into_iter().map(|p| p.1).collect();
            assert_eq!(said.len(), expect.len(), "{said:?}");
            for (said, expect) in said.iter().zip(expect) {
                assert!(said.contains(expect), "{said}: {expect}");
            }
        };
        let whole = |expires: &str| json!({OWNER: "demo", REASON: "a test", EXPIRES: expires});
        check(whole("2026-11-21"), &[]);
        check(whole("2027-01-01T00:00:00Z"), &[]);
        check(whole("2026-11-20"), &["expired on 2026-11-20"]);
        check(whole("soon"), &["is not a date"]);
        check(whole("é026-11-2x"), &["is not a date"]);
        check(
            json!({REASON: " "}),
            &["no annotation policies.towpath.dev/owner", "/reason", "/expires"],
        );
        check(Value::Null, &["/owner", "/reason", "/expires"]);
        let elsewhere =
            json!({"metadata": {"name": "x", "namespace": "shop", "annotations": whole("2199-01-01")}});
        let said = problems(&elsewhere, today);
        assert_eq!(said.len(), 1);
        assert!(said[0].1.contains("platform-system"), "{said:?}");
    }
}
