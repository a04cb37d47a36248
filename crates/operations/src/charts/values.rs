//! Values for a chart from where people keep them: files, standard input, the command line.

use std::fs::File;
use std::io::{self, Read};

use chart::{ChartError, Setting, Values, values_of};
use serde_json::Value;

use super::{ChartReference, failed, load};
use crate::error::OperationError;

/// How much of a file is read.
const MAX_BYTES: u64 = 64 << 20;

/// Values as they are given on a command line. Files come first, then JSON, typed values, text, files as values, and
/// literals, each in its own order: that is how Helm takes them.
#[derive(Clone, Debug, Default)]
pub struct ChartValues {
    /// Values files; `-` is standard input.
    pub files: Vec<String>,
    /// `--set-json`
    pub json: Vec<String>,
    /// `--set`
    pub typed: Vec<String>,
    /// `--set-string`
    pub text: Vec<String>,
    /// `--set-file`
    pub from_files: Vec<String>,
    /// `--set-literal`
    pub literal: Vec<String>,
    /// They are not checked against the chart's schema.
    pub unchecked: bool,
}

impl ChartValues {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        let given = [
            &self.files,
            &self.json,
            &self.typed,
            &self.text,
            &self.from_files,
            &self.literal,
        ];
        given.iter().all(|given| given.is_empty())
    }

    /// Reads them.
    pub(super) fn read(&self) -> Result<Values, OperationError> {
        let mut values = Values::default();
        for file in &self.files {
            let text = read(file)?;
            values.file(file, &text).map_err(|error| wrong(&error))?;
        }
        let given = [
            (Setting::Json, &self.json),
            (Setting::Typed, &self.typed),
            (Setting::Text, &self.text),
        ];
        for (setting, assignments) in given {
            for assignment in assignments {
                values.set(setting, assignment).map_err(|error| wrong(&error))?;
            }
        }
        for assignment in &self.from_files {
            let read = |file: &str| read(file).map_err(|error| error.to_string());
            values
                .set_files(assignment, read)
                .map_err(|error| wrong(&error))?;
        }
        for assignment in &self.literal {
            values
                .set(Setting::Literal, assignment)
                .map_err(|error| wrong(&error))?;
        }
        Ok(if self.unchecked {
            values.unchecked()
        } else {
            values
        })
    }
}

/// What is given cannot be read.
fn wrong(error: &ChartError) -> OperationError {
    let hint = matches!(error, ChartError::Set { .. }).then(|| {
        "--set takes NAME=VALUE,NAME.INNER=VALUE,LIST[0]=VALUE,LIST={A,B}; \\ before a comma keeps it"
            .to_owned()
    });
    OperationError::Invalid {
        message: error.to_string(),
        hint,
    }
}

/// The text of a file, or of standard input.
fn read(file: &str) -> Result<String, OperationError> {
    let mut data = Vec::new();
    let outcome = if file.trim() == "-" {
        io::stdin().take(MAX_BYTES + 1).read_to_end(&mut data)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut data))
    };
    let length = outcome.map_err(OperationError::io("read", file))?;
    if length as u64 > MAX_BYTES {
        return Err(OperationError::invalid(format!(
            "{file} is longer than {MAX_BYTES} bytes"
        )));
    }
    Ok(String::from_utf8_lossy(&data).into_owned())
}

/// What a chart would be rendered with, its subcharts included.
pub fn chart_values(reference: &ChartReference, given: &ChartValues) -> Result<Value, OperationError> {
    let values = given.read()?;
    let chart = load(reference)?;
    let all = values_of(&chart, &values).map_err(failed(reference))?;
    Ok(Value::Object(all))
}
