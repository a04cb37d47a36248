//! From what files ask for to what is applied: one section for the platform and one for each namespace, every
//! object with its revision, its source and its tracking annotation. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use api::Group;
use apply::{ObjectId, Tracking};
use serde_json::{Value, json};

use crate::layout::{Desired, GOLDEN_PATH, POLICY_GROUPS, Place};
use crate::path::{CommitId, RepoPath};

/// A part of the cluster that is applied by itself: what goes wrong in one stops no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SectionKey {
    /// What belongs to the whole cluster.
    Platform,
    /// What lives in one namespace.
    Namespace(String),
}

/// What one section shall hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Section {
    pub(super) objects: Vec<Planned>,
    /// Files with findings: what they asked for before stays.
    pub(super) broken: BTreeSet<String>,
}

/// An object to apply, and where it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) id: ObjectId,
    pub(super) path: RepoPath,
    pub(super) line: usize,
    pub(super) value: Value,
}

impl Section {
    pub(super) fn find(&self, id: &ObjectId) -> Option<&Planned> {
        self.objects.iter().find(|planned| planned.id.same_object(id))
    }

    /// The kinds that a cluster need not know: policies are judged by the platform itself as well, and golden
    /// paths are read from Git.
    pub(super) fn optional(&self, group: &Group) -> Vec<(String, String)> {
        let kinds: BTreeSet<(String, String)> = self
            .objects
            .iter()
            .map(|planned| (planned.id.group.clone(), planned.id.kind.clone()))
            .filter(|(of, kind)| {
                POLICY_GROUPS.contains(&of.as_str()) || (of == group.as_str() && kind == GOLDEN_PATH)
            })
            .collect();
        kinds.into_iter().collect()
    }
}

pub(super) fn plan(
    desired: &Desired,
    revisions: &BTreeMap<RepoPath, CommitId>,
    group: &Group,
    tracking: &Tracking,
) -> BTreeMap<SectionKey, Section> {
    let broken: BTreeSet<String> = desired.broken().into_iter().map(str::to_owned).collect();
    let mut sections: BTreeMap<SectionKey, Section> = BTreeMap::new();
    for object in &desired.objects {
        let mut value = object.value.clone();
        let id = ObjectId::of(&value);
        let key = match &object.place {
            Place::Platform | Place::Boundary { .. } => SectionKey::Platform,
            Place::Team { namespace, .. } => SectionKey::Namespace(namespace.clone()),
        };
        annotate(
            &mut value,
            "annotations",
            &group.annotation_source(),
            object.path.as_str(),
        );
        if let Some(revision) = revisions.get(&object.path) {
            annotate(
                &mut value,
                "annotations",
                &group.annotation_revision(),
                revision.as_str(),
            );
        }
        let (team, environment) = match &object.place {
            Place::Platform => (None, None),
            Place::Boundary { team, .. } => (Some(team), None),
            Place::Team {
                team, environment, ..
            } => (Some(team), environment.as_ref()),
        };
        for (label, name) in [
            (group.label_team(), team),
            (group.label_environment(), environment),
        ] {
            if let Some(name) = name {
                annotate(&mut value, "labels", &label, name);
            }
        }
        tracking.mark(&mut value, &id);
        let planned = Planned {
            id,
            path: object.path.clone(),
            line: object.line,
            value,
        };
        sections.entry(key).or_default().objects.push(planned);
    }
    for section in sections.values_mut() {
        section.broken.clone_from(&broken);
    }
    sections
}

fn annotate(object: &mut Value, place: &str, key: &str, text: &str) {
    let pairs = &mut object["metadata"][place];
    if !pairs.is_object() {
        *pairs = json!({});
    }
    pairs[key] = Value::String(text.to_owned());
}
