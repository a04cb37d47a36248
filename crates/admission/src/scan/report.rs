//! Findings of a scan, folded into one report for each owner. No I/O.
//!
//! What a controller made is reported with it: the pods of a Deployment say nothing new unless they differ from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use guardrails::Verdict;
use guardrails::report::{Finding, Form, ReportOptions, policy_reports, summary};
use serde_json::{Value, json};

/// No report holds more results than this; its summary counts them all.
const RESULTS: usize = 100;
/// How far up owners are followed.
const CHAIN: usize = 5;
/// Reports of ours carry this label.
pub(super) const MARK: (&str, &str) = ("app.kubernetes.io/managed-by", "platform-operator");

/// An object, by what reports say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
}

/// What was found at one object.
struct Found {
    own: Owner,
    controller: Option<Owner>,
    namespace: String,
    /// Results of a report, and what tells two of them apart.
    results: Vec<(String, Value)>,
}

/// All that a scan has found so far.
pub(super) struct Findings {
    form: Form,
    seconds: i64,
    found: Vec<Found>,
    controllers: HashMap<String, Owner>,
}

impl Findings {
    pub(super) fn new(form: Form, seconds: i64) -> Self {
        Self {
            form,
            seconds,
            found: Vec::new(),
            controllers: HashMap::new(),
        }
    }

    /// Takes in what the guardrails say of an object.
    pub(super) fn add(&mut self, object: &Value, verdicts: &[Verdict]) {
        let own = Owner::of(object);
        if own.uid.is_empty() {
            return;
        }
        let controller = controller(object);
        if let Some(controller) = &controller {
            self.controllers.insert(own.uid.clone(), controller.clone());
        }
        if verdicts.is_empty() {
            return;
        }
        let options = ReportOptions {
            form: self.form,
            name: "",
            seconds: self.seconds,
            audit_warn: false,
        };
        let findings: Vec<Finding<'_>> = verdicts
            .iter()
            .map(|verdict| Finding {
                verdict,
                policy_kind: "",
                object,
                file: None,
                place: None,
            })
            .collect();
        let results = policy_reports(&findings, &options)
            .into_iter()
            .flat_map(|mut report| match report["results"].take() {
                Value::Array(results) => results,
                _ => Vec::new(),
            });
        let results = results.zip(verdicts).map(|(mut result, verdict)| {
            // It changes with every status; a report that followed it would never rest.
            for subjects in ["resources", "subjects"] {
                if let Some(subject) = result[subjects].get_mut(0).and_then(Value::as_object_mut) {
                    subject.remove("resourceVersion");
                }
            }
            (told_apart(verdict), result)
        });
        self.found.push(Found {
            own,
            controller,
            namespace: object["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            results: results.collect(),
        });
    }

    /// One report for each owner, by namespace and name.
    pub(super) fn reports(self) -> BTreeMap<(String, String), Value> {
        let mut groups: BTreeMap<(String, String), (Owner, Vec<Found>)> = BTreeMap::new();
        for found in self.found {
            let top = top(&found, &self.controllers);
            let (_, group) = groups
                .entry((found.namespace.clone(), top.uid.clone()))
                .or_insert_with(|| (top, Vec::new()));
            group.push(found);
        }
        let reports = groups.into_iter().map(|((namespace, uid), (owner, mut group))| {
            // The owner speaks first, then the others in an order that stays.
            group.sort_by_key(|found| {
                (
                    found.own.uid != uid,
                    found.own.kind.clone(),
                    found.own.name.clone(),
                )
            });
            let mut seen = BTreeSet::new();
            let mut results: Vec<Value> = Vec::new();
            for (key, result) in group.into_iter().flat_map(|found| found.results) {
                if seen.insert(key) {
                    results.push(result);
                }
            }
            let report = report(self.form, &namespace, &owner, results);
            ((namespace, uid), report)
        });
        reports.collect()
    }
}

/// The same rule that comes out the same, also where it was made for controllers.
fn told_apart(verdict: &Verdict) -> String {
    let rule = ["autogen-cronjob-", "autogen-"]
        .iter()
        .find_map(|prefix| verdict.about.rule.strip_prefix(prefix))
        .unwrap_or(&verdict.about.rule);
    format!("{}/{rule}/{}", verdict.about.policy, verdict.outcome.word())
}

impl Owner {
    fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            api_version: text(&object["apiVersion"]),
            kind: text(&object["kind"]),
            name: text(&object["metadata"]["name"]),
            uid: text(&object["metadata"]["uid"]),
        }
    }
}

fn controller(object: &Value) -> Option<Owner> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let text = |key: &str| owner[key].as_str().map(str::to_owned);
    Some(Owner {
        api_version: text("apiVersion")?,
        kind: text("kind")?,
        name: text("name")?,
        uid: text("uid")?,
    })
}

fn top(found: &Found, controllers: &HashMap<String, Owner>) -> Owner {
    let mut owner = found.controller.clone().unwrap_or_else(|| found.own.clone());
    for _ in 0..CHAIN {
        match controllers.get(&owner.uid) {
            Some(next) => owner = next.clone(),
            None => break,
        }
    }
    owner
}

