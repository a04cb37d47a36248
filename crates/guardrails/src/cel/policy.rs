//! Policies in CEL as they are kept for evaluation: Kyverno's of `policies.kyverno.io` and Kubernetes' own of
//! `admissionregistration.k8s.io`, with their bindings and exceptions.

use ::cel::{Names, Program, Root};
use serde_json::Value as Json;

use super::apply::Atomic;
use super::body::{self, AuditAnnotation, Condition, Validation, Variables};
use super::constraints::Constraints;
use super::images::Images;
use super::params::{ParamKind, ParamRef};
use super::targets::Targets;
use super::template::Template;
use crate::cel::world;
use crate::cursor::{Cursor, Refusal};
use crate::exception::Expiry;
use crate::matching::Subject;
use crate::policy::{Annotations, read_annotations};
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
    pub(super) policy: String,
    pub(super) kind: &'static str,
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
    pub(super) policies: Vec<(String, String)>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) images: Vec<String>,
    pub(crate) values: Vec<String>,
    /// Whether it is reported as a pass rather than as a skip.
    pub(crate) passes: bool,
    pub(crate) expires: Option<Expiry>,
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
        // JSON that is no object of Kubernetes has neither version nor kind.
        if self.json != (subject.kind.is_empty() && subject.version.is_empty()) {
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

    /// Adds what was made of a spec for pod controllers. That has no place of its own in the file; the policy is named
    /// instead.
    pub(super) fn add_made(
        &mut self,
        spec: &Cursor<'_>,
        made: &[Json],
        read: impl Fn(&Cursor<'_>) -> Result<Variant, Refusal>,
    ) -> Result<(), Refusal> {
        for value in made {
            let cursor = Cursor {
                origin: spec.origin,
                value,
                pointer: spec.pointer.clone(),
            };
            self.variants.push(read(&cursor)?);
        }
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
        let names = world::names(roots, &variables.names);
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
                    world::names(roots, &[])
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
