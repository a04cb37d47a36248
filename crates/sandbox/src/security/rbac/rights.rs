//! All roles and bindings of a cluster, by whom they are for. It follows the store, change by change, so that a
//! decision looks at the bindings of one user and no others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::{GROUP, Rule};
use crate::security::{Action, User};
use crate::store::{Collection, Key, Memory, Object};

/// What a binding refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoleRef {
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl RoleRef {
    pub(crate) fn of(binding: &Value) -> Self {
        let word = |field: &str| binding["roleRef"][field].as_str().unwrap_or_default().to_owned();
        Self {
            kind: word("kind"),
            name: word("name"),
        }
    }
}

/// Whether somebody may do something, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
}

/// The rules somebody has, and what could not be found out about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) rules: Vec<Rule>,
    pub(crate) trouble: String,
}

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    revision: u64,
    /// By namespace (empty for ClusterRoles) and name.
    roles: HashMap<String, HashMap<String, Arc<[Rule]>>>,
    /// By namespace, empty for ClusterRoleBindings.
    bindings: HashMap<String, Bindings>,
}

/// The bindings of one namespace.
#[derive(Debug, Default)]
struct Bindings {
    all: BTreeMap<String, Binding>,
    users: HashMap<String, BTreeSet<String>>,
    groups: HashMap<String, BTreeSet<String>>,
}

#[derive(Debug)]
struct Binding {
    role: RoleRef,
    subjects: Vec<Subject>,
}

#[derive(Debug)]
enum Subject {
    User(String),
    Group(String),
    Account {
        namespace: String,
        name: String,
        user: String,
    },
}

impl Subject {
    /// `namespace` is that of the binding.
    fn read(subject: &Value, namespace: &str) -> Option<Self> {
        let word = |field: &str| subject[field].as_str().unwrap_or_default();
        let name = word("name").to_owned();
        match word("kind") {
            "User" => Some(Self::User(name)),
            "Group" => Some(Self::Group(name)),
            "ServiceAccount" => {
                let given = Some(word("namespace")).filter(|given| !given.is_empty());
                let namespace = given.unwrap_or(namespace).to_owned();
                let user = crate::security::user::account_name(&namespace, &name);
                (!namespace.is_empty()).then_some(Self::Account {
                    namespace,
                    name,
                    user,
                })
            }
            _ => None,
        }
    }

    fn is(&self, user: &User) -> bool {
        match self {
            Self::User(name) | Self::Account { user: name, .. } => *name == user.name,
            Self::Group(name) => user.has_group(name),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::User(name) => format!("User {name:?}"),
            Self::Group(name) => format!("Group {name:?}"),
            Self::Account { namespace, name, .. } => format!("ServiceAccount \"{name}/{namespace}\""),
        }
    }
}

impl Bindings {
    fn put(&mut self, name: &str, binding: Binding) {
        self.take(name);
        for subject in &binding.subjects {
            let (index, who) = self.index(subject);
            index.entry(who).or_default().insert(name.to_owned());
        }
        self.all.insert(name.to_owned(), binding);
    }

    fn take(&mut self, name: &str) {
        let Some(binding) = self.all.remove(name) else {
            return;
        };
        for subject in &binding.subjects {
            let (index, who) = self.index(subject);
            if let Some(names) = index.get_mut(&who) {
                names.remove(name);
                if names.is_empty() {
                    index.remove(&who);
                }
            }
        }
    }

    fn index(&mut self, subject: &Subject) -> (&mut HashMap<String, BTreeSet<String>>, String) {
        match subject {
            Subject::User(name) | Subject::Account { user: name, .. } => (&mut self.users, name.clone()),
            Subject::Group(name) => (&mut self.groups, name.clone()),
        }
    }

    /// The bindings of a user, in the order of their names.
    fn of<'a>(&'a self, user: &User) -> impl Iterator<Item = (&'a String, &'a Binding)> + use<'a> {
        let own = self.users.get(&user.name);
        let of_groups = user.groups.iter().filter_map(|group| self.groups.get(group));
        let names: BTreeSet<&String> = own.into_iter().chain(of_groups).flatten().collect();
        names.into_iter().filter_map(|name| self.all.get_key_value(name))
    }
}

impl Rights {
    /// The revision of the store up to which it knows everything.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes in what has changed since.
    pub(crate) fn follow(&mut self, memory: &Memory) {
        let before = self.revision;
        self.revision = memory.revision();
        if before > 0
            && let Ok(events) = memory.since(before)
        {
            for event in events.filter(|event| *event.key.collection.group == *GROUP) {
                self.take_in(&event.key, (!event.removed).then_some(&*event.object));
            }
            return;
        }
        (self.roles, self.bindings) = Default::default();
        for plural in ["clusterroles", "roles", "clusterrolebindings", "rolebindings"] {
            let collection = Collection::new(GROUP, plural);
            for ((namespace, name), object) in memory.list(&collection, None, None) {
                let key = Key {
                    collection: collection.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                };
                self.take_in(&key, Some(object));
            }
        }
    }

