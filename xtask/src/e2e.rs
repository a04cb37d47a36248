//! `cargo xtask e2e`: the platform against things that nobody here wrote.
//!
//! A real Kubernetes, the real kubectl, the real Helm, a real PostgreSQL and Redis. Each scenario is a function
//! with a name; they run in order, and the first that fails ends the run with what was expected and what was.

mod article;
mod charts;
mod clients;
mod compare;
pub(crate) mod helm;
mod image;
mod install;
pub(crate) mod main_job;
pub(crate) mod node;
pub(crate) mod platform;
mod scaffold;
mod stage;

use crate::cluster::Cluster;
use crate::failure::{Failure, Result, fail};
use crate::peers::{self, KUBERNETES, OLDER_KUBECTL};
use crate::{generate, say, security_data};
use platform::Platform;
use stage::Stage;
use std::cell::OnceCell;
use std::path::Path;
use std::time::Instant;

/// What scenarios stand on; each part is made when the first scenario asks for it.
#[derive(Default)]
struct World {
    cluster: OnceCell<Cluster>,
    platform: OnceCell<Platform>,
    image: OnceCell<image::Root>,
    sandbox: OnceCell<Cluster>,
}

impl World {
    fn cluster(&self) -> Result<&Cluster> {
        let what = format!("(started Kubernetes {})", KUBERNETES.version);
        made(&self.cluster, &what, Cluster::start)
    }

    fn platform(&self) -> Result<&Platform> {
        made(&self.platform, "(built platform)", Platform::build)
    }

    fn image(&self) -> Result<&image::Root> {
        made(&self.image, "(built and unpacked the image)", image::Root::unpack)
    }

    fn sandbox(&self) -> Result<&Cluster> {
        let platform = self.platform()?;
        made(&self.sandbox, "(started a sandbox)", || {
            Cluster::sandbox(platform.path())
        })
    }

    /// A cluster for one scenario, and who administers it.
    fn staged(&self) -> Result<Stage<'_>> {
        Stage::on(Cluster::start()?, self.platform()?)
    }

    /// The same with a sandbox in the place of the cluster.
    fn sandboxed(&self) -> Result<Stage<'_>> {
        let platform = self.platform()?;
        Stage::on(Cluster::sandbox(platform.path())?, platform)
    }
}

fn made<'a, T>(cell: &'a OnceCell<T>, what: &str, make: impl Fn() -> Result<T>) -> Result<&'a T> {
    if cell.get().is_none() {
        let started = Instant::now();
        let made = make()?;
        say::done(what, started.elapsed());
        return Ok(cell.get_or_init(|| made));
    }
    cell.get()
        .ok_or_else(|| Failure::new(format!("{what}: not there")))
}

