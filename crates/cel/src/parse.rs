//! The grammar of CEL. Bounded in length and depth: whatever is written, reading it ends.

mod tree;

use crate::token::{Token, Word, tokens};
pub(crate) use tree::{Access, Ast, Form, Literal, Operator, dotted};
use tree::{MAX_DEPTH, ast};

/// How long an expression may be.
const MAX_LENGTH: usize = 100_000;

/// Why an expression cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}

impl Unreadable {
    pub(crate) fn at(text: &str, at: usize, reason: impl Into<String>) -> Unreadable {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Unreadable {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason: reason.into(),
        }
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} (line {}, column {})",
            self.reason, self.line, self.column
        )
    }
}

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Ast, Unreadable> {
    if text.len() > MAX_LENGTH {
        return Err(Unreadable::at(
            text,
            0,
            format!("the expression is longer than {MAX_LENGTH} bytes"),
        ));
    }
    let unreadable = |(at, reason): (usize, String)| Unreadable::at(text, at, reason);
    let tokens = tokens(text).map_err(unreadable)?;
    let mut parser = Parser {
        tokens,
        next: 0,
        depth: 0,
    };
    let ast = parser.expression().map_err(unreadable)?;
    match parser.peek() {
        Word::End => Ok(ast),
        other => Err(unreadable((
            parser.at(),
            format!("{} is not expected here", show(other)),
        ))),
    }
}

type Parsed<T> = Result<T, (usize, String)>;

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

/// Names that no variable may have, and that a field has only when it is escaped.
pub const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];

