//! The difference between Git and the cluster as people read it.

use operations::{Action, ObjectChange, ServiceDiff};
use serde_json::Value;

/// The answer, then each object: its lines, and the fields of the intent that decide them.
pub(crate) fn text(found: &ServiceDiff) -> String {
    let (name, place) = (&found.name, &found.place);
    if found.is_empty() {
        return format!("{name} in {place}: the cluster has what Git says.\n");
    }
    let count = |action: Action| {
        found
            .changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    };
    let words: Vec<String> = [
        (count(Action::Add), "to make"),
        (count(Action::Change), "to change"),
        (count(Action::Remove), "to remove"),
        (found.problems.len(), "that the cluster would not take"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let mut text = format!(
        "{name} in {place}: of {} objects {}.\n",
        found.objects,
        words.join(", ")
    );
    for change in &found.changes {
        text = format!("{text}\n{}{}", change.diff, decided(change));
    }
    for problem in &found.problems {
        text = format!("{text}\n{} {}: {}\n", problem.kind, problem.name, problem.reason);
        if let (Some(field), Some(path)) = (&problem.field, &problem.path) {
            text = format!("{text}# {field} decides {path}\n");
        }
    }
    text
}

/// What decides the fields that change.
fn decided(change: &ObjectChange) -> String {
    if change.kind == "Application" {
        // Its fields are the intent itself.
        return String::new();
    }
    let lines = change.fields.iter().filter_map(|field| {
        let decides = field.field.as_ref()?;
        Some(format!(
            "# {decides} decides {}: {} -> {}\n",
            field.path,
            short(field.before.as_ref()),
            short(field.after.as_ref())
        ))
    });
    lines.collect()
}

/// A value in a few words.
fn short(value: Option<&Value>) -> String {
    const LIMIT: usize = 60;
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = value.to_string();
    if text.chars().count() <= LIMIT {
        return text;
    }
    let begin: String = text.chars().take(LIMIT).collect();
    format!("{begin}…")
}
