//! Somebody who asks.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The group that may do everything.
pub(crate) const MASTERS: &str = "system:masters";
/// The group of everybody who has said who they are.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody who has not.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Somebody who has not.
pub(crate) const ANONYMOUS: &str = "system:anonymous";
const ACCOUNT: &str = "system:serviceaccount:";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct User {
    /// The user name.
    pub name: String,
    /// What tells users of the same name apart over time; empty for those who have none.
    pub uid: String,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// What else is known of the user.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The one who may do everything: whoever opened the sandbox.
    pub fn administrator() -> Self {
        Self {
            name: "sandbox-admin".to_owned(),
            groups: vec![MASTERS.to_owned(), AUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// A ServiceAccount, whether it is there or not.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let mut groups = account_groups(namespace);
        groups.push(AUTHENTICATED.to_owned());
        Self {
            name: account_name(namespace, name),
            groups,
            ..Self::default()
        }
    }

    pub(crate) fn anonymous() -> Self {
        Self {
            name: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    pub(crate) fn is_master(&self) -> bool {
        self.has_group(MASTERS)
    }

    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group == name)
    }

    /// As reviews show it.
    pub(crate) fn json(&self) -> Value {
        let mut json = json!({ "username": self.name });
        if !self.uid.is_empty() {
            json["uid"] = json!(self.uid);
        }
        if !self.groups.is_empty() {
            json["groups"] = json!(self.groups);
        }
        if !self.extra.is_empty() {
            json["extra"] = json!(self.extra);
        }
        json
    }
}

/// The user name of a ServiceAccount.
pub(crate) fn account_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT}{namespace}:{name}")
}

/// The groups of a ServiceAccount, but for the one of everybody.
pub(crate) fn account_groups(namespace: &str) -> Vec<String> {
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ]
}

/// Namespace and name of the ServiceAccount that a user name is of.
pub(crate) fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    let fits = |part: &str, also: &[char]| {
        !part.is_empty()
            && part.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || also.contains(&letter)
            })
    };
    (fits(namespace, &['-']) && fits(name, &['-', '.'])).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_by_their_user_names() {
        for (user, expect) in [
            ("system:serviceaccount:shop:web", Some(("shop", "web"))),
            ("system:serviceaccount:shop:web.v2", Some(("shop", "web.v2"))),
            ("system:serviceaccount:shop:", None),
            ("system:serviceaccount::web", None),
            ("system:serviceaccount:shop", None),
            ("system:serviceaccount:shop:a:b", None),
            ("system:serviceaccount:Shop:web", None),
            ("jo", None),
        ] {
            assert_eq!(account_of(user), expect, "{user}");
        }
    }
}
