//! What can be wrong: with an object, with a schema, with an apply.

use std::fmt::{self, Write as _};

use crate::fields::FieldSet;

/// One thing wrong with one field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, such as `spec.containers[0].image`; empty for the object itself.
    pub field: String,
    /// What kind of mistake it is.
    pub cause: Cause,
    /// The whole message, field and kind included, as the API server words it:
    /// `spec.replicas: Invalid value: -1: must be greater than or equal to 0`.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

/// The kinds of mistake that the API server tells apart, by the names it uses in `details.causes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A field that must be there is not.
    Required,
    /// A value that is not allowed here.
    Invalid,
    /// A value that is none of the few allowed.
    Unsupported,
    /// A value that stands twice where it may stand once.
    Duplicate,
    /// A name of something that is not there.
    NotFound,
    /// A value of another type than the schema's.
    TypeInvalid,
    /// A field or change that is not allowed at all.
    Forbidden,
    /// Too many characters.
    TooLong,
    /// Too many items or fields.
    TooMany,
}

impl Cause {
    /// The reason in `details.causes[].reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Cause::Required => "FieldValueRequired",
            Cause::Invalid => "FieldValueInvalid",
            Cause::Unsupported => "FieldValueNotSupported",
            Cause::Duplicate => "FieldValueDuplicate",
            Cause::NotFound => "FieldValueNotFound",
            Cause::TypeInvalid => "FieldValueTypeInvalid",
            Cause::Forbidden => "FieldValueForbidden",
            Cause::TooLong => "FieldValueTooLong",
            Cause::TooMany => "FieldValueTooMany",
        }
    }
}

/// Why an `openAPIV3Schema` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema is not a JSON object where one must stand.
    #[error("schema at {0:?} is not an object")]
    NotAnObject(String),
    /// A type that structural schemas do not know.
    #[error("schema at {place:?} has the unknown type {kind:?}")]
    UnknownType {
        /// Where in the schema.
        place: String,
        /// The type.
        kind: String,
    },
    /// A regular expression that does not compile.
    #[error("schema at {place:?} has an invalid pattern {pattern:?}: {reason}")]
    Pattern {
        /// Where in the schema.
        place: String,
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A list type or map type that does not exist, or keys that are missing.
    #[error("schema at {place:?}: {reason}")]
    Extension {
        /// Where in the schema.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The schema is nested too deep.
    #[error("schema is nested deeper than {0} levels")]
    TooDeep(usize),
}

/// One field that an apply would change under another owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The other field manager.
    pub manager: String,
    /// The subresource it wrote to, empty for the resource itself.
    pub subresource: String,
    /// The API version it used, empty when it is an applier itself.
    pub api_version: String,
    /// The field, such as `.spec.replicas`.
    pub path: String,
}

impl Conflict {
    /// The other owner as the API server prints it: `"kubectl" using apps/v1`.
    pub fn owner(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            let _ = write!(text, " with subresource {:?}", self.subresource);
        }
        if !self.api_version.is_empty() {
            let _ = write!(text, " using {}", self.api_version);
        }
        text
    }
}

/// Why an apply was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Other managers own fields that would change. HTTP 409, one cause of reason
    /// `FieldManagerConflict` each.
    #[error("{}", conflicts_text(conflicts))]
    Conflicts {
        /// Field by field.
        conflicts: Vec<Conflict>,
        /// The same fields as a set.
        paths: FieldSet,
    },
    /// The configuration brings `managedFields`. HTTP 400.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// The configuration cannot be read by the schema. HTTP 500 upstream, 400 here would be kinder.
    #[error("failed to create typed patch object: {0}")]
    Config(String),
    /// The live object's `managedFields` cannot be read.
    #[error("failed to decode managed fields of the live object: {0}")]
    Live(String),
}

fn conflicts_text(conflicts: &[Conflict]) -> String {
    if let [conflict] = conflicts {
        return format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            conflict.owner(),
            conflict.path
        );
    }
    let mut lines = Vec::new();
    let mut last = None;
    for conflict in conflicts {
        let owner = conflict.owner();
        if last.as_ref() != Some(&owner) {
            lines.push(format!("conflicts with {owner}:"));
            last = Some(owner);
        }
        lines.push(format!("- {}", conflict.path));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}

/// Why a strategic merge patch cannot be laid over an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Patch, object or an item of a keyed list is no object.
    #[error("a strategic merge patch merges objects with objects only")]
    NotAnObject,
    /// An unknown `$patch` directive.
    #[error("unknown patch type: {directive} in map: {map}")]
    Directive {
        /// What it said.
        directive: String,
        /// What it stands in, as Go prints it.
        map: String,
    },
    /// `$retainKeys` that is no list, or leaves out a field that the patch sets.
    #[error("$retainKeys at {place:?} must be a list that names every field the patch sets beside it")]
    RetainKeys {
        /// Where in the patch.
        place: String,
    },
    /// An item of a keyed list without its key.
    #[error("map: {map} does not contain declared merge key: {key}")]
    MergeKey {
        /// The item, as Go prints it.
        map: String,
        /// The key.
        key: String,
    },
}
