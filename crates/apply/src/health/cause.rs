//! The first cause of a workload not being well, in plain words: not that a pod is in `CrashLoopBackOff`, but
//! what its last line was; not that it is `Pending`, but which storage class is missing. No I/O: the caller
//! brings the objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Health, HealthStatus, assess, condition};

/// As much of somebody else's message as is repeated.
const MESSAGE_LIMIT: usize = 300;

/// What is known about a workload.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The Deployment or StatefulSet; `null` when it is not there.
    pub workload: Option<&'a Value>,
    /// Its pods.
    pub pods: &'a [Value],
    /// Events about the workload, its pods and its volume claims; `v1` or `events.k8s.io/v1`.
    pub events: &'a [Value],
    /// The volume claims that its pods use.
    pub claims: &'a [Value],
    /// The last line of a container's log before it fell, by `pod/container`, where it was asked for.
    pub last_lines: Option<&'a BTreeMap<String, String>>,
}

/// Why something is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The cause in plain words.
    pub message: String,
    /// The kind of the object it was found at.
    pub kind: String,
    /// The name of that object.
    pub name: String,
    /// Whether time alone does not heal it: somebody has to change something.
    pub lasting: bool,
}

/// The first cause, or nothing when all is well or nothing is known. Causes nearer to the root come first: a
/// volume that cannot be had before the pod that waits for it, a pod that cannot be made before one that
/// fails, an image before a crash, a crash before a probe.
pub fn first_cause(facts: &Facts<'_>) -> Option<Cause> {
    if let Some(workload) = facts.workload {
        let Health { status, .. } = assess(workload);
        if matches!(status, HealthStatus::Healthy | HealthStatus::Suspended) {
            return None;
        }
    }
    facts
        .claims
        .iter()
        .find_map(|claim| unbound(claim, facts))
        .or_else(|| not_made(facts))
        .or_else(|| facts.pods.iter().find_map(unschedulable))
        .or_else(|| first_of_containers(facts, not_started))
        .or_else(|| facts.pods.iter().find_map(|pod| unmounted(pod, facts)))
        .or_else(|| first_of_containers(facts, fallen))
        .or_else(|| facts.pods.iter().find_map(evicted))
        .or_else(|| first_of_containers(facts, not_ready))
}

fn cause(object: &Value, kind: &str, message: String) -> Cause {
    Cause {
        message,
        kind: kind.to_owned(),
        name: name(object).to_owned(),
        lasting: false,
    }
}

