//! The sandbox as its clients see it: over the router, over `kube::Client`, across restarts.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is how a test fails"
)]

mod admission;
mod custom;
mod disk;
mod door;
mod durability;
mod faults;
mod https;
mod kinds;
mod lists;
mod objects;
mod refusals;
mod rules;
mod security;
mod server;
mod stuck;
mod watches;
mod wire;
