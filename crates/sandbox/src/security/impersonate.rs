//! Acting as somebody else: whether the one who asks may. Pure.
//!
//! Two ways lead there: the right to `impersonate` somebody altogether, and constrained impersonation, which allows
//! single verbs in somebody's name (`impersonate-on:user-info:list` on pods, `impersonate:user-info` on the user).
//!
//! Reference: `k8s.io/apiserver/pkg/endpoints/filters/impersonation`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::rbac::Decision;
use super::user::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED, account_groups, account_of};
use super::{Action, On, Place, User};
use crate::status::ApiError;

const NODE: &str = "system:node:";
const OWN_NODE: &str = "authentication.kubernetes.io/node-name";

/// A way to act as somebody.
struct Mode {
    /// Empty for the one without constraints.
    name: &'static str,
    applies: fn(&User, &User) -> bool,
}

const MODES: [Mode; 5] = [
    Mode {
        name: "associated-node",
        applies: |wanted, asker| {
            let node = wanted.name.strip_prefix(NODE);
            let own = asker.extra.get(OWN_NODE).map(Vec::as_slice);
            only_named(wanted)
                && account_of(&asker.name).is_some()
                && matches!((node, own), (Some(node), Some([own])) if node == own)
        },
    },
    Mode {
        name: "arbitrary-node",
        applies: |wanted, _| only_named(wanted) && wanted.name.starts_with(NODE),
    },
    Mode {
        name: "serviceaccount",
        applies: |wanted, _| only_named(wanted) && account_of(&wanted.name).is_some(),
    },
    Mode {
        name: "user-info",
        applies: |wanted, _| !wanted.name.starts_with(NODE) && account_of(&wanted.name).is_none(),
    },
    Mode {
        name: "",
        applies: |_, _| true,
    },
];

fn only_named(user: &User) -> bool {
    user.uid.is_empty() && user.groups.is_empty() && user.extra.is_empty()
}

/// Which way was open to whom the last time. It is tried first, and what is said is why it is closed.
#[derive(Debug, Default)]
pub(crate) struct LastModes(Mutex<HashMap<String, usize>>);

impl LastModes {
    /// So many are remembered.
    const MOST: usize = 10_000;

    fn of(&self, asker: &User) -> Option<usize> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(&asker.name).copied()
    }

    fn keep(&self, asker: &User, mode: usize) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= Self::MOST {
            last.clear();
        }
        last.insert(asker.name.clone(), mode);
    }
}

/// Who the one who asks becomes, if `may` allows it.
pub(super) fn become_user(
    asker: &User,
    wanted: &User,
    action: &Action,
    last: &LastModes,
    may: impl Fn(&Action) -> Decision,
) -> Result<User, ApiError> {
    let mut first = None;
    let before = last.of(asker);
    let others = (0..MODES.len()).filter(|at| Some(*at) != before);
    for at in before.into_iter().chain(others) {
        let Some(mode) = MODES.get(at).filter(|mode| (mode.applies)(wanted, asker)) else {
            continue;
        };
        match by_mode(mode, asker, wanted, action, &may) {
            Ok(user) => {
                if before != Some(at) {
                    last.keep(asker, at);
                }
                return Ok(user);
            }
            Err(refused) => first = first.or(Some(refused)),
        }
    }
    Err(first.unwrap_or_else(|| ApiError::internal("all impersonation modes failed")))
}

