//! The source repositories that `service create` makes: every variant of every language passes the commands of its
//! own pipeline, and runs with a real PostgreSQL and a real Redis.

pub(super) mod deploy;
mod servers;

use super::platform::{Platform, User};
use crate::cluster::free_ports;
use crate::failure::{Doing, Failure, Result, fail};
use crate::peers;
use crate::process::{Daemon, Scratch, run};
use crate::tools;
use serde_json::Value;
use servers::{Postgres, Redis};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(15);
const START: Duration = Duration::from_mins(1);

/// A language, what its pipelines need on this machine, and how its service is started.
struct Language {
    name: &'static str,
    /// Program, and where to get it.
    needs: &'static [(&'static str, &'static str)],
    start: &'static [&'static str],
}

const GO: Language = Language {
    name: "go",
    needs: &[
        ("go", "Go: https://go.dev/dl"),
        ("gofmt", "Go: https://go.dev/dl"),
    ],
    start: &["./service"],
};

const NODE: Language = Language {
    name: "node",
    needs: &[
        ("node", "Node.js 20 or newer: https://nodejs.org"),
        ("npm", "npm, which comes with Node.js: https://nodejs.org"),
    ],
    start: &["node", "src/main.js"],
};

const PYTHON: Language = Language {
    name: "python",
    needs: &[(
        "python",
        "Python 3.11 or newer with its venv module: https://www.python.org",
    )],
    start: &[".venv/bin/python", "-m", "service"],
};

const RUST: Language = Language {
    name: "rust",
    needs: &[("cargo", "Rust with clippy and rustfmt: https://rustup.rs")],
    start: &["debug/service"],
};

/// All variants of the Go scaffold.
pub(super) fn go(platform: &Platform) -> Result<()> {
    GO.holds(platform)
}

/// All variants of the Node scaffold.
pub(super) fn node(platform: &Platform) -> Result<()> {
    NODE.holds(platform)
}

/// All variants of the Python scaffold.
pub(super) fn python(platform: &Platform) -> Result<()> {
    PYTHON.holds(platform)
}

/// All variants of the Rust scaffold.
pub(super) fn rust(platform: &Platform) -> Result<()> {
    RUST.holds(platform)
}

/// What the services of a run depend on.
struct Surroundings {
    postgres: Postgres,
    redis: Redis,
    /// Service bindings of both.
    bindings: PathBuf,
    scratch: Scratch,
}

impl Surroundings {
    fn start() -> Result<Self> {
        let scratch = Scratch::new()?;
        let postgres = Postgres::start()?;
        let redis = Redis::start(scratch.path())?;
        let bindings = scratch.path().join("bindings");
        bind(&bindings.join("database"), "postgresql", &postgres.uri())?;
        bind(&bindings.join("cache"), "redis", &redis.uri())?;
        Ok(Self {
            postgres,
            redis,
            bindings,
            scratch,
        })
    }
}

impl Language {
    fn holds(&self, platform: &Platform) -> Result<()> {
        for (program, from) in self.needs {
            if tools::in_path(program).is_none() {
                fail!("{program} is not installed; get {from}");
            }
        }
        let around = Surroundings::start()?;
        let user = platform.new_user()?;
        for (name, options) in [
            // A name like any other, which YAML, JSON and TOML could take for something else.
            ("null", ""),
            ("with-database", "--database postgres"),
            ("with-cache", "--cache redis"),
            ("with-both", "--database postgres --cache redis"),
        ] {
            self.variant(&user, name, options, &around)
                .map_err(|failure| Failure::new(format!("{} {name}: {failure}", self.name)))?;
        }
        Ok(())
    }

