//! A policy of one rule.

/// A ClusterPolicy `p` with one rule `r` about objects of these kinds; `more` is the rest of the rule, line for line.
pub(crate) fn cluster_policy(kinds: &str, more: &str) -> String {
    format!(
        "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: p}}
spec:
  rules:
    - name: r
      match: {{any: [{{resources: {{kinds: [{kinds}]}}}}]}}
{more}"
    )
}
