//! Charts that are elsewhere: what the real Helm packs, indexes and pushes to a real registry, the platform fetches
//! and renders as Helm does.

use super::helm::helm;
use super::platform::{Platform, User};
use crate::cluster::certificates::Authority;
use crate::cluster::free_ports;
use crate::failure::{Doing, Result, fail};
use crate::process::{Daemon, Scratch, run};
use crate::tools::{self, REGISTRY};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);
/// Who may use the registry: `me`, with the password `secret`.
const USERS: &str = "me:$2a$10$pPJyy3o8QMoMgYyLS1Qoy.r3M0LB3PbX4adPRezNNLBZFO5bb8P3m\n";

/// What the chart makes: it tells one version from another.
const DEMO: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: demo}\ndata: {version: {{ .Chart.Version }}}\n";

/// Renders charts from a registry with TLS and a password, from one without, and from a repository.
pub(crate) fn fetched(platform: &Platform) -> Result<()> {
    let scratch = Scratch::new()?;
    let user = platform.new_user()?;
    let [secure, plain, web] = free_ports()?;
    let home = scratch.path().join("home");
    let packages = scratch.path().join("packages");
    let ask = |arguments: &str| {
        let mut command = helm(&home)?;
        command.args(arguments.split_whitespace());
        run(&mut command, LIMIT)?.success(&format!("helm {arguments}"))
    };
    let demo = scratch.path().join("demo");
    let templates = demo.join("templates");
    fs::create_dir_all(&templates).doing(|| format!("make {}", templates.display()))?;
    write(
        &demo.join("Chart.yaml"),
        "apiVersion: v2\nname: demo\nversion: 0.0.0\n",
    )?;
    write(&templates.join("demo.yaml"), DEMO)?;
    for version in ["1.0.0", "1.10.0+b", "1.9.0", "2.0.0-rc.1"] {
        let package = format!(
            "package {} --version {version} -d {}",
            demo.display(),
            packages.display()
        );
        ask(&package)?;
    }
    let authority = Authority::new("towpath-e2e")?;
    let ca = scratch.path().join("ca.pem");
    write(&ca, authority.certificate())?;
    write(&user.work().join("password"), "secret\n")?;

    let _registries = [
        registry(&scratch.path().join("secure"), secure, Some(&authority))?,
        registry(&scratch.path().join("plain"), plain, None)?,
    ];
    let ca = format!("--ca-file {}", ca.display());
    let login = format!("{ca} --username me --password secret");
    for package in packages.read_dir().doing(|| "list the packages".to_owned())? {
        let package = package.doing(|| "list the packages".to_owned())?.path();
        let package = package.display();
        ask(&format!("push {package} oci://127.0.0.1:{secure}/charts {login}"))?;
        ask(&format!(
            "push {package} oci://127.0.0.1:{plain}/charts --plain-http"
        ))?;
    }
    ask(&format!("repo index {}", packages.display()))?;
    serve(web, packages)?;

    let ours = format!("{ca} --username me --password-stdin");
    let secure = format!("oci://127.0.0.1:{secure}/charts/demo");
    let plain = format!("oci://127.0.0.1:{plain}/charts/demo");
    let repository = format!("demo --repo http://127.0.0.1:{web}");
    for (chart, theirs, ours) in [
        (&secure, login.as_str(), ours.as_str()),
        (&plain, "--plain-http", "--plain-http"),
        (&repository, "", "--plain-http"),
    ] {
        for version in [
            "",
            "--version ^1.0",
            "--version ~1.9",
            "--version >0-0",
            "--version 1.0.0",
        ] {
            let expected = ask(&format!("template demo {chart} {version} {theirs}"))?;
            let found = template(&user, &format!("{chart} {version} {ours}"))?;
            if found != expected {
                fail!("{chart} {version} is rendered differently:\n{found}\nHelm has:\n{expected}");
            }
        }
    }
    refused(&user, &format!("{secure}:1.0.0"), 1, "--ca-file FILE names")?;
    refused(
        &user,
        &format!("{secure}:1.0.0 {ca}"),
        7,
        "access is denied (401)",
    )?;
    refused(
        &user,
        &format!("{plain} --version ^7 --plain-http"),
        4,
        "there are 2.0.0-rc.1, 1.10.0+b",
    )?;
    refused(
        &user,
        &format!("{plain}:7 --plain-http"),
        4,
        "it is not there (404)",
    )?;
    refused(
        &user,
        &format!("{plain}:1.0.0"),
        1,
        "with --plain-http it is asked without",
    )
}

fn template(user: &User<'_>, chart: &str) -> Result<String> {
    let mut command = Command::new("sh");
    let platform = user.command(&format!("chart template demo {chart}"));
    command
        .args(["-c", "exec \"$0\" \"$@\" < password"])
        .arg(platform.get_program())
        .args(platform.get_args())
        .current_dir(user.work())
        .envs(
            platform
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    run(&mut command, LIMIT)?.success(&format!("platform chart template demo {chart}"))
}

fn refused(user: &User<'_>, chart: &str, code: i32, said: &str) -> Result<()> {
    let finished = user.run(&format!("chart template demo {chart}"))?;
    if finished.status.code() != Some(code) || !finished.stderr.contains(said) {
        fail!(
            "platform chart template demo {chart} ended with {}, expected {code} and {said:?}:\n{}",
            finished.status,
            finished.stderr
        );
    }
    Ok(())
}

/// Starts a registry; with an authority it speaks TLS and wants a password.
pub(super) fn registry(folder: &Path, port: u16, authority: Option<&Authority>) -> Result<Daemon> {
    let program = tools::need(&[REGISTRY])?.remove(0);
    fs::create_dir(folder).doing(|| format!("make {}", folder.display()))?;
    let place = folder.display();
    let mut config = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {place}/data}}}}\nhttp:\n  \
         addr: 127.0.0.1:{port}\n"
    );
    if let Some(authority) = authority {
        let pair = authority.server(&["127.0.0.1"])?;
        write(&folder.join("certificate"), &pair.certificate)?;
        write(&folder.join("key"), &pair.key)?;
        write(&folder.join("users"), USERS)?;
        // Writing to a string cannot fail.
        let _ = writeln!(
            config,
            "  tls: {{certificate: {place}/certificate, key: {place}/key}}\nauth: {{htpasswd: {{realm: e2e, path: \
             {place}/users}}}}"
        );
    }
    let file = folder.join("config.yml");
    write(&file, &config)?;
    let mut command = Command::new(program);
    command.arg("serve").arg(&file);
    let daemon = Daemon::start(&mut command, &folder.join("log"))?;
    daemon.says(&format!("listening on 127.0.0.1:{port}"), LIMIT)?;
    Ok(daemon)
}

/// Serves the files of a folder until the process ends.
fn serve(port: u16, folder: std::path::PathBuf) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).doing(|| "serve a chart repository".to_owned())?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever asked notices.
            let _ = answer(stream, &folder);
        }
    });
    Ok(())
}

fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let name = first
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .trim_start_matches('/');
    let data = fs::read(folder.join(name.replace("%2B", "+")));
    let status = if data.is_ok() { "200 OK" } else { "404 Not Found" };
    let data = data.unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        data.len()
    )?;
    stream.write_all(&data)
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).doing(|| format!("write {}", file.display()))
}
