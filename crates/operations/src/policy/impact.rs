//! What a policy would do to a fleet before it is added or tightened: which services of which teams in which
//! environments it would refuse, and why. Each Application is rendered once; which field of it is the cause is asked
//! for the first reasons alone, for that takes renders of its own.

mod cluster;
mod exceptions;
mod stage;

use std::collections::BTreeMap;
use std::path::Path;

use api::SYSTEM_NAMESPACE;
use apply::pointer;
use expansion::Finding;
use guardrails::{Clock, Outcome, Policies, Request, Verdict};
use serde::Serialize;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::check::CheckFinding;
use crate::error::{OperationError, nearest};
use crate::guard::{Refusal, policy_files};

pub use cluster::{ClusterImpact, ObjectImpact};
pub use exceptions::ImpactException;
pub use stage::{FieldToSet, Stage};

use super::cluster::{PolicyCluster, Selection};
use super::files::documents;
use exceptions::Exceptions;

/// For how many reasons the field of the Application is looked for.
const EXPLAINED: usize = 20;

/// What is asked.
#[derive(Clone, Debug)]
pub struct ImpactRequest {
    /// A file, or the name of a policy in Git or of one that ships.
    pub policy: String,
    /// The stage it would have; as it is otherwise.
    pub stage: Option<Stage>,
    /// The environment in which it would have that stage, and whose services are judged; all otherwise.
    pub environment: Option<String>,
    /// Seconds and nanoseconds since 1970, for exceptions that end.
    pub now: (i64, u32),
}

/// What becomes of a service or of an object, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It is refused.
    Refused,
    /// It is let through with a warning.
    Warned,
    /// It is let through and reported.
    Reported,
}

/// How many services there are and what becomes of them; each is counted once, by the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImpactCounts {
    /// How many were judged.
    pub services: usize,
    /// How many would be refused.
    pub refused: usize,
    /// How many would be warned of.
    pub warned: usize,
    /// How many would be reported.
    pub reported: usize,
}

impl ImpactCounts {
    fn count(&mut self, worst: Option<Effect>) {
        self.services += 1;
        match worst {
            Some(Effect::Refused) => self.refused += 1,
            Some(Effect::Warned) => self.warned += 1,
            Some(Effect::Reported) => self.reported += 1,
            None => {}
        }
    }
}

/// The services of a team in an environment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamImpact {
    /// The team.
    pub team: String,
    /// The environment.
    pub environment: String,
    /// What becomes of them.
    #[serde(flatten)]
    pub counts: ImpactCounts,
}

/// One reason.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImpactFinding {
    /// What becomes of the service.
    pub effect: Effect,
    /// The team.
    pub team: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
    /// Its file, the line of the cause, what is said and what to do.
    #[serde(flatten)]
    pub finding: CheckFinding,
}

/// What a policy would do.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// The policies of the file.
    pub policies: Vec<String>,
    /// Where they stand: a file, or `shipped/<file>`.
    pub source: String,
    /// The stage that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The environment that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What becomes of the services.
    pub counts: ImpactCounts,
    /// The same by team and environment.
    pub teams: Vec<TeamImpact>,
    /// The reasons, the worst first.
    pub findings: Vec<ImpactFinding>,
    /// Services that cannot be rendered, so that nothing can be said of them.
    pub unknown: Vec<CheckFinding>,
    /// What becomes of the objects of a cluster, if one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterImpact>,
    /// The exceptions from the policy.
    pub exceptions: Vec<ImpactException>,
    /// What to set in the policy's file for that stage.
    pub change: Vec<FieldToSet>,
}

