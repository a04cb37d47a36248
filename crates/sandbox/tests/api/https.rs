//! The server over HTTPS, as kubectl meets it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use sandbox::{Sandbox, ServeError, ServeOptions, Serving};

use crate::server::sandbox;

async fn serving(directory: &Path) -> (Sandbox, Serving) {
    let sandbox = sandbox_now();
    let serving = sandbox.serve(ServeOptions::new(directory)).await.unwrap();
    (sandbox, serving)
}

/// At the present time, since clients check the dates of certificates.
fn sandbox_now() -> Sandbox {
    Sandbox::open(sandbox::Options::default()).unwrap()
}

async fn client(kubeconfig: &Path, change: impl FnOnce(&mut Kubeconfig)) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    change(&mut kubeconfig);
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

#[tokio::test]
async fn a_client_with_the_kubeconfig_gets_in() {
    let directory = tempfile::tempdir().unwrap();
    let (_sandbox, serving) = serving(directory.path()).await;
    let client = client(serving.kubeconfig(), |_| {}).await;
    let version = client.apiserver_version().await.unwrap();
    assert_eq!(version.git_version, "v1.36.3+sandbox");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    assert_eq!(
        namespaces.list(&ListParams::default()).await.unwrap().items.len(),
        4
    );

    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mut watch = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let map: ConfigMap = serde_json::from_value(serde_json::json!({ "metadata": { "name": "a" } })).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    assert!(watch.try_next().await.unwrap().is_some());
    let stopped = tokio::time::timeout(Duration::from_secs(20), serving.shutdown()).await;
    assert!(stopped.is_ok(), "open watches do not keep the server up");
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (_sandbox, serving) = serving(directory.path()).await;
    for token in [None, Some("wrong".to_owned())] {
        let nothing = token.is_none();
        let client = client(serving.kubeconfig(), |kubeconfig| {
            let info = kubeconfig.auth_infos[0].auth_info.as_mut().unwrap();
            info.token = token.map(Into::into);
        })
        .await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let refused = namespaces.list(&ListParams::default()).await.unwrap_err();
        assert!(matches!(refused, kube::Error::Api(status) if status.code == 401));
        assert_eq!(
            client.apiserver_version().await.is_ok(),
            nothing,
            "whether it lives is no secret, but not for those who say they are somebody"
        );
    }
}

/// A certificate for somebody, signed by the authority in a directory, and its key; both in PEM.
fn certificate(directory: &Path, name: &str, group: &str) -> (String, String) {
    let key = std::fs::read_to_string(directory.join("ca.key")).unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority
        .distinguished_name
        .push(DnType::CommonName, "sandbox authority");
    let authority = Issuer::new(authority, KeyPair::from_pem(&key).unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, group);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

async fn who(client: &Client) -> Result<(String, Vec<String>), kube::Error> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let user = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    let user = user.status.unwrap().user_info.unwrap();
    Ok((user.username.unwrap(), user.groups.unwrap()))
}

#[tokio::test]
async fn a_certificate_of_the_authority_names_a_user_and_no_other_does() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_sandbox, serving) = serving(directory.path()).await;
    let (_other, _serving) = crate::https::serving(elsewhere.path()).await;
    let by = |(certificate, key): (String, String), token: Option<String>| {
        client(serving.kubeconfig(), move |kubeconfig| {
            let info = kubeconfig.auth_infos[0].auth_info.as_mut().unwrap();
            info.token = token.map(Into::into);
            info.client_certificate_data = Some(STANDARD.encode(certificate));
            info.client_key_data = Some(STANDARD.encode(key).into());
        })
    };
    let jo = by(certificate(directory.path(), "jo", "shop"), None).await;
    let groups = vec!["shop".to_owned(), "system:authenticated".to_owned()];
    assert_eq!(who(&jo).await.unwrap(), ("jo".to_owned(), groups));
    let namespaces: Api<Namespace> = Api::all(jo);
    let refused = namespaces.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));

    let foreign = certificate(elsewhere.path(), "jo", "system:masters");
    let refused = who(&by(foreign.clone(), None).await).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 401));
    // It is no worse than none: a token still counts.
    let token = std::fs::read_to_string(directory.path().join("token")).unwrap();
    assert_eq!(
        who(&by(foreign, Some(token)).await).await.unwrap().0,
        "sandbox-admin"
    );
}

