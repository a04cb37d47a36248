//! Charts that try to run forever, to fill the memory or to crash the process: each ends with an error, and
//! soon.

#![cfg(test)]

use std::fmt::Write as _;

use chart::{Capabilities, Chart, ChartError, Limits, Release, Rendered, Surroundings, render_in};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rendered(template: &str, values: &Value) -> Result<Rendered, ChartError> {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("templates/a.yaml", template),
    ];
    let chart = Chart::from_files(files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())))?;
    // Less work than usual is allowed, so that those who use it up do so soon.
    let limits = Limits {
        steps: 1_000_000,
        ..Limits::default()
    };
    let surroundings = Surroundings {
        limits,
        ..Surroundings::default()
    };
    render_in(
        &chart,
        values,
        &Release::default(),
        &Capabilities::default(),
        &surroundings,
    )
}

/// Renders on a thread with as little stack as the runtime's own threads have.
fn check(template: &str, expect: &str) {
    let template = template.to_owned();
    let error = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn({
            let template = template.clone();
            move || {
                rendered(&template, &Value::Null)
                    .map(|_| ())
                    .expect_err(&template)
                    .to_string()
            }
        })
        .unwrap()
        .join()
        .unwrap();
    assert!(
        error.contains(expect),
        "{template:.200}: {error:.500} should say {expect:?}"
    );
}

#[test]
fn loops_and_recursion_end() {
    check(
        "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        "rendering template has a nested reference name: a",
    );
    check(
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
        "nested too deep",
    );
    check(
        "{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}",
        "rendering template has a nested reference name: a",
    );
    check("{{ $t := \"{{ tpl . . }}\" }}{{ tpl $t $t }}", "nested too deep");
    check("{{ range 1000000000000 }}{{ end }}", "more than 1000000 steps");
    check(
        "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}",
        "more than 1000000 steps",
    );
    check("{{ until 9223372036854775807 }}", "more than 1000000 steps");
    check("{{ seq 1 9000000000000000000 }}", "more than 1000000 steps");
}

/// A thousand templates that call each other, each within a condition, a loop and a pipeline.
#[test]
fn a_thousand_templates_deep_is_not_too_deep() {
    let check = |call: &str| {
        let mut template = String::from("{{ define \"n0\" }}x{{ end }}");
        for number in 1..=1000 {
            let inner = call.replace("NAME", &format!("n{}", number - 1));
            let _ = write!(
                template,
                "{{{{ define \"n{number}\" }}}}{{{{ with $ }}}}{{{{ range list 1 }}}}{{{{ if true }}}}{inner}{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}"
            );
        }
        template += "kind: {{ include \"n1000\" \"x\" }}";
        let small = std::thread::Builder::new().stack_size(2 << 20);
        let kind = small.spawn(move || {
            rendered(&template, &Value::Null).map(|made| made.objects[0].value["kind"].clone())
        });
        assert_eq!(kind.unwrap().join().unwrap().unwrap(), "x", "{call}");
    };
    check("{{ include \"NAME\" $ }}");
    check("{{ template \"NAME\" $ }}");
    check("{{ tpl \"{{ include \\\"NAME\\\" $ }}\" $ | trim }}");
    check("{{ ((include \"NAME\" ((($))))) | trim | indent 0 }}");
}

#[test]
fn keys_and_slow_hashes_are_counted() {
    check(
        "{{ range until 1000 }}{{ $_ := genCA \"x\" 1 }}{{ end }}",
        "more than 1000000 steps",
    );
    check(
        "{{ range until 1000 }}{{ $_ := bcrypt \"x\" }}{{ end }}",
        "more than 1000000 steps",
    );
    check(
        "{{ range until 1000 }}{{ $_ := derivePassword 1 \"pin\" \"x\" \"x\" \"x\" }}{{ end }}",
        "more than 1000000 steps",
    );
    check("{{ genPrivateKey \"rsa\" }}", "more than 1000000 steps");
}

#[test]
fn what_is_out_of_all_proportion_is_no_panic() {
    check("{{ (now).AddDate 9223372036854775807 1 1 }}", "too far away");
    check(
        "{{ mustToDuration (print (repeat 60 \"9\") \"h9223372036854775807h\") }}",
        "could not parse duration",
    );
    let came_through = [
        "date \"2006 Jan _2 MST\" 9223372036854775807",
        "date \"2006\" -9223372036854775808",
        "dateInZone \"2006\" 9223372036854775807 \"Asia/Tokyo\"",
        "(now).Round (mustToDuration \"-1s\")",
        "(mustToDuration \"-2562047h\").Abs",
        "urlParse \"//[%25%25\u{2028}]:1\" | len",
        "fromToml (repeat 100000 \"[\")",
        "fromToml (repeat 20000 \"a={\")",
        "regexMatch \"{{{{[{\" \"x\"",
        "snakecase \"\u{2028}_-\u{301}A\"",
        "genCAWithKey \"\" -9223372036854775808 (genPrivateKey \"ed25519\")",
        "decryptAES \"\" (repeat 1000 \"QUJD\") | len",
        "abbrevboth 9223372036854775807 7 \"a long enough text\"",
    ];
    for expression in came_through {
        // Whether it gives something or is refused, the render ends in good order.
        let template =
            format!("{{{{ define \"x\" }}}}{{{{ {expression} }}}}{{{{ end }}}}{{{{ include \"x\" . }}}}");
        let _ = rendered(&template, &Value::Null).map(|rendered| rendered.objects.len());
    }
}

