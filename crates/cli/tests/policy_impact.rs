//! `policy impact`: what a policy would do to services and to the objects of a cluster before it bites, and what
//! exceptions let through.
#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Machine, deployment, line, text};

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
