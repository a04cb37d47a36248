//! Policies in CEL as they are kept for evaluation: Kyverno's of `policies.kyverno.io` and Kubernetes' own of
//! `admissionregistration.k8s.io`, with their bindings and exceptions.

use serde_json::Value as Json;

use super::apply::Atomic;
use super::autogen;
use super::body::{self, AuditAnnotation, Condition, Validation, Variables};
use super::compile::{Names, Program, Root};
use super::constraints::Constraints;
use super::images::{self, Images};
use super::inputs::ADMISSION;
use super::params::{ParamKind, ParamRef};
use super::targets::Targets;
use super::template::Template;
use crate::cursor::{Cursor, Origin, Refusal};
use crate::exception::Expiry;
use crate::matching::Subject;
use crate::policy::{Annotations, is_object_name, read_annotations};
use crate::request::Request;
use crate::verdict::Task;

/// What a document of one of these kinds is.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Policy(Box<Policy>),
    Binding(Box<Binding>),
    Exception(Box<Exception>),
}

/// A policy.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// `name`, or `namespace/name`.
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    plain_name: String,
    kind: &'static str,
    pub(crate) annotations: Annotations,
    pub(crate) task: Task,
    pub(crate) family: Family,
    pub(crate) background: bool,
    pub(crate) admission: bool,
    /// Whether it is about JSON that is no object of Kubernetes.
    pub(crate) json: bool,
    /// Whether a violation refuses; bindings say so for Kubernetes' own policies.
    pub(crate) enforce: bool,
    /// Whether it refuses when it cannot be judged.
    pub(crate) fail_closed: bool,
    /// Whether it changes objects that are there already, because of the one in question, and which.
    pub(crate) existing: bool,
    pub(super) targets: Targets,
    pub(crate) atomic: Atomic,
    pub(crate) generation: Following,
    /// When a policy that deletes is due, and what becomes of what the object owns.
    pub(crate) schedule: String,
    pub(crate) propagation: Option<String>,
    pub(crate) params: Option<ParamKind>,
    /// The policy as written, then what is made of it for pod controllers.
    pub(crate) variants: Vec<Variant>,
}

/// How what a policy generates follows what it was generated for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Following {
    pub(crate) synchronize: bool,
    pub(crate) orphan: bool,
    pub(crate) existing: bool,
}

/// Whose policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Kyverno,
    Kubernetes,
}

/// A policy for some kinds.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) constraints: Constraints,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) variables: Variables,
    pub(crate) validations: Vec<Validation>,
    pub(crate) mutations: Vec<Mutation>,
    pub(super) generations: Vec<Making>,
    pub(crate) annotations: Vec<AuditAnnotation>,
    /// Of a policy about images.
    pub(crate) images: Option<Images>,
}

/// What says what is to be made.
#[derive(Debug, Clone)]
pub(super) enum Making {
    Expression(Program),
    Template(Template),
}

/// Something that is to be changed.
#[derive(Debug, Clone)]
pub(crate) struct Mutation {
    pub(crate) program: Program,
    /// Whether it is a list of the operations of a JSON Patch, rather than a configuration to apply.
    pub(crate) operations: bool,
}

/// Where a policy of Kubernetes applies, and what follows from a violation.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    policy: String,
    kind: &'static str,
    pub(crate) constraints: Option<Constraints>,
    pub(crate) params: Option<ParamRef>,
    pub(crate) enforce: bool,
}

/// Whom policies let through.
#[derive(Debug, Clone)]
pub(crate) struct Exception {
    /// `namespace/name`.
    pub(crate) name: String,
    /// Kind and name of the policies.
    policies: Vec<(String, String)>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) images: Vec<String>,
    pub(crate) values: Vec<String>,
    /// Whether it is reported as a pass rather than as a skip.
    pub(crate) passes: bool,
    pub(crate) expires: Option<Expiry>,
}

const KYVERNO: [&str; 3] = [
    "policies.kyverno.io/v1alpha1",
    "policies.kyverno.io/v1beta1",
    "policies.kyverno.io/v1",
];

const KUBERNETES: [&str; 3] = [
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "admissionregistration.k8s.io/v1",
];

/// The variables of Kyverno's policies.
const KYVERNO_ROOTS: [Root; 5] = [
    Root::Object,
    Root::OldObject,
    Root::Request,
    Root::NamespaceObject,
    Root::Exceptions,
];

