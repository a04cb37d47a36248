//! What policies decide beyond judging, carried out on a sandbox and on a real Kubernetes in the name of an account with
//! few rights.
//!
//! Pods are simulated, so webhook and operator run here, each with a token of its installed account.

use super::cast::{Operator, account};
use super::door::{TOLD, told};
use super::{IMAGE, LEASES, SYSTEM, Stage};
use crate::cluster::{CONTEXT, free_ports};
use crate::e2e::platform::Platform;
use crate::failure::{Result, fail};
use std::cell::Cell;

const POLICIES: &str = "e2e/fixtures/acting-policies.yaml";
const DEFINITIONS: &str = "e2e/fixtures/policy-definitions.yaml";
const RIGHT: &str = "e2e/fixtures/guardrails-config-maps.yaml";
/// Where what is to be done is written down.
const REQUESTS: &str = "/apis/platform.company.com/v1/namespaces/platform-system/guardrailrequests";
/// What a missing right is explained by.
const MISSING: [&str; 2] = [
    "the account platform-system/platform-guardrails may not get configmaps",
    "verbs: [get]",
];

/// From an empty cluster to what a namespace begins with, and what goes again.
pub(in crate::e2e) fn work(stage: &Stage<'_>, platform: &Platform) -> Result<()> {
    let root = crate::root();
    let apply = |file: &str| stage.kubectl(&format!("apply -f {}", root.join(file).display()));
    apply(DEFINITIONS)?;
    stage.kubectl("wait --for=condition=Established crd/clusterpolicies.kyverno.io crd/clustercleanuppolicies.kyverno.io")?;
    stage.platform(&format!("install --image {IMAGE}"))?;
    let kubeconfig = account(&stage.cluster, &stage.user.work(), "platform-webhook", SYSTEM)?;
    let [port] = free_ports()?;
    let webhook = stage.user.start(
        Some(&kubeconfig),
        &format!("webhook --context {CONTEXT} --listen 127.0.0.1:{port} --url https://127.0.0.1:{port}"),
    )?;
    let operator = Operator::start(platform, &stage.cluster)?;
    stage.eventually("the operator to lead", LEASES, || operator.leads())?;
    apply(POLICIES)?;
    stage.eventually("the API server to be told of the policies", TOLD, || {
        webhook.check()?;
        told(stage, "namespaces")
    })?;
    let done = carried_out(stage).and_then(|()| operator.was_allowed_everything());
    done.or_else(|failure| {
        fail!(
            "{failure}\nthe requests:\n{}\nthe last lines of the webhook:\n{}",
            stage.kubectl(&format!("get guardrailrequests --namespace {SYSTEM} -o yaml"))?,
            webhook.last_lines()
        )
    })
}

fn carried_out(stage: &Stage<'_>) -> Result<()> {
    let value = |what: &str, path: &str| {
        let found = stage.kubectl(&format!("get {what} --ignore-not-found -o jsonpath={{{path}}}"));
        found.unwrap_or_default()
    };
    let becomes = |what: &str, path: &str, expect: &str| {
        stage.wait(&format!("--for=create {what}"))?;
        stage.wait(&format!("--for=jsonpath={{{path}}}={expect} {what}"))
    };
    let goes = |what: &str| stage.wait(&format!("--for=delete {what}"));
    // An API server hears of a new webhook some moments later, so the namespace is changed until it has.
    stage.kubectl("create namespace shop")?;
    let changes = Cell::new(0);
    stage.eventually(
        "a namespace to begin with a network policy",
        "/api/v1/namespaces",
        || {
            changes.set(changes.get() + 1);
            let count = changes.get();
            stage.kubectl(&format!(
                "annotate namespace shop example.com/changes={count} --overwrite"
            ))?;
            Ok(!value("networkpolicy/default-deny -n shop", ".metadata.name").is_empty())
        },
    )?;
    let uid = value("networkpolicy/default-deny -n shop", ".metadata.uid");
    let label = ".metadata.labels.generate\\.kyverno\\.io/policy-name";
    becomes("networkpolicy/default-deny -n shop", label, "namespace-begins")?;
    stage.kubectl("delete networkpolicy default-deny -n shop")?;
    stage.wait("--for=create networkpolicy/default-deny -n shop")?;
    if value("networkpolicy/default-deny -n shop", ".metadata.uid") == uid {
        fail!("the network policy was deleted and is still there");
    }

    // The copy needs a right that nobody gave: that is said, and once it is given it is done.
    let explained = |what: &str, path: &str| {
        let said = value(what, path);
        Ok(MISSING.iter().all(|words| said.contains(*words)))
    };
    stage.eventually("the missing right to be explained", REQUESTS, || {
        explained(
            &format!("guardrailrequests -n {SYSTEM}"),
            ".items[*].status.message",
        )
    })?;
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    stage.eventually("an event to explain the missing right", events, || {
        explained("events.events.k8s.io -n default", ".items[*].note")
    })?;
    stage.kubectl(&format!("apply -f {}", crate::root().join(RIGHT).display()))?;
    becomes("configmap/settings -n shop", ".data.colour", "red")?;
    stage.kubectl(
        "patch configmap settings -n default --type=merge --patch={\"data\":{\"colour\":\"blue\"}}",
    )?;
    becomes("configmap/settings -n shop", ".data.colour", "blue")?;

    // One goes by schedule, one when its own time is over, and what a rule made goes with the rule.
    stage.kubectl("create configmap old -n shop")?;
    stage.kubectl("create configmap short -n shop")?;
    stage.kubectl("label configmap short -n shop cleanup.kyverno.io/ttl=2s")?;
    goes("configmap/short -n shop")?;
    goes("configmap/old -n shop")?;
    let last = value("clustercleanuppolicy/sweep", ".status.lastExecutionTime");
    if last.is_empty() {
        fail!("the policy does not say when it was carried out");
    }
    stage.kubectl("delete clusterpolicy namespace-begins")?;
    goes("networkpolicy/default-deny -n shop")?;
    goes("configmap/settings -n shop")?;
    stage.eventually("nothing to be left to do", REQUESTS, || {
        let left = stage.kubectl(&format!("get guardrailrequests --namespace {SYSTEM} -o name"))?;
        Ok(left.trim().is_empty())
    })
}
