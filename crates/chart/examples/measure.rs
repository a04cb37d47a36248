//! What a render costs: reads lines `NAME TIMES CHART [VALUES]`, renders each chart that often after loading it once,
//! each time for a release of another name, and writes lines `NAME MILLISECONDS` with the CPU time of a render.
//!
//! A chart that cannot be rendered is answered with `NAME failed`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use chart::{Capabilities, Chart, Release, render};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, times, chart, values @ ..] = words.as_slice() else {
            return Err("a line is NAME TIMES CHART [VALUES]".into());
        };
        match measure(times.parse()?, Path::new(chart), values.first().map(Path::new)) {
            Ok(milliseconds) => writeln!(out, "{name} {milliseconds}")?,
            Err(_) => writeln!(out, "{name} failed")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn measure(times: u32, chart: &Path, values: Option<&Path>) -> Result<f64, Box<dyn Error>> {
    let chart = Chart::from_directory(chart)?;
    let values = match values {
        Some(path) => yaml::parse(&std::fs::read_to_string(path)?)?.value,
        None => Value::Object(Map::new()),
    };
    let capabilities = Capabilities::default();
    let once = |number: u32| -> Result<usize, Box<dyn Error>> {
        let release = Release {
            name: format!("web-{number}"),
            namespace: "shop".to_owned(),
            ..Release::default()
        };
        Ok(render(&chart, &values, &release, &capabilities)?.text().len())
    };
    once(0)?;
    let before = cpu_time()?;
    for number in 1..=times {
        once(number)?;
    }
    Ok((cpu_time()? - before) / f64::from(times))
}

/// Milliseconds that this thread has run so far; rendering starts no other.
fn cpu_time() -> Result<f64, Box<dyn Error>> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(now.tv_sec() as f64 * 1e3 + now.tv_nsec() as f64 / 1e6)
}
