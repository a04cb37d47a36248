//! The webhook under load: 500 requests a second from another process, judged by 50 policies.

use super::load::{self, Load};
use crate::cluster::free_ports;
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::https::{ApiServer, Connection};
use crate::peers::KUBERNETES;
use crate::process::run;
use crate::{cluster, say};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);
/// Requests a second.
const RATE: u32 = 500;
/// Connections, as an API server has some.
const CONNECTIONS: u32 = 8;
const POLICIES: usize = 50;
/// What 99 of 100 answers may take.
const GOAL: Duration = Duration::from_millis(5);

/// What can be asked for.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    seconds: u64,
    platform: Option<&'a str>,
}

impl<'a> Options<'a> {
    /// Reads what stands after `bench webhook`.
    pub(crate) fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self {
            seconds: 20,
            platform: None,
        };
        for pair in arguments.chunks(2) {
            match pair {
                ["--platform", binary] => options.platform = Some(binary),
                ["--seconds", seconds] => match seconds.parse() {
                    Ok(seconds @ 1..=3_600) => options.seconds = seconds,
                    _ => fail!("--seconds needs a number from 1 to 3600"),
                },
                _ => fail!(
                    "bench webhook takes --seconds N and --platform BIN, not {}",
                    pair.join(" ")
                ),
            }
        }
        Ok(options)
    }
}

/// Measures and prints the table.
pub(crate) fn run_all(options: &Options<'_>) -> Result<()> {
    let seconds = options.seconds;
    let platform = match options.platform {
        Some(path) => Platform::at(Path::new(path))?,
        None => Platform::build_release()?,
    };
    let user = platform.new_user()?;
    let (_up, _) = user.up()?;
    let kubeconfig = user.sandbox_kubeconfig();
    let text = fs::read_to_string(&kubeconfig).doing(|| "read the kubeconfig".to_owned())?;
    let config = yaml::parse(&text)
        .doing(|| "read the kubeconfig".to_owned())?
        .value;
    let context = config["current-context"].as_str().unwrap_or_default().to_owned();
    user.succeed(
        Some(&kubeconfig),
        &format!("install --context {context} --image registry.internal/platform:0.1.0"),
    )?;
    let policies = user.work().join("policies.yaml");
    fs::write(&policies, more_policies()?).doing(|| "write the policies".to_owned())?;
    let mut kubectl = cluster::kubectl(&KUBERNETES.binary("kubectl")?, &kubeconfig);
    run(
        kubectl.args(["apply", "--server-side", "-f"]).arg(&policies),
        LIMIT,
    )?
    .success("kubectl apply")?;

    let [port, metrics] = free_ports()?;
    let webhook = user.start(
        Some(&kubeconfig),
        &format!(
            "webhook --context {context} --listen 127.0.0.1:{port} --url https://127.0.0.1:{port} --metrics 127.0.0.1:{metrics} --log-level warn"
        ),
    )?;
    let authority = user.work().join("ca.crt");
    wait(&kubeconfig, &authority)?;
    let program = std::env::current_exe().doing(|| "find this program".to_owned())?;
    let mut load = Command::new(program);
    load.args(["load-webhook", &port.to_string(), &seconds.to_string()])
        .arg(&authority);
    let told = run(&mut load, Duration::from_secs(seconds) + LIMIT)?.success("the load")?;
    webhook.check()?;
    let wanted = format!("platform_webhook_policies {POLICIES}");
    let figures = figures(metrics).doing(|| "ask the webhook for its figures".to_owned())?;
    if !figures.lines().any(|line| line == wanted) {
        fail!("the webhook did not judge by {POLICIES} policies:\n{figures}");
    }
    say::line(table(told.trim())?);
    Ok(())
}

/// What is missing to as many policies as are wanted beside those that ship, which the installation brings: some of them
/// again under other names.
fn more_policies() -> Result<String> {
    let mut files: Vec<_> = fs::read_dir(crate::root().join("policies"))
        .doing(|| "read policies/".to_owned())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let mut text = String::new();
    let policies: Vec<Value> = files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
            Ok(yaml::parse(&text)
                .doing(|| format!("read {}", path.display()))?
                .value)
        })
        .collect::<Result<_>>()?;
    for (index, policy) in policies
        .iter()
        .cycle()
        .take(POLICIES)
        .enumerate()
        .skip(policies.len())
    {
        let mut policy = policy.clone();
        let name = policy["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        policy["metadata"]["name"] = json!(format!("{name}-{index}"));
        text = format!("{text}---\n{}", yaml::emit(&policy));
    }
    Ok(text)
}

