//! How answers look on the wire: discovery, representations, and what the server says of itself. What is expected
//! here was read from a real API server.

use std::io::Read;

use axum::body::Body;
use flate2::read::GzDecoder;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use sandbox::Sandbox;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::server::{post, sandbox};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

struct Seen {
    code: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(sandbox: &Sandbox, method: Method, path: &str, headers: &[(&str, &str)]) -> Seen {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = sandbox.router().oneshot(request).await.unwrap();
    Seen {
        code: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.into_body().collect().await.unwrap().to_bytes().to_vec(),
    }
}

async fn accepting(sandbox: &Sandbox, path: &str, accept: &str) -> Seen {
    ask(sandbox, Method::GET, path, &[("accept", accept)]).await
}

async fn map(sandbox: &Sandbox) {
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "one": "1" } });
    assert_eq!(post(sandbox, MAPS, &body).await.code, 201);
}

#[tokio::test]
async fn discovery_in_one_document_is_sent_once() {
    let sandbox = sandbox();
    for path in ["/api", "/apis"] {
        let first = accepting(&sandbox, path, AGGREGATED).await;
        assert_eq!(first.header("content-type"), AGGREGATED);
        assert_eq!(first.header("vary"), "Accept");
        let tag = first.header("etag").to_owned();
        assert_eq!(tag.len(), 130, "{tag}");
        let headers = [("accept", AGGREGATED), ("if-none-match", tag.as_str())];
        let again = ask(&sandbox, Method::GET, path, &headers).await;
        assert_eq!((again.code, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), tag);
    }
    let core = accepting(&sandbox, "/api", AGGREGATED).await.json();
    assert_eq!(core["items"][0]["metadata"], json!({}));
    let resources = core["items"][0]["versions"][0]["resources"]
        .as_array()
        .unwrap()
        .clone();
    let pods = resources.iter().find(|one| one["resource"] == "pods").unwrap();
    assert_eq!(
        pods["responseKind"],
        json!({ "group": "", "version": "", "kind": "Pod" })
    );
    assert_eq!(pods["subresources"][0]["subresource"], "binding");
    let mut sorted = resources.clone();
    sorted.sort_by_key(|one| one["resource"].as_str().unwrap().to_owned());
    assert_eq!(resources, sorted);
    let older = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    assert_eq!(accepting(&sandbox, "/apis", older).await.code, 406);
    let either = format!("{older},application/json");
    assert_eq!(
        accepting(&sandbox, "/apis", &either).await.json()["kind"],
        "APIGroupList"
    );
    let tree = AGGREGATED.replace("json;", "yaml;");
    let tree = accepting(&sandbox, "/api", &tree).await;
    assert!(
        tree.text().starts_with("apiVersion: apidiscovery.k8s.io/v2\n"),
        "{}",
        tree.text()
    );
}

#[tokio::test]
async fn discovery_in_many_documents_names_what_is_stored() {
    let sandbox = sandbox();
    let groups = accepting(&sandbox, "/apis", "*/*").await.json();
    let groups: Vec<&str> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!(groups[..3], ["apiregistration.k8s.io", "apps", "events.k8s.io"]);
    let core = accepting(&sandbox, "/api/v1", "*/*").await.json();
    assert_eq!(core.get("apiVersion"), None);
    let hash = |list: &Value, name: &str| {
        let resources = list["resources"].as_array().unwrap();
        let found = resources.iter().find(|one| one["name"] == name).unwrap();
        found["storageVersionHash"].clone()
    };
    assert_eq!(hash(&core, "configmaps"), "qFsyl6wFWjQ=");
    assert_eq!(hash(&core, "pods/status"), Value::Null);
    let check = async |group: &str, name: &str, expect: &str| {
        let list = accepting(&sandbox, &format!("/apis/{group}"), "*/*").await.json();
        assert_eq!(hash(&list, name), expect, "{group} {name}");
    };
    check("apps/v1", "deployments", "8aSe+NMegvE=").await;
    check("events.k8s.io/v1", "events", "r2yiGXH7wu8=").await;
    check(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "jfWCUB31mvA=",
    )
    .await;
}

