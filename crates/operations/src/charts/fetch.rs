//! Charts that are not on this machine: packed files on the web, classic repositories, OCI registries. One comes as
//! the bytes of its package, within bounds of time and size, and held against its digest. Nothing is kept.
//!
//! What is in a package is not known here.

mod address;
mod reference;
mod registry;
mod repository;
mod web;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chart::{compare_versions, newest_version};
use hyper::body::Bytes;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::ChartReference;
use crate::error::{ExitCode, OperationError};
use address::Address;
use reference::Artifact;
use web::{Ask, Web, failed};

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_mins(2);
/// How long a packed chart may be; the crate `chart` takes no more from a file.
const MAX_PACKAGE: u64 = 128 << 20;
/// How long an index may be; the crate `yaml` reads no more.
const MAX_INDEX: u64 = 32 << 20;

/// Where a chart is to be had, and how.
#[derive(Debug, Default)]
pub struct Remote {
    /// `oci://…`, `https://….tgz`, or with a repository the chart's name.
    pub chart: String,
    /// The address of a classic repository.
    pub repository: Option<String>,
    /// Which versions fit; the newest is taken.
    pub version: Option<String>,
    /// HTTP without TLS is allowed.
    pub plain_http: bool,
    /// The certificates to trust instead of those of this machine.
    pub ca_file: Option<PathBuf>,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

/// Who asks, for servers that want to know.
#[derive(Debug)]
pub struct Credentials {
    /// The name.
    pub name: String,
    /// The password.
    pub password: SecretString,
}

impl Credentials {
    /// As `Authorization` has it.
    fn basic(&self) -> SecretString {
        let pair = format!("{}:{}", self.name, self.password.expose_secret());
        format!("Basic {}", STANDARD.encode(pair)).into()
    }
}

impl Remote {
    /// Whether the chart is named by an address, of whatever kind.
    fn is_address(&self) -> bool {
        self.chart.contains("://")
    }

    /// Whether something says how to fetch a chart, beside its name.
    fn says_how(&self) -> bool {
        self.repository.is_some()
            || self.version.is_some()
            || self.plain_http
            || self.ca_file.is_some()
            || self.credentials.is_some()
    }

    /// Where it is, read.
    fn source(&self) -> Result<Source, OperationError> {
        let wrong = |why: String| OperationError::Invalid {
            hint: hint_to_place(&why, self.repository.is_some()).map(str::to_owned),
            message: format!("that is no place of a chart: {why}"),
        };
        if let Some(repository) = &self.repository {
            if self.is_address() {
                return Err(OperationError::invalid_hint(
                    "the chart has an address and a --repo",
                    "with --repo the chart is its name: platform chart template hello --repo https://charts.example.com",
                ));
            }
            return Ok(Source::Repository(Address::parse(repository).map_err(wrong)?));
        }
        if let Some(artifact) = self.chart.strip_prefix("oci://") {
            let artifact = Artifact::parse(artifact).map_err(wrong)?;
            if self.version.is_some() && (artifact.tag.is_some() || artifact.digest.is_some()) {
                return Err(OperationError::invalid_hint(
                    "the chart's address says its version, and so does --version",
                    "leave one of them out",
                ));
            }
            return Ok(Source::Registry(artifact));
        }
        if self.version.is_some() {
            return Err(OperationError::invalid_hint(
                "the address of a packed chart is that of one version",
                "--version goes with --repo, or with oci://",
            ));
        }
        Ok(Source::File(Address::parse(&self.chart).map_err(wrong)?))
    }
}

/// What to write instead of a wrong address.
fn hint_to_place(why: &str, is_repository: bool) -> Option<&'static str> {
    if why.contains("a password") {
        Some("--username NAME --password-stdin says who you are")
    } else if !why.contains("begins with") {
        None
    } else if is_repository {
        Some("a chart in a registry is named whole, without --repo: oci://registry.example.com/charts/hello")
    } else {
        Some("a chart in a registry begins with oci://, and one on this machine is named by its path alone")
    }
}

/// Where a chart is.
enum Source {
    File(Address),
    Repository(Address),
    Registry(Artifact),
}

