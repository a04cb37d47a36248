//! `validate.assert`: trees of assertions, as Kyverno judges them. What is expected was told by Kyverno's command line.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use guardrails::{Operation, Outcome, Policies, Request, User};
use serde_json::{Value, json};

use Outcome::{Error, Fail, Pass};

fn load(tree: &str, more: &str) -> Result<Policies, guardrails::Error> {
    let text = format!(
        "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: p}}
spec:
  rules:
    - name: r
      match: {{any: [{{resources: {{kinds: [ConfigMap, Pod, Deployment, CronJob]}}}}]}}
      {more}
      validate:
        message: never said
        assert:
          {tree}
"
    );
    Policies::load("p.yaml", &yaml::parse_all(&text).expect("YAML"))
}

fn object() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "shop", "labels": {"app": "web", "tier": "front"}},
        "spec": {
            "replicas": 3, "ratio": 1.5, "paused": false, "empty": {}, "none": null, "list": [1, 2, 3],
            "names": ["a", "b"], "map": {"one": 1, "two": 2}, "text": "hello world", "key.dot": "v", "(odd)": "p",
            "json": "{\"a\":1}",
            "containers": [
                {"name": "web", "image": "nginx:1", "ports": [{"port": 80}, {"port": 443}]},
                {"name": "side", "image": "redis:latest"},
            ],
        },
    })
}

fn judge(tree: &str, more: &str, request: &Request<'_>) -> (Outcome, String, Option<String>) {
    let policies = load(tree, more).expect("a policy");
    let mut verdicts = policies.evaluate(request);
    assert_eq!(verdicts.len(), 1, "{tree}: {verdicts:#?}");
    let verdict = verdicts.remove(0);
    (verdict.outcome, verdict.message, verdict.path)
}

fn check(tree: &str, more: &str, expect: Outcome, message: &str) {
    let object = object();
    let (outcome, said, _) = judge(tree, more, &Request::new(&object));
    let said = said.strip_prefix("failed to apply assertion: ").unwrap_or(&said);
    assert_eq!(outcome, expect, "{tree}: {said}");
    assert!(message.is_empty() || said == message, "{tree}: {said}");
}

