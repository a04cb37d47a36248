//! Writes the platform's definitions into a folder, one file a kind, as the platform's own chart holds them: under a
//! placeholder group, and marked to be left alone by an uninstall.

use std::path::Path;

use api::{Group, Kind, crd};

/// The chart's templates put the group of their values in its place.
const PLACEHOLDER: &str = "group.placeholder.invalid";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("the folder to write to is missing")?;
    let group = Group::parse(PLACEHOLDER)?;
    for kind in Kind::ALL {
        let mut definition = crd(&group, kind);
        definition["metadata"]["annotations"] = serde_json::json!({"helm.sh/resource-policy": "keep"});
        let text = format!(
            "# Made by cargo xtask generate definitions.\n{}",
            yaml::emit(&definition)
        );
        std::fs::write(Path::new(&folder).join(format!("{}.yaml", kind.plural())), text)?;
    }
    Ok(())
}
