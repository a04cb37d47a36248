//! An OCI image archive of one layer, made without any engine. The same content gives the same bytes.
//!
//! Knows the image layout of the Open Container Initiative, and nothing of what the files are for.

use crate::failure::{Doing, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write;

/// A file of the image. Everything belongs to root and may be read by all.
#[derive(Debug)]
pub(crate) struct File<'a> {
    pub(crate) path: &'a str,
    pub(crate) content: &'a [u8],
    pub(crate) executable: bool,
}

/// What a container of the image is started as.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    /// As the Go project names it: `amd64`.
    pub(crate) architecture: &'a str,
    pub(crate) entrypoint: &'a str,
    /// User and group, in numbers.
    pub(crate) user: &'a str,
    /// More of its configuration, in the words of the specification.
    pub(crate) besides: Value,
    /// The name under which tools find the image in the archive.
    pub(crate) tag: &'a str,
    /// The whole name under which an engine is to keep it, where that is decided here.
    pub(crate) name: Option<&'a str>,
    /// When it was made, in RFC 3339, where that is known.
    pub(crate) created: Option<&'a str>,
    pub(crate) labels: Value,
    pub(crate) files: &'a [File<'a>],
    /// Packed for a registry; what goes no further than this machine need not be.
    pub(crate) compressed: bool,
}

/// An archive, and what a registry will call the image.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
}

impl Image<'_> {
    /// The archive: a tar of blobs, each under the hash of its content.
    pub(crate) fn archive(&self) -> Result<Archive> {
        let layer = tar(self.files)?;
        let unpacked = digest(&layer);
        let layer = if self.compressed {
            Blob::new("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&layer)?)
        } else {
            Blob::new("application/vnd.oci.image.layer.v1.tar", layer)
        };
        let mut config = json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": {
                "Entrypoint": [self.entrypoint],
                "User": self.user,
                "WorkingDir": "/",
                "Labels": self.labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [unpacked]},
        });
        for (key, value) in self.besides.as_object().into_iter().flatten() {
            config["config"][key] = value.clone();
        }
        if let Some(created) = self.created {
            config["created"] = created.into();
        }
        let config = Blob::json("application/vnd.oci.image.config.v1+json", &config);
        let manifest = Blob::json(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
                "annotations": self.labels,
            }),
        );
        let mut entry = manifest.descriptor();
        entry["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": self.tag});
        if let Some(name) = self.name {
            entry["annotations"]["io.containerd.image.name"] = name.into();
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        });
        let blobs = [&layer, &config, &manifest].map(|blob| (blob.path(), &blob.content));
        let (layout, index) = (json!({"imageLayoutVersion": "1.0.0"}), index.to_string());
        let (layout, index) = (layout.to_string(), index.into_bytes());
        let mut files = vec![file("oci-layout", layout.as_bytes()), file("index.json", &index)];
        files.extend(blobs.iter().map(|(path, content)| file(path, content)));
        Ok(Archive {
            bytes: tar(&files)?,
            digest: manifest.digest,
        })
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Content with its name.
struct Blob {
    kind: &'static str,
    digest: String,
    content: Vec<u8>,
}

impl Blob {
    fn new(kind: &'static str, content: Vec<u8>) -> Self {
        let digest = digest(&content);
        Self {
            kind,
            digest,
            content,
        }
    }

    fn json(kind: &'static str, content: &Value) -> Self {
        Self::new(kind, content.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.kind, "digest": self.digest, "size": self.content.len()})
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }
}

fn digest(content: &[u8]) -> String {
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(content) {
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

const fn file<'a>(path: &'a str, content: &'a [u8]) -> File<'a> {
    File {
        path,
        content,
        executable: false,
    }
}

/// A tar of these files and the folders they are in.
fn tar(files: &[File<'_>]) -> Result<Vec<u8>> {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut folders: Vec<&str> = Vec::new();
    for file in files {
        for (end, _) in file.path.match_indices('/') {
            let folder = &file.path[..=end];
            if !folders.contains(&folder) {
                folders.push(folder);
                append(&mut builder, folder, ::tar::EntryType::Directory, 0o755, &[])?;
            }
        }
        let mode = if file.executable { 0o755 } else { 0o644 };
        append(
            &mut builder,
            file.path,
            ::tar::EntryType::Regular,
            mode,
            file.content,
        )?;
    }
    builder.into_inner().doing(|| "write the archive".to_owned())
}

fn append(
    builder: &mut ::tar::Builder<Vec<u8>>,
    path: &str,
    kind: ::tar::EntryType,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    builder
        .append_data(&mut header, path, content)
        .doing(|| format!("put {path} into the archive"))
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(content)
        .and_then(|()| encoder.finish())
        .doing(|| "compress the layer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read;

    fn unpacked(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        for entry in ::tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, (entry.header().mode().unwrap(), content));
        }
        files
    }

    fn made() -> Archive {
        let files = [
            File {
                path: "program",
                content: b"\x7fELF",
                executable: true,
            },
            file("etc/passwd", b"nobody"),
        ];
        Image {
            architecture: "arm64",
            entrypoint: "/program",
            user: "65532:65532",
            besides: json!({"Env": ["PATH=/"]}),
            tag: "1.2.3",
            name: Some("registry.internal/program:1.2.3"),
            created: None,
            labels: json!({"a": "b"}),
            files: &files,
            compressed: true,
        }
        .archive()
        .unwrap()
    }

    /// What a registry's client does: from the index to the manifest to its blobs, each by its hash.
    #[test]
    fn every_blob_is_found_by_its_hash() {
        let archive = made();
        let files = unpacked(&archive.bytes);
        let read = |descriptor: &Value| -> Vec<u8> {
            let digest_said = descriptor["digest"].as_str().unwrap();
            let (_, content) = &files[&format!("blobs/{}", digest_said.replace(':', "/"))];
            assert_eq!(digest(content), digest_said);
            assert_eq!(descriptor["size"], content.len());
            content.clone()
        };
        let parse = |content: &[u8]| -> Value { serde_json::from_slice(content).unwrap() };
        assert_eq!(parse(&files["oci-layout"].1)["imageLayoutVersion"], "1.0.0");
        let index = parse(&files["index.json"].1);
        let entry = &index["manifests"][0];
        assert_eq!(entry["digest"], archive.digest);
        assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "1.2.3");
        assert_eq!(
            entry["annotations"]["io.containerd.image.name"],
            "registry.internal/program:1.2.3"
        );
        let manifest = parse(&read(entry));
        let config = parse(&read(&manifest["config"]));
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Env"], json!(["PATH=/"]));
        let mut layer = Vec::new();
        flate2::read::GzDecoder::new(read(&manifest["layers"][0]).as_slice())
            .read_to_end(&mut layer)
            .unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer));
        let layer = unpacked(&layer);
        assert_eq!(layer["program"], (0o755, b"\x7fELF".to_vec()));
        assert_eq!(layer["etc/"].0, 0o755);
        assert_eq!(layer["etc/passwd"], (0o644, b"nobody".to_vec()));
    }

    #[test]
    fn the_same_content_is_the_same_image() {
        assert_eq!(made().bytes, made().bytes);
    }
}
