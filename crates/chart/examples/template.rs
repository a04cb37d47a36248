//! Prints what `helm template NAME CHART [-f VALUES]…` prints:
//! `cargo run -p chart --example template -- NAME CHART [-n NAMESPACE] [-f VALUES]… [--times N]`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use chart::{Capabilities, Chart, Release, render};
use serde_json::{Map, Value};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut plain, mut values, mut times) = (Vec::new(), Value::Object(Map::new()), 1_u32);
    let mut release = Release::default();
    while let Some(argument) = arguments.next() {
        let mut next = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "-n" => release.namespace = next()?,
            "-f" => merge(
                &mut values,
                yaml::parse(&std::fs::read_to_string(next()?)?)?.value,
            ),
            "--times" => times = next()?.parse()?,
            _ => plain.push(argument),
        }
    }
    let [name, path] = plain.as_slice() else {
        return Err("a name and a chart's folder are wanted".into());
    };
    release.name.clone_from(name);
    let chart = Chart::from_directory(Path::new(path))?;
    let capabilities = Capabilities {
        kube_version: "v1.37.0".to_owned(),
        ..Capabilities::default()
    };
    let mut rendered = render(&chart, &values, &release, &capabilities)?;
    if times > 1 {
        let start = Instant::now();
        for _ in 0..times {
            rendered = render(&chart, &values, &release, &capabilities)?;
        }
        writeln!(std::io::stderr(), "{:?} a render", start.elapsed() / times)?;
    }
    std::io::stdout().write_all(rendered.text().as_bytes())?;
    Ok(())
}

/// Lays one values file over another.
fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over,
    }
}
