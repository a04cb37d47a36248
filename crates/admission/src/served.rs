//! Which resources a cluster serves, subresources included, and which of them a scope means.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use guardrails::matches_wildcard;
use kube::Client;

use crate::error::AdmissionError;
use crate::scope::Kinds;

/// One resource or subresource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Served {
    /// The API group; empty for the core.
    pub(crate) group: String,
    /// The version that the cluster prefers.
    pub(crate) version: String,
    /// The kind of what lies there; of a subresource, the kind of its parent.
    pub(crate) kind: String,
    /// The plural name.
    pub(crate) plural: String,
    /// What lies beneath; empty for the object itself.
    pub(crate) subresource: String,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
    /// Whether it can be listed.
    pub(crate) listable: bool,
}

/// What a cluster says all the time, and what asks and answers rather than lasts. A wildcard does not mean them: were
/// they stopped while no webhook answers, no webhook could ever answer again. Who means them names them.
const UNMEANT: [(&str, &str); 12] = [
    ("", "events"),
    ("", "bindings"),
    ("", "nodes"),
    ("", "componentstatuses"),
    ("events.k8s.io", "events"),
    ("coordination.k8s.io", "*"),
    ("authentication.k8s.io", "*"),
    ("authorization.k8s.io", "*"),
    ("apiregistration.k8s.io", "*"),
    ("admissionregistration.k8s.io", "*"),
    ("flowcontrol.apiserver.k8s.io", "*"),
    ("wgpolicyk8s.io", "*"),
];

/// Asks a cluster what it serves. A group that does not answer is left out: its server is away.
pub(crate) async fn discover(client: &Client) -> Result<Vec<Served>, AdmissionError> {
    let asking = || AdmissionError::cluster("ask the cluster for its kinds");
    let mut lists = vec![(
        "",
        "v1".to_owned(),
        client.list_core_api_resources("v1").await.map_err(asking())?,
    )];
    let groups = client.list_api_groups().await.map_err(asking())?;
    for group in &groups.groups {
        let Some(version) = group.preferred_version.as_ref().or(group.versions.first()) else {
            continue;
        };
        match client.list_api_group_resources(&version.group_version).await {
            Ok(list) => lists.push((group.name.as_str(), version.version.clone(), list)),
            Err(error) => tracing::warn!(%error, group = group.name, "a group of kinds does not answer"),
        }
    }
    let mut served = Vec::new();
    for (group, version, list) in lists {
        for resource in &list.resources {
            let (plural, subresource) = resource.name.split_once('/').unwrap_or((&resource.name, ""));
            let parent = list.resources.iter().find(|parent| parent.name == plural);
            served.push(Served {
                group: group.to_owned(),
                version: version.clone(),
                kind: parent.unwrap_or(resource).kind.clone(),
                plural: plural.to_owned(),
                subresource: subresource.to_owned(),
                namespaced: resource.namespaced,
                listable: resource.verbs.iter().any(|verb| verb == "list"),
            });
        }
    }
    Ok(served)
}

/// The kinds that lie under plural names, each API version asked for when it is needed.
pub(crate) struct KindNames {
    client: Client,
    known: RwLock<HashMap<String, HashMap<String, String>>>,
}

impl KindNames {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            known: RwLock::default(),
        }
    }

    /// The kind under a plural name. One that is not known yet is asked for again: it may be new.
    pub(crate) async fn of(&self, api_version: &str, plural: &str) -> Result<Option<String>, AdmissionError> {
        let known = || {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.get(api_version)?.get(plural).cloned()
        };
        if let Some(kind) = known() {
            return Ok(Some(kind));
        }
        let list =
            self.client
                .list_api_group_resources(api_version)
                .await
                .map_err(AdmissionError::cluster(format!(
                    "ask for the kinds of {api_version}"
                )))?;
        let kinds = list
            .resources
            .into_iter()
            .map(|served| (served.name, served.kind));
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(api_version.to_owned(), kinds.collect());
        Ok(known())
    }
}

