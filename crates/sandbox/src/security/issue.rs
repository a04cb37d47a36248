//! Making tokens of ServiceAccounts: `serviceaccounts/token`.
//!
//! Reference: `pkg/registry/core/serviceaccount/storage` of Kubernetes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::tokens::{About, Claims, ISSUER, Named, Signer};
use super::user::account_name;
use crate::engine::Engine;
use crate::status::{self, ApiError, Cause};
use crate::store::{Change, Collection, Expect, Key, Object, Store, at_once};
use crate::verbs::{Target, text, texts};

/// Where the key is kept that tokens are signed with.
const KEY: &str = "service-account-key";
const SHORTEST: i64 = 600;
const LONGEST: i64 = 1 << 32;
/// How long tokens hold that say nothing.
const USUAL: i64 = 3600;
/// What programs ask for that mount a token into a pod: it holds longer, so that those who never read it again go on.
const OF_PODS: i64 = 3607;
const OF_PODS_EXTENDED: i64 = 365 * 24 * 3600;

fn about(name: &str) -> status::About<'_> {
    status::About {
        group: "authentication.k8s.io",
        plural: "TokenRequest",
        kind: "TokenRequest",
        name,
    }
}

/// Signs with the key that the store holds; a store without one gets one.
pub(crate) fn signer(store: &Store) -> Result<Signer, ApiError> {
    let failed = || ApiError::internal("the key that signs tokens cannot be used");
    let key = Key {
        collection: Collection::own(),
        namespace: String::new(),
        name: KEY.to_owned(),
    };
    let bytes = if let Some(kept) = store.get(&key) {
        let kept = STANDARD.decode(text(&kept.value, &["key"]));
        kept.map_err(|_| failed())?
    } else {
        let bytes = Signer::generate().ok_or_else(failed)?;
        let change = Change {
            key,
            expect: Expect::Absent,
            guard: None,
            object: Some(json!({ "metadata": { "name": KEY, "uid": KEY }, "key": STANDARD.encode(&bytes) })),
        };
        at_once(store.commit(change)).map_err(|error| ApiError::commit(error, about(KEY)))?;
        bytes
    };
    Signer::of(&bytes).ok_or_else(failed)
}

/// What OpenID's discovery says about the tokens of this server.
pub(crate) fn openid() -> Value {
    json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}

impl Engine {
    /// The keys that these tokens are checked with.
    pub(crate) fn openid_keys(&self) -> Value {
        json!({ "keys": [self.signer.public()] })
    }