/// Whether a document is of one of these kinds.
pub(crate) fn is_ours(document: &Json) -> bool {
    let text = |name: &str| document.get(name).and_then(Json::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    match kind {
        "ValidatingPolicy"
        | "NamespacedValidatingPolicy"
        | "MutatingPolicy"
        | "NamespacedMutatingPolicy"
        | "GeneratingPolicy"
        | "NamespacedGeneratingPolicy"
        | "DeletingPolicy"
        | "NamespacedDeletingPolicy"
        | "ImageValidatingPolicy"
        | "NamespacedImageValidatingPolicy"
        | "PolicyException" => KYVERNO.contains(&version),
        "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding"
        | "MutatingAdmissionPolicy"
        | "MutatingAdmissionPolicyBinding" => KUBERNETES.contains(&version),
        _ => false,
    }
}

/// Reads a document of one of these kinds.
pub(crate) fn read(origin: Origin<'_>, document: &Json) -> Result<Document, Refusal> {
    let name = document.pointer("/metadata/name").and_then(Json::as_str);
    let root = Cursor::root(
        Origin {
            policy: name,
            ..origin
        },
        document,
    );
    root.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
    let metadata = root.required("metadata")?;
    let name = metadata.required("name")?;
    if !is_object_name(name.string()?) {
        return Err(name.refuse(format!("{:?} is not the name of an object", name.string()?)));
    }
    let spec = root.required("spec")?;
    match root.required("kind")?.string()? {
        "ValidatingPolicy" => validating(&metadata, &spec, "ValidatingPolicy"),
        "NamespacedValidatingPolicy" => validating(&metadata, &spec, "NamespacedValidatingPolicy"),
        "MutatingPolicy" => mutating(&metadata, &spec, "MutatingPolicy"),
        "NamespacedMutatingPolicy" => mutating(&metadata, &spec, "NamespacedMutatingPolicy"),
        "GeneratingPolicy" => generating(&metadata, &spec, "GeneratingPolicy"),
        "NamespacedGeneratingPolicy" => generating(&metadata, &spec, "NamespacedGeneratingPolicy"),
        "DeletingPolicy" => deleting(&metadata, &spec, "DeletingPolicy"),
        "NamespacedDeletingPolicy" => deleting(&metadata, &spec, "NamespacedDeletingPolicy"),
        "ImageValidatingPolicy" => images::read_policy(&metadata, &spec, "ImageValidatingPolicy"),
        "NamespacedImageValidatingPolicy" => {
            images::read_policy(&metadata, &spec, "NamespacedImageValidatingPolicy")
        }
        "ValidatingAdmissionPolicy" => admission(&metadata, &spec, "ValidatingAdmissionPolicy"),
        "MutatingAdmissionPolicy" => admission(&metadata, &spec, "MutatingAdmissionPolicy"),
        "ValidatingAdmissionPolicyBinding" => binding(&spec, "ValidatingAdmissionPolicy"),
        "MutatingAdmissionPolicyBinding" => binding(&spec, "MutatingAdmissionPolicy"),
        _ => exception(&metadata, &spec),
    }
}

impl Policy {
    /// A policy of which only its head is known.
    pub(super) fn of(
        metadata: &Cursor<'_>,
        kind: &'static str,
        task: Task,
        family: Family,
    ) -> Result<Policy, Refusal> {
        let plain_name = metadata.required("name")?.string()?;
        let namespace = if kind.starts_with("Namespaced") {
            Some(metadata.text("namespace")?.unwrap_or("default").to_owned())
        } else {
            None
        };
        Ok(Policy {
            name: namespace.as_ref().map_or_else(
                || plain_name.to_owned(),
                |namespace| format!("{namespace}/{plain_name}"),
            ),
            namespace,
            plain_name: plain_name.to_owned(),
            kind,
            annotations: read_annotations(metadata)?,
            task,
            family,
            background: true,
            admission: true,
            json: false,
            enforce: false,
            fail_closed: true,
            existing: false,
            targets: Targets::default(),
            atomic: Atomic::Refused,
            generation: Following::default(),
            schedule: String::new(),
            propagation: None,
            params: None,
            variants: Vec::new(),
        })
    }

    /// Its name without its namespace.
    pub(crate) fn plain_name(&self) -> &str {
        &self.plain_name
    }

    /// What of it is about a request, if anything is.
    pub(crate) fn variant(
        &self,
        request: &Request<'_>,
        subject: &Subject<'_>,
        resource: &str,
    ) -> Option<&Variant> {
        // A policy that deletes does so on its own, whatever operations it names.
        let operations = self.task != Task::Delete;
        if self
            .namespace
            .as_ref()
            .is_some_and(|namespace| namespace != subject.namespace)
        {
            return None;
        }
        self.variants.iter().find(|variant| {
            self.json
                || variant
                    .constraints
                    .matches(request, subject, resource, operations)
        })
    }

    /// Reads `evaluation`.
    pub(super) fn read_evaluation(&mut self, spec: &Cursor<'_>) -> Result<(), Refusal> {
        let Some(evaluation) = spec.field("evaluation") else {
            return Ok(());
        };
        let enabled = |name: &str| -> Result<bool, Refusal> {
            let Some(field) = evaluation.field(name) else {
                return Ok(true);
            };
            Ok(field.flag("enabled")?.unwrap_or(true))
        };
        (self.admission, self.background) = (enabled("admission")?, enabled("background")?);
        self.json = match evaluation.text("mode")? {
            None | Some("" | "Kubernetes") => false,
            Some("JSON") => true,
            Some(other) => {
                return Err(evaluation.refuse_below("/mode", format!("the mode {other} is not supported")));
            }
        };
        Ok(())
    }

    /// Reads `failurePolicy`.
    pub(super) fn read_failure_policy(&mut self, spec: &Cursor<'_>) -> Result<(), Refusal> {
        self.fail_closed = match spec.text("failurePolicy")? {
            None | Some("" | "Fail") => true,
            Some("Ignore") => false,
            Some(other) => {
                return Err(
                    spec.refuse_below("/failurePolicy", format!("{other:?} is neither Fail nor Ignore"))
                );
            }
        };
        Ok(())
    }
}

impl Variant {
    pub(super) fn read(spec: &Cursor<'_>, roots: &[Root]) -> Result<Variant, Refusal> {
        let variables = Variables::read(spec.field("variables"), roots)?;
        let names = Names {
            roots,
            variables: &variables.names,
        };
        Ok(Variant {
            constraints: match spec.field("matchConstraints") {
                Some(constraints) => Constraints::read(&constraints)?,
                None => Constraints::default(),
            },
            conditions: {
                // Kyverno's mutations have always let conditions name variables.
                let visible = if spec.field("mutations").is_some() {
                    names
                } else {
                    Names::of(roots)
                };
                body::read_conditions(spec.field("matchConditions"), visible)?
            },
            validations: body::read_validations(spec.field("validations"), names, "")?,
            mutations: read_mutations(spec.field("mutations"), names)?,
            generations: read_generations(spec.field("generate"), names)?,
            annotations: body::read_annotations(spec.field("auditAnnotations"), names)?,
            images: None,
            variables,
        })
    }
}

/// What `validationActions` say: whether a violation refuses.
pub(super) fn denies(spec: &Cursor<'_>) -> Result<Option<bool>, Refusal> {
    let Some(actions) = spec.field("validationActions") else {
        return Ok(None);
    };
    let mut denies = false;
    let items = actions.items()?;
    for item in &items {
        match item.string()? {
            "Deny" => denies = true,
            "Audit" | "Warn" => {}
            other => return Err(item.refuse(format!("{other:?} is none of Deny, Audit, Warn"))),
        }
    }
    Ok((!items.is_empty()).then_some(denies))
}

fn validating(metadata: &Cursor<'_>, spec: &Cursor<'_>, kind: &'static str) -> Result<Document, Refusal> {
    spec.only(&[
        "matchConstraints",
        "matchConditions",
        "variables",
        "validations",
        "failurePolicy",
        "auditAnnotations",
        "validationActions",
        "evaluation",
        "autogen",
        "webhookConfiguration",
    ])?;
    let mut policy = Policy::of(metadata, kind, Task::Validate, Family::Kyverno)?;
    policy.read_evaluation(spec)?;
    policy.read_failure_policy(spec)?;
    policy.enforce = denies(spec)?.unwrap_or(true);
    let variant = Variant::read(spec, &KYVERNO_ROOTS)?;
    if variant.validations.is_empty() {
        return Err(spec.refuse("the policy has no validations"));
    }
    if !policy.json && spec.field("matchConstraints").is_none() {
        return Err(spec.refuse("the field matchConstraints is missing"));
    }
    policy.variants.push(variant);
    for made in autogen::variants(spec) {
        // What is made has no place of its own in the file; the policy is named instead.
        let cursor = Cursor {
            origin: spec.origin,
            value: &made,
            pointer: spec.pointer.clone(),
        };
        policy.variants.push(Variant::read(&cursor, &KYVERNO_ROOTS)?);
    }
    Ok(Document::Policy(Box::new(policy)))
}

/// Reads a policy of Kubernetes.
fn admission(metadata: &Cursor<'_>, spec: &Cursor<'_>, kind: &'static str) -> Result<Document, Refusal> {
    let validating = kind == "ValidatingAdmissionPolicy";
    let own: &[&str] = if validating {
        &["validations", "auditAnnotations"]
    } else {
        &["mutations", "reinvocationPolicy"]
    };
    let common = [
        "paramKind",
        "matchConstraints",
        "failurePolicy",
        "matchConditions",
        "variables",
    ];
    spec.only(&[&common[..], own].concat())?;
    let task = if validating { Task::Validate } else { Task::Mutate };
    let mut policy = Policy::of(metadata, kind, task, Family::Kubernetes)?;
    policy.read_failure_policy(spec)?;
    policy.params = spec
        .field("paramKind")
        .map(|kind| ParamKind::read(&kind))
        .transpose()?;
    let roots: Vec<Root> = ADMISSION
        .into_iter()
        .filter(|root| policy.params.is_some() || *root != Root::Params)
        .collect();
    spec.required("matchConstraints")?;
    let variant = Variant::read(spec, &roots)?;
    if validating && variant.validations.is_empty() && variant.annotations.is_empty() {
        return Err(spec.refuse("the policy has neither validations nor audit annotations"));
    }
    if !validating && variant.mutations.is_empty() {
        return Err(spec.refuse("the policy has no mutations"));
    }
    policy.variants.push(variant);
    Ok(Document::Policy(Box::new(policy)))
}

fn mutating(metadata: &Cursor<'_>, spec: &Cursor<'_>, kind: &'static str) -> Result<Document, Refusal> {
    spec.only(&[
        "matchConstraints",
        "targetMatchConstraints",
        "targetMatchConditions",
        "matchConditions",
        "variables",
        "mutations",
        "auditAnnotations",
        "failurePolicy",
        "evaluation",
        "autogen",
        "reinvocationPolicy",
        "webhookConfiguration",
    ])?;
    let mut policy = Policy::of(metadata, kind, Task::Mutate, Family::Kyverno)?;
    policy.read_evaluation(spec)?;
    policy.read_failure_policy(spec)?;
    policy.enforce = true;
    if let Some(evaluation) = spec.field("evaluation") {
        if let Some(existing) = evaluation.field("mutateExisting") {
            policy.existing = existing.flag("enabled")?.unwrap_or(false);
        }
        if evaluation.flag("useServerSideApply")?.unwrap_or(false) {
            policy.atomic = Atomic::Replaced;
        }
    }
    spec.required("matchConstraints")?;
    let variant = Variant::read(spec, &KYVERNO_ROOTS)?;
    if variant.mutations.is_empty() {
        return Err(spec.refuse("the policy has no mutations"));
    }
    policy.targets = Targets::read(spec, &KYVERNO_ROOTS, &variant.variables.names)?;
    policy.variants.push(variant);
    for made in autogen::mutating_variants(spec) {
        let cursor = Cursor {
            origin: spec.origin,
            value: &made,
            pointer: spec.pointer.clone(),
        };
        policy.variants.push(Variant::read(&cursor, &KYVERNO_ROOTS)?);
    }
    Ok(Document::Policy(Box::new(policy)))
}

fn read_mutations(list: Option<Cursor<'_>>, names: Names<'_>) -> Result<Vec<Mutation>, Refusal> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let read = |item: &Cursor<'_>| {
        item.only(&["patchType", "applyConfiguration", "jsonPatch"])?;
        let kind = item.required("patchType")?;
        let (field, operations) = match kind.string()? {
            "ApplyConfiguration" => ("applyConfiguration", false),
            "JSONPatch" => ("jsonPatch", true),
            other => {
                return Err(kind.refuse(format!("{other:?} is neither ApplyConfiguration nor JSONPatch")));
            }
        };
        let inner = item.required(field)?;
        inner.only(&["expression"])?;
        Ok(Mutation {
            program: body::read_program(&inner.required("expression")?, names)?,
            operations,
        })
    };
    list.items()?.iter().map(read).collect()
}

