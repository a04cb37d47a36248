//! The objects that a cluster has, judged by a policy before it is tightened. Knows nothing of Git.

use std::collections::{BTreeMap, BTreeSet};

use api::{Group, SYSTEM_NAMESPACE};
use expansion::{Finding, Place};
use guardrails::Request;
use serde::Serialize;
use serde_json::Value;

use super::super::cluster::{ClusterFacts, PolicyCluster, Selection};
use super::exceptions::Exceptions;
use super::{Asked, Effect, ImpactRequest};
use crate::error::OperationError;
use crate::guard::Refusal;

/// More reasons than this are counted, not kept.
const KEPT: usize = 1_000;
/// Where no admission asks.
const LEFT_OUT: [&str; 2] = ["kube-system", SYSTEM_NAMESPACE];

/// What a policy would do to the objects of a cluster when they are written again.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterImpact {
    /// How many objects were judged. What a controller made of another that is judged is judged there.
    pub objects: usize,
    /// How many of them would be refused.
    pub refused: usize,
    /// How many would be warned of.
    pub warned: usize,
    /// How many would be reported.
    pub reported: usize,
    /// The reasons, the worst first; no more than a thousand.
    pub findings: Vec<ObjectImpact>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
}

/// One reason.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectImpact {
    /// What becomes of the object.
    pub effect: Effect,
    /// The namespace; empty for what lives in none.
    pub namespace: String,
    /// The team that the namespace belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The service that the object is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What is said.
    #[serde(flatten)]
    pub refusal: Refusal,
}

/// Judges the objects of a cluster.
pub(super) fn judge(
    cluster: &PolicyCluster,
    group: &Group,
    asked: &Asked,
    request: &ImpactRequest,
    exceptions: &mut Exceptions,
) -> Result<ClusterImpact, OperationError> {
    let mut impact = ClusterImpact::default();
    let labels = cluster.namespace_labels();
    let places: BTreeMap<&str, Place> = labels
        .iter()
        .map(|(name, labels)| (name.as_str(), Place::of_namespace(group, name, labels)))
        .collect();
    // Which kinds are judged themselves, so that what they make need not be.
    let judged: BTreeSet<(&str, &str)> = cluster.concerned(&asked.policies).collect();
    let facts = ClusterFacts {
        cluster,
        now: request.now,
    };
    let none = BTreeMap::new();
    let wanted = |served: &guardrails::Served<'_>| asked.policies.concern(served);
    impact.unknown = cluster.objects(&Selection::default(), &wanted, &mut |object| {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let namespace = match text("/kind") {
            "Namespace" => text("/metadata/name"),
            _ => text("/metadata/namespace"),
        };
        if LEFT_OUT.contains(&namespace) || made_of(&object, &judged) {
            return Ok(());
        }
        let place = places.get(namespace);
        let environment = place.and_then(|place| place.environment.clone());
        if request.environment.is_some() && request.environment != environment {
            return Ok(());
        }
        impact.objects += 1;
        let verdicts = asked.policies.evaluate(&Request {
            namespace_labels: labels.get(namespace).unwrap_or(&none),
            namespace: cluster.namespace(namespace),
            facts: &facts,
            ..Request::new(&object)
        });
        let mut worst = None;
        for verdict in verdicts {
            exceptions.count(&verdict);
            let Some(effect) = asked.effect(&verdict) else {
                continue;
            };
            worst = worst.into_iter().chain([effect]).min();
            if impact.findings.len() < KEPT {
                let service = object["metadata"]["labels"][group.label_service()].as_str();
                impact.findings.push(ObjectImpact {
                    effect,
                    namespace: namespace.to_owned(),
                    team: place.and_then(|place| place.team.clone()),
                    environment: environment.clone(),
                    service: service.map(str::to_owned),
                    refusal: Refusal::from(&Finding {
                        kind: text("/kind").to_owned(),
                        name: text("/metadata/name").to_owned(),
                        verdict,
                        origin: None,
                    }),
                });
            }
        }
        match worst {
            Some(Effect::Refused) => impact.refused += 1,
            Some(Effect::Warned) => impact.warned += 1,
            Some(Effect::Reported) => impact.reported += 1,
            None => {}
        }
        Ok(())
    })?;
    impact.findings.sort_by_key(|finding| finding.effect);
    Ok(impact)
}

/// Whether a controller made the object of one that is judged itself: the pods of a Deployment.
fn made_of(object: &Value, judged: &BTreeSet<(&str, &str)>) -> bool {
    let owners = object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten();
    let mut controllers = owners.filter(|owner| owner["controller"] == true);
    controllers.any(|owner| {
        let (api_version, kind) = (owner["apiVersion"].as_str(), owner["kind"].as_str());
        let group = api_version.and_then(|text| text.rsplit_once('/'));
        let group = group.map_or("", |(group, _)| group);
        judged.contains(&(group, kind.unwrap_or_default()))
    })
}
