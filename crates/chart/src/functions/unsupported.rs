//! Sprig's functions that this engine knows by name only. A chart that mentions them loads; a render that
//! calls one ends with an error that says so.

use super::Kind::Any;
use super::{Function, Outcome, variadic};
use crate::template::Engine;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("bcrypt", &[], Any, passwords),
    variadic("htpasswd", &[], Any, passwords),
    variadic("derivePassword", &[], Any, passwords),
    variadic("encryptAES", &[], Any, passwords),
    variadic("decryptAES", &[], Any, passwords),
    variadic("genPrivateKey", &[], Any, certificates),
    variadic("buildCustomCert", &[], Any, certificates),
    variadic("genCA", &[], Any, certificates),
    variadic("genCAWithKey", &[], Any, certificates),
    variadic("genSelfSignedCert", &[], Any, certificates),
    variadic("genSelfSignedCertWithKey", &[], Any, certificates),
    variadic("genSignedCert", &[], Any, certificates),
    variadic("genSignedCertWithKey", &[], Any, certificates),
    variadic("toToml", &[], Any, formats),
    variadic("mustToToml", &[], Any, formats),
    variadic("fromToml", &[], Any, formats),
    variadic("toYamlPretty", &[], Any, formats),
];

fn passwords(_: &Engine<'_>, _: &[Value]) -> Outcome {
    Err("this engine makes and hides no passwords; give the chart an existing Secret".into())
}

fn certificates(_: &Engine<'_>, _: &[Value]) -> Outcome {
    Err(
        "this engine makes no keys or certificates; give the chart an existing Secret, or use cert-manager"
            .into(),
    )
}

fn formats(_: &Engine<'_>, _: &[Value]) -> Outcome {
    Err("this engine neither reads nor writes this format; use toYaml, fromYaml or toJson".into())
}
