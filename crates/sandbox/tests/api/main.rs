//! The sandbox as its clients see it: over the router, over `kube::Client`, across restarts.

mod admission;
mod custom;
mod durability;
mod https;
mod kinds;
mod objects;
mod server;
mod watches;
