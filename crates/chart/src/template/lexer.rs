//! Cuts a template into tokens, by the rules of Go's `text/template/parse` lexer: delimiters with trim
//! markers, comments, and everything that can stand in an action.

use std::borrow::Cow;

/// A token with the byte offset where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'text> {
    pub(super) kind: Kind,
    pub(super) offset: usize,
    pub(super) text: &'text str,
    /// A blank stood before it.
    pub(super) spaced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Open,
    Close,
    Identifier,
    Keyword,
    Field,
    Variable,
    Dot,
    Nil,
    Bool,
    Char,
    Number,
    Str,
    RawStr,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    Comma,
    End,
}

/// Why the text is no template, and at which offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LexError {
    pub(super) offset: usize,
    pub(super) message: Cow<'static, str>,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
const KEYWORDS: [&str; 11] = [
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with", "nil",
];

/// All tokens of a template, with an `End` token last.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token<'_>>, LexError> {
    let mut lexer = Lexer {
        text,
        position: 0,
        tokens: Vec::new(),
    };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'text> {
    text: &'text str,
    position: usize,
    tokens: Vec<Token<'text>>,
}

impl<'text> Lexer<'text> {
    fn rest(&self) -> &'text str {
        &self.text[self.position..]
    }

    fn error<T>(offset: usize, message: impl Into<Cow<'static, str>>) -> Result<T, LexError> {
        Err(LexError {
            offset,
            message: message.into(),
        })
    }

    fn push(&mut self, kind: Kind, length: usize, spaced: bool) {
        let text = &self.text[self.position..self.position + length];
        self.tokens.push(Token {
            kind,
            offset: self.position,
            text,
            spaced,
        });
        self.position += length;
    }

    fn run(&mut self) -> Result<(), LexError> {
        let mut trim_start = false;
        loop {
            let rest = self.rest();
            let length = rest.find(OPEN).unwrap_or(rest.len());
            let (mut text, mut start) = (&rest[..length], self.position);
            if trim_start {
                let trimmed = text.trim_start_matches(BLANKS);
                start += text.len() - trimmed.len();
                text = trimmed;
            }
            self.position += length;
            if self.position == self.text.len() {
                self.text_token(text, start);
                break;
            }
            let opened = self.position;
            let trims_before = has_left_marker(&self.text[opened + OPEN.len()..]);
            if trims_before {
                text = text.trim_end_matches(BLANKS);
            }
            self.text_token(text, start);
            let marker = if trims_before { 2 } else { 0 };
            let inside = opened + OPEN.len() + marker;
            if self.text[inside..].starts_with("/*") {
                trim_start = self.comment(inside)?;
                continue;
            }
            self.tokens.push(Token {
                kind: Kind::Open,
                offset: opened,
                text: OPEN,
                spaced: false,
            });
            self.position = inside;
            trim_start = self.action(opened, trims_before)?;
        }
        self.tokens.push(Token {
            kind: Kind::End,
            offset: self.text.len(),
            text: "",
            spaced: false,
        });
        Ok(())
    }

    fn text_token(&mut self, text: &'text str, offset: usize) {
        if !text.is_empty() {
            self.tokens.push(Token {
                kind: Kind::Text,
                offset,
                text,
                spaced: false,
            });
        }
    }

    /// Skips a comment; says whether it trims what follows.
    fn comment(&mut self, start: usize) -> Result<bool, LexError> {
        let Some(length) = self.text[start..].find("*/") else {
            return Self::error(start, "unclosed comment");
        };
        self.position = start + length + 2;
        match right_delimiter(self.rest()) {
            Some((length, trims)) => {
                self.position += length;
                Ok(trims)
            }
            None => Self::error(start, "comment ends before closing delimiter"),
        }
    }

    /// Reads one action up to its closing delimiter; says whether it trims what follows.
    fn action(&mut self, opened: usize, mut spaced: bool) -> Result<bool, LexError> {
        let mut open_parens = 0_usize;
        loop {
            let rest = self.rest();
            if let Some((length, trims)) = right_delimiter(rest) {
                if open_parens > 0 {
                    return Self::error(self.position, "unclosed left paren");
                }
                let offset = self.position;
                self.position += length;
                self.tokens.push(Token {
                    kind: Kind::Close,
                    offset,
                    text: CLOSE,
                    spaced,
                });
                return Ok(trims);
            }
            let Some(first) = rest.chars().next() else {
                return Self::error(opened, "unclosed action");
            };
            if BLANKS.contains(&first) {
                self.position += rest.len() - rest.trim_start_matches(BLANKS).len();
                // A blank before a trim marker belongs to the marker.
                if self.rest().starts_with("-}}") {
                    self.position -= 1;
                }
                spaced = true;
                continue;
            }
            match first {
                '=' => self.push(Kind::Assign, 1, spaced),
                ':' if rest.starts_with(":=") => self.push(Kind::Declare, 2, spaced),
                ':' => return Self::error(self.position, "expected :="),
                '|' => self.push(Kind::Pipe, 1, spaced),
                ',' => self.push(Kind::Comma, 1, spaced),
                '"' => self.quoted('"', Kind::Str, "unterminated quoted string", spaced)?,
                '\'' => self.quoted('\'', Kind::Char, "unterminated character constant", spaced)?,
                '`' => {
                    let Some(length) = rest[1..].find('`') else {
                        return Self::error(self.position, "unterminated raw quoted string");
                    };
                    self.push(Kind::RawStr, length + 2, spaced);
                }
                '$' => self.word(Kind::Variable, spaced)?,
                '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(spaced),
                '.' => self.word(Kind::Field, spaced)?,
                '+' | '-' | '0'..='9' => self.number(spaced),
                '(' => {
                    open_parens += 1;
                    self.push(Kind::LeftParen, 1, spaced);
                }
                ')' => {
                    if open_parens == 0 {
                        return Self::error(self.position, "unexpected right paren");
                    }
                    open_parens -= 1;
                    self.push(Kind::RightParen, 1, spaced);
                }
                _ if is_word(first) => self.word(Kind::Identifier, spaced)?,
                other => {
                    let message = format!("unrecognized character in action: {}", describe(other));
                    return Self::error(self.position, message);
                }
            }
            spaced = false;
        }
    }

    fn quoted(
        &mut self,
        quote: char,
        kind: Kind,
        unclosed: &'static str,
        spaced: bool,
    ) -> Result<(), LexError> {
        let mut escaped = false;
        for (index, character) in self.rest().char_indices().skip(1) {
            match character {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if character == quote => {
                    self.push(kind, index + 1, spaced);
                    return Ok(());
                }
                _ => {}
            }
        }
        Self::error(self.position, unclosed)
    }

    /// A name, with a leading `.` or `$` for fields and variables.
    fn word(&mut self, kind: Kind, spaced: bool) -> Result<(), LexError> {
        let rest = self.rest();
        let lead = usize::from(kind != Kind::Identifier);
        let length = lead + rest[lead..].find(|c| !is_word(c)).unwrap_or(rest.len() - lead);
        let word = &rest[..length];
        if let Some(next) = rest[length..].chars().next()
            && !BLANKS.contains(&next)
            && !matches!(next, '.' | ',' | '|' | ':' | ')' | '(')
            && !rest[length..].starts_with(CLOSE)
        {
            return Self::error(self.position, format!("bad character {}", describe(next)));
        }
        let kind = match (kind, word) {
            (Kind::Field, ".") => Kind::Dot,
            (Kind::Identifier, "true" | "false") => Kind::Bool,
            (Kind::Identifier, "nil") => Kind::Nil,
            (Kind::Identifier, word) if KEYWORDS.contains(&word) => Kind::Keyword,
            (kind, _) => kind,
        };
        self.push(kind, length, spaced);
        Ok(())
    }

    fn number(&mut self, spaced: bool) {
        let rest = self.rest();
        let mut length = usize::from(rest.starts_with(['+', '-']));
        let mut before = ' ';
        for character in rest[length..].chars() {
            let sign_of_exponent = matches!(character, '+' | '-') && matches!(before, 'e' | 'E' | 'p' | 'P');
            if !(character.is_ascii_alphanumeric() || matches!(character, '.' | '_') || sign_of_exponent) {
                break;
            }
            length += 1;
            before = character;
        }
        self.push(Kind::Number, length, spaced);
    }
}

/// Whether a trim marker stands behind an opening delimiter.
fn has_left_marker(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(BLANKS))
}

/// The length of a closing delimiter at the start of the text, and whether it trims.
fn right_delimiter(text: &str) -> Option<(usize, bool)> {
    if text.starts_with(CLOSE) {
        return Some((2, false));
    }
    (text.starts_with(BLANKS) && text[1..].starts_with("-}}")).then_some((4, true))
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// A character as Go's `%#U` shows it.
fn describe(character: char) -> String {
    let code = u32::from(character);
    if character.is_control() {
        format!("U+{code:04X}")
    } else {
        format!("U+{code:04X} '{character}'")
    }
}
