//! What pods trust the server by: the ConfigMap `kube-root-ca.crt` of every namespace.
//!
//! There is one only while the server is served over HTTPS. Whoever deletes or changes it gets it back.

use serde_json::{Value, json};

use super::collect::{Collector, report};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Event, Key};
use crate::verbs::{Target, WriteOptions};

const NAME: &str = "kube-root-ca.crt";
const MANAGER: &str = "root-ca-certificate-publisher";

impl Collector {
    /// Does what follows from a change of a namespace or of such a ConfigMap.
    pub(super) async fn publish(&self, event: &Event) {
        let (collection, key) = (&event.key.collection, &event.key);
        let namespace = match &*collection.plural {
            "namespaces" if collection.is("", "namespaces") && !event.removed => &key.name,
            "configmaps" if collection.is("", "configmaps") && key.name == NAME => &key.namespace,
            _ => return,
        };
        report(key, self.engine.publish_authority_in(namespace).await);
    }

    /// Does it for every namespace there is.
    pub(super) async fn publish_all(&self) {
        for namespace in self.engine.namespaces() {
            let done = self.engine.publish_authority_in(&namespace).await;
            report(&Key::namespace(&namespace), done);
        }
    }
}

impl Engine {
    /// Puts the authority's certificate into every namespace there is, and from now on into new ones.
    pub(crate) async fn publish_authority(&self, certificate: &str) -> Result<(), ApiError> {
        self.set_authority(certificate);
        for namespace in self.namespaces() {
            self.publish_authority_in(&namespace).await?;
        }
        Ok(())
    }

    fn namespaces(&self) -> Vec<String> {
        let memory = self.store.read();
        let namespaces = memory.list(&Key::namespace("").collection, None, None);
        namespaces.map(|((_, name), _)| name.clone()).collect()
    }

    /// Makes or mends the ConfigMap of one namespace; none where there is no authority, or the namespace is ending.
    async fn publish_authority_in(&self, namespace: &str) -> Result<(), ApiError> {
        let Some(certificate) = self.authority() else {
            return Ok(());
        };
        let stands = self.store.get(&Key::namespace(namespace));
        if stands.is_none_or(|namespace| namespace.is_terminating()) {
            return Ok(());
        }
        let target = Target {
            resource: self.catalog().find("", "v1", "configmaps")?,
            namespace: namespace.to_owned(),
            name: NAME.to_owned(),
            subresource: String::new(),
        };
        let options = WriteOptions::internal(MANAGER);
        let data = json!({ "ca.crt": *certificate });
        let Some(object) = self.store.get(&target.key()) else {
            let body = json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": { "name": NAME },
                "data": data,
            });
            return match self.create(&target, body, &options).await {
                // The other one who saw that it is missing was quicker.
                Err(error) if error.reason == "AlreadyExists" => Ok(()),
                done => done.map(drop),
            };
        };
        if object.is_terminating() || object.value["data"] == data {
            return Ok(());
        }
        let set = |object: &mut Value| {
            object["data"] = data.clone();
        };
        self.edit(&target.key(), set).await
    }
}
