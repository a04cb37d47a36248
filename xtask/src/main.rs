//! Chores of this repository, run as `cargo xtask <chore>`.
//!
//! Built first on every clean clone, so it stays small; it knows the workspace's crates only where a chore
//! measures them.

mod bench;
mod cluster;
mod conformance;
mod e2e;
mod failure;
mod generate;
mod https;
mod image;
mod peers;
mod process;
mod protobuf_data;
mod say;
#[expect(
    unreachable_pub,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "an example of the schema crate includes the file too, and the names it reads are our own"
)]
mod schema_data;
mod security_data;
mod test;
mod tools;

use failure::{Result, fail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "\
Chores of this repository: cargo xtask <chore>

  test                 formatting, lints and all tests; the one command before a merge
  peers                build the programs of others that e2e needs, as far as they are missing
  e2e                  the platform against a real Kubernetes, kubectl, Helm, PostgreSQL and Redis
      --only PART      only scenarios whose name contains PART (may be repeated)
      --without PART   none whose name contains PART (may be repeated)
      --platform PATH  try this binary instead of building one
      --where-possible succeed without running where Go or its module proxy is missing
  cluster              a real Kubernetes on loopback to play with, until Ctrl-C
  bench [--runs N]     times and memory of the release build beside their goals, and beside Helm
  bench chart [--charts DIR] [--runs N]
                       the chart engine beside Helm's own SDK in process, and beside helm as a program; with the public
                       charts below a folder, if one is given
  bench webhook [--seconds N] [--platform BIN]
                       the webhook's answers at 500 requests a second with 50 policies, asked from another process
  bench sandbox [--platform BIN] [--alone]
                       the sandbox's API over HTTPS beside etcd and kube-apiserver: start, memory, writes, lists, watches
  bench guardrails [--library DIR] [--runs N] [--kyverno BIN] [--alone] [--platform BIN]
                       the policy engine in process; `policy apply` over many resources beside Kyverno's command line,
                       with the shipped set or the policies of a library, a folder with kyverno-test.yaml files
  image [--output FILE]
                       the operator's container image: an OCI archive of one static program, platform.tar when not said
  conformance chart --charts DIR
                       every chart below a folder, rendered by Helm and by our chart engine: what is the same
      --helm BIN       this Helm instead of the one of `peers`
      --only NAME      only charts whose path contains NAME (may be repeated)
      --limit N        only the first N charts
      --list FILE      only the charts of this list
      --variants       also with values made of the defaults: all switched on, turned, filled, emptied
      --report FILE    write what differs there
      --kept DIR       keep what Helm printed, and use it again
  conformance guardrails --suites DIR
                       every kyverno-test.yaml below a folder (may be repeated): what is expected, and what our engine says
      --kyverno [BIN]  Kyverno's own command line beside it; the one of `peers`, built when it is missing, if none is named
      --differential   instead, both engines over policies and resources that no suite pairs
      --platform PATH  use this binary instead of building one
      --only PART      only suites whose path contains PART (may be repeated)
      --report FILE    write the table and the suites that differ
      --causes FILE    write what differs by cause, with examples
  conformance jmespath --suites DIR
                       the expressions of guardrails against the public compliance suite of JMESPath
  conformance cel --suites DIR
                       the same for CEL
  conformance sandbox  the same requests to our API server and to Kubernetes' own: what they answer differently
      --only PART      only sequences whose name or area contains PART (may be repeated)
      --server PATH    serve the sandbox with this program, the example `serve` of its crate, instead of building it
      --report FILE    write every difference, listed or not
  conformance merge    the published tests of Kubernetes' own merge library, recorded and replayed by our engine
      --only PART      only cases whose name contains PART (may be repeated)
      --report FILE    write every difference, listed or not
  conformance kubernetes
                       Kubernetes' own conformance tests of the API machinery, on a real cluster and on the sandbox
      --only PART      only tests whose name contains PART (may be repeated)
      --report FILE    write what failed
  generate [schema | protobuf | security | definitions]
                       write generated files anew: the facts about Kubernetes' own kinds, its roles and what it says to
                       whom, and the platform's own
                       definitions for its chart";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = process::stop_on_signals().and_then(|()| chore(&arguments));
    process::stop_everything();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::line(format!("\nerror: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn chore(arguments: &[&str]) -> Result<()> {
    match arguments {
        [] | ["help"] | [.., "--help" | "-h"] => {
            say::line(USAGE);
            Ok(())
        }
        ["test"] => test::run(),
        ["peers"] => peers::build(&peers::ALL),
        ["e2e", rest @ ..] => e2e::run(&e2e_options(rest)?),
        ["cluster"] => play(),
        ["bench"] => bench::run_all(7),
        ["bench", "--runs", runs] => match runs.parse() {
            Ok(runs @ 1..=1_000) => bench::run_all(runs),
            _ => fail!("--runs needs a number from 1 to 1000"),
        },
        ["image"] => image::make(Path::new("platform.tar")),
        ["image", "--output", path] => image::make(Path::new(path)),
        ["conformance", "chart", rest @ ..] => conformance::chart(&conformance::Options::parse(rest)?),
        ["conformance", "guardrails", rest @ ..] => {
            conformance::policies::guardrails(&conformance::policies::Options::parse(rest)?)
        }
        ["conformance", "sandbox", rest @ ..] => {
            conformance::sandbox::run(&conformance::sandbox::Options::parse(rest)?)
        }
        ["conformance", "merge", rest @ ..] => {
            conformance::merge::run(&conformance::asked::Asked::parse(rest)?)
        }
        ["conformance", "kubernetes", rest @ ..] => {
            conformance::kubernetes::run(&conformance::asked::Asked::parse(rest)?)
        }
        ["conformance", "jmespath", rest @ ..] => conformance::jmespath::run(rest),
        ["conformance", "cel", rest @ ..] => conformance::cel::run(rest),
        ["bench", "guardrails", rest @ ..] => {
            bench::policies::run_all(&bench::policies::Options::parse(rest)?)
        }
        ["bench", "chart", rest @ ..] => {
            let (runs, charts) = bench_options(rest)?;
            bench::chart::run_all(runs, charts)
        }
        ["bench", "webhook", rest @ ..] => bench::webhook::run_all(&bench::webhook::Options::parse(rest)?),
        ["bench", "sandbox", rest @ ..] => bench::sandbox::run_all(&bench::sandbox::Options::parse(rest)?),
        ["on-a-node", rest @ ..] => e2e::node::inside(rest),
        ["load-webhook", rest @ ..] => bench::webhook::ask_it(rest),
        ["measure-one", command @ ..] => bench::measure_one(command),
        ["generate"] => generate::schema()
            .and_then(|()| protobuf_data::generate())
            .and_then(|()| security_data::generate())
            .and_then(|()| generate::definitions()),
        ["generate", "schema"] => generate::schema(),
        ["generate", "definitions"] => generate::definitions(),
        ["generate", "security"] => security_data::generate(),
        ["generate", "protobuf"] => protobuf_data::generate(),
        other => fail!("there is no such chore: {}\n\n{USAGE}", other.join(" ")),
    }
}

fn e2e_options<'a>(arguments: &[&'a str]) -> Result<e2e::Options<'a>> {
    let mut options = e2e::Options::default();
    let mut arguments = arguments.iter();
    while let Some(&argument) = arguments.next() {
        match argument {
            "--where-possible" => options.where_possible = true,
            "--platform" => match arguments.next() {
                Some(path) => options.platform = Some(path),
                None => fail!("--platform needs the path of a binary"),
            },
            "--only" => match arguments.next() {
                Some(name) => options.only.push(name),
                None => fail!("--only needs a part of a scenario's name"),
            },
            "--without" => match arguments.next() {
                Some(name) => options.without.push(name),
                None => fail!("--without needs a part of a scenario's name"),
            },
            other => fail!("e2e has no option {other}"),
        }
    }
    Ok(options)
}

