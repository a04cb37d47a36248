//! Container image references, read as Docker and Kyverno read them: `nginx` is
//! `docker.io/nginx:latest`, the first part is a registry when it has a dot, a colon or is `localhost`.

use serde_json::{Map, Value, json};

/// An image reference, its defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    registry: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Image {
    /// Reads a reference; `None` when it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Image> {
        if text.is_empty() || text.len() > 1024 || text.contains(char::is_whitespace) {
            return None;
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) if digest.contains(':') => (name, Some(digest.to_owned())),
            Some(_) => return None,
            None => (text, None),
        };
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("docker.io", name),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((_, "")) => return None,
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if path.is_empty() {
            return None;
        }
        let tag = if tag.is_none() && digest.is_none() {
            Some("latest".to_owned())
        } else {
            tag
        };
        Some(Image {
            registry: registry.to_owned(),
            path: path.to_owned(),
            tag,
            digest,
        })
    }

    /// The whole reference with registry and tag or digest.
    pub(crate) fn reference(&self) -> String {
        let mut reference = self.with_registry();
        if let Some(digest) = &self.digest {
            reference.push('@');
            reference.push_str(digest);
        } else if let Some(tag) = &self.tag {
            reference.push(':');
            reference.push_str(tag);
        }
        reference
    }

    /// Whether it says exactly which image.
    pub(crate) fn has_digest(&self) -> bool {
        self.digest.is_some()
    }

    fn with_registry(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    fn describe(&self, pointer: &str) -> Value {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        let mut map = Map::new();
        map.insert("registry".to_owned(), json!(self.registry));
        map.insert("name".to_owned(), json!(name));
        map.insert("path".to_owned(), json!(self.path));
        map.insert("reference".to_owned(), json!(self.reference()));
        let tagged = self
            .tag
            .as_ref()
            .map(|tag| format!("{}:{tag}", self.with_registry()));
        map.insert(
            "referenceWithTag".to_owned(),
            json!(tagged.unwrap_or_else(|| format!("{}:", self.with_registry()))),
        );
        if let Some(tag) = &self.tag {
            map.insert("tag".to_owned(), json!(tag));
        }
        if let Some(digest) = &self.digest {
            map.insert("digest".to_owned(), json!(digest));
        }
        map.insert("jsonPointer".to_owned(), json!(pointer));
        Value::Object(map)
    }
}

/// The `images` variable: the images of a pod or pod controller by kind of container and its name.
pub(crate) fn of_object(object: &Value, pod_spec: &str) -> Value {
    let mut images = Map::new();
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        let Some(containers) = object
            .pointer(&format!("{pod_spec}/{kind}"))
            .and_then(Value::as_array)
        else {
            continue;
        };
        let mut by_name = Map::new();
        for (index, container) in containers.iter().enumerate() {
            let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
            let image = container
                .get("image")
                .and_then(Value::as_str)
                .and_then(Image::parse);
            if let Some(image) = image {
                by_name.insert(
                    name.to_owned(),
                    image.describe(&format!("{pod_spec}/{kind}/{index}/image")),
                );
            }
        }
        images.insert(kind.to_owned(), Value::Object(by_name));
    }
    Value::Object(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_filled_in() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(
                Image::parse(text).map(|image| image.reference()).as_deref(),
                expect,
                "{text}"
            );
        };
        check("nginx", Some("docker.io/nginx:latest"));
        check("nginx:1.2", Some("docker.io/nginx:1.2"));
        check("library/nginx", Some("docker.io/library/nginx:latest"));
        check("localhost/nginx", Some("localhost/nginx:latest"));
        check("registry:5000/nginx", Some("registry:5000/nginx:latest"));
        check("ghcr.io/a/b:v1", Some("ghcr.io/a/b:v1"));
        check("ghcr.io/a/b@sha256:00", Some("ghcr.io/a/b@sha256:00"));
        check("ghcr.io/a/b:v1@sha256:00", Some("ghcr.io/a/b@sha256:00"));
        check("", None);
        check("nginx:", None);
        check("nginx@sha256", None);
        check("a b", None);
    }
}
