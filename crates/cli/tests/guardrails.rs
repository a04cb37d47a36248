//! Guardrails as people meet them: at `create`, at `check`, and at the door of the cluster.
#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Machine, NAMESPACE, text};

#[test]
fn a_refused_service_leaves_nothing() {
    let machine = Machine::new();
    // A first service, so that there is something that must not change.
    machine
        .run("service create orders --language go --no-scaffold")
        .exits(0);
    let before = machine.written();
    let refused = machine
        .run("service create billing --language go --image registry.internal/billing:latest --database postgres")
        .exits(3)
        .says(&[
            "error: a guardrail refuses this service\n  rule     disallow-latest-tag (enforced",
            "\n  field    spec.image = \"registry.internal/billing:latest\"\n",
            "\n           (the object: Deployment billing, ",
            "\n  why      ",
            "\n  hint     ",
            "--image registry.internal/billing:v1",
            "\nNothing was created.",
        ]);
    assert!(refused.stderr.trim_end().ends_with("exit 3"), "{refused}");
    assert_eq!(refused.stdout, "", "there is no data");
    assert_eq!(machine.written(), before);
    machine.run("service get billing").fails(4, &[]);
    let up = machine.up();
    for kind in ["Application", "Deployment", "Database", "Secret", "Pod"] {
        assert_eq!(up.names(kind, support::CLUSTER, "billing"), [""; 0], "{kind}");
    }
}

#[test]
fn an_image_is_named_exactly() {
    let machine = Machine::new();
    for (image, expect) in [
        ("registry.internal/billing", 3),
        ("registry.internal:5000/billing", 3),
        ("registry.internal:5000/billing:latest", 3),
        ("registry.internal/billing:v1", 0),
        ("registry.internal:5000/billing:v1", 0),
    ] {
        machine
            .run(&format!("service create billing --image {image} --dry-run"))
            .exits(expect);
    }
}

/// A clone of the infrastructure repository with one service, and the path of its file.
fn clone(machine: &Machine) -> std::path::PathBuf {
    machine
        .run("service create orders --language go --no-scaffold --image registry.internal/orders:v1")
        .exits(0);
    let clone = machine.path("clone");
    machine.git(
        &machine.path("."),
        &[
            "clone",
            "-q",
            &machine.infrastructure().display().to_string(),
            &clone.display().to_string(),
        ],
    );
    clone.join("teams/demo/dev/applications/orders.yaml")
}

/// The number of the line that holds a text.
fn line(text: &str, wanted: &str) -> usize {
    text.lines().position(|line| line.contains(wanted)).unwrap() + 1
}

#[test]
fn a_repository_is_checked_where_it_stands() {
    let machine = Machine::new();
    let file = clone(&machine);
    let folder = machine.path("clone").display().to_string();
    let good = fs::read_to_string(&file).unwrap();
    let well = machine.run(&format!("check {folder}")).exits(0);
    assert!(well.stdout.contains("1 service checked, all is well"), "{well}");

    let check = |content: &str, code: i32, at: &str, words: &[&str]| {
        fs::write(&file, content).unwrap();
        let found = machine.run(&format!("check {folder}")).exits(code);
        let place = format!("teams/demo/dev/applications/orders.yaml:{}: ", line(content, at));
        assert!(found.stdout.contains(&place), "{place}\n{found}");
        for word in words {
            assert!(found.stdout.contains(word), "{word}\n{found}");
        }
        let json = machine.run(&format!("check {folder} -o json")).exits(code).json();
        assert_eq!(json["findings"][0]["line"], line(content, at), "{json:#}");
    };
    check(
        &good.replace("orders:v1", "orders:latest"),
        3,
        "orders:latest",
        &[
            "disallow-latest-tag",
            "spec.image",
            "why ",
            "hint ",
            "1 problem found",
        ],
    );
    check(
        &format!("{good}  replicsa: 3\n"),
        1,
        "replicsa",
        &["unknown field", "spec.replicsa"],
    );
    check(
        &format!("{good}  replicas: many\n"),
        1,
        "many",
        &["spec.replicas"],
    );
    check(&format!("{good}  port: 80000\n"), 1, "80000", &["spec.port"]);
    fs::write(&file, "{ not: [yaml").unwrap();
    let found = machine.run(&format!("check {folder}")).exits(1);
    assert!(found.stdout.contains("applications/orders.yaml:1: "), "{found}");
    fs::write(&file, &good).unwrap();
    machine.run(&format!("check {folder}")).exits(0);
}

