//! Install and uninstall against the embedded API server.

use super::*;
use crate::progress::Silent;
use api::Kind;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use sandbox::life::{LifeOptions, run};
use sandbox::{Options, Sandbox};
use tokio::task::JoinHandle;

const IMAGE: &str = "registry.example.com/platform:1";

struct World {
    client: Client,
    stop: CancellationToken,
    life: JoinHandle<()>,
    _sandbox: Sandbox,
}

fn world() -> World {
    let sandbox = Sandbox::open(Options::default()).unwrap();
    let client = sandbox.client("default");
    let stop = CancellationToken::new();
    let life = tokio::spawn(run(
        client.clone(),
        LifeOptions::default(),
        stop.clone().cancelled_owned(),
    ));
    World {
        client,
        stop,
        life,
        _sandbox: sandbox,
    }
}

fn request() -> InstallRequest {
    InstallRequest {
        group: None,
        repository_group: None,
        image: Some(IMAGE.to_owned()),
        replicas: None,
        webhook: None,
        timeout: Duration::from_mins(1),
    }
}

fn group(text: &str) -> Group {
    Group::parse(text).unwrap()
}

impl World {
    async fn install(&self, request: &InstallRequest) -> Result<Installed, OperationError> {
        install(&self.client, request, &Silent, &CancellationToken::new()).await
    }

    async fn uninstall(&self, everything: bool) -> Result<Uninstalled, OperationError> {
        let request = UninstallRequest {
            everything,
            timeout: Duration::from_mins(1),
        };
        uninstall(&self.client, &request, &Silent, &CancellationToken::new()).await
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
    }

    fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    async fn operator(&self) -> Option<Deployment> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        api.get_opt(OPERATOR).await.unwrap()
    }

    async fn application(&self) -> Api<DynamicObject> {
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.client.clone(),
            "default",
            &Group::default().resource(Kind::Application),
        );
        let object = json!({
            "apiVersion": Group::default().api_version(),
            "kind": "Application",
            "metadata": {"name": "shop"},
            "spec": {},
        });
        api.patch("shop", &PatchParams::apply("test"), &Patch::Apply(object))
            .await
            .unwrap();
        api
    }

    async fn end(self) {
        self.stop.cancel();
        self.life.await.unwrap();
    }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, OperationError>, expect: &str) {
    let error = outcome.unwrap_err();
    let said = format!("{error} {}", error.hint().unwrap_or_default());
    assert!(said.contains(expect), "expected {expect:?} in {said:?}");
}

