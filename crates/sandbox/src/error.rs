//! What can go wrong around the server: opening the store, serving it. What goes wrong in a request is a
//! `metav1.Status` and lives in `status`.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a sandbox could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process (or another [`crate::Sandbox`] of this one) holds the store.
    #[error("the sandbox store {} is in use by another process", path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The file is not a store, is damaged, or has another layout.
    #[error("the sandbox store {} cannot be read: {why}", path.display())]
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or its directory may not be written.
    #[error("the sandbox store {} cannot be written", path.display())]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Any other failure of the system.
    #[error("the sandbox store{} cannot be opened", path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default())]
    Io {
        /// The store's file, if there is one.
        path: Option<PathBuf>,
        /// The system's answer.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{IsADirectory, NotADirectory, PermissionDenied, ReadOnlyFilesystem, StorageFull};
        match source.kind() {
            PermissionDenied | ReadOnlyFilesystem | StorageFull | IsADirectory | NotADirectory => {
                Self::Unwritable {
                    path: path.to_path_buf(),
                    source,
                }
            }
            _ => Self::Io {
                path: Some(path.to_path_buf()),
                source,
            },
        }
    }
}

/// Why what was exported could not become a store.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A line of it is not as [`crate::Sandbox::export`] writes them.
    #[error("line {line}: {why}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be read to its end.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// The store has objects already.
    #[error("the sandbox store {} is in use already: there are objects in it", path.display())]
    Used {
        /// The store's file.
        path: PathBuf,
    },
    /// The store cannot be made.
    #[error(transparent)]
    Store(OpenError),
    /// The objects cannot be written.
    #[error("the sandbox store {} cannot be written: {why}", path.display())]
    Disk {
        /// The store's file.
        path: PathBuf,
        /// What the storage says.
        why: String,
    },
}

/// Why the sandbox could not be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Something else listens on the address.
    #[error("the address {address} is in use by another program")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The address is reachable from other machines and that was not asked for.
    #[error("{address} is not a loopback address; the sandbox serves this machine only")]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A certificate, key, token or kubeconfig file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Certificates could not be made or read.
    #[error("the certificates in {} are unusable: {why}", directory.display())]
    Certificates {
        /// Where they are kept.
        directory: PathBuf,
        /// What is wrong.
        why: String,
    },
}
