//! Asking the web for something, within bounds: TLS unless plain HTTP is allowed, few redirects and none from
//! HTTPS to HTTP, no more bytes than agreed, and credentials only for the server they are meant for. What is asked
//! for is not known here.

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, LOCATION, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::address::Address;
use crate::error::{ExitCode, OperationError, without_number};

/// How often a server may send us elsewhere.
const MAX_REDIRECTS: usize = 5;
/// How long a file of certificates may be.
const MAX_CERTIFICATES: u64 = 4 << 20;
/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(20);

/// The web.
pub(super) struct Web {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    plain_http: bool,
}

/// What is asked for.
pub(super) struct Ask<'a> {
    pub(super) address: &'a Address,
    /// The kinds of content that are understood.
    pub(super) accept: &'a str,
    /// The value of `Authorization`, for this server only.
    pub(super) authorization: Option<&'a str>,
    /// How many bytes are read.
    pub(super) limit: u64,
}

/// What a server said.
pub(super) struct Answer {
    /// Who said it, after all redirects.
    pub(super) address: Address,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Web {
    pub(super) fn new(plain_http: bool, ca_file: Option<&Path>) -> Result<Self, OperationError> {
        let roots = if let Some(file) = ca_file {
            roots_of(file)?
        } else {
            let mut roots = RootCertStore::empty();
            // What cannot be read is left out; a server whose root is missing is then refused by name.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OperationError::invalid(format!("cannot use TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            plain_http,
        })
    }

    /// Whether registries are asked without TLS.
    pub(super) fn plain_http(&self) -> bool {
        self.plain_http
    }

