//! How to write and how to delete, as the query, the headers and the body of a delete say.

use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::query::Query;
use crate::User;
use crate::status::{About, ApiError, Cause};
use crate::verbs::{DeleteOptions, FieldValidation, Propagation, Warnings, WriteOptions};

/// The longest name of a field manager.
const LONGEST_MANAGER: usize = 128;

fn options_of(kind: &str) -> About<'_> {
    About {
        group: "meta.k8s.io",
        plural: "",
        kind,
        name: "",
    }
}

fn refuse(kind: &str, field: &str, message: String) -> ApiError {
    ApiError::invalid(
        options_of(kind),
        &[Cause::new("FieldValueInvalid", field, message)],
    )
}

/// Whether a letter may be in the name of a field manager.
fn is_printable(letter: char) -> bool {
    letter == ' ' || !(letter.is_control() || letter.is_whitespace())
}

/// Whether a patch is a server-side apply.
fn applies(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/apply-patch"))
}

/// Refuses options of a log that are none.
pub(super) fn log(query: &Query, pod: &str) -> Result<(), ApiError> {
    for (field, least) in [("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)] {
        let Some(number) = query.integer(field)?.filter(|number| *number < least) else {
            continue;
        };
        let message = if least == 0 {
            format!("Invalid value: {number}: must be greater than or equal to 0")
        } else {
            format!("Invalid value: {number}: must be greater than 0")
        };
        let about = About {
            group: "",
            plural: "",
            kind: "PodLogOptions",
            name: pod,
        };
        return Err(ApiError::invalid(
            about,
            &[Cause::new("FieldValueInvalid", field, message)],
        ));
    }
    Ok(())
}

fn unsupported(kind: &str, field: &str, given: &str, supported: &str) -> ApiError {
    let about = About {
        group: "meta.k8s.io",
        plural: "",
        kind,
        name: "",
    };
    let message = format!("Unsupported value: {given}: supported values: {supported}");
    ApiError::invalid(about, &[Cause::new("FieldValueNotSupported", field, message)])
}

/// `kind` is what the options are called in failures, such as `CreateOptions`.
pub(super) fn write(
    query: &Query,
    headers: &HeaderMap,
    user: &User,
    kind: &str,
) -> Result<WriteOptions, ApiError> {
    let given = query.text("fieldManager");
    if given.len() > LONGEST_MANAGER {
        let message = format!("Too long: may not be more than {LONGEST_MANAGER} bytes");
        let about = About {
            group: "meta.k8s.io",
            plural: "",
            kind,
            name: "",
        };
        return Err(ApiError::invalid(
            about,
            &[Cause::new("FieldValueTooLong", "fieldManager", message)],
        ));
    }
    if let Some((at, letter)) = given.char_indices().find(|(_, letter)| !is_printable(*letter)) {
        let shown = given.replace(letter, &format!("\\x{:02x}", u32::from(letter)));
        let message = format!(
            "Invalid value: \"{shown}\": invalid character U+{:04X} (at position {at})",
            u32::from(letter)
        );
        return Err(refuse(kind, "fieldManager", message));
    }
    if kind == "PatchOptions" && !applies(headers) && query.has("force") {
        let about = options_of(kind);
        let message = "Forbidden: may not be specified for non-apply patch";
        return Err(ApiError::invalid(
            about,
            &[Cause::new("FieldValueForbidden", "force", message)],
        ));
    }
    let dry_run = match query.text("dryRun") {
        "" if !query.has("dryRun") => false,
        "All" => true,
        other => return Err(unsupported(kind, "dryRun", &format!("[{other:?}]"), "\"All\"")),
    };
    let validation = match query.text("fieldValidation") {
        "Ignore" => FieldValidation::Ignore,
        "" | "Warn" => FieldValidation::Warn,
        "Strict" => FieldValidation::Strict,
        other => {
            let supported = "\"\", \"Ignore\", \"Strict\", \"Warn\"";
            return Err(unsupported(
                kind,
                "fieldValidation",
                &format!("{other:?}"),
                supported,
            ));
        }
    };
    let mut sent = json!({ "kind": kind, "apiVersion": "meta.k8s.io/v1" });
    for field in ["fieldManager", "fieldValidation"] {
        if !query.text(field).is_empty() {
            sent[field] = json!(query.text(field));
        }
    }
    if dry_run {
        sent["dryRun"] = json!(["All"]);
    }
    if query.flag("force") {
        sent["force"] = json!(true);
    }
    Ok(WriteOptions {
        user: user.clone(),
        manager: if given.is_empty() {
            manager_of(headers)
        } else {
            given.to_owned()
        },
        named: false,
        manager_named: !given.is_empty(),
        dry_run,
        validation,
        twice: Vec::new(),
        force: query.flag("force"),
        reviewed: true,
        sent,
        warnings: Warnings::default(),
    })
}

/// Refuses options of a list or a watch that contradict each other.
pub(super) fn list(query: &Query) -> Result<(), ApiError> {
    let refuse = |reason: &str, field: &str, message: &str| {
        let about = About {
            group: "meta.k8s.io",
            plural: "",
            kind: "ListOptions",
            name: "",
        };
        Err(ApiError::invalid(about, &[Cause::new(reason, field, message)]))
    };
    let forbid = |field: &str, why: &str| refuse("FieldValueForbidden", field, &format!("Forbidden: {why}"));
    let field = "resourceVersionMatch";
    let (watch, initial) = (query.flag("watch"), query.has("sendInitialEvents"));
    let (matched, revision) = (query.text(field), query.text("resourceVersion"));
    if watch && initial && matched != "NotOlderThan" {
        return forbid(
            field,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
    }
    if watch && !initial && !matched.is_empty() {
        return forbid(
            field,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    if watch {
        return Ok(());
    }
    if initial {
        return forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    match matched {
        "" => Ok(()),
        _ if !query.text("continue").is_empty() => forbid(
            field,
            "resourceVersionMatch is forbidden when continue is provided",
        ),
        _ if revision.is_empty() => forbid(
            field,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        "Exact" if revision == "0" => forbid(
            field,
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        "Exact" | "NotOlderThan" => Ok(()),
        other => {
            let supported = "supported values: \"Exact\", \"NotOlderThan\", \"\"";
            refuse(
                "FieldValueNotSupported",
                field,
                &format!("Unsupported value: {other:?}: {supported}"),
            )
        }
    }
}

/// Who writes without saying so: the program in the user agent.
fn manager_of(headers: &HeaderMap) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    let name = agent.unwrap_or_default().split('/').next().unwrap_or_default();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name.chars().take(LONGEST_MANAGER).collect()
    }
}

/// The options of a delete, from its body and, as kubectl of old did, from the query; and whether the body asks for a
/// dry run.
pub(super) fn delete(query: &Query, given: &Value) -> Result<(DeleteOptions, bool), ApiError> {
    let kind = "DeleteOptions";
    let named = given["kind"].as_str().unwrap_or_default();
    if !matches!(named, "" | "DeleteOptions") {
        let version = given["apiVersion"].as_str().unwrap_or_default();
        return Err(ApiError::bad_request(format!(
            "no kind {named:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
        )));
    }
    let written = given.get("propagationPolicy").and_then(Value::as_str);
    if let Some(policy) = written
        && !given["orphanDependents"].is_null()
    {
        let about = About {
            group: "meta.k8s.io",
            plural: "",
            kind,
            name: "",
        };
        let message =
            format!("Invalid value: {policy:?}: orphanDependents and deletionPropagation cannot be both set");
        let cause = Cause::new("FieldValueInvalid", "propagationPolicy", message);
        return Err(ApiError::invalid(about, &[cause]));
    }
    let orphans = given["orphanDependents"] == true || query.flag("orphanDependents");
    let asked = written.unwrap_or_else(|| query.text("propagationPolicy"));
    let said = !asked.is_empty() || !given["orphanDependents"].is_null() || query.has("orphanDependents");
    let propagation = match asked {
        "" if orphans => Propagation::Orphan,
        "" | "Background" => Propagation::Background,
        "Foreground" => Propagation::Foreground,
        "Orphan" => Propagation::Orphan,
        other => {
            let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            return Err(unsupported(
                kind,
                "propagationPolicy",
                &format!("{other:?}"),
                supported,
            ));
        }
    };
    let precondition = |name: &str| given["preconditions"][name].as_str().map(str::to_owned);
    let dry_runs = given["dryRun"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(other) = dry_runs.iter().find(|word| *word != "All") {
        return Err(unsupported(kind, "dryRun", &format!("[{other}]"), "\"All\""));
    }
    let how = DeleteOptions {
        propagation,
        said,
        uid: precondition("uid"),
        revision: precondition("resourceVersion"),
    };
    Ok((how, !dry_runs.is_empty()))
}

/// The options of a delete as those see them whom admission asks.
pub(super) fn shown_delete(query: &Query, given: &Value) -> Value {
    let mut shown = json!({ "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1" });
    for field in [
        "gracePeriodSeconds",
        "preconditions",
        "orphanDependents",
        "propagationPolicy",
        "dryRun",
    ] {
        if let Some(value) = given.get(field).filter(|value| !value.is_null()) {
            shown[field] = value.clone();
        }
    }
    for field in ["propagationPolicy", "dryRun"] {
        let asked = query.text(field);
        if !asked.is_empty() {
            shown[field] = if field == "dryRun" {
                json!([asked])
            } else {
                json!(asked)
            };
        }
    }
    shown
}
