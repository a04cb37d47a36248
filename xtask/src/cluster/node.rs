//! A real node: kubelet, containerd, runc and CNI run pods, kube-proxy leads from a Service to them, CoreDNS knows their
//! names.
//!
//! It changes addresses, routes, packet filters, mounts and folders below `/run` and `/var`, so it only starts where
//! all of these are its own: see `e2e::node`. It knows nothing of what its pods are for.

use super::{CALL, Cluster, objects, write};
use crate::failure::{Doing, Result};
use crate::peers::{self, COREDNS, ETCD, KUBERNETES, KUBERNETES_NODE};
use crate::process::run;
use crate::tools::{self, CONTAINERD, CTR, IP, IPTABLES, PTP, RUNC};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The node's own address, for the API server and as the name server of its pods.
const ADDRESS: &str = "10.99.0.1";
const PODS: &str = "10.244.0.0/24";
/// As the API server gives them out.
const SERVICES: &str = "10.96.0.0/16";
const NAME: &str = "node";
/// The image that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "registry.internal/pause:1";
/// How many volumes it has to give away.
const VOLUMES: usize = 8;

/// What a node needs besides the peers that are built.
const TOOLS: [tools::Tool; 6] = [CONTAINERD, CTR, RUNC, PTP, IPTABLES, IP];

/// Gets everything that a node needs onto this machine.
pub(crate) fn prepare() -> Result<()> {
    peers::build(&[&ETCD, &KUBERNETES, &KUBERNETES_NODE, &COREDNS])?;
    tools::need(&TOOLS).map(drop)
}

/// What a node is told by whoever gives it a place.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// An existing control group below which all pods are put, as a path from the root of each hierarchy.
    pub(crate) cgroup: &'a str,
    /// Archives of images that it has from the start; one of them is [`PAUSE`].
    pub(crate) images: &'a [PathBuf],
}

impl Cluster {
    /// Starts a cluster whose one node is this machine.
    pub(crate) fn start_on_node(place: &Place<'_>) -> Result<Self> {
        prepare()?;
        for arguments in [
            "link set lo up".to_owned(),
            format!("address add {ADDRESS}/32 dev lo"),
            // Leads nowhere: what goes to a Service is turned to a pod, but only what has a way out is looked at.
            format!("route add {SERVICES} dev lo src {ADDRESS}"),
        ] {
            run(Command::new("ip").args(arguments.split_whitespace()), CALL)?
                .success(&format!("ip {arguments}"))?;
        }
        let mut cluster = Self::start_api(false, Some(ADDRESS))?;
        cluster.start_controllers()?;
        cluster.start_containerd(place.images)?;
        cluster.start_kubelet(place.cgroup)?;
        cluster.start_proxy()?;
        cluster.start_names()?;
        let volumes: Vec<PathBuf> = (0..VOLUMES)
            .map(|number| cluster.folder.path().join(format!("volume-{number}")))
            .collect();
        for volume in &volumes {
            fs::create_dir(volume).doing(|| format!("make {}", volume.display()))?;
        }
        cluster.apply(&objects::on_node(NAME, &volumes))?;
        cluster.wait_for_nodes(1)?;
        Ok(cluster)
    }

