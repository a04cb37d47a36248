//! The objects that a `generate` rule asks for because of an object.

use serde_json::{Map, Value, json};

use super::targets::{Wanted, find, path_of};
use super::{Judge, Judged};
use crate::context::Context;
use crate::generate::{Foreach, Generate, Make, Pattern, detach};
use crate::selector::Selector;
use crate::verdict::Outcome;

/// How many objects one rule may ask for because of one object.
const MAX_MADE: usize = 1_000;

/// An object that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    pub(crate) object: Value,
    /// The object it is a copy of, when it is one.
    pub(crate) source: Option<Value>,
}

impl<'a> Judge<'a> {
    /// What the rule asks for. With an error there may be objects all the same: those it could be said for.
    pub(crate) fn generate(&'a self, rule: &'a Generate) -> (Judged, Vec<Made>) {
        let context = match self.context() {
            Ok(context) => context,
            Err(error) => return (Judged::error(error.to_string()), Vec::new()),
        };
        if let Some(judged) = Self::precondition(&context, self.rule.preconditions.as_ref())
            .or_else(|| self.excepting(&context).skip())
        {
            return (judged, Vec::new());
        }
        let mut made = Vec::new();
        let outcome = match &rule.make {
            Make::One(pattern) => self.make(&context, pattern, &mut made),
            Make::Foreach(list) => {
                let mut errors = Vec::new();
                for (index, each) in list.iter().enumerate() {
                    if let Err(error) = self.make_for_each(&context, each, &mut made) {
                        errors.push(format!("failed to process {index} foreach: {error}"));
                    }
                }
                if errors.is_empty() {
                    Ok(())
                } else {
                    Err(errors.join("; "))
                }
            }
        };
        match outcome {
            Ok(()) => (Judged::new(Outcome::Pass, ""), made),
            Err(error) => (Judged::error(error), made),
        }
    }

    fn make_for_each(
        &self,
        context: &Context<'a>,
        each: &'a Foreach,
        made: &mut Vec<Made>,
    ) -> Result<(), String> {
        let elements = match context.elements(&each.list) {
            Ok(elements) => elements,
            Err(error) => return Err(format!("failed to evaluate the list: {error}")),
        };
        let mark = context.mark();
        let mut errors = Vec::new();
        for (index, element) in elements
            .into_iter()
            .enumerate()
            .filter(|(_, element)| !element.is_null())
        {
            context.restore(&mark);
            context.set_element(element, index, 0);
            context.add(&each.context);
            let met = match each
                .preconditions
                .as_ref()
                .map(|conditions| conditions.judge(context))
            {
                None => Ok(true),
                Some(Ok(judged)) => Ok(judged.holds),
                Some(Err(error)) => Err(format!("failed to evaluate preconditions: {error}")),
            };
            let outcome = match met {
                Ok(true) => self.make(context, &each.pattern, made),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                errors.push(format!("element {index}: {error}"));
            }
        }
        context.restore(&mark);
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join("; "))
        }
    }

    fn make(&self, context: &Context<'_>, pattern: &Pattern, made: &mut Vec<Made>) -> Result<(), String> {
        let filled = context
            .fill(&pattern.0)
            .map_err(|error| format!("variable substitution failed: {error}"))?;
        let pay = |value: &Value| {
            self.budget
                .pay_for(value)
                .map_err(|exhausted| exhausted.to_string())
        };
        pay(&filled)?;
        let text = |value: &Value, key: &str| match value.get(key) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(format!("the {key} of what is to be made is no text")),
        };
        let target = Target {
            version: text(&filled, "apiVersion")?,
            kind: text(&filled, "kind")?,
            namespace: text(&filled, "namespace")?,
            name: text(&filled, "name")?,
        };
        if let Some(list) = filled.get("cloneList") {
            let namespace = text(list, "namespace")?;
            let kinds = list.get("kinds").and_then(Value::as_array).into_iter().flatten();
            for kind in kinds.filter_map(Value::as_str) {
                let (version, kind) = kind.rsplit_once('/').unwrap_or(("", kind));
                let wanted = Wanted {
                    version,
                    kind,
                    namespace: &namespace,
                    name: "",
                    selector: list
                        .get("selector")
                        .filter(|selector| !selector.is_null())
                        .map(Selector::of_value)
                        .transpose()?,
                    own: self.policy.namespace.as_deref(),
                };
                for source in find(self.request.facts, &wanted)? {
                    pay(&source)?;
                    let name = source
                        .pointer("/metadata/name")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    let target = Target {
                        version: version.to_owned(),
                        kind: kind.to_owned(),
                        namespace: target.namespace.clone(),
                        name: name.to_owned(),
                    };
                    self.copied(source, &target, made)?;
                }
            }
            return Ok(());
        }
        if let Some(clone) = filled.get("clone") {
            let (namespace, name) = (text(clone, "namespace")?, text(clone, "name")?);
            let wanted = Wanted {
                version: &target.version,
                kind: &target.kind,
                namespace: &namespace,
                name: &name,
                selector: None,
                own: self.policy.namespace.as_deref(),
            };
            let Some(source) = find(self.request.facts, &wanted)?.into_iter().next() else {
                return Err(format!(
                    "the source {} {namespace}/{name} is not there",
                    target.kind
                ));
            };
            pay(&source)?;
            return self.copied(source, &target, made);
        }
        let Some(Value::Object(data)) = filled.get("data") else {
            return Ok(());
        };
        self.keep(target.object(data.clone()), None, &target, made)
    }

    fn copied(&self, source: Value, target: &Target, made: &mut Vec<Made>) -> Result<(), String> {
        let text = |pointer: &str| {
            source
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let namespace = text("/metadata/namespace").to_owned();
        if namespace == target.namespace && text("/metadata/name") == target.name {
            return Ok(());
        }
        let from = json!({
            "apiVersion": target.version, "kind": target.kind,
            "namespace": namespace, "name": text("/metadata/name"),
        });
        let Value::Object(mut object) = source else {
            return Err("the source is no object".to_owned());
        };
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            detach(metadata, namespace != target.namespace);
        }
        self.keep(target.object(object), Some(from), target, made)
    }

    fn keep(
        &self,
        object: Value,
        source: Option<Value>,
        target: &Target,
        made: &mut Vec<Made>,
    ) -> Result<(), String> {
        if target.name.is_empty() || target.kind.is_empty() || target.version.is_empty() {
            return Err("what is to be made has no kind, version or name".to_owned());
        }
        if let Some(own) = &self.policy.namespace
            && (*own != target.namespace
                || !path_of(self.request.facts, &target.version, &target.kind, own)?.1)
        {
            return Err(format!(
                "a policy of the namespace {own} makes no {} outside of it",
                target.kind
            ));
        }
        if made.len() >= MAX_MADE {
            return Err(format!("the rule asks for more than {MAX_MADE} objects"));
        }
        made.push(Made { object, source });
        Ok(())
    }
}

/// What is to be made.
struct Target {
    version: String,
    kind: String,
    namespace: String,
    name: String,
}

impl Target {
    fn object(&self, mut fields: Map<String, Value>) -> Value {
        fields.insert("apiVersion".to_owned(), json!(self.version));
        fields.insert("kind".to_owned(), json!(self.kind));
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        if !metadata.is_object() {
            *metadata = json!({});
        }
        metadata["name"] = json!(self.name);
        if let Value::Object(metadata) = metadata {
            if self.namespace.is_empty() {
                metadata.remove("namespace");
            } else {
                metadata.insert("namespace".to_owned(), json!(self.namespace));
            }
        }
        Value::Object(fields)
    }
}
