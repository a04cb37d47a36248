//! What a policy may ask about beyond the object: the cluster, other services, registries, the clock.
//!
//! The engine itself reaches nothing. Whoever evaluates policies answers through [`Facts`]: the operator with
//! its cluster, a test suite with the values it was given, `create` with nothing at all.

use std::net::IpAddr;

use schema::Schemas;
use serde_json::{Map, Value};

/// Answers the questions of policies. What is not answered is unknown, and an error verdict for the rule that
/// asked: never a pass.
pub trait Facts {
    /// Answers a call of the Kubernetes API or of another service: ConfigMaps, `apiCall`, CEL's `resource` and
    /// `http`.
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        Err(Unavailable::Unknown(call.to_string()))
    }

    /// Answers a call for the sake of an object as a whole: the source of a copy, or what a rule changes although it is
    /// there already. Its content goes into objects and not into words, so a Secret may be told here that
    /// [`Facts::call`] keeps to itself.
    fn object(&self, call: &Call) -> Result<Value, Unavailable> {
        self.call(call)
    }

    /// A `GlobalContextEntry`, as its projections have it: all of it, or one projection.
    fn global(&self, entry: &str, projection: Option<&str>) -> Result<Value, Unavailable> {
        Err(Unavailable::Unknown(match projection {
            Some(projection) => format!("the global context entry {entry}.{projection}"),
            None => format!("the global context entry {entry}"),
        }))
    }

    /// What a registry says of an image: `image`, `resolvedImage`, `registry`, `repository`, `identifier`,
    /// `manifest`, `configData`.
    fn image(&self, reference: &str) -> Result<Value, Unavailable> {
        Err(Unavailable::Unknown(format!(
            "what the registry says of {reference}"
        )))
    }

    /// Whether an image has the signatures or attestations that the policy asks for: the digest they are for, or a map
    /// with `digest` and, by their types, the statements of `attestations`. [`Unavailable::Failed`] means that it has
    /// not.
    ///
    /// Asked is an entry of a `verifyImages` rule; or, for an `ImageValidatingPolicy`, a map with one `attestor`, the
    /// `attestation` if it is about one, and the policy's `credentials`.
    fn verify(&self, image: &str, attestor: &Value) -> Result<Value, Unavailable> {
        let _ = attestor;
        Err(Unavailable::Unknown(format!("who signed {image}")))
    }

    /// Whether the YAML that an object was made of is signed as asked, and the object is what was signed.
    /// [`Unavailable::Failed`] means that it is not.
    ///
    /// Asked is an entry of a set of attestors of a `validate.manifests` rule, with the rule's `annotationDomain`,
    /// `repository`, `ignoreFields` (what may differ from what was signed) and `dryRun`.
    fn verify_manifest(&self, object: &Value, attestor: &Value) -> Result<(), Unavailable> {
        let _ = (object, attestor);
        Err(Unavailable::Unknown("who signed the manifest".to_owned()))
    }

    /// The plural name of a kind, and whether its objects live in namespaces: `("deployments", true)`.
    fn resource(&self, api_version: &str, kind: &str) -> Result<(String, bool), Unavailable> {
        Err(Unavailable::Unknown(format!("the kind {kind} of {api_version}")))
    }

    /// Values that are given to the variables of one rule, by their dotted names; they win over the rule's own
    /// `context`. This is how test suites stand in for a cluster.
    fn given(&self, policy: &str, rule: &str) -> Option<&Map<String, Value>> {
        let _ = (policy, rule);
        None
    }

    /// The addresses of a host.
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unavailable> {
        Err(Unavailable::Unknown(format!("the addresses of {host}")))
    }

    /// Seconds and nanoseconds since 1970.
    fn now(&self) -> Option<(i64, u32)> {
        None
    }

    /// A number that nobody can foresee, another each time.
    fn random(&self) -> Option<u64> {
        None
    }
}

/// The plural that Kubernetes' tools guess for a kind that nobody defined: `Gateway` lives under `gateways`.
pub fn guessed_plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if kind.is_empty() || kind == "endpoints" {
        return kind;
    }
    if kind.ends_with(['s', 'x']) || kind.ends_with("ch") || kind.ends_with("sh") {
        return format!("{kind}es");
    }
    match kind.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{kind}s"),
    }
}

/// The kind of Kubernetes' own that lives under a plural name: `Deployment` under `deployments`.
pub fn builtin_kind(group: &str, version: &str, plural: &str) -> Option<&'static str> {
    let kinds = Schemas::builtin();
    kinds
        .resource(group, version, plural)
        .map(|kind| kind.kind.as_str())
}

/// Whether a policy may read a path of the Kubernetes API: one that leads where it seems to lead, to what has an end, and
/// in `namespace` alone when that is all it may see. Secrets are told to no policy, whatever its reader may do.
pub fn may_read(path: &str, namespace: Option<&str>) -> bool {
    leads_well(path, namespace, false)
}

/// The same, of what is copied or changed as a whole ([`Facts::object`]): that may be a Secret.
pub fn may_copy(path: &str, namespace: Option<&str>) -> bool {
    leads_well(path, namespace, true)
}