/// Waits until the webhook is configured, which it is when it has read all policies; writes down whom it is trusted by.
fn wait(kubeconfig: &Path, authority: &Path) -> Result<()> {
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations\
                ?watch=1&fieldSelector=metadata.name%3Dplatform-guardrails";
    let bundle = ApiServer::of(kubeconfig)?.watch(path, LIMIT, |event| {
        let bundle = event["object"]["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        bundle.and_then(|text| STANDARD.decode(text).ok())
    })?;
    fs::write(authority, bundle).doing(|| "write the authority".to_owned())
}

fn figures(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The other process: asks at the rate, and prints how many failed and how long each took, in microseconds.
pub(crate) fn ask_it(arguments: &[&str]) -> Result<()> {
    let &[port, seconds, authority] = arguments else {
        fail!("load-webhook needs a port, seconds and an authority")
    };
    let seconds: u32 = seconds.parse().doing(|| format!("understand {seconds}"))?;
    let api = ApiServer::at(&format!("127.0.0.1:{port}"), Path::new(authority))?;
    let bodies = [body(true), body(false)];
    let load = Load {
        total: RATE * seconds,
        rate: RATE,
        connections: CONNECTIONS,
    };
    let ask = |connection: &mut Connection, number: u32| {
        let good = number.is_multiple_of(2);
        let body = bodies[usize::from(!good)].as_bytes();
        let (status, answer) = connection.ask("POST", "/validate?timeout=10s", body)?;
        let answer: Value = serde_json::from_slice(&answer)?;
        Ok(status == 200 && answer["response"]["allowed"] == good)
    };
    let told = load.run(|| api.open(), ask)?;
    let at = |share| load::at(&told.times, share).unwrap_or_default().as_micros();
    say::line(format!(
        "{} {} {} {} {} {}",
        told.times.len(),
        told.errors,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    ));
    Ok(())
}

/// A Deployment that every policy lets through, or one that some refuse.
fn body(good: bool) -> String {
    let image = if good {
        "registry.internal/web:v1"
    } else {
        "registry.internal/web:latest"
    };
    let mut metadata = json!({"name": "web", "namespace": "default", "labels": {}});
    for key in ["app.kubernetes.io/name", "platform.company.com/team"] {
        metadata["labels"][key] = json!("web");
    }
    let probe = json!({"httpGet": {"path": "/", "port": 8080}});
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "0b6e7a51-5b0e-4d5c-8f57-6a6a0d3c7f10",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "name": "web", "namespace": "default", "operation": "CREATE", "dryRun": true,
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web", "app.kubernetes.io/name": "web", "platform.company.com/team": "web"}},
                        "spec": {
                            "serviceAccountName": "web",
                            "automountServiceAccountToken": false,
                            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                            "containers": [{
                                "name": "web", "image": image,
                                "ports": [{"containerPort": 8080}],
                                "livenessProbe": probe, "readinessProbe": probe,
                                "resources": {
                                    "requests": {"cpu": "10m", "memory": "16Mi"},
                                    "limits": {"cpu": "100m", "memory": "64Mi"},
                                },
                                "securityContext": {
                                    "allowPrivilegeEscalation": false,
                                    "readOnlyRootFilesystem": true,
                                    "capabilities": {"drop": ["ALL"]},
                                },
                            }],
                        },
                    },
                },
            },
        },
    })
    .to_string()
}

fn table(told: &str) -> Result<String> {
    let numbers: Vec<u64> = told
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[count, errors, median, p99, p999, longest] = numbers.as_slice() else {
        fail!("the load said {told:?}")
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let milliseconds = |micros: u64| format!("{:.2} ms", micros as f64 / 1_000.0);
    let goal = u64::try_from(GOAL.as_micros()).unwrap_or(u64::MAX);
    let verdict = if p99 <= goal && errors == 0 {
        "met"
    } else {
        "MISSED"
    };
    Ok(format!(
        "\nrelease build, {POLICIES} policies, {RATE} requests/s on {CONNECTIONS} connections from another process, {cores} cores for both\n\n  answers   {count}\n  errors    {errors}\n  median    {}\n  p99       {}   goal {}: {verdict}\n  p99.9     {}\n  longest   {}\n",
        milliseconds(median),
        milliseconds(p99),
        milliseconds(goal),
        milliseconds(p999),
        milliseconds(longest),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_misses_the_goal() {
        let check = |told: &str, expect: &str| assert!(table(told).unwrap().contains(expect), "{told}");
        check(
            "10000 0 500 4000 5000 6000",
            "p99       4.00 ms   goal 5.00 ms: met",
        );
        check("10000 1 500 4000 5000 6000", "MISSED");
        check("10000 0 500 5001 6000 7000", "MISSED");
        assert!(table("nothing").is_err());
    }

    #[test]
    fn policies_are_as_many_as_wanted() {
        let more = yaml::parse_all(&more_policies().unwrap()).unwrap().len();
        let shipped = fs::read_dir(crate::root().join("policies")).unwrap();
        let is_policy = |path: std::path::PathBuf| path.extension().is_some_and(|it| it == "yaml");
        let shipped = shipped
            .filter(|entry| is_policy(entry.as_ref().unwrap().path()))
            .count();
        assert_eq!(shipped + more, POLICIES);
    }
}
