//! CEL rules of custom resources, against what a real API server (Kubernetes 1.36) answered to the same definitions and
//! objects. `recorded/rules.json` is that record: each case is a schema, and the objects that were made and then put, one
//! after the other, with what was said to each. A case that is `near` is worded otherwise.

use serde_json::{Value, json};

use crate::server::{Answer, get, post, put, sandbox};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS: &str = "/apis/example.com/v1/things";

fn definition(schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// What was answered, as the record has it: causes in any order.
fn told(answer: &Answer, near: bool) -> Value {
    if answer.code < 300 {
        return json!({"code": answer.code});
    }
    let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
    let causes = answer.at("/details/causes").as_array().into_iter().flatten();
    let mut causes: Vec<Value> = causes
        .map(|cause| {
            json!([
                text(cause, "reason"),
                text(cause, "field"),
                text(cause, "message")
            ])
        })
        .collect();
    causes.sort_by_key(ToString::to_string);
    shown(
        json!({"code": answer.code, "reason": answer.at("/reason"), "causes": causes}),
        near,
    )
}

fn shown(mut told: Value, near: bool) -> Value {
    if let Some(causes) = told.get_mut("causes").and_then(Value::as_array_mut) {
        for cause in causes.iter_mut().filter(|_| near) {
            cause[2] = json!("");
        }
        causes.sort_by_key(ToString::to_string);
    }
    told
}

/// Goes through a case; what is answered otherwise.
async fn differences(case: &Value) -> Vec<String> {
    let near = case["near"] == true;
    let mut differences = Vec::new();
    let mut compare = |what: &str, answer: &Answer, expect: &Value| {
        let (told, expect) = (told(answer, near), shown(expect.clone(), near));
        if told != expect {
            differences.push(format!("{}, {what}:\n  {expect}\n  {told}", case["name"]));
        }
    };
    let sandbox = sandbox();
    let answer = post(&sandbox, DEFINITIONS, &definition(&case["schema"])).await;
    compare("definition", &answer, &case["definition"]);
    let mut there = false;
    for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let answer = if step["schema"].is_object() {
            let place = format!("{DEFINITIONS}/things.example.com");
            let mut definition = get(&sandbox, &place).await.body;
            definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = step["schema"].clone();
            put(&sandbox, &place, &definition).await
        } else {
            let mut object = step["object"].clone();
            object["apiVersion"] = json!("example.com/v1");
            object["kind"] = json!("Thing");
            object["metadata"] = json!({"name": "a"});
            if there {
                let before = get(&sandbox, &format!("{THINGS}/a")).await;
                object["metadata"]["resourceVersion"] = before.at("/metadata/resourceVersion").clone();
                put(&sandbox, &format!("{THINGS}/a"), &object).await
            } else {
                let answer = post(&sandbox, THINGS, &object).await;
                there = answer.code == 201;
                answer
            }
        };
        compare(&format!("step {index}"), &answer, &step["answer"]);
    }
    differences
}

#[tokio::test]
async fn rules_are_what_the_api_server_makes_of_them() {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("recorded/rules.json")).unwrap();
    assert!(recorded.len() > 100);
    let mut all = Vec::new();
    for case in &recorded {
        all.extend(differences(case).await);
    }
    assert!(all.is_empty(), "{} differ:\n{}", all.len(), all.join("\n"));
}

/// What costs too much on an object is an error on that object, and ends.
#[tokio::test]
async fn a_rule_that_costs_too_much_is_an_error() {
    let sandbox = sandbox();
    let schema = json!({"type": "object", "properties": {"spec": {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": [
            {"rule": "self.items.all(a, self.items.all(b, self.items.all(c, a + b + c >= 0)))"},
            {"rule": "false", "message": "asked all the same"},
        ],
    }}});
    let answer = post(&sandbox, DEFINITIONS, &definition(&schema)).await;
    assert_eq!(answer.code, 201, "{answer:?}");
    let thing = |items: Vec<u32>| {
        json!({
            "apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"items": items},
        })
    };
    let answer = post(&sandbox, THINGS, &thing((0..2000).collect())).await;
    let message = answer.at("/message").as_str().unwrap();
    assert_eq!(answer.code, 422);
    assert!(
        message.contains("cost limit exceeded") && !message.contains("asked"),
        "{message}"
    );
    let answer = post(&sandbox, THINGS, &thing(vec![1, 2])).await;
    assert_eq!(
        answer.at("/details/causes/0/message"),
        "Invalid value: asked all the same"
    );
}
