//! A policy as it is kept for evaluation: read strictly, patterns and expressions parsed.
//!
//! What is malformed is refused with file and line. What is well-formed but not supported yet loads, and
//! is an error verdict for the objects it matches.

use serde_json::Value;

use crate::autogen::{self, Generated};
use crate::conditions::Conditions;
use crate::cursor::{Cursor, Origin, Refusal};
use crate::matching::Matcher;
use crate::pattern::Node;
use crate::pod_security::PodSecurity;
use crate::selector::Selector;
use crate::variables::{Expressions, has_variables};

/// How many rules a policy may have, those made for pod controllers not counted.
const MAX_RULES: usize = 200;

/// How deep `foreach` may nest.
const MAX_FOREACH: usize = 5;

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// `name`, or `namespace/name` for a `Policy`.
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) annotations: Annotations,
    pub(crate) background: bool,
    pub(crate) admission: bool,
    pub(crate) apply_one: bool,
    pub(crate) failure_action: FailureAction,
    pub(crate) overrides: Vec<Override>,
    pub(crate) expressions: Expressions,
    pub(crate) rules: Vec<Rule>,
}

/// What the annotations of a policy say about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Annotations {
    pub(crate) title: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) severity: Option<String>,
    pub(crate) scored: bool,
    pub(crate) why: Option<String>,
    hint: Option<String>,
    hints: Vec<(String, String)>,
}

impl Annotations {
    /// The hint for a rule as it was written.
    pub(crate) fn hint(&self, rule: &str) -> Option<&String> {
        self.hints
            .iter()
            .find(|(name, _)| name == rule)
            .map(|(_, hint)| hint)
            .or(self.hint.as_ref())
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
    pub(crate) failure_action: Option<FailureAction>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) allow_existing: bool,
    pub(crate) message: String,
    pub(crate) check: Check,
}

/// What a rule asks of an object.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Pattern(Pattern),
    AnyPattern(Vec<Pattern>),
    Deny(Conditions),
    Foreach(Vec<Foreach>),
    PodSecurity(PodSecurity),
    /// Something this engine does not have yet; the text says what.
    Unsupported(String),
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

/// A name that a rule's context gives a value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) source: Source,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Variable {
        value: Option<Value>,
        path: Option<String>,
        default: Option<Value>,
    },
    /// Needs a cluster or a registry.
    Unsupported(&'static str),
}

