//! What wakes what: orders that come, things that happen to what orders are about, policies that change, time that passes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::Pin;
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt};
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::Actor;
use super::acting::Acting;
use super::carry::Next;
use super::order::{Order, Reference};

/// After a change of policies, until there are no more of them.
const SETTLE: Duration = Duration::from_secs(1);
/// How many orders are carried out at once.
const AT_ONCE: usize = 8;
/// How many kinds are watched for the sake of what was made.
const KINDS: usize = 100;
/// Between two looks at schedules and labels, at the most.
const LONGEST: Duration = Duration::from_mins(1);
/// Until what failed for a policy is tried again, in seconds.
const AGAIN: i64 = 30;
/// After something changed that an order is about: it may change once more.
const PAUSE: i64 = 2;

/// What was heard.
enum Heard {
    /// Of an order, as it is.
    Order(Box<DynamicObject>),
    OrderGone(String),
    /// Of an object that an order may be about.
    Object(Reference, bool),
    /// Of all objects of a kind, after some time without hearing of them: any may have changed.
    Kind(String, String),
    Nothing,
}

/// What was looked for among the objects that were there already: policies by name, with what they said.
type Done = BTreeSet<(String, u64)>;

type Heards = Pin<Box<dyn Stream<Item = Heard> + Send>>;

/// Which orders are due when, and what each is about.
#[derive(Default)]
struct Plan {
    due: BTreeMap<String, i64>,
    about: HashMap<Reference, BTreeSet<String>>,
    orders: HashMap<String, Known>,
}

/// What is known of an order that was looked at.
#[derive(Default)]
struct Known {
    policy: String,
    /// As which object, and which of its specs.
    uid: String,
    generation: i64,
    about: Vec<Reference>,
}

impl Plan {
    /// No later than then.
    fn by(&mut self, name: &str, at: i64) {
        let due = self.due.entry(name.to_owned()).or_insert(at);
        *due = (*due).min(at);
    }

    fn forget(&mut self, name: &str) {
        self.due.remove(name);
        self.let_go(name);
    }

    fn let_go(&mut self, name: &str) {
        let Some(known) = self.orders.remove(name) else {
            return;
        };
        for reference in known.about {
            if let Some(orders) = self.about.get_mut(&reference) {
                orders.remove(name);
                if orders.is_empty() {
                    self.about.remove(&reference);
                }
            }
        }
    }

    fn learn(&mut self, name: &str, known: Known) {
        self.let_go(name);
        for reference in &known.about {
            let orders = self.about.entry(reference.clone()).or_default();
            orders.insert(name.to_owned());
        }
        self.orders.insert(name.to_owned(), known);
    }

    /// An order was written. It is due if it asks for something that was not looked at yet: what is written of how far
    /// it is, or heard late, is none.
    fn heard(&mut self, order: &Order, now: i64) {
        let looked_at = |known: &Known| known.uid == order.uid && known.generation >= order.generation;
        if !self.orders.get(&order.name).is_some_and(looked_at) {
            self.by(&order.name, now);
        }
    }

    /// How long nothing is due, and nothing is to be tried again.
    fn rest(&self, now: i64, again: &Again) -> Duration {
        let due = self.due.values().copied().min().unwrap_or(i64::MAX);
        let left = due.min(again.at).saturating_sub(now);
        Duration::from_secs(u64::try_from(left).unwrap_or_default().max(1))
    }

    /// Takes what is due, so many at the most.
    fn take(&mut self, now: i64) -> Vec<String> {
        let due = self.due.iter().filter(|(_, at)| **at <= now).take(AT_ONCE);
        let names: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        for name in &names {
            self.due.remove(name);
        }
        names
    }
}

/// When what failed for a policy is tried again, whatever happens until then.
struct Again {
    at: i64,
}

impl Again {
    fn after(now: i64) -> Again {
        Again { at: now + AGAIN }
    }

    /// Whether it is time, or the clock was set back; if so, the next time is set.
    fn is_due(&mut self, now: i64) -> bool {
        let due = now >= self.at || self.at > now + AGAIN;
        if due {
            *self = Again::after(now);
        }
        due
    }
}

