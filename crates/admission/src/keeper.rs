//! What keeps the webhook reachable: its certificate, shared by replicas in a Secret, and the configurations that tell
//! the API server about it.
//!
//! Each replica reads the Secret and shows its leaf. One of them, the leader, renews what is due and writes the
//! configurations. It writes only to configurations that are there: whoever takes them away has opened the door for
//! good, until an install closes it again.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use api::{Group, SYSTEM_NAMESPACE};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::certificate::{Lifetimes, Material, Pair, due};
use crate::configuration::{CONFIGURATION, Place, SERVICE, Side, configuration, same};
use crate::error::AdmissionError;
use crate::policies::PolicyStore;
use crate::served::{Served, discover};
use crate::telemetry::Telemetry;

/// The Secret that replicas share.
pub const SECRET: &str = "platform-webhook";
/// Who wrote a field, by server-side apply.
pub(crate) const MANAGER: &str = "platform-webhook";
/// The key of everything in it.
const MATERIAL: &str = "material.json";
/// How long what the cluster serves is believed.
const BELIEVED: Duration = Duration::from_mins(1);

/// Seconds since 1970.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

type Current = (String, Arc<CertifiedKey>);

/// The certificate that is shown now, to whoever opens a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// The certificate in PEM, and what it becomes.
    current: Arc<RwLock<Option<Current>>>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|(_, key)| Arc::clone(key))
    }
}

impl Shown {
    fn is_there(&self) -> bool {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn show(&self, leaf: &Pair) -> Result<(), AdmissionError> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_ref()
            .is_some_and(|(certificate, _)| *certificate == leaf.certificate)
        {
            return Ok(());
        }
        *current = Some((leaf.certificate.clone(), Arc::new(certified(leaf)?)));
        Ok(())
    }
}

fn certified(leaf: &Pair) -> Result<CertifiedKey, AdmissionError> {
    let broken = |why: String| AdmissionError::Certificate { doing: "read", why };
    let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| broken(error.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).map_err(|error| broken(error.to_string()))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| broken(error.to_string()))
}

/// Keeps the webhook reachable.
#[derive(Clone)]
pub struct Keeper {
    pub(crate) client: Client,
    pub(crate) group: Group,
    pub(crate) place: Place,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) clock: Clock,
    pub(crate) policies: PolicyStore,
    pub(crate) telemetry: Telemetry,
    pub(crate) shown: Shown,
}

/// What the leader has found out.
#[derive(Default)]
struct Knows {
    served: Vec<Served>,
    asked: Option<Instant>,
}

impl Keeper {
    /// Whether there is a certificate to show.
    pub(crate) fn shows(&self) -> bool {
        self.shown.is_there()
    }

