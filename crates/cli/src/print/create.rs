//! What a create says at its end.

use operations::Created;
use serde_json::{Value, json};

use crate::print::talk::time;

/// The result for programs.
pub(crate) fn value(created: &Created) -> Value {
    let mut value = created
        .service
        .as_ref()
        .map_or_else(|| json!({"dryRun": true}), |service| json!(service));
    value["path"] = json!(created.path);
    value["objectCount"] = json!(created.objects);
    value["unchanged"] = json!(created.unchanged);
    if let Some(source) = &created.source {
        value["sourceFolder"] = json!(source);
    }
    value
}

/// The result for people: the answer first, then what to do next. `flags` lead the commands to the same place.
pub(crate) fn text(created: &Created, flags: &str, kubectl: &str) -> String {
    let objects = created.objects;
    let Some(service) = &created.service else {
        return format!("{}# {objects} objects; nothing was written.\n", created.manifest);
    };
    let place = match (&service.team, &service.environment) {
        (Some(team), Some(environment)) => format!("{team}/{environment}"),
        _ => service.namespace.clone(),
    };
    let name = &service.name;
    let took = time(created.took);
    let state = match created.suspended {
        Some(why) => format!("{name} is Suspended in {place}: {why}."),
        None => format!("{name} is {} and {} in {place}.", service.health, service.sync),
    };
    let mut lines = vec![
        String::new(),
        format!("{state}  {objects} objects, {took}."),
        String::new(),
        "Next".to_owned(),
    ];
    lines.push(format!("  look at it        platform service get {name}{flags}"));
    lines.push(format!(
        "  see the objects   platform service render {name}{flags}"
    ));
    lines.push(format!("  kubectl           {kubectl}"));
    if let Some(source) = &created.source {
        lines.push(format!("  write the code    {}", source.display()));
    }
    lines.push(format!(
        "  take it away      platform service delete {name}{flags}"
    ));
    lines.join("\n") + "\n"
}
