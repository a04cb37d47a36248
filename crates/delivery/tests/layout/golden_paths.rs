//! Golden paths whose charts lie beside them.

use api::Group;
use delivery::{Snapshot, layout};

use super::{check, findings, objects, read, resource};

/// A GoldenPath with one version in a folder.
fn golden_path(folder: &str) -> String {
    format!(
        "{}  versions:\n  - version: 1.0.0\n    chart:\n      directory: {folder}\n",
        resource("GoldenPath", "web").replace("spec: {}", "spec:")
    )
}

const RESOURCE: &str = "platform/golden-paths/web.yaml";
const WEB: &str = "platform/golden-paths/web";

#[test]
fn a_golden_paths_folder_comes_into_its_resource() {
    let text = golden_path(WEB);
    let desired = read(&[
        (RESOURCE, &text),
        (
            "platform/golden-paths/web/Chart.yaml",
            "name: web\ndependencies:\n- {name: lib, repository: 'file://../lib'}\n",
        ),
        (
            "platform/golden-paths/web/templates/a.yaml",
            "a: {{ .Values.a }}\n",
        ),
        ("platform/golden-paths/web/.helmignore", "ci/\n"),
        (
            "platform/golden-paths/web/charts/inner/Chart.yaml",
            "name: inner\n",
        ),
        ("platform/golden-paths/webber/Chart.yaml", "name: webber\n"),
        ("platform/golden-paths/lib/Chart.yaml", "name: lib\n"),
        (
            "platform/golden-paths/lib/templates/_a.tpl",
            "{{ define \"a\" }}{{ end }}",
        ),
    ]);
    assert!(desired.findings.is_empty(), "{:#?}", desired.findings);
    assert_eq!(objects(&desired), ["-/GoldenPath/web"]);
    let chart = &desired.objects[0].value["spec"]["versions"][0]["chart"];
    let names: Vec<&String> = chart["files"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            ".helmignore",
            "Chart.yaml",
            "charts/inner/Chart.yaml",
            "charts/lib/Chart.yaml",
            "charts/lib/templates/_a.tpl",
            "templates/a.yaml"
        ]
    );
    assert_eq!(chart["files"]["templates/a.yaml"], "a: {{ .Values.a }}\n");
    assert_eq!(chart["directory"], WEB);
}

#[test]
fn a_chart_that_cannot_come_along_is_said_where_it_is_named() {
    let chart = ("platform/golden-paths/web/Chart.yaml", "name: web\n");
    let refused = |folder: &str, others: &[(&str, &str)], said: &str| {
        let text = golden_path(folder);
        let files: Vec<(&str, &str)> = [(RESOURCE, text.as_str())]
            .iter()
            .chain(others)
            .copied()
            .collect();
        let desired = read(&files);
        assert_eq!(objects(&desired), Vec::<String>::new(), "{said}");
        let found = findings(&desired);
        assert_eq!(found.len(), 1, "{found:#?}");
        let expect = format!("{RESOURCE}:9: {said}");
        assert!(found[0].starts_with(&expect), "{}\nshould say {expect}", found[0]);
        assert!(desired.findings[0].hint.is_some());
    };
    refused(WEB, &[], "there is no folder platform/golden-paths/web");
    refused(
        "platform/golden-paths/web/templates",
        &[chart, ("platform/golden-paths/web/templates/a.yaml", "")],
        "the folder platform/golden-paths/web/templates is no chart",
    );
    for outside in [
        "teams/demo",
        "platform/policies",
        "platform/golden-paths/../policies",
        "platform/golden-paths/",
    ] {
        refused(outside, &[chart], "the folder ");
    }
    let half = "x".repeat(600_000);
    refused(
        WEB,
        &[
            chart,
            ("platform/golden-paths/web/a.txt", &half),
            ("platform/golden-paths/web/b.txt", &half),
        ],
        "the charts of this golden path have more than 1048576 bytes together",
    );
    let missing = "name: web\ndependencies: [{name: lib, repository: 'file://../lib'}]\n";
    refused(
        WEB,
        &[("platform/golden-paths/web/Chart.yaml", missing)],
        "there is no folder platform/golden-paths/lib",
    );
    let upwards = "name: web\ndependencies: [{name: p, repository: 'file://../../policies'}]\n";
    let text = golden_path(WEB);
    let desired = read(&[
        (RESOURCE, &text),
        ("platform/golden-paths/web/Chart.yaml", upwards),
    ]);
    let files = &desired.objects[0].value["spec"]["versions"][0]["chart"]["files"];
    assert_eq!(
        files.as_object().unwrap().len(),
        1,
        "nothing comes from outside of platform/golden-paths/"
    );
    let both = format!("{}      files: {{a: b}}\n", golden_path(WEB));
    check(
        &[(RESOURCE, &both), chart],
        &[],
        &["web.yaml:9: the chart's files are given beside its directory"],
    );
}

#[test]
fn what_the_snapshot_left_out_breaks_the_chart() {
    let text = golden_path(WEB);
    let mut snapshot = Snapshot::of_files([
        (RESOURCE, text.as_str()),
        ("platform/golden-paths/web/Chart.yaml", "name: web\n"),
    ])
    .unwrap();
    for left_out in [
        "platform/golden-paths/web/templates/link.yaml",
        "platform/golden-paths/web",
    ] {
        snapshot.findings = vec![delivery::Finding {
            file: left_out.to_owned(),
            line: None,
            message: "symbolic links are left out".to_owned(),
            hint: None,
        }];
        let desired = layout::read(&snapshot, &Group::default());
        assert_eq!(objects(&desired), Vec::<String>::new());
        let found = findings(&desired);
        let expect = format!("{RESOURCE}:9: the chart is not whole: {left_out}: symbolic links are left out");
        assert!(found.contains(&expect), "{found:#?}");
    }
}

#[test]
fn a_file_in_no_chart_is_said() {
    let chart = ("platform/golden-paths/web/Chart.yaml", "name: web\n");
    let resource = resource("GoldenPath", "lost");
    check(
        &[chart, ("platform/golden-paths/web/ci/values.yaml", "a: {{ b }}")],
        &[],
        &[],
    );
    check(
        &[chart, ("platform/golden-paths/lost/lost.yaml", &resource)],
        &[],
        &["platform/golden-paths/lost/lost.yaml: the file is neither a golden path nor a part of a chart"],
    );
    check(&[("platform/golden-paths/lost/README.md", "words")], &[], &[]);
}
