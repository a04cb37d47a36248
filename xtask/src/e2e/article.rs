//! The second article's manifest, as printed there, applied with the real kubectl.

use super::main_job::{holds, objects};
use super::platform::Platform;
use crate::cluster::{CONTEXT, Cluster, kubectl};
use crate::failure::{Doing, Result, fail};
use crate::peers::KUBERNETES;
use crate::process::{Daemon, run};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const FIXTURE: &str = "e2e/fixtures/second-article-application.yaml";
const LIMIT: Duration = Duration::from_mins(2);

/// On `platform up`.
pub(super) fn sandbox(platform: &Platform) -> Result<()> {
    let user = platform.new_user()?;
    let (up, _) = user.up()?;
    let kubeconfig = user.sandbox_kubeconfig();
    let program = KUBERNETES.binary("kubectl")?;
    becomes_healthy(&|| kubectl(&program, &kubeconfig))
        .or_else(|failure| fail!("{failure}\nthe last lines of platform up:\n{}", up.last_lines()))
}

/// On real Kubernetes, with `platform operator` beside it.
pub(super) fn kubernetes(platform: &Platform, cluster: &Cluster) -> Result<()> {
    let user = platform.new_user()?;
    let operator: Daemon = user.start(
        Some(cluster.kubeconfig()),
        &format!("operator --context {CONTEXT}"),
    )?;
    let definition = "crd/applications.platform.company.com";
    for of in ["create", "condition=Established"] {
        run(
            cluster
                .kubectl()
                .args(["wait", &format!("--for={of}"), definition, "--timeout=100s"]),
            LIMIT,
        )?
        .success(definition)
        .or_else(|failure| {
            fail!(
                "{failure}\nthe last lines of the operator:\n{}",
                operator.last_lines()
            )
        })?;
    }
    becomes_healthy(&|| cluster.kubectl()).or_else(|failure| {
        fail!(
            "{failure}\nthe objects:\n{}\nthe last lines of the operator:\n{}",
            objects(cluster, "production"),
            operator.last_lines()
        )
    })
}

fn becomes_healthy(kubectl: &dyn Fn() -> Command) -> Result<()> {
    let call = |arguments: &str| {
        run(kubectl().args(arguments.split_whitespace()), LIMIT)?.success(&format!("kubectl {arguments}"))
    };
    call("create namespace production")?;
    call(&format!("apply -f {}", crate::root().join(FIXTURE).display()))?;
    let application = "applications.platform.company.com/api-gateway -n production";
    call(&format!(
        "wait --for=jsonpath={{.status.health}}=Healthy {application} --timeout=100s"
    ))
    .or_else(|failure| fail!("{failure}\n{}", call(&format!("get {application} -o yaml"))?))?;
    let read = |what: &str| -> Result<Value> {
        let text = call(&format!("get {what} -o json"))?;
        serde_json::from_str(&text).doing(|| format!("read {what}"))
    };
    let application = read(application)?;
    holds(&application, "/status/readyReplicas", "3")?;
    // It did not come from Git.
    holds(&application, "/status/sync", "Unknown")?;
    let deployment = read("deployment/api-gateway -n production")?;
    holds(&deployment, "/status/readyReplicas", "3")?;
    let container = "/spec/template/spec/containers/0";
    holds(
        &deployment,
        &format!("{container}/image"),
        "gcr.io/company/api-gateway:v1.2.3",
    )?;
    holds(
        &deployment,
        &format!("{container}/resources/limits/memory"),
        "512Mi",
    )?;
    call("delete -n production --wait applications.platform.company.com/api-gateway --timeout=100s").map(drop)
}
