//! How many replicas each ReplicaSet of a Deployment should have: rolling update, recreate, and
//! scaling in proportion. After `rolling.go`, `recreate.go` and `sync.go` of Kubernetes.

use serde_json::{Value, json};

use super::Sets;
use crate::life::object::{annotation, controller, created, number, set, text, uid};

const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// The numbers a Deployment asks for.
pub(super) struct Sizes {
    pub(super) replicas: i64,
    pub(super) surge: i64,
    pub(super) unavailable: i64,
    pub(super) rolling: bool,
}

impl Sizes {
    pub(super) fn of(deployment: &Value) -> Self {
        let replicas = number(deployment, "/spec/replicas")
            .unwrap_or(1)
            .clamp(0, i64::from(i32::MAX));
        if text(deployment, "/spec/strategy/type") == "Recreate" {
            return Self {
                replicas,
                surge: 0,
                unavailable: 0,
                rolling: false,
            };
        }
        let fence = |key: &str, up: bool| {
            let value = deployment.pointer(&format!("/spec/strategy/rollingUpdate/{key}"));
            scaled(value, replicas, up)
        };
        let surge = fence("maxSurge", true);
        let mut unavailable = fence("maxUnavailable", false);
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        Self {
            replicas,
            surge,
            unavailable: unavailable.min(replicas),
            rolling: true,
        }
    }

    fn most(&self) -> i64 {
        self.replicas + self.surge
    }
}

/// A number, or a share of the replicas; absent is a quarter.
fn scaled(value: Option<&Value>, replicas: i64, up: bool) -> i64 {
    let percent = match value {
        None | Some(Value::Null) => 25,
        Some(Value::Number(number)) => {
            return number.as_i64().unwrap_or_default().clamp(0, i64::from(i32::MAX));
        }
        Some(value) => {
            let digits = value.as_str().and_then(|text| text.strip_suffix('%'));
            digits
                .and_then(|digits| digits.parse::<i64>().ok())
                .unwrap_or_default()
                .clamp(0, 100_000)
        }
    };
    let product = replicas * percent;
    if up { (product + 99) / 100 } else { product / 100 }
}

/// The replicas a ReplicaSet is asked for.
pub(super) fn wanted(set: &Value) -> i64 {
    number(set, "/spec/replicas").unwrap_or(1)
}

fn available(set: &Value) -> i64 {
    number(set, "/status/availableReplicas").unwrap_or_default()
}

fn total<'a>(sets: impl Iterator<Item = &'a Value>, of: fn(&Value) -> i64) -> i64 {
    sets.map(of).sum()
}

/// Writes down what the Deployment asked for when the set was sized; scaling in proportion needs it.
pub(super) fn annotate(replica_set: &mut Value, sizes: &Sizes) {
    for (key, value) in [(DESIRED, sizes.replicas), (MAX, sizes.most())] {
        set(
            replica_set,
            &["metadata", "annotations", key],
            json!(value.to_string()),
        );
    }
}

fn resize(replica_set: &mut Value, size: i64, sizes: &Sizes) {
    set(replica_set, &["spec", "replicas"], json!(size));
    annotate(replica_set, sizes);
}

/// The size the new ReplicaSet may have now, given the others.
pub(super) fn room_for_new(sets: &Sets, sizes: &Sizes) -> i64 {
    if !sizes.rolling {
        return sizes.replicas;
    }
    let present = sets.current.as_ref().map_or(0, wanted);
    let all = total(sets.all(), wanted);
    if all >= sizes.most() {
        return present;
    }
    present + (sizes.most() - all).min(sizes.replicas - present)
}

/// Did the user ask for another number since the ReplicaSets were sized?
pub(super) fn scaling_event(sets: &Sets, sizes: &Sizes) -> bool {
    sets.all()
        .filter(|set| wanted(set) > 0)
        .filter_map(|set| annotation(set, DESIRED).parse::<i64>().ok())
        .any(|desired| desired != sizes.replicas)
}

/// Follows a change of the number of replicas, in the middle of a rollout or not.
pub(super) fn scale(deployment: &Value, sets: &mut Sets, sizes: &Sizes) {
    if let Some(only) = active_or_latest(sets) {
        if wanted(only) != sizes.replicas {
            resize(only, sizes.replicas, sizes);
        }
        return;
    }
    if sets
        .current
        .as_ref()
        .is_some_and(|current| saturated(current, sizes))
    {
        for old in sets.old.iter_mut().filter(|set| wanted(set) > 0) {
            resize(old, 0, sizes);
        }
        return;
    }
    if !sizes.rolling {
        return;
    }

    let newer_first = |left: &&mut Value, right: &&mut Value| created(right).cmp(&created(left));
    let mut active: Vec<&mut Value> = sets
        .old
        .iter_mut()
        .chain(&mut sets.current)
        .filter(|set| wanted(set) > 0)
        .collect();
    let present: i64 = active.iter().map(|set| wanted(set)).sum();
    let allowed = if sizes.replicas > 0 { sizes.most() } else { 0 };
    let to_add = allowed - present;
    active.sort_by(|left, right| {
        let age = newer_first(left, right);
        wanted(right)
            .cmp(&wanted(left))
            .then(if to_add > 0 { age } else { age.reverse() })
    });

    let mut added = 0;
    let mut targets: Vec<i64> = Vec::with_capacity(active.len());
    for replica_set in &active {
        let share = proportion(deployment, replica_set, sizes, to_add, added);
        added += share;
        targets.push(wanted(replica_set) + share);
    }
    if let Some(largest) = targets.first_mut() {
        *largest = (*largest + to_add - added).max(0);
    }
    for (replica_set, size) in active.into_iter().zip(targets) {
        resize(replica_set, size, sizes);
    }
}

