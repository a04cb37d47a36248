//! One request at a time to an API server named by a kubeconfig, with its authority and credentials.
//!
//! For what kubectl is too slow to time or cannot ask: readiness to the millisecond, Accept headers, requests that
//! are wrong on purpose. Not a client for anything else.

mod changes;
mod connection;

pub(crate) use changes::Changes;
pub(crate) use connection::Connection;

use crate::failure::{Doing, Result, fail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// No answer to a single request takes this long.
const LIMIT: Duration = Duration::from_secs(30);

/// The API server of a kubeconfig's current context.
#[derive(Debug)]
pub(crate) struct ApiServer {
    /// Host and port.
    address: String,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    token: Option<String>,
}

/// What is sent: nothing of it is checked or completed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

/// Status code, headers with their names in small letters, and body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).doing(|| "read an answer of the API server".to_owned())
    }
}

impl ApiServer {
    /// Reads the kubeconfig's current context.
    pub(crate) fn of(kubeconfig: &Path) -> Result<Self> {
        Self::read(kubeconfig, true)
    }

    /// The same, for somebody without its credentials.
    pub(crate) fn for_stranger(kubeconfig: &Path) -> Result<Self> {
        Self::read(kubeconfig, false)
    }

    fn read(kubeconfig: &Path, with_credentials: bool) -> Result<Self> {
        let what = || format!("read {}", kubeconfig.display());
        let text = fs::read_to_string(kubeconfig).doing(what)?;
        let config = yaml::parse(&text).doing(what)?.value;
        let context = &named(&config, "contexts", "context", &config["current-context"])?;
        let cluster = named(&config, "clusters", "cluster", &context["cluster"])?;
        let user = if with_credentials {
            named(&config, "users", "user", &context["user"])?
        } else {
            Value::Null
        };
        let server = cluster["server"].as_str().unwrap_or_default();
        let Some(address) = server
            .strip_prefix("https://")
            .map(|rest| rest.trim_end_matches('/'))
        else {
            fail!(
                "{} leads to {server:?}, which is no https address",
                kubeconfig.display()
            );
        };
        Self::new(address, &cluster, &user)
    }

    /// A server at a host and port that is trusted by this file of certificates; it is shown no credentials.
    pub(crate) fn at(address: &str, authority: &Path) -> Result<Self> {
        Self::new(
            address,
            &json!({"certificate-authority": authority}),
            &Value::Null,
        )
    }

    fn new(address: &str, cluster: &Value, user: &Value) -> Result<Self> {
        let Some((host, _port)) = address.rsplit_once(':') else {
            fail!("{address} has no port");
        };
        Ok(Self {
            address: address.to_owned(),
            name: ServerName::try_from(host.to_owned()).doing(|| format!("understand {host}"))?,
            config: Arc::new(client(cluster, user)?),
            token: user["token"].as_str().map(str::to_owned),
        })
    }

    /// Asks for a path; `accept` is the media type wanted.
    pub(crate) fn get(&self, path: &str, accept: &str) -> Result<Answer> {
        self.send(Request {
            method: "GET",
            path,
            headers: &[("Accept", accept)],
            body: &[],
        })
    }

    /// Sends a request on a connection of its own and reads the answer to its end.
    pub(crate) fn send(&self, request: Request<'_>) -> Result<Answer> {
        let Request {
            method, path, body, ..
        } = request;
        let what = || format!("ask https://{}{path}", self.address);
        let stream = TcpStream::connect(&self.address).doing(what)?;
        stream.set_read_timeout(Some(LIMIT)).doing(what)?;
        stream.set_nodelay(true).doing(what)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone()).doing(what)?;
        let mut stream = StreamOwned::new(connection, stream);
        // HTTP/1.0: the answer comes in one piece and ends with the connection.
        let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n", self.address);
        for (name, value) in request.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if let Some(token) = &self.token {
            let _ = write!(head, "Authorization: Bearer {token}\r\n");
        }
        if !body.is_empty() {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).doing(what)?;
        // A server that has seen enough answers before it has read all, and does not read the rest.
        let _ = stream.write_all(body).and_then(|()| stream.flush());
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // Some servers close the connection without saying so first.
            Err(error) if error.kind() != ErrorKind::UnexpectedEof && answer.is_empty() => {
                return Err(error).doing(what);
            }
            _ => {}
        }
        match split(&answer) {
            Some(answer) => Ok(answer),
            None => fail!("https://{}{path} did not answer in HTTP", self.address),
        }
    }

    /// Whether the server says that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.get("/readyz", "*/*")
            .is_ok_and(|answer| answer.status == 200)
    }
}

/// The value of the list entry with this name.
fn named(config: &Value, list: &str, value: &str, name: &Value) -> Result<Value> {
    let entry = config[list]
        .as_array()
        .and_then(|list| list.iter().find(|entry| entry["name"] == *name));
    match entry {
        Some(entry) => Ok(entry[value].clone()),
        None => fail!("the kubeconfig has no entry {name} under {list}"),
    }
}

fn client(cluster: &Value, user: &Value) -> Result<ClientConfig> {
    let Some(authority) = data(cluster, "certificate-authority")? else {
        fail!("the kubeconfig names no certificate authority");
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&authority) {
        let what = || "read the certificate authority".to_owned();
        roots.add(certificate.doing(what)?).doing(what)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .doing(|| "set up TLS".to_owned())?
        .with_root_certificates(roots);
    match (data(user, "client-certificate")?, data(user, "client-key")?) {
        (Some(certificate), Some(key)) => {
            let what = || "read the client certificate".to_owned();
            let chain = CertificateDer::pem_slice_iter(&certificate)
                .collect::<Result<Vec<_>, _>>()
                .doing(what)?;
            let key = PrivateKeyDer::from_pem_slice(&key).doing(what)?;
            builder.with_client_auth_cert(chain, key).doing(what)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// What stands under `<key>-data`, or in the file that `<key>` names.
fn data(of: &Value, key: &str) -> Result<Option<Vec<u8>>> {
    if let Some(encoded) = of[format!("{key}-data")].as_str() {
        return STANDARD
            .decode(encoded)
            .doing(|| format!("decode {key}-data"))
            .map(Some);
    }
    of[key]
        .as_str()
        .map(|path| fs::read(path).doing(|| format!("read {path}")))
        .transpose()
}

fn split(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    Some(Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: answer.get(end + 4..)?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let check = |answer: &str, expect: Option<(u16, &str)>| {
            let got = split(answer.as_bytes());
            let got = got.map(|answer| (answer.status, String::from_utf8(answer.body).unwrap()));
            assert_eq!(
                got,
                expect.map(|(status, body)| (status, body.to_owned())),
                "{answer:?}"
            );
        };
        check("HTTP/1.0 200 OK\r\nA: b\r\n\r\nok", Some((200, "ok")));
        check("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some((503, "")));
        check("HTTP/1.0 200 OK\r\n", None);
        check("", None);
    }
}
