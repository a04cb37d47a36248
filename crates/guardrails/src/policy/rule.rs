//! One rule as it is kept for evaluation.

use std::sync::Arc;

use serde_json::Value;

use super::context::{Entry, read_context};
use super::{FailureAction, Override, read_overrides};
use crate::assertion::Assertion;
use crate::cel::CelCheck;
use crate::cleanup::Delete;
use crate::conditions::Conditions;
use crate::cursor::{Cursor, Refusal};
use crate::generate::Generate;
use crate::images::extract::{self, Extractor, Extractors};
use crate::images::manifests::Manifests;
use crate::images::{self, VerifyImages};
use crate::matching::Matcher;
use crate::mutate::Mutate;
use crate::pattern::Node;
use crate::pod_security::PodSecurity;
use crate::variables::{Expressions, has_variables};
use crate::verdict::{About, Task};

/// How deep `foreach` may nest.
const MAX_FOREACH: usize = 5;

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// The name as written: a rule made for pod controllers keeps the hint of its original.
    pub(crate) written: String,
    pub(crate) matches: Matcher,
    pub(crate) exclude: Matcher,
    /// For a rule made for pod controllers: the kinds it is for, and where their pod stands.
    pub(crate) generated: Option<(Vec<&'static str>, &'static str)>,
    pub(crate) context: Vec<Entry>,
    pub(crate) preconditions: Option<Conditions>,
    /// Where images stand in kinds that are no pods.
    pub(crate) extractors: Extractors,
    /// What the rule adds to reports, its variables not filled in yet.
    pub(crate) properties: Vec<(String, String)>,
    /// It is not triggered by what is written in its own account's name (`skipBackgroundRequests`).
    pub(crate) skips_background: bool,
    pub(crate) work: Work,
    /// Why the rule cannot be judged, when something in it is not supported yet.
    pub(crate) unsupported: Option<String>,
    /// What it says of itself; filled in when the whole policy has been read.
    pub(crate) about: Arc<About>,
}

/// The one thing a rule is for.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Validate(Validate),
    Mutate(Mutate),
    Generate(Generate),
    VerifyImages(Vec<VerifyImages>),
    /// Of a cleanup policy.
    Delete(Delete),
}

impl Work {
    /// What it is called in a verdict.
    pub(crate) fn task(&self) -> Task {
        match self {
            Work::Validate(_) => Task::Validate,
            Work::Mutate(_) => Task::Mutate,
            Work::Generate(_) => Task::Generate,
            Work::VerifyImages(_) => Task::VerifyImages,
            Work::Delete(_) => Task::Delete,
        }
    }
}

/// A `validate` rule.
#[derive(Debug, Clone)]
pub(crate) struct Validate {
    pub(crate) failure_action: Option<FailureAction>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) allow_existing: bool,
    pub(crate) message: String,
    pub(crate) check: Check,
}

/// What a `validate` rule asks of an object.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Pattern(Pattern),
    AnyPattern(Vec<Pattern>),
    Deny(Conditions),
    Foreach(Vec<Foreach>),
    PodSecurity(PodSecurity),
    Cel(Box<CelCheck>),
    Assert(Assertion),
    Manifests(Box<Manifests>),
}

/// A pattern, compiled; or as written, when it holds variables.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Compiled(Node),
    Template(Value),
}

/// A check of every element of a list.
#[derive(Debug, Clone)]
pub(crate) struct Foreach {
    pub(crate) list: String,
    pub(crate) element_scope: Option<bool>,
    pub(crate) context: Vec<Entry>,
    pub(crate) preconditions: Option<Conditions>,
    pub(crate) check: Check,
}

/// What is read beside a rule and belongs to the policy.
pub(crate) struct Reading<'e> {
    pub(crate) expressions: &'e mut Expressions,
    pub(crate) unsupported: Option<String>,
}

impl Reading<'_> {
    /// Learns the expression that gives the list of a `foreach`.
    pub(crate) fn learn_list(&mut self, list: &Cursor<'_>) -> Result<(), Refusal> {
        self.expressions
            .learn_expression(list.string()?, &mut self.unsupported)
            .map_err(|reason| list.refuse(format!("cannot read the list: {reason}")))
    }
}

