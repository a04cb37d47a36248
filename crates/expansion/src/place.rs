//! Where a service runs: its team, its environment, its namespace.

use api::Group;
use std::collections::BTreeMap;

/// Where a service runs.
///
/// From Git it is read off the path `teams/<team>/<environment>/…`; in a cluster, off the namespace's labels. A
/// namespace that no team owns has a place too, without team and environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// The team that owns the namespace.
    pub team: Option<String>,
    /// The environment it belongs to.
    pub environment: Option<String>,
}

impl Place {
    /// The place of `team` in `environment`.
    pub fn of(team: &str, environment: &str) -> Self {
        Self {
            namespace: Group::namespace(team, environment),
            team: Some(team.to_owned()),
            environment: Some(environment.to_owned()),
        }
    }

    /// The place of a namespace, by the labels it carries.
    pub fn of_namespace(group: &Group, namespace: &str, labels: &BTreeMap<String, String>) -> Self {
        let read = |key: &str| labels.get(key).filter(|v| !v.is_empty()).cloned();
        Self {
            namespace: namespace.to_owned(),
            team: read(&group.label_team()),
            environment: read(&group.label_environment()),
        }
    }

    /// The labels a namespace at this place carries, which policies select by.
    pub fn labels(&self, group: &Group) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), self.namespace.clone())]);
        if let Some(team) = &self.team {
            labels.insert("team".to_owned(), team.clone());
            labels.insert(group.label_team(), team.clone());
        }
        if let Some(environment) = &self.environment {
            labels.insert("environment".to_owned(), environment.clone());
            labels.insert(group.label_environment(), environment.clone());
        }
        labels
    }

    /// `team/environment` where both are known, else the namespace.
    pub fn describe(&self) -> String {
        match (&self.team, &self.environment) {
            (Some(team), Some(environment)) => format!("{team}/{environment}"),
            _ => self.namespace.clone(),
        }
    }
}
