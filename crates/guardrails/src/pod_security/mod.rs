//! The Pod Security Standards (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>) as a
//! table of checks over a pod's metadata and spec.
//!
//! Versions from v1.25 on are known; the differences since then (allowed sysctls, SELinux types, probe
//! hosts) are in the table. Relaxations for user namespaces are not granted.

mod checks;

use serde_json::Value;

use checks::{Pod, baseline, restricted};

use crate::cursor::{Cursor, Refusal};
use crate::wildcard;

/// The oldest minor version of Kubernetes whose standards are known.
const OLDEST: u32 = 25;

/// `validate.podSecurity`.
#[derive(Debug, Clone)]
pub(crate) struct PodSecurity {
    restricted: bool,
    level: String,
    version: String,
    minor: u32,
    excludes: Vec<Exclude>,
}

/// A control that is not asked for: of some images, or some values of a field.
#[derive(Debug, Clone)]
pub(crate) struct Exclude {
    control: String,
    images: Vec<String>,
    field: Option<String>,
    values: Vec<String>,
}

/// One field that breaks a check.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Violation {
    /// Steps from the pod, such as `["spec", "containers", "0", "securityContext", "privileged"]`.
    path: Vec<String>,
    pub(crate) value: Option<Value>,
}

/// A check that a pod does not pass.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    control: &'static str,
    reason: &'static str,
    pub(crate) violations: Vec<Violation>,
}

const CONTROLS: [&str; 16] = [
    "AppArmor",
    "Capabilities",
    "Host Namespaces",
    "Host Ports",
    "Host Probes / Lifecycle Hooks",
    "HostPath Volumes",
    "HostProcess",
    "/proc Mount Type",
    "Privileged Containers",
    "Privilege Escalation",
    "Running as Non-root",
    "Running as Non-root user",
    "SELinux",
    "Seccomp",
    "Sysctls",
    "Volume Types",
];

impl PodSecurity {
    /// Reads level, version and exclusions.
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<PodSecurity, Refusal> {
        cursor.only(&["level", "version", "exclude"])?;
        let level = cursor.required("level")?;
        let restricted = match level.string()? {
            "baseline" => false,
            "restricted" => true,
            other => {
                return Err(level.refuse(format!("the level {other:?} is neither baseline nor restricted")));
            }
        };
        let version = cursor.text("version")?.unwrap_or("latest");
        let minor = match version {
            "" | "latest" => u32::MAX,
            version => match version.strip_prefix("v1.").and_then(|minor| minor.parse().ok()) {
                Some(minor) if minor >= OLDEST => minor,
                _ => {
                    return Err(cursor.refuse(format!(
                        "the version {version:?} is not supported yet; latest and v1.{OLDEST} or newer are"
                    )));
                }
            },
        };
        let excludes = match cursor.field("exclude") {
            Some(list) => PodSecurity::read_excludes(&list)?,
            None => Vec::new(),
        };
        let level = level.string()?.to_owned();
        let version = if version.is_empty() {
            "latest".to_owned()
        } else {
            version.to_owned()
        };
        Ok(PodSecurity {
            restricted,
            level,
            version,
            minor,
            excludes,
        })
    }

    /// Reads the controls that are excluded.
    pub(crate) fn read_excludes(list: &Cursor<'_>) -> Result<Vec<Exclude>, Refusal> {
        let mut excludes = Vec::new();
        for item in list.items()? {
            item.only(&["controlName", "images", "restrictedField", "values"])?;
            let control = item.required("controlName")?;
            let name = control.string()?;
            if !CONTROLS.contains(&name) {
                return Err(control.refuse(format!("the control {name:?} does not exist")));
            }
            excludes.push(Exclude {
                control: name.to_owned(),
                images: item.strings("images")?,
                field: item.text("restrictedField")?.map(str::to_owned),
                values: item.strings("values")?,
            });
        }
        Ok(excludes)
    }

