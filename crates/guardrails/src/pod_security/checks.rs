//! The checks themselves, control by control.

use serde_json::{Value, json};

use super::{Failed, Violation};

/// A pod as the checks look at it.
pub(super) struct Pod<'a> {
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
    /// A pod, to be judged by the standards of a minor version of Kubernetes.
    pub(super) fn new(pod: &'a Value, minor: u32) -> Pod<'a> {
        Pod { pod, minor }
    }

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

pub(super) fn baseline(pod: &Pod<'_>) -> Vec<Failed> {
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

pub(super) fn restricted(pod: &Pod<'_>) -> Vec<Failed> {
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
