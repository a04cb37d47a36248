//! `values.schema.json`: checking the values of a chart, and of each of its subcharts, against their schemas.
//! Only what the schema itself holds is used; a reference to another document is a problem like any other.

mod pattern;

use std::sync::{Arc, OnceLock};

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde_json::{Map, Value as Json};

use crate::dependencies::Instance;
use crate::error::{ChartError, SchemaProblem};

/// How many problems of one chart are told.
const MAX_PROBLEMS: usize = 50;
/// How long a problem's text may be, in characters.
const MAX_MESSAGE: usize = 300;

/// A chart's schema: compiled when it is first needed.
pub(crate) struct Schema {
    pub(crate) bytes: Arc<[u8]>,
    compiled: OnceLock<Result<Validator, String>>,
}

impl Schema {
    pub(crate) fn new(bytes: Arc<[u8]>) -> Self {
        Self {
            bytes,
            compiled: OnceLock::new(),
        }
    }

    fn validator(&self) -> Result<&Validator, String> {
        let compile = || {
            let schema: Json = serde_json::from_slice(&self.bytes).map_err(|error| error.to_string())?;
            jsonschema::options()
                // Patterns of untrusted schemas must run in linear time.
                .with_pattern_options(PatternOptions::regex())
                .with_keyword("pattern", pattern::keyword)
                .with_retriever(Outside)
                .build(&schema)
                .map_err(|error| shortened(&error.to_string()))
        };
        self.compiled.get_or_init(compile).as_ref().map_err(Clone::clone)
    }

    /// What is wrong with the values of a chart by this schema.
    pub(crate) fn problems(&self, chart: &str, values: &Json) -> Vec<SchemaProblem> {
        let problem = |path: String, message: String| SchemaProblem {
            chart: chart.to_owned(),
            path,
            message,
        };
        match self.validator() {
            // Helm tells of a schema that cannot be used as it does of values that break one.
            Err(message) => vec![problem(
                String::new(),
                format!("cannot read values.schema.json: {message}"),
            )],
            Ok(validator) => validator
                .iter_errors(values)
                .take(MAX_PROBLEMS)
                .map(|error| problem(error.instance_path().to_string(), shortened(&error.to_string())))
                .collect(),
        }
    }
}

/// What stands outside a schema: nothing is loaded, and a `urn:` stands for any value.
struct Outside;

impl Retrieve for Outside {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        if uri.scheme().as_str() == "urn" {
            return Ok(Json::Bool(true));
        }
        Err("references to other documents are not followed".into())
    }
}

/// Checks the values of a chart and of all below it, and tells every problem found.
pub(crate) fn validate(root: &Instance<'_>, values: &Map<String, Json>) -> Result<(), ChartError> {
    let mut problems = Vec::new();
    collect(root, &Json::Object(values.clone()), &mut problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ChartError::Schema { problems })
    }
}

fn collect(instance: &Instance<'_>, values: &Json, problems: &mut Vec<SchemaProblem>) {
    if let Some(schema) = &instance.chart.schema {
        problems.extend(schema.problems(&instance.name, values));
    }
    for child in &instance.children {
        match values.get(&child.name) {
            None | Some(Json::Null) => {}
            Some(own) => collect(child, own, problems),
        }
    }
}

fn shortened(message: &str) -> String {
    if message.chars().count() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let mut short: String = message.chars().take(MAX_MESSAGE).collect();
    short.push('…');
    short
}
