//! The server's state in one place: the store, the catalog, and what is passed in from outside.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::admission::Ledger;
use crate::catalog::Catalog;
use crate::security::rbac::Rights;
use crate::security::{LastModes, Signer};
use crate::status::ApiError;
use crate::store::{Collection, Object, Store};
use crate::verbs::text;
use crate::{Admission, Clock, OpenError, Options};

/// What every request and every piece of machinery works on.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) admission: Option<Arc<dyn Admission>>,
    /// What writes on their way will use of quotas.
    pub(crate) ledger: Ledger,
    clock: Arc<dyn Clock>,
    /// The catalog with the revision of the CRDs it was made of.
    catalog: RwLock<Option<(u64, Arc<Catalog>)>>,
    /// Who may do what; see [`Engine::decide`].
    pub(crate) rights: RwLock<Rights>,
    /// Tokens of those who may do everything.
    pub(crate) owners: RwLock<Vec<Arc<str>>>,
    /// Which way of impersonation was open to whom.
    pub(crate) impersonated: LastModes,
    /// Signs the tokens of ServiceAccounts.
    pub(crate) signer: Signer,
    random: Mutex<StdRng>,
    /// How far service addresses and node ports have been given out.
    given: Mutex<(u32, i64)>,
}

impl Engine {
    /// Opens the store and makes what every cluster has.
    pub(crate) fn open(options: Options) -> Result<Self, OpenError> {
        let Options {
            path,
            clock,
            admission,
            seed,
        } = options;
        let store = Store::open(path.as_deref())?;
        let random = seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let failed = |error: ApiError| OpenError::Io {
            path: path.clone(),
            source: std::io::Error::other(error.message),
        };
        let signer = crate::security::signer(&store).map_err(failed)?;
        let engine = Self {
            store,
            admission,
            ledger: Ledger::default(),
            clock,
            catalog: RwLock::default(),
            rights: RwLock::default(),
            owners: RwLock::default(),
            impersonated: LastModes::default(),
            signer,
            random: Mutex::new(random),
            given: Mutex::new((0, 0)),
        };
        engine.found().map_err(failed)?;
        Ok(engine)
    }

    /// The resources of this moment: whoever has seen a change of a CRD sees what follows from it. Not to be asked
    /// while the store is being read, since it may read the store itself.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        let wanted = self.store.definitions_revision();
        {
            let known = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((revision, catalog)) = &*known
                && *revision >= wanted
            {
                return Arc::clone(catalog);
            }
        }
        let mut known = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        // Before the list: a change that comes in between is read now and once more later.
        let revision = self.store.definitions_revision();
        let definitions: Vec<Arc<Object>> = self
            .store
            .read()
            .list(&Collection::definitions(), None, None)
            .map(|(_, object)| Arc::clone(object))
            .collect();
        let before = known.take().map(|(_, catalog)| catalog).unwrap_or_default();
        let catalog = Arc::new(Catalog::new(&before, &definitions));
        *known = Some((revision, Arc::clone(&catalog)));
        catalog
    }

    /// The cluster addresses of all Services.
    pub(crate) fn service_addresses(&self) -> impl Iterator<Item = String> {
        self.services()
            .into_iter()
            .map(|service| text(&service.value, &["spec", "clusterIP"]).to_owned())
    }

    fn services(&self) -> Vec<Arc<Object>> {
        let collection = Collection::new("", "services");
        self.store
            .read()
            .list(&collection, None, None)
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    /// A cluster address that no Service has, from 10.96.0.0/16. None is given out twice in a row, so two Services
    /// made at the same time differ.
    pub(crate) fn next_service_address(&self) -> Result<String, ApiError> {
        const FIRST: u32 = 10;
        const LAST: u32 = (1 << 16) - 2;
        let taken: HashSet<String> = self.service_addresses().collect();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in FIRST..=LAST {
            given.0 = if (FIRST..LAST).contains(&given.0) {
                given.0 + 1
            } else {
                FIRST
            };
            let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + given.0).to_string();
            if !taken.contains(&address) {
                return Ok(address);
            }
        }
        Err(ApiError::internal("all service addresses are taken"))
    }

    /// A node port that no Service has.
    pub(crate) fn next_node_port(&self) -> Result<i64, ApiError> {
        const FIRST: i64 = 30_000;
        const LAST: i64 = 32_767;
        let services = self.services();
        let ports = services
            .iter()
            .filter_map(|service| service.value["spec"]["ports"].as_array())
            .flatten();
        let taken: HashSet<i64> = ports.filter_map(|port| port["nodePort"].as_i64()).collect();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in FIRST..=LAST {
            given.1 = if (FIRST..LAST).contains(&given.1) {
                given.1 + 1
            } else {
                FIRST
            };
            if !taken.contains(&given.1) {
                return Ok(given.1);
            }
        }
        Err(ApiError::internal("all node ports are taken"))
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
        let plain = format!("{:032x}", u128::from_be_bytes(bytes));
        let parts = [
            &plain[..8],
            &plain[8..12],
            &plain[12..16],
            &plain[16..20],
            &plain[20..],
        ];
        parts.join("-")
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
