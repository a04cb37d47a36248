//! The file: one redb table of objects by place, one of facts about the store.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use axum::body::Bytes;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value;

use super::{Collection, Key, Object};
use crate::OpenError;

const OBJECTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("objects");
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// The layout of the file. A file of another layout is refused, not guessed at.
const FORMAT: u64 = 1;
/// Reads come from memory, so the page cache only serves commits.
const CACHE: usize = 4 << 20;

/// What a file holds: its objects, and the revision of the last change.
pub(crate) type Contents = (Vec<(Key, Object)>, u64);

pub(crate) struct Disk {
    database: Database,
}

impl Disk {
    /// Opens or makes the file and reads everything in it.
    pub(crate) fn open(path: &Path) -> Result<(Self, Contents), OpenError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|source| OpenError::from_io(parent, source))?;
        }
        // A damaged file must end in a message, and the storage library asserts some of its invariants.
        let opened = std::panic::catch_unwind(|| {
            let file = open_private(path).map_err(|source| OpenError::from_io(path, source))?;
            let database = Database::builder()
                .set_cache_size(CACHE)
                .create_file(file)
                .map_err(|error| from_database(path, error))?;
            let contents = read(path, &database)?;
            Ok((Self { database }, contents))
        });
        opened.unwrap_or_else(|_| Err(corrupt(path, "the file is damaged")))
    }

    /// Writes a group of changes and returns when they are on the platter.
    pub(crate) fn commit<'a>(
        &self,
        changes: impl Iterator<Item = (&'a Key, Option<&'a Object>)>,
        revision: u64,
    ) -> Result<(), String> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut objects = transaction.open_table(OBJECTS)?;
                for (key, object) in changes {
                    let place = place(key);
                    match object {
                        Some(object) => objects.insert(place.as_slice(), &*object.json)?,
                        None => objects.remove(place.as_slice())?,
                    };
                }
                transaction.open_table(FACTS)?.insert("revision", revision)?;
            }
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| error.to_string())
    }
}

/// The file, which holds Secrets, for its owner only.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

fn read(path: &Path, database: &Database) -> Result<Contents, OpenError> {
    let failed = |error: redb::Error| from_redb(path, error);
    let transaction = database.begin_read().map_err(|error| failed(error.into()))?;
    let facts = match transaction.open_table(FACTS) {
        Ok(facts) => facts,
        Err(redb::TableError::TableDoesNotExist(_)) => {
            drop(transaction);
            return begin(database).map(|()| (Vec::new(), 1)).map_err(failed);
        }
        Err(error) => return Err(failed(error.into())),
    };
    let fact = |name: &str| {
        let value = facts.get(name).map_err(|error| failed(error.into()))?;
        value
            .map(|value| value.value())
            .ok_or_else(|| corrupt(path, &format!("the fact {name:?} is missing")))
    };
    let format = fact("format")?;
    if format != FORMAT {
        let why = format!("the file has layout {format}, this program reads layout {FORMAT}");
        return Err(corrupt(path, &why));
    }
    let revision = fact("revision")?;
    let table = transaction
        .open_table(OBJECTS)
        .map_err(|error| failed(error.into()))?;
    let mut objects = Vec::new();
    for entry in table.iter().map_err(|error| failed(error.into()))? {
        let (place, json) = entry.map_err(|error| failed(error.into()))?;
        let object = decode(place.value(), json.value());
        objects.push(object.ok_or_else(|| {
            corrupt(
                path,
                &format!(
                    "the object {:?} is unreadable",
                    String::from_utf8_lossy(place.value())
                ),
            )
        })?);
    }
    Ok((objects, revision))
}

/// Writes the tables of an empty store.
fn begin(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        transaction.open_table(OBJECTS)?;
        let mut facts = transaction.open_table(FACTS)?;
        facts.insert("format", FORMAT)?;
        facts.insert("revision", 1)?;
    }
    transaction.commit()?;
    Ok(())
}

/// `group \0 plural \0 namespace \0 name`: none of them may hold a zero byte.
fn place(key: &Key) -> Vec<u8> {
    let Key {
        collection,
        namespace,
        name,
    } = key;
    format!("{}\0{}\0{namespace}\0{name}", collection.group, collection.plural).into_bytes()
}

fn decode(place: &[u8], json: &[u8]) -> Option<(Key, Object)> {
    let place = std::str::from_utf8(place).ok()?;
    let mut parts = place.split('\0');
    let (group, plural, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let key = Key {
        collection: Collection::new(group, plural),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let value: Value = serde_json::from_slice(json).ok()?;
    let revision = value
        .get("metadata")?
        .get("resourceVersion")?
        .as_str()?
        .parse()
        .ok()?;
    Some((key, Object::stored(Bytes::copy_from_slice(json), revision)))
}

fn corrupt(path: &Path, why: &str) -> OpenError {
    OpenError::Corrupt {
        path: path.to_path_buf(),
        why: why.to_owned(),
    }
}

fn from_database(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse {
            path: path.to_path_buf(),
        },
        other => from_redb(path, other.into()),
    }
}

fn from_redb(path: &Path, error: redb::Error) -> OpenError {
    match error {
        redb::Error::Io(source)
            if !matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            OpenError::from_io(path, source)
        }
        redb::Error::DatabaseAlreadyOpen => OpenError::InUse {
            path: path.to_path_buf(),
        },
        other => corrupt(path, &other.to_string()),
    }
}
