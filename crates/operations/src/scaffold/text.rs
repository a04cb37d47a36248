//! The two rules by which a scaffold becomes source code: parts that stay or go, and words that are replaced.
//! `scaffolds/README.md` is their specification. Knows nothing of where scaffolds come from. No I/O.

use api::Name;

/// What a scaffold is filled with. Names and numbers only: letters, digits and inner hyphens are safe in every
/// language, between any quotes, and can hold no placeholder and no marker.
#[derive(Clone, Debug)]
pub(crate) struct ScaffoldValues {
    name: Name,
    team: Name,
    environment: Name,
    port: u16,
    database: bool,
    cache: bool,
}

impl ScaffoldValues {
    pub(crate) fn new(name: &Name, team: &Name, environment: &Name, port: u16) -> Self {
        Self {
            name: name.clone(),
            team: team.clone(),
            environment: environment.clone(),
            port,
            database: false,
            cache: false,
        }
    }

    pub(crate) fn with(mut self, database: bool, cache: bool) -> Self {
        self.database = database;
        self.cache = cache;
        self
    }

    fn has(&self, part: &str) -> Option<bool> {
        match part {
            "database" => Some(self.database),
            "cache" => Some(self.cache),
            _ => None,
        }
    }
}

/// A mistake in a scaffold's file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// What a line says to us.
enum Line<'a> {
    Text,
    File(&'a str),
    If(&'a str),
    End,
    Unknown(&'a str),
}

const MARK: &str = "scaffold:";

fn read(line: &str) -> Line<'_> {
    let Some((_, said)) = line.split_once(MARK) else {
        return Line::Text;
    };
    let said = said.trim_end();
    let said = said.strip_suffix("-->").map_or(said, str::trim_end);
    if said == "end" {
        Line::End
    } else if let Some(parts) = said.strip_prefix("if ") {
        Line::If(parts)
    } else if let Some(parts) = said.strip_prefix("file if ") {
        Line::File(parts)
    } else {
        Line::Unknown(said)
    }
}

/// The text with only what the service has; `None` when the whole file is left out.
pub(super) fn select(text: &str, values: &ScaffoldValues) -> Result<Option<String>, Mistake> {
    let mut kept = String::with_capacity(text.len());
    // The line where the open block began, and whether it stays.
    let mut block: Option<(usize, bool)> = None;
    let mut file = true;
    let mut headed = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let mistake = |why: String| Mistake { line: number, why };
        match (read(line), block) {
            (Line::File(parts), _) if index == 0 => {
                file = applies(parts, values).map_err(mistake)?;
                headed = true;
            }
            (Line::File(_), _) => {
                return Err(mistake(format!("{MARK}file stands in the first line or nowhere")));
            }
            (Line::If(parts), None) => block = Some((number, applies(parts, values).map_err(mistake)?)),
            (Line::If(_), Some((begun, _))) => {
                return Err(mistake(format!(
                    "a block inside the block that begins in line {begun}; blocks do not nest"
                )));
            }
            (Line::End, Some(_)) => block = None,
            (Line::End, None) => return Err(mistake(format!("{MARK}end without a {MARK}if before it"))),
            (Line::Unknown(said), _) => {
                let said: String = said.chars().take(40).collect();
                return Err(mistake(format!(
                    "\"{MARK}{}\" is neither {MARK}if, {MARK}end nor {MARK}file if",
                    said.escape_default()
                )));
            }
            // The line that set the marker apart goes with it.
            (Line::Text, _) if index == 1 && headed && line.trim().is_empty() => {}
            (Line::Text, Some((_, false))) => {}
            (Line::Text, _) => kept.push_str(line),
        }
    }
    match block {
        Some((begun, _)) => Err(Mistake {
            line: begun,
            why: format!("the block that begins here has no {MARK}end"),
        }),
        None => Ok(file.then_some(kept)),
    }
}

/// Whether a condition holds: parts joined by `or` or by `and`, each with `no` before it or not.
fn applies(condition: &str, values: &ScaffoldValues) -> Result<bool, String> {
    let or = condition.contains(" or ");
    let mut holds = !or;
    for part in condition.split(if or { " or " } else { " and " }) {
        let (wanted, name) = part
            .strip_prefix("no ")
            .map_or((true, part), |name| (false, name));
        let Some(has) = values.has(name) else {
            let name: String = name.chars().take(40).collect();
            return Err(format!(
                "there is no part \"{}\"; there are database and cache, joined by or, or by and",
                name.escape_default()
            ));
        };
        let met = has == wanted;
        holds = if or { holds || met } else { holds && met };
    }
    Ok(holds)
}

