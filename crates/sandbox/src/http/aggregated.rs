//! Discovery in one document (`apidiscovery.k8s.io/v2`), as clients of today ask for it: what has not changed is not
//! sent again.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use ring::digest::{SHA512, digest};
use serde_json::{Value, json};

use super::discovery::{add_names, groups, of_version};
use super::respond;
use crate::catalog::{Catalog, Resource};

const CONTENT_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The core alone, or every other group.
pub(super) fn answer(catalog: &Catalog, core: bool, headers: &HeaderMap) -> Response {
    let groups = groups(catalog);
    let chosen = groups.iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = chosen
        .map(|(group, versions)| group_json(catalog, group, versions))
        .collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
    .to_string();
    let tag = format!("\"{}\"", fingerprint(body.as_bytes()));
    let mut response = respond::unless_known(headers, &tag, CONTENT_TYPE, body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// What tells a document from any other.
pub(super) fn fingerprint(document: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in digest(&SHA512, document).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

fn group_json(catalog: &Catalog, group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| {
            let resources = of_version(catalog, group, version);
            let resources: Vec<Value> = resources.into_iter().map(resource_json).collect();
            json!({ "version": version, "resources": resources, "freshness": "Current" })
        })
        .collect();
    let metadata = if group.is_empty() {
        json!({})
    } else {
        json!({ "name": group })
    };
    json!({ "metadata": metadata, "versions": versions })
}

fn resource_json(resource: &Resource) -> Value {
    // What built-in kinds answer with goes without saying, where it is of their own group and version.
    let speaks = |group: &str, version: &str, kind: &str| {
        if !resource.is_custom() && (group, version) == (resource.group.as_str(), resource.version.as_str()) {
            json!({ "group": "", "version": "", "kind": kind })
        } else {
            json!({ "group": group, "version": version, "kind": kind })
        }
    };
    let mut json = json!({
        "resource": resource.plural,
        "responseKind": speaks(&resource.group, &resource.version, &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    add_names(&mut json, resource);
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|one| {
            let (group, version, kind) = &one.speaks;
            json!({ "subresource": one.name, "responseKind": speaks(group, version, kind), "verbs": one.verbs })
        })
        .collect();
    if !subresources.is_empty() {
        json["subresources"] = json!(subresources);
    }
    json
}