#[test]
fn pipelines_get_the_line_that_decided_it() {
    let machine = Machine::new();
    let file = clone(&machine);
    let good = fs::read_to_string(&file).unwrap();
    let bad = good.replace("orders:v1", "orders:latest");
    fs::write(&file, &bad).unwrap();
    let broken = file.with_file_name("broken.yaml");
    fs::write(
        &broken,
        bad.replace("name: orders", "name: broken") + "  port: 80000\n",
    )
    .unwrap();
    let folder = machine.path("clone").display().to_string();
    let there = |name: &str| format!("clone/teams/demo/dev/applications/{name}");
    let (at, port) = (
        line(&bad, "orders:latest"),
        line(&fs::read_to_string(&broken).unwrap(), "80000"),
    );
    let run = |words: &str| machine.run(&format!("check {folder} {words}")).exits(3);

    let log = run("--output sarif").json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let places: Vec<(&Value, &Value, &Value)> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            (
                &result["ruleId"],
                &place["artifactLocation"]["uri"],
                &place["region"]["startLine"],
            )
        })
        .collect();
    let ends = |uri: &Value, name: &str| uri.as_str().unwrap().ends_with(&there(name));
    assert!(
        places.iter().any(
            |(rule, uri, line)| **rule == "disallow-latest-tag/autogen-disallow-latest"
                && ends(uri, "orders.yaml")
                && **line == at
        ),
        "{log:#}"
    );
    assert!(
        places
            .iter()
            .any(|(rule, uri, line)| **rule == "platform" && ends(uri, "broken.yaml") && **line == port),
        "{log:#}"
    );
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(
        rules.iter().any(|rule| rule["properties"]["tags"]
            .as_array()
            .is_some_and(|tags| tags.contains(&json!("NIST CM-2")))),
        "{log:#}"
    );

    let told = run("--output github").stdout;
    assert!(
        told.lines().any(|told| told.starts_with("::error file=")
            && told.contains(&format!("{},line={at},", there("orders.yaml")))),
        "{told}"
    );
    let told = run("--output gitlab").json();
    assert!(
        told.as_array()
            .unwrap()
            .iter()
            .any(|issue| issue["location"]["lines"]["begin"] == at
                && issue["severity"] == "critical"
                && ends(&issue["location"]["path"], "orders.yaml")),
        "{told:#}"
    );

    // Files beside the text, and what is right is told as well.
    let (sarif, junit) = (machine.path("x.sarif"), machine.path("x.xml"));
    let both = run(&format!(
        "--sarif {} --junit {}",
        sarif.display(),
        junit.display()
    ));
    assert!(both.stdout.contains("2 problems found"), "{both}");
    let saved: Value = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
    assert_eq!(saved, log);
    let junit = fs::read_to_string(junit).unwrap();
    assert!(junit.contains("failures=\"1\" errors=\"1\""), "{junit}");
    assert!(
        junit.contains("classname=\"require-limits\"") && junit.contains(&format!("line=\"{at}\"")),
        "{junit}"
    );
    let report = run("--policy-report --output-format json").stdout;
    let report: Value = report
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|report| report["kind"] == "Report")
        .unwrap();
    assert_eq!(
        (&report["summary"]["fail"], &report["summary"]["error"]),
        (&json!(1), &json!(0))
    );
    assert!(report["summary"]["pass"].as_u64().unwrap() > 20, "{report:#}");
    let failed = report["results"].as_array().unwrap().iter();
    let failed: Vec<&Value> = failed.filter(|result| result["result"] == "fail").collect();
    assert_eq!(failed[0]["properties"]["line"], at.to_string(), "{failed:#?}");
    assert_eq!(failed[0]["properties"]["controls"], "NIST CM-2, SOC2 CC8.1");

    // One thing at a time on standard output, and only what there is.
    for words in ["-p --junit -", "-o json --sarif -", "-o xml"] {
        machine.run(&format!("check {folder} {words}")).exits(2);
    }
    fs::remove_file(&broken).unwrap();
    fs::write(&file, &good).unwrap();
    let well = machine.run(&format!("check {folder} -o sarif")).exits(0).json();
    assert_eq!(well["runs"][0]["results"], json!([]));
}

