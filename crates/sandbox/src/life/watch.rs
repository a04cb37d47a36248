//! Keeps up with one kind of object: lists it, watches from there, and starts over when the API asks.
//! Knows nothing of what the objects mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use http::Request;
use jiff::SignedDuration;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::mpsc;

use super::kind::Kind;
use super::object::{set, text, version};
use super::world::Key;
use crate::clock::Clock;

/// How long to wait before trying again after the API failed.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// News of one kind.
#[derive(Debug)]
pub(crate) enum News {
    /// Everything there is, as of a version.
    Listed(Kind, Vec<Value>, u64),
    /// An object came or changed.
    Changed(Kind, Value),
    /// An object went: its place and uid.
    Gone(Key, String),
}

/// Sends the news of a kind until nobody listens any more.
pub(crate) async fn follow(
    client: kube::Client,
    kind: Kind,
    clock: Arc<dyn Clock>,
    news: mpsc::Sender<News>,
) {
    while !news.is_closed() {
        if let Err(error) = list_and_watch(&client, kind, &news).await {
            tracing::warn!(%kind, %error, "cannot follow the API; trying again");
            let again = clock.now().checked_add(PAUSE).unwrap_or(jiff::Timestamp::MAX);
            tokio::select! {
                () = clock.sleep_until(again) => {}
                () = news.closed() => {}
            }
        }
    }
}

/// Ends without an error when a new list is due, or nobody listens.
async fn list_and_watch(
    client: &kube::Client,
    kind: Kind,
    news: &mpsc::Sender<News>,
) -> Result<(), kube::Error> {
    let mut list: Value = client.request(get(&kind.path())?).await?;
    let mut since = text(&list, "/metadata/resourceVersion").to_owned();
    let items = list
        .get_mut("items")
        .and_then(Value::as_array_mut)
        .map(std::mem::take)
        .unwrap_or_default();
    let items = items.into_iter().map(|item| named(kind, item)).collect();
    if news
        .send(News::Listed(kind, items, version(&list)))
        .await
        .is_err()
    {
        return Ok(());
    }
    loop {
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&resourceVersion={since}",
            kind.path()
        );
        let mut stream = match client.request_events::<Value>(get(&path)?).await {
            Ok(stream) => stream.boxed(),
            Err(kube::Error::Api(status)) if status.code == 410 => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut idle = true;
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = news.closed() => return Ok(()),
            };
            let Some(event) = event else { break };
            idle = false;
            let message = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    text(&object, "/metadata/resourceVersion").clone_into(&mut since);
                    News::Changed(kind, named(kind, object))
                }
                WatchEvent::Deleted(object) => {
                    text(&object, "/metadata/resourceVersion").clone_into(&mut since);
                    News::Gone(Key::of(kind, &object), super::object::uid(&object).to_owned())
                }
                WatchEvent::Bookmark(bookmark) => {
                    since = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) if status.code == 410 => return Ok(()),
                WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
            };
            if news.send(message).await.is_err() {
                return Ok(());
            }
        }
        if idle {
            // A watch that ends without a word may be a server going away: not too fast again.
            return Err(kube::Error::ReadEvents(std::io::Error::other(
                "the watch ended at once",
            )));
        }
    }
}

fn get(path: &str) -> Result<Request<Vec<u8>>, kube::Error> {
    Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)
}

/// Objects in lists do not say what they are.
fn named(kind: Kind, mut object: Value) -> Value {
    set(&mut object, &["apiVersion"], kind.api_version().into());
    set(&mut object, &["kind"], kind.name().into());
    object
}

/// The places of listed objects.
pub(crate) fn places(kind: Kind, items: &[Value]) -> BTreeSet<Key> {
    items.iter().map(|item| Key::of(kind, item)).collect()
}
