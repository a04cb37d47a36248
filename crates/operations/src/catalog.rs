//! What Git says there is: services, teams, environments.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use api::{
    Application, ApplicationSpec, Capabilities, Environment, EnvironmentSpec, Group, Kind, Team, TeamSpec,
};
use apply::pointer;
use delivery::layout::{platform_file, team_file};
use delivery::{CommitId, RepoPath, Repository, Snapshot};
use expansion::{Expansion, GoldenPath, GoldenPaths, Intent, Place};
use serde::de::DeserializeOwned;

use crate::blueprint::Settings;
use crate::error::OperationError;
use crate::offers::golden_paths;

/// The infrastructure repository at one commit, or a folder with the same layout.
#[derive(Debug)]
pub struct Catalog {
    /// What the repository says about the platform as a whole.
    pub settings: Settings,
    /// Its files.
    pub snapshot: Snapshot,
    /// The golden paths that there are, read when they are first needed.
    offers: OnceLock<GoldenPaths>,
}

/// A service's file.
#[derive(Debug)]
pub struct ServiceFile {
    /// Where it is in the repository.
    pub path: RepoPath,
    /// Where the service runs.
    pub place: Place,
    /// What it says.
    pub application: Application,
    /// The document it was read from, for positions.
    pub document: yaml::Document,
}

/// A name that two things would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namesake {
    /// The name.
    pub name: String,
    /// What has it.
    pub by: String,
}

impl fmt::Display for Namesake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name {} is taken by {}", self.name, self.by)
    }
}

fn claim_suffix(kind: Kind) -> &'static str {
    if kind == Kind::Database { "-db" } else { "-cache" }
}

fn claims(spec: &ApplicationSpec, kind: Kind) -> bool {
    if kind == Kind::Database {
        spec.database.is_some()
    } else {
        spec.cache.is_some()
    }
}

impl Catalog {
    /// Reads a repository at its head.
    pub fn read(repository: &Repository, settings: &Settings) -> Result<(Self, CommitId), OperationError> {
        let head = repository.head()?;
        let snapshot = repository.tree(&head, None)?;
        Ok((Self::new(settings.clone(), snapshot), head))
    }

    /// Reads a repository at a commit, settings included.
    pub fn at(repository: &Repository, commit: &CommitId) -> Result<Self, OperationError> {
        let snapshot = repository.tree(commit, None)?;
        let settings = Settings::of(&snapshot, repository.path())?;
        Ok(Self::new(settings, snapshot))
    }

    /// Reads a folder with the layout of an infrastructure repository.
    pub fn of_folder(path: &Path) -> Result<Self, OperationError> {
        let snapshot = Snapshot::of_folder(path)?;
        if snapshot.files.is_empty() {
            return Err(OperationError::invalid_hint(
                format!("{} holds neither platform/ nor teams/", path.display()),
                "give the folder of an infrastructure repository; platform check takes one manifest file, too",
            ));
        }
        let file = RepoPath::new(delivery::layout::SETTINGS)?;
        let settings = match snapshot.files.get(&file) {
            Some(file) => Settings::parse(&String::from_utf8_lossy(&file.contents))?,
            None => Settings::standalone(),
        };
        Ok(Self::new(settings, snapshot))
    }

    /// The catalog of a platform that has no files here; of a group, if that is known.
    pub fn of_nothing(group: Option<Group>) -> Self {
        let mut settings = Settings::standalone();
        settings.group = group.unwrap_or(settings.group);
        Self::new(settings, Snapshot::default())
    }

    /// The catalog of files in memory.
    pub fn new(settings: Settings, snapshot: Snapshot) -> Self {
        Self {
            settings,
            snapshot,
            offers: OnceLock::new(),
        }
    }

    /// The golden paths that services can follow: those that ship, and those that Git adds or changes.
    pub fn offers(&self) -> Result<&GoldenPaths, OperationError> {
        if let Some(known) = self.offers.get() {
            return Ok(known);
        }
        let read = golden_paths(&self.snapshot, self.group())?;
        Ok(self.offers.get_or_init(|| read))
    }

    /// The text of a file.
    pub fn text(&self, path: &RepoPath) -> Option<String> {
        let file = self.snapshot.files.get(path)?;
        Some(String::from_utf8_lossy(&file.contents).into_owned())
    }

    /// The path and place of every service's file.
    pub fn service_paths(&self) -> impl Iterator<Item = (&RepoPath, Place, &str)> {
        self.snapshot.files.keys().filter_map(|path| {
            let mut parts = path.as_str().split('/');
            let (root, team, environment, folder, file, rest) = (
                parts.next()?,
                parts.next()?,
                parts.next()?,
                parts.next()?,
                parts.next()?,
                parts.next(),
            );
            let name = file.strip_suffix(".yaml")?;
            (root == "teams" && folder == "applications" && rest.is_none())
                .then(|| (path, Place::of(team, environment), name))
        })
    }