#[test]
fn a_manifest_is_checked_alone() {
    let machine = Machine::new();
    let file = machine.work().join("manifest.yaml");
    let check = |content: &Value, code: i32, words: &[&str]| {
        fs::write(&file, yaml::emit(content)).unwrap();
        let found = machine.run("check manifest.yaml").exits(code);
        for word in words {
            assert!(found.stdout.contains(word), "{word}\n{found}");
        }
        found
    };
    check(
        &pod("registry.internal/x:v1"),
        0,
        &[
            "1 object checked, all is well. 2 warnings that refuse nothing.",
            "warning: disallow-token-automount: ",
            "warning: disallow-default-service-account: ",
        ],
    );
    let found = machine.run("check manifest.yaml -o json").exits(0).json();
    assert_eq!(found["findings"], json!([]));
    assert_eq!(
        found["warnings"][0]["refusal"]["rule"], "service-account",
        "{found:#}"
    );
    let found = check(&pod("registry.internal/x:latest"), 3, &["disallow-latest-tag"]);
    let at = line(&fs::read_to_string(&file).unwrap(), "x:latest");
    assert!(found.stdout.contains(&format!("manifest.yaml:{at}: ")), "{found}");
    check(
        &deployment("registry.internal/x:latest"),
        3,
        &["disallow-latest-tag", "Deployment x"],
    );
    let application = |image: &str| {
        json!({
            "apiVersion": "platform.company.com/v1", "kind": "Application",
            "metadata": {"name": "x", "namespace": "shop"}, "spec": {"image": image},
        })
    };
    check(&application("x:v1"), 0, &["1 service checked"]);
    check(&application("x:latest"), 3, &["spec.image"]);
    let list = json!({
        "apiVersion": "v1", "kind": "List",
        "items": [pod("registry.internal/x:v1"), pod("registry.internal/y:latest"), application("x:v1")],
    });
    let found = check(
        &list,
        3,
        &["disallow-latest-tag", "this Application is in a List"],
    );
    let at = line(&fs::read_to_string(&file).unwrap(), "y:latest");
    assert!(found.stdout.contains(&format!("manifest.yaml:{at}: ")), "{found}");
    let team = |spec: Value| json!({"apiVersion": "platform.company.com/v1", "kind": "Team", "metadata": {"name": "x"}, "spec": spec});
    check(
        &team(json!({"environments": [{"name": "dev"}]})),
        0,
        &["1 object"],
    );
    check(
        &team(json!({"environments": [{"name": "dev"}], "hosts": ["a: b"]})),
        1,
        &["spec.hosts[0]", "is not a host name"],
    );
    check(&team(json!({"owners": 3})), 1, &["unknown field spec.owners"]);

    // What is no manifest is no pass.
    for (content, words) in [
        (json!("root:x:0:0:root"), "this is no manifest"),
        (json!(["a"]), "this is no manifest"),
        (json!({"kind": "Pod"}), "this is no manifest"),
    ] {
        check(&content, 1, &["manifest.yaml:1: ", words]);
    }
    for content in ["", "---\n---\n# nothing\n", "null\n"] {
        fs::write(&file, content).unwrap();
        machine
            .run("check manifest.yaml")
            .fails(2, &["no manifest is in manifest.yaml", "hint: "]);
    }
    fs::write(&file, "x".repeat(17 * 1024 * 1024)).unwrap();
    machine
        .run("check manifest.yaml")
        .fails(2, &["larger than", "hint: "]);
    machine
        .run("check nowhere.yaml")
        .fails(2, &["nothing called nowhere.yaml", "hint: "]);
    machine
        .run("check /dev/null")
        .fails(2, &["neither a folder nor a file: /dev/null", "hint: "]);
    fs::create_dir(machine.work().join("empty")).unwrap();
    machine
        .run("check empty")
        .fails(2, &["neither platform/ nor teams/", "hint: "]);
}

/// A pod that every shipped guardrail lets through, but for its image.
fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": pod_spec(image),
    })
}

fn pod_spec(image: &str) -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "x",
            "image": image,
            "resources": {
                "requests": {"cpu": "10m", "memory": "16Mi"},
                "limits": {"cpu": "100m", "memory": "64Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
    })
}

fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec(image)},
        },
    })
}

