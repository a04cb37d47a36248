//! Policies on their own, without the platform around them: test them by suites, apply them to resources.
//!
//! Inputs, options and counts are those of Kyverno's own command line. What reads files is here; what judges is the
//! crate `guardrails`.

mod apply;
mod cluster;
mod compare;
mod files;
mod impact;
mod loaded;
mod places;
mod runner;
mod selector;
mod suite;
#[cfg(test)]
mod suites;
mod test;
mod values;
mod world;

pub use apply::{PolicyApplication, PolicyApplyRequest, PolicyCounts, PolicyResult};
pub use cluster::{PolicyCluster, Selection};
pub use impact::{
    ClusterImpact, Effect, FieldToSet, Impact, ImpactCounts, ImpactException, ImpactFinding, ImpactRequest,
    ObjectImpact, Stage, TeamImpact, policy_impact,
};
pub use places::Places;
pub(crate) use places::nearest;
pub use test::{PolicyTestRequest, PolicyTested, TestRow, TestedSuite, test_policies};
