//! The objects with methods that a chart's templates see: `.Files`, `.Capabilities` and what hangs below
//! them, times, durations, versions and
//! certificates.

use std::sync::Arc;

use crate::files::Files;
use crate::value::Value;
use crate::version::Version;

/// An object with fields or methods.
pub(crate) enum Object {
    Files(Files),
    Capabilities(Arc<CapabilitySet>),
    ApiVersions(Arc<CapabilitySet>),
    KubeVersion(Arc<CapabilitySet>),
    HelmVersion,
    SemVer(Version),
    /// Nanoseconds since 1970, and where its clock stands.
    Time(i128, Zone),
    /// Nanoseconds.
    Duration(i64),
    /// From 1.
    Month(usize),
    /// From Sunday, 0.
    Weekday(usize),
    /// A certificate and its private key, in PEM.
    Certificate {
        cert: String,
        key: String,
    },
}

/// A zone of a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    /// The seconds by which it is east of UTC.
    pub(crate) offset: i32,
    /// What it is called, if not by its offset or UTC.
    pub(crate) name: Option<Arc<str>>,
}

/// What a cluster can do, as templates ask for it.
pub(crate) struct CapabilitySet {
    /// With its leading `v`.
    pub(crate) version: String,
    /// Without what follows the patch number.
    pub(crate) normalized: String,
    pub(crate) major: String,
    pub(crate) minor: String,
    pub(crate) api_versions: Vec<String>,
}

/// The version of Helm whose behaviour this engine follows.
pub(crate) const HELM_VERSION: &str = "v4.3.1";

/// A method's answer, or that there is no such method.
pub(crate) enum Answer {
    Value(Value),
    /// The method wants this many arguments.
    WrongCount(usize),
    /// The argument has the wrong type; strings are expected everywhere.
    WrongArgument,
    Failed(String),
    Unknown,
}

