//! What an expression says, as a tree, before any name in it has a meaning. How it is written is not known here.

use super::Parsed;

/// How deep an expression may nest, once all is counted.
pub(super) const MAX_DEPTH: usize = 160;

/// A tree, or a part of one.
#[derive(Debug, Clone)]
pub(crate) struct Ast {
    /// Where it stands, in bytes: what joins its parts, if something does, else its beginning.
    pub(crate) at: usize,
    depth: usize,
    pub(crate) form: Form,
}

#[derive(Debug, Clone)]
pub(crate) enum Form {
    Literal(Literal),
    Name(String),
    Select(Box<Ast>, String, Access),
    Index(Box<Ast>, Box<Ast>, Access),
    Call(Option<Box<Ast>>, String, Vec<Ast>),
    List(Vec<(Ast, Access)>),
    Map(Vec<(Ast, Ast, Access)>),
    Message(String, Vec<(String, Ast, Access)>),
    Not(Box<Ast>),
    Negate(Box<Ast>),
    Binary(Operator, Box<Ast>, Box<Ast>),
    All(Vec<Ast>),
    Any(Vec<Ast>),
    If(Box<Ast>, Box<Ast>, Box<Ast>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Whether something may be missing: `.?`, `[?`, `{?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Plain,
    Optional,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Ast {
    /// Whether something holds for this or any part of it.
    pub(crate) fn any(&self, holds: &impl Fn(&Ast) -> bool) -> bool {
        let all = |asts: &[Ast]| asts.iter().any(|ast| ast.any(holds));
        holds(self)
            || match &self.form {
                Form::Literal(_) | Form::Name(_) => false,
                Form::Select(inner, ..) | Form::Not(inner) | Form::Negate(inner) => inner.any(holds),
                Form::Index(left, right, _) | Form::Binary(_, left, right) => {
                    left.any(holds) || right.any(holds)
                }
                Form::Call(target, _, arguments) => {
                    target.as_ref().is_some_and(|target| target.any(holds)) || all(arguments)
                }
                Form::List(items) => items.iter().any(|(item, _)| item.any(holds)),
                Form::Map(entries) => entries
                    .iter()
                    .any(|(key, value, _)| key.any(holds) || value.any(holds)),
                Form::Message(_, fields) => fields.iter().any(|(_, value, _)| value.any(holds)),
                Form::All(terms) | Form::Any(terms) => all(terms),
                Form::If(condition, yes, no) => condition.any(holds) || yes.any(holds) || no.any(holds),
            }
    }
}

/// `a.b.c` as one name, when it is nothing but that.
pub(crate) fn dotted(value: &Ast) -> Option<String> {
    match &value.form {
        Form::Name(name) => Some(name.clone()),
        Form::Select(inner, field, Access::Plain) => Some(format!("{}.{field}", dotted(inner)?)),
        _ => None,
    }
}

/// A tree of parts that are trees already, unless it would be too deep.
pub(super) fn ast(at: usize, form: Form) -> Parsed<Ast> {
    let below = match &form {
        Form::Literal(_) | Form::Name(_) => 0,
        Form::Select(inner, _, _) | Form::Not(inner) | Form::Negate(inner) => inner.depth,
        Form::Index(left, right, _) | Form::Binary(_, left, right) => left.depth.max(right.depth),
        Form::Call(target, _, arguments) => {
            deepest(arguments).max(target.as_ref().map_or(0, |target| target.depth))
        }
        Form::List(items) => items.iter().map(|(item, _)| item.depth).max().unwrap_or(0),
        Form::Map(entries) => entries
            .iter()
            .map(|(key, value, _)| key.depth.max(value.depth))
            .max()
            .unwrap_or(0),
        Form::Message(_, fields) => fields.iter().map(|(_, value, _)| value.depth).max().unwrap_or(0),
        Form::All(terms) | Form::Any(terms) => deepest(terms),
        Form::If(condition, yes, no) => condition.depth.max(yes.depth).max(no.depth),
    };
    if below >= MAX_DEPTH {
        return Err((at, "the expression nests too deep".to_owned()));
    }
    Ok(Ast {
        at,
        depth: below + 1,
        form,
    })
}

fn deepest(terms: &[Ast]) -> usize {
    terms.iter().map(|term| term.depth).max().unwrap_or(0)
}
