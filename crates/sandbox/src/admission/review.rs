//! What a webhook or a policy is told of a write, and what a webhook's answer means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Attributes, Operation};
use crate::catalog::Resource;
use crate::status::ApiError;
use crate::verbs::{Unpatched, shown, text};

/// What a webhook says.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    pub(super) status: Value,
    pub(super) patch: Option<Value>,
    pub(super) warnings: Vec<String>,
}

/// Why there is no answer that lets the write pass.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be asked, or what it said is no answer.
    Call(String),
    /// It says no.
    Refused(Box<ApiError>),
}

/// The AdmissionReview that is sent.
pub(super) fn question(
    uid: &str,
    version: &str,
    write: &Attributes<'_>,
    resource: &Resource,
    object: &Value,
) -> Value {
    let own = &write.target.resource;
    let kind = |(group, version, kind): (&str, &str, &str)| json!({ "group": group, "version": version, "kind": kind });
    let place = |resource: &Resource| json!({ "group": resource.group, "version": resource.version, "resource": resource.plural });
    let mut request = json!({
        "uid": uid,
        "kind": kind(write.kind_in(resource)),
        "resource": place(resource),
        "requestKind": kind(write.kind_in(own)),
        "requestResource": place(own),
        "operation": write.operation.word(),
        "userInfo": write.options.user.json(),
        "object": in_terms_of(write, resource, object),
        "oldObject": write.old.map_or(Value::Null, |old| in_terms_of(write, resource, old)),
        "dryRun": write.options.dry_run,
        "options": options(write),
    });
    for (field, value) in [
        ("name", write.target.name.as_str()),
        ("namespace", write.namespace()),
        ("subResource", &write.target.subresource),
        ("requestSubResource", &write.target.subresource),
    ] {
        if !value.is_empty() {
            request[field] = json!(value);
        }
    }
    json!({ "kind": "AdmissionReview", "apiVersion": format!("admission.k8s.io/{version}"), "request": request })
}

/// The object in the version that a webhook knows it by.
pub(super) fn in_terms_of(write: &Attributes<'_>, resource: &Resource, object: &Value) -> Value {
    let is_itself = matches!(write.target.subresource.as_str(), "" | "status" | "finalize");
    if object.is_null() || !is_itself {
        return object.clone();
    }
    shown(resource, object)
}

/// The options of the request. A patch is an update to those at the door, or a create.
fn options(write: &Attributes<'_>) -> Value {
    let mut options = write.options.sent.clone();
    if options["kind"] == "PatchOptions"
        && let Some(fields) = options.as_object_mut()
    {
        let creates = write.operation == Operation::Create;
        let kind = if creates { "CreateOptions" } else { "UpdateOptions" };
        fields.insert("kind".to_owned(), json!(kind));
        fields.remove("force");
    }
    options
}

/// Why a webhook's patch cannot be applied.
pub(super) fn unpatched(why: Unpatched) -> String {
    use json_patch::PatchOperation;

    let operation = match why {
        Unpatched::Operation(operation, why) => (*operation, why),
        Unpatched::Unreadable(why) | Unpatched::Malformed(why) => return why,
        Unpatched::TooLarge(limit) => return format!("the patch is too large: limit is {limit}"),
    };
    match operation {
        (PatchOperation::Add(add), _) => {
            format!(
                "add operation does not apply: doc is missing path: {:?}: missing value",
                add.path.as_str()
            )
        }
        (PatchOperation::Remove(remove), _) => {
            let key = remove
                .path
                .last()
                .map(|token| token.decoded().into_owned())
                .unwrap_or_default();
            let path = remove.path.as_str();
            format!(
                "error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
            )
        }
        (PatchOperation::Replace(replace), _) => {
            let path = replace.path.as_str();
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        }
        (PatchOperation::Test(test), _) => {
            format!("testing value {} failed: test failed", test.path.as_str())
        }
        (_, why) => why,
    }
}

