//! Policies that are written in CEL. The language itself is the crate `cel`.
//!
//! `world` is what an expression finds around it: the variables of policies (`inputs`), the facts, and Kyverno's
//! `functions` with their own types of values (`foreign`). What has no value is a failure, which becomes an error verdict:
//! never a pass.
//!
//! `body`, `constraints`, `params` and `inputs` are what policies have in common; `check` is `validate.cel` of a
//! classic rule, `conditions` are the `matchConditions` of a classic policy. `policy` reads policies, their bindings and
//! exceptions, `autogen` makes those for pod controllers, `judge` evaluates them all, `images` asks who signed, `change`
//! mutates, generates and deletes by them, `targets` finds what else they change, `template` fills in what they write
//! down, and `apply` knows how a patch is laid over an object.

mod apply;
mod autogen;
mod body;
mod change;
mod check;
mod conditions;
mod constraints;
mod foreign;
mod functions;
mod images;
mod inputs;
mod judge;
mod kinds;
mod params;
mod policy;
mod targets;
mod template;
mod world;

pub(crate) use check::CelCheck;
pub(crate) use conditions::MatchConditions;
pub(crate) use judge::CelPolicies;

use ::cel::budget::{Budget, MAX_OBJECT_DEPTH, deeper_than};
use ::cel::{Program, Scope};
use serde_json::Value as Json;
use world::{World, root};

use crate::matching::Subject;
use crate::request::Request;

/// The value of a CEL expression about an `object`, as policies have it: with the libraries of Kubernetes and Kyverno.
/// The error says why it cannot be read, or has no value.
pub fn evaluate_cel(expression: &str, object: &Json) -> Result<Json, String> {
    if deeper_than(object, MAX_OBJECT_DEPTH) {
        return Err(format!("the object nests deeper than {MAX_OBJECT_DEPTH} levels"));
    }
    let program = Program::compile(expression, world::names(&[root::OBJECT], &[]))
        .map_err(|unreadable| unreadable.to_string())?;
    let request = Request::new(object);
    let subject = Subject::of(object, request.namespace_labels, request.operation, "");
    let inputs = inputs::Inputs::new(&request, &subject, "");
    let budget = Budget::default();
    let world = World::new(request.facts, &inputs);
    let scope = Scope::new(&budget, &world);
    scope
        .evaluate(&program)
        .and_then(|value| value.to_json(&budget))
        .map_err(|failure| failure.to_string())
}
