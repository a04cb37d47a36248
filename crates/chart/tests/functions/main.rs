//! What every function gives, case by case. The expected texts were printed by Helm 4.3.1.
//!
//! A line of a table is `EXPRESSION ==> "TEXT"`, the text as JSON writes it, or `EXPRESSION !!> WORDS`, with which
//! the error ends. All cases see the values of `values.yaml` and two files.

#![cfg(test)]

use chart::{Capabilities, Chart, Release, Surroundings, render_in};
use serde_json::Value;

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: \"1.16\"\n";
const HELPERS: &str = "{{- define \"helper\" -}}<{{ . | typeOf }}>{{- end -}}";

/// What an expression prints, or the error of its render.
fn printed(expression: &str) -> Result<String, String> {
    let case = format!(
        "{{{{- define \"case\" -}}}}{{{{ {expression} }}}}{{{{- end -}}}}\nr: {{{{ include \"case\" . | toJson }}}}\n"
    );
    let files = [
        ("Chart.yaml", CHART),
        ("values.yaml", include_str!("values.yaml")),
        ("files/a.txt", "alpha\n"),
        ("files/b.txt", "one\ntwo\n"),
        ("templates/_h.tpl", HELPERS),
        ("templates/case.yaml", &case),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let chart = Chart::from_files(files).map_err(|error| error.to_string())?;
    let surroundings = Surroundings {
        now: 1_700_000_000_000_000_000,
        ..Surroundings::default()
    };
    let rendered = render_in(
        &chart,
        &Value::Null,
        &Release::default(),
        &Capabilities::default(),
        &surroundings,
    )
    .map_err(|error| error.to_string())?;
    let value = &rendered.objects[0].value["r"];
    Ok(value
        .as_str()
        .unwrap_or_else(|| panic!("{expression}: {value}"))
        .to_owned())
}

fn check(expression: &str, expect: Result<String, &str>) -> Result<(), String> {
    match (printed(expression), expect) {
        (Ok(text), Ok(expect)) if text == expect => Ok(()),
        (Err(error), Err(words)) if error.ends_with(words) => Ok(()),
        (printed, expect) => Err(format!("{expression}\n  gives {printed:?}\n  Helm: {expect:?}")),
    }
}

fn check_table(table: &str) {
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let checked = if let Some((expression, text)) = line.split_once(" ==> ") {
            let text = serde_json::from_str(text).unwrap_or_else(|error| panic!("{line}: {error}"));
            check(expression, Ok(text))
        } else {
            let (expression, words) = line.split_once(" !!> ").unwrap_or_else(|| panic!("{line}"));
            check(expression, Err(words))
        };
        wrong.extend(checked.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn text() {
    check_table(include_str!("text.txt"));
}

#[test]
fn numbers_and_printing() {
    check_table(include_str!("numbers.txt"));
}

#[test]
fn lists_maps_and_flow() {
    check_table(include_str!("lists.txt"));
}

#[test]
fn versions_urls_patterns_and_paths() {
    check_table(include_str!("versions.txt"));
}

#[test]
fn dates() {
    check_table(include_str!("dates.txt"));
}

#[test]
fn formats_keys_and_passwords() {
    check_table(include_str!("formats.txt"));
}