/// Says what a policy would do to the services of a repository, and to the objects of a cluster if there is one.
pub fn policy_impact(
    catalog: &Catalog,
    cluster: Option<&PolicyCluster>,
    request: &ImpactRequest,
) -> Result<Impact, OperationError> {
    if let Some(name) = &request.environment
        && catalog.environment(name)?.is_none()
    {
        return Err(catalog.missing_environment(name));
    }
    let (asked, mut exceptions) = Asked::find(catalog, &request.policy)?.at(catalog, cluster, request)?;
    let clock = Clock(request.now);
    let mut impact = Impact {
        policies: asked.names.clone(),
        source: asked.source.clone(),
        stage: request.stage,
        environment: request.environment.clone(),
        counts: ImpactCounts::default(),
        teams: Vec::new(),
        findings: Vec::new(),
        unknown: Vec::new(),
        cluster: None,
        exceptions: Vec::new(),
        change: asked.change.clone(),
    };
    let mut teams: BTreeMap<(String, String), ImpactCounts> = BTreeMap::new();
    for (path, place, name) in catalog.service_paths() {
        let (Some(team), Some(environment)) = (place.team.clone(), place.environment.clone()) else {
            continue;
        };
        if request
            .environment
            .as_ref()
            .is_some_and(|only| *only != environment)
        {
            continue;
        }
        let rendered = catalog
            .service(path, place)
            .and_then(|service| Ok((catalog.expand(&service)?.0, service)));
        let (expansion, service) = match rendered {
            Ok(rendered) => rendered,
            Err(error) => {
                impact.unknown.push(CheckFinding::of(path.as_str(), &error));
                continue;
            }
        };
        let labels = service.place.labels(catalog.group());
        let mut worst = None;
        for object in expansion.objects.iter().chain(&expansion.claims) {
            let judged = asked.policies.evaluate(&Request {
                namespace_labels: &labels,
                facts: &clock,
                ..Request::new(object)
            });
            for verdict in judged {
                exceptions.count(&verdict);
                let Some(effect) = asked.effect(&verdict) else {
                    continue;
                };
                worst = worst.into_iter().chain([effect]).min();
                let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
                let finding = Finding {
                    kind: text("/kind").to_owned(),
                    name: text("/metadata/name").to_owned(),
                    verdict,
                    origin: None,
                };
                let said = Refusal::from(&finding);
                impact.findings.push(ImpactFinding {
                    effect,
                    team: team.clone(),
                    environment: environment.clone(),
                    service: name.to_owned(),
                    finding: CheckFinding {
                        line: None,
                        message: format!("{}: {}", said.policy, said.message),
                        hint: said.hint.clone(),
                        refusal: Some(said),
                        ..CheckFinding::at(path.as_str())
                    },
                });
            }
        }
        impact.counts.count(worst);
        teams.entry((team, environment)).or_default().count(worst);
    }
    impact.findings.sort_by_key(|finding| finding.effect);
    for finding in impact.findings.iter_mut().take(EXPLAINED) {
        explain(catalog, finding);
    }
    let teams = teams.into_iter();
    impact.teams = teams
        .map(|((team, environment), counts)| TeamImpact {
            team,
            environment,
            counts,
        })
        .collect();
    if let Some(cluster) = cluster {
        let judged = cluster::judge(cluster, catalog.group(), &asked, request, &mut exceptions)?;
        impact.cluster = Some(judged);
    }
    impact.exceptions = exceptions.told();
    Ok(impact)
}

/// Says which field of the Application is the cause, and its line.
fn explain(catalog: &Catalog, found: &mut ImpactFinding) {
    let place = expansion::Place::of(&found.team, &found.environment);
    let (Ok(path), Some(said)) = (
        delivery::RepoPath::new(found.finding.file.clone()),
        &mut found.finding.refusal,
    ) else {
        return;
    };
    let Ok(service) = catalog.service(&path, place) else {
        return;
    };
    let inputs = catalog.inputs(&service.application, &service.place);
    let (kind, name) = said.object.split_once(' ').unwrap_or_default();
    if let (Ok(inputs), Some(at)) = (inputs, &said.path) {
        let intent = inputs.intent(catalog.group(), &service.application, &service.place);
        if let Some(origin) = expansion::origin(&intent, kind, name, at) {
            (said.field, said.value) = (Some(origin.field), Some(origin.value));
        }
    }
    let document = &service.document;
    let at = said.field.as_deref().map(|field| pointer(field, &document.value));
    let place = at.and_then(|at| document.position(&at));
    found.finding.line = Some(place.map_or_else(|| document.line(), |place| place.line));
}

/// The policy that is asked about.
struct Found {
    source: String,
    documents: Vec<yaml::Document>,
}

/// The same at its stage.
struct Asked {
    source: String,
    names: Vec<String>,
    policies: Policies,
    /// The names of policies that warn of what they do not refuse.
    warning: Vec<String>,
    change: Vec<FieldToSet>,
}

impl Asked {
    /// A file, a policy in Git, one that ships.
    fn find(catalog: &Catalog, wanted: &str) -> Result<Found, OperationError> {
        let file = Path::new(wanted);
        if file.is_file() {
            return Ok(Found {
                source: wanted.to_owned(),
                documents: documents(file)?,
            });
        }
        let mut known = Vec::new();
        let shipped = expansion::builtin::policies().into_iter();
        let shipped = shipped.map(|(name, text)| (format!("shipped/{name}"), text));
        for (source, text) in policy_files(&catalog.snapshot).chain(shipped) {
            let documents = yaml::parse_all(&text)
                .map_err(|error| OperationError::invalid(format!("{source}: {error}")))?;
            let mut names = documents.iter().filter(|one| !is_exception(&one.value));
            if names.any(|one| one.value["metadata"]["name"] == wanted) {
                return Ok(Found { source, documents });
            }
            let names = documents
                .iter()
                .filter_map(|one| one.value["metadata"]["name"].as_str());
            known.extend(names.map(str::to_owned));
        }
        Err(OperationError::NotFound {
            what: "policy",
            name: wanted.chars().filter(|c| !c.is_control()).take(80).collect(),
            place: None,
            hint: Some(match nearest(wanted, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "give a file, or the name of a policy in platform/policies or of one that ships"
                    .to_owned(),
            }),
        })
    }
}

