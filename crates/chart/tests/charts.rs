//! Whole charts: subcharts and their values, what is rendered and in which order, what is refused. The
//! expected values were taken from Helm 4.3.1.

#![cfg(test)]

use chart::{Capabilities, Chart, ChartError, Release, Rendered, render};
use serde_json::{Value, json};

fn load(files: &[(&str, &str)]) -> Result<Chart, ChartError> {
    Chart::from_files(
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())),
    )
}

const DUMP: &str = "{{- define \"dump\" -}}{{ .Values | toJson }}{{- end -}}";
const PRINTED: &str = "kind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\nvalues: {{ include \"dump\" . }}\nshared: {{ include \"shared\" . }}\nroot: {{ .Chart.IsRoot }}\n";

/// A parent with a subchart under two names, a library, imported values and a subchart of a subchart.
const TREE: &[(&str, &str)] = &[
    (
        "Chart.yaml",
        r#"
apiVersion: v2
name: parent
version: 1.0.0
kubeVersion: ">=1.20.0-0"
dependencies:
- {name: child, version: ^1, condition: "child.enabled,global.childEnabled", tags: [front]}
- {name: child, version: ~1.2, alias: second, condition: second.enabled}
- {name: lib, version: 0.x}
- name: imported
  version: "*"
  import-values:
  - data
  - {child: settings, parent: taken.settings}
  tags: [back]
- {name: nested, version: ">=0.1.0"}
"#,
    ),
    (
        "values.yaml",
        "own: parent\nreplicas: 2\nmap: {a: 1, b: {c: 2, d: null}}\nlist: [1, 2]\nglobal:\n  region: eu\n  deep: {x: parent}\nchild:\n  color: from-parent\n  nullme: null\nsecond:\n  color: second\n---\nreplicas: 3\n",
    ),
    ("templates/_dump.tpl", DUMP),
    (
        "templates/_shared.tpl",
        "{{ define \"shared\" }}parent wins{{ end }}",
    ),
    ("templates/values.yaml", PRINTED),
    (
        "templates/lib.yaml",
        "kind: ConfigMap\nmetadata: {name: lib}\nsays: {{ include \"lib.hello\" . }}\n",
    ),
    (
        "charts/child/Chart.yaml",
        "apiVersion: v2\nname: child\nversion: 1.2.3\n",
    ),
    (
        "charts/child/values.yaml",
        "color: red\nsize: 5\nnullme: default\nown: child\nglobal:\n  fromChild: 1\n  deep: {z: child}\n",
    ),
    (
        "charts/child/templates/_shared.tpl",
        "{{ define \"shared\" }}child loses{{ end }}",
    ),
    ("charts/child/templates/values.yaml", PRINTED),
    (
        "charts/lib/Chart.yaml",
        "apiVersion: v2\nname: lib\nversion: 0.3.1\ntype: library\n",
    ),
    (
        "charts/lib/templates/_lib.tpl",
        "{{ define \"lib.hello\" }}hello {{ .Release.Name }}{{ end }}",
    ),
    ("charts/lib/templates/not-rendered.yaml", "kind: Never\n"),
    (
        "charts/imported/Chart.yaml",
        "apiVersion: v2\nname: imported\nversion: 3.0.0\n",
    ),
    (
        "charts/imported/values.yaml",
        "exports:\n  data: {exported: true, replicas: 9}\nsettings: {s1: one}\n",
    ),
    (
        "charts/nested/Chart.yaml",
        "apiVersion: v2\nname: nested\nversion: 0.2.0\ndependencies:\n- {name: inner, version: 1.x, condition: inner.enabled}\n",
    ),
    ("charts/nested/values.yaml", "inner: {enabled: true, v: 1}\n"),
    (
        "charts/nested/charts/inner/Chart.yaml",
        "apiVersion: v2\nname: inner\nversion: 1.0.0\n",
    ),
    ("charts/nested/charts/inner/values.yaml", "w: 2\n"),
    ("charts/nested/charts/inner/templates/values.yaml", PRINTED),
];

