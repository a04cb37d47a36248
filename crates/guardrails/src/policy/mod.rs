//! A policy as it is kept for evaluation: read strictly, patterns and expressions parsed.
//!
//! What is malformed is refused with file and line. What is well-formed but not supported yet loads, and
//! is an error verdict for the objects it matches.

use std::sync::Arc;

use serde_json::Value;

use crate::autogen::{self, Generated};
use crate::cel::MatchConditions;
use crate::cleanup;
use crate::cursor::{Cursor, Origin, Refusal};
use crate::selector::Selector;
use crate::variables::Expressions;
use crate::verdict::{About, Task};

mod context;
mod rule;

pub(crate) use context::{Entry, Source, Target, read_context};
pub(crate) use rule::{Check, Foreach, Pattern, Reading, Rule, Validate, Work, learn, read_conditions};

/// How many rules a policy may have, those made for pod controllers not counted.
const MAX_RULES: usize = 200;

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// `name`, or `namespace/name` for a `Policy`.
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) annotations: Annotations,
    pub(crate) background: bool,
    pub(crate) admission: bool,
    pub(crate) apply_one: bool,
    /// What cannot be judged keeps the object out (`failurePolicy`, `Fail` unless said otherwise).
    pub(crate) fail_closed: bool,
    /// Which requests it is asked about at all.
    pub(crate) conditions: MatchConditions,
    /// Its `generate` rules are also for objects that are there already.
    pub(crate) generate_existing: bool,
    pub(crate) failure_action: FailureAction,
    pub(crate) overrides: Vec<Override>,
    pub(crate) expressions: Expressions,
    pub(crate) rules: Vec<Rule>,
}

/// What the annotations of a policy say about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Annotations {
    title: Option<String>,
    category: Option<String>,
    severity: Option<String>,
    pub(crate) scored: bool,
    why: Option<String>,
    controls: Vec<String>,
    hint: Option<String>,
    hints: Vec<(String, String)>,
}

