//! The embedding program may change or refuse what clients write.

use std::sync::{Arc, Mutex};

use sandbox::{Admission, AdmissionRequest, Denial, Operation, Options, Sandbox};
use serde_json::{Value, json};

use crate::server::{delete, get, options, patch, post};

const MAPS: &str = "/api/v1/namespaces/team/configmaps";

/// Writes down what it sees, adds a label, refuses what says so.
#[derive(Default)]
struct Guard {
    seen: Mutex<Vec<String>>,
}

impl Admission for Guard {
    fn name(&self) -> &'static str {
        "guard.example.com"
    }

    fn review(&self, request: &AdmissionRequest<'_>) -> Result<Option<Value>, Denial> {
        let operation = match request.operation {
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
        };
        let stage = request
            .namespace_labels
            .get("stage")
            .map_or("none", String::as_str);
        let plural = &request.resource.plural;
        let line = format!(
            "{operation} {plural} {} by {} in {stage}",
            request.name, request.user.name
        );
        self.seen.lock().unwrap().push(line);
        let object = if request.operation == Operation::Delete {
            request.old_object.unwrap()
        } else {
            request.object
        };
        match object["data"]["verdict"].as_str() {
            Some("no") => Err(Denial::forbidden("the verdict is no")),
            Some("bad") => Err(Denial {
                message: String::new(),
                code: 400,
                reason: "BadRequest".to_owned(),
            }),
            _ if plural == "configmaps" && request.operation != Operation::Delete => {
                let mut changed = request.object.clone();
                changed["metadata"]["labels"]["seen"] = json!("yes");
                Ok(Some(changed))
            }
            _ => Ok(None),
        }
    }
}

fn map(name: &str, verdict: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "verdict": verdict } })
}

#[tokio::test]
async fn writes_are_reviewed() {
    let guard = Arc::new(Guard::default());
    let sandbox = Sandbox::open(Options {
        admission: Some(guard.clone()),
        ..options()
    })
    .unwrap();
    let team = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "team", "labels": { "stage": "dev" } },
    });
    post(&sandbox, "/api/v1/namespaces", &team).await;
    let made = post(&sandbox, MAPS, &map("a", "yes")).await;
    assert_eq!(
        (made.code, made.at("/metadata/labels/seen")),
        (201, &json!("yes"))
    );
    let path = format!("{MAPS}/a");
    let refused = patch(&sandbox, &path, "merge", &json!({ "data": { "verdict": "no" } })).await;
    assert_eq!((refused.code, refused.at("/reason")), (403, &json!("Forbidden")));
    assert_eq!(
        refused.at("/message"),
        "admission webhook \"guard.example.com\" denied the request: the verdict is no"
    );
    let refused = post(&sandbox, MAPS, &map("b", "bad")).await;
    assert_eq!(refused.code, 400);
    assert_eq!(
        refused.at("/message"),
        "admission webhook \"guard.example.com\" denied the request without explanation"
    );
    assert_eq!(get(&sandbox, &path).await.body, made.body);
    let applied = patch(
        &sandbox,
        &format!("{MAPS}/c?fieldManager=m"),
        "apply",
        &map("c", "no"),
    )
    .await;
    assert_eq!(applied.code, 403);
    assert_eq!(delete(&sandbox, &path).await.code, 200);
    let seen = guard.seen.lock().unwrap().clone();
    assert_eq!(
        seen,
        [
            "create namespaces team by sandbox-admin in dev",
            "create configmaps a by sandbox-admin in dev",
            "update configmaps a by sandbox-admin in dev",
            "create configmaps b by sandbox-admin in dev",
            "create configmaps c by sandbox-admin in dev",
            "delete configmaps a by sandbox-admin in dev",
        ]
    );
}
