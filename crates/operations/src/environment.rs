//! Environments as people look at them, from Git alone: their order, what they hold, who uses them.

use api::{EnvironmentSpec, Kind, RoutingKind};
use delivery::layout::platform_file;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::OperationError;

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentView {
    /// Its name.
    pub name: String,
    /// Its place in the order of promotion.
    pub order: i32,
    /// The domain below which services answer that name no host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// How traffic comes in: `ingress` or `gateway`.
    pub routing: &'static str,
    /// Everything it says.
    pub spec: EnvironmentSpec,
    /// The teams that use it.
    pub teams: Vec<String>,
    /// The services in it, `team/name`.
    pub services: Vec<String>,
    /// Its file in the infrastructure repository.
    pub path: String,
}

/// All environments, in the order of promotion.
pub fn list_environments(catalog: &Catalog) -> Result<Vec<EnvironmentView>, OperationError> {
    let environments = catalog.environments_in_order()?;
    let mut teams = Vec::new();
    for name in catalog.teams() {
        if let Some(team) = catalog.team(&name)? {
            teams.push((name, team.spec));
        }
    }
    let mut views = Vec::new();
    for (name, environment) in environments {
        let uses = |(team, spec): &(String, api::TeamSpec)| {
            let used = spec.environments.iter().any(|e| e.name == name);
            used.then(|| team.clone())
        };
        let services = catalog.service_paths().filter_map(|(_, place, service)| {
            let here = place.environment.as_deref() == Some(&name);
            here.then(|| format!("{}/{service}", place.team.unwrap_or_default()))
        });
        let gateway = environment.spec.routing.as_ref().and_then(|routing| routing.kind);
        views.push(EnvironmentView {
            order: environment.spec.order,
            domain: environment.spec.domain.clone(),
            routing: match gateway {
                Some(RoutingKind::Gateway) => "gateway",
                _ => "ingress",
            },
            teams: teams.iter().filter_map(uses).collect(),
            services: services.collect(),
            path: platform_file(Kind::Environment, &name)?.to_string(),
            spec: environment.spec,
            name,
        });
    }
    Ok(views)
}

/// One environment.
pub fn get_environment(catalog: &Catalog, name: &str) -> Result<EnvironmentView, OperationError> {
    let all = list_environments(catalog)?;
    all.into_iter()
        .find(|environment| environment.name == name)
        .ok_or_else(|| catalog.missing_environment(name))
}
