//! What a chart is called that is not on this machine: `oci://registry/path[:tag][@digest]`.

use std::fmt;

use super::address::Address;

/// A chart in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    host: String,
    pub(super) path: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl Artifact {
    /// Reads what follows `oci://`. What is said about a wrong one does not repeat it: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (text, digest) = match text.split_once("@sha256:") {
            Some((text, digest)) => (text, Some(format!("sha256:{digest}"))),
            None => (text, None),
        };
        if text.contains('@') {
            return Err("an address must not hold a name or a password".to_owned());
        }
        let (host, path) = text
            .split_once('/')
            .ok_or("a registry and a path are needed, oci://registry.example.com/charts/hello")?;
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag.replace('+', "_"))),
            None => (path, None),
        };
        let plain = |part: &str, also: &[u8]| {
            part.bytes()
                .all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
        };
        let is_step =
            |step: &str| plain(step, b"-_.") && step.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !path.split('/').all(is_step) {
            return Err(format!("{path:?} is no path of a registry"));
        }
        if let Some(tag) = tag.as_deref().filter(|tag| tag.is_empty() || !plain(tag, b"-_.")) {
            return Err(format!("{tag:?} is no tag"));
        }
        let is_hash =
            |digest: &String| digest.len() == 71 && digest[7..].bytes().all(|b| b.is_ascii_hexdigit());
        if digest.as_ref().is_some_and(|digest| !is_hash(digest)) {
            return Err("a digest is sha256: and 64 digits from 0 to f".to_owned());
        }
        let artifact = Self {
            host: host.to_owned(),
            path: path.to_owned(),
            tag,
            digest,
        };
        artifact.address(true)?;
        Ok(artifact)
    }

    /// Where its registry is.
    pub(super) fn address(&self, secure: bool) -> Result<Address, String> {
        // Docker's own registry answers elsewhere than it is called.
        let host = match self.host.as_str() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        Address::of_host(secure, host)
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let check = |text: &str, expect: &str| {
            let found = Artifact::parse(text).map_or_else(
                |why| why,
                |found| {
                    let address = found.address(true).unwrap();
                    format!("{address} {} {:?} {:?}", found.path, found.tag, found.digest)
                },
            );
            assert_eq!(found, expect, "{text}");
        };
        check("h/a", "https://h/ a None None");
        check("H:5000/a/b:1.0.0+x", "https://h:5000/ a/b Some(\"1.0.0_x\") None");
        check("docker.io/org/a", "https://registry-1.docker.io/ org/a None None");
        let digest = format!("sha256:{}", "0a".repeat(32));
        check(
            &format!("h/a:1@{digest}"),
            &format!("https://h/ a Some(\"1\") Some(\"{digest}\")"),
        );
        check("h/a@sha256:12", "a digest is sha256: and 64 digits from 0 to f");
        check("me:pw@h/a", "an address must not hold a name or a password");
        check("h/../a", "\"../a\" is no path of a registry");
        check("h/", "\"\" is no path of a registry");
        check("h/a b", "\"a b\" is no path of a registry");
        check("h/a:", "\"\" is no tag");
        check("h/a?b", "\"a?b\" is no path of a registry");
        check(
            "h",
            "a registry and a path are needed, oci://registry.example.com/charts/hello",
        );
        check("/a", "the address names no host");
    }
}