fn generating(metadata: &Cursor<'_>, spec: &Cursor<'_>, kind: &'static str) -> Result<Document, Refusal> {
    spec.only(&[
        "matchConstraints",
        "matchConditions",
        "variables",
        "evaluation",
        "webhookConfiguration",
        "generate",
    ])?;
    let mut policy = Policy::of(metadata, kind, Task::Generate, Family::Kyverno)?;
    policy.read_evaluation(spec)?;
    let evaluation = spec.field("evaluation");
    let enabled = |name: &str| match evaluation.as_ref().and_then(|evaluation| evaluation.field(name)) {
        None => Ok(false),
        Some(field) => Ok(field.flag("enabled")?.unwrap_or(false)),
    };
    policy.generation = Following {
        synchronize: enabled("synchronize")?,
        orphan: enabled("orphanDownstreamOnPolicyDelete")?,
        existing: enabled("generateExisting")?,
    };
    spec.required("matchConstraints")?;
    let variant = Variant::read(spec, &KYVERNO_ROOTS)?;
    if variant.generations.is_empty() {
        return Err(spec.refuse("the policy generates nothing"));
    }
    policy.variants.push(variant);
    Ok(Document::Policy(Box::new(policy)))
}

fn read_generations(list: Option<Cursor<'_>>, names: Names<'_>) -> Result<Vec<Making>, Refusal> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let read = |item: &Cursor<'_>| {
        item.only(&["expression", "template"])?;
        match item.field("template") {
            None => body::read_program(&item.required("expression")?, names).map(Making::Expression),
            Some(_) if item.field("expression").is_some() => {
                Err(item.refuse("only one of expression and template can be said here"))
            }
            Some(template) => Template::read(&template, names).map(Making::Template),
        }
    };
    list.items()?.iter().map(read).collect()
}

