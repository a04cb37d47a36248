//! What Kubernetes declares: the types, functions and operators that rules of CustomResourceDefinitions may use, and
//! what they take and give. Of what is evaluated elsewhere (`math`, `regex`, `base64`) nothing is declared there.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::compile;

use super::types::{Bound, Type, assign, resolved};

/// Name, whether it is a method, and for each way to call it the arguments and, behind a colon, the result. `A` and `B`
/// are any type.
pub(super) const FUNCTIONS: &[(&str, bool, &str)] = &[
    ("_==_", false, "A,A:bool"),
    ("_!=_", false, "A,A:bool"),
    ("_<_", false, ORDERED),
    ("_<=_", false, ORDERED),
    ("_>_", false, ORDERED),
    ("_>=_", false, ORDERED),
    ("@in", false, "A,list(A):bool A,map(A,B):bool"),
    (
        "_+_",
        false,
        "int,int:int uint,uint:uint double,double:double string,string:string bytes,bytes:bytes list(A),list(A):list(A) \
         timestamp,duration:timestamp duration,timestamp:timestamp duration,duration:duration",
    ),
    (
        "_-_",
        false,
        "int,int:int uint,uint:uint double,double:double timestamp,timestamp:duration timestamp,duration:timestamp \
         duration,duration:duration",
    ),
    ("_*_", false, "int,int:int uint,uint:uint double,double:double"),
    ("_/_", false, "int,int:int uint,uint:uint double,double:double"),
    ("_%_", false, "int,int:int uint,uint:uint"),
    ("!_", false, "bool:bool"),
    ("-_", false, "int:int double:double"),
    ("_?_:_", false, "bool,A,A:A"),
    ("_[_]", false, "list(A),int:A map(A,B),A:B"),
    ("size", false, SIZED),
    ("size", true, SIZED),
    (
        "int",
        false,
        "int:int uint:int double:int string:int timestamp:int duration:int",
    ),
    ("uint", false, "uint:uint int:uint double:uint string:uint"),
    (
        "double",
        false,
        "double:double int:double uint:double string:double",
    ),
    (
        "string",
        false,
        "string:string bool:string int:string uint:string double:string bytes:string timestamp:string duration:string \
         net.IP:string net.CIDR:string",
    ),
    ("bytes", false, "bytes:bytes string:bytes"),
    ("bool", false, "bool:bool string:bool"),
    ("dyn", false, "A:dyn"),
    ("type", false, "A:type"),
    (
        "timestamp",
        false,
        "timestamp:timestamp string:timestamp int:timestamp",
    ),
    (
        "duration",
        false,
        "duration:duration string:duration int:duration",
    ),
    ("matches", false, "string,string:bool"),
    ("matches", true, "string,string:bool"),
    ("startsWith", true, "string,string:bool"),
    ("endsWith", true, "string,string:bool"),
    ("contains", true, "string,string:bool"),
    ("getFullYear", true, TIME),
    ("getMonth", true, TIME),
    ("getDate", true, TIME),
    ("getDayOfMonth", true, TIME),
    ("getDayOfWeek", true, TIME),
    ("getDayOfYear", true, TIME),
    ("getHours", true, SPAN),
    ("getMinutes", true, SPAN),
    ("getSeconds", true, SPAN),
    ("getMilliseconds", true, SPAN),
    ("optional.of", false, "A:optional(A)"),
    ("optional.ofNonZeroValue", false, "A:optional(A)"),
    ("optional.none", false, ":optional(A)"),
    ("optional.unwrap", false, "list(optional(A)):list(A)"),
    ("unwrapOpt", true, "list(optional(A)):list(A)"),
    ("hasValue", true, "optional(A):bool"),
    ("value", true, "optional(A):A"),
    ("or", true, "optional(A),optional(A):optional(A)"),
    ("orValue", true, "optional(A),A:A"),
    ("charAt", true, "string,int:string"),
    (
        "indexOf",
        true,
        "string,string:int string,string,int:int list(A),A:int",
    ),
    (
        "lastIndexOf",
        true,
        "string,string:int string,string,int:int list(A),A:int",
    ),
    ("join", true, "list(string):string list(string),string:string"),
    ("lowerAscii", true, "string:string"),
    ("upperAscii", true, "string:string"),
    (
        "replace",
        true,
        "string,string,string:string string,string,string,int:string",
    ),
    (
        "split",
        true,
        "string,string:list(string) string,string,int:list(string)",
    ),
    ("substring", true, "string,int:string string,int,int:string"),
    ("trim", true, "string:string"),
    ("format", true, "string,list(dyn):string"),
    ("strings.quote", false, "string:string"),
    ("find", true, "string,string:string"),
    (
        "findAll",
        true,
        "string,string:list(string) string,string,int:list(string)",
    ),
    ("isSorted", true, "list(A):bool"),
    ("sum", true, "list(A):A"),
    ("min", true, "list(A):A"),
    ("max", true, "list(A):A"),
    ("slice", true, "list(A),int,int:list(A)"),
    ("flatten", true, "list(list(A)):list(A) list(dyn),int:list(dyn)"),
    ("sort", true, "list(A):list(A)"),
    ("distinct", true, "list(A):list(A)"),
    ("reverse", true, "list(A):list(A)"),
    ("first", true, "list(A):optional(A)"),
    ("last", true, "list(A):optional(A)"),
    ("lists.range", false, "int:list(int)"),
    ("sets.contains", false, "list(A),list(A):bool"),
    ("sets.equivalent", false, "list(A),list(A):bool"),
    ("sets.intersects", false, "list(A),list(A):bool"),
    ("url", false, "string:kubernetes.URL"),
    ("isURL", false, "string:bool"),
    ("getScheme", true, "kubernetes.URL:string"),
    ("getHost", true, "kubernetes.URL:string"),
    ("getHostname", true, "kubernetes.URL:string"),
    ("getPort", true, "kubernetes.URL:string"),
    ("getEscapedPath", true, "kubernetes.URL:string"),
    ("getQuery", true, "kubernetes.URL:map(string,list(string))"),
    ("ip", false, "string:net.IP"),
    ("ip", true, "net.CIDR:net.IP"),
    ("isIP", false, "string:bool"),
    ("ip.isCanonical", false, "string:bool"),
    ("family", true, "net.IP:int"),
    ("isUnspecified", true, "net.IP:bool"),
    ("isLoopback", true, "net.IP:bool"),
    ("isLinkLocalMulticast", true, "net.IP:bool"),
    ("isLinkLocalUnicast", true, "net.IP:bool"),
    ("isGlobalUnicast", true, "net.IP:bool"),
    ("cidr", false, "string:net.CIDR"),
    ("isCIDR", false, "string:bool"),
    ("containsIP", true, "net.CIDR,net.IP:bool net.CIDR,string:bool"),
    (
        "containsCIDR",
        true,
        "net.CIDR,net.CIDR:bool net.CIDR,string:bool",
    ),
    ("masked", true, "net.CIDR:net.CIDR"),
    ("prefixLength", true, "net.CIDR:int"),
    ("quantity", false, "string:kubernetes.Quantity"),
    ("isQuantity", false, "string:bool"),
    ("sign", false, "kubernetes.Quantity:int"),
    ("isInteger", true, "kubernetes.Quantity:bool"),
    ("asInteger", true, "kubernetes.Quantity:int"),
    ("asApproximateFloat", true, "kubernetes.Quantity:double"),
    ("add", true, COUNTED),
    ("sub", true, COUNTED),
    ("isGreaterThan", true, COMPARED),
    ("isLessThan", true, COMPARED),
    (
        "compareTo",
        true,
        "kubernetes.Quantity,kubernetes.Quantity:int kubernetes.Semver,kubernetes.Semver:int",
    ),
    (
        "semver",
        false,
        "string:kubernetes.Semver string,bool:kubernetes.Semver",
    ),
    ("isSemver", false, "string:bool string,bool:bool"),
    ("major", true, "kubernetes.Semver:int"),
    ("minor", true, "kubernetes.Semver:int"),
    ("patch", true, "kubernetes.Semver:int"),
    ("format.named", false, "string:optional(kubernetes.NamedFormat)"),
    ("format.dns1123Label", false, FORMAT),
    ("format.dns1123Subdomain", false, FORMAT),
    ("format.dns1035Label", false, FORMAT),
    ("format.qualifiedName", false, FORMAT),
    ("format.dns1123LabelPrefix", false, FORMAT),
    ("format.dns1123SubdomainPrefix", false, FORMAT),
    ("format.dns1035LabelPrefix", false, FORMAT),
    ("format.labelValue", false, FORMAT),
    ("format.uri", false, FORMAT),
    ("format.uuid", false, FORMAT),
    ("format.byte", false, FORMAT),
    ("format.date", false, FORMAT),
    ("format.datetime", false, FORMAT),
    (
        "validate",
        true,
        "kubernetes.NamedFormat,string:optional(list(string))",
    ),
];

