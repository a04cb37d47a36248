//! Values that are more than their fields: addresses, quantities, versions, images.

use std::net::IpAddr;

use serde_json::Value as Json;

use crate::jmespath::Version;
use crate::quantity::Quantity;

/// A value of a type that only functions look into.
#[derive(Debug, Clone)]
pub(crate) enum Opaque {
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    Url(Url),
    Quantity(Quantity),
    Semver(Version, String),
    /// A format of names, such as `dns1123Label`.
    Format(&'static str),
    Image(ImageReference),
    /// What is sent with calls of a service: certificates that it is trusted by.
    HttpClient(String),
    /// Somebody who signs images, as a policy has them.
    Attestor(Json),
}

/// The parts of an absolute URL, or of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(super) written: String,
    pub(super) scheme: String,
    /// With the port, as written.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
}

/// An image reference as registries read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageReference {
    pub(super) written: String,
    pub(super) registry: String,
    pub(super) repository: String,
    /// A tag, or a digest.
    pub(super) identifier: String,
    pub(super) by_digest: bool,
}

/// Versions are the same whatever is said of their builds.
impl PartialEq for Opaque {
    fn eq(&self, other: &Opaque) -> bool {
        match (self, other) {
            (Opaque::Semver(left, _), Opaque::Semver(right, _)) => left == right,
            (Opaque::Quantity(left), Opaque::Quantity(right)) => left == right,
            (Opaque::Ip(left), Opaque::Ip(right)) => left == right,
            (Opaque::Cidr(left, length), Opaque::Cidr(right, other)) => (left, length) == (right, other),
            (Opaque::Url(left), Opaque::Url(right)) => left == right,
            (Opaque::Format(left), Opaque::Format(right)) => left == right,
            (Opaque::Image(left), Opaque::Image(right)) => left == right,
            (Opaque::HttpClient(left), Opaque::HttpClient(right)) => left == right,
            (Opaque::Attestor(left), Opaque::Attestor(right)) => left == right,
            _ => false,
        }
    }
}

impl Opaque {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Opaque::Ip(_) => "net.IP",
            Opaque::Cidr(..) => "net.CIDR",
            Opaque::Url(_) => "kubernetes.URL",
            Opaque::Quantity(_) => "kubernetes.Quantity",
            Opaque::Semver(..) => "kubernetes.Semver",
            Opaque::Format(_) => "kubernetes.NamedFormat",
            Opaque::Image(_) => "kyverno.image",
            Opaque::HttpClient(_) => "http.Context",
            Opaque::Attestor(_) => "kyverno.attestor",
        }
    }

    pub(super) fn to_json(&self) -> Json {
        Json::String(self.to_string())
    }
}

impl std::fmt::Display for Opaque {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Opaque::Ip(address) => write!(formatter, "{address}"),
            Opaque::Cidr(address, length) => write!(formatter, "{address}/{length}"),
            Opaque::Url(url) => formatter.write_str(&url.written),
            Opaque::Quantity(quantity) => write!(formatter, "{quantity}"),
            Opaque::Semver(_, written) => formatter.write_str(written),
            Opaque::Format(name) => formatter.write_str(name),
            Opaque::Image(image) => formatter.write_str(&image.written),
            Opaque::HttpClient(_) => formatter.write_str("http"),
            Opaque::Attestor(_) => formatter.write_str("attestor"),
        }
    }
}

impl ImageReference {
    /// Reads a reference: the registry is Docker's unless one is named, `library/` is put before its plain names.
    pub(crate) fn parse(text: &str) -> Option<ImageReference> {
        const DEFAULT: &str = "index.docker.io";
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (base, tag) = match name.rsplit_once(':') {
            Some((base, tag)) if !tag.contains('/') => (base, Some(tag)),
            _ => (name, None),
        };
        let tag_fits = |tag: &str| {
            (1..=128).contains(&tag.len())
                && tag
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        if tag.is_some_and(|tag| !tag_fits(tag)) {
            return None;
        }
        if let Some(digest) = digest {
            let hex = digest.strip_prefix("sha256:")?;
            if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return None;
            }
        }
        let (registry, repository) = match base.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DEFAULT, base),
        };
        let registry = if registry == "docker.io" {
            DEFAULT
        } else {
            registry
        };
        let registry_fits = registry
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
        let repository_fits = (2..=255).contains(&repository.len())
            && repository
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/'));
        if !registry_fits || !repository_fits {
            return None;
        }
        let repository = if registry == DEFAULT && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        Some(ImageReference {
            written: text.to_owned(),
            registry: registry.to_owned(),
            repository,
            identifier: digest.or(tag).unwrap_or("latest").to_owned(),
            by_digest: digest.is_some(),
        })
    }
}
