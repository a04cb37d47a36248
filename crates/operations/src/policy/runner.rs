//! Judges objects by policies, one object at a time and in Kyverno's order: mutate, verify, validate, generate.

use std::collections::BTreeMap;

use guardrails::{Operation, Outcome, Policies, Request, Task, User, Verdict, guessed_plural};
use serde_json::{Map, Value};

use super::cluster::PolicyCluster;
use super::loaded::Loaded;
use super::values::{Asker, Values};
use super::world::{Known, World};

/// Policies, and all that is known beyond an object.
pub(crate) struct Runner {
    pub(crate) policies: Vec<Loaded>,
    /// Exceptions and bindings, which count for all policies.
    beside: Policies,
    /// All policies in one set, for when nothing is said of single ones.
    together: Option<Policies>,
    values: Values,
    user: Option<User>,
    labels: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) world: World,
}

/// What one policy says of one object.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// Which of the runner's policies.
    pub(crate) policy: usize,
    /// The object as it came.
    pub(crate) object: Value,
    /// The object as policies that mutate have left it so far.
    pub(crate) patched: Value,
    /// Whether this policy changed it.
    pub(crate) changed: bool,
    pub(crate) verdicts: Vec<Verdict>,
    /// Other objects that it changes because of this one, each with the verdict that says so.
    pub(crate) targets: Vec<(usize, Value)>,
    /// Objects that it asks for because of this one, each with the verdict that says so.
    pub(crate) generated: Vec<(usize, Value)>,
}

impl Runner {
    pub(crate) fn new(
        policies: Vec<Loaded>,
        beside: Policies,
        values: Values,
        asker: Option<Asker>,
        world: World,
    ) -> Runner {
        // As in Kyverno's command line: who asks is nobody, unless a file says otherwise.
        let asker = asker.unwrap_or_default();
        let user = Some(User {
            name: asker.user_info.username,
            uid: asker.user_info.uid,
            groups: asker.user_info.groups,
            extra: asker.user_info.extra,
            roles: asker.roles,
            cluster_roles: asker.cluster_roles,
        });
        let live = world.live.as_ref().map(PolicyCluster::namespace_labels);
        let mut labels = live.unwrap_or_default();
        labels.extend(values.namespace_labels());
        let mut runner = Runner {
            labels,
            policies,
            beside,
            together: None,
            values,
            user,
            world,
        };
        for loaded in &mut runner.policies {
            loaded.set.merge(runner.beside.clone());
        }
        runner
    }

    /// Lets all policies judge together, which is faster; only where names tell policies apart.
    pub(crate) fn together(&mut self) {
        let mut keys: Vec<String> = self.policies.iter().map(Loaded::key).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() == self.policies.len() && self.values.is_empty() {
            let mut all = self.beside.clone();
            for loaded in &self.policies {
                all.merge(loaded.set.clone());
            }
            self.together = Some(all);
        }
    }

    /// What all policies say of an object: first those that change it, one after the other, then the others, of what
    /// has become of it.
    pub(crate) fn judge(&self, object: &Value, operation: Option<Operation>) -> Vec<Response> {
        let mut responses = Vec::new();
        let mut current = object.clone();
        for (index, loaded) in self.policies.iter().enumerate() {
            if !loaded.does(Task::Mutate) {
                continue;
            }
            let (mutated, existing) = self.ask(loaded, &current, operation, |request| {
                (loaded.set.mutate(request), loaded.set.mutate_existing(request))
            });
            let mut verdicts = mutated.verdicts;
            let mut targets = Vec::new();
            let mut made = mutated.object;
            for existing in existing {
                let target = existing
                    .object
                    .or(existing.before)
                    .filter(|_| existing.verdict.outcome == Outcome::Pass);
                match target {
                    // The object in question may be one of those that are there already.
                    Some(target) if identity(&target) == identity(object) => made = target,
                    Some(target) => targets.push((verdicts.len(), target)),
                    None => {}
                }
                verdicts.push(existing.verdict);
            }
            let changed = current != made;
            current = made;
            if !verdicts.is_empty() || loaded.answers_always() {
                responses.push(Response {
                    policy: index,
                    object: object.clone(),
                    patched: current.clone(),
                    changed,
                    verdicts,
                    targets,
                    generated: Vec::new(),
                });
            }
        }
        for (index, loaded) in self.policies.iter().enumerate() {
            if loaded.only_mutates() {
                continue;
            }
            let (mut verdicts, generations, deletions) = self.ask(loaded, &current, operation, |request| {
                let deletions = if loaded.says_what_goes() {
                    loaded.set.to_delete(request)
                } else {
                    Vec::new()
                };
                (
                    loaded.set.evaluate(request),
                    loaded.set.generate(request),
                    deletions,
                )
            });
            verdicts.extend(deletions.into_iter().map(|deletion| deletion.verdict));
            let mut generated = Vec::new();
            for generation in generations {
                let made = generation
                    .objects
                    .into_iter()
                    .map(|made| (verdicts.len(), made.object));
                generated.extend(made);
                verdicts.push(generation.verdict);
            }
            if !verdicts.is_empty() || loaded.answers_always() {
                responses.push(Response {
                    policy: index,
                    object: object.clone(),
                    patched: current.clone(),
                    changed: false,
                    verdicts,
                    targets: Vec::new(),
                    generated,
                });
            }
        }
        responses
    }