    fn inside(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn configuration(&self, name: &str, content: &Value) -> Result<String> {
        Ok(write(self.folder.path(), name, &content.to_string())?
            .display()
            .to_string())
    }

    fn start_containerd(&mut self, images: &[PathBuf]) -> Result<()> {
        let found = tools::need(&TOOLS)?;
        let [containerd, ctr, runc, ptp, ..] = &found[..] else {
            return Ok(());
        };
        let plugins = ptp.parent().unwrap_or(Path::new("/")).display();
        let networks = self.folder.path().join("networks");
        fs::create_dir(&networks).doing(|| "make the folder of networks".to_owned())?;
        let network = json!({
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [{
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": self.inside("addresses"),
                },
            }],
        });
        write(&networks, "pods.conflist", &network.to_string())?;
        let socket = self.inside("containerd.sock");
        let settings = format!(
            r#"version = 2
root = "{root}"
state = "{state}"

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{opt}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Where we may not make a process less likely to be killed than we are, it stays as likely.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{networks}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
"#,
            root = self.inside("containerd"),
            state = self.inside("containerd-state"),
            opt = self.inside("opt"),
            networks = networks.display(),
            runc = runc.display(),
        );
        let settings = write(self.folder.path(), "containerd.toml", &settings)?;
        self.start_daemon(
            containerd,
            &[
                format!("--config={}", settings.display()),
                "--log-level=info".to_owned(),
            ],
        )?;
        self.part_says("containerd successfully booted")?;
        let ask = |arguments: &[&str]| {
            let mut command = Command::new(ctr);
            run(
                command
                    .args(["--address", &socket, "--namespace", "k8s.io"])
                    .args(arguments),
                CALL,
            )
        };
        for image in images {
            let path = image.display().to_string();
            ask(&["images", "import", &path])?.success(&format!("ctr images import {path}"))?;
        }
        Ok(())
    }

    fn start_kubelet(&mut self, cgroup: &str) -> Result<()> {
        let kubeconfig = self.part("kubelet", &format!("system:node:{NAME}"), Some("system:nodes"))?;
        let settings = self.configuration(
            "kubelet.json",
            &json!({
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": ADDRESS,
                "healthzPort": 0,
                "authentication": {
                    "anonymous": {"enabled": false},
                    "webhook": {"enabled": true},
                    "x509": {"clientCAFile": self.inside("ca.crt")},
                },
                "authorization": {"mode": "Webhook"},
                "containerRuntimeEndpoint": format!("unix://{}", self.inside("containerd.sock")),
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": cgroup,
                "failCgroupV1": false,
                "failSwapOn": false,
                "oomScoreAdj": 0,
                "makeIPTablesUtilChains": false,
                "clusterDomain": "cluster.local",
                "clusterDNS": [ADDRESS],
                // The names of this machine's surroundings are not the pods'.
                "resolvConf": "",
                "podLogsDir": self.inside("pod-logs"),
                "volumePluginDir": self.inside("volume-plugins"),
                // What else fills the disk of this machine is no reason to send pods away.
                "evictionHard": {"memory.available": "50Mi", "nodefs.available": "50Mi", "imagefs.available": "50Mi"},
                "imageGCHighThresholdPercent": 100,
                "imageGCLowThresholdPercent": 99,
            }),
        )?;
        self.start_daemon(
            &KUBERNETES_NODE.binary("kubelet")?,
            &[
                format!("--config={settings}"),
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--root-dir={}", self.inside("kubelet")),
                format!("--cert-dir={}", self.inside("kubelet-certificates")),
                format!("--hostname-override={NAME}"),
                format!("--node-ip={ADDRESS}"),
            ],
        )
    }

    fn start_proxy(&mut self) -> Result<()> {
        let kubeconfig = self.part("kube-proxy", "system:kube-proxy", None)?;
        let settings = self.configuration(
            "kube-proxy.json",
            &json!({
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "mode": "iptables",
                "clusterCIDR": PODS,
                "hostnameOverride": NAME,
                "bindAddress": ADDRESS,
                "healthzBindAddress": "",
                "metricsBindAddress": "",
                "clientConnection": {"kubeconfig": kubeconfig},
                // The whole machine's, and not ours to set.
                "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            }),
        )?;
        self.start_daemon(
            &KUBERNETES_NODE.binary("kube-proxy")?,
            &[format!("--config={settings}")],
        )
    }

    fn start_names(&mut self) -> Result<()> {
        let kubeconfig = self.part("coredns", "coredns", Some("system:masters"))?;
        let settings = format!(
            ".:53 {{\n  bind {ADDRESS}\n  errors\n  kubernetes cluster.local {{\n    kubeconfig {}\n  }}\n}}\n",
            kubeconfig.display()
        );
        let settings = write(self.folder.path(), "Corefile", &settings)?;
        self.start_daemon(
            &COREDNS.binary("coredns")?,
            &["-conf".to_owned(), settings.display().to_string()],
        )
    }
}
