//! The types of a policy's expressions, held against what the policy is about: what its status tells of it.
//!
//! Reference: `typechecking.go` of the policies in `k8s.io/apiserver`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cel::check::{Fields, Type};
use schema::Schema;
use serde_json::{Value, json};

use super::super::expressions::Known;
use crate::catalog::{Catalog, Resource};
use crate::rules::names;
use crate::verbs::text;

/// How many kinds a policy is held against.
const KINDS: usize = 10;
/// How deep the type of an object is looked into.
const DEEPEST: usize = 16;
/// How many bytes of warnings are enough; the one that goes beyond them is the last.
const MOST_TOLD: usize = 256 << 10;

/// An expression of a policy, and the variable that it declares.
struct Expression<'p> {
    field: String,
    written: &'p str,
    declares: Option<&'p str>,
}

/// What is to be said of the types in a ValidatingAdmissionPolicy: its `status.typeChecking`.
pub(crate) fn type_checking(policy: &Value, catalog: &Catalog) -> Value {
    let spec = &policy["spec"];
    let expressions = expressions(spec);
    let told = warnings(spec, &expressions, catalog);
    let found = expressions.iter().zip(told).filter(|(_, told)| !told.is_empty());
    let warnings: Vec<Value> = found
        .map(|(expression, told)| json!({ "fieldRef": expression.field, "warning": told.join("\n") }))
        .collect();
    if warnings.is_empty() {
        json!({})
    } else {
        json!({ "expressionWarnings": warnings })
    }
}

/// The expressions that are looked at, each behind the variables it may name.
fn expressions(spec: &Value) -> Vec<Expression<'_>> {
    let list = |field: &str| spec[field].as_array().into_iter().flatten().enumerate();
    let variables = list("variables").map(|(place, variable)| Expression {
        field: format!("spec.variables[{place}].expression"),
        written: text(variable, &["expression"]),
        declares: Some(text(variable, &["name"])),
    });
    let validations = list("validations").flat_map(|(place, validation)| {
        ["expression", "messageExpression"].map(|part| Expression {
            field: format!("spec.validations[{place}].{part}"),
            written: text(validation, &[part]),
            declares: None,
        })
    });
    let validations = validations.filter(|expression| !expression.written.is_empty());
    variables.chain(validations).collect()
}

