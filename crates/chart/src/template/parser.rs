//! From tokens to trees, by the grammar of Go's `text/template/parse`.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Branch, Command, Node, Operand, Pipeline, Template, Term};
use super::lexer::{Kind, Token, tokenize};
use super::literals::{number, unquote};
use crate::functions;

/// How deep parentheses and blocks may nest.
const MAX_NESTING: usize = 100;
/// The longest template that is read, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// A file's own template, and those it defines, in the order of the text.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) main: Arc<Template>,
    pub(crate) defined: Vec<(Arc<str>, Arc<Template>)>,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParseError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Reads a template.
pub(crate) fn parse(text: &str) -> Result<ParsedFile, ParseError> {
    if text.len() > MAX_BYTES {
        return Err(ParseError {
            line: 1,
            message: format!("a template is longer than {MAX_BYTES} bytes"),
        });
    }
    let line_of = |offset: usize| 1 + text.get(..offset).unwrap_or(text).matches('\n').count();
    let tokens = tokenize(text).map_err(|error| ParseError {
        line: line_of(error.offset),
        message: error.message.into_owned(),
    })?;
    let source: Arc<str> = Arc::from(text);
    let mut parser = Parser {
        tokens: &tokens,
        position: 0,
        source: Arc::clone(&source),
        defined: Vec::new(),
        places: HashMap::new(),
        variables: vec![Arc::from("$")],
        loops: 0,
        nesting: 0,
    };
    parser
        .file()
        .map(|body| ParsedFile {
            main: Arc::new(Template { body, source }),
            defined: parser.defined,
        })
        .map_err(|(offset, message)| ParseError {
            line: line_of(offset),
            message,
        })
}

pub(super) type Parsed<T> = Result<T, (usize, String)>;

struct Parser<'tokens> {
    tokens: &'tokens [Token<'tokens>],
    position: usize,
    source: Arc<str>,
    defined: Vec<(Arc<str>, Arc<Template>)>,
    /// Where in `defined` each name is.
    places: HashMap<Arc<str>, usize>,
    /// Variables in scope, with their `$`.
    variables: Vec<Arc<str>>,
    loops: usize,
    nesting: usize,
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Ending {
    End,
    Else,
    Text,
}

impl<'tokens> Parser<'tokens> {
    fn peek(&self) -> &'tokens Token<'tokens> {
        // The last token is `End`, and it is never consumed.
        &self.tokens[self.position.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> &'tokens Token<'tokens> {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn fail<T>(token: &Token<'_>, message: impl Into<String>) -> Parsed<T> {
        Err((token.offset, message.into()))
    }

    fn unexpected<T>(token: &Token<'_>, context: &str) -> Parsed<T> {
        let shown = match token.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Keyword => format!("<{}>", token.text),
            _ => format!("{:?}", token.text),
        };
        Self::fail(token, format!("unexpected {shown} in {context}"))
    }

    fn deeper(&mut self, token: &Token<'_>) -> Parsed<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Self::fail(
                token,
                format!("blocks or parentheses are nested more than {MAX_NESTING} deep"),
            );
        }
        Ok(())
    }

