//! Fetching from servers on this machine that behave, and from some that do not.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::charts::find_chart;

/// A server: its host, and what it was asked with which credentials.
struct Server {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts one that answers by path and credentials.
    async fn start(answer: impl Fn(&str, Option<&str>) -> Response + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            let path = request.uri().to_string();
            let who = request.headers().get(AUTHORIZATION);
            let who = who.map(|value| value.to_str().unwrap().to_owned());
            log.lock()
                .unwrap()
                .push(format!("{path} {}", who.as_deref().unwrap_or("-")));
            let response = answer(&path, who.as_deref());
            async move { response }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { host, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn missing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

fn plain(chart: String) -> Remote {
    Remote {
        chart,
        plain_http: true,
        ..Remote::default()
    }
}

fn me() -> Credentials {
    Credentials {
        name: "me".to_owned(),
        password: "secret".to_owned().into(),
    }
}

/// What came, or why nothing came, with the exit code.
async fn fetched(remote: &Remote) -> String {
    match fetch_chart(remote).await {
        Ok(chart) => String::from_utf8(chart.fetched.unwrap_or_default().to_vec()).unwrap(),
        Err(error) => format!("{error} ({})", error.exit_code().number()),
    }
}

fn digest(data: &str) -> String {
    format!("sha256:{}", registry::hex(&Sha256::digest(data)))
}

#[tokio::test]
async fn redirects_are_followed_within_bounds() {
    let other = Server::start(|path, _| path.to_owned().into_response()).await;
    let to = format!("http://{}/there", other.host);
    let server = Server::start(move |path, _| {
        let target = match path {
            "/near" => "/other/../file",
            "/far" => &to,
            "/round" => "/round",
            "/silent" => return StatusCode::FOUND.into_response(),
            "/odd" => "ftp://x/y",
            "/denied" => return StatusCode::FORBIDDEN.into_response(),
            "/broken" => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            "/file" => return "data".into_response(),
            _ => return missing(),
        };
        (StatusCode::FOUND, [(LOCATION, target.to_owned())]).into_response()
    })
    .await;
    let check = async |path: &str, expect: &str| {
        let remote = Remote {
            credentials: Some(me()),
            ..plain(format!("http://{}{path}", server.host))
        };
        let found = fetched(&remote).await.replace(&server.host, "HOST");
        assert_eq!(found, expect, "{path}");
        assert!(!found.contains("secret"));
    };
    check("/near", "data").await;
    check("/far", "/there").await;
    check(
        "/round",
        "cannot fetch http://HOST/round: it leads elsewhere more than 5 times (1)",
    )
    .await;
    check(
        "/silent",
        "cannot fetch http://HOST/silent: it leads elsewhere without saying where (1)",
    )
    .await;
    check(
        "/odd",
        "cannot fetch http://HOST/odd: it leads elsewhere: an address begins with https:// or http:// (1)",
    )
    .await;
    check(
        "/gone?key=k",
        "cannot fetch http://HOST/gone: it is not there (404) (4)",
    )
    .await;
    check(
        "/denied",
        "cannot fetch http://HOST/denied: access is denied (403) (7)",
    )
    .await;
    check(
        "/broken",
        "cannot fetch http://HOST/broken: the server says 500 Internal Server Error (1)",
    )
    .await;
    assert_eq!(other.asked(), ["/there -"], "a stranger learns nothing");
    assert_eq!(server.asked()[0], "/near Basic bWU6c2VjcmV0");
}

#[tokio::test]
async fn bounds_hold() {
    let server = Server::start(|_, _| "0123456789".into_response()).await;
    let web = Web::new(true, None).unwrap();
    let address = Address::parse(&format!("http://{}/x", server.host)).unwrap();
    assert_eq!(get(&web, None, &address, 10).await.unwrap(), "0123456789");
    let error = get(&web, None, &address, 9).await.unwrap_err();
    assert!(
        error.to_string().ends_with("it is longer than 9 bytes"),
        "{error}"
    );

    let strict = Web::new(false, None).unwrap();
    let error = get(&strict, None, &address, 10).await.unwrap_err();
    assert!(error.to_string().ends_with("it is not encrypted"), "{error}");
    assert_eq!(server.asked().len(), 2, "nothing is asked without TLS");
}

#[tokio::test]
async fn repositories_are_read() {
    let manifest = manifest(registry::CONFIG, &digest("stored"));
    let blob = format!("/v2/charts/hello/blobs/{}", digest("stored"));
    let other = Server::start(move |path, _| match path {
        "/hello.tgz" => "elsewhere".into_response(),
        "/v2/charts/hello/manifests/1.3.0" => manifest.clone().into_response(),
        _ if path == blob => "stored".into_response(),
        _ => missing(),
    })
    .await;
    let (far, good, bad) = (other.host.clone(), digest("packed"), digest("other"));
    let index = json!({"entries": {
        "hello": [
            {"version": "1.0.0", "urls": ["charts/hello-1.0.0.tgz"], "digest": good},
            {"version": "1.1.0", "urls": ["charts/hello-1.0.0.tgz"], "digest": &bad[7..]},
            {"version": "1.2.0", "urls": [format!("http://{far}/hello.tgz")]},
        ],
        "stored": [
            {"version": "1.3.0", "urls": [format!("oci://{far}/charts/hello:1.3.0")], "digest": digest("stored")},
        ],
        "untold": [{"version": "1.3.0", "urls": [format!("oci://{far}/charts/hello")]}],
    }});
    let server = Server::start(move |path, _| match path {
        "/stable/index.yaml" => index.to_string().into_response(),
        "/stable/charts/hello-1.0.0.tgz" => "packed".into_response(),
        _ => missing(),
    })
    .await;
    let check = async |name: &str, version: Option<&str>, expect: &str| {
        let remote = Remote {
            repository: Some(format!("http://{}/stable", server.host)),
            version: version.map(str::to_owned),
            credentials: Some(me()),
            ..plain(name.to_owned())
        };
        let found = fetched(&remote).await.replace(&server.host, "HOST");
        assert_eq!(found, expect, "{name} {version:?}");
    };
    check("hello", Some("1.0.0"), "packed").await;
    check("hello", None, "elsewhere").await;
    check("stored", Some("^1"), "stored").await;
    check("untold", Some("^1"), "stored").await;
    check(
        "hello",
        Some("~1.1"),
        &format!(
            "cannot fetch http://HOST/stable/charts/hello-1.0.0.tgz: its digest is {}, and \"{}\" was promised (1)",
            digest("packed"),
            &digest("other")[7..]
        ),
    )
    .await;
    check(
        "hello",
        Some("^2"),
        "there is no version called \"hello ^2\" in http://HOST/stable (4)",
    )
    .await;
    check(
        "hello",
        Some("two"),
        "--version is no version and no range of versions: improper constraint: \"two\" (2)",
    )
    .await;
    check(
        "none",
        None,
        "there is no chart called \"none\" in http://HOST/stable (4)",
    )
    .await;
    assert_eq!(other.asked()[0], "/hello.tgz -");
    assert!(other.asked().iter().all(|asked| asked.ends_with(" -")));
}

/// A registry's description of a chart.
fn manifest(kind: &str, layer: &str) -> String {
    json!({
        "config": {"mediaType": kind},
        "layers": [{"mediaType": registry::LAYERS[0], "digest": layer}],
    })
    .to_string()
}

#[tokio::test]
async fn registries_are_read() {
    let helm = "application/vnd.cncf.helm.config.v1+json";
    let (good, bad) = (
        manifest(helm, &digest("packed")),
        manifest(helm, &digest("other")),
    );
    let (image, pinned) = (manifest("application/x", ""), digest(&good));
    let (blob, odd, wrong) = (digest("packed"), digest("other"), digest("wrong"));
    let by_digest = pinned.clone();
    // Whoever asks is sent for a token to a server of its own.
    let tokens = Server::start(|_, who| {
        let token = if who.is_some() { "full" } else { "guest" };
        json!({"token": token}).to_string().into_response()
    })
    .await;
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"here\"", tokens.host);
    let server = Server::start(move |path, who| {
        if !matches!(who, Some("Bearer full" | "Bearer guest")) {
            return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge.clone())]).into_response();
        }
        let path = path.strip_prefix("/v2/charts/hello/").unwrap_or_default();
        match path {
            "tags/list" => (
                [("link", "</v2/charts/hello/tags/list?last=x>; rel=\"next\"")],
                json!({"tags": ["1.0.0", "2.0.0-rc.1"]}).to_string(),
            )
                .into_response(),
            "tags/list?last=x" => json!({"tags": ["1.2.0_b"]}).to_string().into_response(),
            "manifests/1.2.0_b" => good.clone().into_response(),
            "manifests/1.0.0" => bad.clone().into_response(),
            "manifests/image" => image.clone().into_response(),
            "manifests/moved" => ([("docker-content-digest", wrong.clone())], good.clone()).into_response(),
            _ if path == format!("manifests/{by_digest}") => good.clone().into_response(),
            _ if path == format!("manifests/{wrong}") => good.clone().into_response(),
            _ if path == format!("blobs/{blob}") => "packed".into_response(),
            _ if path == format!("blobs/{odd}") => "changed".into_response(),
            _ => missing(),
        }
    })
    .await;
    let check = async |rest: &str, version: &str, expect: &str| {
        let remote = Remote {
            version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            ..plain(format!("oci://{}/charts/hello{rest}", server.host))
        };
        let found = fetched(&remote).await.replace(&server.host, "HOST");
        assert!(found.contains(expect), "{rest} {version}: {found}");
    };
    check("", "", "packed").await;
    check("", "1.2.0+b", "packed").await;
    check(":1.2.0+b", "", "packed").await;
    check(&format!("@{pinned}"), "", "packed").await;
    check(
        "",
        "^3",
        "there is no version called \"^3\" in oci://HOST/charts/hello (4)",
    )
    .await;
    check(
        "",
        "1.3.0",
        "there is no version called \"1.3.0\" in oci://HOST/charts/hello (4)",
    )
    .await;
    check(
        ":9",
        "",
        "HOST/v2/charts/hello/manifests/9: it is not there (404) (4)",
    )
    .await;
    check(
        ":1.0.0",
        "",
        &format!("and \"{}\" was promised (1)", digest("other")),
    )
    .await;
    check(
        ":moved",
        "",
        &format!("and \"{}\" was promised (1)", digest("wrong")),
    )
    .await;
    check(&format!("@{}", digest("wrong")), "", "was promised (1)").await;
    check(":image", "", "it is not a Helm chart (1)").await;
    check(":1", "2", "so does --version (2)").await;

    let guest = "/token?service=here&scope=repository:charts/hello:pull -";
    assert!(
        tokens.asked().iter().all(|asked| asked == guest),
        "{:?}",
        tokens.asked()
    );
    let remote = Remote {
        credentials: Some(me()),
        ..plain(format!("oci://{}/charts/hello:1.2.0+b", server.host))
    };
    assert_eq!(fetched(&remote).await, "packed");
    let known = format!("{} Basic bWU6c2VjcmV0", guest.trim_end_matches(" -"));
    assert_eq!(tokens.asked().last(), Some(&known));
    assert!(server.asked().iter().all(|asked| !asked.contains("Basic")));
}

