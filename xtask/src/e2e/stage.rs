//! A cluster and somebody who administers it, with the platform, kubectl and Helm.

use super::main_job::holds;
use super::platform::{Platform, User};
use crate::cluster::{CONTEXT, Cluster};
use crate::failure::{Doing, Result, fail};
use crate::peers::HELM;
use crate::process::run;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What any single step may take on a loaded machine.
pub(super) const LIMIT: Duration = Duration::from_mins(2);

/// A cluster, and somebody who administers it.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) cluster: Cluster,
    pub(super) user: User<'a>,
}

impl<'a> Stage<'a> {
    /// On this cluster.
    pub(super) fn on(cluster: Cluster, platform: &'a Platform) -> Result<Self> {
        Ok(Self {
            cluster,
            user: platform.new_user()?,
        })
    }

    /// Runs the platform as the administrator; it must succeed.
    pub(super) fn platform(&self, arguments: &str) -> Result<String> {
        self.user.succeed(
            Some(self.cluster.kubeconfig()),
            &format!("{arguments} --context {CONTEXT}"),
        )
    }

    /// As the administrator, it must fail with this exit code and name these things.
    pub(super) fn refused(&self, arguments: &str, code: i32, words: &[&str]) -> Result<()> {
        self.refused_as(self.cluster.kubeconfig(), arguments, code, words)
    }

    /// The command must fail with this exit code and name these things.
    pub(super) fn refused_as(
        &self,
        kubeconfig: &Path,
        arguments: &str,
        code: i32,
        words: &[&str],
    ) -> Result<()> {
        let mut command = self.user.command(&format!("{arguments} --context {CONTEXT}"));
        let finished = run(command.env("KUBECONFIG", kubeconfig), LIMIT)?;
        let said = format!("{}{}", finished.stdout, finished.stderr);
        if finished.status.code() == Some(code) && words.iter().all(|word| said.contains(word)) {
            return Ok(());
        }
        fail!(
            "platform {arguments}: expected exit {code} and {words:?}, got {} and\n{said}",
            finished.status
        )
    }

    /// Runs kubectl as the administrator; it must succeed.
    pub(super) fn kubectl(&self, arguments: &str) -> Result<String> {
        let mut command = self.cluster.kubectl();
        run(command.args(arguments.split_whitespace()), LIMIT)?.success(&format!("kubectl {arguments}"))
    }

    /// Runs Helm as the administrator; it must succeed.
    pub(super) fn helm(&self, arguments: &str) -> Result<String> {
        let mut command = Command::new(HELM.binary("helm")?);
        command
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("HOME", self.user.work());
        run(&mut command, LIMIT)?.success(&format!("helm {arguments}"))
    }

    /// An object as it is now.
    pub(super) fn get(&self, resource: &str, namespace: &str) -> Result<Value> {
        let text = self.kubectl(&format!("get {resource} --namespace {namespace} -o json"))?;
        serde_json::from_str(&text).doing(|| format!("read {resource}"))
    }

    /// Whether an object has this string, number or truth value at a place.
    pub(super) fn has(&self, resource: &str, namespace: &str, pointer: &str, expect: &str) -> Result<()> {
        holds(&self.get(resource, namespace)?, pointer, expect)
            .or_else(|failure| fail!("{resource}: {failure}"))
    }

    /// Waits as kubectl does: `--for=create …`, `--for=delete …`, `--for=jsonpath=… …`.
    pub(super) fn wait(&self, arguments: &str) -> Result<()> {
        self.kubectl(&format!("wait {arguments} --timeout=110s"))
            .map(drop)
    }

    /// Waits until it is so, which it can become when something happens in a collection, named by its path; fails when a
    /// part of the cluster has ended.
    pub(super) fn eventually(
        &self,
        what: &str,
        collection: &str,
        is: impl Fn() -> Result<bool>,
    ) -> Result<()> {
        self.cluster.api().until(what, collection, LIMIT, || {
            self.cluster.check()?;
            Ok(is()?.then_some(()))
        })
    }
}
