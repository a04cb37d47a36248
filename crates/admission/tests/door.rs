//! The webhook as an API server meets it: real TLS on loopback, the sandbox as its cluster.

#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use admission::{CONFIGURATION, Lifetimes, Place, Telemetry, Webhook, WebhookOptions};
use api::{Group, SYSTEM_NAMESPACE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

struct World {
    client: Client,
    address: SocketAddr,
    telemetry: Telemetry,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    keeping: JoinHandle<()>,
    _sandbox: Sandbox,
}

impl World {
    async fn new(lifetime: Duration) -> World {
        World::with(lifetime, &[]).await
    }

    /// With some objects in the cluster before the webhook begins.
    async fn with(lifetime: Duration, objects: &[Value]) -> World {
        let sandbox = Sandbox::open(sandbox::Options::default()).unwrap();
        let client = sandbox.client("default");
        for object in objects {
            let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
            let gvk = GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&gvk));
            api.create(&PostParams::default(), &object).await.unwrap();
        }
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": SYSTEM_NAMESPACE}})).unwrap();
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = WebhookOptions {
            group: Group::default(),
            place: Place::Url(format!("https://{address}")),
            lifetimes: Lifetimes { leaf: lifetime },
        };
        let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
        let webhook = Webhook::new(client.clone(), options, telemetry.clone()).unwrap();
        let (keeper, term) = (webhook.keeper().clone(), stop.clone());
        let reading = webhook.clone();
        let keeping = tokio::spawn(async move {
            reading.has_read().await;
            keeper.keep(term).await;
        });
        let ending = stop.clone();
        let serving = tokio::spawn(async move { webhook.run(listener, ending).await.unwrap() });
        World {
            client,
            address,
            telemetry,
            stop,
            serving,
            keeping,
            _sandbox: sandbox,
        }
    }

    /// What the API server would trust, once it is told.
    async fn bundle(&self) -> Vec<u8> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let told = async {
            let trusted = |found: Option<&ValidatingWebhookConfiguration>| {
                found.is_some_and(|found| json!(found)["webhooks"][0]["clientConfig"]["caBundle"].is_string())
            };
            let found = await_condition(api, CONFIGURATION, trusted).await.unwrap();
            self.telemetry.readiness().wait_for(|ready| *ready).await.unwrap();
            found.unwrap()
        };
        let found = tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
        let bundle = json!(found)["webhooks"][0]["clientConfig"]["caBundle"].clone();
        STANDARD.decode(bundle.as_str().unwrap()).unwrap()
    }

    /// One request on a connection of its own: status and body.
    async fn send(&self, bundle: &[u8], head: &str, body: &[u8]) -> (u16, String) {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let head = format!("{head}\r\nHost: webhook\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // A body that is not wanted may not be read to its end.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        (status.unwrap_or_default(), body.unwrap_or_default())
    }

    async fn review(&self, bundle: &[u8], review: &Value) -> Value {
        let body = review.to_string();
        let head = format!(
            "POST /validate?timeout=10s HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}",
            body.len()
        );
        let (status, answer) = self.send(bundle, &head, body.as_bytes()).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.keeping.await.unwrap();
    }
}

fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web", "namespace": "default", "operation": "CREATE",
            "userInfo": {"username": "jane"},
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_and_what_is_none_is_turned_away() {
    let world = World::new(Duration::from_hours(24)).await;
    let bundle = world.bundle().await;
    let refused = world.review(&bundle, &pod("registry.internal/web:latest")).await;
    assert_eq!(refused["response"]["allowed"], false);
    let message = refused["response"]["status"]["message"].as_str().unwrap();
    for words in [
        "resource Pod/default/web was blocked",
        "require-limits:",
        "hint: ",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let mut old = pod("registry.internal/web:v1");
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let refused = world.review(&bundle, &old).await;
    assert_eq!(
        (&refused["response"]["uid"], &refused["response"]["allowed"]),
        (&json!("u-1"), &json!(false))
    );

    let check = async |head: &str, body: &[u8], expect: u16| {
        let (status, answer) = world.send(&bundle, head, body).await;
        assert_eq!(status, expect, "{head}: {answer}");
    };
    let post = "POST /validate HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length:";
    check("GET /validate HTTP/1.1", b"", 405).await;
    check("POST /elsewhere HTTP/1.1\r\nContent-Length: 0", b"", 404).await;
    check(
        "POST /validate HTTP/1.1\r\nContent-Type: text/yaml\r\nContent-Length: 2",
        b"{}",
        415,
    )
    .await;
    check(&format!("{post} 5"), b"{\"a\":", 400).await;
    check(&format!("{post} 2"), b"{}", 400).await;
    check(&format!("{post} {}", 8 * 1024 * 1024), b"", 413).await;
    let chunk = format!(
        "{:x}\r\n{}\r\n0\r\n\r\n",
        8 * 1024 * 1024,
        "a".repeat(8 * 1024 * 1024)
    );
    let chunked = "POST /validate HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    check(chunked, chunk.as_bytes(), 413).await;
    // Whoever sends half a body is waited for, but not for ever.
    check(&format!("{post} 100"), b"{", 408).await;

    let text = world.telemetry.text();
    assert!(
        text.contains("platform_webhook_requests_total{outcome=\"denied\"} 1"),
        "{text}"
    );
    assert!(text.contains("platform_webhook_configured 1"), "{text}");
    let events: Api<Event> = Api::namespaced(world.client.clone(), "default");
    let told = events.list(&ListParams::default()).await.unwrap();
    let told = told
        .items
        .iter()
        .find(|event| event.reason.as_deref() == Some("PolicyViolation"));
    assert_eq!(
        told.unwrap().regarding.as_ref().unwrap().name.as_deref(),
        Some("web")
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_refuses_what_the_webhook_refuses() {
    let world = World::new(Duration::from_hours(24)).await;
    world.bundle().await;
    let web = pod("nginx:1.27")["request"]["object"].take();
    let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": web["spec"] });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": template },
    });
    let check = async |path: &str, object: &Value, words: &[&str]| {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes())
            .unwrap();
        let refused = world.client.request::<Value>(request).await.unwrap_err();
        let kube::Error::Api(status) = refused else {
            unreachable!("{refused}")
        };
        assert!(matches!(status.code, 400 | 403), "{}", status.message);
        for words in words {
            assert!(status.message.contains(words), "{}", status.message);
        }
    };
    check(
        "/api/v1/namespaces/default/pods",
        &web,
        &[
            "admission webhook \"",
            "denied the request: ",
            "resource Pod/default/web was blocked due to the following policies",
            "require-limits: 'validation error: CPU and memory limits are required. rule require-limits failed at path \
             /spec/containers/0/resources/limits/'",
            "hint: ",
        ],
    )
    .await;
    check(
        "/apis/apps/v1/namespaces/default/deployments",
        &deployment,
        &[
            "resource Deployment/default/web was blocked due to the following policies",
            "autogen-require-limits: 'validation error: CPU and memory limits are required.",
        ],
    )
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_made_a_moment_ago_is_known() {
    let world = World::new(Duration::from_hours(24)).await;
    let bundle = world.bundle().await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let fresh = serde_json::from_value(json!({"metadata": {"name": "fresh"}})).unwrap();
    namespaces.create(&PostParams::default(), &fresh).await.unwrap();
    let mut review = pod("registry.internal/web:latest");
    review["request"]["namespace"] = json!("fresh");
    review["request"]["object"]["metadata"]["namespace"] = json!("fresh");
    let refused = world.review(&bundle, &review).await;
    assert_eq!(refused["response"]["allowed"], false);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_has_to_do_is_handed_over_before_the_answer() {
    let definition = |kind: &str, group: &str, scope: &str| {
        let plural = guardrails::guessed_plural(kind);
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "names": {"kind": kind, "plural": plural}, "scope": scope,
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                }],
            },
        })
    };
    let policy = |name: &str, failure: &str| {
        json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
            "spec": {"failurePolicy": failure, "rules": [{
                "name": "begin",
                "match": {"any": [{"resources": {"kinds": ["Pod"], "names": [name]}}]},
                "generate": {
                    "apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "namespace": "default",
                    "data": {"data": {"a": "b"}},
                },
            }]},
        })
    };
    let request = |name: &str, dry_run: bool| {
        let mut review = pod("registry.internal/web:v1");
        review["request"]["name"] = json!(name);
        review["request"]["object"]["metadata"]["name"] = json!(name);
        review["request"]["dryRun"] = json!(dry_run);
        review
    };
    let group = Group::default();
    let policies = definition("ClusterPolicy", "kyverno.io", "Cluster");
    let all = [policies, policy("strict", "Fail"), policy("lenient", "Ignore")];
    let world = World::with(Duration::from_hours(24), &all).await;
    let bundle = world.bundle().await;
    // Nowhere to hand it over: the policy says what becomes of the request.
    let refused = world.review(&bundle, &request("strict", false)).await;
    let message = refused["response"]["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("begin: 'what the rule makes because of this request cannot be handed over: "),
        "{message}"
    );
    let allowed = world.review(&bundle, &request("lenient", false)).await;
    assert_eq!(allowed["response"]["allowed"], true, "{allowed}");
    let warning = allowed["response"]["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("policy lenient.begin: what the rule makes"),
        "{warning}"
    );

    let requests = definition("GuardrailRequest", group.as_str(), "Namespaced");
    let definitions: Api<DynamicObject> = Api::all_with(
        world.client.clone(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
        )),
    );
    let requests = serde_json::from_value(requests).unwrap();
    definitions
        .create(&PostParams::default(), &requests)
        .await
        .unwrap();
    let kind = GroupVersionKind::gvk(group.as_str(), "v1", "GuardrailRequest");
    let orders: Api<DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        SYSTEM_NAMESPACE,
        &ApiResource::from_gvk(&kind),
    );
    let dry = world.review(&bundle, &request("strict", true)).await;
    assert_eq!(dry["response"]["allowed"], true, "{dry}");
    assert_eq!(
        orders.list(&ListParams::default()).await.unwrap().items,
        [],
        "a dry run is none"
    );
    for _ in 0..2 {
        let allowed = world.review(&bundle, &request("strict", false)).await;
        assert_eq!(allowed["response"]["allowed"], true, "{allowed}");
    }
    let handed = orders.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(handed.len(), 1, "the same request is one");
    let spec = &handed[0].data["spec"];
    assert_eq!(
        (
            &spec["policy"],
            &spec["rule"],
            &spec["trigger"]["name"],
            &spec["request"]["user"]["name"]
        ),
        (
            &json!("strict"),
            &json!("begin"),
            &json!("strict"),
            &json!("jane")
        )
    );
    world.end().await;
}
