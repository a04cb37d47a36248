//! What may not be in a CRD: names that are none, schemas that are not structural, changes of what must stay.

mod parts;
mod schemas;

use serde_json::{Value, json};

use crate::status::Cause;

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
     character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
     '[a-z]([-a-z0-9]*[a-z0-9])?')";
/// Groups of Kubernetes itself need a word of approval.
const APPROVAL: &str = "api-approved.kubernetes.io";

/// Collects what is wrong.
struct Found(Vec<Cause>);

impl Found {
    fn invalid(&mut self, field: &str, value: &Value, why: &str) {
        self.invalid_text(field, &value.to_string(), why);
    }

    fn invalid_text(&mut self, field: &str, value: &str, why: &str) {
        let message = format!("Invalid value: {value}: {why}");
        self.0.push(Cause::new("FieldValueInvalid", field, message));
    }

    fn required(&mut self, field: &str, why: &str) {
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        self.0.push(Cause::new("FieldValueRequired", field, message));
    }

    fn forbidden(&mut self, field: &str, why: &str) {
        self.0.push(Cause::new(
            "FieldValueForbidden",
            field,
            format!("Forbidden: {why}"),
        ));
    }

    fn unsupported(&mut self, field: &str, value: &Value, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        let message = format!(
            "Unsupported value: {value}: supported values: {}",
            supported.join(", ")
        );
        self.0.push(Cause::new("FieldValueNotSupported", field, message));
    }

    fn label(&mut self, field: &str, value: &Value) {
        if !is_label(text(value)) {
            self.invalid(field, value, LABEL);
        }
    }
}

/// Whether a name can be a label in DNS; what is missing is said elsewhere.
fn is_label(text: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase();
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = text.as_bytes().first().is_none_or(letter);
    begins && text.bytes().all(inner) && !text.ends_with('-')
}

/// What is wrong with a new CRD.
pub(crate) fn check(definition: &Value) -> Vec<Cause> {
    let mut found = Found(Vec::new());
    let spec = &definition["spec"];
    let name = text(&definition["metadata"]["name"]);
    if name != format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])) {
        found.invalid(
            "metadata.name",
            &definition["metadata"]["name"],
            "must be spec.names.plural+\".\"+spec.group",
        );
    }
    whole(definition, &mut found);
    let guarded = |domain: &str| {
        let group = text(&spec["group"]);
        group == domain || group.ends_with(&format!(".{domain}"))
    };
    if (guarded("k8s.io") || guarded("kubernetes.io"))
        && definition["metadata"]["annotations"][APPROVAL].is_null()
    {
        found.required(
            &format!("metadata.annotations[{APPROVAL}]"),
            &format!(
                "protected groups must have approval annotation {APPROVAL:?}, see \
                 https://github.com/kubernetes/enhancements/pull/1111"
            ),
        );
    }
    if spec["preserveUnknownFields"] == true {
        found.invalid(
            "spec.preserveUnknownFields",
            &spec["preserveUnknownFields"],
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        );
    }
    found.0
}

/// What is wrong with a change of a CRD.
pub(crate) fn check_update(old: &Value, new: &Value) -> Vec<Cause> {
    let mut found = Found(Vec::new());
    let mut fixed = vec!["/spec/group", "/spec/names/plural"];
    let conditions = list(&old["status"]["conditions"]).iter();
    let mut established =
        conditions.filter(|condition| condition["type"] == "Established" && condition["status"] == "True");
    if established.next().is_some() {
        fixed.splice(0..0, ["/spec/scope", "/spec/names/kind"]);
    }
    for pointer in fixed {
        let (was, is) = (old.pointer(pointer), new.pointer(pointer));
        if was != is {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            found.invalid(&field, is.unwrap_or(&Value::Null), "field is immutable");
        }
    }
    whole(new, &mut found);
    found.0
}

