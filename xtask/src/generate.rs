//! `cargo xtask generate`: the files in the tree that are made from something else, and whether they are fresh.

use crate::cluster::Cluster;
use crate::failure::{Doing, Result, fail};
use crate::https::ApiServer;
use crate::process::{Scratch, run};
use crate::test::cargo;
use crate::{say, schema_data};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The facts about built-in kinds that the `schema` crate embeds.
const SCHEMA_FACTS: &str = "crates/schema/data/kubernetes.facts";
/// The schemas of the platform's kinds that the `api` crate embeds.
const SCHEMAS: &str = "crates/api/data";
/// The platform's definitions, as its own chart carries them.
const DEFINITIONS: &str = "charts/platform/definitions";
/// Discovery in the form that names all groups, versions, kinds and verbs in one document.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Writes the schema facts anew from an API server of the pinned version, which is started for it.
pub(crate) fn schema() -> Result<()> {
    let started = Instant::now();
    let cluster = Cluster::start_api_alone()?;
    write_schema(cluster.api(), &crate::root().join(SCHEMA_FACTS))?;
    say::done(SCHEMA_FACTS, started.elapsed());
    Ok(())
}

/// Writes the schemas of the platform's kinds, and its definitions into its own chart. Tests of the `api` and
/// `operations` crates fail when they are stale.
pub(crate) fn definitions() -> Result<()> {
    let started = Instant::now();
    let folder = crate::root().join(DEFINITIONS);
    let arguments = [
        "run",
        "--quiet",
        "--package",
        "api",
        "--example",
        "definitions",
        "--",
    ];
    let schemas = crate::root().join(SCHEMAS);
    run(
        cargo(&arguments).arg(&schemas).arg(&folder),
        Duration::from_mins(15),
    )?
    .success("cargo run --example definitions")?;
    say::done(&format!("{SCHEMAS}, {DEFINITIONS}"), started.elapsed());
    Ok(())
}

/// Fails when the schema facts in the tree are not what this API server says.
pub(crate) fn check_schema(api: &ApiServer) -> Result<()> {
    let scratch = Scratch::new()?;
    let fresh = scratch.path().join("kubernetes.facts");
    write_schema(api, &fresh)?;
    let read = |path: &Path| fs::read_to_string(path).doing(|| format!("read {}", path.display()));
    let (fresh, kept) = (read(&fresh)?, read(&crate::root().join(SCHEMA_FACTS))?);
    if fresh == kept {
        return Ok(());
    }
    let differs = fresh
        .lines()
        .zip(kept.lines())
        .position(|(fresh, kept)| fresh != kept);
    let line = differs.unwrap_or_else(|| fresh.lines().count().min(kept.lines().count())) + 1;
    fail!("{SCHEMA_FACTS} is stale from line {line} on: run cargo xtask generate schema");
}

fn write_schema(api: &ApiServer, out: &Path) -> Result<()> {
    let scratch = Scratch::new()?;
    let save = |path: &str, accept: &str, name: &str| {
        let answer = api.get(path, accept)?;
        if answer.status != 200 {
            fail!("the API server answers {path} with {}", answer.status);
        }
        let file = scratch.path().join(name);
        fs::write(&file, &answer.body).doing(|| format!("write {}", file.display()))?;
        Ok(answer.body)
    };
    save("/api", AGGREGATED, "discovery-api.json")?;
    save("/apis", AGGREGATED, "discovery-apis.json")?;
    let index = api.get("/openapi/v3", "application/json")?.body;
    let index: Value = serde_json::from_slice(&index).doing(|| "read the index of /openapi/v3".to_owned())?;
    let Some(paths) = index["paths"].as_object() else {
        fail!("the index of /openapi/v3 names no paths")
    };
    for (number, path) in paths.values().enumerate() {
        let url = path["serverRelativeURL"].as_str().unwrap_or_default();
        save(url, "application/json", &format!("openapi-{number:03}.json"))?;
    }
    schema_data::generate(scratch.path(), out).doing(|| format!("write {}", out.display()))
}
