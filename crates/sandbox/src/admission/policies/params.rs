//! What a policy is parametrized by: objects that a binding names.

use serde_json::Value;

use super::super::Attributes;
use crate::engine::Engine;
use crate::verbs::{Selector, shown, text};

impl Engine {
    /// The objects that a policy is evaluated with by a binding, null where it has none, nothing at all where the binding
    /// is not about the write; an error says why they cannot be had.
    pub(super) fn params_of(
        &self,
        policy: &Value,
        binding: &Value,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<Vec<Value>, String> {
        match self.is_bound(&binding["matchResources"], write, object) {
            Ok(false) => Ok(Vec::new()),
            Ok(true) => self.params(policy, binding, write),
            Err(error) => Err(error.message),
        }
    }

    fn params(&self, policy: &Value, binding: &Value, write: &Attributes<'_>) -> Result<Vec<Value>, String> {
        let (kind, reference) = (&policy["paramKind"], &binding["paramRef"]);
        if !kind.is_object() || !reference.is_object() {
            return Ok(vec![Value::Null]);
        }
        let (version, name) = (text(kind, &["apiVersion"]), text(kind, &["kind"]));
        let catalog = self.catalog();
        let resource = catalog
            .resources()
            .iter()
            .find(|resource| resource.kind == name && resource.api_version() == version)
            .ok_or_else(|| {
                format!("paramKind kind `&ParamKind{{APIVersion:{version},Kind:{name},}}` not known")
            })?;
        let named = text(reference, &["namespace"]);
        let namespace = match (resource.namespaced, named, write.namespace()) {
            (false, "", _) => "",
            (false, _, _) => {
                return Err(
                    "paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned(),
                );
            }
            (true, "", "") => {
                return Err(
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                        .to_owned(),
                );
            }
            (true, "", own) => own,
            (true, named, _) => named,
        };
        let wanted = text(reference, &["name"]);
        let found: Vec<Value> = if !wanted.is_empty() {
            let found = self.store.get(&resource.key(namespace, wanted));
            found.iter().map(|found| shown(resource, &found.value)).collect()
        } else if reference["selector"].is_object() {
            let selector = Selector::of(&reference["selector"]).map_err(|error| error.message)?;
            let memory = self.store.read();
            let within = resource.namespaced.then_some(namespace);
            let objects = memory.list(&resource.collection, within, None);
            objects
                .filter(|(_, object)| selector.chooses(object))
                .map(|(_, object)| shown(resource, &object.look()))
                .collect()
        } else {
            return Err("one of name or selector must be provided".to_owned());
        };
        if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
            return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
        }
        Ok(found)
    }
}