impl Rule {
    pub(super) fn read(cursor: &Cursor<'_>, expressions: &mut Expressions) -> Result<Rule, Refusal> {
        cursor.only(&[
            "name",
            "context",
            "reportProperties",
            "match",
            "exclude",
            "imageExtractors",
            "preconditions",
            "celPreconditions",
            "mutate",
            "validate",
            "generate",
            "verifyImages",
            "skipBackgroundRequests",
        ])?;
        let name = cursor.required("name")?;
        if name.string()?.is_empty() || name.string()?.len() > 63 {
            return Err(name.refuse("the name of a rule has between 1 and 63 characters"));
        }
        if name.string()?.chars().any(char::is_control) {
            return Err(name.refuse("the name of a rule has no control characters"));
        }
        let matcher = cursor.required("match")?;
        for side in [Some(matcher.clone()), cursor.field("exclude")]
            .into_iter()
            .flatten()
        {
            if has_variables(side.value) {
                return Err(side.refuse("variables cannot be used here"));
            }
        }
        let matches = Matcher::read(&matcher)?;
        if matches.is_empty() {
            return Err(matcher.refuse("the rule matches nothing"));
        }
        let exclude = cursor
            .field("exclude")
            .map(|exclude| Matcher::read(&exclude))
            .transpose()?;
        let kinds = ["validate", "mutate", "generate", "verifyImages"];
        let present: Vec<&str> = kinds
            .into_iter()
            .filter(|kind| cursor.field(kind).is_some())
            .collect();
        let [kind] = present.as_slice() else {
            return Err(cursor.refuse("a rule has exactly one of validate, mutate, generate, verifyImages"));
        };
        let mut reading = Reading {
            expressions,
            unsupported: None,
        };
        let mut rule = Rule {
            skips_background: cursor.flag("skipBackgroundRequests")?.unwrap_or(true),
            name: name.string()?.to_owned(),
            written: name.string()?.to_owned(),
            matches,
            exclude: exclude.unwrap_or_default(),
            generated: None,
            context: read_context(cursor.field("context"), &mut reading)?,
            preconditions: read_conditions(cursor.field("preconditions"), &mut reading)?,
            extractors: extract::read(cursor.field("imageExtractors"))?,
            properties: cursor.string_map("reportProperties")?,
            work: match *kind {
                "validate" => Work::Validate(Validate::read(
                    &cursor.required(kind)?,
                    cursor.field("celPreconditions"),
                    &mut reading,
                )?),
                "mutate" => Work::Mutate(Mutate::read(&cursor.required(kind)?, &mut reading)?),
                "generate" => Work::Generate(Generate::read(&cursor.required(kind)?, &mut reading)?),
                _ => Work::VerifyImages(images::read(&cursor.required(kind)?, &mut reading)?),
            },
            unsupported: None,
            about: Arc::default(),
        };
        if let Some(properties) = cursor.field("reportProperties") {
            learn(&properties, &mut reading)?;
        }
        let by_cel =
            matches!(&rule.work, Work::Validate(validate) if matches!(validate.check, Check::Cel(_)));
        if let Some(conditions) = cursor.field("celPreconditions").filter(|_| !by_cel) {
            return Err(conditions.refuse("celPreconditions stand beside validate.cel"));
        }
        if let Some(extractors) = cursor.field("imageExtractors") {
            let Work::VerifyImages(entries) = &rule.work else {
                return Err(extractors.refuse("imageExtractors stand beside verifyImages"));
            };
            let computes = rule.extractors.values().flatten().any(Extractor::computes);
            if computes && entries.iter().any(|entry| entry.mutate_digest) {
                return Err(extractors.refuse("with a jmesPath, mutateDigest must be false"));
            }
        }
        rule.unsupported = reading.unsupported;
        Ok(rule)
    }

    /// The failure action of the rule itself.
    pub(crate) fn failure_action(&self) -> Option<FailureAction> {
        match &self.work {
            Work::Validate(validate) => validate.failure_action,
            // One entry that is enforced speaks for the rule.
            Work::VerifyImages(entries) => {
                let actions = entries.iter().filter_map(|entry| entry.failure_action);
                actions.max_by_key(|action| *action == FailureAction::Enforce)
            }
            _ => None,
        }
    }

    /// The failure actions of the rule for some namespaces.
    pub(crate) fn overrides(&self) -> &[Override] {
        match &self.work {
            Work::Validate(validate) => &validate.overrides,
            _ => &[],
        }
    }
}