/// A cause that time alone does not heal.
fn lasting(cause: Cause) -> Cause {
    Cause {
        lasting: true,
        ..cause
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Somebody else's words, fit to be repeated: one line, no control characters, not endless.
fn quote(text: &str) -> String {
    let line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The newest event about an object whose reason is one of these.
fn event<'a>(facts: &Facts<'a>, object: &Value, reasons: &[&str]) -> Option<&'a str> {
    let about = |event: &Value| {
        let target = if event["involvedObject"].is_object() {
            &event["involvedObject"]
        } else {
            &event["regarding"]
        };
        let uid = (target["uid"].as_str(), object["metadata"]["uid"].as_str());
        match uid {
            (Some(target), Some(uid)) => target == uid,
            _ => target["name"] == object["metadata"]["name"],
        }
    };
    facts
        .events
        .iter()
        .filter(|event| {
            event["reason"]
                .as_str()
                .is_some_and(|reason| reasons.contains(&reason))
                && about(event)
        })
        .max_by_key(|event| seen(event))
        .and_then(|event| event["message"].as_str().or(event["note"].as_str()))
}

/// When an event was last seen: RFC 3339 in UTC sorts as text.
fn seen(event: &Value) -> &str {
    event["series"]["lastObservedTime"]
        .as_str()
        .or(event["lastTimestamp"].as_str())
        .or(event["deprecatedLastTimestamp"].as_str())
        .or(event["eventTime"].as_str())
        .unwrap_or_default()
}

fn unbound(claim: &Value, facts: &Facts<'_>) -> Option<Cause> {
    let phase = claim["status"]["phase"].as_str();
    if phase == Some("Bound") {
        return None;
    }
    let subject = format!("volume claim {}", name(claim));
    if phase == Some("Lost") {
        return Some(lasting(cause(
            claim,
            "PersistentVolumeClaim",
            format!("{subject} lost its volume"),
        )));
    }
    let said = event(
        facts,
        claim,
        &["ProvisioningFailed", "FailedBinding", "ExternalProvisioning"],
    )?;
    let why = match (missing_class(said), claim["spec"]["storageClassName"].as_str()) {
        (Some(class), _) => {
            let why = format!("{subject} is not bound: storage class \"{class}\" does not exist");
            return Some(lasting(cause(claim, "PersistentVolumeClaim", why)));
        }
        (None, None | Some("")) if said.contains("no storage class is set") => {
            "no volume fits, and the cluster has no default storage class".to_owned()
        }
        _ => quote(said),
    };
    Some(cause(
        claim,
        "PersistentVolumeClaim",
        format!("{subject} is not bound: {why}"),
    ))
}

/// The class in `storageclass.storage.k8s.io "fast" not found`.
fn missing_class(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("storageclass")?;
    let mut parts = rest.splitn(3, '"');
    let (_, class, after) = (parts.next()?, parts.next()?, parts.next()?);
    after.contains("not found").then_some(class)
}

/// Pods that are not even made: a quota, an admission policy, a missing service account.
fn not_made(facts: &Facts<'_>) -> Option<Cause> {
    let workload = facts.workload?;
    let kind = workload["kind"].as_str().unwrap_or("Deployment");
    let said = match condition(workload, "ReplicaFailure") {
        Some(("True", message)) => Some(message),
        // Events of a StatefulSet are its own; those of a Deployment's ReplicaSet carry its name and more.
        _ if facts.pods.is_empty() => event(facts, workload, &["FailedCreate"]).or_else(|| {
            let prefix = format!("{}-", name(workload));
            let events = facts.events.iter().filter(|event| {
                event["reason"] == "FailedCreate"
                    && ["involvedObject", "regarding"].iter().any(|target| {
                        event[*target]["name"]
                            .as_str()
                            .is_some_and(|n| n.starts_with(&prefix))
                    })
            });
            events
                .max_by_key(|event| seen(event))
                .and_then(|e| e["message"].as_str().or(e["note"].as_str()))
        }),
        _ => None,
    }?;
    let why = match said.find("exceeded quota: ") {
        Some(start) => format!("the team's share is used up ({})", quote(&said[start..])),
        None => quote(said),
    };
    Some(cause(workload, kind, format!("no pods can be made: {why}")))
}

fn unschedulable(pod: &Value) -> Option<Cause> {
    let Some(("False", said)) = condition(pod, "PodScheduled") else {
        return None;
    };
    Some(cause(
        pod,
        "Pod",
        format!("no node takes the pod: {}", quote(said)),
    ))
}

/// A container of a pod, as the causes see it.
struct Container<'a> {
    pod: &'a Value,
    status: &'a Value,
    name: &'a str,
}

impl Container<'_> {
    fn cause(&self, message: String) -> Cause {
        cause(self.pod, "Pod", message)
    }
}

fn first_of_containers(
    facts: &Facts<'_>,
    judge: impl Fn(&Container<'_>, &Facts<'_>) -> Option<Cause>,
) -> Option<Cause> {
    facts.pods.iter().find_map(|pod| {
        ["initContainerStatuses", "containerStatuses"]
            .into_iter()
            .filter_map(|key| pod["status"][key].as_array())
            .flatten()
            .find_map(|status| {
                let name = status["name"].as_str().unwrap_or_default();
                judge(&Container { pod, status, name }, facts)
            })
    })
}

