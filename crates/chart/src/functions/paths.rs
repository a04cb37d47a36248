//! Paths with slashes: Go's `path`, and `path/filepath` on Unix, which is the same.

use super::Kind::Text;
use super::{Function, fixed, string, text_of};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("base", &[Text], |_, args| string(base(&text_of(&args[0])))),
    fixed("osBase", &[Text], |_, args| string(base(&text_of(&args[0])))),
    fixed("dir", &[Text], |_, args| string(dir(&text_of(&args[0])))),
    fixed("osDir", &[Text], |_, args| string(dir(&text_of(&args[0])))),
    fixed("clean", &[Text], |_, args| string(clean(&text_of(&args[0])))),
    fixed("osClean", &[Text], |_, args| string(clean(&text_of(&args[0])))),
    fixed("ext", &[Text], |_, args| string(ext(&text_of(&args[0])))),
    fixed("osExt", &[Text], |_, args| string(ext(&text_of(&args[0])))),
    fixed("isAbs", &[Text], |_, args| {
        Ok(Value::Bool(text_of(&args[0]).starts_with('/')))
    }),
    fixed("osIsAbs", &[Text], |_, args| {
        Ok(Value::Bool(text_of(&args[0]).starts_with('/')))
    }),
];

pub(super) fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |dot| &name[dot..])
}

fn clean(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
