//! Claims and volumes.

use serde_json::Value;

use super::names::{label_selector, subdomain};
use super::{Report, items, placement, quantity, text};
use crate::decode::embedded::BESIDE_SOURCE;
use crate::error::Cause;

const MODES: [&str; 4] = [
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

fn modes(spec: &Value, path: &str, missing: &str, report: &mut Report<'_>) {
    let field = format!("{path}.accessModes");
    let modes = items(spec, "accessModes");
    if modes.is_empty() {
        report.required(&field, missing);
    }
    for mode in modes.iter().filter(|mode| !MODES.contains(&text(mode))) {
        report.unsupported(&field, mode, &MODES);
    }
    let once = |mode: &Value| *mode == "ReadWriteOncePod";
    if modes.iter().any(once)
        && modes
            .iter()
            .any(|mode| !once(mode) && MODES.contains(&text(mode)))
    {
        report.forbidden(&field, "may not use ReadWriteOncePod with other access modes");
    }
}

pub(super) fn claim(spec: &Value, path: &str, report: &mut Report<'_>) {
    modes(spec, path, "at least 1 access mode is required", report);
    label_selector(&spec["selector"], &format!("{path}.selector"), report);
    let size = &spec["resources"]["requests"]["storage"];
    let field = format!("{path}.resources[storage]");
    match quantity(size) {
        None if size.is_null() => report.required(&field, ""),
        Some(wanted) if wanted.nano() <= 0 => {
            report.invalid(&field, size, "must be greater than zero");
        }
        _ => {}
    }
    if !text(&spec["storageClassName"]).is_empty() {
        let field = format!("{path}.storageClassName");
        subdomain(&spec["storageClassName"], &field, report);
    }
    let source = &spec["dataSource"];
    if source.is_object() && text(&source["apiGroup"]).is_empty() && source["kind"] != "PersistentVolumeClaim"
    {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        report.invalid(&format!("{path}.dataSource"), &source["kind"], detail);
    }
}

pub(super) fn volume(spec: &Value, report: &mut Report<'_>) {
    modes(spec, "spec", "", report);
    let capacity = &spec["capacity"];
    let held = super::keys(capacity).count();
    if held == 0 {
        report.required("spec.capacity", "");
    }
    if capacity["storage"].is_null() || held > 1 {
        let shown = if capacity.is_object() {
            capacity
        } else {
            &Value::Null
        };
        report.unsupported("spec.capacity", shown, &["storage"]);
    }
    for (name, amount) in capacity.as_object().into_iter().flatten() {
        if quantity(amount).is_some_and(|amount| amount.nano() <= 0) {
            let field = format!("spec.capacity[{name}]");
            report.add(&field, Cause::Invalid, Some(amount), "must be greater than zero");
        }
    }
    if spec["nodeAffinity"]["required"].is_object() {
        placement::node_selector(
            &spec["nodeAffinity"]["required"],
            "spec.nodeAffinity.required",
            report,
        );
    }
    if !super::keys(spec).any(|name| !BESIDE_SOURCE.contains(&name)) {
        report.required("spec", "must specify a volume type");
    }
}
