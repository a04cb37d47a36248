//! A registry that keeps charts as OCI artifacts: tags, a manifest, the packed chart as a layer. What comes is held
//! against its digest. A registry that wants a token says where one is to be had.

use std::fmt::Write as _;

use http::HeaderMap;
use http::StatusCode;
use http::header::{LINK, WWW_AUTHENTICATE};
use hyper::body::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::address::Address;
use super::reference::Artifact;
use super::web::{Answer, Ask, Web, failed, hinted};
use super::{Credentials, MAX_PACKAGE, newest, some_versions, verify};
use crate::error::{ExitCode, OperationError};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The packed chart; the second is how Helm called it at first.
pub(super) const LAYERS: [&str; 2] = [
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "application/tar+gzip",
];
/// How long a manifest, a list of tags or a token may be.
const MAX_DOCUMENT: u64 = 4 << 20;
/// How many tags are read, on how many pages.
const MAX_TAGS: usize = 100_000;
const MAX_PAGES: usize = 2_000;

/// A registry, and what it knows of us.
pub(super) struct Registry<'a> {
    web: &'a Web,
    credentials: Option<&'a Credentials>,
    base: Address,
    name: String,
    authorization: Option<SecretString>,
}

/// Fetches a packed chart.
pub(super) async fn fetch(
    web: &Web,
    credentials: Option<&Credentials>,
    artifact: &Artifact,
    range: &str,
) -> Result<Bytes, OperationError> {
    let base = artifact
        .address(!web.plain_http())
        .map_err(OperationError::invalid)?;
    let mut registry = Registry {
        web,
        credentials,
        base,
        name: artifact.path.clone(),
        authorization: None,
    };
    if let Some(reference) = artifact.digest.as_ref().or(artifact.tag.as_ref()) {
        return registry.chart(reference).await;
    }
    // Who may read a chart may not always list its tags.
    let missing = if is_one_version(range) {
        match registry.chart(&range.replace('+', "_")).await {
            Err(error) if error.exit_code() == ExitCode::NotFound => Some(error),
            found => return found,
        }
    } else {
        None
    };
    match (registry.tag(artifact, range).await, missing) {
        (Ok(tag), _) => registry.chart(&tag).await,
        (Err(error), Some(missing)) if error.exit_code() != ExitCode::NotFound => Err(missing),
        (Err(error), _) => Err(error),
    }
}

/// Whether this is one version, whole: what a tag can be.
fn is_one_version(range: &str) -> bool {
    let numbers = range.split(['-', '+']).next().unwrap_or_default();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && range
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b))
}

