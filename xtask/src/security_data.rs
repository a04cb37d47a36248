//! What a real API server makes of roles and of those who ask: the roles that the sandbox ships, and the answers that
//! its tests compare with.
//!
//! Both files are written from a cluster that is started for it.

use crate::cluster::Cluster;
use crate::failure::{Doing, Result, fail};
use crate::https::{ApiServer, Request};
use crate::say;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
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
/// How long controllers and caches of the server may take to follow a change.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where roles are.
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Writes both anew.
pub(crate) fn generate() -> Result<()> {
    let started = Instant::now();
    let cluster = Cluster::start()?;
    write(ROLES, &roles(cluster.api())?)?;
    write(ANSWERS, &answers(&cluster)?)?;
    say::done(&format!("{ROLES}, {ANSWERS}"), started.elapsed());
    Ok(())
}

/// Fails when the roles in the tree are not those of this API server.
pub(crate) fn check(api: &ApiServer) -> Result<()> {
    let path = crate::root().join(ROLES);
    let kept = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
    let served = roles(api)?;
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

fn roles(api: &ApiServer) -> Result<String> {
    let list = |plural: &str| -> Result<Vec<Value>> {
        let path = format!("{RBAC}/{plural}");
        let mut list = api.get(&path, "application/json")?.json()?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => fail!("the API server lists no {plural}"),
        }
    };
    let kept = |name: &Value| name.as_str().is_some_and(|name| KEPT.contains(&name));
    let what = "the sums of roles to be made";
    api.until(what, &format!("{RBAC}/clusterroles"), PATIENCE, || {
        Ok(summed(&list("clusterroles")?).then_some(()))
    })?;
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
            // A list says it once for all.
            object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
            object["kind"] = kind.into();
            lines.push(object.to_string());
        }
        let comma = if plural == "clusterroles" { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "\"{plural}\":[\n{}\n]{comma}\n", lines.join(",\n"));
    }
    text.push_str("}\n");
    Ok(text)
}

/// Whether each role that is the sum of others has all that they have.
fn summed(roles: &[Value]) -> bool {
    let rules = |role: &Value| role["rules"].as_array().cloned().unwrap_or_default();
    roles.iter().all(|sum| {
        let sums = rules(sum);
        let selectors = sum["aggregationRule"]["clusterRoleSelectors"].as_array();
        selectors.into_iter().flatten().all(|selector| {
            let labels = selector["matchLabels"].as_object();
            let chosen = |role: &Value| {
                let mut labels = labels.into_iter().flatten();
                labels.all(|(key, value)| role["metadata"]["labels"][key] == *value)
            };
            let mut parts = roles.iter().filter(|role| chosen(role)).flat_map(rules);
            parts.all(|rule| sums.contains(&rule))
        })
    })
}

/// The requests in the file, with what the server says now.
fn answers(cluster: &Cluster) -> Result<String> {
    let path = crate::root().join(ANSWERS);
    let text = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
    let mut world = World {
        api: cluster.api(),
        stranger: ApiServer::for_stranger(cluster.kubeconfig())?,
        kept: HashMap::new(),
        marks: 0,
    };
    let (mut prepared, mut told) = (false, String::new());
    for line in text.lines() {
        let told_now = match serde_json::from_str(line.trim_end_matches(',')) {
            Ok(step) if prepared => world.case(&step, line)?,
            Ok(step) => {
                let answer = world.ask(&step)?;
                if answer["code"] != 201 {
                    fail!("{} is answered with {answer}", step["request"]);
                }
                line.to_owned()
            }
            Err(_) => {
                if line == "\"cases\":[" {
                    prepared = true;
                    world.settle()?;
                }
                line.to_owned()
            }
        };
        told.push_str(&told_now);
        told.push('\n');
    }
    Ok(told)
}

