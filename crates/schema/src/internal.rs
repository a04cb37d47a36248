//! Objects as the API server has them inside: in Go's names and order, nothing left out. Some of its messages print
//! them so, or say what changed in them. `data/internal.facts` has the names.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use serde_json::Value;

static FACTS: &str = include_str!("../data/internal.facts");
/// Lines around a change.
const CONTEXT: usize = 3;
/// Where more lines than this may have changed, all of them count as changed.
const MOST_CELLS: usize = 4_000_000;

/// Fields of a pod that stand in its security context inside.
const OF_THE_HOST: [&str; 5] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
    "hostUsers",
];

enum Node {
    Leaf(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

fn types() -> &'static HashMap<&'static str, &'static str> {
    static TYPES: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    TYPES.get_or_init(|| FACTS.lines().filter_map(|line| line.split_once('\t')).collect())
}

/// The JSON of a value of an internal type, such as `core.PodSpec`.
pub(crate) fn json(kind: &str, value: &Value) -> String {
    let mut out = String::new();
    compact(&object(kind, value), &mut out);
    out
}

/// How two values of an internal type differ, as a unified diff of their indented JSON.
pub(crate) fn diff(kind: &str, old: &Value, new: &Value) -> String {
    let lines = |value: &Value| {
        let mut lines = vec![String::new()];
        indented(&object(kind, value), 0, "", &mut lines);
        lines
    };
    unified(&lines(old), &lines(new))
}

fn object(kind: &str, value: &Value) -> Node {
    let mut fields = Vec::new();
    fill(kind, value, &mut fields);
    Node::Object(fields)
}

fn fill(kind: &str, value: &Value, out: &mut Vec<(String, Node)>) {
    if let Some(names) = plain_fields(kind) {
        for name in names {
            let found = &value[*name];
            let empty = found.is_null()
                || found.as_array().is_some_and(Vec::is_empty)
                || found.as_object().is_some_and(serde_json::Map::is_empty);
            if !empty {
                out.push(((*name).to_owned(), plain(found)));
            }
        }
        return;
    }
    let hosted;
    let value = if kind == "core.PodSpec" {
        hosted = with_the_host(value);
        &hosted
    } else {
        value
    };
    for field in types().get(kind).copied().unwrap_or_default().split(',') {
        if let Some(inner) = field.strip_prefix('^') {
            let of_metadata = inner == "meta.ObjectMeta";
            fill(inner, if of_metadata { &value["metadata"] } else { value }, out);
        } else if let Some((name, code)) = field.split_once(':') {
            let found = value
                .as_object()
                .into_iter()
                .flatten()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            let found = found.map_or(&Value::Null, |(_, value)| value);
            out.push((name.to_owned(), node(code, found)));
        }
    }
}

/// A pod's spec with what it says of the host in its security context.
fn with_the_host(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let Some(fields) = spec.as_object_mut() else {
        return spec;
    };
    for field in OF_THE_HOST {
        let Some(found) = fields.remove(field).filter(|found| !found.is_null()) else {
            continue;
        };
        let context = fields.entry("securityContext").or_insert(Value::Null);
        if context.is_null() {
            *context = Value::Object(serde_json::Map::new());
        }
        if let Some(context) = context.as_object_mut() {
            context.insert(field.to_owned(), found);
        }
    }
    spec
}

/// Types that are written as everywhere: their fields in order, those without a value left out.
fn plain_fields(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "meta.LabelSelector" => Some(&["matchLabels", "matchExpressions"]),
        "meta.ObjectMeta" => Some(&[
            "name",
            "generateName",
            "namespace",
            "uid",
            "creationTimestamp",
            "labels",
            "annotations",
            "ownerReferences",
            "finalizers",
        ]),
        _ => None,
    }
}

fn plain(value: &Value) -> Node {
    match value {
        Value::Array(items) => Node::List(items.iter().map(plain).collect()),
        Value::Object(fields) => Node::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect(),
        ),
        other => Node::Leaf(other.to_string()),
    }
}

