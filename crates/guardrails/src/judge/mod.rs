//! One rule on one object.
//!
//! The steps are Kyverno's: context, preconditions, then the one thing the rule asks for. A step that
//! cannot be taken is an error, never a pass.

mod assertion;
mod context;
mod foreach;
mod generate;
mod images;
mod manifests;
mod mutate;
mod targets;

use std::cell::OnceCell;

use ::cel::budget::Budget;
use serde_json::Value;
use typed_arena::Arena;

pub(crate) use targets::Found;

use crate::autogen;
use crate::cleanup::Delete;
use crate::conditions::{Condition, Conditions};
use crate::context::Context;
use crate::element::{Element, Place, below};
use crate::exception::{Excepted, Exception};
use crate::jmespath::{QueryError, as_json};
use crate::matching::Subject;
use crate::pattern::{self, Finding, Mismatch, Node};
use crate::pod_security::{Exclude, PodSecurity};
use crate::policy::{Check, Pattern, Policy, Rule, Validate, Work};
use crate::request::{Operation, Request};
use crate::verdict::Outcome;

/// How a rule came out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    pub(crate) message: String,
    pub(crate) path: Option<String>,
    pub(crate) value: Option<Value>,
    /// The exceptions that let the object through.
    pub(crate) exception: Option<String>,
}

impl Judged {
    fn new(outcome: Outcome, message: impl Into<String>) -> Judged {
        Judged {
            outcome,
            message: message.into(),
            path: None,
            value: None,
            exception: None,
        }
    }

    fn error(message: impl Into<String>) -> Judged {
        Judged::new(Outcome::Error, message)
    }

    fn at(mut self, path: String, value: Option<Value>) -> Judged {
        self.path = Some(path);
        self.value = value;
        self
    }
}

/// A rule, an object, and what an evaluation needs beside them.
pub(crate) struct Judge<'a> {
    policy: &'a Policy,
    rule: &'a Rule,
    request: &'a Request<'a>,
    subject: &'a Subject<'a>,
    /// The exceptions that name the rule.
    exceptions: &'a [&'a Exception],
    budget: Budget,
    /// What is made while the rule is judged.
    values: OnceCell<Arena<Value>>,
    /// What `request` stands for.
    asked: context::Asked<'a>,
    /// What `images` stands for.
    used: OnceCell<Value>,
}

/// The exceptions that hold for an object.
#[derive(Default)]
struct Excepting<'a> {
    holding: Vec<&'a Exception>,
    /// Why one of them does not hold any more.
    over: Option<String>,
}

impl<'a> Excepting<'a> {
    /// The verdict that they give.
    fn skip(&self) -> Option<Judged> {
        if self.holding.is_empty() {
            return None;
        }
        let names: Vec<&str> = self
            .holding
            .iter()
            .map(|exception| exception.name.as_str())
            .collect();
        let names = names.join(", ");
        let message = format!("rule is skipped due to policy exceptions {names}");
        Some(Judged {
            exception: Some(names),
            ..Judged::new(Outcome::Skip, message)
        })
    }

