//! Guardrails at a cluster's door: what the real kubectl is told, while certificates are renewed and when nobody answers.
//!
//! Pods are simulated, so the webhook runs here, with a token of the installed account, and the API server finds it at
//! an address.

use super::cast::account;
use super::{IMAGE, LIMIT, SYSTEM, Stage};
use crate::cluster::{CONTEXT, free_ports, kubectl};
use crate::e2e::platform::Platform;
use crate::failure::{Result, fail};
use crate::peers::KUBERNETES;
use crate::process::{Daemon, Finished, run};
use std::process::Command;
use std::time::{Duration, Instant};

/// What both doors say to the careless pod.
const SAYS: [&str; 4] = [
    "denied the request:",
    "resource Pod/production/careless was blocked due to the following policies",
    "require-limits: 'validation error: CPU and memory limits are required. rule require-limits failed at path /spec/containers/0/resources/limits/'",
    "hint: Choose a size",
];
const CONFIGURATION: &str = "validatingwebhookconfiguration/platform-guardrails";
/// Where the API server is told of webhooks.
pub(super) const TOLD: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
/// Long enough for everything to be renewed once when a certificate lasts half a minute.
const RENEWALS: Duration = Duration::from_secs(150);

/// Those of `platform up`, which need no webhook.
pub(in crate::e2e) fn up(platform: &Platform) -> Result<()> {
    let user = platform.new_user()?;
    let (_up, _) = user.up()?;
    let (program, kubeconfig) = (KUBERNETES.binary("kubectl")?, user.sandbox_kubeconfig());
    refuses(&|| kubectl(&program, &kubeconfig))
}

/// Those that are installed.
pub(in crate::e2e) fn installed(stage: &Stage<'_>) -> Result<()> {
    stage.platform(&format!("install --image {IMAGE}"))?;
    let folder = stage.user.work();
    let kubeconfig = account(&stage.cluster, &folder, "platform-webhook", SYSTEM)?;
    let [port] = free_ports()?;
    let webhook = stage.user.start(
        Some(&kubeconfig),
        &format!(
            "webhook --context {CONTEXT} --listen 127.0.0.1:{port} --url https://127.0.0.1:{port} --certificate-lifetime 30s"
        ),
    )?;
    guarded(stage, &webhook).or_else(|failure| {
        fail!(
            "{failure}\nthe last lines of the webhook:\n{}",
            webhook.last_lines()
        )
    })?;

    // Nobody answers: what would be judged is refused, what would not be is not, and the way back is open.
    webhook.kill()?;
    let call = |arguments: &str| apply(&|| stage.cluster.kubectl(), arguments);
    let refused = call("apply -n default -f e2e/fixtures/careful-pod.yaml")?;
    expect(&refused, false, &["failed calling webhook"])?;
    let quota = call("create quota settings -n production --hard=pods=9")?;
    expect(&quota, true, &[])?;
    let system = call("apply -n kube-system -f e2e/fixtures/careful-pod.yaml")?;
    expect(&system, true, &[])?;
    stage.platform("uninstall --yes")?;
    let open = call("apply -n production -f e2e/fixtures/careless-pod.yaml")?;
    expect(&open, true, &[])?;
    stage.left("app.kubernetes.io/part-of=platform", "")
}

fn guarded(stage: &Stage<'_>, webhook: &Daemon) -> Result<()> {
    stage.eventually("the API server to be told of the webhook", TOLD, || {
        webhook.check()?;
        Ok(bundle(stage)?.is_some())
    })?;
    refuses(&|| stage.cluster.kubectl())?;
    renews(stage)?;
    let log = webhook.output();
    if log.contains("forbidden") {
        fail!("the webhook lacks rights");
    }
    Ok(())
}

/// The careless pod and whatever would make it are refused, with words; the careful pod is taken.
fn refuses(kubectl: &dyn Fn() -> Command) -> Result<()> {
    let call = |arguments: &str| apply(kubectl, arguments);
    expect(&call("create namespace production")?, true, &[])?;
    let started = Instant::now();
    loop {
        let pod = call("apply -n production -f e2e/fixtures/careless-pod.yaml")?;
        let said = expect(&pod, false, &SAYS);
        if said.is_ok() {
            break;
        }
        // An API server hears of a new webhook some moments later and does not say when, so it is asked again.
        if pod.status.success() {
            expect(&call("delete -n production pod careless --now")?, true, &[])?;
        }
        if started.elapsed() > Duration::from_secs(20) {
            return said;
        }
    }
    let deployment = call("apply -n production -f e2e/fixtures/careless-deployment.yaml")?;
    let words = [
        "resource Deployment/production/careless was blocked",
        "autogen-require-limits: 'validation error: CPU and memory limits are required.",
    ];
    expect(&deployment, false, &words)?;
    expect(
        &call("apply -n production -f e2e/fixtures/careful-pod.yaml")?,
        true,
        &[],
    )
}

/// Certificate and authority are made anew, and no request is answered by anything but the guardrails meanwhile.
fn renews(stage: &Stage<'_>) -> Result<()> {
    let first = bundle(stage)?;
    let (started, mut asked, mut overlapped) = (Instant::now(), 0_u32, false);
    loop {
        let pod = apply(
            &|| stage.cluster.kubectl(),
            "apply -n production -f e2e/fixtures/careless-pod.yaml",
        )?;
        expect(&pod, false, &SAYS)
            .or_else(|failure| fail!("request {asked}, while certificates are renewed: {failure}"))?;
        asked += 1;
        let now = bundle(stage)?;
        if let (Some(first), Some(now)) = (&first, &now) {
            overlapped |= now.len() > first.len() * 3 / 2;
            if overlapped && !now.contains(first.as_str()) && now.len() < first.len() * 3 / 2 {
                return Ok(());
            }
        }
        if started.elapsed() > RENEWALS {
            fail!(
                "the authority was not renewed within {}",
                crate::say::duration(RENEWALS)
            );
        }
    }
}

/// What the API server trusts the webhook by, once it is told of it.
fn bundle(stage: &Stage<'_>) -> Result<Option<String>> {
    let text = stage.kubectl(&format!(
        "get {CONFIGURATION} -o jsonpath={{.webhooks[0].clientConfig.caBundle}}"
    ))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Whether the API server asks the webhook about a resource.
pub(super) fn told(stage: &Stage<'_>, resource: &str) -> Result<bool> {
    let rules = stage.kubectl(&format!(
        "get {CONFIGURATION} -o jsonpath={{.webhooks[*].rules[*].resources}}"
    ))?;
    Ok(rules.contains(&format!("\"{resource}\"")))
}

fn apply(kubectl: &dyn Fn() -> Command, arguments: &str) -> Result<Finished> {
    let mut command = kubectl();
    command
        .current_dir(crate::root())
        .args(arguments.split_whitespace());
    run(&mut command, LIMIT)
}

fn expect(finished: &Finished, success: bool, words: &[&str]) -> Result<()> {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let missing: Vec<&&str> = words.iter().filter(|word| !said.contains(**word)).collect();
    if finished.status.success() == success && missing.is_empty() {
        return Ok(());
    }
    fail!(
        "kubectl ended with {}, {} was expected, and it does not say {missing:?}:\n{said}",
        finished.status,
        if success { "success" } else { "a refusal" }
    )
}
