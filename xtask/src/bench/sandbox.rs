//! The sandbox's API over HTTPS beside etcd and kube-apiserver: start, memory, writes, lists, watches.
//!
//! Both keep what they acknowledge. The server is asked from this process, on the same cores.

use super::load::{self, Load};
use crate::cluster::Cluster;
use crate::e2e::platform::{Platform, User, ready};
use crate::failure::{Doing, Result, fail};
use crate::https::{ApiServer, Connection};
use crate::peers::{self, ETCD, KUBERNETES};
use crate::process::Daemon;
use crate::say;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How many objects are written, and then held and listed.
const OBJECTS: u32 = 10_000;
/// Writes a second.
const RATE: u32 = 1_000;
const CONNECTIONS: u32 = 16;
const WATCHERS: usize = 100;
/// How many changes the watchers are waited for.
const CHANGES: usize = 50;
const LISTS: usize = 5;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// How long a server may take to start.
const START: Duration = Duration::from_mins(1);

/// What can be asked for.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    platform: Option<&'a str>,
    alone: bool,
}

impl<'a> Options<'a> {
    /// Reads what stands after `bench sandbox`.
    pub(crate) fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            match (argument, arguments.next()) {
                ("--platform", Some(&binary)) => options.platform = Some(binary),
                ("--alone", None) => options.alone = true,
                _ => fail!("bench sandbox takes --platform BIN, and --alone at the end"),
            }
        }
        Ok(options)
    }
}

/// Measures and prints the table.
pub(crate) fn run_all(options: &Options<'_>) -> Result<()> {
    let platform = match options.platform {
        Some(path) => Platform::at(Path::new(path))?,
        None => Platform::build_release()?,
    };
    let ours = sandbox(&platform)?;
    let beside = if options.alone {
        None
    } else {
        match peers::out_of_reach(&[&ETCD, &KUBERNETES])? {
            Some(reason) => {
                say::line(format!("without kube-apiserver beside it: {reason}"));
                None
            }
            None => Some(kubernetes()?),
        }
    };
    say::line(table(&ours, beside.as_ref()));
    Ok(())
}

/// What one server did.
struct Measured {
    start: f64,
    memory: f64,
    errors: u32,
    /// Milliseconds, sorted.
    writes: Vec<f64>,
    lists: Vec<f64>,
    watches: Vec<f64>,
}

fn sandbox(platform: &Platform) -> Result<Measured> {
    let user = platform.new_user()?;
    let mut starts = Vec::new();
    for round in 0..LISTS {
        let (_daemon, start) = serve(&user, &format!("round-{round}"))?;
        starts.push(milliseconds(start));
    }
    let (daemon, start) = serve(&user, "data")?;
    starts.push(milliseconds(start));
    let api = ApiServer::of(&user.work().join("data/kubeconfig"))?;
    measure(&api, median(&starts), &[&daemon])
}

/// A bare API that keeps what it is told, and how long it took until it answered.
fn serve(user: &User<'_>, data: &str) -> Result<(Daemon, Duration)> {
    let started = Instant::now();
    let daemon = user.start(None, &format!("sandbox serve --api-only --port 0 --data {data}"))?;
    ready(&daemon, &user.work().join(data).join("kubeconfig"))?;
    Ok((daemon, started.elapsed()))
}

fn kubernetes() -> Result<Measured> {
    let started = Instant::now();
    let cluster = Cluster::start_durable_api()?;
    let start = milliseconds(started.elapsed());
    let parts: Vec<&Daemon> = cluster.daemons().iter().collect();
    measure(cluster.api(), start, &parts)
}

fn measure(api: &ApiServer, start: f64, parts: &[&Daemon]) -> Result<Measured> {
    // Namespaces are made by the servers themselves, a little after they answer.
    let namespaces = "/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Ddefault";
    api.watch(namespaces, START, |event| {
        (event["type"] == "ADDED").then_some(())
    })?;
    let (errors, writes) = write(api)?;
    let lists = list(api)?;
    let mut memory = 0.0;
    for part in parts {
        memory += resident(part)?;
    }
    let watches = watch(api)?;
    Ok(Measured {
        start,
        memory,
        errors,
        writes: sorted(writes),
        lists: sorted(lists),
        watches: sorted(watches),
    })
}

