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
    /// Its groups at the identity provider, whose members may work in its namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub groups: Vec<String>,
    /// What its members may do with workloads that no Application made. read when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Access>,
    /// The host names its services may answer at: `shop.example.com`, or `*.shop.example.com` for all below one.
    /// Those below `<team>.<domain of the environment>` are always allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub hosts: Vec<String>,
    /// Who may call in, and the service mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<TeamNetwork>,
    /// The environments it uses, each with a namespace `<team>-<environment>`.
    #[serde(default)]
    pub environments: Vec<TeamEnvironment>,
}

/// What members of a team may do with something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Nothing.
    None,
    /// Look at it.
    #[default]
    Read,
    /// Change it.
    Write,
}

/// Who may call a team's services, and the service mesh they are part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamNetwork {
    /// The namespaces whose pods may call every service of the team.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub allow_from: Vec<String>,
    /// The service mesh its pods belong to. None when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<Mesh>,
}

/// The service meshes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mesh {
    /// Linkerd.
    Linkerd,
    /// Istio.
    Istio,
    /// Cilium.
    Cilium,
}

impl Mesh {
    /// The mesh in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linkerd => "linkerd",
            Self::Istio => "istio",
            Self::Cilium => "cilium",
        }
    }
}

impl Access {
    /// The access in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
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
        for (index, host) in self.hosts.iter().enumerate() {
            if !crate::application::is_host(host.strip_prefix("*.").unwrap_or(host)) {
                found.push(
                    Problem::new(
                        format!("spec.hosts[{index}]"),
                        format!("\"{}\" is not a host name", host.escape_default()),
                    )
                    .hint("such as shop.example.com, or *.shop.example.com for all below it"),
                );
            }
        }
        for (index, group) in self.groups.iter().enumerate() {
            if group.is_empty()
                || group.len() > 256
                || group.starts_with("system:")
                || group.chars().any(char::is_control)
            {
                found.push(
                    Problem::new(
                        format!("spec.groups[{index}]"),
                        format!("\"{}\" cannot be a team's group", group.escape_default()),
                    )
                    .hint("a group of the identity provider; those of the cluster begin with system:"),
                );
            }
        }
        let callers = self.network.iter().flat_map(|network| &network.allow_from);
        for (index, namespace) in callers.enumerate() {
            if namespace.len() > 63
                || namespace.contains('.')
                || !crate::application::is_object_name(namespace)
            {
                let problem = Problem::new(
                    format!("spec.network.allowFrom[{index}]"),
                    format!("\"{}\" is not a namespace", namespace.escape_default()),
                );
                found.push(problem.hint("a namespace's name, such as payments-dev"));
            }
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

impl TeamSpec {
    /// Whether the team's services may answer at `host`, where the environment has the domain `domain`.
    pub fn may_serve(&self, team: &str, domain: Option<&str>, host: &str) -> bool {
        let below = |host: &str, parent: &str| {
            host.strip_suffix(parent)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        domain.is_some_and(|domain| below(host, &format!("{team}.{domain}")))
            || self.hosts.iter().any(|allowed| match allowed.strip_prefix("*.") {
                Some(parent) => below(host, parent),
                None => allowed == host,
            })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_serves_its_own_hosts_alone() {
        let spec = TeamSpec {
            hosts: vec!["shop.example.com".to_owned(), "*.pay.example.com".to_owned()],
            ..TeamSpec::default()
        };
        let check = |host: &str, expected: bool| {
            assert_eq!(
                spec.may_serve("shop", Some("dev.example.net"), host),
                expected,
                "{host}"
            );
        };
        check("shop.example.com", true);
        check("a.pay.example.com", true);
        check("a.b.pay.example.com", true);
        check("api.shop.dev.example.net", true);
        check("pay.example.com", false);
        check("xpay.example.com", false);
        check("evil-shop.example.com", false);
        check("shop.dev.example.net", false);
        check("api.other.dev.example.net", false);
        check(".pay.example.com", false);
    }

    #[test]
    fn each_problem_names_its_field() {
        let check = |spec: serde_json::Value, field: &str| {
            let spec: TeamSpec = serde_json::from_value(spec).unwrap();
            let fields: Vec<String> = spec.problems("shop").into_iter().map(|p| p.field).collect();
            assert_eq!(fields, [field]);
        };
        check(serde_json::json!({"hosts": ["*"]}), "spec.hosts[0]");
        check(serde_json::json!({"hosts": ["a.*.b"]}), "spec.hosts[0]");
        check(
            serde_json::json!({"groups": ["system:masters"]}),
            "spec.groups[0]",
        );
        check(
            serde_json::json!({"network": {"allowFrom": ["a b"]}}),
            "spec.network.allowFrom[0]",
        );
        check(
            serde_json::json!({"environments": [{"name": "dev"}, {"name": "dev"}]}),
            "spec.environments[1].name",
        );
    }
}
