//! MutatingAdmissionPolicies: what is changed on the way.

use cel::{Budget, Scope};
use schema::{ApplyError, FieldSet, ListType, MapType, Schema, Schemas, Write};
use serde_json::Value;

use super::super::expressions::{Question, hold, no_value};
use super::super::matching::Wants;
use super::super::{Attributes, review};
use super::read::{Mutation, Policy};
use super::{caused, ignores_failures, name};
use crate::catalog::Resource;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::verbs;

/// What went wrong with a policy: the words, and whether an expression is to blame and not how it is set up.
struct Trouble {
    words: String,
    evaluated: bool,
}

impl Engine {
    /// Changes an object as the bound policies want it, and says whether one did. `again` is whether they saw it before.
    pub(in crate::admission) fn mutate_by_policies(
        &self,
        write: &Attributes<'_>,
        object: &mut Value,
        again: bool,
    ) -> Result<bool, ApiError> {
        if object.is_null() {
            return Ok(false);
        }
        let bound = self.bound("mutatingadmissionpolicies", "mutatingadmissionpolicybindings");
        if bound.is_empty() {
            return Ok(false);
        }
        let (before, mut troubles) = (object.clone(), Vec::new());
        for (policy, bindings) in bound {
            let spec = &policy.value["spec"];
            if again && spec["reinvocationPolicy"] != "IfNeeded" {
                continue;
            }
            let mut failed = |words: String, evaluated: bool| {
                if !ignores_failures(spec) {
                    troubles.push(Trouble { words, evaluated });
                }
            };
            let resource = match self.wanted_by(Wants::of(&spec["matchConstraints"]), write, object) {
                Ok(Some(resource)) => resource,
                Ok(None) => continue,
                Err(error) => {
                    let why = format!("failed to configure policy: {}", error.message);
                    failed(
                        format!("policy \"{}\" denied request: {why}", name(&policy)),
                        false,
                    );
                    continue;
                }
            };
            let read = Policy::read(spec);
            for binding in &bindings {
                let by = format!("policy '{}' with binding '{}'", name(&policy), name(binding));
                let binding = &binding.value["spec"];
                let params = match self.params_of(spec, binding, write, object) {
                    Ok(params) => params,
                    Err(why) => {
                        let why = format!("failed to configure binding: {why}");
                        failed(format!("{by} denied request: {why}"), false);
                        continue;
                    }
                };
                for params in &params {
                    let mutated = match &read {
                        Ok(policy) => self.carry_out(policy, write, &resource, object, params),
                        Err(why) => vec![why.clone()],
                    };
                    for why in mutated {
                        failed(format!("{by} denied request: {why}"), true);
                    }
                }
            }
        }
        match troubles.as_slice() {
            [] => Ok(*object != before),
            [first, ..] => {
                let words: Vec<String> = troubles.iter().map(|trouble| trouble.words.clone()).collect();
                let mut error = caused(write.forbidden(object, ""), &words);
                error.message.clone_from(&first.words);
                if first.evaluated {
                    "Invalid".clone_into(&mut error.reason);
                }
                Err(error)
            }
        }
    }

    /// Carries out the mutations of a policy one after the other, and says which of them went wrong.
    fn carry_out(
        &self,
        policy: &Policy<'_>,
        write: &Attributes<'_>,
        resource: &Resource,
        object: &mut Value,
        params: &Value,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (place, mutation) in policy.mutations.iter().enumerate() {
            let changed = {
                let question = Question::of(write, resource, object, self.namespace_of(write));
                let around = question.with(params);
                if place == 0 {
                    match hold(&policy.conditions, &around) {
                        Ok(true) => {}
                        Ok(false) => return Vec::new(),
                        Err(why) => return vec![why],
                    }
                }
                let budget = Budget::default();
                let scope = Scope::new(&budget, &around).with_variables(&policy.variables);
                mutated(mutation, &scope, write, resource, object)
            };
            match changed {
                Ok(changed) => *object = changed,
                Err(why) => wrong.push(why),
            }
        }
        wrong
    }
}

