//! A full disk refuses writes and nothing else, and when it has room again nothing is lost. One process has the store.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use futures::{FutureExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use sandbox::{Faults, OpenError, Options, Sandbox};
use serde_json::{Value, json};

use crate::server::{Answer, delete, get, options, patch, post};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Names the store to a child.
const STORE: &str = "SANDBOX_TEST_DISK";

fn open(path: &Path, faults: Option<&Faults>) -> Result<Sandbox, OpenError> {
    Sandbox::open(Options {
        path: Some(path.to_path_buf()),
        faults: faults.cloned(),
        ..options()
    })
}

fn map(name: &str, bytes: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name }, "data": { "x": "x".repeat(bytes) },
    })
}

fn expect_full(answer: &Answer) {
    assert_eq!(
        answer.body,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "the disk of the sandbox is full: nothing was written; make room and try again",
            "reason": "InsufficientStorage", "code": 507,
        })
    );
    assert_eq!(answer.code, 507);
}

fn names(answer: &Answer) -> Vec<&str> {
    let items = answer.at("/items").as_array().unwrap().iter();
    items
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

/// The disk fills up at every point of a write: after each number of bytes until one is enough.
#[tokio::test]
async fn wherever_a_write_is_cut_off_it_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (
        directory.path().join("store.redb"),
        directory.path().join("copy.redb"),
    );
    let faults = Faults::default();
    let sandbox = open(&path, Some(&faults)).unwrap();
    let api: Api<ConfigMap> = Api::default_namespaced(sandbox.client("default"));
    let begun = get(&sandbox, MAPS).await;
    let version = begun.at("/metadata/resourceVersion").as_str().unwrap();
    let mut watch = api.watch(&WatchParams::default(), version).await.unwrap().boxed();
    let mut cut_off = 0;
    for room in (0..).step_by(700) {
        let (before, name) = (get(&sandbox, MAPS).await, format!("map-{room}"));
        faults.fill_disk(room);
        let answer = post(&sandbox, MAPS, &map(&name, 5000)).await;
        if answer.code == 201 {
            break;
        }
        cut_off += 1;
        expect_full(&answer);
        // Again, when the file has to be opened anew and there is no room for that either.
        faults.fill_disk(room / 2);
        expect_full(&post(&sandbox, MAPS, &map(&format!("other-{room}"), 5000)).await);
        assert_eq!(get(&sandbox, MAPS).await.body, before.body, "reads go on");
        assert!(watch.try_next().now_or_never().is_none(), "nothing happened");
        // As a kill at this moment would leave it: what was acknowledged, and nothing of what was not but as a whole.
        std::fs::copy(&path, &copy).unwrap();
        let killed = open(&copy, None).unwrap();
        let mut left = get(&killed, MAPS).await;
        let items = left.body["items"].as_array_mut().unwrap();
        let refused = [name, format!("other-{room}")].map(Value::from);
        items.retain(|item| {
            !refused.contains(&item["metadata"]["name"]) || item["data"]["x"] != "x".repeat(5000)
        });
        assert_eq!(left.at("/items"), before.at("/items"), "room for {room}");
        drop(killed);

        faults.free_disk();
        let name = format!("map-{room}");
        assert_eq!(
            post(&sandbox, MAPS, &map(&name, 100)).await.code,
            201,
            "writes go on"
        );
        let next = watch.try_next().await.unwrap().unwrap();
        assert!(matches!(next, WatchEvent::Added(map) if map.metadata.name == Some(name)));
    }
    assert!(cut_off > 10, "cut off at {cut_off} points only");
    let before = get(&sandbox, MAPS).await;
    assert_eq!(
        names(&before)
            .iter()
            .filter(|name| name.starts_with("map-"))
            .count(),
        cut_off + 1
    );
    drop((watch, api, sandbox));
    let sandbox = open(&path, None).unwrap();
    assert_eq!(get(&sandbox, MAPS).await.body, before.body);
}

#[tokio::test]
async fn a_sandbox_in_memory_can_be_full_too() {
    let faults = Faults::default();
    let sandbox = Sandbox::open(Options {
        faults: Some(faults.clone()),
        ..options()
    })
    .unwrap();
    faults.fill_disk(2000);
    assert_eq!(post(&sandbox, MAPS, &map("a", 10)).await.code, 201);
    expect_full(&post(&sandbox, MAPS, &map("b", 2000)).await);
    expect_full(
        &patch(
            &sandbox,
            &format!("{MAPS}/a"),
            "merge",
            &json!({ "data": { "y": "" } }),
        )
        .await,
    );
    assert_eq!(get(&sandbox, &format!("{MAPS}/a")).await.code, 200);
    faults.free_disk();
    assert_eq!(post(&sandbox, MAPS, &map("b", 2000)).await.code, 201);
}

