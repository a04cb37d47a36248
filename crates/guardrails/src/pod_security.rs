//! The Pod Security Standards (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>) as a
//! table of checks over a pod's metadata and spec.
//!
//! Versions from v1.25 on are known; the differences since then (allowed sysctls, SELinux types, probe
//! hosts) are in the table. Relaxations for user namespaces are not granted.

use serde_json::{Value, json};

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

#[derive(Debug, Clone)]
struct Exclude {
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
        let mut excludes = Vec::new();
        if let Some(list) = cursor.field("exclude") {
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
        }
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

    /// The checks a pod does not pass. `pod` holds `metadata` and `spec`.
    pub(crate) fn judge(&self, pod: &Value) -> Vec<Failed> {
        let view = Pod {
            pod,
            minor: self.minor,
        };
        let mut failed = baseline(&view);
        if self.restricted {
            failed.extend(restricted(&view));
        }
        for check in &mut failed {
            check.violations.retain(|violation| {
                !self
                    .excludes
                    .iter()
                    .any(|exclude| exclude.covers(check.control, violation, pod))
            });
        }
        failed.retain(|check| !check.violations.is_empty());
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

/// A pod as the checks look at it.
struct Pod<'a> {
    pod: &'a Value,
    minor: u32,
}

/// A container and where it stands.
struct Container<'a> {
    list: &'static str,
    index: String,
    value: &'a Value,
}

impl Container<'_> {
    fn violation(&self, path: &[&str], value: Option<&Value>) -> Violation {
        Violation::new(&[&["spec", self.list, self.index.as_str()], path].concat(), value)
    }

    fn security(&self, field: &str) -> Option<&Value> {
        get(self.value, &["securityContext", field])
    }
}

fn get<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(value, |value, step| value.get(step))
        .filter(|value| !value.is_null())
}

fn is(value: Option<&Value>, expect: bool) -> bool {
    value.and_then(Value::as_bool) == Some(expect)
}

