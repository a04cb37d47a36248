//! The values a golden path gets for an Application.

use api::{ApplicationSpec, Monitoring, Size};
use serde_json::{Map, Value, json};

use crate::expand::Intent;
use crate::route::WayIn;

/// The values of `base-service` and of every golden path for services; its values.yaml documents them.
pub(crate) fn of_application(
    intent: &Intent<'_>,
    way_in: Option<&WayIn>,
    image: Option<&str>,
    suspended: bool,
) -> Value {
    let spec = &intent.application.spec;
    let name = intent.application.metadata.name.as_deref().unwrap_or_default();
    let mut values = Map::new();
    let mut set = |key: &str, value: Value| {
        values.insert(key.to_owned(), value);
    };
    set("name", json!(name));
    set("image", json!(image.unwrap_or_default()));
    set("team", json!(intent.place.team.as_deref().unwrap_or_default()));
    set(
        "environment",
        json!(intent.place.environment.as_deref().unwrap_or_default()),
    );
    set("partOf", json!(intent.place.team.as_deref().unwrap_or_default()));
    set("labelDomain", json!(intent.group.as_str()));
    set("suspended", json!(suspended));
    set("resources", resources(spec));
    if let Some(replicas) = spec.replicas {
        set("replicas", json!(replicas));
    }
    if let Some(port) = spec.port {
        set("port", json!(port));
    }
    if !spec.ports.is_empty() {
        set("ports", json!(spec.ports));
    }
    if let Some(health) = &spec.health {
        if let Some(path) = &health.path {
            set("healthPath", json!(path));
        }
        if let Some(ready) = &health.ready {
            set("readyPath", json!(ready));
        }
        if let Some(seconds) = health.startup_seconds() {
            set("startupSeconds", json!(seconds));
        }
    }
    set("env", env(spec));
    set("config", json!(spec.config));
    set("secrets", json!(spec.secrets));
    set("dependsOn", json!(spec.depends_on));
    set("allowFrom", json!(spec.allow_from));
    set("storage", json!(spec.storage));
    set("monitoring", monitoring(spec.monitoring.as_ref()));
    if let Some(way_in) = way_in {
        set("route", way_in.values(intent));
    }
    if let Some(mesh) = intent.team.and_then(|team| team.network.as_ref()?.mesh) {
        set("mesh", json!(mesh.as_str()));
    }
    if let Some(autoscaling) = &spec.autoscaling {
        let mut values = json!({"enabled": true, "min": autoscaling.least(), "max": autoscaling.max});
        if let Some(cpu) = autoscaling.cpu {
            values["cpu"] = json!(cpu);
        }
        set("autoscaling", values);
    }
    if let Some(rollout) = &spec.rollout {
        set("rollout", json!(rollout));
    }
    if !spec.command.is_empty() {
        set("command", json!(spec.command));
    }
    if !spec.args.is_empty() {
        set("args", json!(spec.args));
    }
    if let Some(schedule) = &spec.schedule {
        set("schedule", json!(schedule));
    }
    if let Some(zone) = &spec.time_zone {
        set("timeZone", json!(zone));
    }
    if spec.database.is_some() {
        set("database", json!({"enabled": true, "name": format!("{name}-db")}));
    }
    if spec.cache.is_some() {
        set("cache", json!({"enabled": true, "name": format!("{name}-cache")}));
    }
    Value::Object(values)
}

/// What the intent says of resources wins, key by key, over the named size.
fn resources(spec: &ApplicationSpec) -> Value {
    let size = Size::service(spec.size.as_deref().unwrap_or("small"))
        .map(|s| s.resources)
        .unwrap_or_default();
    let given = spec.resources.clone().unwrap_or_default();
    let mut merged = size;
    for (key, limit) in given.limits {
        if let (Some(request), Some(limit_amount)) = (
            merged.requests.get(&key).and_then(api::Quantity::milli),
            limit.milli(),
        ) && !given.requests.contains_key(&key)
            && request > limit_amount
        {
            merged.requests.insert(key.clone(), limit.clone());
        }
        merged.limits.insert(key, limit);
    }
    for (key, request) in given.requests {
        if let (Some(limit), Some(amount)) = (
            merged.limits.get(&key).and_then(api::Quantity::milli),
            request.milli(),
        ) && amount > limit
        {
            merged.limits.insert(key.clone(), request.clone());
        }
        merged.requests.insert(key, request);
    }
    json!(merged)
}

fn env(spec: &ApplicationSpec) -> Value {
    let variables = spec
        .env
        .iter()
        .map(|variable| match (&variable.value, &variable.from) {
            (_, Some(from)) => json!({
                "name": variable.name,
                "valueFrom": {"secretKeyRef": {"name": from.secret, "key": from.key}},
            }),
            (value, None) => json!({"name": variable.name, "value": value.as_deref().unwrap_or_default()}),
        });
    Value::Array(variables.collect())
}

fn monitoring(given: Option<&Monitoring>) -> Value {
    let given = given.cloned().unwrap_or_default();
    let mut values = json!({"enabled": given.enabled});
    if let Some(path) = given.path {
        values["path"] = json!(path);
    }
    if !given.alerts.is_empty() {
        values["alerts"] = json!(given.alerts);
    }
    if let Some(slo) = given.slo {
        values["slo"] = json!(slo);
    }
    values
}
