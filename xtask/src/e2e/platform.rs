//! The platform as its users have it: the binary in a home folder of its own, with nothing of this machine's user.

use crate::failure::{Doing, Result, fail};
use crate::https::ApiServer;
use crate::process::{Daemon, Finished, Scratch, run};
use crate::test::built;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What any command of the platform may take on a loaded machine.
const LIMIT: Duration = Duration::from_mins(3);

/// The built binary.
#[derive(Debug)]
pub(crate) struct Platform(PathBuf);

impl Platform {
    /// A binary that is already built.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        path.canonicalize()
            .doing(|| format!("find {}", path.display()))
            .map(Self)
    }

    /// Builds the debug binary.
    pub(crate) fn build() -> Result<Self> {
        Self::build_with(&[])
    }

    /// Builds the release binary.
    pub(crate) fn build_release() -> Result<Self> {
        Self::build_with(&["--release"])
    }

    /// Builds a binary that needs nothing around it, for an image.
    pub(crate) fn build_static(options: &[&str]) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            fail!("containers run Linux: build the image on Linux");
        }
        let rustc = run(Command::new("rustc").arg("-vV"), LIMIT)?.success("rustc -vV")?;
        let Some(host) = rustc.lines().find_map(|line| line.strip_prefix("host: ")) else {
            fail!("rustc -vV names no host:\n{rustc}");
        };
        // With a target named, the flags are for the program alone and not for what builds it.
        Self::build_as(&[options, &["--target", host]].concat(), |command| {
            command.env("RUSTFLAGS", "-C target-feature=+crt-static");
        })
    }

    fn build_with(options: &[&str]) -> Result<Self> {
        Self::build_as(options, |_| ())
    }

    fn build_as(options: &[&str], prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut arguments = vec!["--package", "cli", "--bin", "platform"];
        arguments.extend(options);
        built(&arguments, "platform", prepare).map(Self)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A user who has never used it.
    pub(crate) fn new_user(&self) -> Result<User<'_>> {
        let folder = Scratch::new()?;
        fs::create_dir(folder.path().join("work")).doing(|| "make a work folder".to_owned())?;
        Ok(User {
            platform: self,
            folder,
        })
    }
}

/// Somebody with an empty home folder.
#[derive(Debug)]
pub(crate) struct User<'a> {
    platform: &'a Platform,
    folder: Scratch,
}

impl User<'_> {
    /// Where the user stands.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The kubeconfig of the user's sandbox.
    pub(crate) fn sandbox_kubeconfig(&self) -> PathBuf {
        self.folder.path().join("towpath/kubeconfig")
    }

    /// `platform` with these arguments, separated by white space.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.platform.0);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.work())
            .env("HOME", self.folder.path())
            .env("TOWPATH_HOME", self.folder.path().join("towpath"))
            .env("NO_COLOR", "1");
        for name in [
            "KUBECONFIG",
            "XDG_DATA_HOME",
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs `platform` with these arguments.
    pub(crate) fn run(&self, arguments: &str) -> Result<Finished> {
        run(&mut self.command(arguments), LIMIT).doing(|| format!("run platform {arguments}"))
    }

    /// Runs `platform`, which must succeed, with this kubeconfig, if any; its standard output.
    pub(crate) fn succeed(&self, kubeconfig: Option<&Path>, arguments: &str) -> Result<String> {
        let mut command = self.command(arguments);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        run(&mut command, LIMIT)
            .doing(|| format!("run platform {arguments}"))?
            .success(&format!("platform {arguments}"))
    }

    /// Starts `platform` beside us; what it prints goes to a file in the user's folder.
    pub(crate) fn start(&self, kubeconfig: Option<&Path>, arguments: &str) -> Result<Daemon> {
        let mut command = self.command(arguments);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let name = arguments.split_whitespace().next().unwrap_or_default();
        Daemon::start(&mut command, &self.folder.path().join(format!("{name}.log")))
    }

    /// Starts `platform up` and waits until it is ready for kubectl; how long that took.
    pub(crate) fn up(&self) -> Result<(Daemon, Duration)> {
        let started = Instant::now();
        let daemon = self.start(None, "up --port 0")?;
        let kubeconfig = self.sandbox_kubeconfig();
        ready(&daemon, &kubeconfig)?;
        Ok((daemon, started.elapsed()))
    }
}

/// Waits until a process that serves a sandbox says that it does, and has answered at the kubeconfig that it wrote.
pub(crate) fn ready(daemon: &Daemon, kubeconfig: &Path) -> Result<ApiServer> {
    daemon.says("ready at https://", LIMIT)?;
    let server = ApiServer::of(kubeconfig)?;
    if !server.is_ready() {
        fail!("the API server says that it is ready, and /readyz does not");
    }
    Ok(server)
}
