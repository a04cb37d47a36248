// scaffold:file if database

//! PostgreSQL.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, Runtime};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::binding::address;
use crate::service::Service;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The service's PostgreSQL.
pub struct Database {
    pool: Pool,
}

impl Database {
    /// Prepares connections to `DATABASE_URL` or to the bound database. It does not wait for the server: until that
    /// answers the service is not ready.
    pub fn open(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let uri = address(env, "DATABASE_URL", &["postgresql", "postgres"])?;
        let unknown =
            |_| "the address of the database is not one that PostgreSQL understands".to_owned();
        // An encrypted connection always verifies the server's certificate and name.
        let uri = uri
            .replace("sslmode=verify-full", "sslmode=require")
            .replace("sslmode=verify-ca", "sslmode=require");
        let mut config: Config = uri.parse().map_err(unknown)?;
        config.connect_timeout(CONNECT_TIMEOUT);
        let manager = Manager::from_config(config, encryption(), ManagerConfig::default());
        let pool = Pool::builder(manager)
            .max_size(10)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .map_err(|error| format!("open the database: {error}"))?;
        Ok(Self { pool })
    }

    async fn ask(&self, question: &str) -> Result<String, String> {
        let client = self.pool.get().await.map_err(|error| causes(&error))?;
        let row = client
            .query_one(question, &[])
            .await
            .map_err(|error| causes(&error))?;
        row.try_get(0).map_err(|error| causes(&error))
    }

    pub async fn ping(&self) -> Result<(), String> {
        self.ask("SELECT 'here'").await.map(drop)
    }

    /// Asks the server for its version.
    pub async fn server_version(&self) -> Result<String, String> {
        self.ask("SELECT current_setting('server_version')").await
    }

    /// Makes the service depend on this database.
    pub fn serve(self, service: &mut Service) {
        let (asked, told) = (Arc::new(self), "database");
        let database = Arc::clone(&asked);
        let probe = move || {
            let database = Arc::clone(&database);
            Box::pin(async move { database.ping().await.map(|()| Value::Null) }) as _
        };
        service.checks.push((told, Box::new(probe)));
        let read = move || {
            let database = Arc::clone(&asked);
            Box::pin(async move { database.server_version().await.map(Value::from) }) as _
        };
        service.facts.push((told, Box::new(read)));
    }
}

/// Trusts whom the system trusts.
fn encryption() -> MakeRustlsConnect {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

/// An error with what caused it; the outermost alone says little.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        inner = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::get;

    fn open(uri: &str) -> Result<Database, String> {
        Database::open(&|variable| (variable == "DATABASE_URL").then(|| uri.to_owned()))
    }

    #[test]
    fn a_bad_address_is_refused_without_showing_it() {
        for uri in [
            "postgres://user:hunter2@host:port/name",
            "mysql://user:hunter2@host/name",
        ] {
            let problem = open(uri).err().expect(uri);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
        assert!(Database::open(&|_| None).is_err());
        assert!(open("postgres://user@host/name?sslmode=verify-full").is_ok());
    }

    #[tokio::test]
    async fn not_ready_without_the_database() {
        // Port 1 is reserved: nothing listens there.
        let uri = "postgres://user:hunter2@127.0.0.1:1/name";
        let problem = open(uri).unwrap().ping().await.unwrap_err();
        assert!(!problem.contains("hunter2"), "{problem}");
        let mut service = Service::new();
        open(uri).unwrap().serve(&mut service);
        let service = Arc::new(service);
        assert_eq!(get(&service, "/ready").await.0, 503);
        assert_eq!(get(&service, "/").await.0, 503);
    }

    #[tokio::test]
    async fn the_database_answers() {
        let Ok(uri) = std::env::var("DATABASE_URL") else {
            eprintln!("skipped: DATABASE_URL is not set: no database to ask");
            return;
        };
        let mut service = Service::new();
        open(&uri).unwrap().serve(&mut service);
        let service = Arc::new(service);
        assert_eq!(get(&service, "/ready").await.0, 200);
        let (code, answer) = get(&service, "/").await;
        assert_eq!(code, 200, "{answer}");
        assert!(
            answer["database"]
                .as_str()
                .is_some_and(|version| !version.is_empty())
        );
    }
}
