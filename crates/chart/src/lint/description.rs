//! The rules for `Chart.yaml`.

use serde_json::Value as Json;

use super::{Findings, Severity};
use crate::metadata::Metadata;
use crate::source::ChartFiles;
use crate::version::{Version, compare_versions};

const FILE: &str = "Chart.yaml";

const WANTED: &str = "The value must be either \"v1\" or \"v2\"";

/// What `Chart.yaml` may hold.
const FIELDS: [&str; 17] = [
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];

pub(super) fn check(files: &ChartFiles, findings: &mut Findings) {
    let Some(text) = files.text(FILE) else {
        findings
            .error(FILE, "file does not exist")
            .hint("a chart begins with it: apiVersion, name and version");
        return;
    };
    let document = match yaml::parse(&text) {
        Ok(document) => document,
        Err(error) => {
            findings
                .error(FILE, format!("unable to parse YAML: {}", error.message))
                .at(error.position);
            return;
        }
    };
    let metadata = match Metadata::parse(&text, FILE) {
        Ok(metadata) => metadata,
        Err(error) => {
            findings.error(FILE, error.to_string());
            return;
        }
    };
    let Json::Object(fields) = &document.value else {
        return;
    };
    let place = |pointer: &str| document.position(pointer);
    for name in fields.keys() {
        let is_known = FIELDS.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !is_known {
            findings
                .warning(FILE, format!("unknown field {name:?}"))
                .at(place(&format!("/{}", name.replace('~', "~0").replace('/', "~1"))));
        }
    }
    if metadata.name.is_empty() {
        findings.error(FILE, "name is required");
    } else if metadata.name.contains('/') {
        findings
            .error(FILE, format!("chart name {:?} is invalid", metadata.name))
            .at(place("/name"));
    }
    match fields.get("apiVersion").and_then(Json::as_str) {
        None | Some("") => {
            findings.error(FILE, format!("apiVersion is required. {WANTED}"));
        }
        Some("v1" | "v2") => {}
        Some(other) => {
            findings
                .error(FILE, format!("apiVersion '{other}' is not valid. {WANTED}"))
                .at(place("/apiVersion"));
        }
    }
    for name in ["version", "appVersion"] {
        let kind = match fields.get(name) {
            None | Some(Json::String(_)) => continue,
            Some(Json::Number(_)) => "a number",
            Some(Json::Bool(_)) => "a boolean",
            Some(Json::Null) => "null",
            Some(Json::Array(_) | Json::Object(_)) => "no single value",
        };
        findings
            .error(FILE, format!("{name} should be of type string but it's {kind}"))
            .at(place(&format!("/{name}")))
            .hint("write it in quotes");
    }
    let version = &metadata.version;
    if version.is_empty() {
        findings.error(FILE, "version is required");
    } else if Version::parse(version).is_err() {
        findings
            .error(FILE, format!("version '{version}' is not a valid SemVer"))
            .at(place("/version"))
            .hint("three numbers, such as 1.0.0");
    } else if compare_versions(version, "0.0.0-0").is_le() {
        findings
            .error(
                FILE,
                format!("version {version} is less than or equal to 0.0.0-0"),
            )
            .at(place("/version"));
    }
    for (index, maintainer) in fields
        .get("maintainers")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let text = |name: &str| maintainer[name].as_str().unwrap_or_default();
        let (name, email, url) = (text("name"), text("email"), text("url"));
        let message = if maintainer.is_null() {
            "a maintainer entry is empty".to_owned()
        } else if name.is_empty() {
            "each maintainer requires a name".to_owned()
        } else if !email.is_empty() && !is_email(email) {
            format!("invalid email '{email}' for maintainer '{name}'")
        } else if !url.is_empty() && !is_url(url) {
            format!("invalid url '{url}' for maintainer '{name}'")
        } else {
            continue;
        };
        findings
            .error(FILE, message)
            .at(place(&format!("/maintainers/{index}")));
        break;
    }
    for (index, source) in metadata.sources.iter().enumerate() {
        if !is_request_url(source) {
            findings
                .error(FILE, format!("invalid source URL '{source}'"))
                .at(place(&format!("/sources/{index}")));
            break;
        }
    }
    if metadata.icon.is_empty() {
        findings
            .add(Severity::Info, FILE, "icon is recommended")
            .hint("the URL of an image, for those who choose from a catalog");
    } else if !is_request_url(&metadata.icon) {
        findings
            .error(FILE, format!("invalid icon URL '{}'", metadata.icon))
            .at(place("/icon"));
    }
    let is_old = metadata.api_version != "v2";
    let api_version = fields
        .get("apiVersion")
        .and_then(Json::as_str)
        .unwrap_or_default();
    if is_old && !metadata.chart_type.is_empty() {
        findings
            .error(
                FILE,
                format!(
                    "chart type is not valid in apiVersion '{api_version}'. It is valid in apiVersion 'v2'"
                ),
            )
            .at(place("/type"));
    }
    if is_old && metadata.dependencies.as_ref().is_some_and(|all| !all.is_empty()) {
        findings
            .error(
                FILE,
                format!(
                    "dependencies are not valid in the Chart file with apiVersion '{api_version}'. They are valid in apiVersion 'v2'"
                ),
            )
            .at(place("/dependencies"));
    }
    if !is_strict_version(version) {
        findings
            .warning(FILE, format!("version '{version}' is not a valid SemVerV2"))
            .at(place("/version"))
            .hint("three numbers, such as 1.0.0");
    }
}

/// Three numbers without zeros in front, and nothing before them.
fn is_strict_version(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    Version::parse(version).is_ok() && numbers.split('.').count() == 3 && numbers.split('.').all(is_number)
}

/// A URL with a scheme, as a request needs it.
fn is_request_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else {
        return false;
    };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
        && !url.contains(|c: char| c.is_control() || c == ' ')
}

/// Something that leads to a page: a host with a dot, or a scheme.
fn is_url(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    !url.contains(char::is_whitespace) && !host.is_empty() && (host.contains('.') || host == "localhost")
}

fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    !local.is_empty()
        && !local.contains(|c: char| c.is_whitespace() || "@<>(),;:\"[]\\".contains(c))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && domain.contains('.')
        && domain.split('.').all(label)
}
