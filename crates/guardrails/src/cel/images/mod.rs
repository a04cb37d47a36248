//! What an ImageValidatingPolicy says about images: which it is about, where they are found, who must have signed them.
//!
//! Neither a registry nor a signature is looked at here: `policy` reads it whole, `verify` asks the facts, `judge` says
//! what becomes of it.

mod glob;
mod judge;
mod policy;
mod verify;

use ::cel::budget::Budget;
use ::cel::{Failure, Names, Program, Root, Scope, Value};
use serde_json::Value as Json;

use self::glob::Glob;
use super::body::{self, Variables};
use crate::cel::world::{self, Roots, World, root};
use crate::cursor::{Cursor, Refusal};
use crate::facts::NoFacts;

pub(super) use policy::read_policy;
pub(crate) use verify::Verifying;

/// What a policy about images may name beside its variables.
const ROOTS: [Root; 7] = [
    root::OBJECT,
    root::OLD_OBJECT,
    root::REQUEST,
    root::NAMESPACE_OBJECT,
    root::IMAGES,
    root::ATTESTORS,
    root::ATTESTATIONS,
];

/// The same before the images are known.
const BEFORE: [Root; 4] = [
    root::OBJECT,
    root::OLD_OBJECT,
    root::REQUEST,
    root::NAMESPACE_OBJECT,
];

/// How many of each a policy may have.
const MAX_ITEMS: usize = 100;

/// The longest text that is taken for the reference of an image.
const MAX_LENGTH: usize = 4096;

/// The images of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    /// Which it is about: any of these, all if there are none.
    references: Vec<Reference>,
    /// Where images are found beyond the containers of pods.
    extractors: Vec<(String, Program)>,
    attestors: Vec<Attestor>,
    /// Names, and what the registry keeps under them.
    attestations: Vec<(String, Json)>,
    credentials: Option<Json>,
    mutate_digest: bool,
    verify_digest: bool,
    required: bool,
}

#[derive(Debug, Clone)]
enum Reference {
    Glob(Glob),
    Expression(Program),
}

/// Somebody who signs.
#[derive(Debug, Clone)]
struct Attestor {
    name: String,
    /// As written.
    value: Json,
    /// Where something is computed: the place of its value, and how.
    computed: Vec<(&'static str, Program)>,
}

/// Where an attestor may have an expression, and where its value goes.
const COMPUTED: [(&str, &str); 6] = [
    ("/cosign/key", "/cosign/key/data"),
    ("/cosign/certificate/cert", "/cosign/certificate/cert/value"),
    (
        "/cosign/certificate/certChain",
        "/cosign/certificate/certChain/value",
    ),
    ("/cosign/trustedRoot", "/cosign/trustedRoot/value"),
    ("/notary/certs", "/notary/certs/value"),
    ("/notary/tsaCerts", "/notary/tsaCerts/value"),
];

impl Images {
    /// Reads what the spec of a policy says about images.
    pub(super) fn read(spec: &Cursor<'_>, variables: &Variables) -> Result<Images, Refusal> {
        let before = world::names(&BEFORE, &[]);
        let extractor = |item: &Cursor<'_>| {
            item.only(&["name", "expression"])?;
            let program = body::read_program(&item.required("expression")?, before)?;
            Ok((item.required("name")?.string()?.to_owned(), program))
        };
        let attestation = |item: &Cursor<'_>| {
            item.only(&["name", "intoto", "referrer"])?;
            let kinds: Vec<Cursor<'_>> = ["intoto", "referrer"]
                .into_iter()
                .filter_map(|kind| item.field(kind))
                .collect();
            let [kind] = kinds.as_slice() else {
                return Err(item.refuse("exactly one of intoto, referrer is needed here"));
            };
            kind.only(&["type"])?;
            kind.required("type")?.string()?;
            Ok((item.required("name")?.string()?.to_owned(), item.value.clone()))
        };
        let names = world::names(&ROOTS, &variables.names);
        let configuration = spec.field("validationConfigurations");
        if let Some(configuration) = &configuration {
            configuration.only(&["mutateDigest", "verifyDigest", "required"])?;
        }
        let flag = |name: &str| match &configuration {
            None => Ok(true),
            Some(configuration) => Ok(configuration.flag(name)?.unwrap_or(true)),
        };
        Ok(Images {
            references: each(spec.field("matchImageReferences"), Reference::read)?,
            extractors: each(spec.field("images"), extractor)?,
            attestors: each(Some(spec.required("attestors")?), |item| {
                Attestor::read(item, names)
            })?,
            attestations: each(spec.field("attestations"), attestation)?,
            credentials: match spec.field("credentials") {
                None => None,
                Some(credentials) => {
                    credentials.only(&["allowInsecureRegistry", "providers", "secrets"])?;
                    credentials.flag("allowInsecureRegistry")?;
                    credentials.strings("providers")?;
                    credentials.strings("secrets")?;
                    Some(credentials.value.clone())
                }
            },
            mutate_digest: flag("mutateDigest")?,
            verify_digest: flag("verifyDigest")?,
            required: flag("required")?,
        })
    }

    /// Whether the policy is about an image, as it is written.
    fn are_about(&self, image: &str, budget: &Budget) -> Result<bool, Failure> {
        if image.len() > MAX_LENGTH {
            let reason = format!("a reference has more than {MAX_LENGTH} characters");
            return Err(Failure::new(reason));
        }
        for reference in &self.references {
            budget.spend(1 + image.len() / 16)?;
            let matches = match reference {
                Reference::Glob(glob) => glob.matches(image),
                Reference::Expression(program) => {
                    let roots = Named(image);
                    let world = World::new(&NoFacts, &roots);
                    Scope::new(budget, &world).holds(program)?
                }
            };
            if matches {
                return Ok(true);
            }
        }
        Ok(self.references.is_empty())
    }
}

