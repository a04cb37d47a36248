//! What is told when a template cannot be read or run.

use crate::check_error;

/// The same words as Helm 4.3.1, which lays them out on several lines.
#[test]
fn errors_are_told_as_helm_tells_them() {
    check_error(
        "{{ .Values.missing.deep }}",
        r#"template: demo/templates/case.yaml:1:10: executing "demo/templates/case.yaml" at <.Values.missing.deep>: nil pointer evaluating interface {}.deep"#,
    );
    check_error(
        r#"{{ fail "stop here" }}"#,
        "execution error at (demo/templates/case.yaml:1:3): stop here",
    );
    check_error(
        r#"{{ required "a thing is needed" .Values.missing }}"#,
        "execution error at (demo/templates/case.yaml:1:3): a thing is needed",
    );
    check_error(
        r#"{{ required "a thing is needed" "" }}"#,
        "execution error at (demo/templates/case.yaml:1:3): a thing is needed",
    );
    check_error(
        r#"{{ include "nope" . }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <include "nope" .>: error calling include: template: no template "nope" associated with template "gotpl""#,
    );
    check_error(
        r#"{{ template "nope" . }}"#,
        r#"template: demo/templates/case.yaml:1:12: executing "demo/templates/case.yaml" at <{{template "nope" .}}>: template "nope" not defined"#,
    );
    check_error(
        r#"{{ include "boom" . }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <include "boom" .>: error calling include: template: demo/templates/_helpers.tpl:3:12: executing "boom" at <.Values.missing.deep>: nil pointer evaluating interface {}.deep"#,
    );
    check_error(
        r#"{{ tpl "{{ .Values.missing.deep }}" . }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <tpl "{{ .Values.missing.deep }}" .>: error calling tpl: error during tpl function execution for "{{ .Values.missing.deep }}": template: gotpl:1:10: executing "gotpl" at <.Values.missing.deep>: nil pointer evaluating interface {}.deep"#,
    );
    check_error(
        r#"{{ tpl "{{ nofunc }}" . }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <tpl "{{ nofunc }}" .>: error calling tpl: cannot parse template "{{ nofunc }}": template: gotpl:1: function "nofunc" not defined"#,
    );
    check_error(
        "{{ upper 5 }}",
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <5>: expected string; found 5"#,
    );
    check_error(
        "{{ upper .Values.int }}",
        r#"template: demo/templates/case.yaml:1:16: executing "demo/templates/case.yaml" at <.Values.int>: wrong type for value; expected string; got float64"#,
    );
    check_error(
        "{{ upper .Values.missing }}",
        r#"template: demo/templates/case.yaml:1:16: executing "demo/templates/case.yaml" at <.Values.missing>: wrong type for value; expected string; got interface {}"#,
    );
    check_error(
        "{{ until (add 1 2) }}",
        r#"template: demo/templates/case.yaml:1:16: executing "demo/templates/case.yaml" at <2>: wrong type for value; expected int; got int64"#,
    );
    check_error(
        r#"{{ until "3" }}"#,
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <"3">: expected integer; found "3""#,
    );
    check_error(
        "{{ until 2.5 }}",
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <2.5>: expected integer; found 2.5"#,
    );
    check_error(
        "{{ quote | upper 1 }}",
        r#"template: demo/templates/case.yaml:1:11: executing "demo/templates/case.yaml" at <upper>: wrong number of args for upper: want 1 got 2"#,
    );
    check_error(
        r#"{{ eq 1 "1" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <eq 1 "1">: error calling eq: incompatible types for comparison: int and string"#,
    );
    check_error(
        r#"{{ lt 1 "1" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <lt 1 "1">: error calling lt: incompatible types for comparison: int and string"#,
    );
    check_error(
        "{{ eq .Values.int 3 }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <eq .Values.int 3>: error calling eq: incompatible types for comparison: float64 and int"#,
    );
    check_error(
        "{{ index .Values.list 9 }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <index .Values.list 9>: error calling index: index out of range: 9"#,
    );
    check_error(
        r#"{{ index .Values.list "a" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <index .Values.list "a">: error calling index: cannot index slice/array with type string"#,
    );
    check_error(
        r#"{{ index .Values.missing "a" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <index .Values.missing "a">: error calling index: index of untyped nil"#,
    );
    check_error(
        "{{ index .Values.map 1 }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <index .Values.map 1>: error calling index: value has type int; should be string"#,
    );
    check_error(
        "{{ len 5 }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <len 5>: error calling len: len of type int"#,
    );
    check_error(
        "{{ range 1.5 }}{{ end }}",
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <1.5>: range can't iterate over 1.5"#,
    );
    check_error(
        "{{ range .Values.name }}{{ end }}",
        r#"template: demo/templates/case.yaml:1:16: executing "demo/templates/case.yaml" at <.Values.name>: range can't iterate over demo"#,
    );
    check_error(
        r#"{{ hasKey .Values.name "a" }}"#,
        r#"template: demo/templates/case.yaml:1:17: executing "demo/templates/case.yaml" at <.Values.name>: wrong type for value; expected map[string]interface {}; got string"#,
    );
    check_error(
        r#"{{ hasKey .Values.missing "a" }}"#,
        r#"template: demo/templates/case.yaml:1:17: executing "demo/templates/case.yaml" at <.Values.missing>: wrong type for value; expected map[string]interface {}; got interface {}"#,
    );
    check_error(
        r#"{{ set .Values.missing "a" 1 }}"#,
        r#"template: demo/templates/case.yaml:1:14: executing "demo/templates/case.yaml" at <.Values.missing>: wrong type for value; expected map[string]interface {}; got interface {}"#,
    );
    check_error(
        "{{ first .Values.name }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <first .Values.name>: error calling first: Cannot find first on type string"#,
    );
    check_error(
        "{{ first nil }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <first nil>: error calling first: runtime error: invalid memory address or nil pointer dereference"#,
    );
    check_error(
        r#"{{ concat .Values.list "x" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <concat .Values.list "x">: error calling concat: Cannot concat type string as list"#,
    );
    check_error(
        r#"{{ dig "name" "x" "d" .Values }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <dig "name" "x" "d" .Values>: error calling dig: interface conversion: interface {} is common.Values, not map[string]interface {}"#,
    );
    check_error(
        r#"{{ dig "a" "x" "d" .Values.map }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <dig "a" "x" "d" .Values.map>: error calling dig: interface conversion: interface {} is float64, not map[string]interface {}"#,
    );
    check_error(
        "{{ div 1 0 }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <div 1 0>: error calling div: runtime error: integer divide by zero"#,
    );
    check_error(
        r#"{{ ternary 1 2 "x" }}"#,
        r#"template: demo/templates/case.yaml:1:15: executing "demo/templates/case.yaml" at <"x">: expected bool; found "x""#,
    );
    check_error(
        r#"{{ semver "x" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <semver "x">: error calling semver: invalid semantic version"#,
    );
    check_error(
        r#"{{ trunc "3" "abc" }}"#,
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <"3">: expected integer; found "3""#,
    );
    check_error(
        r#"{{ "x" | .Values.name }}"#,
        r#"template: demo/templates/case.yaml:1:16: executing "demo/templates/case.yaml" at <.Values.name>: name is not a method but has arguments"#,
    );
    check_error(
        r#"{{ .Values.name "x" }}"#,
        r#"template: demo/templates/case.yaml:1:10: executing "demo/templates/case.yaml" at <.Values.name>: name is not a method but has arguments"#,
    );
    check_error(
        r#"{{ "a" "b" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <"a">: can't give argument to non-function "a""#,
    );
    check_error(
        "{{ 5 | 6 }}",
        "parse error at (demo/templates/case.yaml:1): non executable command in pipeline stage 2",
    );
    check_error(
        "{{ nil }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <nil>: nil is not a command"#,
    );
    check_error(
        "{{ nofunc 1 }}",
        r#"parse error at (demo/templates/case.yaml:1): function "nofunc" not defined"#,
    );
    check_error(
        "{{ if }}x{{ end }}",
        "parse error at (demo/templates/case.yaml:1): missing value for if",
    );
    check_error(
        "{{ if true }}x",
        "parse error at (demo/templates/case.yaml:2): unexpected EOF",
    );
    check_error(
        "{{ end }}",
        "parse error at (demo/templates/case.yaml:1): unexpected {{end}}",
    );
    check_error(
        "{{ else }}",
        "parse error at (demo/templates/case.yaml:1): unexpected {{else}}",
    );
    check_error(
        "{{ range $a, $b, $c := .Values.list }}{{ end }}",
        "parse error at (demo/templates/case.yaml:1): too many declarations in range",
    );
    check_error(
        "{{ $undefined }}",
        r#"parse error at (demo/templates/case.yaml:1): undefined variable "$undefined""#,
    );
    check_error(
        r#"{{ "unclosed }}"#,
        "parse error at (demo/templates/case.yaml:1): unterminated quoted string",
    );
    check_error(
        "{{ (1 }}",
        "parse error at (demo/templates/case.yaml:1): unclosed left paren",
    );
    check_error(
        "{{ ) }}",
        "parse error at (demo/templates/case.yaml:1): unexpected right paren",
    );
    check_error(
        "{{ break }}",
        "parse error at (demo/templates/case.yaml:1): {{break}} outside {{range}}",
    );
    check_error(
        r#"{{ define "x" }}"#,
        "parse error at (demo/templates/case.yaml:2): unexpected EOF",
    );
    check_error(
        "{{ .Files.Get }}",
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <.Files.Get>: wrong number of args for Get: want 1 got 0"#,
    );
    check_error(
        "{{ .Capabilities.APIVersions.Has }}",
        r#"template: demo/templates/case.yaml:1:16: executing "demo/templates/case.yaml" at <.Capabilities.APIVersions.Has>: wrong number of args for Has: want 1 got 0"#,
    );
    check_error(
        "{{ .Chart.Nope.deeper }}",
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <.Chart.Nope.deeper>: nil pointer evaluating interface {}.deeper"#,
    );
    check_error(
        r#"{{ mustToDuration "x" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <mustToDuration "x">: error calling mustToDuration: could not parse duration "x""#,
    );
    check_error(
        r#"{{ repeat -1 "x" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <repeat -1 "x">: error calling repeat: strings: negative Repeat count"#,
    );
    check_error(
        "{{ slice (list 1 2) 1 9 }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <slice (list 1 2) 1 9>: error calling slice: reflect.Value.Slice: slice index out of bounds"#,
    );
    check_error(
        r#"{{ without "x" 1 }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <without "x" 1>: error calling without: Cannot find without on type string"#,
    );
    check_error(
        r#"{{ template "helper" }}{{ .Values.a.b.c }}"#,
        r#"template: demo/templates/case.yaml:1:33: executing "demo/templates/case.yaml" at <.Values.a.b.c>: nil pointer evaluating interface {}.b"#,
    );
    check_error(
        r#"{{ mustDateModify "x" now }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <mustDateModify "x" now>: error calling mustDateModify: time: invalid duration "x""#,
    );
    check_error(
        "{{ printf .Values.int }}",
        r#"template: demo/templates/case.yaml:1:17: executing "demo/templates/case.yaml" at <.Values.int>: wrong type for value; expected string; got float64"#,
    );
    check_error(
        "{{ join }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <join>: wrong number of args for join: want 2 got 0"#,
    );
    check_error(
        r#"{{ join "," }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <join>: wrong number of args for join: want 2 got 1"#,
    );
    check_error(
        "{{ add1 }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <add1>: wrong number of args for add1: want 1 got 0"#,
    );
    check_error(
        "{{ default }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <default>: wrong number of args for default: want at least 1 got 0"#,
    );
    check_error(
        r#"{{ "s".x }}"#,
        r#"parse error at (demo/templates/case.yaml:1): unexpected . after term "\"s\"""#,
    );
    check_error(
        "{{ $x := 1 }}{{ $x.y }}",
        r#"template: demo/templates/case.yaml:1:18: executing "demo/templates/case.yaml" at <$x.y>: can't evaluate field y in type int"#,
    );
}

