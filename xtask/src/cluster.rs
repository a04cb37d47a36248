//! A whole Kubernetes on loopback: etcd, API server, controller manager, scheduler, and kwok in place of nodes.
//!
//! Free ports, certificates of its own, everything in one scratch folder. Pods are Ready at once and run nothing, unless
//! it is started on a real `node`. Dropping the cluster stops exactly what it started and removes what it wrote.

pub(crate) mod certificates;
pub(crate) mod node;
mod objects;
pub(crate) mod sandbox;

use crate::failure::{Doing, Result, fail};
use crate::https::ApiServer;
use crate::peers::{self, ETCD, KUBERNETES, KWOK};
use crate::process::{Daemon, Scratch, run};
use certificates::{Authority, Pair};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long the cluster may take to come up; seconds on a machine at rest.
const START: Duration = Duration::from_mins(3);
/// What a single call of kubectl may take.
const CALL: Duration = Duration::from_mins(2);
/// What an API server says once it finds itself ready: only then it makes the Service by which it is found.
const READY: &str = "service=\"default/kubernetes\"";
/// What one says that finds everything it needs where it left it.
const READY_AGAIN: &str = "all system priority classes are created successfully or already exist";
/// The kubeconfig's context, cluster and admin user.
pub(crate) const CONTEXT: &str = "towpath-e2e";

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// In the order of their start; stopped the other way round.
    daemons: Vec<Daemon>,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    api: ApiServer,
    made_of: MadeOf,
    // The last to go: the others write into it.
    folder: Scratch,
}

/// What a cluster is made of.
#[derive(Debug)]
enum MadeOf {
    Kubernetes(Box<Parts>),
    /// One program in the place of all.
    Sandbox(sandbox::Program),
}

/// What the parts of a Kubernetes share.
#[derive(Debug)]
struct Parts {
    server: String,
    /// Where etcd and the API server listen.
    ports: (u16, u16),
    authority: Authority,
}

impl Cluster {
    /// Starts all parts and waits until the nodes are ready for pods.
    pub(crate) fn start() -> Result<Self> {
        peers::build(&[&ETCD, &KWOK, &KUBERNETES])?;
        let mut cluster = Self::start_api_alone()?;
        cluster.start_controllers()?;
        cluster.start_kwok()?;
        cluster.apply(&objects::at_start())?;
        cluster.wait_for_nodes(objects::SIMULATED_NODES.len())?;
        Ok(cluster)
    }

    /// Waits for so many nodes that take pods, and for the account that pods of the namespace `default` run as.
    fn wait_for_nodes(&self, count: usize) -> Result<()> {
        let accounts =
            "/api/v1/namespaces/default/serviceaccounts?watch=1&fieldSelector=metadata.name%3Ddefault";
        let mut ready = BTreeSet::new();
        let nodes = |event: &Value| {
            let node = &event["object"];
            let name = node["metadata"]["name"].to_string();
            if event["type"] != "DELETED" && objects::takes_pods(node) {
                ready.insert(name);
            } else {
                ready.remove(&name);
            }
            (ready.len() == count).then_some(())
        };
        self.api
            .watch(accounts, START, |event| (event["type"] == "ADDED").then_some(()))
            .and_then(|()| self.api.watch("/api/v1/nodes?watch=1", START, nodes))
            // A part that has ended has more to say about it.
            .or_else(|failure| self.check().and(Err(failure)))
    }

    /// Starts etcd and the API server, without anything that would act on objects.
    pub(crate) fn start_api_alone() -> Result<Self> {
        Self::start_api(false, None)
    }

    /// The same, with what is acknowledged on disk.
    pub(crate) fn start_durable_api() -> Result<Self> {
        Self::start_api(true, None)
    }

    /// `advertised` is the address the API server is to call its own, where there is no network to find one by.
    fn start_api(durable: bool, advertised: Option<&str>) -> Result<Self> {
        peers::build(&[&ETCD, &KUBERNETES])?;
        let folder = Scratch::new()?;
        let [etcd, etcd_peers, port] = free_ports()?;
        let server = format!("https://127.0.0.1:{port}");
        let authority = Authority::new("towpath-e2e")?;
        let kubeconfig = write_credentials(folder.path(), &authority, &server)?;
        let mut cluster = Self {
            daemons: Vec::new(),
            api: ApiServer::of(&kubeconfig)?,
            kubeconfig,
            kubectl: KUBERNETES.binary("kubectl")?,
            made_of: MadeOf::Kubernetes(Box::new(Parts {
                server,
                ports: (etcd, port),
                authority,
            })),
            folder,
        };
        cluster.start_etcd(etcd, etcd_peers, durable)?;
        cluster.start_api_server(advertised)?;
        cluster.part_says(READY)?;
        Ok(cluster)
    }

