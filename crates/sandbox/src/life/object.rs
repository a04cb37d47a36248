//! Reading and changing Kubernetes objects held as JSON: absent fields read as their zero value, as
//! in Kubernetes' own types, and nothing here panics on an object of an unexpected shape.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::kind::Kind;

/// The text at a JSON pointer, or "".
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// A number, or a percentage of a whole, rounded up.
pub(crate) fn share(value: &Value, whole: i64) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let percentage: u32 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let exact = i128::from(percentage) * i128::from(whole);
    Some(i64::try_from((exact + 99) / 100).unwrap_or(i64::MAX))
}

/// The truth at a JSON pointer; absent is false.
pub(crate) fn truth(value: &Value, pointer: &str) -> bool {
    value
        .pointer(pointer)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

/// The list at a JSON pointer; absent is empty.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The map at a JSON pointer.
pub(crate) fn map<'a>(value: &'a Value, pointer: &str) -> Option<&'a Map<String, Value>> {
    value.pointer(pointer).and_then(Value::as_object)
}

/// The moment at a JSON pointer.
pub(crate) fn moment(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer).parse().ok()
}

/// `metadata.name`
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// `metadata.namespace`
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// `metadata.uid`
pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// `metadata.resourceVersion` as the number it is (Kubernetes 1.35 and later promise an order).
pub(crate) fn version(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion")
        .parse()
        .unwrap_or_default()
}

/// `metadata.generation`
pub(crate) fn generation(object: &Value) -> i64 {
    number(object, "/metadata/generation").unwrap_or_default()
}

/// Is the object on its way out?
pub(crate) fn deleting(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

/// `metadata.creationTimestamp`
pub(crate) fn created(object: &Value) -> Timestamp {
    moment(object, "/metadata/creationTimestamp").unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The labels of the object.
pub(crate) fn labels(object: &Value) -> Option<&Map<String, Value>> {
    map(object, "/metadata/labels")
}

/// One label, or "".
pub(crate) fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    labels(object)
        .and_then(|labels| labels.get(key))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// One annotation, or "".
pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    map(object, "/metadata/annotations")
        .and_then(|annotations| annotations.get(key))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The owner that controls the object: its kind, name and uid.
pub(crate) fn controller(object: &Value) -> Option<(Kind, &str, &str)> {
    let owner = list(object, "/metadata/ownerReferences")
        .iter()
        .find(|owner| truth(owner, "/controller"))?;
    Some((
        Kind::from_name(text(owner, "/kind"))?,
        text(owner, "/name"),
        text(owner, "/uid"),
    ))
}

/// The reference that makes `owner` the controller of an object.
pub(crate) fn owner_reference(kind: Kind, owner: &Value) -> Value {
    json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "name": name(owner),
        "uid": uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Puts a value at a path, making maps on the way wherever there is none.
pub(crate) fn set(target: &mut Value, path: &[&str], value: Value) {
    let mut place = target;
    for key in path {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry((*key).to_owned()).or_insert(Value::Null);
    }
    *place = value;
}

/// The object with another status.
pub(crate) fn with_status(object: &Value, status: Value) -> Value {
    let mut object = object.clone();
    set(&mut object, &["status"], status);
    object
}

/// The status of the object, or null.
pub(crate) fn status(object: &Value) -> &Value {
    object.get("status").unwrap_or(&Value::Null)
}

/// A moment as Kubernetes writes it, to the second.
pub(crate) fn stamp(moment: Timestamp) -> String {
    whole_second(moment).to_string()
}

/// The moment cut to the second, as it reads once it went through the API.
pub(crate) fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// `moment` plus a number of seconds, held inside what can be represented.
pub(crate) fn seconds_after(moment: Timestamp, seconds: i64) -> Timestamp {
    moment
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// The condition of this type.
pub(crate) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(status, "/conditions")
        .iter()
        .find(|condition| text(condition, "/type") == kind)
}

/// Is the condition of this type "True"?
pub(crate) fn is_true(status: &Value, kind: &str) -> bool {
    condition(status, kind).is_some_and(|condition| text(condition, "/status") == "True")
}

/// Puts a condition in place of the one of the same type, keeping the order of the others.
pub(crate) fn set_condition(conditions: &mut Vec<Value>, condition: Value) {
    let kind = text(&condition, "/type");
    match conditions.iter().position(|other| text(other, "/type") == kind) {
        Some(index) => conditions[index] = condition,
        None => conditions.push(condition),
    }
}

/// Takes the condition of this type away.
pub(crate) fn remove_condition(conditions: &mut Vec<Value>, kind: &str) {
    conditions.retain(|condition| text(condition, "/type") != kind);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_makes_the_way() {
        let check = |mut before: Value, path: &[&str], expect: Value| {
            set(&mut before, path, json!(1));
            assert_eq!(before, expect);
        };
        check(json!({}), &["a", "b"], json!({"a": {"b": 1}}));
        check(json!({"a": null}), &["a", "b"], json!({"a": {"b": 1}}));
        check(json!({"a": "text"}), &["a", "b"], json!({"a": {"b": 1}}));
        check(
            json!({"a": {"c": 2}}),
            &["a", "b"],
            json!({"a": {"b": 1, "c": 2}}),
        );
        check(json!([]), &[], json!(1));
    }

    #[test]
    fn stamps_are_cut_to_the_second() {
        let moment: Timestamp = "2026-01-02T03:04:05.999Z".parse().unwrap();
        assert_eq!(stamp(moment), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn only_a_controlling_owner_counts() {
        let object = json!({"metadata": {"ownerReferences": [
            {"kind": "Service", "name": "other", "uid": "1"},
            {"kind": "ReplicaSet", "name": "web", "uid": "2", "controller": true},
        ]}});
        assert_eq!(controller(&object), Some((Kind::ReplicaSet, "web", "2")));
        assert_eq!(controller(&json!({})), None);
    }
}
