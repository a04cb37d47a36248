//! Writes `data/protobuf.facts` from the Go modules of Kubernetes:
//!
//! ```text
//! cargo run -p sandbox --example protobuf_facts -- GOPATH/pkg/mod/k8s.io 0.36.3 > crates/sandbox/data/protobuf.facts
//! ```
//!
//! Field numbers and types come from the `generated.proto` files; whether a field is a pointer (so that its zero means
//! something) or inlined comes from the struct tags beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules and the folders in them that hold packages.
const SOURCES: [(&str, &str); 7] = [
    ("api", ""),
    ("apimachinery", "pkg/apis/meta/v1"),
    ("apimachinery", "pkg/api/resource"),
    ("apimachinery", "pkg/util/intstr"),
    ("apimachinery", "pkg/runtime"),
    ("apiextensions-apiserver", "pkg/apis/apiextensions/v1"),
    ("kube-aggregator", "pkg/apis/apiregistration/v1"),
];

/// The name in JSON and the flag of a field, by message and field number.
type Tags = BTreeMap<(String, u32), (String, &'static str)>;

#[derive(Default)]
struct Message {
    fields: Vec<(u32, String, String, &'static str)>,
}

#[expect(clippy::print_stdout, reason = "the facts are what it prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(modules), Some(version)) = (arguments.next(), arguments.next()) else {
        return Err("the folder of the k8s.io modules and their version are missing".into());
    };
    let mut messages: BTreeMap<String, Message> = BTreeMap::new();
    let mut structs: BTreeSet<String> = BTreeSet::new();
    let mut tags = Tags::new();
    for (module, folder) in SOURCES {
        let root = PathBuf::from(&modules)
            .join(format!("{module}@v{version}"))
            .join(folder);
        for package in packages(&root, folder.is_empty())? {
            let text = fs::read_to_string(package.join("generated.proto"))?;
            let name = read_proto(&text, &mut messages);
            for entry in fs::read_dir(&package)? {
                let path = entry?.path();
                let file = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let is_source = path.extension().is_some_and(|extension| extension == "go");
                if is_source
                    && !file.starts_with("zz_")
                    && !file.ends_with("_test.go")
                    && file != "generated.pb.go"
                {
                    read_go(&fs::read_to_string(&path)?, &name, &mut structs, &mut tags);
                }
            }
        }
    }
    for (name, message) in messages {
        let is_list = message.fields.len() == 1 && message.fields[0].1 == "items" && !structs.contains(&name);
        let mut line = name.clone();
        line.push(if is_list { 'L' } else { ' ' });
        for (number, field, kind, shape) in message.fields {
            let (json, flag) = tags.get(&(name.clone(), number)).cloned().unwrap_or_default();
            let field = if json.is_empty() { field } else { json };
            write!(line, " {number}:{field}:{kind}:{shape}{flag}")?;
        }
        println!("{line}");
    }
    Ok(())
}

/// The folders with a `generated.proto`; of a whole module only those of versions that are served.
fn packages(root: &Path, all: bool) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !all {
        return Ok(vec![root.to_path_buf()]);
    }
    let mut found = Vec::new();
    for group in fs::read_dir(root)? {
        for version in ["v1", "v2"] {
            let package = group.as_ref().map_err(ToString::to_string)?.path().join(version);
            if package.join("generated.proto").exists() {
                found.push(package);
            }
        }
    }
    Ok(found)
}

/// The last three parts of a full name: `core.v1.Pod` of `k8s.io.api.core.v1.Pod`.
fn short(name: &str) -> String {
    let parts: Vec<&str> = name.trim_start_matches('.').split('.').collect();
    parts[parts.len().saturating_sub(3)..].join(".")
}

/// Reads the messages of a file and returns the short name of its package.
fn read_proto(text: &str, messages: &mut BTreeMap<String, Message>) -> String {
    let mut package = String::new();
    let mut current: Option<String> = None;
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.trim_end_matches(['{', ';']).split_whitespace().collect();
        match words.as_slice() {
            ["package", name] => (*name).clone_into(&mut package),
            ["message", name] => current = Some(short(&format!("{package}.{name}"))),
            ["optional" | "repeated" | "map<string,", ..] => {
                let Some(message) = current.clone() else { continue };
                let (shape, kind, rest) = match words[0] {
                    "repeated" => ("+", words[1], &words[2..]),
                    "optional" => ("", words[1], &words[2..]),
                    _ => ("%", words[1].trim_end_matches('>'), &words[2..]),
                };
                if let [field, "=", number, ..] = rest
                    && let Ok(number) = number.parse()
                {
                    let kind = code(kind, &package);
                    messages.entry(message).or_default().fields.push((
                        number,
                        (*field).to_owned(),
                        kind,
                        shape,
                    ));
                }
            }
            [] if line == "}" => current = None,
            _ => {}
        }
        if let Some(message) = &current {
            messages.entry(message.clone()).or_default();
        }
    }
    let parts: Vec<&str> = package.split('.').collect();
    parts[parts.len().saturating_sub(2)..].join(".")
}

fn code(kind: &str, package: &str) -> String {
    match kind {
        "string" => "s".to_owned(),
        "int32" | "int64" | "uint32" | "uint64" => "i".to_owned(),
        "bool" => "b".to_owned(),
        "bytes" => "y".to_owned(),
        "double" => "d".to_owned(),
        other if other.contains('.') => short(other),
        other => short(&format!("{package}.{other}")),
    }
}

/// Names in JSON, pointers (`?`) and inlined structs (`~`) of a Go file, by message and field number.
fn read_go(text: &str, package: &str, structs: &mut BTreeSet<String>, tags: &mut Tags) {
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix("type ")
            .and_then(|rest| rest.strip_suffix(" struct {"))
        {
            let name = format!("{package}.{name}");
            structs.insert(name.clone());
            current = Some(name);
        } else if line == "}" {
            current = None;
        }
        let Some(name) = &current else { continue };
        let tag = |key: &str| {
            line.split_once(&format!("{key}:\""))?
                .1
                .split_once('"')
                .map(|(tag, _)| tag)
        };
        let (Some(json), Some(proto)) = (tag("json"), tag("protobuf")) else {
            continue;
        };
        let Some(number) = proto.split(',').nth(1).and_then(|number| number.parse().ok()) else {
            continue;
        };
        let declared = line.split_once('`').map_or("", |(declared, _)| declared);
        let kind = declared.split_whitespace().last().unwrap_or_default();
        let flag = if json.contains(",inline") {
            "~"
        } else if kind.starts_with('*') {
            "?"
        } else {
            ""
        };
        let json = json.split(',').next().unwrap_or_default();
        tags.insert((name.clone(), number), (json.to_owned(), flag));
    }
}
