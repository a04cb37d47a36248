//! Reading policies of each kind, with their bindings and exceptions.

use ::cel::Root;
use serde_json::Value as Json;

use super::apply::Atomic;
use super::autogen;
use super::body;
use super::constraints::Constraints;
use super::images;
use super::inputs::ADMISSION;
use super::params::{ParamKind, ParamRef};
use super::policy::{Binding, Document, Exception, Family, Following, Policy, Variant};
use super::targets::Targets;
use crate::cel::world::{self, root};
use crate::cursor::{Cursor, Origin, Refusal};
use crate::exception::Expiry;
use crate::policy::is_object_name;
use crate::verdict::Task;

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
    root::OBJECT,
    root::OLD_OBJECT,
    root::REQUEST,
    root::NAMESPACE_OBJECT,
    root::EXCEPTIONS,
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

/// What `validationActions` say: whether a violation refuses.
fn denies(spec: &Cursor<'_>) -> Result<Option<bool>, Refusal> {
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

/// Begins to read a policy of Kyverno: when it applies, and what becomes of an object that violates it.
pub(super) fn begin(
    metadata: &Cursor<'_>,
    spec: &Cursor<'_>,
    kind: &'static str,
    task: Task,
) -> Result<Policy, Refusal> {
    let mut policy = Policy::of(metadata, kind, task, Family::Kyverno)?;
    policy.read_evaluation(spec)?;
    policy.read_failure_policy(spec)?;
    policy.enforce = denies(spec)?.unwrap_or(true);
    if !policy.json {
        spec.required("matchConstraints")?;
    }
    Ok(policy)
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
    let mut policy = begin(metadata, spec, kind, Task::Validate)?;
    let variant = Variant::read(spec, &KYVERNO_ROOTS)?;
    if variant.validations.is_empty() {
        return Err(spec.refuse("the policy has no validations"));
    }
    policy.variants.push(variant);
    policy.add_made(spec, &autogen::variants(spec), |spec| {
        Variant::read(spec, &KYVERNO_ROOTS)
    })?;
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
        .filter(|root| policy.params.is_some() || *root != root::PARAMS)
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
    let mut policy = begin(metadata, spec, kind, Task::Mutate)?;
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
    policy.add_made(spec, &autogen::mutating_variants(spec), |spec| {
        Variant::read(spec, &KYVERNO_ROOTS)
    })?;
    Ok(Document::Policy(Box::new(policy)))
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
    let names = world::names(&KYVERNO_ROOTS, &variant.variables.names);
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
        conditions: body::read_conditions(spec.field("matchConditions"), world::names(&KYVERNO_ROOTS, &[]))?,
        images: spec.strings("images")?,
        values: spec.strings("allowedValues")?,
        passes,
        expires: Expiry::read(metadata)?,
    })))
}
