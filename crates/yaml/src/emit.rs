//! Writing values as `sigs.k8s.io/yaml` writes them: go-yaml v2's emitter with its defaults (two blanks of
//! indent, lists not indented under keys, lines folded after 80 columns), on what JSON leaves of a value.

use serde_json::{Map, Number, Value};

use crate::key_order;
use crate::number::format_float;
use crate::scalar::{self, Scalar};

/// A key longer than this is written in the form `? key`.
const LONGEST_SIMPLE_KEY: usize = 128;

/// Writes a value as YAML, byte for byte as `sigs.k8s.io/yaml`'s `Marshal` does, a final newline included.
pub fn emit(value: &Value) -> String {
    emit_as(value, Layout::PLAIN)
}

/// Writes a value with its lists indented under their keys and lines as long as they are, as Helm's
/// `toYamlPretty` does.
pub fn emit_pretty(value: &Value) -> String {
    emit_as(value, Layout::PRETTY)
}

fn emit_as(value: &Value, layout: Layout) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        layout,
    };
    match value {
        Value::Object(members) if !members.is_empty() => emitter.mapping(members, 0, false),
        Value::Array(items) if !items.is_empty() => emitter.sequence(items, 0, false),
        scalar => emitter.leaf(scalar, 2, false),
    }
    if emitter.column > 0 {
        emitter.newline();
    }
    emitter.out
}

/// How lists and long lines are laid out.
#[derive(Clone, Copy)]
struct Layout {
    /// How far a list under a key is moved to the right of it.
    list_indent: usize,
    /// From this column on a blank inside a plain or quoted scalar becomes a line break.
    best_width: usize,
    /// Numbers pass through JSON first, which writes more of them plainly.
    numbers_through_json: bool,
}

impl Layout {
    const PLAIN: Self = Self {
        list_indent: 0,
        best_width: 80,
        numbers_through_json: true,
    };
    const PRETTY: Self = Self {
        list_indent: 2,
        best_width: usize::MAX,
        numbers_through_json: false,
    };
}

struct Emitter {
    out: String,
    /// Characters on the current line so far.
    column: usize,
    layout: Layout,
}

