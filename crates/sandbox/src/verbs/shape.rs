//! What the schema of a kind makes of its objects: decoding, defaults, validation, field ownership.

use schema::{FieldError, Write};
use serde_json::{Value, json};

use super::meta::{metadata_mut, text};
use super::{FieldValidation, Target, WriteOptions, kinds};
use crate::catalog::Source;
use crate::engine::Engine;
use crate::status::{ApiError, Cause};

/// What an object may weigh as JSON.
const LARGEST: usize = 3 << 20;
/// How deep an object may be nested. Somewhat less than what is read back from disk.
const DEEPEST: usize = 100;

/// Makes an object of what was sent or patched together: checks that it is of the resource and of the namespace in
/// the path, reports unknown fields, prunes, defaults.
pub(super) fn decode(
    target: &Target,
    mut body: Value,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, ApiError> {
    identify(target, &mut body)?;
    let resource = &target.resource;
    if validation != FieldValidation::Ignore {
        let unknown: Vec<String> = schema::unknown_fields(resource.schema(), &body)
            .iter()
            .map(ToString::to_string)
            .collect();
        if validation == FieldValidation::Strict && !unknown.is_empty() {
            let unknown = unknown.join(", ");
            return Err(unreadable(target, &format!("strict decoding error: {unknown}")));
        }
        warnings.extend(unknown);
    }
    schema::prepare(resource.schema(), &mut body);
    kinds::count_template(target, &mut body);
    kinds::fill_status(target, &mut body);
    kinds::read_bytes(target, &body)?;
    kinds::to_stored(target, &mut body);
    Ok(body)
}

/// Checks that a body is an object of the resource and of the namespace in the path, and names both in it.
pub(super) fn identify(target: &Target, body: &mut Value) -> Result<(), ApiError> {
    limit_depth(body)?;
    let resource = &target.resource;
    let object = body
        .as_object_mut()
        .ok_or_else(|| ApiError::bad_request("the body of the request is not an object"))?;
    let api_version = resource.api_version();
    for (field, expected) in [("apiVersion", &api_version), ("kind", &resource.kind)] {
        match object.get(field) {
            None | Some(Value::Null) => {}
            Some(given)
                if given == expected || (field == "apiVersion" && *given == resource.stored.as_str()) => {}
            Some(given) => {
                let what = match field {
                    "apiVersion" if resource.is_custom() => "API version",
                    field => field,
                };
                return Err(ApiError::bad_request(format!(
                    "the {what} in the data ({}) does not match the expected {what} ({expected})",
                    given.as_str().unwrap_or_default()
                )));
            }
        }
        object.insert(field.to_owned(), json!(expected));
    }
    metadata_mut(body)?;
    let namespace = text(body, &["metadata", "namespace"]);
    if !namespace.is_empty() && namespace != target.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// Puts an object that admission changed back into shape.
pub(crate) fn restore(target: &Target, object: &mut Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(ApiError::internal(
            "admission made something of the object that is none",
        ));
    }
    limit_depth(object)?;
    kinds::to_stored(target, object);
    schema::prepare(target.resource.stored_schema(), object);
    Ok(())
}

/// Refuses values of other types than a built-in kind's fields have.
pub(super) fn readable(target: &Target, object: &Value) -> Result<(), ApiError> {
    if target.resource.is_custom() {
        return Ok(());
    }
    let found = schema::validate(target.resource.stored_schema(), object);
    let wrong = found
        .iter()
        .find(|error| error.cause == schema::Cause::TypeInvalid);
    wrong.map_or(Ok(()), |error| Err(unreadable(target, &error.message)))
}

/// Checks an object that is to be stored. What was wrong before with a custom resource may stay wrong.
pub(super) fn validate(target: &Target, new: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    let resource = &target.resource;
    let schema = resource.stored_schema();
    let mut found = schema::validate(schema, new);
    if resource.is("", "pods") {
        // Whoever runs it may say of it what they like.
        found.retain(|error| error.field != "status.phase");
    }
    if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        // What is wrong with a definition is said by what reads it.
        found
            .retain(|error| error.cause == schema::Cause::TypeInvalid || error.field.starts_with("metadata"));
    }
    if let Some(old) = old {
        if !found.is_empty() && resource.is_custom() {
            let known = schema::validate(schema, old);
            found.retain(|error| !known.contains(error));
        }
        found.extend(schema::validate_update(schema, old, new));
    } else {
        found.extend(schema::validate_new(schema, new));
    }
    // What cannot be read into the types of a built-in kind is no object at all.
    if let Some(error) = found
        .iter()
        .find(|error| error.cause == schema::Cause::TypeInvalid)
        && !resource.is_custom()
    {
        return Err(unreadable(target, &error.message));
    }
    let mut causes: Vec<Cause> = found.iter().map(|error| cause_in(target, error)).collect();
    causes.extend(kinds::check(target, new, old));
    if let Source::Custom(version) = &resource.source
        && !version.rules.is_empty()
    {
        if found.iter().any(|error| blocks_rules(error.cause)) {
            let message = "Invalid value: null: some validation rules were not checked because the object was invalid; \
                           correct the existing errors to complete validation";
            causes.push(Cause::new("FieldValueInvalid", "<nil>", message));
        } else {
            causes.extend(version.rules.judge(new, old));
        }
    }
    // Upstream looks at whole numbers twice.
    for error in found.iter().filter(|_| resource.is_custom()) {
        if let Some((_, field)) = error.message.split_once("Invalid value: \"number\": ")
            && let Some(field) = field.strip_suffix(" in body must be of type integer: \"number\"")
        {
            let message = format!(
                "Invalid value: \"\": Checked value must be of type integer (default format) in {field}"
            );
            causes.push(Cause::new("FieldValueInvalid", "<nil>", message));
        }
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(resource.about(&target.name), &causes))
    }
}

