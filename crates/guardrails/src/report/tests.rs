use serde_json::{Value, json};

use super::*;
use crate::verdict::About;

fn verdict(rule: &str, outcome: Outcome, enforce: bool) -> Verdict {
    let about = About {
        policy: "require-limits".to_owned(),
        rule: rule.to_owned(),
        task: crate::verdict::Task::Validate,
        why: Some("nodes are shared".to_owned()),
        hint: Some("set limits".to_owned()),
        controls: vec!["NIST SC-6".to_owned(), "SOC2 A1.1".to_owned()],
        title: Some("Require limits".to_owned()),
        severity: Some("high".to_owned()),
        category: Some("Resources".to_owned()),
    };
    Verdict {
        outcome,
        enforce,
        message: "limits <are> \"required\" & good".to_owned(),
        path: Some("/spec/containers/0".to_owned()),
        ..Verdict::blank(std::sync::Arc::new(about), "Pod/api".to_owned())
    }
}

fn objects() -> [Value; 2] {
    [
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api", "namespace": "shop", "uid": "7"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
    ]
}

fn finding<'a>(verdict: &'a Verdict, object: &'a Value) -> Finding<'a> {
    Finding {
        verdict,
        policy_kind: "ClusterPolicy",
        object,
        file: Some("./a b/pod.yaml"),
        place: Some((12, 5)),
    }
}

#[test]
fn reports_are_one_for_each_namespace() {
    let verdicts = [
        verdict("a", Outcome::Pass, true),
        verdict("b", Outcome::Fail, true),
        verdict("c", Outcome::Fail, false),
        verdict("", Outcome::Error, true),
    ];
    let [pod, namespace] = objects();
    let findings = [
        finding(&verdicts[0], &pod),
        finding(&verdicts[1], &pod),
        finding(&verdicts[2], &pod),
        finding(&verdicts[3], &namespace),
    ];
    let options = ReportOptions {
        form: Form::PolicyReport,
        name: "merged",
        seconds: 7,
        audit_warn: true,
    };
    let reports = policy_reports(&findings, &options);
    let [cluster, shop] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!(cluster["kind"], "ClusterPolicyReport");
    assert_eq!(cluster["results"][0].get("rule"), None);
    assert_eq!(
        (
            shop["apiVersion"].as_str(),
            shop["kind"].as_str(),
            shop["metadata"]["namespace"].as_str()
        ),
        (
            Some("wgpolicyk8s.io/v1alpha2"),
            Some("PolicyReport"),
            Some("shop")
        )
    );
    assert_eq!(
        shop["summary"],
        json!({"pass": 1, "fail": 1, "warn": 1, "error": 0, "skip": 0})
    );
    assert_eq!(
        shop["results"][1],
        json!({
            "source": "kyverno",
            "policy": "require-limits",
            "rule": "b",
            "result": "fail",
            "scored": true,
            "message": "limits <are> \"required\" & good",
            "severity": "high",
            "category": "Resources",
            "timestamp": {"seconds": 7, "nanos": 0},
            "resources": [{"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "api", "uid": "7"}],
            "properties": {
                "path": "/spec/containers/0", "why": "nodes are shared", "hint": "set limits",
                "controls": "NIST SC-6, SOC2 A1.1", "file": "./a b/pod.yaml", "line": "12",
            },
        })
    );
    let open = policy_reports(
        &findings,
        &ReportOptions {
            form: Form::OpenReports,
            audit_warn: false,
            ..options
        },
    );
    assert_eq!(
        (open[1]["apiVersion"].as_str(), open[1]["kind"].as_str()),
        (Some("openreports.io/v1alpha1"), Some("Report"))
    );
    assert_eq!(open[1]["results"][2]["result"], "fail");
    assert!(open[1]["results"][2]["description"].is_string() && open[1]["results"][2]["subjects"].is_array());
}

#[test]
fn sarif_points_at_lines_and_at_rules() {
    let verdicts = [
        verdict("a", Outcome::Pass, true),
        verdict("b", Outcome::Fail, true),
        verdict("c", Outcome::Fail, false),
        verdict("b", Outcome::Error, true),
    ];
    let [pod, _] = objects();
    let findings: Vec<Finding<'_>> = verdicts.iter().map(|verdict| finding(verdict, &pod)).collect();
    let log = sarif(&findings, "towpath", "1.0");
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let seen: Vec<_> = results
        .iter()
        .map(|result| {
            (
                result["ruleId"].as_str().unwrap(),
                result["ruleIndex"].as_u64().unwrap(),
                result["level"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("require-limits/b", 0, "error"),
            ("require-limits/c", 1, "warning"),
            ("require-limits/b", 0, "error")
        ]
    );
    let rules = &run["tool"]["driver"]["rules"];
    assert_eq!(rules.as_array().map(Vec::len), Some(2));
    assert_eq!(
        rules[0]["properties"]["tags"],
        json!(["Resources", "NIST SC-6", "SOC2 A1.1"])
    );
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"],
        json!({"artifactLocation": {"uri": "a%20b/pod.yaml"}, "region": {"startLine": 12, "startColumn": 5}})
    );
}

#[test]
fn junit_counts_and_escapes() {
    let verdicts = [
        verdict("a", Outcome::Pass, true),
        verdict("b", Outcome::Fail, true),
        verdict("c", Outcome::Skip, true),
        verdict("d", Outcome::Error, true),
        verdict("e", Outcome::Warn, false),
    ];
    let [pod, _] = objects();
    let findings: Vec<Finding<'_>> = verdicts.iter().map(|verdict| finding(verdict, &pod)).collect();
    let text = junit(&findings, "a < \u{1}b");
    assert!(
        text.contains(
            "<testsuites name=\"a &lt; ?b\" tests=\"5\" failures=\"1\" errors=\"1\" skipped=\"1\">"
        )
    );
    assert!(text.contains("name=\"b: Pod shop/api\" file=\"./a b/pod.yaml\" line=\"12\""));
    assert!(text.contains("<failure message=\"limits &lt;are&gt; &quot;required&quot; &amp; good\">"));
    assert_eq!(text.matches("<testcase ").count(), 5);
    assert_eq!(text.matches("</testcase>").count(), 4);
}
