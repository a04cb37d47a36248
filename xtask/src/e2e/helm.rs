//! Golden paths are ordinary Helm charts: stock Helm must make the same objects of them as our chart engine, and
//! the API server must take them as they are.

use super::compare::difference;
use crate::cluster::Cluster;
use crate::failure::{Doing, Failure, Result, fail};
use crate::peers::HELM;
use crate::peers::source::{GATEWAY_API, KYVERNO, PROMETHEUS_OPERATOR, Source};
use crate::process::{Scratch, run};
use chart::{Capabilities, Chart, Release};
use guardrails::{Outcome, Policies, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);
/// What both sides are told the cluster can do.
const KUBE_VERSION: &str = "v1.36.3";
const API_VERSIONS: [&str; 6] = [
    "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "gateway.networking.k8s.io/v1",
    "gateway.networking.k8s.io/v1/HTTPRoute",
];
const RELEASE: &str = "api-gateway";
const NAMESPACE: &str = "golden-paths-e2e";

/// One chart with one set of values.
struct Case {
    name: String,
    chart: PathBuf,
    values: Option<PathBuf>,
}

/// A copy of the golden paths, each with the charts that it depends on, put there by Helm itself and unpacked,
/// so that both sides read the same files.
pub(crate) fn built() -> Result<Scratch> {
    let scratch = Scratch::new()?;
    copy(&crate::root().join("golden-paths"), scratch.path())?;
    let home = Scratch::new()?;
    for chart in sorted(scratch.path())? {
        let description = chart.join("Chart.yaml");
        if !description.is_file() || read_values(&description)?["dependencies"].is_null() {
            continue;
        }
        // A checkout in which somebody ran Helm holds what it left there.
        let fetched = chart.join("charts");
        if fetched.is_dir() {
            fs::remove_dir_all(&fetched).doing(|| format!("clear {}", fetched.display()))?;
        }
        let mut build = helm(home.path())?;
        build.args(["dependency", "build"]).arg(&chart);
        run(&mut build, LIMIT)?.success("helm dependency build")?;
        for packed in sorted(&fetched)? {
            let mut unpack = Command::new("tar");
            unpack.arg("-xzf").arg(&packed).arg("-C").arg(&fetched);
            run(&mut unpack, LIMIT)?.success("tar")?;
            fs::remove_file(&packed).doing(|| format!("remove {}", packed.display()))?;
        }
    }
    Ok(scratch)
}

/// Every golden path in a folder, with its defaults and with each of its `ci/*-values.yaml`.
fn cases(folder: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for chart in sorted(folder)? {
        if !chart.join("Chart.yaml").is_file() {
            continue;
        }
        let name = file_name(&chart);
        cases.push(Case {
            name: name.clone(),
            chart: chart.clone(),
            values: None,
        });
        let values = chart.join("ci");
        for values in if values.is_dir() {
            sorted(&values)?
        } else {
            Vec::new()
        } {
            let with = file_name(&values);
            if with.ends_with("-values.yaml") {
                cases.push(Case {
                    name: format!("{name} with {with}"),
                    chart: chart.clone(),
                    values: Some(values),
                });
            }
        }
    }
    if cases.is_empty() {
        fail!("there are no charts under golden-paths");
    }
    Ok(cases)
}

/// Compares Helm's documents with the chart engine's, in order, for every case, and for a chart that depends on
/// `base-service`, with the values of each of its cases underneath.
pub(super) fn renders_alike() -> Result<()> {
    let charts = built()?;
    for case in cases(charts.path())? {
        if let Some(values) = &case.values {
            lint(&case.chart, values)?;
        }
        compare(&case.name, &case.chart, case.values.as_deref())?;
        if file_name(&case.chart) == "base-service" {
            let parent = depending(&case.chart, case.values.as_deref())?;
            compare(
                &format!("a chart that depends on {}", case.name),
                parent.path(),
                None,
            )?;
        }
    }
    Ok(())
}

