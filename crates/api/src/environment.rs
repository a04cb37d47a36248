//! `Environment`: development, staging, production, and what each can hold.

use kube::core::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::is_host;
use crate::status::Condition;
use crate::{Name, Problem};

/// One environment.
pub type Environment = Object<EnvironmentSpec, EnvironmentStatus>;

/// What an environment is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSpec {
    /// Its place in the order of promotion, lowest first.
    #[serde(default)]
    pub order: i32,
    /// What its cluster can hold, declared so that every render is the same everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// What runs until a service has an image of its own. Without it a new service waits, suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_image: Option<String>,
    /// The domain below which services answer that name no host of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub domain: Option<String>,
    /// How traffic from outside comes in. An Ingress of the cluster's default class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
}

/// How traffic from outside comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// By an Ingress or by the Gateway API. ingress when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RoutingKind>,
    /// The class of the Ingress; the cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub class: Option<String>,
    /// The cert-manager ClusterIssuer of the certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub issuer: Option<String>,
    /// The Gateway that routes are attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// The namespace the traffic comes from. ingress-nginx when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}

/// By an Ingress or by the Gateway API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoutingKind {
    /// An Ingress.
    Ingress,
    /// An `HTTPRoute` of the Gateway API.
    Gateway,
}

/// A Gateway of the Gateway API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
}

impl EnvironmentSpec {
    /// Everything wrong with this spec beyond its shape, for the environment called `name`.
    pub fn problems(&self, name: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        if let Err(error) = Name::parse("environment", name) {
            found.push(Problem::new("metadata.name", error.to_string()));
        }
        if let Some(domain) = &self.domain
            && !is_host(domain)
        {
            found.push(
                Problem::new(
                    "spec.domain",
                    format!("\"{}\" is not a domain", domain.escape_default()),
                )
                .hint("such as dev.example.com"),
            );
        }
        if let Some(routing) = &self.routing
            && routing.kind == Some(RoutingKind::Gateway)
            && routing.gateway.is_none()
        {
            found.push(Problem::new(
                "spec.routing.gateway",
                "is needed where routing is by gateway",
            ));
        }
        found
    }
}

/// What a cluster can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// The Kubernetes version, such as v1.36.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// API versions beyond Kubernetes' own, such as monitoring.coreos.com/v1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
}

/// How an environment is. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The details, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
