//! Patch: JSON patch, merge patch, strategic merge patch and server-side apply.

use serde_json::Value;

use super::apply::require_manager;
use super::create::Managed;
use super::update::Proposal;
use super::{Outcome, Target, WriteOptions, faces, shape};
use crate::engine::Engine;
use crate::status::ApiError;

/// Operations in one JSON patch at most, as upstream.
const OPERATIONS: usize = 10_000;
/// How much of a patched object is repeated in a refusal.
const LONGEST_SHOWN: usize = 20_000;
/// What the copies of one JSON patch may add up to.
const COPIED: usize = 3 << 20;

/// The languages of patches, by media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// A patch as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) kind: PatchKind,
    pub(crate) body: Value,
}

impl Engine {
    pub(crate) async fn patch(
        &self,
        target: &Target,
        patch: Patch,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        if patch.kind == PatchKind::Apply {
            require_manager(options.manager_named)?;
            return self.apply(target, patch.body, options).await;
        }
        self.modify(target, options, |old| {
            let mut warnings = Vec::new();
            let patched = patched(target, &patch, &old.value)?;
            let object = shape::decode(target, patched.clone(), options.validation, &mut warnings)
                .and_then(|object| shape::readable(target, &object).map(|()| object))
                .map_err(|refusal| {
                    // Whoever patches a Secret need not be allowed to read it.
                    let secret = target.resource.is("", "secrets");
                    let patched = if secret { &Value::Null } else { &patched };
                    unreadable(&patch, patched, refusal)
                })?;
            Ok(Proposal {
                object,
                managed: Managed::Update,
                warnings,
            })
        })
        .await
    }
}

fn patched(target: &Target, patch: &Patch, old: &Value) -> Result<Value, ApiError> {
    let mut object = faces::shown(&target.resource, old);
    if patch.kind != PatchKind::Strategic {
        apply_to(&mut object, patch)?;
        return Ok(object);
    }
    if target.resource.is_custom() {
        return Err(ApiError::unsupported_media_type(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        ));
    }
    let body = object_of(patch).map_err(ApiError::bad_request)?;
    // As upstream has it, what is wrong in a patch is a failure of the server's.
    schema::strategic_merge(target.resource.schema(), &object, body)
        .map_err(|error| ApiError::unreasoned(error.to_string()))
}

/// Lays a patch that needs no schema over a value.
pub(super) fn apply_to(value: &mut Value, patch: &Patch) -> Result<(), ApiError> {
    if patch.kind == PatchKind::Json {
        return json_patch_in_bounds(value, &patch.body).map_err(ApiError::from);
    }
    let body =
        object_of(patch).map_err(|why| ApiError::bad_request(format!("error decoding patch: {why}")))?;
    json_patch::merge(value, body);
    Ok(())
}

/// What a merge patch lays over an object, or what Go says of it.
fn object_of(patch: &Patch) -> Result<&Value, String> {
    if patch.body.is_object() {
        return Ok(&patch.body);
    }
    let given = schema::json_type(&patch.body);
    Err(format!(
        "json: cannot unmarshal {given} into Go value of type map[string]interface {{}}"
    ))
}

/// Why a JSON patch cannot be applied.
#[derive(Debug)]
pub(crate) enum Unpatched {
    /// It is no JSON patch.
    Unreadable(String),
    /// An operation is none.
    Malformed(String),
    /// It is too long, or makes too much of the object.
    TooLarge(usize),
    /// An operation that cannot be done.
    Operation(Box<json_patch::PatchOperation>, String),
}

impl From<Unpatched> for ApiError {
    fn from(why: Unpatched) -> Self {
        match why {
            Unpatched::Unreadable(why) => Self::bad_request(format!("error decoding patch: {why}")),
            Unpatched::TooLarge(limit) => Self::too_large(limit),
            Unpatched::Malformed(_) | Unpatched::Operation(..) => rejected(),
        }
    }
}

/// Applies a JSON patch one operation at a time, so that copies of copies cannot grow without bound.
pub(crate) fn json_patch_in_bounds(object: &mut Value, body: &Value) -> Result<(), Unpatched> {
    let patch: json_patch::Patch = serde_json::from_value(body.clone()).map_err(|error| {
        let why = error.to_string();
        if body.is_array() {
            Unpatched::Malformed(why)
        } else {
            Unpatched::Unreadable(why)
        }
    })?;
    if patch.0.len() > OPERATIONS {
        return Err(Unpatched::TooLarge(OPERATIONS));
    }
    let mut copied = 0;
    for operation in patch.0 {
        if let json_patch::PatchOperation::Copy(copy) = &operation {
            let source = object
                .pointer(copy.from.as_str())
                .map(|value| value.to_string().len());
            copied += source.unwrap_or(0);
            if copied > COPIED {
                return Err(Unpatched::TooLarge(COPIED));
            }
        }
        if finds_nothing(&operation, object) {
            continue;
        }
        let operation = [as_upstream(operation, object)];
        if let Err(error) = json_patch::patch(object, &operation) {
            let [operation] = operation;
            return Err(Unpatched::Operation(Box::new(operation), error.to_string()));
        }
    }
    Ok(())
}

