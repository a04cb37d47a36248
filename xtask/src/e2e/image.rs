//! The container image, as others read it: skopeo takes it apart, and its program runs with nothing around it.

use super::platform::Platform;
use crate::cluster::Cluster;
use crate::failure::{Doing, Result, fail};
use crate::process::{Scratch, run};
use crate::tools::{self, SKOPEO};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);
const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// The file system of a container of the image.
#[derive(Debug)]
pub(crate) struct Root {
    folder: Scratch,
    entrypoint: String,
    user: String,
}

impl Root {
    /// Makes the image of a debug build and unpacks it.
    pub(super) fn unpack() -> Result<Self> {
        let skopeo = tools::need(&[SKOPEO])?.remove(0);
        let scratch = Scratch::new()?;
        let archive = scratch.path().join("platform.tar");
        let digest = crate::image::write(&Platform::build_static(&[])?, &archive)?;
        let source = format!("oci-archive:{}", archive.display());
        let ask = |arguments: &[&str]| {
            run(Command::new(&skopeo).args(arguments), LIMIT)?
                .success(&format!("skopeo {}", arguments.join(" ")))
        };
        let told = ask(&["inspect", "--format", "{{.Digest}}", &source])?;
        if told.trim() != digest {
            fail!("skopeo says that the image is {}, we say {digest}", told.trim());
        }
        let config: Value = serde_json::from_str(&ask(&["inspect", "--config", &source])?)
            .doing(|| "read the image's configuration".to_owned())?;
        let blobs = scratch.path().join("blobs");
        // No policy of this machine is asked whose signature it wants.
        let copy = format!("--insecure-policy copy --quiet {source} dir:{}", blobs.display());
        ask(&copy.split_whitespace().collect::<Vec<_>>())?;
        let manifest = fs::read(blobs.join("manifest.json")).doing(|| "read the manifest".to_owned())?;
        let manifest: Value = serde_json::from_slice(&manifest).doing(|| "read the manifest".to_owned())?;
        let folder = Scratch::new()?;
        // What was ours alone is everybody's to look into, as a container's root is.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .doing(|| "open the image's folder".to_owned())?;
        // Where every container finds the devices.
        fs::create_dir(folder.path().join("dev")).doing(|| "make the container's devices".to_owned())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for layer in manifest["layers"].as_array().into_iter().flatten() {
            let blob = blobs.join(text(&layer["digest"]).trim_start_matches("sha256:"));
            let mut tar = Command::new("tar");
            tar.arg("-xzf").arg(blob).arg("-C").arg(folder.path());
            run(&mut tar, LIMIT)?.success("tar")?;
        }
        Ok(Self {
            folder,
            entrypoint: text(&config["config"]["Entrypoint"][0]),
            user: text(&config["config"]["User"]),
        })
    }

    /// The image's program as a container starts it: in its own root, as its own user.
    pub(super) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        let enter = if nix::unistd::geteuid().is_root() {
            format!("exec chroot --userspec={}", self.user)
        } else {
            // Who is not root may have a root of their own, but no other users in it.
            command.arg("--map-root-user");
            "exec chroot".to_owned()
        };
        let script = format!("mount --rbind /dev \"$0/dev\" && {enter} \"$0\" \"$@\"");
        command
            .args(["sh", "-c", &script])
            .arg(self.folder.path())
            .arg(&self.entrypoint)
            .args(arguments.split_whitespace())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            );
        command
    }

    /// The program with what a pod is given of its ServiceAccount, and that alone.
    pub(super) fn pod(
        &self,
        cluster: &Cluster,
        arguments: &str,
        token: &str,
        namespace: &str,
    ) -> Result<Command> {
        let kubeconfig =
            fs::read_to_string(cluster.kubeconfig()).doing(|| "read the kubeconfig".to_owned())?;
        let kubeconfig = yaml::parse(&kubeconfig)
            .map_err(|error| crate::failure::Failure::new(error.to_string()))?
            .value;
        let server = &kubeconfig["clusters"][0]["cluster"];
        let authority = match (
            &server["certificate-authority"],
            &server["certificate-authority-data"],
        ) {
            (Value::String(path), _) => fs::read(path).doing(|| format!("read {path}"))?,
            (_, data) => base64::Engine::decode(
                &base64::engine::general_purpose::STANDARD,
                data.as_str().unwrap_or_default(),
            )
            .doing(|| "read the cluster's authority".to_owned())?,
        };
        let address = server["server"].as_str().unwrap_or_default();
        let Some((host, port)) = address
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .rsplit_once(':')
        else {
            fail!("the cluster's address {address} has no port")
        };
        let folder = self.folder.path().join(ACCOUNT);
        let put = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, content).doing(|| format!("write {}", path.display()))
        };
        fs::create_dir_all(&folder).doing(|| "make the account's folder".to_owned())?;
        put("ca.crt", &authority)?;
        put("token", token.as_bytes())?;
        put("namespace", namespace.as_bytes())?;
        let mut command = self.command(arguments);
        command
            .env("KUBERNETES_SERVICE_HOST", host)
            .env("KUBERNETES_SERVICE_PORT", port);
        Ok(command)
    }

    /// A place for logs, outside the container.
    pub(super) fn beside(&self) -> &Path {
        self.folder.path()
    }
}

/// It says who it is, and refuses what needs more than itself in words.
pub(super) fn runs(root: &Root) -> Result<()> {
    let version = run(&mut root.command("version"), LIMIT)?.success("platform version")?;
    if !version.contains(crate::image::VERSION) {
        fail!("the image's program says it is {version}");
    }
    let alone = run(&mut root.command("operator"), LIMIT)?;
    if alone.status.success() || !alone.stderr.contains("cluster") {
        fail!(
            "an operator outside any cluster should say so:\n{}{}",
            alone.stdout,
            alone.stderr
        );
    }
    Ok(())
}
