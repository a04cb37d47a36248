//! Ends what an answer is written to while it cannot be written: a client that has stopped reading keeps a connection, or
//! one stream of it, waiting, and whoever made the answer is not asked for more of it.

use std::sync::Arc;

use hyper::rt::Executor;

use crate::store::Cut;

tokio::task_local! {
    static CUT: Cut;
}

/// What ends the connection or the stream that the present request came on; `None` inside the process.
pub(in crate::http) fn current() -> Option<Cut> {
    CUT.try_with(Arc::clone).ok()
}

/// Works until it is done or cut off.
pub(super) async fn cuttable(work: impl Future<Output = ()>) {
    let cut = Cut::default();
    tokio::select! {
        () = CUT.scope(Arc::clone(&cut), work) => {}
        () = cut.notified() => tracing::debug!("a watcher that does not read is cut off"),
    }
}

/// Runs the streams of a connection, each of which can be cut off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuttable;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Cuttable {
    fn execute(&self, stream: F) {
        tokio::spawn(cuttable(stream));
    }
}
