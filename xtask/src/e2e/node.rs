//! A real node, and what the platform makes of it: scaffolded services with a real PostgreSQL and a real Redis, all in
//! pods that run, and what it says of services that cannot.
//!
//! The node stands in a room of its own (`room`): nothing of this machine's network, mounts and processes is touched.
//! So this chore starts itself once more in that room, and what needs the outside, such as images, is made before.

mod debian;
mod images;
mod room;
mod services;
mod unwell;

use super::platform::Platform;
use super::stage::Stage;
use crate::cluster::Cluster;
use crate::cluster::node::{self, Place};
use crate::failure::{Failure, Result, fail};
use crate::process::Scratch;
use crate::say;
use crate::tools::{self, REGISTRY};
use images::Images;
use room::Room;
pub(super) use room::can_be_had;
use services::Source;
use std::path::Path;
use std::time::Instant;

/// Makes the images, then runs all scenarios of the node in a room of its own.
pub(super) fn real(platform: &Platform) -> Result<()> {
    can_be_had()?;
    node::prepare()?;
    tools::need(&[REGISTRY])?;
    let scratch = Scratch::new()?;
    let started = Instant::now();
    let images = Images::make(platform, scratch.path())?;
    say::done(
        "(made the images of the services, PostgreSQL and Redis)",
        started.elapsed(),
    );
    Room::new()?.run(platform.path(), &images, scratch.path())
}

type Scenario = (&'static str, fn(&Site<'_>) -> Result<()>);

/// Where the scenarios take place.
#[derive(Debug)]
struct Site<'a> {
    stage: Stage<'a>,
    /// The database and the cache to ask for, so that the images there are serve.
    database: &'a str,
    cache: &'a str,
}

#[rustfmt::skip]
const SCENARIOS: &[Scenario] = &[
    ("the Go service reads and writes its database and its cache", |site| services::lives(site, &Source::GO)),
    ("the Rust service reads and writes its database and its cache", |site| services::lives(site, &Source::RUST)),
    ("service get explains a crash, a lack of memory and a missing image", unwell::explained),
];

/// What runs in the room: everything here is the node's own, and goes with it.
pub(crate) fn inside(arguments: &[&str]) -> Result<()> {
    let [platform, cgroup, database, cache, folder] = arguments else {
        fail!("on-a-node is started by e2e alone");
    };
    room::furnish()?;
    let platform = Platform::at(Path::new(platform))?;
    let images = Images::found(Path::new(folder))?;
    let started = Instant::now();
    let place = Place {
        cgroup,
        images: &images,
    };
    let site = Site {
        stage: Stage::on(Cluster::start_on_node(&place)?, &platform)?,
        database,
        cache,
    };
    say::done("(started Kubernetes on a real node)", started.elapsed());
    for (name, scenario) in SCENARIOS {
        let started = Instant::now();
        if let Err(failure) = scenario(&site) {
            say::failed(name, started.elapsed());
            return Err(Failure::new(format!("{name}: {failure}")));
        }
        say::done(name, started.elapsed());
    }
    Ok(())
}