    fn file(&mut self) -> Parsed<Vec<Node>> {
        let mut body = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                Kind::End => return Ok(body),
                Kind::Open if self.keyword_ahead() == Some("define") => self.definition()?,
                _ => match self.text_or_action(&mut body)? {
                    None => {}
                    Some(Ending::End) => return Self::fail(token, "unexpected {{end}}"),
                    Some(_) => return Self::fail(token, "unexpected {{else}}"),
                },
            }
        }
    }

    /// The keyword behind an opening delimiter.
    fn keyword_ahead(&self) -> Option<&'tokens str> {
        let token = self.tokens.get(self.position + 1)?;
        (token.kind == Kind::Keyword).then_some(token.text)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        self.next();
        let keyword = self.next();
        let name = self.name(CONTEXT)?;
        self.close(CONTEXT)?;
        let outer = std::mem::replace(&mut self.variables, vec![Arc::from("$")]);
        let loops = std::mem::take(&mut self.loops);
        let (body, ending) = self.list()?;
        self.variables = outer;
        self.loops = loops;
        match ending {
            Ending::End => {}
            Ending::Else => return Self::fail(keyword, format!("unexpected {{{{else}}}} in {CONTEXT}")),
            Ending::Text => return Self::fail(self.peek(), "unexpected EOF"),
        }
        self.define(name, body)
    }

    /// Keeps a defined template. Of two with one name the blank one yields; two with content are an error.
    fn define(&mut self, name: Arc<str>, body: Vec<Node>) -> Parsed<()> {
        let template = Arc::new(Template {
            body,
            source: Arc::clone(&self.source),
        });
        let place = self.places.get(&name).copied();
        match place.and_then(|place| self.defined.get_mut(place)) {
            None => {
                self.places.insert(Arc::clone(&name), self.defined.len());
                self.defined.push((name, template));
            }
            Some((_, known)) if known.is_blank() => *known = template,
            Some(_) if template.is_blank() => {}
            Some(_) => {
                let message = format!("template: multiple definition of template {name:?}");
                return Err((self.peek().offset, message));
            }
        }
        Ok(())
    }

    fn name(&mut self, context: &str) -> Parsed<Arc<str>> {
        let token = self.next();
        match token.kind {
            Kind::Str | Kind::RawStr => unquote(token),
            _ => Self::unexpected(token, context),
        }
    }

    fn close(&mut self, context: &str) -> Parsed<()> {
        let token = self.next();
        if token.kind == Kind::Close {
            Ok(())
        } else {
            Self::unexpected(token, context)
        }
    }

    /// Nodes up to an `end`, an `else` or the end of the text.
    fn list(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        self.deeper(self.peek())?;
        let mut nodes = Vec::new();
        let ending = loop {
            if self.peek().kind == Kind::End {
                break Ending::Text;
            }
            if let Some(ending) = self.text_or_action(&mut nodes)? {
                break ending;
            }
        };
        self.nesting -= 1;
        Ok((nodes, ending))
    }

    fn text_or_action(&mut self, nodes: &mut Vec<Node>) -> Parsed<Option<Ending>> {
        let token = self.next();
        match token.kind {
            Kind::Text => {
                nodes.push(Node::Text(Arc::from(token.text)));
                Ok(None)
            }
            Kind::Open => self.action(nodes),
            _ => Self::unexpected(token, "input"),
        }
    }

    fn action(&mut self, nodes: &mut Vec<Node>) -> Parsed<Option<Ending>> {
        let token = self.peek();
        if token.kind != Kind::Keyword {
            // Variables declared here stay in scope up to the end of the block.
            let pipeline = self.pipeline("command", Kind::Close)?;
            nodes.push(Node::Action(pipeline));
            return Ok(None);
        }
        self.next();
        match token.text {
            "end" => {
                self.close("end")?;
                return Ok(Some(Ending::End));
            }
            "else" => {
                // `else if` and `else with` leave the rest to whoever reads the branch.
                let next = self.peek();
                if !(next.kind == Kind::Keyword && matches!(next.text, "if" | "with")) {
                    self.close("else")?;
                }
                return Ok(Some(Ending::Else));
            }
            "if" => nodes.push(Node::If(self.branch("if", token)?)),
            "with" => nodes.push(Node::With(self.branch("with", token)?)),
            "range" => nodes.push(Node::Range(self.branch("range", token)?)),
            "template" => nodes.push(self.template()?),
            "block" => nodes.push(self.block(token)?),
            "break" | "continue" => {
                self.close(token.text)?;
                if self.loops == 0 {
                    return Self::fail(token, format!("{{{{{}}}}} outside {{{{range}}}}", token.text));
                }
                nodes.push(if token.text == "break" {
                    Node::Break
                } else {
                    Node::Continue
                });
            }
            _ => return Self::unexpected(token, "command"),
        }
        Ok(None)
    }

    fn branch(&mut self, context: &'static str, keyword: &Token<'_>) -> Parsed<Branch> {
        self.deeper(keyword)?;
        let scope = self.variables.len();
        let pipeline = self.pipeline(context, Kind::Close)?;
        let is_loop = usize::from(context == "range");
        self.loops += is_loop;
        let (body, mut ending) = self.list()?;
        self.loops -= is_loop;
        let mut otherwise = None;
        if ending == Ending::Else {
            let next = self.peek();
            if next.kind == Kind::Keyword && matches!((context, next.text), ("if", "if") | ("with", "with")) {
                // The inner branch takes the `end` of both.
                self.next();
                otherwise = Some(vec![if context == "if" {
                    Node::If(self.branch("if", next)?)
                } else {
                    Node::With(self.branch("with", next)?)
                }]);
                ending = Ending::End;
            } else if next.kind == Kind::Keyword && self.tokens[self.position - 1].text == "else" {
                return Self::unexpected(next, "else");
            } else {
                let (nodes, next_ending) = self.list()?;
                otherwise = Some(nodes);
                ending = next_ending;
                if ending == Ending::Else {
                    return Self::fail(self.peek(), "expected end; found {{else}}");
                }
            }
        }
        if ending == Ending::Text {
            return Self::fail(self.peek(), "unexpected EOF");
        }
        self.variables.truncate(scope);
        self.nesting -= 1;
        Ok(Branch {
            pipeline,
            body,
            otherwise,
        })
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let offset = self.peek().offset as u32;
        let name = self.name(CONTEXT)?;
        let pipeline = if self.peek().kind == Kind::Close {
            self.next();
            None
        } else {
            Some(self.pipeline(CONTEXT, Kind::Close)?)
        };
        Ok(Node::Template {
            offset,
            name,
            pipeline,
        })
    }

    fn block(&mut self, keyword: &Token<'_>) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let offset = self.peek().offset as u32;
        let name = self.name(CONTEXT)?;
        let pipeline = self.pipeline(CONTEXT, Kind::Close)?;
        let outer = std::mem::replace(&mut self.variables, vec![Arc::from("$")]);
        let loops = std::mem::take(&mut self.loops);
        let (body, ending) = self.list()?;
        self.variables = outer;
        self.loops = loops;
        match ending {
            Ending::End => {}
            Ending::Else => return Self::fail(keyword, format!("unexpected {{{{else}}}} in {CONTEXT}")),
            Ending::Text => return Self::fail(self.peek(), "unexpected EOF"),
        }
        self.define(Arc::clone(&name), body)?;
        Ok(Node::Template {
            offset,
            name,
            pipeline: Some(pipeline),
        })
    }

    /// A pipeline with its closing token: `}}` or `)`.
    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipeline> {
        let start = self.peek();
        let mut pipeline = Pipeline {
            offset: start.offset as u32,
            assigns: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(context, &mut pipeline)?;
        loop {
            let token = self.peek();
            if token.kind == end {
                self.next();
                break;
            }
            match token.kind {
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawStr
                | Kind::Str
                | Kind::Variable
                | Kind::LeftParen => {
                    let command = self.command()?;
                    pipeline.commands.push(command);
                }
                _ => return Self::unexpected(token, context),
            }
        }
        if pipeline.commands.is_empty() {
            return Self::fail(start, format!("missing value for {context}"));
        }
        for (index, command) in pipeline.commands.iter().enumerate().skip(1) {
            let executable = command.operands.first().is_some_and(|operand| {
                !matches!(
                    operand.term,
                    Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Str { .. }
                )
            });
            if !executable {
                return Self::fail(
                    start,
                    format!("non executable command in pipeline stage {}", index + 1),
                );
            }
        }
        Ok(pipeline)
    }

    /// `$x :=`, `$x =`, and for `range` `$i, $x :=`.
    fn declarations(&mut self, context: &str, pipeline: &mut Pipeline) -> Parsed<()> {
        while self.peek().kind == Kind::Variable {
            let variable = self.peek();
            let after = &self.tokens[self.position + 1];
            match after.kind {
                Kind::Assign | Kind::Declare => {
                    pipeline.assigns = after.kind == Kind::Assign;
                    self.position += 2;
                    self.declare(variable, pipeline)?;
                    return Ok(());
                }
                Kind::Comma => {
                    self.position += 2;
                    self.declare(variable, pipeline)?;
                    if context != "range" || pipeline.variables.len() > 1 {
                        return Self::fail(variable, format!("too many declarations in {context}"));
                    }
                    if self.peek().kind != Kind::Variable {
                        return Self::fail(variable, "range can only initialize variables");
                    }
                }
                _ if pipeline.variables.is_empty() => return Ok(()),
                _ => return Self::fail(variable, "range can only initialize variables"),
            }
        }
        Ok(())
    }

    fn declare(&mut self, variable: &Token<'_>, pipeline: &mut Pipeline) -> Parsed<()> {
        let name: Arc<str> = Arc::from(variable.text);
        if pipeline.assigns {
            self.check_variable(variable)?;
        } else {
            self.variables.push(Arc::clone(&name));
        }
        pipeline.variables.push(name);
        Ok(())
    }

    fn check_variable(&self, token: &Token<'_>) -> Parsed<()> {
        if self.variables.iter().any(|known| **known == *token.text) {
            return Ok(());
        }
        Self::fail(token, format!("undefined variable {:?}", token.text))
    }

    fn command(&mut self) -> Parsed<Command> {
        let offset = self.peek().offset as u32;
        let mut operands = Vec::new();
        while let Some(operand) = self.operand()? {
            operands.push(operand);
            let token = self.peek();
            match token.kind {
                Kind::Pipe => {
                    self.next();
                    break;
                }
                Kind::Close | Kind::RightParen => break,
                _ if token.spaced => {}
                _ => return Self::unexpected(token, "operand"),
            }
        }
        if operands.is_empty() {
            return Self::fail(self.peek(), "empty command");
        }
        Ok(Command { offset, operands })
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut operand) = self.term()? else {
            return Ok(None);
        };
        let mut fields: Vec<Arc<str>> = Vec::new();
        // Errors about a chain point at its first link behind the start.
        let chain_offset = self.peek().offset as u32;
        while self.peek().kind == Kind::Field && !self.peek().spaced {
            fields.push(Arc::from(&self.next().text[1..]));
        }
        if fields.is_empty() {
            return Ok(Some(operand));
        }
        match &mut operand.term {
            Term::Field(own) | Term::Variable(_, own) => {
                own.extend(fields);
                operand.offset = chain_offset;
            }
            Term::Bool(_) | Term::Str { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                let message = format!("unexpected . after term {:?}", operand.to_string());
                return Self::fail(self.peek(), message);
            }
            _ => {
                operand = Operand {
                    offset: chain_offset,
                    term: Term::Chain(Box::new(operand), fields),
                };
            }
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.peek();
        let term = match token.kind {
            Kind::Identifier => {
                let Some(function) = functions::find(token.text) else {
                    return Self::fail(token, format!("function {:?} not defined", token.text));
                };
                Term::Function(function)
            }
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                self.check_variable(token)?;
                Term::Variable(Arc::from(token.text), Vec::new())
            }
            Kind::Field => Term::Field(vec![Arc::from(&token.text[1..])]),
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::Char | Kind::Number => number(token)?,
            Kind::Str | Kind::RawStr => Term::Str {
                written: Arc::from(token.text),
                value: unquote(token)?,
            },
            Kind::LeftParen => {
                self.next();
                self.deeper(token)?;
                let pipeline = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.nesting -= 1;
                return Ok(Some(Operand {
                    offset: pipeline.offset,
                    term: Term::Pipeline(Box::new(pipeline)),
                }));
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(Operand {
            offset: token.offset as u32,
            term,
        }))
    }
}
