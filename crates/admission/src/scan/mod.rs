//! Background scans: what is there already, judged again and again, and told in policy reports.
//!
//! One report for each owner, written only when it says something new, so many a second and no more. Where a cluster
//! knows no reports nothing is scanned. Objects that this account may not list are left out, and that is logged once a
//! scan.

mod report;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use guardrails::report::Form;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cluster::{Space, space};
use crate::configuration::LEFT_OUT;
use crate::error::AdmissionError;
use crate::facts::ClusterFacts;
use crate::policies::{InForce, PolicyStore};
use crate::review::judge_there;
use crate::served::{Served, discover, means};
use report::{Findings, MARK, kind, same};

/// Who wrote a field, by server-side apply.
const MANAGER: &str = "platform-reports";
/// Objects asked for at once.
const PAGE: u32 = 250;
/// Between two scans when nothing else happens.
const INTERVAL: Duration = Duration::from_mins(5);
/// After a change of policies, until there are no more of them.
const SETTLE: Duration = Duration::from_secs(3);
/// Between two writes.
const PACE: Duration = Duration::from_millis(50);
/// How long one object may be judged.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps reports current.
#[derive(Clone)]
pub struct Scanner {
    client: Client,
    policies: PolicyStore,
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Objects that were judged.
    pub objects: usize,
    /// Reports that say something new.
    pub written: usize,
    /// Reports about what is gone or matched no more.
    pub removed: usize,
}

impl Scanner {
    /// Of the cluster behind `client`, by these policies.
    pub fn new(client: Client, policies: PolicyStore) -> Self {
        Self { client, policies }
    }

