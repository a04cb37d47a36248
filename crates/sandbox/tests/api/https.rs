//! The server over HTTPS, as kubectl meets it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{ListParams, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
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
        let client = client(serving.kubeconfig(), |kubeconfig| {
            let info = kubeconfig.auth_infos[0].auth_info.as_mut().unwrap();
            info.token = token.map(Into::into);
        })
        .await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let refused = namespaces.list(&ListParams::default()).await.unwrap_err();
        assert!(matches!(refused, kube::Error::Api(status) if status.code == 401));
        assert!(
            client.apiserver_version().await.is_ok(),
            "whether it lives is no secret"
        );
    }
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
