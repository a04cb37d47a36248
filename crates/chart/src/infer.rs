//! A JSON Schema for a chart's values: the chart's own, or one inferred from `values.yaml`, so that an editor can
//! complete and check a values file even where the chart's author wrote no schema.

mod comments;

use serde_json::{Map, Value as Json, json};

use crate::chart::read_values;
use crate::error::ChartError;
use crate::metadata::Metadata;
use crate::source::ChartFiles;

use comments::Comments;

/// How many elements of a list are looked at.
const MAX_ELEMENTS: usize = 100;

/// The schema of a chart's values.
#[derive(Debug, Clone, PartialEq)]
pub struct ValuesSchema {
    /// The schema.
    pub schema: Json,
    /// It was made from `values.yaml`, because the chart has none.
    pub inferred: bool,
}

impl ValuesSchema {
    /// The chart's `values.schema.json`, or a schema inferred from its `values.yaml`: types, nested mappings,
    /// defaults, and descriptions from comments.
    ///
    /// An inferred schema takes the chart's own defaults, and does not mind values it has not seen. A default of
    /// `null` says nothing of a type.
    pub fn of(files: &ChartFiles) -> Result<Self, ChartError> {
        if let Some(data) = files.get("values.schema.json") {
            let schema = serde_json::from_slice(data)
                .map_err(|error| ChartError::Invalid(format!("cannot read values.schema.json: {error}")))?;
            return Ok(Self {
                schema,
                inferred: false,
            });
        }
        let chart = files
            .text("Chart.yaml")
            .ok_or_else(|| ChartError::Invalid("Chart.yaml file is missing".to_owned()))?;
        let metadata = Metadata::parse(&chart, "Chart.yaml")?;
        let text = files.text("values.yaml").unwrap_or_default();
        let mut values = read_values(text.as_bytes(), "values.yaml")?;
        // Subcharts and globals are there whether the file speaks of them or not.
        let subcharts = metadata.dependencies.iter().flatten().map(|dependency| {
            if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            }
        });
        for name in subcharts.map(String::as_str).chain(["global"]) {
            if !values.contains_key(name) {
                values.insert(name.to_owned(), json!({}));
            }
        }
        let comments = Comments::read(&text);
        let Json::Object(inner) = table(&values, &mut Vec::new(), &comments) else {
            return Err(ChartError::Invalid("values must be a mapping".to_owned()));
        };
        let mut schema = Map::new();
        schema.insert(
            "$schema".to_owned(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        schema.insert("title".to_owned(), json!(format!("Values of {}", metadata.name)));
        schema.extend(inner);
        Ok(Self {
            schema: Json::Object(schema),
            inferred: true,
        })
    }
}

fn table<'a>(values: &'a Map<String, Json>, path: &mut Vec<&'a str>, comments: &Comments) -> Json {
    let mut properties = Map::new();
    for (name, value) in values {
        path.push(name);
        let mut schema = Map::new();
        if let Some(description) = comments.of(path) {
            schema.insert("description".to_owned(), json!(description));
        }
        if let Json::Object(inner) = of(value, path, comments) {
            schema.extend(inner);
        }
        if !value.is_object() {
            schema.insert("default".to_owned(), value.clone());
        }
        properties.insert(name.clone(), Json::Object(schema));
        path.pop();
    }
    if properties.is_empty() {
        json!({"type": "object"})
    } else {
        json!({"type": "object", "properties": properties})
    }
}

fn of<'a>(value: &'a Json, path: &mut Vec<&'a str>, comments: &Comments) -> Json {
    match value {
        Json::Null => json!({}),
        Json::Bool(_) => json!({"type": "boolean"}),
        Json::Number(number) if number.is_f64() => json!({"type": "number"}),
        Json::Number(_) => json!({"type": "integer"}),
        Json::String(_) => json!({"type": "string"}),
        Json::Array(items) => match element(items) {
            Some(element) => json!({"type": "array", "items": element}),
            None => json!({"type": "array"}),
        },
        Json::Object(values) => table(values, path, comments),
    }
}

/// What the elements of a list have in common, if they are all of one type.
fn element(items: &[Json]) -> Option<Json> {
    if items.len() > MAX_ELEMENTS {
        return None;
    }
    let none = Comments::default();
    let mut schemas = items.iter().map(|item| of(item, &mut Vec::new(), &none));
    let mut common = schemas.next()?;
    for schema in schemas {
        common = merged(common, schema)?;
    }
    strip_defaults(&mut common);
    common.get("type").is_some().then_some(common)
}

