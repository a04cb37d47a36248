//! What the server has: groups, versions and resources, document by document. All in one: [`super::aggregated`].

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{Method, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::negotiate::{self, Offer};
use super::path::Path;
use super::{about, aggregated, openapi, respond};
use crate::catalog::{Catalog, Resource, Source, Subresource};
use crate::engine::Engine;
use crate::security::openid;
use crate::status::ApiError;

/// The groups that Kubernetes puts before all others, and the order in which it does.
const FIRST: [&str; 20] = [
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// Kinds that Kubernetes still stores in an older version than any it serves.
const STORED_OLDER: [&str; 3] = [
    "CustomResourceDefinition",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
];

/// Answers everything that is not about a resource.
pub(super) fn answer(engine: &Engine, path: &Path, parts: &Parts) -> Result<Response, ApiError> {
    let headers = &parts.headers;
    let catalog = engine.catalog();
    let offer = match path {
        Path::ServerVersion => Some(Offer::Json),
        Path::CoreVersions | Path::Version { .. } => Some(Offer::Object),
        Path::Group(group) if FIRST.contains(&group.as_str()) => Some(Offer::Object),
        _ => None,
    };
    if let Some(offer) = offer {
        if parts.method != Method::GET {
            return Err(ApiError::method_not_allowed());
        }
        negotiate::routed(headers, offer)?;
    }
    let body = match path {
        Path::Health(_) => return about::health(path, parts.uri.query().unwrap_or_default()),
        Path::Metrics => return Ok(about::metrics(engine)),
        Path::Root => about::paths(&catalog),
        Path::ServerVersion => about::version(),
        Path::CoreVersions | Path::Groups if negotiate::wants_aggregated(headers) => {
            return Ok(aggregated::answer(&catalog, *path == Path::CoreVersions, headers));
        }
        Path::CoreVersions => {
            negotiate::whole(headers)?;
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
            json!({
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [
                    { "clientCIDR": "0.0.0.0/0", "serverAddress": host.unwrap_or("localhost") }
                ],
            })
        }
        Path::Groups => {
            negotiate::whole(headers)?;
            let groups = groups(&catalog);
            let named = groups.iter().filter(|(group, _)| !group.is_empty());
            let groups: Vec<Value> = named.map(group_json).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        Path::Group(name) => {
            let groups = groups(&catalog);
            let found = groups
                .iter()
                .find(|(group, _)| group == name)
                .ok_or_else(ApiError::no_such_page)?;
            negotiate::whole(headers)?;
            let mut group = group_json(found);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }
        Path::Version { group, version } => {
            let list = resource_list(&catalog, group, version)?;
            negotiate::whole(headers)?;
            list
        }
        Path::OpenId => openid(),
        Path::OpenIdKeys => engine.openid_keys(),
        Path::OpenApiV2 => return Ok(openapi::second(&catalog, parts)),
        Path::OpenApiV3 => return Ok(openapi::index(&catalog)),
        Path::OpenApiV3Of { group, version } => {
            return Ok(openapi::third(engine, group, version, parts));
        }
        Path::Resource(_) => return Err(ApiError::no_such_resource()),
    };
    Ok(respond::value(StatusCode::OK, &body))
}

/// The groups in order, each with its versions, preferred first.
pub(super) fn groups(catalog: &Catalog) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for resource in catalog.resources() {
        let at = groups
            .iter()
            .position(|(group, _)| *group == resource.group)
            .unwrap_or_else(|| {
                groups.push((resource.group.clone(), Vec::new()));
                groups.len() - 1
            });
        let versions = &mut groups[at].1;
        if !versions.contains(&resource.version) {
            versions.push(resource.version.clone());
        }
    }
    for (_, versions) in &mut groups {
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    }
    groups.sort_by_cached_key(|(group, _)| {
        let place = FIRST.iter().position(|first| first == group);
        (place.unwrap_or(FIRST.len()), group.clone())
    });
    groups
}

/// How Kubernetes orders versions: stable before beta before alpha, then higher numbers first, then anything else.
pub(crate) fn priority(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let other = (0, 0, 0, std::cmp::Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else {
        return other;
    };
    let digits = rest.len()
        - rest
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .len();
    let (Ok(major), rest) = (rest[..digits].parse::<u64>(), &rest[digits..]) else {
        return other;
    };
    let stage = |name: &str| {
        rest.strip_prefix(name)
            .and_then(|minor| minor.parse::<u64>().ok())
    };
    let same = std::cmp::Reverse(String::new());
    if rest.is_empty() {
        (3, major, 0, same)
    } else if let Some(minor) = stage("beta") {
        (2, major, minor, same)
    } else if let Some(minor) = stage("alpha") {
        (1, major, minor, same)
    } else {
        other
    }
}

fn group_json((group, versions): &(String, Vec<String>)) -> Value {
    let named: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{group}/{version}"), "version": version }))
        .collect();
    json!({ "name": group, "preferredVersion": named.first(), "versions": named })
}

/// The resources of a group and version, by name.
pub(super) fn of_version<'a>(catalog: &'a Catalog, group: &str, version: &str) -> Vec<&'a Resource> {
    let resources = catalog.resources().iter().map(|resource| &**resource);
    let mut found: Vec<&Resource> = resources
        .filter(|resource| resource.group == group && resource.version == version)
        .collect();
    found.sort_by(|one, other| one.plural.cmp(&other.plural));
    found
}

fn resource_list(catalog: &Catalog, group: &str, version: &str) -> Result<Value, ApiError> {
    let mut resources = Vec::new();
    for resource in of_version(catalog, group, version) {
        resources.push(resource_json(resource));
        resources.extend(
            resource
                .subresources
                .iter()
                .map(|one| subresource_json(resource, one)),
        );
    }
    if resources.is_empty() {
        // Groups of the server's own are looked into, others are looked up.
        let own = group.is_empty() || FIRST.contains(&group);
        return Err(if own {
            ApiError::no_such_resource()
        } else {
            catalog.not_served(group, version)
        });
    }
    let mut list = json!({ "kind": "APIResourceList", "groupVersion": version, "resources": resources });
    // The core's list is older than this field.
    if !group.is_empty() {
        list["apiVersion"] = json!("v1");
        list["groupVersion"] = json!(format!("{group}/{version}"));
    }
    Ok(list)
}

fn resource_json(resource: &Resource) -> Value {
    let mut json = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    if resource.allows("", "list") {
        json["storageVersionHash"] = json!(storage_version_hash(resource));
    }
    add_names(&mut json, resource);
    json
}

/// Changes when objects come to be stored in another version.
fn storage_version_hash(resource: &Resource) -> String {
    let (group, version) = resource
        .stored
        .split_once('/')
        .unwrap_or(("", resource.stored.as_str()));
    let older =
        matches!(resource.source, Source::Builtin(_)) && STORED_OLDER.contains(&resource.kind.as_str());
    let version = if older { "v1beta1" } else { version };
    let hash = digest(&SHA256, format!("{group}/{version}/{}", resource.kind).as_bytes());
    STANDARD.encode(&hash.as_ref()[..8])
}

fn subresource_json(resource: &Resource, subresource: &Subresource) -> Value {
    let (group, version, kind) = &subresource.speaks;
    let mut json = json!({
        "name": format!("{}/{}", resource.plural, subresource.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": subresource.verbs,
    });
    if (group, version) != (&resource.group, &resource.version) {
        json["group"] = json!(group);
        json["version"] = json!(version);
    }
    json
}

pub(super) fn add_names(json: &mut Value, resource: &Resource) {
    if !resource.short_names.is_empty() {
        json["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        json["categories"] = json!(resource.categories);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_as_kubernetes_orders_them() {
        let mut versions = [
            "v1alpha1",
            "v10",
            "x",
            "v1",
            "v2beta1",
            "v1beta2",
            "a",
            "v11alpha2",
        ];
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        assert_eq!(
            versions,
            [
                "v10",
                "v1",
                "v2beta1",
                "v1beta2",
                "v11alpha2",
                "v1alpha1",
                "a",
                "x"
            ]
        );
    }
}
