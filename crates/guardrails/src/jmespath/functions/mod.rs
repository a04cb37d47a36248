//! The functions: those of JMESPath and those that Kyverno adds.

mod certificates;
mod collections;
mod der;
mod digests;
mod extensions;
mod layouts;
mod locator;
mod numbers;
mod random;
mod regexes;
mod text;
mod times;
mod tree;

pub(crate) use certificates::decode;
pub(crate) use digests::{md5, sha1};
pub(crate) use random::{CHANCE, text_like};

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::evaluate::{argument, evaluate};
use super::seen::{Seen, known};
use super::syntax::{Dialect, Node};
use super::{QueryError, World};
use crate::facts::Unavailable;

/// The longest text a function may build, in bytes.
const MAX_TEXT: usize = 1024 * 1024;

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Text,
    Number,
    TextOrNumber,
    List,
    TextOrList,
    Object,
    ListOrObject,
    /// What has a length.
    Sized,
    Numbers,
    Texts,
    /// A list of texts or one of numbers.
    TextsOrNumbers,
    /// An expression such as `&name`.
    Expression,
}

use Kind::{
    Any, Expression, List, ListOrObject, Number, Numbers, Object, Sized, Text, TextOrList, TextOrNumber,
    Texts, TextsOrNumbers,
};

type Room = fn(&Arguments<'_>) -> Result<Value, QueryError>;

/// A function: its name, what it takes, where it is.
#[derive(Debug)]
struct Function {
    name: &'static str,
    takes: &'static [Kind],
    /// The last argument may stand any number of times, at least once.
    many: bool,
    /// How many of the last arguments may be left out.
    optional: usize,
    call: Room,
}

const fn function(name: &'static str, takes: &'static [Kind], call: Room) -> Function {
    Function {
        name,
        takes,
        many: false,
        optional: 0,
        call,
    }
}

/// By their names.
static FUNCTIONS: [Function; 76] = [
    function("abs", &[Number], numbers::call),
    function("add", &[Any, Any], numbers::call),
    function("avg", &[Numbers], numbers::call),
    function("base64_decode", &[Text], text::call),
    function("base64_encode", &[Text], text::call),
    function("ceil", &[Number], numbers::call),
    function("compare", &[Text, Text], text::call),
    function("contains", &[TextOrList, Any], collections::call),
    function("divide", &[Any, Any], numbers::call),
    function("ends_with", &[Text, Text], text::call),
    function("equal_fold", &[Text, Text], text::call),
    function("floor", &[Number], numbers::call),
    function("image_normalize", &[Text], text::call),
    function("is_external_url", &[Text], text::call),
    function("items", &[ListOrObject, Text, Text], collections::call),
    function("join", &[Text, Texts], collections::call),
    function("keys", &[Object], collections::call),
    function("label_match", &[Object, Object], collections::call),
    function("length", &[Sized], collections::call),
    function("lookup", &[ListOrObject, TextOrNumber], collections::call),
    function("map", &[Expression, List], collections::call),
    function("max", &[TextsOrNumbers], collections::call),
    function("max_by", &[List, Expression], collections::call),
    function("md5", &[Text], digests::call),
    Function {
        name: "merge",
        takes: &[Object],
        many: true,
        optional: 0,
        call: collections::call,
    },
    function("min", &[TextsOrNumbers], collections::call),
    function("min_by", &[List, Expression], collections::call),
    function("modulo", &[Any, Any], numbers::call),
    function("multiply", &[Any, Any], numbers::call),
    Function {
        name: "not_null",
        takes: &[Any],
        many: true,
        optional: 0,
        call: collections::call,
    },
    function("object_from_lists", &[List, List], collections::call),
    function("parse_json", &[Text], text::call),
    function("parse_yaml", &[Text], text::call),
    function("path_canonicalize", &[Text], text::call),
    function("pattern_match", &[Text, TextOrNumber], text::call),
    function("random", &[Text], random::call),
    function("regex_match", &[Text, TextOrNumber], regexes::call),
    function(
        "regex_replace_all",
        &[Text, TextOrNumber, TextOrNumber],
        regexes::call,
    ),
    function(
        "regex_replace_all_literal",
        &[Text, TextOrNumber, TextOrNumber],
        regexes::call,
    ),
    function("replace", &[Text, Text, Text, Number], text::call),
    function("replace_all", &[Text, Text, Text], text::call),
    function("reverse", &[TextOrList], collections::call),
    function("round", &[Number, Number], numbers::call),
    function("semver_compare", &[Text, Text], text::call),
    function("sha1", &[Text], digests::call),
    function("sha256", &[Text], digests::call),
    function("sort", &[TextsOrNumbers], collections::call),
    function("sort_by", &[List, Expression], collections::call),
    function("split", &[Text, Text], text::call),
    function("starts_with", &[Text, Text], text::call),
    function("subtract", &[Any, Any], numbers::call),
    function("sum", &[List], numbers::call),
    function("time_add", &[Text, Text], times::call),
    function("time_after", &[Text, Text], times::call),
    function("time_before", &[Text, Text], times::call),
    function("time_between", &[Text, Text, Text], times::call),
    function("time_diff", &[Text, Text], times::call),
    function("time_now", &[], times::call),
    function("time_now_utc", &[], times::call),
    function("time_parse", &[Text, Text], times::call),
    function("time_since", &[Text, Text, Text], times::call),
    function("time_to_cron", &[Text], times::call),
    function("time_truncate", &[Text, Text], times::call),
    function("time_utc", &[Text], times::call),
    function("to_array", &[Any], collections::call),
    function("to_boolean", &[Text], text::call),
    function("to_lower", &[Text], text::call),
    function("to_number", &[Any], numbers::call),
    function("to_string", &[Any], text::call),
    function("to_upper", &[Text], text::call),
    function("trim", &[Text, Text], text::call),
    function("trim_prefix", &[Text, Text], text::call),
    function("truncate", &[Text, Number], text::call),
    function("type", &[Any], collections::call),
    function("values", &[Object], collections::call),
    function("x509_decode", &[Text], certificates::call),
];

/// What an expression calls.
#[derive(Debug, Clone)]
pub(super) struct Callee {
    pub(super) name: String,
    /// The function, if it exists.
    function: Option<&'static Function>,
}

/// A function of Kyverno's variables.
fn find(name: &str) -> Option<&'static Function> {
    let found = FUNCTIONS.binary_search_by(|function| function.name.cmp(name));
    found.ok().and_then(|at| FUNCTIONS.get(at))
}