#[test]
fn texts_and_lists_stay_small() {
    check("{{ repeat 1000000000 \"x\" }}", "more than 16777216 are not made");
    check(
        "{{ \"a\" | indent 100000000 }}",
        "more than 16777216 are not made",
    );
    check(
        "{{ $x := \"x\" }}{{ range until 64 }}{{ $x = cat $x $x }}{{ end }}",
        "more than 1000000 steps",
    );
    check(
        "{{ $x := \"x\" }}{{ range until 64 }}{{ $x = print $x $x }}{{ end }}",
        "more than 1000000 steps",
    );
    check(
        "{{ $x := list 1 }}{{ range until 64 }}{{ $x = concat $x $x }}{{ end }}",
        "more than 1000000 steps",
    );
    check(
        "{{ $x := repeat 4000 \"a\" }}{{ $x | replace \"\" $x | replace \"a\" $x }}",
        "are not made",
    );
    check(
        "{{ $x := repeat 4000 \"a\" }}{{ join $x (splitList \"\" $x) | len }}{{ join $x (until 100000) }}",
        "are not made",
    );
    check(
        "{{ range until 1000000 }}{{ repeat 100 \"x\" }}{{ end }}",
        "more than 1000000 steps",
    );
    check(
        "{{ printf \"%1000000000d\" 1 | len }}{{ fail \"came through\" }}",
        "came through",
    );
    check(
        "{{ $x := repeat 10000000 \"x\" }}{{ $x }}{{ $x }}",
        "the output is longer than",
    );
    check("{{ randAlphaNum 1000000000 }}", "are not made");
    check(
        "{{ $x := repeat 1000000 \"a\" }}{{ range until 1000 }}{{ $_ := regexReplaceAll \"a\" $x \"bb\" }}{{ end }}",
        "steps",
    );
}

#[test]
fn values_that_hold_themselves_are_told_apart() {
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}",
        "nested more than 128 deep",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toYaml $d }}",
        "nested more than 128 deep",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" (list $d) }}{{ toJson $d }}",
        "nested more than 128 deep",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepCopy $d }}",
        "nested more than 128 deep",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $e := dict }}{{ $_ := set $e \"d\" $e }}{{ deepEqual $d $e }}",
        "nested more than 128 deep",
    );
    check(
        "{{ $d := dict \"a\" 1 }}{{ $_ := set $d \"d\" $d }}{{ $e := dict \"b\" 1 }}{{ $_ := set $e \"d\" $e }}{{ merge $d $e }}",
        "nested more than 128 deep",
    );
    check(
        "{{ $d := dict }}{{ range until 100 }}{{ $d = dict \"a\" $d \"b\" $d }}{{ end }}{{ toYaml $d }}",
        "more than 1000000 steps",
    );
}

#[test]
fn templates_and_output_may_not_nest_without_end() {
    check(
        &format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000)),
        "nested more than 100 deep",
    );
    check(
        &format!("{}{}", "{{ if 1 }}".repeat(5000), "{{ end }}".repeat(5000)),
        "nested more than 100 deep",
    );
    check(&"{{ if 1 }}{{ else }}".repeat(5000), "nested more than 100 deep");
    check(
        &format!("{{{{ if 1 }}}}{}{{{{ end }}}}", "{{ else if 1 }}".repeat(5000)),
        "nested more than 100 deep",
    );
    check(
        &format!("a: {}{}", "[".repeat(5000), "]".repeat(5000)),
        "YAML parse error",
    );
    check(&"- ".repeat(5000), "YAML parse error");
    check(
        "{{ fromYaml (repeat 5000 \"[\") | toYaml | fail }}",
        "recursion limit exceeded",
    );
}

#[test]
fn patterns_run_in_linear_time() {
    check(
        "{{ regexFind \"(a{1000}){1000}{1000}\" \"a\" }}",
        "error parsing regexp",
    );
    check(
        "{{ regexMatch \"(a*)*$\" (repeat 5000 \"a\") | toString | fail }}",
        "true",
    );
}

