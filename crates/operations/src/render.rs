//! What a service becomes, from Git alone: no server, no cluster.

use expansion::LeftOut;
use serde_json::Value;

use crate::catalog::{Catalog, ServiceFile};
use crate::error::OperationError;

/// A service's objects and what the guardrails say of them.
#[derive(Debug)]
pub struct RenderedService {
    /// The objects and claims, in install order.
    pub objects: Vec<Value>,
    /// What the cluster cannot hold.
    pub left_out: Vec<LeftOut>,
    /// The golden path, `name@version`.
    pub golden_path: String,
}

impl RenderedService {
    /// All objects as one YAML stream.
    pub fn text(&self) -> String {
        self.objects.iter().fold(String::new(), |text, object| {
            format!("{text}---\n{}", yaml::emit(object))
        })
    }
}

/// Renders a service of the catalog.
pub fn render(catalog: &Catalog, service: &ServiceFile) -> Result<RenderedService, OperationError> {
    let (expansion, _) = catalog.expand(service)?;
    let mut objects = expansion.claims;
    objects.extend(expansion.objects);
    Ok(RenderedService {
        objects,
        left_out: expansion.left_out,
        golden_path: expansion.golden_path,
    })
}
