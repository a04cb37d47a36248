//! `create_team`: from a wish to boundaries that stand, and nothing left behind when it does not get there.
//!
//! The same saga as that of a service: each step is in the journal before it runs, the same command goes on with a
//! half-done run, and what fails before the commit is synced is undone.

use std::time::{Duration, Instant};

use api::{Group, Kind, Name, NameError, Team, TeamEnvironment, TeamSpec};
use delivery::layout::{platform_file, reserved};
use delivery::{ChangeSet, CommitId, Outcome as GitOutcome, RepoPath};
use expansion::expand_team;
use kube::api::{ObjectMeta, TypeMeta};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::holdings::{Owner, owner};
use super::quota;
use super::view::{TeamView, get_team};
use super::{CREATE, subject, teams};
use crate::catalog::Catalog;
use crate::create::{Lap, STEP_COMMIT, plural, settle};
use crate::error::OperationError;
use crate::journal::{Outcome, Run, RunLog, Subject};
use crate::operation;
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::synced::unless_refused;
use crate::wait::{Impatience, Patience, unless_stuck};

/// How long the boundaries in a real cluster may fail before that counts.
const GRACE: Duration = Duration::from_secs(20);
/// No text of a team is longer than this.
const TEXT_LIMIT: usize = 500;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct TeamRequest {
    /// The team's name.
    pub name: String,
    /// Everything but its environments.
    pub spec: TeamSpec,
    /// The environments it uses; all there are when empty.
    pub environments: Vec<String>,
    /// Its quotas, as typed: `requests.cpu=20,pods=80`, `production:pods=200`.
    pub quotas: Vec<String>,
    /// Stop before anything is written.
    pub dry_run: bool,
    /// How long to wait for the boundaries.
    pub timeout: Duration,
    /// The command as it was typed, for the journal.
    pub typed: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct TeamCreated {
    /// The team as it stands; absent after a dry run.
    pub team: Option<TeamView>,
    /// How many objects its boundaries have.
    pub objects: usize,
    /// What is written, or would be.
    pub manifest: String,
    /// Where its file is in the infrastructure repository.
    pub path: String,
    /// Whether there was nothing to do.
    pub unchanged: bool,
    /// How long it took.
    pub took: Duration,
}

/// Everything that is decided before anything is written.
struct Plan {
    name: String,
    path: RepoPath,
    text: String,
    digest: String,
    objects: usize,
    namespaces: Vec<String>,
    /// What Git has: nothing, the same, something else.
    existing: Option<bool>,
    base: CommitId,
}

/// Makes a team, or goes on where an earlier run of the same request stopped.
pub async fn create_team(
    platform: &Platform,
    request: &TeamRequest,
    reporter: &dyn Reporter,
    cancel: &CancellationToken,
) -> Result<TeamCreated, OperationError> {
    let begun = Instant::now();
    let mut lap = Lap::new(reporter);
    let plan = Plan::make(platform, request)?;
    let left = earlier_run(platform, &plan)?;
    if plan.existing == Some(false) && left.is_none() {
        return Err(already_there(&plan));
    }
    let before = namespaces_before(platform, &plan).await?;
    lap.done("checked the request", String::new(), String::new());
    lap.done(
        "expanded the boundaries",
        format!(
            "{}, {}",
            plural(plan.namespaces.len(), "namespace"),
            plural(plan.objects, "object")
        ),
        String::new(),
    );
    let mut created = TeamCreated {
        team: None,
        objects: plan.objects,
        manifest: plan.text.clone(),
        path: plan.path.to_string(),
        unchanged: plan.existing == Some(true) && left.is_none(),
        took: Duration::ZERO,
    };
    if request.dry_run {
        created.took = begun.elapsed();
        return Ok(created);
    }
    let patience = Patience::new(request.timeout, cancel.clone());
    patience.check()?;
    if created.unchanged {
        reporter.note(&format!(
            "The team {} is already in Git as asked; nothing is written.",
            plan.name
        ));
        let commit = last_commit(platform, &plan)?;
        platform.sync_soon().await?;
        unless_stuck(platform, stands(platform, &plan, &commit, &patience, &mut lap)).await?;
    } else {
        if let Some(log) = &left {
            reporter.note(&format!(
                "Going on with the run of {} that was left half done.",
                log.time
            ));
        }
        let mut run = match left {
            Some(log) => platform.journal.reopen(log)?,
            None => platform.journal.begin(
                Subject {
                    command: CREATE.to_owned(),
                    target: platform.target.id(),
                    service: subject(&plan.name),
                    digest: plan.digest.clone(),
                    typed: request.typed.clone(),
                },
                json!({"there": before}),
                jiff::Timestamp::now(),
            )?,
        };
        match write(platform, &plan, &mut run, &patience, &mut lap).await {
            Ok(()) => run.finish(Outcome::Done, jiff::Timestamp::now())?,
            Err(error) => {
                settle(platform, &mut run, &error, reporter).await?;
                return Err(error);
            }
        }
    }
    created.team = Some(get_team(platform, &plan.name).await?);
    created.took = begun.elapsed();
    Ok(created)
}

impl Plan {
    fn make(platform: &Platform, request: &TeamRequest) -> Result<Self, OperationError> {
        let name =
            Name::parse("team", &request.name).map_err(|error: NameError| OperationError::Invalid {
                message: error.to_string(),
                hint: error.suggestion,
            })?;
        let (catalog, base) = Catalog::read(&platform.repository, &platform.settings)?;
        let group = platform.group();
        let environments = environments(&catalog, &request.environments)?;
        let mut spec = TeamSpec {
            environments,
            ..request.spec.clone()
        };
        quota::give(&mut spec.environments, &request.quotas)?;
        texts_are_plain(&spec)?;
        let team = Team {
            types: Some(TypeMeta {
                api_version: group.api_version(),
                kind: Kind::Team.as_str().to_owned(),
            }),
            metadata: ObjectMeta {
                name: Some(name.to_string()),
                ..ObjectMeta::default()
            },
            spec,
            status: None,
        };
        let boundaries = expand_team(group, &team, &*expansion::builtin::golden_path("team")?)?;
        let namespaces: Vec<String> = team
            .spec
            .environments
            .iter()
            .map(|environment| Group::namespace(name.as_str(), &environment.name))
            .collect();
        none_is_reserved(&namespaces)?;
        others_have_none(&catalog, name.as_str(), &namespaces)?;
        let existing = catalog.team(name.as_str())?.map(|there| there.spec == team.spec);
        let mut manifest = json!(team);
        if let Some(map) = manifest.as_object_mut() {
            map.remove("status");
        }
        Ok(Self {
            path: platform_file(Kind::Team, name.as_str())?,
            text: yaml::emit(&manifest),
            digest: format!("{:x}", Sha256::digest(manifest.to_string().as_bytes())),
            objects: boundaries.len(),
            namespaces,
            existing,
            base,
            name: name.to_string(),
        })
    }
}

/// The environments that are asked for, or all, in the order of promotion.
fn environments(catalog: &Catalog, asked: &[String]) -> Result<Vec<TeamEnvironment>, OperationError> {
    let all: Vec<String> = catalog
        .environments_in_order()?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for name in asked {
        if !all.contains(name) {
            return Err(catalog.missing_environment(name));
        }
    }
    let wanted = if asked.is_empty() { all } else { asked.to_vec() };
    if wanted.is_empty() {
        return Err(OperationError::invalid_hint(
            "there is no environment for the team to use",
            "the platform's environments are in platform/environments/ of the infrastructure repository",
        ));
    }
    Ok(wanted
        .into_iter()
        .map(|name| TeamEnvironment {
            name,
            ..TeamEnvironment::default()
        })
        .collect())
}

/// What people write about a team is a line of text each.
fn texts_are_plain(spec: &TeamSpec) -> Result<(), OperationError> {
    let contacts = spec.contacts.clone().unwrap_or_default();
    for (what, text) in [
        ("display name", &spec.display_name),
        ("owner", &spec.owner),
        ("cost centre", &spec.cost_centre),
        ("registry", &spec.registry),
        ("chat", &contacts.chat),
        ("mail", &contacts.mail),
        ("on-call contact", &contacts.on_call),
    ] {
        let Some(text) = text else { continue };
        if text.trim().is_empty() || text.len() > TEXT_LIMIT || text.chars().any(misleads) {
            return Err(OperationError::invalid_hint(
                format!("this cannot be the {what} of a team"),
                format!("one line of at most {TEXT_LIMIT} characters; leave the option out for none"),
            ));
        }
    }
    Ok(())
}

/// Whether a character is there to be obeyed and not to be read: of a terminal, or of the direction of writing.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The cluster's own namespaces and the platform's are nobody's.
fn none_is_reserved(namespaces: &[String]) -> Result<(), OperationError> {
    match namespaces.iter().find(|namespace| reserved(namespace)) {
        None => Ok(()),
        Some(namespace) => Err(OperationError::invalid_hint(
            format!("the namespace {namespace} is not for teams"),
            "choose another name",
        )),
    }
}

/// Two teams whose names and environments run together, `a-b` in `c` and `a` in `b-c`, cannot share a namespace.
fn others_have_none(catalog: &Catalog, name: &str, namespaces: &[String]) -> Result<(), OperationError> {
    for other in catalog.teams().into_iter().filter(|other| other != name) {
        let Some(team) = catalog.team(&other)? else {
            continue;
        };
        for environment in &team.spec.environments {
            let namespace = Group::namespace(&other, &environment.name);
            if namespaces.contains(&namespace) {
                return Err(OperationError::Conflict {
                    message: format!("the namespace {namespace} belongs to team {other}"),
                    hint: Some("choose another name".to_owned()),
                });
            }
        }
    }
    Ok(())
}

fn already_there(plan: &Plan) -> OperationError {
    OperationError::Conflict {
        message: format!(
            "team {} exists already, as something else than is asked for",
            plan.name
        ),
        hint: Some(format!(
            "look at it with: platform team get {}; change it by a commit to {} in the infrastructure repository",
            plan.name, plan.path
        )),
    }
}

fn earlier_run(platform: &Platform, plan: &Plan) -> Result<Option<RunLog>, OperationError> {
    let (target, subject) = (platform.target.id(), subject(&plan.name));
    let mine = |run: &RunLog| run.subject.target == target && run.subject.service == subject;
    let Some(run) = platform.journal.unfinished().into_iter().rfind(mine) else {
        return Ok(None);
    };
    if run.subject.command == CREATE && run.subject.digest == plan.digest {
        return Ok(Some(run));
    }
    Err(operation::half_done(&run))
}

/// The uids of the team's namespaces from an earlier life. Those of others are in the way.
async fn namespaces_before(platform: &Platform, plan: &Plan) -> Result<Vec<String>, OperationError> {
    let mut there = Vec::new();
    for namespace in &plan.namespaces {
        match owner(platform, &plan.name, namespace).await? {
            Owner::Nobody => {}
            Owner::Team { uid } => there.push(uid),
            Owner::Other => {
                return Err(OperationError::Conflict {
                    message: format!(
                        "the namespace {namespace} is in the cluster already, and is not of team {}",
                        plan.name
                    ),
                    hint: Some(format!(
                        "choose another name; or hand the namespace over: kubectl label namespace {namespace} {}={}",
                        platform.group().label_team(),
                        plan.name
                    )),
                });
            }
        }
    }
    Ok(there)
}

/// The step that writes, and the wait for what it brings about.
async fn write(
    platform: &Platform,
    plan: &Plan,
    run: &mut Run,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(), OperationError> {
    crate::fault::point("begin", "after");
    patience.check()?;
    lap.started("committing");
    run.starting(STEP_COMMIT, json!({"path": plan.path.as_str()}))?;
    crate::fault::point(STEP_COMMIT, "before");
    let message = format!("Create team {}\n\nOperation: {}\n", plan.name, run.log.id);
    let change = ChangeSet::new(message, platform.author.clone(), jiff::Timestamp::now())
        .write(plan.path.clone(), plan.text.as_bytes())
        .based_on(plan.base.clone());
    let commit = match platform.repository.commit(&change)? {
        GitOutcome::Committed { id, .. } => id,
        GitOutcome::NothingChanged { .. } => last_commit(platform, plan)?,
    };
    crate::fault::point(STEP_COMMIT, "after");
    run.done(STEP_COMMIT, json!({"commit": commit.as_str()}))?;
    let by = format!("{} by {}", commit.short(), platform.author.name());
    lap.done("committed to infrastructure", by, plan.path.to_string());
    platform.sync_soon().await?;
    crate::fault::point("ready", "before");
    unless_stuck(platform, stands(platform, plan, &commit, patience, lap)).await?;
    crate::fault::point("ready", "after");
    Ok(())
}

fn last_commit(platform: &Platform, plan: &Plan) -> Result<CommitId, OperationError> {
    let head = platform.repository.head()?;
    let log = platform.repository.log(&head, Some(&plan.path), 1)?;
    Ok(log.into_iter().next().map_or(head, |entry| entry.id))
}

/// Waits until the boundaries stand as `commit` says.
async fn stands(
    platform: &Platform,
    plan: &Plan,
    commit: &CommitId,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(), OperationError> {
    let waiting = boundaries(platform, plan, commit, patience, lap);
    unless_refused(platform, plan.path.as_str(), commit, patience, waiting).await
}

async fn boundaries(
    platform: &Platform,
    plan: &Plan,
    commit: &CommitId,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(), OperationError> {
    let revision = platform.group().annotation_revision();
    let look = format!("look at it with: platform team get {}", plan.name);
    let mut state = "waiting for the sync loop".to_owned();
    let mut synced = false;
    lap.started("syncing");
    loop {
        let outcome = patience
            .watch(teams(platform), &plan.name, |team| {
                let team = team?;
                let at = team.metadata.annotations.as_ref().and_then(|a| a.get(&revision));
                if at.map(String::as_str) != Some(commit.as_str()) {
                    return None;
                }
                if !std::mem::replace(&mut synced, true) {
                    lap.done("synced", commit.short().to_owned(), String::new());
                    lap.started("waiting for the boundaries");
                    "waiting for the operator".clone_into(&mut state);
                }
                verdict(team)
            })
            .await;
        match outcome {
            Ok(Ok(words)) => {
                lap.done("boundaries stand", words, String::new());
                return Ok(());
            }
            Ok(Err(reason)) => {
                let recovered = |team: Option<&Team>| verdict(team?)?.ok();
                if !platform.is_embedded() {
                    match patience
                        .at_most(GRACE)
                        .watch(teams(platform), &plan.name, recovered)
                        .await
                    {
                        Ok(_) => continue,
                        Err(Impatience::TimeUp(_)) => {}
                        Err(impatience) => return Err(impatience.explain(&plan.name, reason, look)),
                    }
                }
                return Err(OperationError::Unhealthy {
                    service: subject(&plan.name),
                    health: "not ready".to_owned(),
                    reason,
                    hint: format!(
                        "{look}; it stays as asked until you change it in {} or delete it",
                        plan.path
                    ),
                });
            }
            Err(impatience) => return Err(impatience.explain(&subject(&plan.name), state, look)),
        }
    }
}

/// What the operator says of a team's boundaries, once it has seen this spec.
fn verdict(team: &Team) -> Option<Result<String, String>> {
    let status = team.status.as_ref()?;
    if status.observed_generation != team.metadata.generation {
        return None;
    }
    let ready = status.conditions.iter().find(|c| c.kind == "Ready")?;
    Some(if ready.status == "True" {
        Ok(ready.message.clone())
    } else {
        Err(ready.message.clone())
    })
}
