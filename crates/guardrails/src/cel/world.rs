//! What an expression of a policy finds around it: the variables that policies have, the facts, Kyverno's functions.

use std::cell::RefCell;

use ::cel::{Args, Evaluated, Host, Names, Root, Value};
use serde_json::Value as Json;

use super::functions;
use super::images::Verifying;
use crate::facts::Facts;

/// The variables that a policy has without declaring them.
pub(crate) mod root {
    use ::cel::Root;

    pub(crate) const OBJECT: Root = Root("object");
    pub(crate) const OLD_OBJECT: Root = Root("oldObject");
    pub(crate) const REQUEST: Root = Root("request");
    pub(crate) const NAMESPACE_OBJECT: Root = Root("namespaceObject");
    pub(crate) const PARAMS: Root = Root("params");
    pub(crate) const AUTHORIZER: Root = Root("authorizer");
    pub(crate) const EXCEPTIONS: Root = Root("exceptions");
    pub(crate) const IMAGES: Root = Root("images");
    pub(crate) const ATTESTORS: Root = Root("attestors");
    pub(crate) const ATTESTATIONS: Root = Root("attestations");
    pub(crate) const REF: Root = Root("ref");
}

/// What an expression of a policy may name: these variables, and Kyverno's functions beside those of Kubernetes.
pub(crate) fn names<'e>(roots: &'e [Root], variables: &'e [String]) -> Names<'e> {
    Names {
        roots,
        variables,
        library: Some(functions::find),
    }
}

/// What the undeclared variables of a policy stand for.
pub(crate) trait Roots<'v> {
    /// The value of one of them. Asked only for those that its expressions may name.
    fn root(&self, root: Root) -> Value<'v>;
}

/// Everything that is around the expressions of a policy.
pub(crate) struct World<'v> {
    pub(crate) facts: &'v dyn Facts,
    roots: &'v dyn Roots<'v>,
    /// The namespace of a policy that has one: its questions stay within.
    pub(crate) namespace: Option<&'v str>,
    /// Who may be asked about signatures, for a policy about images.
    pub(crate) images: Option<&'v Verifying<'v>>,
    /// What `generator.Apply` was given: a namespace and objects.
    pub(super) generated: RefCell<Vec<(String, Json)>>,
}

impl<'v> World<'v> {
    pub(crate) fn new(facts: &'v dyn Facts, roots: &'v dyn Roots<'v>) -> World<'v> {
        World {
            facts,
            roots,
            namespace: None,
            images: None,
            generated: RefCell::default(),
        }
    }

    /// As a policy of this namespace sees it.
    pub(crate) fn within(mut self, namespace: Option<&'v str>) -> World<'v> {
        self.namespace = namespace;
        self
    }

    /// What was generated so far; afterwards nothing is.
    pub(crate) fn take_generated(&self) -> Vec<(String, Json)> {
        self.generated.take()
    }
}

impl<'v> Host<'v> for World<'v> {
    fn root(&self, root: Root) -> Value<'v> {
        self.roots.root(root)
    }

    fn call(&self, number: usize, args: &Args<'_, 'v>) -> Evaluated<'v> {
        functions::call(self, number, args)
    }
}
