//! What goes wrong on request: refusals, latency, lost watches.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, poll};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{PostParams, WatchEvent, WatchParams};
use sandbox::{Fault, Faults, ManualClock, Options, Sandbox};
use serde_json::{Value, json};

use crate::server::{delete, get, options, post};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })
}

fn sandbox(faults: &Faults) -> Sandbox {
    Sandbox::open(Options {
        faults: Some(faults.clone()),
        ..options()
    })
    .unwrap()
}

fn away() -> Fault {
    Fault::status(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        "away for a while",
    )
}

#[tokio::test]
async fn a_refusal_happens_to_what_it_names_and_as_often_as_it_says() {
    let faults = Faults::new(1);
    let sandbox = sandbox(&faults);
    faults.add(away().on("create", "configmaps").times(2));
    for _ in 0..2 {
        assert_eq!(get(&sandbox, MAPS).await.code, 200);
        let refused = post(&sandbox, MAPS, &map("a")).await;
        assert_eq!(refused.code, 503);
        assert_eq!(
            refused.body,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "away for a while", "reason": "ServiceUnavailable", "code": 503,
            })
        );
        assert_eq!(
            get(&sandbox, &format!("{MAPS}/a")).await.code,
            404,
            "it has no effect"
        );
    }
    assert_eq!(post(&sandbox, MAPS, &map("a")).await.code, 201);
    assert_eq!(faults.struck(), 2);

    faults.add(away().on("", "configmaps"));
    let conflict = Fault::status(StatusCode::CONFLICT, "Conflict", "not like this");
    faults.add(conflict.on("delete", ""));
    assert_eq!(
        delete(&sandbox, &format!("{MAPS}/a")).await.code,
        503,
        "the first one counts"
    );
    let services = "/api/v1/namespaces/default/services/kubernetes";
    assert_eq!(delete(&sandbox, services).await.code, 409);
    assert_eq!(get(&sandbox, "/version").await.code, 200);
    faults.clear();
    assert_eq!(delete(&sandbox, &format!("{MAPS}/a")).await.code, 200);
}

#[tokio::test]
async fn chance_is_the_same_for_the_same_seed() {
    let run = async |seed: u64| {
        let faults = Faults::new(seed);
        let sandbox = sandbox(&faults);
        faults.add(away().chance(0.25));
        let mut codes = Vec::new();
        for _ in 0..200 {
            codes.push(get(&sandbox, MAPS).await.code);
        }
        let refused = codes.iter().filter(|code| **code == 503).count();
        assert!((25..=75).contains(&refused), "{refused} of 200");
        assert_eq!(faults.struck(), refused as u64);
        codes
    };
    let once = run(3).await;
    assert_eq!(once, run(3).await);
    assert_ne!(once, run(4).await);
}

#[tokio::test]
async fn latency_goes_by_the_clock_of_the_sandbox() {
    let begin: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let (clock, faults) = (Arc::new(ManualClock::new(begin)), Faults::default());
    let sandbox = Sandbox::open(Options {
        clock: clock.clone(),
        faults: Some(faults.clone()),
        ..Options::default()
    })
    .unwrap();
    faults.add(Fault::latency(Duration::from_hours(1)).on("get", "configmaps"));
    post(&sandbox, MAPS, &map("a")).await;
    let path = format!("{MAPS}/a");
    let mut slow = Box::pin(get(&sandbox, &path));
    assert!(poll!(&mut slow).is_pending());
    assert_eq!(clock.next_sleeper(), Some(begin + SignedDuration::from_hours(1)));
    assert_eq!(get(&sandbox, MAPS).await.code, 200, "others do not wait");
    clock.advance(SignedDuration::from_hours(1));
    assert_eq!(slow.await.code, 200);
}

#[tokio::test]
async fn a_lost_watch_ends_in_an_error_and_the_next_one_goes_on() {
    let faults = Faults::default();
    let sandbox = sandbox(&faults);
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client("default"));
    let params = WatchParams::default().fields("metadata.name=a");
    let mut watch = maps.watch(&params, "0").await.unwrap().boxed();
    assert_eq!(faults.watches(), 1);
    let made: ConfigMap = serde_json::from_value(map("a")).unwrap();
    let made = maps.create(&PostParams::default(), &made).await.unwrap();
    assert!(matches!(watch.try_next().await, Ok(Some(WatchEvent::Added(_)))));
    faults.drop_watches();
    let lost = watch.try_next().await;
    assert!(lost.is_err(), "{lost:?}");
    drop(watch);
    faults.no_watches().await;

    delete(&sandbox, &format!("{MAPS}/a")).await;
    let version = made.metadata.resource_version.unwrap();
    let mut watch = maps.watch(&params, &version).await.unwrap().boxed();
    assert!(matches!(watch.try_next().await, Ok(Some(WatchEvent::Deleted(_)))));
}
