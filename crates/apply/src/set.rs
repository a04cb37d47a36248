//! What goes into an apply and what comes out of it: plain data. No I/O.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tracking::Tracking;

/// A set of objects that belong together.
#[derive(Debug, Clone)]
pub struct ApplySet {
    /// The field manager that owns what is written.
    pub manager: String,
    /// How the objects are marked as belonging to this set.
    pub tracking: Tracking,
    /// The objects, in any order.
    pub objects: Vec<Value>,
    /// Who owns the objects: written into those that live in the owner's namespace.
    pub owner: Option<Owner>,
    /// Where objects may be.
    pub bounds: Bounds,
    /// What earlier applies of this set made.
    pub inventory: Vec<InventoryItem>,
    /// Whether what is in the inventory but no longer in the set is removed.
    pub prune: Prune,
    /// Whether fields that somebody else owns are taken over.
    pub force: bool,
    /// Kinds, as group and kind, that a cluster need not know: their objects are skipped and said.
    pub optional: Vec<(String, String)>,
}

impl ApplySet {
    /// A set with everything else at its careful default: no owner, anywhere, nothing pruned, nothing forced.
    pub fn new(manager: impl Into<String>, tracking: Tracking, objects: Vec<Value>) -> Self {
        Self {
            manager: manager.into(),
            tracking,
            objects,
            owner: None,
            bounds: Bounds::Anywhere,
            inventory: Vec::new(),
            prune: Prune::Never,
            force: false,
            optional: Vec::new(),
        }
    }
}

/// The owner of a set's objects.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The owner's namespace. Owner references do not reach beyond it.
    pub namespace: String,
    /// The reference.
    pub reference: OwnerReference,
}

/// Where the objects of a set may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bounds {
    /// Everywhere; objects of namespaced kinds must name their namespace.
    Anywhere,
    /// In this namespace only; objects without one are put there, cluster-wide ones are refused.
    Namespace(String),
}

/// When what left the set is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Never; it stays in the inventory.
    Never,
    /// When everything in the set was applied: a failed replacement does not cost the old one.
    AfterSuccess,
    /// In any case.
    Always,
}

/// An object that a set made, as it is remembered between applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryItem {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version.
    #[serde(default)]
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; none for cluster-wide objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Uid, so that a namesake made by somebody else is left alone. Empty for an object that was about to be
    /// made when this was written down: then the tracking annotation alone decides.
    #[serde(default)]
    pub uid: String,
}