#[test]
fn the_cluster_refuses_what_the_guardrails_refuse() {
    let machine = Machine::new();
    machine
        .run("service create orders --language go --no-scaffold")
        .exits(0);
    let up = machine.up();
    let refused = |object: &Value, words: &[&str]| match up.create(NAMESPACE, object) {
        Ok(_) => panic!("the cluster took {object:#}"),
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 403, "{status:?}");
            for word in words {
                assert!(status.message.contains(word), "{word}: {}", status.message);
            }
        }
        Err(error) => panic!("{error}"),
    };
    let latest = ["disallow-latest-tag", "The image tag latest is not allowed"];
    refused(&pod("registry.internal/x:latest"), &latest);
    refused(&deployment("registry.internal/x:latest"), &latest);
    let mut greedy = pod("registry.internal/x:v1");
    greedy["spec"]["containers"][0]["resources"] = json!({});
    refused(&greedy, &["require-limits"]);
    let mut root = pod("registry.internal/x:v1");
    root["spec"]["containers"][0]["securityContext"]["privileged"] = json!(true);
    refused(&root, &["restricted"]);
    for kind in ["Pod", "Deployment"] {
        assert!(up.get(kind, NAMESPACE, "x").is_none(), "{kind}");
    }

    let made = up
        .create(NAMESPACE, &deployment("registry.internal/x:v1"))
        .unwrap();
    assert_eq!(made.metadata.name.as_deref(), Some("x"));
    up.until("Deployment", NAMESPACE, "x", |found| {
        found.is_some_and(|d| d["status"]["readyReplicas"] == 1)
    });
    let pods = up.list("Pod", NAMESPACE);
    assert!(
        pods.iter()
            .any(|pod| text(pod, "/metadata/name").starts_with("x-"))
    );
}

/// A folder with the layout of an infrastructure repository: three services of two teams in two environments.
fn fleet(machine: &Machine) -> std::path::PathBuf {
    let folder = machine.path("fleet");
    let write = |path: &str, content: &Value| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, yaml::emit(content)).unwrap();
    };
    let own = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "platform.company.com/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    for (order, name) in [(1, "dev"), (2, "prod")] {
        let environment = own("Environment", name, &json!({"order": order}));
        write(&format!("platform/environments/{name}.yaml"), &environment);
    }
    for (team, environment, name, image) in [
        ("pay", "dev", "billing", "registry.internal/billing:v1"),
        ("pay", "prod", "billing", "registry.internal/billing:v1"),
        ("shop", "prod", "cart", "other.example/cart:v1"),
    ] {
        write(
            &format!("teams/{team}/{environment}/applications/{name}.yaml"),
            &own("Application", name, &json!({"image": image})),
        );
    }
    let policy = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {
            "name": "own-registry",
            "annotations": {"policies.towpath.dev/hint": "Push the image to registry.internal."},
        },
        "spec": {"rules": [{
            "name": "registry",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "validate": {
                "failureAction": "Audit", "message": "Images come from our registry",
                "pattern": {"spec": {"containers": [{"image": "registry.internal/*"}]}},
            },
        }]},
    });
    write("platform/policies/own-registry.yaml", &policy);
    folder
}

fn exception(expires: Option<&str>) -> String {
    let mut annotations =
        json!({"policies.towpath.dev/owner": "shop", "policies.towpath.dev/reason": "it moves"});
    if let Some(day) = expires {
        annotations["policies.towpath.dev/expires"] = json!(day);
    }
    yaml::emit(&json!({
        "apiVersion": "kyverno.io/v2", "kind": "PolicyException",
        "metadata": {"name": "cart", "namespace": "platform-system", "annotations": annotations},
        "spec": {
            "exceptions": [{"policyName": "own-registry", "ruleNames": ["registry", "autogen-registry"]}],
            "match": {"any": [{"resources": {"kinds": ["Deployment"], "names": ["cart"]}}]},
        },
    }))
}

