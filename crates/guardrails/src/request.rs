//! What is about to happen to an object, and who asks for it: the question that policies answer.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::{Facts, NoFacts};

/// What is about to happen to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Operation {
    /// It is made. Also what a check without a cluster assumes.
    #[default]
    Create,
    /// It is changed.
    Update,
    /// It is deleted; patterns are not judged then, only `deny`.
    Delete,
    /// Somebody connects to it (`pods/exec`).
    Connect,
}

impl Operation {
    /// The word of an admission request: `CREATE`, `UPDATE`, `DELETE`, `CONNECT`.
    pub fn word(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }

    /// Reads the word of an admission request.
    pub fn parse(word: &str) -> Option<Operation> {
        [
            Operation::Create,
            Operation::Update,
            Operation::Delete,
            Operation::Connect,
        ]
        .into_iter()
        .find(|operation| operation.word() == word)
    }
}

/// Who asks: the `userInfo` of an admission request, and the roles that are bound to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct User {
    /// The name, such as `system:serviceaccount:shop:deployer`.
    pub name: String,
    /// The identifier.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Whatever else the authenticator says.
    pub extra: BTreeMap<String, Vec<String>>,
    /// Roles that are bound to it, as `namespace:name`.
    pub roles: Vec<String>,
    /// Cluster roles that are bound to it.
    pub cluster_roles: Vec<String>,
}

/// An object to judge. Begin with [`Request::new`] and set what is known.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The object: as it is to be, or for a deletion as it is.
    pub object: &'a Value,
    /// For an update, the object as it is.
    pub old: Option<&'a Value>,
    /// What is about to happen.
    pub operation: Operation,
    /// What is asked for beneath the object, such as `scale` or `exec`; empty for the object itself.
    pub subresource: &'a str,
    /// For something beneath an object, the API version and kind of that object: a `Scale` is beneath a
    /// `("apps/v1", "Deployment")`.
    pub parent: Option<(&'a str, &'a str)>,
    /// The plural name of the kind, where it is known: `deployments`.
    pub resource: Option<&'a str>,
    /// The labels of the object's namespace; empty for a cluster-scoped object.
    pub namespace_labels: &'a BTreeMap<String, String>,
    /// The whole Namespace, where it is known.
    pub namespace: Option<&'a Value>,
    /// Who asks, where that is known.
    pub user: Option<&'a User>,
    /// Whether nothing is to come of it.
    pub dry_run: bool,
    /// Whether this is a background scan of what is there already, not a request.
    pub background: bool,
    /// What is known beyond the object.
    pub facts: &'a dyn Facts,
}

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

impl<'a> Request<'a> {
    /// The making of an object of which nothing else is known.
    pub fn new(object: &'a Value) -> Request<'a> {
        Request {
            object,
            old: None,
            operation: Operation::Create,
            subresource: "",
            parent: None,
            resource: None,
            namespace_labels: &NO_LABELS,
            namespace: None,
            user: None,
            dry_run: false,
            background: false,
            facts: &NoFacts,
        }
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Request")
            .field("object", self.object)
            .field("operation", &self.operation)
            .field("subresource", &self.subresource)
            .finish_non_exhaustive()
    }
}