/// `*` may be null, `%` is a map, `@` another type; the rest are scalars with their zero.
fn node(code: &str, value: &Value) -> Node {
    if let Some(inner) = code.strip_prefix('*') {
        return match value {
            Value::Null => Node::Leaf("null".to_owned()),
            Value::Array(items) if items.is_empty() => Node::Leaf("null".to_owned()),
            Value::Array(items) => Node::List(items.iter().map(|item| node(inner, item)).collect()),
            value => node(inner, value),
        };
    }
    if let Some(inner) = code.strip_prefix('%') {
        let fields = value.as_object().into_iter().flatten();
        return Node::Object(
            fields
                .map(|(name, value)| (name.clone(), node(inner, value)))
                .collect(),
        );
    }
    if let Some(kind) = code.strip_prefix('@') {
        return object(kind, value);
    }
    let zero = match code {
        "s" => "\"\"",
        "b" => "false",
        "i" | "x" => "0",
        "q" => "\"0\"",
        _ => "null",
    };
    Node::Leaf(if value.is_null() {
        zero.to_owned()
    } else {
        value.to_string()
    })
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

fn compact(node: &Node, out: &mut String) {
    match node {
        Node::Leaf(text) => out.push_str(text),
        Node::List(items) => {
            for (place, item) in items.iter().enumerate() {
                out.push(if place == 0 { '[' } else { ',' });
                compact(item, out);
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Node::Object(fields) => {
            for (place, (name, value)) in fields.iter().enumerate() {
                out.push(if place == 0 { '{' } else { ',' });
                out.push_str(&quoted(name));
                out.push(':');
                compact(value, out);
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
    }
}

/// Writes a value behind what the last line has.
fn indented(node: &Node, depth: usize, end: &str, lines: &mut Vec<String>) {
    let mut add = |text: &str| {
        if let Some(last) = lines.last_mut() {
            last.push_str(text);
        }
    };
    let (open, close, count) = match node {
        Node::Leaf(text) => {
            add(text);
            return add(end);
        }
        Node::List(items) => ("[", "]", items.len()),
        Node::Object(fields) => ("{", "}", fields.len()),
    };
    add(open);
    if count > 0 {
        let comma = |place: usize| if place + 1 == count { "" } else { "," };
        match node {
            Node::Leaf(_) => {}
            Node::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    lines.push(" ".repeat(depth + 1));
                    indented(item, depth + 1, comma(place), lines);
                }
            }
            Node::Object(fields) => {
                for (place, (name, value)) in fields.iter().enumerate() {
                    lines.push(format!("{}{}: ", " ".repeat(depth + 1), quoted(name)));
                    indented(value, depth + 1, comma(place), lines);
                }
            }
        }
        lines.push(" ".repeat(depth));
    }
    if let Some(last) = lines.last_mut() {
        last.push_str(close);
        last.push_str(end);
    }
}

/// A stretch of lines: where it begins in both, and how many there are.
struct Stretch {
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
}

/// The lines that are the same in both, in pairs, by the longest common subsequence.
fn pairs(old: &[String], new: &[String]) -> Vec<(usize, usize)> {
    let begin = old
        .iter()
        .zip(new)
        .take_while(|(one, other)| one == other)
        .count();
    let room = old.len().min(new.len()) - begin;
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(room)
        .take_while(|(one, other)| one == other)
        .count();
    let (rows, columns) = (old.len() - begin - end, new.len() - begin - end);
    let mut same: Vec<(usize, usize)> = (0..begin).map(|at| (at, at)).collect();
    if rows * columns <= MOST_CELLS {
        let width = columns + 1;
        let mut longest = vec![0_u32; (rows + 1) * width];
        for row in (0..rows).rev() {
            for column in (0..columns).rev() {
                longest[row * width + column] = if old[begin + row] == new[begin + column] {
                    longest[(row + 1) * width + column + 1] + 1
                } else {
                    longest[(row + 1) * width + column].max(longest[row * width + column + 1])
                };
            }
        }
        let (mut row, mut column) = (0, 0);
        while row < rows && column < columns {
            if old[begin + row] == new[begin + column] {
                same.push((begin + row, begin + column));
                row += 1;
                column += 1;
            } else if longest[(row + 1) * width + column] >= longest[row * width + column + 1] {
                row += 1;
            } else {
                column += 1;
            }
        }
    }
    same.extend(
        (0..end)
            .rev()
            .map(|back| (old.len() - 1 - back, new.len() - 1 - back)),
    );
    same
}

/// The changes between lines that are the same.
fn changes(old: &[String], new: &[String]) -> Vec<Stretch> {
    let mut found = Vec::new();
    let (mut left, mut right) = (0, 0);
    let mut marks = pairs(old, new);
    marks.push((old.len(), new.len()));
    for (one, other) in marks {
        if one > left || other > right {
            found.push(Stretch {
                old: left..one,
                new: right..other,
            });
        }
        (left, right) = (one + 1, other + 1);
    }
    found
}

fn unified(old: &[String], new: &[String]) -> String {
    let mut groups: Vec<Vec<Stretch>> = Vec::new();
    for change in changes(old, new) {
        let near = groups
            .last()
            .and_then(|group| group.last())
            .is_some_and(|last| change.old.start - last.old.end <= 2 * CONTEXT);
        match groups.last_mut() {
            Some(group) if near => group.push(change),
            _ => groups.push(vec![change]),
        }
    }
    let mut out = String::new();
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let before = first.old.start.min(CONTEXT);
        let after = (old.len() - last.old.end).min(CONTEXT);
        let from = first.old.start - before..last.old.end + after;
        let to = first.new.start - before..last.new.end + after;
        let _ = writeln!(out, "@@ -{} +{} @@", place(&from), place(&to));
        let mut line = |mark: char, text: &str| {
            out.push(mark);
            out.push_str(text);
            out.push('\n');
        };
        let mut at = from.start;
        for change in &group {
            old[at..change.old.start].iter().for_each(|text| line(' ', text));
            old[change.old.clone()].iter().for_each(|text| line('-', text));
            new[change.new.clone()].iter().for_each(|text| line('+', text));
            at = change.old.end;
        }
        old[at..from.end].iter().for_each(|text| line(' ', text));
    }
    out
}

/// A range as unified diffs write it.
fn place(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        count => format!("{},{count}", range.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_printed_as_they_are_inside() {
        let check = |kind: &str, value: Value, expect: &str| assert_eq!(super::json(kind, &value), expect);
        check(
            "apps.DeploymentStrategy",
            json!({ "type": "Sideways" }),
            r#"{"Type":"Sideways","RollingUpdate":null}"#,
        );
        check(
            "core.ServicePort",
            json!({ "protocol": "TCP", "port": 80 }),
            r#"{"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}"#,
        );
        check(
            "policy.PodDisruptionBudgetSpec",
            json!({ "minAvailable": 1, "maxUnavailable": "5%", "selector": { "matchLabels": { "a": "b" } } }),
            r#"{"MinAvailable":1,"Selector":{"matchLabels":{"a":"b"}},"MaxUnavailable":"5%","UnhealthyPodEvictionPolicy":null}"#,
        );
    }

    #[test]
    fn changes_stand_with_three_lines_around_them() {
        let claim = |size: &str| {
            json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } },
                "volumeMode": "Filesystem" })
        };
        let expect = "@@ -6,7 +6,7 @@\n  \"Resources\": {\n   \"Limits\": null,\n   \"Requests\": {\n-   \
                      \"storage\": \"1Gi\"\n+   \"storage\": \"2Gi\"\n   }\n  },\n  \"VolumeName\": \"\",\n";
        let found = diff("core.PersistentVolumeClaimSpec", &claim("1Gi"), &claim("2Gi"));
        assert_eq!(found, expect);
    }

    #[test]
    fn what_the_host_has_stands_in_the_security_context() {
        let spec = json!({ "hostNetwork": true, "containers": [] });
        let text = super::json("core.PodSpec", &spec);
        assert!(
            text.contains("\"SecurityContext\":{\"HostNetwork\":true,\"HostPID\":false"),
            "{text}"
        );
    }
}
