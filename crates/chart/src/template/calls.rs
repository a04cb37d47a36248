//! Which functions a template's text names. A look at the tree, nothing runs.

use super::ast::{Node, Operand, Pipeline, Template, Term};
use super::parser::ParsedFile;

impl ParsedFile {
    /// The line on which the function called `name` stands first, here or in a template that this file defines.
    pub(crate) fn line_of_call(&self, name: &str) -> Option<usize> {
        let defined = self.defined.iter().map(|(_, template)| template.as_ref());
        let found = std::iter::once(self.main.as_ref())
            .chain(defined)
            .filter_map(|template| template.line_of_call(name));
        found.min()
    }
}

impl Template {
    fn line_of_call(&self, name: &str) -> Option<usize> {
        let mut nodes: Vec<&Node> = self.body.iter().collect();
        let mut pipelines: Vec<&Pipeline> = Vec::new();
        let mut first: Option<u32> = None;
        // The parser bounds how deep a tree is; nothing here goes deeper than the tree.
        while let Some(node) = nodes.pop() {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipeline) => pipelines.push(pipeline),
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                    pipelines.push(&branch.pipeline);
                    nodes.extend(&branch.body);
                    nodes.extend(branch.otherwise.iter().flatten());
                }
                Node::Template { pipeline, .. } => pipelines.extend(pipeline),
            }
        }
        while let Some(pipeline) = pipelines.pop() {
            let mut operands: Vec<&Operand> = pipeline
                .commands
                .iter()
                .flat_map(|command| &command.operands)
                .collect();
            while let Some(operand) = operands.pop() {
                match &operand.term {
                    Term::Function(function) if function.name == name => {
                        first = Some(first.map_or(operand.offset, |known| known.min(operand.offset)));
                    }
                    Term::Chain(inner, _) => operands.push(inner),
                    Term::Pipeline(inner) => pipelines.push(inner),
                    _ => {}
                }
            }
        }
        first.map(|offset| self.place(offset).0)
    }
}

#[cfg(test)]
mod tests {
    use crate::template::parse;

    #[test]
    fn calls_are_found_wherever_they_stand() {
        let check = |text: &str, expect: Option<usize>| {
            assert_eq!(parse(text).unwrap().line_of_call("lookup"), expect, "{text}");
        };
        check("a: {{ .Values.lookup }}{{/* lookup */}}\nb: \"lookup\"", None);
        check("a: {{ \"lookup\" | quote }}", None);
        check("\n{{ lookup \"v1\" \"Secret\" \"\" \"x\" }}", Some(2));
        check(
            "{{ if (not (lookup \"v1\" \"Secret\" \"\" \"x\")) }}{{ end }}",
            Some(1),
        );
        check("{{ (lookup \"v1\" \"Secret\" \"\" \"x\").data }}", Some(1));
        check(
            "{{ if true }}{{ else }}\n\n{{ $x := lookup \"v1\" \"Pod\" \"\" \"x\" }}{{ end }}",
            Some(3),
        );
        check(
            "{{ define \"a\" }}\n{{ range (lookup \"v1\" \"Pod\" \"\" \"\") }}{{ end }}{{ end }}",
            Some(2),
        );
        check("{{ template \"a\" (lookup \"v1\" \"Pod\" \"\" \"\") }}", Some(1));
        check("{{ \"x\" | lookup \"v1\" \"Pod\" \"\" }}", Some(1));
    }
}
