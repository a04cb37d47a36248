//! What the server does to objects of particular kinds, beyond their schema: the fields that upstream's storage
//! strategies and built-in admission fill in.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_LETTERS;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde_json::{Map, Value, json};

use super::meta::{finalizers, text};
use super::update::keep_field;
use super::{Target, events, faces};
use crate::admission::{self, limits, pods};
use crate::catalog::{definition, names};
use crate::engine::Engine;
use crate::status::{ApiError, Cause};

/// The finalizer by which a claim waits for the pods that use it.
pub(crate) const CLAIM_IN_USE: &str = "kubernetes.io/pvc-protection";
/// The finalizer by which a volume waits for the claim that has it.
pub(crate) const VOLUME_IN_USE: &str = "kubernetes.io/pv-protection";

/// Puts an object into the form it is stored in.
pub(super) fn to_stored(target: &Target, object: &mut Value) {
    let resource = &target.resource;
    faces::to_stored(resource, object);
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "secrets") => {
            secret_data(object);
            plain_bytes(object, "data");
        }
        ("", "configmaps") => plain_bytes(object, "binaryData"),
        ("", "pods") => pods::default_requests(object),
        ("", "limitranges") => limits::settle(object),
        ("", "services") => address_modes(object),
        _ => {}
    }
}

/// An address by which a Service is reached says how.
fn address_modes(object: &mut Value) {
    let reached = object.pointer_mut("/status/loadBalancer/ingress");
    for ingress in reached.and_then(Value::as_array_mut).into_iter().flatten() {
        if ingress["ip"].is_string() && ingress["ipMode"].is_null() {
            ingress["ipMode"] = json!("VIP");
        }
    }
}

impl Engine {
    /// Fills in what clients do not write of a new object.
    pub(super) fn begin(&self, target: &Target, object: &mut Value) -> Result<(), ApiError> {
        let resource = &target.resource;
        // A node registers itself with its status.
        if resource.has("status") && !resource.is("", "nodes") {
            keep_field(object, &Value::Null, "status");
            schema::prepare(resource.stored_schema(), object);
        }
        match (resource.group.as_str(), resource.plural.as_str()) {
            ("", "namespaces") => {
                object["spec"]["finalizers"] = json!(["kubernetes"]);
                object["status"] = json!({ "phase": "Active" });
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(target.name);
            }
            ("", "pods") => {
                object["status"] =
                    json!({ "phase": "Pending", "qosClass": quality_of_service(&object["spec"]) });
            }
            ("batch", "jobs") => begin_job(object),
            ("", "persistentvolumeclaims") => {
                same_sources(object);
                protect(object, CLAIM_IN_USE);
            }
            // What is written of these even where it says nothing.
            ("rbac.authorization.k8s.io", "roles" | "clusterroles") if object["rules"].is_null() => {
                object["rules"] = Value::Null;
            }
            ("apps", "statefulsets") if object["spec"]["serviceName"].is_null() => {
                object["spec"]["serviceName"] = json!("");
            }
            ("autoscaling", "horizontalpodautoscalers") => object["status"]["currentMetrics"] = Value::Null,
            ("", "persistentvolumes") => {
                protect(object, VOLUME_IN_USE);
                object["status"]["lastPhaseTransitionTime"] = json!(self.timestamp());
            }
            ("", "services") => self.addresses(target, object, None)?,
            ("", "secrets") => secret_data(object),
            ("" | "events.k8s.io", "events") => events::fill(object),
            ("apiextensions.k8s.io", "customresourcedefinitions") => {
                names::begin(object);
            }
            _ => {}
        }
        Ok(())
    }

