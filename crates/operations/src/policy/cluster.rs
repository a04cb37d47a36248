//! A cluster as policies on their own see it: its objects, kind by kind, and what policies ask about. It only reads,
//! with the rights of whoever runs this. Knows nothing of what policies say.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use guardrails::{Call, Callee, Facts, Policies, Served, Unavailable, may_read};
use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::Client;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::error::OperationError;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer may be larger than this.
const ANSWER_LIMIT: usize = 64 << 20;
/// More objects than this are not held.
const OBJECTS: usize = 250_000;
/// More answers than this are not kept.
const ANSWERS: usize = 1_000;

/// Which objects of a cluster are looked at.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Those of one namespace.
    pub namespace: Option<String>,
    /// Those that live in no namespace; those of `namespace` too, where it is said.
    pub cluster_wide: bool,
    /// How many are asked for at once.
    pub page: u32,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            namespace: None,
            cluster_wide: false,
            page: 500,
        }
    }
}

/// A cluster that is asked from outside of any asynchronous work.
pub struct PolicyCluster {
    client: Client,
    runtime: Handle,
    kinds: Vec<Resource>,
    /// Groups that do not answer, and why.
    silent: Vec<String>,
    namespaces: BTreeMap<String, Value>,
    answers: RefCell<HashMap<String, Result<Value, Unavailable>>>,
}

/// A kind in one of its versions.
#[derive(Clone, Debug)]
struct Resource {
    group: String,
    version: String,
    preferred: String,
    kind: String,
    plural: String,
    namespaced: bool,
}

impl Resource {
    fn served(&self) -> Served<'_> {
        Served {
            group: &self.group,
            version: &self.version,
            preferred: &self.preferred,
            kind: &self.kind,
            plural: &self.plural,
        }
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "api" } else { "apis" };
        let within = namespace
            .map(|name| format!("namespaces/{name}/"))
            .unwrap_or_default();
        format!("/{root}/{}/{within}{}", self.api_version(), self.plural)
    }
}

impl std::fmt::Debug for PolicyCluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = self.kinds.len();
        formatter
            .debug_struct("PolicyCluster")
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}

impl PolicyCluster {
    /// Asks a cluster which kinds and namespaces it has. Not to be called from asynchronous code, which may not wait.
    pub fn look(client: Client, runtime: Handle) -> Result<Self, OperationError> {
        let mut cluster = Self {
            client,
            runtime,
            kinds: Vec::new(),
            silent: Vec::new(),
            namespaces: BTreeMap::new(),
            answers: RefCell::default(),
        };
        cluster.discover()?;
        let mut namespaces = BTreeMap::new();
        let listed = cluster.pages("/api/v1/namespaces", 500, &mut |namespace| {
            let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
            namespaces.insert(name.to_owned(), namespace);
            Ok(())
        })?;
        listed.map_err(OperationError::cluster("list the namespaces of the cluster"))?;
        cluster.namespaces = namespaces;
        Ok(cluster)
    }

