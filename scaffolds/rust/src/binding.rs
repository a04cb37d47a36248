// scaffold:file if database or cache

//! Finding the dependencies.

use std::io::ErrorKind;
use std::path::Path;

/// Finds the address of a dependency: the environment variable if it is set, else the uri of the binding with one of
/// the given types under `SERVICE_BINDING_ROOT` (<https://servicebinding.io>).
/// The address holds a password: it belongs into no log and no error.
pub fn address(
    env: &dyn Fn(&str) -> Option<String>,
    variable: &str,
    types: &[&str],
) -> Result<String, String> {
    if let Some(value) = env(variable) {
        return Ok(value);
    }
    let Some(root) = env("SERVICE_BINDING_ROOT") else {
        return Err(format!(
            "neither {variable} nor SERVICE_BINDING_ROOT is set"
        ));
    };
    let unreadable = |error| format!("read the bindings under {root}: {error}");
    let mut bindings = Vec::new();
    for binding in std::fs::read_dir(&root).map_err(unreadable)? {
        bindings.push(binding.map_err(unreadable)?.path());
    }
    bindings.sort();
    for binding in bindings {
        let kind = entry(&binding, "type")?;
        if kind.is_some_and(|kind| types.contains(&kind.as_str())) {
            return entry(&binding, "uri")?
                .ok_or_else(|| format!("the binding {} has no uri", binding.display()));
        }
    }
    Err(format!(
        "{variable} is not set and no binding under {root} is of type {}",
        types.join(" or ")
    ))
}

/// An entry of a binding; none where it is not there.
fn entry(binding: &Path, name: &str) -> Result<Option<String>, String> {
    match std::fs::read_to_string(binding.join(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(format!("read the binding {}: {error}", binding.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_variable_wins_and_then_the_first_binding_of_a_type() {
        let root = std::env::temp_dir().join(format!("bindings-{}", std::process::id()));
        // As Kubernetes mounts them.
        for (entry, content) in [
            ("a-cache/type", "redis"),
            ("a-cache/uri", "redis://cache:6379\n"),
            ("b-database/type", "postgresql\n"),
            ("b-database/uri", "postgres://database"),
            ("c-queue/type", "rabbitmq"),
            ("..data/uri", "no type"),
            ("a-file", "no binding"),
        ] {
            let path = root.join(entry);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let bound = root.to_str().unwrap().to_owned();
        let nowhere = format!("{bound}/none");
        let check = |url: &str, root: &str, types: &[&str], want: Result<&str, &str>| {
            let env = |variable: &str| {
                let value = if variable == "X_URL" { url } else { root };
                Some(value.to_owned()).filter(|value| !value.is_empty())
            };
            match (address(&env, "X_URL", types), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want),
                (Err(got), Err(want)) => assert!(got.contains(want), "{got}, not {want}"),
                (got, want) => panic!("{got:?}, not {want:?}"),
            }
        };
        check("redis://here", &bound, &["redis"], Ok("redis://here"));
        check("", &bound, &["redis"], Ok("redis://cache:6379"));
        check(
            "",
            &bound,
            &["postgres", "postgresql"],
            Ok("postgres://database"),
        );
        check("", &bound, &["mysql"], Err("of type mysql"));
        check("", &bound, &["rabbitmq"], Err("c-queue"));
        check("", &nowhere, &["redis"], Err("read the bindings"));
        check(
            "",
            "",
            &["redis"],
            Err("neither X_URL nor SERVICE_BINDING_ROOT"),
        );
        fs::remove_dir_all(&root).unwrap();
    }
}