fn proportion(deployment: &Value, replica_set: &Value, sizes: &Sizes, to_add: i64, added: i64) -> i64 {
    let size = wanted(replica_set);
    if size == 0 || to_add == 0 || to_add == added {
        return 0;
    }
    let fraction = if sizes.replicas == 0 {
        -size
    } else {
        let noted = annotation(replica_set, MAX)
            .parse::<i64>()
            .ok()
            .filter(|most| *most > 0);
        let before = noted
            .or_else(|| number(deployment, "/status/replicas"))
            .unwrap_or_default();
        if before == 0 {
            0
        } else {
            // Rounded half away from zero; both factors are bounded by 32 bits.
            (2 * size * sizes.most() + before) / (2 * before) - size
        }
    };
    let left = to_add - added;
    if to_add > 0 {
        fraction.min(left)
    } else {
        fraction.max(left)
    }
}

/// The only ReplicaSet with replicas; where none has any, the newest.
fn active_or_latest(sets: &mut Sets) -> Option<&mut Value> {
    match sets.all().filter(|set| wanted(set) > 0).count() {
        0 => sets.current.as_mut().or_else(|| sets.old.last_mut()),
        1 => sets
            .old
            .iter_mut()
            .chain(&mut sets.current)
            .find(|set| wanted(set) > 0),
        _ => None,
    }
}

fn saturated(replica_set: &Value, sizes: &Sizes) -> bool {
    annotation(replica_set, DESIRED).parse::<i64>().ok() == Some(sizes.replicas)
        && wanted(replica_set) == sizes.replicas
        && available(replica_set) == sizes.replicas
}

/// Recreate: asks the old pods to stop. True while some are still there.
pub(super) fn stop_old(sets: &mut Sets, sizes: &Sizes, pods: &[&Value]) -> bool {
    let mut scaled = false;
    for old in sets.old.iter_mut().filter(|set| wanted(set) > 0) {
        resize(old, 0, sizes);
        scaled = true;
    }
    let current = sets.current.as_ref().map(uid);
    scaled
        || pods.iter().any(|pod| {
            let owner = controller(pod).map(|(_, _, uid)| uid);
            owner != current && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
        })
}

/// Recreate: gives the new set all its replicas.
pub(super) fn fill_current(sets: &mut Sets, sizes: &Sizes) {
    if let Some(current) = sets.current.as_mut().filter(|set| wanted(set) != sizes.replicas) {
        resize(current, sizes.replicas, sizes);
    }
}

/// Rolling update: up as far as the surge allows, or else down as far as availability allows.
pub(super) fn roll(sets: &mut Sets, sizes: &Sizes) {
    let room = room_for_new(sets, sizes);
    if let Some(current) = &mut sets.current {
        let present = wanted(current);
        let target = if present > sizes.replicas {
            sizes.replicas
        } else {
            room
        };
        if target != present {
            resize(current, target, sizes);
            return;
        }
    }
    if total(sets.old.iter(), wanted) == 0 {
        return;
    }

    let least = sizes.replicas - sizes.unavailable;
    let new_unavailable = sets
        .current
        .as_ref()
        .map_or(0, |set| wanted(set) - available(set));
    let budget = total(sets.all(), wanted) - least - new_unavailable;
    if budget <= 0 {
        return;
    }
    // Replicas of old sets that are not available cost nothing to take away.
    let mut left = budget;
    for old in &mut sets.old {
        let sick = (wanted(old) - available(old)).clamp(0, left);
        if sick > 0 {
            resize(old, wanted(old) - sick, sizes);
            left -= sick;
        }
    }
    let mut spare = total(sets.all(), available) - least;
    for old in &mut sets.old {
        let step = spare.min(wanted(old));
        if step > 0 {
            resize(old, wanted(old) - step, sizes);
            spare -= step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_in_favour_of_availability() {
        let check = |value: Value, replicas: i64, up: bool, expect: i64| {
            assert_eq!(
                scaled(Some(&value), replicas, up),
                expect,
                "{value} of {replicas}"
            );
        };
        check(json!("25%"), 3, true, 1);
        check(json!("25%"), 3, false, 0);
        check(json!("100%"), 3, false, 3);
        check(json!(2), 3, true, 2);
        check(json!(-2), 3, true, 0);
        check(json!("nonsense"), 3, true, 0);
        check(Value::Null, 10, true, 3);
        check(Value::Null, 10, false, 2);
    }

    #[test]
    fn something_may_always_move() {
        let deployment = json!({"spec": {"replicas": 1, "strategy":
            {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}}});
        let sizes = Sizes::of(&deployment);
        assert_eq!((sizes.surge, sizes.unavailable), (0, 1));
    }
}
