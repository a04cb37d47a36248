//! Container image references, read as Docker and Kyverno read them: `nginx` is
//! `docker.io/nginx:latest`, the first part is a registry when it has a dot, a colon, a capital or is `localhost`.

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
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
            return None;
        }
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest))
                if first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first =>
            {
                (first, rest)
            }
            _ => ("docker.io", name),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag.to_owned())),
            None => (rest, None),
        };
        let fits = is_registry(registry)
            && path.split('/').all(is_component)
            && registry.len() + 1 + path.len() <= 255
            && tag.as_deref().is_none_or(is_tag);
        if !fits {
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

    /// The variable `image` of what is attested of it.
    pub(crate) fn as_variable(&self) -> Value {
        let mut variable = self.describe("");
        if let Value::Object(map) = &mut variable {
            map.remove("jsonPointer");
            map.insert("image".to_owned(), json!(self.reference()));
        }
        variable
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

/// Letters, digits and hyphens between dots, and a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let labelled = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let address =
        |inner: &str| !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.map_or_else(|| host.split('.').all(labelled), address)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Small letters and digits; between them a dot, one or two underscores, or hyphens.
fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text
        .split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        .filter(|separator| !separator.is_empty());
    text.bytes().next().is_some_and(plain)
        && text.bytes().next_back().is_some_and(plain)
        && separators.all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An image of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    /// Where it stands, as an RFC 6901 pointer.
    pub(crate) pointer: String,
    /// What it is called among its kind: the name of the container.
    pub(crate) key: String,
    /// The kind: `containers`, or what an extractor says.
    pub(crate) group: String,
    pub(crate) image: Image,
}

/// The kinds of containers of a pod.
pub(crate) const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The images of a pod or pod controller. An error says which of them cannot be read, and why.
pub(crate) fn in_pod(object: &Value, pod_spec: &str) -> Result<Vec<Used>, String> {
    let mut found = Vec::new();
    for group in CONTAINERS {
        let base = format!("{pod_spec}/{group}");
        let containers = match object.pointer(&base) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(containers)) => containers,
            Some(_) => return Err(format!("{base} is no list of containers")),
        };
        for (index, container) in containers.iter().enumerate() {
            let at = format!("{base}/{index}");
            let Value::Object(container) = container else {
                return Err(format!("{at} is no container"));
            };
            let Some(key) = container.get("name").and_then(Value::as_str) else {
                return Err(format!("the container at {at} has no name"));
            };
            // An image may be missing: then it is the defaults of the cluster that fill it in.
            let Some(written) = container.get("image").and_then(Value::as_str) else {
                continue;
            };
            if written.trim().is_empty() {
                continue;
            }
            let image = Image::parse(written).ok_or_else(|| not_one(written))?;
            found.push(Used {
                pointer: format!("{at}/image"),
                key: key.to_owned(),
                group: group.to_owned(),
                image,
            });
        }
    }
    Ok(found)
}

/// What is said of a text that is no reference.
pub(crate) fn not_one(written: &str) -> String {
    let shown: String = written.chars().take(200).collect();
    format!("{shown:?} is not the reference of an image")
}

/// The `images` variable: images by their kind and key.
pub(crate) fn described(used: &[Used]) -> Value {
    let mut images = Map::new();
    for used in used {
        let group = images
            .entry(used.group.clone())
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(group) = group {
            group.insert(used.key.clone(), used.image.describe(&used.pointer));
        }
    }
    Value::Object(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

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
        check("[::1]:5000/nginx", Some("[::1]:5000/nginx:latest"));
        check("Acme/nginx", Some("Acme/nginx:latest"));
        check("ghcr.io/a/b:v1", Some("ghcr.io/a/b:v1"));
        check(
            "ghcr.io/a-b/c__d/e.f_g---h",
            Some("ghcr.io/a-b/c__d/e.f_g---h:latest"),
        );
        let pinned = format!("ghcr.io/a/b@{DIGEST}");
        check(&pinned, Some(&pinned));
        check(&format!("ghcr.io/a/b:v1@{DIGEST}"), Some(&pinned));
        for text in [
            "",
            "nginx:",
            "nginx:-a",
            "nginx:1:2",
            "nginx@sha256",
            "nginx@sha256:00",
            "nginx@md5:00000000000000000000000000000000",
            "a b",
            "evil.io/Foo",
            "ghcr.io//a",
            "ghcr.io/a/",
            "ghcr.io/a..b",
            "ghcr.io/-a",
            "ghcr.io:x/a",
            "-a.io/a",
            "ghcr.io/a___b",
        ] {
            check(text, None);
        }
        check(&"a".repeat(300), None);
    }

    #[test]
    fn images_of_a_pod() {
        let check = |spec: Value, expect: Result<Value, &str>| {
            let object = json!({"spec": spec});
            let got = in_pod(&object, "/spec").map(|used| described(&used));
            match (got, expect) {
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
                (got, expect) => assert_eq!(got, expect.map_err(str::to_owned), "{object}"),
            }
        };
        check(json!({}), Ok(json!({})));
        check(json!({"containers": [], "initContainers": null}), Ok(json!({})));
        // An image that is not there is no fault; one that cannot be read is.
        check(
            json!({"containers": [{"name": "a"}, {"name": "b", "image": " "}]}),
            Ok(json!({})),
        );
        check(
            json!({"containers": [{"name": "a", "image": "nginx"}]}),
            Ok(json!({"containers": {"a": {
                "registry": "docker.io", "name": "nginx", "path": "nginx", "tag": "latest",
                "reference": "docker.io/nginx:latest", "referenceWithTag": "docker.io/nginx:latest",
                "jsonPointer": "/spec/containers/0/image",
            }}})),
        );
        check(
            json!({"containers": [{"name": "a", "image": "nginx"}, {"name": "b", "image": "evil.io/Foo"}]}),
            Err("\"evil.io/Foo\" is not the reference of an image"),
        );
        check(json!({"containers": {"a": 1}}), Err("no list of containers"));
        check(
            json!({"initContainers": ["a"]}),
            Err("/spec/initContainers/0 is no container"),
        );
        check(json!({"containers": [{"image": "nginx"}]}), Err("has no name"));
    }
}
