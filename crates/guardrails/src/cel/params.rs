//! The parameters of a policy: objects of the cluster that say what is allowed where.

use serde_json::Value as Json;

use crate::cursor::{Cursor, Refusal};
use crate::facts::{Call, Callee, Unavailable, guessed_plural};
use crate::request::Request;

/// The kind that parameters are of.
#[derive(Debug, Clone)]
pub(crate) struct ParamKind {
    version: String,
    kind: String,
}

/// Which objects the parameters are.
#[derive(Debug, Clone)]
pub(crate) struct ParamRef {
    name: Option<String>,
    namespace: Option<String>,
    selector: Option<String>,
    deny_missing: bool,
}

impl ParamKind {
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<ParamKind, Refusal> {
        cursor.only(&["apiVersion", "kind"])?;
        Ok(ParamKind {
            version: cursor.required("apiVersion")?.string()?.to_owned(),
            kind: cursor.required("kind")?.string()?.to_owned(),
        })
    }
}

impl ParamRef {
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<ParamRef, Refusal> {
        cursor.only(&["name", "namespace", "selector", "parameterNotFoundAction"])?;
        let text = |name: &str| {
            Ok(cursor
                .text(name)?
                .filter(|text| !text.is_empty())
                .map(str::to_owned))
        };
        let selector = match cursor.field("selector") {
            None => None,
            Some(selector) => Some(query(&selector)?),
        };
        let name = text("name")?;
        if name.is_some() == selector.is_some() {
            return Err(cursor.refuse("parameters have either a name or a selector"));
        }
        let deny_missing = match cursor.text("parameterNotFoundAction")? {
            None | Some("Deny") => true,
            Some("Allow") => false,
            Some(other) => {
                return Err(cursor.refuse_below(
                    "/parameterNotFoundAction",
                    format!("{other:?} is neither Allow nor Deny"),
                ));
            }
        };
        Ok(ParamRef {
            name,
            namespace: text("namespace")?,
            selector,
            deny_missing,
        })
    }

    /// The parameters for an object of a namespace; none when there are none and that is no matter.
    pub(crate) fn find(
        &self,
        kind: &ParamKind,
        request: &Request<'_>,
        namespace: &str,
    ) -> Result<Vec<Json>, String> {
        let known = request.facts.resource(&kind.version, &kind.kind).ok();
        let resource = known
            .as_ref()
            .map_or_else(|| guessed_plural(&kind.kind), |(resource, _)| resource.clone());
        let namespaced = known.is_none_or(|(_, namespaced)| namespaced);
        let namespace = self.namespace.as_deref().unwrap_or(namespace);
        let base = if kind.version.contains('/') {
            "/apis"
        } else {
            "/api"
        };
        let mut path = format!("{base}/{}", kind.version);
        if namespaced && !namespace.is_empty() {
            path.extend(["/namespaces/", namespace]);
        }
        path.extend(["/", &resource]);
        match (&self.name, &self.selector) {
            (Some(name), _) => path.extend(["/", name]),
            (None, Some(selector)) if !selector.is_empty() => {
                path.extend(["?labelSelector=", selector]);
            }
            _ => {}
        }
        let found = match request.facts.call(&Call {
            to: Callee::Cluster(path),
            data: None,
        }) {
            Ok(found) if self.name.is_some() => vec![found],
            Ok(found) => found
                .get("items")
                .and_then(Json::as_array)
                .cloned()
                .unwrap_or_default(),
            Err(Unavailable::Missing(_)) => Vec::new(),
            Err(unavailable) => return Err(unavailable.to_string()),
        };
        if found.is_empty() && self.deny_missing {
            return Err(format!(
                "there is no {} that the policy needs as its parameter",
                kind.kind
            ));
        }
        Ok(found)
    }
}

/// A selector as a query has it.
fn query(cursor: &Cursor<'_>) -> Result<String, Refusal> {
    let selector = crate::selector::Selector::read(cursor)?;
    let text = selector.to_string();
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    Ok(text.bytes().map(escape).collect())
}
