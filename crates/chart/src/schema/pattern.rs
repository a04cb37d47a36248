//! The keyword `pattern`: read with the schema, compiled when the first text meets it. Most values of a chart meet few
//! of the patterns of its schema, and compiling one costs more than all else about it.

use std::sync::OnceLock;

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value as Json};

use crate::functions::in_syntax_of_rust;

/// How large a compiled pattern may be.
const SIZE_LIMIT: usize = 10 << 20;

struct Pattern {
    written: String,
    translated: String,
    compiled: OnceLock<Result<Regex, String>>,
}

/// Reads a pattern; Go's meaning of it, as Helm has it.
pub(super) fn keyword<'a>(
    _parent: &'a Map<String, Json>,
    value: &'a Json,
    _path: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let unfit = || ValidationError::custom(format!("{value} is not a \"regex\""));
    let written = value.as_str().ok_or_else(unfit)?;
    let translated = in_syntax_of_rust(written).map_err(|_| unfit())?;
    regex_syntax::ast::parse::Parser::new()
        .parse(&translated)
        .map_err(|_| unfit())?;
    Ok(Box::new(Pattern {
        written: written.to_owned(),
        translated,
        compiled: OnceLock::new(),
    }))
}

impl Pattern {
    /// What is wrong with a text by the pattern.
    fn problem(&self, instance: &Json) -> Option<String> {
        let text = instance.as_str()?;
        let compile = || {
            RegexBuilder::new(&self.translated)
                .size_limit(SIZE_LIMIT)
                .build()
                .map_err(|_| format!("{:?} is not a \"regex\"", self.written))
        };
        match self.compiled.get_or_init(compile) {
            Ok(regex) if regex.is_match(text) => None,
            Ok(_) => Some(format!("{instance} does not match {:?}", self.written)),
            Err(why) => Some(why.clone()),
        }
    }
}

impl<'i> Keyword<'i> for Pattern {
    fn validate(&self, instance: &'i Json) -> Result<(), ValidationError<'i>> {
        self.problem(instance)
            .map_or(Ok(()), |why| Err(ValidationError::custom(why)))
    }

    fn is_valid(&self, instance: &'i Json) -> bool {
        self.problem(instance).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(pattern: &str, value: &Json, expect: &str) {
        let validator = jsonschema::options()
            .with_keyword("pattern", keyword)
            .build(&json!({"pattern": pattern}));
        let found = match validator {
            Err(error) => format!("unfit: {error}"),
            Ok(validator) => match validator.validate(value) {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            },
        };
        assert_eq!(found, expect, "{pattern} {value}");
    }

    #[test]
    fn patterns_mean_what_go_means() {
        check("^[a-z]+$", &json!("abc"), "");
        check("^[a-z]+$", &json!("a1"), "\"a1\" does not match \"^[a-z]+$\"");
        check("^[a-z]+$", &json!(1), "");
        check("b", &json!("abc"), "");
        check("^\\d$", &json!("٣"), "\"٣\" does not match \"^\\\\d$\"");
        check("^\\s$", &json!("\t"), "");
        check("a(?=b)", &json!("ab"), "unfit: \"a(?=b)\" is not a \"regex\"");
        check("(", &json!("ab"), "unfit: \"(\" is not a \"regex\"");
        check("[", &json!(1), "unfit: \"[\" is not a \"regex\"");
    }
}