fn compare(name: &str, chart: &Path, values: Option<&Path>) -> Result<()> {
    let ours = ours(chart, values);
    let theirs = theirs(chart, values);
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        // A chart may ask for values that it has no defaults for.
        (Err(_), Err(_)) if values.is_none() => return Ok(()),
        (Err(failure), Err(_)) => fail!("{name}: neither side renders it: {failure}"),
        (Err(failure), Ok(_)) => fail!("{name}: Helm renders it and we do not: {failure}"),
        (Ok(_), Err(failure)) => fail!("{name}: we render it and Helm does not: {failure}"),
    };
    let title = |value: &Value| format!("{} {}", value["kind"], value["metadata"]["name"]);
    let titles = |values: &[Value]| values.iter().map(title).collect::<Vec<_>>().join("\n  ");
    if ours.len() != theirs.len() {
        fail!(
            "{name}: expected (Helm's)\n  {}\ngot\n  {}",
            titles(&theirs),
            titles(&ours)
        );
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        if let Some(difference) = difference(theirs, ours) {
            fail!("{name}: {} differs from Helm's: {difference}", title(theirs));
        }
    }
    Ok(())
}

fn ours(chart: &Path, values: Option<&Path>) -> Result<Vec<Value>> {
    let values = values.map(read_values).transpose()?.unwrap_or_else(|| json!({}));
    let words = |error: chart::ChartError| Failure::new(error.to_string());
    let chart = Chart::from_directory(chart).map_err(words)?;
    let release = Release {
        name: RELEASE.to_owned(),
        namespace: NAMESPACE.to_owned(),
        revision: 1,
        is_upgrade: false,
        service: "Helm".to_owned(),
    };
    let mut capabilities = Capabilities {
        kube_version: KUBE_VERSION.to_owned(),
        ..Capabilities::default()
    };
    capabilities.api_versions.extend(API_VERSIONS.map(str::to_owned));
    let rendered = chart::render(&chart, &values, &release, &capabilities).map_err(words)?;
    Ok(rendered
        .objects
        .into_iter()
        .chain(rendered.hooks)
        .map(|object| object.value)
        .collect())
}

fn theirs(chart: &Path, values: Option<&Path>) -> Result<Vec<Value>> {
    let scratch = Scratch::new()?;
    let text = run(
        helm(scratch.path())?
            .arg("template")
            .args(arguments(chart, values)),
        LIMIT,
    )?
    .success("helm template")?;
    let documents = yaml::parse_all(&text).doing(|| "read what Helm printed".to_owned())?;
    Ok(documents
        .into_iter()
        .map(|document| document.value)
        .filter(|value| !value.is_null())
        .collect())
}

/// What Helm itself finds to say against a chart with these values; a warning counts.
fn lint(chart: &Path, values: &Path) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut lint = helm(scratch.path())?;
    lint.args(["lint", "--strict", "--kube-version", KUBE_VERSION, "--values"]);
    run(lint.arg(values).arg(chart), LIMIT)?.success("helm lint")?;
    Ok(())
}

fn arguments(chart: &Path, values: Option<&Path>) -> Vec<String> {
    let mut arguments = vec![
        RELEASE.to_owned(),
        chart.display().to_string(),
        format!("--namespace={NAMESPACE}"),
        format!("--kube-version={KUBE_VERSION}"),
    ];
    arguments.extend(values.map(|values| format!("--values={}", values.display())));
    arguments.extend(API_VERSIONS.map(|version| format!("--api-versions={version}")));
    arguments
}

/// The pinned Helm with a home of its own.
pub(crate) fn helm(home: &Path) -> Result<Command> {
    let mut command = Command::new(HELM.binary("helm")?);
    command.env("HOME", home).env_remove("KUBECONFIG");
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(name, home.join("helm"));
    }
    Ok(command)
}

