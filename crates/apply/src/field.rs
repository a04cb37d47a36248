//! Fields as an API server speaks of them, and where they are in an object. No I/O.

use serde_json::Value;

/// One step from a value into it.
enum Step<'a> {
    /// A key, or an index.
    Key(&'a str),
    /// The item of a list that says this of itself, as in `containers[name="app"]`.
    Item(&'a str),
}

/// The field of an object as a JSON pointer: `spec.ports[0].port`, `.spec.containers[name="app"].image`,
/// `metadata.annotations[example.com/owner]` and `/spec/hostNetwork/` are all understood.
///
/// An item that the list does not hold ends the pointer at the list.
pub fn pointer(field: &str, object: &Value) -> String {
    if field.starts_with('/') {
        return field.trim_end_matches('/').to_owned();
    }
    let mut pointer = String::new();
    let mut here = Some(object);
    for step in steps(field) {
        let key = match step {
            Step::Key(key) => key.replace('~', "~0").replace('/', "~1"),
            Step::Item(said) => match here.and_then(|list| index_of(list, said)) {
                Some(index) => index.to_string(),
                None => break,
            },
        };
        pointer = format!("{pointer}/{key}");
        here = object.pointer(&pointer);
    }
    pointer
}

fn steps(field: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_at(bracket_end(inner));
            let quoted = inside.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            steps.push(match quoted {
                Some(key) => Step::Key(key),
                None if inside.contains('=') => Step::Item(inside),
                None => Step::Key(inside),
            });
            rest = after.strip_prefix(']').unwrap_or(after);
        } else {
            let (key, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
            if !key.is_empty() {
                steps.push(Step::Key(key));
            }
            rest = after.strip_prefix('.').unwrap_or(after);
        }
    }
    steps
}

/// Where the bracket closes that was opened before `inner`, quotes respected.
fn bracket_end(inner: &str) -> usize {
    let mut quoted = false;
    let end = inner.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == ']' && !quoted
    });
    end.map_or(inner.len(), |(index, _)| index)
}

/// The index of the item of which all of `name="app",protocol="TCP"` is true.
fn index_of(list: &Value, said: &str) -> Option<usize> {
    let wanted: Vec<(&str, Value)> = said
        .split(',')
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((key, serde_json::from_str(value).ok()?))
        })
        .collect();
    list.as_array()?
        .iter()
        .position(|item| wanted.iter().all(|(key, value)| item.get(*key) == Some(value)))
}

/// The first field that a sentence of an API server or of an admission webhook speaks of.
pub(crate) fn spoken_of(message: &str) -> Option<String> {
    let words = message.split_whitespace().map(|word| {
        let word = word.trim_start_matches(['"', '\'', '(', '`']);
        word.trim_end_matches([':', ',', '.', ';', ')', '\'', '`'])
    });
    let fields = ["spec", "data", "metadata", "rules"];
    words
        .filter(|word| {
            let inner = word.strip_prefix(['.', '/']).unwrap_or(word);
            let first = inner.split(['.', '[', '/']).next().unwrap_or_default();
            fields.contains(&first) && inner.len() > first.len()
        })
        .map(str::to_owned)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_pointers() {
        let object = json!({"spec": {
            "containers": [{"name": "side"}, {"name": "app", "image": "x"}],
            "ports": [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}],
        }});
        for (field, expect) in [
            ("spec.env[0].name", "/spec/env/0/name"),
            ("", ""),
            (".spec.replicas", "/spec/replicas"),
            (".spec.containers[name=\"app\"].image", "/spec/containers/1/image"),
            (".spec.containers[name=\"gone\"].image", "/spec/containers"),
            (
                ".spec.ports[port=1,protocol=\"UDP\"].protocol",
                "/spec/ports/1/protocol",
            ),
            (
                "metadata.annotations[example.com/owner]",
                "/metadata/annotations/example.com~1owner",
            ),
            ("data[\"a].b\"]", "/data/a].b"),
            ("spec.limits[cpu", "/spec/limits/cpu"),
            ("/spec/hostNetwork/", "/spec/hostNetwork"),
            ("a..b[]", "/a/b/"),
        ] {
            assert_eq!(pointer(field, &object), expect, "{field}");
        }
    }

    #[test]
    fn a_sentence_may_speak_of_a_field() {
        for (message, expect) in [
            (
                "failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.template.foo: field not declared in schema",
                Some(".spec.template.foo"),
            ),
            (
                "admission webhook \"validate.kyverno.svc-fail\" denied the request: rule x failed at path /spec/template/spec/hostNetwork/",
                Some("/spec/template/spec/hostNetwork/"),
            ),
            (
                "Deployment in version \"v1\" cannot be handled: (spec.replicas)",
                Some("spec.replicas"),
            ),
            ("exceeded quota: quota, requested: pods=1", None),
            ("the spec of it, metadata and data. All of it.", None),
            ("/etc/spec specific.thing", None),
            ("", None),
        ] {
            assert_eq!(spoken_of(message).as_deref(), expect, "{message}");
        }
    }
}
