//! What the reconcilers work with.

use admission::PolicyStore;
use api::{Capabilities, Environment, EnvironmentSpec, Group, Kind, Team, TeamSpec};
use apply::Applier;
use expansion::Place;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use tokio_util::task::TaskTracker;

use crate::deployer::Deployers;
use crate::error::OperatorError;
use crate::golden_path::GoldenPathStore;
use crate::telemetry::Telemetry;

/// What the reconcilers work with.
#[derive(Clone)]
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// The platform's API group.
    pub group: Group,
    /// The way in for objects.
    pub applier: Applier,
    /// The accounts that write services' objects.
    pub(crate) deployers: Deployers,
    /// The guardrails.
    pub policies: PolicyStore,
    /// What is counted.
    pub telemetry: Telemetry,
    /// The golden paths.
    pub(crate) golden_paths: GoldenPathStore,
    /// The reconciles under way.
    pub busy: TaskTracker,
}

/// Where an Application runs and what that place offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub place: Place,
    pub team: Option<TeamSpec>,
    pub environment: EnvironmentSpec,
    pub capabilities: Capabilities,
}

/// API versions that golden paths may use and that a cluster may lack.
const OPTIONAL_API_VERSIONS: [(&str, &str); 2] = [
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
];

impl Context {
    pub(crate) fn new(client: Client, group: Group, policies: PolicyStore) -> Self {
        Self {
            applier: Applier::new(client.clone()),
            client,
            group,
            deployers: Deployers::default(),
            policies,
            telemetry: Telemetry::default(),
            golden_paths: GoldenPathStore::default(),
            busy: TaskTracker::new(),
        }
    }

    /// Reads what the cluster says of a namespace: its team and environment, and what the environment offers.
    ///
    /// In a namespace that belongs to no environment, the cluster's own capabilities count.
    pub(crate) async fn surroundings(&self, namespace: &str) -> Result<Surroundings, OperatorError> {
        let looking = |what: &str| OperatorError::cluster(format!("look at {what}"));
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let found = namespaces
            .get_metadata_opt(namespace)
            .await
            .map_err(looking(&format!("namespace {namespace}")))?;
        let labels = found.map(|n| n.labels().clone()).unwrap_or_default();
        let place = Place::of_namespace(&self.group, namespace, &labels);
        let environment = match &place.environment {
            Some(name) => {
                let resource = self.group.resource(Kind::Environment);
                let api: Api<Environment> = Api::all_with(self.client.clone(), &resource);
                api.get_opt(name)
                    .await
                    .map_err(looking(&format!("environment {name}")))?
            }
            None => None,
        };
        let team = match &place.team {
            Some(name) => {
                let resource = self.group.resource(Kind::Team);
                let api: Api<Team> = Api::all_with(self.client.clone(), &resource);
                let found = api
                    .get_opt(name)
                    .await
                    .map_err(looking(&format!("team {name}")))?;
                found.map(|team| team.spec)
            }
            None => None,
        };
        let environment = environment.map(|e| e.spec).unwrap_or_default();
        let capabilities = match environment.capabilities.clone() {
            Some(declared) => declared,
            None => self.discovered().await?,
        };
        Ok(Surroundings {
            place,
            team,
            environment,
            capabilities,
        })
    }

    async fn discovered(&self) -> Result<Capabilities, OperatorError> {
        let mut capabilities = Capabilities::default();
        for (version, kind) in OPTIONAL_API_VERSIONS {
            let found = self.applier.kinds().find(version, kind).await;
            if found
                .map_err(OperatorError::cluster("ask the cluster for its kinds"))?
                .is_some()
            {
                capabilities.api_versions.push(version.to_owned());
            }
        }
        Ok(capabilities)
    }
}
