//! Reading a snapshot: which file may ask for what, and in which namespace. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use api::{Group, Kind, Name, SYSTEM_NAMESPACE};
use serde_json::{Map, Value};

use super::charts::{self, GOLDEN_PATHS};
use super::{
    BOUNDARY_KINDS, Desired, DesiredObject, EXTERNAL_SECRET, FOLDERS, GOLDEN_PATH, OBJECTS_IN_FILE,
    POLICY_GROUPS, Place, TEAM_KINDS, namespace,
};
use crate::path::RepoPath;
use crate::snapshot::{Finding, Snapshot};

/// Reads a snapshot under the platform's group.
pub fn read(snapshot: &Snapshot, group: &Group) -> Desired {
    let mut reader = Reader {
        group,
        snapshot,
        desired: Desired {
            objects: Vec::new(),
            findings: snapshot.findings.clone(),
        },
        seen: BTreeMap::new(),
        teams: BTreeMap::new(),
        boundaries: BTreeMap::new(),
        folders: BTreeSet::new(),
    };
    let documents: Vec<(&RepoPath, Vec<yaml::Document>)> = snapshot
        .files
        .iter()
        .filter_map(|(path, file)| reader.parse(path, &file.contents))
        .collect();
    // The platform's files first: they say which teams there are.
    for (path, documents) in documents
        .iter()
        .filter(|(path, _)| path.as_str().starts_with("platform/"))
    {
        reader.platform(path, documents);
    }
    reader.find_boundaries(&documents);
    for (path, documents) in documents
        .iter()
        .filter(|(path, _)| path.as_str().starts_with("teams/"))
    {
        reader.team(path, documents);
    }
    let mut desired = reader.desired;
    desired.findings.sort();
    desired.findings.dedup();
    desired
}

struct Reader<'a> {
    group: &'a Group,
    snapshot: &'a Snapshot,
    desired: Desired,
    /// Where each object was asked for first.
    seen: BTreeMap<(String, String, String, String), String>,
    /// The environments of each Team resource.
    teams: BTreeMap<String, BTreeSet<String>>,
    /// The namespace and environment of each team with a raw boundary.
    boundaries: BTreeMap<String, (String, Option<String>)>,
    /// The folders `teams/<team>/<environment>/`.
    folders: BTreeSet<(String, String)>,
}

