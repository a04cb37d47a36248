use super::*;
use crate::cursor::Origin;
use serde_json::json;

fn standard(value: &Value) -> Result<PodSecurity, Refusal> {
    PodSecurity::read(&Cursor::root(Origin::named("test"), value))
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
