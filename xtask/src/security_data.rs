//! What a real API server makes of roles and of those who ask: the roles that the sandbox ships, and the answers that
//! its tests compare with.
//!
//! Both files are written from a cluster that is started for it.

use crate::cluster::Cluster;
use crate::failure::{Doing, Result, fail};
use crate::https::{ApiServer, Request};
use crate::process::run;
use crate::say;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// The roles and bindings that the `sandbox` crate embeds.
const ROLES: &str = "crates/sandbox/data/roles.json";
/// What its tests send, and what came back.
const ANSWERS: &str = "crates/sandbox/tests/api/security.json";
/// The names of those that are kept: what people are given, and what is given to everybody.
const KEPT: [&str; 13] = [
    "admin",
    "cluster-admin",
    "edit",
    "system:aggregate-to-admin",
    "system:aggregate-to-edit",
    "system:aggregate-to-view",
    "system:auth-delegator",
    "system:basic-user",
    "system:discovery",
    "system:monitoring",
    "system:public-info-viewer",
    "system:service-account-issuer-discovery",
    "view",
];
/// Those whose rules a controller gathers from others.
const AGGREGATED: [&str; 3] = ["admin", "edit", "view"];
/// How long that may take.
const FILLED: Duration = Duration::from_mins(1);
/// How long controllers and caches of the server may take to follow a change.
const SETTLE: Duration = Duration::from_millis(300);

/// Writes both anew.
pub(crate) fn generate() -> Result<()> {
    let started = Instant::now();
    let cluster = Cluster::start()?;
    write(ROLES, &roles(&cluster)?)?;
    write(ANSWERS, &answers(&cluster)?)?;
    say::done(&format!("{ROLES}, {ANSWERS}"), started.elapsed());
    Ok(())
}

/// Fails when the roles in the tree are not those of this API server.
pub(crate) fn check(cluster: &Cluster) -> Result<()> {
    let path = crate::root().join(ROLES);
    let kept = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
    let served = roles(cluster)?;
    let stale = served.lines().zip(kept.lines()).find(|(one, other)| one != other);
    match stale {
        None if served.len() == kept.len() => Ok(()),
        None => fail!("{ROLES} ends too early or too late: run cargo xtask generate security"),
        Some((served, kept)) => fail!(
            "{ROLES} is stale: run cargo xtask generate security\n  it says  {kept}\n  served   {served}"
        ),
    }
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(crate::root().join(path), text).doing(|| format!("write {path}"))
}

fn roles(cluster: &Cluster) -> Result<String> {
    let mut filled = cluster.kubectl();
    filled.args(["wait", "--for=jsonpath={.rules}", "--timeout=60s"]);
    filled.args(AGGREGATED.map(|role| format!("clusterrole/{role}")));
    run(&mut filled, FILLED)?.success("kubectl wait")?;
    let api = cluster.api();
    let list = |plural: &str| -> Result<Vec<Value>> {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
        let mut list = api.get(&path, "application/json")?.json()?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => fail!("the API server lists no {plural}"),
        }
    };
    let kept = |name: &Value| name.as_str().is_some_and(|name| KEPT.contains(&name));
    let mut text = String::from("{\n");
    for (plural, kind, name) in [
        ("clusterroles", "ClusterRole", "/metadata/name"),
        ("clusterrolebindings", "ClusterRoleBinding", "/roleRef/name"),
    ] {
        let mut lines = Vec::new();
        for mut object in list(plural)? {
            if !object.pointer(name).is_some_and(kept) {
                continue;
            }
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.retain(|field, _| ["name", "labels", "annotations"].contains(&field.as_str()));
            }
            // Items of a list do not say what they are.
            object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
            object["kind"] = json!(kind);
            lines.push(object.to_string());
        }
        let comma = if plural == "clusterroles" { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "\"{plural}\":[\n{}\n]{comma}\n", lines.join(",\n"));
    }
    text.push_str("}\n");
    Ok(text)
}

/// The requests in the file, with what the server says now.
fn answers(cluster: &Cluster) -> Result<String> {
    let path = crate::root().join(ANSWERS);
    let text = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
    let mut file: Value = serde_json::from_str(&text).doing(|| format!("read {}", path.display()))?;
    let mut world = World {
        api: cluster.api(),
        stranger: ApiServer::for_stranger(cluster.kubeconfig())?,
        kept: HashMap::new(),
    };
    let (mut setup, mut cases) = (Vec::new(), Vec::new());
    for step in file["setup"].as_array().into_iter().flatten() {
        let answer = world.ask(step)?;
        if answer["code"] != 201 {
            fail!("{} is answered with {answer}", step["request"]);
        }
        setup.push(step.to_string());
    }
    thread::sleep(Duration::from_secs(2));
    for case in file["cases"].as_array_mut().into_iter().flatten() {
        let answer = world.ask(case)?;
        case["answer"] = plain(answer);
        cases.push(case.to_string());
        let seconds = case["settle"].as_u64().map(Duration::from_secs);
        let reads = case["request"]
            .as_str()
            .is_some_and(|request| request.starts_with("GET"));
        thread::sleep(seconds.unwrap_or(if reads { Duration::ZERO } else { SETTLE }));
    }
    Ok(format!(
        "{{\n\"setup\":[\n{}\n],\n\"cases\":[\n{}\n]\n}}\n",
        setup.join(",\n"),
        cases.join(",\n")
    ))
}