fn deleting(metadata: &Cursor<'_>, spec: &Cursor<'_>, kind: &'static str) -> Result<Document, Refusal> {
    spec.only(&[
        "matchConstraints",
        "conditions",
        "variables",
        "schedule",
        "deletionPropagationPolicy",
    ])?;
    let mut policy = Policy::of(metadata, kind, Task::Delete, Family::Kyverno)?;
    spec.required("schedule")?
        .string()?
        .clone_into(&mut policy.schedule);
    policy.propagation = spec.text("deletionPropagationPolicy")?.map(str::to_owned);
    // Without rules for resources it is about JSON that is no object of Kubernetes.
    policy.json = spec.field("matchConstraints").is_none();
    let mut variant = Variant::read(spec, &KYVERNO_ROOTS)?;
    let names = Names {
        roots: &KYVERNO_ROOTS,
        variables: &variant.variables.names,
    };
    variant.conditions = body::read_conditions(spec.field("conditions"), names)?;
    policy.variants.push(variant);
    Ok(Document::Policy(Box::new(policy)))
}

fn binding(spec: &Cursor<'_>, kind: &'static str) -> Result<Document, Refusal> {
    spec.only(&["policyName", "paramRef", "matchResources", "validationActions"])?;
    Ok(Document::Binding(Box::new(Binding {
        policy: spec.required("policyName")?.string()?.to_owned(),
        kind,
        constraints: spec
            .field("matchResources")
            .map(|match_| Constraints::read(&match_))
            .transpose()?,
        params: spec
            .field("paramRef")
            .map(|reference| ParamRef::read(&reference))
            .transpose()?,
        enforce: denies(spec)?.unwrap_or(true),
    })))
}