impl<'a> Pod<'a> {
    fn get(&self, path: &[&str]) -> Option<&'a Value> {
        get(self.pod, path)
    }

    fn containers(&self) -> Vec<Container<'a>> {
        ["initContainers", "containers", "ephemeralContainers"]
            .into_iter()
            .flat_map(|list| {
                let items = self
                    .get(&["spec", list])
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                items.enumerate().map(move |(index, value)| Container {
                    list,
                    index: index.to_string(),
                    value,
                })
            })
            .collect()
    }

    fn volumes(&self) -> Vec<(String, &'a Value)> {
        let volumes = self
            .get(&["spec", "volumes"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        volumes
            .enumerate()
            .map(|(index, volume)| (index.to_string(), volume))
            .collect()
    }

    fn is_windows(&self) -> bool {
        self.get(&["spec", "os", "name"]).and_then(Value::as_str) == Some("windows")
    }

    /// Checks a field of the pod's and every container's security context.
    fn everywhere(&self, path: &[&str], bad: impl Fn(&Value) -> bool) -> Vec<Violation> {
        let mut found = Vec::new();
        let path = [&["securityContext"], path].concat();
        if let Some(value) = self
            .get(&[&["spec"], path.as_slice()].concat())
            .filter(|value| bad(value))
        {
            found.push(Violation::new(
                &[&["spec"], path.as_slice()].concat(),
                Some(value),
            ));
        }
        for container in self.containers() {
            if let Some(value) = get(container.value, &path).filter(|value| bad(value)) {
                found.push(container.violation(&path, Some(value)));
            }
        }
        found
    }

    /// A setting that every container needs, its own or the pod's; a bad one of its own is never mended.
    fn required(&self, path: &[&str], good: impl Fn(&Value) -> bool) -> Vec<Violation> {
        let mut found = self.everywhere(path, |value| !good(value));
        let path = [&["securityContext"], path].concat();
        let pod = self.get(&[&["spec"], path.as_slice()].concat());
        if pod.is_none() {
            let without = self
                .containers()
                .into_iter()
                .filter(|container| get(container.value, &path).is_none());
            found.extend(without.map(|container| container.violation(&path, None)));
        }
        found
    }
}

fn check(control: &'static str, reason: &'static str, violations: Vec<Violation>) -> Failed {
    Failed {
        control,
        reason,
        violations,
    }
}

const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Sysctls and the minor version that first allowed them.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

const RESTRICTED_VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

fn baseline(pod: &Pod<'_>) -> Vec<Failed> {
    let containers = pod.containers();
    let mut host_namespaces = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if let Some(value) = pod.get(&["spec", field]).filter(|value| is(Some(value), true)) {
            host_namespaces.push(Violation::new(&["spec", field], Some(value)));
        }
    }
    let mut privileged = Vec::new();
    let mut capabilities = Vec::new();
    let mut host_ports = Vec::new();
    let mut proc_mount = Vec::new();
    let mut probe_hosts = Vec::new();
    for container in &containers {
        if let Some(value) = container
            .security("privileged")
            .filter(|value| is(Some(value), true))
        {
            privileged.push(container.violation(&["securityContext", "privileged"], Some(value)));
        }
        let added = added_capabilities(container, &BASELINE_CAPABILITIES);
        if !added.is_empty() {
            let path = ["securityContext", "capabilities", "add"];
            capabilities.push(container.violation(&path, Some(&json!(added))));
        }
        let ports = container
            .value
            .get("ports")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for (index, port) in ports.enumerate() {
            if let Some(value) = port
                .get("hostPort")
                .filter(|value| value.as_f64().is_some_and(|port| port != 0.0))
            {
                host_ports.push(container.violation(&["ports", &index.to_string(), "hostPort"], Some(value)));
            }
        }
        if let Some(value) = container
            .security("procMount")
            .filter(|value| *value != "Default")
        {
            proc_mount.push(container.violation(&["securityContext", "procMount"], Some(value)));
        }
        if pod.minor >= 34 {
            probe_hosts.extend(hosts_in_probes(container));
        }
    }
    let host_paths = pod
        .volumes()
        .into_iter()
        .filter(|(_, volume)| volume.get("hostPath").is_some_and(|path| !path.is_null()))
        .map(|(index, volume)| {
            Violation::new(&["spec", "volumes", &index, "hostPath"], volume.get("hostPath"))
        })
        .collect();
    let sysctls = pod
        .get(&["spec", "securityContext", "sysctls"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let sysctls = sysctls
        .enumerate()
        .filter_map(|(index, sysctl)| {
            let name = sysctl.get("name")?;
            let allowed = SYSCTLS
                .iter()
                .any(|(allowed, since)| name == allowed && pod.minor >= *since);
            let index = index.to_string();
            (!allowed).then(|| {
                Violation::new(
                    &["spec", "securityContext", "sysctls", &index, "name"],
                    Some(name),
                )
            })
        })
        .collect();
    let one_of = |allowed: &'static [&'static str]| {
        move |value: &Value| {
            value
                .as_str()
                .is_none_or(|text| !text.is_empty() && !allowed.contains(&text))
        }
    };
    let types: &[&str] = if pod.minor >= 31 {
        &[
            "container_t",
            "container_init_t",
            "container_kvm_t",
            "container_engine_t",
        ]
    } else {
        &["container_t", "container_init_t", "container_kvm_t"]
    };
    let mut selinux = pod.everywhere(&["seLinuxOptions", "type"], |value| {
        value
            .as_str()
            .is_none_or(|text| !text.is_empty() && !types.contains(&text))
    });
    for field in ["user", "role"] {
        selinux.extend(pod.everywhere(&["seLinuxOptions", field], |value| value.as_str() != Some("")));
    }
    let mut app_armor = pod.everywhere(
        &["appArmorProfile", "type"],
        one_of(&["RuntimeDefault", "Localhost"]),
    );
    let annotations = pod
        .get(&["metadata", "annotations"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    for (key, value) in annotations {
        let profile = value.as_str().unwrap_or_default();
        if key.starts_with("container.apparmor.security.beta.kubernetes.io/")
            && !(profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/"))
        {
            app_armor.push(Violation::new(&["metadata", "annotations", key], Some(value)));
        }
    }
    vec![
        check("Host Namespaces", "host namespaces", host_namespaces),
        check("Privileged Containers", "privileged", privileged),
        check("Capabilities", "non-default capabilities", capabilities),
        check("HostPath Volumes", "hostPath volumes", host_paths),
        check("Host Ports", "hostPort", host_ports),
        check(
            "Host Probes / Lifecycle Hooks",
            "probe or lifecycle host",
            probe_hosts,
        ),
        check("AppArmor", "forbidden AppArmor profile", app_armor),
        check("SELinux", "seLinuxOptions", selinux),
        check("/proc Mount Type", "procMount", proc_mount),
        check(
            "Seccomp",
            "seccompProfile",
            pod.everywhere(
                &["seccompProfile", "type"],
                one_of(&["RuntimeDefault", "Localhost"]),
            ),
        ),
        check("Sysctls", "forbidden sysctls", sysctls),
        check(
            "HostProcess",
            "hostProcess",
            pod.everywhere(&["windowsOptions", "hostProcess"], |value| {
                value.as_bool() != Some(false)
            }),
        ),
    ]
}

fn restricted(pod: &Pod<'_>) -> Vec<Failed> {
    let windows = pod.is_windows();
    let mut capabilities = Vec::new();
    let mut escalation = Vec::new();
    if !windows {
        for container in &pod.containers() {
            let dropped = get(container.value, &["securityContext", "capabilities", "drop"]);
            let drops_all = dropped
                .and_then(Value::as_array)
                .is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"));
            if !drops_all {
                capabilities.push(container.violation(&["securityContext", "capabilities", "drop"], dropped));
            }
            let added = added_capabilities(container, &["NET_BIND_SERVICE"]);
            if !added.is_empty() {
                let path = ["securityContext", "capabilities", "add"];
                capabilities.push(container.violation(&path, Some(&json!(added))));
            }
            let allowed = container.security("allowPrivilegeEscalation");
            if !is(allowed, false) {
                escalation
                    .push(container.violation(&["securityContext", "allowPrivilegeEscalation"], allowed));
            }
        }
    }
    let mut volumes = Vec::new();
    for (index, volume) in pod.volumes() {
        let kinds = volume.as_object().into_iter().flatten();
        let kind = kinds.filter(|(key, value)| *key != "name" && !value.is_null());
        for (kind, value) in kind {
            if !RESTRICTED_VOLUMES.contains(&kind.as_str()) {
                volumes.push(Violation::new(&["spec", "volumes", &index, kind], Some(value)));
            }
        }
    }
    // A container's own runAsNonRoot: true mends what the pod leaves out, never what it denies itself.
    let non_root = pod.required(&["runAsNonRoot"], |value| value.as_bool() == Some(true));
    let pod_denies = is(pod.get(&["spec", "securityContext", "runAsNonRoot"]), false);
    let all_mend = pod
        .containers()
        .iter()
        .all(|container| is(container.security("runAsNonRoot"), true));
    let non_root = if pod_denies && all_mend {
        Vec::new()
    } else {
        non_root
    };
    let seccomp = if windows {
        Vec::new()
    } else {
        pod.required(&["seccompProfile", "type"], |value| {
            value == "RuntimeDefault" || value == "Localhost"
        })
    };
    vec![
        check("Volume Types", "restricted volume types", volumes),
        check(
            "Privilege Escalation",
            "allowPrivilegeEscalation != false",
            escalation,
        ),
        check("Running as Non-root", "runAsNonRoot != true", non_root),
        check(
            "Running as Non-root user",
            "runAsUser=0",
            pod.everywhere(&["runAsUser"], |value| value.as_f64() == Some(0.0)),
        ),
        check("Seccomp", "seccompProfile", seccomp),
        check("Capabilities", "unrestricted capabilities", capabilities),
    ]
}

fn added_capabilities<'a>(container: &Container<'a>, allowed: &[&str]) -> Vec<&'a Value> {
    let added = get(container.value, &["securityContext", "capabilities", "add"]);
    let added = added.and_then(Value::as_array).into_iter().flatten();
    added
        .filter(|name| name.as_str().is_none_or(|name| !allowed.contains(&name)))
        .collect()
}

/// Probes and hooks that name a host reach beyond the pod.
fn hosts_in_probes(container: &Container<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let handlers: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    for handler in handlers {
        for action in ["httpGet", "tcpSocket"] {
            let path = [handler, &[action, "host"]].concat();
            if let Some(value) = get(container.value, &path).filter(|value| value.as_str() != Some("")) {
                found.push(container.violation(&path, Some(value)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Origin;

    fn standard(value: &Value) -> Result<PodSecurity, Refusal> {
        let origin = Origin {
            source: "test",
            document: None,
            policy: None,
        };
        PodSecurity::read(&Cursor::root(origin, value))
    }

    fn good() -> Value {
        json!({
            "metadata": {"name": "a"},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "volumes": [{"name": "tmp", "emptyDir": {}}],
                "containers": [{
                    "name": "a",
                    "image": "a:1",
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                }],
            },
        })
    }

    /// Sets one value in a good pod and tells which fields are refused at a level.
    fn refused(level: &str, pointer: &str, value: Value) -> Vec<String> {
        let mut pod = good();
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        let (last, above) = steps.split_last().expect("a pointer");
        let mut target = &mut pod;
        for step in above {
            target = match target {
                Value::Array(items) => &mut items[step.parse::<usize>().expect("an index")],
                other => &mut other[*step],
            };
        }
        if value.is_null() {
            target.as_object_mut().expect("a map").remove(*last);
        } else {
            target[*last] = value;
        }
        let standard = standard(&json!({"level": level, "version": "latest"})).expect("a standard");
        standard
            .judge(&pod)
            .iter()
            .flat_map(|check| &check.violations)
            .map(Violation::pointer)
            .collect()
    }

    #[test]
    fn a_good_pod_passes_both_levels() {
        for level in ["baseline", "restricted"] {
            assert_eq!(refused(level, "/metadata/name", json!("b")), Vec::<String>::new());
        }
    }

    #[test]
    fn baseline_controls() {
        let c = "/spec/containers/0";
        for (pointer, value, at) in [
            ("/spec/hostNetwork", json!(true), "/spec/hostNetwork"),
            ("/spec/hostPID", json!(true), "/spec/hostPID"),
            ("/spec/hostIPC", json!(true), "/spec/hostIPC"),
            (
                "/spec/containers/0/securityContext/privileged",
                json!(true),
                "/spec/containers/0/securityContext/privileged",
            ),
            (
                "/spec/containers/0/securityContext/procMount",
                json!("Unmasked"),
                "/spec/containers/0/securityContext/procMount",
            ),
            (
                "/spec/containers/0/ports",
                json!([{"hostPort": 80}]),
                "/spec/containers/0/ports/0/hostPort",
            ),
            (
                "/spec/volumes",
                json!([{"name": "h", "hostPath": {"path": "/"}}]),
                "/spec/volumes/0/hostPath",
            ),
            (
                "/spec/securityContext/seccompProfile/type",
                json!("Unconfined"),
                "/spec/securityContext/seccompProfile/type",
            ),
            (
                "/spec/securityContext/sysctls",
                json!([{"name": "kernel.msgmax"}]),
                "/spec/securityContext/sysctls/0/name",
            ),
            (
                "/spec/securityContext/seLinuxOptions",
                json!({"type": "spc_t"}),
                "/spec/securityContext/seLinuxOptions/type",
            ),
            (
                "/spec/securityContext/seLinuxOptions",
                json!({"user": "u"}),
                "/spec/securityContext/seLinuxOptions/user",
            ),
            (
                "/spec/securityContext/windowsOptions",
                json!({"hostProcess": true}),
                "/spec/securityContext/windowsOptions/hostProcess",
            ),
            (
                "/spec/securityContext/appArmorProfile",
                json!({"type": "Unconfined"}),
                "/spec/securityContext/appArmorProfile/type",
            ),
            (
                "/metadata/annotations",
                json!({"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}),
                "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1a",
            ),
            (
                "/spec/containers/0/livenessProbe",
                json!({"httpGet": {"host": "x"}}),
                "/spec/containers/0/livenessProbe/httpGet/host",
            ),
        ] {
            assert_eq!(
                refused("baseline", pointer, value.clone()),
                [at],
                "{pointer} = {value}"
            );
        }
        let add = refused(
            "baseline",
            &format!("{c}/securityContext/capabilities/add"),
            json!(["SYS_ADMIN", "CHOWN"]),
        );
        assert_eq!(add, ["/spec/containers/0/securityContext/capabilities/add"]);
        assert_eq!(
            refused("baseline", &format!("{c}/ports"), json!([{"hostPort": 0}])),
            Vec::<String>::new()
        );
        let sysctl = json!([{"name": "net.ipv4.tcp_syncookies"}]);
        assert_eq!(
            refused("baseline", "/spec/securityContext/sysctls", sysctl),
            Vec::<String>::new()
        );
    }

    #[test]
    fn restricted_controls() {
        let security = "/spec/containers/0/securityContext";
        let check = |pointer: &str, value: Value, at: &str| {
            assert_eq!(refused("restricted", pointer, value), [at], "{pointer}");
        };
        let escalation = format!("{security}/allowPrivilegeEscalation");
        check(&escalation, json!(null), &escalation);
        check(&escalation, json!(true), &escalation);
        let drop = format!("{security}/capabilities/drop");
        check(&drop, json!(["NET_RAW"]), &drop);
        check(&drop, json!(null), &drop);
        check(
            "/spec/volumes",
            json!([{"name": "n", "nfs": {"server": "x"}}]),
            "/spec/volumes/0/nfs",
        );
        check(
            "/spec/securityContext/runAsNonRoot",
            json!(null),
            &format!("{security}/runAsNonRoot"),
        );
        check(
            &format!("{security}/runAsNonRoot"),
            json!(false),
            &format!("{security}/runAsNonRoot"),
        );
        check(
            "/spec/securityContext/runAsUser",
            json!(0),
            "/spec/securityContext/runAsUser",
        );
        check(
            "/spec/securityContext/seccompProfile",
            json!(null),
            &format!("{security}/seccompProfile/type"),
        );
    }

    #[test]
    fn exclusions() {
        let mut pod = good();
        pod["spec"]["hostNetwork"] = json!(true);
        pod["spec"]["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["SYS_TIME"]);
        let check = |excludes: Value, left: usize| {
            let standard = standard(&json!({"level": "baseline", "version": "latest", "exclude": excludes}));
            assert_eq!(
                standard.expect("a standard").judge(&pod).len(),
                left,
                "{excludes}"
            );
        };
        let network = json!({"controlName": "Host Namespaces"});
        check(json!([]), 2);
        check(json!([network]), 1);
        check(
            json!([network, {"controlName": "Capabilities", "images": ["a:*"]}]),
            0,
        );
        check(
            json!([network, {"controlName": "Capabilities", "images": ["b:*"]}]),
            1,
        );
        check(json!([network, {"controlName": "Capabilities"}]), 1);
        let field = "spec.containers[*].securityContext.capabilities.add";
        let with = |values: Value| json!([network, {"controlName": "Capabilities", "images": ["*"], "restrictedField": field, "values": values}]);
        check(with(json!(["SYS_TIME"])), 0);
        check(with(json!(["SYS_ADMIN"])), 1);
    }

    #[test]
    fn what_cannot_be_read() {
        for value in [
            json!({"level": "strict"}),
            json!({"level": "baseline", "version": "v1.20"}),
            json!({"level": "baseline", "version": "1.30"}),
            json!({"level": "baseline", "exclude": [{"controlName": "Nothing"}]}),
            json!({}),
        ] {
            assert!(standard(&value).is_err(), "{value}");
        }
    }
}