#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|function| function.name).collect()
}

impl Callee {
    pub(super) fn named(name: String, dialect: Dialect) -> Callee {
        let function = match dialect {
            Dialect::Kyverno => find(&name),
            Dialect::Tree => tree::find(&name),
        };
        Callee { name, function }
    }

    /// Whether there is such a function.
    pub(super) fn is_known(&self) -> bool {
        self.function.is_some()
    }
}

/// Calls a function on its arguments.
pub(super) fn call(
    callee: &Callee,
    nodes: &[Node],
    value: &Seen<'_>,
    world: World<'_>,
) -> Result<Value, QueryError> {
    let Some(function) = callee.function else {
        let name = &callee.name;
        return Err(QueryError::Failed(format!("the function {name} does not exist")));
    };
    let name = function.name;
    let fits = if function.many {
        nodes.len() >= function.takes.len()
    } else {
        (function.takes.len() - function.optional..=function.takes.len()).contains(&nodes.len())
    };
    if !fits {
        let count = function.takes.len();
        return failed(name, &format!("takes {count} arguments, not {}", nodes.len()));
    }
    let mut arguments = Arguments {
        name,
        values: Vec::with_capacity(nodes.len()),
        expression: None,
        world,
    };
    for (at, node) in nodes.iter().enumerate() {
        let kind = function.takes.get(at).or(function.takes.last()).copied();
        let value = match (kind, node) {
            (Some(Expression), Node::Reference(expression)) => {
                arguments.expression = Some(expression);
                Cow::Owned(Value::Null)
            }
            (_, node) => argument(node, value.lend(world.budget)?, world)?,
        };
        known(&value)?;
        world.budget.pay_for(&value)?;
        let kind = kind.unwrap_or(Any);
        if !kind.takes(&value) || (kind == Expression && arguments.expression.is_none()) {
            return failed(name, &format!("needs {} as argument {}", kind.words(), at + 1));
        }
        arguments.values.push(value);
    }
    let result = (function.call)(&arguments)?;
    world.budget.pay_for(&result)?;
    Ok(result)
}