/// A server, asked as its administrator and as somebody with a token.
struct World<'a> {
    api: &'a ApiServer,
    stranger: ApiServer,
    kept: HashMap<String, String>,
}

impl World<'_> {
    fn token(&mut self, told: &Value) -> Result<String> {
        if let Some(token) = told.as_str() {
            return Ok(token.to_owned());
        }
        if let Some(kept) = told["kept"].as_str() {
            return Ok(self.kept.get(kept).cloned().unwrap_or_default());
        }
        let account = told["account"].as_str().unwrap_or_default();
        let (namespace, name) = account.split_once('/').unwrap_or_default();
        let mut spec = json!({});
        if told["audiences"].is_array() {
            spec["audiences"] = told["audiences"].clone();
        }
        if let Some((kind, name)) = told["bound"].as_str().and_then(|bound| bound.split_once('/')) {
            spec["boundObjectRef"] = json!({ "apiVersion": "v1", "kind": kind, "name": name });
        }
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let body = json!({ "spec": spec }).to_string();
        let made = self.api.send(Request {
            method: "POST",
            path: &path,
            headers: &[("Content-Type", "application/json")],
            body: body.as_bytes(),
        })?;
        let made = made.json()?;
        let Some(token) = made["status"]["token"].as_str() else {
            fail!("{account} gets no token: {made}");
        };
        if let Some(name) = told["keep"].as_str() {
            self.kept.insert(name.to_owned(), token.to_owned());
        }
        Ok(token.to_owned())
    }

    /// Sends what a case says; gives back the part of the answer that is compared.
    fn ask(&mut self, case: &Value) -> Result<Value> {
        let what = case["request"].as_str().unwrap_or_default();
        let (method, path) = what.split_once(' ').unwrap_or_default();
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut text = String::new();
        let who = &case["as"];
        let mut add = |name: &str, word: &Value| {
            if let Some(word) = word.as_str() {
                headers.push((name.to_owned(), word.to_owned()));
            }
        };
        add("Impersonate-User", &who["user"]);
        add("Impersonate-Uid", &who["uid"]);
        for group in who["groups"].as_array().into_iter().flatten() {
            add("Impersonate-Group", group);
        }
        for (key, words) in who["extra"].as_object().into_iter().flatten() {
            for word in words.as_array().into_iter().flatten() {
                add(&format!("Impersonate-Extra-{key}"), word);
            }
        }
        for (name, word) in case["headers"].as_object().into_iter().flatten() {
            add(name, word);
        }
        if let Some(mut body) = case.get("body").cloned() {
            if body["kind"] == "TokenReview" {
                let token = body["spec"]["token"].take();
                body["spec"]["token"] = self.token(&token)?.into();
            }
            let kind = match method {
                "PATCH" if case["apply"] == true => "apply-patch+yaml",
                "PATCH" => "merge-patch+json",
                _ => "json",
            };
            headers.push(("Content-Type".to_owned(), format!("application/{kind}")));
            text = body.to_string();
        }
        let token = if who["token"].is_null() {
            None
        } else {
            Some(self.token(&who["token"])?)
        };
        if let Some(token) = &token {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let server = if token.is_some() { &self.stranger } else { self.api };
        let answer = server.send(Request {
            method,
            path,
            headers: &headers,
            body: text.as_bytes(),
        })?;
        let mut told = json!({ "code": answer.status });
        let body = answer.json().unwrap_or_default();
        if answer.status >= 400 {
            for field in ["reason", "message", "details"] {
                if let Some(value) = body.get(field) {
                    told[field] = value.clone();
                }
            }
        } else if let Some(pointer) = case["shows"].as_str() {
            told["shows"] = body.pointer(pointer).cloned().unwrap_or_default();
        }
        Ok(told)
    }
}

/// Without what is another one each time.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::String(text) => {
            let is_uid = |word: &str| {
                let parts: Vec<usize> = word.split('-').map(str::len).collect();
                parts == [8, 4, 4, 4, 12] && word.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
            };
            let edge = |letter: char| !(letter.is_ascii_hexdigit() || letter == '-');
            let mut told = text.clone();
            for word in text.split(edge).filter(|word| is_uid(word)) {
                told = told.replace(word, "<uid>");
            }
            told.into()
        }
        other => other,
    }
}
