//! What people and programs see. Data goes to stdout, talk to stderr.

pub(crate) mod create;
pub(crate) mod diff;
pub(crate) mod failure;
pub(crate) mod look;
pub(crate) mod plain;
pub(crate) mod service;
pub(crate) mod talk;
pub(crate) mod team;

use std::io::{self, Write};

use serde::Serialize;

use crate::args::Output;

/// Writes data to stdout. A reader that has gone away is no failure.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes a value to stdout for programs; `table` makes the text for people.
pub(crate) fn value(
    output: Output,
    value: &impl Serialize,
    table: impl FnOnce() -> String,
) -> io::Result<()> {
    match output {
        Output::Table | Output::Other(_) => data(&plain::lines(&table())),
        Output::Json => data(&format!(
            "{}\n",
            plain::json(&serde_json::to_string_pretty(value)?)
        )),
        Output::Yaml => data(&yaml::emit(&serde_json::to_value(value)?)),
    }
}

/// A plain table: columns as wide as what is in them, two spaces between.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain::line(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(head.get(column).map(|h| h.len()))
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(head.to_vec());
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = vec![
            vec!["api-gateway".to_owned(), "Healthy".to_owned()],
            vec!["x".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["NAME", "HEALTH"], &rows),
            "NAME         HEALTH\napi-gateway  Healthy\nx\n"
        );
    }
}
