//! Builds again when the platform's own chart changes: it is part of the binary.

fn main() {
    println!("cargo::rerun-if-changed=../../charts");
}
