//! What the schema of a kind makes of its objects: decoding, defaults, validation, field ownership.

use schema::{FieldError, Write};
use serde_json::{Value, json};

use super::meta::{metadata_mut, text};
use super::{FieldValidation, Target, WriteOptions, faces, kinds};
use crate::catalog::Source;
use crate::engine::Engine;
use crate::status::{ApiError, Cause};

/// What an object may weigh as JSON.
const LARGEST: usize = 3 << 20;
/// How what Go's reader of YAML has to say begins.
pub(crate) const FROM_YAML: &str = "yaml: unmarshal errors:";
/// How deep an object may be nested. Somewhat less than what is read back from disk.
const DEEPEST: usize = 100;

/// Makes an object of what was patched together: checks that it is of the resource and of the namespace in the path,
/// reports unknown fields, prunes, defaults.
pub(super) fn decode(
    target: &Target,
    body: Value,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, ApiError> {
    decode_with(target, body, &[], validation, warnings)
}

/// The same of what was sent, which may have fields that stand twice. The client is told of unknown fields whatever
/// becomes of the write.
pub(super) fn decode_sent(target: &Target, body: Value, options: &WriteOptions) -> Result<Value, ApiError> {
    let mut warnings = Vec::new();
    let decoded = decode_with(target, body, &options.twice, options.validation, &mut warnings);
    options.warnings.add(&warnings);
    decoded
}

fn decode_with(
    target: &Target,
    mut body: Value,
    twice: &[String],
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, ApiError> {
    check_kind(target, &body)?;
    let resource = &target.resource;
    if !resource.is_custom()
        && let Some(why) = schema::decode_mistake(resource.schema(), &body)
    {
        return Err(unreadable(target, &why));
    }
    if validation != FieldValidation::Ignore {
        let mut unknown: Vec<String> = schema::unknown_fields(resource.schema(), &body)
            .iter()
            .map(ToString::to_string)
            .collect();
        // The reader of YAML comes before the schema.
        let first = twice.iter().filter(|words| words.starts_with(FROM_YAML)).count();
        unknown.extend_from_slice(&twice[first..]);
        unknown.splice(..0, twice[..first].iter().cloned());
        if validation == FieldValidation::Strict && !unknown.is_empty() {
            let unknown = unknown.join(", ");
            return Err(unreadable(target, &format!("strict decoding error: {unknown}")));
        }
        warnings.extend(unknown.iter().flat_map(|word| one_by_one(word)));
    }
    identify(target, &mut body)?;
    schema::prepare(resource.schema(), &mut body);
    kinds::to_stored(target, &mut body);
    Ok(body)
}

/// What was found wrong, as warnings: Go's reader of YAML says all that it finds at once.
pub(super) fn one_by_one(words: &str) -> Vec<String> {
    let listed = words.strip_prefix(FROM_YAML);
    let lines = listed.unwrap_or(words).trim_start().lines();
    match listed {
        Some(_) => lines.map(|line| line.trim().to_owned()).collect(),
        None => vec![words.to_owned()],
    }
}

/// Refuses a body that says it is of another kind than the resource.
fn check_kind(target: &Target, body: &Value) -> Result<(), ApiError> {
    let resource = &target.resource;
    if !body.is_object() {
        return Err(ApiError::bad_request("the body of the request is not an object"));
    }
    let expected = [resource.api_version(), resource.kind.clone()];
    let given = |at: usize, field: &str| match body.get(field) {
        None | Some(Value::Null) => expected[at].clone(),
        Some(given) => match given.as_str() {
            Some("") => expected[at].clone(),
            Some(given) => given.to_owned(),
            None => given.to_string(),
        },
    };
    let (version, kind) = (given(0, "apiVersion"), given(1, "kind"));
    let other = kind == resource.kind && version != expected[0];
    if other && !resource.is_custom() && version.starts_with(&format!("{}/", resource.group)) {
        if is_registered(&version, &kind) {
            let expected = &expected[0];
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({expected})"
            )));
        }
    } else if kind == resource.kind && (version == expected[0] || version == resource.stored) {
        return Ok(());
    }
    if resource.is_custom() {
        let (field, given, expected) = if version == expected[0] {
            ("kind", &kind, &expected[1])
        } else {
            ("API version", &version, &expected[0])
        };
        return Err(ApiError::bad_request(format!(
            "the {field} in the data ({given}) does not match the expected {field} ({expected})"
        )));
    }
    let short = version.rsplit('/').next().unwrap_or_default();
    let why = if is_registered(&version, &kind) {
        let inside = match resource.group.split('.').next().unwrap_or_default() {
            "" => "core",
            group => group,
        };
        format!(
            "converting ({short}.{kind}) to ({inside}.{}): unknown conversion",
            resource.kind
        )
    } else {
        format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
        )
    };
    Err(ApiError::bad_request(format!(
        "{kind} in version {short:?} cannot be handled as a {}: {why}",
        resource.kind
    )))
}

/// Whether the real API server has a type for a kind of its own, or for lists of it.
fn is_registered(version: &str, kind: &str) -> bool {
    let schemas = schema::Schemas::builtin();
    let known = |kind: &str| schemas.schema(version, kind).is_some();
    known(kind) || kind.strip_suffix("List").is_some_and(known) || (version == "v1" && kind == "List")
}

/// Checks that a body is an object of the resource and of the namespace in the path, and names both in it.
pub(super) fn identify(target: &Target, body: &mut Value) -> Result<(), ApiError> {
    limit_depth(body)?;
    check_kind(target, body)?;
    let resource = &target.resource;
    if let Some(object) = body.as_object_mut() {
        object.insert("apiVersion".to_owned(), json!(resource.api_version()));
        object.insert("kind".to_owned(), json!(resource.kind));
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
    readable(target, object)
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
    if let Some(old) = old.filter(|_| resource.is("", "secrets")) {
        // Of Secrets, what may not change is looked at first.
        let mut first = schema::validate_update(schema, old, new);
        first.append(&mut found);
        found = first;
    }
    if let Some(old) = old {
        if !found.is_empty() && resource.is_custom() {
            let known = schema::validate(schema, old);
            found.retain(|error| !known.contains(error));
        }
        if !resource.is("", "secrets") {
            found.extend(schema::validate_update(schema, old, new));
        }
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
    let named = !found.iter().any(|error| error.field == "metadata.name");
    causes.extend(kinds::check(target, new, old, named));
    if let Source::Custom(version) = &resource.source
        && let Some(scale) = &version.scale
    {
        causes.extend(scale.mistakes(new, target.subresource == "status"));
    }
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
        let mut about = resource.about(&target.name);
        // Events are checked as those of the core, whichever group they were sent to.
        if resource.plural == "events" && !resource.is_custom() {
            about.group = "";
        }
        Err(ApiError::invalid(about, &causes))
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
        let mut written = if faces::differs(resource) {
            let old = old.map(|old| faces::shown(resource, old));
            let new = faces::shown(resource, &new);
            let mut written = schema::update(resource.schema(), old.as_ref(), new, &write).object;
            kinds::to_stored(target, &mut written);
            written
        } else {
            schema::update(resource.stored_schema(), old, new, &write).object
        };
        if let Some(status) = registered {
            written["status"] = status;
        }
        written
    }
}