/// What must hold of every CRD, new or changed.
fn whole(definition: &Value, found: &mut Found) {
    let spec = &definition["spec"];
    let group = text(&spec["group"]);
    if group.is_empty() {
        found.required("spec.group", "");
    } else if !group.contains('.') {
        found.invalid(
            "spec.group",
            &spec["group"],
            "should be a domain with at least one dot",
        );
    }
    match text(&spec["scope"]) {
        "" => found.required("spec.scope", ""),
        "Cluster" | "Namespaced" => {}
        _ => found.unsupported("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]),
    }
    let versions = list(&spec["versions"]);
    if spec["preserveUnknownFields"] == true && versions.iter().any(schemas::has_defaults) {
        found.invalid(
            "spec.preserveUnknownFields",
            &spec["preserveUnknownFields"],
            "must be false in order to use defaults in the schema",
        );
    }
    named_versions(versions, found);
    names(&spec["names"], found);
    conversion(&spec["conversion"], found);
    // What all versions have in common is told of as the definition's.
    let common = |field: &str| {
        versions
            .iter()
            .all(|version| version[field] == versions[0][field])
    };
    let same = ["schema", "subresources", "additionalPrinterColumns"].map(common);
    for (place, version) in versions.iter().enumerate() {
        let own = format!("spec.versions[{place}]");
        if version["schema"]["openAPIV3Schema"].is_null() {
            found.required(&format!("{own}.schema.openAPIV3Schema"), "");
        } else if !same[0] {
            schemas::check(version, &format!("{own}.schema.openAPIV3Schema"), found);
        } else if place == 0 {
            schemas::check(version, "spec.validation.openAPIV3Schema", found);
        }
        for (part, same) in [parts::scale as fn(&Value, &str, &mut Found), parts::columns]
            .into_iter()
            .zip(&same[1..])
        {
            if !same {
                part(version, &own, found);
            } else if place == 0 {
                part(version, "spec", found);
            }
        }
    }
    stored_versions(&definition["status"]["storedVersions"], versions, found);
}

fn named_versions(versions: &[Value], found: &mut Found) {
    let mut unique = true;
    for (place, version) in versions.iter().enumerate() {
        found.label(&format!("spec.versions[{place}].name"), &version["name"]);
        unique &= versions[..place]
            .iter()
            .all(|earlier| earlier["name"] != version["name"]);
    }
    let shown = || {
        let versions: Vec<String> = versions.iter().map(shown_version).collect();
        format!("[{}]", versions.join(","))
    };
    if !unique {
        found.invalid_text("spec.versions", &shown(), "must contain unique version names");
    }
    let storing = versions.iter().filter(|version| version["storage"] == true);
    if storing.count() != 1 {
        found.invalid_text(
            "spec.versions",
            &shown(),
            "must have exactly one version marked as storage version",
        );
    }
    // The first version is the definition's, too.
    if let Some(first) = versions.first() {
        found.label("spec.version", &first["name"]);
    }
}

/// A version as upstream shows it.
fn shown_version(version: &Value) -> String {
    let fields = [
        ("Name", &version["name"]),
        ("Served", &json!(version["served"] == true)),
        ("Storage", &json!(version["storage"] == true)),
        ("Deprecated", &json!(version["deprecated"] == true)),
        ("DeprecationWarning", &version["deprecationWarning"]),
        ("Schema", &Value::Null),
        ("Subresources", &Value::Null),
        ("AdditionalPrinterColumns", &Value::Null),
        ("SelectableFields", &Value::Null),
    ];
    let fields = fields.map(|(name, value)| format!("{name:?}:{value}"));
    format!("{{{}}}", fields.join(","))
}

fn names(names: &Value, found: &mut Found) {
    for name in ["plural", "singular", "kind", "listKind"] {
        if text(&names[name]).is_empty() {
            found.required(&format!("spec.names.{name}"), "");
        }
    }
    for name in ["plural", "singular"] {
        found.label(&format!("spec.names.{name}"), &names[name]);
    }
    for name in ["kind", "listKind"] {
        if !is_label(&text(&names[name]).to_lowercase()) {
            let why = format!("may have mixed case, but should otherwise match: {LABEL}");
            found.invalid(&format!("spec.names.{name}"), &names[name], &why);
        }
    }
    for (place, name) in list(&names["shortNames"]).iter().enumerate() {
        found.label(&format!("spec.names.shortNames[{place}]"), name);
    }
    if !text(&names["kind"]).is_empty() && names["kind"] == names["listKind"] {
        found.invalid(
            "spec.names.listKind",
            &names["listKind"],
            "kind and listKind may not be the same",
        );
    }
    for (place, name) in list(&names["categories"]).iter().enumerate() {
        found.label(&format!("spec.names.categories[{place}]"), name);
    }
}

fn conversion(conversion: &Value, found: &mut Found) {
    match conversion["strategy"].as_str() {
        None | Some("None") => {}
        Some("Webhook") => {
            if conversion["webhook"]["clientConfig"].is_null() {
                found.required(
                    "spec.conversion.webhookClientConfig",
                    "required when strategy is set to Webhook",
                );
            }
            if list(&conversion["webhook"]["conversionReviewVersions"]).is_empty() {
                found.required("spec.conversion.conversionReviewVersions", "");
            }
        }
        Some(_) => found.unsupported(
            "spec.conversion.strategy",
            &conversion["strategy"],
            &["None", "Webhook"],
        ),
    }
}

fn stored_versions(stored: &Value, versions: &[Value], found: &mut Found) {
    let field = "status.storedVersions";
    if list(stored).is_empty() {
        found.invalid(field, &Value::Null, "must have at least one stored version");
        return;
    }
    for (place, name) in list(stored).iter().enumerate() {
        if versions.iter().all(|version| version["name"] != *name) {
            found.invalid(&format!("{field}[{place}]"), name, "must appear in spec.versions");
        }
    }
    for version in versions.iter().filter(|version| version["storage"] == true) {
        if !list(stored).contains(&version["name"]) {
            let why = format!("must have the storage version {}", text(&version["name"]));
            found.invalid(field, stored, &why);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