    fn variant(&self, user: &User<'_>, name: &str, options: &str, around: &Surroundings) -> Result<()> {
        user.succeed(
            None,
            &format!("service create {name} --language {} {options}", self.name),
        )?;
        let source = user.work().join(name);
        pipeline(&source, around)?;
        // Lock files stay as they are, and what was built is ignored.
        let left = run(
            Command::new("git")
                .current_dir(&source)
                .args(["status", "--porcelain"]),
            START,
        )?
        .success("git status")?;
        if !left.is_empty() {
            fail!("its pipeline leaves changes behind:\n{left}");
        }
        self.serves(name, &source, around)?;
        if options.is_empty() {
            return Ok(());
        }
        self.waits_for_what_is_away(name, &source, around)
    }

    fn run_service(&self, name: &str, source: &Path, around: &Surroundings) -> Result<(Command, PathBuf)> {
        let (program, arguments) = self.start.split_first().map_or(("", &[][..]), |(p, a)| (*p, a));
        // A built program is where its tool put it; the others are on the PATH.
        let built = [source.join(program), target()?.join(program)];
        let program = built
            .iter()
            .find(|path| path.is_file())
            .map_or(Path::new(program), PathBuf::as_path);
        let mut command = Command::new(program);
        settle(&mut command, source)?;
        command
            .args(arguments)
            .env("SERVICE_BINDING_ROOT", &around.bindings)
            .env("LOG_LEVEL", "debug")
            .env("DRAIN_SECONDS", "1");
        let log = around.scratch.path().join(format!("{}-{name}.log", self.name));
        Ok((command, log))
    }

    /// Runs the built service; it must answer, become ready, count its requests, and end well when told to.
    fn serves(&self, name: &str, source: &Path, around: &Surroundings) -> Result<()> {
        let (mut command, log) = self.run_service(name, source, around)?;
        let [port] = free_ports()?;
        let daemon = Daemon::start(command.env("PORT", port.to_string()), &log)?;
        let told = |failure: &str| format!("{failure}; its last lines:\n{}", daemon.last_lines());
        // It logs why it is not ready.
        daemon.until("/ready to answer 200", START, || {
            get(port, "/ready").is_ok_and(|(status, _)| status == 200)
        })?;
        for (path, word) in [("/health", "ok"), ("/", name), ("/metrics", "# TYPE")] {
            let (status, body) = get(port, path).doing(|| told(&format!("ask for {path}")))?;
            if status != 200 || !body.contains(word) {
                let problem = format!("{path}: expected 200 and {word:?}, got {status} and {body}");
                fail!("{}", told(&problem));
            }
        }
        let (_, metrics) = get(port, "/metrics").doing(|| told("ask for /metrics"))?;
        for (metric, labels) in [
            (
                "http_requests_total",
                ["method=\"GET\"", "route=\"/health\"", "status=\"200\""],
            ),
            (
                "http_request_duration_seconds_bucket",
                ["method=\"GET\"", "route=\"/\"", "le=\"0.005\""],
            ),
        ] {
            let counted = metrics.lines().any(|line| {
                line.split_once('{').is_some_and(|(name, rest)| {
                    name == metric
                        && labels.iter().all(|label| rest.contains(label))
                        && rest.matches('=').count() == 3
                })
            });
            if !counted {
                fail!("/metrics has no {metric} with {}:\n{metrics}", labels.join(", "));
            }
        }

        daemon.terminate();
        daemon.says("\"stopping\"", START)?;
        let (status, body) = get(port, "/ready").doing(|| told("ask for /ready while it drains"))?;
        if status != 503 || !body.contains("stopping") {
            fail!(
                "{}",
                told(&format!("/ready answers {status} and {body} while it drains"))
            );
        }
        let (status, _) = get(port, "/").doing(|| told("ask for / while it drains"))?;
        if status != 200 {
            fail!("{}", told(&format!("/ answers {status} while it drains")));
        }
        let ended = daemon.wait(START)?;
        if !ended.success() {
            fail!("{}", told(&format!("told to stop it ended with {ended}")));
        }
        let text = fs::read_to_string(&log).doing(|| format!("read {}", log.display()))?;
        for line in text.lines() {
            let value: Value =
                serde_json::from_str(line).doing(|| format!("read a line of the log, {line}"))?;
            if ["time", "level", "msg"]
                .iter()
                .any(|field| !value[field].is_string())
            {
                fail!("a line of the log lacks time, level or msg: {line}");
            }
            if line.contains(servers::PASSWORD) {
                fail!("a line of the log shows a password: {line}");
            }
        }
        if !text.contains("\"stopped\"") {
            fail!("the log does not end with \"stopped\":\n{text}");
        }
        Ok(())
    }

