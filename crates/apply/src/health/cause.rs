//! The first cause of a workload not being well, in plain words: not that a pod is in `CrashLoopBackOff`, but
//! what it said last; not that it is `Pending`, but which storage class is missing. No I/O: the caller
//! brings the objects.

mod words;

use serde_json::Value;

use super::{Health, HealthStatus, assess, condition};
use words::{last_part, last_words, missing_class, missing_object, quote, registry_says};

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
    /// Whether it would be well with more memory.
    pub wants_memory: bool,
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
        .or_else(|| staying(facts).find_map(unschedulable))
        .or_else(|| first_of_containers(facts, not_started))
        .or_else(|| staying(facts).find_map(|pod| unmounted(pod, facts)))
        .or_else(|| first_of_containers(facts, fallen))
        .or_else(|| staying(facts).find_map(evicted))
        .or_else(|| first_of_containers(facts, not_ready))
}

/// The pods that are meant to stay: how those end that are told to is no cause of anything.
fn staying<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Value> {
    let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    facts.pods.iter().filter(stays)
}

fn cause(object: &Value, kind: &str, message: String) -> Cause {
    Cause {
        message,
        kind: kind.to_owned(),
        name: name(object).to_owned(),
        lasting: false,
        wants_memory: false,
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

/// What the newest event about an object says whose reason is one of these.
fn event<'a>(facts: &Facts<'a>, object: &Value, reasons: &[&str]) -> Option<&'a str> {
    events(facts, object, reasons).next()
}

/// What the events about an object say whose reason is one of these, the newest first.
fn events<'a>(facts: &Facts<'a>, object: &Value, reasons: &[&str]) -> impl Iterator<Item = &'a str> {
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
    let mut found: Vec<&Value> = facts
        .events
        .iter()
        .filter(|event| {
            event["reason"]
                .as_str()
                .is_some_and(|reason| reasons.contains(&reason))
                && about(event)
        })
        .collect();
    // Of equals the later one in the list counts as newer.
    found.reverse();
    found.sort_by(|a, b| seen(b).cmp(seen(a)));
    found
        .into_iter()
        .filter_map(|event| event["message"].as_str().or(event["note"].as_str()))
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
    staying(facts).find_map(|pod| {
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
                "InvalidImageName" => Some("the name is not valid".to_owned()),
                "ErrImageNeverPull" => Some("it is not on the node, and pulling is forbidden".to_owned()),
                _ => registry_says(said).or_else(|| {
                    events(facts, container.pod, &["Failed", "ErrImagePull"]).find_map(registry_says)
                }),
            };
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            format!("image {image} cannot be pulled{why}")
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
            "container {} was killed: it used more memory than its limit{limit}{restarts}",
            container.name
        );
        return Some(Cause {
            wants_memory: true,
            ..container.cause(message)
        });
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
    let lasted = match (time(&fell["startedAt"]), time(&fell["finishedAt"])) {
        (Some(start), Some(end)) if end >= start => match end.duration_since(start).as_secs() {
            // The kubelet writes whole seconds.
            0 | 1 => " right after it starts,".to_owned(),
            seconds => format!(" {seconds} s after it starts,"),
        },
        _ => String::new(),
    };
    let name = container.name;
    let message = match fell["exitCode"].as_i64() {
        Some(0) => {
            format!("container {name} ends{lasted} without an error, and is meant to go on running{restarts}")
        }
        Some(code) => format!("container {name} crashes{lasted} with exit code {code}{restarts}"),
        None => format!("container {name} keeps crashing{restarts}"),
    };
    // Of a container that is asked to (`terminationMessagePolicy`), the kubelet keeps the end of its log there.
    let told = fell["message"].as_str().and_then(last_words);
    let told = told.map_or(String::new(), |words| format!(": {words}"));
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
mod tests;