fn failed<T>(name: &str, reason: &str) -> Result<T, QueryError> {
    Err(QueryError::Failed(format!("the function {name} {reason}")))
}

impl Kind {
    fn takes(self, value: &Value) -> bool {
        match self {
            Any | Expression => true,
            Text => value.is_string(),
            Number => value.is_number(),
            TextOrNumber => value.is_string() || value.is_number(),
            List => value.is_array(),
            TextOrList => value.is_string() || value.is_array(),
            Object => value.is_object(),
            ListOrObject => value.is_array() || value.is_object(),
            Sized => value.is_string() || value.is_array() || value.is_object(),
            Numbers => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_number)),
            Texts => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
            TextsOrNumbers => Texts.takes(value) || Numbers.takes(value),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Any => "a value",
            Text => "a string",
            Number => "a number",
            TextOrNumber => "a string or a number",
            List => "a list",
            TextOrList => "a string or a list",
            Object => "an object",
            ListOrObject => "a list or an object",
            Sized => "a string, a list or an object",
            Numbers => "a list of numbers",
            Texts => "a list of strings",
            TextsOrNumbers => "a list of strings or of numbers",
            Expression => "an expression such as &name",
        }
    }
}

/// The arguments of a call, of the kinds that the function takes.
struct Arguments<'a> {
    name: &'static str,
    values: Vec<Cow<'a, Value>>,
    expression: Option<&'a Node>,
    world: World<'a>,
}

impl Arguments<'_> {
    fn failed<T>(&self, reason: &str) -> Result<T, QueryError> {
        failed(self.name, reason)
    }

    fn any(&self, at: usize) -> &Value {
        self.values.get(at).map_or(&Value::Null, Cow::as_ref)
    }

    fn text(&self, at: usize) -> &str {
        self.any(at).as_str().unwrap_or_default()
    }

    fn number(&self, at: usize) -> f64 {
        self.any(at).as_f64().unwrap_or_default()
    }

    fn list(&self, at: usize) -> &[Value] {
        self.any(at).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    fn object(&self, at: usize) -> Option<&Map<String, Value>> {
        self.any(at).as_object()
    }

    /// A string, or a number as text.
    fn text_of(&self, at: usize) -> String {
        super::written::as_text(self.any(at))
    }

    /// A text that is not too long.
    fn built(&self, text: String) -> Result<Value, QueryError> {
        if text.len() > MAX_TEXT {
            return self.failed("builds a text that is too long");
        }
        Ok(Value::String(text))
    }

    /// What the expression says of an item.
    fn each(&self, item: &Value) -> Result<Value, QueryError> {
        let Some(expression) = self.expression else {
            return Ok(Value::Null);
        };
        match evaluate(expression, Seen::Lent(item), self.world) {
            Ok(result) => result.own(self.world.budget),
            Err(QueryError::NotFound(_)) => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }

    /// What cannot be asked here.
    fn unavailable(&self, why: Unavailable) -> QueryError {
        match why {
            Unavailable::Unknown(what) => QueryError::Unknown(what),
            other => QueryError::Failed(format!("the function {}: {other}", self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found() {
        for function in &FUNCTIONS {
            assert!(
                Callee::named(function.name.to_owned(), Dialect::Kyverno).is_known(),
                "{}",
                function.name
            );
        }
        assert!(!Callee::named("unheard_of".to_owned(), Dialect::Kyverno).is_known());
    }
}