impl Emitter {
    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn put_str(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn newline(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Starts a line at the given indent, unless an empty line is waiting already.
    fn line(&mut self, indent: usize) {
        if self.column > 0 {
            self.newline();
        }
        while self.column < indent {
            self.put(' ');
        }
    }

    /// Starts an entry; the first one may stand behind the `-` or `?` of its parent.
    fn entry(&mut self, indent: usize, inline: bool) {
        if inline {
            while self.column < indent {
                self.put(' ');
            }
        } else {
            self.line(indent);
        }
    }

    fn mapping(&mut self, members: &Map<String, Value>, indent: usize, mut inline: bool) {
        let mut entries: Vec<(&String, &Value)> = members.iter().collect();
        entries.sort_by(|left, right| key_order::compare(left.0, right.0));
        for (key, value) in entries {
            self.entry(indent, inline);
            inline = false;
            let analysis = Analysis::of(key);
            if analysis.multiline || key.len() > LONGEST_SIMPLE_KEY {
                self.put('?');
                self.put(' ');
                self.string(key, indent + 2, false);
                self.line(indent);
                self.put(':');
                self.value(value, indent + 2, indent + 2, true);
            } else {
                self.string(key, indent + 2, true);
                self.put(':');
                let list_indent = indent + self.layout.list_indent;
                self.value(value, indent + 2, list_indent, false);
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, mut inline: bool) {
        for item in items {
            self.entry(indent, inline);
            inline = false;
            self.put('-');
            self.value(item, indent + 2, indent + 2, true);
        }
    }

    /// Writes what stands behind an indicator.
    fn value(&mut self, value: &Value, mapping_indent: usize, sequence_indent: usize, inline: bool) {
        match value {
            Value::Object(members) if !members.is_empty() => self.mapping(members, mapping_indent, inline),
            Value::Array(items) if !items.is_empty() => self.sequence(items, sequence_indent, inline),
            leaf => {
                self.put(' ');
                self.leaf(leaf, mapping_indent, false);
            }
        }
    }

    fn leaf(&mut self, value: &Value, indent: usize, simple_key: bool) {
        match value {
            Value::Null => self.put_str("null"),
            Value::Bool(value) => self.put_str(if *value { "true" } else { "false" }),
            Value::Number(number) => {
                let direct = number.as_f64().filter(|_| number.is_f64());
                let text = match direct.filter(|_| !self.layout.numbers_through_json) {
                    Some(value) => format_float(value),
                    None => number_text(number),
                };
                self.put_str(&text);
            }
            Value::String(text) => self.string(text, indent, simple_key),
            Value::Array(_) => self.put_str("[]"),
            Value::Object(_) => self.put_str("{}"),
        }
    }

    fn string(&mut self, text: &str, indent: usize, simple_key: bool) {
        let analysis = Analysis::of(text);
        match analysis.style(text, simple_key) {
            Style::Plain => self.plain(text, indent, !simple_key),
            Style::Single => self.single_quoted(text, indent, !simple_key),
            Style::Double => self.double_quoted(text, indent, !simple_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// Whether a blank may become a line break here.
    fn folds(&self, allow_breaks: bool, after_blank: bool, next: Option<&char>) -> bool {
        allow_breaks && !after_blank && self.column > self.layout.best_width && next != Some(&' ')
    }

    fn plain(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        if self.column + text.len() <= self.layout.best_width {
            self.put_str(text);
            return;
        }
        let mut after_blank = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if character == ' ' {
                if self.folds(allow_breaks, after_blank, characters.peek()) {
                    self.line(indent);
                } else {
                    self.put(' ');
                }
                after_blank = true;
            } else {
                self.put(character);
                after_blank = false;
            }
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        self.put('\'');
        let mut after_blank = false;
        let mut first = true;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if character == ' ' {
                let inside = !first && characters.peek().is_some();
                if inside && self.folds(allow_breaks, after_blank, characters.peek()) {
                    self.line(indent);
                } else {
                    self.put(' ');
                }
                after_blank = true;
            } else {
                if character == '\'' {
                    self.put('\'');
                }
                self.put(character);
                after_blank = false;
            }
            first = false;
        }
        self.put('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        self.put('"');
        let mut after_blank = false;
        let mut first = true;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if character == ' ' {
                let inside = !first && characters.peek().is_some();
                if allow_breaks && !after_blank && self.column > self.layout.best_width && inside {
                    self.line(indent);
                    if characters.peek() == Some(&' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                after_blank = true;
            } else {
                if !is_printable(character) || is_break(character) || matches!(character, '"' | '\\') {
                    self.put_str(&escape(character));
                } else {
                    self.put(character);
                }
                after_blank = false;
            }
            first = false;
        }
        self.put('"');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put('|');
        if text.starts_with(' ') || text.starts_with(is_break) {
            self.put('2');
        }
        let mut backwards = text.chars().rev();
        if backwards.next().is_none_or(|last| !is_break(last)) {
            self.put('-');
        } else if backwards.next().is_none_or(is_break) {
            self.put('+');
        }
        self.newline();
        for character in text.chars() {
            if character == '\n' {
                self.newline();
            } else if is_break(character) {
                // Other breaks than a newline are kept, and start a line too.
                self.out.push(character);
                self.column = 0;
            } else {
                if self.column == 0 {
                    self.line(indent);
                }
                self.put(character);
            }
        }
    }
}

enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What a text allows, after go-yaml's `yaml_emitter_analyze_scalar`.
struct Analysis {
    multiline: bool,
    plain: bool,
    single: bool,
    literal: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self {
                multiline: false,
                plain: true,
                single: true,
                literal: false,
            };
        }
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut breaks, mut special) = (false, false);
        let (mut break_blank, mut blank_break) = (false, false);
        let (mut after_blank, mut after_break) = (false, false);
        let mut after_space = true;
        let mut characters = text.chars().peekable();
        let mut first = true;
        while let Some(character) = characters.next() {
            let before_space = characters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            if first {
                match character {
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                    | '@' | '`' => indicators = true,
                    '?' | ':' | '-' if before_space => indicators = true,
                    _ => {}
                }
            } else {
                match character {
                    ':' if before_space => indicators = true,
                    '#' if after_space => indicators = true,
                    _ => {}
                }
            }
            special |= !is_printable(character);
            if character == ' ' {
                break_blank |= after_break;
                after_blank = true;
                after_break = false;
            } else if is_break(character) {
                breaks = true;
                blank_break |= after_blank;
                after_blank = false;
                after_break = true;
            } else {
                after_blank = false;
                after_break = false;
            }
            after_space = matches!(character, ' ' | '\t' | '\0') || is_break(character);
            first = false;
        }
        let at_edge = |end: Option<char>| end.is_some_and(|c| c == ' ' || is_break(c));
        let edges = at_edge(text.chars().next()) || at_edge(text.chars().next_back());
        let unsafe_text = blank_break || special;
        Self {
            multiline: breaks,
            plain: !(edges || break_blank || unsafe_text || breaks || indicators),
            single: !(break_blank || unsafe_text),
            literal: !(text.ends_with(' ') || unsafe_text),
        }
    }

    fn style(&self, text: &str, simple_key: bool) -> Style {
        if simple_key && self.multiline {
            return Style::Double;
        }
        if text.contains('\n') {
            return if self.literal && !simple_key {
                Style::Literal
            } else {
                Style::Double
            };
        }
        if !matches!(scalar::resolve_plain(text), Scalar::String) || scalar::is_base_60(text) {
            return Style::Double;
        }
        match (self.plain, self.single) {
            (true, _) => Style::Plain,
            (false, true) => Style::Single,
            (false, false) => Style::Double,
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() => {
            // JSON writes it first, go-yaml reads that, and writes it again.
            if value.fract() == 0.0 && value.abs() < 18_446_744_073_709_551_616.0 && value > -9.3e18 {
                let text = value.to_string();
                if text == "-0" { "0".to_owned() } else { text }
            } else {
                format_float(value)
            }
        }
        _ => number.to_string(),
    }
}

/// The lower planes without controls, surrogates and the byte order mark: go-yaml escapes all others.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn escape(character: char) -> String {
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        other => {
            let code = u32::from(other);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
    fn check(value: Value, expect: &str) {
        let text = emit(&value);
        assert_eq!(text, expect, "{value}");
        if !matches!(value, Value::Number(_)) {
            let back = crate::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            assert_eq!(back.value, value, "read back from:\n{text}");
        }
    }

    #[test]
    fn scalars_are_quoted_as_go_yaml_quotes_them() {
        for (text, expect) in [
            ("", r#""""#),
            ("a", "a"),
            ("yes", r#""yes""#),
            ("no", r#""no""#),
            ("y", r#""y""#),
            ("null", r#""null""#),
            ("~", r#""~""#),
            ("true", r#""true""#),
            ("012", r#""012""#),
            ("1e3", r#""1e3""#),
            ("1.5", r#""1.5""#),
            ("0x1F", r#""0x1F""#),
            ("1:30", r#""1:30""#),
            ("2001-12-14", r#""2001-12-14""#),
            (".inf", r#"".inf""#),
            ("500", r#""500""#),
            ("1_000", r#""1_000""#),
            ("a: b", "'a: b'"),
            ("a:b", "a:b"),
            ("a:", "'a:'"),
            ("a #b", "'a #b'"),
            ("a#b", "a#b"),
            ("*x", "'*x'"),
            ("&x", "'&x'"),
            ("!x", "'!x'"),
            ("- x", "'- x'"),
            ("-x", "-x"),
            ("-", "'-'"),
            ("---", "'---'"),
            ("?x", "?x"),
            ("{a}", "'{a}'"),
            ("a{b}", "a{b}"),
            ("[]", "'[]'"),
            ("@x", "'@x'"),
            ("%x", "'%x'"),
            ("`x`", "'`x`'"),
            ("'x'", "'''x'''"),
            (r#""x""#, r#"'"x"'"#),
            ("it's", "it's"),
            (" a", "' a'"),
            ("a ", "'a '"),
            ("<<", "<<"),
            ("=", "="),
            ("a\tb", r#""a\tb""#),
            ("\u{1f600}", r#""\U0001F600""#),
            ("é", "é"),
            ("\u{1}x", r#""\x01x""#),
            ("v1.36.3", "v1.36.3"),
            ("10m", "10m"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            check(json!(text), &format!("{expect}\n"));
        }
    }

    #[test]
    fn numbers_are_written_as_they_pass_through_json() {
        check(json!(3), "3\n");
        check(json!(3.0), "3\n");
        check(json!(-0.0), "0\n");
        check(json!(0.5), "0.5\n");
        check(json!(1_000_000.0), "1000000\n");
        check(json!(1_234_567.5), "1.2345675e+06\n");
        check(json!(1e20), "1e+20\n");
        check(json!(1e21), "1e+21\n");
        check(json!(u64::MAX), "18446744073709551615\n");
    }

    #[test]
    fn texts_of_several_lines_are_literals_where_they_can_be() {
        check(json!({"a": "x\ny\n"}), "a: |\n  x\n  y\n");
        check(json!({"a": "x\ny"}), "a: |-\n  x\n  y\n");
        check(json!({"a": "x\n\n", "b": 1}), "a: |+\n  x\n\nb: 1\n");
        check(json!({"a": "\n", "b": 1}), "a: |2+\n\nb: 1\n");
        check(json!({"a": "  x\ny\n"}), "a: |2\n    x\n  y\n");
        check(json!({"a": "x\n\n  y\n"}), "a: |\n  x\n\n    y\n");
        check(json!({"a": "x \ny"}), "a: \"x \\ny\"\n");
        check(json!({"a": "x\ty\n"}), "a: \"x\\ty\\n\"\n");
        check(json!(["x\ny"]), "- |-\n  x\n  y\n");
        check(json!({"x\ny": 1}), "? |-\n  x\n  y\n: 1\n");
    }

    #[test]
    fn collections_are_laid_out_as_go_yaml_does() {
        check(json!({}), "{}\n");
        check(json!([]), "[]\n");
        check(json!(null), "null\n");
        check(json!({"a": {}, "b": [], "c": null}), "a: {}\nb: []\nc: null\n");
        check(json!({"a": {"b": {"c": 1}}}), "a:\n  b:\n    c: 1\n");
        check(
            json!({"a": [1, {"b": 2, "c": [3]}]}),
            "a:\n- 1\n- b: 2\n  c:\n  - 3\n",
        );
        check(json!([[1, 2], [[3]]]), "- - 1\n  - 2\n- - - 3\n");
        check(json!([{}, []]), "- {}\n- []\n");
        check(json!({"b10": 1, "b9": 2, "a": 3}), "a: 3\nb9: 2\nb10: 1\n");
        check(json!({"a": [{"b": [{"c": 1}]}]}), "a:\n- b:\n  - c: 1\n");
        let long = "k".repeat(129);
        check(
            json!({ &long: {"a": 1, "b": [1]} }),
            &format!("? {long}\n: a: 1\n  b:\n  - 1\n"),
        );
        check(json!({ &long: [1, 2] }), &format!("? {long}\n: - 1\n  - 2\n"));
    }

    #[test]
    fn long_lines_are_folded_after_eighty_columns() {
        let words = ["word"; 20].join(" ");
        let (first, second) = (["word"; 16].join(" "), ["word"; 4].join(" "));
        check(json!({"a": words.clone()}), &format!("a: {first}\n  {second}\n"));
        let quoted = format!("{words}: x");
        check(json!({"a": quoted}), &format!("a: '{first}\n  {second}: x'\n"));
        let unbroken = "x".repeat(200);
        check(json!({"a": unbroken.clone()}), &format!("a: {unbroken}\n"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(texts in proptest::collection::vec("\\PC{0,20}|[ -~\n]{0,100}", 0..6)) {
            let value = json!({"list": texts, "map": {"k": texts.first()}});
            let back = crate::parse(&emit(&value)).map(|document| document.value);
            proptest::prop_assert_eq!(back, Ok(value));
        }
    }
}
