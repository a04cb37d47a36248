//! What is acknowledged survives: a reopen, a kill, and never two writers at once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sandbox::{ImportError, OpenError, Options, Sandbox};
use serde_json::{Value, json};

use crate::server::{delete, get, options, patch, post};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Names the store to the child that is to be killed.
const CHILD: &str = "SANDBOX_TEST_STORE";

fn open(path: &Path) -> Result<Sandbox, OpenError> {
    Sandbox::open(Options {
        path: Some(path.to_path_buf()),
        ..options()
    })
}

fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })
}

#[tokio::test]
async fn a_reopened_store_is_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/store.redb");
    let sandbox = open(&path).unwrap();
    for name in ["a", "b"] {
        post(&sandbox, MAPS, &map(name)).await;
    }
    patch(
        &sandbox,
        &format!("{MAPS}/a"),
        "merge",
        &json!({ "data": { "x": "1" } }),
    )
    .await;
    delete(&sandbox, &format!("{MAPS}/b")).await;
    let before = get(&sandbox, MAPS).await;
    assert!(matches!(open(&path), Err(OpenError::InUse { .. })));
    drop(sandbox);

    let sandbox = open(&path).unwrap();
    let after = get(&sandbox, MAPS).await;
    assert_eq!(after.body, before.body);
    let made = post(&sandbox, MAPS, &map("c")).await;
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    assert!(number(made.at("/metadata/resourceVersion")) > number(before.at("/metadata/resourceVersion")));
    // What happened before the restart is not known any more, and a watch from then is told so.
    let watch = get(&sandbox, &format!("{MAPS}?watch=1&resourceVersion=2")).await;
    assert_eq!(
        (watch.code, watch.at("/type"), watch.at("/object/code")),
        (200, &json!("ERROR"), &json!(410))
    );
}

#[test]
fn files_that_are_no_store_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "hello, this is no store\n".repeat(400)).unwrap();
    let refused = open(&text).unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");

    let cut = directory.path().join("cut");
    drop(open(&cut).unwrap());
    let whole = std::fs::read(&cut).unwrap();
    for length in [1, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(&cut, &whole[..length]).unwrap();
        if let Err(refused) = open(&cut) {
            assert!(
                matches!(refused, OpenError::Corrupt { .. }),
                "{length}: {refused}"
            );
        }
    }
    let refused = open(directory.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Unwritable { .. }), "{refused}");
    let under_a_file = text.join("store");
    assert!(open(&under_a_file).is_err());
}

/// How many tasks write at once in the process that is killed.
const WRITERS: usize = 4;

