//! The whole store as lines of JSON, and back: what it held, to the uid and the resource version.
//!
//! The first line says what this is and how far the revisions have come, each later one is an object with the
//! collection it is in. Knows nothing of kinds: objects come back as they were.

use std::collections::HashSet;
use std::io::{self, BufRead, Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ImportError;
use crate::store::{Collection, Disk, Key, Object, Store};

/// What the first line says it is.
const KIND: &str = "SandboxExport";
const VERSION: &str = "sandbox.towpath.dev/v1";
/// The longest line that is read, in bytes: more than any object may take.
const MAX_LINE: u64 = 8 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head {
    api_version: String,
    kind: String,
    /// The resource version of the last change.
    revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    group: String,
    plural: String,
    object: Value,
}

/// Writes what a store holds at this moment; returns how many objects that is.
pub(crate) fn write(store: &Store, to: &mut dyn Write) -> io::Result<usize> {
    let (revision, objects) = {
        let memory = store.read();
        let objects: Vec<(Collection, Arc<Object>)> = memory
            .collections()
            .flat_map(|collection| {
                let objects = memory.list(collection, None, None);
                objects.map(|(_, object)| (collection.clone(), Arc::clone(object)))
            })
            .collect();
        (memory.revision(), objects)
    };
    let head = Head {
        api_version: VERSION.to_owned(),
        kind: KIND.to_owned(),
        revision,
    };
    serde_json::to_writer(&mut *to, &head)?;
    to.write_all(b"\n")?;
    for (collection, object) in &objects {
        let (group, plural) = (Value::from(&*collection.group), Value::from(&*collection.plural));
        write!(to, r#"{{"group":{group},"plural":{plural},"object":"#)?;
        to.write_all(&object.json)?;
        to.write_all(b"}\n")?;
    }
    to.flush()?;
    Ok(objects.len())
}

/// Makes a store of what was written; returns how many objects it has. All of it is there afterwards, or nothing.
pub(crate) fn read(path: &Path, from: &mut dyn BufRead) -> Result<usize, ImportError> {
    let mut lines = Lines { from, number: 0 };
    let head: Head = lines
        .next()?
        .ok_or_else(|| lines.refuse("there is nothing in it"))?;
    if head.kind != KIND || head.api_version != VERSION {
        return Err(lines.refuse("it is no export of a sandbox"));
    }
    let (mut objects, mut keys, mut uids) = (Vec::new(), HashSet::new(), HashSet::new());
    while let Some(line) = lines.next::<Line>()? {
        let (key, object) = place(line, head.revision).map_err(|why| lines.refuse(&why))?;
        if !keys.insert(key.clone()) || !uids.insert(object.uid().to_owned()) {
            return Err(lines.refuse("the object is there twice"));
        }
        objects.push((key, object));
    }
    let (mut disk, (before, _)) = Disk::open(path, None).map_err(ImportError::Store)?;
    if !before.is_empty() {
        return Err(ImportError::Used {
            path: path.to_path_buf(),
        });
    }
    let all = objects.iter().map(|(key, object)| (key, Some(object)));
    disk.commit(all, head.revision, |_| None)
        .map_err(|why| ImportError::Disk {
            path: path.to_path_buf(),
            why: why.to_string(),
        })?;
    Ok(objects.len())
}

/// Where an object belongs.
fn place(line: Line, newest: u64) -> Result<(Key, Object), String> {
    let text = |field: &str| {
        let value = line.object.pointer(&format!("/metadata/{field}"));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (name, namespace, uid) = (text("name"), text("namespace"), text("uid"));
    if name.is_empty() || uid.is_empty() || line.plural.is_empty() {
        return Err("the object has no name, no uid or no collection".to_owned());
    }
    if [&name, &namespace, &line.group, &line.plural]
        .iter()
        .any(|part| part.contains('\0'))
    {
        return Err("a name holds a zero byte".to_owned());
    }
    let revision = text("resourceVersion").parse().ok();
    let revision = revision
        .filter(|revision| *revision <= newest)
        .ok_or("the object's resource version is none, or newer than the export")?;
    let key = Key {
        collection: Collection::new(&line.group, &line.plural),
        namespace,
        name,
    };
    Ok((key, Object::new(line.object, revision)))
}

/// Reads line by line, none longer than [`MAX_LINE`].
struct Lines<'a> {
    from: &'a mut dyn BufRead,
    number: usize,
}

impl Lines<'_> {
    fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, ImportError> {
        self.number += 1;
        let mut line = Vec::new();
        let mut bounded = (&mut *self.from).take(MAX_LINE);
        bounded.read_until(b'\n', &mut line).map_err(ImportError::Read)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(self.refuse("the line is cut off, or too long"));
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| self.refuse(&format!("it cannot be read: {error}")))
    }

    fn refuse(&self, why: &str) -> ImportError {
        ImportError::Line {
            line: self.number,
            why: why.to_owned(),
        }
    }
}
