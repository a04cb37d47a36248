//! A Kyverno-compatible policy engine: policies and objects in, verdicts out.
//!
//! [`Policies::load`] reads policies strictly, [`Policies::evaluate`] judges one object by all of them. Both
//! are pure and synchronous: no network, no clock, no cluster. The platform's own kinds are unknown here.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use guardrails::{Outcome, Policies, Request};
//!
//! let policy = "
//! apiVersion: kyverno.io/v1
//! kind: ClusterPolicy
//! metadata: {name: require-team}
//! spec:
//!   rules:
//!     - name: has-team
//!       match: {any: [{resources: {kinds: [ConfigMap]}}]}
//!       validate:
//!         failureAction: Enforce
//!         message: A team label is required
//!         pattern: {metadata: {labels: {team: '?*'}}}
//! ";
//! let policies = Policies::load("require-team.yaml", &yaml::parse_all(policy)?)?;
//! let object = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {}}});
//! let verdicts = policies.evaluate(&Request::new(&object));
//! assert_eq!(verdicts[0].outcome, Outcome::Fail);
//! assert_eq!(verdicts[0].path.as_deref(), Some("/metadata/labels/team"));
//! assert!(verdicts[0].refuses());
//! # Ok(())
//! # }
//! ```
//!
//! # What is understood
//!
//! `ClusterPolicy` and `Policy` of `kyverno.io/v1`, `v2beta1`, `v2`; `match`/`exclude` in all three forms;
//! `validate` with `pattern`, `anyPattern`, `deny`, `foreach`, `podSecurity` (from v1.25 on); preconditions;
//! `context` variables; rules for pod controllers; failure actions and their overrides; `applyRules`.
//! Messages are Kyverno's own.
//!
//! `mutate` with strategic merge, JSON 6902 and `foreach` ([`Policies::mutate`]), also of objects that are there
//! already ([`Policies::mutate_existing`]). `generate` says what is wanted ([`Policies::generate`]), cleanup policies
//! what is to go ([`Policies::to_delete`]); [`Policies::triggers`] says which of the first two a request sets off.
//! `verifyImages` asks [`Facts::verify`] who signed an image; where nobody can say, that is an error; where images stand
//! in other kinds is said by `imageExtractors`. `validate.assert` holds an object against a tree of assertions,
//! `validate.manifests` asks [`Facts::verify_manifest`]. PolicyExceptions let through what they name: their conditions must
//! hold, and with the
//! annotation `policies.towpath.dev/expires` (a date such as `2026-12-31`) they end with that day, UTC. Where nobody
//! knows what day it is, an exception that ends does not hold. `policies.towpath.dev/owner` and
//! `policies.towpath.dev/reason` are for people.
//!
//! In CEL: `ValidatingPolicy` and `NamespacedValidatingPolicy` of `policies.kyverno.io` with their `PolicyException`,
//! `ValidatingAdmissionPolicy` of `admissionregistration.k8s.io` with its bindings and parameters, `validate.cel` and
//! `celPreconditions` of a rule; `MutatingPolicy` and `MutatingAdmissionPolicy` ([`Policies::mutate`]),
//! `GeneratingPolicy` ([`Policies::generate`]), `DeletingPolicy` ([`Policies::to_delete`]), `ImageValidatingPolicy`, which
//! asks [`Facts::image`] and [`Facts::verify`]; those of namespaces too.
//!
//! # What is not, and what becomes of it
//!
//! Nothing that is not understood passes.
//!
//! | construct | what happens |
//! | --- | --- |
//! | YAML of another shape, names that no cluster takes, unknown fields, unknown operators, unreadable expressions | refused at load, with file and line |
//! | `+()` in a validate pattern, `^()` on anything but a list of maps | refused at load, as Kyverno does |
//! | kinds of `policies.kyverno.io` and `admissionregistration.k8s.io` that are not named above, anything that is no policy | refused at load |
//! | signatures of manifests (`validate.manifests`) where [`Facts::verify_manifest`] does not answer | an error verdict; what carries no signature fails |
//! | `operation`, and `namespaceLabels` by an expression, in `validate.assert`: Kyverno's equal nothing and hold nothing | an error verdict when the value is read |
//! | targets of a `MutatingPolicy` that cannot be looked for: by wildcards, or where [`Facts`] do not answer | an error verdict from [`Policies::mutate_existing`] |
//! | functions of CEL that do not exist, anywhere in an expression | an error verdict for the objects the policy matches |
//! | what only the authorizer, a registry or a cluster knows, in CEL | an error verdict when the value is read |
//! | an image that cannot be read | an error verdict for the rules that ask for images |
//! | signatures, digests and attestations where [`Facts`] do not answer, an attestation that says nothing and has conditions | an error verdict |
//! | braces nested more than once within `{{ … }}` (plain text to Kyverno) | an error verdict for the objects the rule matches |
//! | functions that do not exist | an error verdict for the objects the rule matches |
//! | `context` from a ConfigMap, API call, registry or global entry, the clock, chance, addresses of hosts, where `Facts` do not answer | an error verdict when the value is read |
//! | `request.userInfo`, `request.roles`, `serviceAccountName`, `request.resource`, where the request does not say | an error verdict when the value is read |
//! | subjects, roles and cluster roles in `match` or `exclude`, where the request does not say who asks | a rule that would fail is an error verdict ("unknown: …") |
//! | a rule or object that costs too much | an error verdict |
//!
//! What a Secret holds is in no verdict: messages show `***` in its place.
//!
//! # Annotations read from policies
//!
//! `policies.kyverno.io/title`, `/category`, `/severity`, `/scored`, and three of our own:
//! `policies.towpath.dev/why` says why the policy exists, `policies.towpath.dev/hint` what to do about a
//! violation. `policies.towpath.dev/hint.<rule>` is the hint for one rule. `policies.towpath.dev/controls` lists the controls of
//! compliance frameworks that the policy serves, separated by commas.
//!
//! # Where things are
//!
//! `cursor`, `policy`, `autogen` read policies; `request` and `facts` are what they are asked and may ask; `matching`, `selector` decide what a rule is about; `judge`
//! evaluates one rule with `pattern`, `conditions`, `context`, `variables`, `references`, `jmespath`, `pod_security`, `element`; `engine` finds the
//! rules for an object; `budget` bounds all of it.
//! `report` writes verdicts as others read them.

mod assertion;
mod autogen;
mod cel;
mod cleanup;
mod conditions;
mod context;
mod cursor;
mod element;
mod engine;
mod exception;
mod facts;
mod generate;
#[cfg(test)]
mod hostile;
mod image;
mod images;
mod jmespath;
mod judge;
mod matching;
mod mutate;
mod pattern;
mod pod_security;
mod policy;
mod references;
pub mod report;
mod request;
mod secrets;
mod selector;
mod variables;
mod verdict;
mod wildcard;

pub use cel::evaluate_cel;
pub use cursor::Refusal;
pub use engine::{Deletion, Error, Existing, Generated, Generation, Mutated, Policies, Served, Trigger};
pub use facts::{
    Call, Callee, Clock, Facts, NoFacts, Unavailable, builtin_kind, guessed_plural, may_copy, may_read,
};
pub use jmespath::query;
pub use request::{Operation, Request, User};
pub use verdict::{About, Outcome, Task, Verdict};
pub use wildcard::matches as matches_wildcard;

/// How deep a pattern, a condition, a template or a copied value may nest: deeper than any object of Kubernetes.
const MAX_DEPTH: usize = 64;