impl Annotations {
    /// What a rule says of itself under the name that it was written with.
    pub(crate) fn about(&self, policy: &str, rule: &str, task: Task) -> About {
        let hint = self
            .hints
            .iter()
            .find(|(name, _)| name == rule)
            .map(|(_, hint)| hint);
        About {
            policy: policy.to_owned(),
            rule: rule.to_owned(),
            task,
            why: self.why.clone(),
            hint: hint.or(self.hint.as_ref()).cloned(),
            controls: self.controls.clone(),
            title: self.title.clone(),
            severity: self.severity.clone(),
            category: self.category.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureAction {
    Audit,
    Enforce,
}

/// Another failure action for some namespaces.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    pub(crate) action: FailureAction,
    pub(crate) namespaces: Vec<String>,
    pub(crate) selector: Option<Selector>,
}

impl Override {
    /// The namespaces it is for, in words; `None` when it is for all of them.
    pub(crate) fn scope(&self) -> Option<String> {
        let named = self.namespaces.join(", ");
        let selector = self.selector.as_ref().map(ToString::to_string);
        match (named.as_str(), selector.filter(|text| !text.is_empty())) {
            ("", None) => None,
            ("", Some(selector)) => Some(format!("namespaces with {selector}")),
            (_, None) => Some(named),
            (_, Some(selector)) => Some(format!("{named} with {selector}")),
        }
    }
}

impl Policy {
    /// Reads a ClusterPolicy or Policy.
    pub(crate) fn read(origin: Origin<'_>, document: &Value) -> Result<Policy, Refusal> {
        let name = document.pointer("/metadata/name").and_then(Value::as_str);
        let origin = Origin {
            policy: name,
            ..origin
        };
        let root = Cursor::root(origin, document);
        let version = root.required("apiVersion")?;
        let kind = root.required("kind")?;
        match (version.string()?, kind.string()?) {
            ("kyverno.io/v1" | "kyverno.io/v2beta1" | "kyverno.io/v2", "ClusterPolicy" | "Policy")
            | (
                "kyverno.io/v2" | "kyverno.io/v2beta1" | "kyverno.io/v2alpha1",
                "CleanupPolicy" | "ClusterCleanupPolicy",
            ) => {}
            (group, kind_name)
                if group.starts_with("kyverno.io/") || group.starts_with("policies.kyverno.io/") =>
            {
                return Err(kind.refuse(format!("{kind_name} of {group} is not supported yet")));
            }
            (group, kind_name) => {
                return Err(kind.refuse(format!("{kind_name} of {group} is not a Kyverno policy")));
            }
        }
        let cleanup = cleanup::is_one(document);
        root.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
        let metadata = root.required("metadata")?;
        let name = metadata.required("name")?;
        if !is_object_name(name.string()?) {
            return Err(name.refuse(format!("{:?} is not the name of an object", name.string()?)));
        }
        let name = name.string()?;
        let namespace = matches!(kind.string()?, "Policy" | "CleanupPolicy")
            .then(|| {
                metadata
                    .text("namespace")
                    .map(|namespace| namespace.unwrap_or("default").to_owned())
            })
            .transpose()?;
        let spec = root.required("spec")?;
        if let Some(other) = metadata.field("namespace").filter(|other| {
            kind.value
                .as_str()
                .is_some_and(|kind| kind.starts_with("Cluster"))
                && other.value != ""
        }) {
            return Err(other.refuse("a policy of the whole cluster has no namespace"));
        }
        if cleanup {
            return Policy::read_cleanup(name, namespace, &metadata, &spec);
        }
        spec.only(&[
            "rules",
            "applyRules",
            "failurePolicy",
            "validationFailureAction",
            "validationFailureActionOverrides",
            "emitWarning",
            "admission",
            "background",
            "schemaValidation",
            "webhookTimeoutSeconds",
            "webhookConfiguration",
            "mutateExistingOnPolicyUpdate",
            "generateExistingOnPolicyUpdate",
            "generateExisting",
            "useServerSideApply",
        ])?;
        let apply_one = match spec.text("applyRules")? {
            None | Some("All") => false,
            Some("One") => true,
            Some(other) => {
                return Err(spec.refuse_below("/applyRules", format!("{other:?} is neither All nor One")));
            }
        };
        let fail_closed = match spec.text("failurePolicy")? {
            None | Some("Fail") => true,
            Some("Ignore") => false,
            Some(other) => {
                return Err(
                    spec.refuse_below("/failurePolicy", format!("{other:?} is neither Fail nor Ignore"))
                );
            }
        };
        let webhook = spec.field("webhookConfiguration");
        let mut policy = Policy {
            fail_closed,
            conditions: MatchConditions::read(webhook.and_then(|webhook| webhook.field("matchConditions")))?,
            generate_existing: spec
                .flag("generateExisting")?
                .or(spec.flag("generateExistingOnPolicyUpdate")?)
                .unwrap_or(false),
            name: namespace
                .as_ref()
                .map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}")),
            namespace,
            annotations: read_annotations(&metadata)?,
            background: spec.flag("background")?.unwrap_or(true),
            admission: spec.flag("admission")?.unwrap_or(true),
            apply_one,
            failure_action: spec
                .field("validationFailureAction")
                .map(|action| FailureAction::read(&action))
                .transpose()?
                .unwrap_or(FailureAction::Audit),
            overrides: read_overrides(spec.field("validationFailureActionOverrides"))?,
            expressions: Expressions::default(),
            rules: Vec::new(),
        };
        if !policy.admission && !policy.background {
            return Err(spec.refuse("a policy is for admission or for background scans, or both"));
        }
        policy.read_rules(&spec, &metadata)?;
        let changes = |rule: &&Rule| !matches!(rule.work, Work::Validate(_));
        if let (false, Some(rule)) = (policy.admission, policy.rules.iter().find(changes)) {
            return Err(spec.refuse_below(
                "/admission",
                format!(
                    "the rule {} needs admission: only rules that validate can do without",
                    rule.name
                ),
            ));
        }
        Ok(policy.introduced())
    }

    /// With what each rule says of itself.
    fn introduced(mut self) -> Policy {
        for rule in &mut self.rules {
            rule.about = Arc::new(
                self.annotations
                    .about(&self.name, &rule.written, rule.work.task()),
            );
            if rule.name != rule.written {
                Arc::make_mut(&mut rule.about).rule.clone_from(&rule.name);
            }
        }
        self
    }

    /// A cleanup policy: one rule, which deletes.
    fn read_cleanup(
        name: &str,
        namespace: Option<String>,
        metadata: &Cursor<'_>,
        spec: &Cursor<'_>,
    ) -> Result<Policy, Refusal> {
        let mut expressions = Expressions::default();
        let rule = cleanup::read_rule(name, spec, &mut expressions)?;
        let policy = Policy {
            name: namespace
                .as_ref()
                .map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}")),
            namespace,
            annotations: read_annotations(metadata)?,
            background: true,
            admission: false,
            apply_one: false,
            fail_closed: false,
            conditions: MatchConditions::default(),
            generate_existing: false,
            failure_action: FailureAction::Audit,
            overrides: Vec::new(),
            expressions,
            rules: vec![rule],
        };
        Ok(policy.introduced())
    }

