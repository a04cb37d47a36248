//! What a request wants to do, read off its method and path alone: whether there is such a thing is not asked yet.
//!
//! Reference: `RequestInfoFactory` of `k8s.io/apiserver`.

use http::Method;

use super::User;
use crate::status::{About, ApiError};

/// A verb on something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) verb: String,
    pub(crate) on: On,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Resource(Place),
    /// Anything that is no resource, such as `/version`.
    Path(String),
}

/// A resource, one of its objects, or what lies beneath one; what is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Action {
    /// Of a request by the parts of its path. `watches` is whether the query asks for a watch, `named` the only name that
    /// its field selector lets through.
    pub(crate) fn of(method: &Method, parts: &[&str], watches: bool, named: Option<&str>) -> Self {
        let elsewhere = || Self {
            verb: method.as_str().to_ascii_lowercase(),
            on: On::Path(format!("/{}", parts.join("/"))),
        };
        let (group, rest) = match parts {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => return elsewhere(),
        };
        let by_method = match *method {
            Method::POST => "create",
            Method::GET | Method::HEAD => "get",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "",
        };
        let (verb, rest) = match rest {
            // Nobody may write because of what they may watch.
            ["watch", rest @ ..] if !rest.is_empty() && by_method == "get" => ("watch", rest),
            rest => (by_method, rest),
        };
        let (namespace, rest) = match rest {
            // What lies beneath a namespace, and is no resource in it.
            ["namespaces", namespace] | ["namespaces", namespace, "status" | "finalize", ..] => {
                (*namespace, rest)
            }
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            rest => ("", rest),
        };
        let part = |at: usize| rest.get(at).copied().unwrap_or_default();
        let (mut verb, mut name) = (verb, part(1));
        if name.is_empty() && verb == "get" {
            verb = if watches { "watch" } else { "list" };
            name = named.unwrap_or_default();
        }
        if name.is_empty() && verb == "delete" {
            verb = "deletecollection";
        }
        Self {
            verb: verb.to_owned(),
            on: On::Resource(Place {
                group: group.to_owned(),
                resource: part(0).to_owned(),
                subresource: part(2).to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
        }
    }

    /// Where roles of a namespace count as well.
    pub(crate) fn namespace(&self) -> &str {
        match &self.on {
            On::Resource(place) => &place.namespace,
            On::Path(_) => "",
        }
    }

    /// The refusal.
    pub(crate) fn forbidden(&self, user: &User, reason: &str) -> ApiError {
        let (verb, name) = (&self.verb, &user.name);
        let what = match &self.on {
            On::Path(path) => format!("User {name:?} cannot {verb} path {path:?}"),
            On::Resource(place) => {
                let resource = if place.subresource.is_empty() {
                    place.resource.clone()
                } else {
                    format!("{}/{}", place.resource, place.subresource)
                };
                let scope = if place.namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace {:?}", place.namespace)
                };
                let group = &place.group;
                format!("User {name:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}")
            }
        };
        // Nothing that a browser would take for markup.
        let mut why = what
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        if !reason.is_empty() {
            why = format!("{why}: {reason}");
        }
        match &self.on {
            On::Path(_) => ApiError::forbidden_path(&why),
            On::Resource(place) => {
                let about = About {
                    group: &place.group,
                    plural: &place.resource,
                    kind: "",
                    name: &place.name,
                };
                ApiError::forbidden(about, &why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Vec<&str> {
        path.split('/').filter(|part| !part.is_empty()).collect()
    }

    #[test]
    fn requests_as_rules_see_them() {
        let check = |method: Method, path: &str, watches: bool, named: Option<&str>, expect: &str| {
            let action = Action::of(&method, &parts(path), watches, named);
            let told = match &action.on {
                On::Path(path) => format!("{} {path}", action.verb),
                On::Resource(place) => format!(
                    "{} {}|{}|{}|{}|{}",
                    action.verb, place.group, place.resource, place.subresource, place.namespace, place.name
                ),
            };
            assert_eq!(told, expect, "{method} {path}");
        };
        for (method, path, expect) in [
            (Method::GET, "/version", "get /version"),
            (Method::GET, "/api/v1", "get /api/v1"),
            (Method::GET, "/apis/apps/v1", "get /apis/apps/v1"),
            (Method::POST, "/nothing/here", "post /nothing/here"),
            (Method::GET, "/api/v1/pods", "list |pods|||"),
            (Method::GET, "/api/v1/namespaces/a/pods", "list |pods||a|"),
            (Method::GET, "/api/v1/namespaces/a/pods/b", "get |pods||a|b"),
            (
                Method::GET,
                "/api/v1/namespaces/a/pods/b/log",
                "get |pods|log|a|b",
            ),
            (Method::GET, "/api/v1/namespaces", "list |namespaces|||"),
            (Method::GET, "/api/v1/namespaces/a", "get |namespaces||a|a"),
            (
                Method::PUT,
                "/api/v1/namespaces/a/finalize",
                "update |namespaces|finalize|a|a",
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/a/pods",
                "deletecollection |pods||a|",
            ),
            (Method::DELETE, "/api/v1/namespaces/a/pods/b", "delete |pods||a|b"),
            (
                Method::PATCH,
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                "patch apps|deployments|scale|a|b",
            ),
            (Method::GET, "/apis/x.io/v1/things/c", "get x.io|things|||c"),
            (Method::GET, "/api/v1/watch/namespaces/a/pods", "watch |pods||a|"),
        ] {
            check(method, path, false, None, expect);
        }
        for (path, named, expect) in [
            ("/api/v1/pods", None, "watch |pods|||"),
            ("/api/v1/namespaces/a/pods", Some("b"), "watch |pods||a|b"),
            ("/api/v1/namespaces/a/pods/b", None, "get |pods||a|b"),
        ] {
            check(Method::GET, path, true, named, expect);
        }
    }

    #[test]
    fn refusals_in_the_words_of_the_real_one() {
        let user = User {
            name: "jo".to_owned(),
            ..User::default()
        };
        let said = |method: Method, path: &str| {
            let action = Action::of(&method, &parts(path), false, None);
            action.forbidden(&user, "").message
        };
        assert_eq!(
            said(Method::GET, "/apis/apps/v1/namespaces/a/deployments/b/scale"),
            "deployments.apps \"b\" is forbidden: User \"jo\" cannot get resource \"deployments/scale\" in API group \
             \"apps\" in the namespace \"a\"",
        );
        assert_eq!(
            said(Method::GET, "/api/v1/nodes"),
            "nodes is forbidden: User \"jo\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
        );
        assert_eq!(
            said(Method::GET, "/<b>"),
            "forbidden: User \"jo\" cannot get path \"/&lt;b&gt;\"",
        );
    }
}