    /// Scans until `stop`: every so often, and soon after policies change.
    pub async fn run(&self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_scanning()).await;
    }

    /// Ends when nobody is left who could change the policies.
    async fn keep_scanning(&self) {
        let mut changes = self.policies.changes();
        loop {
            let is_read = self.policies.is_read();
            if is_read {
                match self.scan().await {
                    Ok(scanned) => tracing::debug!(?scanned, "scanned"),
                    Err(error) => tracing::warn!(%error, "a scan ended early"),
                }
            }
            let pause = if is_read { INTERVAL } else { SETTLE };
            match tokio::time::timeout(pause, changes.changed()).await {
                Err(_) => {}
                Ok(Err(_)) => return,
                Ok(Ok(())) => {
                    tokio::time::sleep(SETTLE).await;
                    changes.mark_unchanged();
                }
            }
        }
    }

    /// Judges everything once and brings the reports up to date.
    pub async fn scan(&self) -> Result<Scanned, AdmissionError> {
        let served = discover(&self.client).await?;
        let Some(form) = form(&served) else {
            return Ok(Scanned::default());
        };
        let in_force = self.policies.in_force();
        let spaces = Arc::new(self.spaces().await?);
        let mut scanned = Scanned::default();
        let mut whole = true;
        let mut findings = Findings::new(form, jiff::Timestamp::now().as_second());
        let scopes: Vec<_> = in_force.scopes.iter().filter(|scope| scope.background).collect();
        for resource in &served {
            let wanted = resource.listable
                && resource.subresource.is_empty()
                && scopes.iter().any(|scope| means(&scope.kinds, resource));
            if !wanted {
                continue;
            }
            match self.judge_all(resource, &in_force, &spaces, &mut findings).await {
                Ok(count) => scanned.objects += count,
                Err(error) => {
                    whole = false;
                    tracing::debug!(%error, resource = resource.plural, "not scanned");
                }
            }
        }
        self.bring(form, findings.reports(), whole, &mut scanned).await?;
        Ok(scanned)
    }

    async fn spaces(&self) -> Result<HashMap<String, Space>, AdmissionError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let listed = api
            .list(&ListParams::default())
            .await
            .map_err(AdmissionError::cluster("list the namespaces"))?;
        Ok(listed
            .items
            .iter()
            .map(|namespace| (namespace.name_any(), space(namespace)))
            .collect())
    }

    /// Judges all objects of a kind, page by page.
    async fn judge_all(
        &self,
        resource: &Served,
        in_force: &Arc<InForce>,
        spaces: &Arc<HashMap<String, Space>>,
        findings: &mut Findings,
    ) -> Result<usize, AdmissionError> {
        let gvk = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
        let described = ApiResource::from_gvk_with_plural(&gvk, &resource.plural);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &described);
        let mut page = ListParams::default().limit(PAGE);
        let mut count = 0;
        loop {
            let list = api
                .list(&page)
                .await
                .map_err(AdmissionError::cluster(format!("list {}", resource.plural)))?;
            let objects: Vec<Value> = list
                .items
                .iter()
                .map(|object| {
                    let mut object = json!(object);
                    object["apiVersion"] = json!(described.api_version);
                    object["kind"] = json!(described.kind);
                    object
                })
                .filter(|object| {
                    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
                    !LEFT_OUT.contains(&namespace)
                })
                .collect();
            count += objects.len();
            let (client, in_force, spaces) = (self.client.clone(), Arc::clone(in_force), Arc::clone(spaces));
            let runtime = tokio::runtime::Handle::current();
            let judged = tokio::task::spawn_blocking(move || {
                let judge = |object: Value| {
                    let now = jiff::Timestamp::now();
                    let facts = ClusterFacts::new(&client, runtime.clone(), Instant::now() + PATIENCE, now);
                    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
                    let verdicts = judge_there(
                        &in_force,
                        &object,
                        spaces.get(namespace),
                        &facts,
                        &facts.within(namespace),
                    );
                    (object, verdicts)
                };
                objects.into_iter().map(judge).collect::<Vec<_>>()
            });
            let judged = judged.await.map_err(|_| AdmissionError::EndedEarly)?;
            for (object, verdicts) in &judged {
                findings.add(object, verdicts);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
                None => return Ok(count),
            }
        }
    }

    /// Writes what is new and, when everything was seen, removes what nothing is reported of any more.
    async fn bring(
        &self,
        form: Form,
        reports: BTreeMap<(String, String), Value>,
        whole: bool,
        scanned: &mut Scanned,
    ) -> Result<(), AdmissionError> {
        let mut there: BTreeMap<(String, String), Value> = BTreeMap::new();
        for cluster_wide in [false, true] {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource(form, cluster_wide));
            let ours = ListParams::default().labels(&format!("{}={}", MARK.0, MARK.1));
            let listed = api
                .list(&ours)
                .await
                .map_err(AdmissionError::cluster("list the policy reports"))?;
            there.extend(listed.items.iter().map(|report| {
                (
                    (report.namespace().unwrap_or_default(), report.name_any()),
                    json!(report),
                )
            }));
        }
        for (key, report) in &reports {
            if there.get(key).is_some_and(|live| same(live, report)) {
                continue;
            }
            let parameters = PatchParams::apply(MANAGER).force();
            let written = self
                .api(form, &key.0)
                .patch(&key.1, &parameters, &Patch::Apply(report))
                .await;
            match written {
                Ok(_) => scanned.written += 1,
                // Its namespace has gone meanwhile, or is going.
                Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                    tracing::debug!(%status, "a report was not written");
                }
                Err(error) => return Err(AdmissionError::cluster("write a policy report")(error)),
            }
            tokio::time::sleep(PACE).await;
        }
        let gone: Vec<_> = there
            .keys()
            .filter(|key| whole && !reports.contains_key(*key))
            .collect();
        for (namespace, name) in gone {
            match self
                .api(form, namespace)
                .delete(name, &DeleteParams::default())
                .await
            {
                Ok(_) => scanned.removed += 1,
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(AdmissionError::cluster("remove a policy report")(error)),
            }
            tokio::time::sleep(PACE).await;
        }
        Ok(())
    }

    fn api(&self, form: Form, namespace: &str) -> Api<DynamicObject> {
        let resource = resource(form, namespace.is_empty());
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }
}