impl Object {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Files(_) => "engine.files",
            Self::Capabilities(_) => "*common.Capabilities",
            Self::ApiVersions(_) => "common.VersionSet",
            Self::KubeVersion(_) => "common.KubeVersion",
            Self::HelmVersion => "version.BuildInfo",
            Self::SemVer(_) => "*semver.Version",
            Self::Time(..) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Month(_) => "time.Month",
            Self::Weekday(_) => "time.Weekday",
            Self::Certificate { .. } => "sprig.certificate",
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Files(_) => "map",
            Self::ApiVersions(_) => "slice",
            Self::Capabilities(_) | Self::SemVer(_) => "ptr",
            Self::KubeVersion(_) | Self::HelmVersion | Self::Time(..) | Self::Certificate { .. } => "struct",
            Self::Duration(_) => "int64",
            Self::Month(_) | Self::Weekday(_) => "int",
        }
    }

    /// How many elements it has, for those that are collections.
    pub(crate) fn length(&self) -> Option<usize> {
        match self {
            Self::Files(files) => Some(files.len()),
            Self::ApiVersions(set) => Some(set.api_versions.len()),
            _ => None,
        }
    }

    /// Its elements if it can be ranged over: keys and values.
    pub(crate) fn elements(&self) -> Option<Vec<(Value, Value)>> {
        match self {
            Self::Files(files) => Some(
                files
                    .iter()
                    .map(|(name, data)| (Value::str(name), Value::Octets(Arc::from(data))))
                    .collect(),
            ),
            Self::ApiVersions(set) => Some(
                set.api_versions
                    .iter()
                    .enumerate()
                    .map(|(index, version)| (Value::Int(index as i64), Value::str(version)))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// Reads a field or calls a method. `arguments` is empty for plain field access.
    pub(crate) fn member(&self, name: &str, arguments: &[Value]) -> Answer {
        let text = |value: String| Answer::Value(Value::str(&value));
        let one_string = || match arguments {
            [Value::Str(argument)] => Ok(Arc::clone(argument)),
            [_] => Err(Answer::WrongArgument),
            _ => Err(Answer::WrongCount(1)),
        };
        match (self, name) {
            (Self::Files(files), "Get" | "GetBytes" | "Glob" | "Lines") => match one_string() {
                Err(answer) => answer,
                Ok(argument) => Answer::Value(match name {
                    "Get" => Value::text_from_bytes(files.get(&argument)),
                    "GetBytes" => Value::Octets(Arc::from(files.get(&argument))),
                    "Glob" => Value::object(Self::Files(files.glob(&argument))),
                    _ => Value::strings(files.lines(&argument)),
                }),
            },
            (Self::Files(files), "AsConfig") => text(files.as_config()),
            (Self::Files(files), "AsSecrets") => text(files.as_secrets()),
            (Self::Files(files), _) if arguments.is_empty() => {
                Answer::Value(Value::Octets(Arc::from(files.get(name))))
            }
            (Self::Capabilities(set), "KubeVersion") => {
                Answer::Value(Value::object(Self::KubeVersion(Arc::clone(set))))
            }
            (Self::Capabilities(set), "APIVersions") => {
                Answer::Value(Value::object(Self::ApiVersions(Arc::clone(set))))
            }
            (Self::Capabilities(_), "HelmVersion") => Answer::Value(Value::object(Self::HelmVersion)),
            (Self::ApiVersions(set), "Has") => match one_string() {
                Err(answer) => answer,
                Ok(argument) => Answer::Value(Value::Bool(
                    set.api_versions.iter().any(|known| **known == *argument),
                )),
            },
            (Self::KubeVersion(set), "Version" | "GitVersion") => text(set.version.clone()),
            (Self::KubeVersion(set), "String") => text(set.normalized.clone()),
            (Self::KubeVersion(set), "Major") => text(set.major.clone()),
            (Self::KubeVersion(set), "Minor") => text(set.minor.clone()),
            (Self::HelmVersion, "Version") => text(HELM_VERSION.to_owned()),
            (Self::HelmVersion, "GitCommit" | "GitTreeState" | "GoVersion" | "KubeClientVersion") => {
                text(String::new())
            }
            (Self::Certificate { cert, .. }, "Cert") => text(cert.clone()),
            (Self::Certificate { key, .. }, "Key") => text(key.clone()),
            (Self::SemVer(version), _) => semver_member(version, name, arguments),
            (Self::Time(nanoseconds, zone), _) => {
                crate::functions::dates::time_member(*nanoseconds, zone, name, arguments)
            }
            (Self::Duration(nanoseconds), _) => {
                crate::functions::durations::duration_member(*nanoseconds, name, arguments)
            }
            (Self::Month(month), "String") => text(crate::functions::dates::month_name(*month).to_owned()),
            (Self::Weekday(day), "String") => text(crate::functions::dates::weekday_name(*day).to_owned()),
            _ => Answer::Unknown,
        }
    }
}

fn semver_member(version: &Version, name: &str, arguments: &[Value]) -> Answer {
    let number = |value: u64| Answer::Value(Value::Int64(value as i64));
    match name {
        "Major" => number(version.major),
        "Minor" => number(version.minor),
        "Patch" => number(version.patch),
        "Prerelease" => Answer::Value(Value::str(&version.prerelease)),
        "Metadata" => Answer::Value(Value::str(&version.metadata)),
        "Original" => Answer::Value(Value::str(&version.original)),
        "String" => Answer::Value(Value::str(&version.to_string())),
        "IncMajor" | "IncMinor" | "IncPatch" => {
            Answer::Value(Value::object(Object::SemVer(version.raised(name))))
        }
        "Compare" | "LessThan" | "GreaterThan" | "Equal" => match arguments {
            [Value::Object(other)] => match &**other {
                Object::SemVer(other) => {
                    let order = version.cmp_precedence(other);
                    Answer::Value(match name {
                        "Compare" => Value::Int(order as i64),
                        "LessThan" => Value::Bool(order.is_lt()),
                        "GreaterThan" => Value::Bool(order.is_gt()),
                        _ => Value::Bool(order.is_eq()),
                    })
                }
                _ => Answer::Failed("expected *semver.Version".to_owned()),
            },
            [_] => Answer::Failed("expected *semver.Version".to_owned()),
            _ => Answer::WrongCount(1),
        },
        _ => Answer::Unknown,
    }
}

/// A map of strings.
pub(crate) fn string_map(pairs: &[(String, String)]) -> Value {
    let entries = pairs
        .iter()
        .map(|(key, value)| (Arc::from(key.as_str()), Value::str(value)))
        .collect();
    Value::declared(entries, crate::value::Declared::Strings)
}
