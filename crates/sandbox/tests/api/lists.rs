//! A list in pages shows one state, the one of its first page, for as long as that is held.

use std::sync::Arc;

use sandbox::{Clock, ManualClock, Options, Sandbox};
use serde_json::{Value, json};

use crate::server::{Answer, delete, get, patch, post, sandbox};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "at": "first" } })
}

/// What is in a list: names, and what they say.
fn items(answer: &Answer) -> Vec<(String, String)> {
    let word = |item: &Value, pointer: &str| item.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let items = answer.at("/items").as_array().unwrap();
    items
        .iter()
        .map(|item| (word(item, "/metadata/name"), word(item, "/data/at")))
        .collect()
}

fn first(names: &[&str]) -> Vec<(String, String)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), "first".to_owned()))
        .collect()
}

fn version(answer: &Answer) -> String {
    answer
        .at("/metadata/resourceVersion")
        .as_str()
        .unwrap()
        .to_owned()
}

async fn six(sandbox: &Sandbox) -> String {
    for name in ["a", "b", "c", "d", "e", "f"] {
        post(sandbox, MAPS, &map(name)).await;
    }
    version(&get(sandbox, MAPS).await)
}

/// Changes, removes, and adds, before, between and behind.
async fn stir(sandbox: &Sandbox) {
    let change = json!({ "data": { "at": "later" } });
    for name in ["a", "d"] {
        patch(sandbox, &format!("{MAPS}/{name}"), "merge", &change).await;
    }
    for name in ["b", "e", "f"] {
        delete(sandbox, &format!("{MAPS}/{name}")).await;
    }
    for name in ["aa", "cc", "e", "z"] {
        let mut made = map(name);
        made["data"]["at"] = json!("later");
        post(sandbox, MAPS, &made).await;
    }
    patch(sandbox, &format!("{MAPS}/cc"), "merge", &change).await;
}

/// Changes something until the state at a revision is no longer held.
async fn forget(sandbox: &Sandbox, version: &str) {
    for round in 0..400 {
        let data = json!({ "data": { "at": format!("{round} {}", "long ".repeat(4000)) } });
        patch(sandbox, &format!("{MAPS}/a"), "merge", &data).await;
        let then = format!("{MAPS}?resourceVersion={version}&resourceVersionMatch=Exact");
        if get(sandbox, &then).await.code == 410 {
            return;
        }
    }
    panic!("everything is held");
}

#[tokio::test]
async fn later_pages_show_the_state_of_the_first() {
    let sandbox = sandbox();
    let begun = six(&sandbox).await;
    let page = get(&sandbox, &format!("{MAPS}?limit=2")).await;
    assert_eq!(items(&page), first(&["a", "b"]));
    assert_eq!(page.at("/metadata/remainingItemCount"), 4);
    let mut all = items(&page);
    let mut next = page.at("/metadata/continue").as_str().unwrap().to_owned();
    for (names, left) in [(["c", "d"], json!(2)), (["e", "f"], Value::Null)] {
        stir(&sandbox).await;
        let page = get(&sandbox, &format!("{MAPS}?limit=2&continue={next}")).await;
        assert_eq!(items(&page), first(&names));
        assert_eq!(version(&page), begun);
        assert_eq!(page.at("/metadata/remainingItemCount"), &left);
        all.extend(items(&page));
        page.at("/metadata/continue")
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut next);
    }
    assert_eq!(next, "");
    assert_eq!(all, first(&["a", "b", "c", "d", "e", "f"]));
}

