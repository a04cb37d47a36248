//! The grammar against Helm: what each assignment becomes was taken from `helm template` of Helm 4.3.1.

use serde_json::{Value as Json, json};

use super::Setting::{Json as AsJson, Literal, Text, Typed};
use super::{Setting, Values, float};
use crate::error::ChartError;

const BASE: &str = "m: {x: 1, deep: {z: 2}}\nl: [a, {k: v}, [i]]\nt: text\nu: null\n";

/// Reads an assignment over values, and compares what comes of it: JSON, or how the reason begins.
#[track_caller]
fn check_in(base: &str, setting: Setting, given: &str, expect: Result<&str, &str>) {
    let mut values = Values::default();
    values.file("base.yaml", base).unwrap();
    let found = values.set(setting, given);
    match (found, expect) {
        (Ok(()), Ok(expect)) => {
            let mut found = Json::Object(values.to_json());
            let mut expect: Json = serde_json::from_str(expect).unwrap();
            if setting == AsJson {
                float(&mut found);
                float(&mut expect);
            }
            assert_eq!(found, expect, "{given:?}");
        }
        (Err(ChartError::Set { reason, .. }), Err(expect)) => {
            assert!(reason.starts_with(expect), "{given:?}: {reason}, not {expect}");
        }
        (found, expect) => panic!("{given:?}: {found:?} with {:?}, not {expect:?}", values.to_json()),
    }
}

#[track_caller]
fn check(setting: Setting, given: &str, expect: Result<&str, &str>) {
    check_in("", setting, given, expect);
}

#[track_caller]
fn check_over(setting: Setting, given: &str, expect: Result<&str, &str>) {
    check_in(BASE, setting, given, expect);
}

