//! The platform installed on a cluster of its own, real or a sandbox: by its own command and by stock Helm; used there with
//! no more rights than it gives itself; upgraded, taken away, and found again.
//!
//! Pods are simulated, so the operators run here, each with a token of the installed account: one from the image as a
//! pod would, the other as anybody's program.

pub(super) mod acts;
mod cast;
pub(super) mod door;

use super::image::Root;
use super::platform::Platform;
use super::stage::{LIMIT, Stage};
use crate::cluster::CONTEXT;
use crate::failure::{Doing, Result, fail};
use crate::process::run;
use cast::{Operator, account};
use serde_json::Value;

const SYSTEM: &str = "platform-system";
/// Where it is written who leads.
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/platform-system/leases";
const IMAGE: &str = "registry.internal/platform:0.1.0";
const NEWER: &str = "registry.internal/platform:0.1.1";
/// Where an install can be cut off.
const CUTS: [&str; 4] = [
    "namespace:after",
    "inventory:after",
    "definitions:after",
    "objects:after",
];
/// Everything that an install makes and an uninstall takes away.
const OURS: &str = "clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,deployments,services,\
                    poddisruptionbudgets,networkpolicies,configmaps,validatingwebhookconfigurations,\
                    mutatingwebhookconfigurations,secrets";

/// Install, two teams, five services, changes, an upgrade, a leader that dies, uninstall, and again.
pub(super) fn life(stage: &Stage<'_>, platform: &Platform, image: &Root) -> Result<()> {
    stage.refuses_the_powerless()?;
    stage.installs_in_spite_of_kills()?;
    let first = Operator::in_pod(image, &stage.cluster)?;
    let second = Operator::start(platform, &stage.cluster)?;
    stage.eventually("one of two operators to lead", LEASES, || {
        Ok(first.leads()? != second.leads()?)
    })?;
    stage.makes_teams_and_services()?;
    stage.changes_and_deletes()?;
    stage.upgrades()?;
    let (leader, other) = if first.leads()? {
        (first, second)
    } else {
        (second, first)
    };
    stage.survives_its_leader(&leader, &other)?;
    for operator in [&leader, &other] {
        operator.was_allowed_everything()?;
    }
    drop((leader, other));
    stage.uninstalls()?;
    stage.comes_back_and_leaves_for_good(platform)
}

/// The same chart by stock Helm, and the two keep out of each other's way.
pub(super) fn by_helm(stage: &Stage<'_>, platform: &Platform) -> Result<()> {
    let chart = crate::root().join("charts/platform");
    let release = |verb: &str, besides: &str| -> Result<String> {
        let arguments = format!(
            "{verb} idp {} --namespace {SYSTEM} --create-namespace {besides}",
            chart.display()
        );
        stage.helm(&arguments)
    };
    release("install", &format!("--set image={IMAGE} --wait --timeout 60s"))?;
    let operator = Operator::start(platform, &stage.cluster)?;
    stage.eventually("the operator to lead", LEASES, || operator.leads())?;
    stage.refused(&format!("install --image {IMAGE}"), 6, &["helm upgrade idp"])?;
    stage.refused("uninstall --yes", 6, &["helm uninstall idp"])?;
    release("upgrade", &format!("--set image={NEWER}"))?;
    stage.has(
        "deployment/platform-operator",
        SYSTEM,
        "/spec/template/spec/containers/0/image",
        NEWER,
    )?;
    match release(
        "upgrade",
        &format!("--set image={NEWER} --set group=other.example.org"),
    ) {
        Ok(_) => fail!("helm upgrade with another group should fail"),
        Err(failure) if failure.to_string().contains("chosen when it was installed") => {}
        Err(failure) => return Err(failure),
    }
    stage.platform("team create shop")?;
    stage.platform("service create cart --team shop --image registry.internal/shop/cart:v1 --no-scaffold")?;
    operator.was_allowed_everything()?;
    drop(operator);
    stage.helm(&format!("uninstall idp --namespace {SYSTEM} --wait"))?;
    stage.has(
        "applications.platform.company.com/cart",
        "shop-dev",
        "/status/health",
        "Healthy",
    )?;
    // Helm's definitions are taken over, and Helm takes them back.
    stage.platform(&format!("install --image {IMAGE}"))?;
    stage.platform("uninstall --yes")?;
    release(
        "install",
        &format!("--set image={IMAGE} --take-ownership --force-conflicts"),
    )?;
    stage.has("deployment/cart", "shop-dev", "/status/readyReplicas", "2")
}

