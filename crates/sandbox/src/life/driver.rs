//! The loop that ties the pure controllers to the API: news come in, those concerned look again, and
//! their plans are carried out side by side, one at a time for each object.
//!
//! It waits for news, finished writes and the next moment somebody asked for, and for nothing else.

mod shown;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::mpsc;

use super::change::Plan;
use super::kind::Kind;
use super::recorder::Recorder;
use super::refusal::Refusal;
use super::watch::{self, News};
use super::world::{Key, World};
use super::write::{self, Effect, Progress, Trouble};
use super::{LifeOptions, links, seed};
use crate::clock::Clock;

/// How much news may wait.
const QUEUE: usize = 1024;
/// How many plans are carried out at the same time.
const ABREAST: usize = 128;
/// The first and the longest time to wait after the API refused something.
const FIRST_PAUSE: i64 = 1;
const LONGEST_PAUSE: i64 = 300;

pub(super) async fn run(client: kube::Client, options: LifeOptions, shutdown: impl Future<Output = ()>) {
    let (sender, mut news) = mpsc::channel(QUEUE);
    let mut followers: FuturesUnordered<_> = Kind::ALL
        .into_iter()
        .map(|kind| watch::follow(client.clone(), kind, Arc::clone(&options.clock), sender.clone()))
        .collect();
    drop(sender);
    let (recorder, writing) = Recorder::new(client.clone(), Arc::clone(&options.clock));
    let mut driver = Driver::new(client, options, recorder);

    let living = async {
        let mut shutdown = pin!(shutdown);
        let mut batch = Vec::new();
        loop {
            driver.start_what_is_due();
            let alarm = driver.alarm();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some((key, progress)) = driver.running.next() => driver.went_on(key, progress),
                count = news.recv_many(&mut batch, 256) => {
                    if count == 0 {
                        break;
                    }
                    for message in batch.drain(..) {
                        driver.heard(message);
                    }
                }
                () = alarm => driver.ring(),
                Some(()) = followers.next() => {}
            }
        }
        drop(news);
        while let Some((key, progress)) = driver.running.next().await {
            driver.last_words(key, progress);
        }
        // The recorder goes with the driver, and the writing of events ends.
        drop(driver);
    };
    futures::join!(living, writing);
}

/// A moment at which an object asked to be looked at.
type Alarms = BTreeSet<(Timestamp, Key)>;

struct Driver {
    client: kube::Client,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    options: LifeOptions,
    world: World,
    /// Kinds whose first list has not come yet.
    unlisted: HashSet<Kind>,
    queue: VecDeque<Key>,
    queued: HashSet<Key>,
    /// Objects whose plan is being carried out.
    busy: HashSet<Key>,
    /// Busy objects to be looked at again.
    again: HashSet<Key>,
    /// Objects whose moment has come.
    woken: HashSet<Key>,
    alarms: Alarms,
    alarm_of: HashMap<Key, Timestamp>,
    /// What the API refused, how often in a row, and until when to leave it alone.
    refused: HashMap<Key, (i64, Refusal)>,
    running: FuturesUnordered<BoxFuture<'static, (Key, Progress)>>,
}

impl Driver {
    fn new(client: kube::Client, options: LifeOptions, recorder: Recorder) -> Self {
        Self {
            client,
            recorder,
            clock: Arc::clone(&options.clock),
            options,
            world: World::default(),
            unlisted: Kind::ALL.into_iter().collect(),
            queue: VecDeque::new(),
            queued: HashSet::new(),
            busy: HashSet::new(),
            again: HashSet::new(),
            woken: HashSet::new(),
            alarms: Alarms::new(),
            alarm_of: HashMap::new(),
            refused: HashMap::new(),
            running: FuturesUnordered::new(),
        }
    }

    /// Takes in what a watch said.
    fn heard(&mut self, news: News) {
        match news {
            News::Changed(kind, object) => self.put(kind, object),
            News::Gone(key, uid) => self.remove(&key, &uid),
            News::Listed(kind, objects, version) => {
                let listed = watch::places(kind, &objects);
                for (key, uid) in self.world.vanished(kind, &listed, version) {
                    self.remove(&key, &uid);
                }
                for object in objects {
                    self.put(kind, object);
                }
                if self.unlisted.remove(&kind) && self.unlisted.is_empty() {
                    self.begin();
                }
            }
        }
    }

    /// Everything has been seen once.
    fn begin(&mut self) {
        let exists = |kind: Kind, name: &str| self.world.get(kind, "", name).is_some();
        let plan = seed::desired(self.options.nodes, &exists, self.clock.now());
        // Seeding is nobody's business in particular; the first node's place stands for it.
        self.carry_out(Key::new(Kind::StorageClass, "", ""), plan);
    }

    fn put(&mut self, kind: Kind, object: Value) {
        let key = Key::of(kind, &object);
        let before = self.world.at(&key).cloned();
        if !self.world.put(kind, object) {
            return;
        }
        if let Some(before) = before {
            // What was refused was asked for by what is not there any more.
            if self.world.at(&key).map(|object| &object["spec"]) != Some(&before["spec"]) {
                self.refused.remove(&key);
            }
            self.enqueue_all(links::concerned(&self.world, kind, &before));
        }
        if let Some(object) = self.world.at(&key) {
            self.enqueue_all(links::concerned(&self.world, kind, object));
        }
    }

