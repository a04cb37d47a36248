//! `cargo xtask image`: the operator's container image, an OCI archive of one static program. No container engine
//! is needed, neither to make it nor to look into it.

pub(crate) mod oci;

use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result};
use crate::process::run;
use crate::say;
use oci::{File, Image};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

/// Nobody's rights; the chart's Deployment asks for the same user.
const USER: &str = "65532:65532";
/// Names are looked up in files first, then by DNS.
const ETC: [(&str, &[u8]); 3] = [
    ("etc/passwd", b"platform:x:65532:65532::/:/platform\n"),
    ("etc/group", b"platform:x:65532:\n"),
    ("etc/nsswitch.conf", b"hosts: files dns\n"),
];

/// What the image is called in its archive.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds the release program and writes its image to `output`.
pub(crate) fn make(output: &Path) -> Result<()> {
    let started = Instant::now();
    let platform = Platform::build_static(&["--release"])?;
    say::done("built the static program", started.elapsed());
    let started = Instant::now();
    let digest = write(&platform, output)?;
    say::done(&format!("wrote {}", output.display()), started.elapsed());
    say::line(format!("\n  {digest}\n\nPush it, for example:"));
    say::line(format!(
        "  skopeo copy oci-archive:{} docker://registry.example.com/platform:{VERSION}",
        output.display()
    ));
    Ok(())
}

/// Writes the image of a static program, whole or not at all, and says its digest.
pub(crate) fn write(platform: &Platform, output: &Path) -> Result<String> {
    let program = platform.path();
    let content = fs::read(program).doing(|| format!("read {}", program.display()))?;
    let mut files = vec![File {
        path: "platform",
        content: &content,
        executable: true,
    }];
    files.extend(ETC.map(|(path, content)| File {
        path,
        content,
        executable: false,
    }));
    let (commit, date) = head();
    let mut labels = json!({
        "org.opencontainers.image.title": "platform",
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.licenses": "Apache-2.0",
    });
    if let Some(commit) = commit {
        labels["org.opencontainers.image.revision"] = commit.into();
    }
    let archive = Image {
        architecture: architecture(),
        entrypoint: "/platform",
        user: USER,
        besides: json!({}),
        tag: VERSION,
        name: None,
        created: date.as_deref(),
        labels,
        files: &files,
        compressed: true,
    }
    .archive()?;
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .and_then(|mut file| {
            file.write_all(&archive.bytes)?;
            file.persist(output)?;
            Ok(())
        })
        .doing(|| format!("write {}", output.display()))?;
    Ok(archive.digest)
}

/// What this machine's processor is called in images.
pub(crate) fn architecture() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The commit and its date, where this is a clone. The date of the commit, not of the build: who builds it again
/// gets the same image.
fn head() -> (Option<String>, Option<String>) {
    let ask = |format: &str| {
        let mut command = Command::new("git");
        command
            .args([
                "show",
                "--no-patch",
                "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
                format,
                "HEAD",
            ])
            .current_dir(crate::root())
            .env("TZ", "UTC0");
        let finished = run(&mut command, Duration::from_mins(1)).ok()?;
        let said = finished.success("git show").ok()?;
        Some(said.trim().to_owned())
    };
    (ask("--format=%H"), ask("--format=%cd"))
}
