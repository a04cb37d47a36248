//! YAML and JSON in both directions. The expected texts are those of Helm 4.3.1.

use crate::check;

#[test]
fn they_do_what_helm_says() {
    check(
        "{{ toYaml .Values.map }}",
        r"a: 1
b: 2
nested:
  deep:
    er: x",
    );
    check(
        r#"{{ toYaml .Values.list }}|{{ toYaml .Values.emptyMap }}|{{ toYaml .Values.emptyList }}|{{ toYaml nil }}|{{ toYaml "a" }}|{{ toYaml 1.0 }}|{{ toYaml true }}|{{ toYaml .Values.missing }}"#,
        r"- a
- b
- c|{}|[]|null|a|1|true|null",
    );
    check(
        r##"{{ toYaml (dict "a" "yes" "b" "012" "c" "1e3" "d" "null" "e" "" "f" "a: b" "g" "*x" "h" "true" "i" "y" "j" "1:30" "k" "2001-01-01" "l" "-" "m" "0x1" "n" ".5" "o" "~" "p" "#c" "q" "it's" "r" "[a" "s" "a #b" "t" "@x" "u" "%x" "v" "!t" "w" "a:" "x" "=" "y" "<<" "z" "1_000") }}"##,
        r#"a: "yes"
b: "012"
c: "1e3"
d: "null"
e: ""
f: 'a: b'
g: '*x'
h: "true"
i: "y"
j: "1:30"
k: "2001-01-01"
l: '-'
m: "0x1"
"n": ".5"
o: "~"
p: '#c'
q: it's
r: '[a'
s: 'a #b'
t: '@x'
u: '%x'
v: '!t'
w: 'a:'
x: =
"y": <<
z: "1_000""#,
    );
    check(
        r#"{{ toYaml (dict "t" .Values.text "l" .Values.long "q" .Values.quoted "u" .Values.unicode "tab" "a\tb" "emoji" "😀" "sp" " a" "tr" "a " "nl" "\n" "two" "a\n\n" "ind" "  a\nb" "cr" "a\rb" "bs" "a\\b") }}"#,
        r#"bs: a\b
cr: "a\rb"
emoji: "\U0001F600"
ind: |2-
    a
  b
l: word word word word word word word word word word word word word word word word
  word word word word
nl: |2+

q: it's "quoted" & <tagged>
sp: ' a'
t: |
  line one
  line two
tab: "a\tb"
tr: 'a '
two: |+
  a

u: héllo wörld ☃"#,
    );
    check(
        r#"{{ toYaml (dict "a10" 1 "a9" 2 "B" 3 "b" 4 "_" 5 "1" 6 "a-b" 7 "a.b" 8) }}"#,
        r#"_: 5
"1": 6
B: 3
a-b: 7
a.b: 8
a9: 2
a10: 1
b: 4"#,
    );
    check(
        r#"{{ toYaml (dict "l" (list (list 1 2) (dict "a" (list)) nil "x" (dict))) }}"#,
        r"l:
- - 1
  - 2
- a: []
- null
- x
- {}",
    );
    check(
        r#"{{ toYaml (dict "q" (printf "%s: x" .Values.long) "d" (printf "%s\t" .Values.long)) }}"#,
        r#"d: "word word word word word word word word word word word word word word word word
  word word word word\t"
q: 'word word word word word word word word word word word word word word word word
  word word word word: x'"#,
    );
    check(
        r#"{{ toYaml (dict "i" 1 "f" 1.5 "big" 1234567.0 "bigger" 12345678.5 "e" 1e21 "small" 0.0000001 "i64" (int64 7) "neg" -0.0) }}"#,
        r"big: 1234567
bigger: 1.23456785e+07
e: 1e+21
f: 1.5
i: 1
i64: 7
neg: 0
small: 1e-07",
    );
    check(
        r#"{{ toJson .Values.map }} {{ toJson .Values.list }} {{ toJson .Values.quoted }} {{ toJson nil }} {{ toJson (dict "f" 1.0 "g" 1e21 "h" 1e-7 "i" 123456789.0 "s" "é\u2028\n\t\\\"\x01") }}"#,
        r#"{"a":1,"b":2,"nested":{"deep":{"er":"x"}}} ["a","b","c"] "it's \"quoted\" \u0026 \u003ctagged\u003e" null {"f":1,"g":1e+21,"h":1e-7,"i":123456789,"s":"é\u2028\n\t\\\"\u0001"}"#,
    );
    check(
        r#"{{ toRawJson .Values.quoted }} {{ toPrettyJson .Values.map }} {{ toPrettyJson (list) }} {{ toPrettyJson (dict) }} {{ toPrettyJson (list 1 (dict "a" (list))) }} {{ mustToJson "x" }}"#,
        r#""it's \"quoted\" & <tagged>" {
  "a": 1,
  "b": 2,
  "nested": {
    "deep": {
      "er": "x"
    }
  }
} [] {} [
  1,
  {
    "a": []
  }
] "x""#,
    );
    check(
        r#"{{ fromJson "{\"a\":[1,2.5,null,true]}" }} {{ (fromJson "[1]").Error }} {{ (fromJson "{").Error | empty }} {{ fromJsonArray "[1,\"a\"]" }} {{ mustFromJson "5" }}"#,
        "map[a:[1 2.5 <nil> true]] json: cannot unmarshal array into Go value of type map[string]interface {} false [1 a] 5",
    );
    check(
        r#"{{ fromYaml "a: [1, x]\nb: yes\nc: 010\nd: 1.0\ne: ~\nf: '1'" }} {{ (fromYaml "a: [").Error | empty }} {{ fromYamlArray "- 1\n- a: b" }} {{ fromYaml "" }} {{ (fromYaml "- a").Error }}"#,
        "map[a:[1 x] b:true c:8 d:1 e:<nil> f:1] false [1 map[a:b]] map[] error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
    );
    check(
        r#"{{ fromYaml "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2" | toJson }} {{ fromYaml "1: a\ntrue: b\n1.5: c" | toJson }} {{ fromYaml "a: 2001-01-01\nb: 0b11\nc: 0o17\nd: 1_000\ne: .5\nf: +1" | toJson }}"#,
        r#"{"a":{"b":1},"c":{"b":1,"d":2}} {"1":"a","1.5":"c","true":"b"} {"a":"2001-01-01","b":3,"c":15,"d":1000,"e":0.5,"f":1}"#,
    );
    check(
        r#"{{ .Values.map | toYaml | nindent 2 }} {{ toYaml (list "a\nb" (dict "k" "x\ny\n")) | indent 4 }}"#,
        r"
  a: 1
  b: 2
  nested:
    deep:
      er: x     - |-
      a
      b
    - k: |
        x
        y",
    );
    check(
        r#"{{ mustToYaml (dict "a" 1) }} {{ toYaml (until 3) }} {{ toYaml (splitList "," "a,1") }} {{ toYaml .Chart.Annotations }} {{ toYaml .Release }}"#,
        r#"a: 1 - 0
- 1
- 2 - a
- "1" note: "5" IsInstall: true
IsUpgrade: false
Name: rel
Namespace: ns
Revision: 1
Service: Helm"#,
    );
    check(
        r#"{{ (fromYaml (include "yamlish" .)).list | toJson }} {{ include "helper" . | fromYaml | toJson | empty }}"#,
        r#"[1,{"a":"b"}] false"#,
    );
}
