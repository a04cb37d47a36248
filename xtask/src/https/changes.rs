//! Waiting for something to happen in an API server: a watch, of which it is only of interest that it told something.

use super::{ApiServer, Connection};
use crate::failure::{Doing, Result, fail};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// How long nothing may happen before whoever waits looks all the same: what changes elsewhere, as what runs beside
/// them, is told by no API server.
const QUIET: Duration = Duration::from_secs(1);

/// What happens to the objects of a collection from now on.
pub(crate) struct Changes {
    connection: Connection,
}

impl ApiServer {
    /// Watches a collection by its path. What is there already counts as something that happens.
    pub(crate) fn changes(&self, collection: &str) -> Result<Changes> {
        let what = || format!("watch {collection}");
        let mut connection = self.open()?;
        connection.follow(&format!("{collection}?watch=1")).doing(what)?;
        connection.wait_at_most(QUIET).doing(what)?;
        Ok(Changes { connection })
    }

    /// Waits until `look` finds something, which it can when something happens in a collection.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        collection: &str,
        limit: Duration,
        look: impl Fn() -> Result<Option<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        let mut changes = self.changes(collection)?;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if started.elapsed() > limit {
                fail!("waited {} for {what}", crate::say::duration(limit));
            }
            if !changes.wait() {
                changes = self.changes(collection)?;
            }
        }
    }
}

impl Changes {
    /// Waits until something happens, or nothing has for a while; false when no more will be told.
    pub(crate) fn wait(&mut self) -> bool {
        match self.connection.piece() {
            Ok(piece) => !piece.is_empty(),
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}
