//! The sync loop: what Git asks for, in the cluster, and kept there.
//!
//! A round reads the branch's head, plans what each section (the platform, each namespace) shall hold, and
//! brings those sections there that are not known to be there already. Between rounds the loop sleeps until it
//! is nudged, until a synced object drifts or disappears, until a namespace it waits for appears, until another
//! process asks ([`request_sync`]), or until the interval is over, if there is one. Knows neither what an
//! Application means nor who runs the loop.

mod plan;
mod record;
mod section;
mod status;
mod struggle;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use api::{Group, MANAGER_SYNC};
use apply::{Applier, ObjectId, Tracking};
use futures::{StreamExt, stream};
use kube::Client;
use tokio::sync::{Notify, watch as status_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::layout;
use crate::path::{CommitId, RepoPath};
use crate::repository::Repository;
use crate::snapshot::{Finding, Snapshot};

use plan::{Section, SectionKey, plan};
use record::{Record, Records};
use section::{Report, Workshop};
use struggle::Struggles;
use watch::{Event, Watches};

pub use record::{STATUS, read_status, request_sync};
pub use status::SyncStatus;

/// How many namespaces are brought up to date at once.
const CONCURRENCY: usize = 8;
/// How soon a failed round is tried again at first, and at last.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Where the loop takes the time from.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// The sync loop of one infrastructure repository and one cluster.
pub struct Syncer {
    repository: Repository,
    group: Group,
    workshop: Arc<Workshop>,
    nudge: Arc<Notify>,
    interval: Option<Duration>,
    allow_empty: bool,
    clock: Clock,
    status: status_channel::Sender<SyncStatus>,
    known: Option<Known>,
    records: Option<BTreeMap<SectionKey, Record>>,
    /// What stood in the cluster after the last round, by section.
    clean: BTreeMap<SectionKey, Section>,
    request: Option<String>,
    failures: u32,
    struggles: Struggles,
}

/// What was read from Git last.
struct Known {
    head: CommitId,
    snapshot: Snapshot,
    revisions: BTreeMap<RepoPath, CommitId>,
    findings: Vec<Finding>,
    sections: BTreeMap<SectionKey, Section>,
}

impl Syncer {
    /// A loop that is not running yet. `group` is the platform's.
    pub fn new(repository: Repository, client: Client, group: Group) -> Self {
        let tracking = Tracking::new(group.annotation_tracking(), MANAGER_SYNC);
        let workshop = Workshop {
            applier: Applier::new(client.clone()),
            records: Records::new(client, group.clone()),
            group: group.clone(),
            tracking,
        };
        Self {
            repository,
            group,
            workshop: Arc::new(workshop),
            nudge: Arc::default(),
            interval: None,
            allow_empty: false,
            clock: Arc::new(jiff::Timestamp::now),
            status: status_channel::Sender::new(SyncStatus::default()),
            known: None,
            records: None,
            clean: BTreeMap::new(),
            request: None,
            failures: 0,
            struggles: Struggles::default(),
        }
    }

    /// Starts a round whenever this is notified.
    #[must_use]
    pub fn with_nudge(mut self, nudge: Arc<Notify>) -> Self {
        self.nudge = nudge;
        self
    }

    /// Starts a round at least this often: for remotes, which nobody can watch.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Lets a repository that asks for nothing at all remove everything. Without it that is taken for an
    /// accident.
    #[must_use]
    pub fn with_empty_allowed(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    /// Takes the time from somewhere else.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How the last round went, as it changes.
    pub fn status(&self) -> status_channel::Receiver<SyncStatus> {
        self.status.subscribe()
    }

    /// Syncs until `stop` is cancelled; a round that has begun is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut watches = Watches::start(self.workshop.applier.client().clone(), &self.group);
        let (nudge, interval) = (Arc::clone(&self.nudge), self.interval);
        while !stop.is_cancelled() {
            let again = self.round().await;
            self.watch_kinds(&mut watches).await;
            self.failures = if again { self.failures.saturating_add(1) } else { 0 };
            let retry = again.then(|| patience(self.failures));
            tokio::select! {
                () = stop.cancelled() => return,
                () = nudge.notified() => {}
                () = sleep(interval) => {}
                () = sleep(retry) => {}
                () = self.disturbance(&mut watches) => {}
            }
        }
    }

    /// Waits until something in the cluster asks for a round.
    async fn disturbance(&mut self, watches: &mut Watches) {
        while let Some(event) = watches.events.recv().await {
            let Some(mut delay) = self.disturbs(event) else {
                continue;
            };
            // What else has happened by now goes into the same round.
            while let Ok(event) = watches.events.try_recv() {
                delay = self.disturbs(event).map_or(delay, |other| other.min(delay));
            }
            tokio::time::sleep(delay).await;
            return;
        }
        pending::<()>().await;
    }

    /// Whether an event asks for a round, and how soon; marks the section that it is about.
    fn disturbs(&mut self, event: Event) -> Option<Duration> {
        match event {
            Event::Seen(id, object) => {
                let (key, planned) = self.planned(&id)?;
                let live = serde_json::to_value(&*object).unwrap_or_default();
                let leaving = object.metadata.deletion_timestamp.is_some();
                if leaving || apply::settled(&planned.value, &live, MANAGER_SYNC) {
                    return None;
                }
                let key = key.clone();
                self.clean.remove(&key);
                Some(self.struggles.note(id, Instant::now()))
            }
            Event::Gone(id) => {
                let key = self.planned(&id)?.0.clone();
                self.clean.remove(&key);
                Some(self.struggles.note(id, Instant::now()))
            }
            Event::Namespace(name) => self
                .status
                .borrow()
                .waiting
                .contains(&name)
                .then_some(Duration::ZERO),
            Event::Requested(at) => {
                let new = self.request.as_ref() != Some(&at);
                self.request = Some(at);
                new.then_some(Duration::ZERO)
            }
        }
    }

    fn planned(&self, id: &ObjectId) -> Option<(&SectionKey, &plan::Planned)> {
        let sections = &self.known.as_ref()?.sections;
        let spaced = id.namespace.clone().map(SectionKey::Namespace);
        [spaced, Some(SectionKey::Platform)]
            .into_iter()
            .flatten()
            .find_map(|key| {
                let (key, section) = sections.get_key_value(&key)?;
                section.find(id).map(|planned| (key, planned))
            })
    }

    async fn watch_kinds(&self, watches: &mut Watches) {
        let Some(known) = &self.known else { return };
        let kinds: BTreeSet<(String, String)> = known
            .sections
            .values()
            .flat_map(|section| &section.objects)
            .map(|planned| (planned.id.api_version(), planned.id.kind.clone()))
            .collect();
        for (api_version, kind) in kinds {
            if !watches.covers(&api_version, &kind)
                && let Ok(Some(kind)) = self.workshop.applier.kinds().find(&api_version, &kind).await
            {
                watches.watch(&kind);
            }
        }
    }

    /// One round; whether it should be tried again by itself.
    pub async fn round(&mut self) -> bool {
        let mut status = SyncStatus {
            rounds: self.status.borrow().rounds + 1,
            ..SyncStatus::default()
        };
        let mut again = false;
        match self.look().await {
            Ok(()) => {}
            Err(error) => {
                again = true;
                status.failure = Some(error.to_string());
            }
        }
        if self.records.is_none() {
            match self.workshop.records.load().await {
                Ok(records) => self.records = Some(records),
                Err(error) => {
                    again = true;
                    status
                        .failure
                        .get_or_insert(format!("cannot read the inventory: {}", plainly(&error)));
                }
            }
        }
        if let (Some(known), Some(records)) = (&self.known, &mut self.records) {
            status.revision = Some(known.head.to_string());
            status.findings.clone_from(&known.findings);
            status.objects = known.sections.values().map(|section| section.objects.len()).sum();
            let stands = records.values().any(|record| !record.items.is_empty());
            if status.objects == 0 && stands && !self.allow_empty {
                status.failure =
                    Some("the repository asks for nothing at all: nothing is removed".to_owned());
            } else {
                let reports = bring_all(&self.workshop, known, records, &self.clean).await;
                for (key, report) in reports {
                    if report.waiting
                        && let SectionKey::Namespace(namespace) = &key
                    {
                        status.waiting.push(namespace.clone());
                    }
                    again |= report.again;
                    if report.forget {
                        self.records = None;
                    }
                    if report.clean() {
                        self.clean
                            .insert(key.clone(), known.sections.get(&key).cloned().unwrap_or_default());
                    } else {
                        self.clean.remove(&key);
                    }
                    status.applied.extend(report.applied);
                    status.pruned.extend(report.pruned);
                    status.errors.extend(report.errors);
                }
                self.clean
                    .retain(|key, section| known.sections.contains_key(key) || !section.objects.is_empty());
            }
        }
        status.time = Some((self.clock)());
        self.tell(status).await;
        again
    }

    /// Publishes how the round went, to others only when there is news.
    async fn tell(&mut self, status: SyncStatus) {
        let news = {
            let before = self.status.borrow();
            let old = SyncStatus {
                rounds: status.rounds,
                time: status.time,
                ..before.clone()
            };
            before.rounds == 0 || old != status
        };
        if news && let Err(error) = self.workshop.records.publish(&status).await {
            tracing::warn!(error = plainly(&error), "the sync status cannot be written");
        }
        self.status.send_replace(status);
    }

    /// Reads Git, if it moved.
    async fn look(&mut self) -> Result<()> {
        let repository = self.repository.clone();
        let (group, tracking) = (self.group.clone(), self.workshop.tracking.clone());
        let before = self.known.take();
        let read = tokio::task::spawn_blocking(move || look(&repository, before, &group, &tracking)).await;
        match read {
            Ok((known, outcome)) => {
                self.known = known;
                outcome
            }
            Err(source) => Err(Error::Cluster {
                doing: "read the repository".to_owned(),
                source: Box::new(source),
            }),
        }
    }
}

/// Reads Git, if it moved. What was known stays known when that fails.
fn look(
    repository: &Repository,
    before: Option<Known>,
    group: &Group,
    tracking: &Tracking,
) -> (Option<Known>, Result<()>) {
    let fetched = repository.fetch();
    let head = match &fetched {
        Ok(head) => head.clone(),
        Err(_) if before.is_some() => return (before, fetched.map(drop)),
        // A remote that cannot be reached: what was fetched before still counts.
        Err(_) => match repository.head() {
            Ok(head) => head,
            Err(_) => return (None, fetched.map(drop)),
        },
    };
    if before.as_ref().is_some_and(|known| known.head == head) {
        return (before, fetched.map(drop));
    }
    match read(repository, before.as_ref(), head, group, tracking) {
        Ok(known) => (Some(known), fetched.map(drop)),
        Err(error) => (before, Err(error)),
    }
}

fn read(
    repository: &Repository,
    before: Option<&Known>,
    head: CommitId,
    group: &Group,
    tracking: &Tracking,
) -> Result<Known> {
    let snapshot = repository.tree(&head, before.map(|known| &known.snapshot))?;
    let desired = layout::read(&snapshot, group);
    let paths: BTreeSet<RepoPath> = desired.objects.iter().map(|object| object.path.clone()).collect();
    let known = before.map(|known| (&known.head, &known.revisions));
    let revisions = repository.last_commit_touching(&paths, &head, known)?;
    let sections = plan(&desired, &revisions, group, tracking);
    Ok(Known {
        head,
        snapshot,
        revisions,
        findings: desired.findings,
        sections,
    })
}

/// Brings all sections that need it to what they shall hold: the platform's first, namespaces side by side.
async fn bring_all(
    workshop: &Arc<Workshop>,
    known: &Known,
    records: &mut BTreeMap<SectionKey, Record>,
    clean: &BTreeMap<SectionKey, Section>,
) -> Vec<(SectionKey, Report)> {
    let broken: BTreeSet<String> = known
        .findings
        .iter()
        .map(|finding| finding.file.clone())
        .collect();
    let keys: BTreeSet<SectionKey> = known.sections.keys().chain(records.keys()).cloned().collect();
    let mut work = Vec::new();
    for key in keys {
        let section = match known.sections.get(&key) {
            Some(section) => section.clone(),
            None => Section {
                objects: Vec::new(),
                broken: broken.clone(),
            },
        };
        if clean.get(&key) != Some(&section) {
            let record = records.remove(&key).unwrap_or_default();
            work.push((key, section, record));
        }
    }
    let mut reports = Vec::new();
    let platform = work.iter().position(|(key, ..)| *key == SectionKey::Platform);
    if let Some((key, section, mut record)) = platform.map(|index| work.remove(index)) {
        let report = workshop.bring(&key, &section, &mut record).await;
        records.insert(key.clone(), record);
        reports.push((key, report));
    }
    let mut running = stream::iter(work)
        .map(|(key, section, mut record)| async move {
            let report = workshop.bring(&key, &section, &mut record).await;
            (key, record, report)
        })
        .buffer_unordered(CONCURRENCY);
    while let Some((key, record, report)) = running.next().await {
        if !record.items.is_empty() {
            records.insert(key.clone(), record);
        }
        reports.push((key, report));
    }
    reports.sort_by(|a, b| a.0.cmp(&b.0));
    reports
}

/// How long to wait after so many failures in a row.
fn patience(failures: u32) -> Duration {
    PATIENCE.0.saturating_mul(1 << failures.min(8)).min(PATIENCE.1)
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => pending().await,
    }
}

/// What the client said, without the client's own wrapping.
fn plainly(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
