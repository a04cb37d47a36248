//! Kinds with two faces over one store: what a request speaks, and what is kept.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{autoscaling, events};
use crate::catalog::{Resource, Source};
use crate::store::Object;

/// Whether the resource speaks of its objects in other fields than they are stored in.
pub(super) fn differs(resource: &Resource) -> bool {
    resource.is("events.k8s.io", "events") || (autoscaling::is_scaler(resource) && resource.version == "v1")
}

/// Puts an object into the version it is stored in.
pub(super) fn to_stored(resource: &Resource, object: &mut Value) {
    // Those at the door may have been asked in another version than the request has.
    if resource.is("events.k8s.io", "events") || object["apiVersion"] == "events.k8s.io/v1" {
        events::to_core(object);
    } else if object["apiVersion"] == autoscaling::V1 && autoscaling::is_scaler(resource) {
        autoscaling::to_v2(object);
        // What v1 leaves open has its defaults there.
        schema::prepare(resource.stored_schema(), object);
    }
    if object["apiVersion"] != resource.stored {
        object["apiVersion"] = json!(resource.stored);
    }
}

/// An object in the version a request speaks.
pub(crate) fn shown(resource: &Resource, object: &Value) -> Value {
    let mut shown = object.clone();
    if resource.is("events.k8s.io", "events") {
        events::from_core(&mut shown);
    } else if differs(resource) {
        autoscaling::to_v1(&mut shown);
    }
    shown["apiVersion"] = json!(resource.api_version());
    shown
}

/// A custom object that was written before its definition got the schema it has, in that schema; `None` for all others, which
/// are what they are. Only the version that is stored knows what was written.
pub(crate) fn renewed(resource: &Resource, object: &Object) -> Option<Value> {
    let Source::Custom(version) = &resource.source else {
        return None;
    };
    if object.revision > version.since || resource.api_version() != resource.stored {
        return None;
    }
    let mut renewed = object.value.clone();
    schema::prepare(resource.stored_schema(), &mut renewed);
    (renewed != *object.value).then_some(renewed)
}

/// A stored object in the fields of the resource; one that has the same fields stays as it is.
pub(super) fn in_fields_of<'a>(resource: &Resource, object: &'a Value) -> Cow<'a, Value> {
    if differs(resource) {
        Cow::Owned(shown(resource, object))
    } else {
        Cow::Borrowed(object)
    }
}