    /// Answers a TokenRequest for the account that `target` names.
    pub(crate) fn issue_token(&self, target: &Target, mut request: Value) -> Result<Value, ApiError> {
        let (namespace, name) = (target.namespace.as_str(), target.name.as_str());
        if !request["spec"].is_object() {
            request["spec"] = json!({});
        }
        for (field, path) in [("name", name), ("namespace", namespace)] {
            let given = text(&request, &["metadata", field]);
            if !given.is_empty() && given != path {
                let what =
                    format!("Invalid value: {given:?}: must match the service account {field} if specified");
                let cause = Cause::new("FieldValueInvalid", format!("metadata.{field}"), what);
                return Err(ApiError::invalid(about(name), &[cause]));
            }
        }
        let account = self.get(target)?;
        let given = text(&request, &["metadata", "uid"]);
        if !given.is_empty() && given != account.uid() {
            let why = format!(
                "the UID in the token request ({given}) does not match the UID of the service account ({})",
                account.uid()
            );
            return Err(ApiError::conflict(about(name), &why));
        }
        let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(USUAL);
        let bound = match seconds {
            ..SHORTEST => Some("may not specify a duration less than 10 minutes"),
            SHORTEST..=LONGEST => None,
            _ => Some("may not specify a duration larger than 2^32 seconds"),
        };
        if let Some(why) = bound {
            let what = format!("Invalid value: {seconds}: {why}");
            let cause = Cause::new("FieldValueInvalid", "spec.expirationSeconds", what);
            return Err(ApiError::invalid(about(""), &[cause]));
        }
        let mut audiences = texts(&request["spec"]["audiences"]);
        if audiences.is_empty() {
            audiences.push(ISSUER.to_owned());
        }
        let mut said = About {
            namespace: namespace.to_owned(),
            account: Named {
                name: name.to_owned(),
                uid: account.uid().to_owned(),
            },
            ..About::default()
        };
        self.bind_token(&request["spec"]["boundObjectRef"], &mut said)?;
        let now = self.now().as_second();
        let mut holds = seconds;
        if said.pod.is_some() && seconds == OF_PODS && audiences == [ISSUER] {
            said.warnafter = Some(now.saturating_add(seconds));
            holds = OF_PODS_EXTENDED;
        }
        let claims = Claims {
            audiences,
            expires: now.saturating_add(holds),
            issued: now,
            issuer: ISSUER.to_owned(),
            id: self.uid(),
            about: said,
            begins: now,
            subject: account_name(namespace, name),
        };
        let token = self.signer.sign(&claims);
        let token = token.ok_or_else(|| ApiError::internal("failed to generate token"))?;
        let expires = jiff::Timestamp::from_second(now.saturating_add(seconds));
        let expires = expires.unwrap_or(jiff::Timestamp::MAX);
        let reference = request["spec"]["boundObjectRef"].take();
        Ok(json!({
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": name, "namespace": namespace, "uid": account.uid(), "creationTimestamp": self.timestamp(),
            },
            "spec": {
                "audiences": claims.audiences, "expirationSeconds": seconds, "boundObjectRef": reference,
            },
            "status": {
                "token": token,
                "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            },
        }))
    }

    /// Ties a token to the object that a reference names: it holds no longer than that is there.
    fn bind_token(&self, reference: &Value, said: &mut About) -> Result<(), ApiError> {
        if reference.is_null() {
            return Ok(());
        }
        let word = |field: &str| reference[field].as_str().unwrap_or_default();
        let (version, kind, name) = (word("apiVersion"), word("kind"), word("name"));
        let find = |plural: &'static str, namespace: &str| {
            let found = self.store.get(&Key {
                collection: Collection::new("", plural),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            });
            found.ok_or_else(|| {
                ApiError::not_found(status::About {
                    group: "",
                    plural,
                    kind,
                    name,
                })
            })
        };
        let named = |object: &Object| Named {
            name: name.to_owned(),
            uid: object.uid().to_owned(),
        };
        let bound = match (version.contains('/'), kind) {
            (false, "Pod") => {
                let pod = find("pods", &said.namespace)?;
                let account = said.account.name.as_str();
                if text(&pod.value, &["spec", "serviceAccountName"]) != account {
                    return Err(ApiError::bad_request(format!(
                        "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount \
                         name."
                    )));
                }
                let node = text(&pod.value, &["spec", "nodeName"]);
                said.node = (!node.is_empty()).then(|| Named {
                    name: node.to_owned(),
                    uid: self
                        .store
                        .get(&Key {
                            collection: Collection::new("", "nodes"),
                            namespace: String::new(),
                            name: node.to_owned(),
                        })
                        .map(|node| node.uid().to_owned())
                        .unwrap_or_default(),
                });
                said.pod.insert(named(&pod))
            }
            (false, "Node") => said.node.insert(named(&*find("nodes", "")?)),
            (false, "Secret") => {
                let secret = find("secrets", &said.namespace)?;
                said.secret.insert(named(&secret))
            }
            _ => {
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                return Err(ApiError::bad_request(format!(
                    "cannot bind token to object of type {group}/{version}, Kind={kind}"
                )));
            }
        };
        let given = word("uid");
        if !given.is_empty() && given != bound.uid {
            let about = status::About {
                group: "",
                plural: kind,
                kind,
                name,
            };
            let why = format!(
                "the UID in the bound object reference ({given}) does not match the UID in record. The object might \
                 have been deleted and then recreated"
            );
            return Err(ApiError::conflict(about, &why));
        }
        Ok(())
    }
}
