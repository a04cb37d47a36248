//! Volumes: claims are bound to simulated PersistentVolumes of the class they ask for. After
//! Kubernetes' persistent volume controller, with one provisioner that never fails.
//!
//! Pure functions; nothing is ever stored in these volumes.

use serde_json::{Value, json};

use super::change::{About, Change, Creation, Note, Plan, Target};
use super::kind::Kind;
use super::object::{self, annotation, list, name, namespace, set, text, uid};

/// Who made a simulated volume.
pub(crate) const PROVISIONER: &str = "volumes.sandbox.towpath.dev";
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// What a claim is looked at with.
pub(crate) struct Slice<'a> {
    /// The claim.
    pub(crate) claim: &'a Value,
    /// All classes.
    pub(crate) classes: Vec<&'a Value>,
    /// All volumes.
    pub(crate) volumes: Vec<&'a Value>,
    /// Does a pod that is not over use the claim?
    pub(crate) in_use: bool,
}

/// What is to be done for a claim.
pub(crate) fn desired(slice: &Slice<'_>) -> Plan {
    let claim = slice.claim;
    let mut plan = Plan::default();
    if object::deleting(claim) || text(claim, "/status/phase") == "Bound" {
        return plan;
    }
    let about = About::new(Kind::PersistentVolumeClaim, claim);
    let mut bound = claim.clone();
    let class = if let Some(class) = claim.pointer("/spec/storageClassName").and_then(Value::as_str) {
        class.to_owned()
    } else {
        // The API server fills in the default class when it admits a claim; late is better than never.
        let default = slice
            .classes
            .iter()
            .find(|class| annotation(class, DEFAULT_CLASS) == "true");
        let default = default.map_or("", |class| name(class));
        if !default.is_empty() {
            set(&mut bound, &["spec", "storageClassName"], json!(default));
        }
        default.to_owned()
    };

    if let Some(volume) = ready_made(claim, &class, &slice.volumes) {
        let mut taken = volume.clone();
        if text(volume, "/spec/claimRef/uid").is_empty() {
            set(&mut taken, &["spec", "claimRef"], claim_reference(claim));
            plan.push(Change::Update(Kind::PersistentVolume, taken.clone()));
        }
        if text(volume, "/status/phase") != "Bound" {
            plan.push(Change::Status(
                Kind::PersistentVolume,
                object::with_status(&taken, json!({"phase": "Bound"})),
            ));
        }
        bind(&mut plan, bound, volume);
        return plan;
    }

    if !text(claim, "/spec/volumeName").is_empty() {
        let message = format!("volume \"{}\" not found", text(claim, "/spec/volumeName"));
        plan.note(Note::warning(about, "FailedBinding", message).once());
    } else if class.is_empty() {
        let message = "no persistent volumes available for this claim and no storage class is set";
        plan.note(Note::normal(about, "FailedBinding", message).once());
    } else {
        match slice.classes.iter().find(|candidate| name(candidate) == class) {
            None => {
                let message = format!("storageclass.storage.k8s.io \"{class}\" not found");
                plan.note(Note::warning(about, "ProvisioningFailed", message).once());
            }
            Some(class) if text(class, "/provisioner") == NO_PROVISIONER => {
                let message = "no volume plugin matched name: kubernetes.io/no-provisioner";
                plan.note(Note::warning(about, "ProvisioningFailed", message).once());
            }
            Some(class) if text(class, "/volumeBindingMode") == "WaitForFirstConsumer" && !slice.in_use => {
                let message = "waiting for first consumer to be created before binding";
                plan.note(Note::normal(about, "WaitForFirstConsumer", message).once());
            }
            Some(class) => provision(&mut plan, bound, class, about),
        }
    }
    pending(&mut plan, claim);
    plan
}

/// Says that the claim waits, where nothing says anything yet.
fn pending(plan: &mut Plan, claim: &Value) {
    let written = plan
        .changes
        .iter()
        .any(|change| matches!(change, Change::Status(..)));
    if !written && text(claim, "/status/phase").is_empty() {
        let waiting = object::with_status(claim, json!({"phase": "Pending"}));
        plan.push(Change::Status(Kind::PersistentVolumeClaim, waiting));
    }
}