/// Whether it is a test for null of a field that is not there, which upstream's library lets pass: it is how clients
/// say that nobody may have been faster than they.
fn finds_nothing(operation: &json_patch::PatchOperation, object: &Value) -> bool {
    let json_patch::PatchOperation::Test(test) = operation else {
        return false;
    };
    let path = test.path.as_str();
    let (parent, _) = path.rsplit_once('/').unwrap_or_default();
    test.value.is_null()
        && object.pointer(path).is_none()
        && object.pointer(parent).is_some_and(Value::is_object)
}

/// Upstream's library replaces a field that is not there.
fn as_upstream(operation: json_patch::PatchOperation, object: &Value) -> json_patch::PatchOperation {
    match operation {
        json_patch::PatchOperation::Replace(replace) if object.pointer(replace.path.as_str()).is_none() => {
            let (parent, _) = replace.path.as_str().rsplit_once('/').unwrap_or_default();
            if object.pointer(parent).is_some_and(Value::is_object) {
                json_patch::PatchOperation::Add(json_patch::AddOperation {
                    path: replace.path,
                    value: replace.value,
                })
            } else {
                json_patch::PatchOperation::Replace(replace)
            }
        }
        operation => operation,
    }
}

/// What upstream says of a patch that cannot be applied.
fn rejected() -> ApiError {
    let mut error = ApiError::new(
        http::StatusCode::UNPROCESSABLE_ENTITY,
        "Invalid",
        "the server rejected our request due to an error in our request",
    );
    error.details = Some(serde_json::json!({}));
    error
}

/// What a patch makes of an object is none. Of a strategic merge patch Kubernetes repeats the patch, of others the object.
pub(super) fn unreadable(patch: &Patch, patched: &Value, refusal: ApiError) -> ApiError {
    let Some((_, why)) = refusal
        .message
        .split_once(" cannot be handled as a ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .filter(|_| refusal.code == http::StatusCode::BAD_REQUEST)
    else {
        return refusal;
    };
    let about = crate::status::About {
        group: "",
        plural: "",
        kind: "",
        name: "",
    };
    let (shown, why) = match unconverted(why) {
        Some(why) if patch.kind == PatchKind::Strategic && !patched.is_null() => {
            (schema::go_value(&patch.body), why)
        }
        _ => (patched.to_string(), why.to_owned()),
    };
    let shown: String = shown.chars().take(LONGEST_SHOWN).collect();
    let message = format!("Invalid value: {shown:?}: {why}");
    ApiError::invalid(
        about,
        &[crate::status::Cause::new("FieldValueInvalid", "patch", message)],
    )
}

/// What Go's decoder of JSON says of a value of the wrong type, in the words of the converter that strategic merge patches
/// go through.
fn unconverted(why: &str) -> Option<String> {
    let (given, place) = why
        .strip_prefix("json: cannot unmarshal ")?
        .split_once(" into Go ")?;
    let (_, wanted) = place.rsplit_once(" of type ")?;
    let given = match given {
        "object" => "map",
        "array" => "slice",
        "number" => "int64",
        given => given,
    };
    Some(if wanted.starts_with("[]") {
        format!("cannot restore slice from {given}")
    } else if wanted.starts_with("map[") {
        format!("cannot restore map from {given}")
    } else if wanted.contains('.') {
        format!("cannot restore struct from: {given}")
    } else {
        format!("unrecognized type: {wanted}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_as_a_converter_tells_it() {
        let check = |given: &str, place: &str, expect: &str| {
            let why = format!("json: cannot unmarshal {given} into Go {place}");
            assert_eq!(unconverted(&why).as_deref(), Some(expect), "{why}");
        };
        let field = |kind: &str| format!("struct field DeploymentSpec.spec.a of type {kind}");
        check("string", &field("int32"), "unrecognized type: int32");
        check(
            "object",
            &field("[]v1.Container"),
            "cannot restore slice from map",
        );
        check(
            "number",
            &field("map[string]string"),
            "cannot restore map from int64",
        );
        check("array", &field("v1.PodSpec"), "cannot restore struct from: slice");
        assert_eq!(unconverted("strict decoding error: unknown field \"a\""), None);
    }
}
