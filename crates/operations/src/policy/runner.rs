//! Judges objects by policies, one object at a time and in Kyverno's order: mutate, verify, validate, generate.

use std::collections::BTreeMap;
use std::rc::Rc;

use guardrails::{Generation, Operation, Outcome, Policies, Request, Task, User, Verdict, guessed_plural};
use serde_json::{Map, Value};

use super::cluster::PolicyCluster;
use super::loaded::Loaded;
use super::values::{Asker, Values};
use super::world::{Known, World};

/// Policies, and all that is known beyond an object.
pub(crate) struct Runner {
    pub(crate) policies: Vec<Loaded>,
    /// What the policies do, in their order.
    does: Vec<Does>,
    /// Policies in one set, for when nothing is said of single ones.
    together: Option<Together>,
    values: Values,
    user: Option<User>,
    labels: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) world: World,
}

/// What a policy does, found out once.
struct Does {
    mutates: bool,
    only_mutates: bool,
    answers_always: bool,
    says_what_goes: bool,
    /// It is asked on its own: it makes objects or says which go, or what it finds out about an image would count for
    /// others of its set.
    alone: bool,
}

impl Does {
    fn of(loaded: &Loaded) -> Does {
        let says_what_goes = loaded.says_what_goes();
        Does {
            mutates: loaded.does(Task::Mutate),
            only_mutates: loaded.only_mutates(),
            answers_always: loaded.answers_always(),
            says_what_goes,
            alone: says_what_goes || loaded.does(Task::Generate) || loaded.does(Task::VerifyImages),
        }
    }
}

/// Policies as one set.
struct Together {
    set: Policies,
    /// Which of the runner's policies each of the set is.
    which: Vec<usize>,
}

/// What one policy says of one object.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// Which of the runner's policies.
    pub(crate) policy: usize,
    /// The object as it came.
    pub(crate) object: Rc<Value>,
    /// The object as policies that mutate have left it so far.
    pub(crate) patched: Rc<Value>,
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
        beside: &Policies,
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
            does: policies.iter().map(Does::of).collect(),
            policies,
            together: None,
            values,
            user,
            world,
        };
        for loaded in &mut runner.policies {
            loaded.set.merge(beside.clone());
        }
        runner
    }

    /// As [`Runner::new`], for many objects: where no values are said of single policies, an object is judged by all of
    /// them at once, and policies that are not about its kind cost nothing. Policies without a word to say give no
    /// response then.
    pub(crate) fn together(
        policies: Vec<Loaded>,
        beside: &Policies,
        values: Values,
        asker: Option<Asker>,
        world: World,
    ) -> Runner {
        let together = values.is_empty().then(|| {
            let sets = policies.iter().map(|loaded| {
                if Does::of(loaded).alone {
                    Policies::default()
                } else {
                    loaded.set.clone()
                }
            });
            // What stands beside the policies comes last, and holds none.
            let (set, which) = Policies::joined(sets.chain([beside.clone()]));
            Together { set, which }
        });
        Runner {
            together,
            ..Runner::new(policies, beside, values, asker, world)
        }
    }

    /// What all policies say of an object: first those that change it, one after the other, then the others, of what
    /// has become of it.
    pub(crate) fn judge(&self, object: &Value, operation: Option<Operation>) -> Vec<Response> {
        let object = Rc::new(object.clone());
        let (mut responses, current) = self.mutate(&object, operation);
        let mut said = self
            .together
            .as_ref()
            .map(|together| self.judge_together(together, &current, operation));
        for (index, (loaded, does)) in self.policies.iter().zip(&self.does).enumerate() {
            if does.only_mutates {
                continue;
            }
            let (verdicts, generations) = match &mut said {
                Some(said) if !does.alone => (said.remove(&index).unwrap_or_default(), Vec::new()),
                _ => self.judge_alone(loaded, does, &current, operation),
            };
            let speaks = !verdicts.is_empty() || !generations.is_empty();
            if speaks || (does.answers_always && self.together.is_none()) {
                responses.push(response(index, &object, &current, verdicts, generations));
            }
        }
        responses
    }

    /// What the policies that change objects make of one, and what has become of it.
    fn mutate(&self, object: &Rc<Value>, operation: Option<Operation>) -> (Vec<Response>, Rc<Value>) {
        let mut responses = Vec::new();
        let mut current = Rc::clone(object);
        for (index, (loaded, does)) in self.policies.iter().zip(&self.does).enumerate() {
            if !does.mutates {
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
            let changed = *current != made;
            if changed {
                current = Rc::new(made);
            }
            if !verdicts.is_empty() || does.answers_always {
                responses.push(Response {
                    policy: index,
                    object: Rc::clone(object),
                    patched: Rc::clone(&current),
                    changed,
                    verdicts,
                    targets,
                    generated: Vec::new(),
                });
            }
        }
        (responses, current)
    }

    fn judge_alone(
        &self,
        loaded: &Loaded,
        does: &Does,
        current: &Value,
        operation: Option<Operation>,
    ) -> (Vec<Verdict>, Vec<Generation>) {
        self.ask(loaded, current, operation, |request| {
            let mut verdicts = loaded.set.evaluate(request);
            if does.says_what_goes {
                let deletions = loaded.set.to_delete(request).into_iter();
                verdicts.extend(deletions.map(|deletion| deletion.verdict));
            }
            (verdicts, loaded.set.generate(request))
        })
    }

    /// What the policies of the one set say, by the runner's policy.
    fn judge_together(
        &self,
        together: &Together,
        current: &Value,
        operation: Option<Operation>,
    ) -> BTreeMap<usize, Vec<Verdict>> {
        let said = self.question(
            current,
            operation.unwrap_or_default(),
            &BTreeMap::new(),
            |request| together.set.evaluate_each(request),
        );
        let mut by_policy: BTreeMap<usize, Vec<Verdict>> = BTreeMap::new();
        for (at, verdict) in said {
            if let Some(policy) = together.which.get(at) {
                by_policy.entry(*policy).or_default().push(verdict);
            }
        }
        by_policy
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
        self.question(&object, operation, &self.given(loaded, &given), question)
    }

    /// Puts a question about an object, with all that is known and the values that are given to rules.
    fn question<T>(
        &self,
        object: &Value,
        operation: Operation,
        given: &BTreeMap<String, BTreeMap<String, Map<String, Value>>>,
        question: impl FnOnce(&Request<'_>) -> T,
    ) -> T {
        let known = Known {
            world: &self.world,
            given,
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let (api_version, kind) = (text(object, "apiVersion"), text(object, "kind"));
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
            old: (operation == Operation::Update).then_some(object),
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
            ..Request::new(object)
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

/// What a policy says that changes nothing.
fn response(
    policy: usize,
    object: &Rc<Value>,
    current: &Rc<Value>,
    mut verdicts: Vec<Verdict>,
    generations: Vec<Generation>,
) -> Response {
    let mut generated = Vec::new();
    for generation in generations {
        let made = generation
            .objects
            .into_iter()
            .map(|made| (verdicts.len(), made.object));
        generated.extend(made);
        verdicts.push(generation.verdict);
    }
    Response {
        policy,
        object: Rc::clone(object),
        patched: Rc::clone(current),
        changed: false,
        verdicts,
        targets: Vec::new(),
        generated,
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
