//! The tokens of JMESPath. Knows nothing of what they mean together.

use serde_json::Value;

use super::syntax::{Arithmetic, Comparator, Dialect};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Quoted(String),
    Number(i64),
    Literal(Value),
    Compare(Comparator),
    /// `$name`, in trees of assertions only; without a name it is the root, which is nothing.
    Variable(String),
    /// `=` of a `let`.
    Assign,
    Arithmetic(Arithmetic),
    Current,
    Star,
    Dot,
    Comma,
    Colon,
    Pipe,
    Or,
    And,
    Not,
    Reference,
    Filter,
    Flatten,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    OpenParenthesis,
    CloseParenthesis,
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Token::Name(name) | Token::Quoted(name) => return write!(formatter, "the name {name:?}"),
            Token::Number(number) => return write!(formatter, "the number {number}"),
            Token::Literal(_) => "a literal",
            Token::Compare(_) => "a comparison",
            Token::Variable(name) => return write!(formatter, "the variable ${name}"),
            Token::Assign => "=",
            Token::Arithmetic(_) => "an arithmetic operator",
            Token::Current => "@",
            Token::Star => "*",
            Token::Dot => "a dot",
            Token::Comma => "a comma",
            Token::Colon => "a colon",
            Token::Pipe => "|",
            Token::Or => "||",
            Token::And => "&&",
            Token::Not => "!",
            Token::Reference => "&",
            Token::Filter => "[?",
            Token::Flatten => "[]",
            Token::OpenBrace => "{",
            Token::CloseBrace => "}",
            Token::OpenBracket => "[",
            Token::CloseBracket => "]",
            Token::OpenParenthesis => "(",
            Token::CloseParenthesis => ")",
            Token::End => "the end",
        })
    }
}

/// Splits an expression into its tokens.
pub(super) fn tokens(text: &str, dialect: Dialect) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((token, sign)) = arithmetic(rest).filter(|_| dialect == Dialect::Tree) {
            tokens.push(token);
            rest = &rest[sign.len()..];
            continue;
        }
        let (token, length) = match first {
            ' ' | '\t' | '\n' | '\r' => {
                rest = &rest[1..];
                continue;
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest
                    .bytes()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                    .count();
                (Token::Name(rest[..length].to_owned()), length)
            }
            '$' if dialect == Dialect::Tree => {
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let length = 1 + rest.bytes().skip(1).take_while(word).count();
                (Token::Variable(rest[1..length].to_owned()), length)
            }
            '-' | '0'..='9' => {
                let length = 1 + rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
                let number = rest[..length]
                    .parse()
                    .map_err(|_| format!("{} is no number", &rest[..length]))?;
                (Token::Number(number), length)
            }
            '"' => {
                let length = delimited(rest, '"')?;
                let name = serde_json::from_str(&rest[..length])
                    .map_err(|_| format!("the name {} cannot be read", &rest[..length]))?;
                (Token::Quoted(name), length)
            }
            '\'' => {
                let length = delimited(rest, '\'')?;
                let text = rest[1..length - 1].replace("\\'", "'");
                (Token::Literal(Value::String(text)), length)
            }
            '`' => {
                let length = delimited(rest, '`')?;
                let json = rest[1..length - 1].replace("\\`", "`");
                let value = serde_json::from_str(&json)
                    .map_err(|_| format!("`{json}` is not JSON: a text stands in quotes, as in 'text'"))?;
                (Token::Literal(value), length)
            }
            _ => sign(rest).ok_or_else(|| format!("{first:?} is not expected here"))?,
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// The arithmetic operator, or the `=`, that a text begins with. A minus before a digit belongs to the number.
fn arithmetic(text: &str) -> Option<(Token, &'static str)> {
    const SIGNS: [(&str, Arithmetic); 8] = [
        ("+", Arithmetic::Add),
        ("-", Arithmetic::Subtract),
        ("\u{2212}", Arithmetic::Subtract),
        ("\u{d7}", Arithmetic::Multiply),
        ("//", Arithmetic::DivideWhole),
        ("/", Arithmetic::Divide),
        ("\u{f7}", Arithmetic::Divide),
        ("%", Arithmetic::Remainder),
    ];
    if text.starts_with('=') {
        return (!text.starts_with("==")).then_some((Token::Assign, "="));
    }
    let (sign, operator) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign))?;
    let digit = text[sign.len()..].starts_with(|letter: char| letter.is_ascii_digit());
    (*sign != "-" || !digit).then_some((Token::Arithmetic(*operator), sign))
}

/// The length of a text up to the delimiter it begins with, both included.
fn delimited(text: &str, delimiter: char) -> Result<usize, String> {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == delimiter {
            return Ok(at + 1);
        }
    }
    Err(format!("a {delimiter} is not closed"))
}

fn sign(text: &str) -> Option<(Token, usize)> {
    const SIGNS: [(&str, Token); 24] = [
        ("||", Token::Or),
        ("|", Token::Pipe),
        ("&&", Token::And),
        ("&", Token::Reference),
        ("<=", Token::Compare(Comparator::LessOrEqual)),
        ("<", Token::Compare(Comparator::Less)),
        (">=", Token::Compare(Comparator::GreaterOrEqual)),
        (">", Token::Compare(Comparator::Greater)),
        ("==", Token::Compare(Comparator::Equal)),
        ("!=", Token::Compare(Comparator::NotEqual)),
        ("!", Token::Not),
        ("[?", Token::Filter),
        ("[]", Token::Flatten),
        ("[", Token::OpenBracket),
        ("]", Token::CloseBracket),
        ("{", Token::OpenBrace),
        ("}", Token::CloseBrace),
        ("(", Token::OpenParenthesis),
        (")", Token::CloseParenthesis),
        ("@", Token::Current),
        ("*", Token::Star),
        (".", Token::Dot),
        (",", Token::Comma),
        (":", Token::Colon),
    ];
    let (sign, token) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign))?;
    Some((token.clone(), sign.len()))
}
