//! Environments and golden paths as people read them.

use operations::{EnvironmentView, GoldenPathView};

use crate::print::table;

/// Environments as a table.
pub(crate) fn environments(all: &[EnvironmentView]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|environment| {
            vec![
                environment.name.clone(),
                environment.order.to_string(),
                environment.domain.clone().unwrap_or_else(|| "-".to_owned()),
                environment.routing.to_owned(),
                environment.teams.len().to_string(),
                environment.services.len().to_string(),
            ]
        })
        .collect();
    table(
        &["NAME", "ORDER", "DOMAIN", "ROUTING", "TEAMS", "SERVICES"],
        &rows,
    )
}

/// One environment.
pub(crate) fn environment(environment: &EnvironmentView) -> String {
    let spec = &environment.spec;
    let capabilities = spec.capabilities.clone().unwrap_or_default();
    let routing = spec.routing.clone().unwrap_or_default();
    let gateway = routing
        .gateway
        .map(|gateway| format!("{}/{}", gateway.namespace, gateway.name));
    let mut lines = vec![
        format!(
            "{} is number {} in the order of promotion",
            environment.name, environment.order
        ),
        String::new(),
    ];
    for (label, text) in [
        ("domain", environment.domain.clone()),
        ("routing", Some(environment.routing.to_owned())),
        ("class", routing.class),
        ("gateway", gateway),
        ("certificates", routing.issuer),
        ("first image", spec.first_image.clone()),
        ("Kubernetes", capabilities.kubernetes),
        ("also has", joined(&capabilities.api_versions)),
        ("teams", joined(&environment.teams)),
        ("services", joined(&environment.services)),
        ("file", Some(environment.path.clone())),
    ] {
        if let Some(text) = text {
            lines.push(format!("  {label:<12}  {text}"));
        }
    }
    lines.join("\n") + "\n"
}

/// Golden paths as a table.
pub(crate) fn golden_paths(all: &[GoldenPathView]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|path| {
            let newest = path.versions.first().map(|version| version.version.clone());
            let mut words = path.description.clone();
            if path.default {
                words = format!("{words} (the default)");
            }
            if path.deprecated.is_some() {
                words = format!("{words} (deprecated)");
            }
            vec![
                path.name.clone(),
                newest.unwrap_or_else(|| "-".to_owned()),
                path.kind.to_owned(),
                path.services.len().to_string(),
                words,
            ]
        })
        .collect();
    table(&["NAME", "NEWEST", "KIND", "SERVICES", "WHAT"], &rows)
}

/// One golden path: what it is, its versions, who follows it.
pub(crate) fn golden_path(path: &GoldenPathView) -> String {
    let mut lines = vec![format!("{}: {}", path.name, path.description), String::new()];
    let default = path.default.then(|| "yes".to_owned());
    for (label, text) in [
        ("runs", Some(path.kind.to_owned())),
        ("languages", joined(&path.languages)),
        ("default", default),
        ("deprecated", path.deprecated.clone()),
        ("file", path.path.clone()),
    ] {
        if let Some(text) = text {
            lines.push(format!("  {label:<10}  {text}"));
        }
    }
    lines.push(String::new());
    let versions: Vec<Vec<String>> = path
        .versions
        .iter()
        .map(|version| {
            let digest = version.digest.as_deref().unwrap_or("-");
            vec![
                format!("  {}", version.version),
                version.chart.clone(),
                digest.get(..19).unwrap_or(digest).to_owned(),
            ]
        })
        .collect();
    let mut text = lines.join("\n") + "\n" + &table(&["  VERSION", "CHART", "DIGEST"], &versions);
    if !path.services.is_empty() {
        let rows: Vec<Vec<String>> = path
            .services
            .iter()
            .map(|service| {
                let version = service.version.clone();
                vec![
                    format!("  {}", service.name),
                    service.place.clone(),
                    version.unwrap_or_else(|| "the newest".to_owned()),
                ]
            })
            .collect();
        text = format!("{text}\n{}", table(&["  SERVICE", "WHERE", "VERSION"], &rows));
    }
    text
}

fn joined(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}