#[tokio::test]
async fn objects_come_in_the_form_that_was_asked_for() {
    let sandbox = sandbox();
    map(&sandbox).await;
    let one = format!("{MAPS}/a");
    let tree = accepting(&sandbox, &one, "application/yaml").await;
    assert_eq!(tree.header("content-type"), "application/yaml");
    assert!(
        tree.text().starts_with("apiVersion: v1\ndata:\n  one: \"1\"\n"),
        "{}",
        tree.text()
    );
    let missing = accepting(&sandbox, &format!("{MAPS}/b"), "application/yaml").await;
    assert_eq!(missing.code, 404);
    assert!(
        missing.text().contains("message: configmaps \"b\" not found\n"),
        "{}",
        missing.text()
    );
    let table = accepting(
        &sandbox,
        MAPS,
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
    )
    .await;
    assert_eq!(table.json()["apiVersion"], "meta.k8s.io/v1beta1");
    assert_eq!(
        table.json()["rows"][0]["object"]["apiVersion"],
        "meta.k8s.io/v1beta1"
    );
    let indented = accepting(&sandbox, &format!("{one}?pretty=true"), "*/*").await;
    assert!(indented.text().starts_with("{\n  \""), "{}", indented.text());
    assert!(!accepting(&sandbox, &one, "*/*").await.text().contains('\n'));
    let kind = async |accept: &str| accepting(&sandbox, &one, accept).await.json()["kind"].clone();
    assert_eq!(
        kind("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").await,
        "PartialObjectMetadata"
    );
    let refused = async |path: &str, accept: &str| {
        let answer = accepting(&sandbox, path, accept).await;
        assert_eq!(answer.code, 406, "{path} {accept}");
        answer.json()["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(
            MAPS,
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
        )
        .await,
        "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)"
    );
    assert_eq!(
        refused(
            &one,
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
        )
        .await,
        "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)"
    );
    assert_eq!(
        refused(&one, "text/html").await,
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
         application/vnd.kubernetes.protobuf"
    );
    assert_eq!(
        refused(&one, "application/json;as=Chair;v=v1;g=meta.k8s.io").await,
        "only the following media types are accepted: application/json, application/yaml, \
         application/vnd.kubernetes.protobuf"
    );
    assert_eq!(
        refused(&format!("{MAPS}?watch=true"), "application/json;as=Chair").await,
        "only the following media types are accepted: application/json, application/yaml, \
         application/vnd.kubernetes.protobuf"
    );
    let strange = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let strange = accepting(&sandbox, &format!("{MAPS}?includeObject=Half"), strange).await;
    assert_eq!(strange.code, 400);
    assert_eq!(
        strange.json()["message"],
        "Unable to convert to Table as requested: includeObject: Invalid value: \"Half\": \
         must be 'Metadata', 'Object', 'None', or empty"
    );
}

