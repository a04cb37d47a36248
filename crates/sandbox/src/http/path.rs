//! What a path asks for.

use crate::status::ApiError;

/// A path of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// A resource, one of its objects, or a subresource.
    Resource(ResourcePath),
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/<group>`
    Group(String),
    /// `/api/v1` or `/apis/<group>/<version>`
    Version { group: String, version: String },
    /// `/version`
    ServerVersion,
    /// `/healthz`, `/livez`, `/readyz` and what is under them, part by part
    Health(Vec<String>),
    /// `/metrics`
    Metrics,
    /// `/.well-known/openid-configuration`
    OpenId,
    /// `/openid/v1/jwks`
    OpenIdKeys,
    /// `/openapi/v2`
    OpenApiV2,
    /// `/openapi/v3`
    OpenApiV3,
    /// `/openapi/v3/api/v1` or `/openapi/v3/apis/<group>/<version>`
    OpenApiV3Of { group: String, version: String },
    /// `/`
    Root,
}

/// The parts of a resource path; what is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResourcePath {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) plural: String,
    pub(super) name: String,
    pub(super) subresource: String,
    /// Whether it is watched by way of `/watch/` in the path, as of old.
    pub(super) watch: bool,
}

/// The parts of a path, decoded before it comes apart, as upstream. An empty part in the middle is a name that is
/// missing; one at the end is nothing.
pub(super) fn segments(path: &str) -> Result<Vec<String>, ApiError> {
    let decoded = percent_decode(path).ok_or_else(|| ApiError::bad_request("the path is not valid UTF-8"))?;
    let whole = decoded.trim_matches('/');
    let parts = whole.split('/').filter(|_| !whole.is_empty());
    Ok(parts.map(str::to_owned).collect())
}

/// Takes a path apart.
pub(super) fn parse(path: &str) -> Result<Path, ApiError> {
    if path.starts_with("//") {
        return Err(ApiError::no_such_page());
    }
    let decoded = segments(path)?;
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => Ok(Path::Root),
        ["version"] => Ok(Path::ServerVersion),
        ["healthz" | "livez" | "readyz", ..] => Ok(Path::Health(decoded)),
        ["metrics"] => Ok(Path::Metrics),
        [".well-known", "openid-configuration"] => Ok(Path::OpenId),
        ["openid", "v1", "jwks"] => Ok(Path::OpenIdKeys),
        ["openapi", "v2"] => Ok(Path::OpenApiV2),
        ["openapi", "v3"] => Ok(Path::OpenApiV3),
        ["openapi", "v3", "api", version] => Ok(Path::OpenApiV3Of {
            group: String::new(),
            version: (*version).to_owned(),
        }),
        ["openapi", "v3", "apis", group, version] => Ok(Path::OpenApiV3Of {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
        }),
        ["api"] => Ok(Path::CoreVersions),
        ["apis"] => Ok(Path::Groups),
        ["apis", group] => Ok(Path::Group((*group).to_owned())),
        ["api", version] => Ok(Path::Version {
            group: String::new(),
            version: (*version).to_owned(),
        }),
        ["apis", group, version] => Ok(Path::Version {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
        }),
        ["api", version, rest @ ..] => resource("", version, rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        _ => Err(ApiError::no_such_page()),
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Result<Path, ApiError> {
    let (watch, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        rest => (false, rest),
    };
    let (namespace, rest) = match rest {
        // `namespaces/x/status` and `namespaces/x/finalize` are the namespace's own.
        ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, "", String::new()),
        [plural, name] => (*plural, *name, String::new()),
        [plural, name, subresource @ ..] if !subresource.is_empty() => {
            (*plural, *name, subresource.join("/"))
        }
        _ => return Err(ApiError::no_such_resource()),
    };
    Ok(Path::Resource(ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        plural: plural.to_owned(),
        name: name.to_owned(),
        subresource,
        watch,
    }))
}

pub(super) fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart() {
        let resource = |group: &str, namespace: &str, plural: &str, name: &str, subresource: &str| {
            Path::Resource(ResourcePath {
                group: group.to_owned(),
                version: "v1".to_owned(),
                namespace: namespace.to_owned(),
                plural: plural.to_owned(),
                name: name.to_owned(),
                subresource: subresource.to_owned(),
                watch: false,
            })
        };
        let check = |path: &str, expect: Path| assert_eq!(parse(path), Ok(expect), "{path}");
        check("/", Path::Root);
        check("/api/", Path::CoreVersions);
        check("/api/v1/pods", resource("", "", "pods", "", ""));
        check("/api/v1/pods/a%2Fb", resource("", "", "pods", "a", "b"));
        let watched = parse("/api/v1/watch/namespaces/a/pods/b");
        let Ok(Path::Resource(watched)) = watched else {
            panic!("{watched:?} is no resource")
        };
        assert!(watched.watch);
        assert_eq!(
            (&*watched.namespace, &*watched.plural, &*watched.name),
            ("a", "pods", "b")
        );
        check("/api/v1/namespaces", resource("", "", "namespaces", "", ""));
        check("/api/v1/namespaces/a", resource("", "", "namespaces", "a", ""));
        check(
            "/api/v1/namespaces/a/finalize",
            resource("", "", "namespaces", "a", "finalize"),
        );
        check("/api/v1/namespaces/a/pods", resource("", "a", "pods", "", ""));
        check("/api/v1/namespaces/a/pods/b", resource("", "a", "pods", "b", ""));
        check(
            "/apis/apps/v1/namespaces/a/deployments/b/scale",
            resource("apps", "a", "deployments", "b", "scale"),
        );
        check(
            "/apis/x.io/v1/clusters/c/proxy/a/b",
            resource("x.io", "", "clusters", "c", "proxy/a/b"),
        );
        check(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            resource("rbac.authorization.k8s.io", "", "clusterroles", "system:node", ""),
        );
        for path in ["/nothing", "/api%ff", "/apis%2", "/metrics/more"] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