/// What is read beside a rule and belongs to the policy.
struct Reading<'e> {
    expressions: &'e mut Expressions,
    unsupported: Option<String>,
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
            ("kyverno.io/v1" | "kyverno.io/v2beta1" | "kyverno.io/v2", "ClusterPolicy" | "Policy") => {}
            (group, kind_name)
                if group.starts_with("kyverno.io/") || group.starts_with("policies.kyverno.io/") =>
            {
                return Err(kind.refuse(format!("{kind_name} of {group} is not supported yet")));
            }
            (group, kind_name) => {
                return Err(kind.refuse(format!("{kind_name} of {group} is not a Kyverno policy")));
            }
        }
        root.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
        let metadata = root.required("metadata")?;
        let name = metadata.required("name")?;
        if !is_object_name(name.string()?) {
            return Err(name.refuse(format!("{:?} is not the name of an object", name.string()?)));
        }
        let name = name.string()?;
        let namespace = (kind.string()? == "Policy")
            .then(|| {
                metadata
                    .text("namespace")
                    .map(|namespace| namespace.unwrap_or("default").to_owned())
            })
            .transpose()?;
        let spec = root.required("spec")?;
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
        let mut policy = Policy {
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
        policy.read_rules(&spec, &metadata)?;
        Ok(policy)
    }

    fn read_rules(&mut self, spec: &Cursor<'_>, metadata: &Cursor<'_>) -> Result<(), Refusal> {
        let list = spec.required("rules")?;
        let items = list.items()?;
        if items.is_empty() || items.len() > MAX_RULES {
            return Err(list.refuse(format!("a policy has between 1 and {MAX_RULES} rules")));
        }
        let conditions = spec
            .field("webhookConfiguration")
            .and_then(|webhook| webhook.field("matchConditions"));
        let unsupported = conditions.map(|_| "webhookConfiguration.matchConditions is not supported yet");
        let raw: Vec<Value> = items.iter().map(|item| item.value.clone()).collect();
        let annotation = metadata
            .field("annotations")
            .and_then(|map| map.field(autogen::ANNOTATION));
        let controllers =
            autogen::controllers(&raw, annotation.as_ref().and_then(|value| value.value.as_str()));
        let mut generated = Vec::new();
        for item in &items {
            let mut rule = Rule::read(item, &mut self.expressions)?;
            if self.rules.iter().any(|other| other.name == rule.name) {
                return Err(item.refuse_below("/name", format!("there are two rules named {}", rule.name)));
            }
            if let Some(reason) = unsupported {
                rule.check = Check::Unsupported(reason.to_owned());
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
                if matches!(rule.check, Check::Unsupported(_)) {
                    companion.check = rule.check.clone();
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
fn is_object_name(name: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    name.len() <= 253
        && name
            .bytes()
            .all(|letter| inner(letter) || letter == b'-' || letter == b'.')
        && name.bytes().next().is_some_and(inner)
        && name.bytes().last().is_some_and(inner)
}

fn read_annotations(metadata: &Cursor<'_>) -> Result<Annotations, Refusal> {
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
    fn read(cursor: &Cursor<'_>) -> Result<FailureAction, Refusal> {
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

impl Rule {
    fn read(cursor: &Cursor<'_>, expressions: &mut Expressions) -> Result<Rule, Refusal> {
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
            name: name.string()?.to_owned(),
            written: name.string()?.to_owned(),
            matches,
            exclude: exclude.unwrap_or_default(),
            generated: None,
            context: read_context(cursor.field("context"), &mut reading)?,
            preconditions: read_conditions(cursor.field("preconditions"), &mut reading)?,
            failure_action: None,
            overrides: Vec::new(),
            allow_existing: true,
            message: String::new(),
            check: Check::Unsupported(format!("{kind} rules are not supported yet")),
        };
        for field in ["imageExtractors", "celPreconditions"] {
            if cursor.field(field).is_some() {
                reading
                    .unsupported
                    .get_or_insert_with(|| format!("{field} is not supported yet"));
            }
        }
        if let Some(validate) = cursor.field("validate") {
            rule.read_validate(&validate, &mut reading)?;
        }
        if let Some(reason) = reading.unsupported {
            rule.check = Check::Unsupported(reason);
        }
        Ok(rule)
    }

    fn read_validate(&mut self, cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<(), Refusal> {
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
        self.failure_action = cursor
            .field("failureAction")
            .map(|action| FailureAction::read(&action))
            .transpose()?;
        self.overrides = read_overrides(cursor.field("failureActionOverrides"))?;
        self.allow_existing = cursor.flag("allowExistingViolations")?.unwrap_or(true);
        cursor
            .text("message")?
            .unwrap_or_default()
            .clone_into(&mut self.message);
        if let Some(message) = cursor.field("message") {
            learn(&message, reading)?;
        }
        self.check = read_check(cursor, reading, 0)?;
        Ok(())
    }
}

/// Reads what a `validate` or `foreach` asks for: exactly one thing.
fn read_check(cursor: &Cursor<'_>, reading: &mut Reading<'_>, depth: usize) -> Result<Check, Refusal> {
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
    let present: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| cursor.field(kind).is_some())
        .collect();
    let [kind] = present.as_slice() else {
        return Err(cursor.refuse(format!("exactly one of {} is needed here", kinds.join(", "))));
    };
    let inner = cursor.required(kind)?;
    Ok(match *kind {
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
        other => Check::Unsupported(format!("validate.{other} is not supported yet")),
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
    reading
        .expressions
        .learn_expression(list.string()?, &mut reading.unsupported)
        .map_err(|reason| list.refuse(format!("cannot read the list: {reason}")))?;
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

fn read_conditions(
    cursor: Option<Cursor<'_>>,
    reading: &mut Reading<'_>,
) -> Result<Option<Conditions>, Refusal> {
    let Some(cursor) = cursor else { return Ok(None) };
    let conditions = Conditions::read(&cursor)?;
    learn(&cursor, reading)?;
    Ok(Some(conditions))
}

fn learn(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<(), Refusal> {
    match reading.expressions.learn(cursor.value) {
        Ok(Some(unsupported)) => {
            reading.unsupported.get_or_insert(unsupported);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(reason) => Err(cursor.refuse(reason)),
    }
}

fn read_context(list: Option<Cursor<'_>>, reading: &mut Reading<'_>) -> Result<Vec<Entry>, Refusal> {
    let Some(list) = list else { return Ok(Vec::new()) };
    list.items()?
        .iter()
        .map(|item| read_entry(item, reading))
        .collect()
}

fn read_entry(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Entry, Refusal> {
    cursor.only(&[
        "name",
        "variable",
        "configMap",
        "apiCall",
        "imageRegistry",
        "globalReference",
    ])?;
    let name = cursor.required("name")?.string()?.to_owned();
    let source = if let Some(variable) = cursor.field("variable") {
        variable.only(&["value", "jmesPath", "default"])?;
        learn(&variable, reading)?;
        let path = variable.text("jmesPath")?;
        if let Some(path) = path.filter(|path| !path.contains("{{")) {
            reading
                .expressions
                .learn_expression(path.trim(), &mut reading.unsupported)
                .map_err(|reason| variable.refuse_below("/jmesPath", format!("cannot read it: {reason}")))?;
        }
        Source::Variable {
            value: variable.field("value").map(|value| value.value.clone()),
            path: path.map(|path| path.trim().to_owned()),
            default: variable.field("default").map(|value| value.value.clone()),
        }
    } else if cursor.field("configMap").is_some() {
        Source::Unsupported("a ConfigMap of the cluster")
    } else if cursor.field("apiCall").is_some() {
        Source::Unsupported("an API call")
    } else if cursor.field("imageRegistry").is_some() {
        Source::Unsupported("an image registry")
    } else if cursor.field("globalReference").is_some() {
        Source::Unsupported("a global context entry")
    } else {
        return Err(cursor.refuse("the context entry says nothing about where its value comes from"));
    };
    Ok(Entry { name, source })
}
