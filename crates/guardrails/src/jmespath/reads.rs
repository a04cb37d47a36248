//! What an expression reads of the value it is evaluated on, found out when it is parsed: variables that it does not
//! name need not be made. Knows nothing of what the names stand for.

use super::syntax::Node;

/// The names an expression reads of the value it is evaluated on; `None` when it may read any.
pub(super) fn names(node: &Node) -> Option<Vec<String>> {
    let mut found = Vec::new();
    collect(node, &mut found).then_some(found)
}

/// Collects names; answers whether there are no others.
fn collect(node: &Node, found: &mut Vec<String>) -> bool {
    match node {
        Node::Field(name) => {
            found.push(name.clone());
            true
        }
        // What a function evaluates, it evaluates on the items of another argument.
        Node::Literal(_) | Node::Reference(_) => true,
        Node::Current | Node::Index(_) | Node::Slice(_) => false,
        Node::Below(left, _)
        | Node::Pipe(left, _)
        | Node::Each(left, _)
        | Node::Filter(left, _, _)
        | Node::Values(left, _) => collect(left, found),
        Node::Or(left, right) | Node::And(left, right) | Node::Compare(_, left, right) => {
            collect(left, found) && collect(right, found)
        }
        Node::Not(inner) | Node::Flatten(inner) => collect(inner, found),
        Node::List(nodes) | Node::Call(_, nodes) => nodes.iter().all(|node| collect(node, found)),
        Node::Object(pairs) => pairs.iter().all(|(_, node)| collect(node, found)),
    }
}

/// An expression that reads nothing but `<outer>.<inner>`, for evaluation on what that stands for.
pub(super) fn within(node: &Node, outer: &str, inner: &str) -> Option<Node> {
    let again = |node: &Node| within(node, outer, inner);
    let boxed = |node: &Node| again(node).map(Box::new);
    let is = |node: &Node, name: &str| matches!(node, Node::Field(field) if field == name);
    Some(match node {
        Node::Below(left, right) if is(left, outer) && is(right, inner) => Node::Current,
        Node::Field(_) | Node::Current | Node::Index(_) | Node::Slice(_) => return None,
        Node::Literal(_) | Node::Reference(_) => node.clone(),
        Node::Below(left, right) => Node::Below(boxed(left)?, right.clone()),
        Node::Pipe(left, right) => Node::Pipe(boxed(left)?, right.clone()),
        Node::Each(left, right) => Node::Each(boxed(left)?, right.clone()),
        Node::Values(left, right) => Node::Values(boxed(left)?, right.clone()),
        Node::Filter(left, right, condition) => Node::Filter(boxed(left)?, right.clone(), condition.clone()),
        Node::Or(left, right) => Node::Or(boxed(left)?, boxed(right)?),
        Node::And(left, right) => Node::And(boxed(left)?, boxed(right)?),
        Node::Compare(how, left, right) => Node::Compare(*how, boxed(left)?, boxed(right)?),
        Node::Not(inner) => Node::Not(boxed(inner)?),
        Node::Flatten(inner) => Node::Flatten(boxed(inner)?),
        Node::List(nodes) => Node::List(nodes.iter().map(again).collect::<Option<_>>()?),
        Node::Call(name, nodes) => Node::Call(name.clone(), nodes.iter().map(again).collect::<Option<_>>()?),
        Node::Object(pairs) => {
            let pairs = pairs.iter().map(|(key, node)| Some((key.clone(), again(node)?)));
            Node::Object(pairs.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Expression, QueryError, World};
    use super::*;
    use crate::budget::Budget;
    use crate::facts::NoFacts;
    use serde_json::{Value, json};

    fn parsed(text: &str) -> Node {
        super::super::syntax::parse(text).expect("an expression")
    }

    #[test]
    fn names_that_are_read() {
        let check = |text: &str, expect: Option<&[&str]>| {
            let found = names(&parsed(text));
            let found: Option<Vec<&str>> = found
                .as_ref()
                .map(|names| names.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check("a", Some(&["a"]));
        check("a.b.c", Some(&["a"]));
        check("a.b || c", Some(&["a", "c"]));
        check("a[?b == 'c'].d", Some(&["a"]));
        check("a | b", Some(&["a"]));
        check("length(a) > `2` && !b", Some(&["a", "b"]));
        check("map(&x, a)", Some(&["a"]));
        check("{x: a, y: [b, c.d]}", Some(&["a", "b", "c"]));
        check("`1`", Some(&[]));
        check("@", None);
        check("keys(@)", None);
        check("*.a", None);
        check("[?a]", None);
        check("[a, @.b]", None);
    }

    #[test]
    fn what_is_read_within_has_the_same_value() {
        let object = json!({"spec": {"a": [{"b": 1, "c": "x"}, {"b": 2}], "n": 3, "s": "text"}, "k": null});
        let root = json!({"request": {"object": object, "name": "r"}, "object": 7});
        let (budget, facts) = (Budget::default(), NoFacts);
        let world = World {
            budget: &budget,
            facts: &facts,
        };
        let check = |text: &str, expect: bool| {
            let Some(inside) = within(&parsed(text), "request", "object") else {
                assert!(!expect, "{text}");
                return;
            };
            assert!(expect, "{text}");
            let whole = Expression::parse(text).expect("an expression");
            let value: Result<Value, QueryError> = super::super::evaluate::query(&whole.node, &root, world);
            assert_eq!(
                super::super::evaluate::query(&inside, &object, world),
                value,
                "{text}"
            );
        };
        for text in [
            "request.object",
            "request.object.spec.n",
            "request.object.spec.missing",
            "request.object.spec.missing || 'none'",
            "request.object.spec.a[].b",
            "request.object.spec.a[?b == `2`].c | [0]",
            "request.object.spec.a[?c].c | length(@)",
            "length(request.object.spec.a[])",
            "map(&b, request.object.spec.a)",
            "sum(request.object.spec.a[].b) > request.object.spec.n",
            "[request.object.spec.n, `2`]",
            "{a: request.object.spec.s, b: to_upper(request.object.spec.s)}",
            "request.object.k",
            "!(request.object.spec.n)",
            "request.object.spec.*",
            "request.object | spec.n",
            "request.object.spec.a[-1:]",
        ] {
            check(text, true);
        }
        for text in [
            "request",
            "request.name",
            "object",
            "request.object.spec.n == request.name",
            "@.request.object",
            "request.*",
            "length(@)",
            "[request.object.spec.n, object]",
            "request | object",
            "element.a || request.object.spec.n",
        ] {
            check(text, false);
        }
    }
}