    /// A sandbox in the place of a cluster: the same API, one program, from this binary of the platform.
    pub(crate) fn sandbox(program: &Path) -> Result<Self> {
        peers::build(&[&KUBERNETES])?;
        let folder = Scratch::new()?;
        let [port] = free_ports()?;
        let kubeconfig = folder.path().join("kubeconfig");
        let program = sandbox::Program {
            path: program.to_owned(),
            port,
        };
        let daemon = program.serve(folder.path(), &kubeconfig)?;
        Ok(Self {
            daemons: vec![daemon],
            api: ApiServer::of(&kubeconfig)?,
            kubeconfig,
            kubectl: KUBERNETES.binary("kubectl")?,
            made_of: MadeOf::Sandbox(program),
            folder,
        })
    }

    fn parts(&self) -> Result<&Parts> {
        match &self.made_of {
            MadeOf::Kubernetes(parts) => Ok(parts),
            MadeOf::Sandbox(_) => fail!("a sandbox has no parts"),
        }
    }

    /// Kills the API server and starts it again where it was, with what it had acknowledged.
    pub(crate) fn restart_api_server(&mut self) -> Result<()> {
        if let MadeOf::Sandbox(program) = &self.made_of {
            self.daemons.remove(0).kill()?;
            self.daemons
                .push(program.serve(self.folder.path(), &self.kubeconfig)?);
            return Ok(());
        }
        // It was started second, after etcd.
        self.daemons.remove(1).kill()?;
        self.start_api_server(None)?;
        self.part_says(READY_AGAIN)?;
        let fresh = self.daemons.pop();
        self.daemons.splice(1..1, fresh);
        Ok(())
    }

    /// The kubeconfig of an administrator; it holds its credentials itself.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubectl of the cluster's own version, as its administrator.
    pub(crate) fn kubectl(&self) -> Command {
        kubectl(&self.kubectl, &self.kubeconfig)
    }

    /// Makes these objects, or brings them to this state.
    pub(crate) fn apply(&self, objects: &Value) -> Result<()> {
        let file = self.folder.path().join("objects.json");
        fs::write(&file, objects.to_string()).doing(|| format!("write {}", file.display()))?;
        run(
            self.kubectl().args(["apply", "--server-side", "-f"]).arg(&file),
            CALL,
        )?
        .success("kubectl apply")
        .map(drop)
    }

    /// What it runs.
    pub(crate) fn daemons(&self) -> &[Daemon] {
        &self.daemons
    }

    /// Fails when a part of the cluster has ended.
    pub(crate) fn check(&self) -> Result<()> {
        self.daemons.iter().try_for_each(Daemon::check)
    }

    /// The API server, asked directly as its administrator.
    pub(crate) fn api(&self) -> &ApiServer {
        &self.api
    }

    /// Waits until a part of the cluster that was just started has said these words.
    fn part_says(&self, words: &str) -> Result<()> {
        match self.daemons.last() {
            Some(daemon) => daemon.says(words, START),
            None => fail!("nothing was started that could say {words:?}"),
        }
    }