fn claim_reference(claim: &Value) -> Value {
    json!({
        "apiVersion": Kind::PersistentVolumeClaim.api_version(),
        "kind": Kind::PersistentVolumeClaim.name(),
        "namespace": namespace(claim),
        "name": name(claim),
        "uid": uid(claim),
    })
}

fn is_for(volume: &Value, claim: &Value) -> bool {
    let reference = volume.pointer("/spec/claimRef").unwrap_or(&Value::Null);
    let same = text(reference, "/namespace") == namespace(claim) && text(reference, "/name") == name(claim);
    same && matches!(text(reference, "/uid"), it if it.is_empty() || it == uid(claim))
}

/// A volume made by hand, or by us before we were interrupted.
fn ready_made<'a>(claim: &Value, class: &str, volumes: &[&'a Value]) -> Option<&'a Value> {
    let asked = text(claim, "/spec/volumeName");
    let free = |volume: &Value| volume.pointer("/spec/claimRef").is_none_or(Value::is_null);
    let fits = |volume: &Value| {
        text(volume, "/spec/storageClassName") == class
            && list(claim, "/spec/accessModes")
                .iter()
                .all(|mode| list(volume, "/spec/accessModes").contains(mode))
            && bytes(text(volume, "/spec/capacity/storage"))
                >= bytes(text(claim, "/spec/resources/requests/storage"))
    };
    let usable = |volume: &&&'a Value| !object::deleting(volume) && (free(volume) || is_for(volume, claim));
    let mut candidates: Vec<&'a Value> = volumes
        .iter()
        .filter(usable)
        .copied()
        .filter(|volume| {
            if asked.is_empty() {
                is_for(volume, claim) || fits(volume)
            } else {
                name(volume) == asked
            }
        })
        .collect();
    candidates.sort_by_key(|volume| {
        (
            !is_for(volume, claim),
            bytes(text(volume, "/spec/capacity/storage")),
        )
    });
    candidates.first().copied()
}

/// A quantity of storage in bytes; what cannot be read is nothing.
fn bytes(quantity: &str) -> u128 {
    let split = quantity
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(quantity.len());
    let (digits, unit) = quantity.split_at(split);
    let scale: u128 = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1000 * 1000,
        "G" => 1000u128.pow(3),
        "T" => 1000u128.pow(4),
        "P" => 1000u128.pow(5),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        _ => 0,
    };
    digits
        .parse::<u64>()
        .map_or(0, |number| u128::from(number) * scale)
}

fn provision(plan: &mut Plan, claim: Value, class: &Value, about: About) {
    let volume_name = format!("pvc-{}", uid(&claim));
    let size = text(&claim, "/spec/resources/requests/storage");
    let policy = text(class, "/reclaimPolicy");
    let volume = json!({
        "apiVersion": Kind::PersistentVolume.api_version(),
        "kind": Kind::PersistentVolume.name(),
        "metadata": {
            "name": volume_name,
            "annotations": {
                super::SIMULATED: "true",
                "pv.kubernetes.io/provisioned-by": PROVISIONER,
            },
        },
        "spec": {
            "capacity": {"storage": if size.is_empty() { "1Gi" } else { size }},
            "accessModes": list(&claim, "/spec/accessModes"),
            "volumeMode": claim.pointer("/spec/volumeMode").and_then(Value::as_str).unwrap_or("Filesystem"),
            "persistentVolumeReclaimPolicy": if policy.is_empty() { "Delete" } else { policy },
            "storageClassName": name(class),
            "claimRef": claim_reference(&claim),
            "csi": {"driver": PROVISIONER, "volumeHandle": volume_name},
        },
        "status": {"phase": "Bound"},
    });
    plan.push(Change::Create(Box::new(Creation {
        kind: Kind::PersistentVolume,
        object: volume.clone(),
        done: Some(Note::normal(
            about.clone(),
            "ProvisioningSucceeded",
            format!("Successfully provisioned volume {volume_name}"),
        )),
        failed: Some(Note::warning(
            about,
            "ProvisioningFailed",
            format!(
                "failed to provision volume with StorageClass \"{}\": {{error}}",
                name(class)
            ),
        )),
    })));
    bind(plan, claim, &volume);
}