    fn discover(&mut self) -> Result<(), OperationError> {
        let asking = || OperationError::cluster("ask the cluster for its kinds");
        let core = self
            .wait(self.client.list_core_api_resources("v1"))
            .map_err(asking())?;
        self.learn("", "v1", core.resources);
        let groups = self.wait(self.client.list_api_groups()).map_err(asking())?;
        for group in groups.groups {
            let preferred = group.preferred_version.as_ref();
            let preferred = preferred
                .map(|version| version.version.clone())
                .unwrap_or_default();
            let mut versions = group.versions;
            versions.sort_by_key(|version| version.version != preferred);
            for version in versions {
                match self.wait(self.client.list_api_group_resources(&version.group_version)) {
                    Ok(list) => self.learn(&group.name, &version.version, list.resources),
                    Err(error) => {
                        let error = OperationError::cluster(format!("list {}", version.group_version))(error);
                        self.silent.push(error.to_string());
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in what is served in a version; versions come in the order that the cluster prefers.
    fn learn(&mut self, group: &str, version: &str, resources: Vec<APIResource>) {
        for resource in resources {
            let beneath = resource.name.contains('/');
            if beneath || !resource.verbs.iter().any(|verb| verb == "list") {
                continue;
            }
            let known = self.kinds.iter();
            let mut known = known.filter(|known| known.group == group && known.kind == resource.kind);
            let preferred = known.next().map_or(version, |known| &known.preferred).to_owned();
            self.kinds.push(Resource {
                group: group.to_owned(),
                version: version.to_owned(),
                preferred,
                kind: resource.kind,
                plural: resource.name,
                namespaced: resource.namespaced,
            });
        }
    }

    /// Every kind that can be listed: group, kind, plural, and whether its objects live in namespaces.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str, bool)> {
        let kinds = self.kinds.iter();
        kinds.map(|kind| {
            (
                kind.group.as_str(),
                kind.kind.as_str(),
                kind.plural.as_str(),
                kind.namespaced,
            )
        })
    }

    /// The group and kind of all that policies may be about.
    pub(crate) fn concerned(&self, policies: &Policies) -> impl Iterator<Item = (&str, &str)> {
        let kinds = self.kinds.iter().filter(|kind| policies.concern(&kind.served()));
        kinds.map(|kind| (kind.group.as_str(), kind.kind.as_str()))
    }

    /// A namespace.
    pub(crate) fn namespace(&self, name: &str) -> Option<&Value> {
        self.namespaces.get(name)
    }

    /// The labels of all namespaces.
    pub(crate) fn namespace_labels(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let labels = |namespace: &Value| {
            let labels = namespace["metadata"]["labels"].as_object().into_iter().flatten();
            let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
            labels.collect()
        };
        let all = self.namespaces.iter();
        all.map(|(name, namespace)| (name.clone(), labels(namespace)))
            .collect()
    }

    /// Goes through all objects of the kinds that are wanted. Gives back what could not be looked at, and why.
    pub(crate) fn objects(
        &self,
        selection: &Selection,
        wanted: &dyn Fn(&Served<'_>) -> bool,
        take: &mut dyn FnMut(Value) -> Result<(), OperationError>,
    ) -> Result<Vec<String>, OperationError> {
        if let Some(name) = &selection.namespace
            && !self.namespaces.contains_key(name)
        {
            return Err(OperationError::NotFound {
                what: "namespace",
                name: name.clone(),
                place: Some("the cluster".to_owned()),
                hint: crate::error::nearest(name, self.namespaces.keys().map(String::as_str))
                    .map(|near| format!("did you mean \"{near}\"?")),
            });
        }
        let mut unseen = self.silent.clone();
        let mut count = 0;
        for kind in self.kinds.iter().filter(|kind| wanted(&kind.served())) {
            let within = match (&selection.namespace, kind.namespaced) {
                (Some(name), true) => Some(name.as_str()),
                (None, true) if !selection.cluster_wide => None,
                (None, false) => None,
                (Some(_), false) if selection.cluster_wide => None,
                _ => continue,
            };
            let api_version = kind.api_version();
            let listed = self.pages(&kind.path(within), selection.page, &mut |mut object| {
                count += 1;
                if count > OBJECTS {
                    return Err(OperationError::invalid_hint(
                        format!("the cluster has more than {OBJECTS} objects that these policies are about"),
                        "look at one namespace after the other, with --namespace",
                    ));
                }
                object["apiVersion"] = api_version.as_str().into();
                object["kind"] = kind.kind.as_str().into();
                take(object)
            })?;
            if let Err(error) = listed {
                let error = OperationError::cluster(format!("list {}", kind.plural))(error);
                unseen.push(error.to_string());
            }
        }
        Ok(unseen)
    }

    /// The items of a list, page by page.
    fn pages(
        &self,
        path: &str,
        page: u32,
        take: &mut dyn FnMut(Value) -> Result<(), OperationError>,
    ) -> Result<Result<(), kube::Error>, OperationError> {
        let mut token = String::new();
        loop {
            let next = if token.is_empty() {
                String::new()
            } else {
                format!("&continue={}", escaped(&token))
            };
            let mut list = match self.get(&format!("{path}?limit={page}{next}")) {
                Ok(list) => list,
                Err(error) => return Ok(Err(error)),
            };
            if let Value::Array(items) = list["items"].take() {
                for item in items.into_iter().filter(Value::is_object) {
                    take(item)?;
                }
            }
            match list.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(next) if !next.is_empty() && next != token => next.clone_into(&mut token),
                _ => return Ok(Ok(())),
            }
        }
    }

    fn get(&self, path: &str) -> Result<Value, kube::Error> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let text = self.wait(self.client.request_text(request))?;
        if text.len() > ANSWER_LIMIT {
            return Err(kube::Error::Service("the answer is too large".into()));
        }
        serde_json::from_str(&text).map_err(kube::Error::SerdeError)
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
        let answer = async { tokio::time::timeout(PATIENCE, answer).await };
        let late = |_| kube::Error::Service(format!("no answer in {} s", PATIENCE.as_secs()).into());
        self.runtime.block_on(answer).map_err(late)?
    }

    /// What the cluster answers to a call of a policy.
    pub(crate) fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        let Callee::Cluster(path) = &call.to else {
            return Err(Unavailable::Unknown(call.to_string()));
        };
        let refused = |why: &str| Err(Unavailable::Failed(format!("cannot read {path}: {why}")));
        if call.data.is_some() {
            return refused("policies may read a cluster and not write to it");
        }
        if !may_read(path, None) {
            return refused("it is no path of the cluster's API, or it holds Secrets");
        }
        if let Some(known) = self.answers.borrow().get(path) {
            return known.clone();
        }
        let answer = match self.get(path) {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => {
                Err(Unavailable::Missing(format!("what the cluster has at {path}")))
            }
            Err(error) => {
                let error = OperationError::cluster(format!("read {path}"))(error);
                Err(Unavailable::Failed(error.to_string()))
            }
        };
        let mut answers = self.answers.borrow_mut();
        if answers.len() < ANSWERS {
            answers.insert(path.clone(), answer.clone());
        }
        answer
    }
}

/// What a cluster and a clock know.
pub(crate) struct ClusterFacts<'a> {
    pub(crate) cluster: &'a PolicyCluster,
    pub(crate) now: (i64, u32),
}

impl Facts for ClusterFacts<'_> {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        self.cluster.call(call)
    }

    fn resource(&self, api_version: &str, kind: &str) -> Result<(String, bool), Unavailable> {
        let mut kinds = self.cluster.kinds.iter();
        let known = kinds.find(|known| known.kind == kind && known.api_version() == api_version);
        known
            .map(|known| (known.plural.clone(), known.namespaced))
            .ok_or_else(|| Unavailable::Missing(format!("the kind {kind} of {api_version}")))
    }

    fn now(&self) -> Option<(i64, u32)> {
        Some(self.now)
    }

    fn random(&self) -> Option<u64> {
        Some(rand::random())
    }
}

/// A value in a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_a_query() {
        assert_eq!(escaped("a-Z_9.~"), "a-Z_9.~");
        assert_eq!(escaped("a+b/c=&"), "a%2Bb%2Fc%3D%26");
    }
}
