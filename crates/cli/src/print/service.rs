//! Services as people read them: a table, and one service with its chain.

use operations::{ChainLink, ServiceView};

use crate::print::table;

/// Services as a table.
pub(crate) fn list(services: &[ServiceView]) -> String {
    if services.is_empty() {
        return "There are no services yet. Make one: platform service create NAME --language go\n"
            .to_owned();
    }
    let rows: Vec<Vec<String>> = services
        .iter()
        .map(|service| {
            vec![
                place(service),
                service.name.clone(),
                service.health.clone(),
                service.sync.clone(),
                format!("{}/{}", service.ready_replicas, service.replicas),
                service.image.clone().unwrap_or_else(|| "-".to_owned()),
                if service.health == "Healthy" {
                    String::new()
                } else {
                    service.reason.clone()
                },
            ]
        })
        .collect();
    table(
        &["WHERE", "NAME", "HEALTH", "SYNC", "READY", "IMAGE", "REASON"],
        &rows,
    )
}

/// One service: the answer, what matters, the chain.
pub(crate) fn one(service: &ServiceView) -> String {
    let simulated = if service.simulated { "  (simulated)" } else { "" };
    let mut lines = vec![
        format!(
            "{} in {} is {} and {}{simulated}",
            service.name,
            place(service),
            service.health,
            service.sync
        ),
        String::new(),
    ];
    let mut row = |label: &str, text: String| lines.push(format!("  {label:<12}  {text}"));
    row(
        if service.health == "Healthy" {
            "state"
        } else {
            "first cause"
        },
        service.reason.clone(),
    );
    row(
        "replicas",
        format!("{} of {} ready", service.ready_replicas, service.replicas),
    );
    if let Some(image) = &service.image {
        row("image", image.clone());
    }
    if let Some(path) = &service.golden_path {
        row("golden path", path.clone());
    }
    if let Some(commit) = &service.commit {
        let short = commit.id.get(..7).unwrap_or(&commit.id);
        let words = if commit.subject.is_empty() {
            short.to_owned()
        } else {
            format!("{short} \"{}\" by {}", commit.subject, commit.author)
        };
        row("commit", words);
    }
    row("objects", service.objects.len().to_string());
    lines.push(String::new());
    if let Some(commit) = &service.commit {
        lines.push(format!("  commit {}", commit.id.get(..7).unwrap_or(&commit.id)));
    }
    for link in &service.chain {
        chain(link, "  ", true, &mut lines);
    }
    lines.join("\n") + "\n"
}

fn chain(link: &ChainLink, indent: &str, last: bool, lines: &mut Vec<String>) {
    let corner = if last { "└─ " } else { "├─ " };
    let mark = match link.health.as_str() {
        "Healthy" => "✓",
        "Degraded" | "Missing" => "✗",
        _ => "…",
    };
    let reason = if link.health == "Healthy" || link.reason.is_empty() {
        String::new()
    } else {
        format!("  {}: {}", link.health, link.reason)
    };
    lines.push(format!(
        "{indent}{corner}{mark} {} {}{reason}",
        link.kind, link.name
    ));
    let inner = format!("{indent}{}", if last { "   " } else { "│  " });
    for (index, next) in link.then.iter().enumerate() {
        chain(next, &inner, index + 1 == link.then.len(), lines);
    }
}

fn place(service: &ServiceView) -> String {
    match (&service.team, &service.environment) {
        (Some(team), Some(environment)) => format!("{team}/{environment}"),
        _ => service.namespace.clone(),
    }
}
