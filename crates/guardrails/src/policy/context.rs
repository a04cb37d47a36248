//! The `context` of a rule: names, and where their values come from.

use serde_json::Value;

use super::rule::{Reading, learn};
use crate::cursor::{Cursor, Refusal};

/// A name that a rule's context gives a value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) source: Source,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Variable {
        value: Option<Value>,
        path: Option<String>,
        default: Option<Value>,
    },
    /// A ConfigMap of the cluster.
    ConfigMap { name: String, namespace: String },
    /// A call of the Kubernetes API or of another service.
    Call {
        to: Target,
        /// What is sent, by key; a GET when there is nothing.
        data: Option<Vec<(String, Value)>>,
        path: Option<String>,
        default: Option<Value>,
    },
    /// A `GlobalContextEntry`: `name` or `name.projection`.
    Global { name: String, path: Option<String> },
    /// What a registry says of an image.
    Image { reference: String, path: Option<String> },
}

/// Where a call goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Cluster(String),
    Service {
        url: String,
        ca_bundle: Option<String>,
        headers: Vec<(String, String)>,
    },
}

impl Entry {
    /// Whether its value is made from others alone.
    pub(crate) fn is_variable(&self) -> bool {
        matches!(self.source, Source::Variable { .. })
    }
}

/// Reads a `context`.
pub(crate) fn read_context(
    list: Option<Cursor<'_>>,
    reading: &mut Reading<'_>,
) -> Result<Vec<Entry>, Refusal> {
    let Some(list) = list else { return Ok(Vec::new()) };
    list.items()?
        .iter()
        .map(|item| read_entry(item, reading))
        .collect()
}

fn read_entry(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Entry, Refusal> {
    const SOURCES: [&str; 5] = [
        "variable",
        "configMap",
        "apiCall",
        "imageRegistry",
        "globalReference",
    ];
    cursor.only(&["name", SOURCES[0], SOURCES[1], SOURCES[2], SOURCES[3], SOURCES[4]])?;
    let name = cursor.required("name")?;
    if name.string()?.is_empty() {
        return Err(name.refuse("a context entry needs a name"));
    }
    let present: Vec<Cursor<'_>> = SOURCES.iter().filter_map(|source| cursor.field(source)).collect();
    let ([inner], Some(kind)) = (
        present.as_slice(),
        SOURCES.iter().find(|source| cursor.field(source).is_some()),
    ) else {
        return Err(cursor.refuse(format!("exactly one of {} is needed here", SOURCES.join(", "))));
    };
    learn(inner, reading)?;
    let path = read_path(inner, reading)?;
    let text = |cursor: &Cursor<'_>, field: &str| cursor.required(field)?.string().map(str::to_owned);
    let default = || inner.field("default").map(|value| value.value.clone());
    let source = match *kind {
        "variable" => {
            inner.only(&["value", "jmesPath", "default"])?;
            Source::Variable {
                value: inner.field("value").map(|value| value.value.clone()),
                path,
                default: default(),
            }
        }
        "configMap" => {
            inner.only(&["name", "namespace"])?;
            Source::ConfigMap {
                name: text(inner, "name")?,
                namespace: inner.text("namespace")?.unwrap_or_default().to_owned(),
            }
        }
        "apiCall" => {
            inner.only(&["urlPath", "method", "data", "service", "jmesPath", "default"])?;
            Source::Call {
                to: read_target(inner)?,
                data: read_data(inner)?,
                path,
                default: default(),
            }
        }
        "globalReference" => {
            inner.only(&["name", "jmesPath"])?;
            Source::Global {
                name: text(inner, "name")?,
                path,
            }
        }
        _ => {
            inner.only(&["reference", "jmesPath", "imageRegistryCredentials"])?;
            Source::Image {
                reference: text(inner, "reference")?,
                path,
            }
        }
    };
    Ok(Entry {
        name: name.string()?.to_owned(),
        source,
    })
}

/// A `jmesPath`; what holds variables is only known once they are filled in.
fn read_path(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Option<String>, Refusal> {
    let path = cursor
        .text("jmesPath")?
        .map(str::trim)
        .filter(|path| !path.is_empty());
    if let Some(path) = path.filter(|path| !path.contains("{{")) {
        reading
            .expressions
            .learn_expression(path, &mut reading.unsupported)
            .map_err(|reason| cursor.refuse_below("/jmesPath", format!("cannot read it: {reason}")))?;
    }
    Ok(path.map(str::to_owned))
}

fn read_target(cursor: &Cursor<'_>) -> Result<Target, Refusal> {
    let path = cursor.text("urlPath")?.filter(|path| !path.is_empty());
    match (path, cursor.field("service")) {
        (Some(path), None) => Ok(Target::Cluster(path.to_owned())),
        (None, Some(service)) => {
            service.only(&["url", "caBundle", "headers"])?;
            let mut headers = Vec::new();
            for header in service
                .field("headers")
                .map(|list| list.items())
                .transpose()?
                .unwrap_or_default()
            {
                header.only(&["key", "value"])?;
                let (key, value) = (header.required("key")?, header.required("value")?);
                headers.push((key.string()?.to_owned(), value.string()?.to_owned()));
            }
            Ok(Target::Service {
                url: service.required("url")?.string()?.to_owned(),
                ca_bundle: service
                    .text("caBundle")?
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned),
                headers,
            })
        }
        _ => Err(cursor.refuse("exactly one of urlPath, service is needed here")),
    }
}

/// What is sent with a POST.
fn read_data(cursor: &Cursor<'_>) -> Result<Option<Vec<(String, Value)>>, Refusal> {
    let mut data = Vec::new();
    for item in cursor
        .field("data")
        .map(|list| list.items())
        .transpose()?
        .unwrap_or_default()
    {
        item.only(&["key", "value"])?;
        let value = item
            .field("value")
            .map_or(Value::Null, |value| value.value.clone());
        data.push((item.required("key")?.string()?.to_owned(), value));
    }
    match cursor.text("method")?.unwrap_or("GET") {
        "POST" => Ok(Some(data)),
        "GET" => Ok(None),
        other => Err(cursor.refuse_below("/method", format!("{other:?} is neither GET nor POST"))),
    }
}
