//! The functions of trees of assertions: those that Kyverno's variables have beside them, but for some, and those of
//! JMESPath's community.

use serde_json::{Map, Value};

use super::Kind::{Expression, List, Number, Text};
use super::{Arguments, Function, function, text};
use crate::jmespath::QueryError;

/// What Kyverno's variables have and assertions have not.
const ABSENT: [&str; 5] = ["image_normalize", "is_external_url", "md5", "sha1", "sha256"];

static ADDED: [Function; 15] = [
    function("at", &[List, Number], call),
    function("concat", &[Text, Text], call),
    optional("find_first", &[Text, Text, Number, Number], 2),
    optional("find_last", &[Text, Text, Number, Number], 2),
    function("from_items", &[List], call),
    function("group_by", &[List, Expression], call),
    function("json_parse", &[Text], call),
    function("lower", &[Text], call),
    optional("pad_left", &[Text, Number, Text], 1),
    optional("pad_right", &[Text, Number, Text], 1),
    optional("trim_left", &[Text, Text], 1),
    optional("trim_right", &[Text, Text], 1),
    function("upper", &[Text], call),
    function("wildcard", &[Text, Text], call),
    Function {
        many: true,
        ..function("zip", &[List, List], call)
    },
];

const fn optional(name: &'static str, takes: &'static [super::Kind], optional: usize) -> Function {
    Function {
        optional,
        ..function(name, takes, call)
    }
}

/// A function of assertions.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    if ABSENT.contains(&name) {
        return None;
    }
    ADDED
        .iter()
        .find(|function| function.name == name)
        .or_else(|| super::find(name))
}

fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let first = args.text(0);
    Ok(match args.name {
        "at" => match position(args, 1)?.and_then(|at| args.list(0).get(at)) {
            Some(item) => args.world.budget.copy(item)?,
            None => return args.failed("needs the place of an item that is there"),
        },
        "concat" => args.built([first, args.text(1)].concat())?,
        "find_first" => found(args, |whole, part| whole.find(part))?,
        "find_last" => found(args, |whole, part| whole.rfind(part))?,
        "from_items" => {
            let mut map = Map::new();
            for pair in args.list(0) {
                match pair.as_array().map(Vec::as_slice) {
                    Some([Value::String(key), value]) => {
                        map.insert(key.clone(), args.world.budget.copy(value)?);
                    }
                    _ => return args.failed("needs a list of pairs of a text and a value"),
                }
            }
            Value::Object(map)
        }
        "group_by" => grouped(args)?,
        "json_parse" => match serde_json::from_str(first) {
            Ok(value) => value,
            Err(_) => return args.failed("needs JSON"),
        },
        "lower" => args.built(text::cased(first, char::to_lowercase))?,
        "upper" => args.built(text::cased(first, char::to_uppercase))?,
        "pad_left" | "pad_right" => padded(args)?,
        "trim_left" => args.built(first.trim_start_matches(|letter| cut(args, letter)).to_owned())?,
        "trim_right" => args.built(first.trim_end_matches(|letter| cut(args, letter)).to_owned())?,
        "wildcard" => {
            let matches = crate::wildcard::matches_within(first, args.text(1), args.world.budget)?;
            Value::Bool(matches)
        }
        _ => {
            let lists: Vec<&[Value]> = (0..args.values.len()).map(|at| args.list(at)).collect();
            let shortest = lists.iter().map(|list| list.len()).min().unwrap_or_default();
            let row = |at: usize| {
                lists
                    .iter()
                    .map(|list| args.world.budget.copy(&list[at]))
                    .collect()
            };
            Value::Array((0..shortest).map(row).collect::<Result<_, _>>()?)
        }
    })
}

/// A whole number that is not negative; nothing where it is not given.
fn position(args: &Arguments<'_>, at: usize) -> Result<Option<usize>, QueryError> {
    if args.any(at).is_null() {
        return Ok(None);
    }
    let number = args.number(at);
    if number.fract() != 0.0 || !(0.0..1e9).contains(&number) {
        return args.failed("needs a whole number that is not negative");
    }
    Ok(Some(number as usize))
}

/// Where a text stands in another, in bytes.
fn found(args: &Arguments<'_>, find: impl Fn(&str, &str) -> Option<usize>) -> Result<Value, QueryError> {
    let (whole, part) = (args.text(0), args.text(1));
    if whole.is_empty() || part.is_empty() {
        return Ok(Value::Null);
    }
    let start = position(args, 2)?.unwrap_or(0);
    let end = position(args, 3)?.unwrap_or(whole.len()).min(whole.len());
    let Some(within) = whole.get(start..end) else {
        return args.failed("needs a start and an end within the text");
    };
    Ok(find(within, part).map_or(Value::Null, |at| Value::from(start + at)))
}

fn grouped(args: &Arguments<'_>) -> Result<Value, QueryError> {
    if args.list(0).is_empty() {
        return Ok(Value::Null);
    }
    let mut groups = Map::new();
    for item in args.list(0) {
        let Value::String(key) = args.each(item)? else {
            return args.failed("needs an expression that gives a text");
        };
        let item = args.world.budget.copy(item)?;
        if let Value::Array(group) = groups.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            group.push(item);
        }
    }
    Ok(Value::Object(groups))
}

fn padded(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let (text, width) = (args.text(0), position(args, 1)?.unwrap_or_default());
    let pad = args.any(2).as_str().unwrap_or(" ");
    if pad.len() > 1 {
        return args.failed("needs one character to pad with");
    }
    let missing = width.saturating_sub(text.chars().count());
    if missing > super::MAX_TEXT {
        return args.failed("builds a text that is too long");
    }
    let pad = pad.repeat(missing);
    args.built(if args.name == "pad_left" {
        format!("{pad}{text}")
    } else {
        format!("{text}{pad}")
    })
}

/// Whether a letter is one of those to cut off; white space, where none are given.
fn cut(args: &Arguments<'_>, letter: char) -> bool {
    match args.text(1) {
        "" => letter.is_whitespace(),
        letters => letters.contains(letter),
    }
}
