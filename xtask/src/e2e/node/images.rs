//! The images of the node's pods: services from scratch, PostgreSQL and Redis from Debian's packages.
//!
//! The stores bear the names that the golden paths ask for, because they stand in for these images; what is in them is
//! Debian's.

use super::debian::Files;
use super::services::Source;
use crate::cluster::node::PAUSE;
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::image::architecture;
use crate::image::oci::{File, Image};
use crate::process::run;
use crate::tools::{self, INITDB, REDIS};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CALL: Duration = Duration::from_mins(15);
const ENDING: &str = "image.tar";
const NOBODY: &str = "65532:65532";
/// The user of the official images, which the golden paths start the stores as.
const STORE: &str = "999:999";
/// A service that takes all the memory it can get.
pub(super) const HUNGRY: &str = "registry.internal/payments/hungry:v1";

/// What was made, and what to ask for so that it is used.
#[derive(Debug)]
pub(super) struct Images {
    /// `postgres:15`, as Debian has it.
    pub(super) database: String,
    /// `redis:7.0`.
    pub(super) cache: String,
}

impl Images {
    /// Makes all of them, as archives in a folder.
    pub(super) fn make(platform: &Platform, folder: &Path) -> Result<Self> {
        for (name, reference) in [("pause", PAUSE), ("hungry", HUNGRY)] {
            let program = folder.join(name);
            let source = crate::root().join("e2e/images").join(name).join("main.go");
            let mut command = Command::new("go");
            command.args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]);
            command.arg(&program).arg(source).current_dir(folder);
            command
                .env("CGO_ENABLED", "0")
                .env("GOTOOLCHAIN", "local")
                .env("GOFLAGS", "-buildvcs=false");
            run(&mut command, CALL)?.success(&format!("go build {name}"))?;
            one_program(folder, name, &program, reference)?;
        }
        let stores = Self {
            database: postgres(folder)?,
            cache: redis(folder)?,
        };
        for source in [&Source::GO, &Source::RUST] {
            let program = source.build(platform, folder)?;
            one_program(folder, source.name, &program, source.image)?;
        }
        Ok(stores)
    }

    /// The archives in a folder.
    pub(super) fn found(folder: &Path) -> Result<Vec<PathBuf>> {
        let what = || format!("read {}", folder.display());
        let mut found = Vec::new();
        for entry in folder.read_dir().doing(what)? {
            found.push(entry.doing(what)?.path());
        }
        found.retain(|path| path.to_string_lossy().ends_with(ENDING));
        Ok(found)
    }
}

/// An image of one static program, as the Dockerfiles of the scaffolds make them.
fn one_program(folder: &Path, name: &str, program: &Path, reference: &str) -> Result<()> {
    let mut files = Files::default();
    files.put_as("service", program)?;
    files.put("etc/nsswitch.conf", b"hosts: files dns\n", false);
    write(folder, name, reference, &files, "/service", NOBODY, json!({}))
}

fn write(
    folder: &Path,
    name: &str,
    reference: &str,
    files: &Files,
    entrypoint: &str,
    user: &str,
    besides: Value,
) -> Result<()> {
    let files: Vec<File<'_>> = files
        .0
        .iter()
        .map(|(path, (content, executable))| File {
            path,
            content,
            executable: *executable,
        })
        .collect();
    let tag = reference.rsplit_once(':').map_or("", |(_, tag)| tag);
    let archive = Image {
        architecture: architecture(),
        entrypoint,
        user,
        besides,
        tag,
        name: Some(reference),
        created: None,
        labels: json!({}),
        files: &files,
        compressed: false,
    }
    .archive()?;
    let path = folder.join(format!("{name}.{ENDING}"));
    fs::write(&path, archive.bytes).doing(|| format!("write {}", path.display()))
}

