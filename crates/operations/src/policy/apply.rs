//! `policy apply`: what policies make of resources. Counts as `kyverno apply` counts.

use std::path::Path;

use guardrails::{Outcome, Policies, Refusal, Served, Task, Verdict};
use serde::Serialize;
use serde_json::Value;

use super::cluster::{PolicyCluster, Selection};
use super::files::{self, Kinds, Object, Stdin};
use super::loaded::{Found, Loaded};
use super::runner::{Response, Runner};
use super::values::{Asker, Values};
use super::world::World;
use crate::error::OperationError;

/// What to apply to what.
#[derive(Debug, Default)]
pub struct PolicyApplyRequest {
    /// Files and folders with policies, or `-`.
    pub policies: Vec<String>,
    /// Files and folders with resources, or `-`.
    pub resources: Vec<String>,
    /// Files with JSON that is no Kubernetes object.
    pub json: Vec<String>,
    /// Resources that policies may change while they judge others.
    pub targets: Vec<String>,
    /// Resources that are parameters of admission policies.
    pub parameters: Vec<String>,
    /// Who asks.
    pub user_info: Option<String>,
    /// Values of variables.
    pub set: Vec<String>,
    /// Values of variables, from a file.
    pub values_file: Option<String>,
    /// What CEL policies may ask for.
    pub context_file: Option<String>,
    /// Files with exceptions.
    pub exceptions: Vec<String>,
    /// Exceptions among the resources count.
    pub exceptions_within_resources: bool,
    /// Exceptions among the policies count.
    pub exceptions_within_policies: bool,
    /// Files with definitions of kinds.
    pub definitions: Vec<String>,
    /// What an audited rule refuses is a warning.
    pub audit_warn: bool,
    /// The time that policies see, as seconds and nanoseconds since 1970.
    pub now: Option<(i64, u32)>,
    /// The cluster whose objects are judged and who answers what policies ask, and which of its objects. Without
    /// policies, its own.
    pub cluster: Option<(PolicyCluster, Selection)>,
    /// What stands on standard input, if it is read.
    pub stdin: Option<String>,
}

/// How many results there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PolicyCounts {
    /// The object keeps the rule, or was changed.
    pub pass: usize,
    /// It breaks the rule.
    pub fail: usize,
    /// It breaks a rule that does not bite.
    pub warn: usize,
    /// The rule could not be judged.
    pub error: usize,
    /// The rule lets the object through.
    pub skip: usize,
}

/// Policies and resources, ready to be applied.
pub struct PolicyApplication {
    runner: Runner,
    objects: Vec<Object>,
    payloads: Vec<Object>,
    audit_warn: bool,
    /// Policies that cannot be used, and why.
    pub refused: Vec<Refusal>,
    /// Documents among the policies that are none.
    pub others: Vec<String>,
    /// Kinds of the cluster that could not be looked at, and why.
    pub unseen: Vec<String>,
    /// How many exceptions count.
    pub exceptions: usize,
}

/// What one policy says of one object.
#[derive(Debug)]
pub struct PolicyResult<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// The policy's kind.
    pub policy_kind: &'a str,
    /// Whether its rules have names of their own.
    pub named_rules: bool,
    /// The object as it came.
    pub object: &'a Value,
    /// The object as this policy and those before it have left it, when this one changed it.
    pub changed: Option<&'a Value>,
    /// Other objects that the policy changes because of this one.
    pub targets: Vec<&'a Value>,
    /// Objects that the policy asks for because of this one.
    pub generated: Vec<&'a Value>,
    /// The object's file and the line it begins at.
    pub file: &'a str,
    /// That line.
    pub line: usize,
    /// What each rule says, with what it counts as.
    pub verdicts: Vec<&'a Verdict>,
}

impl PolicyResult<'_> {
    /// `namespace/Kind/name`.
    pub fn place(&self) -> String {
        let text = |pointer: &str| {
            self.object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (namespace, kind, name) = (text("/metadata/namespace"), text("/kind"), text("/metadata/name"));
        if kind.is_empty() && name.is_empty() {
            return "JSON payload".to_owned();
        }
        format!("{namespace}/{kind}/{name}")
    }
}

