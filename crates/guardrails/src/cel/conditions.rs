//! `webhookConfiguration.matchConditions`: which requests a classic policy is asked about at all. Kubernetes evaluates
//! them before it calls a webhook, so that what was there before (a scan) is judged without them.

use ::cel::budget::Budget;
use ::cel::{Root, Scope};

use super::body::{self, Condition};
use super::inputs::{ADMISSION, Inputs, resource_of};
use crate::cel::world::{self, World, root};
use crate::cursor::{Cursor, Refusal};
use crate::matching::Subject;
use crate::request::Request;

/// The conditions of a policy; without any it is asked about every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct MatchConditions(Vec<Condition>);

impl MatchConditions {
    /// Reads the list.
    pub(crate) fn read(list: Option<Cursor<'_>>) -> Result<MatchConditions, Refusal> {
        let roots: Vec<Root> = ADMISSION
            .into_iter()
            .filter(|root| *root != root::PARAMS)
            .collect();
        body::read_conditions(list, world::names(&roots, &[])).map(MatchConditions)
    }

    /// Whether the policy is asked; the error says why that cannot be told.
    pub(crate) fn hold(&self, request: &Request<'_>, subject: &Subject<'_>) -> Result<bool, String> {
        if self.0.is_empty() || request.background {
            return Ok(true);
        }
        let (budget, resource) = (Budget::default(), resource_of(request));
        let inputs = Inputs::new(request, subject, &resource);
        let world = World::new(request.facts, &inputs);
        let scope = Scope::new(&budget, &world);
        body::met(&self.0, &scope).map_err(|failure| format!("failed to evaluate matchConditions: {failure}"))
    }
}
