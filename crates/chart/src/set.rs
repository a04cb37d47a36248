//! The values that somebody gives for a render: files laid over each other, and what `--set` and its kin say.
//! Follows `pkg/strvals` and `pkg/cli/values` of Helm 4.3.1.
//!
//! It knows neither charts nor templates. One thing it keeps apart for them: a whole number from a file is a
//! float, as all of JSON's numbers are, and one from `--set` is an integer, which templates print otherwise.

mod parser;
#[cfg(test)]
mod tests;
mod whole;

use serde_json::{Map, Number, Value as Json};

use crate::chart::read_values;
use crate::error::ChartError;
use crate::values::merge_maps;

use parser::{Grammar, Parser};
pub(crate) use whole::Whole;

/// How an assignment is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `--set`: `true`, `false`, `null` and whole numbers are what they look like; all else is text.
    Typed,
    /// `--set-string`: every value is text.
    Text,
    /// `--set-json`: every value is JSON; a whole JSON object is laid over the values.
    Json,
    /// `--set-literal`: one assignment; everything behind the `=` is text, whatever stands there.
    Literal,
}

impl Setting {
    /// The option that is read like this.
    pub fn option(self) -> &'static str {
        match self {
            Self::Typed => "--set",
            Self::Text => "--set-string",
            Self::Json => "--set-json",
            Self::Literal => "--set-literal",
        }
    }
}

/// Values for a render, put together piece by piece; a later piece wins over an earlier one.
///
/// ```
/// use chart::{Setting, Values};
///
/// let mut values = Values::default();
/// values.file("values.yaml", "replicas: 2\nimage: {tag: v1}\n")?;
/// values.set(Setting::Typed, "image.tag=v2,hosts={a,b},ports[0].number=80")?;
/// assert_eq!(values.to_yaml(), "hosts:\n- a\n- b\nimage:\n  tag: v2\nports:\n- number: 80\nreplicas: 2\n");
/// # Ok::<(), chart::ChartError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// A number that is an integer here is one for templates; all others are floats.
    table: Map<String, Json>,
    /// List elements made so far: a few letters can ask for many.
    elements: usize,
    unchecked: bool,
}

impl Values {
    /// Lays a values file over what is there. `name` is what messages call it.
    pub fn file(&mut self, name: &str, text: &str) -> Result<(), ChartError> {
        let mut table = read_values(text.as_bytes(), name)?;
        table.values_mut().for_each(float);
        merge_maps(&mut self.table, table);
        Ok(())
    }

    /// Takes assignments such as `image.tag=v2,hosts={a,b},ports[0].number=80`.
    ///
    /// # Errors
    /// What Helm refuses, and lists that would have more than a few million elements.
    pub fn set(&mut self, setting: Setting, assignments: &str) -> Result<(), ChartError> {
        let read = match setting {
            Setting::Json if assignments.trim_start().starts_with('{') => {
                serde_json::from_str::<Map<String, Json>>(assignments)
                    .map_err(|error| error.to_string())
                    .map(|mut table| {
                        table.values_mut().for_each(float);
                        merge_maps(&mut self.table, table);
                    })
            }
            Setting::Json => self.parse(Grammar::Json, assignments),
            Setting::Literal => self.parse(Grammar::Literal, assignments),
            Setting::Typed => self.parse(Grammar::Values(&mut |text| Ok(parser::typed(&text))), assignments),
            Setting::Text => self.parse(Grammar::Values(&mut |text| Ok(Json::String(text))), assignments),
        };
        read.map_err(|reason| failed(setting.option(), assignments, reason))
    }

    /// Takes assignments as `--set-file` does: each value names a file, and `read` gives what it holds.
    pub fn set_files(
        &mut self,
        assignments: &str,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<(), ChartError> {
        self.parse(
            Grammar::Values(&mut |path| read(&path).map(Json::String)),
            assignments,
        )
        .map_err(|reason| failed("--set-file", assignments, reason))
    }

    /// The same values, not to be checked against `values.schema.json`.
    #[must_use]
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    /// The values as plain data.
    pub fn to_json(&self) -> Map<String, Json> {
        let mut table = self.table.clone();
        table.values_mut().for_each(plain);
        table
    }

    /// The values as a YAML file.
    pub fn to_yaml(&self) -> String {
        yaml::emit(&Json::Object(self.to_json()))
    }

    /// Where integers stand.
    pub(crate) fn whole(&self) -> Option<Whole> {
        Whole::of_table(&self.table)
    }

    pub(crate) fn are_unchecked(&self) -> bool {
        self.unchecked
    }

    fn parse(&mut self, grammar: Grammar<'_>, assignments: &str) -> Result<(), String> {
        Parser::new(grammar, assignments, &mut self.elements).run(&mut self.table)
    }
}

fn failed(option: &'static str, given: &str, reason: String) -> ChartError {
    /// More of what was given helps nobody.
    const SHOWN: usize = 80;
    let mut given: String = given.to_owned();
    if let Some((cut, _)) = given.char_indices().nth(SHOWN) {
        given.truncate(cut);
        given.push('…');
    }
    ChartError::Set {
        option,
        given,
        reason,
    }
}

/// Makes floats of all numbers, as reading JSON in Go does.
fn float(value: &mut Json) {
    each_number(value, &|number| number.as_f64().and_then(Number::from_f64));
}

/// Makes integers of floats that are whole, as JSON is written.
fn plain(value: &mut Json) {
    each_number(value, &|number| {
        let float = number.as_f64().filter(|_| number.is_f64())?;
        // Beyond this a float no longer knows its last digits.
        (float.fract() == 0.0 && float.abs() < 9e15).then(|| Number::from(float as i64))
    });
}

fn each_number(value: &mut Json, change: &dyn Fn(&Number) -> Option<Number>) {
    match value {
        Json::Number(number) => {
            if let Some(changed) = change(number) {
                *number = changed;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| each_number(item, change)),
        Json::Object(table) => table.values_mut().for_each(|item| each_number(item, change)),
        _ => {}
    }
}