/// What could not be cleaned up for want of room is cleaned up later.
#[tokio::test]
async fn a_clean_up_that_found_no_room_is_made_up_for() {
    let faults = Faults::default();
    let sandbox = Sandbox::open(Options {
        faults: Some(faults.clone()),
        ..options()
    })
    .unwrap();
    let owner = post(&sandbox, MAPS, &map("owner", 10)).await;
    let mut owned = map("owned", 10);
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.at("/metadata/uid"),
    }]);
    let owned = post(&sandbox, MAPS, &owned).await;
    let api: Api<ConfigMap> = Api::default_namespaced(sandbox.client("default"));
    let version = owned.at("/metadata/resourceVersion").as_str().unwrap();
    let mut watch = api.watch(&WatchParams::default(), version).await.unwrap().boxed();
    // Room for the one byte that removing the owner takes.
    faults.fill_disk(1);
    assert_eq!(delete(&sandbox, &format!("{MAPS}/owner")).await.code, 200);
    let refused = async {
        while faults.struck() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let wait = tokio::time::timeout(std::time::Duration::from_secs(20), refused);
    wait.await.expect("the dependent is to go, and cannot");
    faults.free_disk();
    assert_eq!(post(&sandbox, MAPS, &map("late", 10)).await.code, 201);
    let gone = async {
        while let Some(event) = watch.try_next().await.unwrap() {
            if matches!(event, WatchEvent::Deleted(map) if map.metadata.name.as_deref() == Some("owned")) {
                return;
            }
        }
        panic!("the watch ended");
    };
    let wait = tokio::time::timeout(std::time::Duration::from_secs(20), gone);
    wait.await.expect("the dependent goes");
}

/// A child of this program that works on a store until its input ends.
struct Other {
    child: Child,
    input: Option<ChildStdin>,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Other {
    fn begin(mut command: Command, store: &Path) -> Self {
        let mut child = command
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .env(STORE, store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take();
        Self { child, input, said }
    }

    /// The words of the next line that begins with this one.
    fn hear(&mut self, first: &str) -> Vec<String> {
        let lines = self.said.by_ref().map_while(Result::ok);
        let mut words = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        words
            .find(|words| words[0] == first)
            .unwrap_or_else(|| panic!("it ended before {first:?}"))
    }

    fn tell(&mut self) {
        self.input.as_mut().unwrap().write_all(b"go on\n").unwrap();
    }

    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn told() {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
}

fn this(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(test);
    command
}

/// Not a test of its own: the process that has the store in the next test.
#[test]
fn child_that_holds_a_store() {
    let Some(path) = std::env::var_os(STORE).map(PathBuf::from) else {
        return;
    };
    let sandbox = open(&path, None).unwrap();
    println!("\nopen");
    told();
    drop(sandbox);
}

#[tokio::test]
async fn two_processes_never_have_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut other = Other::begin(this("disk::child_that_holds_a_store"), &path);
    other.hear("open");
    let refused = open(&path, None).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        format!(
            "the sandbox store {} is in use by another process",
            path.display()
        )
    );
    let import = Sandbox::import(
        &path,
        &mut b"{\"apiVersion\":\"sandbox.towpath.dev/v1\",\"kind\":\"SandboxExport\",\"revision\":9}\n"
            .as_slice(),
    );
    assert!(import.unwrap_err().to_string().contains("in use"));
    other.end();

    // The store stays this process's, also while it mends what a full disk has left.
    let faults = Faults::default();
    let sandbox = open(&path, Some(&faults)).unwrap();
    faults.fill_disk(0);
    expect_full(&post(&sandbox, MAPS, &map("a", 10)).await);
    assert!(matches!(open(&path, None), Err(OpenError::InUse { .. })));
}

/// Not a test of its own: the process that the next test gives a bounded file. It writes until there is no room, and goes
/// on when it is told that there is.
#[tokio::test]
async fn child_that_fills_its_disk() {
    let Some(path) = std::env::var_os(STORE).map(PathBuf::from) else {
        return;
    };
    let sandbox = open(&path, None).unwrap();
    let mut made = 0;
    let refused = loop {
        let answer = post(&sandbox, MAPS, &map(&format!("map-{made}"), 20_000)).await;
        if answer.code != 201 {
            break answer;
        }
        made += 1;
        assert!(made < 1000, "there is no bound");
    };
    expect_full(&refused);
    for _ in 0..3 {
        expect_full(&post(&sandbox, MAPS, &map("again", 20_000)).await);
    }
    let held = get(&sandbox, MAPS).await;
    assert_eq!(names(&held).len(), made);
    println!("\nfull {made}");
    told();
    assert_eq!(post(&sandbox, MAPS, &map("again", 20_000)).await.code, 201);
    println!("\nagain {made}");
    told();
}

/// The kernel refuses to let the file grow. Nothing of this is pretended.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_is_really_full_is_waited_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    drop(open(&path, None).unwrap());
    let bound = std::fs::metadata(&path).unwrap().len() + 1_500_000;
    let mut command = Command::new("prlimit");
    // A process that does not ignore the signal is ended when it writes too much.
    command
        .arg(format!("--fsize={bound}:unlimited"))
        .args(["--", "sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .arg("disk::child_that_fills_its_disk");
    let mut other = Other::begin(command, &path);
    let made: usize = other.hear("full")[1].parse().unwrap();
    assert!(made > 0);
    assert!(matches!(open(&path, None), Err(OpenError::InUse { .. })));
    // As a kill would leave it now.
    let copy = directory.path().join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    let killed = get(&open(&copy, None).unwrap(), MAPS).await;
    let killed = names(&killed)
        .iter()
        .filter(|name| name.starts_with("map-"))
        .count();
    assert!(
        (made..=made + 1).contains(&killed),
        "{made} acknowledged, {killed} there"
    );
    let freed = Command::new("prlimit")
        .args(["--fsize=unlimited:unlimited", "--pid"])
        .arg(other.child.id().to_string())
        .status();
    assert!(freed.unwrap().success());
    other.tell();
    other.hear("again");
    other.tell();
    other.end();
    let sandbox = open(&path, None).unwrap();
    let held = get(&sandbox, MAPS).await;
    assert_eq!(names(&held).len(), made + 1);
}
