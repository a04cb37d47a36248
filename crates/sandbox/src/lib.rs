//! A Kubernetes-compatible API inside the process, over an embedded store, with simulated nodes.
//!
//! [`Sandbox`] is the server: [`Sandbox::client`] gives a `kube::Client` that reaches it without a socket,
//! [`Sandbox::router`] the bare HTTP service, [`Sandbox::serve`] the same over HTTPS for kubectl. Whatever is
//! written is on disk before it is acknowledged. Controllers and simulated nodes are ordinary clients and live in
//! [`life`].
//!
//! The rooms, from the ground up:
//!
//! - `store`: objects by place, one resource version for all, durable group commits, the recent past for watches;
//! - `catalog`: which resources there are, built-in ones and those of CRDs, with their schemas;
//! - `rules`: CEL rules of CRDs, and what expressions see of an object;
//! - `admission`: who may change or refuse a write: policies in CEL, webhooks, quotas, limit ranges;
//! - `verbs`: what get, list, watch, create, update, patch and delete mean;
//! - `security`: who asks, what they may do, and what they may give to others;
//! - `http`: paths, bodies, representations, discovery, and the HTTPS listener;
//! - `backup`: all of the store as text, and back;
//! - `machinery`: what the API server's own controllers do: garbage collection, namespace contents, CRD removal;
//! - `faults`: what goes wrong when a test wants it to: latency, refusals, lost watches, a full disk.
//!
//! # What it leaves out
//!
//! The authorizer in CEL (an expression of a webhook or a policy that asks it fails), an audit log (what policies would write
//! into one is worked out and goes nowhere), quotas with the scope `VolumeAttributesClass` (they count nothing), what CEL may
//! cost before it meets an object (`rules` says what becomes of a rule that costs too much), conversion webhooks (the served
//! versions of a CRD show the same fields), `exec`, `attach` and `port-forward` (nothing runs), certificate requests and
//! Secrets with tokens, authorization by selectors and by node. The past is held for some thousands of changes, in memory: a
//! list from before that, or from before a restart, gets 410, and so does the next page of a list after five minutes; a
//! watch gets an event that says so. Pods go at once when they are deleted. What is wrong with YAML is worded by its reader.
//!
//! It knows nothing of the platform's own kinds: they come as CRDs like anybody's.

mod admission;
mod backup;
mod catalog;
mod clock;
mod engine;
mod error;
mod faults;
mod http;
pub mod life;

mod machinery;
mod rules;
mod security;
mod status;
mod store;
mod verbs;

use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use admission::{Admission, AdmissionRequest, Denial, Operation, ResourceName};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{ImportError, OpenError, ServeError};
pub use faults::{Fault, Faults};
pub use http::serve::{ServeOptions, Serving};
pub use security::User;

use engine::Engine;

/// How to open a [`Sandbox`].
pub struct Options {
    /// The store's file; `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// Where timestamps come from.
    pub clock: Arc<dyn Clock>,
    /// Reviews every write of clients, as a webhook would.
    pub admission: Option<Arc<dyn Admission>>,
    /// Makes uids and generated names predictable; `None` takes the system's randomness.
    pub seed: Option<u64>,
    /// What goes wrong, for tests; `None` is nothing.
    pub faults: Option<Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: None,
            clock: Arc::new(SystemClock),
            admission: None,
            seed: None,
            faults: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("path", &self.path)
            .field("admission", &self.admission.is_some())
            .field("seed", &self.seed)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// A running embedded API server. Cheap to clone; the last clone closes the store.
#[derive(Clone)]
pub struct Sandbox {
    engine: Arc<Engine>,
    _machinery: Arc<machinery::Machinery>,
}

impl Sandbox {
    /// Opens the store and starts the server's own machinery. Blocks while it reads the file, makes the
    /// namespaces every cluster has, and needs no async runtime.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let engine = Arc::new(Engine::open(options)?);
        let machinery = machinery::Machinery::start(Arc::clone(&engine))?;
        Ok(Self {
            engine,
            _machinery: Arc::new(machinery),
        })
    }

    /// A client of this server that needs no socket. Must be called inside a Tokio runtime.
    pub fn client(&self, default_namespace: &str) -> kube::Client {
        kube::Client::new(self.router(), default_namespace)
    }

    /// The same, for somebody else than the administrator: who may do what their roles say and no more.
    pub fn client_of(&self, user: User, default_namespace: &str) -> kube::Client {
        let entrance = security::Entrance::Inside(user);
        let service = self.router().layer(axum::Extension(entrance));
        kube::Client::new(service, default_namespace)
    }

    /// The server as an HTTP service. A request that shows no token is taken as the administrator's (or as whom it
    /// impersonates): whoever exposes it must authenticate first, as [`Sandbox::serve`] does.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.engine))
    }

    /// Serves over HTTPS until [`Serving::shutdown`]; writes a kubeconfig. See [`ServeOptions`].
    pub async fn serve(&self, options: ServeOptions) -> Result<Serving, ServeError> {
        http::serve::serve(Arc::clone(&self.engine), options).await
    }

    /// Writes everything it holds at this moment, Secrets included; returns how many objects that is.
    pub fn export(&self, to: &mut dyn Write) -> io::Result<usize> {
        backup::write(&self.engine.store, to)
    }

    /// Makes a store in the file `path` of what [`Sandbox::export`] wrote, to the uid and the resource version. A store
    /// that has objects is left alone.
    pub fn import(path: &Path, from: &mut dyn BufRead) -> Result<usize, ImportError> {
        backup::read(path, from)
    }

    /// Finishes queued writes, ends watches and lets go of the file. Later requests get 503. Blocks briefly.
    pub fn close(&self) {
        self.engine.close();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sandbox").finish_non_exhaustive()
    }
}
