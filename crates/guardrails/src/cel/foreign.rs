//! Kyverno's own types of values: images, clients of services, attestors.

use std::any::Any;

use ::cel::{Foreign, Opaque, Value};
use serde_json::Value as Json;

/// A value of a type of Kyverno's.
#[derive(Debug, PartialEq)]
pub(crate) enum Own {
    Image(ImageReference),
    /// What is sent with calls of a service: certificates that it is trusted by.
    HttpClient(String),
    /// Somebody who signs images, as a policy has them.
    Attestor(Json),
}

impl Own {
    pub(crate) fn value<'v>(self) -> Value<'v> {
        Value::opaque(Opaque::Foreign(Box::new(self)))
    }

    /// What a value is, if it is of one of these types.
    pub(crate) fn of<'a>(value: &'a Value<'_>) -> Option<&'a Own> {
        let Value::Opaque(opaque) = value else { return None };
        match &**opaque {
            Opaque::Foreign(foreign) => foreign.as_any().downcast_ref(),
            _ => None,
        }
    }
}

impl std::fmt::Display for Own {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Own::Image(image) => &image.written,
            Own::HttpClient(_) => "http",
            Own::Attestor(_) => "attestor",
        })
    }
}

impl Foreign for Own {
    fn type_name(&self) -> &'static str {
        match self {
            Own::Image(_) => "kyverno.image",
            Own::HttpClient(_) => "http.Context",
            Own::Attestor(_) => "kyverno.attestor",
        }
    }

    fn same(&self, other: &dyn Foreign) -> bool {
        other.as_any().downcast_ref() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An image reference as registries read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageReference {
    pub(crate) written: String,
    pub(crate) registry: String,
    pub(crate) repository: String,
    /// A tag, or a digest.
    pub(crate) identifier: String,
    pub(crate) by_digest: bool,
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
