//! The stream of a watch: one JSON object a line, never compressed, flushed as things happen.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use http::{HeaderValue, header};
use serde_json::json;
use tokio::time::Instant;

use super::negotiate::Shape;
use super::table::Style;
use super::wire::AsItIs;
use super::{respond, serve, table};
use crate::catalog::Resource;
use crate::status::ApiError;
use crate::store::Object;
use crate::verbs::{Change, Next, Watcher};

/// A watch that names no end ends here, as upstream between 30 and 60 minutes.
const LONGEST: Duration = Duration::from_mins(30);
/// How often a watcher without news learns the revision.
const BOOKMARK: Duration = Duration::from_mins(1);

struct Stream {
    watcher: Watcher,
    resource: Arc<Resource>,
    shape: Shape,
    style: Style,
    bookmarks: bool,
    /// What is to be told next. Lines are made of it one at a time, when there is room for them.
    changes: VecDeque<Change>,
    /// Told after that.
    failure: Option<ApiError>,
    told: u64,
    ends: Instant,
    bookmark_due: Instant,
    over: bool,
    lost: bool,
    first_row: bool,
}

/// Answers with everything `watcher` sees until the timeout.
pub(super) fn stream(
    watcher: Watcher,
    resource: Arc<Resource>,
    (shape, style): (Shape, Style),
    bookmarks: bool,
    timeout: Option<Duration>,
) -> Response {
    let now = Instant::now();
    if let Some(cut) = serve::cut() {
        watcher.cut_by(cut);
    }
    let state = Stream {
        watcher,
        resource,
        shape,
        style,
        bookmarks,
        changes: VecDeque::new(),
        failure: None,
        told: 0,
        ends: now + timeout.unwrap_or(LONGEST).min(LONGEST * 4),
        bookmark_due: now + BOOKMARK,
        over: false,
        lost: false,
        first_row: true,
    };
    let lines = stream::unfold(state, |mut state| async move {
        let chunk = match state.next().await {
            Some(chunk) => Ok(chunk),
            None if std::mem::take(&mut state.lost) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            None => return None,
        };
        Some((chunk, state))
    });
    answer(Body::from_stream(lines))
}

/// Answers with a watch that has one event, which says why there are no others: it begins too far in the past.
pub(super) fn expired(why: &ApiError) -> Response {
    answer(Body::from(failure(why)))
}

fn answer(body: Body) -> Response {
    let mut response = Response::new(body);
    response.extensions_mut().insert(AsItIs);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    response
}

impl Stream {
    /// The next line, `None` at the end of the watch.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Some(self.line(&change));
            }
            if let Some(error) = self.failure.take() {
                return Some(failure(&error));
            }
            if self.over {
                return None;
            }
            match self.watcher.ready() {
                Ok(changes) if changes.is_empty() => self.wait().await,
                Ok(changes) => self.changes = changes,
                Err(error) => {
                    self.failure = Some(error);
                    self.over = true;
                }
            }
        }
    }

    async fn wait(&mut self) {
        let until = self.ends.min(self.bookmark_due);
        tokio::select! {
            next = self.watcher.changed() => {
                self.over = next != Next::More;
                self.lost = next == Next::Lost;
            }
            () = tokio::time::sleep_until(until) => {
                let now = Instant::now();
                let ends = now >= self.ends;
                // The last thing a watch says is how far it has come, so that the next one can begin there.
                if self.bookmarks && (ends || now >= self.bookmark_due) && self.watcher.revision() > self.told {
                    self.changes.push_back(Change::Bookmark { revision: self.watcher.revision(), initial: false });
                }
                self.bookmark_due = now + BOOKMARK;
                self.over = ends;
            }
        }
    }

    fn line(&mut self, change: &Change) -> Bytes {
        let (kind, object) = match change {
            Change::Added(object) => ("ADDED", self.show(object)),
            Change::Modified(object) => ("MODIFIED", self.show(object)),
            Change::Deleted(object) => ("DELETED", self.show(object)),
            Change::Bookmark { revision, initial } => {
                self.told = *revision;
                ("BOOKMARK", self.bookmark(*revision, *initial))
            }
        };
        let mut line = Vec::with_capacity(object.len() + 40);
        line.extend_from_slice(b"{\"type\":\"");
        line.extend_from_slice(kind.as_bytes());
        line.extend_from_slice(b"\",\"object\":");
        line.extend_from_slice(&object);
        line.extend_from_slice(b"}\n");
        Bytes::from(line)
    }

    fn show(&mut self, object: &Object) -> Bytes {
        self.told = self.told.max(object.revision);
        match self.shape {
            Shape::Whole => respond::object_json(&self.resource, object),
            Shape::Metadata(meta) | Shape::MetadataList(meta) => respond::metadata_json(object, meta),
            Shape::Table(_) => {
                let style = Style {
                    now: self.watcher.now(),
                    ..self.style
                };
                let headed = std::mem::replace(&mut self.first_row, false);
                Bytes::from(table::of_one(&self.resource, object, headed, style).to_string())
            }
        }
    }

    fn bookmark(&self, revision: u64, initial: bool) -> Bytes {
        let mut metadata = json!({ "resourceVersion": revision.to_string() });
        if initial {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let (kind, api_version) = match self.shape {
            Shape::Whole => (self.resource.kind.clone(), self.resource.api_version()),
            Shape::Metadata(meta) | Shape::MetadataList(meta) => {
                ("PartialObjectMetadata".to_owned(), meta.api_version().to_owned())
            }
            Shape::Table(meta) => {
                let table = json!({
                    "kind": "Table", "apiVersion": meta.api_version(), "metadata": metadata,
                    "columnDefinitions": [], "rows": [],
                });
                return Bytes::from(table.to_string());
            }
        };
        Bytes::from(json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata }).to_string())
    }
}

fn failure(error: &ApiError) -> Bytes {
    Bytes::from(format!(
        "{}\n",
        json!({ "type": "ERROR", "object": error.status() })
    ))
}
