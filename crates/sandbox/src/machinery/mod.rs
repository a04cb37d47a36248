//! What the API server's own controllers do, so that the API behaves as clients expect even without [`crate::life`]:
//! objects without an owner go, namespaces are emptied, the objects of a removed CRD go with it, ClusterRoles are put
//! together.
//!
//! One thread follows every change, as any watcher would, and works through the same verbs as clients do; its
//! writes are not put before admission.

mod aggregate;
mod collect;
mod count;
mod empty;
mod protect;

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::OpenError;
use crate::engine::Engine;

/// The running thread. Dropping it closes the store, which ends it.
pub(crate) struct Machinery {
    engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Machinery {
    pub(crate) fn start(engine: Arc<Engine>) -> Result<Self, OpenError> {
        let worker = collect::Collector::new(Arc::clone(&engine));
        let thread = std::thread::Builder::new()
            .name("sandbox-machinery".to_owned())
            .spawn(move || futures::executor::block_on(worker.run()))
            .map_err(|source| OpenError::Io { path: None, source })?;
        Ok(Self {
            engine,
            thread: Some(thread),
        })
    }
}

impl Drop for Machinery {
    fn drop(&mut self) {
        self.engine.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook; nothing is left to do.
            let _ = thread.join();
        }
    }
}
