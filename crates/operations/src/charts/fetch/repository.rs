//! A classic chart repository: `index.yaml` lists charts, their versions, where each lies and its digest.

use serde_json::Value;

use super::address::Address;
use super::web::{failed, hinted};
use crate::error::{ExitCode, OperationError, nearest};

/// A chart as an index lists it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The version that was chosen.
    pub(super) version: String,
    /// Where it lies: an address, or a path from the repository.
    pub(super) url: String,
    /// The SHA-256 of the packed chart, where the index gives it.
    pub(super) digest: Option<String>,
}

/// Finds the newest version of a chart that fits.
pub(super) fn choose(
    repository: &Address,
    index: &str,
    name: &str,
    range: &str,
) -> Result<Entry, OperationError> {
    let document = yaml::parse(index)
        .map_err(|error| failed(repository, format!("its index.yaml cannot be read: {error}")))?;
    let Some(charts) = document.value["entries"].as_object() else {
        return Err(hinted(
            repository,
            "its index.yaml lists no charts",
            ExitCode::Failed,
            "--repo takes the address of a chart repository, which helm repo add takes too",
        ));
    };
    let missing = |what, name: &str, hint| OperationError::NotFound {
        what,
        name: name.to_owned(),
        place: Some(repository.to_string()),
        hint,
    };
    let Some(entries) = charts.get(name).and_then(Value::as_array) else {
        let lists = charts.iter().filter(|(_, entries)| entries.is_array());
        let near = nearest(name, lists.map(|(name, _)| name.as_str()));
        return Err(missing(
            "chart",
            name,
            near.map(|near| format!("did you mean {near}?")),
        ));
    };
    let versions = || entries.iter().filter_map(|entry| entry["version"].as_str());
    let version = super::newest(range, versions(), || {
        let named = if range.is_empty() {
            name.to_owned()
        } else {
            format!("{name} {range}")
        };
        missing("version", &named, super::some_versions(versions()))
    })?;
    let entry = entries.iter().find(|entry| entry["version"] == version);
    let text = |pointer: &str| {
        entry
            .and_then(|entry| entry.pointer(pointer))
            .and_then(Value::as_str)
    };
    let url = text("/urls/0").ok_or_else(|| {
        failed(
            repository,
            format!("its index.yaml does not say where {name} {version} lies"),
        )
    })?;
    Ok(Entry {
        version: version.to_owned(),
        url: url.to_owned(),
        digest: text("/digest")
            .filter(|digest| !digest.is_empty())
            .map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "apiVersion: v1\nentries:\n  hello:\n  - version: 1.2.0\n    urls: [charts/hello-1.2.0.tgz]\n    \
                         digest: abc\n  - version: 1.10.0\n    urls: [https://x/hello.tgz, y]\n  - version: 2.0.0-rc.1\n    \
                         urls: [z]\n  - version: 1.1.0\n  - nothing\n  odd: text\n";

    fn check(index: &str, name: &str, range: &str, expect: &str) {
        let repository = Address::parse("https://charts.example.com/stable").unwrap();
        let found = match choose(&repository, index, name, range) {
            Ok(entry) => format!(
                "{} {} {}",
                entry.version,
                entry.url,
                entry.digest.unwrap_or_default()
            ),
            Err(error) => format!("{error} | {}", error.hint().unwrap_or_default()),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn an_entry_is_chosen() {
        check(INDEX, "hello", "", "1.10.0 https://x/hello.tgz ");
        check(INDEX, "hello", "~1.2", "1.2.0 charts/hello-1.2.0.tgz abc");
        check(INDEX, "hello", "2.0.0-rc.1", "2.0.0-rc.1 z ");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let place = "https://charts.example.com/stable";
        check(
            INDEX,
            "helo",
            "",
            &format!("there is no chart called \"helo\" in {place} | did you mean hello?"),
        );
        check(
            INDEX,
            "odd",
            "",
            &format!("there is no chart called \"odd\" in {place} | "),
        );
        check(
            INDEX,
            "hello",
            ">3",
            &format!(
                "there is no version called \"hello >3\" in {place} | there are 2.0.0-rc.1, 1.10.0, 1.2.0, 1.1.0"
            ),
        );
        check(
            INDEX,
            "hello",
            "1.1.0",
            &format!("cannot fetch {place}: its index.yaml does not say where hello 1.1.0 lies | "),
        );
        check(
            "a: b",
            "hello",
            "",
            &format!(
                "cannot fetch {place}: its index.yaml lists no charts | --repo takes the address of a chart repository, \
                 which helm repo add takes too"
            ),
        );
    }
}
