//! `platform chart …`: Helm charts as they are.

mod lint;
mod template;

use operations::{ChartReference, ExitCode, OperationError, chart_schema, chart_values, default_values};
use serde_json::json;

use super::{print_text, printed};
use crate::args::{Chart, ChartValues, Given, Global, Output, Schema};
use crate::print::talk::Talk;
use crate::print::value;

pub(super) fn run(talk: &Talk, global: &Global, command: Chart) -> Result<ExitCode, OperationError> {
    match command {
        Chart::Template(asked) => template::run(talk, global, *asked),
        Chart::Lint(asked) => lint::run(global, asked),
        Chart::Values(asked) => values(global, asked),
        Chart::Schema(asked) => schema(talk, global, asked),
    }
}

fn values(global: &Global, asked: ChartValues) -> Result<ExitCode, OperationError> {
    let chart = ChartReference {
        neighbours: asked.neighbours,
        ..reference(asked.chart)
    };
    let given = given(asked.given);
    if !asked.computed && given.is_empty() && global.output != Output::Json {
        return print_text(&default_values(&chart)?);
    }
    let all = chart_values(&chart, &given)?;
    let output = match global.output {
        Output::Table => Output::Yaml,
        other => other,
    };
    printed(value(output, &all, String::new))
}

fn schema(talk: &Talk, global: &Global, asked: Schema) -> Result<ExitCode, OperationError> {
    let found = chart_schema(&reference(asked.chart))?;
    if found.inferred {
        talk.say("The chart has no values.schema.json: this one is inferred from its values.yaml.");
    }
    let output = match global.output {
        Output::Table => Output::Json,
        other => other,
    };
    printed(value(output, &found.schema, String::new))
}

fn reference(place: String) -> ChartReference {
    ChartReference {
        place,
        neighbours: false,
    }
}

fn given(given: Given) -> operations::ChartValues {
    operations::ChartValues {
        files: given.values,
        json: given.set_json,
        typed: given.set,
        text: given.set_string,
        from_files: given.set_file,
        literal: given.set_literal,
        unchecked: given.skip_schema_validation,
    }
}

/// Objects as programs take them.
fn list(objects: &[serde_json::Value]) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "List", "items": objects})
}
