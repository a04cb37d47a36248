//! The sync loop: the real git on one side, the embedded API server on the other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::time::Duration;

use api::{Group, Kind, SYSTEM_NAMESPACE};
use delivery::sync::{SyncStatus, Syncer, read_status, request_sync};
use delivery::{Author, ChangeSet, CommitId, Outcome, RepoPath, Repository};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

struct World {
    group: Group,
    client: Client,
    repository: Repository,
    _sandbox: sandbox::Sandbox,
    _folder: tempfile::TempDir,
}

/// A running loop; it stops with this.
struct Running {
    status: Receiver<SyncStatus>,
    nudge: std::sync::Arc<tokio::sync::Notify>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn world(group: &str) -> World {
    let group = Group::parse(group).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = change("Start").write(path("platform/platform.yaml"), format!("group: {group}\n"));
    let (repository, _) = Repository::init(&folder.path().join("infra.git"), &first).unwrap();
    let sandbox = sandbox::Sandbox::open(sandbox::Options::default()).unwrap();
    let client = sandbox.client("default");
    let tracking = apply::Tracking::new(group.annotation_tracking(), "test");
    let definitions = apply::ApplySet::new("test", tracking, api::crds(&group));
    let installed = apply::Applier::new(client.clone()).apply(&definitions).await;
    assert!(installed.succeeded(), "{:#?}", installed.results);
    World {
        group,
        client,
        repository,
        _sandbox: sandbox,
        _folder: folder,
    }
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn change(message: &str) -> ChangeSet {
    ChangeSet::new(
        message,
        Author::new("Dana", "dana@example.com"),
        jiff::Timestamp::from_second(1_700_000_000).unwrap(),
    )
}

impl World {
    fn syncer(&self) -> Syncer {
        Syncer::new(self.repository.clone(), self.client.clone(), self.group.clone())
    }

    fn start(&self) -> Running {
        let nudge = std::sync::Arc::new(tokio::sync::Notify::new());
        let syncer = self.syncer().with_nudge(nudge.clone());
        let (status, stop) = (syncer.status(), CancellationToken::new());
        let task = tokio::spawn(syncer.run(stop.clone()));
        Running {
            status,
            nudge,
            stop,
            task,
        }
    }

    fn commit(&self, change: &ChangeSet) -> CommitId {
        match self.repository.commit(change).unwrap() {
            Outcome::Committed { id, .. } => id,
            Outcome::NothingChanged { .. } => panic!("nothing changed"),
        }
    }

    fn application(&self, name: &str, replicas: u32) -> String {
        format!(
            "apiVersion: {}\nkind: Application\nmetadata: {{name: {name}}}\nspec: {{image: 'registry.internal/{name}:v1', replicas: {replicas}}}\n",
            self.group.api_version()
        )
    }

    fn team(&self, name: &str) -> String {
        format!(
            "apiVersion: {}\nkind: Team\nmetadata: {{name: {name}}}\nspec: {{environments: [{{name: dev}}]}}\n",
            self.group.api_version()
        )
    }

    async fn namespace(&self, name: &str) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
    }

    fn applications(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(
            self.client.clone(),
            namespace,
            &self.group.resource(Kind::Application),
        )
    }

    fn teams(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &self.group.resource(Kind::Team))
    }

    async fn names(&self, namespace: &str) -> Vec<String> {
        let list = self
            .applications(namespace)
            .list(&ListParams::default())
            .await
            .unwrap();
        list.items.iter().map(ResourceExt::name_any).collect()
    }
}