/// Where Helm says less, or where a library of Go says it in other words.
#[test]
fn errors_of_our_own() {
    check_error(
        "{{ .Values.name.x }}",
        r#"template: demo/templates/case.yaml:1:10: executing "demo/templates/case.yaml" at <.Values.name.x>: can't evaluate field x in type string"#,
    );
    check_error(
        "{{ .Values.list.x }}",
        r#"template: demo/templates/case.yaml:1:10: executing "demo/templates/case.yaml" at <.Values.list.x>: can't evaluate field x in type []interface {}"#,
    );
    check_error(
        "{{ eq .Values.list .Values.list }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <eq .Values.list .Values.list>: error calling eq: non-comparable type [a b c]: []interface {}"#,
    );
    check_error(
        "{{ len nil }}",
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <len nil>: error calling len: len of nil pointer"#,
    );
    check_error(
        r#"{{ regexFind "[" "a" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <regexFind "[" "a">: error calling regexFind: regexp: Compile(`[`): error parsing regexp: missing closing ]: `[`"#,
    );
    check_error(
        r#"{{ mustRegexFind "(" "a" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <mustRegexFind "(" "a">: error calling mustRegexFind: error parsing regexp: missing closing ): `(`"#,
    );
    check_error(
        "{{ .Values.name",
        "parse error at (demo/templates/case.yaml:1): unclosed action",
    );
    check_error(
        "{{ .Files.Get 1 }}",
        r#"template: demo/templates/case.yaml:1:9: executing "demo/templates/case.yaml" at <.Files.Get>: wrong type for value; expected string; got int"#,
    );
    check_error(
        "{{ .Capabilities.Nope }}",
        r#"template: demo/templates/case.yaml:1:16: executing "demo/templates/case.yaml" at <.Capabilities.Nope>: can't evaluate field Nope in type *common.Capabilities"#,
    );
    check_error(
        r#"{{ mustFromJson "{" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <mustFromJson "{">: error calling mustFromJson: unexpected end of JSON input"#,
    );
    check_error(
        r#"{{ substr 5 2 "abc" }}"#,
        r#"template: demo/templates/case.yaml:1:3: executing "demo/templates/case.yaml" at <substr 5 2 "abc">: error calling substr: runtime error: slice bounds out of range [5:2]"#,
    );
    check_error(
        "{{ 1.5.x }}",
        r#"parse error at (demo/templates/case.yaml:1): bad number syntax: "1.5.x""#,
    );
    check_error(
        "{{ (list 1).x }}",
        r#"template: demo/templates/case.yaml:1:11: executing "demo/templates/case.yaml" at <(list 1).x>: can't evaluate field x in type []interface {}"#,
    );
    check_error(
        "{{ #x }}",
        "parse error at (demo/templates/case.yaml:1): unrecognized character in action: U+0023 '#'",
    );
    check_error(
        "{{ .Values.map.nested.deep.er.x }}",
        r#"template: demo/templates/case.yaml:1:10: executing "demo/templates/case.yaml" at <.Values.map.nested.deep.er.x>: can't evaluate field x in type string"#,
    );
}