impl Actor {
    /// Carries out, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let work = async { tokio::join!(self.keep_acting(), self.keep_cleaning()) };
        stop.run_until_cancelled(work).await;
    }

    async fn keep_acting(&self) {
        self.policies.has_read().await;
        let mut changes = self.policies.changes();
        let mut done = Done::new();
        let mut plan = Plan::default();
        let mut watched: HashSet<(String, String)> = HashSet::new();
        let mut heard: SelectAll<Heards> = SelectAll::new();
        heard.push(self.hear_orders());
        self.policies_changed(&mut plan, &mut done).await;
        let mut again = Again::after(self.now().as_second());
        loop {
            let now = self.now().as_second();
            if again.is_due(now) {
                let in_force = self.policies.in_force();
                if !in_force.acting.iter().all(|acting| done.contains(&acting.says())) {
                    self.policies_changed(&mut plan, &mut done).await;
                }
            }
            let names = plan.take(now);
            if !names.is_empty() {
                let carried = names.iter().map(|name| self.carry(name));
                let results = futures::future::join_all(carried).await;
                for (name, result) in names.iter().zip(results) {
                    let (known, at) = match result {
                        Ok(Some(carried)) => carried,
                        Ok(None) => {
                            plan.let_go(name);
                            continue;
                        }
                        Err(error) => {
                            tracing::warn!(%error, name, "a request to carry out cannot be read");
                            plan.by(name, now + AGAIN);
                            continue;
                        }
                    };
                    for reference in &known.about {
                        let kind = (reference.api_version.clone(), reference.kind.clone());
                        if watched.len() < KINDS
                            && !watched.contains(&kind)
                            && let Some(stream) = self.hear_kind(reference).await
                        {
                            watched.insert(kind);
                            heard.push(stream);
                        }
                    }
                    plan.learn(name, known);
                    plan.by(name, at);
                }
                continue;
            }
            let next = plan.rest(now, &again);
            tokio::select! {
                Some(heard) = heard.next() => self.take_in(&mut plan, heard),
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(SETTLE).await;
                    changes.mark_unchanged();
                    self.policies_changed(&mut plan, &mut done).await;
                }
                // The clock of this loop: the next order is due, or what failed is to be tried again.
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    /// What is known of an order and of what it is about.
    fn take_in(&self, plan: &mut Plan, heard: Heard) {
        let now = self.now().as_second();
        match heard {
            Heard::Order(object) => {
                let Some(order) = Order::read(&object) else {
                    return tracing::debug!(order = object.name_any(), "a request that cannot be read");
                };
                plan.heard(&order, now);
            }
            Heard::OrderGone(name) => plan.forget(&name),
            Heard::Object(reference, gone) => {
                let orders = plan.about.get(&reference).cloned().unwrap_or_default();
                for name in orders {
                    plan.by(&name, if gone { now } else { now + PAUSE });
                }
            }
            Heard::Kind(api_version, kind) => {
                let of_kind = |reference: &&Reference| {
                    (&reference.api_version, &reference.kind) == (&api_version, &kind)
                };
                let names: BTreeSet<String> = plan
                    .about
                    .keys()
                    .filter(of_kind)
                    .flat_map(|key| plan.about[key].clone())
                    .collect();
                for name in names {
                    plan.by(&name, now + PAUSE);
                }
            }
            Heard::Nothing => {}
        }
    }

    /// What policies changed, their orders are looked at again; what was there before them is looked for. A policy for
    /// which that failed counts as changed until it is done.
    async fn policies_changed(&self, plan: &mut Plan, done: &mut Done) {
        let in_force = self.policies.in_force();
        let mut new: Done = in_force.acting.iter().map(Acting::says).collect();
        let changed: BTreeSet<&str> = new
            .symmetric_difference(done)
            .map(|(name, _)| name.as_str())
            .collect();
        let now = self.now().as_second();
        let names: Vec<String> = plan
            .orders
            .iter()
            .filter(|(_, known)| changed.contains(known.policy.as_str()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            plan.by(&name, now);
        }
        for acting in &in_force.acting {
            let says = acting.says();
            if done.contains(&says) {
                continue;
            }
            if let Err(error) = self.order_existing(acting).await {
                tracing::warn!(%error, policy = acting.name, "not all that is there was acted on; will try again");
                new.remove(&says);
            }
        }
        *done = new;
    }

    /// Carries out an order as it is now. What is known of it then, and when it is looked at again; none once it is
    /// gone.
    async fn carry(&self, name: &str) -> Result<Option<(Known, i64)>, kube::Error> {
        let found = self.orders().get_opt(name).await?;
        let Some(order) = found.as_ref().and_then(Order::read) else {
            return Ok(None);
        };
        let (at, about) = match self.carry_out(&order).await {
            Ok(Next::Gone) => return Ok(None),
            Ok(Next::At(at, about)) => (at, about),
            Err(error) => {
                tracing::warn!(%error, name, "will try again");
                (self.now().as_second() + AGAIN, Vec::new())
            }
        };
        let known = Known {
            policy: order.spec.policy,
            uid: order.uid,
            generation: order.generation,
            about,
        };
        Ok(Some((known, at)))
    }

    fn hear_orders(&self) -> Heards {
        let events = watcher(self.orders(), watcher::Config::default()).default_backoff();
        Box::pin(events.map(|event| match event {
            Ok(watcher::Event::Apply(order) | watcher::Event::InitApply(order)) => {
                Heard::Order(Box::new(order))
            }
            Ok(watcher::Event::Delete(order)) => Heard::OrderGone(order.name_any()),
            Ok(_) => Heard::Nothing,
            Err(error) => {
                tracing::debug!(%error, "requests to carry out cannot be watched");
                Heard::Nothing
            }
        }))
    }

    /// What happens to objects of a kind, in the account's name. `None` where there is no such kind.
    async fn hear_kind(&self, reference: &Reference) -> Option<Heards> {
        let found = self
            .hands
            .kinds
            .find(&reference.api_version, &reference.kind)
            .await;
        let kind = found.ok().flatten()?;
        let api: Api<PartialObjectMeta<DynamicObject>> =
            Api::all_with(self.hands.client.clone(), &kind.resource);
        let (api_version, kind) = (reference.api_version.clone(), reference.kind.clone());
        let named = move |object: &PartialObjectMeta<DynamicObject>| Reference {
            api_version: api_version.clone(),
            kind: kind.clone(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: String::new(),
        };
        let all = (reference.api_version.clone(), reference.kind.clone());
        let events = watcher(api, watcher::Config::default()).default_backoff();
        Some(Box::pin(events.map(move |event| match event {
            Ok(watcher::Event::Apply(object)) => Heard::Object(named(&object), false),
            Ok(watcher::Event::Delete(object)) => Heard::Object(named(&object), true),
            Ok(watcher::Event::InitDone) => Heard::Kind(all.0.clone(), all.1.clone()),
            Ok(_) => Heard::Nothing,
            Err(error) => {
                tracing::debug!(%error, "what rules are about cannot be watched; it is looked at now and then");
                Heard::Nothing
            }
        })))
    }

    async fn keep_cleaning(&self) {
        self.policies.has_read().await;
        let mut changes = self.policies.changes();
        loop {
            let mut next = None;
            match self.clean().await {
                Ok(cleaned) => next = cleaned.next,
                Err(error) => tracing::warn!(%error, "not everything was deleted by schedule"),
            }
            match self.expire().await {
                Ok(expired) => next = [next, expired.next].into_iter().flatten().min(),
                Err(error) => tracing::debug!(%error, "not everything whose time is over was deleted"),
            }
            let until = next.map_or(LONGEST, |at| {
                let left = at.duration_since(self.now()).as_secs().clamp(1, 60);
                Duration::from_secs(left.unsigned_abs())
            });
            tokio::select! {
                () = tokio::time::sleep(until) => {}
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str) -> Reference {
        Reference {
            name: name.to_owned(),
            ..Reference::default()
        }
    }

    fn about(about: Vec<Reference>) -> Known {
        Known {
            about,
            ..Known::default()
        }
    }

    #[test]
    fn what_failed_is_tried_again_by_the_clock_not_by_what_is_due() {
        let mut plan = Plan::default();
        let mut again = Again::after(100);
        plan.by("a", 101);
        assert_eq!(
            plan.rest(100, &again),
            Duration::from_secs(1),
            "an order is due first"
        );
        assert!(!again.is_due(101), "that an order is due is no reason");
        assert!(!again.is_due(129));
        plan.forget("a");
        assert_eq!(
            plan.rest(110, &again),
            Duration::from_secs(20),
            "no later than that"
        );
        assert!(again.is_due(130));
        assert!(!again.is_due(159), "set anew");
        assert_eq!(plan.rest(135, &again), Duration::from_secs(25));
        assert!(again.is_due(200));
        assert_eq!(plan.rest(500, &again), Duration::from_secs(1));
        assert!(again.is_due(10), "the clock was set back");
        assert_eq!(plan.rest(10, &again), Duration::from_secs(30));
    }

    #[test]
    fn a_plan_knows_what_is_due_and_what_it_is_about() {
        let mut plan = Plan::default();
        plan.by("a", 10);
        plan.by("a", 20);
        plan.by("b", 30);
        plan.learn("a", about(vec![reference("x"), reference("y")]));
        plan.learn("b", about(vec![reference("x")]));
        assert_eq!(plan.take(9), Vec::<String>::new());
        assert_eq!(plan.take(10), ["a"]);
        assert_eq!(plan.take(10), Vec::<String>::new(), "it was taken");
        assert_eq!(plan.about[&reference("x")].len(), 2);
        plan.learn("a", about(vec![reference("y")]));
        assert_eq!(plan.about[&reference("x")].len(), 1);
        plan.forget("b");
        assert!(!plan.about.contains_key(&reference("x")) && plan.due.is_empty());
        plan.by("c", i64::MAX);
        for name in 0..20 {
            plan.by(&format!("n{name:02}"), 1);
        }
        assert_eq!(plan.take(1).len(), AT_ONCE, "not all at once");
    }

    #[test]
    fn an_order_is_due_once_for_each_of_its_specs() {
        let order = |uid: &str, generation| Order {
            name: "a".to_owned(),
            uid: uid.to_owned(),
            generation,
            ..Order::default()
        };
        let looked_at = |uid: &str, generation| Known {
            uid: uid.to_owned(),
            generation,
            ..Known::default()
        };
        let mut plan = Plan::default();
        plan.heard(&order("1", 1), 10);
        assert_eq!(plan.take(10), ["a"], "nothing is known of it");
        plan.learn("a", looked_at("1", 3));
        for late in 1..=3 {
            plan.heard(&order("1", late), 10);
            assert_eq!(plan.take(10), Vec::<String>::new(), "spec {late} is heard late");
        }
        plan.heard(&order("1", 4), 10);
        assert_eq!(plan.take(10), ["a"], "it asks for something else");
        plan.heard(&order("2", 1), 10);
        assert_eq!(plan.take(10), ["a"], "another of its name");
    }
}