impl InventoryItem {
    /// Which object it is.
    pub fn id(&self) -> ObjectId {
        ObjectId {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// Which object: enough to address it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; none for cluster-wide objects.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectId {
    /// Reads it from a manifest; what is missing there is empty here.
    pub fn of(object: &Value) -> Self {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let api_version = text("/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text("/kind"),
            namespace: Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty()),
            name: text("/metadata/name"),
        }
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The same object, whatever the version it is spoken of in.
    pub fn same_object(&self, other: &Self) -> bool {
        (&self.group, &self.kind, &self.namespace, &self.name)
            == (&other.group, &other.kind, &other.namespace, &other.name)
    }

    /// Remembers the object under its uid.
    pub fn item(&self, uid: &str) -> InventoryItem {
        InventoryItem {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: uid.to_owned(),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// What an apply came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// One result per object, in the order of the set.
    pub results: Vec<ObjectResult>,
    /// What the set has made by now and may prune later: to be stored, whatever failed.
    pub inventory: Vec<InventoryItem>,
    /// What was to be removed, and what came of it.
    pub pruned: Vec<Pruned>,
}

impl Applied {
    /// The objects that could not be applied or removed, and why.
    pub fn problems(&self) -> impl Iterator<Item = (&ObjectId, &Problem)> {
        let applied = self.results.iter().filter_map(|result| match &result.outcome {
            Outcome::Failed(problem) => Some((&result.object, problem)),
            _ => None,
        });
        let pruned = self.pruned.iter().filter_map(|pruned| match &pruned.outcome {
            PrunedOutcome::Failed(problem) => Some((&pruned.object, problem)),
            _ => None,
        });
        applied.chain(pruned)
    }

    /// Whether nothing failed.
    pub fn succeeded(&self) -> bool {
        self.problems().next().is_none()
    }

    /// Whether anything in the cluster was written.
    pub fn changed(&self) -> bool {
        self.results
            .iter()
            .any(|result| matches!(result.outcome, Outcome::Created | Outcome::Configured))
            || self
                .pruned
                .iter()
                .any(|pruned| matches!(pruned.outcome, PrunedOutcome::Removed))
    }
}

/// What became of one object.
#[derive(Debug)]
pub struct ObjectResult {
    /// The object.
    pub object: ObjectId,
    /// What became of it.
    pub outcome: Outcome,
    /// The object as the cluster has it now, where it was applied.
    pub live: Option<Value>,
}

/// What became of one object.
#[derive(Debug)]
pub enum Outcome {
    /// It was not there before.
    Created,
    /// It is different now.
    Configured,
    /// It was as wished already.
    Unchanged,
    /// It was left out on purpose.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It could not be applied.
    Failed(Problem),
}

/// What became of an object that left the set.
#[derive(Debug)]
pub struct Pruned {
    /// The object.
    pub object: ObjectId,
    /// What became of it.
    pub outcome: PrunedOutcome,
}

/// What became of an object that left the set.
#[derive(Debug)]
pub enum PrunedOutcome {
    /// Its removal was ordered; what hangs on it follows in the background.
    Removed,
    /// It was gone already.
    Gone,
    /// It is somebody else's by now, and was left alone and forgotten.
    Released {
        /// Why it is not ours.
        reason: String,
    },
    /// It could not be removed and stays in the inventory.
    Failed(Problem),
}

/// Why an object could not be applied or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The manifest lacks what every object has.
    #[error("the object has no {field}")]
    Incomplete {
        /// The field.
        field: &'static str,
    },
    /// Two objects of the set are the same.
    #[error("the object is in the set twice")]
    Twice,
    /// The cluster knows no such kind.
    #[error("the cluster does not know the kind {kind} in {api_version}")]
    UnknownKind {
        /// The API version asked for.
        api_version: String,
        /// The kind asked for.
        kind: String,
    },
    /// The object lies outside the set's bounds.
    #[error("{what}; only objects in namespace {namespace} are allowed here")]
    OutOfBounds {
        /// Where it lies.
        what: String,
        /// Where it would have to lie.
        namespace: String,
    },
    /// Somebody else keeps the object.
    #[error("the object belongs to {owner}")]
    BelongsToOther {
        /// Who.
        owner: String,
    },
    /// The object is going away and cannot be changed any more.
    #[error("the object is being deleted")]
    BeingDeleted,
    /// Somebody else owns fields of the object.
    #[error("somebody else set {}", crate::conflict::list(.0))]
    Conflict(Vec<FieldConflict>),
    /// The cluster said no.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What the cluster said.
        message: String,
        /// The fields it spoke of, as `spec.template.spec.containers[0].image`.
        fields: Vec<String>,
    },
    /// The cluster could not be asked.
    #[error("the cluster cannot be reached")]
    Unreachable(#[source] kube::Error),
}

impl Problem {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownKind { .. } => "install the custom resource definition first".to_owned(),
            Self::BelongsToOther { .. } => "rename the object, or remove it there first".to_owned(),
            Self::Conflict(_) => "remove the field from one of the two writers".to_owned(),
            Self::Refused { code: 403, .. } => "the account in use lacks the permission".to_owned(),
            _ => return None,
        })
    }

    /// The fields of the object that the cluster spoke of.
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Refused { fields, .. } => fields,
            _ => &[],
        }
    }

    /// Whether the same apply may succeed later without anybody changing the set.
    pub fn passes(&self) -> bool {
        match self {
            Self::BeingDeleted | Self::Unreachable(_) | Self::UnknownKind { .. } => true,
            // A namespace that does not exist yet, a webhook that is not up yet, too many requests.
            Self::Refused { code, .. } => matches!(code, 404 | 409 | 429 | 500..),
            _ => false,
        }
    }

    /// What an answer of the cluster, or the lack of one, means for an apply.
    pub fn from_client(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => crate::conflict::explain(&status),
            other => Self::Unreachable(other),
        }
    }
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field, such as `.spec.replicas`.
    pub field: String,
    /// Who owns it, such as `kubectl`.
    pub manager: String,
}
