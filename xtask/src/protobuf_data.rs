//! Writes the facts by which the `schema` crate reads protobuf bodies of built-in kinds: the fields' numbers and
//! types from the `generated.proto` files of the published Go modules, their JSON names and whether a zero is
//! written from the struct tags beside them. Facts only, no descriptions.
//!
//! The form: one line a message, tab-separated name and fields; `crates/schema/data/README.md` describes it.

use crate::failure::{Doing, Result, fail};
use crate::process::run;
use crate::{peers, say};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The facts that the `schema` crate embeds.
const FACTS: &str = "crates/schema/data/protobuf.facts";
/// Which kinds are served, by facts generated before.
const SCHEMA_FACTS: &str = "crates/schema/data/kubernetes.facts";
/// Where a message ends up as one JSON value of its own, and the letter for it.
const SPECIAL: &[(&str, char)] = &[
    ("meta.v1.Time", 't'),
    ("meta.v1.MicroTime", 'u'),
    ("meta.v1.FieldsV1", 'r'),
    ("api.resource.Quantity", 'q'),
    ("util.intstr.IntOrString", 'x'),
    ("runtime.RawExtension", 'r'),
    ("apiextensions.v1.JSON", 'r'),
    ("apiextensions.v1.JSONSchemaPropsOrArray", 'm'),
    ("apiextensions.v1.JSONSchemaPropsOrBool", 'o'),
    ("apiextensions.v1.JSONSchemaPropsOrStringArray", 'm'),
];
/// Messages whose JSON form the decoder does not know; none of them may be reached.
const UNKNOWN: &[&str] = &["meta.v1.Duration", "meta.v1.Timestamp", "meta.v1.Verbs"];

/// Writes the facts anew from the Go modules of the pinned version of Kubernetes.
pub(crate) fn generate() -> Result<()> {
    let started = Instant::now();
    let root = crate::root();
    let kinds = fs::read_to_string(root.join(SCHEMA_FACTS)).doing(|| format!("read {SCHEMA_FACTS}"))?;
    let roots = roots(&kinds);
    let mut modules = Modules::default();
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    while let Some(name) = open.pop() {
        if lines.contains_key(&name) {
            continue;
        }
        let Some((package, message)) = name.rsplit_once('.') else {
            fail!("{name} is in no package")
        };
        if !sources.contains_key(package) {
            sources.insert(package.to_owned(), modules.source(package)?);
        }
        let Some(source) = sources.get(package) else {
            continue;
        };
        if let Some((line, found)) = source.message(package, message)? {
            lines.insert(name.clone(), line);
            open.extend(found);
        }
    }
    let mut text: Vec<String> = lines
        .iter()
        .map(|(name, fields)| format!("{name}\t{fields}"))
        .collect();
    text.push(String::new());
    fs::write(root.join(FACTS), text.join("\n")).doing(|| format!("write {FACTS}"))?;
    say::done(FACTS, started.elapsed());
    Ok(())
}

/// The messages of all kinds that are served, and of what deletes are asked with.
fn roots(kinds: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from(["meta.v1.DeleteOptions".to_owned()]);
    for line in kinds.lines().filter_map(|line| line.strip_prefix("K\t")) {
        let kind: Value = serde_json::from_str(line).unwrap_or_default();
        let subresources = kind["sub"].as_array().map_or(&[][..], Vec::as_slice);
        for kind in std::iter::once(&kind).chain(subresources) {
            let word = |key: &str| kind[key].as_str().unwrap_or_default();
            let package = match word("g").split('.').next() {
                None | Some("") => "core",
                Some(package) => package,
            };
            found.insert(format!("{package}.{}.{}", word("v"), word("k")));
        }
    }
    found
}

