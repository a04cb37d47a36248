//! `cargo xtask conformance sandbox`: the same requests to our API server and to Kubernetes' own.
//!
//! The sequences are data, below `conformance/sandbox`. Both servers start empty; each sequence is sent to both, step
//! by step, and the answers are compared: status codes, bodies, watch events, managed fields, warnings. What nobody can
//! foresee is made the same first ([`normal`] has the rules and their reasons). A difference is fine only when
//! `docs/conformance/sandbox.md` lists it with its reason.
//!
//! Sequences about the API alone run against an API server without controllers, so that nobody else writes; those
//! about controllers run against a whole cluster, whose nodes kwok plays.

mod differ;
mod listed;
mod normal;
mod play;
mod sequence;
pub(super) mod server;
mod table;

use super::words::Words;
use crate::cluster::Cluster;
use crate::failure::{Doing, Result, fail};
use crate::say;
use differ::Difference;
pub(crate) use listed::{Listed, fits};
use play::Side;
use sequence::Sequence;
use server::Server;
use std::fs;
use std::thread;
use std::time::Instant;

/// How many sequences are under way at once: most of the time one waits for the slower server.
const PLAYERS: usize = 2;

/// What can be asked for.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    only: Vec<&'a str>,
    server: Option<&'a str>,
    report: Option<&'a str>,
}

impl<'a> Options<'a> {
    /// Reads what stands after `conformance sandbox`.
    pub(crate) fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = Words::of(arguments);
        while let Some(option) = words.option() {
            match option {
                "--only" => options.only.push(words.value()?),
                "--server" => options.server = Some(words.value()?),
                "--report" => options.report = Some(words.value()?),
                other => fail!("conformance sandbox has no option {other}"),
            }
        }
        Ok(options)
    }
}

/// What came of one sequence.
#[derive(Debug)]
struct Outcome {
    area: String,
    name: String,
    steps: usize,
    differences: Vec<(Difference, Option<usize>)>,
}

/// Plays everything on both and prints the table.
pub(crate) fn run(options: &Options<'_>) -> Result<()> {
    let started = Instant::now();
    let root = crate::root();
    let wanted = |sequence: &Sequence| {
        let named = format!("{}: {}", sequence.area, sequence.name);
        options.only.is_empty() || options.only.iter().any(|part| named.contains(part))
    };
    let mut sequences = sequence::read_all(&root.join("conformance/sandbox"))?;
    sequences.retain(wanted);
    if sequences.is_empty() {
        fail!("no sequence has such a name");
    }
    let listed = Listed::read(&root.join("docs/conformance/sandbox.md"))?;
    let program = server::program(options.server)?;
    let (whole, alone): (Vec<_>, Vec<_>) = sequences.into_iter().partition(|sequence| sequence.controllers);
    let mut outcomes = Vec::new();
    if !alone.is_empty() {
        let real = Cluster::start_api_alone()?;
        let ours = Server::start(&program, false)?;
        outcomes.extend(play_all(alone, &ours, &real, &listed)?);
    }
    if !whole.is_empty() {
        let real = Cluster::start()?;
        let ours = Server::start(&program, true)?;
        outcomes.extend(play_all(whole, &ours, &real, &listed)?);
    }
    say::line(table::summary(&outcomes));
    let unlisted = table::unlisted(&outcomes);
    if let Some(report) = options.report {
        fs::write(report, table::report(&outcomes)).doing(|| format!("write {report}"))?;
        say::line(format!("what differs is in {report}"));
    } else {
        say::line(table::first(&outcomes));
    }
    let used = outcomes
        .iter()
        .flat_map(|outcome| outcome.differences.iter().filter_map(|(_, row)| *row));
    let played = outcomes.iter().map(|outcome| outcome.name.as_str());
    for row in listed.unused(&used.collect(), &played.collect()) {
        say::line(format!("listed, and differs no more: {row}"));
    }
    say::line(format!("took {}", say::duration(started.elapsed())));
    match unlisted {
        0 => Ok(()),
        unlisted => fail!("{unlisted} differences are not listed"),
    }
}

fn play_all(
    sequences: Vec<Sequence>,
    ours: &Server,
    real: &Cluster,
    listed: &Listed,
) -> Result<Vec<Outcome>> {
    let mut lanes: Vec<Vec<Sequence>> = (0..PLAYERS).map(|_| Vec::new()).collect();
    for (number, sequence) in sequences.into_iter().enumerate() {
        lanes[number % PLAYERS].push(sequence);
    }
    thread::scope(|scope| {
        let players: Vec<_> = lanes
            .into_iter()
            .map(|lane| {
                scope.spawn(move || -> Result<Vec<Outcome>> {
                    lane.iter()
                        .map(|sequence| one(sequence, ours, real, listed))
                        .collect()
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for player in players {
            match player.join() {
                Ok(done) => outcomes.extend(done?),
                Err(_) => fail!("a player stopped by itself"),
            }
        }
        outcomes.sort_by(|left, right| (&left.area, &left.name).cmp(&(&right.area, &right.name)));
        Ok(outcomes)
    })
}

fn one(sequence: &Sequence, ours: &Server, real: &Cluster, listed: &Listed) -> Result<Outcome> {
    ours.check()?;
    real.check()?;
    let (ours, real) = thread::scope(|scope| {
        let theirs = scope.spawn(|| Side::new(real.api()).play(sequence));
        let ours = Side::new(ours.api()).play(sequence);
        (ours, theirs.join())
    });
    let Ok(real) = real else {
        fail!("a player stopped by itself")
    };
    let (ours, real) = (ours?, real?);
    let mut outcome = Outcome {
        area: sequence.area.clone(),
        name: sequence.name.clone(),
        steps: sequence.steps.len(),
        differences: Vec::new(),
    };
    for (step, (ours, real)) in ours.iter().zip(&real).enumerate() {
        let mut found = differ::between(step + 1, &sequence.steps[step], ours, real);
        found.dedup_by(|left, right| left.place == right.place);
        outcome.differences.extend(found.into_iter().map(|difference| {
            let row = listed.row(&sequence.name, &difference.place);
            (difference, row)
        }));
    }
    Ok(outcome)
}