const ORDERED: &str = "bool,bool:bool int,int:bool uint,uint:bool double,double:bool string,string:bool bytes,bytes:bool \
     timestamp,timestamp:bool duration,duration:bool int,uint:bool int,double:bool uint,int:bool uint,double:bool \
     double,int:bool double,uint:bool";
const SIZED: &str = "string:int bytes:int list(A):int map(A,B):int";
const TIME: &str = "timestamp:int timestamp,string:int";
const SPAN: &str = "timestamp:int timestamp,string:int duration:int";
const COUNTED: &str =
    "kubernetes.Quantity,kubernetes.Quantity:kubernetes.Quantity kubernetes.Quantity,int:kubernetes.Quantity";
const COMPARED: &str =
    "kubernetes.Quantity,kubernetes.Quantity:bool kubernetes.Semver,kubernetes.Semver:bool";
const FORMAT: &str = ":kubernetes.NamedFormat";

/// Names of types that come with libraries; those of the language itself are known wherever it is read.
const TYPES: [&str; 7] = [
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "net.IP",
    "net.CIDR",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.URL",
];

/// One way to call a function.
struct Overload {
    takes: Vec<Type>,
    gives: Type,
}

type Known = HashMap<(&'static str, bool), Vec<Overload>>;

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let overloads = |written: &'static str| written.split_whitespace().filter_map(overload).collect();
        FUNCTIONS
            .iter()
            .map(|(name, method, written)| ((*name, *method), overloads(written)))
            .collect()
    })
}