impl PolicyApplication {
    /// Reads everything.
    pub fn prepare(mut request: PolicyApplyRequest) -> Result<PolicyApplication, OperationError> {
        let here = Path::new("");
        let twice = [&request.policies, &request.resources]
            .iter()
            .all(|places| places.iter().any(|place| place == "-"));
        if twice {
            return Err(OperationError::invalid(
                "standard input can be read once: for policies, or for resources",
            ));
        }
        let mut stdin = Stdin::new(request.stdin.take());
        let mut values = match &request.values_file {
            Some(file) => Values::read(Path::new(file))?,
            None => Values::default(),
        };
        values.set(&request.set);
        let asker = request
            .user_info
            .as_deref()
            .map(|file| Asker::read(Path::new(file)))
            .transpose()?;
        let mut kinds = Kinds::default();
        let mut unseen = Vec::new();
        let live = request.cluster.take();
        let mut found = Found::read(&files::policies(&request.policies, here, &mut stdin)?);
        if let Some((cluster, _)) = &live {
            for (group, kind, plural, namespaced) in cluster.kinds() {
                kinds.serve(group, kind, plural, namespaced);
            }
            if request.policies.is_empty() {
                (found, unseen) = Found::of_cluster(cluster)?;
                request.exceptions_within_policies = true;
                if found.policies.is_empty() && found.refused.is_empty() && unseen.is_empty() {
                    return Err(OperationError::invalid_hint(
                        "the cluster has no policies of Kyverno",
                        "name files or folders with policies",
                    ));
                }
            }
        }
        for file in files::policies(&request.definitions, here, &mut stdin)? {
            file.documents
                .iter()
                .for_each(|document| kinds.add(&document.value));
        }
        let mut read = |places: &[String]| files::resources(places, here, &kinds, &mut stdin);
        // With a cluster, what is no file is the name of one of its objects.
        let is_file = |place: &String| live.is_none() || place == "-" || Path::new(place).exists();
        let (places, names): (Vec<String>, Vec<String>) = request.resources.drain(..).partition(is_file);
        let mut objects = read(&places)?;
        if let Some((cluster, selection)) = &live
            && (places.is_empty() || !names.is_empty())
            && request.json.is_empty()
        {
            unseen.extend(of_cluster(
                cluster,
                selection,
                &found.policies,
                &names,
                &mut objects,
            )?);
            for policy in &found.policies {
                let beneath = policy.beneath().into_iter();
                found.others.extend(beneath.map(|kind| {
                    format!(
                        "{}: what it says of {kind} is not looked at: that is in no list of a cluster",
                        policy.name
                    )
                }));
            }
        }
        let (targets, parameters) = (read(&request.targets)?, read(&request.parameters)?);
        let mut beside = found.bindings;
        let mut exceptions = Policies::default();
        let mut refused: Vec<Refusal> = found.refused.into_iter().map(|(_, refusal)| refusal).collect();
        let mut count = 0;
        if request.exceptions_within_resources {
            let (among, rest): (Vec<Object>, Vec<Object>) = objects
                .into_iter()
                .partition(|object| object.value["kind"] == "PolicyException");
            objects = rest;
            for object in among {
                let (set, said) = Policies::from_values(&object.file, [&object.value]);
                count += usize::from(said.is_empty());
                exceptions.merge(set);
                refused.extend(said);
            }
        } else {
            let from = Found::read(&files::policies(&request.exceptions, here, &mut stdin)?);
            count += from.exception_count;
            exceptions.merge(from.exceptions);
            refused.extend(from.refused.into_iter().map(|(_, refusal)| refusal));
        }
        if request.exceptions_within_policies {
            count += found.exception_count;
            exceptions.merge(found.exceptions);
        }
        beside.merge(exceptions);
        let mut payloads = Vec::new();
        for file in &request.json {
            for document in files::documents(Path::new(file))? {
                payloads.push(Object {
                    line: document.line(),
                    value: document.value,
                    file: file.clone(),
                });
            }
        }
        let mut world = World {
            kinds,
            now: request.now,
            cluster: true,
            live: live.map(|(cluster, _)| cluster),
            ..World::default()
        };
        if let Some(file) = &request.context_file {
            world.add_context(Path::new(file))?;
        }
        if world.live.is_none() && asks(&found.policies) {
            let all = objects.iter().chain(&targets).chain(&parameters);
            world.objects.extend(all.map(|object| object.value.clone()));
        } else {
            let some = targets.iter().chain(&parameters);
            world.objects.extend(some.map(|object| object.value.clone()));
        }
        Ok(PolicyApplication {
            runner: Runner::together(found.policies, &beside, values, asker, world),
            objects,
            payloads,
            audit_warn: request.audit_warn,
            refused,
            others: found.others,
            unseen,
            exceptions: count,
        })
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        let rules = |policy: &Loaded| {
            if policy.has_no_rules() {
                1
            } else {
                policy.set.rules()
            }
        };
        self.runner.policies.iter().map(rules).sum()
    }