fn leads_well(path: &str, namespace: Option<&str>, secrets: bool) -> bool {
    let (plain, query) = path.split_once('?').unwrap_or((path, ""));
    let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let odd = |part: &&str| ["", ".", ".."].contains(part) || part.contains(['%', '\\']);
    let Some(below) = plain.strip_prefix('/').filter(|_| clean(plain) && clean(query)) else {
        return false;
    };
    // A watch and a log that is followed have no end.
    let mut asked = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default());
    if asked.any(|key| ["watch", "follow"].contains(&key) || key.contains('%')) {
        return false;
    }
    let parts: Vec<&str> = below.strip_suffix('/').unwrap_or(below).split('/').collect();
    if parts.iter().any(odd) {
        return false;
    }
    let rest: &[&str] = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        ["version"] | ["api" | "apis", ..] => &[],
        _ => return false,
    };
    let (place, resource) = match rest {
        // What is watched stands behind the word.
        ["watch", ..] => return false,
        ["namespaces", place, resource, ..] => (Some(*place), Some(*resource)),
        ["namespaces", place] => (Some(*place), None),
        [resource, ..] => (None, Some(*resource)),
        [] => (None, None),
    };
    (secrets || resource != Some("secrets")) && namespace.is_none_or(|namespace| place == Some(namespace))
}

/// Nothing is known beyond the object.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFacts;

impl Facts for NoFacts {}

/// Nothing is known beyond the object but what time it is: seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Clock(pub (i64, u32));

impl Facts for Clock {
    fn now(&self) -> Option<(i64, u32)> {
        Some(self.0)
    }
}

/// A call that a policy makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Where to.
    pub to: Callee,
    /// What is sent: a POST when there is something, else a GET.
    pub data: Option<Value>,
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// The Kubernetes API: a path such as `/api/v1/namespaces/shop/configmaps/regions`.
    Cluster(String),
    /// Another service.
    Service {
        /// Its address.
        url: String,
        /// Certificates that it is trusted by, in PEM, beside those of the system.
        ca_bundle: Option<String>,
        /// Headers that are sent.
        headers: Vec<(String, String)>,
    },
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.to {
            Callee::Cluster(path) => write!(formatter, "what the cluster has at {path}"),
            Callee::Service { url, .. } => write!(formatter, "what {url} answers"),
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// Nobody can know it here; the text names what: "the global context entry regions".
    Unknown(String),
    /// It was asked for and is not there: the API answered 404.
    Missing(String),
    /// It was asked for in vain.
    Failed(String),
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unavailable::Unknown(what) => write!(formatter, "{what} is not known here"),
            Unavailable::Missing(what) => write!(formatter, "{what} is not there"),
            Unavailable::Failed(reason) => formatter.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_guessed_as_kubectl_does() {
        for (kind, plural) in [
            ("Widget", "widgets"),
            ("NetworkPolicy", "networkpolicies"),
            ("Ingress", "ingresses"),
            ("Gateway", "gateways"),
            ("Mesh", "meshes"),
            ("Endpoints", "endpoints"),
            ("", ""),
        ] {
            assert_eq!(guessed_plural(kind), plural);
        }
    }

    #[test]
    fn what_policies_may_read() {
        for (path, in_cluster, in_shop) in [
            ("/api/v1/namespaces/shop/configmaps/regions", true, true),
            ("/api/v1/namespaces/other/configmaps/regions", true, false),
            ("/apis/apps/v1/namespaces/shop/deployments?limit=5", true, true),
            ("/apis/apps/v1/deployments", true, false),
            ("/api/v1/namespaces", true, false),
            ("/api/v1/namespaces/shop", true, true),
            ("/api/v1/namespaces/shop/secrets", false, false),
            ("/api/v1/namespaces/shop/secrets/a", false, false),
            ("/api/v1/namespaces/shop/secrets/", false, false),
            ("/api/v1/secrets?limit=1", false, false),
            ("/api/v1/watch/secrets?timeoutSeconds=1", false, false),
            ("/api/v1/watch/namespaces/shop/secrets/a", false, false),
            ("/apis/apps/v1/watch/deployments", false, false),
            (
                "/api/v1/namespaces/shop/configmaps?limit=1&watch=true",
                false,
                false,
            ),
            ("/api/v1/namespaces/shop/configmaps?w%61tch=1", false, false),
            ("/api/v1/namespaces/shop/pods/a/log?follow=1", false, false),
            ("/api/v1/namespaces/shop/pods/a/log?tailLines=1", true, true),
            ("/api/v1/namespaces/secrets/configmaps", true, false),
            ("/api/v1/namespaces?labelSelector=a%3Db", true, false),
            ("/", false, false),
            ("", false, false),
            ("/api/v1/secrets", false, false),
            ("/api/v1/namespaces/shop/../other/configmaps", false, false),
            ("/api/v1/namespaces/shop/%2e%2e/other/configmaps", false, false),
            ("/api/v1//namespaces/shop/configmaps", false, false),
            ("/apis", true, false),
            ("/version", true, false),
            ("/metrics", false, false),
            ("api/v1/pods", false, false),
            ("/api/v1/pods#a", false, false),
            ("/api/v1/po ds", false, false),
            ("/proxy/http://other", false, false),
        ] {
            assert_eq!(may_read(path, None), in_cluster, "{path}");
            assert_eq!(may_read(path, Some("shop")), in_shop, "{path} of shop");
        }
        for (path, expect) in [
            ("/api/v1/namespaces/shop/secrets/a", true),
            ("/api/v1/namespaces/other/secrets/a", false),
            ("/api/v1/secrets", false),
        ] {
            assert_eq!(may_copy(path, Some("shop")), expect, "{path} to be copied");
        }
    }
}