    /// Leaves out what is excluded from checks that a pod does not pass.
    pub(crate) fn except(failed: &mut Vec<Failed>, excludes: &[&Exclude], pod: &Value) {
        for check in &mut *failed {
            check.violations.retain(|violation| {
                !excludes
                    .iter()
                    .any(|exclude| exclude.covers(check.control, violation, pod))
            });
        }
        failed.retain(|check| !check.violations.is_empty());
    }

    /// The checks a pod does not pass. `pod` holds `metadata` and `spec`.
    pub(crate) fn judge(&self, pod: &Value) -> Vec<Failed> {
        let view = Pod::new(pod, self.minor);
        let mut failed = baseline(&view);
        if self.restricted {
            failed.extend(restricted(&view));
        }
        PodSecurity::except(&mut failed, &self.excludes.iter().collect::<Vec<_>>(), pod);
        failed
    }

    /// The message Kyverno prints for failed checks.
    pub(crate) fn message(&self, rule: &str, failed: &[Failed], prefix: &str) -> String {
        let checks: String = failed.iter().map(|check| check.describe(prefix)).collect();
        let (level, version) = (&self.level, &self.version);
        format!("Validation rule '{rule}' failed. It violates PodSecurity \"{level}:{version}\": {checks}")
    }
}

impl Exclude {
    fn covers(&self, control: &str, violation: &Violation, pod: &Value) -> bool {
        if self.control != control {
            return false;
        }
        let container = violation.container(pod);
        let in_scope = match container {
            None => self.images.is_empty(),
            Some(container) => {
                let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
                self.images
                    .iter()
                    .any(|pattern| wildcard::matches(pattern, image))
            }
        };
        let same_field = self
            .field
            .as_ref()
            .is_none_or(|field| violation.printed(true) == *field);
        let allowed = self.values.is_empty()
            || violation.values().iter().all(|value| {
                self.values
                    .iter()
                    .any(|pattern| wildcard::matches(pattern, value))
            });
        in_scope && same_field && allowed
    }
}

impl Violation {
    fn new(path: &[&str], value: Option<&Value>) -> Violation {
        Violation {
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            value: value.cloned(),
        }
    }

    /// The pointer of the field, relative to the pod.
    pub(crate) fn pointer(&self) -> String {
        self.path.iter().fold(String::new(), |pointer, step| {
            format!("{pointer}/{}", crate::pattern::escape(step))
        })
    }

    /// `spec.containers[0].image`; with `stars` every index is `*`.
    fn printed(&self, stars: bool) -> String {
        let mut printed = String::new();
        for step in &self.path {
            if step.bytes().all(|byte| byte.is_ascii_digit()) {
                printed.push('[');
                printed.push_str(if stars { "*" } else { step });
                printed.push(']');
            } else {
                if !printed.is_empty() {
                    printed.push('.');
                }
                printed.push_str(step);
            }
        }
        printed
    }

    fn container<'a>(&self, pod: &'a Value) -> Option<&'a Value> {
        match self.path.as_slice() {
            [spec, list, index, ..] if spec == "spec" && list.ends_with("ontainers") => {
                pod.get("spec")?.get(list)?.get(index.parse::<usize>().ok()?)
            }
            _ => None,
        }
    }

    fn values(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match &self.value {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(text).collect(),
            // Of a volume of the host its path is meant.
            Some(Value::Object(volume)) if volume.contains_key("path") => vec![text(&volume["path"])],
            Some(value) => vec![text(value)],
        }
    }
}

impl Failed {
    fn describe(&self, prefix: &str) -> String {
        let fields: Vec<String> = self
            .violations
            .iter()
            .map(|violation| {
                let field = format!("{prefix}{}", violation.printed(false));
                match &violation.value {
                    None => format!("{field}: Required value"),
                    Some(value) => format!("{field} is forbidden, forbidden values found: {value}"),
                }
            })
            .collect();
        format!(
            "(Forbidden reason: {}, field error list: [{}])",
            self.reason,
            fields.join(", ")
        )
    }
}

#[cfg(test)]
mod tests;
