//! The main job: one command from intent to a healthy service with a database and a cache.

use super::platform::{Platform, User};
use crate::cluster::{CONTEXT, Cluster};
use crate::failure::{Doing, Result, fail};
use crate::process::run;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// What the newcomer types.
pub(crate) const CREATE: &str =
    "service create api-gateway --language go --replicas 3 --database postgres --cache redis";
/// On a real cluster nothing runs before there is an image.
const IMAGE: &str = "--image registry.internal/payments/api-gateway:v1.2.3";
const LIMIT: Duration = Duration::from_mins(1);

/// In an empty home, without a server or a cluster; then what must be refused.
pub(super) fn sandbox(platform: &Platform) -> Result<()> {
    let user = platform.new_user()?;
    user.succeed(None, CREATE)?;
    let service = get(&user, None, "")?;
    is_well(&service, &[("/simulated", "true")])?;
    for file in ["go.mod", "main.go", "Dockerfile", "catalog-info.yaml"] {
        if !user.work().join("api-gateway").join(file).is_file() {
            fail!("the source repository has no {file}");
        }
    }
    // The same again is no change, something else under the name is a conflict.
    user.succeed(None, CREATE)?;
    refused(
        &user,
        "service create api-gateway --language go --replicas 5",
        6,
        &["api-gateway"],
    )?;
    refused(
        &user,
        "service create Api_Gateway --language go",
        2,
        &["api-gateway"],
    )?;
    refused(&user, "service create quotes --language cobol", 2, &["cobol"])?;
    refused(&user, "service create quotes --langauge go", 2, &["--language"])?;
    refused(&user, "service get none", 4, &["none"])?;
    refused(
        &user,
        "service create billing --environment staging --language go --image registry.internal/billing:latest",
        3,
        &["disallow-latest-tag", "spec.image", "Nothing was created"],
    )?;
    refused(
        &user,
        "service get billing --environment staging",
        4,
        &["billing"],
    )?;

    user.succeed(None, "service delete api-gateway --yes")?;
    refused(&user, "service get api-gateway", 4, &["api-gateway"])
}

/// The same on a cluster, seen with the real kubectl afterwards; `simulated` says whether its pods are.
pub(super) fn on(cluster: &Cluster, platform: &Platform, simulated: bool) -> Result<()> {
    let user = platform.new_user()?;
    let there = format!("--context {CONTEXT}");
    user.succeed(
        Some(cluster.kubeconfig()),
        &format!("team create payments {there}"),
    )?;
    user.succeed(
        Some(cluster.kubeconfig()),
        &format!("{CREATE} {IMAGE} --team payments {there}"),
    )
    .or_else(|failure| fail!("{failure}\nthe objects:\n{}", objects(cluster, "payments-dev")))?;
    let service = get(
        &user,
        Some(cluster.kubeconfig()),
        &format!("--team payments {there}"),
    )?;
    is_well(&service, &[("/simulated", &simulated.to_string())])?;
    let check = |resource: &str, pointer: &str, expect: &str| {
        let arguments = ["get", resource, "-n", "payments-dev", "-o", "json"];
        let text = run(cluster.kubectl().args(arguments), LIMIT)?.success(&arguments.join(" "))?;
        let object: Value = serde_json::from_str(&text).doing(|| format!("read {resource}"))?;
        holds(&object, pointer, expect)
            .or_else(|failure| fail!("{resource}: {failure}\n{}", objects(cluster, "payments-dev")))
    };
    check("deployment/api-gateway", "/status/readyReplicas", "3")?;
    check(
        "deployment/api-gateway",
        "/metadata/labels/platform.company.com~1team",
        "payments",
    )?;
    check("statefulset/api-gateway-db", "/status/readyReplicas", "1")?;
    check("statefulset/api-gateway-cache", "/status/readyReplicas", "1")?;
    check("secret/api-gateway-db", "/type", "servicebinding.io/postgresql")?;
    check("secret/api-gateway-cache", "/type", "servicebinding.io/redis")?;
    check(
        "applications.platform.company.com/api-gateway",
        "/status/health",
        "Healthy",
    )?;

    // Deleting takes what runs and leaves the data.
    let delete = format!("service delete api-gateway --yes --team payments {there}");
    user.succeed(Some(cluster.kubeconfig()), &delete)?;
    let mut deployments = cluster.kubectl();
    deployments.args(["get", "deployments", "-n", "payments-dev", "-o", "name"]);
    let left = run(&mut deployments, LIMIT)?.success("kubectl get deployments")?;
    if !left.trim().is_empty() {
        fail!("after service delete there should be no deployment, and there is {left}");
    }
    check(
        "databases.platform.company.com/api-gateway-db",
        "/kind",
        "Database",
    )?;
    check("secret/api-gateway-db", "/type", "servicebinding.io/postgresql")
}

fn get(user: &User<'_>, kubeconfig: Option<&Path>, options: &str) -> Result<Value> {
    let text = user.succeed(kubeconfig, &format!("service get api-gateway -o json {options}"))?;
    serde_json::from_str(&text).doing(|| format!("read as JSON what service get prints:\n{text}"))
}

/// Healthy and Synced, and what is given besides.
fn is_well(service: &Value, besides: &[(&str, &str)]) -> Result<()> {
    holds(service, "/health", "Healthy")?;
    holds(service, "/sync", "Synced")?;
    holds(service, "/readyReplicas", "3")?;
    besides
        .iter()
        .try_for_each(|(pointer, expect)| holds(service, pointer, expect))
}

/// Whether a string, number or truth value stands at a place.
pub(super) fn holds(object: &Value, pointer: &str, expect: &str) -> Result<()> {
    let got = object.pointer(pointer).unwrap_or(&Value::Null);
    let text = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
    if text == expect {
        return Ok(());
    }
    fail!("{pointer}: expected {expect}, got {text}; the whole:\n{object:#}")
}

/// The command must fail with this exit code and name these things.
fn refused(user: &User<'_>, arguments: &str, code: i32, words: &[&str]) -> Result<()> {
    let finished = user.run(arguments)?;
    let said = format!("{}{}", finished.stdout, finished.stderr);
    if finished.status.code() == Some(code) && words.iter().all(|word| said.contains(word)) {
        return Ok(());
    }
    fail!(
        "platform {arguments}\nexpected exit {code} and {words:?}\ngot {} and\n{said}",
        finished.status
    )
}

/// What is in a namespace, for the eyes of whoever looks into a failure.
pub(super) fn objects(cluster: &Cluster, namespace: &str) -> String {
    let kinds = "applications,databases,caches,deployments,statefulsets,pods,persistentvolumeclaims,events";
    let told = run(
        cluster
            .kubectl()
            .args(["get", kinds, "-o", "wide", "-n", namespace]),
        LIMIT,
    );
    told.map_or_else(
        |failure| failure.to_string(),
        |told| format!("{}{}", told.stdout, told.stderr),
    )
}