/// The object as a mutation wants it, in the form it is stored in.
fn mutated<'v>(
    mutation: &'v Mutation,
    scope: &Scope<'v>,
    write: &Attributes<'_>,
    resource: &Resource,
    object: &Value,
) -> Result<Value, String> {
    let value = scope
        .evaluate(&mutation.program)
        .map_err(|why| no_value(&mutation.program.text, &why))?;
    let of_type = value.type_name().to_owned();
    let wanted = value
        .to_json(scope.budget)
        .map_err(|why| no_value(&mutation.program.text, &why))?;
    let mut changed = review::in_terms_of(write, resource, object);
    if mutation.operations {
        if !wanted.is_array() {
            return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
        }
        verbs::json_patch_in_bounds(&mut changed, &wanted)
            .map_err(|why| format!("JSON Patch: {}", review::unpatched(why)))?;
    } else {
        if !wanted.is_object() || !of_type.starts_with("Object") {
            return Err(format!(
                "unsupported return type from ApplyConfiguration expression: {of_type}"
            ));
        }
        changed = laid_over(write, resource, &changed, wanted)?;
    }
    if !changed.is_object() {
        return Err("JSON Patch: what is left is no object".to_owned());
    }
    // Known fields, defaults, the version it is stored in; what a subresource speaks is small and read as it is.
    if matches!(write.target.subresource.as_str(), "" | "status" | "finalize") {
        verbs::restore(write.target, &mut changed).map_err(|error| error.message)?;
    }
    Ok(changed)
}

/// Lays a configuration over an object as server-side apply does, without noting whose the fields are.
fn laid_over(
    write: &Attributes<'_>,
    resource: &Resource,
    object: &Value,
    mut wanted: Value,
) -> Result<Value, String> {
    let (group, version, kind) = write.kind_in(resource);
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    let schema = if kind == resource.kind {
        resource.schema()
    } else {
        Schemas::builtin()
            .schema(&api_version, kind)
            .unwrap_or(Schema::any())
    };
    let mut whole = Vec::new();
    atomic("", schema, false, &wanted, &mut whole);
    if !whole.is_empty() {
        return Err(format!(
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}",
            whole.join(", ")
        ));
    }
    wanted["apiVersion"] = Value::from(api_version.as_str());
    wanted["kind"] = Value::from(kind);
    let mut live = object.clone();
    let managed = live["metadata"]
        .as_object_mut()
        .and_then(|metadata| metadata.remove("managedFields"));
    let nobody = Write {
        manager: "admission",
        api_version: &api_version,
        subresource: "",
        time: "",
        reset: &FieldSet::new(),
    };
    let written = schema::apply(schema, Some(&live), &wanted, true, &nobody);
    let mut laid = written
        .map(|written| written.object)
        .map_err(|error| match error {
            ApplyError::Config(why) => {
                format!("error applying patch: failed to convert patch object to typed object: {why}")
            }
            error => format!("error applying patch: {error}"),
        })?;
    if let Some(metadata) = laid["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(managed) = managed {
            metadata.insert("managedFields".to_owned(), managed);
        }
    }
    Ok(laid)
}

/// Finds what a configuration would replace as a whole: who writes `Object{…}` may not know that the rest of it goes.
fn atomic(path: &str, schema: &Schema, whole: bool, wanted: &Value, found: &mut Vec<String>) {
    match wanted {
        Value::Object(fields) => {
            if whole || schema.map == MapType::Atomic {
                found.push(path.to_owned());
            }
            for (name, value) in fields {
                let field = schema.field(name);
                let whole = field.is_some_and(|field| field.map == Some(MapType::Atomic));
                if let Some(below) = schema.child(name) {
                    atomic(&format!("{path}.{name}"), below, whole, value, found);
                }
            }
        }
        Value::Array(items) => {
            if schema.list == ListType::Atomic {
                found.push(path.to_owned());
            }
            for (place, item) in items.iter().enumerate() {
                atomic(&format!("{path}[{place}]"), schema.item(), false, item, found);
            }
        }
        _ => {}
    }
}