fn bind(plan: &mut Plan, mut claim: Value, volume: &Value) {
    let before = claim.clone();
    if text(&claim, "/spec/volumeName").is_empty() {
        set(&mut claim, &["spec", "volumeName"], json!(name(volume)));
        set(
            &mut claim,
            &["metadata", "annotations", "pv.kubernetes.io/bound-by-controller"],
            json!("yes"),
        );
    }
    set(
        &mut claim,
        &["metadata", "annotations", "pv.kubernetes.io/bind-completed"],
        json!("yes"),
    );
    if claim != before {
        plan.push(Change::Update(Kind::PersistentVolumeClaim, claim.clone()));
    }
    let status = json!({
        "phase": "Bound",
        "accessModes": list(volume, "/spec/accessModes"),
        "capacity": volume.pointer("/spec/capacity"),
    });
    plan.push(Change::Status(
        Kind::PersistentVolumeClaim,
        object::with_status(&claim, status),
    ));
}

/// What is to be done for a volume: it follows its claim, and goes or stays when that goes.
pub(crate) fn desired_volume(volume: &Value, claim: Option<&Value>) -> Plan {
    let mut plan = Plan::default();
    let reference = volume
        .pointer("/spec/claimRef")
        .filter(|reference| !reference.is_null());
    let wanted = match reference {
        None => "Available",
        Some(reference) if text(reference, "/uid").is_empty() => "Available",
        Some(reference) if claim.is_some_and(|claim| uid(claim) == text(reference, "/uid")) => "Bound",
        Some(_) => "Released",
    };
    if object::deleting(volume) {
        return plan;
    }
    let ours = annotation(volume, "pv.kubernetes.io/provisioned-by") == PROVISIONER;
    if wanted == "Released" && ours && text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
        plan.push(Change::Delete(Target::of(Kind::PersistentVolume, volume)));
    } else if text(volume, "/status/phase") != wanted {
        let status = object::with_status(volume, json!({"phase": wanted}));
        plan.push(Change::Status(Kind::PersistentVolume, status));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::told::{status_of, told};

    fn class(name: &str, default: bool) -> Value {
        json!({"metadata": {"name": name, "annotations": {DEFAULT_CLASS: default.to_string()}},
            "provisioner": PROVISIONER, "reclaimPolicy": "Delete"})
    }

    fn claim(spec: &Value) -> Value {
        let mut claim = json!({
            "metadata": {"name": "data", "namespace": "shop", "uid": "c1"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        for (key, value) in spec.as_object().unwrap() {
            claim["spec"][key] = value.clone();
        }
        claim
    }

    fn plan(claim: &Value, volumes: &[Value], in_use: bool) -> Plan {
        let mut lazy = class("lazy", false);
        lazy["volumeBindingMode"] = json!("WaitForFirstConsumer");
        let mut manual = class("manual", false);
        manual["provisioner"] = json!(NO_PROVISIONER);
        let classes = [class("replicated", false), class("standard", true), lazy, manual];
        desired(&Slice {
            claim,
            classes: classes.iter().collect(),
            volumes: volumes.iter().collect(),
            in_use,
        })
    }

    const BOUND: [&str; 3] = [
        "create PersistentVolume pvc-c1",
        "update PersistentVolumeClaim data",
        "status PersistentVolumeClaim data",
    ];

    #[test]
    fn claims_are_bound_or_say_why_not() {
        let check = |spec: Value, in_use: bool, expect: &[&str]| {
            assert_eq!(told(&plan(&claim(&spec), &[], in_use)), expect);
        };
        let waits = "status PersistentVolumeClaim data";
        check(json!({}), false, &BOUND);
        check(json!({"storageClassName": "replicated"}), false, &BOUND);
        check(
            json!({"storageClassName": "fast"}),
            false,
            &[
                "! ProvisioningFailed: storageclass.storage.k8s.io \"fast\" not found",
                waits,
            ],
        );
        check(
            json!({"storageClassName": ""}),
            false,
            &[
                "- FailedBinding: no persistent volumes available for this claim and no storage class is set",
                waits,
            ],
        );
        check(
            json!({"storageClassName": "lazy"}),
            false,
            &[
                "- WaitForFirstConsumer: waiting for first consumer to be created before binding",
                waits,
            ],
        );
        check(json!({"storageClassName": "lazy"}), true, &BOUND);
        check(
            json!({"storageClassName": "manual"}),
            false,
            &[
                "! ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner",
                waits,
            ],
        );
        check(
            json!({"volumeName": "gone"}),
            false,
            &["! FailedBinding: volume \"gone\" not found", waits],
        );
    }

    #[test]
    fn a_provisioned_volume_carries_what_was_asked_for() {
        let plan = plan(&claim(&json!({})), &[], false);
        let Some(Change::Create(creation)) = plan.changes.first() else {
            panic!("{plan:?}")
        };
        let volume = &creation.object;
        assert_eq!(volume["spec"]["storageClassName"], "standard");
        assert_eq!(volume["spec"]["claimRef"]["uid"], "c1");
        assert_eq!(
            volume["metadata"]["annotations"]["sandbox.towpath.dev/simulated"],
            "true"
        );
        assert_eq!(
            status_of(&plan),
            json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}})
        );
    }

    #[test]
    fn a_bound_claim_is_left_alone() {
        let mut claim = claim(&json!({}));
        claim["status"] = json!({"phase": "Bound"});
        assert_eq!(told(&plan(&claim, &[], true)), Vec::<String>::new());
    }

    #[test]
    fn volumes_made_by_hand_are_taken_if_they_fit() {
        let volume = |size: &str, reference: Value| {
            json!({"metadata": {"name": format!("disk-{size}")}, "spec": {"storageClassName": "manual",
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "capacity": {"storage": size}, "claimRef": reference}})
        };
        let manual = claim(&json!({"storageClassName": "manual"}));
        let check = |volumes: &[Value], expect: &str| {
            assert_eq!(
                told(&plan(&manual, volumes, false)).first().map(String::as_str),
                Some(expect)
            );
        };
        let none = "! ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner";
        check(
            &[volume("10Gi", json!(null)), volume("2Gi", json!(null))],
            "update PersistentVolume disk-2Gi",
        );
        check(&[volume("512Mi", json!(null))], none);
        check(
            &[volume(
                "2Gi",
                json!({"namespace": "shop", "name": "other", "uid": "x"}),
            )],
            none,
        );
        check(
            &[
                volume("2Gi", json!({"namespace": "shop", "name": "data"})),
                volume("1Gi", json!(null)),
            ],
            "update PersistentVolume disk-2Gi",
        );
    }

    #[test]
    fn a_volume_follows_its_claim() {
        let volume = |policy: &str, phase: &str| {
            json!({"metadata": {"name": "pvc-c1", "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
                "spec": {"claimRef": {"uid": "c1"}, "persistentVolumeReclaimPolicy": policy}, "status": {"phase": phase}})
        };
        let claim = claim(&json!({}));
        let check = |volume: Value, claim: Option<&Value>, expect: &[&str]| {
            assert_eq!(told(&desired_volume(&volume, claim)), expect);
        };
        check(volume("Delete", "Bound"), Some(&claim), &[]);
        check(
            volume("Delete", ""),
            Some(&claim),
            &["status PersistentVolume pvc-c1"],
        );
        check(
            volume("Delete", "Bound"),
            None,
            &["delete PersistentVolume pvc-c1"],
        );
        check(
            volume("Retain", "Bound"),
            None,
            &["status PersistentVolume pvc-c1"],
        );
        check(volume("Retain", "Released"), None, &[]);
    }

    #[test]
    fn sizes_compare() {
        let check = |quantity: &str, expect: u128| assert_eq!(bytes(quantity), expect, "{quantity}");
        check("1Gi", 1 << 30);
        check("1G", 1_000_000_000);
        check("5", 5);
        check("", 0);
        check("much", 0);
        check("99999999999999999999Pi", 0);
    }
}