fn report(form: Form, namespace: &str, owner: &Owner, mut results: Vec<Value>) -> Value {
    let whole = summary(&results);
    let rank = |result: &Value| match result["result"].as_str() {
        Some("fail") => 0,
        Some("error") => 1,
        Some("warn") => 2,
        Some("pass") => 3,
        _ => 4,
    };
    // Where not all fit, what is wrong is told and what is right is counted.
    results.sort_by_key(rank);
    results.truncate(RESULTS);
    let (api_version, kind) = kind(form, namespace.is_empty());
    let mut metadata = json!({
        "name": owner.uid,
        "labels": {MARK.0: MARK.1},
        "ownerReferences": [{
            "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
        }],
    });
    let mut scope =
        json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid});
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
        scope["namespace"] = json!(namespace);
    }
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata,
        "scope": scope,
        "summary": whole,
        "results": results,
    })
}

/// API version and kind of a report.
pub(super) fn kind(form: Form, cluster_wide: bool) -> (&'static str, &'static str) {
    match (form, cluster_wide) {
        (Form::PolicyReport, true) => ("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport"),
        (Form::PolicyReport, false) => ("wgpolicyk8s.io/v1alpha2", "PolicyReport"),
        (Form::OpenReports, true) => ("openreports.io/v1alpha1", "ClusterReport"),
        (Form::OpenReports, false) => ("openreports.io/v1alpha1", "Report"),
    }
}

/// Whether two reports say the same; when it was said does not count.
pub(super) fn same(live: &Value, wanted: &Value) -> bool {
    let told = |report: &Value| -> (Value, Value, Vec<Value>) {
        let results = report["results"].as_array().into_iter().flatten();
        let results = results.map(|result| {
            let mut result = result.clone();
            if let Some(fields) = result.as_object_mut() {
                fields.remove("timestamp");
            }
            result
        });
        (
            report["scope"].clone(),
            report["summary"].clone(),
            results.collect(),
        )
    };
    told(live) == told(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use guardrails::{Policies, Request};

    const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: limits}
spec:
  rules:
    - name: limits
      match: {any: [{resources: {kinds: [Pod]}}]}
      validate: {message: Limits are required, pattern: {spec: {containers: [{resources: {limits: {memory: '?*'}}}]}}}
";

    fn object(kind: &str, name: &str, controller: Option<(&str, &str)>, limits: &Value) -> Value {
        let spec = json!({"containers": [{"name": "a", "resources": {"limits": limits}}]});
        let owners = controller.map(|(kind, name)| {
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": name, "controller": true}])
        });
        json!({
            "apiVersion": if kind == "Pod" { "v1" } else { "apps/v1" }, "kind": kind,
            "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owners, "resourceVersion": "7"},
            "spec": if kind == "Pod" { spec } else { json!({"template": {"spec": spec}}) },
        })
    }

    fn reports(objects: &[Value]) -> BTreeMap<(String, String), Value> {
        let policies = Policies::load("a.yaml", &yaml::parse_all(POLICY).unwrap()).unwrap();
        let mut findings = Findings::new(Form::PolicyReport, 1);
        for object in objects {
            findings.add(object, &policies.evaluate(&Request::new(object)));
        }
        findings.reports()
    }

    #[test]
    fn what_a_controller_made_is_reported_with_it() {
        let none = json!({});
        let objects = [
            object("Pod", "web-1-a", Some(("ReplicaSet", "web-1")), &none),
            object(
                "Pod",
                "web-1-b",
                Some(("ReplicaSet", "web-1")),
                &json!({"memory": "1Gi"}),
            ),
            object("ReplicaSet", "web-1", Some(("Deployment", "web")), &none),
            object("Deployment", "web", None, &none),
            object("Pod", "alone", None, &none),
        ];
        let reports = reports(&objects);
        let names: Vec<&str> = reports.keys().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["alone", "web"]);
        let web = &reports[&("shop".to_owned(), "web".to_owned())];
        assert_eq!(web["metadata"]["ownerReferences"][0]["kind"], "Deployment");
        // One pod differs from what its Deployment says, and that is worth a result.
        let results: Vec<String> = web["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| format!("{} {}", result["resources"][0]["name"], result["result"]))
            .collect();
        assert_eq!(results, ["\"web\" \"fail\"", "\"web-1-b\" \"pass\""]);
        assert!(!web.to_string().contains("resourceVersion"));
    }

    #[test]
    fn a_report_is_capped_and_counts_all() {
        let owner = Owner {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: "a".to_owned(),
            uid: "a".to_owned(),
        };
        let mut results = vec![json!({"result": "pass"}); 150];
        results.push(json!({"result": "fail"}));
        let report = report(Form::PolicyReport, "", &owner, results);
        assert_eq!(report["kind"], "ClusterPolicyReport");
        assert_eq!(report["results"].as_array().unwrap().len(), RESULTS);
        assert_eq!(report["results"][0]["result"], "fail");
        assert_eq!(
            (&report["summary"]["pass"], &report["summary"]["fail"]),
            (&json!(150), &json!(1))
        );
    }

    #[test]
    fn the_time_alone_is_no_news() {
        let report = |seconds: i64, result: &str| json!({"results": [{"result": result, "timestamp": {"seconds": seconds}}]});
        assert!(same(&report(1, "pass"), &report(2, "pass")));
        assert!(!same(&report(1, "pass"), &report(1, "fail")));
    }
}