    fn read_rules(&mut self, spec: &Cursor<'_>, metadata: &Cursor<'_>) -> Result<(), Refusal> {
        let list = spec.required("rules")?;
        let items = list.items()?;
        if items.is_empty() || items.len() > MAX_RULES {
            return Err(list.refuse(format!("a policy has between 1 and {MAX_RULES} rules")));
        }
        let raw: Vec<Value> = items.iter().map(|item| item.value.clone()).collect();
        let annotation = metadata
            .field("annotations")
            .and_then(|map| map.field(autogen::ANNOTATION));
        let controllers =
            autogen::controllers(&raw, annotation.as_ref().and_then(|value| value.value.as_str()));
        let mut generated = Vec::new();
        for item in &items {
            let rule = Rule::read(item, &mut self.expressions)?;
            if self.rules.iter().any(|other| other.name == rule.name) {
                return Err(item.refuse_below("/name", format!("there are two rules named {}", rule.name)));
            }
            for Generated {
                rule: companion,
                kinds,
                pod,
            } in autogen::generate(item.value, &controllers)
            {
                // The companion has no place of its own in the file; its original is named instead.
                let cursor = Cursor {
                    origin: item.origin,
                    value: &companion,
                    pointer: item.pointer.clone(),
                };
                let mut companion = Rule::read(&cursor, &mut self.expressions)?;
                companion.written.clone_from(&rule.written);
                companion.generated = Some((kinds, pod));
                if rule.unsupported.is_some() {
                    companion.unsupported.clone_from(&rule.unsupported);
                }
                generated.push(companion);
            }
            self.rules.push(rule);
        }
        self.rules.append(&mut generated);
        Ok(())
    }
}

/// What a cluster takes for a name: lower case letters, digits, dashes and dots.
pub(crate) fn is_object_name(name: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    name.len() <= 253
        && name
            .bytes()
            .all(|letter| inner(letter) || letter == b'-' || letter == b'.')
        && name.bytes().next().is_some_and(inner)
        && name.bytes().last().is_some_and(inner)
}

pub(crate) fn read_annotations(metadata: &Cursor<'_>) -> Result<Annotations, Refusal> {
    let mut result = Annotations {
        scored: true,
        ..Annotations::default()
    };
    for (key, value) in metadata.string_map("annotations")? {
        match key.as_str() {
            "policies.kyverno.io/title" => result.title = Some(value),
            "policies.kyverno.io/category" => result.category = Some(value),
            "policies.kyverno.io/severity" => result.severity = Some(value),
            "policies.kyverno.io/scored" => result.scored = value != "false",
            "policies.towpath.dev/why" => result.why = Some(value),
            "policies.towpath.dev/hint" => result.hint = Some(value),
            "policies.towpath.dev/controls" => {
                let controls = value.split(',').map(str::trim);
                result.controls = controls
                    .filter(|control| !control.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            key => {
                if let Some(rule) = key.strip_prefix("policies.towpath.dev/hint.") {
                    result.hints.push((rule.to_owned(), value));
                }
            }
        }
    }
    Ok(result)
}

impl FailureAction {
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<FailureAction, Refusal> {
        match cursor.string()?.to_lowercase().as_str() {
            "audit" => Ok(FailureAction::Audit),
            "enforce" => Ok(FailureAction::Enforce),
            other => Err(cursor.refuse(format!("{other:?} is neither Audit nor Enforce"))),
        }
    }
}

fn read_overrides(list: Option<Cursor<'_>>) -> Result<Vec<Override>, Refusal> {
    let Some(list) = list else { return Ok(Vec::new()) };
    list.items()?
        .iter()
        .map(|item| {
            item.only(&["action", "namespaces", "namespaceSelector"])?;
            Ok(Override {
                action: FailureAction::read(&item.required("action")?)?,
                namespaces: item.strings("namespaces")?,
                selector: item
                    .field("namespaceSelector")
                    .map(|selector| Selector::read(&selector))
                    .transpose()?,
            })
        })
        .collect()
}