fn bench_options<'a>(arguments: &[&'a str]) -> Result<(usize, Option<&'a str>)> {
    let (mut runs, mut charts) = (5, None);
    let mut arguments = arguments.iter();
    while let Some(&argument) = arguments.next() {
        match (argument, arguments.next()) {
            ("--runs", Some(number)) => match number.parse() {
                Ok(number @ 1..=1_000) => runs = number,
                _ => fail!("--runs needs a number from 1 to 1000"),
            },
            ("--charts", Some(&folder)) => charts = Some(folder),
            _ => fail!("bench chart takes --charts DIR and --runs N, not {argument}"),
        }
    }
    Ok((runs, charts))
}

/// Brings a cluster up and keeps it until Ctrl-C.
fn play() -> Result<()> {
    let started = Instant::now();
    let cluster = cluster::Cluster::start()?;
    say::done(
        &format!("Kubernetes {} is ready", peers::KUBERNETES.version),
        started.elapsed(),
    );
    say::line("  Its nodes are simulated by kwok: pods are Ready at once and run nothing.");
    say::line(format!(
        "\n  export KUBECONFIG={}",
        cluster.kubeconfig().display()
    ));
    say::line(format!(
        "  {} get nodes\n\nCtrl-C stops it.",
        peers::KUBERNETES.binary("kubectl")?.display()
    ));
    // Ctrl-C ends the process by itself; what else ends it is a part that does not run any more.
    loop {
        cluster.check()?;
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