fn object(number: u32) -> Vec<u8> {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("map-{number:05}"), "labels": {"app.kubernetes.io/name": "api", "shard": (number % 16).to_string()}},
        "data": {"config.yaml": "listen: 8080\nlevel: info\nretries: 3\n", "number": number.to_string()},
    })
    .to_string()
    .into_bytes()
}

/// Makes all objects at the rate; how many failed, and how long each took.
fn write(api: &ApiServer) -> Result<(u32, Vec<f64>)> {
    let load = Load {
        total: OBJECTS,
        rate: RATE,
        connections: CONNECTIONS,
    };
    let ask = |connection: &mut Connection, number| {
        let (status, _) = connection.ask("POST", MAPS, &object(number))?;
        Ok(status == 201)
    };
    let told = load.run(|| api.open(), ask)?;
    Ok((told.errors, told.times.into_iter().map(milliseconds).collect()))
}

/// Lists all objects a few times.
fn list(api: &ApiServer) -> Result<Vec<f64>> {
    let mut connection = api.open()?;
    let mut times = Vec::new();
    for _ in 0..LISTS {
        let started = Instant::now();
        let (status, body) = connection
            .ask("GET", MAPS, &[])
            .doing(|| format!("list {MAPS}"))?;
        times.push(milliseconds(started.elapsed()));
        let list: Value = serde_json::from_slice(&body).unwrap_or_default();
        let count = list["items"].as_array().map_or(0, Vec::len);
        if status != 200 || count < OBJECTS as usize {
            fail!("the list has {count} objects (status {status}), {OBJECTS} were made");
        }
    }
    Ok(times)
}

/// Changes an object again and again; how long until the last of the watchers had seen each change.
fn watch(api: &ApiServer) -> Result<Vec<f64>> {
    let (saw, seen) = mpsc::channel::<Instant>();
    let field = format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Dmap-00000");
    let ready = Arc::new(std::sync::Barrier::new(WATCHERS + 1));
    thread::scope(|scope| {
        for _ in 0..WATCHERS {
            let (saw, field, ready) = (saw.clone(), &field, Arc::clone(&ready));
            scope.spawn(move || -> Option<()> {
                let connection = api.open().ok().and_then(|mut connection| {
                    connection.follow(field).ok()?;
                    // The object as it is.
                    connection.piece().ok()?;
                    Some(connection)
                });
                ready.wait();
                let mut connection = connection?;
                for _ in 0..CHANGES {
                    connection.piece().ok()?;
                    saw.send(Instant::now()).ok()?;
                }
                Some(())
            });
        }
        drop(saw);
        ready.wait();
        let mut connection = api.open()?;
        let path = format!("{MAPS}/map-00000");
        let mut times = Vec::new();
        for round in 0..CHANGES {
            let mut changed: Value = serde_json::from_slice(&object(0)).unwrap_or_default();
            changed["data"]["number"] = json!(format!("round {round}"));
            let begun = Instant::now();
            let (status, _) = connection
                .ask("PUT", &path, changed.to_string().as_bytes())
                .doing(|| format!("change {path}"))?;
            if status != 200 {
                fail!("the change of {path} was answered with {status}");
            }
            let mut last = begun;
            for _ in 0..WATCHERS {
                match seen.recv_timeout(START) {
                    Ok(moment) => last = last.max(moment),
                    Err(_) => fail!("not all watchers saw a change"),
                }
            }
            times.push(milliseconds(last - begun));
        }
        Ok(times)
    })
}