type Scenario = (&'static str, fn(&World) -> Result<()>);

/// The scenario that needs more of the machine than all others.
const NODE: &str = "services run on a real node";

#[rustfmt::skip]
const SCENARIOS: &[Scenario] = &[
    ("schema facts are what the API server says", |world| generate::check_schema(world.cluster()?.api())),
    ("the sandbox's roles are the API server's", |world| security_data::check(world.cluster()?.api())),
    // These compare what is served: before others bring kinds of their own to the cluster.
    ("an older kubectl does the same on both", |world| clients::kubectl(&OLDER_KUBECTL, world.cluster()?, world.sandbox()?)),
    ("kubectl does the same on both", |world| clients::kubectl(&KUBERNETES, world.cluster()?, world.sandbox()?)),
    ("a kube-rs controller does the same on both, and outlives its API server", |world| clients::works(world.platform()?)),
    ("Helm does the same on both", |world| clients::helm(world.cluster()?, world.sandbox()?)),
    ("the first ten minutes with kubectl", |world| clients::first(world.platform()?, world.cluster()?)),
    ("golden paths render as Helm renders them", |_| helm::renders_alike()),
    ("golden paths are valid to the API server", |world| helm::accepted(world.cluster()?)),
    ("golden paths pass Kyverno's restricted policies", |_| helm::restricted()),
    ("the main job in the sandbox", |world| main_job::sandbox(world.platform()?)),
    ("the main job in a sandbox that is served", |world| main_job::on(world.sandbox()?, world.platform()?, true)),
    ("the main job on Kubernetes", |world| main_job::on(world.cluster()?, world.platform()?, false)),
    ("the article's manifest in the sandbox", |world| article::sandbox(world.platform()?)),
    ("the article's manifest on Kubernetes", |world| article::kubernetes(world.platform()?, world.cluster()?)),
    ("charts are fetched as Helm fetches them", |world| charts::fetched(world.platform()?)),
    ("the image runs with nothing around it", |world| image::runs(world.image()?)),
    ("the platform is installed, used, upgraded and taken away in the sandbox", |world| install::life(&world.sandboxed()?, world.platform()?, world.image()?)),
    ("the platform is installed, used, upgraded and taken away on Kubernetes", |world| install::life(&world.staged()?, world.platform()?, world.image()?)),
    ("guardrails at the door of platform up", |world| install::door::up(world.platform()?)),
    ("guardrails at the door of the sandbox", |world| install::door::installed(&world.sandboxed()?)),
    ("guardrails at the door of Kubernetes", |world| install::door::installed(&world.staged()?)),
    ("what policies decide is carried out in the sandbox", |world| install::acts::work(&world.sandboxed()?, world.platform()?)),
    ("what policies decide is carried out on Kubernetes", |world| install::acts::work(&world.staged()?, world.platform()?)),
    ("stock Helm installs the platform in the sandbox", |world| install::by_helm(&world.sandboxed()?, world.platform()?)),
    ("stock Helm installs the platform on Kubernetes", |world| install::by_helm(&world.staged()?, world.platform()?)),
    ("the Go scaffold builds and runs", |world| scaffold::go(world.platform()?)),
    ("the Node scaffold builds and runs", |world| scaffold::node(world.platform()?)),
    ("the Python scaffold builds and runs", |world| scaffold::python(world.platform()?)),
    ("the Rust scaffold builds and runs", |world| scaffold::rust(world.platform()?)),
    ("a pipeline deploys by a commit", |world| scaffold::deploy::commits(world.platform()?)),
    (NODE, |world| node::real(world.platform()?)),
];

/// How to run.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    /// Where the peers cannot be had, say so and leave with success.
    pub(crate) where_possible: bool,
    /// A binary to try instead of building one.
    pub(crate) platform: Option<&'a str>,
    /// Only scenarios whose name contains one of these; all when empty.
    pub(crate) only: Vec<&'a str>,
    /// None whose name contains one of these.
    pub(crate) without: Vec<&'a str>,
}

/// Runs the scenarios.
pub(crate) fn run(options: &Options<'_>) -> Result<()> {
    if let Some(reason) = peers::out_of_reach(&peers::ALL)? {
        if options.where_possible {
            say::line(format!("end to end: left out, because {reason}"));
            return Ok(());
        }
        fail!("{reason}");
    }
    let named = |parts: &[&str], name: &str| parts.iter().any(|part| name.contains(part));
    let mut chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|(name, _)| options.only.is_empty() || named(&options.only, name))
        .filter(|(name, _)| !named(&options.without, name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        fail!(
            "no scenario has such a name; there are:\n  {}",
            names.join("\n  ")
        );
    }
    // Who asks for it by name is told why it fails.
    if options.only.is_empty()
        && chosen.iter().any(|(name, _)| *name == NODE)
        && let Err(reason) = node::can_be_had()
    {
        say::line(format!("left out: {NODE}, because {reason}"));
        chosen.retain(|(name, _)| *name != NODE);
    }
    say::heading("end to end: peers");
    peers::build(&peers::ALL)?;

    say::heading("end to end: scenarios");
    let world = World::default();
    if let Some(path) = options.platform {
        let _ = world.platform.set(Platform::at(Path::new(path))?);
    }
    let all = Instant::now();
    for (name, scenario) in &chosen {
        let started = Instant::now();
        if let Err(failure) = scenario(&world) {
            say::failed(name, started.elapsed());
            return Err(Failure::new(format!("{name}: {failure}")));
        }
        say::done(name, started.elapsed());
    }
    say::line(format!(
        "\n{} scenarios passed in {}",
        chosen.len(),
        say::duration(all.elapsed())
    ));
    Ok(())
}
