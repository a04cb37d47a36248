//! Which golden path is resolved, and what is refused as one.

use super::*;
use serde_json::json;

const CHART: &str = "apiVersion: v2\nname: any\nversion: 1.0.0\n";
const CONFIG: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.name }}\ndata:\n  a: b\n";

fn spec(value: Value) -> GoldenPathSpec {
    serde_json::from_value(value).unwrap()
}

/// A version of a chart with one template.
fn version(number: &str, template: &str) -> Value {
    json!({"version": number, "chart": {"files": {
        "Chart.yaml": CHART.replace("1.0.0", number),
        "templates/all.yaml": template,
    }}})
}

fn paths(resources: &[(&str, Value)]) -> GoldenPaths {
    let resources = resources
        .iter()
        .map(|(name, value)| ((*name).to_owned(), spec(value.clone())));
    GoldenPaths::default().replaced(resources, Vec::new()).unwrap()
}

fn reference(text: &str) -> GoldenPathReference {
    let (name, version) = text
        .split_once('@')
        .map_or((text, None), |(name, v)| (name, Some(v.to_owned())));
    GoldenPathReference {
        name: name.to_owned(),
        version,
        digest: None,
    }
}

/// What is resolved, or the words that an error and its hint hold.
#[track_caller]
fn check(paths: &GoldenPaths, asked: Option<&str>, expect: Result<&str, &[&str]>) {
    let found = paths.resolve(asked.map(reference).as_ref());
    match (found, expect) {
        (Ok(path), Ok(id)) => assert_eq!(path.id(), id),
        (Err(error), Err(words)) => {
            let said = format!("{error} | {}", error.hint().unwrap_or_default());
            for word in words {
                assert!(said.contains(word), "{said}\nshould say {word}");
            }
        }
        (found, expect) => panic!("{found:?} is not {expect:?}"),
    }
}

#[test]
fn shipped_paths_need_no_resource() {
    let shipped = GoldenPaths::shipped().unwrap();
    assert_eq!(
        shipped.names().collect::<Vec<_>>(),
        ["base-service", "cron-job", "static-site", "worker"]
    );
    let version = builtin::golden_path("worker").unwrap().version().to_owned();
    let id = format!("worker@{version}");
    check(&shipped, Some("worker"), Ok(&id));
    check(&shipped, Some(&id), Ok(&id));
    check(
        &shipped,
        None,
        Ok(&builtin::golden_path(DEFAULT_GOLDEN_PATH).unwrap().id()),
    );
    check(
        &shipped,
        Some("worker@9.9.9"),
        Err(&["worker has no version \"9.9.9\"", "there is ", &version]),
    );
    check(
        &shipped,
        Some("webapp"),
        Err(&["no golden path called \"webapp\"", "base-service, cron-job"]),
    );
    // Charts of claims and of teams are no golden paths for services.
    for inner in ["team", "postgres", "redis", "service-library"] {
        check(&shipped, Some(inner), Err(&["no golden path called"]));
    }
}

#[test]
fn the_newest_version_is_the_newest_by_number() {
    let versions: Vec<Value> = ["1.9.0", "1.10.0", "1.10.0-rc.1", "0.1.0"]
        .map(|v| version(v, CONFIG))
        .into();
    let paths = paths(&[("web", json!({"versions": versions}))]);
    check(&paths, Some("web"), Ok("web@1.10.0"));
    check(&paths, Some("web@0.1.0"), Ok("web@0.1.0"));
    check(
        &paths,
        Some("web@2.0.0"),
        Err(&[
            "web has no version \"2.0.0\"",
            "there is 1.10.0, 1.10.0-rc.1, 1.9.0, 0.1.0",
        ]),
    );
}

#[test]
fn a_resource_takes_the_place_of_a_shipped_path() {
    let own = json!({"versions": [version("7.0.0", CONFIG)]});
    check(
        &paths(&[("base-service", own.clone())]),
        None,
        Ok("base-service@7.0.0"),
    );
    check(
        &paths(&[("web", own)]),
        None,
        Ok(&builtin::golden_path(DEFAULT_GOLDEN_PATH).unwrap().id()),
    );
    let shipped = builtin::golden_path("worker").unwrap();
    let alias = json!({"versions": [{"version": shipped.version(), "chart": {"embedded": "worker"}}]});
    let id = format!("queue@{}", shipped.version());
    check(&paths(&[("queue", alias)]), Some("queue"), Ok(&id));
}

