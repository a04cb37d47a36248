//! `Team`: who owns services, and the bounds they run in.

use kube::core::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::status::Condition;
use crate::{InventoryItem, Name, Problem};

/// A team and its namespaces, one for each environment it uses.
pub type Team = Object<TeamSpec, TeamStatus>;

/// What a team has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamSpec {
    /// What people call it. The resource's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where to reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<Contacts>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_centre: Option<String>,
    /// Where its images are pushed, without a trailing slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The environments it uses, each with a namespace `<team>-<environment>`.
    #[serde(default)]
    pub environments: Vec<TeamEnvironment>,
}

/// Where to reach a team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contacts {
    /// A chat channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// A mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// Who is on call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_call: Option<String>,
}

/// A team's share of one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamEnvironment {
    /// The environment's name.
    pub name: String,
    /// What the team may use there.
    #[serde(default)]
    pub quota: Quota,
}

/// What a team may use in one environment. Each absent field has the platform's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// CPU asked for, in all. 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_cpu: Option<Quantity>,
    /// Memory asked for, in all. 20Gi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_memory: Option<Quantity>,
    /// CPU at most, in all. 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_cpu: Option<Quantity>,
    /// Memory at most, in all. 40Gi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_memory: Option<Quantity>,
    /// Pods. 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
}

/// How a team's boundary is. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamStatus {
    /// The namespaces that stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// What the operator made and may prune. Namespaces are never pruned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryItem>,
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The details, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl TeamSpec {
    /// Everything wrong with this spec beyond its shape, for the team called `name`.
    pub fn problems(&self, name: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        if let Err(error) = Name::parse("team", name) {
            found.push(Problem::new("metadata.name", error.to_string()));
        }
        for (index, environment) in self.environments.iter().enumerate() {
            let field = format!("spec.environments[{index}]");
            if let Err(error) = Name::parse("environment", &environment.name) {
                found.push(Problem::new(format!("{field}.name"), error.to_string()));
            }
            if self.environments[..index]
                .iter()
                .any(|e| e.name == environment.name)
            {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!("\"{}\" is named twice", environment.name),
                ));
            }
            if namespace_of(name, &environment.name).len() > 63 {
                found.push(Problem::new(
                    format!("{field}.name"),
                    "the namespace <team>-<environment> would be longer than 63 characters",
                ));
            }
            let quota = &environment.quota;
            for (key, amount) in [
                ("requestsCpu", &quota.requests_cpu),
                ("requestsMemory", &quota.requests_memory),
                ("limitsCpu", &quota.limits_cpu),
                ("limitsMemory", &quota.limits_memory),
            ] {
                if amount.as_ref().is_some_and(|a| a.milli().is_none()) {
                    found.push(Problem::new(format!("{field}.quota.{key}"), "is not an amount"));
                }
            }
        }
        found
    }
}

/// The namespace of a team in an environment.
pub(crate) fn namespace_of(team: &str, environment: &str) -> String {
    format!("{team}-{environment}")
}

impl crate::Group {
    /// The namespace of a team in an environment, `<team>-<environment>`.
    pub fn namespace(team: &str, environment: &str) -> String {
        namespace_of(team, environment)
    }
}
