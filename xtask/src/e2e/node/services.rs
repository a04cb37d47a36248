//! The scaffolded services: built into static programs as their own Dockerfiles do, and seen at work on the node.

use super::Site;
use crate::e2e::main_job::{holds, objects};
use crate::e2e::platform::Platform;
use crate::e2e::scaffold::{get_from, settle, target};
use crate::failure::{Doing, Result, fail};
use crate::process::run;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUILD: Duration = Duration::from_mins(15);
const CALL: Duration = Duration::from_mins(1);
pub(super) const NAMESPACE: &str = "payments-dev";
/// What the scaffold asks its database, and what its first developer makes of it: a line for each request.
const ASKS: &str = "SELECT current_setting('server_version')";
const WRITES: &str = "INSERT INTO requests DEFAULT VALUES RETURNING number::text";
const TABLE: &str = "CREATE TABLE requests (number bigint GENERATED ALWAYS AS IDENTITY)";

/// A service to be made.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: &'static str,
    language: &'static str,
    pub(super) image: &'static str,
    /// The file that speaks to the database.
    database: &'static str,
}

impl Source {
    pub(super) const GO: Self = Self {
        name: "gateway",
        language: "go",
        image: "registry.internal/payments/gateway:v1",
        database: "database.go",
    };
    pub(super) const RUST: Self = Self {
        name: "ledger",
        language: "rust",
        image: "registry.internal/payments/ledger:v1",
        database: "src/database.rs",
    };

    /// Builds its static program, with the one change that makes it write to its database.
    pub(super) fn build(&self, platform: &Platform, folder: &Path) -> Result<PathBuf> {
        let user = platform.new_user()?;
        let create = format!(
            "service create {} --language {} --database postgres --cache redis",
            self.name, self.language
        );
        user.succeed(None, &create)?;
        let source = user.work().join(self.name);
        let path = source.join(self.database);
        let text = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
        if !text.contains(ASKS) {
            fail!("{} does not ask {ASKS}", path.display());
        }
        fs::write(&path, text.replace(ASKS, WRITES)).doing(|| format!("write {}", path.display()))?;
        let program = folder.join(self.name);
        if self.language == "go" {
            let mut build = Command::new("go");
            build.args(["build", "-trimpath", "-ldflags", "-s -w -X main.version=v1", "-o"]);
            build.arg(&program).arg(".");
            settle(&mut build, &source)?;
            run(build.env("CGO_ENABLED", "0"), BUILD)?.success("go build")?;
        } else {
            let rustc = run(Command::new("rustc").arg("-vV"), CALL)?.success("rustc -vV")?;
            let Some(host) = rustc.lines().find_map(|line| line.strip_prefix("host: ")) else {
                fail!("rustc -vV names no host:\n{rustc}");
            };
            // With the system's own C library, where the Dockerfile takes Alpine's, and without its long optimisation.
            let mut build = Command::new("cargo");
            build.args(["build", "--locked", "--target", host]);
            settle(&mut build, &source)?;
            build
                .env("RUSTFLAGS", "-C target-feature=+crt-static")
                .env("SERVICE_VERSION", "v1");
            run(&mut build, BUILD)?.success("cargo build")?;
            let built = target()?.join(host).join("debug/service");
            fs::copy(&built, &program).doing(|| format!("copy {}", built.display()))?;
        }
        Ok(program)
    }
}

/// One command makes it run with its stores; it answers, counts in both, and goes on where it was when they restart.
pub(super) fn lives(site: &Site<'_>, source: &Source) -> Result<()> {
    let (stage, name) = (&site.stage, source.name);
    // Whoever comes first makes the team.
    stage.platform("team create payments")?;
    let told = |failure| -> Result<()> {
        let logs = stage.kubectl(&format!(
            "logs --namespace {NAMESPACE} --selector app.kubernetes.io/part-of={name} --tail 20 --prefix"
        ));
        let logs = logs.unwrap_or_else(|failure| failure.to_string());
        fail!("{failure}\n{}\n{logs}", objects(&stage.cluster, NAMESPACE))
    };
    stage
        .platform(&format!(
            "service create {name} --language {} --database {} --cache {} --team payments --image {}",
            source.language, site.database, site.cache, source.image
        ))
        .map(drop)
        .or_else(told)?;
    let service = stage.platform(&format!("service get {name} --team payments -o json"))?;
    let service: Value =
        serde_json::from_str(&service).doing(|| "read what service get prints".to_owned())?;
    for (pointer, expect) in [
        ("/health", "Healthy"),
        ("/sync", "Synced"),
        ("/readyReplicas", "2"),
        ("/simulated", "false"),
    ] {
        holds(&service, pointer, expect)?;
    }
    works(site, name).or_else(told)
}

fn works(site: &Site<'_>, name: &str) -> Result<()> {
    let stage = &site.stage;
    let object = stage.get(&format!("service/{name}"), NAMESPACE)?;
    let address = object["spec"]["clusterIP"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let port = object["spec"]["ports"][0]["port"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    let Some(port) = port else {
        fail!("the Service {name} has no port:\n{object:#}")
    };
    // By the Service's own address, as everybody in the cluster calls it.
    let ask = |path: &str| get_from(&address, port, path).doing(|| format!("ask {name} for {path}"));
    // Names and ways to the stores take a moment after their pods are ready.
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let has_stores = |what: &str| {
        stage.eventually(what, &pods, || {
            Ok(get_from(&address, port, "/ready").is_ok_and(|(status, _)| status == 200))
        })
    };
    has_stores("the service to have its stores")?;
    for (path, word) in [
        ("/health", "ok"),
        ("/ready", "ready"),
        ("/metrics", "http_requests_total{"),
    ] {
        let (status, body) = ask(path)?;
        if status != 200 || !body.contains(word) {
            fail!("{path}: expected 200 and {word:?}, got {status} and {body}");
        }
    }
    sql(site, name, TABLE)?;
    for number in 1..=2 {
        counts(&ask("/")?, number)?;
    }
    if sql(site, name, "SELECT count(*) FROM requests")?.trim() != "2" {
        fail!("the database of {name} does not hold what the service wrote");
    }
    // Both stores anew, with the data they had.
    stage.kubectl(&format!(
        "delete pod {name}-db-0 {name}-cache-0 --namespace {NAMESPACE} --timeout 60s"
    ))?;
    has_stores("the service to have its stores again")?;
    counts(&ask("/")?, 3)
}

/// The answer counts requests in the database and visits in the cache.
fn counts((status, body): &(u16, String), number: u64) -> Result<()> {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let request = number.to_string();
    if *status == 200 && answer["database"] == request && answer["visits"] == number {
        return Ok(());
    }
    fail!("expected request and visit {number}, got {status} and {body}")
}

/// Asks the database of a service by its name and in its name, as the service does.
fn sql(site: &Site<'_>, name: &str, statement: &str) -> Result<String> {
    let script = format!(
        "PGPASSWORD=$POSTGRES_PASSWORD exec psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 \
         --host={name}-db.{NAMESPACE}.svc --username=\"$APPLICATION_USER\" --dbname=\"$APPLICATION_DATABASE\" \
         --command=\"$0\""
    );
    let mut command = site.stage.cluster.kubectl();
    command.args([
        "exec",
        "--namespace",
        NAMESPACE,
        &format!("{name}-db-0"),
        "--",
        "sh",
        "-c",
    ]);
    command.args([&script, statement]);
    run(&mut command, CALL)?.success("psql")
}