#[tokio::test]
async fn what_is_large_is_packed_for_those_who_can_unpack() {
    let sandbox = sandbox();
    let packing = [("accept-encoding", "gzip")];
    map(&sandbox).await;
    let small = ask(&sandbox, Method::GET, MAPS, &packing).await;
    assert_eq!(small.header("content-encoding"), "");
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "large" },
        "data": { "text": "towpath ".repeat(20_000) },
    });
    assert_eq!(post(&sandbox, MAPS, &body).await.code, 201);
    let plain = ask(&sandbox, Method::GET, MAPS, &[]).await;
    let packed = ask(&sandbox, Method::GET, MAPS, &packing).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len() / 20, "{}", packed.body.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.body.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn a_long_list_is_whole_in_every_form() {
    const COUNT: usize = 400;
    let sandbox = sandbox();
    let names: Vec<String> = (0..COUNT).map(|number| format!("long-{number:03}")).collect();
    for name in &names {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "x": "x".repeat(1000) },
        });
        assert_eq!(post(&sandbox, MAPS, &body).await.code, 201);
    }
    let check = |form: &str, list: &Value, kind: &str| {
        let items = list["items"].as_array().unwrap().iter();
        let listed: Vec<&str> = items
            .map(|item| item["metadata"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(listed, names, "{form}");
        assert_eq!(list["kind"], kind, "{form}");
    };
    let plain = accepting(&sandbox, MAPS, "application/json").await;
    assert!(plain.body.len() > 400_000, "{}", plain.body.len());
    check("plain", &plain.json(), "ConfigMapList");
    let pretty = accepting(&sandbox, &format!("{MAPS}?pretty=true"), "application/json").await;
    assert!(pretty.body.len() > plain.body.len());
    assert_eq!(pretty.json(), plain.json());
    let tree = accepting(&sandbox, MAPS, "application/yaml").await;
    assert_eq!(tree.header("content-type"), "application/yaml");
    assert_eq!(tree.text().matches("\n    name: long-").count(), COUNT);
    let metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let metadata = accepting(&sandbox, MAPS, metadata).await;
    check("metadata", &metadata.json(), "PartialObjectMetadataList");
    let page = accepting(&sandbox, &format!("{MAPS}?limit=300"), "application/json").await;
    assert_eq!(page.json()["items"].as_array().map(Vec::len), Some(300));
    assert_eq!(page.json()["metadata"]["remainingItemCount"], 100);
    let deleted = ask(&sandbox, Method::DELETE, MAPS, &[]).await;
    check("deleted", &deleted.json(), "ConfigMapList");
    let none = accepting(&sandbox, MAPS, "application/json").await;
    assert_eq!(none.json()["items"], json!([]));
}

#[tokio::test]
async fn the_server_says_how_it_is() {
    let sandbox = sandbox();
    let verbose = accepting(&sandbox, "/livez?verbose", "text/html").await;
    assert_eq!(
        verbose.text(),
        "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n"
    );
    let without = accepting(&sandbox, "/readyz?verbose&exclude=etcd", "*/*").await;
    assert!(
        without.text().contains("[+]etcd excluded: ok\n"),
        "{}",
        without.text()
    );
    assert_eq!(accepting(&sandbox, "/readyz/etcd", "*/*").await.text(), "ok");
    assert_eq!(accepting(&sandbox, "/readyz/tea", "*/*").await.code, 404);
    map(&sandbox).await;
    let metrics = accepting(&sandbox, "/metrics", "text/plain").await;
    let counted = "apiserver_resource_objects{group=\"\",resource=\"configmaps\"} ";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    assert_eq!(ask(&sandbox, Method::POST, "/version", &[]).await.code, 405);
    assert_eq!(
        accepting(&sandbox, "/version", "application/yaml").await.code,
        406
    );
    let paths = accepting(&sandbox, "/", "text/html").await.json();
    assert!(
        paths["paths"]
            .as_array()
            .unwrap()
            .contains(&json!("/apis/apps/v1"))
    );
}

#[tokio::test]
async fn openapi_comes_by_group_and_is_kept_by_its_hash() {
    let sandbox = sandbox();
    let index = accepting(&sandbox, "/openapi/v3", "*/*").await.json();
    let address = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let document = accepting(&sandbox, address, "application/json").await;
    assert_eq!(document.header("cache-control"), "public, immutable");
    assert_eq!(document.header("expires"), "Sat, 02 Jan 2027 03:04:05 UTC");
    let whole = document.json();
    let kinds = &whole["components"]["schemas"];
    assert_eq!(
        kinds["io.k8s.api.apps.v1.DeploymentList"]["x-kubernetes-group-version-kind"],
        json!([{ "group": "apps", "version": "v1", "kind": "DeploymentList" }])
    );
    let item = &whole["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    assert_eq!(item["patch"]["operationId"], "patchAppsV1NamespacedDeployment");
    let scale = &whole["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"];
    assert_eq!(scale["x-kubernetes-group-version-kind"]["kind"], "Scale");
    let text = whole.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(kinds.get(name).is_some(), "{name}");
    }
    let path = "/openapi/v3/apis/apps/v1";
    let stale = accepting(&sandbox, &format!("{path}?hash=00"), "application/json").await;
    assert_eq!((stale.code, stale.header("location")), (301, address));
    let headers = [("if-none-match", document.header("etag"))];
    assert_eq!(ask(&sandbox, Method::GET, path, &headers).await.code, 304);
    assert_eq!(accepting(&sandbox, path, "text/html").await.code, 406);
    assert_eq!(
        accepting(&sandbox, "/openapi/v3/apis/none/v1", "*/*").await.code,
        404
    );
}

#[tokio::test]
async fn openapi_in_one_document_speaks_two_languages() {
    let sandbox = sandbox();
    let first = accepting(&sandbox, "/openapi/v2", "application/json").await;
    let whole = first.json();
    let kinds = &whole["definitions"];
    assert_eq!(
        kinds["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]["x-kubernetes-patch-merge-key"],
        "name"
    );
    assert_eq!(
        kinds["io.k8s.apimachinery.pkg.api.resource.Quantity"],
        json!({ "type": "string" })
    );
    let text = whole.to_string();
    assert!(!text.contains("#/components"), "only words of the second version");
    for part in text.split("#/definitions/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(kinds.get(name).is_some(), "{name}");
    }
    let again = [("if-none-match", first.header("etag"))];
    assert_eq!(ask(&sandbox, Method::GET, "/openapi/v2", &again).await.code, 304);
    let older = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let protobuf = accepting(&sandbox, "/openapi/v2", older).await;
    assert_eq!(
        protobuf.header("content-type"),
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    );
    assert_eq!(&protobuf.body[..5], b"\x0a\x032.0");
    assert_eq!(accepting(&sandbox, "/openapi/v2", "text/html").await.code, 406);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Cluster", "names": { "plural": "widgets", "kind": "Widget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "description": "Turns.", "properties": {
                    "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                } } },
            }],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(post(&sandbox, path, &definition).await.code, 201);
    let after = accepting(&sandbox, "/openapi/v2", "application/json").await;
    assert_ne!(after.header("etag"), first.header("etag"));
    let widget = &after.json()["definitions"]["com.example.v1.Widget"];
    assert_eq!(widget["description"], "Turns.");
    assert_eq!(
        widget["properties"]["spec"],
        json!({ "x-kubernetes-preserve-unknown-fields": true })
    );
}
