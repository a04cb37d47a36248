//! From rendered text to objects: cutting files into manifests, telling hooks from the rest, and the order
//! in which Helm installs kinds.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::error::ChartError;

/// One manifest of a rendered file.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// The template it came from.
    pub(crate) source: String,
    /// Its text without the separator.
    pub(crate) content: String,
    /// The line of the rendered file on which it starts, from 1.
    pub(crate) line: usize,
    pub(crate) kind: String,
    /// `None` if there is nothing but comments.
    pub(crate) value: Option<Json>,
}

/// The order of kinds on installation.
const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

const HOOK: &str = "helm.sh/hook";
const EVENTS: [&str; 10] = [
    "pre-install",
    "post-install",
    "pre-delete",
    "post-delete",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "test",
    "test-success",
];

/// Cuts a rendered file where a line starts with `---`; pieces without any text are dropped. Each comes with
/// the line on which it starts.
pub(crate) fn split(text: &str) -> Vec<(usize, &str)> {
    let start = text.len() - text.trim_start().len();
    let mut pieces = Vec::new();
    let mut piece_start = start;
    let mut line_start = start;
    // Up to where lines are counted, and the line that is there.
    let (mut counted, mut line) = (0, 1);
    let mut add = |from: usize, to: usize| {
        let piece = &text[from..to];
        let trimmed = piece.trim_start();
        if !trimmed.is_empty() {
            let at = from + piece.len() - trimmed.len();
            line += text[counted..at].matches('\n').count();
            counted = at;
            pieces.push((line, trimmed));
        }
    };
    while line_start < text.len() {
        let rest = &text[line_start..];
        if let Some(after) = rest.strip_prefix("---") {
            add(piece_start, line_start);
            let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
            piece_start = line_start + 3 + blanks;
        }
        line_start += rest.find('\n').map_or(rest.len(), |newline| newline + 1);
    }
    add(piece_start, text.len());
    pieces
}

/// Manifests and hooks of rendered files, both in the order of installation.
pub(crate) fn sort(files: &[(String, String)]) -> Result<(Vec<Manifest>, Vec<Manifest>), ChartError> {
    let mut manifests = Vec::new();
    let mut hooks = Vec::new();
    for (source, text) in files {
        for (line, content) in split(text) {
            let manifest = read(source, line, content)?;
            // Helm leaves a hook out if one of its events is unknown.
            let known = |event: &str| EVENTS.contains(&event.trim().to_ascii_lowercase().as_str());
            let known_hook = events_of(&manifest).map(|events| events.split(',').all(known));
            match known_hook {
                None => manifests.push(manifest),
                Some(true) => hooks.push(manifest),
                Some(false) => {}
            }
        }
    }
    // Stable sorts: equal kinds stay as they are.
    manifests.sort_by(|left, right| order(&left.kind).cmp(&order(&right.kind)));
    hooks.sort_by(|left, right| order(&left.kind).cmp(&order(&right.kind)));
    Ok((manifests, hooks))
}

/// Known kinds first in their order, then the others by name.
fn order(kind: &str) -> (usize, &str) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(place) => (place, ""),
        None => (INSTALL_ORDER.len(), kind),
    }
}

fn events_of(manifest: &Manifest) -> Option<Cow<'_, str>> {
    let metadata = field(manifest.value.as_ref()?.as_object()?, "metadata")?;
    let hook = field(metadata.as_object()?, "annotations")?.get(HOOK)?;
    Some(match hook {
        Json::String(events) => Cow::Borrowed(events),
        // Numbers and booleans are read as text, and name no event.
        other => Cow::Owned(other.to_string()),
    })
}

/// A field by its name; as Go reads it, upper and lower case do not matter where there is no exact one.
fn field<'a>(members: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    members.get(name).or_else(|| {
        let mut others = members.iter();
        Some(others.find(|(key, _)| key.eq_ignore_ascii_case(name))?.1)
    })
}

/// What is wrong with the fields that every object has, as Go's types for them say.
fn problem_of_head(members: &Map<String, Json>) -> Option<String> {
    let text = |name: &str, value: Option<&Json>| match value {
        Some(Json::Array(_) | Json::Object(_)) => Some(format!("{name} must be text")),
        _ => None,
    };
    let metadata = match field(members, "metadata") {
        None | Some(Json::Null) => None,
        Some(Json::Object(metadata)) => Some(metadata),
        Some(_) => return Some("metadata must be a mapping".to_owned()),
    };
    let named = |name: &str| metadata.and_then(|metadata| field(metadata, name));
    let annotations = match named("annotations") {
        None | Some(Json::Null) => None,
        Some(Json::Object(annotations)) => Some(annotations),
        Some(_) => return Some("metadata.annotations must be a mapping".to_owned()),
    };
    text("apiVersion", field(members, "apiVersion"))
        .or_else(|| text("kind", field(members, "kind")))
        .or_else(|| text("metadata.name", named("name")))
        .or_else(|| {
            annotations
                .into_iter()
                .flatten()
                .find_map(|(key, value)| text(&format!("the annotation {key}"), Some(value)))
        })
}

