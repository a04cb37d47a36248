//! The grammar of JMESPath: text to tree. The dialect is that of Kyverno, who reads literals in backquotes as
//! JSON and nothing else.

use serde_json::Value;

use super::functions::Callee;
use super::tokens::{Token, tokens};

/// Whose JMESPath it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// That of Kyverno's variables.
    Kyverno,
    /// That of trees of assertions (`validate.assert`), which has variables (`$name`, `let`) and arithmetic.
    Tree,
}

/// How deep an expression may nest: bounds the recursion of whoever reads or walks it.
const MAX_DEPTH: usize = 100;

/// A parsed expression.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// The value itself: `@`, or nothing.
    Current,
    Field(String),
    Index(i64),
    Slice([Option<i64>; 3]),
    Literal(Value),
    /// The right side of what the left side gives: `a.b`, `a[0]`.
    Below(Box<Node>, Box<Node>),
    /// As [`Node::Below`], but a key that is not there is a null: `a | b`.
    Pipe(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare(Comparator, Box<Node>, Box<Node>),
    /// The right side of each item: `a[*].b`.
    Each(Box<Node>, Box<Node>),
    /// The right side of each item for which the last holds: `a[?c].b`.
    Filter(Box<Node>, Box<Node>, Box<Node>),
    /// The right side of each value of an object: `a.*.b`.
    Values(Box<Node>, Box<Node>),
    Flatten(Box<Node>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
    Call(Callee, Vec<Node>),
    /// An expression that a function evaluates: `&a`.
    Reference(Box<Node>),
    /// `$name`.
    Variable(String),
    /// `let $name = a in b`.
    Let(Vec<(String, Node)>, Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideWhole,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Reads an expression; the error says what is wrong with it.
pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Node, String> {
    let mut parser = Parser {
        tokens: tokens(text, dialect)?,
        dialect,
        at: 0,
        depth: 0,
    };
    let node = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(node),
        other => Err(format!("{other} stands where the expression should end")),
    }
}

impl Node {
    /// The nodes right below this one.
    pub(super) fn children(&self) -> Vec<&Node> {
        match self {
            Node::Below(left, right)
            | Node::Pipe(left, right)
            | Node::Or(left, right)
            | Node::And(left, right)
            | Node::Compare(_, left, right)
            | Node::Each(left, right)
            | Node::Arithmetic(_, left, right)
            | Node::Values(left, right) => vec![left, right],
            Node::Filter(left, right, condition) => vec![left, right, condition],
            Node::Not(node) | Node::Flatten(node) | Node::Reference(node) => vec![node],
            Node::List(nodes) | Node::Call(_, nodes) => nodes.iter().collect(),
            Node::Object(pairs) => pairs.iter().map(|(_, node)| node).collect(),
            Node::Let(pairs, body) => pairs.iter().map(|(_, node)| node).chain([&**body]).collect(),
            Node::Current
            | Node::Field(_)
            | Node::Index(_)
            | Node::Slice(_)
            | Node::Literal(_)
            | Node::Variable(_) => Vec::new(),
        }
    }
}

/// How tightly a token binds what stands left of it.
fn power(token: &Token) -> u8 {
    match token {
        Token::Pipe => 1,
        Token::Or => 2,
        Token::And => 3,
        Token::Compare(_) => 5,
        Token::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => 6,
        Token::Arithmetic(_) => 7,
        Token::Flatten => 9,
        Token::Star => 20,
        Token::Filter => 21,
        Token::Dot => 40,
        Token::Not => 45,
        Token::OpenBrace => 50,
        Token::OpenBracket => 55,
        Token::OpenParenthesis => 60,
        _ => 0,
    }
}

/// What binds weaker than this ends a projection.
const ENDS_PROJECTION: u8 = 10;

struct Parser {
    tokens: Vec<Token>,
    dialect: Dialect,
    at: usize,
    depth: usize,
}

fn boxed(node: Node) -> Box<Node> {
    Box::new(node)
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn peek_second(&self) -> &Token {
        self.tokens.get(self.at + 1).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), String> {
        if self.peek() == wanted {
            self.at += 1;
            return Ok(());
        }
        Err(format!("{wanted} is missing before {}", self.peek()))
    }

    /// Reads as long as what follows binds tighter than `least`.
    fn expression(&mut self, least: u8) -> Result<Node, String> {
        let (before, mut node) = (self.depth, Node::Current);
        self.deeper()?;
        let first = self.next();
        node = self.prefix(first, node)?;
        while least < power(self.peek()) {
            // What stands to the left becomes part of what follows, so the tree grows with every step.
            self.deeper()?;
            let token = self.next();
            node = self.infix(&token, node)?;
        }
        self.depth = before;
        Ok(node)
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression nests deeper than {MAX_DEPTH} levels"));
        }
        Ok(())
    }

    fn prefix(&mut self, token: Token, current: Node) -> Result<Node, String> {
        match token {
            Token::Literal(value) => Ok(Node::Literal(value)),
            Token::Quoted(_) if *self.peek() == Token::OpenParenthesis => {
                Err("the name of a function stands in quotes".to_owned())
            }
            Token::Name(name)
                if name == "let"
                    && self.dialect == Dialect::Tree
                    && matches!(self.peek(), Token::Variable(_)) =>
            {
                self.bound()
            }
            Token::Name(name) | Token::Quoted(name) => Ok(Node::Field(name)),
            Token::Variable(name) if name.is_empty() => Ok(Node::Literal(Value::Null)),
            Token::Variable(name) => Ok(Node::Variable(name)),
            Token::Arithmetic(operator @ (Arithmetic::Add | Arithmetic::Subtract)) => {
                let right = self.expression(power(&token))?;
                let zero = Node::Literal(Value::from(0));
                Ok(Node::Arithmetic(operator, boxed(zero), boxed(right)))
            }
            Token::Current => Ok(current),
            Token::Star => {
                let right = if *self.peek() == Token::CloseBracket {
                    Node::Current
                } else {
                    self.projected(power(&Token::Star))?
                };
                Ok(Node::Values(boxed(current), boxed(right)))
            }
            Token::Filter => self.filter(current),
            Token::Flatten => self.flatten(current),
            Token::OpenBrace => self.object(),
            Token::OpenBracket => match self.peek() {
                Token::Number(_) | Token::Colon => self.index(current),
                Token::Star if *self.peek_second() == Token::CloseBracket => {
                    self.at += 2;
                    let right = self.projected(power(&Token::Star))?;
                    Ok(Node::Each(boxed(current), boxed(right)))
                }
                _ => self.list(),
            },
            Token::Reference => Ok(Node::Reference(boxed(self.expression(0)?))),
            Token::Not => Ok(Node::Not(boxed(self.expression(power(&Token::Not))?))),
            Token::OpenParenthesis => {
                let node = self.expression(0)?;
                self.expect(&Token::CloseParenthesis)?;
                Ok(node)
            }
            Token::End => Err("the expression ends too early".to_owned()),
            other => Err(format!("{other} is not expected here")),
        }
    }

    fn infix(&mut self, token: &Token, left: Node) -> Result<Node, String> {
        let right = |parser: &mut Parser| parser.expression(power(token)).map(boxed);
        Ok(match token {
            Token::Dot if *self.peek() == Token::Star => {
                self.at += 1;
                let right = self.projected(power(&Token::Dot))?;
                Node::Values(boxed(left), boxed(right))
            }
            Token::Dot => {
                let right = self.after_dot(power(&Token::Dot))?;
                Node::Below(boxed(left), boxed(right))
            }
            Token::Pipe => Node::Pipe(boxed(left), right(self)?),
            Token::Or => Node::Or(boxed(left), right(self)?),
            Token::And => Node::And(boxed(left), right(self)?),
            Token::Compare(comparator) => Node::Compare(*comparator, boxed(left), right(self)?),
            Token::Arithmetic(operator) => Node::Arithmetic(*operator, boxed(left), right(self)?),
            Token::Star if self.dialect == Dialect::Tree => {
                Node::Arithmetic(Arithmetic::Multiply, boxed(left), right(self)?)
            }
            Token::Filter => self.filter(left)?,
            Token::Flatten => self.flatten(left)?,
            Token::OpenParenthesis => {
                let Node::Field(name) = left else {
                    return Err("what is called here is no function".to_owned());
                };
                Node::Call(Callee::named(name, self.dialect), self.arguments()?)
            }
            Token::OpenBracket => {
                if matches!(self.peek(), Token::Number(_) | Token::Colon) {
                    return self.index(left);
                }
                self.expect(&Token::Star)?;
                self.expect(&Token::CloseBracket)?;
                let right = self.projected(power(&Token::Star))?;
                Node::Each(boxed(left), boxed(right))
            }
            other => return Err(format!("{other} is not expected here")),
        })
    }

    /// What follows `let`: variables, `in` and an expression.
    fn bound(&mut self) -> Result<Node, String> {
        let mut variables = Vec::new();
        loop {
            match self.next() {
                Token::Name(word) if word == "in" => break,
                Token::Variable(name) => {
                    self.expect(&Token::Assign)?;
                    variables.push((name, self.expression(0)?));
                    if *self.peek() == Token::Comma {
                        self.at += 1;
                    }
                }
                other => return Err(format!("{other} stands where a variable or in is expected")),
            }
        }
        Ok(Node::Let(variables, boxed(self.expression(0)?)))
    }

    /// What is done with each item of a projection.
    fn projected(&mut self, least: u8) -> Result<Node, String> {
        match self.peek() {
            token if power(token) < ENDS_PROJECTION => Ok(Node::Current),
            Token::OpenBracket | Token::Filter => self.expression(least),
            Token::Dot => {
                self.at += 1;
                self.after_dot(least)
            }
            other => Err(format!("{other} is not expected here")),
        }
    }

    fn after_dot(&mut self, least: u8) -> Result<Node, String> {
        match self.peek() {
            Token::Name(_) | Token::Quoted(_) | Token::Star => self.expression(least),
            Token::OpenBracket => {
                self.at += 1;
                self.list()
            }
            Token::OpenBrace => {
                self.at += 1;
                self.object()
            }
            other => Err(format!("{other} stands where a name should be")),
        }
    }

    fn filter(&mut self, left: Node) -> Result<Node, String> {
        let condition = self.expression(0)?;
        self.expect(&Token::CloseBracket)?;
        let right = if *self.peek() == Token::Flatten {
            Node::Current
        } else {
            self.projected(power(&Token::Filter))?
        };
        Ok(Node::Filter(boxed(left), boxed(right), boxed(condition)))
    }

    fn flatten(&mut self, left: Node) -> Result<Node, String> {
        let right = self.projected(power(&Token::Flatten))?;
        Ok(Node::Each(boxed(Node::Flatten(boxed(left))), boxed(right)))
    }

    /// `[1]`, `[1:2:3]`; the bracket is read already.
    fn index(&mut self, left: Node) -> Result<Node, String> {
        let mut parts = [None; 3];
        let mut part = 0;
        loop {
            match self.next() {
                Token::CloseBracket => break,
                Token::Colon if part < 2 => part += 1,
                Token::Number(number) if parts[part].is_none() => parts[part] = Some(number),
                other => return Err(format!("{other} is not expected in an index")),
            }
        }
        if part == 0 {
            let index = Node::Index(parts[0].unwrap_or_default());
            return Ok(Node::Below(boxed(left), boxed(index)));
        }
        let slice = Node::Below(boxed(left), boxed(Node::Slice(parts)));
        let right = self.projected(power(&Token::Star))?;
        Ok(Node::Each(boxed(slice), boxed(right)))
    }

    fn list(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        loop {
            nodes.push(self.expression(0)?);
            match self.next() {
                Token::CloseBracket => return Ok(Node::List(nodes)),
                Token::Comma => {}
                other => return Err(format!("{other} is not expected in a list")),
            }
        }
    }

    fn object(&mut self) -> Result<Node, String> {
        let mut pairs = Vec::new();
        loop {
            let (Token::Name(name) | Token::Quoted(name)) = self.next() else {
                return Err("a name is missing in an object".to_owned());
            };
            self.expect(&Token::Colon)?;
            pairs.push((name, self.expression(0)?));
            match self.peek() {
                // As in Kyverno's own reader, the comma between two pairs may be missing.
                Token::Name(_) | Token::Quoted(_) => continue,
                _ => {}
            }
            match self.next() {
                Token::CloseBrace => return Ok(Node::Object(pairs)),
                Token::Comma => {}
                other => return Err(format!("{other} is not expected in an object")),
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        if *self.peek() == Token::CloseParenthesis {
            self.at += 1;
            return Ok(nodes);
        }
        loop {
            nodes.push(self.expression(0)?);
            match self.next() {
                Token::CloseParenthesis => return Ok(nodes),
                Token::Comma => {}
                other => return Err(format!("{other} is not expected among arguments")),
            }
        }
    }
}