    /// Shows what is in the Secret, until `stop`. For each replica.
    pub(crate) async fn follow(&self, stop: CancellationToken) {
        loop {
            match self.read().await {
                Ok(Some((_, material))) => self.show(&material),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the certificate that is shown stays"),
            }
            // Until there is one, look often: somebody is about to make it.
            let pause = if self.shows() {
                self.lifetimes.look()
            } else {
                Duration::from_secs(1)
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn show(&self, material: &Material) {
        match self.shown.show(&material.leaf) {
            Ok(()) => self.telemetry.certificate(material.leaf.expires),
            Err(error) => tracing::error!(%error, "the certificate that is shown stays"),
        }
    }

    /// Renews certificates and keeps the configurations, until `term` ends. For one of the replicas.
    pub async fn keep(&self, term: CancellationToken) {
        let mut changes = self.policies.changes();
        let mut knows = Knows::default();
        loop {
            let pause = match self.once(&mut knows).await {
                Ok(()) => {
                    self.telemetry.configured(true);
                    self.lifetimes.look()
                }
                Err(error) => {
                    self.telemetry.configured(false);
                    tracing::warn!(%error, "the webhook's configuration is not as it should be");
                    Duration::from_secs(2)
                }
            };
            tokio::select! {
                () = term.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One look: what is trusted is told first, then certificates take at most one step, then that is told.
    async fn once(&self, knows: &mut Knows) -> Result<(), AdmissionError> {
        let names = self.names();
        let read = self.read().await?;
        let stands = read
            .as_ref()
            .is_some_and(|(_, material)| material.leaf.expires > (self.clock)());
        if let Some((_, material)) = read.as_ref().filter(|_| stands) {
            self.show(material);
            self.configure(material, knows).await?;
        }
        let now = (self.clock)();
        let material = read.as_ref().map(|(_, material)| material);
        if let Some(next) = due(now, self.lifetimes, &names, material)? {
            self.write(read.map(|(secret, _)| secret), &next).await?;
            tracing::info!(
                authorities = next.authorities.len(),
                expires = next.leaf.expires,
                "certificates renewed"
            );
            self.show(&next);
            self.configure(&next, knows).await?;
        }
        Ok(())
    }

    /// The names that an API server may know the webhook by.
    fn names(&self) -> Vec<String> {
        let service = format!("{SERVICE}.{SYSTEM_NAMESPACE}.svc");
        let mut names = vec![format!("{service}.cluster.local"), service];
        if let Place::Url(url) = &self.place {
            let authority = url
                .split("://")
                .nth(1)
                .unwrap_or_default()
                .split('/')
                .next()
                .unwrap_or_default();
            let host = match authority.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
                _ => authority,
            };
            names.push(host.trim_matches(['[', ']']).to_owned());
        }
        names
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
    }

    async fn read(&self) -> Result<Option<(Secret, Material)>, AdmissionError> {
        let doing = || AdmissionError::cluster(format!("read the secret {SYSTEM_NAMESPACE}/{SECRET}"));
        let Some(secret) = self.secrets().get_opt(SECRET).await.map_err(doing())? else {
            return Ok(None);
        };
        let bytes = secret.data.as_ref().and_then(|data| data.get(MATERIAL));
        let material = bytes.and_then(|bytes| serde_json::from_slice::<Material>(&bytes.0).ok());
        match material {
            Some(material) if certified(&material.leaf).is_ok() => Ok(Some((secret, material))),
            _ => {
                tracing::warn!(
                    "the secret {SYSTEM_NAMESPACE}/{SECRET} holds no certificates that can be read; it is made anew"
                );
                Ok(Some((
                    secret,
                    Material {
                        authorities: Vec::new(),
                        leaf: Pair {
                            certificate: String::new(),
                            key: String::new(),
                            issued: 0,
                            expires: 0,
                        },
                        signed_by: 0,
                        names: Vec::new(),
                    },
                )))
            }
        }
    }

    async fn write(&self, old: Option<Secret>, material: &Material) -> Result<(), AdmissionError> {
        let broken = |error: serde_json::Error| AdmissionError::Certificate {
            doing: "write",
            why: error.to_string(),
        };
        let data = BTreeMap::from([
            (
                MATERIAL.to_owned(),
                ByteString(serde_json::to_vec(material).map_err(broken)?),
            ),
            ("ca.crt".to_owned(), ByteString(material.bundle().into_bytes())),
        ]);
        let api = self.secrets();
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = if let Some(old) = old {
            // It carries the version that it is based on: of two that renew at once, one is refused.
            let secret = Secret {
                data: Some(data),
                ..old
            };
            api.replace(SECRET, &parameters, &secret).await
        } else {
            let mut secret = Secret {
                data: Some(data),
                ..Secret::default()
            };
            secret.metadata.name = Some(SECRET.to_owned());
            secret
                .labels_mut()
                .insert("app.kubernetes.io/part-of".to_owned(), "platform".to_owned());
            api.create(&parameters, &secret).await
        };
        match written {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Err(AdmissionError::Raced("secret of the webhook"))
            }
            Err(error) => Err(AdmissionError::cluster(format!(
                "write the secret {SYSTEM_NAMESPACE}/{SECRET}"
            ))(error)),
        }
    }

    async fn configure(&self, material: &Material, knows: &mut Knows) -> Result<(), AdmissionError> {
        if knows.asked.is_none_or(|asked| asked.elapsed() >= BELIEVED) {
            knows.served = discover(&self.client).await?;
            knows.asked = Some(Instant::now());
        }
        let in_force = self.policies.in_force();
        for side in Side::ALL {
            let wanted = configuration(
                side,
                &self.group,
                &self.place,
                &material.bundle(),
                &in_force.scopes,
                &knows.served,
            );
            let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", side.kind());
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind));
            let doing =
                |verb: &str| AdmissionError::cluster(format!("{verb} the {} {CONFIGURATION}", side.kind()));
            match api.get_opt(CONFIGURATION).await.map_err(doing("read"))? {
                Some(live) if same(&json!(live), &wanted) => continue,
                Some(_) => {}
                // Whoever serves at an address of their own is trying something out.
                None if matches!(self.place, Place::Url(_)) => {}
                None => {
                    return Err(AdmissionError::NotInstalled(format!(
                        "{} {CONFIGURATION}",
                        side.kind()
                    )));
                }
            }
            let parameters = PatchParams::apply(MANAGER).force();
            api.patch(CONFIGURATION, &parameters, &Patch::Apply(wanted))
                .await
                .map_err(doing("write"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox::Sandbox;
    use serde_json::Value;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn keeper(client: Client, place: Place, now: &Arc<AtomicI64>) -> Keeper {
        let clock = Arc::clone(now);
        Keeper {
            client,
            group: Group::default(),
            place,
            lifetimes: Lifetimes {
                leaf: Duration::from_secs(1000),
            },
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            policies: PolicyStore::builtin().unwrap(),
            telemetry: Telemetry::default(),
            shown: Shown::default(),
        }
    }

    async fn sandbox() -> (Sandbox, Client) {
        let sandbox = Sandbox::open(sandbox::Options::default()).unwrap();
        let client = sandbox.client("default");
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": SYSTEM_NAMESPACE}})).unwrap();
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        (sandbox, client)
    }

    async fn configured(client: &Client) -> Option<Value> {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", Side::Validating.kind());
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
        api.get_opt(CONFIGURATION)
            .await
            .unwrap()
            .map(|found| json!(found))
    }

    #[tokio::test]
    async fn what_was_taken_away_stays_away() {
        let (_sandbox, client) = sandbox().await;
        let keeper = keeper(
            client.clone(),
            Place::Service,
            &Arc::new(AtomicI64::new(1_000_000)),
        );
        let refused = keeper.once(&mut Knows::default()).await.unwrap_err();
        assert!(matches!(refused, AdmissionError::NotInstalled(_)), "{refused}");
        assert_eq!(configured(&client).await, None);
    }

    #[tokio::test]
    async fn replicas_share_one_certificate_and_the_configuration_trusts_it() {
        let (_sandbox, client) = sandbox().await;
        let now = Arc::new(AtomicI64::new(1_000_000));
        let place = Place::Url("https://127.0.0.1:9443".to_owned());
        let (leader, other) = (
            keeper(client.clone(), place.clone(), &now),
            keeper(client.clone(), place, &now),
        );
        leader.once(&mut Knows::default()).await.unwrap();
        let (_, first) = other.read().await.unwrap().unwrap();
        assert!(first.names.contains(&"127.0.0.1".to_owned()));
        let trusted = |configuration: &Value| -> Vec<u8> {
            use base64::Engine as _;
            let text = configuration["webhooks"][0]["clientConfig"]["caBundle"]
                .as_str()
                .unwrap();
            base64::engine::general_purpose::STANDARD.decode(text).unwrap()
        };
        let live = configured(&client).await.unwrap();
        assert_eq!(trusted(&live), first.bundle().into_bytes());
        assert!(live["webhooks"][0]["rules"].to_string().contains("deployments"));
        leader.once(&mut Knows::default()).await.unwrap();
        assert_eq!(
            configured(&client).await.unwrap()["metadata"]["resourceVersion"],
            live["metadata"]["resourceVersion"],
            "nothing new, nothing written"
        );
        // Of two who renew at once, one is told to look again.
        now.store(1_000_700, Ordering::SeqCst);
        let (secret, material) = leader.read().await.unwrap().unwrap();
        let next = due(1_000_700, leader.lifetimes, &leader.names(), Some(&material))
            .unwrap()
            .unwrap();
        leader.write(Some(secret.clone()), &next).await.unwrap();
        let raced = other.write(Some(secret), &next).await.unwrap_err();
        assert!(matches!(raced, AdmissionError::Raced(_)), "{raced}");
        // What nobody can read is made anew.
        let (mut secret, _) = leader.read().await.unwrap().unwrap();
        secret.data = None;
        leader
            .secrets()
            .replace(SECRET, &PostParams::default(), &secret)
            .await
            .unwrap();
        leader.once(&mut Knows::default()).await.unwrap();
        let (_, fresh) = other.read().await.unwrap().unwrap();
        assert_eq!(
            trusted(&configured(&client).await.unwrap()),
            fresh.bundle().into_bytes()
        );
    }
}
