//! Plans told in words, for tables in tests.

use super::change::{Change, Note, Plan};
use super::object::{name, number, text};

/// One line a change.
pub(crate) fn told(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan.changes.iter().map(line).collect();
    lines.extend(plan.wake.map(|moment| format!("wake {moment}")));
    lines
}

fn line(change: &Change) -> String {
    match change {
        Change::Create(creation) => {
            let generated = text(&creation.object, "/metadata/generateName");
            let named = name(&creation.object);
            if named.is_empty() {
                format!("create {} {generated}*", creation.kind)
            } else {
                format!("create {} {named}", creation.kind)
            }
        }
        Change::Update(kind, object) => match number(object, "/spec/replicas") {
            Some(replicas) => format!("update {kind} {} to {replicas}", name(object)),
            None => format!("update {kind} {}", name(object)),
        },
        Change::Status(kind, object) => format!("status {kind} {}", name(object)),
        Change::Delete(target) => {
            format!(
                "delete {} {}{}",
                target.kind,
                target.name,
                if target.now { " now" } else { "" }
            )
        }
        Change::Note(note) => noted(note),
    }
}

fn noted(note: &Note) -> String {
    format!(
        "{}{}: {}",
        if note.warning { "! " } else { "- " },
        note.reason,
        note.message
    )
}

/// The status the plan writes, or null.
pub(crate) fn status_of(plan: &Plan) -> serde_json::Value {
    let written = plan.changes.iter().rev().find_map(|change| match change {
        Change::Status(_, object) => object.get("status").cloned(),
        _ => None,
    });
    written.unwrap_or_default()
}
