//! Somebody at a shell: a folder of their own with the programs they have and a kubeconfig, in which chapters are
//! played one after the other.

use super::normal;
use super::script::{Chapter, Counts, Step};
use crate::failure::{Doing, Result, fail};
use crate::process::{Scratch, run};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What one line may take.
const LIMIT: Duration = Duration::from_mins(3);

/// What counts of what a command printed, line by line, and its exit code.
pub(super) type Answer = Vec<String>;

/// Somebody at a shell.
#[derive(Debug)]
pub(super) struct Seat {
    /// Ends the names of what is not in a namespace.
    who: String,
    nodes: Vec<String>,
    /// Where lines are run.
    files: PathBuf,
    folder: Scratch,
}

impl Seat {
    /// Who finds these programs on the path, `kubectl` among them, as the administrator of a cluster.
    pub(super) fn new(
        who: &str,
        programs: &[(&str, PathBuf)],
        kubeconfig: &Path,
        files: &Path,
    ) -> Result<Self> {
        let folder = Scratch::new()?;
        let place = |name: &str| folder.path().join(name);
        for name in ["bin", "tmp"] {
            fs::create_dir(place(name)).doing(|| format!("make {name}"))?;
        }
        for (name, program) in programs {
            symlink(program, place("bin").join(name)).doing(|| format!("link {}", program.display()))?;
        }
        fs::copy(kubeconfig, place("kubeconfig")).doing(|| format!("copy {}", kubeconfig.display()))?;
        let mut seat = Self {
            who: who.to_owned(),
            nodes: Vec::new(),
            files: files.to_owned(),
            folder,
        };
        let nodes = "kubectl get nodes -o jsonpath='{.items[*].metadata.name}'";
        let nodes = run(&mut seat.shell(nodes, "default"), LIMIT)?.success(nodes)?;
        seat.nodes = nodes.split_whitespace().map(str::to_owned).collect();
        if seat.nodes.is_empty() {
            fail!("there are no nodes");
        }
        Ok(seat)
    }

    /// Plays a chapter in a namespace of its own.
    pub(super) fn play(&self, chapter: &Chapter) -> Result<Vec<Answer>> {
        let namespace = format!("{}-{}", chapter.name, self.who);
        for line in [
            "kubectl create namespace $NS",
            "kubectl wait --for=create serviceaccount/default -n $NS --timeout=60s",
            "kubectl config set-context --current --namespace=$NS",
        ] {
            run(&mut self.shell(line, &namespace), LIMIT)?.success(line)?;
        }
        let answers = chapter
            .steps
            .iter()
            .map(|step| self.step(step, &namespace))
            .collect();
        let line = "kubectl delete namespace $NS --wait=false";
        run(&mut self.shell(line, &namespace), LIMIT)?.success(line)?;
        answers
    }

    fn step(&self, step: &Step, namespace: &str) -> Result<Answer> {
        let finished =
            run(&mut self.shell(&step.line, namespace), LIMIT).doing(|| format!("run {}", step.line))?;
        let own = self.folder.path().display().to_string();
        let lines = |text: &str, sign: &str| -> Vec<String> {
            text.lines()
                .map(|line| format!("{sign}{}", normal::line(&line.replace(&own, "OWN"), &self.nodes)))
                .collect()
        };
        let mut said = lines(&finished.stdout, "");
        normal::leave_out(&mut said);
        said.extend(lines(&finished.stderr, "! "));
        match step.counts {
            Counts::All => {}
            Counts::Last => said = said.pop().into_iter().collect(),
            Counts::Sorted => said.sort_unstable(),
            Counts::Done => said.clear(),
        }
        match finished.status.code() {
            Some(code) => said.push(format!("exit {code}")),
            None => said.push(finished.status.to_string()),
        }
        Ok(said)
    }

    fn shell(&self, line: &str, namespace: &str) -> Command {
        let own = self.folder.path();
        let mut path = own.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(&self.files)
            .env("PATH", path)
            .env("HOME", own)
            .env("TMPDIR", own.join("tmp"))
            .env("KUBECONFIG", own.join("kubeconfig"))
            .env("OWN", own)
            .env("NS", namespace)
            .env("NODE", self.nodes.first().map_or("", String::as_str));
        command
    }
}
