//! What the verbs of the API mean: get, list, watch, create, update, patch, delete.
//!
//! Each is a method of [`crate::engine::Engine`] from parsed arguments to objects or an
//! [`ApiError`](crate::status::ApiError). HTTP and representations live in `http`.

mod apply;
mod autoscaling;
mod create;
mod delete;
mod events;
mod evict;
mod faces;
mod found;
mod kinds;
mod labels;
mod meta;
mod patch;
mod read;
mod review;
mod selector;
mod shape;
mod subresource;
mod update;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use serde_json::Value;

use crate::User;
use crate::catalog::Resource;
use crate::store::{Key, Object};

pub(crate) use delete::{
    CUSTOM_RESOURCES, DeleteOptions, Deleted, FOREGROUND, ORPHAN, Propagation, collection_of,
};
pub(crate) use faces::{renewed, shown};
pub(crate) use kinds::{CLAIM_IN_USE, VOLUME_IN_USE, quality_of_service};
pub(crate) use meta::{text, texts};
pub(crate) use patch::{Patch, PatchKind, Unpatched, json_patch_in_bounds};
pub(crate) use read::{ListOptions, Listed, Resume};
pub(crate) use selector::Selector;
pub(crate) use shape::{FROM_YAML, restore};
pub(crate) use subresource::ScaleChange;
pub(crate) use watch::{Change, Next, WatchOptions, Watcher};

/// The place a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub(crate) namespace: String,
    /// Empty for collections.
    pub(crate) name: String,
    /// `status`, `scale`, … or empty.
    pub(crate) subresource: String,
}

impl Target {
    pub(crate) fn key(&self) -> Key {
        self.resource.key(&self.namespace, &self.name)
    }
}

/// What to do about fields the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// Who writes and how.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions {
    pub(crate) user: User,
    /// The field manager.
    pub(crate) manager: String,
    /// Whether the path names the object; what is posted is named by its body alone.
    pub(crate) named: bool,
    /// Whether the client named the manager.
    pub(crate) manager_named: bool,
    pub(crate) dry_run: bool,
    pub(crate) validation: FieldValidation,
    /// Words about the fields that stand twice in the body.
    pub(crate) twice: Vec<String>,
    /// Server-side apply takes fields over from others.
    pub(crate) force: bool,
    /// Whether admission looks at it; the machinery's own writes go past it.
    pub(crate) reviewed: bool,
    /// The options as the client sent them, for those whom admission asks.
    pub(crate) sent: Value,
    /// What the client is to be told whatever becomes of the write.
    pub(crate) warnings: Warnings,
}

/// How much is said beside an answer, in bytes; they are headers.
const MOST_SAID: usize = 16 << 10;

/// Words for the client beside the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Adds words that are not there yet.
    pub(crate) fn add(&self, words: &[String]) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut length: usize = held.iter().map(String::len).sum();
        for word in words {
            length += word.len();
            if length > MOST_SAID {
                return;
            }
            if !word.is_empty() && !held.contains(word) {
                held.push(word.clone());
            }
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A write that happened (or would have, in a dry run).
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) object: Arc<Object>,
    pub(crate) code: StatusCode,
    pub(crate) warnings: Vec<String>,
}
