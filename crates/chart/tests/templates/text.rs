//! Functions on text. The expected texts are those of Helm 4.3.1.

use crate::check;

#[test]
fn they_do_what_helm_says() {
    check(
        r#"{{ trim "  a  " }}|{{ trimAll "-" "--a--" }}|{{ trimPrefix "v" "v1" }}|{{ trimSuffix ".x" "a.x" }}|{{ trimall "$" "$5" }}"#,
        "a|a|1|a|5",
    );
    check(
        r#"{{ printf "%s|%d|%#v|%v" (list nil) (dict "a" nil) (list nil) (list nil) }}"#,
        "[<nil>]|map[%!d(string=a):<nil>]|[]interface {}{interface {}(nil)}|[<nil>]",
    );
    check(
        r#"{{ upper "aé" }} {{ lower "AÉ" }} {{ title "hello wORLD foo-bar a_b" }} {{ untitle "Hello World" }} {{ swapcase "aBc De" }}"#,
        "AÉ aé Hello WORLD Foo-Bar A_b hello world AbC dE",
    );
    check(
        r#"{{ repeat 3 "ab" }}{{ repeat 0 "x" }}|{{ nospace " a b\tc " }}|{{ initials "First Try Me" }}"#,
        "ababab|abc|FTM",
    );
    check(
        r#"{{ trunc 3 "abcdef" }} {{ trunc -3 "abcdef" }} {{ trunc 9 "abc" }} {{ trunc 0 "abc" }}|{{ trunc -9 "abc" }} {{ trunc 63 (repeat 70 "a") | trimSuffix "-" | len }}"#,
        "abc def abc |abc 63",
    );
    check(
        r#"{{ substr 0 3 "abcdef" }} {{ substr -1 3 "abcdef" }} {{ substr 2 -1 "abcdef" }} {{ substr 2 99 "abcdef" }}"#,
        "abc abc cdef cdef",
    );
    check(
        r#"{{ abbrev 6 "hello world" }} {{ abbrev 3 "hello" }} {{ abbrevboth 5 10 "1234 5678 9123" }}"#,
        "hel... hello ...5678...",
    );
    check(
        r#"{{ contains "b" "abc" }} {{ hasPrefix "a" "abc" }} {{ hasSuffix "a" "abc" }} {{ contains "" "" }}"#,
        "true true false true",
    );
    check(
        r#"{{ quote "a" 1 true nil "b\"c" }} {{ squote "a" 1 nil }} {{ quote .Values.missing }}|{{ quote .Values.text }}"#,
        r#""a" "1" "true" "b\"c" 'a' '1' |"line one\nline two\n""#,
    );
    check(r#"{{ cat "a" 1 nil "b" }}|{{ cat }}|"#, "a 1 b||");
    check(
        r#"{{ indent 2 "a\nb\n" }}|{{ nindent 4 "a\nb" }}|{{ indent 0 "a" }}"#,
        r"  a
  b
  |
    a
    b|a",
    );
    check(
        r#"{{ replace "a" "b" "banana" }} {{ replace "" "-" "ab" }} {{ "a.b" | replace "." "-" }}"#,
        "bbnbnb -a-b- a-b",
    );
    check(
        r#"{{ plural "one" "many" 1 }} {{ plural "one" "many" 0 }} {{ plural "one" "many" (len .Values.list) }}"#,
        "one many many",
    );
    check(
        r#"{{ snakecase "FirstName" }} {{ snakecase "HTTPServer" }} {{ snakecase "NoHTTPS" }} {{ snakecase "GO_PATH" }} {{ snakecase "go path" }} {{ snakecase "http2xx" }} {{ snakecase "HTTP20xOK" }} {{ snakecase "some-name" }}"#,
        "first_name http_server no_https go_path go_path http_2xx http_20x_ok some_name",
    );
    check(
        r#"{{ camelcase "http_server" }} {{ camelcase "some-name here" }} {{ camelcase "_foo_bar_" }} {{ camelcase "FooBar" }} {{ camelcase "go_1_2" }}"#,
        "HttpServer SomeNameHere _FooBar_ FooBar Go12",
    );
    check(
        r#"{{ kebabcase "FirstName" }} {{ kebabcase "HTTPServer" }} {{ kebabcase "first_name" }} {{ kebabcase "someName1" }}"#,
        "first-name http-server first-name some-name1",
    );
    check(
        r#"{{ wrap 10 "a long line of words that wraps" }}|{{ wrapWith 5 "~" "Hello World" }}"#,
        r"a long
line of
words that
wraps|Hello~World",
    );
    check(
        r#"{{ join "," .Values.list }} {{ join "," .Values.numbers }} {{ join "-" "solo" }} {{ join "," .Values.mixed }} {{ join "," nil }}|"#,
        "a,b,c 3,1,2 solo 1,1,true |",
    );
    check(
        r#"{{ splitList "," "a,b,c" }} {{ splitList "" "abc" }} {{ (split "," "a,b")._1 }} {{ splitn "," 2 "a,b,c" }} {{ (splitn "," 2 "a,b,c")._1 }}"#,
        "[a b c] [a b c] b map[_0:a _1:b,c] b,c",
    );
    check(
        r#"{{ sortAlpha (list "c" "a" "b") }} {{ sortAlpha (list 3 20 1) }} {{ toStrings (list 1 "a" nil true) }} {{ toString 1.0 }} {{ toString nil }} {{ toString .Values.list }}"#,
        "[a b c] [1 20 3] [1 a true] 1 <nil> [a b c]",
    );
    check(
        r#"{{ b64enc "hello" }} {{ b64dec "aGVsbG8=" }} {{ b64dec "!!!" }} {{ b32enc "hello" }} {{ b32dec "NBSWY3DP" }} {{ b64enc .Values.unicode | b64dec }}"#,
        "aGVsbG8= hello illegal base64 data at input byte 0 NBSWY3DP hello héllo wörld ☃",
    );
    check(
        r#"{{ sha256sum "hello" }} {{ sha1sum "hello" }} {{ adler32sum "hello" }}"#,
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d 103547413",
    );
    check(
        r#"{{ sha512sum "" }}"#,
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    );
    check(
        r#"{{ regexMatch "^[a-z]+$" "abc" }} {{ regexMatch "[" "a" }} {{ regexFind "[0-9]+" "ab12cd" }} {{ regexFind "x" "ab" }}|{{ regexFindAll "[a-c]" "abcabc" 4 }} {{ regexFindAll "[a-c]" "abc" -1 }}"#,
        "true false 12 |[a b c a] [a b c]",
    );
    check(
        r#"{{ regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W" }} {{ regexReplaceAll "a(x*)b" "-ab-axxb-" "$1W" }} {{ regexReplaceAllLiteral "a(x*)b" "-ab-" "${1}" }} {{ regexSplit "z+" "pizza" -1 }} {{ regexSplit "z" "pizza" 2 }} {{ regexQuoteMeta "1.2*3" }}"#,
        r"-W-xxW- --- -${1}- [pi a] [pi za] 1\.2\*3",
    );
    check(
        r#"{{ regexReplaceAll "[^a-zA-Z0-9-]" "a.b_c" "-" }} {{ regexMatch "^[\\w-\\.]+$" "a-b.c" }} {{ regexReplaceAll "\\W+" "a b!c" "_" }} {{ regexMatch "(?i)ABC" "xabcx" }}"#,
        "a-b-c true a_b_c true",
    );
    check(
        r#"{{ base "/a/b.c" }} {{ dir "/a/b.c" }} {{ ext "/a/b.c" }} {{ clean "/a/../b//c" }} {{ isAbs "/a" }} {{ base "" }} {{ dir "a" }} {{ clean "" }} {{ osBase "a/b" }}"#,
        "b.c /a .c /b/c true . . . b",
    );
    check(
        r#"{{ trunc 2 "é" }}|{{ "a,b" | splitList "," | first }} {{ .Values.unicode | upper }} {{ .Values.unicode | trunc 5 }}"#,
        "é|a HÉLLO WÖRLD ☃ héll",
    );
}