fn rendered(files: &[(&str, &str)], values: &str) -> Result<Rendered, ChartError> {
    let values = yaml::parse(values).unwrap().value;
    render(
        &load(files)?,
        &values,
        &Release::default(),
        &Capabilities::default(),
    )
}

/// Renders the tree and looks at one object by its name; `null` stands for one that is not there.
#[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
fn check(values: &str, name: &str, pointer: &str, expect: Value) {
    let rendered = rendered(TREE, values).unwrap_or_else(|error| panic!("{values}: {error}"));
    let object = rendered
        .objects
        .iter()
        .find(|object| object.value["metadata"]["name"] == name);
    let found = object
        .and_then(|object| object.value.pointer(pointer))
        .cloned()
        .unwrap_or(Value::Null);
    assert_eq!(found, expect, "{name}{pointer} with {values:?}");
}

#[test]
fn values_flow_down_and_win_over_defaults() {
    check("", "parent", "/values/replicas", json!(3));
    check("replicas: 7", "parent", "/values/replicas", json!(7));
    check("", "parent", "/values/map", json!({"a": 1, "b": {"c": 2}}));
    check(
        "map: {b: {new: 1}}",
        "parent",
        "/values/map",
        json!({"a": 1, "b": {"c": 2, "new": 1}}),
    );
    check("list: [9]", "parent", "/values/list", json!([9]));
    check("", "child", "/values/color", json!("from-parent"));
    check("child: {color: user}", "child", "/values/color", json!("user"));
    check("", "child", "/values/own", json!("child"));
    check("", "second", "/values/color", json!("second"));
    check("", "parent", "/values/child/size", json!(5));
}

#[test]
fn null_takes_defaults_away() {
    check("own: null", "parent", "/values/own", Value::Null);
    check(
        "map: {a: null, b: {c: null}}",
        "parent",
        "/values/map",
        json!({"b": {}}),
    );
    check("child: {size: null}", "child", "/values/size", Value::Null);
    // What a parent's own defaults set to null stays with the child's default.
    check("", "child", "/values/nullme", json!("default"));
    // The default was handed on before the null was seen.
    check(
        "global: {region: null}",
        "child",
        "/values/global/region",
        json!("eu"),
    );
}

#[test]
fn globals_reach_every_chart_and_the_parents_win() {
    check(
        "",
        "child",
        "/values/global",
        json!({"region": "eu", "deep": {"x": "parent", "z": "child"}, "fromChild": 1}),
    );
    check(
        "",
        "inner",
        "/values/global",
        json!({"region": "eu", "deep": {"x": "parent"}}),
    );
    check(
        "",
        "parent",
        "/values/global",
        json!({"region": "eu", "deep": {"x": "parent"}}),
    );
    check(
        "global: {deep: {x: user}}\nchild: {global: {deep: {x: loses}}}",
        "child",
        "/values/global/deep/x",
        json!("user"),
    );
}

#[test]
fn conditions_and_tags_decide_which_charts_take_part() {
    let present = |values: &str, name: &str| check(values, name, "/kind", json!("ConfigMap"));
    let absent = |values: &str, name: &str| check(values, name, "/kind", Value::Null);
    present("", "child");
    absent("child: {enabled: false}", "child");
    present("child: {enabled: false}", "second");
    absent("second: {enabled: false}", "second");
    absent("global: {childEnabled: false}", "child");
    absent("tags: {front: false}", "child");
    present("tags: {front: false}\nchild: {enabled: true}", "child");
    absent("nested: {inner: {enabled: false}}", "inner");
    present("nested: {inner: {enabled: true}}", "inner");
}

#[test]
fn values_are_imported_from_subcharts() {
    check("", "parent", "/values/exported", json!(true));
    check("", "parent", "/values/taken/settings/s1", json!("one"));
    check(
        "taken: {settings: {s1: mine}}",
        "parent",
        "/values/taken/settings/s1",
        json!("mine"),
    );
    // The parent's own value stands over an imported one.
    check("", "parent", "/values/replicas", json!(3));
    check("tags: {back: false}", "parent", "/values/exported", Value::Null);
}

