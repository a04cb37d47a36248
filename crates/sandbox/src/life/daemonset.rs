//! DaemonSets: one pod on each node that takes it, moved over to a new template node by node. After Kubernetes'
//! daemon set controller.
//!
//! A pure function; knows nothing of clients.

mod nodes;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::{About, Change, Creation, Note, Plan, Target};
use super::kind::Kind;
use super::object::{self, deleting, generation, label, name, number, share, text};
use super::refusal::Refusal;
use super::replicaset::{available_at, is_ready};
use super::revisions::{self, Revisions};
use nodes::Place;

/// The most pods made or deleted in one go.
const BURST: usize = 500;

/// What a DaemonSet is looked at with.
pub(crate) struct Slice<'a> {
    /// The DaemonSet.
    pub(crate) set: &'a Value,
    /// The nodes.
    pub(crate) nodes: Vec<&'a Value>,
    /// The pods it controls.
    pub(crate) pods: Vec<&'a Value>,
    /// The ControllerRevisions it controls.
    pub(crate) revisions: Vec<&'a Value>,
    /// Why its pods cannot be made at present.
    pub(crate) refusal: Option<&'a Refusal>,
}

/// What is to be done for a DaemonSet.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let set = slice.set;
    let mut plan = Plan::default();
    let revisions = Revisions::of(Kind::DaemonSet, set, &slice.revisions);
    let about = About::new(Kind::DaemonSet, set);
    let places = nodes::places(slice, revisions::template(&revisions.update));
    let look = Look {
        slice,
        hash: revisions::hash(&revisions.update),
        about: &about,
        now,
    };

    let mut moving = false;
    if !deleting(set) {
        if revisions.fresh {
            plan.push(Change::Create(Box::new(Creation {
                kind: Kind::ControllerRevision,
                object: revisions.update.clone(),
                done: None,
                failed: None,
            })));
        } else if revisions.renumbered {
            plan.push(Change::Update(Kind::ControllerRevision, revisions.update.clone()));
        }
        let mut wishes = look.keep(&places);
        if wishes.is_empty() && text(set, "/spec/updateStrategy/type") != "OnDelete" {
            wishes = look.roll(&places);
        }
        moving = look.carry_out(wishes, &revisions.update, &mut plan);
        let in_use = |revision: &Value| {
            let mut pods = slice.pods.iter();
            pods.any(|pod| label(pod, revisions::LABEL) == revisions::hash(revision))
        };
        for idle in revisions::superfluous(set, &slice.revisions, &revisions, &in_use) {
            plan.push(Change::Delete(Target::of(Kind::ControllerRevision, idle)));
        }
    }

    // Pods that come or go lead to the next look.
    let status = look.status(&places);
    if !moving && status != *object::status(set) {
        plan.push(Change::Status(Kind::DaemonSet, object::with_status(set, status)));
    }
    let minimum = number(set, "/spec/minReadySeconds").unwrap_or_default();
    let available = slice.pods.iter().filter_map(|pod| available_at(pod, minimum));
    if let Some(next) = available.filter(|at| *at > now).min() {
        plan.wake_at(next);
    }
    plan
}

/// What ought to happen to pods.
#[derive(Default)]
struct Wishes<'a> {
    /// Nodes that get one.
    make: Vec<&'a str>,
    /// Pods that go.
    drop: Vec<&'a Value>,
}

impl<'a> Wishes<'a> {
    fn is_empty(&self) -> bool {
        self.make.is_empty() && self.drop.is_empty()
    }

    /// The successor comes first, where one may be too many; otherwise once the old pod has gone.
    fn replace(&mut self, place: &Place<'a>, old: &'a Value, surge: usize) {
        if surge > 0 {
            self.make.push(place.node);
        } else {
            self.drop.push(old);
        }
    }
}

struct Look<'a> {
    slice: &'a Slice<'a>,
    /// Of the present template.
    hash: &'a str,
    about: &'a About,
    now: Timestamp,
}

impl<'a> Look<'a> {
    fn is_new(&self, pod: &Value) -> bool {
        label(pod, revisions::LABEL) == self.hash
    }

    fn is_available(&self, pod: &Value) -> bool {
        let minimum = number(self.slice.set, "/spec/minReadySeconds").unwrap_or_default();
        available_at(pod, minimum).is_some_and(|at| at <= self.now)
    }

