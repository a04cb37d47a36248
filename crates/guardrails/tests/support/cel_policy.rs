//! A policy in CEL.

/// A policy of a kind about what one rule of `resourceRules` says; `more` is the rest of its spec, line for line.
pub(crate) fn cel_policy(kind: &str, metadata: &str, rule: &str, more: &str) -> String {
    format!(
        "
apiVersion: policies.kyverno.io/v1
kind: {kind}
metadata: {{{metadata}}}
spec:
  matchConstraints:
    resourceRules:
      - {{{rule}}}
{more}"
    )
}