#[tokio::test]
async fn a_token_of_an_account_gets_in() {
    let directory = tempfile::tempdir().unwrap();
    let (sandbox, serving) = serving(directory.path()).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(sandbox.client("default"), "default");
    let (params, request) = (PostParams::default(), TokenRequest::default());
    let made = accounts.create_token_request("default", &params, &request).await;
    let token = made.unwrap().status.unwrap().token;
    let client = client(serving.kubeconfig(), |kubeconfig| {
        let info = kubeconfig.auth_infos[0].auth_info.as_mut().unwrap();
        info.token = token.map(Into::into);
    })
    .await;
    assert_eq!(
        who(&client).await.unwrap().0,
        "system:serviceaccount:default:default"
    );
}

#[tokio::test]
async fn credentials_are_private_and_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut authorities = Vec::new();
    for _ in 0..2 {
        let (_sandbox, serving) = serving(directory.path()).await;
        authorities.push(std::fs::read(directory.path().join("ca.crt")).unwrap());
        client(serving.kubeconfig(), |_| {})
            .await
            .apiserver_version()
            .await
            .unwrap();
        for file in ["ca.key", "token", "kubeconfig"] {
            let mode = std::fs::metadata(directory.path().join(file))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        serving.shutdown().await;
    }
    assert_eq!(authorities[0], authorities[1]);
}

#[tokio::test]
async fn every_namespace_is_told_what_to_trust() {
    let directory = tempfile::tempdir().unwrap();
    let (sandbox, _serving) = serving(directory.path()).await;
    let authority = std::fs::read_to_string(directory.path().join("ca.crt")).unwrap();
    let namespaces: Api<Namespace> = Api::all(sandbox.client("default"));
    let late: Namespace =
        serde_json::from_value(serde_json::json!({ "metadata": { "name": "late" } })).unwrap();
    namespaces.create(&PostParams::default(), &late).await.unwrap();
    let told = |map: Option<&ConfigMap>| {
        let data = map.and_then(|map| map.data.as_ref());
        data.is_some_and(|data| data.get("ca.crt") == Some(&authority))
    };
    for namespace in ["default", "late"] {
        let maps: Api<ConfigMap> = Api::namespaced(sandbox.client("default"), namespace);
        let wait = || kube::runtime::wait::await_condition(maps.clone(), "kube-root-ca.crt", told);
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, wait()).await.unwrap().unwrap();
        // Whoever changes it gets it back.
        let change = serde_json::json!({ "data": { "ca.crt": "mine" } });
        let change = Patch::Merge(&change);
        let changed = maps
            .patch("kube-root-ca.crt", &PatchParams::default(), &change)
            .await;
        assert_eq!(changed.unwrap().data.unwrap()["ca.crt"], "mine");
        tokio::time::timeout(limit, wait()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn it_says_why_it_cannot_serve() {
    let directory = tempfile::tempdir().unwrap();
    let (sandbox_one, serving) = serving(directory.path()).await;
    let options = ServeOptions {
        address: serving.address(),
        ..ServeOptions::new(directory.path())
    };
    let refused = sandbox_one.serve(options).await.unwrap_err();
    assert!(matches!(refused, ServeError::AddressInUse { address } if address == serving.address()));
    let everywhere: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
    let options = ServeOptions {
        address: everywhere,
        ..ServeOptions::new(directory.path())
    };
    assert!(matches!(
        sandbox().serve(options).await,
        Err(ServeError::NotLoopback { .. })
    ));
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = sandbox().serve(ServeOptions::new(&file)).await.unwrap_err();
    assert!(
        matches!(&refused, ServeError::File { source, .. } if source.kind() == ErrorKind::NotADirectory),
        "{refused:?}"
    );
    let broken = directory.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("ca.crt"), "nonsense").unwrap();
    std::fs::write(broken.join("ca.key"), "nonsense").unwrap();
    let refused = sandbox().serve(ServeOptions::new(&broken)).await.unwrap_err();
    assert!(matches!(refused, ServeError::Certificates { .. }), "{refused:?}");
}