#[tokio::test]
async fn a_list_of_an_earlier_revision_is_as_it_was() {
    let sandbox = sandbox();
    let before = get(&sandbox, MAPS).await;
    let begun = six(&sandbox).await;
    let six = get(&sandbox, MAPS).await;
    stir(&sandbox).await;
    let exactly =
        |path: &str, version: &str| format!("{path}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(get(&sandbox, &exactly(MAPS, &begun)).await.body, six.body);
    let everywhere = get(&sandbox, &exactly("/api/v1/configmaps", &begun)).await;
    let there = everywhere.at("/items").as_array().unwrap().iter();
    let there = there.filter(|item| item["metadata"]["namespace"] == "default");
    assert_eq!(
        there.collect::<Vec<_>>(),
        six.at("/items").as_array().unwrap().iter().collect::<Vec<_>>()
    );
    let empty = get(&sandbox, &exactly(MAPS, &version(&before))).await;
    assert_eq!(empty.body, before.body);
    // With a limit a revision is meant exactly, unless it is said otherwise.
    let pages = get(&sandbox, &format!("{MAPS}?resourceVersion={begun}&limit=3")).await;
    assert_eq!(items(&pages), first(&["a", "b", "c"]));
    let newest = format!("{MAPS}?resourceVersion={begun}&limit=3&resourceVersionMatch=NotOlderThan");
    assert_eq!(items(&get(&sandbox, &newest).await)[0].1, "later");
    let future = get(&sandbox, &exactly(MAPS, "99999999")).await;
    assert_eq!((future.code, future.at("/reason")), (504, &json!("Timeout")));
    let chosen = format!("{}&labelSelector=x%3D1", exactly(MAPS, &begun));
    assert!(items(&get(&sandbox, &chosen).await).is_empty());
}

#[tokio::test]
async fn a_state_no_longer_held_is_refused_and_the_rest_offered_as_it_is() {
    let sandbox = sandbox();
    let begun = six(&sandbox).await;
    let page = get(&sandbox, &format!("{MAPS}?limit=2")).await;
    let next = page.at("/metadata/continue").as_str().unwrap().to_owned();
    stir(&sandbox).await;
    forget(&sandbox, &begun).await;

    let exactly = format!("{MAPS}?resourceVersion={begun}&resourceVersionMatch=Exact");
    let refused = get(&sandbox, &exactly).await;
    assert_eq!((refused.code, refused.at("/reason")), (410, &json!("Expired")));
    assert_eq!(
        refused.at("/message"),
        "The resourceVersion for the provided list is too old."
    );
    let refused = get(&sandbox, &format!("{MAPS}?limit=2&continue={next}")).await;
    assert_eq!((refused.code, refused.at("/reason")), (410, &json!("Expired")));
    let next = refused.at("/metadata/continue").as_str().unwrap();
    let present = version(&get(&sandbox, MAPS).await);
    let page = get(&sandbox, &format!("{MAPS}?limit=2&continue={next}")).await;
    let names: Vec<String> = items(&page).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["c", "cc"]);
    assert_eq!(version(&page), present);
    // From here on it is one state again.
    let next = page.at("/metadata/continue").as_str().unwrap();
    delete(&sandbox, &format!("{MAPS}/d")).await;
    let page = get(&sandbox, &format!("{MAPS}?continue={next}")).await;
    let names: Vec<String> = items(&page).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["d", "e", "z"]);
    assert_eq!(version(&page), present);
}

#[tokio::test]
async fn tokens_that_mean_nothing_are_refused() {
    let sandbox = sandbox();
    let begun = six(&sandbox).await;
    let page = get(&sandbox, &format!("{MAPS}?limit=2")).await;
    let next = page.at("/metadata/continue").as_str().unwrap();
    for path in [
        format!("{MAPS}?continue=nonsense"),
        format!("{MAPS}?continue={next}&resourceVersion={begun}"),
        format!("/api/v1/namespaces/kube-system/configmaps?continue={next}"),
    ] {
        let refused = get(&sandbox, &path).await;
        assert_eq!(
            (refused.code, refused.at("/reason")),
            (400, &json!("BadRequest")),
            "{path}"
        );
    }
    // A token of another store speaks of a future that has not come.
    let elsewhere = get(&crate::server::sandbox(), &format!("{MAPS}?continue={next}")).await;
    assert_eq!(elsewhere.code, 504);
}

#[tokio::test]
async fn a_list_cannot_be_gone_on_with_for_ever() {
    let clock = Arc::new(ManualClock::new(
        "2026-01-02T03:04:05Z".parse::<jiff::Timestamp>().unwrap(),
    ));
    let sandbox = Sandbox::open(Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..Options::default()
    })
    .unwrap();
    six(&sandbox).await;
    let page = get(&sandbox, &format!("{MAPS}?limit=2")).await;
    let next = page.at("/metadata/continue").as_str().unwrap();
    clock.advance(jiff::SignedDuration::from_secs(299));
    let page = get(&sandbox, &format!("{MAPS}?limit=2&continue={next}")).await;
    assert_eq!(page.code, 200);
    let next = page.at("/metadata/continue").as_str().unwrap();
    clock.advance(jiff::SignedDuration::from_secs(1));
    let refused = get(&sandbox, &format!("{MAPS}?limit=2&continue={next}")).await;
    assert_eq!((refused.code, refused.at("/reason")), (410, &json!("Expired")));
    let next = refused.at("/metadata/continue").as_str().unwrap();
    let page = get(&sandbox, &format!("{MAPS}?limit=1&continue={next}")).await;
    assert_eq!(items(&page), first(&["e"]));
    let next = page.at("/metadata/continue").as_str().unwrap();
    clock.advance(jiff::SignedDuration::from_secs(299));
    let page = get(&sandbox, &format!("{MAPS}?limit=1&continue={next}")).await;
    assert_eq!(items(&page), first(&["f"]), "it begins anew with that page");
}
