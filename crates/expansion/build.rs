//! Builds again when a golden path, a policy or a scaffold changes: they are part of the binary.

fn main() {
    for folder in ["golden-paths", "policies", "scaffolds"] {
        println!("cargo::rerun-if-changed=../../{folder}");
    }
}