/// Not a test of its own: the process that the next test kills while it writes. Each task counts in one object, makes
/// one more in each round and removes the one of three rounds ago, and says what has been acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_writes_until_killed() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let sandbox = open(&path).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..WRITERS {
        let sandbox = sandbox.clone();
        tasks.spawn(async move {
            let counter = format!("{MAPS}/counter-{task}");
            post(&sandbox, MAPS, &map(&format!("counter-{task}"))).await;
            let found = get(&sandbox, &counter).await;
            let begun = found
                .at("/data/round")
                .as_str()
                .map_or(0, |round| round.parse().unwrap());
            for round in begun + 1.. {
                let change = json!({ "data": { "round": round.to_string() } });
                let counted = patch(&sandbox, &counter, "merge", &change).await;
                println!("\ncounted {task} {round} {}", revision(&counted.body));
                let made = post(&sandbox, MAPS, &map(&format!("map-{task}-{round}"))).await;
                assert_eq!(made.code, 201);
                println!("\nmade {task} {round} {}", revision(&made.body));
                if round > 3 {
                    delete(&sandbox, &format!("{MAPS}/map-{task}-{}", round - 3)).await;
                    println!("\nremoved {task} {} 0", round - 3);
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

fn revision(body: &Value) -> u64 {
    let text = body["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What one task was told.
#[derive(Default)]
struct Told {
    counted: u64,
    made: BTreeSet<u64>,
    removed: BTreeSet<u64>,
}

#[tokio::test]
async fn two_hundred_kills_lose_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut told: [Told; WRITERS] = Default::default();
    let mut newest = 0;
    for round in 0..200_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "durability::child_that_writes_until_killed",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // After any number of answers up to forty: at any point of a write.
        let mut left = round.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) >> 33;
        left = left % 40 + 1;
        for line in BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
        {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, task, number, at] = words.as_slice() else {
                continue;
            };
            let (Ok(task), Ok(number), Ok(at)) = (task.parse::<usize>(), number.parse(), at.parse::<u64>())
            else {
                continue;
            };
            match *what {
                "counted" => told[task].counted = number,
                "made" => assert!(told[task].made.insert(number), "{line}"),
                "removed" => assert!(told[task].removed.insert(number), "{line}"),
                _ => continue,
            }
            newest = newest.max(at);
            if left == 1 {
                child.kill().unwrap();
            }
            left = left.saturating_sub(1);
        }
        child.wait().unwrap();

        let sandbox = open(&path).unwrap();
        let held = get(&sandbox, MAPS).await;
        assert!(
            revision(&held.body) >= newest,
            "round {round}: revisions went back"
        );
        let items = held.at("/items").as_array().unwrap();
        let find = |name: String| items.iter().find(|item| item["metadata"]["name"] == *name);
        for (task, told) in told.iter().enumerate() {
            let Some(counter) = find(format!("counter-{task}")) else {
                assert_eq!(told.counted, 0, "round {round}: a counter is lost");
                continue;
            };
            let count = counter["data"]["round"]
                .as_str()
                .map_or(0, |count| count.parse().unwrap());
            assert!(
                count >= told.counted,
                "round {round}: {count} counted, {} acknowledged",
                told.counted
            );
            // What is older may have been removed without an answer.
            let last = told.made.last().copied().unwrap_or_default();
            for number in told.made.iter().filter(|number| **number + 3 > last) {
                let found = find(format!("map-{task}-{number}"));
                assert!(found.is_some(), "round {round}: map {number} is lost");
            }
            for number in &told.removed {
                let found = find(format!("map-{task}-{number}"));
                assert!(found.is_none(), "round {round}: map {number} is back");
            }
        }
    }
    assert!(
        told.iter().all(|told| !told.removed.is_empty()),
        "too little was written to mean anything"
    );
}

#[tokio::test]
async fn an_export_comes_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = open(&directory.path().join("one.redb")).unwrap();
    let owner = post(&sandbox, MAPS, &map("a")).await;
    let mut owned = map("b");
    owned["data"] = json!({ "line": "one\ntwo \u{1f600}" });
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": owner.at("/metadata/uid"),
    }]);
    post(&sandbox, MAPS, &owned).await;
    let before = get(&sandbox, MAPS).await;
    let mut written = Vec::new();
    let count = sandbox.export(&mut written).unwrap();

    let path = directory.path().join("two.redb");
    assert_eq!(Sandbox::import(&path, &mut written.as_slice()).unwrap(), count);
    let again = open(&path).unwrap();
    assert_eq!(get(&again, MAPS).await.body, before.body);
    // Who owns whom is known again: there is something to wait for.
    let going = delete(&again, &format!("{MAPS}/a?propagationPolicy=Foreground")).await;
    assert_eq!(going.at("/metadata/finalizers"), &json!(["foregroundDeletion"]));
    drop(again);

    // A store with objects stays as it is.
    let refused = Sandbox::import(&path, &mut written.as_slice()).unwrap_err();
    assert!(matches!(refused, ImportError::Used { .. }), "{refused}");
}

#[test]
fn what_is_no_export_is_refused_and_leaves_nothing() {
    let head = r#"{"apiVersion":"sandbox.towpath.dev/v1","kind":"SandboxExport","revision":9}"#;
    let object = |name: &str, version: &str| {
        format!(
            r#"{{"group":"","plural":"configmaps","object":{{"metadata":{{"name":"{name}","namespace":"default","uid":"u-{name}","resourceVersion":"{version}"}}}}}}"#
        )
    };
    let check = |text: &str, expect: &str| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        let refused = Sandbox::import(&path, &mut text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(refused.contains(expect), "{refused:?} should say {expect:?}");
        assert!(!path.exists(), "{text}");
    };
    check("", "line 1: there is nothing in it");
    check("hello\n", "line 1: it cannot be read");
    check(
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"revision\":1}\n",
        "no export",
    );
    check(head, "line 1: the line is cut off");
    check(
        &format!("{head}\n{}\n{}\n", object("a", "3"), object("a", "4")),
        "line 3: the object is there twice",
    );
    check(
        &format!("{head}\n{}\n", object("a", "10")),
        "line 2: the object's resource version",
    );
    check(
        &format!("{head}\n{}\n", object("", "1")),
        "line 2: the object has no name",
    );
    check(
        &format!("{head}\n{}", object("a", "1")),
        "line 2: the line is cut off",
    );
    check(&format!("{head}\n{{\"a\":1}}\n"), "line 2: it cannot be read");
}