/// A server, asked as its administrator and as somebody with a token.
struct World<'a> {
    api: &'a ApiServer,
    stranger: ApiServer,
    kept: HashMap<String, String>,
    /// How often it was waited until the server had followed.
    marks: u32,
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
        let made = self.post(&path, &json!({ "spec": spec }))?;
        let Some(token) = made["status"]["token"].as_str() else {
            fail!("{account} gets no token: {made}");
        };
        if let Some(name) = told["keep"].as_str() {
            self.kept.insert(name.to_owned(), token.to_owned());
        }
        Ok(token.to_owned())
    }

    /// A line that stands for a case, with the answer of now, which it ends with.
    fn case(&mut self, case: &Value, line: &str) -> Result<String> {
        let answer = plain(self.ask(case)?);
        let reads = case["request"]
            .as_str()
            .is_some_and(|request| request.starts_with("GET"));
        if !reads && answer["code"].as_u64().is_some_and(|code| code < 300) {
            self.settle()?;
        }
        for token in case["refuses"].as_array().into_iter().flatten() {
            self.refuses(token.as_str().unwrap_or_default())?;
        }
        let comma = if line.ends_with(',') { "," } else { "" };
        Ok(match line.rsplit_once(",\"answer\":") {
            Some((asked, _)) if answer != case["answer"] => {
                format!("{asked},\"answer\":{answer}}}{comma}")
            }
            _ => line.to_owned(),
        })
    }

    /// Waits until the server goes by all that was written: it goes by what is written after that in each of the four
    /// collections, and by what its controller makes of one of them.
    fn settle(&mut self) -> Result<()> {
        self.marks += 1;
        let mark = format!("mark-{}", self.marks);
        let rules = json!([{ "nonResourceURLs": ["/mark"], "verbs": ["get"] }]);
        let parts = json!([{ "apiGroups": [""], "resources": ["marks"], "verbs": ["get"] }]);
        let refers =
            |kind: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": mark });
        let subjects = json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": mark }]);
        let part = format!("{mark}-part");
        let selects = json!({ "clusterRoleSelectors": [{ "matchLabels": { "mark": mark } }] });
        for (path, object) in [
            (
                "clusterroles",
                json!({ "metadata": { "name": mark }, "aggregationRule": selects, "rules": [] }),
            ),
            (
                "clusterroles",
                json!({ "metadata": { "name": part, "labels": { "mark": mark } }, "rules": rules }),
            ),
            (
                "clusterrolebindings",
                json!({ "metadata": { "name": mark }, "roleRef": refers("ClusterRole"), "subjects": subjects }),
            ),
            (
                "namespaces/default/roles",
                json!({ "metadata": { "name": mark }, "rules": parts }),
            ),
            (
                "namespaces/default/rolebindings",
                json!({ "metadata": { "name": mark }, "roleRef": refers("Role"), "subjects": subjects }),
            ),
        ] {
            self.post(&format!("{RBAC}/{path}"), &object)?;
        }
        let asked = [
            json!({ "user": mark, "nonResourceAttributes": { "path": "/mark", "verb": "get" } }),
            json!({
                "user": mark,
                "resourceAttributes": { "namespace": "default", "resource": "marks", "verb": "get" },
            }),
        ];
        let what = "the server to go by what was written";
        self.api
            .until(what, &format!("{RBAC}/clusterroles"), PATIENCE, || {
                for spec in &asked {
                    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                    if self.post(path, &json!({ "spec": spec }))?["status"]["allowed"] != true {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })
    }

    /// Waits until a kept token is refused: the server remembers for some seconds whom it let in.
    fn refuses(&self, kept: &str) -> Result<()> {
        let token = self.kept.get(kept);
        let what = format!("the token {kept} to be refused");
        self.api.until(&what, "/api/v1/secrets", PATIENCE, || {
            let asked = json!({ "spec": { "token": token } });
            let answer = self.post("/apis/authentication.k8s.io/v1/tokenreviews", &asked)?;
            Ok((answer["status"]["authenticated"] != true).then_some(()))
        })
    }

    /// Makes an object as the administrator; gives back what was made.
    fn post(&self, path: &str, object: &Value) -> Result<Value> {
        let made = self.api.send(Request {
            method: "POST",
            path,
            headers: &[("Content-Type", "application/json")],
            body: object.to_string().as_bytes(),
        })?;
        if made.status != 201 {
            fail!("{path} is answered with {}", String::from_utf8_lossy(&made.body));
        }
        made.json()
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
            .map(|(key, value)| match plain(value) {
                // The order of rules is nobody's promise.
                Value::Array(mut rules) if key.ends_with("Rules") => {
                    rules.sort_by_key(Value::to_string);
                    (key, rules.into())
                }
                value => (key, value),
            })
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
