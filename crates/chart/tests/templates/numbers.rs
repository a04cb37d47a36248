//! Arithmetic, `printf`, types, versions and times. The expected texts are those of Helm 4.3.1.

use crate::check;

#[test]
fn they_do_what_helm_says() {
    check(
        r#"{{ add 1 2 3 }} {{ add }} {{ add "2" 3 }} {{ add 1.9 1.9 }} {{ add nil 1 }} {{ sub 5 3 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod 7 3 }} {{ add1 4 }} {{ div -7 2 }} {{ mod -7 3 }}"#,
        "6 0 5 2 1 2 24 3 1 5 -3 -1",
    );
    check(
        "{{ max 1 5 3 }} {{ min 4 2 8 }} {{ maxf 1.5 3 }} {{ minf 1.5 3 }} {{ biggest 1 2 }}",
        "5 2 3 1.5 2",
    );
    check(
        "{{ addf 0.1 0.2 }} {{ subf 7.5 2 3 }} {{ mulf 1.1 1.1 }} {{ divf 10 4 }} {{ divf 1 3 }} {{ add1f 1.5 }} {{ addf 1 2 }}",
        "0.3 2.5 1.21 2.5 0.3333333333333333 2.5 3",
    );
    check(
        r#"{{ floor 1.7 }} {{ ceil 1.2 }} {{ round 123.5555 3 }} {{ round 123.5 0 }} {{ round 2.4 0 0.3 }} {{ floor "3.9" }} {{ ceil -1.5 }} {{ round -2.5 0 }}"#,
        "1 2 123.556 124 3 3 -1 -3",
    );
    check(
        r#"{{ int "12" }} {{ int "abc" }} {{ int "010" }} {{ int "0x1f" }} {{ int 3.9 }} {{ int true }} {{ int nil }} {{ int "3.0" }} {{ int "3.5" }} {{ int64 "9999999999" }} {{ float64 "1.5" }} {{ float64 "x" }} {{ atoi "12" }} {{ atoi "1.5" }} {{ int "" }} {{ int "-5" }} {{ toDecimal "0777" }} {{ toDecimal 777 }}"#,
        "12 0 8 31 3 1 0 3 0 9999999999 1.5 0 12 0 0 -5 511 511",
    );
    check(
        "{{ 1000000.0 }} {{ 123456.0 }} {{ 1e21 }} {{ 0.00001 }} {{ 100000.0 }} {{ 1.0 }} {{ float64 1000000 }}",
        "1e+06 123456 1e+21 1e-05 100000 1 1e+06",
    );
    check(
        r#"{{ printf "%d" 42 }} {{ printf "%5d|%-5d|%05d|%+d" 42 42 42 42 }} {{ printf "%x %X %o %b %c %U %q" 255 255 8 5 65 65 65 }}"#,
        "42    42|42   |00042|+42 ff FF 10 101 A U+0041 'A'",
    );
    check(
        r#"{{ printf "%s %q %v %x %10s|%-10s|%.2s" "a" "b\"" "c" "hi" "right" "left" "cut" }}"#,
        r#"a "b\"" c 6869      right|left      |cu"#,
    );
    check(
        r#"{{ printf "%v %d %s %t" 1.5 1.5 1.5 true }} {{ printf "%f %.2f %8.3f %e %g %G" 1.5 1.005 3.14159 12345.678 1e10 1e-7 }} {{ printf "%g %v" 1e6 1e20 }}"#,
        "1.5 %!d(float64=1.5) %!s(float64=1.5) true 1.500000 1.00    3.142 1.234568e+04 1e+10 1E-07 1e+06 1e+20",
    );
    check(
        r#"{{ printf "%v %v %v %v" nil (list 1 "a" nil) (dict "k" "v") .Values.map }} {{ printf "%s %d" nil nil }}"#,
        "<nil> [1 a <nil>] map[k:v] map[a:1 b:2 nested:map[deep:map[er:x]]] %!s(<nil>) %!d(<nil>)",
    );
    check(
        r#"{{ printf "%T %T %T %T %T %T %T" 1 1.5 "s" true nil (list) (dict) }} {{ printf "%T %T %T" (int64 1) (until 1) (splitList "," "a") }}"#,
        "int float64 string bool <nil> []interface {} map[string]interface {} int64 []int []string",
    );
    check(
        r#"{{ printf "%d" "s" }} {{ printf "%s" 5 }} {{ printf "%d" }} {{ printf "x" 1 2 }} {{ printf "%!" }} {{ printf "%z" 1 }} {{ printf "100%%" }}"#,
        "%!d(string=s) %!s(int=5) %!d(MISSING) x%!(EXTRA int=1, int=2) %!!(MISSING) %!z(int=1) 100%",
    );
    check(
        r#"{{ printf "%[2]s %[1]s" "a" "b" }} {{ printf "%*d" 5 42 }} {{ printf "%s" (list "a" "b") }} {{ printf "%q" (list "a" "b") }} {{ printf "%d" (list 1 2) }} {{ printf "%s" .Values.list }} {{ printf "%#v %#v" "a" (list 1) }} {{ printf "%t" "x" }} {{ printf "%08.3f" 3.14159 }} {{ printf "%+v % d" 5 7 }}"#,
        r#"b a    42 [a b] ["a" "b"] [1 2] [a b c] "a" []interface {}{1} %!t(string=x) 0003.142 5  7"#,
    );
    check(
        r#"{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 10 }} {{ printf "%v" .Values.big }} {{ printf "%.0f" .Values.big }} {{ printf "%s" .Values.missing }} {{ printf "%s" (toString .Values.int) }}"#,
        "rel-demo 1.234567e+06 1234567 %!s(<nil>) 3",
    );
    check(
        r#"{{ typeOf 1 }} {{ typeOf 1.5 }} {{ typeOf "" }} {{ typeOf nil }} {{ typeOf (list) }} {{ typeOf (dict) }} {{ typeOf .Values }} {{ typeOf .Values.map }} {{ typeOf .Values.int }} {{ typeOf (until 1) }} {{ typeOf (int64 1) }} {{ typeOf .Files }} {{ typeOf (split "," "a") }} {{ typeOf now }} {{ typeOf .Capabilities.APIVersions }} {{ typeOf (chunk 1 (list 1)) }}"#,
        "int float64 string <nil> []interface {} map[string]interface {} common.Values map[string]interface {} float64 []int int64 engine.files map[string]string time.Time common.VersionSet [][]interface {}",
    );
    check(
        r#"{{ kindOf 1 }} {{ kindOf 1.5 }} {{ kindOf "" }} {{ kindOf nil }} {{ kindOf (list) }} {{ kindOf .Values }} {{ kindOf now }} {{ kindIs "map" .Values.map }} {{ kindIs "slice" .Values.list }} {{ kindIs "string" .Values.name }} {{ kindIs "invalid" .Values.missing }} {{ kindIs "float64" .Values.int }} {{ typeIs "string" "" }} {{ typeIsLike "*string" "" }} {{ kindIs "bool" true }} {{ kindOf .Files }} {{ kindOf .Capabilities.KubeVersion }}"#,
        "int float64 string invalid slice map struct true true true true true true false true map struct",
    );
    check(
        r#"{{ semverCompare ">=1.19-0" .Capabilities.KubeVersion.Version }} {{ semverCompare "^1.2.0" "1.3.0" }} {{ semverCompare "<1.10" .Values.version }} {{ (semver "v1.2.3-beta.1+5").Minor }} {{ semver "1.2.3" }} {{ (semver "1.2.3-rc1").Prerelease }} {{ (semver "1.2").Original }} {{ semver "1.3.0" | (semver "1.2.0").Compare }} {{ semverCompare ">=1.16.0-0 <1.20.0-0" "v1.18.3-eks" }}"#,
        "true true false 2 1.2.3 rc1 1.2 -1 true",
    );
    check(
        r#"{{ duration 3661 }} {{ duration "95" }} {{ durationRound "2h10m5s" }} {{ durationRound "36h" }} {{ date "2006-01-02" (toDate "2006-01-02" "2026-03-04") }} {{ htmlDate (toDate "2006-01-02" "2026-03-04") }} {{ toDate "2006-01-02" "2026-03-04" | date "Mon Jan _2 15:04:05 MST 2006" }} {{ (toDate "2006-01-02" "2026-03-04").Year }} {{ toDate "2006-01-02" "2026-03-04" | unixEpoch }}"#,
        "0s 1m35s 2h 1d 2026-03-04 2026-03-04 Wed Mar  4 00:00:00 UTC 2026 2026 1772582400",
    );
    check(
        r#"{{ dateModify "-1.5h" (toDate "2006-01-02T15:04:05Z07:00" "2026-03-04T05:06:07+02:00") | date "2006" }}{{ dateInZone "2006-01-02T15:04:05.000Z07:00 Monday January 2 03:04PM 002" (dateModify "-1.5h" (toDate "2006-01-02T15:04:05Z07:00" "2026-03-04T05:06:07+02:00")) "UTC" }} {{ dateInZone "06/1/2 3:4:5 pm" (toDate "2006-01-02 15:04:05" "2026-03-04 17:08:09") "UTC" }}"#,
        "20262026-03-04T01:36:07.000Z Wednesday March 4 01:36AM 063 26/3/4 5:8:9 pm",
    );
    check(
        r#"{{ mustToDuration "90s" }} {{ durationSeconds "1m30s" }} {{ durationHours 5400 }} {{ durationRoundTo "2h13m" "30m" }} {{ durationTruncateTo "2h13m" "30m" }} {{ durationMilliseconds 1.5 }} {{ durationSeconds "x" }} {{ (mustToDuration "1h").Minutes }}"#,
        "1m30s 90 1.5 2h0m0s 2h0m0s 1500 0 60",
    );
    check(
        r#"{{ urlParse "https://user:pw@example.com:8080/a/b?q=1#frag" }} {{ urlJoin (dict "scheme" "http" "host" "h:1" "path" "/p" "query" "a=b" "fragment" "f") }}"#,
        "map[fragment:frag host:example.com:8080 hostname:example.com opaque: path:/a/b query:q=1 scheme:https userinfo:user:pw] http://h:1/p?a=b#f",
    );
}
