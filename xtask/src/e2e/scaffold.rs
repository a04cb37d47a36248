//! The source repositories that `service create` makes: every variant builds, passes its own tests, and runs with
//! a real PostgreSQL and a real Redis.

use super::platform::Platform;
use crate::cluster::free_ports;
use crate::failure::{Doing, Result, fail};
use crate::process::{Daemon, Scratch, run};
use crate::tools::{self, INITDB, REDIS};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_mins(15);
const START: Duration = Duration::from_mins(1);
/// Known to this run alone.
const PASSWORD: &str = "towpath-e2e";

/// All variants of the Go scaffold.
pub(super) fn go(platform: &Platform) -> Result<()> {
    let scratch = Scratch::new()?;
    let postgres = Postgres::start()?;
    let redis = Redis::start(scratch.path())?;
    let bindings = scratch.path().join("bindings");
    bind(&bindings.join("database"), "postgresql", &postgres.uri())?;
    bind(&bindings.join("cache"), "redis", &redis.uri())?;
    let user = platform.new_user()?;
    for (name, options) in [
        ("plain", ""),
        ("with-database", "--database postgres"),
        ("with-cache", "--cache redis"),
        ("with-both", "--database postgres --cache redis"),
    ] {
        user.succeed(None, &format!("service create {name} --language go {options}"))?;
        let source = user.work().join(name);
        for arguments in [
            &["vet", "./..."][..],
            &["test", "./..."],
            &["build", "-o", "service", "."],
        ] {
            let what = format!("{name}: go {}", arguments.join(" "));
            run(tool("go", &source).args(arguments), LIMIT)?.success(&what)?;
        }
        serves(name, &source, &bindings, scratch.path())?;
    }
    Ok(())
}

/// Runs the built service; it must answer, become ready, count its requests, and end well when told to.
fn serves(name: &str, source: &Path, bindings: &Path, logs: &Path) -> Result<()> {
    let [port] = free_ports()?;
    let mut command = Command::new(source.join("service"));
    command
        .current_dir(source)
        .env("PORT", port.to_string())
        .env("DRAIN_SECONDS", "0")
        .env("SERVICE_BINDING_ROOT", bindings);
    let daemon = Daemon::start(&mut command, &logs.join(format!("{name}.log")))?;
    let told = |failure: &str| format!("{name}: {failure}; its last lines:\n{}", daemon.last_lines());
    wait_for(&daemon, "/ready to answer 200", || {
        get(port, "/ready").is_ok_and(|(status, _)| status == 200)
    })?;
    for (path, word) in [("/health", ""), ("/", name), ("/metrics", "# TYPE")] {
        let (status, body) = get(port, path).doing(|| told(&format!("ask for {path}")))?;
        if status != 200 || !body.contains(word) {
            let problem = format!("{path}: expected 200 and {word:?}, got {status} and {body}");
            fail!("{}", told(&problem));
        }
    }
    Ok(())
}

fn bind(folder: &Path, kind: &str, uri: &str) -> Result<()> {
    fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
    for (key, value) in [("type", kind), ("uri", uri)] {
        fs::write(folder.join(key), value).doing(|| format!("write the binding {key}"))?;
    }
    Ok(())
}

fn tool(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false");
    command
}

fn wait_for(daemon: &Daemon, what: &str, ready: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !ready() {
        daemon.check()?;
        if started.elapsed() > START {
            fail!(
                "waited {} for {what}; the last lines:\n{}",
                crate::say::duration(START),
                daemon.last_lines()
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Status and body of a plain HTTP request to loopback.
fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(START))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_default();
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Ok((status, body))
}

/// A PostgreSQL of our own on loopback.
struct Postgres {
    port: u16,
    _server: Daemon,
    _folder: Scratch,
}

impl Postgres {
    fn start() -> Result<Self> {
        let initdb = tools::need(&[INITDB])?.remove(0);
        let folder = Scratch::new()?;
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).doing(|| "write a password".to_owned())?;
        // PostgreSQL will not run as root: then it runs as the user that its package made.
        let account = if nix::unistd::geteuid().is_root() {
            account("postgres")?
        } else {
            None
        };
        if let Some((user, group)) = account {
            for path in [folder.path(), &password] {
                chown(path, Some(user), Some(group)).doing(|| format!("give away {}", path.display()))?;
            }
        }
        let command = |program: PathBuf| {
            let mut command = Command::new(program);
            command.current_dir(folder.path()).env("LC_ALL", "C.UTF-8");
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            command
        };
        let data = folder.path().join("data");
        let mut init = command(initdb.clone());
        init.args([
            "--username=gateway",
            "--auth=scram-sha-256",
            "--no-sync",
            "--encoding=UTF8",
        ]);
        init.arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", data.display()));
        run(&mut init, START)?.success("initdb")?;
        let [port] = free_ports()?;
        let mut server = command(initdb.with_file_name("postgres"));
        server
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F", "-k"]);
        server.arg(folder.path());
        let log = folder.path().join("postgres.log");
        let server = Daemon::start(&mut server, &log)?;
        wait_for(&server, "PostgreSQL to listen", || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("ready to accept connections"))
        })?;
        Ok(Self {
            port,
            _server: server,
            _folder: folder,
        })
    }

    fn uri(&self) -> String {
        format!(
            "postgresql://gateway:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        )
    }
}

/// A Redis of our own on loopback.
struct Redis {
    port: u16,
    _server: Daemon,
}

impl Redis {
    fn start(folder: &Path) -> Result<Self> {
        let program = tools::need(&[REDIS])?.remove(0);
        let [port] = free_ports()?;
        let mut server = Command::new(program);
        server
            .current_dir(folder)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        server.args(["--requirepass", PASSWORD, "--save", "", "--appendonly", "no"]);
        let log = folder.join("redis.log");
        let server = Daemon::start(&mut server, &log)?;
        wait_for(&server, "Redis to listen", || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("Ready to accept connections"))
        })?;
        Ok(Self {
            port,
            _server: server,
        })
    }

    fn uri(&self) -> String {
        format!("redis://default:{PASSWORD}@127.0.0.1:{}", self.port)
    }
}

/// User and group number of an account of this system.
fn account(name: &str) -> Result<Option<(u32, u32)>> {
    let accounts = fs::read_to_string("/etc/passwd").doing(|| "read /etc/passwd".to_owned())?;
    Ok(accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        found.then_some((user, group))
    }))
}