/// Debian's PostgreSQL, started as the official image is.
fn postgres(folder: &Path) -> Result<String> {
    let initdb = tools::need(&[INITDB])?.remove(0);
    // It may be found by a link; its neighbours are where it is.
    let initdb = fs::canonicalize(&initdb).doing(|| format!("find {}", initdb.display()))?;
    let programs = initdb.parent().unwrap_or(Path::new("/"));
    // /usr/lib/postgresql/15/bin
    let Some(home) = programs.parent() else {
        fail!("{} is nowhere", initdb.display())
    };
    let version = home
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut files = Files::default();
    // Compiling queries needs a library larger than all the rest, and is only done where it is there.
    let leave = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "bitcode" || name == "pgxs" || name.starts_with("llvmjit") || name == "man"
    };
    files.put_folder(home, &leave)?;
    files.put_folder(&Path::new("/usr/share/postgresql").join(&version), &leave)?;
    let binaries: Vec<PathBuf> = files
        .0
        .keys()
        .map(|path| Path::new("/").join(path))
        .filter(|path| {
            path.starts_with(home)
                && (path.starts_with(programs) || path.extension().is_some_and(|it| it == "so"))
        })
        .collect();
    files.put_libraries_of(&binaries)?;
    base(&mut files, "postgres")?;
    let entrypoint = crate::root().join("e2e/images/postgres/entrypoint.sh");
    let script = fs::read(&entrypoint).doing(|| format!("read {}", entrypoint.display()))?;
    files.put("entrypoint", &script, true);
    let (asked, reference) = offered("postgres", &version)?;
    // Told by another signal it waits for its clients to leave.
    let besides = json!({
        "Env": [format!("PATH={}:/usr/bin:/bin", programs.display())],
        "StopSignal": "SIGINT",
    });
    write(
        folder,
        "postgres",
        &reference,
        &files,
        "/entrypoint",
        STORE,
        besides,
    )?;
    Ok(asked)
}

/// Debian's Redis.
fn redis(folder: &Path) -> Result<String> {
    let server = tools::need(&[REDIS])?.remove(0);
    let told = run(Command::new(&server).arg("--version"), CALL)?.success("redis-server --version")?;
    // `Redis server v=7.0.15 sha=…`
    let version = told
        .split_once("v=")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .unwrap_or_default();
    let version = version.rsplit_once('.').map_or(version, |(version, _)| version);
    let Some(client) = tools::in_path("redis-cli") else {
        fail!("redis-cli is not installed beside redis-server");
    };
    let mut files = Files::default();
    files.put_as("usr/bin/redis-server", &server)?;
    files.put_as("usr/bin/redis-cli", &client)?;
    files.put_libraries_of(&[server, client])?;
    base(&mut files, "redis")?;
    let (asked, reference) = offered("redis", version)?;
    write(
        folder,
        "redis",
        &reference,
        &files,
        "/usr/bin/redis-server",
        STORE,
        json!({"Env": ["PATH=/usr/bin:/bin"]}),
    )?;
    Ok(asked)
}

/// A shell, and the user that the store runs as.
fn base(files: &mut Files, user: &str) -> Result<()> {
    let shell = fs::canonicalize("/bin/sh").doing(|| "find a shell".to_owned())?;
    files.put_as("bin/sh", &shell)?;
    files.put_libraries_of(&[shell])?;
    files.put(
        "etc/passwd",
        format!("{user}:x:{STORE}::/:/bin/sh\n").as_bytes(),
        false,
    );
    files.put("etc/group", format!("{user}:x:999:\n").as_bytes(), false);
    files.put("etc/nsswitch.conf", b"hosts: files dns\n", false);
    Ok(())
}

/// What to ask the platform for, and which image it then uses: Debian's version where it is on offer, else the usual
/// one.
fn offered(golden_path: &str, version: &str) -> Result<(String, String)> {
    let path = crate::root()
        .join("golden-paths")
        .join(golden_path)
        .join("values.yaml");
    let what = || format!("read {}", path.display());
    let text = fs::read_to_string(&path).doing(what)?;
    let values = yaml::parse(&text).doing(what)?.value;
    let usual = values["version"].as_str().unwrap_or_default();
    let asked = if values["images"][version].is_string() {
        version
    } else {
        usual
    };
    match values["images"][asked].as_str() {
        Some(image) => Ok((format!("{golden_path}:{asked}"), image.to_owned())),
        None => fail!("{} offers no image", path.display()),
    }
}