#[test]
fn set_reads_types() {
    check(Typed, "", Ok("{}"));
    check(Typed, "a=1", Ok(r#"{"a":1}"#));
    check(Typed, "a=1,b=2", Ok(r#"{"a":1,"b":2}"#));
    check(Typed, "a=b,c=", Ok(r#"{"a":"b","c":""}"#));
    check(Typed, "a=", Ok(r#"{"a":""}"#));
    check(Typed, "a=,b=1", Ok(r#"{"a":"","b":1}"#));
    check(Typed, "a", Err(r#"key "a" has no value"#));
    check(Typed, "a,b=1", Err(r#"key "a" has no value (cannot end with ,)"#));
    check(Typed, "a=1,", Ok(r#"{"a":1}"#));
    check(Typed, "a=1,b", Err(r#"key "b" has no value"#));
    check(Typed, "=1", Ok("{}"));
    check(Typed, "=1,a=2", Ok(r#"{"a":2}"#));
    check(Typed, ",", Err(r#"key "" has no value (cannot end with ,)"#));
    check(Typed, "a=b=c", Ok(r#"{"a":"b=c"}"#));
    check(Typed, "a==", Ok(r#"{"a":"="}"#));
    check(Typed, "a= b ,c=d", Ok(r#"{"a":" b ","c":"d"}"#));
    check(Typed, r"a=1\,2", Ok(r#"{"a":"1,2"}"#));
    check(Typed, r"a\.b=1", Ok(r#"{"a.b":1}"#));
    check(Typed, r"a\=b=1", Ok(r#"{"a=b":1}"#));
    check(Typed, r"a=\\", Ok(r#"{"a":"\\"}"#));
    check(Typed, r"a=\n", Ok(r#"{"a":"n"}"#));
    check(Typed, r"a=b\", Ok(r#"{"a":"b"}"#));
    check(Typed, r"a=\{x\,y}", Ok(r#"{"a":"{x,y}"}"#));
    check(Typed, "a.b=1", Ok(r#"{"a":{"b":1}}"#));
    check(Typed, "a.b.c=x,a.b.d=y", Ok(r#"{"a":{"b":{"c":"x","d":"y"}}}"#));
    check(Typed, "a.=1", Err(r#"key map "a" has no value"#));
    check(Typed, ".a=1", Ok("{}"));
    check(Typed, "a..b=1", Err(r#"key map "a" has no value"#));
    check(Typed, "a.b", Err(r#"key "b" has no value"#));
    check(Typed, "a.", Ok("{}"));
    check(Typed, "a.b=", Ok(r#"{"a":{"b":""}}"#));
    check(Typed, "a=true", Ok(r#"{"a":true}"#));
    check(Typed, "a=TRUE", Ok(r#"{"a":true}"#));
    check(Typed, "a=False", Ok(r#"{"a":false}"#));
    check(Typed, "a=null", Ok(r#"{"a":null}"#));
    check(Typed, "a=NULL", Ok(r#"{"a":null}"#));
    check(Typed, "a=nil", Ok(r#"{"a":"nil"}"#));
    check(Typed, "a=~", Ok(r#"{"a":"~"}"#));
    check(Typed, "a=yes", Ok(r#"{"a":"yes"}"#));
    check(Typed, "a=0", Ok(r#"{"a":0}"#));
    check(Typed, "a=00", Ok(r#"{"a":"00"}"#));
    check(Typed, "a=007", Ok(r#"{"a":"007"}"#));
    check(Typed, "a=-0", Ok(r#"{"a":0}"#));
    check(Typed, "a=-5", Ok(r#"{"a":-5}"#));
    check(Typed, "a=+5", Ok(r#"{"a":5}"#));
    check(Typed, "a=1.5", Ok(r#"{"a":"1.5"}"#));
    check(Typed, "a=1e3", Ok(r#"{"a":"1e3"}"#));
    check(Typed, "a=0x10", Ok(r#"{"a":"0x10"}"#));
    check(Typed, "a=9223372036854775807", Ok(r#"{"a":9223372036854775807}"#));
    check(
        Typed,
        "a=9223372036854775808",
        Ok(r#"{"a":"9223372036854775808"}"#),
    );
    check(
        Typed,
        "a=-9223372036854775808",
        Ok(r#"{"a":-9223372036854775808}"#),
    );
    check(Typed, "a=1_000", Ok(r#"{"a":"1_000"}"#));
    check(Typed, "a= 1", Ok(r#"{"a":" 1"}"#));
    check(Typed, "a=true ", Ok(r#"{"a":"true "}"#));
    check(Typed, "a={}", Ok(r#"{"a":[""]}"#));
    check(Typed, "a={x}", Ok(r#"{"a":["x"]}"#));
    check(Typed, "a={x,y}", Ok(r#"{"a":["x","y"]}"#));
    check(
        Typed,
        "a={1,true,null,0,01,}",
        Ok(r#"{"a":[1,true,null,0,"01",""]}"#),
    );
    check(Typed, "a={x", Err("list must terminate with '}'"));
    check(Typed, "a={x,y", Err("list must terminate with '}'"));
    check(Typed, "a={x}b=1", Ok(r#"{"a":["x"],"b":1}"#));
    check(Typed, "a={x},b=1", Ok(r#"{"a":["x"],"b":1}"#));
    check(Typed, r"a={x\,y,z}", Ok(r#"{"a":["x,y","z"]}"#));
    check(Typed, r"a={\}}", Ok(r#"{"a":["}"]}"#));
    check(Typed, "a={{x}}", Err(r#"key "}" has no value"#));
    check(Typed, "a= {x}", Ok(r#"{"a":" {x}"}"#));
    check(Typed, "a={a=b,c}", Ok(r#"{"a":["a=b","c"]}"#));
    check(Typed, "{a}=1", Ok(r#"{"{a}":1}"#));
    check(Typed, "a[0]=1", Ok(r#"{"a":[1]}"#));
    check(Typed, "a[2]=x", Ok(r#"{"a":[null,null,"x"]}"#));
    check(Typed, "a[0]=x,a[1]=y", Ok(r#"{"a":["x","y"]}"#));
    check(Typed, "a[1]=y,a[0]=x", Ok(r#"{"a":["x","y"]}"#));
    check(Typed, "a[0].b=1", Ok(r#"{"a":[{"b":1}]}"#));
    check(Typed, "a[0].b=", Ok(r#"{"a":[]}"#));
    check(Typed, "a[0].b=1,a[0].c=2", Ok(r#"{"a":[{"b":1,"c":2}]}"#));
    check(Typed, "a[1].b=1", Ok(r#"{"a":[null,{"b":1}]}"#));
    check(Typed, "a[0].b.c[1]=x", Ok(r#"{"a":[{"b":{"c":[null,"x"]}}]}"#));
    check(Typed, "a[0][0]=1", Ok(r#"{"a":[[1]]}"#));
    check(Typed, "a[0][1]=x,a[1][0]=y", Ok(r#"{"a":[[null,"x"],["y"]]}"#));
    check(Typed, "a[0]", Ok(r#"{"a":[]}"#));
    check(Typed, "a[0", Ok("{}"));
    check(Typed, "a[", Ok("{}"));
    check(Typed, "a[]=1", Err("error parsing index: "));
    check(Typed, "a[x]=1", Err("error parsing index: "));
    check(Typed, "a[-1]=1", Err("negative -1 index not allowed"));
    check(Typed, "a[ 1]=1", Err("error parsing index: "));
    check(Typed, "a[+1]=1", Ok(r#"{"a":[null,1]}"#));
    check(Typed, "a[0]x=1", Err("unexpected data at end of array index: "));
    check(Typed, "a[0]=", Ok(r#"{"a":[""]}"#));
    check(Typed, "a[0]={x,y}", Ok(r#"{"a":[["x","y"]]}"#));
    check(Typed, "a[0]=null", Ok(r#"{"a":[null]}"#));
    check(Typed, "[0]=1", Ok("{}"));
    check(Typed, "a.b[0]=1", Ok(r#"{"a":{"b":[1]}}"#));
    check(Typed, "a[0].b[0].c=1", Ok(r#"{"a":[{"b":[{"c":1}]}]}"#));
    check(
        Typed,
        "a[65537]=1",
        Err("index of 65537 is greater than maximum supported index of 65536"),
    );
    check(Typed, "a[0][", Ok(r#"{"a":[]}"#));
    check(Typed, "a[0].", Ok(r#"{"a":[]}"#));
    check(Typed, "a[0],b=1", Err("unexpected data at end of array index: "));
    check(Typed, "a=1,a.b=2", Err("unable to parse key: "));
    check(Typed, "a=1,a[0]=2", Err("unable to parse key: "));
    check(Typed, "a.b=1,a[0]=2", Err("unable to parse key: "));
    check(Typed, "a[0]=1,a.b=2", Err("unable to parse key: "));
    check(Typed, "a[0]=1,a[0].b=2", Ok(r#"{"a":[{"b":2}]}"#));
    check(Typed, "a[0]=1,a[0][0]=2", Err("unable to parse key: "));
    check(Typed, "a=null,a.b=1", Err("unable to parse key: "));
    check(Typed, "a[0]=null,a[0][0]=1", Ok(r#"{"a":[[1]]}"#));
    check(Typed, "a[0]=null,a[0].b=1", Ok(r#"{"a":[{"b":1}]}"#));
    check(
        Typed,
        "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.b=1",
        Ok(
            r#"{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"b":1}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"#,
        ),
    );
    check(
        Typed,
        "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.b=1",
        Err("value name nested level is greater than maximum supported nested level of 30"),
    );
    check(Typed, "ä=ö", Ok(r#"{"ä":"ö"}"#));
    check(Typed, "a b=c d", Ok(r#"{"a b":"c d"}"#));
    check(Typed, "a='q'", Ok(r#"{"a":"'q'"}"#));
    check(Typed, r#"a="q""#, Ok(r#"{"a":"\"q\""}"#));
    check(Typed, "a=#x", Ok(r##"{"a":"#x"}"##));
    check(Typed, "a:b=c", Ok(r#"{"a:b":"c"}"#));
    check(Typed, "a/b=c", Ok(r#"{"a/b":"c"}"#));
    check(
        Typed,
        "a=http://x:8080/p?q=1",
        Ok(r#"{"a":"http://x:8080/p?q=1"}"#),
    );
    check(Typed, "a=a;b", Ok(r#"{"a":"a;b"}"#));
    check(Typed, "a=1\nb=2", Ok(r#"{"a":"1\nb=2"}"#));
    check_over(
        Typed,
        "m.x=5",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":5},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "m.deep.z=5",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":5},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "m.deep=5",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":5,"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "m=5",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":5,"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "m.deep.w={1}",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"w":[1],"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[0]=b",
        Ok(r#"{"l":["b",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[1].k=w",
        Ok(r#"{"l":["a",{"k":"w"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[1].j=w",
        Ok(r#"{"l":["a",{"j":"w","k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[2][0]=j",
        Ok(r#"{"l":["a",{"k":"v"},["j"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[2][3]=j",
        Ok(r#"{"l":["a",{"k":"v"},["i",null,null,"j"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[4]=e",
        Ok(r#"{"l":["a",{"k":"v"},["i"],null,"e"],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[0].q=1",
        Ok(r#"{"l":[{"q":1},{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[0].q=",
        Ok(r#"{"l":[{"q":""},{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[1].q=",
        Ok(r#"{"l":["a",{"k":"v","q":""},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(Typed, "l[0][0]=1", Err("unable to parse key: "));
    check_over(
        Typed,
        "l={n}",
        Ok(r#"{"l":["n"],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(Typed, "t.x=1", Err("unable to parse key: "));
    check_over(Typed, "t[0]=1", Err("unable to parse key: "));
    check_over(Typed, "u.x=1", Err("unable to parse key: "));
    check_over(Typed, "u[0]=1", Err("unable to parse key: "));
    check_over(
        Typed,
        "u=1",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":1}"#),
    );
    check_over(
        Typed,
        "m=null",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":null,"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "m.deep=null",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":null,"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "m.x=null,m.q=null",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"q":null,"x":null},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l=null",
        Ok(r#"{"l":null,"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(Typed, "m[0]=1", Err("unable to parse key: "));
    check_over(Typed, "l.x=1", Err("unable to parse key: "));
    check_over(
        Typed,
        "m.deep.",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[1].",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[2][",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Typed,
        "l[1]",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
}

#[test]
fn set_string_reads_text() {
    check(Text, "a=1", Ok(r#"{"a":"1"}"#));
    check(Text, "a=true,b=null", Ok(r#"{"a":"true","b":"null"}"#));
    check(Text, "a={1,null}", Ok(r#"{"a":["1","null"]}"#));
    check(Text, "a[0]=1", Ok(r#"{"a":["1"]}"#));
    check(Text, "a=0x1", Ok(r#"{"a":"0x1"}"#));
    check(Text, "a=", Ok(r#"{"a":""}"#));
    check(Text, "a=1,a=2", Ok(r#"{"a":"2"}"#));
    check(Text, "a", Err(r#"key "a" has no value"#));
}

#[test]
fn set_json_reads_json() {
    check(
        AsJson,
        r#"{"a":1,"b":{"c":[1,2.5,null]}}"#,
        Ok(r#"{"a":1,"b":{"c":[1,2.5,null]}}"#),
    );
    check(AsJson, r#" {"a":1}"#, Ok(r#"{"a":1}"#));
    check(AsJson, r#"{"a":1} x"#, Err(""));
    check(AsJson, r#"{"a":"#, Err(""));
    check(AsJson, "{}", Ok("{}"));
    check(AsJson, "a=1", Ok(r#"{"a":1}"#));
    check(AsJson, "a=1.5", Ok(r#"{"a":1.5}"#));
    check(AsJson, "a=1e3", Ok(r#"{"a":1000}"#));
    check(AsJson, r#"a="x""#, Ok(r#"{"a":"x"}"#));
    check(AsJson, "a=[1,2]", Ok(r#"{"a":[1,2]}"#));
    check(AsJson, r#"a={"b":1},c="d""#, Ok(r#"{"a":{"b":1},"c":"d"}"#));
    check(AsJson, "a=", Ok(r#"{"a":null}"#));
    check(AsJson, "a= ", Ok(r#"{"a":null}"#));
    check(AsJson, "a=,b=1", Ok(r#"{"a":null,"b":1}"#));
    check(AsJson, "a=null", Ok(r#"{"a":null}"#));
    check(AsJson, "a=1,b=2", Ok(r#"{"a":1,"b":2}"#));
    check(AsJson, "a= 1 , b=2", Ok(r#"{" b":2,"a":1}"#));
    check(AsJson, r#"a="x,y",b=1"#, Ok(r#"{"a":"x,y","b":1}"#));
    check(AsJson, "a=x", Err(""));
    check(AsJson, "a=tru", Err(""));
    check(AsJson, r#"a={"b""#, Err(""));
    check(AsJson, r#"a[0]={"x":1}"#, Ok(r#"{"a":[{"x":1}]}"#));
    check(AsJson, "a[1]=2", Ok(r#"{"a":[null,2]}"#));
    check(AsJson, "a[0]=", Ok(r#"{"a":[null]}"#));
    check(AsJson, "a.b=[]", Ok(r#"{"a":{"b":[]}}"#));
    check(AsJson, "a=1b=2", Ok(r#"{"a":1,"b":2}"#));
    check(AsJson, "a=1.", Err(""));
    check(AsJson, "a=01", Err(""));
    check(AsJson, "a=-", Err(""));
    check(AsJson, r#"a="x" "y""#, Err(""));
    check(
        AsJson,
        "a=12345678901234567890",
        Ok(r#"{"a":12345678901234567000}"#),
    );
    check(AsJson, r#"a="\u00e9""#, Ok(r#"{"a":"é"}"#));
    check(AsJson, r#"a={"b":1}c=2"#, Ok(r#"{"a":{"b":1},"c":2}"#));
    check(AsJson, "a=1e400", Err(""));
    check(AsJson, "a", Err(""));
    check_over(
        AsJson,
        r#"m={"q":1}"#,
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"q":1},"t":"text","u":null}"#),
    );
    check_over(
        AsJson,
        r#"{"m":{"q":1}}"#,
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"q":1,"x":1},"t":"text","u":null}"#),
    );
    check_over(
        AsJson,
        r#"m.deep={"q":1}"#,
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"q":1},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        AsJson,
        r#"l[0]={"q":1}"#,
        Ok(r#"{"l":[{"q":1},{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        AsJson,
        "m=null",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":null,"t":"text","u":null}"#),
    );
    check_over(
        AsJson,
        r#"{"m":null}"#,
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":null,"t":"text","u":null}"#),
    );
}

#[test]
fn set_literal_reads_one_assignment() {
    check(Literal, "a=1", Ok(r#"{"a":"1"}"#));
    check(Literal, "a=x,b=y", Ok(r#"{"a":"x,b=y"}"#));
    check(Literal, "a={x,y}", Ok(r#"{"a":"{x,y}"}"#));
    check(Literal, r"a=\,\\", Ok(r#"{"a":"\\,\\\\"}"#));
    check(Literal, "a=", Ok(r#"{"a":""}"#));
    check(Literal, "a", Err(r#"key "a" has no value"#));
    check(Literal, "a.b=c=d", Ok(r#"{"a":{"b":"c=d"}}"#));
    check(Literal, "a[0]=x", Ok(r#"{"a":["x"]}"#));
    check(Literal, "a[1].b=y", Ok(r#"{"a":[null,{"b":"y"}]}"#));
    check(Literal, "a,b=c", Ok(r#"{"a,b":"c"}"#));
    check(Literal, r"a\.b=c", Ok(r#"{"a\\":{"b":"c"}}"#));
    check(Literal, "=x", Ok("{}"));
    check(Literal, "a[0", Ok("{}"));
    check(Literal, "a[0][1]=z", Ok(r#"{"a":[[null,"z"]]}"#));
    check(Literal, "a.b", Err(r#"key "b" has no value"#));
    check(Literal, "a[x]=1", Err("error parsing index: "));
    check(Literal, "a=\n x\n", Ok(r#"{"a":"\n x\n"}"#));
    check_over(
        Literal,
        "m.x=5",
        Ok(r#"{"l":["a",{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":"5"},"t":"text","u":null}"#),
    );
    check_over(Literal, "t.x=1", Err("unable to parse key: "));
    check_over(
        Literal,
        "l[1].j=1",
        Ok(r#"{"l":["a",{"j":"1","k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
    check_over(
        Literal,
        "l[0].q=1",
        Ok(r#"{"l":[{"q":"1"},{"k":"v"},["i"]],"m":{"deep":{"z":2},"x":1},"t":"text","u":null}"#),
    );
}

#[test]
fn files_are_taken_by_set_file() {
    let mut values = Values::default();
    let read = |path: &str| match path {
        "a.txt" => Ok("1\n".to_owned()),
        other => Err(format!("there is no {other}")),
    };
    values
        .set_files("a=a.txt,b[0].c=a.txt,d={a.txt,a.txt},e=", read)
        .unwrap();
    assert_eq!(
        Json::Object(values.to_json()),
        json!({"a": "1\n", "b": [{"c": "1\n"}], "d": ["1\n", "1\n"], "e": ""})
    );
    let error = values.set_files("x=b.txt", read).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed parsing --set-file data \"x=b.txt\": there is no b.txt"
    );
}

#[test]
fn what_a_few_letters_may_ask_for_is_bounded() {
    let check = |given: String, expect: &str| {
        let mut values = Values::default();
        let outcome = values.set(Setting::Typed, &given);
        match outcome {
            Err(ChartError::Set { reason, given, .. }) => {
                assert!(reason.contains(expect), "{reason}");
                assert!(given.chars().count() <= 81, "{given}");
            }
            other => panic!("{other:?}"),
        }
    };
    check(
        format!("a{}=1", "[0]".repeat(10_000)),
        "nested more than 100 deep",
    );
    let many: Vec<String> = (0..100).map(|n| format!("a{n}[65536]=1")).collect();
    check(many.join(","), "more than 4194304 elements together");
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "[a-c=.,\\[\\]{}\\\\0-9 ä\"]{0,40}", setting in 0..4) {
        let setting = [Typed, Text, AsJson, Literal][setting as usize];
        let mut values = Values::default();
        values.file("base.yaml", "a: {b: [1, {c: 2}]}\nb: text\nc: [[1]]\n").unwrap();
        drop(values.set(setting, &text));
    }
}
