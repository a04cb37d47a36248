//! In whose name what policies decide is carried out, and what is said when that account may not. No I/O.

use api::{Group, SYSTEM_NAMESPACE};

/// The account, its cluster role, and who wrote a field by server-side apply.
pub(crate) const ACCOUNT: &str = "platform-guardrails";

/// The name of an account of the platform's namespace, as a user.
pub(crate) fn user(account: &str) -> String {
    format!("system:serviceaccount:{SYSTEM_NAMESPACE}:{account}")
}

/// The label by which a cluster role gives its rights to the account.
pub(crate) fn label(group: &Group) -> String {
    group.key("aggregate-to-guardrails")
}

/// A right that the account lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lacking {
    verb: String,
    resource: String,
    group: String,
}

impl Lacking {
    /// Reads what an API server says of a request that it forbids.
    pub(crate) fn read(message: &str) -> Option<Self> {
        let quoted = |text: &str| Some(text.split_once('"')?.0.to_owned());
        let (before, rest) = message.split_once(" resource \"")?;
        let (before, verb) = before.rsplit_once(' ')?;
        let (_, group) = rest.split_once("in API group \"")?;
        before.ends_with(" cannot").then_some(())?;
        Some(Self {
            verb: verb.to_owned(),
            resource: quoted(rest)?,
            group: quoted(group)?,
        })
    }

    /// What is missing, and what to do about it.
    pub(crate) fn told(&self, group: &Group) -> String {
        let Self {
            verb,
            resource,
            group: of,
        } = self;
        let dot = if of.is_empty() { "" } else { "." };
        format!(
            "the account {SYSTEM_NAMESPACE}/{ACCOUNT} may not {verb} {resource}{dot}{of}; give it the right by a ClusterRole with the label {}: \"true\" and the rule {{apiGroups: [\"{of}\"], resources: [{resource}], verbs: [{verb}]}}",
            label(group)
        )
    }
}

/// What is said of something that failed: where a right is missing, which one and how to give it.
pub(crate) fn explained(group: &Group, message: &str) -> String {
    Lacking::read(message).map_or_else(|| message.to_owned(), |lacking| lacking.told(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named() {
        let group = Group::default();
        let check = |message: &str, expect: &str| assert_eq!(explained(&group, message), expect);
        check(
            "networkpolicies.networking.k8s.io \"deny\" is forbidden: User \"system:serviceaccount:platform-system:platform-guardrails\" cannot patch resource \"networkpolicies\" in API group \"networking.k8s.io\" in the namespace \"shop\"",
            "the account platform-system/platform-guardrails may not patch networkpolicies.networking.k8s.io; give it the right by a ClusterRole with the label platform.company.com/aggregate-to-guardrails: \"true\" and the rule {apiGroups: [\"networking.k8s.io\"], resources: [networkpolicies], verbs: [patch]}",
        );
        check(
            "element 0: cannot read /api/v1/pods: pods is forbidden: User \"a\" cannot list resource \"pods\" in API group \"\" at the cluster scope: Forbidden",
            "the account platform-system/platform-guardrails may not list pods; give it the right by a ClusterRole with the label platform.company.com/aggregate-to-guardrails: \"true\" and the rule {apiGroups: [\"\"], resources: [pods], verbs: [list]}",
        );
        for other in [
            "",
            "the name cannot be changed",
            "you cannot resource \"a",
            "quota exceeded",
        ] {
            check(other, other);
        }
    }
}