/// A schema for what either of two says; `None` if they have nothing in common.
fn merged(one: Json, other: Json) -> Option<Json> {
    if one.get("type") != other.get("type") {
        let types = [one.get("type")?.as_str()?, other.get("type")?.as_str()?];
        let numbers = types.iter().all(|kind| matches!(*kind, "integer" | "number"));
        return numbers.then(|| json!({"type": "number"}));
    }
    let (Json::Object(mut one), Json::Object(other)) = (one, other) else {
        return None;
    };
    let Some(Json::Object(theirs)) = other.get("properties") else {
        // A list within a list says what its elements are only if both do.
        if one.get("items") != other.get("items") {
            one.remove("items");
        }
        return Some(Json::Object(one));
    };
    let properties = one.entry("properties").or_insert_with(|| json!({}));
    if let Json::Object(properties) = properties {
        for (name, schema) in theirs {
            let joint = match properties.remove(name) {
                // Of a property on which they do not agree nothing is said.
                Some(known) => merged(known, schema.clone()).unwrap_or_else(|| json!({})),
                None => schema.clone(),
            };
            properties.insert(name.clone(), joint);
        }
    }
    Some(Json::Object(one))
}

/// What one element holds is no default for others.
fn strip_defaults(schema: &mut Json) {
    if let Json::Object(schema) = schema {
        schema.remove("default");
        if let Some(items) = schema.get_mut("items") {
            strip_defaults(items);
        }
        if let Some(Json::Object(properties)) = schema.get_mut("properties") {
            properties.values_mut().for_each(strip_defaults);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(values: &str) -> Json {
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n"),
            ("values.yaml", values),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        ValuesSchema::of(&ChartFiles::from_files(files).unwrap())
            .unwrap()
            .schema
    }

    #[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
    fn check(values: &str, pointer: &str, expect: Json) {
        let schema = schema(values);
        assert_eq!(schema.pointer(pointer), Some(&expect), "{values}");
        // What is inferred from values takes them.
        let values = Json::Object(read_values(values.as_bytes(), "values.yaml").unwrap());
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&values), "{values}: {schema}");
    }

    #[test]
    fn types_are_inferred() {
        check(
            "a: x\n",
            "/properties/a",
            json!({"type": "string", "default": "x"}),
        );
        check(
            "a: 1\n",
            "/properties/a",
            json!({"type": "integer", "default": 1}),
        );
        check(
            "a: 1.5\n",
            "/properties/a",
            json!({"type": "number", "default": 1.5}),
        );
        check(
            "a: yes\n",
            "/properties/a",
            json!({"type": "boolean", "default": true}),
        );
        check("a:\n", "/properties/a", json!({"default": null}));
        check("a: {}\n", "/properties/a", json!({"type": "object"}));
        check(
            "a: []\n",
            "/properties/a",
            json!({"type": "array", "default": []}),
        );
        check(
            "a: {b: {c: 1}}\n",
            "/properties/a/properties/b",
            json!({"type": "object", "properties": {"c": {"type": "integer", "default": 1}}}),
        );
        check("", "/properties", json!({"global": {"type": "object"}}));
        check("", "/title", json!("Values of demo"));
    }

    #[test]
    fn lists_are_of_what_their_elements_share() {
        check("a: [x, z]\n", "/properties/a/items", json!({"type": "string"}));
        check("a: [1, 1.5]\n", "/properties/a/items", json!({"type": "number"}));
        check("a: [[1], [x]]\n", "/properties/a/items", json!({"type": "array"}));
        check(
            "a: [x, 1]\n",
            "/properties/a",
            json!({"type": "array", "default": ["x", 1]}),
        );
        check("a: [x, null]\n", "/properties/a/type", json!("array"));
        check("a: [null, {b: 1}]\n", "/properties/a/type", json!("array"));
        check(
            "a: [{b: 1, c: x}, {b: z, d: [1]}]\n",
            "/properties/a/items",
            json!({"type": "object", "properties": {
                "b": {}, "c": {"type": "string"}, "d": {"type": "array", "items": {"type": "integer"}},
            }}),
        );
        check(
            "a: [{}, {b: 1}]\n",
            "/properties/a/items/properties/b",
            json!({"type": "integer"}),
        );
    }

    #[test]
    fn a_chart_may_have_its_own() {
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n"),
            ("values.schema.json", "{\"type\": \"object\"}"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let found = ValuesSchema::of(&ChartFiles::from_files(files).unwrap()).unwrap();
        assert_eq!((found.schema, found.inferred), (json!({"type": "object"}), false));
    }
}
