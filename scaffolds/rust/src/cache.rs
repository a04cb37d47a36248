// scaffold:file if cache

//! Redis.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde_json::Value;

use crate::binding::address;
use crate::service::{NAME, Service};

const TIMEOUT: Duration = Duration::from_secs(2);

/// The service's Redis.
#[derive(Clone)]
pub struct Cache {
    connection: ConnectionManager,
}

impl Cache {
    /// Prepares a connection to `CACHE_URL` or to the bound cache. It does not wait for the server: until that answers
    /// the service is not ready.
    pub fn open(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let uri = address(env, "CACHE_URL", &["redis"])?;
        let unknown = |_| "the address of the cache is not one that Redis understands".to_owned();
        let client = redis::Client::open(uri).map_err(unknown)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1);
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(unknown)?;
        Ok(Self { connection })
    }

    pub async fn ping(&self) -> Result<(), String> {
        redis::cmd("PING")
            .query_async(&mut self.connection.clone())
            .await
            .map_err(|error| error.to_string())
    }

    /// Counts one more visit and returns how many there were.
    pub async fn visit(&self) -> Result<i64, String> {
        redis::cmd("INCR")
            .arg(format!("{NAME}:visits"))
            .query_async(&mut self.connection.clone())
            .await
            .map_err(|error| error.to_string())
    }

    /// Makes the service depend on this cache.
    pub fn serve(self, service: &mut Service) {
        let cache = self.clone();
        let probe = move || {
            let cache = cache.clone();
            Box::pin(async move { cache.ping().await.map(|()| Value::Null) }) as _
        };
        service.checks.push(("cache", Box::new(probe)));
        let read = move || {
            let cache = self.clone();
            Box::pin(async move { cache.visit().await.map(Value::from) }) as _
        };
        service.facts.push(("visits", Box::new(read)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::get;
    use std::sync::Arc;

    fn open(uri: &str) -> Result<Cache, String> {
        Cache::open(&|variable| (variable == "CACHE_URL").then(|| uri.to_owned()))
    }

    #[tokio::test]
    async fn a_bad_address_is_refused_without_showing_it() {
        for uri in [
            "redis://user:hunter2@host:port/0",
            "http://user:hunter2@host/0",
        ] {
            let problem = open(uri).err().expect(uri);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        assert!(Cache::open(&|_| None).is_err());
    }

    #[tokio::test]
    async fn not_ready_without_the_cache() {
        // Port 1 is reserved: nothing listens there.
        let cache = open("redis://:hunter2@127.0.0.1:1/0").unwrap();
        let problem = cache.ping().await.unwrap_err();
        assert!(!problem.contains("hunter2"), "{problem}");
        let mut service = Service::new();
        cache.serve(&mut service);
        let service = Arc::new(service);
        assert_eq!(get(&service, "/ready").await.0, 503);
        assert_eq!(get(&service, "/").await.0, 503);
    }

    #[tokio::test]
    async fn the_cache_counts() {
        let Ok(uri) = std::env::var("CACHE_URL") else {
            eprintln!("skipped: CACHE_URL is not set: no cache to ask");
            return;
        };
        let mut service = Service::new();
        open(&uri).unwrap().serve(&mut service);
        let service = Arc::new(service);
        assert_eq!(get(&service, "/ready").await.0, 200);
        let (_, first) = get(&service, "/").await;
        let (_, second) = get(&service, "/").await;
        let (before, after) = (first["visits"].as_i64(), second["visits"].as_i64());
        assert!(
            before >= Some(1) && after > before,
            "{first}, then {second}"
        );
    }
}
