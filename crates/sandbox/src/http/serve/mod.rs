//! The server over HTTPS, for kubectl and everything else outside the process.
//!
//! Certificates come from an authority of its own that is made once and kept in a directory; the owner's clients show a
//! bearer token from the same place. Whoever can read that directory is the administrator, so its files are the owner's
//! only. Others show a token of a ServiceAccount or a certificate that the authority signed; who shows nothing learns
//! nothing but that the server lives.

mod credentials;
mod cut;
mod files;
mod kubeconfig;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::ServeError;
use crate::engine::Engine;
use crate::security::{ClientCertificates, Entrance};
use credentials::Credentials;

pub(super) use cut::current as cut;

/// How long a client may take to finish its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection of many requests may be silent before it is asked for a sign of life, and how long that may take.
const SILENCE: Duration = Duration::from_secs(30);
/// How long open requests may take to finish at shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// How to serve over HTTPS.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where the authority, the certificate, the token and the kubeconfig are kept. Made if missing.
    pub directory: PathBuf,
    /// Where to write the kubeconfig instead of `kubeconfig` in the directory.
    pub kubeconfig: Option<PathBuf>,
    /// Listen on an address that other machines can reach.
    pub allow_remote: bool,
    /// Keep the authority's certificate in the ConfigMap `kube-root-ca.crt` of every namespace, as the controllers of a
    /// cluster do.
    pub publish_authority: bool,
}

impl ServeOptions {
    /// Loopback, a free port, files in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            directory: directory.into(),
            kubeconfig: None,
            allow_remote: false,
            publish_authority: true,
        }
    }
}

/// A server that is listening. Dropping it ends it without grace.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    kubeconfig: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The file that lets kubectl in.
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// Stops listening, lets open requests finish for a moment, ends watches.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // A panic there has been reported by the panic hook.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens and answers until the handle is shut down or dropped.
pub(crate) async fn serve(engine: Arc<Engine>, options: ServeOptions) -> Result<Serving, ServeError> {
    let address = options.address;
    if !address.ip().is_loopback() && !options.allow_remote {
        return Err(ServeError::NotLoopback { address });
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServeError::AddressInUse { address },
            _ => ServeError::Listen { address, source },
        })?;
    let address = listener
        .local_addr()
        .map_err(|source| ServeError::Listen { address, source })?;
    let credentials = Credentials::in_directory(&options.directory, address.ip(), engine.now())?;
    let kubeconfig = options
        .kubeconfig
        .unwrap_or_else(|| options.directory.join("kubeconfig"));
    files::write_private(&kubeconfig, &kubeconfig::text(address, &credentials))?;
    let acceptor = TlsAcceptor::from(Arc::clone(&credentials.tls));
    engine.trust(Arc::clone(&credentials.token));
    if options.publish_authority
        && let Err(error) = engine.publish_authority(&credentials.authority).await
    {
        // A namespace that could not be told is told when it changes.
        tracing::warn!(error = error.message, "the authority is not published everywhere");
    }
    let door = Door {
        acceptor,
        router: super::router(engine),
        authority: credentials.clients,
    };
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, door, stopped));
    Ok(Serving {
        address,
        kubeconfig,
        stop,
        task,
    })
}

/// What a connection goes through.
#[derive(Clone)]
struct Door {
    acceptor: TlsAcceptor,
    router: Router,
    authority: Arc<ClientCertificates>,
}

async fn accept(listener: TcpListener, door: Door, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to come back.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = stop.changed() => break,
        };
        let watcher = graceful.watcher();
        tokio::spawn(connection(stream, door.clone(), watcher, stop.clone()));
    }
    drop(listener);
    // Requests may finish, watches would go on for ever.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn connection(
    stream: TcpStream,
    door: Door,
    watcher: hyper_util::server::graceful::Watcher,
    mut stop: watch::Receiver<bool>,
) {
    // Small answers should not wait for more.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, door.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake timed out"),
    };
    let mut builder = auto::Builder::new(cut::Cuttable);
    // With a clock it ends connections that send no whole request head within 30 seconds.
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE);
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let shown = shown.iter().map(|one| one.clone().into_owned()).collect();
    let entrance = Entrance::Network {
        authority: door.authority,
        shown,
    };
    let service = door.router.map_request(move |request: Request<_>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(entrance.clone());
        request
    });
    let service = TowerToHyperService::new(service);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let connection = watcher.watch(connection.into_owned());
    let connection = async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    };
    tokio::select! {
        () = cut::cuttable(connection) => {}
        () = async {
            // The sender outlives the listener's loop; either way the grace begins now.
            let _ = stop.changed().await;
            tokio::time::sleep(GRACE).await;
        } => {}
    }
}