#[test]
fn values_may_be_anything() {
    for values in [json!(1), json!("x"), json!([1])] {
        let error = rendered("a: 1", &values).unwrap_err().to_string();
        assert_eq!(error, "values must be a mapping");
    }
    assert!(
        rendered(
            "a: {{ .Values.x | toJson }}",
            &json!({"x": {"y": [null, 1e300, "\u{0}"]}})
        )
        .is_ok()
    );
}

/// Pieces of templates that mean something, so that random sequences of them get far.
fn pieces() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "{{ ",
        " }}",
        "{{- ",
        " -}}",
        "if ",
        "else ",
        "end ",
        "range ",
        "with ",
        "define \"a\" ",
        "template \"a\" ",
        "block \"b\" . ",
        "break ",
        ".",
        ".Values",
        ".x",
        "$",
        "$x ",
        ":= ",
        "= ",
        ", ",
        "| ",
        "(",
        ") ",
        "\"s\" ",
        "1 ",
        "-2.5 ",
        "nil ",
        "true ",
        "include \"a\" . ",
        "tpl \"{{ . }}\" ",
        "dict \"k\" ",
        "list ",
        "set ",
        "index ",
        "printf \"%v %d %s\" ",
        "toYaml ",
        "fromYaml ",
        "toJson ",
        "quote ",
        "default ",
        "until 3 ",
        "trunc 2 ",
        "merge ",
        "and ",
        "or ",
        "not ",
        "eq ",
        "lt ",
        "len ",
        "keys ",
        "splitList \",\" ",
        "date \"2006\" ",
        "now ",
        "regexFind \"a+\" ",
        "semverCompare \">1\" ",
        "/* c */",
        "`raw` ",
        "'c' ",
        "text ",
        "\n",
        "a: ",
        "---\n",
        "kind: X\n",
        "é",
        "slice ",
        "substr 1 2 ",
        "nindent 2 ",
        "ternary 1 2 ",
        "dig \"a\" \"b\" ",
        "first ",
        "int ",
    ]);
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// So many cases, or as many as `PROPTEST_CASES` says.
fn cases(number: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(number),
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn no_template_crashes_the_engine(template in prop_oneof![pieces(), "\\PC{0,60}", "[{}. $|()a-c\"0-9:=-]{0,60}"]) {
        let values = json!({"x": {"a": [1, "b", null], "c": {"d": true}}, "y": "text"});
        if let Ok(output) = rendered(&template, &values) {
            // What came out once comes out again.
            prop_assert_eq!(output.text(), rendered(&template, &values).unwrap().text());
        }
    }

    #[test]
    fn no_operand_crashes_a_function(
        name in proptest::sample::select(vec![
            "abbrev", "abbrevboth", "add", "addf", "append", "b32dec", "b64dec", "camelcase", "chunk", "clean", "coalesce",
            "compact", "concat", "date", "dateModify", "default", "dig", "dir", "div", "divf", "duration", "durationRound",
            "ext", "first", "float64", "fromJson", "fromYaml", "get", "has", "index", "initial", "int", "join", "kebabcase",
            "last", "len", "max", "merge", "mergeOverwrite", "mod", "mulf", "nindent", "omit", "pick", "pluck", "plural",
            "print", "printf", "quote", "randInt", "regexReplaceAll", "regexSplit", "repeat", "replace", "rest", "reverse",
            "round", "semver", "semverCompare", "seq", "set", "slice", "snakecase", "sortAlpha", "splitn", "sub", "substr",
            "title", "toDate", "toDecimal", "toJson", "toString", "toYaml", "trunc", "uniq", "unset", "until", "untilStep",
            "untitle", "urlJoin", "urlParse", "without", "wrap", "wrapWith", "mustToDuration", "durationRoundTo",
            "toToml", "fromToml", "toYamlPretty", "dateInZone", "mustToDate", "mustRegexMatch", "decryptAES", "encryptAES",
            "genCAWithKey", "genSelfSignedCertWithKey", "genSignedCertWithKey", "buildCustomCert", "nospace", "swapcase",
        ]),
        operands in proptest::collection::vec(proptest::sample::select(vec![
            "0", "1", "-1", "3", "9223372036854775807", "-9223372036854775808", "1.5", "\"\"", "\"a\"", "\"héllo wörld\"",
            "\"1h\"", "\"2006-01-02\"", "\"%[9]d%-+ 08.3q%\"", "true", "nil", ".Values", ".Values.x", ".Values.list",
            "(list)", "(dict)", "(int64 7)", "now", "(until 3)", "(splitList \",\" \"a,b\")", ".Files", ".Capabilities",
        ]), 0..4),
    ) {
        let template = format!("a: {{{{ {name} {} | quote }}}}", operands.join(" "));
        let _ = rendered(&template, &json!({"x": "y", "list": [3, "b", {"c": 1}]}));
    }
}