impl Found {
    /// Brings it to its stage, and takes the exceptions of the repository with it.
    fn at(
        self,
        catalog: &Catalog,
        cluster: Option<&PolicyCluster>,
        request: &ImpactRequest,
    ) -> Result<(Asked, Exceptions), OperationError> {
        let refused = |error: &dyn std::fmt::Display| OperationError::invalid(error.to_string());
        // As it is, for what is wrong with it has a line there.
        let whole = Policies::load(&self.source, &self.documents).map_err(|error| refused(&error))?;
        if whole.is_empty() {
            return Err(OperationError::invalid(format!(
                "{} holds no policy",
                self.source
            )));
        }
        let label = request
            .environment
            .as_ref()
            .map(|name| (catalog.group().label_environment(), name.clone()));
        let (mut values, mut change, mut warning) = (Vec::new(), Vec::new(), Vec::new());
        for document in self.documents {
            let mut value = document.value;
            if let Some(stage) = request.stage.filter(|_| !is_exception(&value)) {
                change.extend(stage.set(&mut value, label.as_ref())?);
            }
            let name = value["metadata"]["name"].as_str().unwrap_or_default();
            let actions = value["spec"]["validationActions"].as_array();
            if value["spec"]["emitWarning"] == true
                || actions.is_some_and(|all| all.iter().any(|action| action == "Warn"))
            {
                let bound = value["spec"]["policyName"].as_str();
                warning.push(bound.unwrap_or(name).to_owned());
            }
            values.push(value);
        }
        let (mut policies, refusals) = if request.stage == Some(Stage::Off) && label.is_none() {
            (Policies::default(), Vec::new())
        } else {
            Policies::from_values(&self.source, &values)
        };
        if let Some(refusal) = refusals.first() {
            return Err(refused(refusal));
        }
        let names: Vec<String> = whole.names().map(str::to_owned).collect();
        let mut exceptions = Exceptions::default();
        for value in values.iter().filter(|value| is_exception(value)) {
            exceptions.add(value, &names);
        }
        for (file, text) in policy_files(&catalog.snapshot) {
            let mut documents = yaml::parse_all(&text)
                .map_err(|error| OperationError::invalid(format!("{file}: {error}")))?;
            documents.retain(|document| is_exception(&document.value));
            for document in &documents {
                exceptions.add(&document.value, &names);
            }
            policies.merge(Policies::load(&file, &documents).map_err(|error| refused(&error))?);
        }
        if let Some(cluster) = cluster {
            policies.merge(exceptions_of(cluster, &mut exceptions, &names)?);
        }
        let asked = Asked {
            source: self.source,
            names,
            policies,
            warning,
            change,
        };
        Ok((asked, exceptions))
    }
}

/// The exceptions that a cluster has beside those of Git. One that cannot be read lets nothing through, and neither
/// does one that a team has in a namespace of its own.
fn exceptions_of(
    cluster: &PolicyCluster,
    known: &mut Exceptions,
    names: &[String],
) -> Result<Policies, OperationError> {
    let mut found = Policies::default();
    let wanted = |served: &guardrails::Served<'_>| {
        served.is_preferred() && served.group.ends_with("kyverno.io") && served.kind == "PolicyException"
    };
    let unseen = cluster.objects(&Selection::default(), &wanted, &mut |exception| {
        let metadata = &exception["metadata"];
        let name = |key: &str| metadata[key].as_str().unwrap_or_default();
        let counts = name("namespace") == SYSTEM_NAMESPACE;
        if counts && !known.has(&format!("{}/{}", name("namespace"), name("name"))) {
            known.add(&exception, names);
            found.merge(Policies::from_values("the cluster", [&exception]).0);
        }
        Ok(())
    })?;
    for error in unseen {
        tracing::info!(error, "exceptions of the cluster are not known");
    }
    Ok(found)
}

impl Asked {
    /// What comes of a verdict. What cannot be judged is no pass.
    fn effect(&self, verdict: &Verdict) -> Option<Effect> {
        if matches!(verdict.outcome, Outcome::Pass | Outcome::Skip) {
            return None;
        }
        let name = verdict.about.policy.rsplit('/').next().unwrap_or_default();
        Some(if verdict.refuses() {
            Effect::Refused
        } else if self.warning.iter().any(|one| one == name) {
            Effect::Warned
        } else {
            Effect::Reported
        })
    }
}

fn is_exception(document: &Value) -> bool {
    document["kind"] == "PolicyException"
}
