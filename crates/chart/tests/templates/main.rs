//! Small templates and what they print. The expected texts were taken from Helm 4.3.1.

#![cfg(test)]

mod actions;
mod conversion;
mod errors;
mod lists;
mod numbers;
mod text;

use chart::{Capabilities, Chart, ChartError, Release, render};
use serde_json::Value;

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: 1.16\ndescription: A demo\ntype: application\nannotations:\n  note: 5\n";

const VALUES: &str = r#"name: demo
empty: ""
nothing: null
int: 3
big: 1234567
huge: 12345678901234567890
float: 2.5
yes: true
off_: 0
offvalue: false
list: [a, b, c]
numbers: [3, 1, 2]
mixed: [1, "1", true, null]
map:
  b: 2
  a: 1
  nested: {deep: {er: x}}
emptyList: []
emptyMap: {}
text: "line one\nline two\n"
template: "{{ .Values.name }}-{{ .Release.Name }}"
version: "1.10"
long: "word word word word word word word word word word word word word word word word word word word word"
quoted: "it's \"quoted\" & <tagged>"
unicode: "héllo wörld ☃"
"#;

const HELPERS: &str = r#"{{- define "helper" -}}<{{ . | typeOf }}>{{- end -}}
{{- define "boom" }}
  {{ .Values.missing.deep }}
{{ end -}}
{{- define "yamlish" }}list:
- 1
- a: b
{{ end -}}
{{- define "loop" }}{{ include "loop" . }}{{ end -}}
"#;

fn rendered(template: String) -> Result<Value, ChartError> {
    let files = [
        ("Chart.yaml", CHART.to_owned()),
        ("values.yaml", VALUES.to_owned()),
        ("files/a.txt", "alpha\n".to_owned()),
        ("files/b.txt", "one\ntwo\n".to_owned()),
        ("templates/_helpers.tpl", HELPERS.to_owned()),
        ("templates/case.yaml", template),
    ];
    let chart = Chart::from_files(files.map(|(path, text)| (path.to_owned(), text.into_bytes())))?;
    let release = Release {
        name: "rel".to_owned(),
        namespace: "ns".to_owned(),
        ..Release::default()
    };
    let capabilities = Capabilities {
        kube_version: "v1.37.0".to_owned(),
        ..Capabilities::default()
    };
    let mut objects = render(&chart, &Value::Null, &release, &capabilities)?.objects;
    Ok(objects.pop().map_or(Value::Null, |object| object.value))
}

/// Renders a template and compares the text.
fn check(template: &str, expect: &str) {
    // The template stands in a definition, so that its text can be anything.
    let wrapped = format!(
        "{{{{- define \"case\" -}}}}{template}{{{{- end -}}}}\nresult: {{{{ include \"case\" . | toJson }}}}\n"
    );
    let value = rendered(wrapped).unwrap_or_else(|error| panic!("{template}\n{error}"));
    assert_eq!(value["result"], expect, "{template}");
}

/// Renders a template that fails and compares the error.
fn check_error(template: &str, expect: &str) {
    let error = rendered(format!("{template}\n")).expect_err(template).to_string();
    assert_eq!(error, expect, "{template}");
}