fn outcomes(installed: &Installed, outcome: &str) -> usize {
    installed.objects.iter().filter(|o| o.outcome == outcome).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_changes_nothing_and_a_new_image_changes_the_operator() {
    let world = world();
    let first = world
        .install(&InstallRequest {
            replicas: Some(3),
            ..request()
        })
        .await
        .unwrap();
    assert_eq!(outcomes(&first, "created"), first.objects.len(), "{first:?}");
    let again = world
        .install(&InstallRequest {
            image: None,
            ..request()
        })
        .await
        .unwrap();
    assert_eq!(outcomes(&again, "unchanged"), again.objects.len(), "{again:?}");
    assert_eq!((again.replicas, again.image.as_str()), (3, IMAGE));

    let newer = InstallRequest {
        image: Some("registry.example.com/platform:2".to_owned()),
        ..request()
    };
    let newer = world.install(&newer).await.unwrap();
    let changed: Vec<_> = newer
        .objects
        .iter()
        .filter(|o| o.outcome == "changed")
        .map(|o| o.object.as_str())
        .collect();
    assert_eq!(
        changed,
        [
            "ConfigMap platform-system/platform",
            "Deployment platform-system/platform-operator",
            "Deployment platform-system/platform-webhook"
        ]
    );
    let said = installation(&world.client).await.unwrap().unwrap();
    assert_eq!(
        (said.group, said.version.as_str(), said.helm_release),
        (Group::default(), VERSION, None)
    );

    // What leaves the chart leaves the cluster: one operator alone has no disruption budget.
    let alone = world
        .install(&InstallRequest {
            replicas: Some(1),
            ..request()
        })
        .await
        .unwrap();
    assert_eq!(outcomes(&alone, "removed"), 1, "{alone:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_group_is_chosen_once() {
    let world = world();
    let mine = InstallRequest {
        group: Some(group("idp.example.org")),
        ..request()
    };
    let other = InstallRequest {
        group: Some(group("other.example.org")),
        ..request()
    };
    let repository = InstallRequest {
        repository_group: Some(group("idp.example.org")),
        ..other.clone()
    };
    refused(world.install(&repository).await, "platform/platform.yaml");
    assert!(world.operator().await.is_none());
    world.install(&mine).await.unwrap();
    refused(
        world.install(&other).await,
        "idp.example.org, not other.example.org",
    );
    let elsewhere = InstallRequest {
        repository_group: Some(group("other.example.org")),
        ..request()
    };
    refused(world.install(&elsewhere).await, "infrastructure repository");
    assert_eq!(world.install(&request()).await.unwrap().group, "idp.example.org");
    // The definitions outlive an uninstall, and with them the choice.
    world.uninstall(false).await.unwrap();
    refused(world.install(&other).await, "definitions under it");
    assert_eq!(world.install(&request()).await.unwrap().group, "idp.example.org");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uninstall_leaves_services_and_takes_exactly_what_was_made() {
    let world = world();
    world.install(&request()).await.unwrap();
    let applications = world.application().await;
    let strangers = json!({"metadata": {"name": "theirs"}});
    world
        .maps()
        .create(
            &PostParams::default(),
            &serde_json::from_value(strangers).unwrap(),
        )
        .await
        .unwrap();
    refused(world.uninstall(true).await, "Application default/shop");
    assert!(world.operator().await.is_some());

    // Even where the memory of what was made is lost.
    world
        .maps()
        .delete("platform-install", &DeleteParams::default())
        .await
        .unwrap();
    let gone = world.uninstall(false).await.unwrap();
    assert_eq!(
        gone.removed.first().unwrap(),
        "Deployment platform-system/platform-operator"
    );
    assert!(gone.stays.contains(&"1 service".to_owned()), "{gone:?}");
    assert!(world.operator().await.is_none());
    assert!(applications.get_opt("shop").await.unwrap().is_some());
    let left: Vec<_> = world.maps().list(&ListParams::default()).await.unwrap().items;
    let left: Vec<_> = left
        .iter()
        .filter_map(|m| m.metadata.name.as_deref())
        .filter(|n| *n != "kube-root-ca.crt")
        .collect();
    assert_eq!(left, ["theirs"]);

    let again = world.uninstall(false).await.unwrap();
    assert_eq!(again.removed, Vec::<String>::new());
    applications
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    world.uninstall(true).await.unwrap();
    assert_eq!(
        found::definitions(&world.client, &Group::default())
            .await
            .unwrap()
            .len(),
        0
    );
    refused(world.uninstall(false).await, "no platform");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_keeps_what_helm_installed() {
    let world = world();
    world.install(&request()).await.unwrap();
    let mark = json!({"metadata": {
        "annotations": {"meta.helm.sh/release-name": "idp", "meta.helm.sh/release-namespace": SYSTEM_NAMESPACE},
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
    }});
    let patch = Patch::Merge(&mark);
    world
        .maps()
        .patch("platform", &PatchParams::default(), &patch)
        .await
        .unwrap();
    refused(world.install(&request()).await, "helm upgrade idp");
    refused(world.uninstall(false).await, "helm uninstall idp");

    // Its uninstall leaves the definitions with its marks on them.
    world
        .maps()
        .delete("platform", &DeleteParams::default())
        .await
        .unwrap();
    let name = format!("teams.{}", Group::default());
    let unmark = json!({"metadata": {"annotations": {Group::default().annotation_tracking(): null}}});
    world
        .definitions()
        .patch(&name, &PatchParams::default(), &Patch::Merge(&unmark))
        .await
        .unwrap();
    world
        .definitions()
        .patch(&name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    world.install(&request()).await.unwrap();
    let teams = world.definitions().get(&name).await.unwrap();
    assert!(
        !teams
            .metadata
            .annotations
            .unwrap()
            .contains_key("meta.helm.sh/release-name")
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said_before_anything_is_written() {
    let world = world();
    let mut theirs = api::crd(&Group::default(), Kind::Team);
    theirs["metadata"]["labels"] = json!({});
    let theirs: CustomResourceDefinition = serde_json::from_value(theirs).unwrap();
    world
        .definitions()
        .create(&PostParams::default(), &theirs)
        .await
        .unwrap();
    refused(world.install(&request()).await, "somebody else's");
    assert!(
        Api::<Namespace>::all(world.client.clone())
            .get_opt(SYSTEM_NAMESPACE)
            .await
            .unwrap()
            .is_none()
    );

    refused(
        world
            .install(&InstallRequest {
                image: None,
                ..request()
            })
            .await,
        "--image",
    );
    let moving = InstallRequest {
        image: Some("r.io/platform:latest".to_owned()),
        ..request()
    };
    refused(world.install(&moving).await, "another image tomorrow");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_going_away_is_waited_for() {
    let world = world();
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let object = |name: &str| json!({"metadata": {"name": name}});
    let namespace = serde_json::from_value(object(SYSTEM_NAMESPACE)).unwrap();
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let mut held = object("held");
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    world
        .maps()
        .create(&PostParams::default(), &serde_json::from_value(held).unwrap())
        .await
        .unwrap();
    namespaces
        .delete(SYSTEM_NAMESPACE, &DeleteParams::default())
        .await
        .unwrap();
    refused(world.install(&request()).await, "is being deleted");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_never_starts_is_told_with_its_cause() {
    let world = world();
    let broken = InstallRequest {
        image: Some("registry.example.com/missing:1".to_owned()),
        timeout: Duration::from_secs(2),
        ..request()
    };
    let scenario = json!({"metadata": {"name": SYSTEM_NAMESPACE}});
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces
        .create(&PostParams::default(), &serde_json::from_value(scenario).unwrap())
        .await
        .unwrap();
    world.stop.cancel();
    refused(world.install(&broken).await, "0 of 2 replicas ready");
    world.end().await;
}

#[test]
fn manifests_for_git_need_no_cluster() {
    let text = install_manifests(&request()).unwrap();
    let documents = yaml::parse_all(&text).unwrap();
    assert_eq!(documents[0].value["kind"], "Namespace");
    assert!(documents.len() > 15, "{}", documents.len());
    assert!(documents.iter().all(|d| d.value["metadata"]["name"].is_string()));
    refused(
        install_manifests(&InstallRequest {
            image: None,
            ..request()
        }),
        "--image",
    );
}
