//! An intent with everything around it, so that a test changes one thing.

use api::{Application, Capabilities, EnvironmentSpec, Group, TeamSpec};
use expansion::{Expansion, Intent, Place, builtin, expand};
use serde_json::{Value, json};

/// Everything an intent is made of, so that a test changes one thing.
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) spec: Value,
    pub(crate) team: TeamSpec,
    pub(crate) environment: EnvironmentSpec,
    pub(crate) path: &'static str,
}

impl World {
    pub(crate) fn of(spec: Value) -> Self {
        let mut spec = spec;
        if spec["image"].is_null() {
            spec["image"] = json!("registry.internal/shop/api:v1");
        }
        Self {
            name: "api",
            spec,
            team: TeamSpec::default(),
            environment: EnvironmentSpec::default(),
            path: "base-service",
        }
    }

    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&Intent<'_>) -> T) -> T {
        let application: Application = serde_json::from_value(json!({
            "apiVersion": "platform.company.com/v1",
            "kind": "Application",
            "metadata": {"name": self.name, "namespace": "shop-dev"},
            "spec": self.spec,
        }))
        .unwrap();
        let capabilities = Capabilities {
            kubernetes: None,
            api_versions: vec![
                "monitoring.coreos.com/v1".to_owned(),
                "gateway.networking.k8s.io/v1".to_owned(),
            ],
        };
        let golden_path = builtin::golden_path(self.path).unwrap();
        ask(&Intent {
            group: &Group::default(),
            application: &application,
            place: &Place::of("shop", "dev"),
            team: Some(&self.team),
            environment: &self.environment,
            capabilities: &capabilities,
            golden_path: &golden_path,
        })
    }

    pub(crate) fn expand(&self) -> Result<Expansion, String> {
        self.ask(|intent| expand(intent).map_err(|error| chain(&error)))
    }

    pub(crate) fn made(&self) -> Expansion {
        self.expand().unwrap()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

pub(crate) fn object<'a>(expansion: &'a Expansion, kind: &str) -> &'a Value {
    let found = expansion.objects.iter().find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}

#[expect(clippy::needless_pass_by_value, reason = "patches are written in place")]
pub(crate) fn patching(kind: &str, patch: Value) -> World {
    World::of(json!({"overrides": {"patches": [{"target": {"kind": kind}, "patch": patch}]}}))
}
