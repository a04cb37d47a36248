//! A controller written with kube-rs does the same work on both, sees its API server killed and started again, and
//! hands over to the one that stands by when it is killed itself.

use super::play::{Answer, Seat};
use super::{both, chapters, judge};
use crate::cluster::Cluster;
use crate::e2e::platform::Platform;
use crate::failure::{Result, fail};
use crate::peers::KUBERNETES;
use crate::process::{Daemon, Scratch};
use crate::test::built;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What a controller may take to connect, or to take over.
const LIMIT: Duration = Duration::from_mins(1);

/// The same code for both.
pub(in crate::e2e) fn works(platform: &Platform) -> Result<()> {
    let program = built(
        &[
            "--package",
            "cli",
            "--package",
            "sandbox",
            "--example",
            "controller",
        ],
        "controller",
        |_| (),
    )?;
    let mut cluster = Cluster::start()?;
    let mut sandbox = Cluster::sandbox(platform.path())?;
    let (theirs, ours) = (cluster.kubeconfig().to_owned(), sandbox.kubeconfig().to_owned());
    let (theirs, ours) = both(
        || play(&program, &theirs, || cluster.restart_api_server()),
        || play(&program, &ours, || sandbox.restart_api_server()),
    )?;
    judge("a kube-rs controller", &chapters("controller")?, &theirs, &ours)
}

fn play(program: &Path, kubeconfig: &Path, restart: impl FnOnce() -> Result<()>) -> Result<Vec<Vec<Answer>>> {
    let chapters = chapters("controller")?;
    let [before, restarted, taken_over] = chapters.as_slice() else {
        fail!("the controller has three chapters")
    };
    let files = crate::root().join("e2e/clients/kubectl");
    let seat = Seat::new(
        "rs",
        &[("kubectl", KUBERNETES.binary("kubectl")?)],
        kubeconfig,
        &files,
    )?;
    let logs = Scratch::new()?;
    let start = |identity: &str, until: &str| -> Result<Daemon> {
        let mut command = Command::new(program);
        command.arg(identity).env("KUBECONFIG", kubeconfig);
        let daemon = Daemon::start(&mut command, &logs.path().join(format!("{identity}.log")))?;
        daemon.says(until, LIMIT)?;
        Ok(daemon)
    };
    let one = start("one", "one leads")?;
    let two = start("two", "two stands by")?;
    let mut answers = vec![seat.play(before)?];
    restart()?;
    answers.push(seat.play(restarted)?);
    one.check()?;
    one.kill()?;
    two.says("two leads", LIMIT)?;
    answers.push(seat.play(taken_over)?);
    two.check()?;
    Ok(answers)
}