impl Parser {
    fn peek(&self) -> &Word {
        self.tokens.get(self.next).map_or(&Word::End, |token| &token.word)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |token| token.at)
    }

    fn advance(&mut self) -> Word {
        let word = self.peek().clone();
        self.next += 1;
        word
    }

    fn take(&mut self, mark: &str) -> bool {
        let here = matches!(self.peek(), Word::Mark(found) if *found == mark);
        self.next += usize::from(here);
        here
    }

    fn need(&mut self, mark: &str) -> Parsed<()> {
        if self.take(mark) {
            return Ok(());
        }
        Err((
            self.at(),
            format!("{mark} is expected here, not {}", show(self.peek())),
        ))
    }

    fn take_in(&mut self) -> bool {
        let here = matches!(self.peek(), Word::Name(name) if name == "in");
        self.next += usize::from(here);
        here
    }

    fn expression(&mut self) -> Parsed<Ast> {
        if self.depth >= MAX_DEPTH / 2 {
            return Err((self.at(), "the expression nests too deep".to_owned()));
        }
        self.depth += 1;
        let condition = self.any()?;
        let at = self.at();
        let result = if self.take("?") {
            let yes = self.any()?;
            self.need(":")?;
            let no = self.expression()?;
            ast(at, Form::If(Box::new(condition), Box::new(yes), Box::new(no)))
        } else {
            Ok(condition)
        };
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Parsed<Ast> {
        let at = self.at();
        let first = self.all()?;
        let mut terms = vec![first];
        while self.take("||") {
            terms.push(self.all()?);
        }
        one_or(at, terms, Form::Any)
    }

    fn all(&mut self) -> Parsed<Ast> {
        let at = self.at();
        let first = self.relation()?;
        let mut terms = vec![first];
        while self.take("&&") {
            terms.push(self.relation()?);
        }
        one_or(at, terms, Form::All)
    }

    fn relation(&mut self) -> Parsed<Ast> {
        const OPERATORS: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let mut left = self.sum()?;
        loop {
            let at = self.at();
            let operator = if self.take_in() {
                Operator::In
            } else if let Some((_, operator)) = OPERATORS.into_iter().find(|(mark, _)| self.take(mark)) {
                operator
            } else {
                return Ok(left);
            };
            let right = self.sum()?;
            left = ast(at, Form::Binary(operator, Box::new(left), Box::new(right)))?;
        }
    }

    fn sum(&mut self) -> Parsed<Ast> {
        let mut left = self.product()?;
        loop {
            let at = self.at();
            let operator = if self.take("+") {
                Operator::Add
            } else if self.take("-") {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            let right = self.product()?;
            left = ast(at, Form::Binary(operator, Box::new(left), Box::new(right)))?;
        }
    }

    fn product(&mut self) -> Parsed<Ast> {
        let mut left = self.unary()?;
        loop {
            let at = self.at();
            let operator = if self.take("*") {
                Operator::Multiply
            } else if self.take("/") {
                Operator::Divide
            } else if self.take("%") {
                Operator::Modulo
            } else {
                return Ok(left);
            };
            let right = self.unary()?;
            left = ast(at, Form::Binary(operator, Box::new(left), Box::new(right)))?;
        }
    }

    fn unary(&mut self) -> Parsed<Ast> {
        let at = self.at();
        if self.take("!") {
            let mut count = 1;
            while self.take("!") {
                count += 1;
            }
            let inner = self.member()?;
            return match count % 2 {
                1 => ast(at, Form::Not(Box::new(inner))),
                _ => ast(at, Form::Not(Box::new(ast(at, Form::Not(Box::new(inner)))?))),
            };
        }
        if self.take("-") {
            let mut count = 1;
            while self.take("-") {
                count += 1;
            }
            if count % 2 == 1 {
                // The smallest integer has no positive counterpart.
                match self.peek() {
                    Word::Int(value) if *value == 1 << 63 => {
                        self.next += 1;
                        let literal = ast(at, Form::Literal(Literal::Int(i64::MIN)))?;
                        return self.tail(literal);
                    }
                    Word::Int(value) => {
                        let value =
                            i64::try_from(*value).map_err(|_| (at, "the number is too large".to_owned()))?;
                        self.next += 1;
                        let literal = ast(at, Form::Literal(Literal::Int(-value)))?;
                        return self.tail(literal);
                    }
                    Word::Double(value) => {
                        let value = -value;
                        self.next += 1;
                        let literal = ast(at, Form::Literal(Literal::Double(value)))?;
                        return self.tail(literal);
                    }
                    _ => {}
                }
            }
            let inner = self.member()?;
            return match count % 2 {
                1 => ast(at, Form::Negate(Box::new(inner))),
                _ => ast(
                    at,
                    Form::Negate(Box::new(ast(at, Form::Negate(Box::new(inner)))?)),
                ),
            };
        }
        self.member()
    }

    fn member(&mut self) -> Parsed<Ast> {
        let primary = self.primary()?;
        self.tail(primary)
    }

    /// Fields, elements and calls behind a value.
    fn tail(&mut self, mut value: Ast) -> Parsed<Ast> {
        loop {
            let at = self.at();
            if self.take(".") {
                let access = self.access();
                let name_at = self.at();
                let (name, quoted) = match self.advance() {
                    Word::Name(name) if !matches!(name.as_str(), "in" | "true" | "false" | "null") => {
                        (name, false)
                    }
                    Word::Quoted(name) => (name, true),
                    other => {
                        return Err((
                            name_at,
                            format!("a field name is expected here, not {}", show(&other)),
                        ));
                    }
                };
                let open = self.at();
                value = if access == Access::Plain && !quoted && self.take("(") {
                    ast(open, Form::Call(Some(Box::new(value)), name, self.arguments()?))?
                } else {
                    ast(at, Form::Select(Box::new(value), name, access))?
                };
            } else if self.take("[") {
                let access = self.access();
                let index = self.expression()?;
                self.need("]")?;
                value = ast(at, Form::Index(Box::new(value), Box::new(index), access))?;
            } else if matches!(self.peek(), Word::Mark("{")) {
                let Some(name) = dotted(&value) else {
                    return Ok(value);
                };
                let open = self.at();
                self.next += 1;
                value = ast(open, Form::Message(name, self.fields()?))?;
            } else {
                return Ok(value);
            }
        }
    }

    fn access(&mut self) -> Access {
        if self.take("?") {
            Access::Optional
        } else {
            Access::Plain
        }
    }

    fn arguments(&mut self) -> Parsed<Vec<Ast>> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.take(")") {
                return Ok(arguments);
            }
            self.need(",")?;
        }
    }

    fn fields(&mut self) -> Parsed<Vec<(String, Ast, Access)>> {
        let mut fields = Vec::new();
        loop {
            if self.take("}") {
                return Ok(fields);
            }
            let access = self.access();
            let at = self.at();
            let name = match self.advance() {
                Word::Name(name) | Word::Quoted(name) => name,
                other => return Err((at, format!("a field name is expected here, not {}", show(&other)))),
            };
            self.need(":")?;
            fields.push((name, self.expression()?, access));
            if !self.take(",") {
                self.need("}")?;
                return Ok(fields);
            }
        }
    }

    fn primary(&mut self) -> Parsed<Ast> {
        let at = self.at();
        // A leading dot names something outermost, which the variable of a loop does not hide. It stays with the name.
        if self.take(".") {
            let Word::Name(name) = self.advance() else {
                return Err((at, "a name is expected after the dot".to_owned()));
            };
            if RESERVED.contains(&name.as_str()) {
                return Err((at, format!("{name} is a reserved word")));
            }
            let open = self.at();
            if self.take("(") {
                return ast(open, Form::Call(None, name, self.arguments()?));
            }
            return ast(at, Form::Name(format!(".{name}")));
        }
        let literal = match self.advance() {
            Word::Int(value) => {
                Literal::Int(i64::try_from(value).map_err(|_| (at, "the number is too large".to_owned()))?)
            }
            Word::UInt(value) => Literal::UInt(value),
            Word::Double(value) => Literal::Double(value),
            Word::Text(text) => Literal::Text(text),
            Word::Bytes(bytes) => Literal::Bytes(bytes),
            Word::Name(name) => match name.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ if RESERVED.contains(&name.as_str()) => {
                    return Err((at, format!("{name} is a reserved word")));
                }
                _ if matches!(self.peek(), Word::Mark("(")) => {
                    let open = self.at();
                    self.advance();
                    return ast(open, Form::Call(None, name, self.arguments()?));
                }
                _ => return ast(at, Form::Name(name)),
            },
            Word::Mark("(") => {
                let inner = self.expression()?;
                self.need(")")?;
                return Ok(inner);
            }
            Word::Mark("[") => return self.list(at),
            Word::Mark("{") => return self.map(at),
            other => return Err((at, format!("{} is not expected here", show(&other)))),
        };
        ast(at, Form::Literal(literal))
    }

    fn list(&mut self, at: usize) -> Parsed<Ast> {
        let mut items = Vec::new();
        loop {
            if self.take("]") {
                return ast(at, Form::List(items));
            }
            let access = self.access();
            items.push((self.expression()?, access));
            if !self.take(",") {
                self.need("]")?;
                return ast(at, Form::List(items));
            }
        }
    }

    fn map(&mut self, at: usize) -> Parsed<Ast> {
        let mut entries = Vec::new();
        loop {
            if self.take("}") {
                return ast(at, Form::Map(entries));
            }
            let access = self.access();
            let key = self.expression()?;
            self.need(":")?;
            entries.push((key, self.expression()?, access));
            if !self.take(",") {
                self.need("}")?;
                return ast(at, Form::Map(entries));
            }
        }
    }
}

fn one_or(at: usize, mut terms: Vec<Ast>, form: impl Fn(Vec<Ast>) -> Form) -> Parsed<Ast> {
    match (terms.len(), terms.pop()) {
        (1, Some(term)) => Ok(term),
        (_, last) => {
            terms.extend(last);
            ast(at, form(terms))
        }
    }
}

fn show(word: &Word) -> String {
    match word {
        Word::Name(name) => format!("{name:?}"),
        Word::Quoted(name) => format!("`{name}`"),
        Word::Int(value) | Word::UInt(value) => value.to_string(),
        Word::Double(value) => value.to_string(),
        Word::Text(_) | Word::Bytes(_) => "a text".to_owned(),
        Word::Mark(mark) => format!("{mark:?}"),
        Word::End => "the end".to_owned(),
    }
}