/// Reads every item of a list.
fn each<T>(
    list: Option<Cursor<'_>>,
    read: impl Fn(&Cursor<'_>) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let items = list.items()?;
    if items.len() > MAX_ITEMS {
        return Err(list.refuse(format!("there are more than {MAX_ITEMS} items")));
    }
    items.iter().map(read).collect()
}

impl Reference {
    fn read(item: &Cursor<'_>) -> Result<Reference, Refusal> {
        item.only(&["glob", "expression"])?;
        match (item.field("glob"), item.field("expression")) {
            (Some(glob), None) if glob.string()?.is_empty() => Err(glob.refuse("the glob is empty")),
            (Some(glob), None) => Glob::read(glob.string()?)
                .map(Reference::Glob)
                .map_err(|reason| glob.refuse(reason)),
            (None, Some(expression)) => {
                body::read_program(&expression, world::names(&[root::REF], &[])).map(Reference::Expression)
            }
            _ => Err(item.refuse("exactly one of glob, expression is needed here")),
        }
    }
}

/// The variable `ref`.
struct Named<'v>(&'v str);

impl<'v> Roots<'v> for Named<'v> {
    fn root(&self, root: Root) -> Value<'v> {
        match root {
            root::REF => Value::text(self.0),
            other => Value::Unknown(other.0.into()),
        }
    }
}

impl Attestor {
    fn read(item: &Cursor<'_>, names: Names<'_>) -> Result<Attestor, Refusal> {
        item.only(&["name", "cosign", "notary"])?;
        match (item.field("cosign"), item.field("notary")) {
            (Some(cosign), None) => check_cosign(&cosign)?,
            (None, Some(notary)) => {
                notary.only(&["certs", "tsaCerts"])?;
                for field in ["certs", "tsaCerts"] {
                    check_text(notary.field(field))?;
                }
            }
            _ => return Err(item.refuse("exactly one of cosign, notary is needed here")),
        }
        let mut computed = Vec::new();
        for (place, target) in COMPUTED {
            let mut below = place.trim_start_matches('/').split('/');
            let at = below.try_fold(item.clone(), |at, name| at.field(name));
            if let Some(expression) = at.and_then(|at| at.field("expression")) {
                computed.push((target, body::read_program(&expression, names)?));
            }
        }
        Ok(Attestor {
            name: item.required("name")?.string()?.to_owned(),
            value: item.value.clone(),
            computed,
        })
    }
}

/// Checks a text that is written out or computed.
fn check_text(cursor: Option<Cursor<'_>>) -> Result<(), Refusal> {
    let Some(cursor) = cursor else { return Ok(()) };
    cursor.only(&["value", "expression"])?;
    match (cursor.text("value")?, cursor.text("expression")?) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        _ => Err(cursor.refuse("exactly one of value, expression is needed here")),
    }
}

fn check_cosign(cosign: &Cursor<'_>) -> Result<(), Refusal> {
    cosign.only(&[
        "key",
        "keyless",
        "certificate",
        "source",
        "ctlog",
        "tuf",
        "annotations",
        "trustedRoot",
    ])?;
    if let Some(key) = cosign.field("key") {
        key.only(&["data", "kms", "hashAlgorithm", "expression"])?;
        for field in ["data", "kms", "hashAlgorithm", "expression"] {
            key.text(field)?;
        }
    }
    if let Some(keyless) = cosign.field("keyless") {
        keyless.only(&["identities", "roots", "additionalExtensions"])?;
        keyless.text("roots")?;
        keyless.string_map("additionalExtensions")?;
        for identity in keyless.required("identities")?.items()? {
            let fields = [
                "issuer",
                "subject",
                "issuerRegExp",
                "subjectRegExp",
                "subjectExpression",
            ];
            identity.only(&fields)?;
            for field in fields {
                identity.text(field)?;
            }
        }
    }
    if let Some(certificate) = cosign.field("certificate") {
        certificate.only(&["cert", "certChain"])?;
        check_text(certificate.field("cert"))?;
        check_text(certificate.field("certChain"))?;
    }
    check_text(cosign.field("trustedRoot"))?;
    if let Some(source) = cosign.field("source") {
        source.only(&["repository", "PullSecrets", "tagPrefix"])?;
        source.text("repository")?;
        source.text("tagPrefix")?;
    }
    if let Some(log) = cosign.field("ctlog") {
        let texts = ["url", "rekorPubKey", "ctLogPubKey", "tsaCertChain"];
        let flags = ["insecureIgnoreTlog", "insecureIgnoreSCT"];
        log.only(&[&texts[..], &flags].concat())?;
        for field in texts {
            log.text(field)?;
        }
        for field in flags {
            log.flag(field)?;
        }
    }
    if let Some(tuf) = cosign.field("tuf") {
        tuf.only(&["root", "mirror"])?;
        tuf.text("mirror")?;
        if let Some(root) = tuf.field("root") {
            root.only(&["path", "data"])?;
        }
    }
    cosign.string_map("annotations")?;
    Ok(())
}