    /// Puts a question to a policy, with all that is known.
    fn ask<T>(
        &self,
        loaded: &Loaded,
        object: &Value,
        operation: Option<Operation>,
        question: impl FnOnce(&Request<'_>) -> T,
    ) -> T {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let mut given = self.values.variables(&loaded.name, name).given;
        let said = given.remove("request.operation");
        let operation = operation
            .or_else(|| Operation::parse(said.as_ref()?.as_str()?))
            .unwrap_or_default();
        let mut object = std::borrow::Cow::Borrowed(object);
        given.retain(|name, value| match name.strip_prefix("request.object.") {
            Some(path) => {
                place(object.to_mut(), path, value.clone());
                false
            }
            None => true,
        });
        let given = self.given(loaded, &given);
        let known = Known {
            world: &self.world,
            given: &given,
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let (api_version, kind) = (text(&object, "apiVersion"), text(&object, "kind"));
        let none = BTreeMap::new();
        let live = self.world.live.as_ref();
        let live = live.and_then(|live| live.namespace(namespace));
        let whole = self.values.namespace(namespace).or_else(|| live.cloned());
        let parent = self.values.parent(api_version, kind);
        // Something beneath an object is asked for by the resource of that object.
        let (api_version, kind) = parent
            .as_ref()
            .map_or((api_version, kind), |(api_version, kind, _)| {
                (api_version.as_str(), kind.as_str())
            });
        let plural = self.world.kinds.find(api_version, kind);
        let plural = plural.map_or_else(|| guessed_plural(kind), |(plural, _)| plural);
        question(&Request {
            old: (operation == Operation::Update).then_some(object.as_ref()),
            operation,
            subresource: parent.as_ref().map_or("", |(_, _, subresource)| subresource),
            parent: parent
                .as_ref()
                .map(|(api_version, kind, _)| (api_version.as_str(), kind.as_str())),
            resource: Some(&plural),
            namespace_labels: self.labels.get(namespace).unwrap_or(&none),
            namespace: whole.as_ref(),
            user: self.user.as_ref(),
            facts: &known,
            ..Request::new(&object)
        })
    }

    /// The values for the rules of a policy.
    fn given(
        &self,
        loaded: &Loaded,
        common: &Map<String, Value>,
    ) -> BTreeMap<String, BTreeMap<String, Map<String, Value>>> {
        let mut rules = BTreeMap::new();
        let names = loaded.value["spec"]["rules"].as_array().into_iter().flatten();
        for name in names.filter_map(|rule| rule["name"].as_str()) {
            let own = self.values.of_rule(&loaded.name, name);
            if own.is_empty() {
                continue;
            }
            let mut values = common.clone();
            values.extend(own);
            for prefix in ["", "autogen-", "autogen-cronjob-"] {
                let mut full = format!("{prefix}{name}");
                full.truncate(full.floor_char_boundary(63));
                rules.insert(full, values.clone());
            }
        }
        if !common.is_empty() {
            rules.insert(String::new(), common.clone());
        }
        if rules.is_empty() {
            return BTreeMap::new();
        }
        BTreeMap::from([(loaded.key(), rules)])
    }
}

/// Kind, namespace and name of an object.
fn identity(object: &Value) -> [&Value; 4] {
    let metadata = &object["metadata"];
    [
        &object["apiVersion"],
        &object["kind"],
        &metadata["namespace"],
        &metadata["name"],
    ]
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

/// Puts a value at a dotted path: `spec.a."b.c"`.
fn place(object: &mut Value, path: &str, value: Value) {
    let mut steps = Vec::new();
    let (mut step, mut quoted) = (String::new(), false);
    for letter in path.chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => steps.push(std::mem::take(&mut step)),
            letter => step.push(letter),
        }
    }
    steps.push(step);
    let mut at = object;
    for step in steps {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(map) = at else { return };
        at = map.entry(step).or_insert(Value::Null);
    }
    *at = value;
}
