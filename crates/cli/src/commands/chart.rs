//! `platform chart …`: Helm charts as they are.

mod lint;
mod template;

use std::io::{self, BufRead as _, BufReader, Read as _};

use operations::{
    ChartReference, Credentials, ExitCode, OperationError, chart_schema, chart_values, default_values,
    fetch_chart,
};
use serde_json::json;

use super::{print_text, printed};
use crate::args::{Chart, ChartValues, Given, Global, Output, Remote, Schema};
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
        ..reference(asked.chart, asked.remote, Some(&asked.given))?
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
    let found = chart_schema(&reference(asked.chart, asked.remote, None)?)?;
    if found.inferred {
        talk.say("The chart has no values.schema.json: this one is inferred from its values.yaml.");
    }
    let output = match global.output {
        Output::Table => Output::Json,
        other => other,
    };
    printed(value(output, &found.schema, String::new))
}

/// The chart that is meant, fetched if it is not on this machine.
fn reference(chart: String, asked: Remote, given: Option<&Given>) -> Result<ChartReference, OperationError> {
    let credentials = match asked.username {
        Some(_) if given.is_some_and(|given| given.values.iter().any(|file| file.trim() == "-")) => {
            return Err(OperationError::invalid_hint(
                "standard input cannot hold both the password and values",
                "put the values into a file",
            ));
        }
        Some(name) => Some(Credentials {
            name,
            password: password()?.into(),
        }),
        None => None,
    };
    let remote = operations::Remote {
        chart,
        repository: asked.repository,
        version: asked.version,
        plain_http: asked.plain_http,
        ca_file: asked.ca_file,
        credentials,
    };
    crate::runtime()?.block_on(fetch_chart(&remote))
}

/// The first line of standard input.
fn password() -> Result<String, OperationError> {
    const LONGEST: u64 = 64 << 10;
    let mut line = String::new();
    BufReader::new(io::stdin().take(LONGEST))
        .read_line(&mut line)
        .map_err(OperationError::io("read the password from", "standard input"))?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    if line.is_empty() {
        return Err(OperationError::invalid_hint(
            "standard input holds no password",
            "pipe it in: cat password.txt | platform chart …",
        ));
    }
    Ok(line)
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