/// Megabytes that a process holds.
fn resident(daemon: &Daemon) -> Result<f64> {
    let path = format!("/proc/{}/status", daemon.id()?);
    let text = fs::read_to_string(&path).doing(|| format!("read {path}"))?;
    let kilobytes: Option<u32> = text.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse()
            .ok()
    });
    match kilobytes {
        Some(kilobytes) => Ok(f64::from(kilobytes) * 1024.0 / 1e6),
        None => fail!("{path} does not say how much memory there is"),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

fn median(times: &[f64]) -> f64 {
    at(&sorted(times.to_vec()), 0.5)
}

fn at(times: &[f64], share: f64) -> f64 {
    load::at(times, share).unwrap_or(f64::NAN)
}

/// One line: what it is, its unit, its goal, and where the figure is.
type Line = (&'static str, &'static str, Option<f64>, fn(&Measured) -> f64);

const LINES: [Line; 8] = [
    ("start to the first answer", "ms", Some(100.0), |it| it.start),
    ("memory with 10,000 objects", "MB", Some(60.0), |it| it.memory),
    ("writes that failed", "", Some(0.0), |it| f64::from(it.errors)),
    ("a write, median", "ms", None, |it| at(&it.writes, 0.5)),
    ("a write, p99, at 1,000 a second", "ms", Some(10.0), |it| {
        at(&it.writes, 0.99)
    }),
    ("a list of 10,000", "ms", Some(100.0), |it| at(&it.lists, 0.5)),
    (
        "a change until 100 watchers saw it, median",
        "ms",
        Some(20.0),
        |it| at(&it.watches, 0.5),
    ),
    ("  the slowest of 50", "ms", None, |it| at(&it.watches, 1.0)),
];

fn table(ours: &Measured, beside: Option<&Measured>) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "\nrelease build, over HTTPS, what is acknowledged is on disk, {cores} cores for server and load{}\n\n{:<46} {:>12} {:>9}  verdict",
        match beside {
            Some(_) => format!(
                "; beside it kube-apiserver {} with etcd {}",
                KUBERNETES.version, ETCD.version
            ),
            None => String::new(),
        },
        "",
        "sandbox",
        "goal"
    );
    if beside.is_some() {
        let _ = write!(text, " {:>16} {:>7}", "kube-apiserver", "ratio");
    }
    text.push('\n');
    for (what, unit, goal, figure) in LINES {
        let cell = |value: f64| format!("{value:.1} {unit}");
        let own = figure(ours);
        let verdict = match goal {
            Some(goal) if own <= goal => "met",
            Some(_) => "MISSED",
            None => "",
        };
        let goal = goal.map(|goal| format!("{goal} {unit}")).unwrap_or_default();
        let _ = write!(text, "{what:<46} {:>12} {goal:>9}  {verdict:<7}", cell(own));
        if let Some(beside) = beside {
            let theirs = figure(beside);
            let ratio = if own > 0.0 {
                format!("{:.1}x", theirs / own)
            } else {
                String::new()
            };
            let _ = write!(text, " {:>16} {ratio:>7}", cell(theirs));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_held_against_the_figures() {
        let good = Measured {
            start: 50.0,
            memory: 40.0,
            errors: 0,
            writes: vec![1.0, 2.0, 3.0],
            lists: vec![20.0],
            watches: vec![5.0],
        };
        let text = table(&good, None);
        assert!(
            !text.contains("MISSED") && text.contains("a list of 10,000"),
            "{text}"
        );
        let slow = Measured {
            writes: vec![1.0, 11.0],
            errors: 1,
            ..good
        };
        assert_eq!(table(&slow, None).matches("MISSED").count(), 2);
    }

    #[test]
    fn options() {
        assert!(Options::parse(&["--alone"]).unwrap().alone);
        assert_eq!(
            Options::parse(&["--platform", "x", "--alone"]).unwrap().platform,
            Some("x")
        );
        assert!(Options::parse(&["--platform"]).is_err());
        assert!(Options::parse(&["--alone", "x"]).is_err());
    }
}
