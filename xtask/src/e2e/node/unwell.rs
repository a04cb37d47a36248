//! Services that cannot be well, and what people are told about them: a crash loop, a lack of memory, an image that
//! does not exist.

use super::Site;
use super::images::HUNGRY;
use super::services::Source;
use crate::cluster::{CONTEXT, free_ports};
use crate::e2e::charts::registry;
use crate::e2e::main_job::{holds, objects};
use crate::failure::{Doing, Result, fail};
use crate::process::Daemon;
use serde_json::Value;
use std::time::Duration;

/// A service, its image, and the words by which somebody knows what to do.
type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

/// How long a create may take on a loaded machine until it knows; it waits no longer than that.
const PATIENCE: Duration = Duration::from_mins(11);
/// What a kubelet says of these, and nobody needs to know.
const MACHINE_WORDS: [&str; 4] = ["ack-off", "BackOff", "OOMKilled", "rpc error"];

/// All of them at once, as a busy morning brings them.
pub(super) fn explained(site: &Site<'_>) -> Result<()> {
    let stage = &site.stage;
    let [port] = free_ports()?;
    let _registry = registry(&stage.user.work().join("registry"), port, None)?;
    let missing = format!("127.0.0.1:{port}/payments/gateway:v2");
    let missing_words = [
        missing.as_str(),
        "cannot be pulled: the registry has no such image or tag",
    ];
    let cases: [Case<'_>; 3] = [
        // It was written with a database, and is run without one.
        (
            "orphan",
            Source::GO.image,
            &[
                "container orphan crashes ",
                "after it starts, with exit code 1",
                "DATABASE_URL",
            ],
        ),
        (
            "hungry",
            HUNGRY,
            &[
                "container hungry was killed: it used more memory than its limit of 512Mi",
                "; raise it with a larger size, or with resources.limits.memory, in the service's file in Git",
            ],
        ),
        ("phantom", &missing, &missing_words),
    ];
    let mut creates = Vec::new();
    for (name, image, _) in &cases {
        let create = format!(
            "service create {name} --team payments --no-scaffold --replicas 1 --image {image} --timeout 10m --context {CONTEXT}"
        );
        let mut command = stage.user.command(&create);
        command.env("KUBECONFIG", stage.cluster.kubeconfig());
        let log = stage.user.work().join(format!("{name}.log"));
        creates.push(Daemon::start(&mut command, &log)?);
    }
    for ((name, _, words), create) in cases.iter().zip(&creates) {
        let ended = create.wait(PATIENCE)?;
        let told = |said: &str, what: &str| -> Result<()> {
            if words.iter().all(|word| said.contains(word)) {
                return Ok(());
            }
            fail!(
                "{what} of {name}: expected {words:?}, got\n{said}\n{}",
                objects(&stage.cluster, super::services::NAMESPACE)
            )
        };
        if ended.success() {
            fail!(
                "{name} cannot run, and service create says that all is well:\n{}",
                create.output()
            );
        }
        told(&create.output(), "service create")?;
        let shown = stage.platform(&format!("service get {name} --team payments"))?;
        told(&shown, "service get")?;
        for word in MACHINE_WORDS {
            if shown.contains(word) {
                fail!("service get {name} says {word:?}:\n{shown}");
            }
        }
        let view = stage.platform(&format!("service get {name} --team payments -o json"))?;
        let view: Value = serde_json::from_str(&view).doing(|| "read what service get prints".to_owned())?;
        holds(&view, "/health", "Degraded")?;
        told(view["reason"].as_str().unwrap_or_default(), "the reason")?;
    }
    Ok(())
}