#[test]
fn templates_are_shared_and_the_parents_win() {
    check("", "child", "/shared", json!("parent wins"));
    check("", "inner", "/shared", json!("parent wins"));
    check("", "lib", "/says", json!("hello release-name"));
    check("", "child", "/root", json!(false));
    check("", "parent", "/root", json!(true));
}

#[test]
fn a_subcharts_value_must_be_a_mapping() {
    let error = rendered(TREE, "child: text").unwrap_err().to_string();
    assert_eq!(error, "type mismatch on child: a mapping is wanted, not \"text\"");
}

#[test]
fn files_become_objects_hooks_definitions_and_notes() {
    let files = &[
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        (".helmignore", "*.bak\n"),
        ("templates/broken.yaml.bak", "{{ nofunc }}"),
        ("templates/_partial.yaml", "kind: Partial\n"),
        (
            "templates/b.yaml",
            "---\nkind: Zebra\n---\n\n# only a comment\n---\nkind: Service\n",
        ),
        (
            "templates/a.yaml",
            "\n{{ if .Values.never }}kind: Never{{ end }}\n",
        ),
        (
            "templates/hook.yaml",
            "kind: Job\nmetadata:\n  annotations: {helm.sh/hook: \"pre-install,post-upgrade\"}\n---\nkind: Namespace\n",
        ),
        (
            "templates/NOTES.txt",
            "Thanks, {{ .Release.Name }}: {{ .Values.missing }}!\n",
        ),
        (
            "crds/one.yaml",
            "kind: CustomResourceDefinition\nmetadata: {name: a}\n---\nkind: CustomResourceDefinition\n",
        ),
        ("crds/README.md", "not a manifest: {"),
    ];
    let rendered = rendered(files, "").unwrap();
    let list = |objects: &[chart::RenderedObject]| -> Vec<(String, usize, Value)> {
        objects
            .iter()
            .map(|object| (object.source.clone(), object.line, object.value["kind"].clone()))
            .collect()
    };
    assert_eq!(
        list(&rendered.objects),
        [
            ("c/templates/hook.yaml".to_owned(), 5, json!("Namespace")),
            ("c/templates/b.yaml".to_owned(), 7, json!("Service")),
            ("c/templates/b.yaml".to_owned(), 2, json!("Zebra")),
        ]
    );
    assert_eq!(
        list(&rendered.hooks),
        [("c/templates/hook.yaml".to_owned(), 1, json!("Job"))]
    );
    assert_eq!(rendered.crds().unwrap().len(), 2);
    assert_eq!(rendered.notes.as_deref(), Some("Thanks, release-name: !\n"));
    assert_eq!(
        rendered.text(),
        concat!(
            "---\n# Source: c/templates/hook.yaml\nkind: Namespace\n\n",
            "---\n# Source: c/templates/b.yaml\nkind: Service\n\n",
            "---\n# Source: c/templates/b.yaml\n# only a comment\n\n",
            "---\n# Source: c/templates/b.yaml\nkind: Zebra\n",
            "---\n# Source: c/templates/hook.yaml\nkind: Job\nmetadata:\n  annotations: {helm.sh/hook: \"pre-install,post-upgrade\"}\n\n",
        )
    );
}