/// Reads an answer. What is not a proper one is no answer at all.
pub(super) fn answer(bytes: &[u8], uid: &str, version: &str, mutating: bool) -> Result<Answer, Failure> {
    let call = |why: String| Failure::Call(format!("failed to call webhook: {why}"));
    let wrong = |why: String| Failure::Call(format!("received invalid webhook response: {why}"));
    if bytes.is_empty() {
        let why = "0-length response with status code: 200 and content type: application/json";
        return Err(call(why.to_owned()));
    }
    let review: Value = serde_json::from_slice(bytes)
        .map_err(|error| call(format!("couldn't get version/kind; json parse error: {error}")))?;
    let (api_version, kind) = (text(&review, &["apiVersion"]), text(&review, &["kind"]));
    let known = ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"].contains(&api_version);
    if !known || kind != "AdmissionReview" {
        return Err(call(format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/runtime/scheme.go:111\""
        )));
    }
    let response = &review["response"];
    if !response.is_object() {
        return Err(wrong("webhook response was absent".to_owned()));
    }
    let strict = version == "v1";
    let patch = text(response, &["patch"]);
    let patch_type = &response["patchType"];
    if strict {
        let given = text(response, &["uid"]);
        if given != uid {
            return Err(wrong(format!("expected response.uid={uid:?}, got {given:?}")));
        }
        if api_version != "admission.k8s.io/v1" {
            let expected = "admission.k8s.io/v1, Kind=AdmissionReview";
            return Err(wrong(format!(
                "expected webhook response of {expected}, got {api_version}, Kind={kind}"
            )));
        }
        let why = match (mutating, patch.is_empty(), patch_type.as_str()) {
            (true, false, None) => {
                Some("webhook returned response.patch but not response.patchType".to_owned())
            }
            (true, true, Some(_)) => {
                Some("webhook returned response.patchType but not response.patch".to_owned())
            }
            (true, false, Some("")) => Some("webhook returned invalid response.patchType of \"\"".to_owned()),
            (false, false, _) => Some("validating webhook may not return response.patch".to_owned()),
            (false, true, Some(_)) => Some("validating webhook may not return response.patchType".to_owned()),
            _ => None,
        };
        if let Some(why) = why {
            return Err(wrong(why));
        }
    }
    let allowed = response["allowed"] == true;
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let mut answer = Answer {
        allowed,
        status: response["status"].clone(),
        patch: None,
        warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
    };
    if mutating && allowed && !patch.is_empty() {
        if strict && patch_type != "JSONPatch" {
            let given = patch_type.as_str().unwrap_or_default();
            return Err(Failure::Call(format!("unsupported patch type {given:?}")));
        }
        let undecodable =
            |why: String| Failure::Call(format!("received undecodable patch in webhook response: {why}"));
        let bytes = STANDARD
            .decode(patch)
            .map_err(|error| undecodable(error.to_string()))?;
        let operations: Value =
            serde_json::from_slice(&bytes).map_err(|error| undecodable(error.to_string()))?;
        if !operations.is_array() {
            return Err(undecodable("it is not a list of operations".to_owned()));
        }
        answer.patch = Some(operations).filter(|operations| operations != &json!([]));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::User;
    use crate::catalog::Catalog;
    use crate::verbs::{Target, WriteOptions};

    #[test]
    fn a_webhook_is_told_all_that_is_known_of_who_asks() {
        let catalog = Catalog::new(&Catalog::default(), &[]);
        let target = Target {
            resource: catalog.find("", "v1", "pods").unwrap(),
            namespace: "shop".to_owned(),
            name: "it".to_owned(),
            subresource: String::new(),
        };
        let told = |user: User| {
            let options = WriteOptions {
                user,
                ..WriteOptions::internal("tests")
            };
            let write = Attributes {
                target: &target,
                operation: Operation::Delete,
                options: &options,
                old: None,
            };
            question("u", "v1", &write, &target.resource, &Value::Null)["request"]["userInfo"].take()
        };
        let jo = User {
            name: "jo".to_owned(),
            ..User::default()
        };
        assert_eq!(told(jo.clone()), json!({ "username": "jo" }));
        let known = User {
            uid: "7".to_owned(),
            groups: vec!["devs".to_owned()],
            extra: BTreeMap::from([("scopes".to_owned(), vec!["view".to_owned()])]),
            ..jo
        };
        assert_eq!(
            told(known),
            json!({ "username": "jo", "uid": "7", "groups": ["devs"], "extra": { "scopes": ["view"] } })
        );
    }
}