impl Validate {
    fn read(
        cursor: &Cursor<'_>,
        preconditions: Option<Cursor<'_>>,
        reading: &mut Reading<'_>,
    ) -> Result<Validate, Refusal> {
        cursor.only(&[
            "message",
            "failureAction",
            "failureActionOverrides",
            "allowExistingViolations",
            "pattern",
            "anyPattern",
            "deny",
            "foreach",
            "podSecurity",
            "cel",
            "manifests",
            "assert",
        ])?;
        if let Some(message) = cursor.field("message") {
            learn(&message, reading)?;
        }
        Ok(Validate {
            failure_action: cursor
                .field("failureAction")
                .map(|action| FailureAction::read(&action))
                .transpose()?,
            overrides: read_overrides(cursor.field("failureActionOverrides"))?,
            allow_existing: cursor.flag("allowExistingViolations")?.unwrap_or(true),
            message: cursor.text("message")?.unwrap_or_default().to_owned(),
            check: match cursor.field("cel") {
                Some(cel) => {
                    one_of(cursor)?;
                    let message = cursor.text("message")?.unwrap_or_default();
                    Check::Cel(Box::new(CelCheck::read(&cel, preconditions, message)?))
                }
                None => read_check(cursor, reading, 0)?,
            },
        })
    }
}

/// Which one thing a `validate` or `foreach` asks for.
fn one_of(cursor: &Cursor<'_>) -> Result<&'static str, Refusal> {
    let kinds = [
        "pattern",
        "anyPattern",
        "deny",
        "foreach",
        "podSecurity",
        "cel",
        "manifests",
        "assert",
    ];
    let mut present = kinds.into_iter().filter(|kind| cursor.field(kind).is_some());
    match (present.next(), present.next()) {
        (Some(kind), None) => Ok(kind),
        _ => Err(cursor.refuse(format!("exactly one of {} is needed here", kinds.join(", ")))),
    }
}

/// Reads what a `validate` or `foreach` asks for: exactly one thing.
fn read_check(cursor: &Cursor<'_>, reading: &mut Reading<'_>, depth: usize) -> Result<Check, Refusal> {
    let kind = one_of(cursor)?;
    let inner = cursor.required(kind)?;
    Ok(match kind {
        "pattern" => Check::Pattern(read_pattern(&inner, reading)?),
        "anyPattern" => {
            let patterns = inner.items()?;
            if patterns.is_empty() {
                return Err(inner.refuse("at least one pattern is needed here"));
            }
            Check::AnyPattern(
                patterns
                    .iter()
                    .map(|item| read_pattern(item, reading))
                    .collect::<Result<_, _>>()?,
            )
        }
        "deny" => {
            inner.only(&["conditions"])?;
            Check::Deny(read_conditions(inner.field("conditions"), reading)?.unwrap_or_default())
        }
        "podSecurity" => Check::PodSecurity(PodSecurity::read(&inner)?),
        "foreach" => {
            if depth >= MAX_FOREACH {
                return Err(inner.refuse(format!("foreach nests deeper than {MAX_FOREACH} levels")));
            }
            let items = inner.items()?;
            Check::Foreach(
                items
                    .iter()
                    .map(|item| read_foreach(item, reading, depth))
                    .collect::<Result<_, _>>()?,
            )
        }
        "manifests" => Check::Manifests(Box::new(Manifests::read(&inner)?)),
        _ => Check::Assert(Assertion::read(&inner)?),
    })
}

fn read_foreach(cursor: &Cursor<'_>, reading: &mut Reading<'_>, depth: usize) -> Result<Foreach, Refusal> {
    cursor.only(&[
        "list",
        "elementScope",
        "context",
        "preconditions",
        "pattern",
        "anyPattern",
        "deny",
        "foreach",
    ])?;
    let list = cursor.required("list")?;
    reading.learn_list(&list)?;
    Ok(Foreach {
        list: list.string()?.to_owned(),
        element_scope: cursor.flag("elementScope")?,
        context: read_context(cursor.field("context"), reading)?,
        preconditions: read_conditions(cursor.field("preconditions"), reading)?,
        check: read_check(cursor, reading, depth + 1)?,
    })
}

fn read_pattern(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Pattern, Refusal> {
    // Even with variables in it the shape can be checked now.
    let node =
        Node::compile(cursor.value).map_err(|error| cursor.refuse_below(&error.pointer, error.reason))?;
    learn(cursor, reading)?;
    Ok(if has_variables(cursor.value) {
        Pattern::Template(cursor.value.clone())
    } else {
        Pattern::Compiled(node)
    })
}

/// Reads conditions and learns their variables.
pub(crate) fn read_conditions(
    cursor: Option<Cursor<'_>>,
    reading: &mut Reading<'_>,
) -> Result<Option<Conditions>, Refusal> {
    let Some(cursor) = cursor else { return Ok(None) };
    let conditions = Conditions::read(&cursor)?;
    learn(&cursor, reading)?;
    Ok(Some(conditions))
}

/// Learns the variables of a place.
pub(crate) fn learn(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<(), Refusal> {
    match reading.expressions.learn(cursor.value) {
        Ok(Some(unsupported)) => {
            reading.unsupported.get_or_insert(unsupported);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(reason) => Err(cursor.refuse(reason)),
    }
}