    /// Takes in one object, or that it is gone.
    fn take_in(&mut self, key: &Key, object: Option<&Object>) {
        let (namespace, name) = (&key.namespace, &key.name);
        match &*key.collection.plural {
            "roles" | "clusterroles" => {
                let roles = self.roles.entry(namespace.clone()).or_default();
                match object {
                    Some(object) => roles.insert(name.clone(), Rule::all_of(&object.value).into()),
                    None => roles.remove(name),
                };
                if roles.is_empty() {
                    self.roles.remove(namespace);
                }
            }
            "rolebindings" | "clusterrolebindings" => {
                let bindings = self.bindings.entry(namespace.clone()).or_default();
                match object.map(|object| &object.value) {
                    Some(object) => {
                        let subjects = object["subjects"].as_array().into_iter().flatten();
                        let binding = Binding {
                            role: RoleRef::of(object),
                            subjects: subjects
                                .filter_map(|subject| Subject::read(subject, namespace))
                                .collect(),
                        };
                        bindings.put(name, binding);
                    }
                    None => bindings.take(name),
                }
                if bindings.all.is_empty() {
                    self.bindings.remove(namespace);
                }
            }
            _ => {}
        }
    }

    /// The rules of a role, seen from a namespace; empty for the cluster.
    pub(crate) fn rules_of(&self, role: &RoleRef, namespace: &str) -> Result<&[Rule], String> {
        let (place, kind) = match role.kind.as_str() {
            "ClusterRole" => ("", "clusterrole"),
            "Role" if !namespace.is_empty() => (namespace, "role"),
            other => return Err(format!("unsupported role reference kind: {other:?}")),
        };
        let known = self.roles.get(place).and_then(|roles| roles.get(&role.name));
        known
            .map(|rules| &**rules)
            .ok_or_else(|| format!("{kind}.{GROUP} {:?} not found", role.name))
    }

    /// Goes through the bindings of a user that count in a namespace, until `visit` has seen enough.
    fn visit<'a, T>(
        &'a self,
        user: &User,
        namespace: &'a str,
        mut visit: impl FnMut(&'a str, &'a String, &'a Binding, Result<&'a [Rule], String>) -> Option<T>,
    ) -> Option<T> {
        let places = std::iter::once("").chain(Some(namespace).filter(|namespace| !namespace.is_empty()));
        places
            .filter_map(|place| Some((place, self.bindings.get(place)?)))
            .find_map(|(place, bindings)| {
                bindings.of(user).find_map(|(name, binding)| {
                    visit(place, name, binding, self.rules_of(&binding.role, place))
                })
            })
    }

    /// Whether a user may do something.
    pub(crate) fn decide(&self, user: &User, action: &Action) -> Decision {
        if user.is_master() {
            return Decision {
                allowed: true,
                reason: String::new(),
            };
        }
        let mut trouble = Vec::new();
        let found = self.visit(
            user,
            action.namespace(),
            |place, name, binding, rules| match rules {
                Ok(rules) => rules.iter().any(|rule| rule.allows(action)).then(|| {
                    let role = &binding.role;
                    let subject = binding.subjects.iter().find(|subject| subject.is(user));
                    let subject = subject.map(Subject::told).unwrap_or_default();
                    let binding = if place.is_empty() {
                        format!("ClusterRoleBinding {name:?}")
                    } else {
                        format!("RoleBinding \"{name}/{place}\"")
                    };
                    format!(
                        "RBAC: allowed by {binding} of {} {:?} to {subject}",
                        role.kind, role.name
                    )
                }),
                Err(why) => {
                    trouble.push(why);
                    None
                }
            },
        );
        match found {
            Some(reason) => Decision {
                allowed: true,
                reason,
            },
            None if trouble.is_empty() => Decision::default(),
            None => Decision {
                allowed: false,
                reason: format!("RBAC: {}", together(trouble)),
            },
        }
    }

    /// The rules that a user has in a namespace; empty for the cluster.
    pub(crate) fn held(&self, user: &User, namespace: &str) -> Held {
        let mut held = Held::default();
        let mut trouble = Vec::new();
        self.visit(user, namespace, |_, _, _, rules| {
            match rules {
                Ok(rules) => held.rules.extend_from_slice(rules),
                Err(why) => trouble.push(why),
            }
            None::<()>
        });
        if !trouble.is_empty() {
            held.trouble = together(trouble);
        }
        held
    }
}

/// Several failures as one, each told once.
fn together(mut failures: Vec<String>) -> String {
    let mut told = BTreeSet::new();
    failures.retain(|failure| told.insert(failure.clone()));
    match failures.as_slice() {
        [only] => only.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
