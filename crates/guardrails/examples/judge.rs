//! What a judgement costs: reads lines `NAME TIMES POLICIES OBJECTS`, two files of YAML, loads the policies once, judges
//! each object that often, and writes lines `NAME NANOSECONDS PASS FAIL WARN ERROR SKIP`: the CPU time for all objects
//! together, once each, in the fastest of five rounds, and how often the policies said what about them.
//!
//! Policies that cannot be used are left out.

use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;

use guardrails::{Outcome, Policies, Request, User, Verdict};
use nix::time::{ClockId, clock_gettime};
use serde_json::Value;

const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, times, policies, objects] = words.as_slice() else {
            return Err("a line is NAME TIMES POLICIES OBJECTS".into());
        };
        let (policies, _) = Policies::load_partly(policies, &read(policies)?);
        let objects: Vec<Value> = read(objects)?
            .into_iter()
            .map(|document| document.value)
            .collect();
        let [pass, fail, warn, error, skip] = said(&policies, &objects);
        let nanoseconds = measure(&policies, &objects, times.parse()?)?;
        writeln!(out, "{name} {nanoseconds} {pass} {fail} {warn} {error} {skip}")?;
        out.flush()?;
    }
    Ok(())
}

fn read(file: &str) -> Result<Vec<yaml::Document>, Box<dyn Error>> {
    Ok(yaml::parse_all(&std::fs::read_to_string(file)?)?)
}

fn judge(policies: &Policies, object: &Value, user: &User) -> Vec<Verdict> {
    policies.evaluate(&Request {
        user: Some(user),
        ..Request::new(object)
    })
}

fn said(policies: &Policies, objects: &[Value]) -> [usize; 5] {
    let (mut counts, user) = ([0; 5], User::default());
    for verdict in objects.iter().flat_map(|object| judge(policies, object, &user)) {
        counts[match verdict.outcome {
            Outcome::Pass => 0,
            Outcome::Fail => 1,
            Outcome::Warn => 2,
            Outcome::Error => 3,
            Outcome::Skip => 4,
        }] += 1;
    }
    counts
}

fn measure(policies: &Policies, objects: &[Value], times: u32) -> Result<f64, Box<dyn Error>> {
    let user = User::default();
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let before = cpu_time()?;
        for _ in 0..times {
            for object in objects {
                black_box(judge(policies, black_box(object), &user));
            }
        }
        best = best.min((cpu_time()? - before) / f64::from(times.max(1)));
    }
    Ok(best)
}

/// Nanoseconds that this thread has run so far; a judgement starts no other.
fn cpu_time() -> Result<f64, Box<dyn Error>> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(now.tv_sec() as f64 * 1e9 + now.tv_nsec() as f64)
}
