//! Who acts in an installed cluster besides its administrator: accounts with a token, and operators that use one.

use super::{LIMIT, SYSTEM};
use crate::cluster::{CONTEXT, Cluster, free_ports};
use crate::e2e::image::Root;
use crate::e2e::platform::{Platform, User};
use crate::failure::{Doing, Result, fail};
use crate::process::{Daemon, run};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a figure may take to be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// A kubeconfig, in a folder, of an account by a token of its own and nothing else.
pub(super) fn account(cluster: &Cluster, folder: &Path, name: &str, namespace: &str) -> Result<PathBuf> {
    let token = token(cluster, name, namespace)?;
    let text = fs::read_to_string(cluster.kubeconfig()).doing(|| "read the kubeconfig".to_owned())?;
    let document = yaml::parse(&text).map_err(|error| crate::failure::Failure::new(error.to_string()))?;
    let mut config: Value = document.value;
    config["users"][0]["user"] = json!({"token": token.trim()});
    let path = folder.join(format!("{name}.kubeconfig"));
    fs::write(&path, yaml::emit(&config)).doing(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn token(cluster: &Cluster, name: &str, namespace: &str) -> Result<String> {
    let arguments = ["create", "token", name, "--namespace", namespace];
    run(cluster.kubectl().args(arguments), LIMIT)?.success("kubectl create token")
}

/// An operator with the rights of the installed one.
pub(super) struct Operator<'a> {
    daemon: Daemon,
    port: u16,
    // Its home and its log, where they are not the image's.
    _user: Option<User<'a>>,
}

impl<'a> Operator<'a> {
    pub(super) fn start(platform: &'a Platform, cluster: &Cluster) -> Result<Self> {
        let user = platform.new_user()?;
        let kubeconfig = account(cluster, &user.work(), "platform-operator", SYSTEM)?;
        let [port] = free_ports()?;
        let arguments = format!("operator --context {CONTEXT} --listen 127.0.0.1:{port}");
        Ok(Self {
            daemon: user.start(Some(&kubeconfig), &arguments)?,
            port,
            _user: Some(user),
        })
    }

    /// The image's program in the image's root, which finds the cluster as every pod does.
    pub(super) fn in_pod(image: &Root, cluster: &Cluster) -> Result<Self> {
        let [port] = free_ports()?;
        let token = token(cluster, "platform-operator", SYSTEM)?;
        let arguments = format!("operator --listen 127.0.0.1:{port} --log-format json");
        let mut command = image.pod(cluster, &arguments, token.trim(), SYSTEM)?;
        Ok(Self {
            daemon: Daemon::start(&mut command, &image.beside().join("operator.log"))?,
            port,
            _user: None,
        })
    }

    /// Whether it says that it leads. One that has not begun to answer does not.
    pub(super) fn leads(&self) -> Result<bool> {
        self.daemon.check()?;
        let Ok(figures) = self.ask("/metrics") else {
            return Ok(false);
        };
        Ok(figures.lines().any(|line| line == "platform_operator_leader 1"))
    }

    fn ask(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    pub(super) fn kill(&self) -> Result<()> {
        self.daemon.kill()
    }

    /// Whatever it tried, its account may.
    pub(super) fn was_allowed_everything(&self) -> Result<()> {
        let log = self.daemon.output();
        let refused: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("forbidden"))
            .take(5)
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        fail!("the operator lacks rights:\n{}", refused.join("\n"))
    }
}
