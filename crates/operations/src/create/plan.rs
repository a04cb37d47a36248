//! The plan of a create: everything that is decided before anything is written.

use api::{
    Application, ApplicationSpec, Autoscaling, CacheIntent, CacheType, DatabaseIntent, DatabaseType,
    GoldenPathReference, Kind, Name, NameError, Route,
};
use delivery::layout::platform_file;
use delivery::{ChangeSet, CommitId, RepoPath};
use expansion::{ExpandError, Expansion, Judgement, Place, judge};
use kube::api::{ObjectMeta, TypeMeta};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::CreateRequest;
use crate::catalog::Catalog;
use crate::error::OperationError;
use crate::guard::{Refusal, load_policies, now, refusals};
use crate::platform::Platform;
use crate::scaffold::{ScaffoldPlan, ScaffoldValues, languages};

/// Everything that is decided before anything is written.
pub(super) struct Plan {
    pub place: Place,
    pub path: RepoPath,
    /// The Application as it goes into Git.
    pub text: String,
    pub expansion: Expansion,
    pub judgement: Judgement,
    pub refusals: Vec<Refusal>,
    pub scaffold: Option<ScaffoldPlan>,
    pub existing: Existing,
    /// A digest of everything that was asked for.
    pub digest: String,
    pub database: Option<String>,
    pub cache: Option<String>,
    /// What should be said, though nothing is in the way.
    pub notes: Vec<String>,
    name: String,
    base: CommitId,
}

/// What Git has at the service's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing.
    Nothing,
    /// Exactly what is asked for.
    Same,
    /// Something else.
    Different,
}