/// The expected texts are those of Helm 4.3.1.
#[test]
fn what_a_chart_says_of_itself_is_text() {
    let check = |description: &str, template: &str, expect: &str| {
        let chart = format!("apiVersion: v2\nname: c\n{description}\n");
        let template = format!("kind: A\ndata: |-\n  {{{{ {template} }}}}\n");
        let values = "y: text\nx: {b: 1, a: [1, 2.5, \"yes\"]}\n";
        let files = [
            ("Chart.yaml", chart.as_str()),
            ("values.yaml", values),
            ("templates/a.yaml", &template),
        ];
        let said = match rendered(&files, "") {
            Ok(rendered) => rendered.objects[0].value["data"].as_str().unwrap().to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(
            said.ends_with(expect),
            "{description} {template}: {said} is not {expect}"
        );
    };
    check(
        "version: 72445e2",
        ".Chart.Version",
        "chart.metadata.version \"7.2445e+06\" is invalid",
    );
    for (written, expect) in [
        ("1.10", "1.1"),
        ("72445e2", "7.2445e+06"),
        ("1e3", "1000"),
        ("123456.0", "123456"),
        ("1234567.0", "1.234567e+06"),
        ("123456789012345678901234567890", "1.2345679e+29"),
        ("0.00000001", "1e-08"),
        ("0.0001", "0.0001"),
        ("12345678901234567890", "12345678901234567890"),
        ("1e300", "+Inf"),
        ("1e400", "1e400"),
    ] {
        check(
            &format!("version: 1.0.0\nappVersion: {written}"),
            ".Chart.AppVersion",
            expect,
        );
    }
    let check = |template: &str, expect: &str| check("version: 1.0.0", template, expect);
    check("toYaml .Chart | nindent 2 | trim", "Version: 1.0.0");
    check("toYaml .Chart.Annotations", "null");
    check("toJson .Chart.Annotations", "null");
    check(
        "printf \"%v %#v\" .Chart.Annotations .Chart.Annotations",
        "map[] map[string]string(nil)",
    );
    check("eq .Chart.Annotations nil", "true");
    check("typeOf .Chart.Annotations", "map[string]string");
    check(".Chart.Annotations.none | quote", "\"\"");
    check("toToml (dict \"a\" .Chart.Annotations \"b\" 1)", "b = 1");
    check(
        ".Values.YAML | quote",
        r#""\"true\": text\nx:\n  a:\n  - 1\n  - 2.5\n  - \"yes\"\n  b: 1\n""#,
    );
    check(".Values.x.YAML | kindOf", "invalid");
    check(".Values.YAML 1", "wrong number of args for YAML: want 0 got 1");
    check(".Values.YAML.x", "can't evaluate field x in type string");
}

#[test]
fn charts_of_the_first_version_are_read() {
    let files = &[
        ("Chart.yaml", "name: old\nversion: 0.1.0\n"),
        (
            "requirements.yaml",
            "dependencies:\n- {name: sub, version: 1.x.x, condition: sub.enabled}\n",
        ),
        ("values.yaml", "sub: {enabled: true}\n"),
        ("templates/a.yaml", "kind: A\nversion: {{ .Chart.APIVersion }}\n"),
        (
            "charts/sub/Chart.yaml",
            "apiVersion: v1\nname: sub\nversion: 1.0.0\n",
        ),
        ("charts/sub/templates/b.yaml", "kind: B\n"),
    ];
    let kinds = |values: &str| -> Vec<Value> {
        rendered(files, values)
            .unwrap()
            .objects
            .iter()
            .map(|object| object.value["kind"].clone())
            .collect()
    };
    assert_eq!(kinds(""), ["A", "B"]);
    assert_eq!(kinds("sub: {enabled: false}"), ["A"]);
}

#[test]
fn schemas_are_checked_for_the_chart_and_its_subcharts() {
    let files = &[
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        (
            "values.schema.json",
            r#"{"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}, "replicas": {"type": "integer", "minimum": 1}}}"#,
        ),
        ("charts/s/Chart.yaml", "apiVersion: v2\nname: s\nversion: 1.0.0\n"),
        (
            "charts/s/values.schema.json",
            r#"{"properties": {"size": {"enum": ["small", "large"]}}}"#,
        ),
    ];
    let problems = |values: &str| match rendered(files, values) {
        Ok(_) => Vec::new(),
        Err(ChartError::Schema { problems }) => problems
            .into_iter()
            .map(|problem| (problem.chart, problem.path))
            .collect(),
        Err(other) => panic!("{other}"),
    };
    let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(chart, path)| ((*chart).to_owned(), (*path).to_owned()))
            .collect()
    };
    assert_eq!(problems("name: a\nreplicas: 2"), of(&[]));
    assert_eq!(problems("{}"), of(&[("c", "")]));
    assert_eq!(
        problems("name: A1\nreplicas: 0"),
        of(&[("c", "/name"), ("c", "/replicas")])
    );
    assert_eq!(problems("name: a\ns: {size: huge}"), of(&[("s", "/size")]));
    let error = rendered(files, "name: a\nreplicas: many")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\n- at '/replicas': \"many\" is not of type \"integer\""
    );
}

