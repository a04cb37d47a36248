//! How the cost grows: loads and renders charts of growing size and prints the CPU time of each, to be read by a
//! person: `cargo run --release -p chart --example growth`. Twice the size should take about twice the time.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

use chart::{Capabilities, Chart, Release, Values, render_values};
use nix::time::{ClockId, clock_gettime};

const MANIFEST: &str = "kind: X\nmetadata: {name: a}\n";

type Subject = (&'static str, &'static str, [usize; 3], fn(usize) -> Files);

/// The files of a chart, and a values file laid over its own.
struct Files {
    chart: Vec<(String, String)>,
    values: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let subjects: [Subject; 7] = [
        ("a values file", "MB", [3, 6, 12], values),
        ("a template", "lines", [25_000, 50_000, 100_000], template),
        ("a template of loops", "turns", [25_000, 50_000, 100_000], turns),
        ("named templates", "calls", [25_000, 50_000, 100_000], calls),
        ("objects in one file", "objects", [5_000, 10_000, 20_000], objects),
        ("subcharts", "charts", [250, 500, 1_000], subcharts),
        ("includes in includes", "deep", [125, 250, 500], includes),
    ];
    let mut out = std::io::stdout().lock();
    for (what, unit, sizes, make) in subjects {
        write!(out, "{what:<22}")?;
        for size in sizes {
            let files = make(size);
            let before = cpu_time()?;
            let told = match cost(&files) {
                Ok(bytes) => format!("{bytes} bytes"),
                Err(error) => format!("{:.60}", error.to_string().replace('\n', " ")),
            };
            let milliseconds = cpu_time()? - before;
            write!(out, " | {size} {unit} {milliseconds:.0} ms ({told})")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Loads and renders once; the length of what is printed.
fn cost(files: &Files) -> Result<usize, Box<dyn Error>> {
    let owned = files
        .chart
        .iter()
        .map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    let chart = Chart::from_files(owned)?;
    let mut values = Values::default();
    if !files.values.is_empty() {
        values.file("values.yaml", &files.values)?;
    }
    let rendered = render_values(
        &chart,
        &values,
        &Release::default(),
        &Capabilities::default(),
        &chart::Surroundings::default(),
    )?;
    Ok(rendered.text().len())
}

fn simple(template: String) -> Files {
    Files {
        chart: vec![
            (
                "Chart.yaml".to_owned(),
                "apiVersion: v2\nname: c\nversion: 1.0.0\n".to_owned(),
            ),
            ("templates/a.yaml".to_owned(), template),
        ],
        values: String::new(),
    }
}

fn values(megabytes: usize) -> Files {
    let mut values = String::with_capacity(megabytes << 20);
    let mut number = 0;
    while values.len() < megabytes << 20 {
        let _ = writeln!(
            values,
            "service-{number}:\n  image: {{repository: registry.example/app, tag: v{number}}}\n  replicas: 3\n  hosts: [a.example, b.example]"
        );
        number += 1;
    }
    Files {
        values,
        ..simple(format!("{MANIFEST}data: {{{{ len .Values }}}}\n"))
    }
}

fn template(lines: usize) -> Files {
    let mut text = String::from("kind: X\nmetadata: {name: a}\ndata:\n");
    for line in 0..lines / 4 {
        let _ = write!(
            text,
            "  {{{{- if true }}}}\n  key{line}: {{{{ .Release.Name | quote }}}}\n  # plain\n  {{{{- end }}}}\n"
        );
    }
    simple(text)
}

fn turns(turns: usize) -> Files {
    simple(format!(
        "{MANIFEST}data:\n{{{{- range $i := until {turns} }}}}\n  key{{{{ $i }}}}: {{{{ printf \"%d\" $i | quote }}}}\n{{{{- end }}}}\n"
    ))
}

fn calls(calls: usize) -> Files {
    let mut text = String::new();
    for number in 0..calls / 10 {
        let _ = write!(text, "{{{{ define \"named{number}\" }}}}x{{{{ end }}}}");
    }
    let _ = write!(text, "{MANIFEST}data:");
    for number in 0..calls {
        let _ = write!(text, "\n- {{{{ include \"named{}\" . }}}}", number % (calls / 10));
    }
    simple(text)
}

fn objects(objects: usize) -> Files {
    simple((0..objects).fold(String::new(), |mut text, number| {
        let _ = write!(
            text,
            "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {{name: a{number}}}\ndata: {{a: b}}\n"
        );
        text
    }))
}

fn subcharts(charts: usize) -> Files {
    let mut files = simple(MANIFEST.to_owned());
    for number in 0..charts {
        let mut add =
            |path: &str, text: String| files.chart.push((format!("charts/sub{number}/{path}"), text));
        add(
            "Chart.yaml",
            format!("apiVersion: v2\nname: sub{number}\nversion: 1.0.0\n"),
        );
        add(
            "values.yaml",
            "replicas: 1\nimage: {repository: app, tag: v1}\n".to_owned(),
        );
        add(
            "templates/a.yaml",
            format!("{MANIFEST}data: {{{{ .Values.image.tag }}}}-{{{{ include \"sub{number}\" . }}}}\n"),
        );
        add(
            "templates/_a.tpl",
            format!("{{{{ define \"sub{number}\" }}}}{{{{ .Chart.Name }}}}{{{{ end }}}}"),
        );
    }
    files
}

fn includes(deep: usize) -> Files {
    let mut text = String::from("{{ define \"n0\" }}x{{ end }}");
    for number in 1..=deep {
        let _ = write!(
            text,
            "{{{{ define \"n{number}\" }}}}{{{{ include \"n{}\" . }}}}{{{{ end }}}}",
            number - 1
        );
    }
    simple(format!("{text}{MANIFEST}data: {{{{ include \"n{deep}\" . }}}}\n"))
}

/// Milliseconds that this thread has run so far; rendering starts no other.
fn cpu_time() -> Result<f64, Box<dyn Error>> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(now.tv_sec() as f64 * 1e3 + now.tv_nsec() as f64 / 1e6)
}