#[test]
fn the_impact_of_a_policy_is_known_before_it_bites() {
    let machine = Machine::new();
    let folder = fleet(&machine);
    let ask = |words: &str, code: i32| {
        let line = format!("policy impact {words} --repository {}", folder.display());
        machine.run(&line).exits(code)
    };
    let counts = |words: &str, code: i32| ask(&format!("{words} -o json"), code).json()["counts"].clone();
    let said = |refused: u32, warned: u32, reported: u32, services: u32| json!({"services": services, "refused": refused, "warned": warned, "reported": reported});
    assert_eq!(counts("own-registry", 0), said(0, 0, 1, 3));
    assert_eq!(counts("own-registry --stage audit", 0), said(0, 0, 1, 3));
    assert_eq!(counts("own-registry --stage warn", 0), said(0, 1, 0, 3));
    assert_eq!(counts("own-registry --stage enforce", 3), said(1, 0, 0, 3));
    assert_eq!(counts("own-registry --stage off", 0), said(0, 0, 0, 3));
    assert_eq!(
        counts("own-registry --stage enforce --environment prod", 3),
        said(1, 0, 0, 2)
    );
    assert_eq!(
        counts("own-registry --stage enforce --environment dev", 0),
        said(0, 0, 0, 1)
    );
    assert_eq!(
        counts("own-registry --stage off --environment prod", 0),
        said(0, 0, 0, 2)
    );

    let found = ask("own-registry --stage enforce", 3);
    let file = fs::read_to_string(folder.join("teams/shop/prod/applications/cart.yaml")).unwrap();
    for words in [
        "own-registry at stage enforce: of 3 services, 1 would be refused, 0 warned of, 0 reported.\n",
        "TEAM  ENVIRONMENT  SERVICES  REFUSED",
        &format!(
            "teams/shop/prod/applications/cart.yaml:{}: refused: ",
            line(&file, "other.example")
        ),
        "spec.image = \"other.example/cart:v1\", in Deployment cart",
        "hint  Push the image to registry.internal.",
        "To do that, set in platform/policies/own-registry.yaml:\n  spec.rules[0].validate.failureAction: Enforce\n",
    ] {
        assert!(found.stdout.contains(words), "{words}\n{found}");
    }

    // What is asked about is what would happen: with the fields set, check says the same.
    let policy = folder.join("platform/policies/own-registry.yaml");
    let loose = fs::read_to_string(&policy).unwrap();
    fs::write(
        &policy,
        loose.replace("failureAction: Audit", "failureAction: Enforce"),
    )
    .unwrap();
    let check = format!("check {}", folder.display());
    machine.run(&check).exits(3);
    assert!(
        ask("own-registry --stage enforce", 3)
            .stdout
            .contains("The policy has that stage.")
    );

    // An exception counts until its last day, and check wants its papers.
    let file = folder.join("platform/policies/cart.yaml");
    fs::write(&file, exception(Some("2199-12-31"))).unwrap();
    assert_eq!(counts("own-registry --stage enforce", 0), said(0, 0, 0, 3));
    machine.run(&check).exits(0);
    fs::write(&file, exception(Some("2020-12-31"))).unwrap();
    assert_eq!(counts("own-registry --stage enforce", 3), said(1, 0, 0, 3));
    let found = machine.run(&check).exits(3);
    assert!(
        found.stdout.contains("the exception cart expired on 2020-12-31"),
        "{found}"
    );
    fs::write(&file, exception(None)).unwrap();
    let found = machine.run(&check).exits(1);
    assert!(
        found
            .stdout
            .contains("has no annotation policies.towpath.dev/expires"),
        "{found}"
    );

    // Exceptions alone are no guardrails: those that ship are asked.
    fs::remove_file(&policy).unwrap();
    let cart = folder.join("teams/shop/prod/applications/cart.yaml");
    let good = fs::read_to_string(&cart).unwrap();
    fs::write(&cart, good.replace("cart:v1", "cart:latest")).unwrap();
    machine.run(&check).exits(3);
    assert_eq!(counts("disallow-latest-tag", 3), said(1, 0, 0, 3));

    // What cannot be rendered is no pass.
    fs::write(&cart, format!("{good}  replicas: many\n")).unwrap();
    let found = ask("disallow-latest-tag", 1);
    assert!(found.stdout.contains("1 service cannot be rendered"), "{found}");
    ask("disallow-latest-tags", 4);
    ask("disallow-latest-tag --environment moon", 4);
}