    /// Asks, and follows redirects. Any status is an answer.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, OperationError> {
        let mut address = ask.address.clone();
        for _ in 0..=MAX_REDIRECTS {
            if !address.secure && !self.plain_http {
                return Err(hinted(
                    &address,
                    "it is not encrypted",
                    ExitCode::Usage,
                    "use https://, or --plain-http if what is fetched need not be protected",
                ));
            }
            let trusted = address.is_beside(ask.address);
            let answer = self.ask_once(&address, ask, trusted).await?;
            if !answer.status.is_redirection() {
                return Ok(answer);
            }
            let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            address = led_to(&address, to)?;
        }
        Err(failed(
            ask.address,
            format!("it leads elsewhere more than {MAX_REDIRECTS} times"),
        ))
    }

    async fn ask_once(
        &self,
        address: &Address,
        ask: &Ask<'_>,
        trusted: bool,
    ) -> Result<Answer, OperationError> {
        let wrong = |why: String| failed(address, why);
        let mut request = Request::get(address.uri().map_err(wrong)?)
            .header(ACCEPT, ask.accept)
            .header(USER_AGENT, concat!("platform/", env!("CARGO_PKG_VERSION")));
        if let Some(value) = ask.authorization.filter(|_| trusted) {
            let mut value = http::HeaderValue::from_str(value).map_err(|_| {
                failed(
                    address,
                    "the name or the password holds a character that cannot be sent",
                )
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| failed(address, error.to_string()))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| unreachable(address, &error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, usize::try_from(ask.limit).unwrap_or(usize::MAX));
        let body = body.collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                failed(address, format!("it is longer than {} bytes", ask.limit))
            } else {
                failed(
                    address,
                    format!("the connection broke: {}", cause(error.as_ref())),
                )
            }
        })?;
        Ok(Answer {
            address: address.clone(),
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

/// Where a redirect leads.
fn led_to(address: &Address, to: Option<&str>) -> Result<Address, OperationError> {
    let to = to.ok_or_else(|| failed(address, "it leads elsewhere without saying where"))?;
    let to = address
        .join(to)
        .map_err(|why| failed(address, format!("it leads elsewhere: {why}")))?;
    if address.secure && !to.secure {
        return Err(failed(
            address,
            format!("it leads to {to}, which is not encrypted"),
        ));
    }
    Ok(to)
}

impl Answer {
    /// What came, if it came.
    pub(super) fn content(self) -> Result<Bytes, OperationError> {
        let place = &self.address;
        match self.status {
            status if status.is_success() => Ok(self.body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = format!("access is denied ({})", self.status.as_u16());
                Err(hinted(
                    place,
                    why,
                    ExitCode::NotAllowed,
                    "--username NAME --password-stdin says who you are; is the address right?",
                ))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let why = format!("it is not there ({})", self.status.as_u16());
                Err(hinted(
                    place,
                    why,
                    ExitCode::NotFound,
                    "check the address, the chart's name and its version",
                ))
            }
            status => Err(failed(place, format!("the server says {status}"))),
        }
    }
}

/// Something that could not be fetched.
pub(super) fn failed(place: &Address, why: impl Into<String>) -> OperationError {
    OperationError::Fetch {
        place: place.to_string(),
        why: why.into(),
        hint: None,
        exit: ExitCode::Failed,
    }
}

/// Something that could not be fetched, and what to do about it.
pub(super) fn hinted(
    place: &Address,
    why: impl Into<String>,
    exit: ExitCode,
    hint: impl Into<String>,
) -> OperationError {
    OperationError::Fetch {
        place: place.to_string(),
        why: why.into(),
        hint: Some(hint.into()),
        exit,
    }
}

fn unreachable(address: &Address, error: &hyper_util::client::legacy::Error) -> OperationError {
    let (why, hint) = explained(cause(error));
    hinted(address, why, ExitCode::Failed, hint)
}

/// Why there was no answer, in plainer words where TLS has none, and what to do about it.
fn explained(why: String) -> (String, &'static str) {
    if why.contains("InvalidContentType") {
        (
            "the server does not speak TLS".to_owned(),
            "with --plain-http it is asked without; an address then begins with http:// or oci://",
        )
    } else if why.contains("not valid for name") {
        (
            "the server's certificate is for other names".to_owned(),
            "is the address right? nothing was sent",
        )
    } else if why.contains("certificate") {
        (
            why,
            "--ca-file FILE names the certificates to trust instead of those of this machine",
        )
    } else {
        (
            why,
            "is the address right, and is the server reachable from here? proxies are not used",
        )
    }
}

/// The innermost reason.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    without_number(error.to_string())
}

fn roots_of(file: &Path) -> Result<RootCertStore, OperationError> {
    let mut data = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_CERTIFICATES).read_to_end(&mut data))
        .map_err(OperationError::io("read", file))?;
    let wrong = |why: String| {
        OperationError::invalid_hint(
            format!("{} holds no certificates: {why}", file.display()),
            "--ca-file takes certificates in PEM: -----BEGIN CERTIFICATE-----",
        )
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&data) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("none was found".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_never_lose_tls() {
        let check = |address: &str, to: Option<&str>, expect: &str| {
            let address = Address::parse(address).unwrap();
            let found = led_to(&address, to).map_or_else(|error| error.to_string(), |to| to.to_string());
            assert_eq!(found, expect, "{address} to {to:?}");
        };
        check("https://h/a", Some("b"), "https://h/b");
        check("https://h/a", Some("https://i/b"), "https://i/b");
        check("http://h/a", Some("https://h/b"), "https://h/b");
        check("http://h/a", Some("http://i/b"), "http://i/b");
        check(
            "https://h/a",
            Some("http://h/b?key=secret"),
            "cannot fetch https://h/a: it leads to http://h/b, which is not encrypted",
        );
        check(
            "https://h/a",
            Some("http://me:secret@h/b"),
            "cannot fetch https://h/a: it leads elsewhere: an address must not hold a name or a password",
        );
        check(
            "https://h/a",
            None,
            "cannot fetch https://h/a: it leads elsewhere without saying where",
        );
    }

    #[test]
    fn what_is_no_certificate_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &str, expect: &str| {
            let file = folder.path().join("ca.pem");
            std::fs::write(&file, text).unwrap();
            let error = roots_of(&file).unwrap_err().to_string();
            assert!(error.ends_with(expect), "{error}");
        };
        check("", "holds no certificates: none was found");
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds no certificates: invalid peer certificate: BadEncoding",
        );
    }
}