/// Containers that could not even start: images, configuration, commands.
fn not_started(container: &Container<'_>, facts: &Facts<'_>) -> Option<Cause> {
    let waiting = &container.status["state"]["waiting"];
    let reason = waiting["reason"].as_str()?;
    let said = waiting["message"].as_str().unwrap_or_default();
    let message = match reason {
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "ImageNotFound" => {
            let image = image(container);
            let why = match reason {
                "InvalidImageName" => "the name is not valid".to_owned(),
                "ErrImageNeverPull" => "it is not on the node, and pulling is forbidden".to_owned(),
                _ => registry_says(said)
                    .or_else(|| registry_says(event(facts, container.pod, &["Failed", "ErrImagePull"])?))
                    .unwrap_or_else(|| "the registry gave no reason".to_owned()),
            };
            format!("image {image} cannot be pulled: {why}")
        }
        "CreateContainerConfigError" | "CreateContainerError" => {
            format!(
                "container {} cannot start: {}",
                container.name,
                missing_object(said)
            )
        }
        "RunContainerError" | "StartError" | "ContainerCannotRun" => {
            let last = container.status["lastState"]["terminated"]["message"].as_str();
            let said = if said.is_empty() {
                last.unwrap_or(reason)
            } else {
                said
            };
            format!(
                "container {} cannot start: {}",
                container.name,
                quote(last_part(said))
            )
        }
        _ => return None,
    };
    Some(container.cause(message))
}

fn image(container: &Container<'_>) -> String {
    let specified = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|key| container.pod["spec"][key].as_array())
        .flatten()
        .find(|c| c["name"] == container.name)
        .and_then(|c| c["image"].as_str());
    quote(
        specified
            .or(container.status["image"].as_str())
            .unwrap_or("(unnamed)"),
    )
}

/// What the registry said, out of the layers of what kubelet and containerd said around it.
fn registry_says(said: &str) -> Option<String> {
    if !said.contains(':') || (said.starts_with("Back-off pulling image") && !said.contains("rpc error")) {
        return None;
    }
    let core = said.rsplit_once("desc = ").map_or(said, |(_, core)| core);
    let mut core = core
        .strip_prefix("Error response from daemon: ")
        .unwrap_or(core)
        .trim();
    // `failed to pull and unpack image "x": failed to resolve reference "x": x: not found`
    for wrapper in [
        "failed to pull and unpack image \"",
        "failed to resolve reference \"",
        "failed to resolve image \"",
        "Failed to pull image \"",
    ] {
        if let Some((_, rest)) = core
            .strip_prefix(wrapper)
            .and_then(|rest| rest.split_once("\": "))
        {
            core = rest;
        }
    }
    // `unexpected status from HEAD request to https://…: 401 Unauthorized` and `…: not found` say it at the end.
    let plain = core.rsplit_once(": ").map_or(core, |(_, end)| end);
    let plain = match plain {
        "not found" | "manifest unknown" => "the registry has no such image or tag",
        "no such host" => "the registry's name cannot be resolved",
        _ => core,
    };
    let plain = if plain.contains("401 Unauthorized")
        || plain.contains("403 Forbidden")
        || plain.contains("pull access denied")
    {
        format!("the registry refuses access ({})", quote(core))
    } else {
        quote(plain)
    };
    Some(plain).filter(|plain| !plain.is_empty())
}

/// `secret "x" not found` in plain words; anything else as it is.
fn missing_object(said: &str) -> String {
    if let Some((before, "not found")) = said.rsplit_once("\" ").map(|(b, a)| (b, a.trim()))
        && let Some((kind, name)) = before.rsplit_once(" \"").or_else(|| before.split_once(" \""))
    {
        let kind = kind.rsplit([' ', ':']).next().unwrap_or(kind);
        let kind = if kind == "configmap" { "config map" } else { kind };
        return format!("{kind} {} does not exist", quote(name));
    }
    if let Some((key, place)) = said
        .strip_prefix("couldn't find key ")
        .and_then(|rest| rest.split_once(" in "))
    {
        return format!("key {} is missing in {}", quote(key), quote(place));
    }
    quote(last_part(said))
}