/// The text with all placeholders replaced.
pub(super) fn fill(text: &str, values: &ScaffoldValues) -> String {
    [
        ("__NAME__", values.name.as_str()),
        ("__TEAM__", values.team.as_str()),
        ("__ENVIRONMENT__", values.environment.as_str()),
        ("__PORT__", &values.port.to_string()),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (placeholder, value)| {
        text.replace(placeholder, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(database: bool, cache: bool) -> ScaffoldValues {
        let name = |text| Name::parse("service", text).unwrap();
        ScaffoldValues::new(&name("api"), &name("demo"), &name("dev"), 8080).with(database, cache)
    }

    #[test]
    fn lines_and_files_stay_where_they_apply() {
        let check = |text: &str, database, cache, expect: Option<&str>| {
            let selected = select(text, &values(database, cache)).unwrap();
            assert_eq!(selected.as_deref(), expect, "{text:?} {database} {cache}");
        };
        let block = "a\n// scaffold:if database\nb\n// scaffold:end\nc\n";
        check(block, true, false, Some("a\nb\nc\n"));
        check(block, false, true, Some("a\nc\n"));
        let page = "<!-- scaffold:if cache -->\r\nb\r\n<!-- scaffold:end -->\r\nc";
        check(page, false, true, Some("b\r\nc"));
        check(page, true, false, Some("c"));
        let either = "# scaffold:if database or cache\nb\n# scaffold:end\n";
        check(either, false, true, Some("b\n"));
        check(either, true, false, Some("b\n"));
        check(either, false, false, Some(""));
        let alone = "# scaffold:if cache and no database\nb\n# scaffold:end\n";
        check(alone, false, true, Some("b\n"));
        check(alone, true, true, Some(""));
        check(alone, false, false, Some(""));
        let none = "# scaffold:if no cache\nb\n# scaffold:end\n";
        check(none, true, false, Some("b\n"));
        check(none, true, true, Some(""));
        let file = "// scaffold:file if database or cache\n\n\nx\n";
        check(file, false, true, Some("\nx\n"));
        check(file, false, false, None);
        check("// scaffold:file if cache\nx\n", false, true, Some("x\n"));
        check("", true, true, Some(""));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let check = |text: &str, line, word: &str| {
            // A mistake is one whatever the service has.
            for (database, cache) in [(false, false), (true, false), (false, true), (true, true)] {
                let mistake = select(text, &values(database, cache)).unwrap_err();
                assert_eq!(mistake.line, line, "{text:?}: {mistake:?}");
                assert!(mistake.why.contains(word), "{text:?}: {mistake:?}");
            }
        };
        check("a\n# scaffold:if cache\nb\n", 2, "no scaffold:end");
        check("a\n\n# scaffold:end\n", 3, "without a scaffold:if");
        check(
            "# scaffold:if cache\n# scaffold:if database\n# scaffold:end\n",
            2,
            "line 1",
        );
        check(
            "# scaffold:if cache\n# scaffold:end\n# scaffold:end\n",
            3,
            "without",
        );
        check("# scaffold:if queue\n# scaffold:end\n", 1, "\"queue\"");
        check("# scaffold:if cache, database\n# scaffold:end\n", 1, "no part");
        check(
            "# scaffold:if cache and database or cache\n# scaffold:end\n",
            1,
            "no part",
        );
        check("# scaffold:if no no cache\n# scaffold:end\n", 1, "\"no cache\"");
        check("# scaffold:if \n# scaffold:end\n", 1, "neither");
        check("# scaffold:if cache or\n# scaffold:end\n", 1, "no part");
        check("# scaffold:end of it\n", 1, "neither");
        check("# scaffold: if cache\n", 1, "neither");
        check("# scaffold:\u{1b}[31m\n", 1, "\\u{1b}");
        check("a\n# scaffold:file if cache\n", 2, "first line");
        check("# scaffold:file if queue\n", 1, "no part");
        // Also in a file that is left out.
        check("# scaffold:file if cache\n# scaffold:end\n", 2, "without");
    }

    #[test]
    fn words_are_replaced_and_nothing_else() {
        let check = |text: &str, expect: &str| assert_eq!(fill(text, &values(true, true)), expect);
        check("__NAME__/__TEAM__.__ENVIRONMENT__:__PORT__", "api/demo.dev:8080");
        check("__NAME____NAME__", "apiapi");
        check("___NAME___", "_api_");
        check(
            "__name__ __OTHER__ __NAME_ {{ NAME }} ${NAME} %NAME%",
            "__name__ __OTHER__ __NAME_ {{ NAME }} ${NAME} %NAME%",
        );
    }

    #[test]
    fn nothing_hostile_can_be_a_value() {
        // What breaks out of a string, a line, a statement or a path in any of the languages we write.
        for hostile in [
            "a\"b",
            "a'b",
            "a`b`",
            "a b",
            "a\nb",
            "a\r",
            "a\0",
            "a\\",
            "a;b",
            "a--b;",
            "a'; DROP TABLE x; --",
            "$(id)",
            "${IFS}",
            "a&&b",
            "a|b",
            "a>b",
            "<b>",
            "a#b",
            "a: b",
            "[a",
            "{a}",
            "{{a}}",
            "${{ secrets.X }}",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "../a",
            "a/b",
            ".git",
            "-a",
            "a-",
            "A",
            "__TEAM__",
            "a__NAME__",
            "scaffold:end",
            "a\u{202e}b",
            "é",
            "1e3",
            "0x1f",
            "",
            "ARG",
            "a=b",
            "a,b",
            "a]b",
            "~",
        ] {
            for what in ["service", "team", "environment"] {
                assert!(Name::parse(what, hostile).is_err(), "{hostile:?}");
            }
        }
    }
}
