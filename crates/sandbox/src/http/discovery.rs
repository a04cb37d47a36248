//! What the server has: groups, versions, resources, and its own version.

use std::collections::BTreeMap;

use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::path::Path;
use super::{negotiate, openapi, respond};
use crate::catalog::{Catalog, Resource, Subresource};
use crate::engine::Engine;
use crate::security::openid;
use crate::status::ApiError;

/// The version of Kubernetes whose behaviour this follows; the suffix says that it is not one.
const GIT_VERSION: &str = "v1.36.3+sandbox";

/// Answers everything that is not about a resource.
pub(super) fn answer(
    engine: &Engine,
    path: &Path,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    // The list of groups does not look at the method, as upstream.
    if !matches!(*method, Method::GET | Method::HEAD) && !matches!(path, Path::Groups) {
        return Err(ApiError::method_not_allowed());
    }
    let catalog = engine.catalog();
    let body = match path {
        Path::Health => return Ok(respond::text_plain("ok")),
        Path::Root => {
            json!({ "paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"] })
        }
        Path::ServerVersion => version(),
        Path::CoreVersions if negotiate::wants_aggregated(headers) => {
            return Ok(aggregated(&catalog, str::is_empty));
        }
        Path::Groups if negotiate::wants_aggregated(headers) => {
            return Ok(aggregated(&catalog, |group| !group.is_empty()));
        }
        Path::CoreVersions => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }),
        Path::Groups => {
            let groups: Vec<Value> = groups(&catalog)
                .iter()
                .filter(|(group, _)| !group.is_empty())
                .map(group_json)
                .collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        Path::Group(name) => {
            let groups = groups(&catalog);
            let found = groups
                .iter()
                .find(|(group, _)| group == name)
                .ok_or_else(ApiError::no_such_page)?;
            let mut group = group_json(found);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }
        Path::Version { group, version } => resource_list(&catalog, group, version)?,
        Path::OpenId => openid(),
        Path::OpenIdKeys => engine.openid_keys(),
        Path::OpenApiV3 => openapi::index(&catalog),
        Path::OpenApiV3Of { group, version } => openapi::document(&catalog, group, version)?,
        Path::Resource(_) | Path::OpenApiV2 => {
            return Err(ApiError::no_such_resource());
        }
    };
    Ok(respond::value(StatusCode::OK, &body))
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// The groups in order, each with its versions, preferred first.
fn groups(catalog: &Catalog) -> Vec<(String, Vec<String>)> {
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

fn resource_list(catalog: &Catalog, group: &str, version: &str) -> Result<Value, ApiError> {
    let mut resources = Vec::new();
    for resource in catalog.resources() {
        if resource.group == group && resource.version == version {
            resources.push(resource_json(resource));
            resources.extend(
                resource
                    .subresources
                    .iter()
                    .map(|one| subresource_json(resource, one)),
            );
        }
    }
    if resources.is_empty() {
        return Err(catalog.not_served(group, version));
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Ok(
        json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }),
    )
}

fn resource_json(resource: &Resource) -> Value {
    let mut json = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    add_names(&mut json, resource);
    json
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

fn add_names(json: &mut Value, resource: &Resource) {
    if !resource.short_names.is_empty() {
        json["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        json["categories"] = json!(resource.categories);
    }
}

/// All chosen groups in one document.
fn aggregated(catalog: &Catalog, chosen: impl Fn(&str) -> bool) -> Response {
    let mut items = Vec::new();
    for (group, versions) in groups(catalog).iter().filter(|(group, _)| chosen(group)) {
        let mut by_version: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for resource in catalog
            .resources()
            .iter()
            .filter(|resource| resource.group == *group)
        {
            by_version
                .entry(&resource.version)
                .or_default()
                .push(aggregated_resource(resource));
        }
        let versions: Vec<Value> = versions
            .iter()
            .map(|version| {
                json!({ "version": version, "resources": by_version.get(version.as_str()), "freshness": "Current" })
            })
            .collect();
        items.push(json!({ "metadata": { "name": group, "creationTimestamp": null }, "versions": versions }));
    }
    let body = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    });
    let mut response = respond::value(StatusCode::OK, &body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
    );
    response
}

fn aggregated_resource(resource: &Resource) -> Value {
    let speaks =
        |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
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