fn last_part(said: &str) -> &str {
    said.rsplit_once("desc = ").map_or(said, |(_, core)| core)
}

/// Volumes that cannot be mounted: the pod hangs in `ContainerCreating` and only an event says why.
fn unmounted(pod: &Value, facts: &Facts<'_>) -> Option<Cause> {
    if pod["status"]["phase"] != "Pending" {
        return None;
    }
    let said = event(facts, pod, &["FailedMount", "FailedAttachVolume"])?;
    let (volume, why) = match said
        .split_once("for volume \"")
        .and_then(|(_, rest)| rest.split_once('"'))
    {
        Some((volume, rest)) => (
            format!("volume {}", quote(volume)),
            rest.trim_start_matches([' ', ':']),
        ),
        None => ("a volume".to_owned(), said),
    };
    Some(cause(
        pod,
        "Pod",
        format!("{volume} cannot be mounted: {}", missing_object(why)),
    ))
}

/// Containers that start and fall.
fn fallen(container: &Container<'_>, facts: &Facts<'_>) -> Option<Cause> {
    let status = container.status;
    let current = &status["state"]["terminated"];
    let fell = if current.is_object() {
        current
    } else {
        &status["lastState"]["terminated"]
    };
    let looping = status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    let bad = fell["exitCode"].as_i64().is_some_and(|code| code != 0) || fell["reason"] == "OOMKilled";
    if !looping && (!bad || status["ready"] == true) {
        return None;
    }
    let restarts = match status["restartCount"].as_i64().unwrap_or(0) {
        0 => String::new(),
        1 => " (1 restart)".to_owned(),
        count => format!(" ({count} restarts)"),
    };
    if fell["reason"] == "OOMKilled" {
        let limit = ["initContainers", "containers"]
            .into_iter()
            .filter_map(|key| container.pod["spec"][key].as_array())
            .flatten()
            .find(|c| c["name"] == container.name)
            .and_then(|c| c.pointer("/resources/limits/memory"))
            .and_then(Value::as_str)
            .map_or(String::new(), |limit| format!(" of {}", quote(limit)));
        let message = format!(
            "container {} used more memory than its limit{limit} and was killed{restarts}",
            container.name
        );
        return Some(container.cause(message));
    }
    if let Some(said) = event(facts, container.pod, &["Unhealthy"])
        .and_then(|said| said.strip_prefix("Liveness probe failed: "))
    {
        let message = format!(
            "container {} is restarted since its liveness probe fails{restarts}: {}",
            container.name,
            quote(said)
        );
        return Some(container.cause(message));
    }
    let code = fell["exitCode"].as_i64();
    let lasted = match (time(&fell["startedAt"]), time(&fell["finishedAt"])) {
        (Some(start), Some(end)) if end >= start => {
            format!(" after {} s", end.duration_since(start).as_secs())
        }
        _ => String::new(),
    };
    let message = match code {
        Some(code) => format!(
            "container {} exits with code {code}{lasted}{restarts}",
            container.name
        ),
        None => format!("container {} keeps falling{restarts}", container.name),
    };
    let key = format!("{}/{}", name(container.pod), container.name);
    let logged = facts
        .last_lines
        .and_then(|lines| lines.get(&key))
        .map(String::as_str);
    let told = fell["message"]
        .as_str()
        .and_then(|text| text.lines().rfind(|line| !line.trim().is_empty()));
    let line = logged.or(told).filter(|line| !line.trim().is_empty());
    let told = line.map_or(String::new(), |line| format!(", last line: \"{}\"", quote(line)));
    Some(container.cause(message + &told))
}

fn time(value: &Value) -> Option<k8s_openapi::jiff::Timestamp> {
    value.as_str()?.parse().ok()
}

