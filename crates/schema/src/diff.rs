//! Differences between two objects, for people to read. Items of keyed lists are matched by key, so
//! that a moved item is no difference.

use serde_json::Value;

use crate::merge::{Typed, item_element, same};
use crate::model::{ListType, Schema};

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where, as an RFC 6901 pointer: into the new object, or into the old one when `new` is `None`.
    pub pointer: String,
    /// Where, in words of the schema: `spec.template.spec.containers[name="web"].image`.
    pub path: String,
    /// What stood there, `None` when the value is new.
    pub old: Option<Value>,
    /// What stands there, `None` when the value is gone.
    pub new: Option<Value>,
}

/// The differences between two objects, in the order of their fields. Whole values that come or go are
/// one difference.
pub fn diff(schema: &Schema, old: &Value, new: &Value) -> Vec<Change> {
    let mut walk = Walk {
        changes: Vec::new(),
        pointer: String::new(),
        path: String::new(),
    };
    walk.at(Typed::root(schema), old, new);
    walk.changes
}

struct Walk {
    changes: Vec<Change>,
    pointer: String,
    path: String,
}

impl Walk {
    fn at(&mut self, typed: Typed<'_>, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Object(before), Value::Object(after)) => {
                let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
                names.sort();
                names.dedup();
                for name in names {
                    let pointer = name.replace('~', "~0").replace('/', "~1");
                    let dot = if self.path.is_empty() { "" } else { "." };
                    let path = if name.contains(['.', '/']) {
                        format!("[{name:?}]")
                    } else {
                        format!("{dot}{name}")
                    };
                    self.step(
                        &pointer,
                        &path,
                        typed.child(name),
                        before.get(name),
                        after.get(name),
                    );
                }
            }
            (Value::Array(before), Value::Array(after)) => self.list(typed, before, after),
            _ if same(old, new) => {}
            _ => self.note(Some(old), Some(new)),
        }
    }

    fn step(
        &mut self,
        pointer: &str,
        path: &str,
        typed: Typed<'_>,
        old: Option<&Value>,
        new: Option<&Value>,
    ) {
        let (pointer_length, path_length) = (self.pointer.len(), self.path.len());
        self.pointer.push('/');
        self.pointer.push_str(pointer);
        self.path.push_str(path);
        match (old, new) {
            (Some(old), Some(new)) => self.at(typed, old, new),
            (None, None) => {}
            _ => self.note(old, new),
        }
        self.pointer.truncate(pointer_length);
        self.path.truncate(path_length);
    }

    fn note(&mut self, old: Option<&Value>, new: Option<&Value>) {
        self.changes.push(Change {
            pointer: self.pointer.clone(),
            path: self.path.clone(),
            old: old.cloned(),
            new: new.cloned(),
        });
    }

    fn list(&mut self, typed: Typed<'_>, before: &[Value], after: &[Value]) {
        let names = |items: &[Value]| -> Option<Vec<_>> {
            let names: Vec<_> = items
                .iter()
                .map(|item| item_element(typed.schema, item).ok())
                .collect::<Option<_>>()?;
            let mut unique = names.clone();
            unique.sort();
            unique.dedup();
            (unique.len() == names.len()).then_some(names)
        };
        let keyed = if typed.schema.list == ListType::Atomic {
            None
        } else {
            names(before).zip(names(after))
        };
        let Some((old_names, new_names)) = keyed else {
            return self.by_place(typed, before, after);
        };
        for (place, (name, new)) in new_names.iter().zip(after).enumerate() {
            let old = old_names
                .iter()
                .position(|old| old == name)
                .and_then(|old| before.get(old));
            self.step(
                &place.to_string(),
                &name.to_string(),
                typed.item(),
                old,
                Some(new),
            );
        }
        for (place, (name, old)) in old_names.iter().zip(before).enumerate() {
            if !new_names.contains(name) {
                self.step(
                    &place.to_string(),
                    &name.to_string(),
                    typed.item(),
                    Some(old),
                    None,
                );
            }
        }
    }

    fn by_place(&mut self, typed: Typed<'_>, before: &[Value], after: &[Value]) {
        for place in 0..before.len().max(after.len()) {
            let name = format!("[{place}]");
            self.step(
                &place.to_string(),
                &name,
                typed.item(),
                before.get(place),
                after.get(place),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::diff;
    use crate::Schemas;

    #[test]
    fn keyed_items_are_matched_by_key() {
        let schema = Schemas::builtin()
            .schema("apps/v1", "Deployment")
            .expect("Deployment");
        let with = |containers| json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let old = with(json!([{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]));
        let new = with(json!([{"name": "c"}, {"name": "b", "image": "b:2"}, {"name": "a", "image": "a:1"}]));
        let found: Vec<String> = diff(schema, &old, &new)
            .into_iter()
            .map(|change| {
                let side = |value: Option<serde_json::Value>| {
                    value.map_or("-".to_owned(), |value| value.to_string())
                };
                format!(
                    "{} {} {} {}",
                    change.pointer,
                    change.path,
                    side(change.old),
                    side(change.new)
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                "/spec/template/spec/containers/0 spec.template.spec.containers[name=\"c\"] - {\"name\":\"c\"}",
                "/spec/template/spec/containers/1/image \
                 spec.template.spec.containers[name=\"b\"].image \"b:1\" \"b:2\"",
            ]
        );
        assert_eq!(diff(schema, &old, &old), []);
    }

    #[test]
    fn names_with_dots_and_slashes() {
        let schema = Schemas::builtin().schema("v1", "ConfigMap").expect("ConfigMap");
        let old = json!({"metadata": {"annotations": {"a.b/c~d": "1"}}});
        let changes = diff(schema, &old, &json!({"metadata": {"annotations": {}}}));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].pointer, "/metadata/annotations/a.b~1c~0d");
        assert_eq!(changes[0].path, "metadata.annotations[\"a.b/c~d\"]");
        assert_eq!(changes[0].new, None);
    }
}
