//! The language itself: actions, scopes, pipelines, objects with methods. The expected texts are those of Helm 4.3.1.

use crate::check;

#[test]
fn they_do_what_helm_says() {
    check("plain text", "plain text");
    check(
        r#"{{ "a" }}{{ 1 }}{{ 1.5 }}{{ true }}{{ 'x' }}{{ 0x1F }}{{ 1e3 }}{{ 1_000 }}{{ -3 }}{{ +4 }}"#,
        "a11.5true1203110001000-34",
    );
    check("{{ 0x1p10 }} {{ 0x1.8p1 }} {{ -0x1p-2 }}", "1024 3 -0.25");
    check(r#"a {{- " b " -}} c"#, "a b c");
    check(
        r#"a {{ "b" -}} 

 c"#,
        "a bc",
    );
    check("a {{/* comment */}} b {{- /* trimmed */ -}} c", "a  bc");
    check(
        r#"{{ `raw "string"` }} {{ "tab\tq\"u\u00e9\x41\101" }}"#,
        "raw \"string\" tab\u{9}q\"uéAA",
    );
    check(
        "{{ .Values.name }} {{ $.Values.name }} {{ (.Values).name }}",
        "demo demo demo",
    );
    check(
        "{{ .Values.missing }}|{{ .Values.nothing }}|{{ .Values.empty }}",
        "<no value>|<no value>|",
    );
    check(
        "{{ .Values.map.nested.deep.er }}{{ (.Values.missing).deep.er }}{{ ((.Values.nope).a).b }}",
        "x<no value><no value>",
    );
    check(
        "{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}{{ if true }}{{ $x = 3 }}{{ $y := 4 }}{{ $y }}{{ end }}{{ $x }}",
        "1243",
    );
    check(
        "{{ if .Values.yes }}y{{ else }}n{{ end }}{{ if .Values.offvalue }}y{{ else }}n{{ end }}{{ if .Values.missing }}y{{ end }}",
        "nn",
    );
    check(
        r#"{{ if eq .Values.name "x" }}1{{ else if eq .Values.name "demo" }}2{{ else }}3{{ end }}"#,
        "2",
    );
    check(
        r#"{{ if 0 }}t{{ else }}f{{ end }}{{ if "" }}t{{ else }}f{{ end }}{{ if .Values.emptyList }}t{{ else }}f{{ end }}{{ if .Values.emptyMap }}t{{ else }}f{{ end }}{{ if 0.0 }}t{{ else }}f{{ end }}"#,
        "fffff",
    );
    check(
        "{{ with .Values.map }}{{ .a }}{{ $.Values.name }}{{ else }}none{{ end }}",
        "1demo",
    );
    check(
        "{{ with .Values.missing }}x{{ else with .Values.name }}{{ . }}{{ else }}none{{ end }}",
        "demo",
    );
    check("{{ with $v := .Values.int }}{{ $v }}{{ . }}{{ end }}", "33");
    check("{{ range .Values.list }}{{ . }},{{ end }}", "a,b,c,");
    check(
        "{{ range $i, $e := .Values.list }}{{ $i }}={{ $e }};{{ end }}",
        "0=a;1=b;2=c;",
    );
    check(
        "{{ range $k, $v := .Values.map }}{{ $k }}={{ $v }};{{ end }}",
        "a=1;b=2;nested=map[deep:map[er:x]];",
    );
    check(
        "{{ range .Values.emptyList }}x{{ else }}empty{{ end }}{{ range .Values.missing }}x{{ else }}missing{{ end }}",
        "emptymissing",
    );
    check(
        "{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}{{ range until 3 }}{{ . }}{{ end }}",
        "01201012",
    );
    check(
        "{{ range $i, $e := .Values.list }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $e }}{{ end }}",
        "ac",
    );
    check(
        "{{ range $i, $e := .Values.list }}{{ if eq $i 1 }}{{ break }}{{ end }}{{ $e }}{{ end }}",
        "a",
    );
    check(
        r#"{{ $last := "" }}{{ range .Values.list }}{{ $last = . }}{{ end }}{{ $last }}"#,
        "c",
    );
    check(
        r#"{{ $i := 0 }}{{ $e := "" }}{{ range $i, $e = .Values.list }}{{ end }}{{ $i }}{{ $e }}"#,
        "2c",
    );
    check(
        r#"{{ template "helper" "x" }}{{ template "helper" . }}{{ include "helper" "y" }}"#,
        "<string><common.Values><string>",
    );
    check(r#"{{ block "blk" "b" }}[{{ . }}]{{ end }}"#, "[b]");
    check(
        r#"{{ "demo" | upper | quote }} {{ upper "demo" | quote }} {{ quote (upper "demo") }}"#,
        r#""DEMO" "DEMO" "DEMO""#,
    );
    check(
        r#"{{ and true "x" }} {{ and "" "x" }} {{ or "" "x" }} {{ or 0 "" }} {{ and 1 0 (fail "not reached") }} {{ or 1 (fail "no") }} {{ not "" }}"#,
        "x  x  0 1 true",
    );
    check(r#"{{ true | and false }} {{ "x" | or "" }}"#, "false x");
    check(
        r#"{{ eq 1 1 }} {{ eq 1 2 1 }} {{ ne "a" "b" }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt "b" "a" }} {{ ge 1.5 1.5 }}"#,
        "true true true true true true true",
    );
    check(
        "{{ eq .Values.int 3.0 }} {{ eq (int .Values.int) 3 }} {{ eq .Values.missing nil }} {{ eq .Values.nothing .Values.missing }} {{ ne .Values.name nil }}",
        "true true true true true",
    );
    check("{{ eq (int64 1) (int 1) }} {{ lt (int64 1) 2 }}", "true true");
    check(
        r#"{{ index .Values.list 1 }} {{ index .Values.map "a" }} {{ index .Values "map" "nested" "deep" }} {{ index .Values.map "none" }} {{ index "abc" 1 }}"#,
        "b 1 map[er:x] <no value> 98",
    );
    check(
        r#"{{ len .Values.list }} {{ len .Values.map }} {{ len "héllo" }} {{ len .Values.empty }}"#,
        "3 3 6 0",
    );
    check(
        "{{ slice .Values.list 1 }} {{ slice .Values.list 0 2 }}",
        "[b c] [a b]",
    );
    check(
        r#"{{ tpl .Values.template . }} {{ tpl "{{ define \"inner\" }}[{{ . }}]{{ end }}{{ include \"inner\" \"z\" }}" . }} {{ tpl "no braces" . }}"#,
        "demo-rel [z] no braces",
    );
    check(
        r#"{{ tpl "{{ $x := .Values.missing }}{{ $x }}|" . }}{{ tpl "{{ include \"helper\" .Values.name }}" $ }}"#,
        "|<string>",
    );
    check(
        r#"{{ $m := dict "a" 1 }}{{ $_ := set $m "b" 2 }}{{ $m }}{{ $n := $m }}{{ $_ := unset $n "a" }}{{ $m }}"#,
        "map[a:1 b:2]map[b:2]",
    );
    check(
        r#"{{ $_ := set .Values "added" "here" }}{{ .Values.added }}{{ $.Values.added }}"#,
        "herehere",
    );
    check(
        "{{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.IsInstall }} {{ .Release.IsUpgrade }} {{ .Release.Revision }} {{ .Release.Service }}",
        "rel ns true false 1 Helm",
    );
    check(
        "{{ .Chart.Name }} {{ .Chart.Version }} {{ .Chart.AppVersion }} {{ .Chart.Type }} {{ .Chart.Description }} {{ .Chart.IsRoot }} {{ .Chart.Annotations }} {{ .Chart.Annotations.none }}|",
        "demo 0.1.0 1.16 application A demo true map[note:5] |",
    );
    check(
        r#"{{ .Template.BasePath }} {{ .Capabilities.KubeVersion.Major }}.{{ .Capabilities.KubeVersion.Minor }} {{ .Capabilities.APIVersions.Has "apps/v1" }} {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }} {{ has "batch/v1" .Capabilities.APIVersions }} {{ .Capabilities.HelmVersion.Version }}"#,
        "demo/templates 1.37 true false true v4.3.1",
    );
    check(
        r#"{{ .Files.Get "files/a.txt" }}|{{ .Files.Get "none" }}|{{ (.Files.Glob "files/*").AsConfig }}|{{ .Files.Lines "files/b.txt" }}"#,
        r"alpha
||a.txt: |
  alpha
b.txt: |
  one
  two|[one two]",
    );
    check(
        r#"{{ range $path, $_ := .Files.Glob "files/**" }}{{ $path }}={{ $.Files.Get $path | trim }};{{ end }}"#,
        r"files/a.txt=alpha;files/b.txt=one
two;",
    );
    check(
        r#"{{ (.Files.Glob "files/a*").AsSecrets }} {{ .Files.GetBytes "files/a.txt" | toString }}"#,
        r"a.txt: YWxwaGEK alpha
",
    );
    check(
        r#"{{ lookup "v1" "Secret" "ns" "name" }} {{ (lookup "v1" "Secret" "" "").items }}|"#,
        "map[] <no value>|",
    );
    check(
        r#"{{ required "needed" .Values.name }} {{ .Values.name | required "needed" }} {{ required "zero is fine" 0 }}"#,
        "demo demo 0",
    );
    check(
        r#"{{ print "a" "b" 1 2 true "c" }}|{{ println "a" 1 }}|{{ print 1 2 }}{{ print }}"#,
        r"ab1 2 truec|a 1
|1 2",
    );
    check(
        "{{ .Values.list }} {{ .Values.map }} {{ .Values.mixed }} {{ .Values.emptyMap }}",
        "[a b c] map[a:1 b:2 nested:map[deep:map[er:x]]] [1 1 true <nil>] map[]",
    );
    check(
        "{{ .Values.int }} {{ .Values.big }} {{ .Values.huge }} {{ .Values.float }} {{ int .Values.big }} {{ .Values.big | int64 }}",
        "3 1.234567e+06 1.2345678901234567e+19 2.5 1234567 1234567",
    );
    check(
        r#"{{ html "<a&'\">" }} {{ js "it's <b>" }} {{ urlquery "a b&c/é" }}"#,
        r"&lt;a&amp;&#39;&#34;&gt; it\'s \u003Cb\u003E a+b%26c%2F%C3%A9",
    );
    check(
        r#"{{ (dict "f" (list 1 2)).f }} {{ (index (list (dict "k" "v")) 0).k }}"#,
        "[1 2] v",
    );
}