/// Whether a scope's kinds mean this resource.
pub(crate) fn means(kinds: &Kinds, served: &Served) -> bool {
    let name = if kinds.by_resource {
        &served.plural
    } else {
        &served.kind
    };
    let unmeant = || {
        UNMEANT
            .iter()
            .any(|(group, plural)| *group == served.group && (*plural == "*" || *plural == served.plural))
    };
    // Ephemeral containers arrive beneath a pod; policies for pods mean them too.
    let ephemeral = served.plural == "pods"
        && served.subresource == "ephemeralcontainers"
        && kinds.subresource.is_empty();
    matches_wildcard(&kinds.group, &served.group)
        && matches_wildcard(&kinds.name, name)
        && (ephemeral || matches_wildcard(&kinds.subresource, &served.subresource))
        && !(kinds.name.contains('*') && unmeant())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use kube::Api;
    use kube::api::PostParams;
    use serde_json::json;

    fn served(group: &str, kind: &str, path: &str) -> Served {
        let (plural, subresource) = path.split_once('/').unwrap_or((path, ""));
        Served {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            subresource: subresource.to_owned(),
            namespaced: true,
            listable: true,
        }
    }

    #[tokio::test]
    async fn kinds_are_known_by_any_plural() {
        let sandbox = sandbox::Sandbox::open(sandbox::Options::default()).unwrap();
        let kinds = KindNames::new(sandbox.client("default"));
        let of = async |plural: &str| kinds.of("example.com/v1", plural).await;
        assert!(of("mice").await.is_err(), "the group is not served");
        let definitions: Api<CustomResourceDefinition> = Api::all(sandbox.client("default"));
        for (kind, plural) in [("Mouse", "mice"), ("Sheep", "sheep")] {
            let definition = json!({
                "metadata": {"name": format!("{plural}.example.com")},
                "spec": {
                    "group": "example.com",
                    "names": {"kind": kind, "plural": plural},
                    "scope": "Namespaced",
                    "versions": [{
                        "name": "v1", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": {"type": "object"}},
                    }],
                },
            });
            let definition = serde_json::from_value(definition).unwrap();
            definitions
                .create(&PostParams::default(), &definition)
                .await
                .unwrap();
            assert_eq!(of(plural).await.unwrap().as_deref(), Some(kind));
        }
        assert_eq!(of("geese").await.unwrap(), None);
    }

    #[test]
    fn a_scope_means_some_resources() {
        let check = |group: &str, name: &str, subresource: &str, by_resource, served: &Served, expect| {
            let kinds = Kinds {
                group: group.to_owned(),
                version: "*".to_owned(),
                name: name.to_owned(),
                subresource: subresource.to_owned(),
                by_resource,
            };
            assert_eq!(means(&kinds, served), expect, "{kinds:?} {served:?}");
        };
        let pods = served("", "Pod", "pods");
        check("*", "Pod", "", false, &pods, true);
        check("apps", "Pod", "", false, &pods, false);
        check("*", "P*", "", false, &pods, true);
        check("*", "pods", "", true, &pods, true);
        check("*", "pods", "", false, &pods, false);
        check("*", "Pod", "exec", false, &pods, false);
        check("*", "Pod", "exec", false, &served("", "Pod", "pods/exec"), true);
        check("*", "Pod", "", false, &served("", "Pod", "pods/exec"), false);
        check(
            "*",
            "Pod",
            "",
            false,
            &served("", "Pod", "pods/ephemeralcontainers"),
            true,
        );
        check(
            "*",
            "*",
            "scale",
            false,
            &served("apps", "Deployment", "deployments/scale"),
            true,
        );
        // What keeps a cluster alive is meant by name only.
        let lease = served("coordination.k8s.io", "Lease", "leases");
        check("*", "*", "", false, &lease, false);
        check("*", "Lease", "", false, &lease, true);
    }
}