/// A ConfigMap policy, one that asks the cluster, and one about what is in no list.
fn team_policies(machine: &Machine) -> std::path::PathBuf {
    let policy = |name: &str, kind: &str, rule: Value| {
        let mut whole = json!({
            "name": name,
            "match": {"any": [{"resources": {"kinds": [kind], "names": ["shop*", "settings", "other"]}}]},
        });
        for (key, value) in rule.as_object().unwrap() {
            whole[key] = value.clone();
        }
        yaml::emit(&json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
            "spec": {"rules": [whole]},
        }))
    };
    let folder = machine.path("policies");
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    let team = json!({"validate": {
        "failureAction": "Audit", "message": "A team label is required",
        "pattern": {"metadata": {"labels": {"team": "?*"}}},
    }});
    write("team.yaml", policy("map-team", "ConfigMap", team));
    let ask = |path: &str| {
        json!({
            "context": [{"name": "found", "apiCall": {"urlPath": path, "jmesPath": "length(items)"}}],
            "validate": {
                "failureAction": "Audit", "message": "There are {{ found }}",
                "deny": {"conditions": {"any": [{"key": "{{ found }}", "operator": "GreaterThan", "value": 1}]}},
            },
        })
    };
    let maps = "/api/v1/namespaces/{{ request.object.metadata.name }}/configmaps?labelSelector=of%3Dtest";
    write("count.yaml", policy("count", "Namespace", ask(maps)));
    let secrets = "/api/v1/namespaces/{{ request.object.metadata.name }}/secrets";
    write("secrets.yaml", policy("secrets", "Namespace", ask(secrets)));
    let exec = json!({"validate": {"failureAction": "Audit", "message": "no", "deny": {}}});
    write("exec.yaml", policy("exec", "Pod/exec", exec));
    folder
}

#[test]
fn policies_are_applied_to_a_cluster_and_ask_it() {
    let machine = Machine::new();
    let folder = team_policies(&machine);
    machine.run("team create shop --environment dev").exits(0);
    let up = machine.up();
    let kubeconfig = machine.home().join("kubeconfig");
    let map = |name: &str, labels: Value| {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "shop-dev", "labels": labels},
        });
        up.create("shop-dev", &map).unwrap();
    };
    map("settings", json!({"of": "test", "team": "shop"}));
    map("other", json!({"of": "test"}));
    let run = |policies: &str, words: &str, code: i32| {
        let policies: Vec<String> = policies
            .split_whitespace()
            .map(|name| folder.join(name).display().to_string())
            .collect();
        let line = format!(
            "policy apply {} --cluster --kubeconfig {} {words}",
            policies.join(" "),
            kubeconfig.display()
        );
        machine.run(&line).exits(code)
    };
    let rows = |policies: &str, words: &str, code: i32| -> Vec<String> {
        let said = run(policies, &format!("{words} -o json"), code).json();
        let row = |result: &Value| {
            format!(
                "{} {} {}",
                text(result, "/policy"),
                text(result, "/resource/metadata/name"),
                text(result, "/result")
            )
        };
        let mut rows: Vec<String> = said["results"].as_array().unwrap().iter().map(row).collect();
        rows.sort();
        rows
    };
    assert_eq!(
        rows("team.yaml count.yaml", "", 1),
        [
            "count shop-dev fail",
            "map-team other fail",
            "map-team settings pass"
        ]
    );
    assert_eq!(
        rows("team.yaml count.yaml", "--namespace shop-dev --batch-size 1", 1),
        ["map-team other fail", "map-team settings pass"]
    );
    assert_eq!(
        rows("team.yaml count.yaml", "--cluster-wide-resources", 1),
        ["count shop-dev fail"]
    );
    assert_eq!(
        rows("team.yaml", "--resource settings", 0),
        ["map-team settings pass"]
    );
    assert_eq!(
        rows(
            "team.yaml",
            "--resource ConfigMap/other --audit-warn --warn-exit-code 9",
            9
        ),
        ["map-team other warn"]
    );
    // A file is judged as it stands, and the cluster answers what is asked about it.
    let file = machine.path("shop.yaml");
    fs::write(
        &file,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop-dev}\n",
    )
    .unwrap();
    assert_eq!(
        rows("count.yaml", &format!("--resource {}", file.display()), 1),
        ["count shop-dev fail"]
    );
    // No policy reads Secrets, and what is in no list is said.
    assert_eq!(rows("secrets.yaml", "", 1), ["secrets shop-dev error"]);
    let said = run("exec.yaml", "", 0);
    assert!(
        said.stderr
            .contains("exec: what it says of Pod/exec is not looked at"),
        "{said}"
    );
    let report = run("team.yaml", "--policy-report", 1);
    assert!(
        report.stdout.contains("uid: ") && report.stdout.contains("kind: Report"),
        "{report}"
    );

    // Without policies, those of the cluster; wrong words, clear answers.
    run("", "--namespace shop-dev", 0);
    run("team.yaml", "--resource nothing", 4);
    run("team.yaml", "--namespace moon", 4);
    run("team.yaml", "--crd-paths x", 2);
    run("team.yaml", "--generate-exceptions", 2);
    let team = folder.join("team.yaml").display().to_string();
    machine
        .run(&format!(
            "policy apply {team} --cluster --kubeconfig {}",
            machine.path("none").display()
        ))
        .fails(2, &["which cluster?"]);
    machine
        .run(&format!("policy apply {team} --cluster --context moon"))
        .fails(4, &["moon"]);
}

