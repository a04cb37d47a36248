//! How keys and values of a tree are written: `~name.` before what is meant, `->name` behind it, parentheses around an
//! expression, backslashes around what only looks like one.

/// A key or a value, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written<'a> {
    /// Every item is meant.
    pub(super) each: bool,
    /// The variable that the place of an item becomes.
    pub(super) index: Option<&'a str>,
    pub(super) variable: Option<&'a str>,
    /// The field, where there is no expression.
    pub(super) field: &'a str,
    pub(super) expression: Option<&'a str>,
}

impl<'a> Written<'a> {
    pub(super) fn of(text: &'a str) -> Written<'a> {
        let mut written = Written::default();
        let mut rest = text;
        if let Some((name, below)) = each(rest) {
            written.each = true;
            written.index = (!name.is_empty()).then_some(name);
            rest = below;
        }
        if let Some((before, name)) = variable(rest) {
            written.variable = Some(name);
            rest = before;
        }
        if let Some(plain) = between(rest, '\\', '\\') {
            rest = plain;
        } else if let Some(inner) = between(rest, '(', ')') {
            written.expression = Some(without_engine(inner));
        }
        if rest.is_empty() {
            // Nothing is left that could be a field: the text stands for itself.
            return Written {
                field: text,
                ..Written::default()
            };
        }
        written.field = rest;
        written
    }
}

fn is_word(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `~name.rest`.
fn each(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('~')?.split_once('.')?;
    is_word(name).then_some((name, one_line(rest)))
}

/// `rest->name`.
fn variable(text: &str) -> Option<(&str, &str)> {
    let (before, name) = text.rsplit_once("->")?;
    let name = name.trim_start();
    (!name.is_empty() && is_word(name)).then_some((before, name))
}

fn between(text: &str, first: char, last: char) -> Option<&str> {
    let inner = text.strip_prefix(first)?.strip_suffix(last)?;
    (!inner.is_empty()).then_some(inner)
}

/// An expression without the name of a language before it; there is but one.
fn without_engine(text: &str) -> &str {
    match text.split_once(':') {
        Some((engine, rest)) if !engine.is_empty() && !rest.is_empty() && is_word(engine) => rest,
        _ => text,
    }
}

/// A text up to its first line break.
fn one_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart() {
        let check = |text: &str, each: Option<&str>, variable: Option<&str>, what: Result<&str, &str>| {
            let written = Written::of(text);
            let got = written.expression.ok_or(written.field);
            assert_eq!(
                (
                    written.each.then_some(written.index.unwrap_or_default()),
                    written.variable,
                    got
                ),
                (each, variable, what),
                "{text}"
            );
        };
        check("spec", None, None, Err("spec"));
        check("(spec)", None, None, Ok("spec"));
        check("(jp:spec)", None, None, Ok("spec"));
        check("({a: b})", None, None, Ok("{a: b}"));
        check("~.spec", Some(""), None, Err("spec"));
        check("~i.(a.b)", Some("i"), None, Ok("a.b"));
        check("(a)->x", None, Some("x"), Ok("a"));
        check("a->x", None, Some("x"), Err("a"));
        check("~.a-> x", Some(""), Some("x"), Err("a"));
        check("(a) ->x", None, Some("x"), Err("(a) "));
        check("\\(a)\\", None, None, Err("(a)"));
        check("~a", None, None, Err("~a"));
        check("~a-b.c", None, None, Err("~a-b.c"));
        check("()", None, None, Err("()"));
        check("(a", None, None, Err("(a"));
        check("->x", None, None, Err("->x"));
        check("", None, None, Err(""));
    }
}
