//! Where a service answers from outside: the host it asks for, and whether its team may serve that.

use api::{Problem, RoutingKind, TeamSpec};
use serde_json::{Map, Value, json};

use crate::expand::Intent;

/// A service's way in from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WayIn {
    pub host: String,
    pub path: String,
    pub tls: bool,
}

impl WayIn {
    /// What the intent asks for, if anything: a host of its own or the one that the environment's domain gives.
    pub(crate) fn of(intent: &Intent<'_>) -> Result<Option<Self>, Problem> {
        let Some(route) = &intent.application.spec.route else {
            return Ok(None);
        };
        let name = intent.application.metadata.name.as_deref().unwrap_or_default();
        let host = match (&route.host, &intent.place.team, &intent.environment.domain) {
            (Some(host), _, _) => host.clone(),
            (None, Some(team), Some(domain)) => format!("{name}.{team}.{domain}"),
            (None, _, _) => {
                return Err(
                    Problem::new("spec.route.host", "is needed: the environment has no domain")
                        .hint("name a host, or give the Environment a spec.domain"),
                );
            }
        };
        if !may_serve(intent, &host) {
            return Err(refusal(intent, &host));
        }
        Ok(Some(Self {
            host,
            path: route.path.clone().unwrap_or_else(|| "/".to_owned()),
            tls: route.tls.unwrap_or(true),
        }))
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let path = if self.path == "/" { "" } else { &self.path };
        format!("{scheme}://{}{path}", self.host)
    }

    /// The values of a golden path.
    pub(crate) fn values(&self, intent: &Intent<'_>) -> Value {
        let routing = intent.environment.routing.clone().unwrap_or_default();
        let mut values = Map::new();
        values.insert("host".to_owned(), json!(self.host));
        values.insert("path".to_owned(), json!(self.path));
        values.insert("tls".to_owned(), json!(self.tls));
        if routing.kind == Some(RoutingKind::Gateway) {
            values.insert("kind".to_owned(), json!("gateway"));
        }
        let texts = [
            ("class", routing.class),
            ("issuer", routing.issuer),
            ("controllerNamespace", routing.namespace),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                values.insert(key.to_owned(), json!(text));
            }
        }
        if let Some(gateway) = routing.gateway {
            values.insert("gateway".to_owned(), json!(gateway));
        }
        Value::Object(values)
    }
}

/// Whether the service's team may serve a host. In a namespace without a team nobody has said otherwise.
pub(crate) fn may_serve(intent: &Intent<'_>, host: &str) -> bool {
    let Some(team) = &intent.place.team else {
        return true;
    };
    let domain = intent.environment.domain.as_deref();
    match intent.team {
        Some(spec) => spec.may_serve(team, domain, host),
        // A team that is yet to be made has what every team has.
        None => TeamSpec::default().may_serve(team, domain, host),
    }
}

fn refusal(intent: &Intent<'_>, host: &str) -> Problem {
    let team = intent.place.team.as_deref().unwrap_or_default();
    let mut allowed: Vec<String> = intent.team.map(|spec| spec.hosts.clone()).unwrap_or_default();
    if let Some(domain) = &intent.environment.domain {
        allowed.push(format!("*.{team}.{domain}"));
    }
    let hint = if allowed.is_empty() {
        format!("team {team} has no hosts: the platform team adds them to spec.hosts of the Team")
    } else {
        format!("team {team} may serve {}", allowed.join(", "))
    };
    Problem::new(
        "spec.route.host",
        format!("\"{host}\" is not a host of team {team}"),
    )
    .hint(hint)
}
