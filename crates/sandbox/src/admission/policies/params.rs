//! What a policy is parametrized by: objects that a binding names.

use std::sync::Arc;

use serde_json::Value;

use super::super::Attributes;
use crate::catalog::Resource;
use crate::engine::Engine;
use crate::store::Object;
use crate::verbs::{Selector, shown, text};

/// What a policy is evaluated with: an object as it is stored, in the terms of a resource, or nothing.
#[derive(Debug)]
pub(super) struct Param(Option<(Arc<Resource>, Arc<Object>)>);

impl Param {
    /// The object as expressions see it, which is large beside what is stored; null where there is none.
    pub(super) fn shown(&self) -> Value {
        let shown = |(resource, object): &(Arc<Resource>, Arc<Object>)| shown(resource, &object.look());
        self.0.as_ref().map_or(Value::Null, shown)
    }
}

impl Engine {
    /// What a policy is evaluated with by a binding, thing by thing; nothing at all where the binding is not about the
    /// write; an error says why they cannot be had.
    pub(super) fn params_of(
        &self,
        policy: &Value,
        binding: &Value,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<Vec<Param>, String> {
        match self.is_bound(&binding["matchResources"], write, object) {
            Ok(false) => Ok(Vec::new()),
            Ok(true) => self.params(policy, binding, write),
            Err(error) => Err(error.message),
        }
    }

    fn params(&self, policy: &Value, binding: &Value, write: &Attributes<'_>) -> Result<Vec<Param>, String> {
        let (kind, reference) = (&policy["paramKind"], &binding["paramRef"]);
        if !kind.is_object() || !reference.is_object() {
            return Ok(vec![Param(None)]);
        }
        let (version, name) = (text(kind, &["apiVersion"]), text(kind, &["kind"]));
        let catalog = self.catalog();
        let resource = catalog.of_kind(version, name).ok_or_else(|| {
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
        let found: Vec<Arc<Object>> = if !wanted.is_empty() {
            self.store
                .get(&resource.key(namespace, wanted))
                .into_iter()
                .collect()
        } else if reference["selector"].is_object() {
            let selector = Selector::of(&reference["selector"]).map_err(|error| error.message)?;
            let memory = self.store.read();
            let within = resource.namespaced.then_some(namespace);
            let objects = memory.list(&resource.collection, within, None);
            objects
                .filter(|(_, object)| selector.chooses(object))
                .map(|(_, object)| Arc::clone(object))
                .collect()
        } else {
            return Err("one of name or selector must be provided".to_owned());
        };
        if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
            return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
        }
        let param = |object| Param(Some((Arc::clone(resource), object)));
        Ok(found.into_iter().map(param).collect())
    }
}
