//! Which kinds a block names.

use super::Subject;
use crate::engine::Served;
use crate::wildcard;

/// A kind selector: `Pod`, `apps/v1/Deployment`, `*/scale`, `Pod/exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    group: String,
    version: String,
    pub(crate) name: String,
    subresource: String,
}

impl Kind {
    /// Reads `kind`, `version/kind`, `group/version/kind`, each with `/subresource` or `.subresource`.
    pub(crate) fn parse(text: &str) -> Option<Kind> {
        let new = |group: &str, version: &str, kind: &str, subresource: &str| {
            Some(Kind {
                group: group.to_owned(),
                version: version.to_owned(),
                name: kind.to_owned(),
                subresource: subresource.to_owned(),
            })
        };
        let mut parts: Vec<&str> = text.split('/').collect();
        let last = parts.pop()?;
        parts.extend(last.split('.'));
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        match parts.as_slice() {
            [kind] => new("*", "*", kind, ""),
            ["*", "*"] => new("*", "*", "*", "*"),
            ["*", sub] if sub.to_lowercase() == *sub => new("*", "*", "*", sub),
            [version, kind] if is_version(version) => new("*", version, kind, ""),
            [kind, sub] => new("*", "*", kind, sub),
            [version, kind, sub] if is_version(version) => new("*", version, kind, sub),
            [group, version, kind] => new(group, version, kind, ""),
            [group, version, kind, sub] => new(group, version, kind, sub),
            _ => None,
        }
    }

    /// Whether objects of a kind that is served may be meant. An open version is the preferred one.
    pub(super) fn may_mean(&self, served: &Served<'_>) -> bool {
        let version = match self.version.as_str() {
            "*" => served.is_preferred(),
            version => wildcard::matches(version, served.version),
        };
        version
            && wildcard::matches(&self.group, served.group)
            && wildcard::matches(&self.name, served.kind)
            && wildcard::matches(&self.subresource, "")
    }

    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        let same_kind = wildcard::matches(&self.group, subject.group)
            && wildcard::matches(&self.version, subject.version)
            && wildcard::matches(&self.name, subject.kind);
        // Ephemeral containers arrive as a subresource of a pod; policies for pods mean them too.
        let ephemeral =
            subject.kind == "Pod" && subject.group.is_empty() && subject.subresource == "ephemeralcontainers";
        same_kind && (ephemeral || wildcard::matches(&self.subresource, subject.subresource))
    }
}

/// `v1`, `v1beta1`, `*`.
fn is_version(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some(rest) = text.strip_prefix('v') else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    ["alpha", "beta"]
        .iter()
        .find_map(|stage| rest.split_once(stage))
        .map_or_else(|| digits(rest), |(major, minor)| digits(major) && digits(minor))
}
