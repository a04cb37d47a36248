//! Why the pods of a workload cannot be made at present.

use jiff::Timestamp;
use serde_json::Value;

use super::object::{namespace, text};

/// A reason not to try to make pods now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the API said, or would say.
    pub(crate) message: String,
    /// When to try again; without it, when the world has changed.
    pub(crate) again: Option<Timestamp>,
    /// Has nobody told the user yet?
    pub(crate) say: bool,
}

impl Refusal {
    /// The service account of the workload's pods does not exist. Kubernetes finds out when it admits
    /// the pod; so do its words. An account named `default` is taken to exist.
    pub(crate) fn missing_account(workload: &Value, exists: impl Fn(&str) -> bool) -> Option<Self> {
        let account = account_of(workload)?;
        if exists(account) {
            return None;
        }
        let (prefix, namespace) = (super::object::name(workload), namespace(workload));
        let message = format!(
            "pods \"{prefix}-\" is forbidden: error looking up service account {namespace}/{account}: \
             serviceaccount \"{account}\" not found"
        );
        Some(Self {
            message,
            again: None,
            say: true,
        })
    }
}

/// The service account that a workload's pods ask for, where it is not the default one.
pub(crate) fn account_of(workload: &Value) -> Option<&str> {
    let spec = workload.pointer("/spec/template/spec")?;
    let account = text(spec, "/serviceAccountName");
    let account = if account.is_empty() {
        text(spec, "/serviceAccount")
    } else {
        account
    };
    (!account.is_empty() && account != "default").then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missing_account_in_kubernetes_words() {
        let workload = |spec: Value| json!({"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"template": {"spec": spec}}});
        let check = |spec: Value, expect: Option<&str>| {
            let refusal = Refusal::missing_account(&workload(spec), |name| name == "web");
            assert_eq!(refusal.as_ref().map(|refusal| refusal.message.as_str()), expect);
        };
        check(json!({}), None);
        check(json!({"serviceAccountName": "default"}), None);
        check(json!({"serviceAccountName": "web"}), None);
        check(
            json!({"serviceAccountName": "ghost"}),
            Some(
                "pods \"web-1-\" is forbidden: error looking up service account shop/ghost: \
                 serviceaccount \"ghost\" not found",
            ),
        );
    }
}