#[tokio::test]
async fn one_version_needs_no_list_of_tags() {
    let (manifest, blob) = (
        manifest(registry::CONFIG, &digest("packed")),
        format!("/v2/a/blobs/{}", digest("packed")),
    );
    let server = Server::start(move |path, _| match path {
        "/v2/a/manifests/1.0.0" => manifest.clone().into_response(),
        "/v2/a/tags/list" => StatusCode::FORBIDDEN.into_response(),
        _ if path == blob => "packed".into_response(),
        _ => missing(),
    })
    .await;
    let check = async |version: &str, expect: &str| {
        let remote = Remote {
            version: Some(version.to_owned()),
            ..plain(format!("oci://{}/a", server.host))
        };
        let found = fetched(&remote).await.replace(&server.host, "HOST");
        assert_eq!(found, expect, "{version}");
    };
    check("1.0.0", "packed").await;
    check(
        "2.0.0",
        "cannot fetch http://HOST/v2/a/manifests/2.0.0: it is not there (404) (4)",
    )
    .await;
    check(
        "1",
        "cannot fetch http://HOST/v2/a/tags/list: access is denied (403) (7)",
    )
    .await;
}

#[tokio::test]
async fn lists_of_tags_end() {
    let server = Server::start(|_, _| {
        (
            [("link", "</v2/a/tags/list?more>; rel=\"next\"")],
            json!({"tags": vec!["1.0.0"; 20_000]}).to_string(),
        )
            .into_response()
    })
    .await;
    let remote = plain(format!("oci://{}/a", server.host));
    let found = fetched(&remote).await;
    assert!(found.contains("it lists more than 100000 tags"), "{found}");
}

