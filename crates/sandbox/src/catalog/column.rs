//! A column of the table in which kubectl shows the objects of a custom resource.

use serde_json::Value;

use super::JsonPath;

/// `additionalPrinterColumns[]` of a CRD, or one of the columns every custom resource has.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: JsonPath,
}

impl Column {
    /// Reads a column; `None` when its path cannot be read.
    pub(super) fn read(column: &Value) -> Option<Self> {
        let text = |name: &str| column[name].as_str().unwrap_or_default().to_owned();
        Some(Self {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            description: text("description"),
            priority: column["priority"].as_i64().unwrap_or(0),
            path: JsonPath::parse(column["jsonPath"].as_str()?)?,
        })
    }

    /// The age, which a resource without columns of its own shows.
    pub(super) fn age() -> Option<Self> {
        Some(Self {
            name: "Age".to_owned(),
            kind: "date".to_owned(),
            format: String::new(),
            description: "when the object was made".to_owned(),
            priority: 0,
            path: JsonPath::parse(".metadata.creationTimestamp")?,
        })
    }
}