    /// The controls they leave out, when each leaves out no more than that.
    fn controls(&self) -> Vec<&'a Exclude> {
        if self.holding.iter().any(|exception| exception.controls.is_empty()) {
            return Vec::new();
        }
        self.holding
            .iter()
            .flat_map(|exception| &exception.controls)
            .collect()
    }
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        rule: &'a Rule,
        request: &'a Request<'a>,
        subject: &'a Subject<'a>,
        exceptions: &'a [&'a Exception],
    ) -> Judge<'a> {
        Judge {
            policy,
            rule,
            request,
            subject,
            exceptions,
            budget: Budget::default(),
            values: OnceCell::new(),
            asked: context::Asked { request, subject },
            used: OnceCell::new(),
        }
    }

    /// Evaluates the rule; `None` when there is nothing to say (a pattern and a deletion).
    pub(crate) fn judge(&'a self) -> Option<Judged> {
        let rule = self.rule;
        let Work::Validate(Validate { check, .. }) = &rule.work else {
            return None;
        };
        // The common case is a fixed pattern, which needs no variables at all.
        if let (Check::Pattern(Pattern::Compiled(pattern)), true, true, None) = (
            check,
            rule.context.is_empty(),
            self.exceptions.is_empty(),
            &rule.preconditions,
        ) {
            if self.request.operation == Operation::Delete {
                return None;
            }
            return Some(self.pattern_outcome(None, pattern, self.request.object));
        }
        let context = match self.context() {
            Ok(context) => context,
            Err(error) => return Some(Judged::error(error.to_string())),
        };
        if let Some(judged) = Self::precondition(&context, rule.preconditions.as_ref()) {
            return Some(judged);
        }
        let excepting = self.excepting(&context);
        let controls = match check {
            Check::PodSecurity(_) => excepting.controls(),
            _ => Vec::new(),
        };
        if let (Some(judged), true) = (excepting.skip(), controls.is_empty()) {
            return Some(judged);
        }
        let mut judged = match check {
            Check::PodSecurity(standard) if !controls.is_empty() => (self.request.operation
                != Operation::Delete)
                .then(|| self.pod_security(standard, &controls, &excepting))?,
            check => self.check(&context, check, None)?,
        };
        if matches!(judged.outcome, Outcome::Fail | Outcome::Error)
            && let Some(over) = &excepting.over
        {
            judged.message = format!("{} ({over})", judged.message);
        }
        Some(judged)
    }

    /// Whether a cleanup policy deletes the object.
    pub(crate) fn delete(&'a self, work: &'a Delete) -> Judged {
        let context = match self.context() {
            Ok(context) => context,
            Err(error) => return Judged::error(error.to_string()),
        };
        match self.budget.copy(self.request.object) {
            Ok(target) => context.set("target", target),
            Err(exhausted) => return Judged::error(exhausted.to_string()),
        }
        match work
            .conditions
            .as_ref()
            .map(|conditions| conditions.judge(&context))
        {
            None => Judged::new(Outcome::Pass, "to be deleted"),
            Some(Ok(judged)) if judged.holds => Judged::new(Outcome::Pass, "to be deleted"),
            Some(Ok(_)) => Judged::new(Outcome::Skip, "conditions not met"),
            Some(Err(error)) => Judged::error(format!("failed to evaluate conditions: {error}")),
        }
    }

    /// The exceptions that let the object through.
    fn excepting(&self, context: &Context<'_>) -> Excepting<'a> {
        let mut excepting = Excepting::default();
        for exception in self.exceptions {
            match exception.holds(self.subject, self.request.background, context) {
                Excepted::Yes => excepting.holding.push(exception),
                Excepted::No => {}
                Excepted::Over(why) => excepting.over = Some(why),
            }
        }
        excepting
    }

    fn precondition(context: &Context<'_>, conditions: Option<&Conditions>) -> Option<Judged> {
        match conditions?.judge(context) {
            Ok(judged) if judged.holds => None,
            Ok(judged) if judged.message.is_empty() => {
                Some(Judged::new(Outcome::Skip, "preconditions not met"))
            }
            Ok(judged) => Some(Judged::new(
                Outcome::Skip,
                format!("preconditions not met; {}", judged.message),
            )),
            Err(error) => Some(Judged::error(format!(
                "failed to evaluate preconditions: {error}"
            ))),
        }
    }

    fn check(&self, context: &Context<'a>, check: &'a Check, element: Option<Element<'_>>) -> Option<Judged> {
        let scoped = element.filter(|element| element.scoped);
        match check {
            Check::Pattern(_) | Check::AnyPattern(_) | Check::PodSecurity(_) | Check::Manifests(_)
                if self.request.operation == Operation::Delete && scoped.is_none() =>
            {
                None
            }
            Check::Cel(check) => {
                let passed = format!("Validation rule '{}' passed.", self.rule.name);
                let (outcome, message) = check.judge(self.request, self.subject, &self.budget, passed);
                Some(Judged::new(outcome, message))
            }
            Check::Pattern(pattern) => Some(match self.compiled(context, pattern) {
                Ok(node) => match scoped {
                    Some(element) => self.within(
                        &element,
                        self.pattern_outcome(Some(context), &node, element.value),
                    ),
                    None => self.pattern_outcome(Some(context), &node, self.request.object),
                },
                Err(error) => Judged::error(format!("variable substitution failed: {error}")),
            }),
            Check::AnyPattern(patterns) => {
                let nodes: Result<Vec<_>, _> = patterns
                    .iter()
                    .map(|pattern| self.compiled(context, pattern))
                    .collect();
                Some(match (nodes, scoped) {
                    (Ok(nodes), Some(element)) => {
                        self.within(&element, self.any_pattern(context, &nodes, element.value))
                    }
                    (Ok(nodes), None) => self.any_pattern(context, &nodes, self.request.object),
                    (Err(error), _) => Judged::error(format!("variable substitution failed: {error}")),
                })
            }
            Check::Deny(conditions) => Some(self.deny(context, conditions, element)),
            Check::Foreach(list) => self.foreach(context, list, element.as_ref()),
            Check::PodSecurity(standard) => Some(self.pod_security(standard, &[], &Excepting::default())),
            Check::Assert(assertion) => Some(self.assertion(context, assertion)),
            Check::Manifests(manifests) => Some(self.manifests(context, manifests)),
        }
    }

    /// What was found in an element, as something found in the object.
    fn within(&self, element: &Element<'_>, mut judged: Judged) -> Judged {
        if let Some(path) = judged.path.take() {
            match self.place_of_element(element) {
                Some(Place { pointer, made: false }) => judged.path = Some(format!("{pointer}{path}")),
                _ => judged.value = None,
            }
        }
        judged
    }

    fn compiled<'p>(
        &self,
        context: &Context<'_>,
        pattern: &'p Pattern,
    ) -> Result<std::borrow::Cow<'p, Node>, QueryError> {
        match pattern {
            Pattern::Compiled(node) => Ok(std::borrow::Cow::Borrowed(node)),
            Pattern::Template(template) => {
                let filled = context.fill(template)?;
                self.budget.pay_for(&filled)?;
                let node = Node::compile(&filled).map_err(|error| QueryError::Failed(error.reason))?;
                Ok(std::borrow::Cow::Owned(node))
            }
        }
    }

    fn pattern_outcome(&'a self, context: Option<&Context<'_>>, pattern: &Node, value: &Value) -> Judged {
        let name = &self.rule.name;
        match pattern::matches(pattern, value, &self.budget) {
            Ok(()) => Judged::new(Outcome::Pass, format!("validation rule '{name}' passed.")),
            Err(Mismatch::Skipped(finding)) => Judged::new(Outcome::Skip, finding.reason),
            Err(Mismatch::Exhausted(exhausted)) => Judged::error(exhausted.to_string()),
            Err(Mismatch::Refused(finding)) => {
                let message = self.failure(context, &format!("failed at path {}", finding.printed));
                located(Judged::new(Outcome::Fail, message), finding)
            }
            Err(Mismatch::Unclear(finding)) => {
                let message = self.failure(context, &format!("execution error: {}", finding.reason));
                located(Judged::error(message), finding)
            }
        }
    }

    fn any_pattern(
        &'a self,
        context: &Context<'_>,
        patterns: &[std::borrow::Cow<'_, Node>],
        value: &Value,
    ) -> Judged {
        let name = &self.rule.name;
        let (mut failed, mut skipped) = (Vec::new(), Vec::new());
        // The alternative that got furthest tells best what to mend.
        let mut furthest: Option<Finding> = None;
        for (index, pattern) in patterns.iter().enumerate() {
            match pattern::matches(pattern, value, &self.budget) {
                Ok(()) => {
                    return Judged::new(
                        Outcome::Pass,
                        format!("validation rule '{name}' anyPattern[{index}] passed."),
                    );
                }
                Err(Mismatch::Exhausted(exhausted)) => return Judged::error(exhausted.to_string()),
                Err(Mismatch::Skipped(finding)) => {
                    skipped.push(format!("rule {name}[{index}] skipped: {}", finding.reason));
                }
                Err(Mismatch::Unclear(finding)) => {
                    failed.push(format!("rule {name}[{index}] failed: {}", finding.reason));
                    keep_furthest(&mut furthest, finding);
                }
                Err(Mismatch::Refused(finding)) => {
                    failed.push(format!("rule {name}[{index}] failed at path {}", finding.printed));
                    keep_furthest(&mut furthest, finding);
                }
            }
        }
        let Some(finding) = furthest else {
            return Judged::new(Outcome::Skip, skipped.join(" "));
        };
        let detail = failed.join(" ");
        let message = match self.message(Some(context)) {
            Ok(message) if message.is_empty() => format!("validation error: {detail}"),
            Ok(message) if message.ends_with('.') => format!("validation error: {message} {detail}"),
            Ok(message) => format!("validation error: {message}. {detail}"),
            Err(_) => format!(
                "validation error: variables substitution error in rule {name} execution error: {detail}"
            ),
        };
        located(Judged::new(Outcome::Fail, message), finding)
    }

    /// Kyverno's sentence: `validation error: <message>. rule <name> <detail>`.
    fn failure(&'a self, context: Option<&Context<'_>>, detail: &str) -> String {
        let name = &self.rule.name;
        match self.message(context) {
            Ok(message) if message.is_empty() => format!("validation error: rule {name} {detail}"),
            Ok(message) if message.ends_with('.') => {
                format!("validation error: {message} rule {name} {detail}")
            }
            Ok(message) => format!("validation error: {message}. rule {name} {detail}"),
            Err(error) => {
                format!(
                    "validation error: variables substitution error in rule {name} execution error: {error}"
                )
            }
        }
    }

    /// The rule's message as written.
    fn written_message(&self) -> &'a str {
        match &self.rule.work {
            Work::Validate(validate) => &validate.message,
            _ => "",
        }
    }

    /// The rule's message, its variables filled in; the context is made when there is none yet.
    fn message(&'a self, context: Option<&Context<'_>>) -> Result<String, QueryError> {
        let message = self.written_message();
        if !message.contains("{{") && !message.contains("$(") {
            return Ok(message.to_owned());
        }
        match context {
            Some(context) => filled_message(context, message),
            None => filled_message(&self.context()?, message),
        }
    }

    fn deny(&self, context: &Context<'_>, conditions: &Conditions, element: Option<Element<'_>>) -> Judged {
        let name = &self.rule.name;
        let judged = match conditions.judge(context) {
            Ok(judged) => judged,
            Err(error) => return Judged::error(format!("failed to check deny conditions: {error}")),
        };
        if !judged.holds {
            return Judged::new(Outcome::Pass, format!("validation rule '{name}' passed."));
        }
        let parts: Vec<&str> = [self.written_message(), judged.message.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let message = if parts.is_empty() {
            format!("validation error: rule {name} failed")
        } else {
            filled_message(context, &parts.join("; ")).unwrap_or_else(|_| judged.message.clone())
        };
        let judged_fail = Judged::new(Outcome::Fail, message);
        match judged
            .decisive
            .and_then(|condition| self.place_of(condition, element))
        {
            Some(Place { pointer, made }) => {
                let value = self.request.object.pointer(&pointer).filter(|_| !made);
                let value = value.filter(|value| self.budget.pay_for(value).is_ok()).cloned();
                judged_fail.at(pointer, value)
            }
            None => judged_fail,
        }
    }

    /// The place in the object that a condition looks at, as far as its expression holds a plain path.
    fn place_of(&self, condition: &Condition, element: Option<Element<'_>>) -> Option<Place> {
        let path = self
            .policy
            .expressions
            .leading_path(condition.key.written.as_str()?);
        match (path.as_slice(), element) {
            (["request", "object", rest @ ..], _) => Some(Place::at(below(String::new(), rest))),
            (["element", rest @ ..], Some(element)) => {
                let place = self.place_of_element(&element)?;
                Some(if place.made {
                    place
                } else {
                    Place::at(below(place.pointer, rest))
                })
            }
            (_, Some(element)) => self.place_of_element(&element),
            _ => None,
        }
    }

    fn place_of_element(&self, element: &Element<'_>) -> Option<Place> {
        element.place(self.request.object, &self.policy.expressions)
    }

    fn pod_security(
        &self,
        standard: &PodSecurity,
        excluded: &[&Exclude],
        excepting: &Excepting<'_>,
    ) -> Judged {
        let name = &self.rule.name;
        let Some(at) = autogen::pod_in(self.subject.kind) else {
            return Judged::error(format!("a {} holds no pod", self.subject.kind));
        };
        let Some(pod) = self.request.object.pointer(at) else {
            return Judged::error(format!("the {} has no pod template at {at}", self.subject.kind));
        };
        if let Err(exhausted) = self.budget.pay_for(pod) {
            return Judged::error(exhausted.to_string());
        }
        let mut failed = standard.judge(pod);
        if !failed.is_empty() && !excluded.is_empty() {
            PodSecurity::except(&mut failed, excluded, pod);
            if let (true, Some(judged)) = (failed.is_empty(), excepting.skip()) {
                return judged;
            }
        }
        match failed.first().and_then(|check| check.violations.first()) {
            None => Judged::new(Outcome::Pass, format!("Validation rule '{name}' passed.")),
            Some(violation) => {
                let prefix = at.trim_start_matches('/').replace('/', ".");
                let prefix = if prefix.is_empty() {
                    prefix
                } else {
                    format!("{prefix}.")
                };
                Judged::new(Outcome::Fail, standard.message(name, &failed, &prefix))
                    .at(format!("{at}{}", violation.pointer()), violation.value.clone())
            }
        }
    }
}

fn filled_message(context: &Context<'_>, message: &str) -> Result<String, QueryError> {
    Ok(match context.fill_text(message)? {
        Value::String(message) => message,
        other => as_json(&other),
    })
}

fn located(judged: Judged, finding: Finding) -> Judged {
    judged.at(finding.pointer, finding.value)
}

fn keep_furthest(furthest: &mut Option<Finding>, finding: Finding) {
    let depth = |finding: &Finding| finding.pointer.matches('/').count();
    if furthest
        .as_ref()
        .is_none_or(|known| depth(known) < depth(&finding))
    {
        *furthest = Some(finding);
    }
}
