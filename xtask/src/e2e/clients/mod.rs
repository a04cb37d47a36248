//! Real clients, which nobody here wrote, do the same on real Kubernetes and on the sandbox, and find no difference
//! that `docs/conformance/clients.md` does not list with its reason.
//!
//! What they do is data: files of command lines below `e2e/clients`.

mod controller;
mod differ;
mod normal;
mod play;
mod script;

use super::platform::Platform;
use crate::cluster::{Cluster, kubectl as kubectl_of};
use crate::conformance::sandbox::Listed;
use crate::failure::{Result, fail};
use crate::peers::{HELM, KUBERNETES, Peer};
use crate::process::run;
use crate::say;
use play::{Answer, Seat};
use script::Chapter;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What a single call may take.
const LIMIT: Duration = Duration::from_mins(1);
/// How many differing commands a failure shows.
const SHOWN: usize = 40;

pub(super) use controller::works;

/// One version of kubectl, on both.
pub(super) fn kubectl(kubectl: &Peer, cluster: &Cluster, sandbox: &Cluster) -> Result<()> {
    let programs = [("kubectl", kubectl.binary("kubectl")?)];
    compare(
        &format!("kubectl {}", kubectl.version),
        "kubectl",
        &programs,
        cluster.kubeconfig(),
        sandbox.kubeconfig(),
    )
}

/// Helm with charts of our own, on both.
pub(super) fn helm(cluster: &Cluster, sandbox: &Cluster) -> Result<()> {
    let programs = [
        ("helm", HELM.binary("helm")?),
        ("kubectl", KUBERNETES.binary("kubectl")?),
    ];
    compare(
        &format!("helm {}", HELM.version),
        "helm",
        &programs,
        cluster.kubeconfig(),
        sandbox.kubeconfig(),
    )
}

/// The first ten minutes with `platform up`, and on Kubernetes; the platform's own kinds explain themselves besides.
pub(super) fn first(platform: &Platform, cluster: &Cluster) -> Result<()> {
    let user = platform.new_user()?;
    let (_up, _) = user.up()?;
    let kubeconfig = user.sandbox_kubeconfig();
    let program = KUBERNETES.binary("kubectl")?;
    for kind in ["applications", "teams", "environments", "databases", "caches"] {
        let asked = format!("{kind}.platform.company.com.spec");
        let told = run(kubectl_of(&program, &kubeconfig).args(["explain", &asked]), LIMIT)?
            .success("kubectl explain")?;
        if !told.contains("FIELD: spec <Object>") {
            fail!("kubectl explain {asked} says\n{told}");
        }
    }
    compare(
        &format!("a newcomer with kubectl {}", KUBERNETES.version),
        "first",
        &[("kubectl", program)],
        cluster.kubeconfig(),
        &kubeconfig,
    )
}

/// Plays what stands in `e2e/clients/<what>.txt` on both, each at its own pace, and judges what differs.
fn compare(who: &str, what: &str, programs: &[(&str, PathBuf)], theirs: &Path, ours: &Path) -> Result<()> {
    let chapters = chapters(what)?;
    let files = crate::root().join("e2e/clients").join(what);
    let name: String = who.chars().filter(char::is_ascii_digit).take(3).collect();
    let play = |kubeconfig: &Path| -> Result<Vec<Vec<Answer>>> {
        let seat = Seat::new(&name, programs, kubeconfig, &files)?;
        chapters.iter().map(|chapter| seat.play(chapter)).collect()
    };
    let (theirs, ours) = both(|| play(theirs), || play(ours))?;
    judge(who, &chapters, &theirs, &ours)
}

fn chapters(what: &str) -> Result<Vec<Chapter>> {
    script::read(&crate::root().join(format!("e2e/clients/{what}.txt")))
}

/// Does both at once.
fn both<T: Send>(
    theirs: impl FnOnce() -> Result<T> + Send,
    ours: impl FnOnce() -> Result<T>,
) -> Result<(T, T)> {
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(theirs);
        let ours = ours();
        (theirs.join(), ours)
    });
    match theirs {
        Ok(theirs) => Ok((theirs?, ours?)),
        Err(_) => fail!("a player stopped by itself"),
    }
}

/// Holds what differs against the list.
fn judge(who: &str, chapters: &[Chapter], theirs: &[Vec<Answer>], ours: &[Vec<Answer>]) -> Result<()> {
    let listed = Listed::read(&crate::root().join("docs/conformance/clients.md"))?;
    let (mut commands, mut same, mut known, mut unknown) = (0, 0, 0, Vec::new());
    let (mut used, mut played) = (BTreeSet::new(), BTreeSet::new());
    for ((chapter, theirs), ours) in chapters.iter().zip(theirs).zip(ours) {
        for ((step, theirs), ours) in chapter.steps.iter().zip(theirs).zip(ours) {
            commands += 1;
            played.insert(step.line.as_str());
            let mut unlisted = String::new();
            let differences = differ::lines(theirs, ours);
            for line in &differences {
                match listed.row(&step.line, line) {
                    Some(row) => {
                        used.insert(row);
                    }
                    None => {
                        let _ = writeln!(unlisted, "    {line}");
                    }
                }
            }
            if !unlisted.is_empty() {
                unknown.push(format!("  {}: {}\n{unlisted}", chapter.name, step.line));
            } else if differences.is_empty() {
                same += 1;
            } else {
                known += 1;
            }
        }
    }
    say::line(format!(
        "    {who}: {commands} commands, {same} the same, {known} with listed differences, {} with others",
        unknown.len()
    ));
    for row in listed.unused(&used, &played) {
        say::line(format!("    listed, and differs no more: {row}"));
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let more = unknown.len().saturating_sub(SHOWN);
    unknown.truncate(SHOWN);
    fail!(
        "{who} finds differences that docs/conformance/clients.md does not list (- Kubernetes, + the sandbox):\n{}{}",
        unknown.concat(),
        if more > 0 {
            format!("  and {more} commands more\n")
        } else {
            String::new()
        }
    )
}