fn evicted(pod: &Value) -> Option<Cause> {
    let status = &pod["status"];
    if status["phase"] != "Failed" {
        return None;
    }
    let said = status["message"]
        .as_str()
        .or(status["reason"].as_str())
        .unwrap_or("no reason given");
    let verb = if status["reason"] == "Evicted" {
        "the pod was evicted"
    } else {
        "the pod failed"
    };
    Some(cause(pod, "Pod", format!("{verb}: {}", quote(said))))
}

fn not_ready(container: &Container<'_>, facts: &Facts<'_>) -> Option<Cause> {
    let status = container.status;
    if status["ready"] == true || !status["state"]["running"].is_object() {
        return None;
    }
    let said = event(facts, container.pod, &["Unhealthy"])?;
    let (probe, why) = said.split_once(" probe failed: ")?;
    let message = format!(
        "container {} runs but its {} probe fails: {}",
        container.name,
        probe.to_lowercase(),
        quote(why)
    );
    Some(container.cause(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(facts: &Facts<'_>, expect: &str) {
        let found = first_cause(facts).map(|cause| cause.message).unwrap_or_default();
        assert_eq!(found, expect);
    }

    fn pod(container: &Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api-7d9c-x2x4z", "uid": "u1"},
            "spec": {"containers": [{"name": "api", "image": "registry.internal/demo/api:v9", "resources": {"limits": {"memory": "256Mi"}}}]},
            "status": {"phase": "Pending", "containerStatuses": [container]},
        })
    }

    fn about(object: &Value, reason: &str, message: &str, at: &str) -> Value {
        json!({"reason": reason, "message": message, "lastTimestamp": at, "involvedObject": {
            "kind": object["kind"], "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        }})
    }

    #[test]
    fn images_that_cannot_be_pulled() {
        let waiting = |reason: &str, message: &str| {
            pod(
                &json!({"name": "api", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}),
            )
        };
        let missing = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.internal/demo/api:v9\": failed to resolve reference \"registry.internal/demo/api:v9\": registry.internal/demo/api:v9: not found";
        let plain =
            "image registry.internal/demo/api:v9 cannot be pulled: the registry has no such image or tag";
        check(
            &Facts {
                pods: &[waiting("ErrImagePull", missing)],
                ..Facts::default()
            },
            plain,
        );
        let newer =
            format!("Back-off pulling image \"registry.internal/demo/api:v9\": ErrImagePull: {missing}");
        check(
            &Facts {
                pods: &[waiting("ImagePullBackOff", &newer)],
                ..Facts::default()
            },
            plain,
        );
        // Older kubelets tell the reason in an event alone.
        let older = waiting(
            "ImagePullBackOff",
            "Back-off pulling image \"registry.internal/demo/api:v9\"",
        );
        let events = [
            about(
                &older,
                "Failed",
                "Error: ImagePullBackOff",
                "2026-01-01T00:00:01Z",
            ),
            about(
                &older,
                "Failed",
                &format!("Failed to pull image \"registry.internal/demo/api:v9\": {missing}"),
                "2026-01-01T00:00:02Z",
            ),
        ];
        check(
            &Facts {
                pods: std::slice::from_ref(&older),
                events: &events,
                ..Facts::default()
            },
            plain,
        );
        check(
            &Facts {
                pods: &[older],
                ..Facts::default()
            },
            "image registry.internal/demo/api:v9 cannot be pulled: the registry gave no reason",
        );
        let refused = "failed to pull and unpack image \"r/x:1\": failed to resolve reference \"r/x:1\": unexpected status from HEAD request to https://r/v2/x/manifests/1: 401 Unauthorized";
        check(
            &Facts {
                pods: &[waiting("ErrImagePull", refused)],
                ..Facts::default()
            },
            "image registry.internal/demo/api:v9 cannot be pulled: the registry refuses access (unexpected status from HEAD request to https://r/v2/x/manifests/1: 401 Unauthorized)",
        );
        check(
            &Facts {
                pods: &[waiting("InvalidImageName", "")],
                ..Facts::default()
            },
            "image registry.internal/demo/api:v9 cannot be pulled: the name is not valid",
        );
    }

    #[test]
    fn containers_that_fall() {
        let loops = |terminated: Value| {
            let mut pod = pod(&json!({
                "name": "api", "ready": false, "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
                "lastState": {"terminated": terminated},
            }));
            pod["status"]["phase"] = json!("Running");
            pod
        };
        let crash = loops(json!({
            "exitCode": 1, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z",
            "message": "starting\ndial tcp: lookup checkout-db: no such host\n\n",
        }));
        check(
            &Facts {
                pods: std::slice::from_ref(&crash),
                ..Facts::default()
            },
            "container api exits with code 1 after 2 s (4 restarts), last line: \"dial tcp: lookup checkout-db: no such host\"",
        );
        let lines = BTreeMap::from([("api-7d9c-x2x4z/api".to_owned(), "panic: no config".to_owned())]);
        check(
            &Facts {
                pods: std::slice::from_ref(&crash),
                last_lines: Some(&lines),
                ..Facts::default()
            },
            "container api exits with code 1 after 2 s (4 restarts), last line: \"panic: no config\"",
        );
        check(
            &Facts {
                pods: &[loops(json!({"exitCode": 137, "reason": "OOMKilled"}))],
                ..Facts::default()
            },
            "container api used more memory than its limit of 256Mi and was killed (4 restarts)",
        );
        check(
            &Facts {
                pods: &[loops(json!({"exitCode": 0, "reason": "Completed"}))],
                ..Facts::default()
            },
            "container api exits with code 0 (4 restarts)",
        );
        let events = [about(
            &crash,
            "Unhealthy",
            "Liveness probe failed: Get \"http://10.0.0.1:8080/health\": connection refused",
            "x",
        )];
        check(
            &Facts {
                pods: &[crash],
                events: &events,
                ..Facts::default()
            },
            "container api is restarted since its liveness probe fails (4 restarts): Get \"http://10.0.0.1:8080/health\": connection refused",
        );
    }

    #[test]
    fn configuration_that_is_missing() {
        let waiting = |message: &str| {
            pod(
                &json!({"name": "api", "ready": false, "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}),
            )
        };
        for (said, expect) in [
            (
                "secret \"stripe\" not found",
                "container api cannot start: secret stripe does not exist",
            ),
            (
                "configmap \"api\" not found",
                "container api cannot start: config map api does not exist",
            ),
            (
                "couldn't find key api-key in Secret demo/stripe",
                "container api cannot start: key api-key is missing in Secret demo/stripe",
            ),
            (
                "container has runAsNonRoot and image will run as root",
                "container api cannot start: container has runAsNonRoot and image will run as root",
            ),
        ] {
            check(
                &Facts {
                    pods: &[waiting(said)],
                    ..Facts::default()
                },
                expect,
            );
        }
        let creating = pod(
            &json!({"name": "api", "ready": false, "state": {"waiting": {"reason": "ContainerCreating"}}}),
        );
        let events = [about(
            &creating,
            "FailedMount",
            "MountVolume.SetUp failed for volume \"binding\" : secret \"api-db\" not found",
            "x",
        )];
        check(
            &Facts {
                pods: &[creating],
                events: &events,
                ..Facts::default()
            },
            "volume binding cannot be mounted: secret api-db does not exist",
        );
    }

    #[test]
    fn volumes_and_nodes() {
        let claim = json!({
            "kind": "PersistentVolumeClaim", "metadata": {"name": "data-checkout-db-0", "uid": "c1"},
            "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"},
        });
        let mut waiting = pod(&json!({}));
        waiting["status"] = json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        }]});
        let events = [about(
            &claim,
            "ProvisioningFailed",
            "storageclass.storage.k8s.io \"fast\" not found",
            "x",
        )];
        check(
            &Facts {
                pods: std::slice::from_ref(&waiting),
                events: &events,
                claims: std::slice::from_ref(&claim),
                ..Facts::default()
            },
            "volume claim data-checkout-db-0 is not bound: storage class \"fast\" does not exist",
        );
        let mut classless = claim.clone();
        classless["spec"] = json!({});
        let events = [about(
            &claim,
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set",
            "x",
        )];
        check(
            &Facts {
                events: &events,
                claims: &[classless],
                ..Facts::default()
            },
            "volume claim data-checkout-db-0 is not bound: no volume fits, and the cluster has no default storage class",
        );
        // A claim that waits for its first pod is not the cause.
        let events = [about(
            &claim,
            "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding",
            "x",
        )];
        check(
            &Facts {
                pods: &[waiting],
                events: &events,
                claims: &[claim],
                ..Facts::default()
            },
            "no node takes the pod: 0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        );
    }

    #[test]
    fn pods_that_are_not_made() {
        let said = "pods \"api-7d9c-\" is forbidden: exceeded quota: team-quota, requested: limits.cpu=2, used: limits.cpu=19, limited: limits.cpu=20";
        let workload = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "generation": 1}, "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "conditions": [{"type": "ReplicaFailure", "status": "True", "message": said}]},
        });
        let expect = "no pods can be made: the team's share is used up (exceeded quota: team-quota, requested: limits.cpu=2, used: limits.cpu=19, limited: limits.cpu=20)";
        check(
            &Facts {
                workload: Some(&workload),
                ..Facts::default()
            },
            expect,
        );
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "uid": "s1"}, "spec": {"replicas": 1}});
        let events = [about(
            &set,
            "FailedCreate",
            "create Pod db-0 in StatefulSet db failed: denied by policy",
            "x",
        )];
        check(
            &Facts {
                workload: Some(&set),
                events: &events,
                ..Facts::default()
            },
            "no pods can be made: create Pod db-0 in StatefulSet db failed: denied by policy",
        );
    }

    #[test]
    fn probes_and_evictions() {
        let mut running = pod(
            &json!({"name": "api", "ready": false, "restartCount": 0, "state": {"running": {"startedAt": "x"}}}),
        );
        running["status"]["phase"] = json!("Running");
        let events = [about(
            &running,
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
            "x",
        )];
        check(
            &Facts {
                pods: std::slice::from_ref(&running),
                events: &events,
                ..Facts::default()
            },
            "container api runs but its readiness probe fails: HTTP probe failed with statuscode: 503",
        );
        check(
            &Facts {
                pods: &[running],
                ..Facts::default()
            },
            "",
        );
        let gone = json!({"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}});
        check(
            &Facts {
                pods: &[gone],
                ..Facts::default()
            },
            "the pod was evicted: The node was low on resource: memory.",
        );
    }

    #[test]
    fn a_healthy_workload_has_no_cause() {
        let workload = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        });
        let old = pod(&json!({"name": "api", "state": {"waiting": {"reason": "ErrImagePull"}}}));
        check(
            &Facts {
                workload: Some(&workload),
                pods: &[old],
                ..Facts::default()
            },
            "",
        );
        check(&Facts::default(), "");
    }

    proptest! {
        #[test]
        fn others_words_never_panic(said in "\\PC{0,60}|[a-z :\"=]{0,60}", reason in prop::sample::select(vec![
            "ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "RunContainerError", "CrashLoopBackOff",
        ])) {
            let pod = pod(&json!({"name": "api", "state": {"waiting": {"reason": reason, "message": said}}}));
            let events = [about(&pod, "FailedMount", &said, "x"), about(&pod, "Failed", &said, "x")];
            let facts = Facts { pods: std::slice::from_ref(&pod), events: &events, ..Facts::default() };
            prop_assert!(first_cause(&facts).is_some());
        }
    }
}
