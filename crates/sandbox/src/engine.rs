//! The server's state in one place: the store, the catalog, and what is passed in from outside.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::catalog::Catalog;
use crate::store::Store;
use crate::{Admission, Clock, OpenError, Options};

/// What every request and every piece of machinery works on.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) admission: Option<Arc<dyn Admission>>,
    clock: Arc<dyn Clock>,
    catalog: RwLock<Arc<Catalog>>,
    random: Mutex<StdRng>,
}

impl Engine {
    /// Opens the store and makes what every cluster has.
    pub(crate) fn open(options: Options) -> Result<Self, OpenError> {
        let store = Store::open(options.path.as_deref())?;
        let random = options
            .seed
            .map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let engine = Self {
            store,
            admission: options.admission,
            clock: options.clock,
            catalog: RwLock::new(Arc::new(Catalog::builtin())),
            random: Mutex::new(random),
        };
        engine.found().map_err(|error| OpenError::Io {
            path: options.path,
            source: std::io::Error::other(error.message),
        })?;
        Ok(engine)
    }

    /// The resources of this moment.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The present moment as `metav1.Time` writes it: UTC, whole seconds.
    pub(crate) fn timestamp(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// A random (version 4) UUID.
    pub(crate) fn uid(&self) -> String {
        let mut bytes = [0u8; 16];
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = |range: std::ops::Range<usize>| {
            bytes[range]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        format!(
            "{}-{}-{}-{}-{}",
            hex(0..4),
            hex(4..6),
            hex(6..8),
            hex(8..10),
            hex(10..16)
        )
    }

    /// Five characters that make a generated name: no vowels and nothing easily confused, as upstream.
    pub(crate) fn name_suffix(&self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        (0..5)
            .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
            .collect()
    }

    pub(crate) fn close(&self) {
        self.store.close();
    }
}