impl Registry<'_> {
    fn place(&self, rest: &str) -> Result<Address, OperationError> {
        self.base
            .join(&format!("/v2/{}/{rest}", self.name))
            .map_err(OperationError::invalid)
    }

    /// Chooses a tag. A tag cannot hold the `+` of a version: `_` stands for it.
    async fn tag(&mut self, artifact: &Artifact, range: &str) -> Result<String, OperationError> {
        let first = self.place("tags/list")?;
        let mut next = Some(first.clone());
        let mut versions: Vec<String> = Vec::new();
        let mut pages = 0;
        while let Some(page) = next.take() {
            let answer = self.ask(&page, "application/json", MAX_DOCUMENT).await?;
            next = following(&answer.address, &answer.headers).filter(|to| to.is_beside(&first));
            let list = json(&page, &answer.content()?)?;
            let tags = list["tags"].as_array().into_iter().flatten();
            versions.extend(tags.filter_map(Value::as_str).map(|tag| tag.replace('_', "+")));
            pages += 1;
            if versions.len() > MAX_TAGS || (pages == MAX_PAGES && next.is_some()) {
                return Err(hinted(
                    &first,
                    format!("it lists more than {MAX_TAGS} tags, or on more than {MAX_PAGES} pages"),
                    ExitCode::Failed,
                    "name one version, whole: no list is needed then",
                ));
            }
        }
        let versions = || versions.iter().map(String::as_str);
        let version = newest(range, versions(), || OperationError::NotFound {
            what: "version",
            name: if range.is_empty() { "any" } else { range }.to_owned(),
            place: Some(artifact.to_string()),
            hint: some_versions(versions()),
        })?;
        Ok(version.replace('+', "_"))
    }

    async fn chart(&mut self, reference: &str) -> Result<Bytes, OperationError> {
        let place = self.place(&format!("manifests/{reference}"))?;
        let answer = self.ask(&place, MANIFEST, MAX_DOCUMENT).await?;
        let said = answer.headers.get("docker-content-digest").cloned();
        let body = answer.content()?;
        if reference.starts_with("sha256:") {
            verify(&place, &body, reference)?;
        } else if let Some(digest) = said.as_ref().and_then(|said| said.to_str().ok())
            && digest.starts_with("sha256:")
        {
            verify(&place, &body, digest)?;
        }
        let manifest = json(&place, &body)?;
        if manifest["config"]["mediaType"] != CONFIG {
            return Err(failed(&place, "it is not a Helm chart"));
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let layer = layers
            .filter(|layer| LAYERS.iter().any(|kind| layer["mediaType"] == *kind))
            .find_map(|layer| layer["digest"].as_str())
            .ok_or_else(|| failed(&place, "its manifest names no packed chart"))?;
        let place = self.place(&format!("blobs/{layer}"))?;
        let data = self.ask(&place, "*/*", MAX_PACKAGE).await?.content()?;
        verify(&place, &data, layer)?;
        Ok(data)
    }

    /// Asks; and again with what the registry wants to know of us.
    async fn ask(&mut self, address: &Address, accept: &str, limit: u64) -> Result<Answer, OperationError> {
        let answer = self.ask_once(address, accept, limit).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !answer.address.is_beside(&self.base) {
            return Ok(answer);
        }
        let challenges = answer.headers.get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenges
            .filter_map(|value| value.to_str().ok())
            .find_map(Challenge::parse);
        self.authorization = match (challenge, self.credentials) {
            (Some(Challenge::Basic), Some(credentials)) => Some(credentials.basic()),
            (
                Some(Challenge::Bearer {
                    realm,
                    service,
                    scope,
                }),
                _,
            ) => {
                let token = self.token(&realm, service.as_deref(), scope.as_deref()).await?;
                Some(format!("Bearer {token}").into())
            }
            _ => return Ok(answer),
        };
        self.ask_once(address, accept, limit).await
    }

    async fn ask_once(&self, address: &Address, accept: &str, limit: u64) -> Result<Answer, OperationError> {
        let authorization = self.authorization.as_ref().map(ExposeSecret::expose_secret);
        self.web
            .ask(&Ask {
                address,
                accept,
                authorization,
                limit,
            })
            .await
    }

    /// Gets a token that allows to read.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<String, OperationError> {
        let wrong = |why: String| failed(&self.base, format!("its place for tokens is wrong: {why}"));
        let mut place = Address::parse(realm).map_err(wrong)?;
        if self.base.secure && !place.secure {
            return Err(wrong("it is not encrypted".to_owned()));
        }
        if let Some(service) = service {
            place = place.with_query("service", service);
        }
        let own = format!("repository:{}:pull", self.name);
        let place = place.with_query("scope", scope.unwrap_or(&own));
        let basic = self.credentials.map(Credentials::basic);
        let ask = Ask {
            address: &place,
            accept: "application/json",
            authorization: basic.as_ref().map(ExposeSecret::expose_secret),
            limit: MAX_DOCUMENT,
        };
        let found = json(&place, &self.web.ask(&ask).await?.content()?)?;
        let token = found["token"].as_str().or(found["access_token"].as_str());
        token
            .map(str::to_owned)
            .ok_or_else(|| failed(&place, "the server gives no token"))
    }
}

fn json(place: &Address, data: &[u8]) -> Result<Value, OperationError> {
    serde_json::from_slice(data)
        .map_err(|error| failed(place, format!("what the server says is no JSON: {error}")))
}

/// The next page of a list.
fn following(address: &Address, headers: &HeaderMap) -> Option<Address> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| address.join(target).ok()).flatten()
}

/// What a registry wants to know.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        while let Some((name, value)) = rest.split_once('=') {
            let value = value.trim_start();
            let (value, after) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => value.split_at(value.find(',').unwrap_or(value.len())),
            };
            match name.trim_matches([',', ' ']).to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                "scope" => scope = Some(value.to_owned()),
                _ => {}
            }
            rest = after;
        }
        Some(Self::Bearer {
            realm: realm?,
            service,
            scope,
        })
    }
}

/// A SHA-256 as OCI writes it.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_told_from_a_range() {
        let check = |text: &str, expect: bool| assert_eq!(is_one_version(text), expect, "{text}");
        check("1.2.3", true);
        check("1.2.3-rc.1+b", true);
        check("", false);
        check("1.2", false);
        check("1.2.x", false);
        check("^1.2.3", false);
        check("1.2.3 - 2.0.0", false);
        check("1.2.3-a/../b", false);
    }

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: service.map(str::to_owned),
                scope: scope.map(str::to_owned),
            })
        };
        let check =
            |text: &str, expect: Option<Challenge>| assert_eq!(Challenge::parse(text), expect, "{text}");
        check("Basic realm=\"x\"", Some(Challenge::Basic));
        check("basic", Some(Challenge::Basic));
        check("Digest realm=\"x\"", None);
        check("Bearer service=\"x\"", None);
        check("Bearer realm=\"x", None);
        check("Bearer", None);
        check("bearer realm=https://h/t", bearer("https://h/t", None, None));
        check(
            "Bearer realm=\"https://h/t\",service=\"h, i\", scope=\"repository:a/b:pull,push\",error=\"x\"",
            bearer("https://h/t", Some("h, i"), Some("repository:a/b:pull,push")),
        );
    }
}