    /// How many pods may be missing, and how many there may be too many, while a template is moved over to.
    fn slack(&self, places: &[Place<'_>]) -> (usize, usize) {
        let wanted = places.iter().filter(|place| place.wanted).count() as i64;
        let given = |field: &str| {
            let path = format!("/spec/updateStrategy/rollingUpdate/{field}");
            let share = self
                .slice
                .set
                .pointer(&path)
                .and_then(|value| share(value, wanted));
            share.map(|share| usize::try_from(share).unwrap_or_default())
        };
        match (
            given("maxUnavailable").unwrap_or(1),
            given("maxSurge").unwrap_or(0),
        ) {
            (0, 0) => (1, 0),
            slack => slack,
        }
    }

    /// One pod on each node that should have one, and none elsewhere.
    fn keep(&self, places: &[Place<'a>]) -> Wishes<'a> {
        let mut wishes = Wishes::default();
        let (_, surge) = self.slack(places);
        for place in places {
            let (over, live): (Vec<&Value>, Vec<&Value>) =
                place.pods.iter().partition(|pod| nodes::is_over(pod));
            wishes.drop.extend(over);
            if !place.tolerated {
                wishes.drop.extend(live);
                continue;
            }
            if place.pods.is_empty() {
                if place.wanted {
                    wishes.make.push(place.node);
                }
                continue;
            }
            // The oldest stays; while one may be too many, the oldest of each template.
            let (new, old): (Vec<&Value>, Vec<&Value>) =
                live.into_iter().partition(|pod| surge > 0 && self.is_new(pod));
            wishes
                .drop
                .extend(new.into_iter().skip(1).chain(old.into_iter().skip(1)));
        }
        wishes
    }

    /// The next step from old templates to the present one.
    fn roll(&self, places: &[Place<'a>]) -> Wishes<'a> {
        let mut wishes = Wishes::default();
        let (unavailable, surge) = self.slack(places);
        let mut candidates = Vec::new();
        let mut spent = 0;
        for place in places.iter().filter(|place| place.wanted) {
            let new = place.pods.iter().find(|pod| self.is_new(pod));
            let old = place.pods.iter().find(|pod| !self.is_new(pod));
            match (new, old) {
                (Some(new), None) => spent += usize::from(surge == 0 && !self.is_available(new)),
                // What serves nobody need not wait for its turn.
                (None, Some(old)) if !self.is_available(old) => {
                    spent += usize::from(surge == 0);
                    wishes.replace(place, old, surge);
                }
                (None, Some(old)) => candidates.push((place, *old)),
                (Some(new), Some(old)) if self.is_available(new) => wishes.drop.push(old),
                (None, None) | (Some(_), Some(_)) => spent += 1,
            }
        }
        let room = if surge > 0 { surge } else { unavailable };
        for (place, old) in candidates.into_iter().take(room.saturating_sub(spent)) {
            wishes.replace(place, old, surge);
        }
        wishes
    }

    /// True when pods come or go.
    fn carry_out(&self, wishes: Wishes<'_>, revision: &Value, plan: &mut Plan) -> bool {
        let mut moving = false;
        for pod in wishes.drop.into_iter().filter(|pod| !deleting(pod)).take(BURST) {
            moving = true;
            plan.push(Change::Delete(Target::of(Kind::Pod, pod)));
            let message = format!("Deleted pod: {}", name(pod));
            plan.note(Note::normal(self.about.clone(), "SuccessfulDelete", message));
        }
        if wishes.make.is_empty() {
            return moving;
        }
        if let Some(refusal) = self.slice.refusal {
            if let Some(again) = refusal.again {
                plan.wake_at(again);
            }
            if refusal.say {
                let message = format!("Error creating: {}", refusal.message);
                plan.note(Note::warning(self.about.clone(), "FailedCreate", message).once());
            }
            return moving;
        }
        for node in wishes.make.into_iter().take(BURST) {
            moving = true;
            plan.push(Change::Create(Box::new(Creation {
                kind: Kind::Pod,
                object: nodes::new_pod(self.slice.set, revision, node),
                done: Some(Note::normal(
                    self.about.clone(),
                    "SuccessfulCreate",
                    "Created pod: {name}",
                )),
                failed: Some(Note::warning(
                    self.about.clone(),
                    "FailedCreate",
                    "Error creating: {error}",
                )),
            })));
        }
        moving
    }

    fn status(&self, places: &[Place<'_>]) -> Value {
        let (mut wanted, mut current, mut astray, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
        for place in places {
            if !place.wanted {
                astray += i64::from(!place.pods.is_empty());
                continue;
            }
            wanted += 1;
            let Some(pod) = place.pods.first() else { continue };
            current += 1;
            let serving = place.pods.iter().find(|pod| is_ready(pod) && !deleting(pod));
            ready += i64::from(serving.is_some());
            available += i64::from(serving.is_some_and(|pod| self.is_available(pod)));
            updated += i64::from(self.is_new(serving.unwrap_or(pod)));
        }
        let mut status = Map::new();
        for (key, count) in [
            ("currentNumberScheduled", current),
            ("numberMisscheduled", astray),
            ("desiredNumberScheduled", wanted),
            ("numberReady", ready),
        ] {
            status.insert(key.to_owned(), json!(count));
        }
        // Kubernetes leaves these out when they are zero.
        for (key, count) in [
            ("observedGeneration", generation(self.slice.set)),
            ("updatedNumberScheduled", updated),
            ("numberAvailable", available),
            ("numberUnavailable", wanted - available),
        ] {
            if count > 0 {
                status.insert(key.to_owned(), json!(count));
            }
        }
        Value::Object(status)
    }
}

#[cfg(test)]
mod tests;
