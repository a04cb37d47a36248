//! What wakes the sync loop from the cluster's side: objects that drift, namespaces that appear, requests of
//! other processes. Each kind is watched by a task of its own; all tasks end with the [`Watches`].

use std::collections::BTreeSet;

use api::{Group, SYSTEM_NAMESPACE};
use apply::{Kind, ObjectId};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::record::{STATUS, requested};

/// Events wait here while a round runs; a watch that gets ahead of it waits as well.
const WAITING: usize = 256;

/// Something happened in the cluster.
pub(super) enum Event {
    /// An object of a watched kind is there, new or changed.
    Seen(ObjectId, Box<DynamicObject>),
    /// An object of a watched kind is gone.
    Gone(ObjectId),
    /// A namespace is there.
    Namespace(String),
    /// Another process asked for a round.
    Requested(String),
}

pub(super) struct Watches {
    client: Client,
    kinds: BTreeSet<(String, String)>,
    tasks: JoinSet<()>,
    sender: Sender<Event>,
    pub(super) events: Receiver<Event>,
}

impl Watches {
    pub(super) fn start(client: Client, group: &Group) -> Self {
        let (sender, events) = channel(WAITING);
        let mut watches = Self {
            client,
            kinds: BTreeSet::new(),
            tasks: JoinSet::new(),
            sender,
            events,
        };
        watches.namespaces();
        watches.requests(group.clone());
        watches
    }

    fn namespaces(&mut self) {
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let stream = watcher(api, watcher::Config::default()).default_backoff();
        self.follow(stream, |event| match event {
            watcher::Event::Apply(namespace) | watcher::Event::InitApply(namespace) => {
                Some(Event::Namespace(namespace.name_any()))
            }
            _ => None,
        });
    }

    fn requests(&mut self, group: Group) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let config = watcher::Config::default().fields(&format!("metadata.name={STATUS}"));
        let stream = watcher(api, config).default_backoff();
        self.follow(stream, move |event| match event {
            watcher::Event::Apply(map) | watcher::Event::InitApply(map) => {
                requested(&map, &group).map(Event::Requested)
            }
            _ => None,
        });
    }

    /// Whether a kind is watched already.
    pub(super) fn covers(&self, api_version: &str, kind: &str) -> bool {
        self.kinds.contains(&(api_version.to_owned(), kind.to_owned()))
    }

    /// Watches a kind from now on.
    pub(super) fn watch(&mut self, kind: &Kind) {
        let resource = kind.resource.clone();
        if !self
            .kinds
            .insert((resource.api_version.clone(), resource.kind.clone()))
        {
            return;
        }
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
        let stream = watcher(api, watcher::Config::default()).default_backoff();
        let id = move |object: &DynamicObject| ObjectId {
            group: resource.group.clone(),
            version: resource.version.clone(),
            kind: resource.kind.clone(),
            namespace: object.namespace(),
            name: object.name_any(),
        };
        self.follow(stream, move |event| match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                Some(Event::Seen(id(&object), Box::new(object)))
            }
            watcher::Event::Delete(object) => Some(Event::Gone(id(&object))),
            _ => None,
        });
    }

    fn follow<T>(
        &mut self,
        stream: impl Stream<Item = Result<T, watcher::Error>> + Send + 'static,
        translate: impl Fn(T) -> Option<Event> + Send + 'static,
    ) where
        T: Send + 'static,
    {
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            let mut stream = Box::pin(stream);
            while let Some(item) = stream.next().await {
                match item.map(&translate) {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        if sender.send(event).await.is_err() {
                            return;
                        }
                    }
                    // The stream goes on by itself, more and more slowly.
                    Err(error) => tracing::debug!(%error, "a watch was interrupted"),
                }
            }
        });
    }
}