fn overload(written: &'static str) -> Option<Overload> {
    let (takes, gives) = written.rsplit_once(':')?;
    let takes = if takes.is_empty() {
        Vec::new()
    } else {
        parts(takes)
    };
    Some(Overload {
        takes: takes.into_iter().map(read).collect(),
        gives: read(gives),
    })
}

/// What stands between commas that are in no parentheses.
fn parts(written: &'static str) -> Vec<&'static str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in written.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&written[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&written[from..]);
    parts
}

fn read(written: &'static str) -> Type {
    let inner = |of: &str| written.strip_prefix(of)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(item) = inner("list") {
        return Type::list(read(item));
    }
    if let Some(item) = inner("optional") {
        return Type::optional(read(item));
    }
    if let Some([key, value]) = inner("map").map(parts).as_deref() {
        return Type::map(read(key), read(value));
    }
    match written {
        "A" => Type::Any(0),
        "B" => Type::Any(1),
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::UInt,
        "double" => Type::Double,
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        name => Type::Named(name),
    }
}

/// Whether there is a function or method of this name.
pub(super) fn is_known(name: &str, method: bool) -> bool {
    // A name of this table is found under any name that is the same text.
    FUNCTIONS
        .iter()
        .any(|(known, its_method, _)| *known == name && *its_method == method)
}

/// What a function gives for such arguments; `None` when it does not take them.
pub(super) fn result(name: &str, method: bool, arguments: &[Type]) -> Option<Type> {
    let (name, ..) = FUNCTIONS
        .iter()
        .find(|(known, its_method, _)| *known == name && *its_method == method)?;
    let mut found: Option<Type> = None;
    for overload in known().get(&(*name, method))? {
        if overload.takes.len() != arguments.len() {
            continue;
        }
        let mut bound = Bound::new();
        let mut pairs = overload.takes.iter().zip(arguments);
        if !pairs.all(|(wanted, given)| assign(&mut bound, wanted, given)) {
            continue;
        }
        let gives = resolved(&bound, &overload.gives);
        found = Some(match found {
            None => gives,
            // Only when it is evaluated it is known which of them is called.
            Some(before) if before.to_string() == gives.to_string() => before,
            Some(_) => Type::Dyn,
        });
    }
    found
}

/// The type of a name that is a type.
pub(super) fn type_of(name: &str) -> Option<Type> {
    let is_type = compile::TYPES.contains(&name) || TYPES.contains(&name);
    is_type.then_some(Type::Named("type"))
}
