//! The types of a policy's expressions, held against what the policy is about: what its status tells of it.
//!
//! Reference: `typechecking.go` of the policies in `k8s.io/apiserver`.

use std::sync::Arc;

use cel::check::{Fields, Type};
use schema::Schema;
use serde_json::{Value, json};

use super::super::expressions::Known;
use crate::catalog::{Catalog, Resource};
use crate::rules::names;
use crate::verbs::text;

/// How many kinds a policy is held against.
const KINDS: usize = 10;
/// How deep the type of an object is looked into.
const DEEPEST: usize = 16;

/// What is to be said of the types in a ValidatingAdmissionPolicy: its `status.typeChecking`.
pub(crate) fn type_checking(policy: &Value, catalog: &Catalog) -> Value {
    let spec = &policy["spec"];
    let list = |field: &str| spec[field].as_array().into_iter().flatten().enumerate();
    let kinds = kinds(&spec["matchConstraints"], catalog);
    let mut warnings = Vec::new();
    let mut look = |field: String, expression: &str, until: usize| {
        let told: Vec<String> = kinds
            .iter()
            .filter_map(|resource| {
                let known = known(spec, resource, catalog, until);
                let why = known.check(expression).err()?;
                let why = why.strip_prefix("compilation failed: ").unwrap_or(&why);
                let kind = &resource.kind;
                Some(format!("{}, Kind={kind}: {why}\n", group_version(resource)))
            })
            .collect();
        if !told.is_empty() {
            warnings.push(json!({ "fieldRef": field, "warning": told.join("\n") }));
        }
    };
    for (place, variable) in list("variables") {
        let field = format!("spec.variables[{place}].expression");
        look(field, text(variable, &["expression"]), place);
    }
    for (place, validation) in list("validations") {
        for part in ["expression", "messageExpression"] {
            let expression = text(validation, &[part]);
            if !expression.is_empty() {
                look(
                    format!("spec.validations[{place}].{part}"),
                    expression,
                    usize::MAX,
                );
            }
        }
    }
    if warnings.is_empty() {
        json!({})
    } else {
        json!({ "expressionWarnings": warnings })
    }
}

fn group_version(resource: &Resource) -> String {
    if resource.group.is_empty() {
        format!("/{}", resource.version)
    } else {
        resource.api_version()
    }
}

/// The kinds that a policy names without wildcards, which could be anything.
fn kinds(constraints: &Value, catalog: &Catalog) -> Vec<Arc<Resource>> {
    let mut found: Vec<Arc<Resource>> = Vec::new();
    for rule in constraints["resourceRules"].as_array().into_iter().flatten() {
        let words = |field: &str| {
            rule[field]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
        };
        for group in words("apiGroups") {
            for version in words("apiVersions") {
                for plural in words("resources") {
                    if let Ok(resource) = catalog.find(group, version, plural)
                        && !found.iter().any(|known| Arc::ptr_eq(known, &resource))
                    {
                        found.push(resource);
                    }
                }
            }
        }
    }
    found.truncate(KINDS);
    found
}

/// What the first so many variables of a policy and the object are, when it is about a resource.
fn known(spec: &Value, resource: &Resource, catalog: &Catalog, until: usize) -> Known {
    let mut known = Known::new(false);
    known.object = type_of(resource.schema(), 0);
    let params = &spec["paramKind"];
    if params.is_object() {
        let of = catalog.resources().iter().find(|resource| {
            resource.kind == text(params, &["kind"])
                && resource.api_version() == text(params, &["apiVersion"])
        });
        known.params = Some(of.map_or(Type::Dyn, |resource| type_of(resource.schema(), 0)));
    }
    for variable in spec["variables"].as_array().into_iter().flatten().take(until) {
        let of = known.check(text(variable, &["expression"])).unwrap_or(Type::Dyn);
        known.variables.push((text(variable, &["name"]).to_owned(), of));
    }
    known
}

/// The type that expressions have for what a schema describes.
fn type_of(schema: &Schema, depth: usize) -> Type {
    if depth > DEEPEST || (schema.preserve_unknown && schema.fields.is_empty()) {
        return Type::Dyn;
    }
    match schema.kind {
        schema::Type::Boolean => Type::Bool,
        schema::Type::Integer => Type::Int,
        schema::Type::Number => Type::Double,
        schema::Type::String => match schema.format.as_str() {
            "date-time" => Type::Timestamp,
            "byte" => Type::Bytes,
            _ => Type::Text,
        },
        schema::Type::Quantity | schema::Type::IntOrString | schema::Type::Any | schema::Type::Raw => {
            Type::Dyn
        }
        schema::Type::Array => Type::list(type_of(schema.item(), depth + 1)),
        schema::Type::Object if !schema.fields.is_empty() => {
            let fields = schema.fields.iter().flat_map(|(name, field)| {
                let of = type_of(field.schema.get(), depth + 1);
                names(name).into_iter().map(move |name| (name, of.clone()))
            });
            Type::Object(Arc::new(fields.collect::<Fields>()))
        }
        schema::Type::Object => match schema.values() {
            Some(values) => Type::map(Type::Text, type_of(values, depth + 1)),
            None => Type::Dyn,
        },
    }
}
