//! What may not be in a CRD's printer columns and scale.

use serde_json::Value;

use super::{Found, list, text};
use crate::catalog::JsonPath;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];

/// Checks the columns that a version prints.
pub(super) fn columns(version: &Value, at: &str, found: &mut Found) {
    for (place, column) in list(&version["additionalPrinterColumns"]).iter().enumerate() {
        let at = format!("{at}.additionalPrinterColumns[{place}]");
        if text(&column["name"]).is_empty() {
            found.required(&format!("{at}.name"), "");
        }
        let known = format!("must be one of {}", COLUMN_TYPES.join(","));
        match text(&column["type"]) {
            "" => found.required(&format!("{at}.type"), &known),
            kind if COLUMN_TYPES.contains(&kind) => {}
            _ => found.invalid(&format!("{at}.type"), &column["type"], &known),
        }
        let field = format!("{at}.JSONPath");
        if path(&column["jsonPath"], &field, found) && JsonPath::parse(text(&column["jsonPath"])).is_none() {
            found.invalid(
                &field,
                &column["jsonPath"],
                "is an invalid path: it is not understood",
            );
        }
    }
}

/// Checks where a version keeps what its scale says.
pub(super) fn scale(version: &Value, at: &str, found: &mut Found) {
    let scale = &version["subresources"]["scale"];
    if scale.is_null() {
        return;
    }
    let paths: [(&str, &[&str], &str); 3] = [
        (
            "specReplicasPath",
            &[".spec."],
            "should be a json path under .spec",
        ),
        (
            "statusReplicasPath",
            &[".status."],
            "should be a json path under .status",
        ),
        (
            "labelSelectorPath",
            &[".spec.", ".status."],
            "should be a json path under either .spec or .status",
        ),
    ];
    for (name, roots, why) in paths {
        let written = &scale[name];
        if name == "labelSelectorPath" && text(written).is_empty() {
            continue;
        }
        let field = format!("{at}.subresources.scale.{name}");
        if !path(written, &field, found) {
            continue;
        }
        let fields = JsonPath::parse(text(written)).is_some_and(|path| path.fields().is_some());
        if !fields {
            found.invalid(&field, written, "must be a json path of plain fields");
        } else if !roots.iter().any(|root| text(written).starts_with(root)) {
            found.invalid(&field, written, why);
        }
    }
}

/// Whether this is a path at all.
fn path(written: &Value, field: &str, found: &mut Found) -> bool {
    if text(written).is_empty() {
        found.required(field, "");
        return false;
    }
    let begins = text(written).starts_with('.');
    if !begins {
        found.invalid(field, written, "must be a simple json path starting with .");
    }
    begins
}