    /// Without its dependencies the service lives and is not ready.
    fn waits_for_what_is_away(&self, name: &str, source: &Path, around: &Surroundings) -> Result<()> {
        let (mut command, log) = self.run_service(name, source, around)?;
        let [port, nobody] = free_ports()?;
        command
            .env("PORT", port.to_string())
            .env("DRAIN_SECONDS", "0")
            .env("DATABASE_URL", format!("postgres://user@127.0.0.1:{nobody}/name"))
            .env("CACHE_URL", format!("redis://127.0.0.1:{nobody}"));
        let daemon = Daemon::start(&mut command, &log)?;
        daemon.says("\"listening\"", START)?;
        let (status, _) = get(port, "/health").doing(|| "ask for /health".to_owned())?;
        if status != 200 {
            fail!("/health without its dependencies: {status}");
        }
        let (status, body) = get(port, "/ready").doing(|| "ask for /ready".to_owned())?;
        if status != 503 || !body.contains("not available") {
            fail!("/ready without its dependencies: {status} and {body}");
        }
        daemon.terminate();
        let ended = daemon.wait(START)?;
        if !ended.success() {
            fail!("told to stop while not ready it ended with {ended}");
        }
        Ok(())
    }
}

/// Runs the commands of the test job, as GitLab would.
fn pipeline(source: &Path, around: &Surroundings) -> Result<()> {
    let path = source.join(".gitlab-ci.yml");
    let text = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
    let pipeline = yaml::parse(&text)
        .doing(|| "read .gitlab-ci.yml".to_owned())?
        .value;
    let job = &pipeline["test"];
    let script = job["script"].as_array().map(Vec::as_slice).unwrap_or_default();
    if script.is_empty() {
        fail!("the test job of .gitlab-ci.yml has no script");
    }
    for line in script.iter().filter_map(Value::as_str) {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", line]);
        settle(&mut command, source)?;
        for (variable, uri) in [
            ("DATABASE_URL", around.postgres.uri()),
            ("CACHE_URL", around.redis.uri()),
        ] {
            if job["variables"][variable].is_string() {
                command.env(variable, uri);
            }
        }
        run(&mut command, LIMIT)?.success(line)?;
    }
    Ok(())
}

/// What every command gets here.
pub(super) fn settle(command: &mut Command, source: &Path) -> Result<()> {
    command
        .current_dir(source)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TARGET_DIR", target()?);
    for variable in ["DATABASE_URL", "CACHE_URL", "SERVICE_BINDING_ROOT", "LOG_LEVEL"] {
        command.env_remove(variable);
    }
    // We may have been started by a cargo that builds something else.
    for variable in [
        "CARGO",
        "CARGO_MANIFEST_DIR",
        "RUSTFLAGS",
        "CARGO_BUILD_TARGET_DIR",
    ] {
        command.env_remove(variable);
    }
    Ok(())
}

/// Where Rust services are built: outside the clone and kept, because their dependencies take a minute.
pub(super) fn target() -> Result<PathBuf> {
    Ok(peers::cache()?.join("scaffold-rust-1"))
}

fn bind(folder: &Path, kind: &str, uri: &str) -> Result<()> {
    fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
    for (key, value) in [("type", kind), ("uri", uri)] {
        fs::write(folder.join(key), value).doing(|| format!("write the binding {key}"))?;
    }
    Ok(())
}

/// Status and body of a plain HTTP request to loopback.
fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    get_from("127.0.0.1", port, path)
}

/// Status and body of a plain HTTP request.
pub(super) fn get_from(host: &str, port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((host, port))?;
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
