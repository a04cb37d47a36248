//! Which rules have something to do beside the request: to make other objects, or to change them.

use super::{Policies, asked, begin, too_deep};
use crate::judge::Judge;
use crate::policy::Work;
use crate::request::{Operation, Request};
use crate::verdict::Task;

/// A rule that acts on other objects because of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The policy's name; a namespaced policy is `namespace/name`.
    pub policy: String,
    /// The rule's name; empty for a policy in CEL, which is one rule.
    pub rule: String,
    /// [`Task::Generate`], or [`Task::Mutate`] for objects that are there already.
    pub task: Task,
    /// Whether requests made while such rules are carried out do not count (`skipBackgroundRequests`).
    pub skips_background: bool,
}

impl Policies {
    /// Says which rules a request triggers, without looking for what they would make or change. A rule of which that
    /// cannot be said is triggered: [`Policies::generate`] and [`Policies::mutate_existing`] say why it cannot be done.
    pub fn triggers(&self, request: &Request<'_>) -> Vec<Trigger> {
        let (kind, rules) = self.rules_for(request);
        let generates = !matches!(request.operation, Operation::Delete | Operation::Connect);
        let rules: Vec<_> = rules
            .filter_map(|(_, policy, rule)| match &rule.work {
                Work::Generate(_) if generates => Some((policy, rule, Task::Generate)),
                Work::Mutate(mutate) if !mutate.targets.is_empty() => Some((policy, rule, Task::Mutate)),
                _ => None,
            })
            .collect();
        let unreadable = too_deep(request, kind, rules.iter().map(|(p, r, _)| (*p, *r))).is_some();
        let subject = asked(request);
        let mut triggers: Vec<Trigger> = rules
            .into_iter()
            .filter(|(policy, rule, _)| {
                if unreadable {
                    return true;
                }
                let Some((_, over)) = begin(policy, rule, request, &subject) else {
                    return false;
                };
                let exceptions = self.exceptions_for(policy, rule);
                over || Judge::new(policy, rule, request, &subject, &exceptions).is_triggered()
            })
            .map(|(policy, rule, task)| Trigger {
                policy: policy.name.clone(),
                rule: rule.name.clone(),
                task,
                skips_background: rule.skips_background,
            })
            .collect();
        triggers.extend(self.cel.triggers(request, generates));
        triggers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::NoFacts;
    use serde_json::json;

    #[test]
    fn rules_are_triggered() {
        let classic = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: classic}
spec:
  rules:
    - name: make
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      preconditions: {all: [{key: '{{request.object.data.a}}', operator: Equals, value: b}]}
      generate: {apiVersion: v1, kind: Secret, name: a, namespace: b, clone: {namespace: c, name: d}}
    - name: change
      match: {any: [{resources: {kinds: [ConfigMap], operations: [UPDATE, DELETE]}}]}
      skipBackgroundRequests: false
      mutate: {targets: [{apiVersion: v1, kind: Secret, name: a, namespace: b}], patchStrategicMerge: {}}
    - name: judge
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      validate: {deny: {}}
";
        let in_cel = "
apiVersion: policies.kyverno.io/v1alpha1
kind: GeneratingPolicy
metadata: {name: in-cel}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
  matchConditions: [{name: a, expression: object.data.a == 'b'}]
  generate:
    - expression: generator.Apply('a', [])
";
        let documents = [classic, in_cel].map(|text| yaml::parse(text).unwrap());
        let policies = Policies::load("a.yaml", &documents).unwrap();
        let check = |operation, a: &str, expect: &[(&str, Task, bool)]| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}, "data": {"a": a}});
            let request = Request {
                operation,
                facts: &NoFacts,
                ..Request::new(&object)
            };
            let triggers = policies.triggers(&request);
            let got: Vec<_> = triggers
                .iter()
                .map(|trigger| (trigger.rule.as_str(), trigger.task, trigger.skips_background))
                .collect();
            assert_eq!(got, expect, "{operation:?} {a}");
        };
        let (make, change) = (("make", Task::Generate, true), ("change", Task::Mutate, false));
        check(Operation::Create, "b", &[make, ("", Task::Generate, true)]);
        check(Operation::Create, "c", &[]);
        check(Operation::Update, "b", &[make, change]);
        check(Operation::Delete, "b", &[change]);
        check(Operation::Connect, "b", &[]);
    }

    #[test]
    fn what_cannot_be_said_is_triggered() {
        let text = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: a}
spec:
  rules:
    - name: make
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      context: [{name: asked, apiCall: {urlPath: /api/v1/pods}}]
      preconditions: {all: [{key: '{{asked}}', operator: Equals, value: b}]}
      generate: {apiVersion: v1, kind: Secret, name: a, namespace: b, data: {}}
";
        let policies = Policies::load("a.yaml", &[yaml::parse(text).unwrap()]).unwrap();
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        assert_eq!(policies.triggers(&Request::new(&object)).len(), 1);
    }
}
