//! From what is written to what can be evaluated: names get their meaning, macros become loops.

use crate::functions::{self, Builtin, Style};
use crate::parse::{Access, Ast, Form, Literal, Operator, Unreadable, dotted, parse};
use crate::regexes::Pattern;

/// An expression, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) node: Node,
    /// A function that is not here: whatever the expression says, it cannot be judged.
    pub missing: Option<String>,
    /// As it was written.
    pub text: String,
}

/// A variable that is there without being declared, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root(pub &'static str);

/// Finds a function that is neither CEL's nor Kubernetes' own: its name, and the number by which it is called.
pub type Library = fn(&str, Style) -> Option<(&'static str, usize)>;

/// What an expression may name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'e> {
    /// Variables that are there without being declared.
    pub roots: &'e [Root],
    /// Those that were declared, as `variables.name`.
    pub variables: &'e [String],
    /// Functions of whoever evaluates.
    pub library: Option<Library>,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Literal(Literal),
    Root(Root),
    Variable(usize),
    Local(usize),
    Type(&'static str),
    Select(Box<Node>, String, Access),
    Has(Box<Node>, String),
    Index(Box<(Node, Node)>, Access),
    Call(Box<Call>),
    List(Vec<(Node, Access)>),
    Map(Vec<(Node, Node, Access)>),
    Message(String, Vec<(String, Node, Access)>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<(Node, Node)>),
    All(Vec<Node>),
    Any(Vec<Node>),
    If(Box<(Node, Node, Node)>),
    Fold(Box<Fold>),
    Bind(usize, Box<(Node, Node)>),
    OptionalMap(usize, Flat, Box<(Node, Node)>),
    /// `or` and `orValue`, which need their argument only when there is nothing before it.
    Or(Flat, Box<(Node, Node)>),
}

/// Whether what an argument makes is an optional already: that of `optFlatMap`, `or`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flat {
    Yes,
    No,
}

/// Where a function is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Run {
    Here(Builtin),
    /// At the host, under this number.
    Host(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
    pub(crate) arguments: Vec<Node>,
    /// The pattern, when it is written out.
    pub(crate) pattern: Option<Pattern>,
}

/// A loop over a list or map.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    pub(crate) kind: FoldKind,
    pub(crate) over: Node,
    /// The place of its variable, or the first of its two.
    pub(crate) slot: usize,
    pub(crate) two: bool,
    pub(crate) filter: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoldKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    TransformMap,
    TransformMapEntry,
    SortBy,
}

impl Program {
    /// Reads an expression that may name these.
    pub fn compile(text: &str, names: Names<'_>) -> Result<Program, Unreadable> {
        let ast = parse(text)?;
        let mut compiler = Compiler {
            text,
            names,
            locals: Vec::new(),
            missing: None,
        };
        let node = compiler.node(ast)?;
        Ok(Program {
            node,
            missing: compiler.missing,
            text: text.to_owned(),
        })
    }
}

struct Compiler<'e> {
    text: &'e str,
    names: Names<'e>,
    locals: Vec<String>,
    missing: Option<String>,
}

type Compiled = Result<Node, Unreadable>;

/// Types that have a name of their own, which is a value too.
pub(crate) const TYPES: [&str; 11] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "optional_type",
];

