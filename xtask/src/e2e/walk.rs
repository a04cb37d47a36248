//! A walk with the real kubectl, as a person would take it. The same steps against real Kubernetes first, so that
//! what is expected is what Kubernetes does, and then against the sandbox.

use super::platform::Platform;
use crate::cluster::{Cluster, kubectl};
use crate::failure::{Result, fail};
use crate::peers::KUBERNETES;
use crate::process::run;
use crate::tools::in_path;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);

/// Arguments of kubectl (`FIXTURES` stands for the folder of our fixtures), the exit code, and words that must be
/// in what it prints.
type Step = (&'static str, i32, &'static [&'static str]);

#[rustfmt::skip]
const STEPS: &[Step] = &[
    ("api-resources", 0, &["deployments", "apps/v1", "customresourcedefinitions"]),
    ("api-versions", 0, &["apps/v1", "networking.k8s.io/v1", "v1"]),
    ("explain deployment.spec.replicas", 0, &["FIELD: replicas <integer>"]),
    ("explain deployments.spec.template.spec.containers", 0, &["image\t<string>", "ports\t<[]ContainerPort>"]),
    ("apply -f FIXTURES/walk.yaml", 0, &["configmap/web created", "service/web created", "deployment.apps/web created"]),
    ("rollout status deployment/web --timeout=60s", 0, &["successfully rolled out"]),
    ("apply -f FIXTURES/walk.yaml", 0, &["configmap/web unchanged", "service/web unchanged", "deployment.apps/web unchanged"]),
    ("diff -f FIXTURES/walk.yaml", 0, &[]),
    ("apply -f FIXTURES/walk-misspelt.yaml", 1, &["unknown field \"spec.replicaz\""]),
    ("get deployment web", 0, &["READY", "UP-TO-DATE", "3/3"]),
    ("get deployment,replicaset,pod,service,configmap", 0, &["deployment.apps/web", "replicaset.apps/web-", "pod/web-", "service/web", "configmap/web"]),
    ("get pods -l app.kubernetes.io/name=web -o name", 0, &["pod/web-"]),
    ("get pods -l app.kubernetes.io/name=other", 0, &["No resources found"]),
    ("get pods -o wide", 0, &["NODE", "Running", "1/1"]),
    ("get deployment web -o jsonpath={.status.readyReplicas}", 0, &["3"]),
    ("get deployment web -o yaml", 0, &["kind: Deployment", "observedGeneration: 1", "progressDeadlineSeconds: 600"]),
    ("get deployment none", 1, &["Error from server (NotFound): deployments.apps \"none\" not found"]),
    ("get deployment web --show-managed-fields -o yaml", 0, &["manager: kubectl-client-side-apply", "operation: Update"]),
    ("describe deployment web", 0, &["3 desired", "3 available", "RollingUpdate"]),
    ("describe service web", 0, &["Selector:", "TargetPort:"]),
    ("label deployment web tier=front", 0, &["deployment.apps/web labeled"]),
    ("annotate deployment web note=kept", 0, &["deployment.apps/web annotated"]),
    ("get deployment -l tier=front -o name", 0, &["deployment.apps/web"]),
    ("get deployment --field-selector metadata.name=web -o name", 0, &["deployment.apps/web"]),
    ("scale deployment web --replicas=5", 0, &["deployment.apps/web scaled"]),
    ("wait --for=jsonpath={.status.readyReplicas}=5 deployment/web --timeout=60s", 0, &["condition met"]),
    ("get deployment web --subresource=scale -o jsonpath={.spec.replicas}", 0, &["5"]),
    ("diff -f FIXTURES/walk.yaml", 1, &["replicas: 5", "replicas: 3"]),
    ("apply --server-side --field-manager=somebody -f FIXTURES/walk-owned.yaml", 1, &["conflict with \"kubectl-client-side-apply\"", ".spec.template.spec.containers[name=\"web\"].image"]),
    ("apply --server-side --field-manager=somebody --force-conflicts -f FIXTURES/walk-owned.yaml", 0, &["deployment.apps/web serverside-applied"]),
    ("rollout status deployment/web --timeout=60s", 0, &["successfully rolled out"]),
    ("get deployment web -o jsonpath={.spec.template.spec.containers[0].image}", 0, &["registry.internal/web:v2"]),
    ("get deployment web -o jsonpath={.spec.template.spec.containers[0].ports[0].containerPort}", 0, &["8080"]),
    ("rollout history deployment/web", 0, &["REVISION", "2"]),
    ("rollout undo deployment/web", 0, &["rolled back"]),
    ("rollout status deployment/web --timeout=60s", 0, &["successfully rolled out"]),
    ("get deployment web -o jsonpath={.spec.template.spec.containers[0].image}", 0, &["registry.internal/web:v1"]),
    ("rollout restart deployment/web", 0, &["restarted"]),
    ("rollout status deployment/web --timeout=60s", 0, &["successfully rolled out"]),
    ("set image deployment/web web=registry.internal/web:v3", 0, &["image updated"]),
    ("patch deployment web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]", 0, &["patched"]),
    ("patch deployment web --type=merge -p {\"spec\":{\"paused\":false}}", 0, &["patched"]),
    ("wait --for=condition=Available deployment/web --timeout=60s", 0, &["condition met"]),
    ("wait --for=jsonpath={.status.replicas}=2 deployment/web --timeout=60s", 0, &["condition met"]),
    ("apply --dry-run=server -f FIXTURES/walk.yaml", 0, &["(server dry run)"]),
    ("create configmap more --from-literal=a=b", 0, &["configmap/more created"]),
    ("create configmap more --from-literal=a=b", 1, &["already exists"]),
    ("auth can-i create deployments", 0, &["yes"]),
    ("delete -f FIXTURES/walk.yaml --timeout=60s", 0, &["deployment.apps \"web\" deleted"]),
    ("wait --for=delete pod -l app.kubernetes.io/name=web --timeout=60s", 0, &[]),
    ("get replicaset -l app.kubernetes.io/name=web", 0, &["No resources found"]),
];

/// The walk against real Kubernetes.
pub(super) fn kubernetes(cluster: &Cluster) -> Result<()> {
    for (number, program) in kubectls()?.iter().enumerate() {
        walk(program, cluster.kubeconfig(), number)?;
    }
    Ok(())
}

/// The walk against the sandbox, which also says what it is.
pub(super) fn sandbox(platform: &Platform) -> Result<()> {
    let user = platform.new_user()?;
    let (_up, _) = user.up()?;
    let kubeconfig = user.sandbox_kubeconfig();
    for (number, program) in kubectls()?.iter().enumerate() {
        step(
            program,
            &kubeconfig,
            "default",
            &("get --raw /version", 0, &["+sandbox"]),
        )?;
        walk(program, &kubeconfig, number)?;
        for resource in ["applications", "teams", "environments", "databases", "caches"] {
            let name = format!("{resource}.platform.company.com.spec");
            expect(
                program,
                &kubeconfig,
                "default",
                &format!("explain {name}"),
                0,
                &["FIELD: spec <Object>"],
            )?;
        }
    }
    Ok(())
}

/// The pinned kubectl, and the system's own where there is one.
fn kubectls() -> Result<Vec<PathBuf>> {
    let mut programs = vec![KUBERNETES.binary("kubectl")?];
    programs.extend(in_path("kubectl").filter(|path| !programs.contains(path)));
    Ok(programs)
}

fn walk(program: &Path, kubeconfig: &Path, number: usize) -> Result<()> {
    let namespace = format!("walk-{number}");
    expect(
        program,
        kubeconfig,
        "default",
        &format!("create namespace {namespace}"),
        0,
        &["created"],
    )?;
    for one in STEPS {
        step(program, kubeconfig, &namespace, one)?;
    }
    let delete = format!("delete namespace {namespace} --timeout=60s");
    expect(program, kubeconfig, "default", &delete, 0, &["deleted"])
}

fn step(program: &Path, kubeconfig: &Path, namespace: &str, (arguments, code, words): &Step) -> Result<()> {
    expect(program, kubeconfig, namespace, arguments, *code, words)
}

fn expect(
    program: &Path,
    kubeconfig: &Path,
    namespace: &str,
    arguments: &str,
    code: i32,
    words: &[&str],
) -> Result<()> {
    let fixtures = crate::root().join("e2e/fixtures").display().to_string();
    let mut command = kubectl(program, kubeconfig);
    command.args(
        arguments
            .split_whitespace()
            .map(|part| part.replace("FIXTURES", &fixtures)),
    );
    command.args(["-n", namespace]);
    let finished = run(&mut command, LIMIT)?;
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let missing: Vec<&&str> = words.iter().filter(|word| !said.contains(**word)).collect();
    if finished.status.code() == Some(code) && missing.is_empty() {
        return Ok(());
    }
    let objects = run(&mut objects(program, kubeconfig, namespace), LIMIT)?;
    fail!(
        "{} {arguments}\nexpected exit {code} and {words:?}\ngot {} and\n{said}\nthe objects:\n{}{}",
        program.display(),
        finished.status,
        objects.stdout,
        objects.stderr
    )
}

fn objects(program: &Path, kubeconfig: &Path, namespace: &str) -> Command {
    let mut command = kubectl(program, kubeconfig);
    command.args([
        "get",
        "deployments,replicasets,pods",
        "-o",
        "wide",
        "-n",
        namespace,
    ]);
    command
}