fn by_mode(
    mode: &Mode,
    asker: &User,
    wanted: &User,
    action: &Action,
    may: &impl Fn(&Action) -> Decision,
) -> Result<User, ApiError> {
    let constrained = !mode.name.is_empty();
    let allow = |action: &Action| {
        let Decision { allowed, reason } = may(action);
        if allowed {
            Ok(())
        } else {
            Err(action.forbidden(asker, &reason))
        }
    };
    if constrained {
        allow(&Action {
            verb: format!("impersonate-on:{}:{}", mode.name, action.verb),
            on: action.on.clone(),
        })?;
    }
    let verb = if constrained {
        format!("impersonate:{}", mode.name)
    } else {
        "impersonate".to_owned()
    };
    let authentication = "authentication.k8s.io";
    let of = |place: Place| Action {
        verb: verb.clone(),
        on: On::Resource(place),
    };
    let group = if constrained { authentication } else { "" }.to_owned();
    let mut user = wanted.clone();
    let mut place = Place {
        group: group.clone(),
        resource: "users".to_owned(),
        name: wanted.name.clone(),
        ..Place::default()
    };
    if let Some((namespace, name)) = account_of(&wanted.name) {
        "serviceaccounts".clone_into(&mut place.resource);
        (place.namespace, place.name) = (namespace.to_owned(), name.to_owned());
        if wanted.groups.is_empty() {
            user.groups = account_groups(namespace);
        }
    } else if constrained && let Some(node) = wanted.name.strip_prefix(NODE) {
        "nodes".clone_into(&mut place.resource);
        // The right to be the own node is one for all nodes.
        let own = mode.name == "associated-node";
        if own { "*" } else { node }.clone_into(&mut place.name);
        user.groups = vec!["system:nodes".to_owned()];
    }
    allow(&of(place))?;
    let beneath = |resource: &str, subresource: &str, name: &str| {
        of(Place {
            group: if resource == "groups" {
                group.clone()
            } else {
                authentication.to_owned()
            },
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..Place::default()
        })
    };
    if !wanted.uid.is_empty() {
        allow(&beneath("uids", "", &wanted.uid))?;
    }
    for group in &wanted.groups {
        let asked = beneath("groups", "", group);
        if constrained && (group.is_empty() || group == MASTERS) {
            let what = if group.is_empty() { "empty string" } else { MASTERS };
            return Err(asked.forbidden(asker, &format!("impersonating the {what} group is not allowed")));
        }
        allow(&asked)?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            allow(&beneath("userextras", key, value))?;
        }
    }
    let everybody = if user.name == ANONYMOUS {
        UNAUTHENTICATED
    } else if user.has_group(UNAUTHENTICATED) {
        return Ok(user);
    } else {
        AUTHENTICATED
    };
    if !user.has_group(everybody) {
        user.groups.push(everybody.to_owned());
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    /// What is asked about on the way, the answers being those of `may`.
    fn asked(
        wanted: &User,
        asker: &User,
        may: &dyn Fn(&str) -> bool,
    ) -> (Vec<String>, Result<User, ApiError>) {
        let log = std::cell::RefCell::new(Vec::new());
        let action = Action::of(&Method::GET, &["api", "v1", "pods"], false, None);
        let became = become_user(asker, wanted, &action, &LastModes::default(), |action| {
            let On::Resource(place) = &action.on else {
                return Decision::default();
            };
            let told = format!("{} {} {}", action.verb, place.resource, place.name);
            let allowed = may(&told);
            log.borrow_mut().push(told);
            Decision {
                allowed,
                reason: String::new(),
            }
        });
        (log.into_inner(), became)
    }

    fn named(name: &str) -> User {
        User {
            name: name.to_owned(),
            ..User::default()
        }
    }

    #[test]
    fn every_word_is_asked_about() {
        let mut jo = named("jo");
        jo.groups = vec!["a".to_owned()];
        jo.uid = "7".to_owned();
        let (log, became) = asked(&jo, &named("eve"), &|told| told.starts_with("impersonate "));
        assert_eq!(
            log,
            [
                "impersonate-on:user-info:list pods ",
                "impersonate users jo",
                "impersonate uids 7",
                "impersonate groups a",
            ]
        );
        assert_eq!(became.unwrap().groups, ["a", AUTHENTICATED]);
        let (_, refused) = asked(&jo, &named("eve"), &|told| told == "impersonate users jo");
        let message = refused.unwrap_err().message;
        assert!(message.contains("impersonate-on:user-info:list"), "{message}");
    }

    #[test]
    fn constrained_impersonation_gives_no_more_than_it_says() {
        let constrained = |told: &str| !told.starts_with("impersonate ");
        let account = named("system:serviceaccount:shop:web");
        let became = asked(&account, &named("eve"), &constrained).1.unwrap();
        assert_eq!(
            became.groups,
            [
                "system:serviceaccounts",
                "system:serviceaccounts:shop",
                AUTHENTICATED
            ]
        );
        let node = asked(&named("system:node:n"), &named("eve"), &constrained)
            .1
            .unwrap();
        assert_eq!(node.groups, ["system:nodes", AUTHENTICATED]);
        let mut jo = named("jo");
        jo.groups = vec![MASTERS.to_owned()];
        assert!(asked(&jo, &named("eve"), &constrained).1.is_err());
        assert!(asked(&jo, &named("eve"), &|_| true).1.is_ok());
    }

    #[test]
    fn nobody_is_nobody() {
        let became = asked(&named(ANONYMOUS), &named("eve"), &|_| true).1.unwrap();
        assert_eq!(became.groups, [UNAUTHENTICATED]);
    }
}