/// Whether a fault keeps rules from being asked: they could not count on what the schema says.
fn blocks_rules(cause: schema::Cause) -> bool {
    use schema::Cause;
    matches!(
        cause,
        Cause::Required | Cause::Unsupported | Cause::TypeInvalid | Cause::TooLong | Cause::TooMany
    )
}

/// A body that does not fit the kind it claims.
pub(super) fn unreadable(target: &Target, why: &str) -> ApiError {
    let (kind, version) = (&target.resource.kind, &target.resource.version);
    ApiError::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
    ))
}

/// A finding as it is told of a write to `subresource`: what is below the status of a custom resource is checked by
/// itself.
fn cause_in(target: &Target, error: &FieldError) -> Cause {
    let mut cause = cause(error);
    if target.resource.is_custom()
        && target.subresource == "status"
        && let Some(below) = error.field.strip_prefix("status.")
    {
        cause.message = cause.message.replacen(
            &format!("{} in body", error.field),
            &format!("{below} in body"),
            1,
        );
    }
    cause
}

fn cause(error: &FieldError) -> Cause {
    let message = error.message.strip_prefix(&error.field).unwrap_or(&error.message);
    let message = message.strip_prefix(": ").unwrap_or(message);
    Cause::new(error.cause.reason(), &*error.field, message)
}

/// Keeps objects to a size and depth that can be stored and read back.
pub(super) fn limit(object: &Value) -> Result<(), ApiError> {
    limit_depth(object)?;
    if object.to_string().len() > LARGEST {
        Err(ApiError::too_large(LARGEST))
    } else {
        Ok(())
    }
}

fn limit_depth(object: &Value) -> Result<(), ApiError> {
    fn fits(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
            Value::Object(fields) => left > 0 && fields.values().all(|field| fits(field, left - 1)),
            _ => true,
        }
    }
    if fits(object, DEEPEST) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "the object is nested deeper than {DEEPEST} levels"
    )))
}

impl Engine {
    /// Notes in `managedFields` who wrote which field.
    pub(super) fn track(
        &self,
        target: &Target,
        old: Option<&Value>,
        new: Value,
        options: &WriteOptions,
    ) -> Value {
        let resource = &target.resource;
        let (api_version, time) = (resource.api_version(), self.timestamp());
        let write = Write {
            manager: &options.manager,
            api_version: &api_version,
            subresource: &target.subresource,
            time: &time,
            reset: &resource.reset_fields(&target.subresource),
        };
        // A node registers itself with its status.
        let registered = new
            .get("status")
            .filter(|_| old.is_none() && resource.is("", "nodes"))
            .cloned();
        let mut written = schema::update(resource.stored_schema(), old, new, &write).object;
        if let Some(status) = registered {
            written["status"] = status;
        }
        written
    }
}
