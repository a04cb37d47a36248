//! Answers to what policies ask beyond the object: ConfigMaps and other reads of the Kubernetes API.
//!
//! A policy for the whole cluster is an administrator's and may ask what the webhook's account may read. A policy of a
//! namespace is a tenant's, and what it reads can be told to anybody in its message: it sees its own namespace.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use guardrails::{Call, Callee, Facts, Unavailable, may_copy, may_read};
use kube::Client;
use serde_json::Value;
use tokio::runtime::Handle;

/// No answer may be larger than this.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// One request may ask this many different questions.
const QUESTIONS: usize = 64;

/// Asks a cluster, on a thread that may wait.
pub(crate) struct ClusterFacts<'a> {
    client: &'a Client,
    runtime: Handle,
    /// Who must have answered by when.
    deadline: Instant,
    /// The only namespace that may be looked at.
    namespace: Option<&'a str>,
    /// Whether objects are asked for to be copied or changed, and not only to be looked at.
    carries_out: bool,
    /// The same question has the same answer throughout a request.
    known: RefCell<HashMap<String, Result<Value, Unavailable>>>,
    now: (i64, u32),
}

impl<'a> ClusterFacts<'a> {
    pub(crate) fn new(client: &'a Client, runtime: Handle, deadline: Instant, now: jiff::Timestamp) -> Self {
        Self {
            client,
            runtime,
            deadline,
            namespace: None,
            carries_out: false,
            known: RefCell::default(),
            now: (now.as_second(), now.subsec_nanosecond().unsigned_abs()),
        }
    }

    /// The same, for the policies of a namespace.
    pub(crate) fn within(&self, namespace: &'a str) -> Self {
        Self {
            client: self.client,
            runtime: self.runtime.clone(),
            deadline: self.deadline,
            namespace: Some(namespace),
            carries_out: self.carries_out,
            known: RefCell::default(),
            now: self.now,
        }
    }

    /// The same, for whoever carries out what policies decide: what is copied or changed as a whole may be a Secret.
    pub(crate) fn carrying_out(mut self) -> Self {
        self.carries_out = true;
        self
    }

    /// `secrets` says whether a Secret may be the answer.
    fn answer(&self, call: &Call, secrets: bool) -> Result<Value, Unavailable> {
        let Callee::Cluster(path) = &call.to else {
            return Err(Unavailable::Unknown(call.to_string()));
        };
        if call.data.is_some() {
            return Err(Unavailable::Failed(format!(
                "cannot send anything to {path}: policies may read the cluster and not write to it"
            )));
        }
        let may = if secrets { may_copy } else { may_read };
        if !may(path, self.namespace) {
            return Err(Unavailable::Failed(match self.namespace {
                Some(namespace) => {
                    format!("cannot read {path}: a policy of {namespace} sees its own namespace only")
                }
                None => {
                    format!("cannot read {path}: it is no path of the cluster's API, or it holds secrets")
                }
            }));
        }
        self.once(path)
    }

    /// Reads a path, once.
    fn once(&self, path: &str) -> Result<Value, Unavailable> {
        let known = self.known.borrow().get(path).cloned();
        if let Some(known) = known {
            return known;
        }
        if self.known.borrow().len() >= QUESTIONS {
            return Err(Unavailable::Failed(format!(
                "more than {QUESTIONS} questions to the cluster"
            )));
        }
        let answer = self.read(path);
        self.known.borrow_mut().insert(path.to_owned(), answer.clone());
        answer
    }

    fn read(&self, path: &str) -> Result<Value, Unavailable> {
        let failed = |why: &dyn std::fmt::Display| Unavailable::Failed(format!("cannot read {path}: {why}"));
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(|error| failed(&error))?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) {
            return Err(failed(&"no time is left"));
        }
        let asked = self
            .runtime
            .block_on(async { tokio::time::timeout(left, self.client.request_text(request)).await });
        match asked {
            Err(_) => Err(failed(&"the cluster did not answer in time")),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                Err(Unavailable::Missing(format!("what the cluster has at {path}")))
            }
            Ok(Err(error)) => Err(failed(&error)),
            Ok(Ok(text)) if text.len() > ANSWER_LIMIT => Err(failed(&"the answer is too large")),
            Ok(Ok(text)) => serde_json::from_str(&text).map_err(|error| failed(&error)),
        }
    }
}

impl Facts for ClusterFacts<'_> {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        self.answer(call, false)
    }

    fn object(&self, call: &Call) -> Result<Value, Unavailable> {
        self.answer(call, self.carries_out)
    }

    fn resource(&self, api_version: &str, kind: &str) -> Result<(String, bool), Unavailable> {
        let root = if api_version.contains('/') { "apis" } else { "api" };
        let list = self.once(&format!("/{root}/{api_version}"))?;
        let resources = list["resources"].as_array().into_iter().flatten();
        let found = resources
            .filter(|resource| resource["kind"] == kind)
            .find_map(|resource| {
                let name = resource["name"].as_str().filter(|name| !name.contains('/'))?;
                Some((name.to_owned(), resource["namespaced"] == true))
            });
        found.ok_or_else(|| Unavailable::Missing(format!("the kind {kind} of {api_version}")))
    }

    fn now(&self) -> Option<(i64, u32)> {
        Some(self.now)
    }

    fn random(&self) -> Option<u64> {
        Some(rand::random())
    }
}
