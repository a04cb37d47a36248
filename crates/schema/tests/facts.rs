//! The embedded facts: whole, decodable, and right where it matters most.

use schema::{ListType, MapType, PatchStrategy, Schemas, Type, openapi_types};
use serde_json::json;

#[test]
fn every_type_decodes_and_every_reference_leads_somewhere() {
    let schemas = Schemas::builtin();
    assert!(schemas.type_names().len() > 400);
    for name in schemas.type_names() {
        let schema = schemas.type_named(name).expect(name);
        assert_eq!(schema.name, *name);
        for (field_name, field) in &schema.fields {
            let target = field.schema.get();
            let is_json = target.name.starts_with("apiextensions.v1.JSON");
            assert!(
                target.kind != Type::Any || is_json,
                "{name}.{field_name} is known"
            );
        }
    }
}

#[test]
fn kinds_are_found() {
    fn check(
        api_version: &str,
        kind: &str,
        plural: &str,
        short: &[&str],
        namespaced: bool,
        subresources: &[&str],
    ) {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let found = Schemas::builtin().kind(group, version, kind).expect(kind);
        assert_eq!(found.api_version(), api_version);
        assert_eq!(found.plural, plural);
        assert_eq!(found.short_names, short);
        assert_eq!(found.namespaced, namespaced);
        let names: Vec<&str> = found
            .subresources
            .iter()
            .map(|subresource| subresource.name.as_str())
            .collect();
        assert_eq!(names, subresources);
        assert_eq!(Schemas::builtin().resource(group, version, plural), Some(found));
        assert_ne!(found.schema().name, "", "{kind} has a schema");
    }
    check(
        "v1",
        "Namespace",
        "namespaces",
        &["ns"],
        false,
        &["finalize", "status"],
    );
    check("v1", "ConfigMap", "configmaps", &["cm"], true, &[]);
    check("v1", "Service", "services", &["svc"], true, &["proxy", "status"]);
    check(
        "apps/v1",
        "Deployment",
        "deployments",
        &["deploy"],
        true,
        &["scale", "status"],
    );
    check(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "networkpolicies",
        &["netpol"],
        true,
        &[],
    );
    check("batch/v1", "CronJob", "cronjobs", &["cj"], true, &["status"]);
    let scale = Schemas::builtin()
        .kind("apps", "v1", "Deployment")
        .expect("Deployment");
    let scale = scale.subresource("scale").expect("scale");
    assert_eq!(
        (scale.group.as_str(), scale.version.as_str(), scale.kind.as_str()),
        ("autoscaling", "v1", "Scale")
    );
    assert!(
        Schemas::builtin()
            .kinds()
            .iter()
            .all(|kind| !kind.schema().name.is_empty() || kind.verbs == ["create"])
    );
}

#[test]
fn lists_and_maps_are_shared_as_upstream_says() {
    let schemas = Schemas::builtin();
    let list = |name: &str, field: &str| {
        let schema = schemas.type_named(name).expect(name).child(field).expect(field);
        (schema.list.clone(), schema.patch, schema.merge_key.clone())
    };
    let keys = |keys: &[&str]| ListType::Map(keys.iter().map(|key| (*key).to_owned()).collect());
    assert_eq!(
        list("core.v1.Container", "ports"),
        (
            keys(&["containerPort", "protocol"]),
            PatchStrategy::Merge,
            "containerPort".to_owned()
        )
    );
    assert_eq!(
        list("core.v1.PodSpec", "volumes"),
        (keys(&["name"]), PatchStrategy::MergeRetainKeys, "name".to_owned())
    );
    assert_eq!(
        list("meta.v1.ObjectMeta", "finalizers"),
        (ListType::Set, PatchStrategy::Merge, String::new())
    );
    assert_eq!(list("core.v1.PodSpec", "tolerations").0, ListType::Atomic);
    assert_eq!(
        schemas.type_named("meta.v1.LabelSelector").expect("selector").map,
        MapType::Atomic
    );
    let claim = schemas
        .type_named("core.v1.PersistentVolumeSpec")
        .expect("spec")
        .field("claimRef")
        .expect("claimRef");
    assert_eq!(
        (claim.schema.map, claim.map),
        (MapType::Atomic, Some(MapType::Granular))
    );
}

#[test]
fn openapi_is_written_under_upstream_names() {
    let components = serde_json::Value::Object(openapi_types(["apps.v1.Deployment", "no.such.Type"]));
    assert_eq!(
        components["io.k8s.api.apps.v1.Deployment"]["properties"]["spec"]["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"
    );
    let ports = &components["io.k8s.api.core.v1.Container"]["properties"]["ports"];
    assert_eq!(
        ports["x-kubernetes-list-map-keys"],
        json!(["containerPort", "protocol"])
    );
    // Every reference is answered within the document.
    let text = components.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().expect("a name");
        assert!(components.get(name).is_some(), "{name}");
    }
}