#[test]
fn what_is_no_chart_is_refused() {
    let check = |files: &[(&str, &str)], expect: &str| {
        let error = rendered(files, "").map(|_| ()).expect_err(expect).to_string();
        assert!(error.contains(expect), "{error:?} should say {expect:?}");
    };
    let description = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    check(&[], "Chart.yaml file is missing");
    check(&[("Chart.yaml", "a: [")], "cannot read Chart.yaml: line 1");
    check(&[("Chart.yaml", "- a")], "holds no mapping");
    check(
        &[("Chart.yaml", "version: 1.0.0")],
        "chart.metadata.name is required",
    );
    check(&[("Chart.yaml", "name: c")], "chart.metadata.version is required");
    check(
        &[("Chart.yaml", "name: c\nversion: one")],
        "chart.metadata.version \"one\" is invalid",
    );
    check(&[("Chart.yaml", "name: ../c\nversion: 1.0.0")], "is invalid");
    check(
        &[("Chart.yaml", "name: c\nversion: 1.0.0\ntype: other")],
        "must be application or library",
    );
    check(
        &[("Chart.yaml", "name: c\nversion: 1.0.0\ntype: library")],
        "library charts are not installable",
    );
    check(
        &[("Chart.yaml", "name: c\nversion: 1.0.0\nkubeVersion: \">=99\"")],
        "incompatible with Kubernetes v1.36.3",
    );
    check(
        &[(
            "Chart.yaml",
            "name: c\nversion: 1.0.0\napiVersion: v2\ndependencies: [{name: gone, version: 1}]",
        )],
        "missing in charts/ directory: gone",
    );
    check(&[description, ("values.yaml", "- a")], "values must be a mapping");
    check(
        &[description, ("values.yaml", "a: b: c")],
        "cannot read values.yaml: line 1",
    );
    check(&[description, ("../evil", "")], "leads out of the chart");
    check(&[description, ("/etc/passwd", "")], "leads out of the chart");
    check(&[description, (".helmignore", "**/a")], "double-star");
    check(
        &[description, ("values.schema.json", "{")],
        "cannot read values.schema.json: ",
    );
    check(
        &[
            description,
            ("values.schema.json", r#"{"$ref": "https://example.com/x.json"}"#),
        ],
        "cannot read values.schema.json",
    );
    check(
        &[description, ("charts/sub.tgz", "")],
        "error unpacking subchart sub.tgz in c: cannot unpack the chart",
    );
    check(
        &[description, ("charts/sub/values.yaml", "")],
        "error unpacking subchart sub in c: Chart.yaml file is missing",
    );
    check(
        &[description, ("templates/a.yaml", "{{ if }}")],
        "parse error at (c/templates/a.yaml:1): missing value for if",
    );
    check(
        &[
            description,
            (
                "templates/a.yaml",
                "{{ define \"x\" }}a{{ end }}\n{{ define \"x\" }}b{{ end }}",
            ),
        ],
        "multiple definition of template \"x\"",
    );
    check(
        &[description, ("templates/a.yaml", "kind: A\n---\na: b: c\n")],
        "YAML parse error on c/templates/a.yaml: line 3",
    );
}

#[test]
fn a_folder_and_its_files_are_the_same_chart() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in TREE.iter().chain(&[("notes.bak", "x"), (".helmignore", "*.bak")]) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let from_folder = Chart::from_directory(folder.path()).unwrap();
    let mut files = TREE.to_vec();
    files.push((".helmignore", "*.bak"));
    let from_files = load(&files).unwrap();
    assert_eq!(from_folder.digest(), from_files.digest());
    assert!(from_folder.digest().starts_with("sha256:"));
    assert_ne!(from_files.digest(), load(TREE).unwrap().digest());
    assert_eq!((from_folder.name(), from_folder.version()), ("parent", "1.0.0"));
    let error = Chart::from_directory(&folder.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot read "), "{error}");
}
