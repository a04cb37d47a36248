//! Semantic versions.

use super::Kind::Text;
use super::{Function, fixed, text_of};
use crate::object::Object;
use crate::value::Value;
use crate::version::{Range, Version};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("semver", &[Text], |_, args| {
        Ok(Value::object(Object::SemVer(Version::parse(&text_of(&args[0]))?)))
    }),
    fixed("semverCompare", &[Text, Text], |_, args| {
        let range = Range::parse(&text_of(&args[0]))?;
        Ok(Value::Bool(range.contains(&Version::parse(&text_of(&args[1]))?)))
    }),
];