#[test]
fn policies_applied_to_files_point_at_the_value() {
    let machine = Machine::new();
    let team = team_policies(&machine).join("team.yaml");
    let file = machine.work().join("maps.yaml");
    let maps = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: other\n  labels:\n    team: \"\"\n";
    fs::write(&file, maps).unwrap();
    let log = machine
        .run(&format!("policy apply {} -r maps.yaml --sarif -", team.display()))
        .exits(1)
        .json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let lines: Vec<&Value> = results
        .iter()
        .map(|result| &result["locations"][0]["physicalLocation"]["region"]["startLine"])
        .collect();
    // The first has no labels, so they are missing from its metadata.
    assert_eq!(lines, [line(maps, "metadata:"), line(maps, "team:")], "{log:#}");
    // Where nothing is judged, that is said.
    let empty = machine.work().join("empty");
    fs::create_dir(&empty).unwrap();
    for words in [
        format!("{} -r empty", team.display()),
        "empty -r maps.yaml".to_owned(),
    ] {
        let said = machine.run(&format!("policy apply {words}")).exits(0);
        assert!(said.stderr.contains("so nothing is judged"), "{said}");
    }
}

#[test]
fn the_impact_on_a_cluster_names_team_service_and_exceptions() {
    let machine = Machine::new();
    machine.run("team create shop --environment dev").exits(0);
    machine
        .run("service create cart --team shop --environment dev --image other.example/cart:v1 --no-scaffold")
        .exits(0);
    let folder = fleet(&machine);
    let up = machine.up();
    let mut bare = deployment("other.example/bare:v1");
    bare["metadata"] = json!({"name": "bare", "namespace": "default"});
    up.create("default", &bare).unwrap();
    let ask = |words: &str, code: i32| {
        let line = format!(
            "policy impact own-registry {words} --context sandbox --repository {} -o json",
            folder.display()
        );
        let mut command = machine.platform(&line);
        command.env("KUBECONFIG", machine.home().join("kubeconfig"));
        machine.finish(command).exits(code).json()
    };
    let enforced = ask("--stage enforce", 3);
    // The fleet in Git and the cluster are told apart.
    assert_eq!(enforced["counts"]["refused"], 1, "{enforced:#}");
    let there = &enforced["cluster"];
    assert_eq!(there["unknown"], json!([]), "{there:#}");
    let said = |impact: &Value| -> Vec<String> {
        let findings = impact["cluster"]["findings"].as_array().unwrap().iter();
        let mut said: Vec<String> = findings
            .map(|found| {
                format!(
                    "{} {}/{}/{} {}",
                    text(found, "/effect"),
                    text(found, "/team"),
                    text(found, "/environment"),
                    text(found, "/service"),
                    text(found, "/object")
                )
            })
            .collect();
        said.sort();
        said
    };
    // What a Deployment makes is judged with it.
    assert_eq!(
        said(&enforced),
        [
            "refused // Deployment bare",
            "refused shop/dev/cart Deployment cart"
        ]
    );
    assert_eq!(there["refused"], 2);
    assert_eq!(ask("--stage audit", 0)["cluster"]["reported"], 2);
    assert_eq!(
        ask("--stage enforce --environment prod", 3)["cluster"]["refused"],
        0
    );

    fs::write(
        folder.join("platform/policies/cart.yaml"),
        exception(Some("2199-12-31")),
    )
    .unwrap();
    let excepted = ask("--stage enforce", 3);
    assert_eq!(excepted["counts"]["refused"], 0);
    assert_eq!(said(&excepted), ["refused // Deployment bare"]);
    assert_eq!(
        excepted["exceptions"],
        json!([{
            "name": "platform-system/cart", "owner": "shop", "reason": "it moves", "expires": "2199-12-31",
            "letsThrough": 2,
        }])
    );
}