    /// Fills in or keeps what clients do not write of a changed object.
    pub(super) fn go_on(&self, target: &Target, old: &Value, new: &mut Value) -> Result<(), ApiError> {
        if target.subresource == "status" {
            return Ok(());
        }
        match (target.resource.group.as_str(), target.resource.plural.as_str()) {
            ("", "namespaces") => {
                if target.subresource != "finalize" {
                    keep_field(new, old, "spec");
                }
                new["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(target.name);
            }
            ("", "services") => {
                drop_what_goes_with_the_type(old, new);
                self.addresses(target, new, Some(old))?;
            }
            ("", "secrets") => secret_data(new),
            ("" | "events.k8s.io", "events") => events::fill(new),
            ("apiextensions.k8s.io", "customresourcedefinitions") => {
                names::go_on(new);
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives a Service the addresses and node ports that clients rely on.
    fn addresses(&self, target: &Target, object: &mut Value, old: Option<&Value>) -> Result<(), ApiError> {
        let kind = text(object, &["spec", "type"]).to_owned();
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
            return Ok(());
        };
        if kind == "ExternalName" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.remove(field);
            }
            return Ok(());
        }
        let kept = old
            .map(|old| text(old, &["spec", "clusterIP"]))
            .filter(|address| !address.is_empty());
        let given = spec
            .get("clusterIP")
            .and_then(Value::as_str)
            .filter(|address| !address.is_empty());
        let address = match (given, kept) {
            (Some(given), Some(kept)) if given == kept => kept.to_owned(),
            // A change is refused by validation.
            (Some(given), Some(_)) => given.to_owned(),
            (Some("None"), None) => "None".to_owned(),
            (Some(given), None) => {
                let parsed = given.parse::<Ipv4Addr>();
                let misplaced = parsed.is_ok_and(|address| !is_service_address(address));
                if misplaced {
                    let message = format!(
                        "Invalid value: [{given:?}]: failed to allocate IP {given}: the provided IP ({given}) is not in \
                         the valid range. The range of valid IPs is 10.96.0.0/16"
                    );
                    let cause = Cause::new("FieldValueInvalid", "spec.clusterIPs", message);
                    return Err(ApiError::invalid(target.resource.about(&target.name), &[cause]));
                }
                if self.service_addresses().any(|taken| taken == given) {
                    let message = format!(
                        "Invalid value: [{given:?}]: failed to allocate IP {given}: provided IP is already allocated"
                    );
                    let cause = Cause::new("FieldValueInvalid", "spec.clusterIPs", message);
                    return Err(ApiError::invalid(target.resource.about(&target.name), &[cause]));
                }
                given.to_owned()
            }
            (None, Some(kept)) => kept.to_owned(),
            (None, None) => self.next_service_address()?,
        };
        spec.insert("clusterIP".to_owned(), json!(address));
        spec.insert("clusterIPs".to_owned(), json!([address]));
        spec.entry("internalTrafficPolicy")
            .or_insert_with(|| json!("Cluster"));
        let family = if address.contains(':') { "IPv6" } else { "IPv4" };
        spec.entry("ipFamilies").or_insert_with(|| json!([family]));
        spec.entry("ipFamilyPolicy")
            .or_insert_with(|| json!("SingleStack"));
        let with_ports = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
        if with_ports {
            spec.entry("externalTrafficPolicy")
                .or_insert_with(|| json!("Cluster"));
            if kind == "LoadBalancer" {
                spec.entry("allocateLoadBalancerNodePorts")
                    .or_insert_with(|| json!(true));
            }
        }
        if kind == "LoadBalancer" && spec.get("externalTrafficPolicy").is_some_and(|it| it == "Local") {
            let held = old.map_or(&Value::Null, |old| &old["spec"]["healthCheckNodePort"]);
            let given = spec
                .get("healthCheckNodePort")
                .and_then(Value::as_i64)
                .unwrap_or(0);
            if given == 0 {
                let port = held.as_i64().filter(|port| *port > 0);
                let port = port.map_or_else(|| self.next_node_port(), Ok)?;
                spec.insert("healthCheckNodePort".to_owned(), json!(port));
            }
        } else {
            spec.remove("healthCheckNodePort");
        }
        let before = old
            .and_then(|old| old["spec"]["ports"].as_array())
            .map(Vec::as_slice)
            .unwrap_or_default();
        let ports = spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten();
        for port in ports.filter_map(Value::as_object_mut) {
            let unset = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) == 0;
            if with_ports && unset {
                let same = |old: &&Value| old["port"] == port["port"] && old["protocol"] == port["protocol"];
                let kept = before
                    .iter()
                    .find(same)
                    .and_then(|old| old["nodePort"].as_i64())
                    .filter(|&port| port > 0);
                let number = kept.map_or_else(|| self.next_node_port(), Ok)?;
                port.insert("nodePort".to_owned(), json!(number));
            }
        }
        Ok(())
    }
}

