//! How label selectors are read, and refused in the words of the real API server.
//!
//! Reference: `k8s.io/apimachinery/pkg/labels`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::status::ApiError;

/// What one term of a selector asks of the labels of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl Requirement {
    pub(super) fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        let value = labels
            .and_then(|labels| labels.get(&self.key))
            .and_then(Value::as_str);
        match (&self.test, value) {
            (Test::Exists, value) => value.is_some(),
            (Test::Absent, value) => value.is_none(),
            (Test::In(values), value) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            (Test::NotIn(values), value) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            (Test::Greater(bound), value) => value
                .and_then(|value| value.parse::<i64>().ok())
                .is_some_and(|value| value > *bound),
            (Test::Less(bound), value) => value
                .and_then(|value| value.parse::<i64>().ok())
                .is_some_and(|value| value < *bound),
        }
    }
}

/// Reads a selector.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, ApiError> {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
    };
    parser.selector().map_err(ApiError::bad_request)
}

/// The operators that stand between a key and values.
const BETWEEN: &str = "in, notin, =, ==, !=, gt, lt";

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Sign(&'static str),
    /// Signs that mean nothing together.
    Broken(String),
    End,
}

fn is_sign(letter: char) -> bool {
    "=!(),><".contains(letter)
}

fn tokens(text: &str) -> Vec<Token> {
    const SIGNS: [&str; 9] = [")", ",", "!", "==", "=", "!=", "(", ">", "<"];
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    while let Some(first) = rest.chars().next() {
        let end = if is_sign(first) {
            // As many signs as have a meaning together.
            let both = rest.get(..2).filter(|both| SIGNS.contains(both));
            if let Some(sign) = both.or_else(|| SIGNS.iter().find(|sign| rest.starts_with(**sign)).copied()) {
                found.extend(SIGNS.iter().find(|one| **one == sign).map(|one| Token::Sign(one)));
                sign.len()
            } else {
                found.push(Token::Broken(rest.to_owned()));
                rest.len()
            }
        } else {
            let ends = |letter: char| is_sign(letter) || " \t\r\n".contains(letter);
            let end = rest.find(ends).unwrap_or(rest.len());
            found.push(Token::Word(rest[..end].to_owned()));
            end
        };
        rest = rest[end..].trim_start_matches([' ', '\t', '\r', '\n']);
    }
    found.push(Token::End);
    found
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn ahead(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.ahead().clone();
        self.at += 1;
        token
    }

    fn is_ahead(&self, sign: &str) -> bool {
        matches!(self.ahead(), Token::Sign(ahead) if *ahead == sign)
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut found = Vec::new();
        loop {
            match self.ahead() {
                Token::End => return Ok(found),
                Token::Word(_) | Token::Sign("!") => {}
                other => {
                    let other = shown(other);
                    return Err(format!(
                        "found '{other}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            let requirement = self.requirement();
            found.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.next() {
                Token::End => return Ok(found),
                Token::Sign(",") => {
                    if !matches!(self.ahead(), Token::Word(_) | Token::Sign("!")) {
                        let found = shown(self.ahead());
                        return Err(format!("found '{found}', expected: identifier after ','"));
                    }
                }
                other => {
                    let found = shown(&other);
                    return Err(format!("found '{found}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.is_ahead("!");
        if absent {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(format!("found '{}', expected: identifier", shown(&other))),
        };
        let mistakes = schema::label_key_mistakes(&key);
        if !mistakes.is_empty() {
            let (key, why) = (schema::go_quote(&key), mistakes.join("; "));
            return Err(format!("<nil>: Invalid value: {key}: {why}"));
        }
        if absent {
            let test = Test::Absent;
            return Ok(Requirement { key, test });
        }
        if *self.ahead() == Token::End || self.is_ahead(",") {
            let test = Test::Exists;
            return Ok(Requirement { key, test });
        }
        let operator = self.next();
        let test = match &operator {
            Token::Word(word) if word == "in" => Test::In(self.values(&key)?),
            Token::Word(word) if word == "notin" => Test::NotIn(self.values(&key)?),
            Token::Sign("=" | "==") => Test::In(vec![self.value(&key)?]),
            Token::Sign("!=") => Test::NotIn(vec![self.value(&key)?]),
            Token::Sign(sign @ (">" | "<")) => {
                let value = self.exact()?;
                let bound = value.parse().map_err(|_| {
                    let value = schema::go_quote(&value);
                    format!(
                        "values[0]: Invalid value: {value}: for 'Gt', 'Lt' operators, the value must be an integer"
                    )
                })?;
                if *sign == ">" {
                    Test::Greater(bound)
                } else {
                    Test::Less(bound)
                }
            }
            other => return Err(format!("found '{}', expected: {BETWEEN}", shown(other))),
        };
        Ok(Requirement { key, test })
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        let value = self.exact()?;
        check_values(key, [value.as_str()])?;
        Ok(value)
    }

    /// The one value behind a sign; nothing is the empty value.
    fn exact(&mut self) -> Result<String, String> {
        if *self.ahead() == Token::End || self.is_ahead(",") {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(value) => Ok(value),
            other => Err(format!("found '{}', expected: identifier", shown(&other))),
        }
    }

    /// The values in parentheses.
    fn values(&mut self, key: &str) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(format!("found '{}' expected: '('", shown(&other))),
        }
        let mut values = BTreeSet::new();
        match self.ahead() {
            Token::Sign(")") => {
                values.insert(String::new());
            }
            Token::Word(_) | Token::Sign(",") => self.listed(&mut values)?,
            other => {
                return Err(format!(
                    "found '{}', expected: ',', ')' or identifier",
                    shown(other)
                ));
            }
        }
        // What is ahead is the parenthesis that closes.
        self.at += 1;
        check_values(key, values.iter().map(String::as_str))?;
        Ok(values.into_iter().collect())
    }

    fn listed(&mut self, values: &mut BTreeSet<String>) -> Result<(), String> {
        loop {
            match self.next() {
                Token::Word(value) => {
                    values.insert(value);
                    if self.is_ahead(")") {
                        return Ok(());
                    }
                    if !self.is_ahead(",") {
                        return Err(format!("found '{}', expected: ',' or ')'", shown(self.ahead())));
                    }
                }
                Token::Sign(",") => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    if self.is_ahead(")") {
                        values.insert(String::new());
                        return Ok(());
                    }
                    if self.is_ahead(",") {
                        self.at += 1;
                        values.insert(String::new());
                    }
                }
                other => return Err(format!("found '{}', expected: ',', or identifier", shown(&other))),
            }
        }
    }
}

fn check_values<'a>(key: &str, values: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let wrong: Vec<String> = values
        .into_iter()
        .enumerate()
        .filter_map(|(place, value)| {
            let why = schema::label_value_mistake(value)?;
            let value = schema::go_quote(value);
            Some(format!("values[{place}][{key}]: Invalid value: {value}: {why}"))
        })
        .collect();
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => word.clone(),
        Token::Sign(sign) => (*sign).to_owned(),
        Token::Broken(signs) => format!("error expected: keyword found '{signs}'"),
        Token::End => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_refused_as_upstream() {
        let check = |text: &str, expect: &str| {
            let found = parse(text).map_err(|error| error.message);
            assert_eq!(found.as_ref().err().map(String::as_str), Some(expect), "{text}");
        };
        let parsing = |why: &str| format!("unable to parse requirement: {why}");
        check("x in 1", &parsing("found '1' expected: '('"));
        check("x in", &parsing("found '' expected: '('"));
        check("x===1", &parsing("found '=', expected: identifier"));
        check(
            "a b",
            &parsing("found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        );
        check(",", "found ',', expected: !, identifier, or 'end of string'");
        check("a,", "found '', expected: identifier after ','");
        check("a in (b) c", "found 'c', expected: ',' or 'end of string'");
        check("a in (b", &parsing("found '', expected: ',' or ')'"));
        check(
            "x>a",
            &parsing(
                "values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        );
        assert!(
            parse("-x").is_err_and(|error| error.message.contains("<nil>: Invalid value: \"-x\": name part"))
        );
        assert!(
            parse("x=-").is_err_and(|error| error.message.contains("values[0][x]: Invalid value: \"-\""))
        );
    }

    #[test]
    fn odd_selectors_are_read() {
        let check = |text: &str, test: Test| {
            assert_eq!(parse(text).unwrap()[0].test, test, "{text}");
        };
        check("x in ()", Test::In(vec![String::new()]));
        check("x in (,a)", Test::In(vec![String::new(), "a".to_owned()]));
        check("in in (notin)", Test::In(vec!["notin".to_owned()]));
        check("x=", Test::In(vec![String::new()]));
        check("! x", Test::Absent);
    }
}
