//! What every cluster has from its first moment.

use futures::future::try_join_all;
use http::StatusCode;
use serde_json::{Value, json};

use super::create::Managed;
use super::update::Proposal;
use super::{FieldValidation, Target, Warnings, WriteOptions, text};
use crate::User;
use crate::admission::{SYSTEM, type_checking};
use crate::catalog::names;
use crate::engine::Engine;
use crate::security::rbac;
use crate::status::ApiError;
use crate::store::{Key, Object, at_once};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

impl WriteOptions {
    /// A write of the server's own machinery.
    pub(crate) fn internal(manager: &str) -> Self {
        Self {
            user: User {
                name: format!("system:{manager}"),
                ..User::administrator()
            },
            manager: manager.to_owned(),
            named: true,
            manager_named: true,
            dry_run: false,
            validation: FieldValidation::Ignore,
            twice: Vec::new(),
            force: false,
            reviewed: false,
            sent: Value::Null,
            warnings: Warnings::default(),
        }
    }
}

impl Engine {
    /// Makes the namespaces that every cluster has, the one Service, priority classes, roles and accounts, where they are
    /// missing.
    pub(crate) fn found(&self) -> Result<(), ApiError> {
        for name in NAMESPACES {
            let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            self.found_one("", "namespaces", "", name, body)?;
        }
        let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
        let body = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "kubernetes", "labels": labels },
            "spec": {
                "clusterIP": "10.96.0.1",
                "ports": [{ "name": "https", "port": 443, "targetPort": 6443, "protocol": "TCP" }],
            },
        });
        self.found_one("", "services", "default", "kubernetes", body)?;
        for (name, value) in SYSTEM {
            let body = json!({
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": { "name": name },
                "value": value,
                "description": "For pods that the cluster itself needs.",
            });
            self.found_one("scheduling.k8s.io", "priorityclasses", "", name, body)?;
        }
        self.found_roles()?;
        for namespace in self.active_namespaces() {
            at_once(self.found_service_account(&namespace))?;
        }
        Ok(())
    }

    fn active_namespaces(&self) -> Vec<String> {
        let memory = self.store.read();
        let namespaces = memory.list(&Key::namespace("").collection, None, None);
        namespaces
            .filter(|(_, object)| !object.is_terminating())
            .map(|((_, name), _)| name.clone())
            .collect()
    }

    /// Makes the roles and bindings that every cluster has, where they are missing: all at once, for they share their
    /// commits.
    fn found_roles(&self) -> Result<(), ApiError> {
        let catalog = self.catalog();
        let options = WriteOptions::internal("sandbox");
        let mut missing = Vec::new();
        for (plural, object) in rbac::shipped().map_err(ApiError::internal)? {
            let target = Target {
                resource: catalog.find(rbac::GROUP, "v1", plural)?,
                namespace: String::new(),
                name: text(&object, &["metadata", "name"]).to_owned(),
                subresource: String::new(),
            };
            if self.store.get(&target.key()).is_none() {
                missing.push((target, object));
            }
        }
        let made = missing
            .into_iter()
            .map(|(target, object)| async { self.create(&{ target }, object, &options).await });
        at_once(try_join_all(made)).map(drop)
    }

    fn found_one(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
        body: Value,
    ) -> Result<(), ApiError> {
        let target = Target {
            resource: self.catalog().find(group, "v1", plural)?,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: String::new(),
        };
        if self.store.get(&target.key()).is_some() {
            return Ok(());
        }
        let options = WriteOptions::internal("sandbox");
        at_once(self.create(&target, body, &options)).map(drop)
    }

    /// The ServiceAccount each namespace has.
    pub(crate) async fn found_service_account(&self, namespace: &str) -> Result<(), ApiError> {
        let target = Target {
            resource: self.catalog().find("", "v1", "serviceaccounts")?,
            namespace: namespace.to_owned(),
            name: "default".to_owned(),
            subresource: String::new(),
        };
        if self.store.get(&target.key()).is_some() {
            return Ok(());
        }
        let body = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } });
        // Boxed, because making a namespace ends here too.
        Box::pin(self.create(&target, body, &WriteOptions::internal("sandbox")))
            .await
            .map(drop)
    }

    /// What follows from a write at once.
    pub(super) async fn after_write(&self, target: &Target, stored: &Object) {
        if target.resource.is("", "namespaces") && !stored.is_terminating() {
            // Its absence is mended when the sandbox is opened again.
            if let Err(error) = self.found_service_account(&target.name).await {
                tracing::warn!(
                    namespace = target.name,
                    error = error.message,
                    "no default service account"
                );
            }
        }
        if target
            .resource
            .is("admissionregistration.k8s.io", "validatingadmissionpolicies")
            && target.subresource.is_empty()
            && let Err(error) = self.check_types(target, stored).await
        {
            tracing::warn!(
                policy = target.name,
                error = error.message,
                "its types were not looked at"
            );
        }
        if target
            .resource
            .is("apiextensions.k8s.io", "customresourcedefinitions")
            && target.subresource.is_empty()
            && let Err(error) = self.accept_names(target).await
        {
            tracing::warn!(
                definition = target.name,
                error = error.message,
                "its names were not looked at"
            );
        }
    }

    /// Says in the status of a policy where the types of its expressions do not fit.
    async fn check_types(&self, target: &Target, stored: &Object) -> Result<(), ApiError> {
        let status = Target {
            subresource: "status".to_owned(),
            ..target.clone()
        };
        let generation = &stored.value["metadata"]["generation"];
        if stored.value["status"]["observedGeneration"] == *generation {
            return Ok(());
        }
        let told = type_checking(&stored.value, &self.catalog());
        let options = WriteOptions::internal("validatingadmissionpolicy-status");
        // Boxed, because a write ends here too.
        let checked = Box::pin(self.modify(&status, &options, |old| {
            let mut object = old.value.clone();
            // Who has changed it since looks at it too.
            if old.value["metadata"]["generation"] == *generation {
                object["status"]["observedGeneration"] = generation.clone();
                object["status"]["typeChecking"] = told.clone();
            }
            Ok(Proposal {
                object,
                managed: Managed::Update,
                warnings: Vec::new(),
            })
        }));
        match checked.await {
            // It is gone already.
            Err(error) if error.code == StatusCode::NOT_FOUND => Ok(()),
            done => done.map(drop),
        }
    }

    /// Says in the status of a CRD whether its names are accepted and its resources served.
    async fn accept_names(&self, target: &Target) -> Result<(), ApiError> {
        let status = Target {
            subresource: "status".to_owned(),
            ..target.clone()
        };
        let options = WriteOptions::internal("kube-apiserver");
        // Boxed, because a write ends here too.
        let accepted = Box::pin(self.modify(&status, &options, |old| {
            let mut object = old.value.clone();
            object["status"] = names::accept(&old.value, &self.catalog(), &self.timestamp());
            Ok(Proposal {
                object,
                managed: Managed::Update,
                warnings: Vec::new(),
            })
        }));
        match accepted.await {
            // It is gone already.
            Err(error) if error.code == StatusCode::NOT_FOUND => Ok(()),
            done => done.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[tokio::test]
    async fn what_is_said_of_a_policy_is_said_of_the_newest() {
        let engine = Engine::open(Options::default()).unwrap();
        let target = Target {
            resource: engine
                .catalog()
                .find(
                    "admissionregistration.k8s.io",
                    "v1",
                    "validatingadmissionpolicies",
                )
                .unwrap(),
            namespace: String::new(),
            name: "maps".to_owned(),
            subresource: String::new(),
        };
        let policy = |expression: &str| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
                "metadata": { "name": "maps" },
                "spec": {
                    "matchConstraints": { "resourceRules": [{
                        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"],
                    }] },
                    "validations": [{ "expression": expression }],
                },
            })
        };
        let options = WriteOptions::internal("tests");
        let first = engine
            .create(&target, policy("object.data > 1"), &options)
            .await
            .unwrap();
        engine
            .update(&target, policy("object.metadata.name == 'a'"), &options)
            .await
            .unwrap();
        let newest = json!({ "observedGeneration": 2, "typeChecking": {} });
        let status = || engine.get(&target).unwrap().value["status"].clone();
        assert_eq!(status(), newest);
        // As if the first write had got round to it only now.
        engine.check_types(&target, &first.object).await.unwrap();
        assert_eq!(status(), newest);
    }
}