    /// How many resources there are.
    pub fn resources(&self) -> usize {
        self.objects.len() + self.payloads.len()
    }

    /// Judges one resource after the other, tells what each policy says, and counts.
    pub fn each(
        &self,
        mut take: impl FnMut(&PolicyResult<'_>) -> Result<(), OperationError>,
    ) -> Result<PolicyCounts, OperationError> {
        let mut counts = PolicyCounts {
            // What could not be looked at is no pass.
            error: self.refused.len() + self.unseen.len(),
            ..PolicyCounts::default()
        };
        for object in self.objects.iter().chain(&self.payloads) {
            for response in self.runner.judge(&object.value, None) {
                let Some(policy) = self.runner.policies.get(response.policy) else {
                    continue;
                };
                self.count(&response, &mut counts);
                take(&PolicyResult {
                    policy: &policy.name,
                    policy_kind: &policy.kind,
                    named_rules: !policy.has_no_rules(),
                    object: &response.object,
                    changed: response.changed.then_some(&response.patched),
                    targets: response.targets.iter().map(|(_, target)| target).collect(),
                    generated: response.generated.iter().map(|(_, made)| made).collect(),
                    file: &object.file,
                    line: object.line,
                    verdicts: response.verdicts.iter().collect(),
                })?;
            }
        }
        Ok(counts)
    }

    fn count(&self, response: &Response, counts: &mut PolicyCounts) {
        for verdict in &response.verdicts {
            match self.counted(verdict) {
                Outcome::Pass => counts.pass += 1,
                Outcome::Fail => counts.fail += 1,
                Outcome::Warn => counts.warn += 1,
                Outcome::Error => counts.error += 1,
                Outcome::Skip => counts.skip += 1,
            }
        }
    }

    /// What a verdict counts as.
    pub fn counted(&self, verdict: &Verdict) -> Outcome {
        match verdict.outcome {
            Outcome::Fail if self.audit_warn && !verdict.enforce && verdict.about.task == Task::Validate => {
                Outcome::Warn
            }
            outcome => outcome,
        }
    }
}

/// The objects of a cluster that policies may be about; with names, only those. Gives back what could not be looked at.
fn of_cluster(
    cluster: &PolicyCluster,
    selection: &Selection,
    policies: &[Loaded],
    names: &[String],
    objects: &mut Vec<Object>,
) -> Result<Vec<String>, OperationError> {
    let wanted = |served: &Served<'_>| policies.iter().any(|policy| policy.set.concern(served));
    let mut met = vec![false; names.len()];
    let unseen = cluster.objects(selection, &wanted, &mut |value| {
        let (kind, name) = (&value["kind"], &value["metadata"]["name"]);
        let is = |wanted: &str| match wanted.split_once('/') {
            Some((wanted_kind, wanted)) => kind == wanted_kind && name == wanted,
            None => name == wanted,
        };
        let mut meant = names.is_empty();
        for (_, met) in names.iter().zip(&mut met).filter(|(name, _)| is(name)) {
            (*met, meant) = (true, true);
        }
        if meant {
            objects.push(Object {
                value,
                file: String::new(),
                line: 0,
            });
        }
        Ok(())
    })?;
    match names.iter().zip(met).find(|(_, met)| !met) {
        None => Ok(unseen),
        Some((name, _)) => Err(OperationError::NotFound {
            what: "resource",
            name: name.clone(),
            place: Some("the cluster that these policies are about, and no such file".to_owned()),
            hint: Some("name it as NAME or Kind/NAME; --namespace looks into one namespace".to_owned()),
        }),
    }
}

/// Whether any policy may ask the cluster for other objects.
fn asks(policies: &[Loaded]) -> bool {
    policies.iter().any(|policy| {
        let text = policy.value.to_string();
        [
            "apiCall",
            "configMap",
            "globalReference",
            "resource.",
            "globalContext.",
            "paramKind",
            "clone",
        ]
        .iter()
        .any(|word| text.contains(word))
    })
}