    /// The one service called `name`, in the team and environment where they are given.
    pub fn find(
        &self,
        name: &str,
        team: Option<&str>,
        environment: Option<&str>,
    ) -> Result<ServiceFile, OperationError> {
        let matches: Vec<_> = self
            .service_paths()
            .filter(|(_, place, n)| {
                *n == name
                    && team.is_none_or(|t| place.team.as_deref() == Some(t))
                    && environment.is_none_or(|e| place.environment.as_deref() == Some(e))
            })
            .collect();
        match &matches[..] {
            [] => Err(self.missing(name, team, environment)),
            [(path, place, _)] => self.service(path, place.clone()),
            several => {
                let places: Vec<_> = several.iter().map(|(_, place, _)| place.describe()).collect();
                Err(OperationError::invalid_hint(
                    format!(
                        "there are {} services called \"{name}\": in {}",
                        several.len(),
                        places.join(", ")
                    ),
                    "say which with --team and --environment",
                ))
            }
        }
    }

    /// What else in Git has the name of this service, or of its database or cache. The objects of either would have the
    /// same names.
    pub(crate) fn namesake(&self, name: &str, place: &Place, spec: &ApplicationSpec) -> Option<Namesake> {
        let (team, environment) = (place.team.as_deref()?, place.environment.as_deref()?);
        let file = |kind: Kind, name: &str| {
            let path = team_file(team, environment, kind, name).ok()?;
            self.snapshot.files.contains_key(&path).then_some(path)
        };
        let taken = |name: &str, by: String| {
            let name = name.to_owned();
            Some(Namesake { name, by })
        };
        for (kind, what) in [(Kind::Database, "database"), (Kind::Cache, "cache")] {
            if let Some(path) = file(kind, name) {
                return taken(name, format!("the {what} in {path}"));
            }
            let Some(owner) = name.strip_suffix(claim_suffix(kind)) else {
                continue;
            };
            let owned =
                file(Kind::Application, owner).and_then(|path| self.service(&path, place.clone()).ok());
            if owned.is_some_and(|service| claims(&service.application.spec, kind)) {
                return taken(name, format!("the {what} of the service {owner}"));
            }
        }
        for (kind, what) in [(Kind::Database, "database"), (Kind::Cache, "cache")] {
            let claim = format!("{name}{}", claim_suffix(kind));
            if claims(spec, kind) && file(Kind::Application, &claim).is_some() {
                return taken(
                    &claim,
                    format!("a service, and the {what} of {name} would have it"),
                );
            }
        }
        None
    }

