//! The sandbox as its clients see it: over the router, over `kube::Client`, across restarts.

mod durability;
mod objects;
mod server;
mod watches;
