//! Teams as people read them: a table, one team with its namespaces, and what came of a create or a delete.

use operations::{DeletedTeam, NamespaceView, TeamCreated, TeamSummary, TeamView};
use serde_json::{Value, json};

use crate::print::table;
use crate::print::talk::time;

/// Teams as a table.
pub(crate) fn list(teams: &[TeamSummary]) -> String {
    if teams.is_empty() {
        return "There are no teams yet. Make one: platform team create NAME\n".to_owned();
    }
    let rows: Vec<Vec<String>> = teams
        .iter()
        .map(|team| {
            let unwell = match team.unwell {
                0 => String::new(),
                unwell => format!(" ({unwell} not well)"),
            };
            vec![
                team.name.clone(),
                if team.ready { "yes" } else { "no" }.to_owned(),
                team.environments.join(","),
                format!("{}{unwell}", team.services),
                team.owner.clone().unwrap_or_else(|| "-".to_owned()),
                if team.ready {
                    String::new()
                } else {
                    team.reason.clone()
                },
            ]
        })
        .collect();
    table(
        &["NAME", "READY", "ENVIRONMENTS", "SERVICES", "OWNER", "REASON"],
        &rows,
    )
}

/// One team: the answer, who it is, its namespaces.
pub(crate) fn one(team: &TeamView) -> String {
    let simulated = if team.simulated { "  (simulated)" } else { "" };
    let state = if team.ready { "is ready" } else { "is not ready" };
    let mut lines = vec![
        format!("Team {} {state}: {}{simulated}", team.name, team.reason),
        String::new(),
    ];
    let spec = &team.spec;
    let contacts = spec.contacts.clone().unwrap_or_default();
    let network = spec.network.clone().unwrap_or_default();
    for (label, text) in [
        ("called", spec.display_name.clone()),
        ("owner", spec.owner.clone()),
        ("chat", contacts.chat),
        ("mail", contacts.mail),
        ("on call", contacts.on_call),
        ("cost centre", spec.cost_centre.clone()),
        ("registry", spec.registry.clone()),
        ("groups", joined(&spec.groups)),
        (
            "workloads",
            spec.workloads.map(|access| access.as_str().to_owned()),
        ),
        ("hosts", joined(&spec.hosts)),
        ("mesh", network.mesh.map(|mesh| mesh.as_str().to_owned())),
        ("called from", joined(&network.allow_from)),
        ("file", team.path.clone()),
    ] {
        if let Some(text) = text {
            lines.push(format!("  {label:<12}  {text}"));
        }
    }
    for namespace in &team.namespaces {
        lines.push(String::new());
        lines.extend(place(namespace));
    }
    lines.join("\n") + "\n"
}

fn joined(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

fn place(namespace: &NamespaceView) -> Vec<String> {
    let missing = if namespace.exists { "" } else { "  (not there)" };
    let mut lines = vec![format!(
        "  {}: namespace {}{missing}",
        namespace.environment, namespace.name
    )];
    for quota in &namespace.quota {
        let used = match &quota.used {
            Some(used) => format!("{used} of {}", quota.hard),
            None => format!("at most {}", quota.hard),
        };
        lines.push(format!("    {:<18}  {used}", quota.resource));
    }
    for service in &namespace.services {
        let reason = if service.health == "Healthy" {
            String::new()
        } else {
            format!(": {}", service.reason)
        };
        lines.push(format!(
            "    service {}  {}{reason}",
            service.name, service.health
        ));
    }
    lines
}

/// The result of a create for programs.
pub(crate) fn created_value(created: &TeamCreated) -> Value {
    let mut value = created
        .team
        .as_ref()
        .map_or_else(|| json!({"dryRun": true}), |team| json!(team));
    value["path"] = json!(created.path);
    value["objectCount"] = json!(created.objects);
    value["unchanged"] = json!(created.unchanged);
    value
}

/// The result of a create for people: the answer first, then what to do next. `flags` lead the commands to the
/// same place.
pub(crate) fn created(created: &TeamCreated, flags: &str) -> String {
    let Some(team) = &created.team else {
        return format!(
            "{}# {} objects; nothing was written.\n",
            created.manifest, created.objects
        );
    };
    let name = &team.name;
    let mut lines = vec![
        String::new(),
        format!(
            "Team {name} is ready.  {} objects, {}.",
            created.objects,
            time(created.took)
        ),
    ];
    for namespace in &team.namespaces {
        lines.push(format!(
            "  {:<16}  namespace {}",
            namespace.environment, namespace.name
        ));
    }
    lines.extend([
        String::new(),
        "Next".to_owned(),
        format!("  look at it        platform team get {name}{flags}"),
        format!("  a service         platform service create NAME --language go --team {name}{flags}"),
        format!(
            "  change it         commit to {} in the infrastructure repository",
            created.path
        ),
        format!("  take it away      platform team delete {name}{flags}"),
    ]);
    lines.join("\n") + "\n"
}

/// The result of a delete for people.
pub(crate) fn deleted(deleted: &DeletedTeam, flags: &str) -> String {
    let name = &deleted.name;
    let mut text = format!("\nTeam {name} is deleted.\n");
    if !deleted.deleted.is_empty() {
        text = format!("{text}Its namespaces are gone: {}.\n", deleted.deleted.join(", "));
    }
    if !deleted.kept.is_empty() {
        text = format!(
            "{text}Its namespaces stay, with quota, access and network rules: {}.\nA new team {name} finds them again; to delete them: platform team delete {name} --delete-namespaces{flags}\n",
            deleted.kept.join(", ")
        );
    }
    text
}