/// The unpacked Go modules, by name.
#[derive(Default)]
struct Modules(BTreeMap<&'static str, PathBuf>);

impl Modules {
    fn source(&mut self, package: &str) -> Result<Source> {
        let path = package.replace('.', "/");
        let (module, folder) = match package {
            "meta.v1" => ("k8s.io/apimachinery", format!("pkg/apis/{path}")),
            "apiextensions.v1" => ("k8s.io/apiextensions-apiserver", format!("pkg/apis/{path}")),
            "apiregistration.v1" => ("k8s.io/kube-aggregator", format!("pkg/apis/{path}")),
            _ => ("k8s.io/api", path),
        };
        Source::read(&self.folder(module)?.join(folder))
    }

    fn folder(&mut self, module: &'static str) -> Result<PathBuf> {
        if let Some(folder) = self.0.get(module) {
            return Ok(folder.clone());
        }
        let version = peers::KUBERNETES.version.replacen("v1.", "v0.", 1);
        let mut command = Command::new("go");
        command.args(["mod", "download", "-json", &format!("{module}@{version}")]);
        let printed = run(&mut command, Duration::from_mins(5))?.success(&format!("download {module}"))?;
        let printed: Value = serde_json::from_str(&printed).doing(|| format!("read where {module} is"))?;
        let Some(folder) = printed["Dir"].as_str() else {
            fail!("go does not say where it put {module}")
        };
        self.0.insert(module, PathBuf::from(folder));
        Ok(PathBuf::from(folder))
    }
}

/// What one package says of its messages.
#[derive(Default)]
struct Source {
    messages: BTreeMap<String, Vec<Field>>,
    structs: BTreeMap<String, BTreeMap<u32, Tag>>,
}

/// A field as the .proto file states it.
struct Field {
    number: u32,
    /// `*` for a list, `%` for a map.
    many: &'static str,
    kind: String,
}

/// A field as the Go struct states it.
struct Tag {
    /// Its name in JSON; `^` where its own fields stand in its place.
    json: String,
    /// Whether the zero of a plain field is written.
    zero: bool,
}

impl Source {
    fn read(folder: &Path) -> Result<Source> {
        let mut source = Source::default();
        let read = |path: &Path| fs::read_to_string(path).doing(|| format!("read {}", path.display()));
        source.messages = messages(&read(&folder.join("generated.proto"))?);
        for entry in fs::read_dir(folder).doing(|| format!("read {}", folder.display()))? {
            let path = entry.doing(|| format!("read {}", folder.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".go") && !name.ends_with("_test.go") && !name.contains("generated") {
                source.structs.extend(structs(&read(&path)?));
            }
        }
        Ok(source)
    }

    /// The line of a message, and the messages that it names. `None` where the kind has no message.
    fn message(&self, package: &str, name: &str) -> Result<Option<(String, Vec<String>)>> {
        let Some(fields) = self.messages.get(name) else {
            return Ok(None);
        };
        let tags = self.structs.get(name);
        let mut texts = Vec::new();
        let mut found = Vec::new();
        for field in fields {
            let Some(tag) = tags.and_then(|tags| tags.get(&field.number)) else {
                fail!("{package}.{name}: no struct has the field {}", field.number)
            };
            let (mut kind, message) = self.kind(package, &field.kind)?;
            found.extend(message);
            if kind.len() == 1 && field.many.is_empty() && tag.zero && "silbyd".contains(&kind) {
                kind.push('!');
            }
            texts.push(format!("{} {} {}{kind}", field.number, tag.json, field.many));
        }
        Ok(Some((texts.join(","), found)))
    }

    /// The code of a type: a letter, or the name of a message, which comes with it in full too.
    fn kind(&self, package: &str, kind: &str) -> Result<(String, Option<String>)> {
        let letter = match kind {
            "string" => "s",
            "int32" => "i",
            "int64" => "l",
            "bool" => "b",
            "bytes" => "y",
            "double" => "d",
            _ => "",
        };
        if !letter.is_empty() {
            return Ok((letter.to_owned(), None));
        }
        let full = if let Some(absolute) = kind.strip_prefix('.') {
            short(absolute)
        } else if kind.starts_with(char::is_uppercase) {
            format!("{package}.{kind}")
        } else {
            fail!("{package}: {kind} is no type the decoder knows")
        };
        if UNKNOWN.contains(&full.as_str()) {
            fail!("{package}: the decoder does not know the JSON form of {full}");
        }
        if let Some((_, letter)) = SPECIAL.iter().find(|(name, _)| *name == full) {
            // The forms of a JSON schema hold further schemas.
            let inner = full.starts_with("apiextensions.v1.JSONSchemaPropsOr");
            return Ok((
                letter.to_string(),
                inner.then(|| "apiextensions.v1.JSONSchemaProps".to_owned()),
            ));
        }
        match full.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')) {
            // A list of strings that has a type of its own.
            Some(own) if !self.structs.contains_key(own) && self.is_list_of_strings(own) => {
                Ok(("w".to_owned(), None))
            }
            Some(own) => Ok((own.to_owned(), Some(full))),
            None => Ok((full.clone(), Some(full))),
        }
    }

    fn is_list_of_strings(&self, name: &str) -> bool {
        let fields = self.messages.get(name).map_or(&[][..], Vec::as_slice);
        matches!(fields, [only] if only.number == 1 && only.many == "*" && only.kind == "string")
    }
}

/// The name of a message without the parts that every name shares.
fn short(name: &str) -> String {
    [
        "k8s.io.apimachinery.pkg.apis.",
        "k8s.io.apimachinery.pkg.",
        "k8s.io.api.",
    ]
    .iter()
    .find_map(|prefix| name.strip_prefix(prefix))
    .unwrap_or(name)
    .to_owned()
}

/// The messages of a .proto file. Comments stand on lines of their own there.
fn messages(proto: &str) -> BTreeMap<String, Vec<Field>> {
    let mut found: BTreeMap<String, Vec<Field>> = BTreeMap::new();
    let mut current = String::new();
    for line in proto.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("message ") {
            name.trim_end_matches('{').trim().clone_into(&mut current);
            found.entry(current.clone()).or_default();
        } else if let Some(fields) = found.get_mut(&current)
            && !line.starts_with("//")
            && let Some((declared, number)) = line.trim_end_matches(';').rsplit_once(" = ")
            && let Ok(number) = number.parse()
        {
            let (many, rest) = if let Some(rest) = declared.strip_prefix("repeated ") {
                ("*", rest)
            } else if let Some(rest) = declared.strip_prefix("map<string, ") {
                ("%", rest)
            } else {
                ("", declared.strip_prefix("optional ").unwrap_or(declared))
            };
            let kind = rest.split([' ', '>']).next().unwrap_or_default().to_owned();
            fields.push(Field { number, many, kind });
        }
    }
    found
}

