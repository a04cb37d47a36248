//! MutatingAdmissionPolicies: what is changed on the way.

use cel::{Budget, Scope};
use schema::{ApplyError, FieldSet, ListType, MapType, Schema, Schemas, Write};
use serde_json::Value;

use super::super::expressions::{Question, hold, no_value};
use super::super::matching::Wants;
use super::super::rounds::Rounds;
use super::super::{Attributes, review};
use super::read::{Mutation, Policy};
use super::{SPENT, caused, ignores_failures, name};
use crate::catalog::Resource;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::verbs;

/// How much is told of what went wrong.
const MOST_TROUBLES: usize = 100;

/// What went wrong with a policy: the words, and whether an expression is to blame and not how it is set up.
struct Trouble {
    words: String,
    evaluated: bool,
}

/// A policy by a binding with a parameter: their names.
pub(in crate::admission) type Invocation = [String; 3];

/// A policy that is carried out on a write.
struct Carried<'p> {
    policy: &'p Policy<'p>,
    write: &'p Attributes<'p>,
    resource: &'p Resource,
    param: &'p Value,
    /// What it may cost.
    budget: &'p Budget,
}

impl Engine {
    /// Changes an object as the bound policies want it, and says whether one did.
    pub(in crate::admission) fn mutate_by_policies(
        &self,
        write: &Attributes<'_>,
        object: &mut Value,
        rounds: &mut Rounds<Invocation>,
        budget: &Budget,
    ) -> Result<bool, ApiError> {
        if object.is_null() {
            return Ok(false);
        }
        let mut changed = false;
        let mut troubles = Vec::new();
        for (policy, bindings) in self.bound("mutatingadmissionpolicies", "mutatingadmissionpolicybindings") {
            let spec = &policy.value["spec"];
            let mut failed = |words: String, evaluated: bool| {
                if !ignores_failures(spec) && troubles.len() < MOST_TROUBLES {
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
                let params = match self.params_of(spec, &binding.value["spec"], write, object) {
                    Ok(params) => params,
                    Err(why) => {
                        let why = format!("failed to configure binding: {why}");
                        failed(format!("{by} denied request: {why}"), false);
                        continue;
                    }
                };
                for param in &params {
                    let param = param.shown();
                    let carried = match &read {
                        _ if budget.pay_for(&param).is_err() => Err(SPENT.to_owned()),
                        Ok(policy) => Ok(Carried {
                            policy,
                            write,
                            resource: &resource,
                            param: &param,
                            budget,
                        }),
                        Err(why) => Err(why.clone()),
                    };
                    let of_param = |field: &str| verbs::text(&param, &["metadata", field]);
                    let id = [
                        name(&policy).to_owned(),
                        name(binding).to_owned(),
                        format!("{}/{}", of_param("namespace"), of_param("name")),
                    ];
                    let applies = carried.and_then(|carried| {
                        let applies = self.applies(&carried, object)?;
                        Ok(Some(carried).filter(|_| applies && !rounds.leaves_out(&id)))
                    });
                    match applies {
                        Ok(None) => {}
                        Err(why) => failed(format!("{by} denied request: {why}"), true),
                        Ok(Some(carried)) => {
                            let (differs, wrong) = self.carry_out(&carried, object);
                            for why in wrong {
                                failed(format!("{by} denied request: {why}"), true);
                            }
                            if differs {
                                rounds.require();
                                changed = true;
                            }
                            if spec["reinvocationPolicy"] == "IfNeeded" {
                                rounds.saw(id);
                            }
                        }
                    }
                    if budget.left() == 0 {
                        break;
                    }
                }
            }
        }
        rounds.end(object);
        match troubles.as_slice() {
            [] => Ok(changed),
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

    /// Whether the conditions of a policy hold.
    fn applies(&self, carried: &Carried<'_>, object: &Value) -> Result<bool, String> {
        let Carried { policy, write, .. } = carried;
        if policy.conditions.is_empty() {
            return Ok(true);
        }
        let question = Question::of(write, carried.resource, object, self.namespace_of(write));
        let around = question.with(carried.param);
        carried
            .budget
            .share(|budget| hold(&policy.conditions, &around, budget))
    }

    /// Carries out the mutations of a policy one after the other. Says whether they made a difference, and which of them
    /// went wrong.
    fn carry_out(&self, carried: &Carried<'_>, object: &mut Value) -> (bool, Vec<String>) {
        let Carried { policy, write, .. } = carried;
        let (mut differs, mut wrong) = (false, Vec::new());
        for mutation in &policy.mutations {
            // It is copied for each of them.
            if carried.budget.pay_for(object).is_err() {
                wrong.push(SPENT.to_owned());
                break;
            }
            let question = Question::of(write, carried.resource, object, self.namespace_of(write));
            let around = question.with(carried.param);
            let changed = carried.budget.share(|budget| {
                let scope = Scope::new(budget, &around).with_variables(&policy.variables);
                mutated(mutation, &scope, write, carried.resource, object)
            });
            match changed {
                Ok(changed) => {
                    differs |= changed != *object;
                    *object = changed;
                }
                Err(why) => wrong.push(why),
            }
        }
        (differs, wrong)
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