#[test]
fn one_path_is_the_default() {
    let default = |more: Value| json!({"default": more, "versions": [version("1.0.0", CONFIG)]});
    check(&paths(&[("web", default(json!(true)))]), None, Ok("web@1.0.0"));
    let two = paths(&[("web", default(json!(true))), ("api", default(json!(true)))]);
    check(
        &two,
        None,
        Err(&["api cannot be followed", "so does web", "leave spec.default out"]),
    );
    check(&two, Some("web"), Ok("web@1.0.0"));
    let unread = vec!["platform/golden-paths/x.yaml:3: it is broken".to_owned()];
    let unread = GoldenPaths::default().replaced([], unread).unwrap();
    check(
        &unread,
        None,
        Err(&["cannot be read: platform/golden-paths/x.yaml:3"]),
    );
    check(
        &unread,
        Some("x"),
        Err(&["x cannot be followed", "x.yaml:3: it is broken"]),
    );
    check(
        &unread,
        Some("worker"),
        Ok(&builtin::golden_path("worker").unwrap().id()),
    );
}

#[test]
fn a_version_is_what_its_resource_says() {
    let one = |version: Value| paths(&[("web", json!({"versions": [version]}))]);
    let digest = one(version("1.0.0", CONFIG))
        .resolve(Some(&reference("web")))
        .unwrap()
        .digest()
        .to_owned();
    let with = |key: &str, value: Value| {
        let mut version = version("1.0.0", CONFIG);
        version[key] = value;
        one(version)
    };
    check(&with("digest", json!(digest)), Some("web"), Ok("web@1.0.0"));
    check(
        &with("digest", json!("sha256:other")),
        Some("web"),
        Err(&[
            "web@1.0.0 cannot be followed",
            &digest,
            "not sha256:other",
            "a version of its own",
        ]),
    );
    check(
        &with("version", json!("1.0.1")),
        Some("web"),
        Err(&["Chart.yaml says version 1.0.0"]),
    );
    check(
        &with("chart", json!({"embedded": "team"})),
        Some("web"),
        Err(&["no chart called \"team\" ships", "there is base-service"]),
    );
    check(
        &with("chart", json!({"directory": "platform/golden-paths/web"})),
        Some("web"),
        Err(&[
            "files of its chart are not there: platform/golden-paths/web",
            "commit",
        ]),
    );
    check(
        &with("chart", json!({"files": {"values.yaml": "a: b"}})),
        Some("web"),
        Err(&["Chart.yaml file is missing"]),
    );
    check(
        &with("chart", json!({})),
        Some("web"),
        Err(&["web cannot be followed", "one place of the chart"]),
    );
    let pinned = GoldenPathReference {
        digest: Some("sha256:other".to_owned()),
        ..reference("web")
    };
    let found = one(version("1.0.0", CONFIG)).resolve(Some(&pinned));
    assert!(
        matches!(found, Err(ExpandError::WrongGoldenPath { .. })),
        "{found:?}"
    );
}

#[test]
fn what_was_read_is_kept_as_long_as_it_is_the_same() {
    let resource = |template: &str| {
        [(
            "web".to_owned(),
            spec(json!({"versions": [version("1.0.0", template)]})),
        )]
    };
    let before = GoldenPaths::default()
        .replaced(resource(CONFIG), Vec::new())
        .unwrap();
    let first = before.resolve(Some(&reference("web"))).unwrap();
    let same = before.replaced(resource(CONFIG), Vec::new()).unwrap();
    assert!(Arc::ptr_eq(
        &first,
        &same.resolve(Some(&reference("web"))).unwrap()
    ));
    let other = before
        .replaced(resource(&CONFIG.replace("a: b", "a: c")), Vec::new())
        .unwrap();
    assert_ne!(
        first.digest(),
        other.resolve(Some(&reference("web"))).unwrap().digest()
    );
}

