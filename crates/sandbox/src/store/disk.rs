//! The file: one redb table of objects by place, one of facts about the store.
//!
//! A write that fails, as on a full disk, leaves the file as it was: the storage library is done with it then, so it is
//! opened again before the next write, and should a change be found in it that was answered with a failure, that is taken
//! back. The lock on the file is held all the while.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError};
use serde_json::Value;
use thiserror::Error;

use super::{Collection, Key, Object};
use crate::{Faults, OpenError};

const OBJECTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("objects");
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// The layout of the file. A file of another layout is refused, not guessed at.
const FORMAT: u64 = 1;
/// Reads come from memory, so the page cache only serves commits.
const CACHE: usize = 1 << 20;

/// What a file holds: its objects, and the revision of the last change.
pub(crate) type Contents = (Vec<(Key, Object)>, u64);

/// Why a group of changes is not on the disk.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum DiskError {
    #[error("the disk is full")]
    Full,
    #[error("{0}")]
    Failed(String),
}

impl From<redb::Error> for DiskError {
    fn from(error: redb::Error) -> Self {
        match &error {
            redb::Error::Io(source) if is_full(source.kind()) => Self::Full,
            other => Self::Failed(other.to_string()),
        }
    }
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

pub(crate) struct Disk {
    /// `None` after a write has failed.
    database: Option<Database>,
    /// The revision of the last change that was acknowledged.
    revision: u64,
    /// The places that the failed write was about, and what was there before.
    doubtful: Vec<(Key, Option<Arc<Object>>)>,
    faults: Option<Faults>,
    /// Locked against everybody else as long as this lives.
    file: File,
}

impl Disk {
    /// Opens or makes the file and reads everything in it.
    pub(crate) fn open(path: &Path, faults: Option<&Faults>) -> Result<(Self, Contents), OpenError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|source| OpenError::from_io(parent, source))?;
        }
        // A damaged file must end in a message, and the storage library asserts some of its invariants.
        let opened = std::panic::catch_unwind(|| {
            let file = open_private(path).map_err(|source| OpenError::from_io(path, source))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse {
                        path: path.to_path_buf(),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(OpenError::from_io(path, source)),
            }
            let faults = faults.cloned();
            let database = attach(&file, faults.clone()).map_err(|error| from_redb(path, error))?;
            let contents = read(path, &database)?;
            let disk = Self {
                database: Some(database),
                revision: contents.1,
                doubtful: Vec::new(),
                faults,
                file,
            };
            Ok((disk, contents))
        });
        opened.unwrap_or_else(|_| Err(corrupt(path, "the file is damaged")))
    }

    /// Writes a group of changes and returns when they are on the platter. `before` is what was at a place, in case they
    /// do not get there.
    pub(crate) fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = (&'a Key, Option<&'a Object>)> + Clone,
        revision: u64,
        before: impl Fn(&Key) -> Option<Arc<Object>>,
    ) -> Result<(), DiskError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => guarded(|| self.again())?,
        };
        self.doubtful.clear();
        let written = guarded(|| write(&database, changes.clone(), revision));
        if written.is_ok() {
            self.database = Some(database);
            self.revision = revision;
        } else {
            self.doubtful = changes.map(|(key, _)| (key.clone(), before(key))).collect();
            // It may fail at this too, and is no longer needed.
            drop(guarded(|| {
                drop(database);
                Ok(())
            }));
        }
        written
    }

    /// Opens the file again after a write has failed.
    fn again(&self) -> Result<Database, redb::Error> {
        let database = attach(&self.file, self.faults.clone())?;
        if revision_in(&database)? != Some(self.revision) {
            let before = self.doubtful.iter();
            let before = before.map(|(key, object)| (key, object.as_deref()));
            write(&database, before, self.revision)?;
        }
        Ok(database)
    }
}

/// The storage library asserts some of its invariants, and a failed write may have broken one.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, DiskError> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(redb::Error::PreviousIo))
        .map_err(DiskError::from)
}

fn attach(file: &File, faults: Option<Faults>) -> Result<Database, redb::Error> {
    let io = FileBackend::new(file.try_clone()?)?;
    let database = Database::builder()
        .set_cache_size(CACHE)
        .create_with_backend(Platter { io, faults })?;
    Ok(database)
}

fn write<'a>(
    database: &Database,
    changes: impl Iterator<Item = (&'a Key, Option<&'a Object>)>,
    revision: u64,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
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
}

/// The revision of the last change in the file.
fn revision_in(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(FACTS) {
        Ok(facts) => Ok(facts.get("revision")?.map(|revision| revision.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the storage library writes to: the file, as far as the faults that a test asks for let it. It takes no locks; the
/// file is locked for as long as the store is open.
#[derive(Debug)]
struct Platter {
    io: FileBackend,
    faults: Option<Faults>,
}

impl StorageBackend for Platter {
    fn len(&self) -> io::Result<u64> {
        self.io.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.io.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.io.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.io.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        // What fits is written and the rest is not, as on a disk that fills up.
        let room = self
            .faults
            .as_ref()
            .map_or(data.len(), |faults| faults.spend(data.len()));
        self.io.write(offset, &data[..room])?;
        if room < data.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
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
        Err(TableError::TableDoesNotExist(_)) => {
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

fn from_redb(path: &Path, error: redb::Error) -> OpenError {
    match error {
        redb::Error::Io(source)
            if !matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            OpenError::from_io(path, source)
        }
        other => corrupt(path, &other.to_string()),
    }
}
