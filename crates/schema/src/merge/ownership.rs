//! How a change moves fields between owners.

use serde_json::Value;

use super::compare::Comparison;
use super::managed::{Managed, Operation, Owned, Owner};
use super::remove::{fields_of, remove};
use super::typed::Typed;
use crate::error::Conflict;
use crate::fields::{Element, FieldSet, path_text};

/// The fields that are never owned: identity, and what the server keeps.
pub(crate) fn never_owned() -> FieldSet {
    FieldSet::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

impl Managed {
    /// Drops from one owner what is never owned, and the owner when nothing remains.
    pub(crate) fn strip(&mut self, owner: &Owner) {
        if let Some(owned) = self.owners.get_mut(owner) {
            owned.fields = owned.fields.difference(&never_owned());
            if owned.fields.is_empty() {
                self.owners.remove(owner);
            }
        }
    }

    /// Takes what a change wrote or removed away from everybody but its writer. With conflicts the
    /// owners stay as they were and the conflicts are returned, unless they are overridden.
    pub(crate) fn hand_over(
        &mut self,
        change: &Comparison,
        writer: Option<&Owner>,
        force: bool,
    ) -> Result<(), Vec<Conflict>> {
        let written = change.written();
        if !force {
            let mut others: Vec<(&Owner, &Owned)> = self
                .owners
                .iter()
                .filter(|(owner, _)| Some(*owner) != writer)
                .collect();
            // Subresources are reported before the resource itself.
            others.sort_by_key(|(owner, _)| {
                let owner = *owner;
                (
                    &owner.manager,
                    owner.operation,
                    &owner.api_version,
                    owner.subresource.is_empty(),
                )
            });
            let conflicts: Vec<Conflict> = others
                .into_iter()
                .flat_map(|(owner, owned)| {
                    let paths = owned.fields.intersection(&written).paths();
                    paths.into_iter().map(move |path| conflict(owner, &path))
                })
                .collect();
            if !conflicts.is_empty() {
                return Err(conflicts);
            }
        }
        let lost = written.union(&change.removed);
        for (owner, owned) in &mut self.owners {
            if Some(owner) != writer {
                owned.fields = owned.fields.difference(&lost);
            }
        }
        self.owners.retain(|_, owned| !owned.fields.is_empty());
        Ok(())
    }

    /// Follows schema changes: fields that became one value are owned as such.
    pub(crate) fn follow_schema(&mut self, typed: Typed<'_>) {
        for owned in self.owners.values_mut() {
            owned.fields = follow(typed, &owned.fields);
        }
    }

    /// Every field that somebody owns.
    pub(crate) fn everything(&self) -> FieldSet {
        self.owners
            .values()
            .fold(FieldSet::new(), |all, owned| all.union(&owned.fields))
    }
}

fn conflict(owner: &Owner, path: &[Element]) -> Conflict {
    Conflict {
        manager: owner.manager.clone(),
        subresource: owner.subresource.clone(),
        api_version: match owner.operation {
            Operation::Apply => String::new(),
            Operation::Update => owner.api_version.clone(),
        },
        path: path_text(path),
    }
}

fn follow(typed: Typed<'_>, fields: &FieldSet) -> FieldSet {
    let mut followed = FieldSet::new();
    for (element, node) in fields.nodes() {
        let mut node = node.clone();
        if let Some(child) = typed.step(element)
            && !node.below.is_empty()
        {
            if child.is_atomic() {
                node.member = true;
                node.below = FieldSet::new();
            } else {
                node.below = follow(child, &node.below);
            }
        }
        followed.insert_node(element.clone(), node);
    }
    followed
}

/// The merged object without what its applier applied last time, does not apply any more, and nobody
/// else owns.
pub(crate) fn prune_abandoned(
    typed: Typed<'_>,
    merged: &Value,
    managed: &Managed,
    last: Option<&Owned>,
) -> Value {
    let Some(last) = last.filter(|last| !last.fields.is_empty()) else {
        return merged.clone();
    };
    let schema = Some(typed.schema);
    let last = last.fields.with_struct_fields(schema);
    let all = fields_of(typed, merged).with_struct_fields(schema);
    let without_last = remove(typed, merged, &last);
    // What others (or the new configuration) own comes back.
    let still = fields_of(typed, &without_last).with_struct_fields(schema);
    let owned = managed.everything().with_struct_fields(schema);
    let with_owned = remove(typed, merged, &all.difference(&still.union(&owned)));
    // And what was inside a removed item without ever having been applied.
    let kept = fields_of(typed, &with_owned).with_struct_fields(schema);
    remove(typed, merged, &all.difference(&kept).intersection(&last))
}
