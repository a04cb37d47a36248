//! Golden paths are ordinary Helm charts: stock Helm must make the same objects of them as our chart engine, and
//! the API server must take them as they are.

use crate::cluster::Cluster;
use crate::failure::{Doing, Result, fail};
use crate::peers::HELM;
use crate::process::{Scratch, run};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);
/// What both sides are told the cluster can do.
const KUBE_VERSION: &str = "v1.36.3";
const API_VERSIONS: [&str; 2] = [
    "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/ServiceMonitor",
];
const RELEASE: &str = "api-gateway";
const NAMESPACE: &str = "payments-production";

/// One chart with one set of values.
struct Case {
    name: String,
    chart: PathBuf,
    values: Option<PathBuf>,
}

/// Every golden path, with its defaults and with each of its `ci/*-values.yaml`.
fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for chart in sorted(&crate::root().join("golden-paths"))? {
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

/// Applies what each golden path renders to a real API server, as a trial, with every unknown field an error.
/// Kinds that the cluster does not have are left out.
pub(super) fn accepted(cluster: &Cluster) -> Result<()> {
    cluster.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))?;
    let scratch = Scratch::new()?;
    for case in cases()? {
        let objects = match theirs(&case.chart, case.values.as_deref()) {
            Ok(objects) => objects,
            // A chart may ask for values that it has no defaults for.
            Err(_) if case.values.is_none() => continue,
            Err(failure) => return Err(failure),
        };
        let known: Vec<Value> = objects
            .into_iter()
            .filter(|object| object["kind"] != "ServiceMonitor")
            .map(settle)
            .collect();
        let file = scratch.path().join("objects.json");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": known});
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

/// Puts an object where a trial can find its namespace, whatever namespace its values name.
fn settle(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut()
        && metadata.contains_key("namespace")
    {
        metadata.insert("namespace".to_owned(), json!(NAMESPACE));
    }
    object
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