fn resource(form: Form, cluster_wide: bool) -> ApiResource {
    let (api_version, kind) = kind(form, cluster_wide);
    let (group, version) = api_version.split_once('/').unwrap_or_default();
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// Which reports a cluster knows. The newer ones where it knows both.
fn form(served: &[Served]) -> Option<Form> {
    [Form::OpenReports, Form::PolicyReport].into_iter().find(|form| {
        [false, true].into_iter().all(|cluster_wide| {
            let wanted = resource(*form, cluster_wide);
            served.iter().any(|found| {
                (&found.group, &found.version, &found.kind) == (&wanted.group, &wanted.version, &wanted.kind)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use kube::api::PostParams;
    use sandbox::Sandbox;

    async fn world() -> (Sandbox, Scanner) {
        let sandbox = Sandbox::open(sandbox::Options::default()).unwrap();
        let client = sandbox.client("default");
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        for (kind, plural, scope) in [
            ("PolicyReport", "policyreports", "Namespaced"),
            ("ClusterPolicyReport", "clusterpolicyreports", "Cluster"),
        ] {
            let definition = json!({
                "metadata": {"name": format!("{plural}.wgpolicyk8s.io")},
                "spec": {
                    "group": "wgpolicyk8s.io",
                    "names": {"kind": kind, "plural": plural},
                    "scope": scope,
                    "versions": [{
                        "name": "v1alpha2", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                    }],
                },
            });
            api.create(
                &PostParams::default(),
                &serde_json::from_value(definition).unwrap(),
            )
            .await
            .unwrap();
        }
        let scanner = Scanner::new(client, PolicyStore::builtin().unwrap());
        (sandbox, scanner)
    }

    #[tokio::test]
    async fn reports_are_written_when_they_are_news() {
        let (_sandbox, scanner) = world().await;
        let maps: Api<ConfigMap> = Api::default_namespaced(scanner.client.clone());
        let key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----";
        let map = |data: &str| -> ConfigMap {
            serde_json::from_value(json!({"metadata": {"name": "settings"}, "data": {"a": data}})).unwrap()
        };
        maps.create(&PostParams::default(), &map(key)).await.unwrap();
        let first = scanner.scan().await.unwrap();
        assert!(first.written > 0 && first.objects > 0, "{first:?}");
        let again = scanner.scan().await.unwrap();
        assert_eq!(
            (again.written, again.removed),
            (0, 0),
            "nothing new, nothing written"
        );
        let uid = maps.get("settings").await.unwrap().uid().unwrap();
        let report = scanner
            .api(Form::PolicyReport, "default")
            .get(&uid)
            .await
            .unwrap();
        assert_eq!(report.data["summary"]["fail"], 1, "{report:?}");
        let told = report.data["results"].to_string();
        assert!(!told.contains("abc"), "what is secret is not reported: {told}");

        maps.replace("settings", &PostParams::default(), &map("nothing secret"))
            .await
            .unwrap();
        let changed = scanner.scan().await.unwrap();
        assert_eq!((changed.written, changed.removed), (1, 0));
        maps.delete("settings", &DeleteParams::default()).await.unwrap();
        scanner.scan().await.unwrap();
        let gone = scanner
            .api(Form::PolicyReport, "default")
            .get_opt(&uid)
            .await
            .unwrap();
        assert_eq!(gone, None);
    }

    #[tokio::test]
    async fn a_cluster_without_reports_is_left_alone() {
        let sandbox = Sandbox::open(sandbox::Options::default()).unwrap();
        let scanner = Scanner::new(sandbox.client("default"), PolicyStore::builtin().unwrap());
        assert_eq!(scanner.scan().await.unwrap(), Scanned::default());
    }
}