/// Trees, what comes of them, and what is said.
const TREES: &[(&str, Outcome, &str)] = &[
    ("object: {spec: {replicas: 3}}", Pass, ""),
    (
        "object: {spec: {replicas: 4}}",
        Fail,
        "object.spec.replicas: Invalid value: 3: Expected value: 4",
    ),
    (
        "object: {spec: {replicas: '3'}}",
        Error,
        "object.spec.replicas: Internal error: types are not comparable, string - float64",
    ),
    ("object: {spec: {ratio: 1.5, paused: false}}", Pass, ""),
    (
        "object: {spec: {missing: 1}}",
        Fail,
        "object.spec.missing: Required value: field not found in the input object",
    ),
    ("object: {spec: {none: null}}", Pass, ""),
    (
        "object: {spec: {none: {}}}",
        Fail,
        "object.spec.none: Invalid value: null: invalid value, must not be null",
    ),
    ("object: {spec: {empty: {}}}", Pass, ""),
    (
        "object: {spec: {missing: null}}",
        Fail,
        "object.spec.missing: Required value: field not found in the input object",
    ),
    ("object: {spec: {list: [1, 2, 3]}}", Pass, ""),
    (
        "object: {spec: {list: [1, 2]}}",
        Fail,
        "object.spec.list: Invalid value: [1,2,3]: lengths of slices don't match",
    ),
    (
        "object: {spec: {list: [1, 2, 4]}}",
        Fail,
        "object.spec.list[2]: Invalid value: 3: Expected value: 4",
    ),
    (
        "object: {spec: {replicas: [3]}}",
        Error,
        "object.spec.replicas: Invalid value: 3: expected a slice",
    ),
    (
        "object: {spec: {none: []}}",
        Fail,
        "object.spec.none: Invalid value: null: value is null",
    ),
    (
        "object: {spec: {replicas: {a: 1}}}",
        Error,
        "object.spec.replicas.a: Internal error: projection not recognized",
    ),
    (r#"object: {spec: {"(replicas > `2`)": true}}"#, Pass, ""),
    (r#"object: {spec: {"(replicas)": 3}}"#, Pass, ""),
    (r#"object: {spec: {"(replicas == `3`)": true}}"#, Pass, ""),
    (r#"object: {spec: {"(length(containers))": 2}}"#, Pass, ""),
    (
        r#"object: {spec: {"(length(containers) == `2`)": true}}"#,
        Pass,
        "",
    ),
    (
        "object: {spec: {'~.containers': {name: web}}}",
        Fail,
        r#"object.spec.~.containers[1].name: Invalid value: "side": Expected value: "web""#,
    ),
    (
        r#"object: {spec: {'~.containers': {"(starts_with(image, 'a') || starts_with(image, 'n') || starts_with(image, 'r'))": true}}}"#,
        Pass,
        "",
    ),
    (
        "object: {spec: {'~.(containers[?name == ''web''])': {image: 'nginx:1'}}}",
        Pass,
        "",
    ),
    (
        r#"object: {spec: {'~index.containers': {"($index < `5`)": true}}}"#,
        Pass,
        "",
    ),
    (
        r#"object: {spec: {'~index.containers': {name: "(at($index, 'x'))"}}}"#,
        Error,
        "",
    ),
    (
        r#"object: {spec: {'~i.names': "(at($names, $i))"}}"#,
        Error,
        "object.spec.~i.names[0]: Internal error: variable not defined: $names",
    ),
    (r#"object: {spec: {'~k.map': "($k)"}}"#, Error, ""),
    (r#"object: {spec: {'~.map': {"(@ > `0`)": true}}}"#, Pass, ""),
    (
        "object: {spec: {'~.replicas': 3}}",
        Error,
        "object.spec.~.replicas: Invalid value: 3: expected a slice or a map",
    ),
    (
        "object: {spec: {'~.missing': 3}}",
        Fail,
        "object.spec.~.missing: Required value: field not found in the input object",
    ),
    (r#"object: {spec: {'replicas->n': {"($n)": 3}}}"#, Pass, ""),
    (
        r#"object: {spec: {'(replicas)->n': {"($n + `1`)": 4}}}"#,
        Pass,
        "",
    ),
    (r#"object: {spec: {'names->n': {"(length($n))": 2}}}"#, Pass, ""),
    (
        "object: {metadata: {name: '(starts_with(@, ''x''))'}}",
        Error,
        "object.metadata.name: Internal error: types are not comparable, bool - string",
    ),
    (
        "object: {metadata: {name: '(''x37'')'}}",
        Fail,
        r#"object.metadata.name: Invalid value: "x": Expected value: "x37""#,
    ),
    (r#"object: {metadata: {namespace: "(@)"}}"#, Pass, ""),
    (
        "object: {metadata: {namespace: '(concat(''sh'', ''op''))'}}",
        Pass,
        "",
    ),
    (r"object: {spec: {'\(odd)\': p}}", Pass, ""),
    (
        r"object: {spec: {text: '\hello world\'}}",
        Fail,
        r#"object.spec.text: Invalid value: "hello world": Expected value: "\\hello world\\""#,
    ),
    ("object: {spec: {key.dot: v}}", Pass, ""),
    (
        r#"object: {spec: {"(missing.foo)": {bar: 1}}}"#,
        Fail,
        "object.spec.(missing.foo).bar: Required value: field not found in the input object",
    ),
    (r#"object: {spec: {"(length(missing))": 0}}"#, Error, ""),
    (r#"object: {spec: {"(nosuch(replicas))": 0}}"#, Error, ""),
    (
        "object: {spec: {'(replicas +': 0}}",
        Fail,
        "object.spec.(replicas +: Required value: field not found in the input object",
    ),
    ("oldObject: {}", Pass, ""),
    ("oldObject: null", Fail, ""),
    (
        "resourceKind: {kind: ConfigMap, version: v1, group: '', subResource: ''}",
        Pass,
        "",
    ),
    ("namespaceLabels: {}", Pass, ""),
    (
        "nope: 1",
        Fail,
        "nope: Required value: field not found in the input object",
    ),
    ("{}", Pass, ""),
    (
        r#"object: {spec: {'~.containers->c': {"(length($c))": 2}}}"#,
        Pass,
        "",
    ),
    (
        "object: {spec: {containers: [{name: web}, {name: side, image: 'redis:latest'}]}}",
        Pass,
        "",
    ),
    (r#"object: {spec: {containers: [{"(name)": web}, {}]}}"#, Pass, ""),
    (
        r#"object: {spec: {"(containers[].name)": [web, side]}}"#,
        Pass,
        "",
    ),
    (
        r#"object: {spec: {"(containers[*].ports[].port)": [80, 443]}}"#,
        Pass,
        "",
    ),
    (
        r#"object: {spec: {"(containers[?ports == null].name)": [side]}}"#,
        Pass,
        "",
    ),
    ("object: {spec: {text: '(jp:''hello world'')'}}", Pass, ""),
    ("object: {spec: {text: '(cel:''hello world'')'}}", Pass, ""),
    ("object: {spec: {text: '~.(@)'}}", Pass, ""),
    (
        "object: {spec: {text: '(@)->x'}}",
        Error,
        r#"object.spec.text: Invalid value: "(@)->x": binding is not supported on the RHS"#,
    ),
    (
        "object: {spec: {text: '~x.(@)'}}",
        Error,
        r#"object.spec.text: Invalid value: "~x.(@)": foreach is not supported on the RHS"#,
    ),
    (r#"object: {spec: {"(map)": {one: 1}}}"#, Pass, ""),
    ("object: {spec: {map: '({one: `1`})'}}", Pass, ""),
    ("object: {spec: {list: '([`1`, `2`, `3`])'}}", Pass, ""),
    (
        "object: {spec: {replicas: '([`1`])'}}",
        Error,
        "object.spec.replicas: Internal error: invalid actual value, must be a slice, found float64",
    ),
    (
        "object: {spec: {replicas: '({a: `1`})'}}",
        Error,
        "object.spec.replicas: Internal error: invalid actual value, must be a map, found float64",
    ),
    (
        "object: {spec: {replicas: true}}",
        Error,
        "object.spec.replicas: Internal error: types are not comparable, bool - float64",
    ),
    (
        "object: {spec: {text: {a: b}}}",
        Error,
        "object.spec.text.a: Internal error: projection not recognized",
    ),
    (r#"object: {spec: {text: {"(length(@))": 11}}}"#, Pass, ""),
    (
        "object: {spec: {text: {text: b}}}",
        Error,
        "object.spec.text.text: Internal error: projection not recognized",
    ),
    (
        r#"object: {metadata: {labels: {app: web, "(tier)": front}}}"#,
        Pass,
        "",
    ),
    (
        r#""(object.spec.missing)": 3"#,
        Fail,
        "(object.spec.missing): Invalid value: null: Expected value: 3",
    ),
    (r#""(md5('a'))": b"#, Error, ""),
    (r#""(oldObject == null)": true"#, Fail, ""),
    (r#""(oldObject)": null"#, Fail, ""),
    (
        r#""($nope)": 1"#,
        Error,
        "($nope): Internal error: variable not defined: $nope",
    ),
    (r#""(missing(`1`) || `1`)": 1"#, Error, ""),
    (
        r#""(object.spec.text > `3`)": true"#,
        Fail,
        "(object.spec.text > `3`): Invalid value: null: Expected value: true",
    ),
    (
        r#""(sum(['1', '2']))": 3"#,
        Error,
        "(sum(['1', '2'])): Internal error: types are not comparable, float64 - string",
    ),
];

/// Expressions and their values.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("object.spec.replicas", "3"),
    ("object.spec.missing", "null"),
    ("object.spec.missing == null", "true"),
    ("object.nope.deep.missing || 'd'", "d"),
    ("let $x = object.spec.replicas in $x", "3"),
    ("object.spec.replicas * `2`", "6"),
    ("object.spec.replicas / `2`", "1.5"),
    ("object.spec.replicas // `2`", "1"),
    ("object.spec.replicas % `2`", "1"),
    ("-object.spec.replicas", "-3"),
    ("`1` + `2` * `3`", "7"),
    ("object.spec.text[0:5]", "hello"),
    ("object.spec.names[::-1]", "[b, a]"),
    ("contains(object.spec.list, `2`)", "true"),
    ("contains(object.spec.names, 'a')", "true"),
    ("sum(object.spec.list)", "6"),
    ("add(object.spec.replicas, `1`)", "4"),
    ("abs(object.spec.replicas)", "3"),
    ("max(object.spec.list)", "3"),
    ("to_number('3') == `3`", "true"),
    ("to_string(object.spec.replicas)", "'3'"),
    ("sort(object.spec.names)", "[a, b]"),
    ("upper(object.spec.text)", "HELLO WORLD"),
    ("to_upper(object.spec.text)", "HELLO WORLD"),
    ("wildcard('hel*', object.spec.text)", "true"),
    ("json_parse(object.spec.json).a", "1"),
    ("parse_json(object.spec.json)", "{a: 1}"),
    ("zip(object.spec.names, object.spec.list)", "[[a, 1], [b, 2]]"),
    (
        "group_by(object.spec.containers, &name).web[0].image",
        "'nginx:1'",
    ),
    ("find_first(object.spec.text, 'o')", "4"),
    ("find_last(object.spec.text, 'o')", "7"),
    ("pad_left('a', `3`, '-')", "'--a'"),
    ("trim_left(' a ')", "'a '"),
    ("object.spec.list == [`1`, `2`, `3`]", "true"),
    ("!oldObject", "true"),
    ("{a: missing.b}.a == null", "true"),
    ("object.spec.none.[a, b]", "null"),
    ("object.spec.none.{a: b}", "null"),
    ("object.spec.none.length(@)", "null"),
    ("max_by(object.spec.containers, &length(name)).name", "side"),
    ("sort_by(object.spec.containers, &name)[0].name", "side"),
    ("map(&to_string(@), object.spec.list)", "['1', '2', '3']"),
    ("map(&add(@, `1`), object.spec.list)", "[2, 3, 4]"),
    ("round(`3.7`, `0`)", "4"),
    ("semver_compare('1.2.3', '>1.0.0')", "true"),
    ("lookup(object.spec.map, 'one')", "1"),
    (
        "time_diff('2021-01-02T15:04:05Z', '2021-01-03T15:04:05Z')",
        "24h0m0s",
    ),
    ("not_null(object.spec.none, object.spec.replicas)", "3"),
    ("type(object.spec.replicas)", "number"),
    ("object.spec.replicas != `3`", "false"),
    (
        "object.spec.replicas >= `3` && object.spec.text == 'hello world'",
        "true",
    ),
    ("object.spec.list[0]", "1"),
    ("object.spec.list[0] == object.spec.map.one", "true"),
    ("object.spec.map.*", "[1, 2]"),
    ("object.spec.list[?@ > `1`]", "[2, 3]"),
    ("object.spec.missing[?a]", "null"),
    ("object.spec.missing[]", "null"),
    ("object.metadata.labels.app", "web"),
    ("keys(object.spec.map)", "[one, two]"),
    ("values(object.spec.map) == [`1`, `2`]", "true"),
    (
        "items(object.spec.map, 'k', 'v')",
        "[{k: one, v: 1}, {k: two, v: 2}]",
    ),
    ("reverse(object.spec.names)", "[b, a]"),
    ("join('-', object.spec.names)", "a-b"),
    ("length(object.spec.text)", "11"),
    ("avg(object.spec.list)", "2"),
    ("merge(object.spec.map, {three: `3`})", "{three: 3, one: 1}"),
    ("to_array(object.spec.text)", "[hello world]"),
    ("split(object.spec.text, ' ')", "[hello, world]"),
    ("replace(object.spec.text, 'l', 'L', `1`)", "heLlo world"),
    ("replace_all(object.spec.text, 'l', 'L')", "heLLo worLd"),
    ("trim(' a ', ' ')", "a"),
    ("regex_match('^h', object.spec.text)", "true"),
    ("pattern_match('3', object.spec.replicas)", "true"),
    ("pattern_match('h*', object.spec.text)", "true"),
    (
        "label_match(object.metadata.labels, object.metadata.labels)",
        "true",
    ),
    ("to_boolean('true')", "true"),
    ("truncate(object.spec.text, `2`)", "he"),
    (
        "object_from_lists(object.spec.names, object.spec.list)",
        "{a: 1, b: 2}",
    ),
    ("ceil(object.spec.ratio)", "2"),
    ("floor(object.spec.ratio) + object.spec.replicas", "4"),
    ("multiply(`2`, `3`)", "6"),
    ("add('1Gi', '1Gi')", "2Gi"),
    ("sum(['1Gi', '1Gi'])", "2Gi"),
    ("min([`2`, `1`])", "1"),
    ("$", "null"),
    ("@.object.spec.replicas", "3"),
    ("to_number(object.spec.replicas)", "3"),
];

#[test]
fn trees_are_held_against_objects() {
    for (tree, expect, message) in TREES {
        check(tree, "", *expect, message);
    }
}

#[test]
fn expressions_have_the_values_of_the_communitys_jmespath() {
    for (expression, value) in EXPRESSIONS {
        let key = json!(format!("({expression})"));
        check(&format!("{key}: {value}"), "", Pass, "");
    }
}

#[test]
fn the_context_of_a_rule_is_variables() {
    let check = |entry: &str, tree: &str, expect: Outcome| {
        check(
            tree,
            &format!("context: [{{name: a, variable: {entry}}}]"),
            expect,
            "",
        );
    };
    check("{value: 3}", "'($a)': 3", Pass);
    check("{value: 3}", "'($a == `3`)': true", Pass);
    check("{value: {b: [1]}}", "'($a.b[0] == `1`)': true", Pass);
    check(
        "{jmesPath: request.object.spec.replicas}",
        "'($a == object.spec.replicas)': true",
        Pass,
    );
    check("{jmesPath: request.object.spec.missing}", "'($a)': null", Error);
    // What nobody asks for is not evaluated.
    check("{jmesPath: request.object.spec.missing}", "'(`1`)': 1", Pass);
    check("{value: 3}", "'($b)': 3", Error);
}

#[test]
fn preconditions_come_before_it() {
    let never = "preconditions: {all: [{key: a, operator: Equals, value: b}]}";
    check(
        "object: {spec: {replicas: 4}}",
        never,
        Outcome::Skip,
        "preconditions not met",
    );
}

/// In Kyverno the operation equals no text, and labels of namespaces are not there for expressions: to be judged by
/// what these seem to say would let through what Kyverno refuses.
#[test]
fn what_cannot_be_known_is_an_error() {
    for tree in [
        "operation: CREATE",
        "'(operation == ''CREATE'')': true",
        "'(operation != ''DELETE'')': true",
        "admissionInfo: {}",
        "'(admissionInfo.admissionUserInfo.username)': ''",
        "admissionOperation: true",
        "admissionOperation: false",
        "'(requestResource.resource)': ''",
        "'(namespaceLabels.env)': null",
        "namespaceLabels: {'(env)': prod}",
        "'~.(values(@))': {'(@ != ''x'')': true}",
    ] {
        check(tree, "", Error, "");
    }
}

#[test]
fn who_asks_and_where() {
    let object = object();
    let user = User {
        name: "ann".to_owned(),
        roles: vec!["dev".to_owned()],
        ..User::default()
    };
    let labels = std::collections::BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    let request = Request {
        user: Some(&user),
        namespace_labels: &labels,
        resource: Some("configmaps"),
        ..Request::new(&object)
    };
    for tree in [
        "'(admissionInfo.admissionUserInfo.username)': ann",
        "'(admissionInfo.roles)': [dev]",
        "admissionOperation: true",
        "'(requestResource.resource)': configmaps",
        "namespaceLabels: {env: prod}",
    ] {
        assert_eq!(judge(tree, "", &request).0, Pass, "{tree}");
    }
    assert_eq!(judge("namespaceLabels: {env: dev}", "", &request).0, Fail);
}

#[test]
fn deletions_are_about_the_object_that_was() {
    let object = object();
    let request = Request {
        operation: Operation::Delete,
        ..Request::new(&object)
    };
    assert_eq!(judge("oldObject: {spec: {replicas: 3}}", "", &request).0, Pass);
    assert_eq!(judge("object: {spec: {replicas: 3}}", "", &request).0, Fail);
}

#[test]
fn the_place_of_a_violation_is_said() {
    let object = object();
    let place = |tree: &str| judge(tree, "", &Request::new(&object)).2;
    let at = |path: &str| Some(path.to_owned());
    assert_eq!(place("object: {spec: {replicas: 4}}"), at("/spec/replicas"));
    assert_eq!(
        place("object: {spec: {'~.containers': {name: web}}}"),
        at("/spec/containers/1/name")
    );
    assert_eq!(place("'(object.spec.replicas)': 4"), None);
}

#[test]
fn rules_for_pods_are_moved_into_templates() {
    let text = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  rules:
    - name: r
      match: {any: [{resources: {kinds: [Pod]}}]}
      validate: {assert: {object: {spec: {'~.containers': {image: 'a:1'}}}}}";
    let policies = Policies::load("p.yaml", &yaml::parse_all(text).expect("YAML")).expect("a policy");
    let spec = |image: &str| json!({"containers": [{"name": "a", "image": image}]});
    for (image, expect) in [("a:1", Pass), ("a:2", Fail)] {
        for (kind, spec) in [
            ("Pod", spec(image)),
            ("Deployment", json!({"template": {"spec": spec(image)}})),
            (
                "CronJob",
                json!({"jobTemplate": {"spec": {"template": {"spec": spec(image)}}}}),
            ),
        ] {
            let version = match kind {
                "Pod" => "v1",
                "Deployment" => "apps/v1",
                _ => "batch/v1",
            };
            let object =
                json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec});
            let outcomes: Vec<Outcome> = policies
                .evaluate(&Request::new(&object))
                .iter()
                .map(|verdict| verdict.outcome)
                .collect();
            assert_eq!(outcomes, [expect], "{kind} {image}");
        }
    }
}

#[test]
fn what_is_no_tree_is_refused() {
    for tree in [
        "text",
        "[a]",
        "'(a +)': 1",
        "a: '(b[)'",
        "'(let $a in b)': 1",
        "'(object.$)': null",
    ] {
        assert!(load(tree, "").is_err(), "{tree}");
    }
}

#[test]
fn trees_that_cost_too_much_end_in_an_error() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
        "data": {"list": vec![json!({"a": "x".repeat(200)}); 2_000]},
    });
    let doubled = vec!["{a: @, b: @}"; 40].join(" | ");
    let lets = (1..30).map(|at| format!("let $v{at} = [$v{0}, $v{0}] in", at - 1));
    let lets = format!("let $v0 = object in {} $v29", lets.collect::<Vec<_>>().join(" "));
    for tree in [
        format!("'({doubled})': 1"),
        format!("'({lets})': 1"),
        "object: {data: {'~.list->l': {'~.(map(&[$l, $l], $l))': {}}}}".to_owned(),
    ] {
        assert_eq!(judge(&tree, "", &Request::new(&object)).0, Error, "{tree}");
    }
}