    fn remove(&mut self, key: &Key, uid: &str) {
        if let Some(object) = self.world.remove(key, uid) {
            self.enqueue_all(links::concerned(&self.world, key.kind, &object));
            self.set_alarm(key, None);
            self.refused.remove(key);
        }
    }

    fn enqueue_all(&mut self, keys: Vec<Key>) {
        for key in keys {
            if self.busy.contains(&key) {
                self.again.insert(key);
            } else if self.queued.insert(key.clone()) {
                self.queue.push_back(key);
            }
        }
    }

    fn start_what_is_due(&mut self) {
        if !self.unlisted.is_empty() {
            return;
        }
        while self.running.len() < ABREAST {
            let Some(key) = self.queue.pop_front() else { return };
            self.queued.remove(&key);
            let now = self.clock.now();
            let mut plan = self.plan(&key, now);
            self.woken.remove(&key);
            if plan.changes.is_empty() && plan.wake.is_some_and(|wake| wake <= now) {
                // Nothing to do and due already: a contradiction that must not become a busy loop.
                tracing::warn!(kind = %key.kind, name = key.name, "asked to look again at once for nothing");
                plan.wake = now.checked_add(SignedDuration::from_secs(1)).ok();
            }
            self.set_alarm(&key, plan.wake);
            if plan.changes.is_empty() {
                self.settled(&key);
            } else {
                self.carry_out(key, plan);
            }
        }
    }

    fn carry_out(&mut self, key: Key, plan: Plan) {
        let (client, recorder) = (self.client.clone(), self.recorder.clone());
        self.busy.insert(key.clone());
        self.running.push(
            async move {
                let progress = write::advance(&client, &recorder, plan.changes).await;
                (key, progress)
            }
            .boxed(),
        );
    }

    /// Takes in how far a plan got, and goes on with it.
    fn went_on(&mut self, key: Key, progress: Progress) {
        for effect in progress.effects {
            match effect {
                Effect::Now(kind, object) => self.put(kind, object),
                Effect::Gone(key, uid) => self.remove(&key, &uid),
            }
        }
        if progress.trouble.is_none() && !progress.rest.is_empty() {
            self.carry_out(
                key,
                Plan {
                    changes: progress.rest,
                    wake: None,
                },
            );
            return;
        }
        self.busy.remove(&key);
        match progress.trouble {
            None => {
                self.refused.remove(&key);
            }
            // The news of what made it outdated is on its way, or has come and asked for another look.
            Some(Trouble::Outdated) => {}
            Some(Trouble::NotCreated(message)) => self.refuse(&key, message),
            Some(Trouble::Failed(message)) => {
                tracing::warn!(kind = %key.kind, namespace = key.namespace, name = key.name, message, "a write failed");
                self.refuse(&key, message);
            }
        }
        if self.again.remove(&key) {
            self.enqueue_all(vec![key.clone()]);
        }
        self.settled(&key);
    }

    /// A plan's end during shutdown: what is under way is finished, nothing new begins.
    fn last_words(&mut self, _key: Key, progress: Progress) {
        let notes = progress.rest.into_iter().map_while(|change| match change {
            super::change::Change::Note(note) => Some(note),
            _ => None,
        });
        if progress.trouble.is_none() {
            notes.for_each(|note| self.recorder.tell(note));
        }
    }

    fn refuse(&mut self, key: &Key, message: String) {
        let times = self.refused.get(key).map_or(0, |(times, _)| *times) + 1;
        let doublings = u32::try_from(times - 1).unwrap_or_default().min(16);
        let pause = (FIRST_PAUSE << doublings).min(LONGEST_PAUSE);
        let again = super::object::seconds_after(self.clock.now(), pause);
        let refusal = Refusal {
            message,
            again: Some(again),
            say: false,
        };
        self.refused.insert(key.clone(), (times, refusal));
        self.set_alarm(key, Some(again));
        self.enqueue_all(vec![key.clone()]);
    }

    /// Pods and volumes hold still until their claims have been looked at, so that nobody says too early that a
    /// claim is not bound.
    fn settled(&mut self, key: &Key) {
        if key.kind == Kind::PersistentVolumeClaim && !self.queued.contains(key) {
            let mut others = links::waiting_for_claim(&self.world, &key.namespace, &key.name);
            // A volume whose claim is gone by now has nobody else who would wake it.
            others.extend(links::volumes_of_claim(&self.world, &key.namespace, &key.name));
            self.enqueue_all(others);
        }
    }

    fn is_settled(&self, key: &Key) -> bool {
        !self.busy.contains(key) && !self.queued.contains(key)
    }

    fn set_alarm(&mut self, key: &Key, moment: Option<Timestamp>) {
        if let Some(before) = self.alarm_of.remove(key) {
            self.alarms.remove(&(before, key.clone()));
        }
        if let Some(moment) = moment {
            self.alarms.insert((moment, key.clone()));
            self.alarm_of.insert(key.clone(), moment);
        }
    }

    /// Resolves when the next moment has come.
    fn alarm(&self) -> BoxFuture<'static, ()> {
        match self.alarms.first() {
            Some((moment, _)) => self.clock.sleep_until(*moment),
            None => futures::future::pending().boxed(),
        }
    }

    fn ring(&mut self) {
        let now = self.clock.now();
        while let Some((moment, key)) = self.alarms.first().cloned() {
            if moment > now {
                break;
            }
            self.set_alarm(&key, None);
            self.woken.insert(key.clone());
            self.enqueue_all(vec![key]);
        }
    }
}