impl Stage<'_> {
    /// Whoever has no rights hears which are missing, and nothing is written.
    fn refuses_the_powerless(&self) -> Result<()> {
        self.kubectl("create serviceaccount nobody --namespace default")?;
        let nobody = account(&self.cluster, self.user.work().as_path(), "nobody", "default")?;
        let missing = ["customresourcedefinitions.apiextensions.k8s.io"];
        self.refused_as(&nobody, &format!("install --image {IMAGE}"), 7, &missing)?;
        // Somebody who may write everything, but not hand out rights they do not have.
        self.kubectl("create clusterrole writer --verb=* --resource=namespaces,configmaps,serviceaccounts,services,deployments.apps,poddisruptionbudgets.policy,networkpolicies.networking.k8s.io,validatingwebhookconfigurations.admissionregistration.k8s.io,mutatingwebhookconfigurations.admissionregistration.k8s.io,customresourcedefinitions.apiextensions.k8s.io")?;
        self.kubectl("create clusterrole roles --verb=get,list,create,patch --resource=clusterroles,clusterrolebindings,roles,rolebindings")?;
        for role in ["writer", "roles"] {
            self.kubectl(&format!(
                "create clusterrolebinding {role} --clusterrole={role} --serviceaccount=default:nobody"
            ))?;
        }
        self.refused_as(
            &nobody,
            &format!("install --image {IMAGE}"),
            7,
            &["may not give the operator its rights"],
        )?;
        if self.kubectl(&format!("get namespace {SYSTEM}")).is_ok() {
            fail!("an install that was refused has made the namespace {SYSTEM}");
        }
        for kind in ["clusterrolebinding", "clusterrole"] {
            self.kubectl(&format!("delete {kind} writer roles"))?;
        }
        Ok(())
    }

    /// An install that is killed at each of its steps in turn is completed by the same command; once more is nothing.
    fn installs_in_spite_of_kills(&self) -> Result<()> {
        let install = format!("install --image {IMAGE}");
        for cut in CUTS {
            let mut command = self.user.command(&format!("{install} --context {CONTEXT}"));
            command
                .env("KUBECONFIG", self.cluster.kubeconfig())
                .env("TOWPATH_TEST_KILL", cut);
            // A release has no such points and installs at once.
            run(&mut command, LIMIT)?;
        }
        self.platform(&install)?;
        let again = self.platform("install -o json")?;
        let again: Value = serde_json::from_str(&again).doing(|| "read what install prints".to_owned())?;
        let objects = again["objects"].as_array().cloned().unwrap_or_default();
        if objects.len() < 18 || !objects.iter().all(|object| object["outcome"] == "unchanged") {
            fail!("the same install again should change nothing:\n{again:#}");
        }
        self.refused(
            &format!("{install} --api-group other.example.org"),
            6,
            &["platform.company.com, not other"],
        )
    }

    fn makes_teams_and_services(&self) -> Result<()> {
        self.platform("team create payments --group payments-people")?;
        self.platform("team create shop")?;
        let image = |name: &str| format!("--image registry.internal/acme/{name}:v1");
        for (name, options) in [
            (
                "ledger",
                "--team payments --language go --database postgres --cache redis --replicas 3",
            ),
            (
                "mailer",
                "--team payments --language python --golden-path worker --no-scaffold",
            ),
            (
                "orders",
                "--team shop --language rust --database postgres --no-scaffold",
            ),
            (
                "pages",
                "--team shop --language node --golden-path static-site --no-scaffold",
            ),
        ] {
            self.platform(&format!("service create {name} {options} {}", image(name)))?;
        }
        let mut report = self.user.command(&format!(
            "service create report --team shop --golden-path cron-job --no-scaffold {} --context {CONTEXT}",
            image("report")
        ));
        report
            .args(["--schedule", "0 3 * * *"])
            .env("KUBECONFIG", self.cluster.kubeconfig());
        run(&mut report, LIMIT)?.success("platform service create report")?;
        self.has("deployment/ledger", "payments-dev", "/status/readyReplicas", "3")?;
        self.has("deployment/mailer", "payments-dev", "/status/readyReplicas", "2")?;
        self.has("cronjob/report", "shop-dev", "/spec/schedule", "0 3 * * *")?;
        self.has(
            "secret/orders-db",
            "shop-dev",
            "/type",
            "servicebinding.io/postgresql",
        )?;
        // Whose hand it was.
        let events = self.get("events", "payments-dev")?.to_string();
        for word in ["platform.company.com/operator", "DatabaseReady", "Healthy"] {
            if !events.contains(word) {
                fail!("no event of the operator says {word}");
            }
        }
        Ok(())
    }

    /// What somebody changes by hand comes back; what is deleted goes, and its data stays.
    fn changes_and_deletes(&self) -> Result<()> {
        self.kubectl("scale deployment/orders --namespace shop-dev --replicas 7")?;
        self.wait("--for=jsonpath={.spec.replicas}=2 deployment/orders --namespace shop-dev")?;
        self.platform("service delete pages --team shop --yes")?;
        self.platform("service delete ledger --team payments --yes")?;
        self.has(
            "databases.platform.company.com/ledger-db",
            "payments-dev",
            "/status/phase",
            "Ready",
        )?;
        if self
            .kubectl("get deployment/ledger --namespace payments-dev")
            .is_ok()
        {
            fail!("ledger was deleted and runs on");
        }
        Ok(())
    }

    /// A new image changes the operator and nothing of any service.
    fn upgrades(&self) -> Result<()> {
        let service = || -> Result<Value> {
            Ok(self.get("deployment/orders", "shop-dev")?["metadata"]["generation"].clone())
        };
        let before = service()?;
        self.platform(&format!("install --image {NEWER} --replicas 3"))?;
        self.has(
            "deployment/platform-operator",
            SYSTEM,
            "/spec/template/spec/containers/0/image",
            NEWER,
        )?;
        self.has(
            "deployment/platform-operator",
            SYSTEM,
            "/status/readyReplicas",
            "3",
        )?;
        let after = service()?;
        if before != after {
            fail!("an upgrade of the platform touched a service: generation {before} became {after}");
        }
        Ok(())
    }

    /// A leader that is killed is followed by the other one, which goes on with the work.
    fn survives_its_leader(&self, leader: &Operator, other: &Operator) -> Result<()> {
        leader.kill()?;
        self.eventually("the other operator to lead", LEASES, || other.leads())?;
        self.kubectl("delete deployment/orders --namespace shop-dev")?;
        self.wait("--for=create deployment/orders --namespace shop-dev")?;
        self.wait("--for=jsonpath={.status.readyReplicas}=2 deployment/orders --namespace shop-dev")
    }

    /// Services and data are still there afterwards, and nothing of the platform but what holds them.
    fn uninstalls(&self) -> Result<()> {
        self.refused("uninstall --delete-everything --yes", 6, &["orders"])?;
        self.platform("uninstall --yes")?;
        self.has("deployment/orders", "shop-dev", "/status/readyReplicas", "2")?;
        self.has("statefulset/orders-db", "shop-dev", "/status/readyReplicas", "1")?;
        self.has("secret/ledger-db", "payments-dev", "/kind", "Secret")?;
        self.has(
            "applications.platform.company.com/orders",
            "shop-dev",
            "/kind",
            "Application",
        )?;
        self.left("app.kubernetes.io/part-of=platform", "")?;
        let leases = self.kubectl(&format!("get leases --namespace {SYSTEM} -o name"))?;
        if !leases.trim().is_empty() {
            fail!("after an uninstall there are still {leases}");
        }
        self.refused(
            &format!("install --image {IMAGE} --api-group other.example.org"),
            6,
            &["definitions under it"],
        )
    }

    /// Nothing with this label is left.
    fn left(&self, label: &str, expect: &str) -> Result<()> {
        let left = self.kubectl(&format!("get {OURS} --all-namespaces --selector {label} -o name"))?;
        if left.trim() == expect {
            return Ok(());
        }
        fail!("after an uninstall there are still\n{left}")
    }

    /// A new install finds everything; when all services and data are gone, everything goes.
    fn comes_back_and_leaves_for_good(&self, platform: &Platform) -> Result<()> {
        self.platform(&format!("install --image {NEWER}"))?;
        let operator = Operator::start(platform, &self.cluster)?;
        self.eventually("the operator to lead", LEASES, || operator.leads())?;
        for (team, name) in [
            ("shop", "orders"),
            ("shop", "report"),
            ("payments", "mailer"),
            ("payments", "ledger"),
        ] {
            self.platform(&format!(
                "service delete {name} --team {team} --yes --delete-data"
            ))?;
        }
        operator.was_allowed_everything()?;
        drop(operator);
        self.platform("uninstall --delete-everything --yes")?;
        let definitions = self.kubectl("get customresourcedefinitions -o name")?;
        if definitions.contains("platform.company.com") {
            fail!("with everything deleted there are still\n{definitions}");
        }
        if self.kubectl(&format!("get namespace {SYSTEM}")).is_ok() {
            fail!("with everything deleted there is still the namespace {SYSTEM}");
        }
        self.left("app.kubernetes.io/part-of=platform", "")?;
        self.refused("uninstall --yes", 4, &["no platform"])
    }
}