    fn start_daemon(&mut self, program: &Path, arguments: &[String]) -> Result<()> {
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let log = self.folder.path().join(format!("{name}.log"));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path());
        self.daemons.push(Daemon::start(&mut command, &log)?);
        Ok(())
    }

    fn start_etcd(&mut self, clients: u16, peers: u16, durable: bool) -> Result<()> {
        let clients = format!("http://127.0.0.1:{clients}");
        let peers = format!("http://127.0.0.1:{peers}");
        self.start_daemon(
            &ETCD.binary("etcd")?,
            &[
                "--data-dir=etcd".to_owned(),
                format!("--listen-client-urls={clients}"),
                format!("--advertise-client-urls={clients}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
                // The folder goes with the cluster: nothing here outlives a power cut, unless that is measured.
                format!("--unsafe-no-fsync={}", !durable),
                "--log-level=warn".to_owned(),
            ],
        )
    }

    fn start_api_server(&mut self, advertised: Option<&str>) -> Result<()> {
        let (etcd, port) = self.parts()?.ports;
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            "--endpoint-reconciler-type=none".to_owned(),
            "--tls-cert-file=server.crt".to_owned(),
            "--tls-private-key-file=server.key".to_owned(),
            "--client-ca-file=ca.crt".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-account-key-file=accounts.pub".to_owned(),
            "--service-account-signing-key-file=accounts.key".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--anonymous-auth=false".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--kubelet-client-certificate=kubelets.crt".to_owned(),
            "--kubelet-client-key=kubelets.key".to_owned(),
            // A node's name is known to nobody here but the cluster.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
        ];
        arguments.extend(advertised.map(|address| format!("--advertise-address={address}")));
        self.start_daemon(&KUBERNETES.binary("kube-apiserver")?, &arguments)
    }

    /// The kubeconfig of a part of the cluster, which is this user, in this group.
    fn part(&self, name: &str, user: &str, group: Option<&str>) -> Result<PathBuf> {
        let parts = self.parts()?;
        let pair = parts.authority.client(user, group)?;
        let name = format!("{name}.kubeconfig");
        write_kubeconfig(self.folder.path(), &name, &parts.authority, &parts.server, &pair)
    }

    fn start_controllers(&mut self) -> Result<()> {
        let kubeconfig = |name: &str, user: &str| -> Result<String> {
            Ok(format!("--kubeconfig={}", self.part(name, user, None)?.display()))
        };
        let manager = kubeconfig("controller-manager", "system:kube-controller-manager")?;
        let scheduler = kubeconfig("scheduler", "system:kube-scheduler")?;
        self.start_daemon(
            &KUBERNETES.binary("kube-controller-manager")?,
            &[
                manager,
                "--service-account-private-key-file=accounts.key".to_owned(),
                "--root-ca-file=ca.crt".to_owned(),
                "--use-service-account-credentials".to_owned(),
                "--leader-elect=false".to_owned(),
                "--bind-address=127.0.0.1".to_owned(),
                "--secure-port=0".to_owned(),
            ],
        )?;
        self.start_daemon(
            &KUBERNETES.binary("kube-scheduler")?,
            &[
                scheduler,
                "--leader-elect=false".to_owned(),
                "--bind-address=127.0.0.1".to_owned(),
                "--secure-port=0".to_owned(),
            ],
        )
    }

    fn start_kwok(&mut self) -> Result<()> {
        let kubeconfig = self.part("kwok", "kwok", Some("system:masters"))?;
        self.start_daemon(
            &KWOK.binary("kwok")?,
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                format!(
                    "--config={}",
                    crate::root().join("e2e/cluster/kwok.yaml").display()
                ),
                "--manage-all-nodes=true".to_owned(),
                // Renewed all the time, or else the nodes are taken for lost after fifty seconds, and their pods with them.
                "--node-lease-duration-seconds=40".to_owned(),
                "--node-ip=127.0.0.1".to_owned(),
            ],
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        while self.daemons.pop().is_some() {}
    }
}

/// Writes all certificates, keys and the administrator's kubeconfig, whose path it returns.
fn write_credentials(folder: &Path, authority: &Authority, server: &str) -> Result<PathBuf> {
    let serving = authority.server(&["127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc"])?;
    let accounts = certificates::signing_key()?;
    let kubelets = authority.client("kube-apiserver-kubelet-client", Some("system:masters"))?;
    for (name, text) in [
        ("ca.crt", authority.certificate()),
        ("server.crt", &serving.certificate),
        ("server.key", &serving.key),
        ("accounts.key", &accounts.key),
        ("accounts.pub", &accounts.certificate),
        ("kubelets.crt", &kubelets.certificate),
        ("kubelets.key", &kubelets.key),
    ] {
        write(folder, name, text)?;
    }
    let admin = authority.client("admin", Some("system:masters"))?;
    write_kubeconfig(folder, "kubeconfig", authority, server, &admin)
}

fn write_kubeconfig(
    folder: &Path,
    name: &str,
    authority: &Authority,
    server: &str,
    pair: &Pair,
) -> Result<PathBuf> {
    write(
        folder,
        name,
        &yaml::emit(&objects::kubeconfig(
            CONTEXT,
            server,
            authority.certificate(),
            pair,
        )),
    )
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// A kubectl that sees this kubeconfig and nothing of the user's own.
pub(crate) fn kubectl(program: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("KUBECONFIG", kubeconfig);
    // Its discovery cache lives in the home folder and must not mix with the user's.
    if let Some(folder) = kubeconfig.parent() {
        command
            .env("HOME", folder)
            .env("KUBECACHEDIR", folder.join("kubectl-cache"));
    }
    command
}

/// Ports nobody listens on at this moment.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").doing(|| "find a free port".to_owned())?;
        *port = listener
            .local_addr()
            .doing(|| "find a free port".to_owned())?
            .port();
        // Held until all are chosen, so that they differ.
        held.push(listener);
    }
    Ok(ports)
}