#[tokio::test]
async fn what_is_no_chart_is_not_opened() {
    let server = Server::start(|_, _| "<html>".into_response()).await;
    let remote = plain(format!("http://{}/hello", server.host));
    let error = find_chart(&fetch_chart(&remote).await.unwrap()).err().unwrap();
    let expect = format!(
        "cannot fetch http://{}/hello: what came is not a packed chart",
        server.host
    );
    assert_eq!(error.to_string(), expect);
}

#[tokio::test]
async fn what_cannot_be_is_said_before_anything_is_asked() {
    let check = async |chart: &str, repository: Option<&str>, version: Option<&str>, expect: &str| {
        let remote = Remote {
            chart: chart.to_owned(),
            repository: repository.map(str::to_owned),
            version: version.map(str::to_owned),
            ..Remote::default()
        };
        assert_eq!(fetched(&remote).await, expect);
    };
    let wrong = "that is no place of a chart: an address must not hold a name or a password (2)";
    check("https://me:secret@h/a.tgz", None, None, wrong).await;
    check("oci://me:secret@h/a", None, None, wrong).await;
    check("a", Some("https://me:secret@h"), None, wrong).await;
    check(
        "https://h/a.tgz",
        None,
        Some("1"),
        "the address of a packed chart is that of one version (2)",
    )
    .await;
    check(
        "https://h/a.tgz",
        Some("https://h"),
        None,
        "the chart has an address and a --repo (2)",
    )
    .await;
    check("hello", None, Some("1"), "hello is not fetched from anywhere (2)").await;
    check(
        "http://127.0.0.1:9/a.tgz",
        None,
        None,
        "cannot fetch http://127.0.0.1:9/a.tgz: it is not encrypted (2)",
    )
    .await;
}