/// The flaws of a path called `web` with one template, in words.
fn flaws(files: &Value) -> String {
    let mut all = json!({"Chart.yaml": CHART});
    for (path, text) in files.as_object().unwrap() {
        all[path] = text.clone();
    }
    let resource = json!({"versions": [{"version": "1.0.0", "chart": {"files": all}}]});
    let found = paths(&[("web", resource)]).flaws(&Group::default(), "web");
    let words = found.iter().map(|(version, error)| {
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        format!("{} {error} {cause}", version.as_deref().unwrap_or("-"))
    });
    words.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_golden_path_is_closed() {
    let check = |path: &str, text: &str, expect: &str| {
        let said = flaws(&json!({ path: text }));
        match expect {
            "" => assert_eq!(said, "", "{text}"),
            expect => assert!(
                said.contains(expect) && said.contains("web@1.0.0"),
                "{said}\nshould say {expect}"
            ),
        }
    };
    let with = |value: &str| CONFIG.replace("a: b", &format!("a: {value}"));
    let all = "templates/all.yaml";
    check(all, CONFIG, "");
    check(all, &with("{{ .Values.image | sha256sum | trunc 8 }}"), "");
    check(all, &with("{{ required \"say the region\" .Values.region }}"), "");
    let differs = "makes ConfigMap trial, which comes out different";
    check(all, &with("{{ randAlphaNum 8 }}"), differs);
    check(all, &with("{{ now | unixEpoch | quote }}"), differs);
    check(all, &with("{{ uuidv4 }}"), differs);
    check(all, &with("{{ shuffle \"abcdefghijklmnop\" }}"), differs);
    check(
        all,
        &format!("{{{{ if gt (now | unixEpoch | int) 5 }}}}\n{CONFIG}{{{{ end }}}}"),
        differs,
    );
    check(
        all,
        &with("{{ lookup \"v1\" \"Secret\" \"\" \"x\" | len }}"),
        "templates/all.yaml:6 uses lookup",
    );
    check(
        "templates/_h.tpl",
        "{{ define \"x\" }}{{ lookup \"v1\" \"Pod\" \"\" \"\" }}{{ end }}",
        "_h.tpl:1 uses lookup",
    );
    let hook = CONFIG.replace(
        "metadata:",
        "metadata:\n  annotations: {helm.sh/hook: pre-install}",
    );
    check(all, &hook, "is a hook");
    let definition =
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b}\n";
    check("crds/a.yaml", definition, "defines a new kind");
    check(
        all,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n",
        "is not inside a namespace",
    );
    check(
        all,
        &CONFIG.replace("\ndata:", "\n  namespace: kube-system\ndata:"),
        "is in another namespace",
    );
    check(all, "a: {{ .Values.name", "all.yaml");
    check(all, "a: {{ nonsense }}", "all.yaml");
    check("charts/inner/Chart.yaml", "name: [", "inner");
    check("templates/../../x", "", "leads out of the chart");
    check(
        all,
        "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        "web@1.0.0",
    );
    check(all, "{{ range $i := until 1000000000 }}x{{ end }}", "web@1.0.0");
}

#[test]
fn a_service_gets_a_path_that_is_for_it() {
    let versions = json!([version("1.0.0", CONFIG)]);
    let paths = paths(&[
        (
            "web",
            json!({"languages": ["go", "rust"], "versions": versions,
            "deprecated": {"reason": "it has no metrics", "successor": "base-service"}}),
        ),
        ("night", json!({"kind": "cron-job", "versions": versions})),
    ]);
    let check = |name: &str, spec: Value, expect: &[&str]| {
        let spec: ApplicationSpec = serde_json::from_value(spec).unwrap();
        let said: Vec<String> = paths
            .misfits(name, &spec)
            .iter()
            .map(|problem| format!("{problem} ({})", problem.hint.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(said, expect);
    };
    check("web", json!({"language": "go"}), &[]);
    check("web", json!({}), &[]);
    check(
        "web",
        json!({"language": "node"}),
        &["spec.language: golden path web is for go, rust, not for node (for node there is base-service)"],
    );
    check("night", json!({"schedule": "@daily"}), &[]);
    check("cron-job", json!({"schedule": "@daily"}), &[]);
    check(
        "night",
        json!({}),
        &[
            "spec.schedule: golden path night runs on a schedule, and none is given \
           (such as \"0 3 * * *\" for every night at three)",
        ],
    );
    check(
        "worker",
        json!({"schedule": "@daily"}),
        &[
            "spec.schedule: golden path worker runs always, not on a schedule (for schedules there is cron-job, night)",
        ],
    );
    check("unheard-of", json!({"schedule": "@daily"}), &[]);
    let offer = paths.get("web").unwrap();
    assert_eq!(
        offer.deprecation().as_deref(),
        Some("it has no metrics; use base-service instead")
    );
    assert_eq!(paths.get("worker").unwrap().deprecation(), None);
}

#[test]
fn what_runs_on_a_schedule_has_no_copies() {
    let shipped = GoldenPaths::shipped().unwrap();
    let group = Group::default();
    for name in SERVICE_PATHS {
        assert!(shipped.flaws(&group, name).is_empty(), "{name}");
    }
    let path = shipped.resolve(Some(&reference("cron-job"))).unwrap();
    let application = Application {
        types: None,
        metadata: ObjectMeta {
            name: Some("nightly".to_owned()),
            ..ObjectMeta::default()
        },
        spec: serde_json::from_value(json!({"image": "registry.example.com/a:v1", "schedule": "@daily"}))
            .unwrap(),
        status: None,
    };
    let intent = Intent {
        group: &group,
        application: &application,
        place: &Place::of("shop", "dev"),
        team: None,
        environment: &EnvironmentSpec::default(),
        capabilities: &Capabilities::default(),
        golden_path: &path,
    };
    assert_eq!(expand(&intent).unwrap().replicas, 0);
}
