//! Who asks: what a request shows of its sender, held against what this server knows.

use std::sync::{Arc, PoisonError};

use super::tokens::{Claims, ISSUER, Named};
use super::user::{AUTHENTICATED, account_groups, account_name};
use super::{Action, ClientCertificates, On, Shown, User, impersonate};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Collection, Key};

/// Paths that are answered to those who show nothing, as far as roles let them.
const OPEN: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];
/// Objects that go are worth nothing from so many seconds on.
const LEEWAY: i64 = 60;

/// Where a request comes in.
#[derive(Clone, Debug)]
pub(crate) enum Entrance {
    /// In this process: who shows nothing is this one.
    Inside(User),
    /// From the network: who shows nothing is nobody.
    Network {
        authority: Arc<ClientCertificates>,
        shown: Shown,
    },
}

impl Engine {
    /// Whom `asker` acts as.
    pub(crate) fn impersonate(&self, asker: &User, wanted: &User, action: &Action) -> Result<User, ApiError> {
        let may = |asked: &Action| self.decide(asker, asked);
        impersonate::become_user(asker, wanted, action, &self.impersonated, may)
    }

    /// The one who asks, by where the request comes in and by the bearer token it shows.
    pub(crate) fn authenticate(
        &self,
        entrance: &Entrance,
        token: Option<&str>,
        action: &Action,
    ) -> Result<User, ApiError> {
        if let Entrance::Network { authority, shown } = entrance
            && let Some(user) = authority.user(shown, self.now().as_second())
        {
            return Ok(user);
        }
        if let Some(token) = token {
            let known = self.known_by(token, &[]);
            return known.map(|(user, _)| user).map_err(|_| ApiError::unauthorized());
        }
        match (entrance, &action.on) {
            (Entrance::Inside(user), _) => Ok(user.clone()),
            (Entrance::Network { .. }, On::Path(path)) if OPEN.contains(&path.as_str()) => {
                Ok(User::anonymous())
            }
            (Entrance::Network { .. }, _) => Err(ApiError::unauthorized()),
        }
    }

    /// Lets in whoever shows this token, as the administrator.
    pub(crate) fn trust(&self, token: Arc<str>) {
        let mut owners = self.owners.write().unwrap_or_else(PoisonError::into_inner);
        if !owners.contains(&token) {
            owners.push(token);
        }
    }

    /// The user that a token is of, and those of the audiences asked for that it is for. Without any asked for, it must
    /// be for this server.
    pub(super) fn known_by(&self, token: &str, audiences: &[String]) -> Result<(User, Vec<String>), String> {
        let wanted = if audiences.is_empty() {
            vec![ISSUER.to_owned()]
        } else {
            audiences.to_vec()
        };
        let owners = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        if owners
            .iter()
            .any(|owner| same(owner.as_bytes(), token.as_bytes()))
        {
            return Ok((User::administrator(), wanted));
        }
        drop(owners);
        let claims = self.signer.read(token)?;
        let mut both = claims.audiences.clone();
        both.retain(|audience| wanted.contains(audience));
        if both.is_empty() {
            return Err(format!(
                "token audiences {} is invalid for the target audiences {}",
                super::rbac::quoted(&claims.audiences),
                super::rbac::quoted(&wanted),
            ));
        }
        let now = self.now().as_second();
        claims.hold(now)?;
        self.still_there(&claims, now)?;
        Ok((user_of(&claims), both))
    }

    /// Fails when the account of a token, or what the token goes with, is gone.
    fn still_there(&self, claims: &Claims, now: i64) -> Result<(), String> {
        let about = &claims.about;
        let namespace = about.namespace.as_str();
        let account = &about.account;
        let (uid, going) = self
            .uid_of("serviceaccounts", namespace, &account.name)
            .ok_or_else(|| format!("serviceaccounts {:?} not found", account.name))?;
        if uid != account.uid {
            return Err(format!(
                "service account UID ({uid}) does not match claim ({})",
                account.uid
            ));
        }
        let late = |going: Option<i64>| going.is_some_and(|since| since < now - LEEWAY);
        if late(going) {
            return Err(format!(
                "service account {namespace}/{} has been deleted",
                account.name
            ));
        }
        let gone = || "service account token has been invalidated".to_owned();
        // The node of a pod is told and not looked at.
        let node = about.node.as_ref().filter(|_| about.pod.is_none());
        for (plural, word, namespace, bound) in [
            ("secrets", "secret", namespace, about.secret.as_ref()),
            ("pods", "pod", namespace, about.pod.as_ref()),
            ("nodes", "node", "", node),
        ] {
            let Some(bound) = bound else { continue };
            let (uid, going) = self.uid_of(plural, namespace, &bound.name).ok_or_else(gone)?;
            if uid != bound.uid {
                return Err(format!(
                    "{word} UID ({uid}) does not match service account {word} ref claim ({})",
                    bound.uid
                ));
            }
            if late(going) {
                return Err(gone());
            }
        }
        Ok(())
    }

    /// The uid of an object of the core group, and since when it is going.
    fn uid_of(&self, plural: &str, namespace: &str, name: &str) -> Option<(String, Option<i64>)> {
        let object = self.store.get(&Key {
            collection: Collection::new("", plural),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })?;
        let going = object.metadata("deletionTimestamp").and_then(|at| at.as_str());
        let going = going.and_then(|at| at.parse::<jiff::Timestamp>().ok());
        Some((object.uid().to_owned(), going.map(jiff::Timestamp::as_second)))
    }
}

/// The ServiceAccount of a token, with what is known about where it is used.
fn user_of(claims: &Claims) -> User {
    let about = &claims.about;
    let mut groups = account_groups(&about.namespace);
    groups.push(AUTHENTICATED.to_owned());
    let mut user = User {
        name: account_name(&about.namespace, &about.account.name),
        uid: about.account.uid.clone(),
        groups,
        ..User::default()
    };
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            let key = format!("authentication.kubernetes.io/{key}");
            user.extra.insert(key, vec![value.to_owned()]);
        }
    };
    add("credential-id", &format!("JTI={}", claims.id));
    let mut bound = |word: &str, named: &Option<Named>| {
        if let Some(named) = named {
            add(&format!("{word}-name"), &named.name);
            add(&format!("{word}-uid"), &named.uid);
        }
    };
    bound("pod", &about.pod);
    bound("node", &about.node);
    user
}

/// Compares without telling by the time it takes where two secrets differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0, |seen, (left, right)| seen | (left ^ right))
            == 0
}