/// Reads one manifest.
pub(crate) fn read(source: &str, line: usize, content: &str) -> Result<Manifest, ChartError> {
    let failed = |line: usize, message: String| ChartError::Manifest {
        template: source.to_owned(),
        line,
        message,
    };
    let documents = yaml::parse_all(content).map_err(|error| {
        let at = line + error.position.map_or(1, |position| position.line) - 1;
        let place = error.position.map_or(0, |position| position.column);
        failed(at, format!("line {at}, column {place}: {}", error.message))
    })?;
    let value = documents.into_iter().next().map(|document| document.value);
    let kind = match &value {
        None => String::new(),
        Some(Json::Object(members)) => match field(members, "kind") {
            _ if let Some(problem) = problem_of_head(members) => {
                return Err(failed(line, format!("line {line}: {problem}")));
            }
            None | Some(Json::Null) => String::new(),
            Some(Json::String(kind)) => kind.clone(),
            Some(other) => other.to_string(),
        },
        Some(other) => {
            let found = if other.is_array() {
                "a list"
            } else {
                "a single value"
            };
            return Err(failed(
                line,
                format!("line {line}: an object is wanted, not {found}"),
            ));
        }
    };
    Ok(Manifest {
        source: source.to_owned(),
        content: content.to_owned(),
        line,
        kind,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_at_separators() {
        let check = |text: &str, expect: &[(usize, &str)]| assert_eq!(split(text), expect, "{text:?}");
        check("", &[]);
        check("\n\n---\n---\n# c\n", &[(5, "# c\n")]);
        check("a: 1", &[(1, "a: 1")]);
        check("\n---\na: 1\n---\nb: 2\n", &[(3, "a: 1\n"), (5, "b: 2\n")]);
        check("---  \na: 1\n--- # x\nb: 2", &[(2, "a: 1\n"), (3, "# x\nb: 2")]);
        check("---a: 1\n", &[(1, "a: 1\n")]);
        check("a: |\n  ---\n", &[(1, "a: |\n  ---\n")]);
    }

    #[test]
    fn kinds_come_in_the_order_of_installation() {
        let text = |kind: &str| format!("kind: {kind}\n");
        let files: Vec<(String, String)> = ["Deployment", "Zebra", "Service", "Apple", "Namespace"]
            .iter()
            .map(|kind| ((*kind).to_owned(), text(kind)))
            .collect();
        let (manifests, hooks) = sort(&files).unwrap();
        let kinds: Vec<&str> = manifests.iter().map(|manifest| manifest.kind.as_str()).collect();
        assert_eq!(kinds, ["Namespace", "Service", "Deployment", "Apple", "Zebra"]);
        assert!(hooks.is_empty());
    }

    #[test]
    fn hooks_are_set_apart() {
        let hook = |events: &str| {
            format!("kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: {events}\n")
        };
        let check = |events: &str, expect: (usize, usize)| {
            let (manifests, hooks) = sort(&[("x".to_owned(), hook(events))]).unwrap();
            assert_eq!((manifests.len(), hooks.len()), expect, "{events}");
        };
        check("pre-install", (0, 1));
        check("\"pre-install, POST-upgrade\"", (0, 1));
        check("unheard-of", (0, 0));
        check("true", (0, 0));
        check("null", (0, 0));
        check("\"pre-install,unheard-of\"", (0, 0));
    }

    #[test]
    fn the_case_of_fields_does_not_matter() {
        let text = "Kind: Job\nMetadata:\n  Annotations:\n    helm.sh/hook: test\n";
        let (manifests, hooks) = sort(&[("x".to_owned(), text.to_owned())]).unwrap();
        assert!(manifests.is_empty());
        assert_eq!(hooks[0].kind, "Job");
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_line() {
        for (text, expect) in [
            ("a: 1\n---\nb: [\n", "line 3"),
            ("- a\n", "line 1: an object is wanted, not a list"),
            ("just text\n", "not a single value"),
            ("kind: [A]\n", "line 1: kind must be text"),
            ("kind: A\nmetadata: x\n", "line 1: metadata must be a mapping"),
            (
                "metadata:\n  annotations: [x]\n",
                "metadata.annotations must be a mapping",
            ),
            (
                "metadata:\n  annotations:\n    a: {b: c}\n",
                "the annotation a must be text",
            ),
        ] {
            let error = sort(&[("c/templates/x.yaml".to_owned(), text.to_owned())])
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("YAML parse error on c/templates/x.yaml: "),
                "{error}"
            );
            assert!(error.contains(expect), "{error}");
        }
    }
}