impl Plan {
    pub(super) fn make(platform: &Platform, request: &CreateRequest) -> Result<Self, OperationError> {
        let name = named("service", &request.name)?;
        let settings = &platform.settings;
        let team_name = request
            .team
            .clone()
            .or_else(|| settings.team.clone())
            .ok_or_else(|| {
                OperationError::invalid_hint("which team is this service for?", "name it with --team")
            })?;
        let environment = request
            .environment
            .clone()
            .or_else(|| settings.environment.clone())
            .ok_or_else(|| {
                OperationError::invalid_hint(
                    "which environment is this service for?",
                    "name it with --environment",
                )
            })?;
        let team_name = named("team", &team_name)?;
        let environment = named("environment", &environment)?;
        let place = Place::of(team_name.as_str(), environment.as_str());
        if place.namespace.len() > 63 {
            return Err(OperationError::invalid(format!(
                "the namespace {} would be longer than 63 characters: choose a shorter team name",
                place.namespace
            )));
        }

        let (catalog, head) = Catalog::read(&platform.repository, settings)?;
        if catalog.environment(environment.as_str())?.is_none() {
            return Err(catalog.missing_environment(environment.as_str()));
        }
        uses(&catalog, &team_name, &environment)?;

        let spec = spec(request, &catalog)?;
        let mut application = Application {
            types: Some(TypeMeta {
                api_version: settings.group.api_version(),
                kind: Kind::Application.as_str().to_owned(),
            }),
            metadata: ObjectMeta {
                name: Some(name.to_string()),
                namespace: Some(place.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec,
            status: None,
        };
        let inputs = catalog
            .inputs(&application, &place)
            .map_err(|error| match error {
                OperationError::Expand(ExpandError::Unknown { name, known, .. }) => {
                    crate::golden_path::missing(&name, &known)
                }
                other => other,
            })?;
        let golden_path = inputs.golden_path();
        let notes = suits(&catalog, golden_path.name(), &application)?;
        if let Some(namesake) = catalog.namesake(name.as_str(), &place, &application.spec) {
            return Err(OperationError::Conflict {
                message: format!("{namesake} in {}", place.describe()),
                hint: Some("choose another name".to_owned()),
            });
        }
        let digest = digest(request, &application, &place);
        application.spec.golden_path = Some(GoldenPathReference {
            name: golden_path.name().to_owned(),
            version: Some(golden_path.version().to_owned()),
            digest: Some(golden_path.digest().to_owned()),
        });
        let intent = inputs.intent(&settings.group, &application, &place);
        let expansion = expansion::expand(&intent)?;
        let policies = load_policies(&catalog.snapshot)?;
        let judgement = judge(&intent, &expansion, &policies, &now());
        let at = (&settings.group, &place);
        let refusals = refusals(
            &judgement,
            &expansion,
            &policies,
            at,
            &catalog.environments(),
            &now(),
        );

        let text = yaml::emit(&manifest(&application));
        let path = delivery::layout::team_file(
            team_name.as_str(),
            environment.as_str(),
            Kind::Application,
            name.as_str(),
        )?;
        let existing = match catalog.text(&path) {
            None => Existing::Nothing,
            Some(there) if there == text => Existing::Same,
            Some(_) => Existing::Different,
        };
        let scaffold = match (&request.scaffold, &application.spec.language) {
            (Some(folder), Some(language)) => {
                let port = port(&application.spec)?;
                let values = ScaffoldValues::new(&name, &team_name, &environment, port).with(
                    application.spec.database.is_some(),
                    application.spec.cache.is_some(),
                );
                let plan = ScaffoldPlan::make(language, folder, &values, &catalog.snapshot)?;
                Some(plan)
            }
            _ => None,
        };
        let database = application.spec.database.as_ref().map(|_| format!("{name}-db"));
        let cache = application.spec.cache.as_ref().map(|_| format!("{name}-cache"));
        Ok(Self {
            place,
            path,
            text,
            expansion,
            judgement,
            refusals,
            scaffold,
            existing,
            digest,
            database,
            cache,
            notes,
            name: name.to_string(),
            base: head,
        })
    }

    /// The commit that makes it so. Its message names the run, so that a kill between the commit and the
    /// journal is no riddle.
    pub(super) fn change(&self, platform: &Platform, run: &str) -> ChangeSet {
        let message = format!(
            "Create {} in {}\n\nOperation: {run}\n",
            self.name,
            self.place.describe()
        );
        ChangeSet::new(message, platform.author.clone(), jiff::Timestamp::now())
            .write(self.path.clone(), self.text.as_bytes())
            .based_on(self.base.clone())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `namespace/name`.
    pub(super) fn subject(&self) -> String {
        format!("{}/{}", self.place.namespace, self.name)
    }

    pub(super) fn already_there(&self) -> OperationError {
        OperationError::Conflict {
            message: format!(
                "{} exists already in {}, as something else than is asked for",
                self.name,
                self.place.describe()
            ),
            hint: Some(format!(
                "look at it with: platform service get {}; change it in {}",
                self.name, self.path
            )),
        }
    }
}

fn named(what: &'static str, text: &str) -> Result<Name, OperationError> {
    Name::parse(what, text).map_err(|error: NameError| OperationError::Invalid {
        message: error.to_string(),
        hint: error.suggestion,
    })
}

/// Only a team that there is, in an environment that it uses, has services.
fn uses(catalog: &Catalog, name: &Name, environment: &Name) -> Result<(), OperationError> {
    let Some(team) = catalog.team(name.as_str())? else {
        return Err(crate::team::missing(catalog, name.as_str()));
    };
    let used = &team.spec.environments;
    if used.iter().any(|e| e.name == environment.as_str()) {
        return Ok(());
    }
    let used: Vec<String> = used.iter().map(|e| e.name.clone()).collect();
    Err(OperationError::invalid_hint(
        format!("team {name} does not use the environment {environment}"),
        format!(
            "it uses {}; add the other to spec.environments in {} by a commit",
            crate::team::listed(&used),
            platform_file(Kind::Team, name.as_str())?
        ),
    ))
}

/// `worker`, `base-service@1.0.0`.
fn reference(given: &str) -> GoldenPathReference {
    let (name, version) = match given.split_once('@') {
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (given, None),
    };
    GoldenPathReference {
        name: name.to_owned(),
        version,
        digest: None,
    }
}

/// A new service follows a path that is for it. Gives what should be said about the path.
fn suits(catalog: &Catalog, path: &str, application: &Application) -> Result<Vec<String>, OperationError> {
    let offers = catalog.offers()?;
    let problems = offers.misfits(path, &application.spec);
    if !problems.is_empty() {
        let name = application.metadata.name.as_deref().unwrap_or_default();
        return Err(ExpandError::Invalid {
            what: format!("Application {name}"),
            problems,
        }
        .into());
    }
    let deprecation = offers.get(path).and_then(expansion::Offer::deprecation);
    let notes = deprecation.map(|words| format!("golden path {path} is deprecated: {words}"));
    Ok(notes.into_iter().collect())
}

fn spec(request: &CreateRequest, catalog: &Catalog) -> Result<ApplicationSpec, OperationError> {
    if let Some(language) = &request.language {
        let known = languages(&catalog.snapshot);
        if !known.contains(language) {
            let known: Vec<_> = known.into_iter().collect();
            return Err(OperationError::invalid_hint(
                format!(
                    "there is no scaffold for the language \"{}\"",
                    language.escape_default()
                ),
                format!(
                    "there is {}; leave --language out for any other, with --image",
                    known.join(", ")
                ),
            ));
        }
    }
    if request.language.is_none() && request.image.is_none() && request.scaffold.is_some() {
        return Err(OperationError::invalid_hint(
            "what is this service made of?",
            "give --language for a new source repository, or --image for something that exists",
        ));
    }
    let database = request.database.as_deref().map(|given| {
        let (kind, version) = store(
            "database",
            given,
            DatabaseType::Postgres.as_str(),
            DatabaseType::VERSIONS,
        )?;
        debug_assert_eq!(kind, DatabaseType::Postgres.as_str());
        Ok::<_, OperationError>(DatabaseIntent {
            kind: DatabaseType::Postgres,
            version: Some(version),
            size: None,
            user: None,
            class: None,
            deletion_policy: None,
        })
    });
    let cache = request.cache.as_deref().map(|given| {
        let (_, version) = store("cache", given, CacheType::Redis.as_str(), CacheType::VERSIONS)?;
        Ok::<_, OperationError>(CacheIntent {
            kind: CacheType::Redis,
            version: Some(version),
            size: None,
            class: None,
        })
    });
    Ok(ApplicationSpec {
        image: request.image.clone(),
        language: request.language.clone(),
        golden_path: request.golden_path.as_deref().map(reference),
        replicas: request.replicas,
        autoscaling: request.autoscale.map(|(min, max)| Autoscaling {
            min: Some(min),
            max,
            cpu: None,
        }),
        route: (request.route || request.host.is_some()).then(|| Route {
            host: request.host.clone(),
            ..Route::default()
        }),
        schedule: request.schedule.clone(),
        time_zone: request.time_zone.clone(),
        size: request.size.clone(),
        port: request.port,
        database: database.transpose()?,
        cache: cache.transpose()?,
        ..ApplicationSpec::default()
    })
}

/// `postgres` or `postgres:17`; the version is written into Git, so that a new default changes nothing.
fn store(
    what: &str,
    given: &str,
    kind: &'static str,
    versions: &[&str],
) -> Result<(&'static str, String), OperationError> {
    let (name, version) = given.split_once(':').unwrap_or((given, versions[0]));
    if name != kind {
        return Err(OperationError::invalid_hint(
            format!("there is no {what} called \"{}\"", name.escape_default()),
            format!("there is {kind}"),
        ));
    }
    if !versions.contains(&version) {
        return Err(OperationError::invalid_hint(
            format!("{kind} {} is not offered", version.escape_default()),
            format!("there is {}", versions.join(", ")),
        ));
    }
    Ok((kind, version.to_owned()))
}

/// The port the scaffold listens on.
fn port(spec: &ApplicationSpec) -> Result<u16, OperationError> {
    let port = spec.port.unwrap_or(8080);
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| OperationError::invalid(format!("{port} is not a port: 1 to 65535")))
}

/// A digest of everything that was asked for, whatever golden path is the newest by now.
fn digest(request: &CreateRequest, application: &Application, place: &Place) -> String {
    let asked = json!({
        "place": place.namespace,
        "spec": application.spec,
        "scaffold": request.scaffold,
    });
    format!("{:x}", Sha256::digest(asked.to_string().as_bytes()))
}

fn manifest(application: &Application) -> Value {
    let mut value = json!(application);
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    value
}