/// A Service that becomes one of another type loses what only the old type had, unless the client says anew.
fn drop_what_goes_with_the_type(old: &Value, new: &mut Value) {
    let kind = |service: &Value| text(service, &["spec", "type"]).to_owned();
    let reachable = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    let (was, is) = (kind(old), kind(new));
    let same = |new: &Value, field: &str| new["spec"][field] == old["spec"][field];
    let mut gone = Vec::new();
    if was != "ExternalName" && is == "ExternalName" && same(new, "clusterIP") {
        gone.extend(["clusterIP", "clusterIPs"]);
        gone.extend(
            ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]
                .into_iter()
                .filter(|field| same(new, field)),
        );
    }
    if reachable(&was) && !reachable(&is) {
        let port = |service: &Value, at: usize| service["spec"]["ports"][at]["nodePort"].clone();
        let ports = new["spec"]["ports"].as_array().map_or(0, Vec::len);
        let kept = (0..ports).all(|at| port(new, at) == port(old, at));
        for port in new["spec"]["ports"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .filter(|_| kept)
        {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
        gone.extend(
            ["externalTrafficPolicy"]
                .into_iter()
                .filter(|field| same(new, field)),
        );
    }
    if was == "LoadBalancer" && is != "LoadBalancer" {
        let own = [
            "allocateLoadBalancerNodePorts",
            "loadBalancerClass",
            "healthCheckNodePort",
        ];
        gone.extend(own.into_iter().filter(|field| same(new, field)));
    }
    if let Some(spec) = new["spec"].as_object_mut() {
        spec.retain(|field, _| !gone.contains(&field.as_str()));
    }
}

/// What a claim is filled from has an old name and a new one.
fn same_sources(claim: &mut Value) {
    let spec = &mut claim["spec"];
    let (old, new) = (spec["dataSource"].clone(), spec["dataSourceRef"].clone());
    if old.is_object() && new.is_null() {
        spec["dataSourceRef"] = old;
    } else if old.is_null() && new.is_object() && text(&new, &["namespace"]).is_empty() {
        spec["dataSource"] = new;
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
}

/// Notes in a DaemonSet how often its template has changed, in words of old.
pub(super) fn count_templates(target: &Target, old: Option<&Value>, new: &mut Value) {
    const COUNT: &str = "deprecated.daemonset.template.generation";
    if !target.resource.is("apps", "daemonsets") || !target.subresource.is_empty() {
        return;
    }
    let count = old.map_or(1, |old| {
        let held = old["metadata"]["annotations"][COUNT].as_str();
        let held = held.and_then(|held| held.parse::<i64>().ok()).unwrap_or(1);
        held + i64::from(old["spec"]["template"] != new["spec"]["template"])
    });
    let annotations = &mut new["metadata"]["annotations"];
    if annotations.is_null() {
        *annotations = json!({});
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(COUNT.to_owned(), json!(count.to_string()));
    }
}

fn is_service_address(address: Ipv4Addr) -> bool {
    address.octets()[..2] == [10, 96]
}

/// Findings that a schema cannot express.
/// `named` is whether the schema's rules find nothing wrong with the name.
pub(super) fn check(target: &Target, new: &Value, old: Option<&Value>, named: bool) -> Vec<Cause> {
    let mut causes = match (target.resource.group.as_str(), target.resource.plural.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => match old {
            Some(old) => definition::check_update(old, new),
            None => definition::check(new),
        },
        ("" | "events.k8s.io", "events") => events::check(target, new, old.is_none()),
        ("batch", "cronjobs") => check_schedule(new),
        ("admissionregistration.k8s.io", plural) if target.subresource.is_empty() => {
            admission::mistakes(plural, new, old)
        }
        ("apps", "deployments") if target.subresource == "status" => check_counts(&new["status"]),
        ("", "services") => check_families(&new["spec"]),
        _ => Vec::new(),
    };
    // What was there before the rule may stay.
    let known: HashSet<&str> = old.into_iter().flat_map(finalizers).collect();
    causes.extend(finalizer_causes(new, &known));
    // Names are places in the store and in paths, whatever a kind allows.
    if old.is_none()
        && named
        && target
            .name
            .contains(|letter: char| letter == '/' || letter.is_control())
    {
        let message = format!(
            "Invalid value: {:?}: may not contain '/' or control characters",
            target.name
        );
        causes.push(Cause::new("FieldValueInvalid", "metadata.name", message));
    }
    causes
}

/// The sandbox's Services have IPv4 addresses, and one each.
fn check_families(spec: &Value) -> Vec<Cause> {
    let families = spec["ipFamilies"].as_array().into_iter().flatten().enumerate();
    let unknown = families.filter(|(_, family)| *family == "IPv6");
    let mut causes: Vec<Cause> = unknown
        .map(|(place, family)| {
            let message = format!("Invalid value: {family}: not configured on this cluster");
            Cause::new("FieldValueInvalid", format!("spec.ipFamilies[{place}]"), message)
        })
        .collect();
    if spec["ipFamilyPolicy"] == "RequireDualStack" {
        let message =
            "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services";
        causes.push(Cause::new("FieldValueInvalid", "spec.ipFamilyPolicy", message));
    }
    causes
}

/// The counts in a Deployment's status go together.
fn check_counts(status: &Value) -> Vec<Cause> {
    let count = |field: &str| status[field].as_i64().unwrap_or_default();
    let invalid = |field: &str, why: &str| {
        let message = format!("Invalid value: {}: {why}", count(field));
        Cause::new("FieldValueInvalid", format!("status.{field}"), message)
    };
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
    ];
    let negative = counts.into_iter().filter(|field| count(field) < 0);
    let mut causes: Vec<Cause> = negative
        .map(|field| invalid(field, "must be greater than or equal to 0"))
        .collect();
    for (field, most) in [
        ("updatedReplicas", "replicas"),
        ("readyReplicas", "replicas"),
        ("availableReplicas", "replicas"),
        ("availableReplicas", "readyReplicas"),
    ] {
        if count(field) > count(most) {
            let shown = if most == "replicas" {
                "status.replicas"
            } else {
                most
            };
            causes.push(invalid(field, &format!("cannot be greater than {shown}")));
        }
    }
    causes
}

/// A CronJob's schedule and time zone can be read.
fn check_schedule(job: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let written = text(job, &["spec", "schedule"]);
    let mut invalid = |field: &str, value: &str, why: &str| {
        let message = format!("Invalid value: {value:?}: {why}");
        causes.push(Cause::new("FieldValueInvalid", field, message));
    };
    if written.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        invalid("spec.schedule", written, why);
    } else if !written.is_empty()
        && let Err(error) = schedule::Schedule::parse(written)
    {
        invalid("spec.schedule", written, &error.to_string());
    }
    let zone = text(job, &["spec", "timeZone"]);
    if !zone.is_empty() && schedule::time_zone(zone).is_none() {
        invalid("spec.timeZone", zone, &format!("unknown time zone {zone}"));
    }
    causes
}

