//! The simulated nodes' agent: takes a pod from creation to running and ready, or to the failure it
//! was asked for or deserves, in the words of the real one.
//!
//! A pure function of the pod, what surrounds it, and the time; the pod's status is its only memory.

mod container;
mod images;
mod needs;
mod script;
mod status;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::change::{About, Change, Note, Plan, Target};
use super::kind::Kind;
use super::object::{self, annotation, list, name, namespace, set, text};
use super::scheduler;
use container::{Context, Restart};
pub(crate) use needs::Supplies;
use script::Script;

/// What a pod is looked at with.
pub(crate) struct Slice<'a> {
    /// The pod.
    pub(crate) pod: &'a Value,
    /// The simulated nodes.
    pub(crate) nodes: Vec<&'a Value>,
    /// The claims of its namespace by name.
    pub(crate) claim: &'a dyn Fn(&str) -> Option<&'a Value>,
    /// The Secrets and ConfigMaps of its namespace.
    pub(crate) supplies: Supplies<'a>,
    /// Is this address taken?
    pub(crate) address_taken: &'a dyn Fn(&str) -> bool,
    /// Has a moment come that was waited for?
    pub(crate) woken: bool,
}

/// Puts a pod on a node; it says from then on in which zone and region it is.
fn inherit(pod: &mut Value, node: &Value) {
    set(pod, &["spec", "nodeName"], json!(name(node)));
    for key in ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"] {
        let place = object::label(node, key);
        if !place.is_empty() {
            set(pod, &["metadata", "labels", key], json!(place));
        }
    }
}

/// What is to be done for a pod.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let pod = slice.pod;
    let mut plan = Plan::default();
    let about = About::new(Kind::Pod, pod);
    let placed = text(pod, "/spec/nodeName");
    let node = slice.nodes.iter().copied().find(|node| name(node) == placed);
    if !placed.is_empty() && node.is_none() {
        return plan;
    }
    if object::deleting(pod) {
        remove(pod, &about, &mut plan);
        return plan;
    }
    if matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
        return plan;
    }

    let mut pod = pod.clone();
    if node.is_none() {
        if scheduler::is_foreign(&pod) {
            return plan;
        }
        match scheduler::place(&pod, &slice.nodes, slice.claim) {
            Ok(node) => {
                let node = slice.nodes.iter().copied().find(|one| name(one) == node);
                inherit(&mut pod, node.unwrap_or(&Value::Null));
            }
            Err(why) => {
                plan.note(Note::warning(about, "FailedScheduling", why.as_str()).once());
                let status = status::unschedulable(&pod, &why, now);
                finish(&mut plan, slice.pod, &pod, status);
                return plan;
            }
        }
    }
    if annotation(&pod, super::SIMULATED) != "true" {
        set(
            &mut pod,
            &["metadata", "annotations", super::SIMULATED],
            json!("true"),
        );
    }
    if pod != *slice.pod {
        plan.push(Change::Update(Kind::Pod, pod.clone()));
    }
    if node.is_none() {
        let assigned = format!(
            "Successfully assigned {}/{} to {}",
            namespace(&pod),
            name(&pod),
            text(&pod, "/spec/nodeName")
        );
        plan.note(Note::normal(about.clone(), "Scheduled", assigned));
    }
    let placed = text(&pod, "/spec/nodeName");
    let node = slice
        .nodes
        .iter()
        .copied()
        .find(|node| name(node) == placed)
        .unwrap_or(&Value::Null);

    let script = Script::of(&pod);
    for complaint in &script.complaints {
        plan.note(Note::warning(about.clone(), "InvalidAnnotation", complaint.as_str()).once());
    }
    let containers = if let Some(why) = needs::missing_for_volumes(&pod, &slice.supplies) {
        plan.note(Note::warning(about, "FailedMount", why).once());
        status::Containers::creating(&pod)
    } else {
        run(slice, &pod, &script, &about, now, &mut plan)
    };
    let status = status::of(&pod, node, &containers, slice.address_taken, now);
    finish(&mut plan, slice.pod, &pod, status);
    plan
}

fn finish(plan: &mut Plan, before: &Value, pod: &Value, status: Value) {
    if status != *object::status(before) {
        plan.push(Change::Status(Kind::Pod, object::with_status(pod, status)));
    }
}

/// Lets a pod go that was asked to.
fn remove(pod: &Value, about: &About, plan: &mut Plan) {
    if !list(pod, "/metadata/finalizers").is_empty() {
        return;
    }
    for status in list(pod, "/status/containerStatuses") {
        if status.pointer("/state/running").is_some() {
            let container = text(status, "/name");
            let about = about.clone().part(format!("spec.containers{{{container}}}"));
            plan.note(Note::normal(about, "Killing", format!("Stopping container {container}")).once());
        }
    }
    plan.push(Change::Delete(Target {
        now: true,
        ..Target::of(Kind::Pod, pod)
    }));
}

/// Moves the containers on: those that prepare one after the other, then the others together.
fn run(
    slice: &Slice<'_>,
    pod: &Value,
    script: &Script,
    about: &About,
    now: Timestamp,
    plan: &mut Plan,
) -> status::Containers {
    let policy = match text(pod, "/spec/restartPolicy") {
        "Never" => Restart::Never,
        "OnFailure" => Restart::OnFailure,
        _ => Restart::Always,
    };
    let mut advance =
        |spec: &Value, field: &str, known: &str, restart: Restart, ends: bool, is_first: bool| {
            let container = text(spec, "/name");
            let before = list(pod, known)
                .iter()
                .find(|status| text(status, "/name") == container);
            let outcome = container::advance(
                &Context {
                    pod,
                    spec,
                    before: before.unwrap_or(&Value::Null),
                    script,
                    failure: script.failure_of(container, is_first),
                    about: about.clone().part(format!("spec.{field}{{{container}}}")),
                    restart,
                    ends,
                    obstacle: needs::missing_for_environment(pod, spec, &slice.supplies),
                    woken: slice.woken,
                },
                now,
            );
            for note in outcome.notes {
                plan.note(note);
            }
            if let Some(wake) = outcome.wake {
                plan.wake_at(wake);
            }
            outcome.status
        };

    let mut containers = status::Containers::default();
    let mut prepared = true;
    for spec in list(pod, "/spec/initContainers") {
        let stays = text(spec, "/restartPolicy") == "Always";
        if !prepared {
            containers
                .preparing
                .push(status::waiting(spec, "PodInitializing"));
            continue;
        }
        let restart = match (stays, policy) {
            (true, _) => Restart::Always,
            (false, Restart::Never) => Restart::Never,
            (false, _) => Restart::OnFailure,
        };
        let state = advance(
            spec,
            "initContainers",
            "/status/initContainerStatuses",
            restart,
            !stays,
            false,
        );
        prepared = if stays {
            object::truth(&state, "/started")
        } else {
            object::number(&state, "/state/terminated/exitCode") == Some(0)
        };
        containers.preparing.push(state);
    }
    containers.prepared = prepared;
    for (index, spec) in list(pod, "/spec/containers").iter().enumerate() {
        containers.main.push(if prepared {
            let ends = policy != Restart::Always;
            advance(
                spec,
                "containers",
                "/status/containerStatuses",
                policy,
                ends,
                index == 0,
            )
        } else {
            status::waiting(spec, "PodInitializing")
        });
    }
    containers
}

#[cfg(test)]
mod tests;