impl Compiler<'_> {
    fn refuse(&self, at: usize, reason: impl Into<String>) -> Unreadable {
        Unreadable::at(self.text, at, reason)
    }

    fn boxed(&mut self, ast: Ast) -> Result<Box<Node>, Unreadable> {
        self.node(ast).map(Box::new)
    }

    fn nodes(&mut self, asts: Vec<Ast>) -> Result<Vec<Node>, Unreadable> {
        asts.into_iter().map(|ast| self.node(ast)).collect()
    }

    fn node(&mut self, ast: Ast) -> Compiled {
        let at = ast.at;
        Ok(match ast.form {
            Form::Literal(literal) => Node::Literal(literal),
            Form::Name(name) => self.name(at, &name)?,
            Form::Select(inner, field, access) => self.select(at, *inner, field, access)?,
            Form::Index(left, right, access) => {
                Node::Index(Box::new((self.node(*left)?, self.node(*right)?)), access)
            }
            Form::Call(target, name, arguments) => self.call(at, target, &name, arguments)?,
            Form::List(items) => Node::List(
                items
                    .into_iter()
                    .map(|(item, access)| Ok((self.node(item)?, access)))
                    .collect::<Result<_, Unreadable>>()?,
            ),
            Form::Map(entries) => Node::Map(
                entries
                    .into_iter()
                    .map(|(key, value, access)| Ok((self.node(key)?, self.node(value)?, access)))
                    .collect::<Result<_, Unreadable>>()?,
            ),
            Form::Message(name, fields) => self.message(at, name, fields)?,
            Form::Not(inner) => Node::Not(self.boxed(*inner)?),
            Form::Negate(inner) => Node::Negate(self.boxed(*inner)?),
            Form::Binary(operator, left, right) => {
                Node::Binary(operator, Box::new((self.node(*left)?, self.node(*right)?)))
            }
            Form::All(terms) => Node::All(self.nodes(terms)?),
            Form::Any(terms) => Node::Any(self.nodes(terms)?),
            Form::If(condition, yes, no) => Node::If(Box::new((
                self.node(*condition)?,
                self.node(*yes)?,
                self.node(*no)?,
            ))),
        })
    }

    /// A name with dots in it that no variable of a loop stands before; without a dot at its beginning.
    fn outermost(&self, ast: &Ast) -> Option<String> {
        let name = dotted(ast)?;
        if let Some(name) = name.strip_prefix('.') {
            return Some(name.to_owned());
        }
        let first = name.split('.').next().unwrap_or_default();
        self.local(first).is_none().then_some(name)
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|local| local == name)
    }

    fn name(&mut self, at: usize, name: &str) -> Compiled {
        let outermost = name.strip_prefix('.');
        if let Some(slot) = self.local(name).filter(|_| outermost.is_none()) {
            return Ok(Node::Local(slot));
        }
        let name = outermost.unwrap_or(name);
        if let Some(root) = self.names.roots.iter().find(|root| root.0 == name) {
            return Ok(Node::Root(*root));
        }
        if let Some(name) = TYPES.into_iter().find(|known| *known == name) {
            return Ok(Node::Type(name));
        }
        if name == "variables" && !self.names.variables.is_empty() {
            return Err(self.refuse(at, "variables is no value by itself; name one of them"));
        }
        Err(self.refuse(at, format!("there is no variable {name}")))
    }

    fn select(&mut self, at: usize, inner: Ast, field: String, access: Access) -> Compiled {
        if let Some(name) = self.outermost(&inner) {
            if name == "variables" {
                let index = self
                    .names
                    .variables
                    .iter()
                    .position(|variable| *variable == field);
                let index = index
                    .ok_or_else(|| self.refuse(at, format!("there is no variable variables.{field}")))?;
                return Ok(Node::Variable(index));
            }
            match (name.as_str(), field.as_str()) {
                ("google.protobuf", "Timestamp") => return Ok(Node::Type("google.protobuf.Timestamp")),
                ("google.protobuf", "Duration") => return Ok(Node::Type("google.protobuf.Duration")),
                ("net", "IP") => return Ok(Node::Type("net.IP")),
                ("net", "CIDR") => return Ok(Node::Type("net.CIDR")),
                ("kubernetes", "Quantity") => return Ok(Node::Type("kubernetes.Quantity")),
                ("kubernetes", "Semver") => return Ok(Node::Type("kubernetes.Semver")),
                ("kubernetes", "URL") => return Ok(Node::Type("kubernetes.URL")),
                _ => {}
            }
        }
        Ok(Node::Select(self.boxed(inner)?, field, access))
    }

    fn message(&mut self, at: usize, name: String, fields: Vec<(String, Ast, Access)>) -> Compiled {
        let name = name.strip_prefix('.').map(str::to_owned).unwrap_or(name);
        if name != "Object" && !name.starts_with("Object.") && name != "JSONPatch" {
            return Err(self.refuse(at, format!("there is no type {name}")));
        }
        let fields = fields
            .into_iter()
            .map(|(field, value, access)| Ok((field, self.node(value)?, access)))
            .collect::<Result<_, Unreadable>>()?;
        Ok(Node::Message(name, fields))
    }

    fn call(&mut self, at: usize, target: Option<Box<Ast>>, name: &str, arguments: Vec<Ast>) -> Compiled {
        let Some(target) = target else {
            if name == "has" {
                return self.has(at, arguments);
            }
            let arguments = self.nodes(arguments)?;
            return Ok(self.builtin(name, Style::Plain, arguments));
        };
        // `math.ceil(x)` is a function of that name, unless `math` is a variable.
        if let Some(prefix) = self.outermost(&target) {
            let whole = format!("{prefix}.{name}");
            if whole == "cel.bind" {
                return self.bind(at, arguments);
            }
            if self.find(&whole, Style::Plain).is_some() {
                let arguments = self.nodes(arguments)?;
                return Ok(self.builtin(&whole, Style::Plain, arguments));
            }
            let known = self
                .name(at, prefix.split('.').next().unwrap_or_default())
                .is_ok()
                || prefix.starts_with("variables.");
            if !known {
                self.missing.get_or_insert_with(|| whole.clone());
                return Ok(Node::Literal(Literal::Null));
            }
        }
        if let Some(node) = self.fold(at, &target, name, &arguments)? {
            return Ok(node);
        }
        if let ("or" | "orValue", [other]) = (name, arguments.as_slice()) {
            let flat = if name == "or" { Flat::Yes } else { Flat::No };
            let pair = (self.node(*target)?, self.node(other.clone())?);
            return Ok(Node::Or(flat, Box::new(pair)));
        }
        let mut all = vec![self.node(*target)?];
        all.extend(self.nodes(arguments)?);
        Ok(self.builtin(name, Style::Method, all))
    }

    fn find(&self, name: &str, style: Style) -> Option<(&'static str, Run)> {
        let here = functions::find(name, style).map(|(name, run)| (name, Run::Here(run)));
        here.or_else(|| {
            let (name, number) = self.names.library?(name, style)?;
            Some((name, Run::Host(number)))
        })
    }

    fn builtin(&mut self, name: &str, style: Style, arguments: Vec<Node>) -> Node {
        let Some((name, run)) = self.find(name, style) else {
            self.missing.get_or_insert_with(|| name.to_owned());
            return Node::Literal(Literal::Null);
        };
        let pattern = match (functions::takes_pattern(name), arguments.get(1)) {
            (true, Some(Node::Literal(Literal::Text(pattern)))) => Pattern::new(pattern),
            _ => None,
        };
        Node::Call(Box::new(Call {
            name,
            run,
            arguments,
            pattern,
        }))
    }

    fn has(&mut self, at: usize, arguments: Vec<Ast>) -> Compiled {
        let mut arguments = arguments.into_iter();
        match (arguments.next().map(|ast| ast.form), arguments.next()) {
            (Some(Form::Select(inner, field, Access::Plain)), None) => {
                if self.outermost(&inner).as_deref() == Some("variables") {
                    let there = self.names.variables.contains(&field);
                    return Ok(Node::Literal(Literal::Bool(there)));
                }
                Ok(Node::Has(self.boxed(*inner)?, field))
            }
            _ => Err(self.refuse(at, "has() is asked about one field: has(object.spec)")),
        }
    }

    fn bind(&mut self, at: usize, arguments: Vec<Ast>) -> Compiled {
        let Ok([variable, init, body]) = <[Ast; 3]>::try_from(arguments) else {
            return Err(self.refuse(at, "cel.bind() takes a name, its value and an expression"));
        };
        let init = self.node(init)?;
        let slot = self.locals.len();
        self.variable(&variable)?;
        let body = self.node(body);
        self.locals.pop();
        Ok(Node::Bind(slot, Box::new((init, body?))))
    }

    /// A macro that is a loop, if this is one.
    fn fold(
        &mut self,
        at: usize,
        target: &Ast,
        name: &str,
        arguments: &[Ast],
    ) -> Result<Option<Node>, Unreadable> {
        let (kind, variables, filtered) = match (name, arguments.len()) {
            ("all", 2) => (FoldKind::All, 1, false),
            ("all", 3) => (FoldKind::All, 2, false),
            ("exists", 2) => (FoldKind::Exists, 1, false),
            ("exists", 3) => (FoldKind::Exists, 2, false),
            ("exists_one" | "existsOne", 2) => (FoldKind::ExistsOne, 1, false),
            ("exists_one" | "existsOne", 3) => (FoldKind::ExistsOne, 2, false),
            ("map", 2) => (FoldKind::Map, 1, false),
            ("map", 3) => (FoldKind::Map, 1, true),
            ("filter", 2) => (FoldKind::Filter, 1, false),
            ("transformList", 3) => (FoldKind::Map, 2, false),
            ("transformList", 4) => (FoldKind::Map, 2, true),
            ("transformMap", 3) => (FoldKind::TransformMap, 2, false),
            ("transformMap", 4) => (FoldKind::TransformMap, 2, true),
            ("transformMapEntry", 3) => (FoldKind::TransformMapEntry, 2, false),
            ("transformMapEntry", 4) => (FoldKind::TransformMapEntry, 2, true),
            ("sortBy", 2) => (FoldKind::SortBy, 1, false),
            ("optMap" | "optFlatMap", 2) => {
                let over = self.node(target.clone())?;
                let slot = self.locals.len();
                self.variable(&arguments[0])?;
                let body = self.node(arguments[1].clone());
                self.locals.pop();
                let flat = if name == "optMap" { Flat::No } else { Flat::Yes };
                return Ok(Some(Node::OptionalMap(slot, flat, Box::new((over, body?)))));
            }
            ("all" | "exists" | "exists_one" | "existsOne" | "map" | "filter", _) => {
                return Err(self.refuse(at, format!("{name}() takes a name and an expression")));
            }
            _ => return Ok(None),
        };
        let over = self.node(target.clone())?;
        let slot = self.locals.len();
        for variable in &arguments[..variables] {
            self.variable(variable)?;
        }
        let filter = filtered
            .then(|| self.node(arguments[variables].clone()))
            .transpose()?;
        let body = self.node(arguments[variables + usize::from(filtered)].clone())?;
        self.locals.truncate(slot);
        Ok(Some(Node::Fold(Box::new(Fold {
            kind,
            over,
            slot,
            two: variables == 2,
            filter,
            body,
        }))))
    }

    fn variable(&mut self, ast: &Ast) -> Result<(), Unreadable> {
        match &ast.form {
            Form::Name(name) if !name.starts_with('.') => {
                self.locals.push(name.clone());
                Ok(())
            }
            _ => Err(self.refuse(ast.at, "a plain name is expected here")),
        }
    }
}
