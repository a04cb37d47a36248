//! Credentials: made once, in the form of the Service Binding specification, and never again.

use std::collections::BTreeMap;

use api::{DeletionPolicy, Group, Kind};
use expansion::ClaimIntent;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::PostParams;
use kube::{Api, Client};
use rand::distr::{Alphanumeric, SampleString};
use rand::{Rng, SeedableRng};
use secrecy::{ExposeSecret, SecretString};

use crate::error::ProvisionError;

/// Long enough that nobody guesses it, short enough for every client.
const PASSWORD_LENGTH: usize = 32;

/// Whether a claim has its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// They are there.
    Present,
    /// They were made just now.
    Made,
    /// Nobody asks for them any more: the claim is gone.
    Unwanted,
    /// Data exists that was made with credentials nobody has any more.
    Lost {
        /// What is there without them.
        data: String,
    },
}

/// Makes the credentials of a claim unless it has some.
///
/// # Guarantees
/// An existing Secret is never written to. A Secret is only made where there is no data yet: a password that the
/// server does not know would lock the service out. None is made for a claim that went meanwhile: nobody may own it.
pub(crate) async fn ensure(
    client: &Client,
    group: &Group,
    claim: &ClaimIntent,
    owner: &OwnerReference,
    was_ready: bool,
) -> Result<Credentials, ProvisionError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &claim.namespace);
    let name = &claim.name;
    let password = SecretString::from(Alphanumeric.sample_string(&mut system_rng(), PASSWORD_LENGTH));
    let secret = secret(group, claim, owner, &password);
    // Whether there is one is asked by a dry run, so that nobody here needs the right to read Secrets.
    let trial = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match secrets.create(&trial, &secret).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => return Ok(Credentials::Present),
        // There is no room for another one; the one there was counts against it.
        Err(kube::Error::Api(status)) if was_ready && status.message.contains("exceeded quota") => {
            return Ok(Credentials::Present);
        }
        Err(error) => return Err(ProvisionError::cluster(format!("look for Secret {name}"))(error)),
    }
    let volumes: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &claim.namespace);
    let volume = format!("data-{name}-0");
    let data = volumes.get_metadata_opt(&volume).await;
    let data = data.map_err(ProvisionError::cluster(format!("look for the volume {volume}")))?;
    if data.is_some() || was_ready {
        return Ok(Credentials::Lost {
            data: format!("volume {volume}"),
        });
    }
    let resource = group.resource(claim.kind);
    let standing = apply::stands(client, &resource, &claim.namespace, name, &owner.uid).await;
    if !standing.map_err(ProvisionError::cluster(format!("look at {} {name}", claim.kind)))? {
        return Ok(Credentials::Unwanted);
    }
    match secrets.create(&PostParams::default(), &secret).await {
        Ok(_) => Ok(Credentials::Made),
        // Somebody else was faster; whatever is there now is what counts.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Credentials::Present),
        Err(error) => Err(ProvisionError::cluster(format!("make Secret {name}"))(error)),
    }
}

/// Passwords come from the operating system.
fn system_rng() -> impl Rng {
    rand::rngs::StdRng::from_os_rng()
}

fn secret(group: &Group, claim: &ClaimIntent, owner: &OwnerReference, password: &SecretString) -> Secret {
    let (kind, provider) = if claim.kind == Kind::Database {
        ("postgresql", "towpath")
    } else {
        ("redis", "towpath")
    };
    let (host, port) = (claim.host(), claim.port());
    let mut keys = BTreeMap::from([
        ("type".to_owned(), kind.to_owned()),
        ("provider".to_owned(), provider.to_owned()),
        ("host".to_owned(), host.clone()),
        ("port".to_owned(), port.to_string()),
        ("password".to_owned(), password.expose_secret().to_owned()),
    ]);
    // Names are letters, digits and underscores, passwords letters and digits: nothing needs escaping in a URI.
    let uri = match &claim.login {
        Some(login) => {
            keys.insert("database".to_owned(), login.database.clone());
            keys.insert("username".to_owned(), login.user.clone());
            format!(
                "{kind}://{}:{}@{host}:{port}/{}",
                login.user,
                password.expose_secret(),
                login.database
            )
        }
        None => format!("{kind}://:{}@{host}:{port}/0", password.expose_secret()),
    };
    keys.insert("uri".to_owned(), uri);
    let mut labels = BTreeMap::from([(group.label_managed(), "true".to_owned())]);
    if let Some(application) = &claim.application {
        labels.insert(group.label_service(), application.clone());
    }
    let owned = claim.deletion_policy == DeletionPolicy::Delete;
    Secret {
        metadata: ObjectMeta {
            name: Some(claim.name.clone()),
            namespace: Some(claim.namespace.clone()),
            labels: Some(labels),
            // Data that stays needs its credentials to stay.
            owner_references: owned.then(|| vec![owner.clone()]),
            ..ObjectMeta::default()
        },
        type_: Some(format!("servicebinding.io/{kind}")),
        string_data: Some(keys),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use api::Database;
    use apply::{Applier, ApplySet, Tracking};
    use serde_json::json;

    use super::*;

    const PLACE: &str = "default";

    #[tokio::test]
    async fn they_are_made_once_and_only_for_a_claim_that_stands() {
        let sandbox = sandbox::Sandbox::open(sandbox::Options::default()).unwrap();
        let (client, group) = (sandbox.client(PLACE), Group::default());
        let set = ApplySet::new("test", Tracking::new("test/tracking", "test"), api::crds(&group));
        let applied = Applier::new(client.clone()).apply(&set).await;
        assert!(applied.succeeded(), "{applied:?}");
        let claim: Database =
            serde_json::from_value(json!({"metadata": {"name": "api-db"}, "spec": {"type": "postgres"}}))
                .unwrap();
        let claims: Api<Database> =
            Api::namespaced_with(client.clone(), PLACE, &group.resource(Kind::Database));
        let claim = claims.create(&PostParams::default(), &claim).await.unwrap();
        let intent = ClaimIntent::database(&claim);
        let credentials = async |uid: &str| {
            let owner = OwnerReference {
                uid: uid.to_owned(),
                ..OwnerReference::default()
            };
            ensure(&client, &group, &intent, &owner, false).await.unwrap()
        };
        let uid = claim.metadata.uid.unwrap();
        assert_eq!(credentials("of-its-predecessor").await, Credentials::Unwanted);
        assert_eq!(credentials(&uid).await, Credentials::Made);
        assert_eq!(credentials(&uid).await, Credentials::Present);
    }
}
