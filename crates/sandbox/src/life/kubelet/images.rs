//! Which image references a simulated node can pull, and what containerd and the kubelet say about
//! the others. Nothing is ever pulled.
//!
//! The grammar is that of <https://github.com/distribution/reference>.

/// What becomes of an image reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// It would run.
    Pulls,
    /// It is not a reference at all; the message says so.
    Invalid(String),
    /// Its registry cannot be reached; the message says so.
    Unreachable(String),
}

/// Judges a reference by its form: references that are no references, and registries under the
/// reserved name `.invalid`, fail; everything else pulls.
pub(crate) fn judge(image: &str) -> Image {
    let Some(reference) = Reference::parse(image) else {
        return Image::Invalid(format!(
            "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": \
             invalid reference format"
        ));
    };
    let host = reference.host.split(':').next().unwrap_or_default();
    if host == "invalid" || host.ends_with(".invalid") {
        let full = reference.full();
        let Reference {
            host: registry, path, ..
        } = &reference;
        let at = reference.digest.unwrap_or(reference.tag.unwrap_or("latest"));
        return Image::Unreachable(format!(
            "failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": failed to do \
             request: Head \"https://{registry}/v2/{path}/manifests/{at}\": dial tcp: lookup {host}: no such host"
        ));
    }
    Image::Pulls
}

/// What containerd says of an image that its registry does not hold.
pub(crate) fn absent(image: &str) -> String {
    let full = Reference::parse(image).map_or_else(|| image.to_owned(), |reference| reference.full());
    format!(
        "failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": {full}: not found"
    )
}

struct Reference<'a> {
    host: &'a str,
    path: String,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn parse(image: &'a str) -> Option<Self> {
        let (named, digest) = match image.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (image, None),
        };
        let slash = named.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match named.get(slash..)?.find(':') {
            Some(colon) => (named.get(..slash + colon)?, Some(named.get(slash + colon + 1..)?)),
            None => (named, None),
        };
        let (host, path) = match repository.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path.to_owned()),
            Some(_) => ("docker.io", repository.to_owned()),
            None => ("docker.io", format!("library/{repository}")),
        };
        let valid = !repository.is_empty()
            && repository.len() <= 255
            && path.split('/').all(is_component)
            && host
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter))
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        valid.then_some(Self {
            host,
            path,
            tag,
            digest,
        })
    }

    fn full(&self) -> String {
        let Self { host, path, .. } = self;
        match (self.tag, self.digest) {
            (_, Some(digest)) => format!("{host}/{path}@{digest}"),
            (Some(tag), None) => format!("{host}/{path}:{tag}"),
            (None, None) => format!("{host}/{path}:latest"),
        }
    }
}

fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':']) || part.chars().any(|letter| letter.is_ascii_uppercase())
}

fn is_component(part: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let mut separator = String::new();
    let mut after_word = false;
    for letter in part.chars() {
        if plain(letter) {
            let between =
                matches!(separator.as_str(), "" | "." | "_" | "__") || separator.chars().all(|it| it == '-');
            if !between || (!separator.is_empty() && !after_word) {
                return false;
            }
            separator.clear();
            after_word = true;
        } else if matches!(letter, '.' | '_' | '-') {
            separator.push(letter);
        } else {
            return false;
        }
    }
    after_word && separator.is_empty()
}

fn is_tag(tag: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    tag.len() <= 128
        && tag.starts_with(word)
        && tag
            .chars()
            .all(|letter| word(letter) || matches!(letter, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && algorithm
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "+._-".contains(letter))
            && hex.len() >= 32
            && hex.chars().all(|letter| letter.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_judged_by_their_form() {
        let pulls = |image: &str| assert_eq!(judge(image), Image::Pulls, "{image}");
        pulls("nginx");
        pulls("nginx:1.29");
        pulls("library/nginx");
        pulls("registry.internal/payments/api-gateway:v1.2.3");
        pulls("localhost:5000/web_app/a--b.c:V_1.0-rc");
        pulls("web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        pulls("REGISTRY/web");

        let invalid = |image: &str| assert!(matches!(judge(image), Image::Invalid(_)), "{image}");
        invalid("");
        invalid("Web");
        invalid("web:");
        invalid("web app");
        invalid("web:-1");
        invalid("a//b");
        invalid("web@sha256:short");
        invalid("registry.internal/Payments/web");
        invalid("-web");
        invalid("web-");
        invalid("a..b");
        invalid("wéb");
    }

    #[test]
    fn the_words_are_those_of_the_field() {
        let check = |image: &str, expect: Image| assert_eq!(judge(image), expect);
        check(
            "Web:1",
            Image::Invalid(
                "Failed to apply default image tag \"Web:1\": couldn't parse image name \"Web:1\": \
                 invalid reference format"
                    .to_owned(),
            ),
        );
        check(
            "registry.invalid:5000/shop/web:v1",
            Image::Unreachable(
                "failed to pull and unpack image \"registry.invalid:5000/shop/web:v1\": failed to resolve \
                 reference \"registry.invalid:5000/shop/web:v1\": failed to do request: Head \
                 \"https://registry.invalid:5000/v2/shop/web/manifests/v1\": dial tcp: lookup registry.invalid: \
                 no such host"
                    .to_owned(),
            ),
        );
        assert_eq!(
            absent("web:9"),
            "failed to pull and unpack image \"docker.io/library/web:9\": failed to resolve reference \
             \"docker.io/library/web:9\": docker.io/library/web:9: not found"
        );
    }

    proptest! {
        #[test]
        fn no_reference_panics(image in "\\PC{0,40}|[a-zA-Z0-9./:@_-]{0,40}") {
            judge(&image);
            absent(&image);
        }
    }
}