    fn missing(&self, name: &str, team: Option<&str>, environment: Option<&str>) -> OperationError {
        let near = self
            .service_paths()
            .map(|(_, place, n)| (strsim::levenshtein(n, name), n, place))
            .filter(|(distance, _, _)| *distance <= 2)
            .min_by_key(|(distance, _, _)| *distance);
        let place = match (team, environment) {
            (Some(team), Some(environment)) => Some(format!("{team}/{environment}")),
            (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
            (None, None) => None,
        };
        OperationError::NotFound {
            what: "service",
            name: name.to_owned(),
            place,
            hint: Some(match near {
                Some((_, near, place)) => format!("did you mean \"{near}\" in {}?", place.describe()),
                None => "platform service list shows those there are".to_owned(),
            }),
        }
    }

    /// Reads a service's file.
    pub fn service(&self, path: &RepoPath, place: Place) -> Result<ServiceFile, OperationError> {
        let text = self
            .text(path)
            .ok_or_else(|| OperationError::invalid(format!("{path}: it is not there")))?;
        let document = yaml::parse(&text).map_err(|e| OperationError::invalid(format!("{path}: {e}")))?;
        let mut application: Application =
            typed(&self.settings.group, Kind::Application, path.as_str(), &document)?;
        application.metadata.namespace = Some(place.namespace.clone());
        Ok(ServiceFile {
            path: path.clone(),
            place,
            application,
            document,
        })
    }

    /// An environment, if Git has it.
    pub fn environment(&self, name: &str) -> Result<Option<Environment>, OperationError> {
        self.resource(Kind::Environment, &platform_file(Kind::Environment, name)?)
    }

    /// The names of the environments.
    pub fn environments(&self) -> Vec<String> {
        self.names_below("platform/environments/")
    }

    /// The environments in the order of promotion.
    pub fn environments_in_order(&self) -> Result<Vec<(String, Environment)>, OperationError> {
        let mut all = Vec::new();
        for name in self.environments() {
            if let Some(environment) = self.environment(&name)? {
                all.push((name, environment));
            }
        }
        all.sort_by_key(|(_, environment)| environment.spec.order);
        Ok(all)
    }

    /// There is no such environment; those there are.
    pub(crate) fn missing_environment(&self, name: &str) -> OperationError {
        OperationError::NotFound {
            what: "environment",
            name: name.chars().filter(|c| !c.is_control()).take(80).collect(),
            place: None,
            hint: Some(format!("there is {}", self.environments().join(", "))),
        }
    }

    /// The names of the teams.
    pub fn teams(&self) -> Vec<String> {
        self.names_below("platform/teams/")
    }

    /// The names of the files of a folder.
    fn names_below(&self, folder: &str) -> Vec<String> {
        let names = self.snapshot.files.keys().filter_map(|path| {
            let name = path.as_str().strip_prefix(folder)?.strip_suffix(".yaml")?;
            (!name.contains('/')).then(|| name.to_owned())
        });
        names.collect()
    }

    /// A team, if Git has it.
    pub fn team(&self, name: &str) -> Result<Option<Team>, OperationError> {
        self.resource(Kind::Team, &platform_file(Kind::Team, name)?)
    }

    /// The names of the golden paths that Git adds or changes.
    pub fn golden_paths(&self) -> Vec<String> {
        self.names_below("platform/golden-paths/")
    }

    /// A golden path, if Git has it.
    pub fn golden_path(&self, name: &str) -> Result<Option<api::GoldenPath>, OperationError> {
        self.resource(Kind::GoldenPath, &platform_file(Kind::GoldenPath, name)?)
    }

    fn resource<T: DeserializeOwned>(
        &self,
        kind: Kind,
        path: &RepoPath,
    ) -> Result<Option<T>, OperationError> {
        let Some(text) = self.text(path) else {
            return Ok(None);
        };
        let document = yaml::parse(&text).map_err(|e| OperationError::invalid(format!("{path}: {e}")))?;
        typed(&self.settings.group, kind, path.as_str(), &document).map(Some)
    }

    /// Expands a service as the cluster would, from what Git says alone.
    pub fn expand(&self, service: &ServiceFile) -> Result<(Expansion, Inputs), OperationError> {
        let inputs = self.inputs(&service.application, &service.place)?;
        let expansion =
            expansion::expand(&inputs.intent(self.group(), &service.application, &service.place))?;
        Ok((expansion, inputs))
    }

    /// What expanding an application in a place needs besides the application.
    pub fn inputs(&self, application: &Application, place: &Place) -> Result<Inputs, OperationError> {
        let environment = match &place.environment {
            Some(name) => self.environment(name)?,
            None => None,
        };
        let golden_path = self.offers()?.resolve(application.spec.golden_path.as_ref())?;
        let team = match &place.team {
            Some(name) => self.team(name)?.map(|team| team.spec),
            None => None,
        };
        let environment = environment.map(|e| e.spec).unwrap_or_default();
        Ok(Inputs {
            golden_path,
            team,
            capabilities: environment.capabilities.clone().unwrap_or_default(),
            environment,
        })
    }

    /// The API group.
    pub fn group(&self) -> &Group {
        &self.settings.group
    }
}

/// What expanding an application needs besides the application.
#[derive(Debug)]
pub struct Inputs {
    golden_path: std::sync::Arc<GoldenPath>,
    team: Option<TeamSpec>,
    environment: EnvironmentSpec,
    capabilities: Capabilities,
}

impl Inputs {
    /// The golden path that is used.
    pub fn golden_path(&self) -> &GoldenPath {
        &self.golden_path
    }

    /// The whole intent.
    pub fn intent<'a>(
        &'a self,
        group: &'a Group,
        application: &'a Application,
        place: &'a Place,
    ) -> Intent<'a> {
        Intent {
            group,
            application,
            place,
            team: self.team.as_ref(),
            environment: &self.environment,
            capabilities: &self.capabilities,
            golden_path: &self.golden_path,
        }
    }
}

/// Reads one of our resources out of a document, with the position of what is wrong.
pub(crate) fn typed<T: DeserializeOwned>(
    group: &Group,
    kind: Kind,
    file: &str,
    document: &yaml::Document,
) -> Result<T, OperationError> {
    let at = |pointer: &str, message: String| {
        let line = document
            .position(pointer)
            .map_or_else(|| document.line(), |p| p.line);
        OperationError::invalid(format!("{file}:{line}: {message}"))
    };
    let read = |key: &str| document.value.get(key).and_then(serde_json::Value::as_str);
    if read("apiVersion") != Some(&group.api_version()) || read("kind") != Some(kind.as_str()) {
        return Err(at(
            "/kind",
            format!("expected a {kind} of {}", group.api_version()),
        ));
    }
    let schema = schema::Schema::from_crd(&api::schema_of(kind))
        .map_err(|error| OperationError::invalid(error.to_string()))?;
    if let Some(unknown) = schema::unknown_fields(&schema, &document.value).first() {
        return Err(at(
            &pointer(&unknown.field, &document.value),
            format!("unknown field {}", unknown.field),
        ));
    }
    if let Some(error) = schema::validate(&schema, &document.value).first() {
        return Err(at(&pointer(&error.field, &document.value), error.to_string()));
    }
    serde_json::from_value(document.value.clone()).map_err(|error| at("", error.to_string()))
}