fn exception(metadata: &Cursor<'_>, spec: &Cursor<'_>) -> Result<Document, Refusal> {
    spec.only(&[
        "policyRefs",
        "matchConditions",
        "images",
        "allowedValues",
        "reportResult",
    ])?;
    let mut policies = Vec::new();
    for item in spec.required("policyRefs")?.items()? {
        item.only(&["name", "kind"])?;
        let (kind, name) = (item.required("kind")?, item.required("name")?);
        policies.push((kind.string()?.to_owned(), name.string()?.to_owned()));
    }
    let passes = match spec.text("reportResult")? {
        None | Some("" | "skip") => false,
        Some("pass") => true,
        Some(other) => {
            return Err(spec.refuse_below("/reportResult", format!("{other:?} is neither skip nor pass")));
        }
    };
    let name = metadata.required("name")?.string()?;
    Ok(Document::Exception(Box::new(Exception {
        name: match metadata.text("namespace")? {
            None => name.to_owned(),
            Some(namespace) => format!("{namespace}/{name}"),
        },
        policies,
        conditions: body::read_conditions(spec.field("matchConditions"), Names::of(&KYVERNO_ROOTS))?,
        images: spec.strings("images")?,
        values: spec.strings("allowedValues")?,
        passes,
        expires: Expiry::read(metadata)?,
    })))
}

impl Binding {
    /// Whether it binds a policy.
    pub(crate) fn binds(&self, policy: &Policy) -> bool {
        policy.kind == self.kind && policy.plain_name == self.policy
    }
}

impl Exception {
    /// Whether it is for a policy.
    pub(crate) fn is_for(&self, policy: &Policy) -> bool {
        self.policies
            .iter()
            .any(|(kind, name)| *kind == policy.kind && *name == policy.plain_name)
    }
}
