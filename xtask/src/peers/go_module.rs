//! A small Go module of our own around a program of others.
//!
//! `go install module@version` refuses modules whose go.mod holds `replace` lines, because these count only in the
//! main module. Ours states them itself: forks as they stand there, folders beside it as the versions they were
//! published under.

/// The go.mod of a module that requires `module` at `version`.
///
/// `published` is the version under which folders named by `replace x => ./folder` were published; without it the
/// module is taken to require the published versions already, and such lines are left out.
pub(super) fn own(module: &str, version: &str, go_mod: &str, published: Option<&str>) -> String {
    let directives = directives(go_mod);
    let go = directives
        .iter()
        .find_map(|line| line.strip_prefix("go "))
        .unwrap_or("1.26")
        .trim();
    let mut text = format!("module peers\n\ngo {go}\n\nrequire {module} {version}\n");
    let mut replacements: Vec<String> = directives
        .iter()
        .filter_map(|line| {
            let (from, to) = line.strip_prefix("replace ")?.split_once("=>")?;
            let (from, to) = (from.trim(), to.trim());
            if to.starts_with('.') {
                let name = from.split_whitespace().next()?;
                published.map(|published| format!("replace {name} => {name} {published}\n"))
            } else {
                Some(format!("replace {from} => {to}\n"))
            }
        })
        .collect();
    replacements.sort_unstable();
    replacements.dedup();
    text.extend(replacements);
    text
}

/// A Go file that makes the module need `package`.
pub(super) fn import(package: &str) -> String {
    format!("//go:build tools\n\npackage peers\n\nimport _ \"{package}\"\n")
}

/// The directives of a go.mod, one a line, blocks taken apart and comments taken off.
fn directives(go_mod: &str) -> Vec<String> {
    let mut block: Option<&str> = None;
    let mut lines = Vec::new();
    for line in go_mod.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        match (block, line) {
            (_, "") => {}
            (Some(_), ")") => block = None,
            (Some(word), entry) => lines.push(format!("{word} {entry}")),
            (None, directive) => match directive.strip_suffix('(') {
                Some(word) => block = Some(word.trim()),
                None => lines.push(directive.to_owned()),
            },
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(go_mod: &str, published: Option<&str>, expect: &str) {
        let text = own("example.com/peer", "v1.2.3", go_mod, published);
        let head = "module peers\n\ngo 1.26.0\n\nrequire example.com/peer v1.2.3\n";
        assert_eq!(text.strip_prefix(head), Some(expect), "{text}");
    }

    #[test]
    fn folders_become_what_they_were_published_as() {
        let go_mod = "module example.com/peer\n\ngo 1.26.0\n\nreplace (\n\texample.com/b => ./staging/b // here\n\texample.com/a => ../a\n)\n";
        check(
            go_mod,
            Some("v0.2.3"),
            "replace example.com/a => example.com/a v0.2.3\nreplace example.com/b => example.com/b v0.2.3\n",
        );
        check(go_mod, None, "");
    }

    #[test]
    fn forks_are_carried_over() {
        check(
            "go 1.26.0\nreplace example.com/x v1.0.0 => example.com/fork v1.0.1\n",
            None,
            "replace example.com/x v1.0.0 => example.com/fork v1.0.1\n",
        );
    }

    #[test]
    fn other_blocks_do_not_count() {
        check(
            "go 1.26.0\nrequire (\n\texample.com/x v1.0.0\n)\nexclude example.com/y v1.0.0\n",
            None,
            "",
        );
    }
}