/// Gives a new object a finalizer.
fn protect(object: &mut Value, finalizer: &str) {
    let held = &mut object["metadata"]["finalizers"];
    match held.as_array_mut() {
        Some(held) if held.iter().any(|one| one == finalizer) => {}
        Some(held) => held.push(json!(finalizer)),
        None => *held = json!([finalizer]),
    }
}

/// Unless it says that it does so itself, a Job chooses its pods by its own uid.
fn begin_job(object: &mut Value) {
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let (name, uid) = (
        text(object, &["metadata", "name"]).to_owned(),
        text(object, &["metadata", "uid"]).to_owned(),
    );
    let labels = &mut object["spec"]["template"]["metadata"]["labels"];
    if !labels.is_object() {
        *labels = json!({});
    }
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        if labels[key].is_null() {
            labels[key] = json!(value);
        }
    }
    object["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = json!(uid);
    // Defaults come after that: a Job without labels has those of its pods.
    if object["metadata"]["labels"].as_object().is_none_or(Map::is_empty) {
        object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
    }
}

/// Guaranteed when every container has equal requests and limits for CPU and memory, best effort when none has any.
pub(crate) fn quality_of_service(spec: &Value) -> &'static str {
    let containers = ["containers", "initContainers"]
        .iter()
        .filter_map(|list| spec[*list].as_array())
        .flatten();
    let (mut any, mut all) = (false, true);
    for container in containers {
        for resource in ["cpu", "memory"] {
            let limit = &container["resources"]["limits"][resource];
            let request = &container["resources"]["requests"][resource];
            any |= !limit.is_null() || !request.is_null();
            all &= !limit.is_null() && (request.is_null() || request == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// `stringData` is for writing only: it goes into `data`.
fn secret_data(object: &mut Value) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let Some(Value::Object(plain)) = object.remove("stringData") else {
        return;
    };
    let data = object.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if let Some(data) = data.as_object_mut() {
        for (name, value) in plain {
            data.insert(name, json!(STANDARD.encode(value.as_str().unwrap_or_default())));
        }
    }
}

/// Writes bytes the one way: without line breaks and loose bits. What is no base64 stays, for it to be refused.
fn plain_bytes(object: &mut Value, field: &str) {
    const LOOSE: GeneralPurpose = GeneralPurpose::new(
        &STANDARD_LETTERS,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let fields = object.get_mut(field).and_then(Value::as_object_mut);
    for value in fields.into_iter().flat_map(Map::values_mut) {
        if let Value::String(text) = value {
            text.retain(|letter| !matches!(letter, '\r' | '\n'));
            if let Ok(bytes) = LOOSE.decode(&*text) {
                *text = STANDARD.encode(bytes);
            }
        }
    }
}

/// Words beside the answer about an object that is right but likely not meant.
pub(super) fn warnings(target: &Target, object: &Value) -> Vec<String> {
    if target.resource.is_custom() || !target.subresource.is_empty() {
        return Vec::new();
    }
    let mut found = schema::warnings(target.resource.stored_schema(), object);
    if target.resource.is("", "secrets") && object["type"] == "kubernetes.io/tls" {
        let part = |name: &str| {
            let encoded = object["data"][name].as_str().unwrap_or_default();
            String::from_utf8(STANDARD.decode(encoded).unwrap_or_default()).unwrap_or_default()
        };
        for (name, what) in [("tls.crt", "certificate"), ("tls.key", "key")] {
            if !part(name).contains("-----BEGIN ") {
                found.push(format!("tls: failed to find any PEM data in {what} input"));
                break;
            }
        }
    }
    found
}

/// Finalizers are names with a domain, or the few that the server itself uses.
fn finalizer_causes<'a>(object: &'a Value, known: &'a HashSet<&str>) -> impl Iterator<Item = Cause> {
    const OWN: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
    let listed = || {
        let all = finalizers(object).enumerate();
        all.filter(|(_, finalizer)| !known.contains(finalizer))
            .map(|(place, finalizer)| (place, finalizer.to_owned()))
    };
    let cause = |finalizer: &str, field: String, why: &str| {
        let message = format!("Invalid value: {finalizer:?}: {why}");
        Cause::new("FieldValueInvalid", field, message)
    };
    let unnamed = listed().flat_map(move |(_, finalizer)| {
        let mistakes = schema::label_key_mistakes(&finalizer).into_iter();
        mistakes.map(move |why| cause(&finalizer, "metadata.finalizers".to_owned(), &why))
    });
    let unqualified = listed().filter_map(move |(place, finalizer)| {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        let stands = finalizer.contains('/') || OWN.contains(&finalizer.as_str());
        (!stands).then(|| cause(&finalizer, format!("metadata.finalizers[{place}]"), why))
    });
    unnamed.chain(unqualified)
}