/// What is wrong with each expression, kind by kind.
fn warnings(spec: &Value, expressions: &[Expression<'_>], catalog: &Catalog) -> Vec<Vec<String>> {
    let params = &spec["paramKind"];
    let params = params.is_object().then(|| {
        let of = catalog.of_kind(text(params, &["apiVersion"]), text(params, &["kind"]));
        of.map_or(Type::Dyn, |resource| type_of(resource.schema(), &mut Vec::new()))
    });
    let mut all: Vec<Vec<String>> = expressions.iter().map(|_| Vec::new()).collect();
    let mut length = 0;
    for resource in kinds(&spec["matchConstraints"], catalog) {
        let mut known = Known::new(&type_of(resource.schema(), &mut Vec::new()), params.as_ref());
        for (expression, told) in expressions.iter().zip(&mut all) {
            let of = known.check(expression.written);
            if let Err(why) = &of {
                let why = why.strip_prefix("compilation failed: ").unwrap_or(why);
                let kind = &resource.kind;
                let warning = format!("{}, Kind={kind}: {why}\n", group_version(&resource));
                length += warning.len();
                told.push(warning);
                if length > MOST_TOLD {
                    return all;
                }
            }
            if let Some(name) = expression.declares {
                known.declare(name, of.unwrap_or(Type::Dyn));
            }
        }
    }
    all
}

fn group_version(resource: &Resource) -> String {
    if resource.group.is_empty() {
        format!("/{}", resource.version)
    } else {
        resource.api_version()
    }
}

/// The kinds that a policy names without wildcards, which could be anything. Found by what there is, for a policy may
/// name ever so many groups and versions.
fn kinds(constraints: &Value, catalog: &Catalog) -> Vec<Arc<Resource>> {
    let mut by_plural: HashMap<&str, Vec<&Arc<Resource>>> = HashMap::new();
    for resource in catalog.resources() {
        by_plural.entry(&resource.plural).or_default().push(resource);
    }
    let mut found: Vec<Arc<Resource>> = Vec::new();
    for rule in constraints["resourceRules"].as_array().into_iter().flatten() {
        let words = |field: &str| {
            let words = rule[field].as_array().into_iter().flatten();
            words.filter_map(Value::as_str).collect::<HashSet<&str>>()
        };
        let (groups, versions, plurals) = (words("apiGroups"), words("apiVersions"), words("resources"));
        let mut named: Vec<&Arc<Resource>> = plurals
            .iter()
            .flat_map(|plural| by_plural.get(plural).into_iter().flatten().copied())
            .filter(|resource| {
                groups.contains(resource.group.as_str()) && versions.contains(resource.version.as_str())
            })
            .collect();
        named.sort_by_key(|resource| (&resource.group, &resource.version, &resource.plural));
        for resource in named {
            if found.len() == KINDS {
                return found;
            }
            if !found.iter().any(|known| Arc::ptr_eq(known, resource)) {
                found.push(Arc::clone(resource));
            }
        }
    }
    found
}

/// The type that expressions have for what a schema describes, below those of these names.
fn type_of<'s>(schema: &'s Schema, above: &mut Vec<&'s str>) -> Type {
    // What is made of what it is itself would go on for ever.
    let repeats = !schema.name.is_empty() && above.contains(&schema.name.as_str());
    if repeats || above.len() > DEEPEST || (schema.preserve_unknown && schema.fields.is_empty()) {
        return Type::Dyn;
    }
    above.push(&schema.name);
    let of = match schema.kind {
        schema::Type::Boolean => Type::Bool,
        schema::Type::Integer => Type::Int,
        schema::Type::Number => Type::Double,
        schema::Type::String => match schema.format.as_str() {
            "date-time" => Type::Timestamp,
            "byte" => Type::Bytes,
            _ => Type::Text,
        },
        schema::Type::Quantity | schema::Type::IntOrString | schema::Type::Any | schema::Type::Raw => {
            Type::Dyn
        }
        schema::Type::Array => Type::list(type_of(schema.item(), above)),
        schema::Type::Object if !schema.fields.is_empty() => {
            let mut fields = Fields::new();
            for (name, field) in &schema.fields {
                let of = type_of(field.schema.get(), above);
                fields.extend(names(name).into_iter().map(|name| (name, of.clone())));
            }
            Type::Object(Arc::new(fields))
        }
        schema::Type::Object => match schema.values() {
            Some(values) => Type::map(Type::Text, type_of(values, above)),
            None => Type::Dyn,
        },
    };
    above.pop();
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        Catalog::new(&Catalog::default(), &[])
    }

    /// Of how many parts a type is.
    fn parts(of: &Type) -> usize {
        1 + match of {
            Type::List(inner) | Type::Optional(inner) => parts(inner),
            Type::Map(key, value) => parts(key) + parts(value),
            Type::Object(fields) => fields.values().map(parts).sum(),
            _ => 0,
        }
    }

    #[test]
    fn kinds_are_found_in_rules_of_any_length() {
        let catalog = catalog();
        let check = |rules: Value, expect: &[&str]| {
            let found = kinds(&json!({ "resourceRules": rules }), &catalog);
            let found: Vec<&str> = found.iter().map(|resource| resource.kind.as_str()).collect();
            assert_eq!(found, expect);
        };
        let rule = |groups: &[&str], versions: &[&str], plurals: &[&str]| json!({ "apiGroups": groups, "apiVersions": versions, "resources": plurals });
        check(json!([rule(&["apps"], &["*"], &["deployments"])]), &[]);
        check(
            json!([
                rule(&["", "apps"], &["v1"], &["deployments", "pods", "pods/status"]),
                rule(&[""], &["v1"], &["pods"]),
            ]),
            &["Pod", "Deployment"],
        );
        let mut words: Vec<String> = (0..100_000).map(|number| format!("w{number}")).collect();
        words.extend(["apps", "v1", "deployments"].map(str::to_owned));
        check(
            json!([{ "apiGroups": words, "apiVersions": words, "resources": words }]),
            &["Deployment"],
        );
        let all = |part: fn(&Resource) -> &str| {
            let words = catalog.resources().iter().map(|resource| part(resource));
            words.collect::<Vec<&str>>()
        };
        let everything = rule(
            &all(|resource| &resource.group),
            &all(|resource| &resource.version),
            &all(|resource| &resource.plural),
        );
        let found = kinds(&json!({ "resourceRules": [everything] }), &catalog);
        assert_eq!(found.len(), KINDS);
    }

    #[test]
    fn no_kind_is_of_very_many_parts() {
        for resource in catalog().resources() {
            let of = type_of(resource.schema(), &mut Vec::new());
            let parts = parts(&of);
            assert!(parts < 20_000, "{}: {parts}", resource.kind);
        }
    }

    #[test]
    fn variables_are_known_to_what_follows() {
        let variables: Vec<Value> = (0..250)
            .map(|number| match number {
                0 => json!({ "name": "v0", "expression": "object.spec.replicas" }),
                _ => json!({ "name": format!("v{number}"), "expression": format!("variables.v{} + 1", number - 1) }),
            })
            .collect();
        let policy = json!({ "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments", "replicasets"],
            }] },
            "variables": variables,
            "validations": [{ "expression": "variables.v249 == 'a'" }, { "expression": "variables.v250 == 1" }],
        } });
        let told = type_checking(&policy, &catalog());
        let warnings = told["expressionWarnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 2, "{told}");
        let warning = |at: usize| warnings[at]["warning"].as_str().unwrap_or_default();
        assert!(warning(0).contains("applied to '(int, string)'"), "{told}");
        assert!(warning(1).contains("undefined field 'v250'"), "{told}");
        let kinds = warning(0)
            .lines()
            .filter(|line| line.starts_with("apps/v1, Kind="));
        assert_eq!(kinds.count(), 2);
    }

    #[test]
    fn warnings_have_an_end() {
        let faulty = format!("'{}' == ''{}", "x".repeat(15_000), " || a == 1".repeat(100));
        let validations = vec![json!({ "expression": faulty }); 20];
        let policy = json!({ "spec": {
            "matchConstraints": { "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }] },
            "validations": validations,
        } });
        let told = type_checking(&policy, &catalog()).to_string();
        assert!(told.len() < 1 << 20, "{}", told.len());
    }
}
