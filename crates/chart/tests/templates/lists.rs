//! Functions on lists and maps, and on what is empty. The expected texts are those of Helm 4.3.1.

use crate::check;

#[test]
fn they_do_what_helm_says() {
    check(
        r#"{{ list 1 "a" true }} {{ tuple 1 2 }} {{ list }} {{ list nil }}"#,
        "[1 a true] [1 2] [] [<nil>]",
    );
    check(
        "{{ first .Values.list }} {{ last .Values.list }} {{ rest .Values.list }} {{ initial .Values.list }} {{ first (list) }}|{{ rest (list) }}|{{ initial (list 1) }}",
        "a c [b c] [a b] <no value>|[]|[]",
    );
    check(
        r#"{{ append .Values.list "d" }} {{ prepend .Values.list "z" }} {{ concat .Values.list (list 1) (until 2) }} {{ push (list 1) 2 }} {{ .Values.list }}"#,
        "[a b c d] [z a b c] [a b c 1 0 1] [1 2] [a b c]",
    );
    check(
        r#"{{ reverse .Values.list }} {{ uniq (list 1 1 "a" "a" 1.0) }} {{ without (list 1 2 3) 2 }} {{ compact (list 0 "" nil 1 "a" (list)) }}"#,
        "[c b a] [1 a 1] [1 3] [1 a]",
    );
    check(
        r#"{{ has "a" .Values.list }} {{ has 1 .Values.numbers }} {{ has 1.0 .Values.numbers }} {{ has "x" nil }} {{ .Values.list | has "b" }}"#,
        "true false true false true",
    );
    check(
        "{{ chunk 2 (list 1 2 3) }} {{ mustSlice (list 1 2 3) 1 2 }} {{ slice (list 1 2 3) 1 }} {{ slice (list) 0 }}|",
        "[[1 2] [3]] [2] [2 3] <no value>|",
    );
    check(
        "{{ until 4 }} {{ untilStep 1 10 3 }} {{ untilStep 5 0 -2 }} {{ until -2 }} {{ seq 3 }} {{ seq 2 5 }} {{ seq 0 2 6 }} {{ seq 5 1 }} {{ seq }}|",
        "[0 1 2 3] [1 4 7] [5 3 1] [0 -1] 1 2 3 2 3 4 5 0 2 4 6 5 4 3 2 1 |",
    );
    check(
        r#"{{ dict "a" 1 "b" (list 1) }} {{ dict }} {{ dict "odd" }} {{ dict 1 2 }}"#,
        "map[a:1 b:[1]] map[] map[odd:] map[1:2]",
    );
    check(
        r#"{{ get .Values.map "a" }} {{ get .Values.map "none" }}| {{ hasKey .Values.map "a" }} {{ hasKey .Values.map "none" }} {{ hasKey .Values "nothing" }}"#,
        "1 | true false false",
    );
    check(
        r#"{{ keys .Values.map | sortAlpha }} {{ values (dict "a" 1) }} {{ pick .Values.map "a" "zz" }} {{ omit .Values.map "nested" }} {{ pluck "a" .Values.map (dict "a" 9) (dict "b" 1) }}"#,
        "[a b nested] [1] map[a:1] map[a:1 b:2] [1 9]",
    );
    check(
        r#"{{ dig "nested" "deep" "er" "def" .Values.map }} {{ dig "nested" "none" "def" .Values.map }} {{ dig "x" 5 (dict) }}"#,
        "x def 5",
    );
    check(
        r#"{{ merge (dict "a" 1) (dict "a" 2 "b" 3) }} {{ merge (dict "a" (dict "x" 1)) (dict "a" (dict "x" 2 "y" 3)) }} {{ merge (dict "a" "" "b" 0 "c" false) (dict "a" 1 "b" 2 "c" true) }}"#,
        "map[a:1 b:3] map[a:map[x:1 y:3]] map[a:1 b:2 c:true]",
    );
    check(
        r#"{{ mergeOverwrite (dict "a" 1 "k" 1) (dict "a" 2 "b" 3) }} {{ mergeOverwrite (dict "a" (dict "x" 1 "z" 1)) (dict "a" (dict "x" 2)) }} {{ mergeOverwrite (dict "a" (list 1)) (dict "a" (list)) }} {{ mergeOverwrite (dict "a" 1) (dict "a" false) (dict "b" "") }}"#,
        "map[a:2 b:3 k:1] map[a:map[x:2 z:1]] map[a:[]] map[a:false b:]",
    );
    check(
        r#"{{ merge (dict "a" (list 1)) (dict "a" (list 2 3) "b" (list)) }} {{ merge (dict) (dict "a" nil "b" 1) }} {{ mergeOverwrite (dict "a" 1) (dict "a" nil) }} {{ merge (dict "a" (dict "b" 1)) (dict "a" 5) }} {{ merge (dict "a" 5) (dict "a" (dict "b" 1)) }} {{ mergeOverwrite (dict "a" 5) (dict "a" (dict "b" 1)) }}"#,
        "map[a:[1] b:[]] map[b:1] map[a:<nil>] map[a:map[b:1]] map[a:5] map[a:map[b:1]]",
    );
    check(
        r#"{{ $a := dict "x" (dict "y" 1) }}{{ $b := deepCopy $a }}{{ $_ := set $b.x "y" 2 }}{{ $a }}{{ $b }}"#,
        "map[x:map[y:1]]map[x:map[y:2]]",
    );
    check(
        r#"{{ $a := dict "n" (dict) }}{{ $b := merge (dict) $a }}{{ $_ := set $b.n "k" "v" }}{{ $a }}"#,
        "map[n:map[k:v]]",
    );
    check(
        r#"{{ $d := dict "a" 1 }}{{ range $k, $v := $d }}{{ $_ := set $d "b" 2 }}{{ end }}{{ $d }}"#,
        "map[a:1 b:2]",
    );
    check(
        r#"{{ default "d" "" }} {{ default "d" "v" }} {{ default "d" 0 }} {{ default "d" false }} {{ default "d" .Values.missing }} {{ "" | default "p" }} {{ default 5 }} {{ default "d" .Values.emptyList }}"#,
        "d v d d d p 5 d",
    );
    check(
        r#"{{ coalesce "" nil 0 "x" "y" }} {{ coalesce nil "" }}| {{ empty "" }} {{ empty 0 }} {{ empty .Values.map }} {{ empty nil }} {{ all 1 "a" }} {{ all 1 "" }} {{ any 0 "" }} {{ any 0 1 }}"#,
        "x <no value>| true true false true true false false true",
    );
    check(
        r#"{{ ternary "y" "n" true }} {{ ternary "y" "n" .Values.offvalue }} {{ true | ternary "y" "n" }} {{ eq 1 1 | ternary 1 2 }}"#,
        "y n y 1",
    );
    check(
        r#"{{ deepEqual (list 1 2) (list 1 2) }} {{ deepEqual 1 1.0 }} {{ deepEqual .Values.map (dict "a" 1.0 "b" 2.0) }} {{ deepEqual nil nil }}"#,
        "true false false true",
    );
}