/// The chart that is meant: one on this machine as it is named, any other fetched.
pub async fn fetch_chart(remote: &Remote) -> Result<ChartReference, OperationError> {
    if !remote.is_address() && remote.repository.is_none() {
        if remote.says_how() {
            return Err(OperationError::invalid_hint(
                format!("{} is not fetched from anywhere", remote.chart),
                "--version, --plain-http, --ca-file and --username go with --repo URL, or with a chart named oci://… or \
                 https://…",
            ));
        }
        return Ok(ChartReference {
            place: remote.chart.clone(),
            ..ChartReference::default()
        });
    }
    let source = remote.source()?;
    let place = match &source {
        Source::File(address) => address.to_string(),
        Source::Repository(_) => remote.chart.clone(),
        Source::Registry(artifact) => artifact.to_string(),
    };
    let data = tokio::time::timeout(DEADLINE, fetch(remote, source))
        .await
        .map_err(|_| OperationError::Fetch {
            place: place.clone(),
            why: format!("it takes longer than {} s", DEADLINE.as_secs()),
            hint: Some("is the server well? nothing was kept, try again".to_owned()),
            exit: ExitCode::Failed,
        })??;
    Ok(ChartReference {
        place,
        fetched: Some(data),
        neighbours: false,
    })
}

async fn fetch(remote: &Remote, source: Source) -> Result<Bytes, OperationError> {
    let web = Web::new(remote.plain_http, remote.ca_file.as_deref())?;
    let credentials = remote.credentials.as_ref();
    let range = remote.version.as_deref().unwrap_or_default();
    match source {
        Source::File(address) => get(&web, credentials, &address, MAX_PACKAGE).await,
        Source::Registry(artifact) => registry::fetch(&web, credentials, &artifact, range).await,
        Source::Repository(repository) => {
            let folder = repository.clone().folder();
            let index = folder
                .join("index.yaml")
                .map_err(OperationError::invalid)?
                .with_query_of(&repository);
            let data = get(&web, credentials, &index, MAX_INDEX).await?;
            let text = String::from_utf8_lossy(&data);
            let entry = repository::choose(&repository, &text, &remote.chart, range)?;
            let wrong = |why: String| {
                failed(
                    &repository,
                    format!("its index.yaml leads to a wrong address: {why}"),
                )
            };
            let artifact = entry.url.strip_prefix("oci://").map(Artifact::parse);
            let artifact = artifact.transpose().map_err(wrong)?;
            let place = match &artifact {
                Some(artifact) => artifact.address(!remote.plain_http),
                None => folder
                    .join(&entry.url)
                    .map(|place| place.with_query_of(&repository)),
            };
            let place = place.map_err(wrong)?;
            if repository.secure && !place.secure {
                return Err(failed(
                    &repository,
                    format!("its index.yaml leads to {place}, which is not encrypted"),
                ));
            }
            let credentials = credentials.filter(|_| place.is_beside(&repository));
            let data = match &artifact {
                Some(artifact) => registry::fetch(&web, credentials, artifact, &entry.version).await?,
                None => get(&web, credentials, &place, MAX_PACKAGE).await?,
            };
            if let Some(digest) = &entry.digest {
                verify(&place, &data, digest)?;
            }
            Ok(data)
        }
    }
}

/// What lies at an address.
async fn get(
    web: &Web,
    credentials: Option<&Credentials>,
    address: &Address,
    limit: u64,
) -> Result<Bytes, OperationError> {
    let basic = credentials.map(Credentials::basic);
    let ask = Ask {
        address,
        accept: "*/*",
        authorization: basic.as_ref().map(ExposeSecret::expose_secret),
        limit,
    };
    web.ask(&ask).await?.content()
}

/// Holds what came against its digest, `sha256:…` or the digits alone.
fn verify(place: &Address, data: &[u8], digest: &str) -> Result<(), OperationError> {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    let found = registry::hex(&Sha256::digest(data));
    if digits.eq_ignore_ascii_case(&found) {
        return Ok(());
    }
    Err(web::hinted(
        place,
        format!("its digest is sha256:{found}, and {digest:?} was promised"),
        ExitCode::Failed,
        "do not use it: it was damaged on its way, or somebody changed it",
    ))
}

/// The newest version in a range.
fn newest<'a>(
    range: &str,
    versions: impl Iterator<Item = &'a str>,
    missing: impl FnOnce() -> OperationError,
) -> Result<&'a str, OperationError> {
    newest_version(range, versions)
        .map_err(|error| {
            OperationError::invalid_hint(
                format!("--version is no version and no range of versions: {error}"),
                "write it as 1.2.3, ~1.2, ^1 or '>=1.2, <3'",
            )
        })?
        .ok_or_else(missing)
}

/// The newest of the versions that are there, as a hint.
fn some_versions<'a>(versions: impl Iterator<Item = &'a str>) -> Option<String> {
    const SHOWN: usize = 5;
    let mut versions: Vec<&str> = versions.collect();
    versions.sort_by(|one, other| compare_versions(other, one));
    let more = if versions.len() > SHOWN { ", …" } else { "" };
    versions.truncate(SHOWN);
    (!versions.is_empty()).then(|| format!("there are {}{more}", versions.join(", ")))
}

#[cfg(test)]
mod tests;
