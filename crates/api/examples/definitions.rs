//! Writes the schemas of the platform's kinds into one folder, and its definitions into another, as the platform's own
//! chart holds them: under a placeholder group, and marked to be left alone by an uninstall.

use std::path::Path;

use api::{Group, Kind, definition, generated_schema_of};

/// The chart's templates put the group of their values in its place.
const PLACEHOLDER: &str = "group.placeholder.invalid";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut folders = std::env::args().skip(1);
    let (Some(schemas), Some(definitions)) = (folders.next(), folders.next()) else {
        return Err("the folders to write schemas and definitions to are missing".into());
    };
    let group = Group::parse(PLACEHOLDER)?;
    for kind in Kind::ALL {
        let schema = generated_schema_of(kind);
        let file = Path::new(&schemas).join(format!("{}.json", kind.plural()));
        std::fs::write(file, format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
        let mut definition = definition(&group, kind, &schema);
        definition["metadata"]["annotations"] = serde_json::json!({"helm.sh/resource-policy": "keep"});
        let text = format!(
            "# Made by cargo xtask generate definitions.\n{}",
            yaml::emit(&definition)
        );
        std::fs::write(
            Path::new(&definitions).join(format!("{}.yaml", kind.plural())),
            text,
        )?;
    }
    Ok(())
}