/// The structs of a Go file, by their protobuf tags.
fn structs(go: &str) -> BTreeMap<String, BTreeMap<u32, Tag>> {
    let mut found: BTreeMap<String, BTreeMap<u32, Tag>> = BTreeMap::new();
    let mut current = None;
    for line in go.lines() {
        if let Some(name) = line
            .strip_prefix("type ")
            .and_then(|rest| rest.strip_suffix(" struct {"))
        {
            found.insert(name.to_owned(), BTreeMap::new());
            current = Some(name.to_owned());
        } else if line.starts_with('}') {
            current = None;
        } else if let Some(fields) = current.as_ref().and_then(|name| found.get_mut(name))
            && let Some((number, tag)) = tag(line.trim())
        {
            fields.insert(number, tag);
        }
    }
    found
}

fn tag(line: &str) -> Option<(u32, Tag)> {
    if line.starts_with("//") {
        return None;
    }
    let quoted = |key: &str| {
        let (_, rest) = line.split_once(&format!("{key}:\""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let number = quoted("protobuf")?.split(',').nth(1)?.parse().ok()?;
    let json = quoted("json").unwrap_or_default();
    let (name, options) = json.split_once(',').unwrap_or((json, ""));
    let is_pointer = line.split_whitespace().nth(1)?.starts_with('*');
    let zero = is_pointer || !options.split(',').any(|option| option == "omitempty");
    let json = if name.is_empty() { "^" } else { name }.to_owned();
    Some((number, Tag { json, zero }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = "\
// A comment = 9;
message Extra {
  repeated string items = 1;
}

message Thing {
  // +optional
  optional .k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta metadata = 1;

  optional Source source = 2;

  repeated Part parts = 3;

  map<string, .k8s.io.apimachinery.pkg.api.resource.Quantity> limits = 4;

  optional int32 count = 5;

  optional int32 least = 6;

  optional bool on = 7;

  map<string, Extra> extra = 8;
}
";
    const GO: &str = "\
type Extra []string

type Thing struct {
\tmetav1.TypeMeta `json:\",inline\"`
\tmetav1.ObjectMeta `json:\"metadata,omitempty\" protobuf:\"bytes,1,opt,name=metadata\"`
\tSource `json:\",inline\" protobuf:\"bytes,2,opt,name=source\"`
\t// Gone int `json:\"gone\" protobuf:\"varint,9,opt,name=gone\"`
\tParts []Part `json:\"parts\" protobuf:\"bytes,3,rep,name=parts\"`
\tLimits map[string]int `json:\"limits,omitempty\" protobuf:\"bytes,4,rep,name=limits\"`
\tCount int32 `json:\"count,omitempty\" protobuf:\"varint,5,opt,name=count\"`
\tLeast *int32 `json:\"$least,omitempty\" protobuf:\"varint,6,opt,name=least\"`
\tOn bool `json:\"on\" protobuf:\"varint,7,opt,name=on\"`
\tExtra map[string]Extra `json:\"extra,omitempty\" protobuf:\"bytes,8,rep,name=extra\"`
}
";

    #[test]
    fn a_message_becomes_a_line() {
        let source = Source {
            messages: messages(PROTO),
            structs: structs(GO),
        };
        let (line, found) = source.message("a.v1", "Thing").unwrap().unwrap();
        assert_eq!(
            line,
            "1 metadata meta.v1.ObjectMeta,2 ^ Source,3 parts *Part,4 limits %q,5 count i,6 $least i!,7 on b!,\
             8 extra %w"
        );
        assert_eq!(found, ["meta.v1.ObjectMeta", "a.v1.Source", "a.v1.Part"]);
        assert!(source.message("a.v1", "Other").unwrap().is_none());
    }

    #[test]
    fn kinds_and_their_subresources_are_roots() {
        let kinds = "K\t{\"g\":\"\",\"k\":\"Pod\",\"v\":\"v1\",\"sub\":[{\"g\":\"policy\",\"k\":\"Eviction\",\
                     \"v\":\"v1\"}]}\nT\tcore.v1.Pod\t{}\n";
        let roots: Vec<String> = roots(kinds).into_iter().collect();
        assert_eq!(
            roots,
            ["core.v1.Pod", "meta.v1.DeleteOptions", "policy.v1.Eviction"]
        );
    }
}