impl Running {
    /// Waits for a status that is so; a loop that never gets there fails the test.
    async fn until(&mut self, so: impl FnMut(&SyncStatus) -> bool) -> SyncStatus {
        let waiting = tokio::time::timeout(Duration::from_secs(20), self.status.wait_for(so)).await;
        let reached = waiting.ok().map(|status| status.unwrap().clone());
        let Some(status) = reached else {
            panic!("the loop did not get there: {:#?}", *self.status.borrow())
        };
        status
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn at(status: &SyncStatus, commit: &CommitId) -> bool {
    status.revision.as_deref() == Some(commit.as_str())
}

const API: &str = "teams/demo/dev/applications/api.yaml";

#[tokio::test]
async fn what_git_asks_for_stands_and_what_leaves_git_goes() {
    for group in ["platform.company.com", "idp.example.org"] {
        let world = world(group).await;
        world.namespace("demo-dev").await;
        let mut syncer = world.syncer();
        let status = syncer.status();
        let one = world.commit(
            &change("One")
                .write(path("platform/teams/demo.yaml"), world.team("demo"))
                .write(path(API), world.application("api", 2))
                .write(
                    path("teams/demo/dev/applications/web.yaml"),
                    world.application("web", 1),
                ),
        );
        assert!(!syncer.round().await, "{:#?}", *status.borrow());
        assert!(status.borrow().complete(), "{:#?}", *status.borrow());
        assert_eq!(status.borrow().objects, 3);
        let live = world.applications("demo-dev").get("api").await.unwrap();
        let annotations = live.annotations();
        assert_eq!(annotations[&world.group.annotation_revision()], one.as_str());
        assert_eq!(annotations[&world.group.annotation_source()], API);
        assert_eq!(
            annotations[&world.group.annotation_tracking()],
            format!("platform-sync:{group}/Application:demo-dev/api")
        );
        assert_eq!(live.labels()[&world.group.label_team()], "demo");
        assert_eq!(live.labels()[&world.group.label_environment()], "dev");

        // An unrelated commit rewrites nothing.
        let two = world.commit(&change("Two").write(
            path("teams/demo/dev/applications/web.yaml"),
            world.application("web", 3),
        ));
        assert!(!syncer.round().await);
        assert_eq!(status.borrow().applied, ["Application demo-dev/web"]);
        let same = world.applications("demo-dev").get("api").await.unwrap();
        assert_eq!(same.resource_version(), live.resource_version());
        let web = world.applications("demo-dev").get("web").await.unwrap();
        assert_eq!(
            web.annotations()[&world.group.annotation_revision()],
            two.as_str()
        );

        // What leaves Git goes, even when a new process does it.
        world.commit(&change("Three").delete(path(API)));
        let mut syncer = world.syncer();
        let status = syncer.status();
        assert!(!syncer.round().await);
        assert_eq!(status.borrow().pruned, ["Application demo-dev/api"]);
        assert_eq!(world.names("demo-dev").await, ["web"]);
        let told = read_status(&world.client).await.unwrap().unwrap();
        assert_eq!(told, *status.borrow());
    }
}

#[tokio::test]
async fn a_namespace_is_waited_for_and_others_go_on() {
    let world = world("platform.company.com").await;
    world.namespace("demo-dev").await;
    let commit = world.commit(
        &change("One")
            .write(
                path("teams/late/dev/applications/api.yaml"),
                world.application("api", 1),
            )
            .write(path(API), world.application("api", 1)),
    );
    let mut running = world.start();
    let status = running.until(|status| at(status, &commit)).await;
    assert_eq!(status.waiting, ["late-dev"]);
    assert_eq!(world.names("demo-dev").await, ["api"]);
    world.namespace("late-dev").await;
    running.until(SyncStatus::complete).await;
    assert_eq!(world.names("late-dev").await, ["api"]);
    running.end().await;
}

#[tokio::test]
async fn drift_and_disappearance_are_healed() {
    let world = world("platform.company.com").await;
    world.namespace("demo-dev").await;
    world.commit(&change("One").write(path(API), world.application("api", 2)));
    let mut running = world.start();
    running.until(SyncStatus::complete).await;
    let applications = world.applications("demo-dev");

    let patch = json!({"spec": {"replicas": 7}});
    applications
        .patch("api", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    running
        .until(|status| status.applied == ["Application demo-dev/api"] && status.rounds > 1)
        .await;
    assert_eq!(applications.get("api").await.unwrap().data["spec"]["replicas"], 2);

    let rounds = running.status.borrow().rounds;
    applications
        .delete("api", &DeleteParams::default())
        .await
        .unwrap();
    running
        .until(|status| status.rounds > rounds && status.applied == ["Application demo-dev/api"])
        .await;
    assert_eq!(world.names("demo-dev").await, ["api"]);

    // What others add is theirs.
    let label = json!({"metadata": {"labels": {"mine": "too"}}});
    applications
        .patch("api", &PatchParams::default(), &Patch::Merge(&label))
        .await
        .unwrap();
    running.nudge.notify_one();
    let rounds = running.status.borrow().rounds;
    let status = running.until(|status| status.rounds > rounds).await;
    assert!(status.applied.is_empty(), "{status:#?}");
    assert_eq!(applications.get("api").await.unwrap().labels()["mine"], "too");
    running.end().await;
}

#[tokio::test]
async fn a_bad_file_stops_nothing_and_loses_nothing() {
    let world = world("platform.company.com").await;
    world.namespace("demo-dev").await;
    let mut syncer = world.syncer();
    let status = syncer.status();
    world.commit(&change("One").write(path(API), world.application("api", 2)));
    syncer.round().await;
    world.commit(
        &change("Break one, add one, forbid one")
            .write(path(API), "kind: [\n")
            .write(
                path("teams/demo/dev/applications/web.yaml"),
                world.application("web", 1),
            )
            .write(
                path("teams/demo/dev/applications/wrong.yaml"),
                world
                    .application("wrong", 1)
                    .replace("replicas: 1", "replicas: many"),
            ),
    );
    syncer.round().await;
    let told = status.borrow().clone();
    assert_eq!(world.names("demo-dev").await, ["api", "web"], "{told:#?}");
    assert_eq!(told.findings.len(), 1);
    assert_eq!(told.findings[0].file, API);
    assert_eq!(told.errors.len(), 1, "{told:#?}");
    assert_eq!(told.errors[0].file, "teams/demo/dev/applications/wrong.yaml");
    assert!(told.errors[0].message.contains("replicas"), "{told:#?}");
    assert_eq!(told.about(API).count(), 1);

    // Once the file is gone for good, so is what it asked for.
    world.commit(&change("Give up").delete(path(API)));
    syncer.round().await;
    assert_eq!(world.names("demo-dev").await, ["web"]);
}

#[tokio::test]
async fn an_empty_repository_removes_nothing_unless_allowed() {
    let world = world("platform.company.com").await;
    world.namespace("demo-dev").await;
    world.commit(&change("One").write(path(API), world.application("api", 2)));
    let mut syncer = world.syncer();
    let status = syncer.status();
    syncer.round().await;
    world.commit(&change("Oops").delete(path(API)));
    syncer.round().await;
    assert!(
        status
            .borrow()
            .failure
            .as_ref()
            .unwrap()
            .contains("nothing is removed")
    );
    assert_eq!(world.names("demo-dev").await, ["api"]);
    let mut allowed = world.syncer().with_empty_allowed();
    allowed.round().await;
    assert!(world.names("demo-dev").await.is_empty());
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let world = world("platform.company.com").await;
    world.namespace("demo-dev").await;
    let theirs: DynamicObject = serde_json::from_value(json!({
        "apiVersion": world.group.api_version(), "kind": "Application",
        "metadata": {"name": "api", "annotations": {
            "argocd.argoproj.io/tracking-id": format!("shop:{}/Application:demo-dev/api", world.group),
        }},
        "spec": {"image": "registry.internal/theirs:v1"},
    }))
    .unwrap();
    let applications = world.applications("demo-dev");
    applications
        .create(&PostParams::default(), &theirs)
        .await
        .unwrap();
    world.commit(&change("One").write(path(API), world.application("api", 2)));
    let mut syncer = world.syncer();
    let status = syncer.status();
    syncer.round().await;
    let told = status.borrow().clone();
    assert!(
        told.errors[0]
            .message
            .contains("the Argo CD application \"shop\""),
        "{told:#?}"
    );
    assert_eq!(
        applications.get("api").await.unwrap().data["spec"]["image"],
        "registry.internal/theirs:v1"
    );
    world.commit(
        &change("Two")
            .delete(path(API))
            .write(path("platform/teams/demo.yaml"), world.team("demo")),
    );
    syncer.round().await;
    assert_eq!(world.names("demo-dev").await, ["api"]);
}

#[tokio::test]
async fn what_was_about_to_be_made_when_the_process_died_is_removed() {
    let world = world("platform.company.com").await;
    world.namespace("demo-dev").await;
    world.commit(
        &change("One")
            .write(path("platform/teams/demo.yaml"), world.team("demo"))
            .write(path(API), world.application("api", 2)),
    );
    world.syncer().round().await;
    // As it is between writing the inventory ahead and writing it with uids.
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), SYSTEM_NAMESPACE);
    let name = "platform-sync-inventory.demo-dev";
    let mut map = maps.get(name).await.unwrap();
    let items = map.data.as_mut().unwrap().get_mut("items").unwrap();
    let mut ahead: Value = serde_json::from_str(items).unwrap();
    ahead[0]["uid"] = json!("");
    *items = ahead.to_string();
    maps.replace(name, &PostParams::default(), &map).await.unwrap();
    world.commit(&change("Undo").delete(path(API)));
    world.syncer().round().await;
    assert!(world.names("demo-dev").await.is_empty());
    assert!(
        maps.get_opt(name).await.unwrap().is_none(),
        "an empty inventory is not kept"
    );
}

#[tokio::test]
async fn another_process_can_ask_for_a_round() {
    let world = world("platform.company.com").await;
    let mut running = world.start();
    running.until(|status| status.rounds > 0).await;
    let commit = world.commit(&change("One").write(path("platform/teams/demo.yaml"), world.team("demo")));
    request_sync(
        &world.client,
        &world.group,
        jiff::Timestamp::from_second(1_700_000_001).unwrap(),
    )
    .await
    .unwrap();
    running.until(|status| at(status, &commit)).await;
    assert!(world.teams().get_opt("demo").await.unwrap().is_some());
    running.end().await;
}

#[tokio::test]
async fn policies_are_applied_where_the_cluster_knows_them() {
    let world = world("platform.company.com").await;
    let policy =
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: require-limits}\nspec: {}\n";
    world.commit(&change("One").write(path("platform/policies/require-limits.yaml"), policy));
    let mut syncer = world.syncer();
    let status = syncer.status();
    assert!(!syncer.round().await);
    assert!(status.borrow().complete(), "{:#?}", *status.borrow());
}

#[tokio::test]
async fn a_raw_boundary_is_made_and_its_namespace_never_removed() {
    let world = world("platform.company.com").await;
    let boundary = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-payments}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team-quota, namespace: team-payments}\nspec: {hard: {pods: '50'}}\n";
    let file = path("teams/payments/namespace.yaml");
    let app = path("teams/payments/applications/api.yaml");
    world.commit(
        &change("One")
            .write(file.clone(), boundary)
            .write(app.clone(), world.application("api", 1)),
    );
    let mut syncer = world.syncer().with_empty_allowed();
    let status = syncer.status();
    syncer.round().await;
    assert!(status.borrow().complete(), "{:#?}", *status.borrow());
    assert_eq!(world.names("team-payments").await, ["api"]);
    world.commit(&change("Two").delete(file).delete(app));
    syncer.round().await;
    assert_eq!(
        status.borrow().pruned,
        [
            "ResourceQuota team-payments/team-quota",
            "Application team-payments/api"
        ]
    );
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    assert!(
        namespaces
            .get("team-payments")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_none()
    );
}