impl Reader<'_> {
    fn say(&mut self, path: &RepoPath, line: Option<usize>, message: impl Into<String>, hint: &str) {
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        self.desired.findings.push(Finding {
            file: path.to_string(),
            line,
            message: message.into(),
            hint,
        });
    }

    /// The documents of a YAML file; anything else is not for the cluster.
    fn parse<'p>(
        &mut self,
        path: &'p RepoPath,
        contents: &[u8],
    ) -> Option<(&'p RepoPath, Vec<yaml::Document>)> {
        let (_, extension) = path.as_str().rsplit_once('.')?;
        if !matches!(extension, "yaml" | "yml" | "json") {
            return None;
        }
        if !holds_objects(path) {
            if path.as_str().starts_with(GOLDEN_PATHS) && !charts::in_chart(self.snapshot, path) {
                self.say(
                    path,
                    None,
                    "the file is neither a golden path nor a part of a chart",
                    "a GoldenPath lies in platform/golden-paths/ itself, and a chart's folder has a Chart.yaml",
                );
            }
            return None;
        }
        let Ok(text) = std::str::from_utf8(contents) else {
            self.say(path, None, "the file is not UTF-8 text", "");
            return None;
        };
        match yaml::parse_all(text) {
            Ok(documents) if documents.len() > OBJECTS_IN_FILE => {
                let message = format!(
                    "the file holds {} objects, at most {OBJECTS_IN_FILE}",
                    documents.len()
                );
                self.say(path, None, message, "split it");
                None
            }
            Ok(documents) => Some((path, documents)),
            Err(error) => {
                self.say(
                    path,
                    error.position.map(|position| position.line),
                    error.message,
                    "",
                );
                None
            }
        }
    }

    fn platform(&mut self, path: &RepoPath, documents: &[yaml::Document]) {
        let parts: Vec<&str> = path.as_str().split('/').collect();
        for document in documents {
            let Some(identity) = self.identity(path, document) else {
                continue;
            };
            let (group, kind) = (identity.group.as_str(), identity.kind.as_str());
            let own = group == self.group.as_str();
            let expected = match parts.get(1).copied() {
                Some("teams") if own && kind == Kind::Team.as_str() => {
                    self.note_team(&identity, &document.value);
                    None
                }
                Some("environments") if own && kind == Kind::Environment.as_str() => None,
                Some("golden-paths") if own && kind == GOLDEN_PATH => None,
                Some("policies") if POLICY_GROUPS.contains(&group) => None,
                Some("teams") => Some(format!("a Team of {}", self.group)),
                Some("environments") => Some(format!("an Environment of {}", self.group)),
                Some("golden-paths") => Some(format!("a GoldenPath of {}", self.group)),
                _ => Some("a Kyverno policy or exception".to_owned()),
            };
            if let Some(expected) = expected {
                let message = format!("a {kind} of {} cannot be here", shown_group(group));
                self.say(
                    path,
                    Some(document.line()),
                    message,
                    &format!("this folder holds only {expected}"),
                );
                continue;
            }
            if kind == GOLDEN_PATH && own {
                let mut filled = document.value.clone();
                if let Err(flaw) = charts::fill(self.snapshot, &mut filled) {
                    let line = document.position(&flaw.pointer).map(|position| position.line);
                    self.say(path, line.or(Some(document.line())), flaw.message, &flaw.hint);
                    continue;
                }
                self.take_as(path, document, &identity, Place::Platform, None, &filled);
                continue;
            }
            self.take(path, document, &identity, Place::Platform, None);
        }
    }

    fn note_team(&mut self, identity: &Identity, value: &Value) {
        let environments = value.pointer("/spec/environments").and_then(Value::as_array);
        let names = environments
            .into_iter()
            .flatten()
            .filter_map(|e| e["name"].as_str())
            .map(str::to_owned);
        self.teams.entry(identity.name.clone()).or_default().extend(names);
    }

    /// The namespaces that raw `namespace.yaml` files stand for: only names that are the team's own.
    fn find_boundaries(&mut self, documents: &[(&RepoPath, Vec<yaml::Document>)]) {
        for (path, _) in documents {
            let parts: Vec<&str> = path.as_str().split('/').collect();
            if let ["teams", team, environment, _, ..] = parts.as_slice()
                && !FOLDERS.contains(environment)
            {
                self.folders
                    .insert(((*team).to_owned(), (*environment).to_owned()));
            }
        }
        let declared = self
            .teams
            .iter()
            .flat_map(|(team, list)| list.iter().map(move |e| namespace(team, e)));
        let folders = self
            .folders
            .iter()
            .map(|(team, environment)| namespace(team, environment));
        let mut taken: BTreeSet<String> = declared.chain(folders).collect();
        for (path, documents) in documents {
            let parts: Vec<&str> = path.as_str().split('/').collect();
            let ["teams", team, "namespace.yaml" | "namespace.yml"] = parts.as_slice() else {
                continue;
            };
            let team = (*team).to_owned();
            if self.teams.contains_key(&team) {
                let message = format!("the file is left out: the Team {team} decides its namespaces");
                self.say(
                    path,
                    None,
                    message,
                    &format!("remove it, or platform/teams/{team}.yaml"),
                );
                continue;
            }
            let Some(document) = documents
                .iter()
                .find(|d| d.value["apiVersion"] == "v1" && d.value["kind"] == "Namespace")
            else {
                self.say(path, None, "the file holds no Namespace", "");
                continue;
            };
            let name = document
                .value
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let own = name == team || name == format!("team-{team}") || name.starts_with(&format!("{team}-"));
            if !own || reserved(name) || !taken.insert(name.to_owned()) {
                let line = document.position("/metadata/name").map(|position| position.line);
                let message = format!("{name:?} cannot be the namespace of team {team}");
                self.say(path, line, message, &format!("use {team} or team-{team}"));
                continue;
            }
            let labels = &document.value["metadata"]["labels"];
            let environment = labels["environment"].as_str().map(str::to_owned);
            self.boundaries.insert(team, (name.to_owned(), environment));
        }
    }

    fn team(&mut self, path: &RepoPath, documents: &[yaml::Document]) {
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let (Some(team), Some(second)) = (parts.get(1).copied(), parts.get(2).copied()) else {
            self.say(
                path,
                None,
                "the file belongs to no team",
                "put it into teams/<team>/<environment>/",
            );
            return;
        };
        if let Err(error) = Name::parse("team", team) {
            self.say(path, None, error.to_string(), "rename the folder");
            return;
        }
        let place = match parts.len() {
            3 if matches!(second, "namespace.yaml" | "namespace.yml") => {
                if let Some((namespace, _)) = self.boundaries.get(team).cloned() {
                    self.boundary(path, documents, team, &namespace);
                }
                return;
            }
            3 => {
                let hint = format!("put it into teams/{team}/<environment>/");
                self.say(path, None, "the file belongs to no environment", &hint);
                return;
            }
            _ if FOLDERS.contains(&second) => {
                let Some((namespace, environment)) = self.only_environment(team) else {
                    let message = format!("nothing says which namespace teams/{team}/{second}/ is for");
                    self.say(
                        path,
                        None,
                        message,
                        &format!("put it into teams/{team}/<environment>/{second}/"),
                    );
                    return;
                };
                Place::Team {
                    team: team.to_owned(),
                    environment,
                    namespace,
                }
            }
            _ => {
                if let Err(error) = Name::parse("environment", second) {
                    self.say(path, None, error.to_string(), "rename the folder");
                    return;
                }
                if let Some((message, hint)) = self.not_theirs(team, second) {
                    self.say(path, None, message, &hint);
                    return;
                }
                let namespace = namespace(team, second);
                Place::Team {
                    team: team.to_owned(),
                    environment: Some(second.to_owned()),
                    namespace,
                }
            }
        };
        let Place::Team { namespace, .. } = &place else {
            return;
        };
        if reserved(namespace) || namespace.len() > 63 {
            let message = format!("the namespace {namespace} is not for teams");
            self.say(
                path,
                None,
                message,
                "choose another name for the team or the environment",
            );
            return;
        }
        for document in documents {
            let Some(identity) = self.identity(path, document) else {
                continue;
            };
            if let Some(hint) = self.forbidden(&identity) {
                let message = format!("a {} cannot be in a team's folder", identity.kind);
                self.say(path, Some(document.line()), message, &hint);
                continue;
            }
            self.take(path, document, &identity, place.clone(), Some(namespace));
        }
    }

    /// Why a team's folder does not stand for the namespace of that name. Names can meet: team `a` in `b-c` and
    /// team `a-b` in `c`. A Team resource decides then; without one nobody gets it.
    fn not_theirs(&self, team: &str, environment: &str) -> Option<(String, String)> {
        let mine = self.teams.get(team);
        if mine.is_some_and(|environments| !environments.contains(environment)) {
            let message = format!("the team {team} does not use the environment {environment}");
            return Some((message, format!("add it to platform/teams/{team}.yaml")));
        }
        let wanted = namespace(team, environment);
        let same = |other: &str, e: &str| (other, e) != (team, environment) && namespace(other, e) == wanted;
        let rival = self
            .teams
            .iter()
            .find(|(other, list)| list.iter().any(|e| same(other, e)))
            .map(|(other, _)| other)
            .or_else(|| {
                let folders = self.folders.iter().filter(|_| mine.is_none());
                folders
                    .into_iter()
                    .find(|(other, e)| same(other, e))
                    .map(|(other, _)| other)
            })?;
        let message = format!("the namespace {wanted} is also that of team {rival}");
        Some((
            message,
            "choose another name for the team or the environment".to_owned(),
        ))
    }

    /// Why a team may not ask for this kind.
    fn forbidden(&self, identity: &Identity) -> Option<String> {
        let own = identity.group == self.group.as_str();
        let kind = identity.kind.as_str();
        if (own && TEAM_KINDS.iter().any(|allowed| allowed.as_str() == kind))
            || EXTERNAL_SECRET == (identity.group.as_str(), kind)
        {
            return None;
        }
        Some(match kind {
            "Secret" => "never put secrets into Git: name them with an ExternalSecret".to_owned(),
            "Team" | "Environment" | GOLDEN_PATH if own => {
                "it belongs to the platform team, under platform/".to_owned()
            }
            _ if POLICY_GROUPS.contains(&identity.group.as_str()) => {
                "policies and exceptions belong to the platform team, under platform/policies/".to_owned()
            }
            "Application" | "Database" | "Cache" => {
                format!("its apiVersion must be {}", self.group.api_version())
            }
            _ => "allowed here: Application, Database, Cache, ExternalSecret".to_owned(),
        })
    }

    fn boundary(&mut self, path: &RepoPath, documents: &[yaml::Document], team: &str, namespace: &str) {
        for document in documents {
            let Some(identity) = self.identity(path, document) else {
                continue;
            };
            let allowed = BOUNDARY_KINDS.contains(&(identity.group.as_str(), identity.kind.as_str()));
            let is_namespace = identity.kind == "Namespace";
            if !allowed || (is_namespace && identity.name != namespace) {
                let message = format!(
                    "the {} {} cannot be in namespace.yaml",
                    identity.kind, identity.name
                );
                let hint =
                    "allowed here: one Namespace with its ResourceQuota, LimitRange and NetworkPolicies";
                self.say(path, Some(document.line()), message, hint);
                continue;
            }
            let place = Place::Boundary {
                team: team.to_owned(),
                namespace: namespace.to_owned(),
            };
            self.take(
                path,
                document,
                &identity,
                place,
                (!is_namespace).then_some(namespace),
            );
        }
    }

    /// The namespace of a team that has but one.
    fn only_environment(&self, team: &str) -> Option<(String, Option<String>)> {
        if let Some(environments) = self.teams.get(team) {
            let environment = environments.first().filter(|_| environments.len() == 1)?;
            return Some((namespace(team, environment), Some(environment.clone())));
        }
        self.boundaries.get(team).cloned()
    }

    fn identity(&mut self, path: &RepoPath, document: &yaml::Document) -> Option<Identity> {
        let text = |pointer: &str| {
            document
                .value
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let missing = [
            ("apiVersion", api_version),
            ("kind", kind),
            ("metadata.name", name),
        ]
        .into_iter()
        .find_map(|(field, value)| value.is_empty().then_some(field));
        if let Some(field) = missing {
            let pointer = format!("/{}", field.replace('.', "/"));
            let value = document
                .value
                .pointer(&pointer)
                .filter(|value| !value.is_null() && **value != "");
            let (line, message, hint) = match value {
                // `y`, `on`, `1.0`: YAML takes them for something else.
                Some(_) => {
                    let line = document.position(&pointer).map(|position| position.line);
                    (line, format!("{field} is not text"), "put it between quotes")
                }
                None => (Some(document.line()), format!("the object has no {field}"), ""),
            };
            self.say(path, line, message, hint);
            return None;
        }
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Some(Identity {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Takes an object over: only what Git may say of it, in its namespace.
    fn take(
        &mut self,
        path: &RepoPath,
        document: &yaml::Document,
        identity: &Identity,
        place: Place,
        namespace: Option<&str>,
    ) {
        self.take_as(path, document, identity, place, namespace, &document.value);
    }

    /// The same, with more in it than the document says.
    fn take_as(
        &mut self,
        path: &RepoPath,
        document: &yaml::Document,
        identity: &Identity,
        place: Place,
        namespace: Option<&str>,
        whole: &Value,
    ) {
        let said = document
            .value
            .pointer("/metadata/namespace")
            .filter(|value| !value.is_null());
        if let (Some(said), Some(namespace)) = (said, namespace)
            && said != namespace
        {
            let line = document
                .position("/metadata/namespace")
                .map(|position| position.line);
            let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            let message = format!("the namespace {said:?} is not the one of this folder, {namespace}");
            self.say(path, line, message, "leave metadata.namespace out");
            return;
        }
        let namespace = namespace.or(said.and_then(Value::as_str));
        let key = (
            identity.group.clone(),
            identity.kind.clone(),
            namespace.unwrap_or_default().to_owned(),
            identity.name.clone(),
        );
        let line = document.line();
        if let Some(first) = self.seen.get(&key) {
            let message = format!(
                "the {} {} is already asked for in {first}",
                identity.kind, identity.name
            );
            self.say(path, Some(line), message, "keep one of the two");
            return;
        }
        self.seen.insert(key, path.to_string());
        let value = purged(whole, namespace, self.group);
        self.desired.objects.push(DesiredObject {
            path: path.clone(),
            line,
            place,
            value,
        });
    }
}

struct Identity {
    group: String,
    kind: String,
    name: String,
}

/// Whether a file of this path is for the cluster at all.
fn holds_objects(path: &RepoPath) -> bool {
    let parts: Vec<&str> = path.as_str().split('/').collect();
    match parts.as_slice() {
        // Charts may lie in folders of their own beside their GoldenPath.
        ["platform", "teams" | "environments" | "golden-paths", _]
        | ["platform", "policies", ..]
        | ["teams", ..] => true,
        _ => false,
    }
}

/// Namespaces that no team may write to, whatever it is called.
pub fn reserved(namespace: &str) -> bool {
    namespace.is_empty()
        || namespace == "default"
        || namespace == "kube"
        || namespace.starts_with("kube-")
        || namespace == SYSTEM_NAMESPACE
        || namespace == format!("team-{SYSTEM_NAMESPACE}")
}

fn shown_group(group: &str) -> &str {
    if group.is_empty() { "the core group" } else { group }
}

/// The object without what only the cluster or the platform may say: status, owners, finalizers, the
/// platform's own annotations.
fn purged(value: &Value, namespace: Option<&str>, group: &Group) -> Value {
    let mut object = value.as_object().cloned().unwrap_or_default();
    object.remove("status");
    let mut metadata = Map::new();
    let said = value["metadata"].as_object();
    metadata.insert("name".to_owned(), value["metadata"]["name"].clone());
    if let Some(namespace) = namespace {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let written = [
        group.annotation_tracking(),
        group.annotation_revision(),
        group.annotation_source(),
    ];
    for key in ["labels", "annotations"] {
        if let Some(pairs) = said.and_then(|said| said.get(key)).and_then(Value::as_object) {
            let mut pairs = pairs.clone();
            pairs.retain(|key, value| !value.is_null() && !written.contains(key));
            if !pairs.is_empty() {
                metadata.insert(key.to_owned(), Value::Object(pairs));
            }
        }
    }
    object.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(object)
}