/// Where the published definitions of the outside kinds are that golden paths emit.
const DEFINITIONS: [(&Source, &str); 4] = [
    (
        &PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    (
        &PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
    (
        &PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    (
        &GATEWAY_API,
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
];

/// Applies what each golden path renders to a real API server that knows the outside kinds as they were published,
/// as a trial, with every unknown field an error.
pub(super) fn accepted(cluster: &Cluster) -> Result<()> {
    cluster.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))?;
    let mut define = cluster.kubectl();
    define.args(["apply", "--server-side"]);
    for (source, file) in DEFINITIONS {
        define.arg("-f").arg(source.folder()?.join(file));
    }
    run(&mut define, LIMIT)?.success("define the outside kinds")?;
    let mut wait = cluster.kubectl();
    wait.args([
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ]);
    run(&mut wait, LIMIT)?.success("wait for the outside kinds")?;
    let scratch = Scratch::new()?;
    let charts = built()?;
    for case in cases(charts.path())? {
        let objects = match theirs(&case.chart, case.values.as_deref()) {
            Ok(objects) => objects,
            // A chart may ask for values that it has no defaults for.
            Err(_) if case.values.is_none() => continue,
            Err(failure) => return Err(failure),
        };
        let settled: Vec<Value> = objects.into_iter().map(settle).collect();
        let file = scratch.path().join("objects.json");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": settled});
        fs::write(&file, list.to_string()).doing(|| format!("write {}", file.display()))?;
        let mut kubectl = cluster.kubectl();
        kubectl
            .args([
                "apply",
                "--server-side",
                "--dry-run=server",
                "--validate=strict",
                "-f",
            ])
            .arg(&file);
        run(&mut kubectl, LIMIT)?.success(&case.name)?;
    }
    Ok(())
}

/// Judges what each golden path renders by Kyverno's own policies for the restricted Pod Security Standard.
pub(super) fn restricted() -> Result<()> {
    let words = |error: chart::ChartError| Failure::new(error.to_string());
    let published = KYVERNO.folder()?.join("charts/kyverno-policies");
    let chart = Chart::from_directory(&published).map_err(words)?;
    let values = json!({"podSecurityStandard": "restricted", "validationFailureAction": "Enforce"});
    let release = Release {
        name: "kyverno-policies".to_owned(),
        namespace: "kyverno".to_owned(),
        ..Release::default()
    };
    let rendered = chart::render(&chart, &values, &release, &Capabilities::default()).map_err(words)?;
    let (policies, refused) = Policies::from_values(
        "kyverno-policies",
        rendered.objects.iter().map(|object| &object.value),
    );
    if !refused.is_empty() || policies.len() < 15 {
        fail!(
            "{} of Kyverno's policies could be loaded: {refused:?}",
            policies.len()
        );
    }
    let labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), NAMESPACE.to_owned())]);
    let mut passed = 0;
    let charts = built()?;
    for case in cases(charts.path())? {
        let objects = match ours(&case.chart, case.values.as_deref()) {
            Ok(objects) => objects,
            // A chart may ask for values that it has no defaults for.
            Err(_) if case.values.is_none() => continue,
            Err(failure) => return Err(failure),
        };
        for object in &objects {
            for verdict in policies.evaluate(&Request {
                namespace_labels: &labels,
                ..Request::new(object)
            }) {
                match verdict.outcome {
                    Outcome::Pass => passed += 1,
                    Outcome::Skip => {}
                    _ => fail!(
                        "{}: {} {}: {}/{}: {}",
                        case.name,
                        object["kind"],
                        object["metadata"]["name"],
                        verdict.about.policy,
                        verdict.about.rule,
                        verdict.message
                    ),
                }
            }
        }
    }
    if passed == 0 {
        fail!("no policy spoke of any golden path");
    }
    Ok(())
}

/// Puts an object where a trial can find its namespace, whatever namespace its values name.
fn settle(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut()
        && metadata.contains_key("namespace")
    {
        metadata.insert("namespace".to_owned(), json!(NAMESPACE));
    }
    object
}

/// A chart of one dependency, as a team that keeps its own chart would write it: the values underneath.
fn depending(chart: &Path, values: Option<&Path>) -> Result<Scratch> {
    let scratch = Scratch::new()?;
    let write = |name: &str, value: &Value| {
        let file = scratch.path().join(name);
        fs::write(&file, yaml::emit(value)).doing(|| format!("write {}", file.display()))
    };
    let definition = read_values(&chart.join("Chart.yaml"))?;
    let (name, version) = (&definition["name"], &definition["version"]);
    write(
        "Chart.yaml",
        &json!({
            "apiVersion": "v2",
            "name": "parent",
            "version": "0.1.0",
            "dependencies": [{"name": name, "version": version, "repository": ""}],
        }),
    )?;
    let values = values.map(read_values).transpose()?.unwrap_or_else(|| json!({}));
    write("values.yaml", &json!({ file_name(chart): values }))?;
    copy(chart, &scratch.path().join("charts").join(file_name(chart)))?;
    Ok(scratch)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing(|| format!("make {}", to.display()))?;
    for entry in sorted(from)? {
        let target = to.join(file_name(&entry));
        if entry.is_dir() {
            copy(&entry, &target)?;
        } else {
            fs::copy(&entry, &target).doing(|| format!("copy {}", entry.display()))?;
        }
    }
    Ok(())
}

fn read_values(path: &Path) -> Result<Value> {
    let what = || format!("read {}", path.display());
    let text = fs::read_to_string(path).doing(what)?;
    Ok(yaml::parse(&text).doing(what)?.value)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let what = || format!("read {}", folder.display());
    let mut paths = Vec::new();
    for entry in folder.read_dir().doing(what)? {
        paths.push(entry.doing(what)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
